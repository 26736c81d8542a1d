"""Row versions set back: to an old release's rows, or to what was before anything was staged."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, delete, inspect, literal_column, not_, or_, select, update
from sqlalchemy.orm import Session

from .definitions import DatasetDefinition
from .incidents import incident_table

_NOT_COPIED = ("row_id", "from_release", "to_release")


def restore_rows(
    session: Session, definition: DatasetDefinition, visible: int, target: int, release: int
) -> tuple[int, int]:
    """Let ``release`` hold the rows that ``target`` held; nothing may be staged. Returns what came back and what ended.

    Rows come back as new versions with all that they had: identity, content and feature ids among it.
    """
    table = incident_table(definition)
    then, now = _live(table, target), _live(table, visible)
    # All columns of the table: also those that the definition has lost. The geometry is copied as it stands.
    names = [c["name"] for c in inspect(session.connection()).get_columns(table.name) if c["name"] not in _NOT_COPIED]
    columns = ", ".join(f'"{name}"' for name in names)
    query: Select[*tuple[Any, ...]] = (
        select(*(literal_column(f'"{name}"') for name in names), literal_column(str(release)))
        .select_from(table)
        .where(then, not_(now))
        .order_by(table.c.identity, table.c.row_id)
    )
    sql = query.compile(session.connection(), compile_kwargs={"literal_binds": True})
    restored = session.connection().exec_driver_sql(f'INSERT INTO "{table.name}" ({columns}, from_release) {sql}')
    closed = session.connection().execute(
        update(table).where(now, not_(then), table.c.from_release < release).values(to_release=release)
    )
    return restored.rowcount, closed.rowcount


def drop_staged_rows(session: Session, definition: DatasetDefinition, release: int) -> tuple[int, int]:
    """Forget what was staged for ``release``; returns how many rows went and how many go on that were to end."""
    table = incident_table(definition)
    removed = session.connection().execute(delete(table).where(table.c.from_release == release))
    reopened = session.connection().execute(update(table).where(table.c.to_release == release).values(to_release=None))
    return removed.rowcount, reopened.rowcount


def _live(table: Table, release: int) -> ColumnElement[bool]:
    """True or false, never null: its negation must not lose rows."""
    return and_(table.c.from_release <= release, or_(table.c.to_release.is_(None), table.c.to_release > release))
