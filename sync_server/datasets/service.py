"""Keeps the incident tables as the definitions say."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..database import Database
from ..errors import SafeStatsError
from ..spatial.backend import backend_of
from ..spatial.held_columns import held_columns
from .definitions import DatasetDefinition
from .incidents import incident_table


def ensure_incident_tables(database: Database, definitions: Mapping[str, DatasetDefinition]) -> None:
    """Make the incident tables that are missing, and add the columns that a definition gained.

    A column that a definition lost stays, unread. Raises ``SafeStatsError`` where a field changed its type, and on
    PostgreSQL where there is something to be made that only its owner may.
    """
    backend = backend_of(database.engine.dialect)
    tables = {code: incident_table(definition).name for code, definition in definitions.items()}
    held = held_columns(database.engine, tables.values())
    for code, definition in definitions.items():
        backend.ensure_table(database, definition, held.get(tables[code]))


def refuse_held_incidents(session: Session, definitions: Mapping[str, DatasetDefinition]) -> None:
    """Raises ``SafeStatsError`` where incidents are held: they bear the codes of the loaded boundaries."""
    for definition in definitions.values():
        if session.execute(select(incident_table(definition).c.row_id).limit(1)).first():
            raise SafeStatsError(
                f"Incidents of {definition.code} are held and bear the codes of the loaded areas: load others "
                "into a new server folder, then the deliveries again."
            )
