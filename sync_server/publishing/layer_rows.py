"""The rows of a slice, as the scope shows them, and the names that prove what slices and snapshots hold."""

from __future__ import annotations

import calendar
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import pyarrow as pa
from sqlalchemy.orm import Session

from ...shared.manifest import UNDATED, slice_name
from ..agreements.readable import readable
from ..agreements.scope import Scope
from ..datasets.definitions import FieldType
from ..errors import SafeStatsError
from ..keys import feature_id_range
from .geopackage import NO_GEOMETRY, POINT, rows_schema


@dataclass(frozen=True, order=True)
class SliceKey:
    """The rows of a period as rights of that fingerprint show them."""

    fingerprint: str
    period: str


def slice_keys(scope: Scope, periods: Iterable[str]) -> list[SliceKey]:
    """The slices that make up the scope's layer, in the order of the periods; it has those that it covers."""
    return [SliceKey(scope.fingerprint(period), period) for period in sorted(periods) if scope.covers(period)]


@dataclass(frozen=True)
class SliceRows:
    """The rows of a period by feature id, as columns: ``fid``, in a layer of points ``x`` and ``y``, then the rest."""

    scope: Scope
    period: str
    values: Sequence[Sequence[Any]]

    def table(self) -> pa.Table:
        """The rows in ``rows_schema``."""
        schema = rows_schema(self.scope.columns, self.scope.geometry)
        arrays = [pa.array(column, field.type) for column, field in zip(self.values, schema, strict=True)]
        return pa.table(arrays, schema=schema)

    def name(self) -> str:
        """The name of the slice that holds them."""
        canonical = [
            [_iso(value) for value in column] if kind == FieldType.DATE else column
            for kind, column in zip(_types(self.scope), self.values, strict=True)
        ]
        if self.scope.geometry == NO_GEOMETRY:
            nowhere = [None] * len(canonical[0])
            canonical[1:1] = [nowhere, nowhere]
        header = {
            "dataset": self.scope.definition.code,
            "definition_version": self.scope.definition.version,
            "fingerprint": self.scope.fingerprint(self.period),
            "period": self.period,
            "columns": [column.name for column in self.scope.columns],
        }
        return slice_name(header, zip(*canonical, strict=True))


def read_rows(session: Session, scope: Scope, period: str) -> SliceRows:
    """What the scope shows of a period; raises ``SafeStatsError`` where two rows have the same feature id."""
    query = readable(scope, period)
    rows: Sequence[Any] = session.connection().execute(query.order_by(query.selected_columns.fid)).all()
    if any(row[0] == following[0] for row, following in pairwise(rows)):
        raise SafeStatsError(
            f"Two rows of {scope.definition.code} in {period or 'no month'} have the same feature id: "
            "load the month's file again, which makes it anew."
        )
    types = _types(scope)
    columns = zip(*rows, strict=True) if rows else [()] * len(types)
    return SliceRows(scope, period, [_column(kind, column) for kind, column in zip(types, columns, strict=True)])


def snapshot_name(scope: Scope, slices: Sequence[str]) -> str:
    """The name of the file that holds exactly these slices of a layer."""
    columns = [column.name for column in scope.columns]
    content = {
        "dataset": scope.definition.code,
        "geometry": scope.geometry,
        "columns": columns,
        "slices": slices,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def period_range(period: str) -> tuple[int, int]:
    """The lowest and the highest feature id that a row of the period can have."""
    if period == UNDATED:
        return feature_id_range(None, None)
    year, month = int(period[:4]), int(period[5:])
    return feature_id_range(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))


def _types(scope: Scope) -> list[FieldType]:
    before = 3 if scope.geometry == POINT else 1
    return [FieldType.INTEGER] * before + [column.type for column in scope.columns]


def _column(kind: FieldType, column: Sequence[Any]) -> Sequence[Any]:
    # Engines keep booleans as they like; a layer has true, false and null.
    return [None if value is None else bool(value) for value in column] if kind == FieldType.BOOLEAN else column


def _iso(value: date | None) -> str | None:
    return None if value is None else value.isoformat()
