"""Limits that stop guessing and lock nobody out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from limits.storage import MemoryStorage
from pydantic import ValidationError
from safestats.sync_server.app import create_app
from safestats.sync_server.identity.network import client_network
from safestats.sync_server.identity.tries import TRIES_AS_A_USER, TRIES_WHERE_KNOWN, SignInTries
from safestats.sync_server.settings import Settings, parse_networks
from safestats.tests.server.identity_rig import code
from safestats.tests.server.trust_rig import PASSWORD, USERNAME, Server, bearer

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

PROXY = "10.0.0.1"


@pytest.fixture
def behind_a_proxy(server: Server) -> Iterator[Server]:
    """The server as it is reached through a trusted proxy."""
    settings = server.services.settings.model_copy(update={"trusted_proxies": "10.0.0.0/8"})
    app = create_app(settings)
    with TestClient(app, raise_server_exceptions=False, client=(PROXY, 1234)) as client:
        yield Server(app, app.state.services, client)


def sign_in(server: Server, address: str, password: str = PASSWORD, username: str = USERNAME) -> tuple[int, str]:
    body = {"username": username, "password": password}
    answer = server.client.post("/v1/session", json=body, headers={"X-Forwarded-For": address})
    return (201, answer.json()["token"]) if answer.status_code == 201 else code(answer)


def work(server: Server, address: str) -> None:
    """Sign in and accept, so that the person is known at the address."""
    body = {"username": USERNAME, "password": PASSWORD}
    pending = server.client.post("/v1/session", json=body, headers={"X-Forwarded-For": address}).json()
    assert server.accept(pending).status_code == 200


def test_an_attacker_elsewhere_locks_nobody_out(behind_a_proxy: Server) -> None:
    server = behind_a_proxy
    for _ in range(TRIES_AS_A_USER):
        assert sign_in(server, "198.51.100.7", "a guess") == (401, "wrong-password")
    assert sign_in(server, "198.51.100.7", "a guess") == (429, "too-many-tries")
    # Not even the right password is tried there now; from anywhere else it gets in.
    assert sign_in(server, "198.51.100.7") == (429, "too-many-tries")
    assert sign_in(server, "192.0.2.5")[0] == 201


def test_an_address_full_of_failures_stays_open_to_who_has_worked_there(behind_a_proxy: Server) -> None:
    server = behind_a_proxy
    server.services.__dict__["sign_in_tries"] = SignInTries(from_an_address=20)
    work(server, "192.0.2.5")
    for number in range(20):
        sign_in(server, "192.0.2.5", "a guess", f"user{number}")
    assert sign_in(server, "192.0.2.5", PASSWORD, "stranger") == (429, "too-many-tries")
    assert sign_in(server, "192.0.2.5")[0] == 201
    # And a flood at that very person from there is stopped all the same.
    answers = [sign_in(server, "192.0.2.5", "a guess") for _ in range(TRIES_WHERE_KNOWN + 1)]
    assert answers[-1] == (429, "too-many-tries") and answers[0] == (401, "wrong-password")


def test_a_pending_sign_in_makes_no_address_known(behind_a_proxy: Server) -> None:
    server = behind_a_proxy
    server.services.__dict__["sign_in_tries"] = SignInTries(from_an_address=3)
    assert sign_in(server, "192.0.2.5")[0] == 201
    for number in range(3):
        sign_in(server, "192.0.2.5", "a guess", f"user{number}")
    assert sign_in(server, "192.0.2.5") == (429, "too-many-tries")


def test_a_flood_from_everywhere_slows_strangers_down_and_nobody_else() -> None:
    naps: list[float] = []
    tries = SignInTries(in_all=50, sleep=naps.append)
    for number in range(50):
        assert tries.permit(f"user{number}", f"198.51.100.{number}")
        tries.failed(f"198.51.100.{number}")
    assert naps == []
    assert tries.permit("stranger", "203.0.113.1") and len(naps) == 1
    assert tries.permit("regular", "192.0.2.5", known=True) and len(naps) == 1


def test_strangers_in_a_flood_go_one_by_one() -> None:
    running, most = [], []

    def nap(_seconds: float) -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()

    tries = SignInTries(in_all=0, sleep=nap)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda n: tries.permit(f"user{n}", "203.0.113.1"), range(8)))
    assert max(most) == 1 and len(most) == 8


@pytest.mark.parametrize("question", ["permit", "permit_code", "permit_reset", "permit_start"])
def test_where_counting_fails_the_answer_is_no(question: str) -> None:
    class Broken(MemoryStorage):
        def acquire_entry(self, *_args: object, **_more: object) -> bool:
            raise ConnectionError

    words = {"permit": ("ann", "192.0.2.1"), "permit_code": ("ann", "192.0.2.1")}.get(question, ("192.0.2.1",))
    assert getattr(SignInTries(), question)(*words)
    assert not getattr(SignInTries(Broken()), question)(*words)


def test_a_flood_of_refusals_is_one_event_a_window(behind_a_proxy: Server) -> None:
    server = behind_a_proxy
    for _ in range(TRIES_AS_A_USER + 5):
        sign_in(server, "198.51.100.7", "a guess")
        sign_in(server, "198.51.100.7", "a guess", "nobody")
    told = [(e["reason"], e["actor"] == "unknown") for e in server.events() if e["outcome"] == "refused"]
    # At most twice, where a window ended meanwhile.
    assert set(told) == {(r, u) for r in ("wrong-password", "too-many-tries") for u in (True, False)}
    assert len(told) <= 8
    assert all(e["filter"] == {"address": "198.51.100.7"} for e in server.events() if e["outcome"] == "refused")


def test_the_client_is_counted_not_the_proxy_nor_what_it_makes_up(behind_a_proxy: Server) -> None:
    server = behind_a_proxy
    for number in range(TRIES_AS_A_USER):
        # Each time another made-up address in front of the true one.
        sign_in(server, f"203.0.113.{number}, 198.51.100.7", "a guess")
    assert sign_in(server, "192.0.2.99, 198.51.100.7") == (429, "too-many-tries")


def test_without_a_trusted_proxy_the_header_says_nothing(server: Server) -> None:
    for number in range(TRIES_AS_A_USER):
        sign_in(server, f"203.0.113.{number}", "a guess")
    assert sign_in(server, "192.0.2.5") == (429, "too-many-tries")


PROXIES = parse_networks("10.0.0.0/8, 2001:db8:ffff::/48")


@pytest.mark.parametrize(
    "peer, forwarded, expected",
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", ["not an address"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, <script>"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:ffff::9", ["2001:db8:1:2:aaaa::1"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::7", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:3::7", [], "2001:db8:1:3::/64"),
        ("testclient", ["198.51.100.1"], "unknown"),
    ],
)
def test_where_a_request_comes_from(peer: str, forwarded: list[str], expected: str) -> None:
    assert client_network(peer, forwarded, PROXIES) == expected


def test_a_setting_that_names_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Settings(data_dir=tmp_path, trusted_proxies="10.0.0.0/33")


def test_a_session_says_where_it_was_opened(behind_a_proxy: Server) -> None:
    token = sign_in(behind_a_proxy, "2001:db8:1:2:bbbb::7")[1]
    pending = {**behind_a_proxy.client.get("/v1/session/conditions", headers=bearer(token)).json(), "token": token}
    headers = bearer(behind_a_proxy.accept(pending).json()["token"])
    (own,) = behind_a_proxy.client.get("/v1/sessions", headers=headers).json()["sessions"]
    assert own["address"] == "2001:db8:1:2::/64"
