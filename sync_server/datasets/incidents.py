"""The incident table of each dataset, made from its definition.

Only ``ingest`` writes these tables and only ``agreements.readable`` reads them for anybody: a test keeps it so.
A row version is valid from ``from_release`` until before ``to_release`` (open while ``to_release`` is null).
"""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy import (
    Column,
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

from ...shared.manifest import SRID
from .definitions import DatasetDefinition, FieldType

_TYPES: dict[FieldType, type[TypeEngine]] = {
    FieldType.TEXT: String,
    FieldType.INTEGER: Integer,
    FieldType.REAL: Float,
    FieldType.DATE: Date,
    FieldType.BOOLEAN: SmallInteger,
}


def incident_table(definition: DatasetDefinition, metadata: MetaData | None = None) -> Table:
    """The table ``incident_<code>``: housekeeping columns, built-in fields, declared fields, geometry."""
    name = f"incident_{definition.code}"
    if metadata is None:
        metadata = MetaData()
    if name in metadata.tables:
        return metadata.tables[name]
    return Table(
        name,
        metadata,
        Column("row_id", Integer, primary_key=True),
        Column("identity", String(64), nullable=False),
        Column("content", String(64), nullable=False),
        Column("delivery_id", Integer, nullable=False),
        Column("from_release", Integer, nullable=False),
        Column("to_release", Integer),
        # One feature id a precision, so that a snapped copy cannot be joined to an exact one.
        Column("fid_point", Integer, nullable=False),
        Column("fid_grid", Integer, nullable=False),
        Column("fid_area", Integer, nullable=False),
        Column("period", String(7), nullable=False),
        # The code that grants name: an LSOA's, or "outside", or "unplaced".
        Column("area_code", String(16), nullable=False),
        Column("month", String(7)),
        Column("borough_code", String(16)),
        Column("borough", String),
        Column("lsoa_code", String(16)),
        Column("easting", Integer),
        Column("northing", Integer),
        Column("location_method", String),
        Column("precision_m", Integer),
        *(Column(field.name, _TYPES[field.type]()) for field in definition.fields),
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
