"""Boroughs and London for who may count there: fixed years, perturbed, whole boroughs alone, audited."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from math import sqrt
from time import sleep
from typing import Any

import pytest
from httpx import Response
from safestats.shared.cell_key import Records, perturbed
from safestats.shared.windows import Window
from safestats.sync_server.agreements.models import Precision, Use
from safestats.sync_server.agreements.opened import GrantProfile, Scope
from safestats.sync_server.analysis import borough_counts
from safestats.sync_server.analysis.borough_counts import whole_boroughs
from safestats.sync_server.analysis.models import CellAnswer
from safestats.sync_server.datasets.definitions import FieldGroup
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import CAMDEN, HACKNEY, Console
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import publish_now
from safestats.tests.server.needs_rig import CITY, load_police
from safestats.tests.server.test_queries import Desk
from sqlalchemy import func, select, text

YEAR = ("2025-01", "2025-12")
THRESHOLD = 5


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with databases_of_a_test():
        folder = tmp_path_factory.mktemp("boroughs")
        settings = settings_for(folder / "server")
        console_rig.make_server(settings)
        services = open_services(settings, Part.PUBLISHER)
        load_police(services, folder, rows_a_month=60)
        services.close()
        with console_rig.running(settings) as running:
            yield running


def ask(desk: Desk, first: str = "", last: str = "", dataset: str = "mps") -> Response:
    months = f"?from_month={first}&to_month={last}" if first else ""
    return desk.ask("GET", f"/v1/layers/{dataset}/boroughs{months}")


def held(console: Console, first: str, last: str) -> list[tuple[str, str, str]]:
    """(identity, borough, category) of all rows of the months, by the owner's own SQL."""
    publisher = open_services(console.services.settings, Part.PUBLISHER)
    try:
        with publisher.database.write() as session:
            found = session.execute(
                text(
                    "SELECT identity, borough_code, category FROM incident_mps "
                    "WHERE to_release IS NULL AND month >= :first AND month <= :last AND borough_code IS NOT NULL"
                ),
                {"first": first, "last": last},
            )
            return [tuple(row) for row in found]
    finally:
        publisher.close()


def test_a_borough_s_analyst_gets_boroughs_and_london_without_their_rows(console: Console) -> None:
    desk = Desk(console, "camden.analyst")
    answer = ask(desk, *YEAR)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["from_month"], told["to_month"], told["rounding"], told["by"]) == (*YEAR, 5, "category")
    by_code = {one["code"]: one for one in told["boroughs"]}
    assert set(by_code) == set(console.services.areas.boroughs)
    rows = held(console, *YEAR)
    secret = console.services.keys.cell_secret

    def expected(cell: list[str]) -> int:
        return int(perturbed([[True] * len(cell)], Records.of(secret, cell), THRESHOLD)[0])

    cells: defaultdict[tuple[str, Any], list[str]] = defaultdict(list)
    for identity, borough, category in rows:
        for area in (borough, "London"):
            cells[area, None].append(identity)
            cells[area, category].append(identity)
    for area in (CAMDEN, HACKNEY, CITY, "London"):
        one = told["london"] if area == "London" else by_code[area]
        exact = len(cells[area, None])
        assert exact > 10 and one["rows"] == expected(cells[area, None])
        assert abs(one["rows"] - exact) <= 5 * sqrt(exact / 2) + 5  # its variance is half the count
        table = {value["value"]: value["rows"] for value in one["table"]}
        assert table == {
            category: expected(cells[area, category])
            for _area, category in cells
            if category and _area == area and expected(cells[area, category])
        }
        assert all(count % 5 == 0 for count in (one["rows"], *table.values()))
    # A borough in which nothing happened is answered, too.
    assert by_code["E09000002"]["rows"] == 0 and by_code["E09000002"]["table"] == []
    # The newest year unless one is named; asked again it is the same, and kept.
    assert ask(desk).json() == told == ask(desk, *YEAR).json()
    assert ask(Desk(console, "camden.officer"), *YEAR).json() == told
    with console.services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(CellAnswer).filter_by(easting=0)) == 2  # rights
    event = [event for event in console.events() if event["event"] == "boroughs.count"][0]
    assert (event["dataset"], event["rows"], event["agreement"]) == ("mps", told["london"]["rows"], "DSA-CAMDEN-MPS")
    assert event["filter"] == {"from_month": "2025-01", "to_month": "2025-12"}


def test_other_years_and_other_people_are_refused_and_that_is_audited(console: Console) -> None:
    desk = Desk(console, "camden.analyst")
    assert ask(desk, "2024-01", "2024-12").status_code == 200  # the year before
    for first, last in (("2025-01", "2025-01"), ("2025-02", "2025-12"), ("2020-01", "2020-12")):
        refused = ask(desk, first, last)
        assert (refused.status_code, refused.json()["code"]) == (403, "question-not-permitted")
        assert "2025-01 to 2025-12 or 2024-01 to 2024-12" in refused.json()["detail"]
    assert ask(desk, "2025", "2026").status_code == 422
    other = ask(Desk(console, "hackney.analyst"), *YEAR)
    assert (other.status_code, other.json()["code"]) == (403, "no-agreement")
    events = [event for event in console.events() if event["event"] == "boroughs.count"][-4:]
    assert [event["reason"] for event in events] == ["question-not-permitted"] * 3 + ["no-agreement"]
    assert ask(desk, dataset="nothing").status_code == 404


