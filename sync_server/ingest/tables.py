"""From a supplier's file to its tables, whatever its kind. The bytes tell the kind, the name does not.

What cannot be read stops the file with one sentence (``SafeStatsError``); torn rows are set aside.
"""

from __future__ import annotations

from collections.abc import Collection

from ..errors import SafeStatsError
from .raw_tables import RawTable, TornRow
from .source import SourceFile
from .text_files import read_text_table

__all__ = ["RawTable", "SourceFile", "TornRow", "read_tables"]


def read_tables(
    source: SourceFile, known_headers: Collection[str] = (), header_row: int = 0, sheet: str = ""
) -> list[RawTable]:
    """The tables of a file, in its order.

    ``known_headers`` are those that mappings and the screen know: the row that has most of them is the header. A
    ``header_row`` (counted from 1) settles it. ``sheet`` names the only one wanted of a workbook.
    """
    if not source.data.strip():
        raise SafeStatsError(f"{source.name} is empty: ask the supplier to send it again.")
    if b"\0" in source.data:
        raise SafeStatsError(f"{source.name} is no text: it holds bytes that no CSV file has.")
    return [read_text_table(source.name, source.data, known_headers, header_row)]
