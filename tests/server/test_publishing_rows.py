"""Rows on their way into files: the same names and the same bytes, whichever way they come."""

from __future__ import annotations

import zlib
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.shared.manifest import canonical_row
from safestats.sync_server.datasets.definitions import Field, FieldGroup, FieldType
from safestats.sync_server.publishing.geopackage import (
    NO_GEOMETRY,
    POINT,
    file_schema,
    merge_geopackages,
    pack,
    rows_schema,
    unpack,
    write_geopackage,
)
from safestats.sync_server.publishing.layer_rows import canonical_rows

pytestmark = pytest.mark.engineless

COLUMNS = tuple(
    Field(name, name.title(), kind, FieldGroup.CORE)
    for name, kind in (
        ("text", FieldType.TEXT),
        ("number", FieldType.INTEGER),
        ("cost", FieldType.REAL),
        ("day", FieldType.DATE),
        ("flag", FieldType.BOOLEAN),
    )
)
BIG = 2**62
VALUES = st.tuples(
    st.none() | st.integers(0, 700_000),
    st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.none() | st.integers(-BIG, BIG),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.dates(date(1000, 1, 1)),
    st.none() | st.booleans(),
)


def table(geometry: str, rows: list[tuple]) -> pa.Table:
    """Rows of place, text, number, cost, day and flag."""
    schema = rows_schema(COLUMNS, geometry)
    places = [(place, place and place + 1) if geometry == POINT else () for place, *_ in rows]
    values = [(fid, *place, *row[1:]) for fid, (place, row) in enumerate(zip(places, rows, strict=True), 7)]
    return pa.table([pa.array([row[i] for row in values], f.type) for i, f in enumerate(schema)], schema=schema)


@pytest.mark.parametrize("geometry", [POINT, NO_GEOMETRY])
@given(rows=st.lists(VALUES, min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_rows_are_proved_column_by_column_as_they_are_row_by_row(geometry: str, rows: list[tuple]) -> None:
    (batch,) = table(geometry, rows).to_batches()
    expected = b""
    for row in batch.to_pylist():
        fid, *rest = [v.isoformat() if isinstance(v, date) else v for v in row.values()]
        nowhere = [None, None] if geometry == NO_GEOMETRY else []
        expected += canonical_row([fid, *nowhere, *rest])
    assert canonical_rows(batch, placed=geometry == POINT) == expected


@pytest.mark.parametrize("geometry", [POINT, NO_GEOMETRY])
def test_a_snapshot_of_slices_has_the_bytes_of_one_of_rows(tmp_path: Path, geometry: str) -> None:
    """40,000 rows: more than a batch, in slices that end anywhere, one of them empty."""
    some = [
        (None, None, None, None, None, None),
        (5, "", 0, 0.1, date(1999, 12, 31), False),
        (9, "“Ü”\n", -1, 1e300, None, True),
    ]
    rows = table(geometry, [(n if n % 7 else None, *some[n % 3][1:]) for n in range(40_000)])
    direct = tmp_path / "direct.gpkg"
    write_geopackage(direct, "mps", rows, geometry, spatial_index=True)
    parts = []
    for number, (start, end) in enumerate(((0, 3), (3, 20_001), (20_001, 20_001), (20_001, 40_000))):
        part = tmp_path / f"{number}.gpkg"
        write_geopackage(part, "mps", rows.slice(start, end - start), geometry, spatial_index=False)
        pack(part, tmp_path / "packed.gz")
        unpack(tmp_path / "packed.gz", part)
        parts.append(part)
    merged = tmp_path / "merged.gpkg"
    assert merge_geopackages(merged, "mps", parts, file_schema(COLUMNS, geometry), geometry) == 40_000
    assert merged.read_bytes() == direct.read_bytes()


def test_a_snapshot_of_no_slices_has_its_columns(tmp_path: Path) -> None:
    direct, merged = tmp_path / "direct.gpkg", tmp_path / "merged.gpkg"
    write_geopackage(direct, "mps", table(POINT, []), POINT, spatial_index=True)
    assert merge_geopackages(merged, "mps", [], file_schema(COLUMNS, POINT), POINT) == 0
    assert merged.read_bytes() == direct.read_bytes()


def test_what_is_damaged_does_not_unpack_to_what_it_was(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a", tmp_path / "a.gz"
    plain.write_bytes(bytes(range(256)) * 20_000)
    facts = pack(plain, packed)
    data = packed.read_bytes()
    assert unpack(packed, tmp_path / "b") == facts.file_sha256
    packed.write_bytes(data[:-5])
    with pytest.raises(EOFError, match="cut off"):
        unpack(packed, tmp_path / "b")
    packed.write_bytes(data[:900] + bytes([data[900] ^ 1]) + data[901:])
    with pytest.raises(zlib.error):
        unpack(packed, tmp_path / "b")


def test_what_stops_a_long_write_is_told_as_it_is(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    rows = table(POINT, [(1, "a", 1, 1.0, None, True)])
    with pytest.raises(StopError):
        write_geopackage(tmp_path / "a.gpkg", "mps", rows, POINT, spatial_index=True, between=stop)
    (tmp_path / "b").write_bytes(b"b")
    with pytest.raises(StopError):
        pack(tmp_path / "b", tmp_path / "b.gz", stop)
