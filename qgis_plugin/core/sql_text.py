"""Names and texts as they stand in composed SQL. All other values are bound, never composed."""

from __future__ import annotations


def quoted(name: str) -> str:
    """The name as an SQL identifier. Raises ``ValueError`` where none can be made of it."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} is no name of a table or column")
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """The text as an SQL literal, for where nothing can be bound, such as the filter of a layer."""
    if "\0" in value:
        raise ValueError(f"{value!r} cannot stand in SQL")
    return "'" + value.replace("'", "''") + "'"
