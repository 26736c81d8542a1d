"""Disclosure control: what may be published of counts, maps and answers around a place.

Categories are grouped first, so that few counts are small; small ones are withheld and the others rounded; then what
a reader could still work out of the whole (rows, totals, nested rings, charts) is calculated exactly, and more is
withheld until every small count could be any small count. ``docs/disclosure.md`` says what remains possible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .change import change
from .published_charts import Charts, Year, published_charts, solved
from .published_rows import Counted, Group, PublishedCell, grouped, published_ring_table
from .ranks import count_all
from .ring_answer import AnswerRow, DatasetAnswer, RingAnswer, RingFigure, public
from .rings import FIXED_RADII, Band
from .small_counts import (
    ANYTHING,
    ROUNDING,
    SMALLEST_BASE,
    UNBOUNDED,
    WITHHELD,
    Masking,
    Possible,
    PublishedCount,
    Sensitivity,
    largest_masked,
    masking_of,
    possible,
    published_change,
    published_count,
    published_share,
    published_words,
    small_mark,
)
from .windows import YEAR

__all__ = [
    "FINEST_BANDWIDTH_M",
    "GROUPED",
    "MOST_REPORTS",
    "ROUNDING",
    "SMALLEST_BASE",
    "WITHHELD",
    "Masking",
    "NotPublishableError",
    "PublishedCount",
    "PublishedTable",
    "Rules",
    "Sensitivity",
    "crowded",
    "masking_of",
    "publishable",
    "published_cells",
    "published_change",
    "published_count",
    "published_share",
    "published_surface",
    "published_table",
    "published_words",
    "small_mark",
    "smallest_bandwidth_m",
]

GROUPED = "grouped"  # the category of a row that is several
FINEST_BANDWIDTH_M = 250.0
MOST_REPORTS = 40  # within the widest ring of one: benchmarks/disclosure.py measures it
_UNKNOWN_PRECISION_M = 100.0  # suppliers who do not tell snap to a shared point nearby
_BANDWIDTHS_TO_PRECISION = 5.0


class NotPublishableError(ValueError):
    """What was asked for is none of the fixed questions; the message says what to ask instead."""


@dataclass(frozen=True)
class PublishedTable:
    """Rows of published counts (row order and columns as given) and the totals of the columns."""

    rows: tuple[tuple[PublishedCount, ...], ...]
    totals: tuple[PublishedCount, ...]


def published_table(rows: Sequence[Sequence[int]], sensitivity: Masking = Sensitivity.STANDARD) -> PublishedTable:
    """A table whose columns have totals, safe against subtraction.

    Where a column has exactly one small count, the next smallest count above zero of that column is withheld too, or,
    if there is none, its total; and further ones until each small count could be any small count.
    """
    columns = [_column([row[number] for row in rows], sensitivity) for number in range(len(rows[0]) if rows else 0)]
    return PublishedTable(
        rows=tuple(tuple(column[0][number] for column in columns) for number in range(len(rows))),
        totals=tuple(column[1] for column in columns),
    )


def _column(counts: Sequence[int], sensitivity: Masking) -> tuple[list[PublishedCount], PublishedCount]:
    shown = [published_count(count, sensitivity) for count in counts]
    known = [possible(count, sensitivity) for count in counts]
    total, of_total = published_count(sum(counts), sensitivity), possible(sum(counts), sensitivity)
    while any(count is None for count in shown):
        lone = sum(count is None for count in shown) == 1
        if not lone and not solved(counts, known, of_total, sensitivity):
            break
        standing = [number for number, count in enumerate(shown) if count]
        if standing:
            next_smallest = min(standing, key=lambda number: counts[number])
            shown[next_smallest] = None
            known[next_smallest] = Possible(largest_masked(sensitivity) + 1, UNBOUNDED)
        else:
            total, of_total = None, ANYTHING
            break
    return shown, total


def smallest_bandwidth_m(precision_m: float | None) -> float:
    """The smallest bandwidth in metres with which a density may be published of places known to ``precision_m``.

    Five times the precision, at which moving every place by that much hardly changes the surface (Shi and others
    2009), and never less than ``FINEST_BANDWIDTH_M``. ``None``: nobody tells how exact the places are.
    """
    known = _UNKNOWN_PRECISION_M if precision_m is None else precision_m
    return max(FINEST_BANDWIDTH_M, _BANDWIDTHS_TO_PRECISION * known)


def published_surface(
    surface: ArrayLike, nearby: ArrayLike, sensitivity: Masking = Sensitivity.STANDARD
) -> NDArray[np.float64]:
    """A surface without its sparse cells: NaN where 1 to the threshold incidents are ``nearby``, within the bandwidth.

    ``surface`` and ``nearby`` are of one shape, the result too. Publish it in classes, never as values.
    """
    near = np.asarray(nearby)
    shown = np.array(surface, dtype=np.float64)
    if near.shape != shown.shape:
        raise ValueError(f"The surface has the shape {shown.shape}, the counts nearby {near.shape}: they must agree.")
    shown[(near > 0) & (near <= largest_masked(sensitivity))] = np.nan
    return shown


def published_cells(counts: ArrayLike, sensitivity: Masking = Sensitivity.STANDARD) -> NDArray[np.float64]:
    """Counts of areas or cells, of which no total is published beside them: small ones NaN, others rounded to 5."""
    exact = np.asarray(counts)
    if exact.size and exact.min() < 0:
        raise ValueError(f"A count cannot be negative; this one is {exact.min()}.")
    largest = largest_masked(sensitivity)
    shown = np.maximum((exact + ROUNDING // 2) // ROUNDING * ROUNDING, ROUNDING).astype(np.float64)
    shown[exact == 0] = 0
    shown[(exact > 0) & (exact <= largest)] = np.nan
    return shown


def crowded(centres: ArrayLike, most: int = MOST_REPORTS) -> NDArray[np.bool_]:
    """Which reports of a list are too many in one place: more than ``most``, itself among them, within 500 m of it.

    ``centres`` are eastings and northings, shape ``(n, 2)``. Rings of so many reports overlap so much that a reader who
    has them all could work small counts out: leave some out, or make them for operational use.
    """
    places = np.asarray(centres, dtype=np.int64).reshape(-1, 2)
    if not len(places):
        return np.zeros(0, dtype=bool)
    return count_all(places, np.ones(len(places), dtype=np.int64), places, FIXED_RADII[-1:])[:, 0] > most


@dataclass(frozen=True)
class Rules:
    """By what an answer is published.

    ``thresholds``: the smallest count that is told of a dataset, by its code, where that is more than the answer's own
    or the usual 5. ``sensitive``: further categories, by dataset, that never have a row of their own. ``standing``
    puts a row's published count in a ring among the borough's postcodes, in words; without it the words are left out,
    for they were made of the exact count. ``most_rows``: into how many rows of categories a dataset is to be grouped
    at most.
    """

    thresholds: Mapping[str, int] = field(default_factory=dict)
    sensitive: Mapping[str, frozenset[str]] = field(default_factory=dict)
    standing: Callable[[AnswerRow, int, int], str] | None = None
    most_rows: int | None = None

    def masking(self, dataset: DatasetAnswer) -> int:
        """The largest count of the dataset that is withheld."""
        return masking_of(max(self.thresholds.get(dataset.code, 0), dataset.threshold))

    def published(self, answer: RingAnswer) -> RingAnswer:
        """The answer with small counts withheld, others rounded, and nothing left that tells them."""
        _check(answer)
        return replace(
            answer,
            datasets=tuple(_PublishedDataset(dataset, self).answer() for dataset in answer.datasets),
            notes=_without_figures(answer.notes),
        )


def publishable(answer: RingAnswer, rules: Rules) -> RingAnswer:
    """The answer as it may be published, marked so; raises ``NotPublishableError`` for others than the fixed questions.

    Categories are grouped (``GROUPED``), counts rounded or ``None`` with their ``mark``; rates and changes come from
    the rounded ones. ``hours`` and ``trend`` are in blocks (``weekdays``, ``hour_step``, ``trend_step``) or left out.
    """
    return public(answer, rules)


def _check(answer: RingAnswer) -> None:
    if answer.public:
        raise NotPublishableError("This answer has been made fit for publication already.")
    if tuple(answer.radii) != FIXED_RADII:
        fixed = f"{', '.join(map(str, FIXED_RADII[:-1]))} and {FIXED_RADII[-1]}"
        raise NotPublishableError(
            f"What is published is always told within {fixed} metres, so that two reports cannot be subtracted: "
            "choose these distances, or make the report for operational use."
        )
    if not answer.place.postcode:
        raise NotPublishableError(
            "A public report is made around a postcode, so that two reports of nearly one point cannot be subtracted: "
            "enter one, or make it for operational use."
        )
    if len(answer.now.months) != YEAR or answer.before not in (None, answer.now.before()):
        raise NotPublishableError(
            "What is published covers 12 whole months and the 12 before: choose these, or make the report for "
            "operational use."
        )
    if any(not isinstance(row.band, Band) for row in answer.rows):
        raise NotPublishableError(
            "What is published covers one of the listed times of day: choose one of them, or make the report for "
            "operational use."
        )


def _without_figures(sentences: Sequence[str]) -> tuple[str, ...]:
    """Those that hold no figure: it may be a small count."""
    return tuple(words for words in sentences if not any(character.isdigit() for character in words))


class _PublishedDataset:
    """One dataset's part of an answer, on its way into the public."""

    def __init__(self, dataset: DatasetAnswer, rules: Rules) -> None:
        self._dataset = dataset
        self._rules = rules
        self._masking = rules.masking(dataset)

    def answer(self) -> DatasetAnswer:
        dataset = self._dataset
        charts = self._charts()
        return replace(
            dataset,
            rows=tuple(row for total in dataset.totals() for row in self._rows(total, charts)),
            hours=charts.hours,
            trend=charts.trend,
            weekdays=charts.weekdays,
            hour_step=charts.hour_step,
            trend_step=charts.trend_step,
            coarse=tuple(self._count(count) for count in dataset.coarse),
            unplaced=self._count(dataset.unplaced),
            largest_stack=self._count(dataset.largest_stack),
            # Where it is withheld it is told as the smallest count that is not: some, and few.
            unknown_hour=self._count(dataset.unknown_hour) or (ROUNDING if dataset.unknown_hour else 0),
            notes=(*_without_figures(dataset.notes), *([dataset.gap] if dataset.gap else [])),
        )

    def _count(self, count: int | None) -> PublishedCount:
        return None if count is None else published_count(count, self._masking)

    def _charts(self) -> Charts:
        """The charts are of all hours, whatever the rows are of: measured against that total, published here or not."""
        dataset = self._dataset
        everything = next((row for row in dataset.totals() if row.band is Band.ALL), None)
        years = []
        if everything is not None:
            last = everything.figures[-1]
            counts = [_exact(last.count), *([] if last.before is None else [last.before])]
            years = [Year(count, possible(count, self._masking)) for count in counts]
        elif dataset.hours is not None:
            count = sum(part or 0 for day in dataset.hours for part in day) + dataset.unknown_hour
            years = [Year(count, possible(count, self._masking))]
        return published_charts(dataset.hours, dataset.unknown_hour, dataset.trend, years, self._masking)

    def _rows(self, total: AnswerRow, charts: Charts) -> list[AnswerRow]:
        """The row of all incidents of a band, and the band's groups of categories."""
        rows = [row for row in self._dataset.by_category() if row.band is total.band]
        labels = {str(row.category): row.label for row in rows}
        groups = grouped(
            [Counted(str(row.category), _now(row), _before(row)) for row in rows],
            _now(total),
            self._masking,
            self._rules.sensitive.get(self._dataset.code, frozenset()) | set(self._dataset.sensitive),
            self._rules.most_rows,
        )
        known = list(charts.years) if total.band is Band.ALL else []
        known += [ANYTHING] * (2 - len(known))
        now = published_ring_table([group.now for group in groups], _now(total), self._masking, known[0])
        before_total = _before(total)
        before = None
        if before_total is not None:
            held = [group.before for group in groups if group.before is not None]
            before = published_ring_table(
                held if len(held) == len(groups) else [], before_total, self._masking, known[1]
            )
        made = [self._row(total, now.totals, None if before is None else before.totals)]
        for number, group in enumerate(groups):
            cells_before = before.rows[number] if before is not None and before.rows else None
            made.append(self._row(_named(total, group, labels), now.rows[number], cells_before))
        # In the order of what is shown: their own would tell which of two withheld counts is larger.
        body = sorted(made[1:], key=lambda row: (row.category == GROUPED, -(row.figures[-1].count or 0), row.label))
        return [made[0], *body]

    def _row(self, row: AnswerRow, now: Sequence[PublishedCell], before: Sequence[PublishedCell] | None) -> AnswerRow:
        figures = [
            self._figure(row, figure, now[ring], None if before is None else before[ring])
            for ring, figure in enumerate(row.figures)
        ]
        return replace(row, figures=tuple(figures))

    def _figure(
        self, row: AnswerRow, figure: RingFigure, now: PublishedCell, before: PublishedCell | None
    ) -> RingFigure:
        count, base = now.count, None if before is None else before.count
        compared = count is not None and base is not None and base >= SMALLEST_BASE
        standing = ""
        if self._rules.standing is not None and count is not None and row.category != GROUPED:
            standing = self._rules.standing(row, figure.radius_m, count)
        return replace(
            figure,
            count=count,
            before=base,
            change=change(count, base) if compared and count is not None and base is not None else None,
            rate_per_km2=None if count is None or not figure.covered_km2 else count / figure.covered_km2,
            share_below=None,
            sentence=standing,
            mark=now.mark,
            before_mark="" if before is None else before.mark,
        )


def _named(total: AnswerRow, group: Group, labels: Mapping[str, str]) -> AnswerRow:
    """A row as the total's, of the group; its figures are still to be filled in."""
    if group.single:
        category = group.categories[0]
        return replace(total, category=category, label=labels[category])
    return replace(total, category=GROUPED, label=f"Other ({len(group.categories)} categories)")


def _now(row: AnswerRow) -> tuple[int, ...]:
    return tuple(_exact(figure.count) for figure in row.figures)


def _before(row: AnswerRow) -> tuple[int, ...] | None:
    counts = [figure.before for figure in row.figures if figure.before is not None]
    return tuple(counts) if len(counts) == len(row.figures) else None


def _exact(count: int | None) -> int:
    if count is None:
        raise NotPublishableError("A count of this answer is withheld already: publish the exact answer.")
    return count
