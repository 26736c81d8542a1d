"""Descriptions that somebody must look at: asked once, decided on, remembered, and their rows placed so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from safestats.sync_server.cli import app
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.geocoding import review
from safestats.sync_server.geocoding.models import DecisionKind, PlaceDecision, PlaceReview, PlaceWaiting
from safestats.sync_server.geocoding.places import Places, place_described
from safestats.sync_server.ingest.again import place_again
from safestats.sync_server.ingest.service import load
from safestats.sync_server.publishing.service import publish
from safestats.sync_server.services import Services
from safestats.tests.server import console_rig
from safestats.tests.server.engines import databases_of_a_test, environment, settings_for
from safestats.tests.server.ingest_rig import open_prepared
from sqlalchemy import delete, func, select
from typer.testing import CliRunner

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

ACTOR = "somebody"
SITE, OTHER = "RQXM1", "R1H12"
FERN_LANE = "E09000015"


def a_server(folder: Path) -> Services:
    settings = settings_for(folder)
    return open_prepared(settings)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with databases_of_a_test():
        opened = a_server(tmp_path_factory.mktemp("review") / "server")
        yield opened
        opened.close()


@pytest.fixture
def services(shared: Services) -> Iterator[Services]:
    """With an empty queue."""
    with shared.database.write() as session:
        for table in (PlaceWaiting, PlaceReview, PlaceDecision):
            session.execute(delete(table))
    yield shared


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Services]:
    """Without incidents."""
    opened = a_server(tmp_path / "server")
    yield opened
    opened.close()


def ask(services: Services, texts: dict[str, str], site: str = SITE) -> int:
    """Put rows (identity → text) through the ladder and into the queue."""
    with services.database.write() as session:
        places = Places.open(services, session, "istv", synthetic=True)
        frame = pl.DataFrame(
            {"identity": list(texts), "location_description": list(texts.values()), "site": [site] * len(texts)}
        )
        return review.enqueue(session, "istv", site, place_described(frame, places))


def waiting(services: Services) -> list[review.Waiting]:
    with services.database.read() as session:
        return review.waiting_texts(session)


def counts(services: Services) -> tuple[int, int, int]:
    with services.database.read() as session:
        return tuple(  # type: ignore[return-value]
            session.scalar(select(func.count()).select_from(table))
            for table in (PlaceReview, PlaceWaiting, PlaceDecision)
        )


def test_texts_are_asked_about_once_with_how_often_they_came(services: Services) -> None:
    assert (
        ask(services, {"a": "High Street", "b": "HIGH  STREET", "c": "Station Road", "d": "NW1 8NH", "e": "pub"}) == 3
    )
    first, second = waiting(services)
    assert (first.text, first.rows, first.site) == ("high street", 2, SITE)
    assert (second.text, second.rows) == ("station road", 1)
    assert len(first.candidates) > 5
    # The same rows again, of which one is mended: it waits no longer, and a text that nobody waits for goes.
    ask(services, {"a": "High Street, Camden", "b": "High Street", "c": "E8 2AA"})
    (only,) = waiting(services)
    assert (only.text, only.rows) == ("high street", 1)
    with services.database.write() as session:
        review.leave(session, "istv", ["b"])
    assert counts(services) == (0, 0, 0)


def test_a_decision_is_remembered_for_its_site(services: Services) -> None:
    ask(services, {"a": "High Street"})
    ask(services, {"b": "High Street"}, OTHER)
    mine = next(one for one in waiting(services) if one.site == SITE)
    chosen = mine.candidates[1]
    assert review.decide(services, ACTOR, mine.review_id, DecisionKind.CANDIDATE, candidate=1) == 1
    assert [one.site for one in waiting(services)] == [OTHER]
    with services.database.read() as session:
        places = Places.open(services, session, "istv", synthetic=True)
        assert review.count_waiting(session) == (1, 1)
    frame = pl.DataFrame({"location_description": ["high street.", "High Street"], "site": [SITE, OTHER]})
    here, there = place_described(frame, places).rows(named=True)
    assert (here["easting"], here["location_method"]) == (chosen.easting, "reviewed") and here["confidence"] == 95
    assert here["matched_text"] == chosen.label and here["ambiguous"] is None
    assert there["easting"] is None and there["ambiguous"]
    with pytest.raises(SafeStatsError, match="waits no longer"):
        review.decide(services, ACTOR, mine.review_id, DecisionKind.NO_PLACE)


def test_a_decision_for_every_site_settles_all_that_wait(services: Services) -> None:
    ask(services, {"a": "High Street"})
    ask(services, {"b": "High Street"}, OTHER)
    first = waiting(services)[0]
    rows = review.decide(services, ACTOR, first.review_id, DecisionKind.POSTCODE, postcode="nw18nh", every_site=True)
    assert rows == 2 and waiting(services) == []
    assert ask(services, {"c": "High Street"}, "RYJ01") == 0
    with services.database.read() as session:
        (decision,) = review.recent_decisions(session)
    assert decision.site == "" and decision.place and decision.place["label"] == "NW1 8NH"
    assert decision.place["borough_code"] == "E09000007"
    event = [event.body for event in services.audit.events() if event.body["event"] == "place.decide"][-1]
    assert event["actor"] == ACTOR and event["rows"] == 2 and "high street" not in str(event).casefold()
    review.forget(services, ACTOR, decision.decision_id)
    assert ask(services, {"c": "High Street"}, "RYJ01") == 1


def test_no_place_is_a_decision_too_and_a_home_stays_one(services: Services) -> None:
    ask(services, {"a": "High Street"})
    (one,) = waiting(services)
    review.decide(services, ACTOR, one.review_id, DecisionKind.NO_PLACE)
    assert ask(services, {"b": "High Street"}) == 0
    with services.database.write() as session:
        session.add(
            PlaceDecision(
                dataset="istv",
                site="",
                text="home",
                kind=DecisionKind.CANDIDATE,
                place=one.candidates[0].to_json(),
                decided_by=ACTOR,
                decided_at=one.first_seen,
            )
        )
    with services.database.read() as session:
        places = Places.open(services, session, "istv", synthetic=True)
    (row,) = place_described(pl.DataFrame({"location_description": ["home"]}), places).rows(named=True)
    assert row["geo_level"] == "home" and row["easting"] is None


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (DecisionKind.CANDIDATE, {"candidate": 99}, "Choose one of the"),
        (DecisionKind.CANDIDATE, {}, "Choose one of the"),
        (DecisionKind.POSTCODE, {"postcode": "NW1"}, "only part of a postcode"),
        (DecisionKind.POSTCODE, {"postcode": ""}, "No postcode was given"),
    ],
)
def test_what_is_no_decision_is_refused(services: Services, kind: DecisionKind, options: dict, sentence: str) -> None:
    ask(services, {"a": "High Street"})
    (one,) = waiting(services)
    with pytest.raises(SafeStatsError, match=sentence):
        review.decide(services, ACTOR, one.review_id, kind, **options)
    assert counts(services) == (1, 1, 0)


HEADER = (
    "Arrival Date,Arrival Time,Assault Date,Assault Time,Assault Method,Assault Location Type,"
    "Assault Location Description"
)


def delivery(folder: Path, *places: str) -> Path:
    rows = [
        f"0{day}/03/2025,23:30,0{day}/03/2025,22:10,Body part,Street or other public place,{place}"
        for day, place in enumerate(places, start=1)
    ]
    path = folder / f"synthetic-{SITE}-2025-03.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def standing(services: Services) -> dict[str, tuple]:
    table = incident_table(services.definitions["istv"])
    with services.database.read() as session:
        rows = session.execute(
            select(
                table.c.occurred_on,
                table.c.easting,
                table.c.borough_code,
                table.c.geo_level,
                table.c.matched_text,
                table.c.from_release,
                table.c.location_method,
            ).where(table.c.to_release.is_(None))  # fmt: skip
        ).all()
    return {f"{row[0]:%d}": tuple(row[1:]) for row in rows}


def test_decided_rows_are_placed_anew_without_another_file(fresh: Services, tmp_path: Path) -> None:
    path = delivery(tmp_path, "High Street", "Fern Lane Harrow", "home", "High Street")
    report = load(fresh, "istv", [path], site=SITE)
    assert report.accepted == 4, report
    publish(fresh, "istv")
    (one,) = waiting(fresh)
    assert (one.text, one.rows) == ("high street", 2)
    before = standing(fresh)
    assert before["01"][0] is None and before["01"][2] == "Several places fit" and before["02"][1] == FERN_LANE
    chosen = one.candidates[0]
    assert place_again(fresh, ACTOR, "istv") == 0  # nothing is decided
    review.decide(fresh, ACTOR, one.review_id, DecisionKind.CANDIDATE, candidate=0)
    assert place_again(fresh, ACTOR, "istv") == 2
    publish(fresh, "istv")
    after = standing(fresh)
    for day in ("01", "04"):
        assert after[day][:4] == (chosen.easting, chosen.borough_code, "Street", chosen.label)
        assert after[day][4:] == (2, "reviewed")
    assert after["02"] == before["02"] and after["03"] == before["03"]
    assert after["03"][0] is None and after["03"][2] == "Home (no place is looked for)"
    assert place_again(fresh, ACTOR, "istv") == 0
    # The file once more gives the same: the decision is remembered.
    again = load(fresh, "istv", [path], site=SITE)
    assert (again.changed, again.added, again.withdrawn) == (0, 0, 0)


def test_rows_that_were_withdrawn_meanwhile_are_left(fresh: Services, tmp_path: Path) -> None:
    load(fresh, "istv", [delivery(tmp_path, "High Street", "Fern Lane Harrow")], site=SITE)
    publish(fresh, "istv")
    (one,) = waiting(fresh)
    review.decide(fresh, ACTOR, one.review_id, DecisionKind.NO_PLACE)
    with fresh.database.write() as session:
        table = incident_table(fresh.definitions["istv"])
        session.execute(table.delete())
    assert place_again(fresh, ACTOR, "istv") == 0
    assert counts(fresh)[1] == 0


def test_publishers_decide_in_the_console(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "server")
    console_rig.make_server(settings)
    with console_rig.running(settings) as console:
        ask(console.services, {"a": "High Street <b>", "b": "High Street <b>", "c": "Station Road"})
        high, station = waiting(console.services)
        visitor = console.as_("gla.publisher")
        page = visitor.get("/console/places")
        assert page.status == 200 and "high street" in page.text and "<b>" not in page.response.text
        page = visitor.get(f"/console/places/{high.review_id}")
        assert high.candidates[0].label in page.text
        address = f"/console/places/{high.review_id}"
        page = visitor.send(page, address)
        assert page.status == 422 and "Say what the text means." in page.text
        page = visitor.send(page, address, meaning="postcode", postcode="E1 99")
        assert page.status == 422 and "E1 99" in page.text
        page = visitor.send(page, address, meaning="candidate:999")
        assert page.status == 422
        page = visitor.send(page, address, meaning="candidate:0")
        assert page.status == 200 and "2 rows are placed so" in page.text and high.candidates[0].label in page.text
        page = visitor.get(f"/console/places/{station.review_id}")
        page = visitor.send(page, f"/console/places/{station.review_id}", meaning="no-place", every_site="yes")
        assert "No text waits." in page.text
        assert visitor.get(address).status == 404
        with console.services.database.read() as session:
            decision = review.recent_decisions(session)[0]
        page = visitor.send(page, f"/console/places/decisions/{decision.decision_id}/forget")
        assert "taken back" in page.text
        for username in ("gla.auditor", "camden.admin", "hospital.clerk"):
            assert console.as_(username).get("/console/places").status == 403


def test_the_commands(services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in environment(services.settings).items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, list(words))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    ask(services, {"a": "High Street", "b": "Station Road"})
    listed = run("review", "list")
    assert "high street" in listed and "2 texts wait for a decision; 0 rows wait" in listed
    number = str(next(one.review_id for one in waiting(services) if one.text == "high street"))
    with pytest.raises(SafeStatsError, match="Say one of"):
        run("review", "decide", number)
    assert "Remembered. 1 rows" in run("review", "decide", number, "--candidate", "2")
    assert "0 rows are placed anew" in run("geocode", "again", "istv")
    with pytest.raises(SafeStatsError, match="describes no places"):
        run("geocode", "again", "mps")
    venues = tmp_path / "venues.csv"
    venues.write_text("name,easting,northing\nThe Purple Walrus,528900,183900\n", encoding="utf-8")
    assert "1 of venues are loaded, edition 2026-11" in run(
        "gazetteer", "load", "venues", str(venues), "--edition", "2026-11"
    )
    assert "2026-11" in run("gazetteer", "list")
    assert "is gone" in run("gazetteer", "remove", "venues")
    assert "R1H12" in run("hospitals", "list")
    register = tmp_path / "hospitals.csv"
    register.write_text("code,name,postcode,trust,from,to\nZ1,Z Hospital,NW1 8NH,Z Trust,,\n", encoding="utf-8")
    assert "1 hospitals are in force" in run("hospitals", "load", str(register))
    assert "R1H12" not in run("hospitals", "list")
