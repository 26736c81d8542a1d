"""Needs-assessment packs on the web: asked for in the console and over the interface, made by the worker or at once."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi.testclient import TestClient
from playwright.sync_api import sync_playwright
from safestats.sync_server.agreements import service
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.instants import now
from safestats.sync_server.needs import requests
from safestats.sync_server.needs.models import NeedsRequest, RequestState
from safestats.sync_server.publishing.clerk import Clerk
from safestats.sync_server.publishing.worker_lock import sole_worker
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import CAMDEN, HACKNEY, PASSWORD, Console
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.needs_rig import load_police
from sqlalchemy import update

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

CHROMIUM = shutil.which("chromium")
KINDS = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with databases_of_a_test():
        folder = tmp_path_factory.mktemp("needs-web")
        settings = settings_for(folder / "server")
        console_rig.make_server(settings)
        services = open_services(settings, Part.PUBLISHER)
        load_police(services, folder, rows_a_month=8)
        services.close()
        yield settings


@pytest.fixture(scope="module")
def console(server: Settings) -> Iterator[Console]:
    with console_rig.running(server) as running:
        yield running


def token_of(path: str) -> str:
    return path.rpartition("/")[2]


def test_an_analyst_asks_and_fetches_and_nobody_else_does(console: Console) -> None:
    analyst = console.as_("camden.analyst")
    page = analyst.get("/console/needs")
    assert "Camden" in page.text and "for the purpose of this session" in page.text
    done = analyst.send(page, "/console/needs", borough=CAMDEN, mode="public")
    assert done.status == 200 and "is ready" in done.text and "it may be published" in done.text
    links = [link for link in done.links if link.endswith((".html", ".pdf", ".xlsx"))]
    assert len(links) == 3
    digests = console.events()[-1]["filter"]["files"]
    for link in links:
        answer = analyst.client.get(link)
        assert answer.status_code == 200 and answer.headers["content-disposition"].startswith("attachment")
        assert hashlib.sha256(answer.content).hexdigest() == digests[link.rpartition("/")[2]]
    assert "OFFICIAL" in analyst.client.get(links[0]).text
    # It is listed, and its person's alone.
    assert done.path in analyst.get("/console/needs").links
    for other in ("hackney.analyst", "camden.admin"):
        assert console.as_(other).get(done.path).status == 404
        assert console.as_(other).get(links[0]).status == 404
    assert analyst.get(f"{done.path}/another.pdf").status == 404


def test_another_borough_is_refused_in_a_sentence(console: Console) -> None:
    analyst = console.as_("camden.analyst")
    page = analyst.send(analyst.get("/console/needs"), "/console/needs", borough=HACKNEY, mode="public")
    assert page.status == 422 and "No agreement of London Borough of Camden opens a dataset of Hackney" in page.text
    event = console.events()[-1]
    assert (event["event"], event["outcome"], event["reason"]) == ("needs.make", "refused", "pack-not-covered")
    nothing = analyst.send(analyst.get("/console/needs"), "/console/needs", borough="", mode="")
    assert nothing.status == 422 and "Choose the borough." in nothing.text and "Choose whom" in nothing.text


def test_the_team_makes_one_for_an_organisation(console: Console) -> None:
    team = console.as_("gla.publisher")
    page = team.get("/console/needs")
    assert "Choose the organisation" in team.send(page, "/console/needs", borough=CAMDEN, mode="public").text
    done = team.send(page, "/console/needs", borough=CAMDEN, mode="operational", organisation="camden")
    assert "is ready" in done.text and "not to be published" in done.text
    event = console.events()[-1]
    assert event["organisation"] == "camden" and event["purpose"] == "needs-assessment"


@contextmanager
def suspended(console: Console, settings: Settings, reference: str) -> Iterator[None]:
    services = open_services(settings, Part.PUBLISHER)
    for change in (service.suspend, service.resume):
        with services.database.write() as session:
            agreement = service.find_agreement(session, reference)
            change(services, session, COMMAND_LINE, agreement, *(["Under review"] if change is service.suspend else []))
        if change is service.suspend:
            yield
    services.close()


def test_a_pack_is_not_fetched_once_the_agreement_is_suspended(console: Console, server: Settings) -> None:
    analyst = console.as_("camden.analyst")
    done = analyst.send(analyst.get("/console/needs"), "/console/needs", borough=CAMDEN, mode="public")
    (link,) = [link for link in done.links if link.endswith(".pdf")]
    assert analyst.client.get(link).status_code == 200
    with suspended(console, server, "DSA-CAMDEN-MPS"):
        answer = analyst.get(link)
        assert answer.status == 403 and "suspended" in answer.text
    assert analyst.client.get(link).status_code == 200


def test_a_file_leaves_only_under_the_agreements_of_all_that_is_in_it(console: Console) -> None:
    analyst = console.as_("camden.analyst")
    done = analyst.send(analyst.get("/console/needs"), "/console/needs", borough=CAMDEN, mode="public")
    (link,) = [link for link in done.links if link.endswith(".xlsx")]
    answer = analyst.client.get(link)
    event = console.events()[-1]
    assert (event["event"], event["outcome"], event["filter"]["file"]) == ("needs.fetch", "ok", link.split("/")[-1])
    assert event["filter"]["sha256"] == hashlib.sha256(answer.content).hexdigest()
    # As if it had been made of ambulances as well, or under the agreement before this one: the police alone is open.
    for agreements, code in (
        ({"mps": "DSA-CAMDEN-MPS", "las": "DSA-CAMDEN-LAS"}, "no-agreement"),
        ({"mps": "DSA-CAMDEN-MPS-OLD"}, "agreement-changed"),
        ({}, "agreement-changed"),
    ):
        with console.services.database.write() as session:
            request = session.get_one(NeedsRequest, token_of(done.path))
            assert request.asked["agreements"]
            before, request.asked = request.asked, {**request.asked, "agreements": agreements}
        assert analyst.get(link).status == 403
        event = console.events()[-1]
        assert (event["event"], event["outcome"], event["reason"]) == ("needs.fetch", "refused", code)
        with console.services.database.write() as session:
            session.get_one(NeedsRequest, token_of(done.path)).asked = before


def test_a_pack_whose_worker_died_is_told_by_the_next(console: Console, server: Settings) -> None:
    analyst = console.as_("camden.analyst")
    done = analyst.send(analyst.get("/console/needs"), "/console/needs", borough=CAMDEN, mode="public")
    with console.services.database.write() as session:
        request = session.get_one(NeedsRequest, token_of(done.path))
        request.state, request.files = RequestState.RUNNING, {}
        request.asked = {**request.asked, "waited": False}  # as a worker had taken it
    assert "is being made" in analyst.get(done.path).text
    services = open_services(server, Part.PUBLISHER)
    with Clerk(services, lambda: True).at_work():
        ends = time.monotonic() + 20
        while "broken off" not in analyst.get(done.path).text and time.monotonic() < ends:
            time.sleep(0.2)
    services.close()
    assert "could not be made" in analyst.get(done.path).text


def test_a_worker_that_starts_leaves_a_pack_to_the_web_process_that_makes_it(
    console: Console, server: Settings
) -> None:
    analyst = console.as_("camden.analyst")
    done = analyst.send(analyst.get("/console/needs"), "/console/needs", borough=CAMDEN, mode="public")
    token = token_of(done.path)
    with console.services.database.write() as session:
        session.get_one(NeedsRequest, token).state = RequestState.RUNNING  # nobody but this process works at it
    services = open_services(server, Part.PUBLISHER)
    requests.fail_broken_off(services)
    requests.tidy(services)
    assert "is being made" in analyst.get(done.path).text
    # A web process that never came to its end is told of in time.
    with console.services.database.write() as session:
        session.get_one(NeedsRequest, token).requested_at = now() - requests.LONGEST_WAIT - timedelta(minutes=1)
    requests.tidy(services)
    services.close()
    assert "broken off" in analyst.get(done.path).text


def active(client: TestClient, username: str) -> dict[str, str]:
    pending = client.post("/v1/session", json={"username": username, "password": PASSWORD}).json()
    headers = {"Authorization": f"Bearer {pending['token']}"}
    body = {
        "conditions_version": pending["conditions"]["version"],
        "conditions_sha256": pending["conditions"]["sha256"],
        "purpose": "needs-assessment",
    }
    answer = client.post("/v1/session/accept", json=body, headers=headers)
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def test_the_interface_gives_the_same(console: Console) -> None:
    client = console.visitor().client
    headers = active(client, "camden.analyst")
    asked = client.post("/v1/needs-packs", json={"borough": "Camden", "mode": "operational"}, headers=headers)
    assert asked.status_code == 202 and asked.json()["state"] == "done", asked.text
    pack = client.get(f"/v1/needs-packs/{asked.json()['token']}", headers=headers).json()
    assert pack == asked.json()
    for name, digest in pack["files"].items():
        answer = client.get(f"/v1/needs-packs/{pack['token']}/{name}", headers=headers)
        assert hashlib.sha256(answer.content).hexdigest() == digest
        ending = name.rpartition(".")[2]
        assert ending == "xlsx" or answer.headers["content-type"] == KINDS[ending]
    for body, status, code in (
        ({"borough": "Hackney", "mode": "public"}, 403, "pack-not-covered"),
        ({"borough": "Atlantis", "mode": "public"}, 422, "invalid-request"),
        ({"borough": "Camden", "mode": "secret"}, 422, "invalid-request"),
    ):
        refused = client.post("/v1/needs-packs", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    officer = active(client, "camden.officer")
    assert (
        client.post("/v1/needs-packs", json={"borough": "Camden", "mode": "public"}, headers=officer).json()["code"]
        == "role-not-permitted"
    )
    assert client.get(f"/v1/needs-packs/{pack['token']}", headers=officer).status_code == 404
    assert client.get("/v1/needs-packs/" + "0" * 32, headers=headers).json()["code"] == "no-pack"


def test_where_a_worker_lives_it_makes_the_pack(console: Console, server: Settings) -> None:
    analyst = console.as_("camden.analyst")
    with sole_worker(server.data_dir) as mine:
        assert mine
        began = time.monotonic()
        waiting = analyst.send(analyst.get("/console/needs"), "/console/needs", borough=CAMDEN, mode="public")
        assert "is being made" in waiting.text and not any(link.endswith(".pdf") for link in waiting.links)
        assert time.monotonic() - began < 30
        services = open_services(server, Part.PUBLISHER)
        assert requests.any_waits(services)
        made = []
        both = [threading.Thread(target=lambda: made.append(requests.make_next(services))) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert not requests.any_waits(services) and not requests.make_next(services)
        services.close()
    assert "is ready" in analyst.get(waiting.path).text
    # Two who take it up make it once.
    token = token_of(waiting.path)
    packs = [event["filter"].get("pack") for event in console.events() if event["event"] == "needs.make"]
    assert len(packs[-1:]) == 1 and packs.count(packs[-1]) == 1
    with console.services.database.read() as session:
        assert session.get_one(NeedsRequest, token).state == RequestState.DONE


def test_a_pack_is_kept_for_a_day(console: Console, server: Settings) -> None:
    analyst = console.as_("camden.analyst")
    done = analyst.send(analyst.get("/console/needs"), "/console/needs", borough=CAMDEN, mode="public")
    folder = server.needs_packs_dir / token_of(done.path)
    assert folder.is_dir() and folder.stat().st_mode & 0o077 == 0
    with console.services.database.write() as session:
        session.execute(
            update(NeedsRequest)
            .where(NeedsRequest.token == token_of(done.path))
            .values(requested_at=now() - timedelta(hours=25))
        )
    assert analyst.get(done.path).status == 404
    requests.tidy(console.services)
    assert not folder.exists()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed.")
def test_the_pages_are_accessible_and_fit_a_phone(console: Console, tmp_path: Path) -> None:
    analyst = console.as_("camden.analyst")
    first = analyst.get("/console/needs")
    done = analyst.send(first, "/console/needs", borough=CAMDEN, mode="public")
    style = Path(console_rig.__file__).parents[2] / "sync_server" / "console" / "static" / "console.css"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for page in (first, done):
            view = browser.new_page()
            view.set_content(page.response.text)
            view.add_style_tag(content=style.read_text(encoding="utf-8"))
            found = Axe().run(view)
            assert found.violations_count == 0, found.generate_report()
            view.set_viewport_size({"width": 320, "height": 640})
            assert view.evaluate("document.documentElement.scrollWidth") <= 320
