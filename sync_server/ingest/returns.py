"""Whose return a row belongs to, where a supplier has sites: the site, and the month of arrivals that it reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from ..errors import SafeStatsError
from .refused_rows import OF_ANOTHER_SITE
from .times import ARRIVED

# A month that is not the file's own is one that it reports once more only if it is plainly there: a mistyped date must
# not replace a whole month.
_SHARE_OF_A_MONTH = 0.15


@dataclass(frozen=True)
class Returns:
    """The (site, month) pairs that a file is the whole of, and what is to be told of them."""

    covered: frozenset[tuple[str, str]]
    notes: list[str] = field(default_factory=list)


def with_returns(
    frame: pl.DataFrame, name: str, site: str, months: Sequence[str], zero_return: str
) -> tuple[pl.DataFrame, Returns]:
    """The frame with ``site`` and ``return_month``.

    The month is that of the arrivals; of a few in other months than the file's own it is the file's. Rows that say
    another site than ``site`` have a reason. Raises ``SafeStatsError`` where nothing tells the site.
    """
    if "site" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("site"))
    stated = pl.col("site").str.to_uppercase()
    if site:
        other = pl.when(stated.is_not_null() & (stated != site.upper())).then(pl.lit(OF_ANOTHER_SITE))
        frame = frame.with_columns(pl.coalesce("reason", other).alias("reason"), pl.lit(site).alias("site"))
    else:
        frame = frame.with_columns(stated.alias("site"))
        if frame.is_empty() or frame.get_column("site").is_null().all():
            raise SafeStatsError(f"Nothing in {name} tells which site it is of: say so with --site.")
        missing = pl.when(pl.col("site").is_null()).then(pl.lit("no site"))
        frame = frame.with_columns(pl.coalesce("reason", missing).alias("reason"))
    frame, main, notes = _with_month(frame, name, months)
    sites = {site} if site else set(frame.get_column("site").drop_nulls().unique())
    taken = frame.filter(pl.col("site").is_not_null() & pl.col("return_month").is_not_null())
    covered = set(taken.select("site", "return_month").unique().iter_rows())
    if frame.is_empty() and zero_return:
        covered |= {(each, zero_return) for each in sites}
    elif main:
        covered |= {(each, main) for each in sites}
    return frame, Returns(frozenset(covered), notes)


def _with_month(frame: pl.DataFrame, name: str, months: Sequence[str]) -> tuple[pl.DataFrame, str, list[str]]:
    arrived = f"{ARRIVED}_on"
    if arrived in frame.columns and frame.schema[arrived] == pl.Date:
        arrival = pl.col(arrived).dt.strftime("%Y-%m")
    elif "month" in frame.columns:
        arrival = pl.col("month")
    else:
        arrival = pl.lit(None, pl.String)
    frame = frame.with_columns(arrival.alias("_arrival"))
    counted = frame.get_column("_arrival").drop_nulls().value_counts(sort=True)
    numbers = dict(counted.iter_rows())
    notes = []
    told = [month for month in dict.fromkeys(months) if month in numbers] or list(dict.fromkeys(months))
    main = told[0] if len(told) == 1 and (told[0] in numbers or not numbers) else next(iter(numbers), "")
    if not main and told:
        main = told[-1]
    if months and main not in months:
        notes.append(
            f"{name} is named for {', '.join(months)}, but most of its arrivals are in {main}: taken as {main}."
        )
    total = sum(numbers.values())
    own = {month for month, number in numbers.items() if month == main or number >= _SHARE_OF_A_MONTH * total}
    strays = sum(number for month, number in numbers.items() if month not in own)
    if strays:
        notes.append(f"{name}: {strays} arrival(s) lie in other months than the return's own, {main}.")
    month = pl.when(pl.col("_arrival").is_in(sorted(own))).then("_arrival").otherwise(pl.lit(main or None, pl.String))
    return frame.with_columns(month.alias("return_month")).drop("_arrival"), main, notes
