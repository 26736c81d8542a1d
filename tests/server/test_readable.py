"""``readable`` against an oracle in plain Python: rows, columns and precision, for any grants and rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safestats.sync_server.agreements.models import Precision, Use
from safestats.sync_server.agreements.opened import GrantProfile, Scope
from safestats.sync_server.agreements.readable import Bounds, countable, readable, rows_by_grant
from safestats.sync_server.database import Database
from safestats.sync_server.datasets.definitions import (
    DatasetDefinition,
    Delivery,
    Field,
    FieldGroup,
    FieldType,
    Identity,
    Outside,
)
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part
from safestats.tests.server.agreements_rig import undone
from safestats.tests.server.engines import settings_for
from sqlalchemy import insert

DEFINITION = DatasetDefinition(
    code="test",
    version=1,
    title="Test",
    supplier="",
    description="",
    date_precision="day",
    fields=(
        Field("category", "Category", FieldType.TEXT, FieldGroup.CORE),
        Field("occurred_on", "Date", FieldType.DATE, FieldGroup.CORE),
        Field("street", "Street", FieldType.TEXT, FieldGroup.PLACE),
        Field("age_band", "Age", FieldType.TEXT, FieldGroup.DEMOGRAPHIC),
    ),
    category_field="category",
    identity=Identity(None, ("category",)),
    delivery=Delivery.REPLACES,
    outside=Outside.KEEP,
    attribution="",
    caveats=(),
    cadence="",
    suppression_threshold=5,
    colour="#000000",
)

# The oracle's own idea of a layer, in the order of its columns.
ORDER = [
    ("month", "core"),
    ("borough_code", "area"),
    ("borough", "area"),
    ("lsoa_code", "area"),
    ("easting", "location"),
    ("northing", "location"),
    ("location_method", "location"),
    ("precision_m", "location"),
    ("category", "core"),
    ("occurred_on", "core"),
    ("street", "place"),
    ("age_band", "demographic"),
]
AREAS = ["E09000001", "E09000007", "E01000001", "E01000842", "unplaced", "outside"]
BOROUGH_OF = {"E01000001": "E09000001", "E01000842": "E09000007"}
PERIODS = ["2024-12", "2025-01", "2025-02", ""]
RELEASE = 3


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(settings_for(tmp_path_factory.mktemp("readable")), Part.OWNER)
    incident_table(DEFINITION).create(opened.engine)
    yield opened
    opened.engine.dispose()


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for number in range(draw(st.integers(0, 8))):
        area = draw(st.sampled_from(AREAS[2:]))
        period = draw(st.sampled_from(PERIODS))
        placed = area != "unplaced"
        from_release = draw(st.integers(1, 4))
        made.append(
            {
                "identity": str(number),
                "content": "",
                "delivery_id": 1,
                "from_release": from_release,
                "to_release": draw(st.none() | st.integers(from_release + 1, 5)),
                "fid_point": 1000 + number,
                "fid_grid": 2000 + number,
                "fid_area": 3000 + number,
                "period": period,
                "area_code": area,
                "month": period or None,
                "borough_code": BOROUGH_OF.get(area),
                "borough": BOROUGH_OF.get(area),
                "lsoa_code": area if area in BOROUGH_OF else None,
                "easting": draw(st.integers(-2000, 2000)) if placed else None,
                "northing": draw(st.integers(-2000, 2000)) if placed else None,
                "location_method": "supplied" if placed else "none",
                "precision_m": draw(st.sampled_from([10, 250, 800, None])) if placed else None,
                "category": draw(st.sampled_from(["burglary", "robbery"])),
                "occurred_on": date.fromisoformat(f"{period}-05") if period else None,
                "street": f"street {number}",
                "age_band": "20-29",
            }
        )
    return made


@st.composite
def grants(draw: st.DrawFn) -> GrantProfile:
    return GrantProfile(
        areas=tuple(sorted(draw(st.sets(st.sampled_from(AREAS), min_size=1)))),
        groups=tuple(g for g in FieldGroup if g in draw(st.sets(st.sampled_from(list(FieldGroup))))),
        precision=draw(st.sampled_from(list(Precision))),
        grid_m=draw(st.sampled_from([50, 75, 250])),
        from_month=draw(st.sampled_from(["", "2025-01"])),
        to_month=draw(st.sampled_from(["", "2025-01"])),
        uses=draw(st.sampled_from([frozenset(Use), frozenset({Use.SYNC}), frozenset({Use.VIEW})])),
        counted=draw(st.sampled_from([Precision.POINT, Precision.GRID, Precision.AREA])),
        counted_m=500,
    )


def in_months(grant: GrantProfile, period: str) -> bool:
    if period == "":
        return grant.from_month == "" and grant.to_month == ""
    if grant.from_month and period < grant.from_month:
        return False
    return not (grant.to_month and period > grant.to_month)


def first_covering(grant_list: list[GrantProfile], row: dict[str, Any]) -> GrantProfile | None:
    for grant in grant_list:
        places = {row["area_code"], row["borough_code"]}
        if places & set(grant.areas) and in_months(grant, row["period"]):
            return grant
    return None


def kind_of(grant: GrantProfile) -> str:
    if grant.precision.value == "aggregate":
        return "aggregate"
    return grant.precision.value if "location" in [g.value for g in grant.groups] else "area"


def columns_of(grant: GrantProfile) -> list[str]:
    groups = [g.value for g in grant.groups]
    hidden = {"easting", "northing"} if kind_of(grant) == "area" else set()
    if kind_of(grant) == "aggregate":
        return []
    return [name for name, group in ORDER if group in groups and name not in hidden]


def seen(grant: GrantProfile, row: dict[str, Any]) -> dict[str, Any]:
    kind = kind_of(grant)
    values = dict(row)
    if kind == "grid" and row["easting"] is not None:
        for axis in ("easting", "northing"):
            values[axis] = math.floor(row[axis] / grant.grid_m) * grant.grid_m + grant.grid_m // 2
        values["precision_m"] = max(row["precision_m"] or 0, grant.grid_m)
        values["location_method"] = "grid"
    if kind == "area":
        values["precision_m"] = None
        if row["easting"] is not None:
            values["location_method"] = "area"
    shown = {name: values[name] for name in columns_of(grant)}
    shown["fid"] = row[f"fid_{kind}"]
    shown["x"] = None if kind == "area" else values["easting"]
    shown["y"] = None if kind == "area" else values["northing"]
    return shown


def live(row: dict[str, Any]) -> bool:
    return row["from_release"] <= RELEASE and (row["to_release"] is None or row["to_release"] > RELEASE)


def counted(grant: GrantProfile, row: dict[str, Any]) -> tuple[Any, ...]:
    """month, borough_code, category, x, y, aggregate: the place as the grant has it, exact where it is only counted."""
    groups = [g.value for g in grant.groups]
    kind = kind_of(grant)
    place = (None, None)
    if kind == "aggregate":
        as_shown = replace(grant, precision=grant.counted, grid_m=grant.counted_m)
        if "location" in groups and grant.counted != Precision.AREA:
            shown = seen(as_shown, row)
            place = (shown["x"], shown["y"])
    elif kind in ("point", "grid"):
        shown = seen(grant, row)
        place = (shown["x"], shown["y"])
    area = row["borough_code"] if "area" in groups else None
    return (row["month"], area, row["category"] if "core" in groups else None, *place, int(kind == "aggregate"))


def oracle(all_rows: list[dict], grant_list: list[GrantProfile], period: str | None) -> tuple[list[str], Counter]:
    open_grants = [g for g in grant_list if Use.SYNC in g.uses and kind_of(g) != "aggregate"]
    names = [name for name, _ in ORDER if any(name in columns_of(g) for g in open_grants)]
    columns = ["fid"] + (["x", "y"] if any(kind_of(g) != "area" for g in open_grants) else []) + names
    expected: Counter = Counter()
    for row in all_rows:
        if not live(row) or (period is not None and row["period"] != period):
            continue
        grant = first_covering(grant_list, row)
        if grant in open_grants:
            shown = seen(grant, row)
            expected[tuple(shown.get(column) for column in columns)] += 1
    return columns, expected


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(all_rows=rows(), grant_list=st.lists(grants(), max_size=4), period=st.sampled_from([None, *PERIODS]))
def test_rows_and_columns_are_the_permitted_ones(
    database: Database, all_rows: list[dict], grant_list: list[GrantProfile], period: str | None
) -> None:
    scope = Scope(DEFINITION, tuple(grant_list), "DSA-1", date(2030, 1, 1), RELEASE)
    table = incident_table(DEFINITION)
    with undone(database) as session:
        if all_rows:
            session.execute(insert(table), all_rows)
        result = session.execute(readable(scope, period))
        columns, expected = oracle(all_rows, grant_list, period)
        assert list(result.keys()) == columns
        assert Counter(tuple(row) for row in result) == expected
    assert columns[1:] == (["x", "y"] if scope.geometry == "point" else []) + [f.name for f in scope.columns]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    all_rows=rows(),
    grant_list=st.lists(grants(), min_size=1, max_size=3),
    place=st.tuples(st.integers(-2000, 2000), st.integers(-2000, 2000)),
    reach=st.integers(0, 1500),
)
def test_those_within_bounds_are_those_that_show_a_place_there(
    database: Database, all_rows: list[dict], grant_list: list[GrantProfile], place: tuple[int, int], reach: int
) -> None:
    scope = Scope(DEFINITION, tuple(grant_list), "DSA-1", date(2030, 1, 1), RELEASE)
    columns, shown = oracle(all_rows, grant_list, None)
    inside: Counter = Counter()
    if scope.geometry == "point":
        x, y = columns.index("x"), columns.index("y")
        for row, number in shown.items():
            if row[x] is not None and abs(row[x] - place[0]) <= reach and abs(row[y] - place[1]) <= reach:
                inside[row] = number
    with undone(database) as session:
        if all_rows:
            session.execute(insert(incident_table(DEFINITION)), all_rows)
        result = session.execute(readable(scope, within=Bounds.around(*place, reach)))
        assert Counter(tuple(row) for row in result) == inside


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    all_rows=rows(),
    grant_list=st.lists(grants(), max_size=4),
    months=st.tuples(st.sampled_from(PERIODS[:3]), st.sampled_from(PERIODS[:3])),
)
def test_those_of_some_months_are_those_of_each_of_them(
    database: Database, all_rows: list[dict], grant_list: list[GrantProfile], months: tuple[str, str]
) -> None:
    scope = Scope(DEFINITION, tuple(grant_list), "DSA-1", date(2030, 1, 1), RELEASE)
    expected: Counter = Counter()
    for month in PERIODS[:3]:
        if months[0] <= month <= months[1]:
            expected += oracle(all_rows, grant_list, month)[1]
    with undone(database) as session:
        if all_rows:
            session.execute(insert(incident_table(DEFINITION)), all_rows)
        assert Counter(tuple(row) for row in session.execute(readable(scope, months=months))) == expected


@pytest.mark.parametrize("cell", [0, 75, 250])
def test_bounds_hold_to_the_metre(database: Database, cell: int) -> None:
    """Every place on two lines, one of each direction, and bounds that end on, just before and just after squares."""
    precision = Precision.GRID if cell else Precision.POINT
    table = incident_table(DEFINITION)
    row = {"content": "", "delivery_id": 1, "from_release": 1, "to_release": None, "period": "2025-01"}
    row |= {"area_code": "E01000842", "borough_code": "E09000007", "category": "burglary"}
    reach = range(-2 * max(cell, 20), 2 * max(cell, 20) + 1)
    places = [(place, 0) for place in reach] + [(0, place) for place in reach]
    made = [
        {**row, "identity": str(n), "fid_point": n, "fid_grid": n, "fid_area": n, "easting": x, "northing": y}
        for n, (x, y) in enumerate(places)
    ]
    scope = Scope(DEFINITION, (grant(precision=precision, grid_m=cell),), "DSA-1", date(2030, 1, 1), RELEASE)
    middle = cell // 2
    edges = [at + step for at in (-cell - middle, middle - cell, middle, middle + cell) for step in (-1, 0, 1)]
    with undone(database) as session:
        session.execute(insert(table), made)
        everything = Counter((shown.x, shown.y) for shown in session.execute(readable(scope)))
        for least in edges[::2]:
            for most in edges[1::2]:
                for bounds in (Bounds(least, -500, most, 500), Bounds(-500, least, 500, most)):
                    expected = {
                        (x, y): number
                        for (x, y), number in everything.items()
                        if bounds.west <= x <= bounds.east and bounds.south <= y <= bounds.north
                    }
                    found = Counter((shown.x, shown.y) for shown in session.execute(readable(scope, within=bounds)))
                    assert found == expected, bounds
        # Without coordinates nothing lies anywhere.
        areas = replace(scope, grants=(grant(groups=(FieldGroup.CORE,)), grant(areas=("outside",))))
        assert session.execute(readable(areas, within=Bounds(-9999, -9999, 9999, 9999))).all() == []


def test_months_of_a_grant_bound_its_rows(database: Database) -> None:
    table = incident_table(DEFINITION)
    row = {"content": "", "delivery_id": 1, "from_release": 1, "to_release": None, "area_code": "E01000842"}
    row |= {"borough_code": "E09000007", "category": "burglary"}
    periods = ["", "2024-12", "2025-01", "2025-02"]
    made = [
        {**row, "identity": str(n), "fid_point": n, "fid_grid": n, "fid_area": n, "period": period}
        for n, period in enumerate(periods)
    ]
    with undone(database) as session:
        session.execute(insert(table), made)
        for months, expected in (
            ({}, {0, 1, 2, 3}),
            ({"from_month": "2025-01"}, {2, 3}),
            ({"to_month": "2025-01"}, {1, 2}),
            ({"from_month": "2025-01", "to_month": "2025-01"}, {2}),
        ):
            scope = Scope(DEFINITION, (grant(**months),), "DSA-1", date(2030, 1, 1), RELEASE)
            assert {shown.fid for shown in session.execute(readable(scope))} == expected, months


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(all_rows=rows(), grant_list=st.lists(grants(), max_size=4))
def test_what_may_be_counted_is_what_the_first_grant_lets_count(
    database: Database, all_rows: list[dict], grant_list: list[GrantProfile]
) -> None:
    scope = Scope(DEFINITION, tuple(grant_list), "DSA-1", date(2030, 1, 1), RELEASE, Use.VIEW)
    covering = [(row, first_covering(grant_list, row)) for row in all_rows if live(row)]
    with undone(database) as session:
        if all_rows:
            session.execute(insert(incident_table(DEFINITION)), all_rows)
        result = session.execute(countable(scope))
        assert list(result.keys()) == ["month", "borough_code", "category", "x", "y", "aggregate"]
        expected = Counter(counted(g, row) for row, g in covering if g is not None and Use.VIEW in g.uses)
        assert Counter(tuple(row) for row in result) == expected
        # How many rows each grant stands before, shown or not.
        shares = {row.position: row.rows for row in session.execute(rows_by_grant(scope))}
    assert sum(shares.values()) == sum(g is not None for _, g in covering)
    for position, found in shares.items():
        first = [g for g in grant_list[: position - 1] if g == grant_list[position - 1]]
        own = sum(g == grant_list[position - 1] for _, g in covering)
        assert found == (0 if first else own)


def test_an_aggregate_grant_hides_its_rows_from_later_grants(database: Database) -> None:
    table = incident_table(DEFINITION)
    row = {"identity": "1", "content": "", "delivery_id": 1, "from_release": 1, "to_release": None}
    row |= {"fid_point": 1, "fid_grid": 2, "fid_area": 3, "period": "2025-01", "area_code": "E01000842"}
    row |= {"borough_code": "E09000007", "easting": 100, "northing": 200, "category": "burglary"}
    counts = grant(areas=("E01000842",), precision=Precision.AGGREGATE)
    scope = Scope(DEFINITION, (counts, grant()), "DSA-1", date(2030, 1, 1), RELEASE, Use.VIEW)
    with undone(database) as session:
        session.execute(insert(table), [row])
        assert session.execute(readable(scope)).all() == []
        assert session.execute(countable(scope)).all() == [(None, None, "burglary", 100, 200, 1)]
        assert len(session.execute(readable(replace(scope, grants=scope.grants[::-1]))).all()) == 1


def grant(**changes: Any) -> GrantProfile:
    plain = GrantProfile(
        ("E09000007",), (FieldGroup.CORE, FieldGroup.LOCATION), Precision.POINT, 0, "", "", frozenset(Use)
    )
    return replace(plain, **changes)


def fingerprint(*profiles: GrantProfile, period: str = "2025-01", **changes: Any) -> str:
    scope = Scope(DEFINITION, profiles, "DSA-1", date(2030, 1, 1), RELEASE)
    return replace(scope, **changes).fingerprint(period)


def test_equal_rights_have_equal_fingerprints() -> None:
    same = fingerprint(grant())
    assert fingerprint(grant(), agreement="DSA-2", until=date(2040, 1, 1), release=9) == same
    assert fingerprint(grant(), period="2025-02") == same
    # The months only select; a cell without a grid and uses beside sync change nothing either.
    assert fingerprint(grant(from_month="2024-01", to_month="2026-01")) == same
    assert fingerprint(grant(grid_m=250)) == same
    assert fingerprint(grant(uses=frozenset({Use.SYNC}))) == same


@pytest.mark.parametrize(
    "changes",
    [
        {"areas": ("E09000001",)},
        {"areas": ("E09000001", "E09000007")},
        {"groups": (FieldGroup.CORE,)},
        {"groups": (FieldGroup.CORE, FieldGroup.LOCATION, FieldGroup.PLACE)},
        {"precision": Precision.GRID, "grid_m": 250},
        {"precision": Precision.AREA},
        {"precision": Precision.AGGREGATE},
        {"uses": frozenset({Use.VIEW})},
    ],
)
def test_other_rights_have_other_fingerprints(changes: dict[str, Any]) -> None:
    assert fingerprint(grant(**changes)) != fingerprint(grant())


def test_a_fingerprint_covers_the_cell_the_order_and_the_definition() -> None:
    grid = grant(precision=Precision.GRID, grid_m=250)
    assert fingerprint(grid) != fingerprint(replace(grid, grid_m=500))
    other = grant(areas=("E09000001",), groups=(FieldGroup.CORE,))
    assert fingerprint(grid, other) != fingerprint(other, grid)
    assert fingerprint(grid, definition=replace(DEFINITION, version=2)) != fingerprint(grid)


def test_a_row_without_a_borough_is_seen_through_a_later_grant(database: Database) -> None:
    table = incident_table(DEFINITION)
    row = {"identity": "1", "content": "", "delivery_id": 1, "from_release": 1, "to_release": None}
    row |= {"fid_point": 1, "fid_grid": 2, "fid_area": 3, "period": "2025-01", "area_code": "unplaced"}
    scope = Scope(DEFINITION, (grant(), grant(areas=("unplaced",))), "DSA-1", date(2030, 1, 1), RELEASE)
    with undone(database) as session:
        session.execute(insert(table), [row])
        assert [shown.fid for shown in session.execute(readable(scope))] == [1]
