"""Keeps the incident tables as the definitions say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from ..database import Database
from ..errors import SafeStatsError
from .definitions import DatasetDefinition
from .incidents import incident_table


def ensure_incident_tables(database: Database, definitions: Mapping[str, DatasetDefinition]) -> None:
    """Make the incident tables that are missing, and add the columns that a definition gained.

    A column that a definition lost stays, unread. Raises ``SafeStatsError`` where a field changed its type.
    """
    seen = inspect(database.engine)
    there = set(seen.get_table_names())
    for definition in definitions.values():
        table = incident_table(definition)
        if table.name not in there:
            table.create(database.engine)
            continue
        held = {column["name"]: column["type"] for column in seen.get_columns(table.name)}
        _refuse_other_types(database, definition, held)
        missing = [column for column in table.columns if column.name not in held]
        if not missing:
            continue  # whoever only reads need not wait for the writer
        with database.write() as session:
            for column in missing:
                kind = column.type.compile(database.engine.dialect)
                session.execute(text(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {kind}'))


def _refuse_other_types(database: Database, definition: DatasetDefinition, held: Mapping[str, TypeEngine[Any]]) -> None:
    dialect = database.engine.dialect
    table = incident_table(definition)
    for declared in definition.fields:
        kind = held.get(declared.name)
        if kind is not None and kind.compile(dialect) != table.c[declared.name].type.compile(dialect):
            raise SafeStatsError(
                f"The field “{declared.name}” of {definition.code} is declared as {declared.type}, but is held as "
                "another type: give the field another name."
            )


def refuse_held_incidents(session: Session, definitions: Mapping[str, DatasetDefinition]) -> None:
    """Raises ``SafeStatsError`` where incidents are held: they bear the codes of the loaded boundaries."""
    for definition in definitions.values():
        if session.execute(select(incident_table(definition).c.row_id).limit(1)).first():
            raise SafeStatsError(
                f"Incidents of {definition.code} are held and bear the codes of the loaded areas: load others "
                "into a new server folder, then the deliveries again."
            )
