"""How long a dataset's incidents are kept: the first month that is, and what a load does with earlier ones."""

from __future__ import annotations

from datetime import date

import polars as pl

from ...shared.manifest import UNDATED
from ..agreements.months import months_back
from ..datasets.definitions import DatasetDefinition


def first_kept_month(definition: DatasetDefinition, today: date) -> str:
    """``YYYY-MM``, or "" where everything is kept. The current month counts as none of ``retention_months``."""
    if not definition.retention_months:
        return ""
    return months_back(f"{today:%Y-%m}", definition.retention_months)


def too_old(definition: DatasetDefinition) -> str:
    """Why a row is rejected."""
    return f"older than the {definition.retention_months} months that are kept"


def split_by_age(
    rows: pl.DataFrame, definition: DatasetDefinition, today: date
) -> tuple[pl.DataFrame, list[tuple[str, int]]]:
    """The rows (``period``, ``file``, ``line``) that may be kept, and file and line of those that are too old."""
    first = first_kept_month(definition, today)
    old = (pl.col("period") != UNDATED) & (pl.col("period") < first)
    if not first or rows.filter(old).is_empty():
        return rows, []
    return rows.filter(~old), list(rows.filter(old).select("file", "line").iter_rows())
