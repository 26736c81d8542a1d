"""The patterns of time as everybody may see them: small counts withheld, others rounded, nothing left to subtract.

Single days are never published, nor hours that were weighted: both are made of single incidents.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ...shared.change import change
from ...shared.disclosure import (
    ROUNDING,
    SMALLEST_BASE,
    WITHHELD,
    Masking,
    PublishedCount,
    published_count,
    published_share,
    published_table,
    small_mark,
)
from ...shared.published_charts import Year, published_charts
from ...shared.small_counts import possible
from ...shared.windows import YEAR
from .analysis_error import AnalysisError
from .time_patterns import PER, BoroughRate, Category, Month, Peers, Week, YearOnYear


def published_week(week: Week, masking: Masking) -> Week:
    """The week in blocks of hours and days of which few are small; ``AnalysisError`` where none is wide enough."""
    if week.weighted:
        raise AnalysisError(
            "Hours that are spread over a span are sums of single incidents' shares and are not published: take the "
            "known hours, or make the page for operational use."
        )
    cells = tuple(tuple(None if count is None else int(count) for count in day) for day in week.cells)
    unknown = week.unknown or 0
    total = sum(count or 0 for day in cells for count in day) + unknown
    made = published_charts(cells, unknown, (), [Year(total, possible(total, masking))], masking)
    if made.hours is None:
        raise AnalysisError(
            "There are too few incidents to publish them by weekday and hour: take a longer period, or make the page "
            "for operational use."
        )
    return replace(
        week,
        cells=made.hours,
        # Withheld, it is told as the smallest count that is not: some, and few.
        unknown=published_count(unknown, masking) or (ROUNDING if unknown else 0),
        counted=published_count(week.counted or 0, masking),
        days=made.weekdays,
        step=made.hour_step,
    )


def published_months(months: Sequence[Month], masking: Masking) -> tuple[Month, ...]:
    """Each month rounded or withheld; sums of 12 months are made of what is shown."""
    told = [month for month in months if month.count is not None]
    safe = published_table([(month.count or 0,) for month in told], masking)
    shown = {month.month: cells[0] for month, cells in zip(told, safe.rows)}
    made: list[Month] = []
    for place, month in enumerate(months):
        year = [shown.get(one.month) for one in months[max(0, place - YEAR + 1) : place + 1]]
        known = [count for count in year if count is not None]
        count = shown.get(month.month)
        summed = sum(known) if month.year_sum is not None and len(known) == YEAR else None
        made.append(replace(month, count=count, year_sum=summed, mark=_mark(month.count, count, masking)))
    return tuple(made)


def published_years(years: YearOnYear, masking: Masking) -> YearOnYear:
    """Both years rounded or withheld, month by month; the change is that of published totals."""
    columns: list[list[PublishedCount]] = []
    totals: list[PublishedCount] = []
    marks: list[list[str]] = []
    pairs = [now is not None and before is not None for _, now, before in years.months]
    for side in (1, 2):
        exact = [month[side] for month in years.months]
        told = [count for count in exact if count is not None]
        safe = iter(published_table([(count,) for count in told], masking).rows)
        column = [None if count is None else next(safe)[0] for count in exact]
        columns.append(column)
        marks.append([_mark(count, shown, masking) for count, shown in zip(exact, column)])
        # The sum of what is shown tells nothing that is not shown.
        compared = [shown for shown, pair in zip(column, pairs) if pair]
        known = [shown for shown in compared if shown is not None]
        totals.append(sum(known) if known and len(known) == len(compared) else None)
    now, before = totals
    compared_totals = now is not None and before is not None and before >= SMALLEST_BASE
    return replace(
        years,
        months=tuple((month, *counts) for (month, _, _), *counts in zip(years.months, *columns)),
        now=now,
        before=before,
        change=change(now, before) if compared_totals and now is not None and before is not None else None,
        marks=tuple(zip(*marks)),
    )


def published_pareto(
    categories: Sequence[Category], masking: Masking, sensitive: Collection[str], most: int
) -> tuple[Category, ...]:
    """At most ``most`` categories, the rest and the sensitive ones (by label) together; shares of what is shown."""
    lines = _grouped(categories, sensitive, most)
    safe = published_table([(line.count or 0,) for line in lines], masking)
    shown = [cells[0] for cells in safe.rows]
    order = sorted(range(len(lines)), key=lambda at: (shown[at] is None, -(shown[at] or 0), lines[at].label))
    total = sum(count for count in shown if count is not None)
    made, so_far = [], 0
    for at in order:
        count = shown[at]
        so_far += count or 0
        share = published_share(count, total)
        cumulative = published_share(so_far, total) if count is not None else None
        made.append(Category(lines[at].label, count, share, cumulative, _mark(lines[at].count, count, masking)))
    return tuple(made)


def grouped(categories: Sequence[Category], most: int) -> tuple[Category, ...]:
    """At most ``most`` lines, the rarest put together."""
    return tuple(_grouped(categories, (), most))


def _grouped(categories: Sequence[Category], sensitive: Collection[str], most: int) -> list[Category]:
    open_ones = [line for line in categories if line.label not in sensitive]
    rest = [line for line in categories if line.label in sensitive]
    # One by itself would be told by its group.
    while open_ones and (len(rest) == 1 or len(open_ones) + bool(rest) > most):
        rest.append(open_ones.pop())
    if not rest:
        return open_ones
    words = f"Other ({len(rest)} categories)" if len(rest) > 1 else "Other"
    shares = [line.share or 0.0 for line in rest]
    return [*open_ones, Category(words, sum(line.count or 0 for line in rest), sum(shares), 1.0)]


def published_peers(compared: Peers, masking: Masking) -> Peers:
    """Boroughs' counts rounded or withheld, rates from these."""
    safe = published_table([(line.count or 0,) for line in compared.lines], masking)
    lines = [
        _published_rate(line, cells[0], _mark(line.count, cells[0], masking))
        for line, cells in zip(compared.lines, safe.rows)
    ]
    lines.sort(
        key=lambda line: (line.rate is None, -(line.rate or 0), line.count is None, -(line.count or 0), line.name)
    )
    together = compared.together
    if together is not None:
        known = [line.count for line in lines if line.count is not None]
        together = _published_rate(together, sum(known), "") if len(known) == len(lines) else None
    return replace(compared, lines=tuple(lines), together=together, elsewhere=None)


def _published_rate(line: BoroughRate, count: PublishedCount, mark: str) -> BoroughRate:
    rate = PER * count / line.residents if count is not None and line.residents else None
    return replace(line, count=count, rate=rate, mark=mark)


def _mark(exact: int | None, shown: PublishedCount, masking: Masking) -> str:
    """What stands for a count that is withheld; empty where it is shown, or was never delivered."""
    if exact is None or shown is not None:
        return ""
    return WITHHELD if published_count(exact, masking) is not None else small_mark(masking)
