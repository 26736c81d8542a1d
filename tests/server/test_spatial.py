"""What SpatiaLite and PostGIS do each in their own way comes to the same: one suite, run on either."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from math import hypot

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.datasets.service import ensure_incident_tables
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import settings_for
from sqlalchemy import ColumnElement, Float, Integer, SmallInteger, case, cast, func, literal, null, select, union_all

DATASET = "lfb"
WIDE = 1 << 52  # feature ids need more than 32 bits


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    opened = open_services(settings_for(tmp_path_factory.mktemp("spatial")), Part.PUBLISHER)
    create_schema(opened.database)
    ensure_incident_tables(opened.database, {DATASET: opened.definition(DATASET)})
    yield opened
    opened.close()


def whole(number: int | None) -> ColumnElement[int]:
    return cast(literal(number, Integer), Integer)


METRES = st.integers(0, 700_000)
SOMEWHERE = st.one_of(st.none(), st.tuples(METRES, METRES))


@given(
    places=st.lists(SOMEWHERE, max_size=12),
    centre=st.tuples(METRES, METRES),
    radius=st.integers(0, 900_000),
    on_the_edge=st.tuples(st.integers(-900, 900), st.integers(-900, 900)),
)
def test_within_and_in_bbox_are_inclusive_and_never_true_of_nowhere(
    services: Services,
    places: list[tuple[int, int] | None],
    centre: tuple[int, int],
    radius: int,
    on_the_edge: tuple[int, int],
) -> None:
    (easting, northing), (dx, dy) = centre, on_the_edge
    shown = [place or (None, None) for place in [*places, (easting + dx, northing + dy), None]]
    rows = union_all(
        *(
            select(literal(n, Integer).label("number"), whole(x).label("x"), whole(y).label("y"))
            for n, (x, y) in enumerate(shown)
        )
    ).subquery()
    # A whole number whose square root is whole or not: the circle's edge is exact either way.
    for reach in (radius, max(abs(dx), abs(dy)), round(hypot(dx, dy))):
        near = services.spatial.within(rows.c.x, rows.c.y, easting, northing, reach)
        box = services.spatial.in_bbox(
            rows.c.x, rows.c.y, easting - reach, northing - reach, easting + reach, northing + reach
        )
        with services.database.read() as session:
            found_near = set(session.scalars(select(rows.c.number).where(near)))
            found_box = set(session.scalars(select(rows.c.number).where(box)))
        placed = [(n, x, y) for n, (x, y) in enumerate(shown) if x is not None and y is not None]
        assert found_near == {n for n, x, y in placed if (x - easting) ** 2 + (y - northing) ** 2 <= reach * reach}
        assert found_box == {n for n, x, y in placed if max(abs(x - easting), abs(y - northing)) <= reach}


def rows_to_store() -> pl.DataFrame:
    """Rows with everything that is easily lost on the way: nothing, "", commas, quotation marks, line ends, 64 bits."""
    streets = ["On or near A, B", 'the "Angel"', "", None, "two\nlines", "\\N", "NULL", "’Ō", " blanks ", "1"]
    number = len(streets)
    return pl.DataFrame(
        {
            "identity": [f"{n:02d}" for n in range(number)],
            "content": [""] * number,
            "delivery_id": [1] * number,
            "from_release": [1] * number,
            "fid_point": [WIDE + n for n in range(number)],
            "fid_grid": [-WIDE - n for n in range(number)],
            "fid_area": list(range(number)),
            "period": ["2024-01", "", "2025-12", "2024-02", "", "1999-01", "2024-01", "2024-01", "2031-07", "2024-01"],
            "area_code": ["unplaced"] * number,
            "occurred_on": [date(2024, 1, 31), None, date(1999, 1, 1)] + [None] * (number - 3),
            "easting": [530_000, None, 0] + [529_999] * (number - 3),
            "northing": [180_000, None, 0] + [179_999] * (number - 3),
            "incident_group": ["Fire"] * number,
            "special_service": streets,
        },
        schema_overrides={"easting": pl.Int64, "northing": pl.Int64},
    )


def test_what_is_stored_in_bulk_comes_out_as_arrow(services: Services) -> None:
    definition = services.definition(DATASET)
    table = incident_table(definition)
    stored = rows_to_store()
    services.spatial.make_room(services.database, definition, stored.get_column("period").unique().to_list())
    told: list[int] = []
    with services.database.write(dataset=DATASET) as session:
        services.spatial.settle(session)
        services.spatial.store(session, definition, stored.reverse(), told.append)
    assert told[-1] == len(stored)
    names = stored.columns
    kinds = {pl.String: pa.string(), pl.Int64: pa.int64(), pl.Date: pa.date32()}
    schema = pa.schema([pa.field(name, kinds[type(stored.schema[name])]) for name in names])
    query = select(*(table.c[name] for name in names)).order_by(table.c.identity)
    with services.database.read() as session:
        batches = list(services.spatial.batches(session.connection(), query, schema, 3))
        nothing = list(
            services.spatial.batches(session.connection(), query.where(table.c.special_service == "?"), schema, 3)
        )
        points = session.execute(select(func.ST_X(table.c.geometry), table.c.easting)).all()
    assert nothing == []
    assert all(batch.schema == schema for batch in batches)
    assert pa.Table.from_batches(batches).to_pylist() == stored.select(names).to_dicts()
    assert points and all(x == easting for x, easting in points)


def test_booleans_and_fractions_keep_their_types(services: Services) -> None:
    rows = union_all(*(select(literal(number, Integer).label("number")) for number in (1, 2))).subquery()
    first = rows.c.number == 1
    query = select(
        rows.c.number,
        case((first, literal(1, SmallInteger)), else_=cast(null(), SmallInteger)),
        case((first, literal(0.1, Float)), else_=cast(null(), Float)),
    ).order_by(rows.c.number)
    schema = pa.schema([("fid", pa.int64()), ("yes", pa.bool_()), ("share", pa.float64())])
    with services.database.read() as session:
        batches = list(services.spatial.batches(session.connection(), query, schema, 100))
    assert pa.Table.from_batches(batches).to_pylist() == [
        {"fid": 1, "yes": True, "share": 0.1},
        {"fid": 2, "yes": None, "share": None},
    ]