def test_a_new_release_is_counted_anew(console: Console) -> None:
    desk = Desk(console, "camden.analyst")
    before = ask(desk, *YEAR).json()
    publisher = open_services(console.services.settings, Part.PUBLISHER)
    publish_now(publisher, "mps")
    publisher.close()
    after = ask(desk, *YEAR).json()
    assert after["release"] >= before["release"] and after["boroughs"] == before["boroughs"]


def change(console: Console, *statements: str) -> None:
    """Change the rows behind the answers, and forget the answers."""
    publisher = open_services(console.services.settings, Part.PUBLISHER)
    with publisher.database.write() as session:
        for statement in (*statements, "DELETE FROM cell_answer"):
            session.execute(text(statement))
    publisher.close()


def test_a_few_told_as_nothing_are_told_as_none_are(console: Console) -> None:
    desks = [Desk(console, name) for name in ("camden.analyst", "camden.officer")]
    secret, empty = console.services.keys.cell_secret, "E09000002"
    of_city = [(identity, category) for identity, borough, category in held(console, *YEAR) if borough == CITY]
    number_of = Counter(category for _identity, category in of_city)
    _number, identity, category = min(
        (number_of[category], identity, category)
        for identity, category in of_city
        if not perturbed([[True]], Records.of(secret, [identity]), THRESHOLD)[0]
    )

    def told(code: str) -> list[Any]:
        return [one for desk in desks for one in ask(desk, *YEAR).json()["boroughs"] if one["code"] == code]

    nothing = told(empty)
    change(console, f"UPDATE incident_mps SET borough_code = '{empty}' WHERE identity = '{identity}'")
    assert told(empty) == nothing and nothing[0]["table"] == []
    change(console, f"UPDATE incident_mps SET borough_code = '{CITY}' WHERE identity = '{identity}'")
    # The only one of its category in a borough in which much else happens.
    others = f"borough_code = '{CITY}' AND category = '{category}' AND identity <> '{identity}'"
    change(console, f"UPDATE incident_mps SET borough_code = '{empty}' WHERE {others}")
    assert (CITY, category) in {row[1:] for row in held(console, *YEAR)}
    (few, again) = ([value["value"] for value in one["table"]] for one in told(CITY))
    change(console, f"UPDATE incident_mps SET borough_code = '{empty}' WHERE identity = '{identity}'")
    assert (CITY, category) not in {row[1:] for row in held(console, *YEAR)}
    (none, _same) = ([value["value"] for value in one["table"]] for one in told(CITY))
    assert few == again == none and few and category not in few


def test_nothing_is_counted_where_no_borough_is_whole(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    change(console)
    monkeypatch.setattr(borough_counts, "whole_boroughs", lambda *_given: frozenset())
    monkeypatch.setattr(borough_counts, "_count", lambda *_given: pytest.fail("counted"))
    told = ask(Desk(console, "camden.analyst"), *YEAR)
    assert told.status_code == 200 and (told.json()["boroughs"], told.json()["london"]) == ([], None)


def test_those_who_ask_at_once_have_it_counted_once(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    change(console)
    calls: list[int] = []
    count = borough_counts._count

    def slowly(*given: Any) -> Any:
        calls.append(1)
        sleep(0.5)
        return count(*given)

    monkeypatch.setattr(borough_counts, "_count", slowly)
    desks = [Desk(console, name) for name in ("camden.analyst", "camden.officer") * 3]
    with ThreadPoolExecutor(len(desks)) as together:
        answers = list(together.map(lambda desk: ask(desk, *YEAR), desks))
    assert [answer.status_code for answer in answers] == [200] * len(desks)
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert len(calls) == 2  # the two have other rights
    # After what went wrong the next one begins anew.
    change(console)
    monkeypatch.setattr(borough_counts, "_count", lambda *_given: 1 / 0)
    assert ask(desks[0], *YEAR).status_code == 500
    monkeypatch.setattr(borough_counts, "_count", count)
    assert ask(desks[0], *YEAR).json() == answers[0].json()


def grant(*areas: str, **changes: Any) -> GrantProfile:
    made = GrantProfile(
        areas=areas, groups=(FieldGroup.CORE, FieldGroup.AREA), precision=Precision.AGGREGATE, grid_m=0,
        from_month="", to_month="", uses=frozenset({Use.VIEW}),
    )  # fmt: skip
    return replace(made, **changes)


def test_a_borough_is_whole_where_all_of_it_may_be_counted(console: Console) -> None:
    areas = console.services.areas
    lsoas = sorted(code for code, one in areas.lsoas.items() if one.borough_code == HACKNEY)
    window = Window(*YEAR)

    def whole(*grants: GrantProfile) -> set[str]:
        definition = console.services.definitions["mps"]
        return set(whole_boroughs(Scope(definition, grants, "DSA", date(2030, 1, 1), 1, Use.VIEW), areas, window))

    shown = replace(grant(CAMDEN), precision=Precision.POINT)
    assert whole(shown, grant(HACKNEY)) == {CAMDEN, HACKNEY}
    assert whole(grant(*lsoas)) == {HACKNEY} and whole(grant(*lsoas[1:])) == set()
    assert whole(grant(CAMDEN, from_month="2025-02")) == set() == whole(grant(CAMDEN, to_month="2025-11"))
    assert whole(grant(CAMDEN, groups=(FieldGroup.CORE,))) == set()  # their area is not to be told
    # A grant for another use keeps its rows from those after it.
    assert whole(grant(lsoas[0], uses=frozenset({Use.SYNC})), grant(HACKNEY, CAMDEN)) == {CAMDEN}
