"""What the former portal counted: rows by dataset, month and borough, out of a plan's CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..services import Services
from .plan import Comparison
from .registers import read_rows

_NEEDED = ("dataset", "month", "count")
_KNOWN = (*_NEEDED, "borough")
_MONTH = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])", re.ASCII)
# The whole month, in one figure, where the former portal did not count by borough.
WHOLE = "all"
# What lies in no borough, as this system names it.
NOWHERE = ("unplaced", "outside")
_NO_BOROUGH = ("", "none", "unknown", "unplaced")

# (dataset, month, place) → count; the place is a borough's code, one of NOWHERE, or WHOLE
Counts = Mapping[tuple[str, str, str], int]


def read_old_counts(services: Services, comparison: Comparison, mistakes: list[str]) -> Counts:
    """The counts; what is wrong with them goes to ``mistakes``.

    A borough is told by code or name, “outside” or nothing; “all” is the month's total.
    """
    codes = {name.casefold(): code for code, name in services.areas.boroughs.items()}
    codes |= {code.casefold(): code for code in services.areas.boroughs}
    codes |= {"outside": "outside", WHOLE: WHOLE} | dict.fromkeys(_NO_BOROUGH, "unplaced")
    counts: dict[tuple[str, str, str], int] = {}
    for row in read_rows(comparison.old_counts, _NEEDED, _KNOWN, mistakes):
        before = len(mistakes)
        place = codes.get(row["borough"].casefold())
        if row["dataset"] not in services.definitions:
            mistakes.append(f"{row.place}: there is no dataset “{row['dataset']}”.")
        if not _MONTH.fullmatch(row["month"]):
            mistakes.append(f"{row.place}: “{row['month']}” is no month: write it as 2015-01.")
        if not row["count"].isascii() or not row["count"].isdigit():
            mistakes.append(f"{row.place}: “{row['count']}” is no count: write digits only.")
        if place is None:
            mistakes.append(f"{row.place}: “{row['borough']}” is no borough of the loaded areas.")
        if len(mistakes) > before or place is None:
            continue
        key = (row["dataset"], row["month"], place)
        if key in counts:
            mistakes.append(f"{row.place}: this month and borough of {row['dataset']} stands there twice.")
        counts[key] = int(row["count"])
    both = {(dataset, month) for dataset, month, place in counts if place == WHOLE}
    for dataset, month, place in counts:
        if place != WHOLE and (dataset, month) in both:
            mistakes.append(
                f"{comparison.old_counts.name}: {dataset} {month} has both “all” and boroughs: leave “all” out."
            )
            both.discard((dataset, month))
    return counts
