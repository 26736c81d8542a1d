"""The digest of a month's rows, made column by column, is that of the rows one by one."""

from __future__ import annotations

import random
import struct

import pytest
from safestats.qgis_plugin.core.geopackage import UnprovedError
from safestats.qgis_plugin.core.row_digest import canonical, encoder, places_of
from safestats.shared.manifest import Column, canonical_row

TEXTS = ["", "Drugs", 'a "quoted" one', "back\\slash", "line\nfeed\ttab\x01", "Ærøskøbing – ’n’", "\U0001f6a8", None]
REALS = [0.0, -0.0, 1.0, 0.1, -2.5e-7, 1e22, 123456789.123456789, None]
WHOLE = [0, 1, -1, 2**62, None]
VALUES = {"text": TEXTS, "real": REALS, "integer": WHOLE, "date": ["2026-02-28", None], "boolean": [0, 1, None]}
COLUMNS = [Column(kind, "", kind) for kind in VALUES]


def point(x: float, y: float, flags: int = 1, order: str = "<") -> bytes:
    return b"GP\0" + bytes([flags]) + struct.pack("<i", 27700) + struct.pack(f"{order}BIdd", order == "<", 1, x, y)


@pytest.mark.parametrize("seed", range(5))
def test_rows_by_column_are_the_same_bytes_as_rows_one_by_one(seed: int) -> None:
    chance = random.Random(seed)
    rows = [tuple(chance.choice(values) for values in VALUES.values()) for _ in range(200)]
    places = [chance.choice([None, (530_000 + n, 180_000 - n)]) for n in range(200)]
    eastings, northings = places_of([place and point(*place) for place in places])
    encoded = [encoder(column)(values) for column, values in zip(COLUMNS, zip(*rows))]
    together = canonical([map(str, range(200)), eastings, northings, *encoded])
    one_by_one = [
        canonical_row([fid, *(place or (None, None)), *row[:-1], None if row[-1] is None else bool(row[-1])])
        for fid, (place, row) in enumerate(zip(places, rows))
    ]
    assert together == b"".join(one_by_one)


@pytest.mark.parametrize("strange", [point(1, 2, flags=3), point(1, 2, order=">"), point(1, 2)[:-1], b""])
def test_a_place_that_is_written_otherwise_is_refused(strange: bytes) -> None:
    with pytest.raises(UnprovedError, match="not written as a published point"):
        places_of([point(1, 2), strange, None])
