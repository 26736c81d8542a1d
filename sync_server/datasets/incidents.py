"""The incident table of each dataset, made from its definition.

Only ``ingest`` writes these tables and only ``agreements.readable`` reads them for anybody: a test keeps it so.
A row version is valid from ``from_release`` until before ``to_release`` (open while ``to_release`` is null).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Date,
    Float,
    Index,
    Integer,
    MetaData,
    Select,
    SmallInteger,
    String,
    Table,
    func,
    or_,
    select,
)
from sqlalchemy.types import TypeEngine

from ...shared.manifest import FID_KEY_BITS, SRID
from .definitions import DatasetDefinition, FieldType


def _text(length: int | None = None) -> String:
    """Text that every engine puts in the same order, that of its bytes."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _long() -> TypeEngine:
    """A whole number of 64 bits, which SQLite's INTEGER is, and only as such its own row id."""
    return BigInteger().with_variant(Integer(), "sqlite")


_TYPES: dict[FieldType, Callable[[], TypeEngine]] = {
    FieldType.TEXT: _text,
    FieldType.INTEGER: _long,
    FieldType.REAL: Float,
    FieldType.DATE: Date,
    FieldType.BOOLEAN: SmallInteger,
}


def incident_table(definition: DatasetDefinition) -> Table:
    """The table ``incident_<code>``: housekeeping columns, built-in fields, declared fields, geometry.

    To definitions with the same fields it is one and the same, so that a statement on it is compiled once: whoever
    alters it alters a copy.
    """
    return _table(f"incident_{definition.code}", tuple((field.name, field.type) for field in definition.fields))


@lru_cache(maxsize=64)
def _table(name: str, fields: tuple[tuple[str, FieldType], ...]) -> Table:
    return Table(
        name,
        MetaData(),
        Column("row_id", _long(), primary_key=True),
        Column("identity", _text(64), nullable=False),
        Column("content", _text(64), nullable=False),
        Column("delivery_id", Integer, nullable=False),
        Column("from_release", Integer, nullable=False),
        Column("to_release", Integer),
        # One feature id a precision, so that a snapped copy cannot be joined to an exact one.
        Column("fid_point", _long(), nullable=False),
        Column("fid_grid", _long(), nullable=False),
        Column("fid_area", _long(), nullable=False),
        Column("period", _text(7), nullable=False),
        # The code that grants name: an LSOA's, or "outside", or "unplaced".
        Column("area_code", _text(16), nullable=False),
        Column("month", _text(7)),
        Column("borough_code", _text(16)),
        Column("borough", _text()),
        Column("lsoa_code", _text(16)),
        Column("easting", Integer),
        Column("northing", Integer),
        Column("location_method", _text()),
        Column("precision_m", Integer),
        *(Column(field, _TYPES[kind]()) for field, kind in fields),
        Column("geometry", Geometry("POINT", SRID, spatial_index=False)),
        Index(f"ix_{name}_head", "identity", "to_release"),
        Index(f"ix_{name}_period", "period", "area_code"),
        Index(f"ix_{name}_place", "easting", "northing"),
    )


def rows_by_period(definition: DatasetDefinition, release: int) -> Select:
    """``period`` and ``rows``: how many rows each month of a release holds, whoever may see them."""
    table = incident_table(definition)
    return (
        select(table.c.period, func.count().label("rows"))
        .where(table.c.from_release <= release, or_(table.c.to_release.is_(None), table.c.to_release > release))
        .group_by(table.c.period)
        .order_by(table.c.period)
    )


def days_of_month(definition: DatasetDefinition, release: int, month: str) -> Select:
    """``day``: the day numbers, as feature ids bear them, on which a release holds rows of the month."""
    table = incident_table(definition)
    return (
        select(_day(table))
        .where(
            table.c.period == month,
            table.c.from_release <= release,
            or_(table.c.to_release.is_(None), table.c.to_release > release),
        )
        .distinct()
    )


def changed_days_of_month(definition: DatasetDefinition, release: int, month: str) -> Select:
    """``day``: the day numbers on which row versions of the month begin or end with a release."""
    table = incident_table(definition)
    return (
        select(_day(table))
        .where(table.c.period == month, or_(table.c.from_release == release, table.c.to_release == release))
        .distinct()
    )


def _day(table: Table) -> ColumnElement[int]:
    """The upper part of a feature id, the same at each precision."""
    return (table.c.fid_point // (1 << FID_KEY_BITS)).label("day")


def changes_by_period(definition: DatasetDefinition, release: int) -> Select:
    """``period``, ``added`` and ``closed``: the row versions that begin and that end with a release."""
    table = incident_table(definition)
    return (
        select(
            table.c.period,
            func.count().filter(table.c.from_release == release).label("added"),
            func.count().filter(table.c.to_release == release).label("closed"),
        )
        .where(or_(table.c.from_release == release, table.c.to_release == release))
        .group_by(table.c.period)
        .order_by(table.c.period)
    )
