"""Saved queries: one's own, shared within the organisation, and silent to those who may not run them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyogrio
import pytest
import shapely
from httpx import Response
from safestats.sync_server.agreements.models import AgreementState
from safestats.sync_server.datasets.areas import load_areas
from safestats.sync_server.datasets.models import AreaLevel
from safestats.sync_server.identity.forgetting import forget
from safestats.sync_server.identity.models import Organisation, SignIn, User
from safestats.sync_server.instants import now
from safestats.sync_server.needs.denominators import load_denominators
from safestats.sync_server.queries.forgetting import forget_queries
from safestats.sync_server.queries.models import SavedQuery
from safestats.sync_server.queries.service import MOST_OWN
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import CAMDEN, HACKNEY, PASSWORD, Console
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.needs_rig import CITY, denominators_csv, load_police
from sqlalchemy import select, text, update

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

NAME = "Robbery beside the Refuge in Albany Street"
ASKED: dict[str, Any] = {
    "dataset": "mps",
    "from_month": "2025-01",
    "to_month": "2025-12",
    "categories": [["Robbery"]],
    "within": "boroughs",
    "codes": [CAMDEN],
    "by": "lsoa",
}


def shape(wkt: str) -> dict[str, Any]:
    return {"within": "shape", "codes": [], "shape": wkt}


WARDS = {"E05000128": "Bloomsbury", "E05000130": "Camden Town"}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with databases_of_a_test():
        folder = tmp_path_factory.mktemp("queries")
        settings = settings_for(folder / "server")
        console_rig.make_server(settings)
        services = open_services(settings, Part.PUBLISHER)
        load_police(services, folder, rows_a_month=8)
        load_wards(services, folder)
        services.close()
        with console_rig.running(settings) as running:
            yield running


def load_wards(services: Services, folder: Path) -> None:
    """Two wards of Camden: the halves of its box."""
    west, south, east, north = shapely.bounds(services.areas.borough_shapes()[CAMDEN]).tolist()
    middle = (west + east) / 2
    halves = [shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)]
    path = folder / "wards.gpkg"
    pyogrio.raw.write(
        path,
        shapely.to_wkb(halves),
        [list_of(WARDS), list_of(WARDS.values())],
        ["code", "name"],
        geometry_type="Polygon",
        crs="EPSG:27700",
        driver="GPKG",
    )
    with services.database.write() as session:
        load_areas(
            session, path, AreaLevel.WARD, "ward-2022", code_field="code", name_field="name", title="Wards, May 2022"
        )


def list_of(values: Any) -> Any:
    import numpy as np

    return np.array(list(values), dtype=object)


class Desk:
    """A person at a desk, in a session of their own."""

    def __init__(self, console: Console, username: str) -> None:
        self._client = console.visitor().client
        opened = self._client.post(
            "/v1/session", json={"username": username, "password": PASSWORD, "client": "QGIS"}
        ).json()
        accepted = self._client.post(
            "/v1/session/accept",
            json={
                "conditions_version": opened["conditions"]["version"],
                "conditions_sha256": opened["conditions"]["sha256"],
                "purpose": "needs-assessment",
            },
            headers={"Authorization": f"Bearer {opened['token']}"},
        ).json()
        self._headers = {"Authorization": f"Bearer {accepted['token']}"}

    def ask(self, method: str, path: str = "", json: Any = None) -> Response:
        path = path if path.startswith("/") else f"/v1/queries{'/' if path else ''}{path}"
        return self._client.request(method, path, json=json, headers=self._headers)

    def listed(self) -> list[dict[str, Any]]:
        return self.ask("GET").json()["queries"]


def kept(desk: Desk, name: str = NAME, shared: bool = True, **changes: Any) -> str:
    answer = desk.ask("POST", json={"name": name, "shared": shared, "definition": {**ASKED, **changes}})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.fixture
def analyst(console: Console) -> Desk:
    return Desk(console, "camden.analyst")


def test_a_query_is_kept_changed_shared_and_deleted(console: Console, analyst: Desk) -> None:
    colleague = Desk(console, "camden.admin")
    own = kept(analyst, shared=False)
    assert own in [one["id"] for one in analyst.listed()]
    assert own not in [one["id"] for one in colleague.listed()]
    assert colleague.ask("GET", own).status_code == 404
    changed = analyst.ask("PUT", own, {"name": "  Robbery,  Camden ", "shared": True, "definition": ASKED})
    assert changed.status_code == 200 and changed.json()["name"] == "Robbery, Camden"
    (told,) = [one for one in colleague.listed() if one["id"] == own]
    assert (told["name"], told["own"], told["owner"], told["reason"]) == (
        "Robbery, Camden",
        False,
        "Camden Analyst",
        "",
    )
    opened = colleague.ask("GET", own)
    assert opened.status_code == 200 and opened.json()["definition"]["categories"] == [["Robbery"]]
    # A colleague neither changes nor deletes it.
    for answer in (
        colleague.ask("PUT", own, {"name": "Mine", "definition": ASKED}),
        colleague.ask("DELETE", own),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "not-own-query")
    assert analyst.ask("DELETE", own).status_code == 204
    assert analyst.ask("GET", own).status_code == 404
    events = [event for event in console.events() if event["filter"].get("query") == own]
    assert [(event["event"], event.get("reason", "")) for event in events] == [
        ("query.save", ""),
        ("query.save", ""),
        ("query.open", ""),
        ("query.save", "not-own-query"),
        ("query.remove", "not-own-query"),
        ("query.remove", ""),
    ]


def test_what_was_shared_by_who_left_is_deleted_by_who_manages_the_people(console: Console, analyst: Desk) -> None:
    shared, private = kept(analyst), kept(analyst, shared=False)
    admin, officer = Desk(console, "camden.admin"), Desk(console, "camden.officer")
    (told,) = admin.listed()
    assert not told["removable"] and admin.ask("DELETE", shared).status_code == 403  # the author can be asked
    author = user_of(console, "camden.analyst")
    for gone in ({"active": False}, {"organisation": "hackney"}):
        with changed_account(console, "camden.analyst", **gone):
            (told,) = admin.listed()
            assert (told["id"], told["own"], told["removable"]) == (shared, False, True)
            (of_officer,) = officer.listed()
            assert not of_officer["removable"] and officer.ask("DELETE", shared).status_code == 403
            assert admin.ask("DELETE", private).status_code == 404
            answer = admin.ask("PUT", shared, {"name": "Mine", "definition": ASKED})
            assert answer.json()["code"] == "not-own-query"  # deleted, never changed under the author's name
            assert admin.ask("DELETE", shared).status_code == 204 and admin.listed() == []
        event = console.events()[-1]
        assert (event["event"], event["filter"]) == ("query.remove", {"query": shared, "owner": author})
        analyst = Desk(console, "camden.analyst")
        shared = kept(analyst)
    for query in (shared, private):
        assert analyst.ask("DELETE", query).status_code == 204


def test_what_was_private_to_who_left_goes_with_what_is_known_of_them(console: Console, analyst: Desk) -> None:
    own, shared = kept(analyst, shared=False), kept(analyst)
    colleagues = kept(Desk(console, "camden.admin"), shared=False)
    publisher = open_services(console.services.settings, Part.PUBLISHER)
    author = user_of(console, "camden.analyst")

    def held() -> set[str]:
        with console.services.database.read() as session:
            return set(session.scalars(select(SavedQuery.id))) & {own, shared, colleagues}

    try:
        assert forget_queries(publisher) == 0
        with changed_account(console, "camden.analyst", active=False):
            assert forget_queries(publisher) == 0 and own in held()  # the account may be opened again
            with console.services.database.write() as session:
                session.execute(update(SignIn).values(expires_at=now() - timedelta(days=91)))
            forget(publisher.database)
            assert forget_queries(publisher) == 1 and held() == {shared, colleagues}
        event = console.events()[-1]
        assert (event["event"], event["actor"], event["organisation"]) == ("query.remove", "worker", "camden")
        assert event["filter"] == {"query": own, "owner": author} and event["dataset"] == ASKED["dataset"]
        own = kept(Desk(console, "camden.analyst"), shared=False)
        with changed_account(console, "camden.analyst", organisation="hackney"):
            assert forget_queries(publisher) == 1 and held() == {shared, colleagues}
    finally:
        publisher.close()
    assert Desk(console, "camden.analyst").ask("DELETE", shared).status_code == 204
    assert Desk(console, "camden.admin").ask("DELETE", colleagues).status_code == 204


def user_of(console: Console, username: str) -> str:
    with console.services.database.read() as session:
        return session.scalars(select(User.id).filter_by(username=username)).one()


@contextmanager
def changed_account(
    console: Console, username: str, active: bool = True, organisation: str = "camden"
) -> Iterator[None]:
    """The account is another one, until the block ends."""

    def become(active: bool, code: str) -> None:
        with console.services.database.write() as session:
            account = session.scalars(select(User).filter_by(username=username)).one()
            account.active = active
            account.organisation_id = session.scalars(select(Organisation.id).filter_by(code=code)).one()

    become(active, organisation)
    yield
    become(True, "camden")


def test_a_refused_save_is_audited(console: Console, analyst: Desk) -> None:
    body = {"name": NAME, "shared": True, "definition": ASKED}
    officer, other = Desk(console, "camden.officer"), Desk(console, "hackney.analyst")
    own = kept(analyst)
    tried = [
        (officer, "POST", "", body, "aggregates-only", "mps"),
        (other, "PUT", own, body, None, "mps"),
        (analyst, "POST", "", {**body, "definition": {**ASKED, "codes": []}}, "invalid-request", "mps"),
        (analyst, "POST", "", {**body, "definition": {**ASKED, "dataset": "nothing"}}, None, ""),
    ]
    for desk, method, query, asked, reason, dataset in tried:
        refused = desk.ask(method, query, asked)
        assert refused.status_code >= 400 and reason in (None, refused.json()["code"])
        event = console.events()[-1]
        assert (event["event"], event["outcome"], event["reason"], event["dataset"], event["filter"]) == (
            "query.save", "refused", refused.json()["code"], dataset, {"query": query, "shared": True},
        )  # fmt: skip
        assert "Refuge" not in str(event)  # nothing that somebody typed
    assert analyst.ask("DELETE", own).status_code == 204


def test_it_stays_within_the_organisation(console: Console, analyst: Desk) -> None:
    shared = kept(analyst)
    other = Desk(console, "hackney.analyst")
    assert other.listed() == []
    for method in ("GET", "DELETE"):
        assert other.ask(method, shared).status_code == 404
    assert analyst.ask("DELETE", shared).status_code == 204


def test_who_gets_counts_alone_reads_neither_its_name_nor_what_it_asks(console: Console, analyst: Desk) -> None:
    shared = kept(analyst)
    officer = Desk(console, "camden.officer")
    listed = officer.ask("GET")
    (told,) = listed.json()["queries"]
    assert told["reason_code"] == "aggregates-only" and told["name"] == "" and "not its records" in told["reason"]
    refused = officer.ask("GET", shared)
    assert (refused.status_code, refused.json()["code"]) == (403, "aggregates-only")
    for text_told in (listed.text, refused.text):
        for secret in ("Refuge", "Albany", "Robbery", CAMDEN, "2025-01"):
            assert secret not in text_told
    assert officer.ask("POST", json={"name": "x", "definition": ASKED}).json()["code"] == "aggregates-only"
    event = [event for event in console.events() if event["event"] == "query.open"][-1]
    assert (event["outcome"], event["reason"]) == ("refused", "aggregates-only")
    assert analyst.ask("DELETE", shared).status_code == 204


def test_rights_are_those_of_the_day_and_of_the_columns(console: Console, analyst: Desk) -> None:
    colleague = Desk(console, "camden.admin")
    services = console.services
    with services.database.write() as session:
        camden = session.scalar(select(Organisation.id).filter_by(code="camden"))
        author = session.scalar(select(User.id).filter_by(username="camden.analyst"))
        # Kept while an agreement showed more: none of today's shows a column of that name.
        session.add(
            SavedQuery(
                id="a" * 32, organisation_id=camden, user_id=author, name=NAME, dataset="mps", shared=True,
                definition={**ASKED, "refined_by": "age_band"}, changed_at=now(),
            )
        )  # fmt: skip
    (told,) = colleague.listed()
    assert told["reason_code"] == "columns-not-shown" and told["name"] == ""
    refused = colleague.ask("GET", "a" * 32)
    assert refused.status_code == 403 and "age_band" not in refused.text and "Robbery" not in refused.text
    assert analyst.ask("DELETE", "a" * 32).status_code == 204
    shared = kept(analyst)
    assert colleague.ask("GET", shared).status_code == 200
    states = [(AgreementState.SUSPENDED, 403), (AgreementState.ACTIVE, 200)]
    for state, status in states:
        with services.database.write() as session:
            session.execute(
                text("UPDATE agreement SET state = :state WHERE reference = 'DSA-CAMDEN-MPS'"), {"state": state}
            )
        assert colleague.ask("GET", shared).status_code == status
        assert [one["name"] for one in colleague.listed()] == [NAME if status == 200 else ""]
        # Whoever wrote it knows what it is called.
        assert [one["name"] for one in analyst.listed()] == [NAME]
    assert analyst.ask("DELETE", shared).status_code == 204


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"categories": [["Robbery of John Smith"]]}, "is no value of"),
        ({"categories": [["Robbery", "at night"]]}, "no column that refines it"),
        ({"refined_by": "nothing_of_that_name"}, "has no column"),
        ({"within": "all"}, "codes are given for"),
        ({"within": "shape", "codes": []}, "a shape is given where"),
        ({"shape": "Polygon ((see John Smith))"}, "shape"),
        (shape("Polygon ((((()))))"), "no polygon"),
        (shape("Polygon ((0 0, 1 1, 2 2, 0 0))"), "no polygon"),
        (shape("Polygon ((07700 900123, 07700 900456, 9999999 1, 07700 900123))"), "no polygon"),
        ({"codes": ["Camden"]}, "codes"),
        ({"from_month": "2025"}, "from_month"),
        ({"from_month": "٢٠٢٥-01"}, "from_month"),
        ({"from_month": "1989-12"}, "from_month"),
        ({"to_month": "2100-01"}, "to_month"),
        ({"from_month": "0001-01"}, "from_month"),
        ({"from_day": "2025-01-0٩", "to_day": "2025-12-31"}, "from_day"),
        ({"from_day": "1989-12-31", "to_day": "2025-12-31"}, "from_day"),
        ({"to_day": "9999-12-31"}, "to_day"),
        ({"codes": ["E0900000٧"]}, "codes"),
        ({"from_month": ""}, "a first and a last month"),
        ({"to_month": "2024-12"}, "in this order"),
        ({"from_day": "2025-01-09"}, "a first and a last one"),
        ({"from_day": "2025-02-30", "to_day": "2025-12-31"}, "a first and a last one"),
        ({"from_day": "2025-02-09", "to_day": "2025-12-31"}, "its months are those"),
        ({"from_day": "9 January", "to_day": "2025-12-31"}, "from_day"),
        ({"to_month": "2025-01", "from_day": "2025-01-09", "to_day": "2025-01-02"}, "come in their order"),
        ({"hours": {"first": 20, "last": 24, "days": [1]}}, "hours"),
        ({"sql": "SELECT 1"}, "sql"),
        ({"dataset": "nothing"}, "no dataset of that name"),
    ],
)
def test_nothing_but_a_question_is_kept(analyst: Desk, changes: dict[str, Any], said: str) -> None:
    before = analyst.listed()
    refused = analyst.ask("POST", json={"name": "x", "definition": {**ASKED, **changes}})
    assert refused.status_code in (404, 422) and said in refused.json()["detail"]
    assert analyst.listed() == before


def test_what_was_kept_and_is_refused_by_now_stops_no_list(console: Console, analyst: Desk) -> None:
    own = kept(analyst)
    with console.services.database.write() as session:
        session.execute(
            update(SavedQuery).where(SavedQuery.id == own).values(definition={**ASKED, "from_month": "1985-01"})
        )
    (told,) = [one for one in analyst.listed() if one["id"] == own]
    assert (told["name"], told["reason_code"]) == (NAME, "query-unreadable")
    (told,) = [one for one in Desk(console, "camden.admin").listed() if one["id"] == own]
    assert (told["name"], told["reason_code"]) == ("", "query-unreadable")
    assert analyst.ask("GET", own).json()["code"] == "query-unreadable"
    assert analyst.ask("DELETE", own).status_code == 204


def test_names_are_one_line_and_queries_not_without_end(console: Console, analyst: Desk) -> None:
    for name in ("", "  ", "x" * 101, "a\u0007b"):
        assert analyst.ask("POST", json={"name": name, "definition": ASKED}).status_code == 422
    with console.services.database.write() as session:
        camden = session.scalar(select(Organisation.id).filter_by(code="camden"))
        author = session.scalar(select(User.id).filter_by(username="camden.analyst"))
        for number in range(MOST_OWN):
            session.add(
                SavedQuery(
                    id=f"{number:032x}", organisation_id=camden, user_id=author, name=f"{number}", dataset="mps",
                    shared=False, definition=ASKED, changed_at=now(),
                )
            )  # fmt: skip
    refused = analyst.ask("POST", json={"name": "x", "definition": ASKED})
    assert refused.json()["code"] == "too-many-queries"
    with console.services.database.write() as session:
        session.execute(text("DELETE FROM saved_query"))


def test_areas_and_denominators_are_served_with_their_editions(console: Console, analyst: Desk, tmp_path: Path) -> None:
    wards = analyst.ask("GET", "/v1/areas/ward").json()
    assert (wards["edition"], wards["title"]) == ("ward-2022", "Wards, May 2022")
    assert {one["code"]: one["name"] for one in wards["areas"]} == WARDS
    assert {one["borough"] for one in wards["areas"]} == {CAMDEN}  # by where most of them lies
    lsoas = analyst.ask("GET", "/v1/areas/lsoa").json()
    assert lsoas["edition"] == "lsoa-2011" and len(lsoas["areas"]) == 4835
    assert analyst.ask("GET", "/v1/areas/parish").status_code == 422
    publisher = open_services(console.services.settings, Part.PUBLISHER)
    assert analyst.ask("GET", "/v1/denominators").json()["bases"] == []  # no denominator, no rate
    rows = [("residents", "mid-2023", "A source", "borough", code, n) for code, n in ((CAMDEN, 210_000), (CITY, 8_600))]
    rows += [("residents", "mid-2023", "A source", "ward", code, 9_000) for code in WARDS]
    load_denominators(publisher, denominators_csv(tmp_path / "d.csv", rows), {})
    publisher.close()
    told = analyst.ask("GET", "/v1/denominators").json()
    assert told["few_residents"] == 50_000
    assert [(base["level"], base["edition"], base["per"], base["values"]) for base in told["bases"]] == [
        ("borough", "mid-2023", 1000, {CAMDEN: 210_000, CITY: 8_600}),
        ("ward", "mid-2023", 1000, dict.fromkeys(WARDS, 9_000)),
    ]
    assert HACKNEY not in told["bases"][0]["values"]
    assert console.visitor().client.get("/v1/denominators").status_code == 401
