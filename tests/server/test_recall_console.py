"""The console's pages on recalls: who may read them, and what they tell."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from safestats.sync_server.audit.events import EventType
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import find_user
from safestats.sync_server.instants import now
from safestats.sync_server.recall.models import Recall, RecallKind, RecallState
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import PEOPLE, Console
from safestats.tests.server.engines import settings_for

RECALL = "0123456789abcdef"


def furnish(services: Services) -> None:
    """A recall that two of three have not synced since."""
    with services.database.write() as session:
        session.add(
            Recall(
                recall_id=RECALL,
                dataset="btp",
                kind=RecallKind.ROWS,
                of_release=None,
                reason="A court order, our reference 17/26.",
                may_return=False,
                asked_by="command-line",
                asked_at=now(),
                incidents=1,
                versions=2,
                months=["", "2026-05"],
                agreements={"DSA-CAMDEN-BTP": True, "DSA-HACKNEY-BTP": False},
                first_release=2,
                state=RecallState.DONE,
                release=4,
            )
        )
        users = {name: find_user(session, name).id for name in PEOPLE}
    pulls = [("camden.analyst", 2), ("camden.admin", 3), ("hackney.analyst", 3), ("camden.admin", 4)]
    for number, (name, release) in enumerate(pulls):
        home = PEOPLE[name][1]
        members = {
            "actor": users[name],
            "organisation": home,
            "agreement": f"DSA-{home.upper()}-BTP",
            "dataset": "btp",
            "session": f"session-{number}",
        }
        pulled = services.audit.intent(EventType.LAYER_PULL, filter={"release": release}, rows=10, **members)
        services.audit.outcome(pulled, completed=True, part="file")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    settings = settings_for(tmp_path_factory.mktemp("console") / "server")
    console_rig.make_server(settings)
    services = open_services(settings, Part.PUBLISHER)
    furnish(services)
    services.close()
    with console_rig.running(settings) as running:
        yield running


def test_auditors_read_who_held_it_and_who_has_not_synced(console: Console) -> None:
    auditor = console.as_("gla.auditor")
    listed = auditor.get("/console/recall")
    assert listed.status == 200 and RECALL in listed.text and "17/26" in listed.text
    page = auditor.get(f"/console/recall/{RECALL}")
    assert page.status == 200 and "1 of 3 people may still have a copy" in page.text and "undated" in page.text
    assert page.text.index("camden.analyst") < page.text.index("camden.admin") and "hackney.analyst" in page.text
    answer = auditor.client.get(f"/console/recall/{RECALL}/holders.csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [(line["organisation"], line["rights show it"], line["synced since"]) for line in lines] == [
        ("camden", "yes", "not since"),
        ("camden", "yes", "yes"),
        ("hackney", "no", "not since"),
    ]
    assert [event["filter"] for event in console.events() if event["event"] == "recall.read"] == [
        {"recall": RECALL}
    ] * 2
    assert auditor.get("/console/recall/unheard-of").status == 404


@pytest.mark.parametrize("username", [name for name, (role, _) in PEOPLE.items()])
def test_others_do_not(console: Console, username: str) -> None:
    permitted = PEOPLE[username][0] in (Role.AUDITOR, Role.SYSTEM_ADMIN)
    for path in ("/console/recall", f"/console/recall/{RECALL}", f"/console/recall/{RECALL}/holders.csv"):
        status = console.as_(username).client.get(path).status_code
        assert status == (200 if permitted else 403), path
