"""Fixed questions about rows that are only counted: every band, every category, once a release, and kept."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest
from safestats.shared.presets import Exclusion
from safestats.shared.rings import Band
from safestats.shared.windows import Window
from safestats.sync_server.agreements.models import Precision, Use
from safestats.sync_server.agreements.opened import GrantProfile, Scope
from safestats.sync_server.analysis.cell_answers import TOP_CATEGORIES, CellRow, counts_around, fixed_windows
from safestats.sync_server.analysis.models import CellAnswer
from safestats.sync_server.datasets.definitions import FieldGroup
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.instants import now
from safestats.sync_server.publishing.models import Release, ReleaseState
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import settings_for
from safestats.tests.server.oracle import perturbed
from sqlalchemy import delete, select, update

DATASET = "las"
CENTRE = (530_000, 180_000)
YEAR = Window("2025-01", "2025-12")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TYPES = {int: pl.Int64, str: pl.String, float: pl.Float64, date: pl.Date}
RADII = (100, 250, 500)


def incidents(labels: list[str]) -> list[dict[str, Any]]:
    """A few hundred within and around the rings, in and around the year, some without hour or category."""
    draw = random.Random(20)
    made = []
    for number in range(400):
        month = draw.choice([*YEAR.months, *YEAR.months, "2024-12", "2026-01", "2024-03"])
        made.append(
            {
                "identity": str(number),
                "month": month,
                "period": month,
                "easting": CENTRE[0] + draw.randint(-420, 420),
                "northing": CENTRE[1] + draw.randint(-420, 420),
                "category": draw.choice([*labels[:3] * 4, *labels, None]),
                "hour": draw.choice([*range(24), None]),
                "weekday": draw.choice([*DAYS, None]),
                "area_code": draw.choice(["E01000842"] * 9 + ["E01000001"]),
            }
        )
    return made


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = open_services(settings_for(tmp_path_factory.mktemp("cells")), Part.PUBLISHER)
    definition = made.definitions[DATASET]
    table = incident_table(definition)
    labels = list(definition.field("category").codes.values())
    rows = [
        {"content": "", "delivery_id": 0, "from_release": 1, "fid_point": n, "fid_grid": n, "fid_area": n, **row}
        for n, row in enumerate(incidents(labels))
    ]
    kinds = {column.name: TYPES[column.type.python_type] for column in table.columns if column.name in rows[0]}
    made.spatial.make_room(made.database, definition, {row["period"] for row in rows})
    with made.database.write() as session:
        made.spatial.store(session, definition, pl.DataFrame(rows, schema=kinds), lambda _done: None)
        for number, periods in ((1, ["2024-03", *YEAR.months, "2026-01"]), (2, ["2025-12", "2026-01-07"]), (3, [""])):
            release = Release(dataset=DATASET, number=number, state=ReleaseState.PUBLISHED, staged_at=now())
            release.periods = periods
            session.add(release)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_answered(services: Services) -> None:
    with services.database.write() as session:
        session.execute(delete(CellAnswer))


def permitted(services: Services, release: int = 1, **changes: Any) -> Scope:
    groups = (FieldGroup.CORE, FieldGroup.AREA, FieldGroup.LOCATION)
    grant = GrantProfile(("E01000842",), groups, Precision.AGGREGATE, 0, "", "", frozenset({Use.VIEW}))
    grant = replace(grant, **changes)
    return Scope(services.definitions[DATASET], (grant,), "DSA-1", date(2030, 1, 1), release, Use.VIEW, threshold=8)


def ask(services: Services, scope: Scope, window: Window = YEAR, **parameters: Any) -> tuple[CellRow, ...]:
    with services.database.read() as session:
        return counts_around(services, session, scope, *CENTRE, window, **parameters)


def within(band: Band, hour: int | None, weekday: str | None) -> bool:
    if band is Band.ALL:
        return True
    if hour is None:
        return False
    if band is Band.LATE_NIGHT:
        return hour in (22, 23, 0, 1, 2)
    if hour not in (18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5):
        return False
    if band is Band.EVENING_AND_NIGHT:
        return True
    begun = None if weekday is None else DAYS[DAYS.index(weekday) - (hour < 6)]
    return begun in ("Friday", "Saturday")


def by_hand(services: Services, window: Window, left_out: str | None = None) -> dict[tuple[Band, str], list[int]]:
    labels = list(services.definitions[DATASET].field("category").codes.values())
    secret = services.keys.cell_secret
    answers: dict[tuple[Band, str], list[int]] = {}
    for band in Band:
        held = [
            row
            for row in incidents(labels)
            if row["area_code"] == "E01000842"
            and window.first <= row["month"] <= window.last
            and within(band, row["hour"], row["weekday"])
            and (left_out is None or row["category"] != left_out)
        ]
        for name in ("all", *labels, "none"):
            of_it = [row for row in held if name == "all" or (row["category"] or "none") == name]
            answers[band, name] = [
                perturbed(
                    [
                        int(row["identity"])
                        for row in of_it
                        if (row["easting"] - CENTRE[0]) ** 2 + (row["northing"] - CENTRE[1]) ** 2 <= radius**2
                    ],
                    8,
                    secret,
                )
                for radius in RADII
            ]
    return answers


@pytest.mark.parametrize("window", [YEAR, Window("2024-01", "2024-12")])
def test_each_band_and_category_is_counted_and_perturbed(services: Services, window: Window) -> None:
    expected = by_hand(services, window)
    rows = ask(services, permitted(services), window)
    for band in Band:
        of_band = [row for row in rows if row.band is band]
        assert of_band[0].every and list(of_band[0].counts) == expected[band, "all"]
        told = {row.category or "none": list(row.counts) for row in of_band[1:]}
        assert told == {name: expected[band, name] for name in told}
        filled = [c for (b, name), c in expected.items() if b is band and name != "all" and any(c)]
        assert len(told) == min(len(filled), TOP_CATEGORIES)
        order = [row.counts[-1] for row in of_band[1:]]
        assert order == sorted(order, reverse=True)
        assert all(count == 0 or (count >= 10 and count % 5 == 0) for row in of_band for count in row.counts)


def test_what_a_preset_leaves_out_is_left_out(services: Services) -> None:
    codes = services.definitions[DATASET].field("category").codes
    code, label = next(iter(codes.items()))
    expected = by_hand(services, YEAR, left_out=label)
    rows = ask(services, permitted(services), leave_out=Exclusion(categories=(code,)))
    assert list(rows[0].counts) == expected[Band.ALL, "all"] != by_hand(services, YEAR)[Band.ALL, "all"]
    assert label not in [row.category for row in rows]


def test_an_answer_is_worked_out_once_a_release(services: Services) -> None:
    first = ask(services, permitted(services))
    assert ask(services, permitted(services)) == first
    with services.database.write() as session:
        (kept,) = session.scalars(select(CellAnswer)).all()
        changed = [{**row, "counts": [995, 995, 995]} for row in kept.rows]
        session.execute(update(CellAnswer).values(rows=changed))
    assert {row.counts for row in ask(services, permitted(services))} == {(995, 995, 995)}
    # Another release asks anew, and the same incidents have the same answer.
    assert ask(services, permitted(services, release=2)) == first
    with services.database.read() as session:
        assert sorted(session.scalars(select(CellAnswer.release))) == [1, 2]


def test_what_is_kept_holds_nothing_exact(services: Services) -> None:
    ask(services, permitted(services))
    with services.database.read() as session:
        (kept,) = session.scalars(select(CellAnswer)).all()
    assert all(count % 5 == 0 for row in kept.rows for count in row["counts"])
    assert set(kept.rows[0]) == {"band", "every", "category", "counts"}


@pytest.mark.parametrize(
    "changes",
    [
        {"areas": ("E01000001",)},
        {"from_month": "2025-06"},
        {"to_month": "2025-06"},
        {"groups": (FieldGroup.CORE, FieldGroup.LOCATION)},
        {"counted": Precision.GRID, "counted_m": 250},
    ],
)
def test_other_rights_have_answers_of_their_own(services: Services, changes: dict[str, Any]) -> None:
    ask(services, permitted(services))
    ask(services, permitted(services, **changes))
    with services.database.read() as session:
        assert len(set(session.scalars(select(CellAnswer.rights)))) == 2


def test_rows_that_show_no_place_or_are_shown_are_in_no_ring(services: Services) -> None:
    for changes in ({"groups": (FieldGroup.CORE,)}, {"precision": Precision.POINT}, {"uses": frozenset({Use.SYNC})}):
        rows = ask(services, permitted(services, **changes))
        assert {row.counts for row in rows} == {(0, 0, 0)}


def test_without_their_fields_bands_and_categories_are_not_told(services: Services) -> None:
    rows = ask(services, permitted(services, groups=(FieldGroup.LOCATION,)))
    assert {row.category for row in rows} == {None}
    assert all(row.counts == (0, 0, 0) for row in rows if row.band is not Band.ALL)
    assert list(rows[0].counts) == by_hand(services, YEAR)[Band.ALL, "all"]


@pytest.mark.parametrize(
    ("release", "today", "newest"),
    [
        (1, date(2026, 3, 1), "2026-01"),
        (1, date(2026, 1, 31), "2025-12"),  # a month that is not over
        (2, date(2026, 3, 1), "2025-12"),  # of the newest month a week is held
    ],
)
def test_the_fixed_years_end_with_a_whole_month(services: Services, release: int, today: date, newest: str) -> None:
    with services.database.read() as session:
        windows = fixed_windows(session, permitted(services, release), today)
        assert fixed_windows(session, permitted(services, 3), today) == ()
        assert fixed_windows(session, permitted(services, 9), today) == ()
    assert windows[0].last == newest and windows[1] == windows[0].before()
    assert all(len(window.months) == 12 for window in windows) and len(set(windows)) == 12
    assert windows[-2].last == windows[0].months[-6]
