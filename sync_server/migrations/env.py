"""Runs migrations on the connection, and compares with the metadata, that the caller hands over."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
metadata = context.config.attributes["metadata"]


def include_object(_thing: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
    """Leave alone undeclared tables: the engine's own, and those made from dataset definitions."""
    return not (kind == "table" and reflected and name not in metadata.tables)


context.configure(
    connection=connection,
    target_metadata=metadata,
    include_object=include_object,
    compare_type=True,
    # SQLite changes a table by making it anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
