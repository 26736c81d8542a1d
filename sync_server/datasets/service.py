"""Keeps the incident tables as the definitions say."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from ..database import Database
from ..errors import SafeStatsError
from .definitions import DatasetDefinition
from .incidents import incident_table


def ensure_incident_tables(database: Database, definitions: Mapping[str, DatasetDefinition]) -> None:
    """Make the incident tables that are missing, and add the columns that a definition gained."""
    there = set(inspect(database.engine).get_table_names())
    for definition in definitions.values():
        table = incident_table(definition)
        if table.name not in there:
            table.create(database.engine)
            continue
        columns = {column["name"] for column in inspect(database.engine).get_columns(table.name)}
        missing = [column for column in table.columns if column.name not in columns]
        with database.write() as session:
            for column in missing:
                kind = column.type.compile(database.engine.dialect)
                session.execute(text(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {kind}'))


def refuse_held_incidents(session: Session, definitions: Mapping[str, DatasetDefinition]) -> None:
    """Raises ``SafeStatsError`` where incidents are held: they bear the codes of the loaded boundaries."""
    for definition in definitions.values():
        if session.execute(select(incident_table(definition).c.row_id).limit(1)).first():
            raise SafeStatsError(
                f"Incidents of {definition.code} are held and bear the codes of the loaded areas: load others "
                "into a new server folder, then the deliveries again."
            )
