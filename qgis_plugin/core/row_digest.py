"""Proves the rows of a month in a GeoPackage by the digest that is their slice's name.

Column by column: each different text is encoded once, and places are read from all geometries at once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from ...shared.manifest import FID_COLUMN, GEOMETRY_COLUMN, Column, Manifest, Slice, slice_digest
from .geopackage import UnprovedError, read_only, read_points, watched
from .sql_text import quoted

_BATCH_ROWS = 2_000  # a batch holds Python, and with it the window, for some milliseconds

_encode = json.JSONEncoder(ensure_ascii=False).encode


def prove_month(path: Path, manifest: Manifest, month: Slice, cancelled: Callable[[], bool]) -> None:
    """Raise ``UnprovedError`` unless the file's rows of ``month`` are those that its name is the digest of."""
    digest = slice_digest(
        {
            "dataset": manifest.dataset,
            "definition_version": manifest.definition_version,
            "fingerprint": month.fingerprint,
            "period": month.period,
            "columns": [column.name for column in manifest.columns],
        }
    )
    placed = manifest.geometry != "none"
    names = [FID_COLUMN, *([GEOMETRY_COLUMN] if placed else []), *(column.name for column in manifest.columns)]
    query = (
        f"SELECT {', '.join(map(quoted, names))} FROM {quoted(manifest.layer_name)} "  # nosec B608 # quoted names
        f"WHERE {FID_COLUMN} BETWEEN ? AND ? ORDER BY {FID_COLUMN}"
    )
    encoders = [encoder(column) for column in manifest.columns]
    with closing(sqlite3.connect(read_only(path), uri=True)) as connection, watched(connection, cancelled):
        found = connection.execute(query, (month.fid_from, month.fid_to))
        while rows := found.fetchmany(_BATCH_ROWS):
            fids, *columns = zip(*rows)
            places = places_of(columns.pop(0)) if placed else (["null"] * len(fids),) * 2
            texts = [map(str, fids), *places, *(encode(values) for encode, values in zip(encoders, columns))]
            digest.update(canonical(texts))
    if digest.hexdigest() != month.name:
        raise UnprovedError(f"the rows of {month.period or 'those without a date'} are not the announced ones")


def canonical(columns: Sequence[Iterable[str]]) -> bytes:
    """The bytes of rows, as ``shared.manifest.canonical_row`` gives them, of their values as JSON column by column."""
    lines = "]\n[".join(map(",".join, zip(*columns)))
    return f"[{lines}]\n".encode()


def encoder(column: Column) -> Callable[[Sequence[Any]], Iterator[str]]:
    """What makes JSON of the values of a column."""
    if column.type in ("real", "integer"):
        return lambda values: ["null" if value is None else repr(value) for value in values]
    known = _Known(bool if column.type == "boolean" else None)
    return lambda values: map(known.__getitem__, values)


class _Known(dict):
    """JSON by value, made when first asked for."""

    def __init__(self, kind: Callable[[Any], Any] | None) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, value: Any) -> str:
        text = _encode(value if value is None or self._kind is None else self._kind(value))
        self[value] = text
        return text


def places_of(geometries: Sequence[bytes | None]) -> tuple[list[str], list[str]]:
    """Eastings and northings as JSON, whole metres, of a GeoPackage's points; ``null`` where there is none.

    Raises ``UnprovedError`` where a geometry is no such point.
    """
    read = read_points([point for point in geometries if point is not None])
    xs, ys = (map(str, read[axis].astype(np.int64).tolist()) for axis in ("x", "y"))
    return (
        [next(xs) if point is not None else "null" for point in geometries],
        [next(ys) if point is not None else "null" for point in geometries],
    )
