"""Whatever goes wrong is told as a problem document, and none of them tells what is hidden."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from safestats.shared.problems import ProblemDocument
from safestats.sync_server.about import VERSION
from safestats.sync_server.app import LONGEST_BODY, create_app
from safestats.sync_server.clients.oldest import OLDEST_CLIENT
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity import sessions
from safestats.sync_server.settings import Settings
from safestats.tests.server.trust_rig import USERNAME, Server, bearer

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

ROOT = Path(__file__).resolve().parents[2]


def problem(response) -> ProblemDocument:
    assert response.headers["content-type"] == "application/problem+json"
    document = ProblemDocument.from_json(response.json())
    assert document.status == response.status_code
    return document


def test_about_and_health_need_no_session(server: Server) -> None:
    assert server.client.get("/v1/about").json() == {
        "name": "SafeStats",
        "version": VERSION,
        "api_version": 1,
        "synthetic": False,
        "lease_days": 14,
        "oldest_client": OLDEST_CLIENT,
    }
    assert server.client.get("/v1/health").json() == {"status": "ok"}


def test_the_bare_address_leads_to_the_console(server: Server) -> None:
    answer = server.client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    assert "/" not in server.client.get("/v1/openapi.json").json()["paths"]


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == VERSION


def test_unknown_routes_and_methods(server: Server) -> None:
    assert problem(server.client.get("/v2/secrets")).code == "not-found"
    answer = server.client.put("/v1/session")
    assert problem(answer).code == "method-not-allowed"
    assert "POST" in answer.headers["allow"] or "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": USERNAME}, "password"),
        ({"username": USERNAME, "password": ["hunter2"]}, "password"),
        ({"username": USERNAME, "password": "hunter2" * 1000}, "password"),
        ("hunter2", ""),
    ],
)
def test_invalid_requests_name_the_field_and_echo_nothing(server: Server, body: object, field: str) -> None:
    answer = server.client.post("/v1/session", json=body)
    document = problem(answer)
    assert (document.status, document.code) == (422, "invalid-request")
    assert [entry["field"] for entry in document.extra["errors"]] == [field]
    assert "hunter2" not in answer.text


def test_a_body_that_is_no_json(server: Server) -> None:
    answer = server.client.post("/v1/session", content=b"{hunter2", headers={"Content-Type": "application/json"})
    assert problem(answer).code == "invalid-request"
    assert "hunter2" not in answer.text


def test_a_body_that_is_too_long_is_refused_declared_or_not(server: Server) -> None:
    too_long = b"x" * (LONGEST_BODY + 1)
    assert problem(server.client.post("/v1/session", content=too_long)).status == 413
    chunks = (too_long[start : start + 65_536] for start in range(0, len(too_long), 65_536))
    headers = {"Content-Type": "application/json"}
    assert problem(server.client.post("/v1/session", content=chunks, headers=headers)).status == 413


def test_a_failure_has_a_reference_that_is_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise RuntimeError("hunter2")

    headers = server.active()
    monkeypatch.setattr("safestats.sync_server.sync.service.layers", fail)
    answer = server.client.get("/v1/layers", headers=headers)
    document = problem(answer)
    assert (document.status, document.code) == (500, "server-failure")
    assert "hunter2" not in answer.text
    assert document.extra["reference"] in document.detail
    assert document.extra["reference"] in caplog.text and "hunter2" in caplog.text


def test_a_server_that_is_not_initialised_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(SafeStatsError, match="safestats init"):
        create_app(Settings(data_dir=tmp_path))


def test_while_a_load_holds_the_writer_people_are_asked_to_come_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PERSONS_PATIENCE_MS", 50)
    token = server.sign_in().json()["token"]
    with server.services.database.write() as load:
        load.connection()
        answer = server.client.delete("/v1/session", headers=bearer(token))
    assert (problem(answer).status, problem(answer).code) == (503, "busy")
    assert answer.headers["Retry-After"] == "60"
    # Without a session nobody queues at all.
    with server.services.database.write() as load:
        load.connection()
        stranger = server.client.delete("/v1/session", headers=bearer("nobody"))
    assert problem(stranger).status == 401


def test_what_the_database_cannot_keep_is_the_requests_fault(server: Server) -> None:
    for username in ("nul\x00", "x" * 10_000, "\ud800"):
        answer = server.client.post(
            "/v1/session", content=json.dumps({"username": username, "password": "three words"})
        )
        assert answer.status_code in (401, 422), (username[:10], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
