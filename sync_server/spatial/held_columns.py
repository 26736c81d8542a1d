"""What an incident table has, beside what its definition asks for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Dialect, Engine, Float, inspect
from sqlalchemy.types import TypeEngine

from ..datasets.definitions import DatasetDefinition
from ..datasets.incidents import incident_table
from ..errors import SafeStatsError


def missing_columns(engine: Engine, definition: DatasetDefinition) -> list[Column[Any]]:
    """The columns that the table lacks; raises ``SafeStatsError`` where a field changed its type."""
    table, dialect = incident_table(definition), engine.dialect
    held = {column["name"]: column["type"] for column in inspect(engine).get_columns(table.name)}
    for declared in definition.fields:
        kind = held.get(declared.name)
        # An engine may call a type by another name of its own: PostgreSQL says DOUBLE PRECISION of a FLOAT.
        if kind is not None and not _alike(kind, table.c[declared.name].type, dialect):
            raise SafeStatsError(
                f"The field “{declared.name}” of {definition.code} is declared as {declared.type}, but is held as "
                "another type: give the field another name."
            )
    return [column for column in table.columns if column.name not in held]


def _alike(held: TypeEngine[Any], wanted: TypeEngine[Any], dialect: Dialect) -> bool:
    if isinstance(held, Float) and isinstance(wanted, Float):
        return True
    return held.compile(dialect) == wanted.compile(dialect)
