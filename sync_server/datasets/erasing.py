"""Incidents taken out of their table for good: what there is of them, which are meant, and their removal.

Nothing here is shown to anybody: versions are told by release, month and area code alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Table, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from ...shared.manifest import UNDATED
from ..keys import PRECISIONS
from .definitions import DatasetDefinition, FieldType, layer_fields
from .incidents import incident_table

_CHUNK = 500
_KINDS: dict[FieldType, type[pl.DataType]] = {
    FieldType.INTEGER: pl.Int64,
    FieldType.REAL: pl.Float64,
    FieldType.DATE: pl.Date,
    FieldType.BOOLEAN: pl.Boolean,
}


@dataclass(frozen=True)
class Version:
    """One version of an incident: who it is, when it held, and what decides who may see it."""

    identity: str
    period: str
    area_code: str
    borough_code: str | None
    from_release: int
    to_release: int | None


def versions_of(session: Session, definition: DatasetDefinition, identities: Sequence[str]) -> Iterator[Version]:
    """Every version of these incidents."""
    table = incident_table(definition)
    for chunk in _chunks(identities):
        yield from _versions(session, table, table.c.identity.in_(chunk))


def versions_before(
    session: Session, definition: DatasetDefinition, month: str, deliveries: Collection[int]
) -> Iterator[Version]:
    """The versions of months before that one, and the undated ones of these deliveries."""
    table = incident_table(definition)
    return _versions(session, table, _before(table, month, deliveries))


def identities_of_release(session: Session, definition: DatasetDefinition, release: int) -> list[str]:
    """The incidents of which a version began with the release."""
    table = incident_table(definition)
    return list(session.scalars(select(table.c.identity).where(table.c.from_release == release).distinct()))


def identities_of_features(session: Session, definition: DatasetDefinition, features: Sequence[int]) -> dict[int, str]:
    """The incidents that these feature ids stand for, at whatever precision."""
    table = incident_table(definition)
    found: dict[int, str] = {}
    for chunk in _chunks(features):
        for name in (f"fid_{precision}" for precision in PRECISIONS):
            rows = session.execute(select(table.c[name], table.c.identity).where(table.c[name].in_(chunk)))
            found.update((fid, identity) for fid, identity in rows)
    return found


def periods_held(session: Session, definition: DatasetDefinition) -> list[str]:
    """The months of which rows are held, in whatever version."""
    table = incident_table(definition)
    return list(session.scalars(select(table.c.period).distinct().order_by(table.c.period)))


def stable_fields(session: Session, definition: DatasetDefinition, period: str) -> pl.DataFrame:
    """``identity`` and the fields by which rows of one id are told apart, coded as a load has them, of a month."""
    table = incident_table(definition)
    fields = [field for field in layer_fields(definition) if field.name in definition.identity.stable]
    names = ["identity", *(field.name for field in fields)]
    rows = session.execute(select(*(table.c[name] for name in names)).where(table.c.period == period)).all()
    kinds = {field.name: _KINDS.get(field.type, pl.String) for field in fields}
    frame = pl.DataFrame([tuple(row) for row in rows], schema={"identity": pl.String, **kinds}, orient="row")
    return frame.with_columns(
        pl.col(field.name).replace({label: code for code, label in field.codes.items()})
        for field in fields
        if field.codes
    )


def columns_of_versions(
    session: Session,
    definition: DatasetDefinition,
    identities: Sequence[str],
    columns: Sequence[str],
    only_standing: bool = False,
) -> Iterator[tuple[Any, ...]]:
    """Identity and these columns of each version of the incidents; or only of the versions that nothing ended."""
    table = incident_table(definition)
    wanted = select(table.c.identity, *(table.c[name] for name in columns))
    if only_standing:
        wanted = wanted.where(table.c.to_release.is_(None))
    for chunk in _chunks(identities):
        for row in session.execute(wanted.where(table.c.identity.in_(chunk))):
            yield tuple(row)


def erase_versions(session: Session, definition: DatasetDefinition, identities: Sequence[str]) -> int:
    """Delete every version of these incidents; returns how many there were."""
    table = incident_table(definition)
    connection = session.connection()
    return sum(
        connection.execute(delete(table).where(table.c.identity.in_(chunk))).rowcount for chunk in _chunks(identities)
    )


def erase_before(session: Session, definition: DatasetDefinition, month: str, deliveries: Collection[int]) -> int:
    """Delete what ``versions_before`` tells; returns how many versions there were."""
    table = incident_table(definition)
    return session.connection().execute(delete(table).where(_before(table, month, deliveries))).rowcount


def renumber(session: Session, definition: DatasetDefinition, release: int, to: int) -> None:
    """Let what begins or ends with a staged release do so with a later number."""
    table = incident_table(definition)
    for column in (table.c.from_release, table.c.to_release):
        session.connection().execute(update(table).where(column == release).values({column.name: to}))


def _before(table: Table, month: str, deliveries: Collection[int]) -> ColumnElement[bool]:
    dated = and_(table.c.period != UNDATED, table.c.period < month)
    undated = and_(table.c.period == UNDATED, table.c.delivery_id.in_(list(deliveries)))
    return or_(dated, undated) if deliveries else dated


def _versions(session: Session, table: Table, which: ColumnElement[bool]) -> Iterator[Version]:
    names = ("identity", "period", "area_code", "borough_code", "from_release", "to_release")
    for row in session.execute(select(*(table.c[name] for name in names)).where(which)):
        yield Version(*row)


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
