"""How much one file may hold, whatever its kind: a small file can be made to unfold into more than any memory has."""

from __future__ import annotations

from ..errors import SafeStatsError

MOST_COLUMNS = 1_000
MOST_COLUMNS_TOGETHER = 20_000
MOST_CELLS = 30_000_000  # a year of the largest supplier has 10 million
MOST_KEYS = 500  # of JSON records, those within others counted too


class Bounds:
    """What is left of the bounds of one file; the sheets of a workbook and the members of a zip file share them."""

    def __init__(self) -> None:
        self._cells = MOST_CELLS
        self._columns = MOST_COLUMNS_TOGETHER

    def take(self, shown: str, rows: int, columns: int) -> None:
        """Count a table in, before it is read; raises ``SafeStatsError`` where that is more than a delivery can be.

        ``rows`` times ``columns`` is counted, however many of the cells are empty: readers lay them all out.
        """
        if columns > MOST_COLUMNS:
            raise too_wide(shown)
        self._columns -= columns
        self._cells -= rows * columns
        if self._columns < 0:
            raise SafeStatsError(
                f"{shown}: with this the tables of the file have more than {MOST_COLUMNS_TOGETHER:,} columns together, "
                "which no delivery has: ask for fewer tables at a time."
            )
        self._refuse_too_many(shown)

    def take_values(self, shown: str, values: int) -> None:
        """Count in as many values as there may be in a text of no fixed columns; raises ``SafeStatsError``."""
        self._cells -= values
        self._refuse_too_many(shown)

    def _refuse_too_many(self, shown: str) -> None:
        if self._cells < 0:
            raise SafeStatsError(
                f"{shown}: with this the file has more than {MOST_CELLS:,} cells, empty ones among them, which no "
                "delivery has: ask for smaller files, without empty rows and columns."
            )


def too_wide(shown: str) -> SafeStatsError:
    """The trouble of a table with more columns than anybody delivers."""
    return SafeStatsError(
        f"{shown} has a table of more than {MOST_COLUMNS:,} columns, which no delivery has: ask for the file again, "
        "without what stands far to the right."
    )
