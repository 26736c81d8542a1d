"""What an incident table has, beside what its definition asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Column, Dialect, Engine, Float, inspect
from sqlalchemy.types import TypeEngine

from ..datasets.definitions import DatasetDefinition
from ..datasets.incidents import incident_table
from ..errors import SafeStatsError

# The types of a table's columns by their names.
HeldColumns = Mapping[str, TypeEngine[Any]]


def held_columns(engine: Engine, tables: Collection[str]) -> dict[str, HeldColumns]:
    """The columns of those of the tables that there are, by the table's name: asked for at once."""
    looked = inspect(engine)
    there = sorted(set(tables) & set(looked.get_table_names()))
    found = looked.get_multi_columns(filter_names=there) if there else {}
    return {name: {column["name"]: column["type"] for column in columns} for (_schema, name), columns in found.items()}


def missing_columns(held: HeldColumns, dialect: Dialect, definition: DatasetDefinition) -> list[Column[Any]]:
    """The columns that the table lacks; raises ``SafeStatsError`` where a field changed its type."""
    table = incident_table(definition)
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
