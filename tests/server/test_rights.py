"""``scope``, ``readable`` and ``countable`` alone against the oracle: the matrix without HTTP, for a quick look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from safestats.sync_server.agreements.models import Precision, Use
from safestats.sync_server.agreements.opened import Refusal, Scope
from safestats.sync_server.agreements.readable import countable, open_rows, readable
from safestats.sync_server.agreements.scope import countable_scope, scope
from safestats.sync_server.datasets.definitions import DatasetDefinition
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.subject import Subject
from safestats.tests.server.matrix_rig import MatrixRig
from safestats.tests.server.matrix_worlds import (
    AREAS,
    CATEGORY,
    DATASETS,
    GROUPS,
    MONTHS,
    ORGANISATIONS,
    TODAY,
    USES,
    World,
    made_up_row,
    worlds,
)
from safestats.tests.server.oracle import (
    Agreement,
    Grant,
    Opened,
    Person,
    Refused,
    Row,
    State,
    Terms,
    asked,
    counted_at,
    covers,
)
from sqlalchemy import Select
from sqlalchemy.orm import Session

WORLDS = 30


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixRig]:
    made = MatrixRig(tmp_path_factory.mktemp("rights"), DATASETS)
    yield made
    made.close()


@settings(
    max_examples=WORLDS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=(Phase.generate,),
    report_multiple_bugs=False,
    derandomize=True,
)
@given(world=worlds())
def test_scopes_and_their_rows(rig: MatrixRig, world: World) -> None:
    state = rig.begin(world)
    with rig.application.database.read() as session:
        check_world(session, rig.application.definitions, state, world)


def test_the_first_and_the_last_day(rig: MatrixRig) -> None:
    for world in worlds_of_borders():
        state = rig.begin(world)
        with rig.application.database.read() as session:
            check_world(session, rig.application.definitions, state, world)


def worlds_of_borders() -> list[World]:
    """Agreements and terms that begin or end today or next to it; terms for others; months that roll on."""
    days = [(-1, 0), (0, 0), (0, 9), (1, 9), (-9, -1), (-9, 9)]
    pairs = [(agreed, (-9, 99)) for agreed in days] + [((-9, 50), told) for told in days]
    found = [_border_world(agreed, told) for agreed, told in pairs]
    for recipients in ("police", "met", "nhs"):
        found.append(_border_world((-9, 9), (-9, 99), recipients=frozenset({recipients})))
    for agreed in ((-9, 9), (1, 9)):
        found += [_border_world(agreed, (-9, 99), state=s) for s in ("draft", "signed", "suspended", "ended")]
    for purposes in (("other",), ("research",)):
        found.append(_border_world((-9, 9), (-9, 99), purposes=frozenset(purposes)))
    areas, every, few = frozenset(AREAS), frozenset(GROUPS), frozenset({"core"})
    # The one that says more permits other uses only; months that end; a place that only is counted.
    for pair in (
        (Grant(frozenset({"E01000842"}), few, "area"), Grant(areas, every, "point", uses=frozenset({"sync"}))),
        (Grant(frozenset({"nowhere"}), few, "area"), Grant(areas, every, "point", uses=frozenset({"view"}))),
        (Grant(areas, few, "point", to_month=MONTHS[0]), Grant(areas, every, "grid", 250)),
        (Grant(areas, few, "aggregate", to_month=MONTHS[0]), Grant(areas, every, "aggregate")),
        (Grant(areas, every - {"location"}, "point"), Grant(areas, every, "area")),
    ):
        found.append(_border_world((-9, 9), (-9, 99), grants=pair))
        found.append(_border_world((-9, 9), (-9, 99), grants=pair[::-1], precision="point", grid_m=0))
    found.append(_border_world((-9, 9), (-9, 99), keep_from=MONTHS[1]))
    found.append(_border_world((-9, 9), (-9, 99), uses=frozenset({"view"})))
    return found


def _border_world(
    agreed: tuple[int, int],
    told: tuple[int, int],
    state: str = "active",
    purposes: frozenset[str] = frozenset(),
    grants: tuple[Grant, ...] = (),
    **changes: Any,
) -> World:
    rows = tuple(made_up_row(number, MONTHS[number % 3]) for number in range(6))
    content = frozenset(row.number for row in rows)
    groups, areas = frozenset(GROUPS), frozenset(AREAS)
    grants = grants or (
        Grant(areas, groups, "grid", 250, from_month=MONTHS[1], rolling=True),
        Grant(areas, groups, "point", officer_records=True),
    )
    terms = Terms("full", 1, groups, "grid", 75, frozenset(USES), frozenset(), 8, "", _day(told[0]), _day(told[1]))
    start = State(
        datasets=DATASETS,
        rows={"full": rows, "plain": ()},
        contents={"full": (content,), "plain": ()},
        agreements=tuple(
            Agreement(f"DSA-{who}", who, "full", state, _day(agreed[0]), _day(agreed[1]), purposes, grants)
            for who in ORGANISATIONS
        ),
        terms=(replace(terms, **changes),),
        today=TODAY,
    )
    people = (
        Person("met.analyst", "met", "police", "analyst", "research"),
        Person("met.other", "met", "police", "analyst", "other-7"),
    )
    return World(start, people, {}, (), sync=False)


def _day(offset: int) -> date:
    return TODAY + timedelta(offset)


def check_world(session: Session, definitions: Mapping[str, DatasetDefinition], state: State, world: World) -> None:
    """What people of this world, and some others, see and count at its beginning."""
    purpose = world.people[0].purpose
    others = [
        Person("somebody", organisation, ORGANISATIONS[organisation], role, purpose)
        for organisation, role in (("camden", "licensing-officer"), ("met", "analyst"), ("camden", "auditor"))
    ]
    # Another day of the same month: rights are those of the day that is asked about.
    other_day = replace(state, today=state.today.replace(day=15 if state.today.day != 15 else 16))
    for person in others:
        for dataset in DATASETS:
            check_rows(session, definitions, other_day, person, dataset.code, Use.VIEW)
    for person in (*world.people, *others):
        with pytest.raises(Refusal) as refused:
            scope(session, subject(person), "nowhere", definitions)
        assert (refused.value.code, refused.value.document.status) == ("unknown-dataset", 404)
        for dataset in DATASETS:
            for use in (Use.VIEW, Use.SYNC):
                check_rows(session, definitions, state, person, dataset.code, use)
            check_counts(session, definitions, state, person, dataset.code)


def check_rows(
    session: Session,
    definitions: Mapping[str, DatasetDefinition],
    state: State,
    person: Person,
    code: str,
    use: Use,
) -> None:
    expected = asked(state, person, code, use.value)
    try:
        found = scope(session, subject(person), code, definitions, use, state.today)
    except Refusal as refusal:
        assert isinstance(expected, Refused) and refusal.code == expected.code
        assert refusal.document.status == (404 if refusal.code == "not-published" else 403)
        return
    assert isinstance(expected, Opened)
    assert (found.agreement, found.release, found.threshold, found.until) == (
        expected.reference,
        expected.release,
        expected.threshold,
        expected.until,
    )
    names = [column.name for column in expected.columns(use.value)]
    places = ["x", "y"] if expected.placed(use.value) else []
    held = rows_of(session, found, readable(found))
    shown = expected.seen(use.value)
    assert all(list(row) == ["fid", *places, *names] for row in held)
    wanted = [{name: row[name] for name in ("fid", *places, *names)} for row in shown]
    assert bag(held) == bag(wanted)
    for period in {row.month for row in state.rows[code]} if use == Use.SYNC else ():
        of_month = [r for r in wanted if month_of(state, code, r["fid"]) == period]
        assert bag(rows_of(session, found, readable(found, period))) == bag(of_month)
        mine = [g for g in expected.giving(use.value) if covers_month(g, period)]
        assert found.covers(period) == bool(mine)
        # What is agreed of other months changes nothing of this month's files.
        theirs = tuple(g for g in found.grants if g.covers(period))
        if theirs and (columns_and_place(found) == columns_and_place(replace(found, grants=theirs))):
            assert replace(found, grants=theirs).fingerprint(period) == found.fingerprint(period)
    for month in (*MONTHS, ""):
        assert [g.covers(month) for g in found.grants] == [covers_month(g, month) for g in expected.grants]


def check_counts(
    session: Session, definitions: Mapping[str, DatasetDefinition], state: State, person: Person, code: str
) -> None:
    expected = asked(state, person, code, "view", counts=True)
    try:
        found = countable_scope(session, subject(person), code, definitions)  # today
    except Refusal as refusal:
        assert isinstance(expected, Refused) and refusal.code == expected.code
        assert refusal.document.status == (404 if refusal.code == "not-published" else 403)
        return
    assert isinstance(expected, Opened)
    held = [row for row in rows_of(session, found, countable(found)) if row["aggregate"] == 1]
    wanted = []
    for row in expected.counted():
        grant = expected.counting_grant(row)
        groups, place = grant.groups, counted_at(grant, row) or (None, None)
        wanted.append(
            {
                "month": row.values["month"],
                "borough_code": row.values["borough_code"] if "area" in groups else None,
                "category": row.values[CATEGORY[code]] if "core" in groups else None,
                "x": place[0],
                "y": place[1],
                "aggregate": 1,
            }
        )
    assert bag(held) == bag(wanted)
    assert any(found.counts(g) and g.precision == Precision.AGGREGATE for g in found.grants) == bool(
        expected.counting()
    )


def columns_and_place(found: Scope) -> tuple[Any, ...]:
    return found.columns, found.geometry


def covers_month(grant: Grant, month: str) -> bool:
    anywhere = Row(0, {"month": month or None}, {}, grant.areas)
    return covers(grant, anywhere)


def subject(person: Person) -> Subject:
    number = list(ORGANISATIONS).index(person.organisation) + 1
    return Subject("u", person.name, number, person.organisation, Role(person.role), "s", person.purpose, "c")


def rows_of(session: Session, found: Scope, query: Select[Any]) -> list[dict[str, Any]]:
    open_rows(session, found)
    return [dict(row) for row in session.execute(query).mappings()]


def month_of(state: State, code: str, fid: int) -> str:
    return next(row.month for row in state.rows[code] if fid in row.fids.values())


def bag(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(str(sorted(row.items(), key=lambda item: item[0])) for row in rows)
