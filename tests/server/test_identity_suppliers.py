"""Suppliers, people and machines: each sees its own deliveries, and one hospital's key opens nothing of another's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity import machine_keys, organisations, people
from safestats.sync_server.identity.models import MachineKey, Role
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part
from safestats.tests.server.identity_rig import active_session, add_home, add_person, clock, code
from safestats.tests.server.trust_rig import Server, bearer
from sqlalchemy import select

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

__all__ = ["clock"]


@pytest.fixture(autouse=True)
def deliveries(server: Server) -> None:
    """Of the dataset “lfb”, from two sites, and of “mps”."""
    add_home(server, "trust", "An NHS Trust")
    at = datetime(2026, 11, 1, 9, tzinfo=UTC)
    # On PostgreSQL only who loads may write them.
    database = open_database(server.services.settings, Part.PUBLISHER)
    with database.write() as session:
        for number, (dataset, site) in enumerate(
            [("lfb", "st-thomas"), ("lfb", "st-marys"), ("mps", "st-thomas"), ("lfb", ""), ("lfb", "st-thomas")]
        ):
            session.add(
                Delivery(
                    dataset=dataset,
                    site=site,
                    release=number + 1,
                    loaded_at=at + timedelta(days=number),
                    synthetic=True,
                    area_edition="lsoa-2011",
                    files=[{"name": "secret-name.csv"}],
                    rows_in=10,
                    accepted=9,
                    rejected=1,
                    duplicates=0,
                    left=0,
                    report={},
                )
            )
    database.engine.dispose()


def key(server: Server, dataset: str = "lfb", site: str = "st-thomas", days: int = 30) -> str:
    return machine_keys.add_key(server.services, "command-line", "Loader", "trust", dataset, site, days).key


def releases(server: Server, token: str, **query: str) -> list[int]:
    answer = server.client.get("/v1/supplier/deliveries", params=query, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    return [delivery["release"] for delivery in answer.json()["deliveries"]]


def refusal(server: Server, token: str, **query: str) -> tuple[int, dict]:
    answer = server.client.get("/v1/supplier/deliveries", params=query, headers=bearer(token))
    return answer.status_code, answer.json()


def test_a_machine_sees_its_own_site_of_its_own_dataset(server: Server) -> None:
    thomas, marys = key(server), key(server, site="st-marys")
    assert releases(server, thomas) == [5, 1] and releases(server, marys) == [2]
    assert releases(server, key(server, site="")) == [4]  # no site is a site of its own, not every site
    answer = server.client.get("/v1/supplier", headers=bearer(thomas)).json()
    assert answer["organisation"] == "An NHS Trust"
    assert [(s["dataset"], s["site"]) for s in answer["supplies"]] == [("lfb", "st-thomas")]
    assert "secret-name" not in server.client.get("/v1/supplier/deliveries", headers=bearer(thomas)).text
    read = [e for e in server.events() if e["event"] == "supplies.read"][0]
    assert (read["dataset"], read["filter"], read["outcome"]) == ("lfb", {"site": "st-thomas"}, "ok")


def test_anothers_site_cannot_be_told_from_none(server: Server) -> None:
    thomas = key(server)
    there = refusal(server, thomas, dataset="lfb", site="st-marys")
    assert there[0] == 404 and there[1]["code"] == "no-such-supply"
    for query in ({"site": "no-such-hospital"}, {"dataset": "mps"}, {"dataset": "no-such-set"}, {"site": ""}):
        assert refusal(server, thomas, **query) == there
    assert releases(server, thomas, dataset="lfb", site="st-thomas") == [5, 1]
    assert "st-marys" not in str([e for e in server.events() if e["event"] == "supplies.read"])


def test_a_machine_that_asks_without_end_does_not_flood_the_audit(
    server: Server, clock: Callable[[timedelta], None]
) -> None:
    thomas = key(server)

    def told() -> int:
        return [e["event"] for e in server.events()].count("supplies.read")

    for _ in range(5):
        releases(server, thomas)
        refusal(server, thomas, site="st-marys")
    assert told() <= 4  # two questions, in a minute and perhaps the next
    before = told()
    clock(timedelta(minutes=5))
    releases(server, thomas)
    assert told() == before + 1


def test_a_key_opens_nothing_else(server: Server) -> None:
    headers = bearer(key(server))
    for path in ("/v1/session", "/v1/layers", "/v1/sessions", "/v1/postcodes/SE1", "/v1/session/conditions"):
        assert code(server.client.get(path, headers=headers)) == (401, "not-signed-in"), path


def test_a_key_is_shown_once_and_kept_as_a_hash(server: Server) -> None:
    secret = key(server)
    assert secret.startswith("sk_") and len(secret) > 50
    with server.services.database.read() as session:
        entry = session.scalars(select(MachineKey)).one()
    assert secret.startswith(entry.prefix) and secret not in str(vars(entry)) and len(entry.prefix) < 16
    assert secret not in str(server.events()) and entry.prefix not in str(server.events())


def test_unknown_expired_and_revoked_keys_answer_the_same(server: Server, clock: Callable[[timedelta], None]) -> None:
    revoked, expiring = key(server), key(server, days=1)
    entry = revoked[: revoked.index("_", 3)]
    machine_keys.revoke_key(server.services, "command-line", entry)
    machine_keys.revoke_key(server.services, "command-line", entry)  # again changes nothing
    answers = [refusal(server, token) for token in (revoked, "sk_unknown", revoked[:-1], entry)]
    clock(timedelta(days=1, seconds=1))
    answers.append(refusal(server, expiring))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 401 and answers[0][1]["code"] == "key-not-valid"
    clock(timedelta(0))
    assert releases(server, expiring) == [5, 1]
    assert [e["event"] for e in server.events()].count("key.revoke") == 1
    organisations.set_active(server.services, "command-line", "trust", False)
    assert refusal(server, expiring) == answers[0]


def test_the_last_use_is_noted(server: Server) -> None:
    releases(server, key(server))
    with server.services.database.read() as session:
        assert session.scalars(select(MachineKey)).one().last_used_at is not None


def test_a_suppliers_person_sees_its_sites_after_accepting_the_conditions(server: Server) -> None:
    sites = (("lfb", "st-thomas"), ("mps", "st-thomas"))
    person = add_person(server, "sue", Role.SUPPLIER, "trust", sites=sites)
    pending = server.sign_in("sue").json()
    assert code(server.client.get("/v1/supplier", headers=bearer(pending["token"]))) == (
        403,
        "conditions-not-accepted",
    )
    token = server.accept(pending).json()["token"]
    assert releases(server, token) == [5, 3, 1] and releases(server, token, dataset="mps") == [3]
    assert refusal(server, token, site="st-marys")[0] == 404
    people.change_role(server.services, "command-line", person.id, Role.SUPPLIER, [("lfb", "st-marys")])
    assert refusal(server, token)[1]["code"] == "session-ended"
    token = active_session(server, "sue")["Authorization"].split()[1]
    assert releases(server, token) == [2]


@pytest.mark.parametrize("role", [Role.ANALYST, Role.SYSTEM_ADMIN, Role.AUDITOR])
def test_others_are_no_suppliers(server: Server, role: Role) -> None:
    add_person(server, "rob", role)
    headers = active_session(server, "rob")
    for path in ("/v1/supplier", "/v1/supplier/deliveries"):
        assert code(server.client.get(path, headers=headers)) == (403, "role-not-permitted")


@pytest.mark.parametrize(
    "words, told",
    [
        (("Loader", "trust", "made-up", "", 30), "no dataset"),
        (("Loader", "nobody", "lfb", "", 30), "no organisation"),
        (("", "trust", "lfb", "", 30), "needs a name"),
        (("Loader", "trust", "lfb", "a site/../", 30), "no site"),
        (("Loader", "trust", "lfb", "", 0), "lives for"),
        (("Loader", "trust", "lfb", "", 10_000), "lives for"),
    ],
)
def test_an_unfit_key_is_refused(server: Server, words: tuple, told: str) -> None:
    with pytest.raises(SafeStatsError, match=told):
        machine_keys.add_key(server.services, "command-line", *words)
