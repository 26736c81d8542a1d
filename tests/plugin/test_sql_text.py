"""Names and texts in composed SQL: whatever they hold, they stay names and texts."""

from __future__ import annotations

import sqlite3

import pytest
from safestats.qgis_plugin.core.sql_text import literal, quoted

ODD = ['a"b', "a'b", "a; DROP TABLE t --", 'x" FROM sqlite_master --', "Ü ñ 🙂", "select", " "]


@pytest.mark.parametrize("words", ODD)
def test_any_name_stays_a_name_and_any_text_a_text(words: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE {quoted(words)} ({quoted(words)} TEXT)")
    connection.execute(f"INSERT INTO {quoted(words)} VALUES ({literal(words)})")
    query = f"SELECT {quoted(words)} FROM {quoted(words)} WHERE {quoted(words)} = ?"
    assert connection.execute(query, (words,)).fetchall() == [(words,)]
    connection.close()


def test_what_sqlite_would_cut_short_is_refused() -> None:
    for none in ("", "a\0b"):
        with pytest.raises(ValueError, match="no name"):
            quoted(none)
    with pytest.raises(ValueError, match="cannot stand"):
        literal("a\0b")
