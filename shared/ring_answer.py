"""The answer to “what happened around this place?”: what dock, batch, page, report and server all show.

Each dataset has rows of its own and nothing is added up over datasets: several services record the same event.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Optional, Protocol

from .change import SMALL_NUMBER, RateChange
from .rings import AnyBand
from .windows import Window

WeekHours = tuple[tuple[Optional[int], ...], ...]  # 7 rows, Monday first, of 24 hours
SINGLE_DAYS = tuple((day,) for day in range(7))


@dataclass(frozen=True)
class Place:
    """The centre of the rings in whole metres of EPSG:27700.

    ``label`` is the postcode or “530000, 180000”; ``accuracy`` says in a sentence what the point stands for,
    ``warning`` in another what is to be feared of it (else empty). ``borough`` and its code are empty outside London.
    """

    label: str
    easting: int
    northing: int
    accuracy: str
    postcode: str = ""
    borough: str = ""
    warning: str = ""
    borough_code: str = ""


@dataclass(frozen=True)
class RingFigure:
    """One ring's cell of a row. A count of ``None`` is withheld; ``before`` too, or the data do not reach back.

    ``covered_km2`` is the part of the ring in which data are held, ``rate_per_km2`` the count by it (``None`` where it
    is nothing or the count withheld). ``share_below`` is the percentage of the borough's postcodes with fewer,
    ``sentence`` the same in words; ``None`` and empty where there is no comparison. ``mark`` and ``before_mark`` are
    what is printed for a count that was withheld: “<5”, or “*” where it would tell another. ``below_part``: of a total
    that was altered at random and shows less than one of its parts.
    """

    radius_m: int
    count: int | None
    before: int | None
    change: RateChange | None
    rate_per_km2: float | None
    covered_km2: float
    share_below: float | None = None
    sentence: str = ""
    mark: str = ""
    before_mark: str = ""
    below_part: bool = False

    @property
    def change_told(self) -> str:
        """What the change comes to, in words that its interval bears out; empty where nothing is compared."""
        if self.change is None or self.count is None or self.before is None:
            return ""
        if self.change.certain:
            way = "more" if self.count > self.before else "fewer"
            rough = f", though how many {way} is known only roughly" if self.change.weak else ""
            return f"{way} than chance explains{rough}"
        return "the numbers are too small to tell a change" if self.too_few else "that may be chance"

    @property
    def too_few(self) -> bool:
        """Whether both counts are so small that they tell no change."""
        if self.change is None or self.change.certain or self.count is None or self.before is None:
            return False
        return max(self.count, self.before) < SMALL_NUMBER


@dataclass(frozen=True)
class AnswerRow:
    """One category (or, with ``None``, all) of a dataset in one band: a figure a ring, inner first, cumulative.

    ``category`` is its code, ``label`` its words; ``title`` is the dataset's.
    """

    dataset: str
    title: str
    category: str | None
    label: str
    band: AnyBand
    figures: tuple[RingFigure, ...]


@dataclass(frozen=True)
class DatasetAnswer:
    """One dataset's part.

    ``rows``: for each band all incidents first, then the categories, most in the outermost ring first. ``hours`` and
    ``trend`` are of the outermost ring, all incidents, all hours: ``hours`` 7 × 24 of the window (``None`` where the
    data do not tell), ``trend`` a count for each month of the answer's trend window (``None`` where not held or
    withheld). In public they may be told in blocks: of ``weekdays`` and ``hour_step`` hours from midnight, of
    ``trend_step`` months; each hour and month then has its whole block's count. ``coarse`` tells, a ring, how many
    incidents of the window within it are placed less exactly than its radius. ``unplaced`` lie in no ring;
    ``unknown_hour`` have no hour. ``newest`` is the newest month held. Counts below ``threshold`` (0: the usual one)
    are not published, and the ``sensitive`` categories have no row of their own then. ``perturbed`` counts were altered
    at random: 0 may be a few, and none is exact. ``gap`` says which months of the window are not held (empty where all
    are); it is among the ``notes``, and told in public, too.
    """

    code: str
    title: str
    rows: tuple[AnswerRow, ...]
    hours: WeekHours | None
    trend: tuple[int | None, ...]
    coarse: tuple[int | None, ...]
    newest: str
    attribution: str
    caveats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unplaced: int | None = None
    unknown_hour: int = 0
    largest_stack: int | None = None
    synthetic: bool = False
    weekdays: tuple[tuple[int, ...], ...] = SINGLE_DAYS
    hour_step: int = 1
    trend_step: int = 1
    threshold: int = 0
    sensitive: tuple[str, ...] = ()
    perturbed: bool = False
    gap: str = ""

    @property
    def compared(self) -> bool:
        """Whether anything of the window before is told."""
        return any(figure.before is not None or figure.before_mark for row in self.rows for figure in row.figures)

    def totals(self) -> tuple[AnswerRow, ...]:
        """The rows of all incidents, one a band."""
        return tuple(row for row in self.rows if row.category is None)

    def by_category(self) -> tuple[AnswerRow, ...]:
        """The rows of the categories."""
        return tuple(row for row in self.rows if row.category is not None)

    def without_odd_totals(self) -> DatasetAnswer:
        """Without rate and rank of totals that show less than one of their parts, which are marked so.

        That is seen from what is told alone: rows that a reader is not shown must have been taken away before, or a
        mark would tell of them.
        """
        if not self.perturbed:
            return self
        largest: dict[tuple[AnyBand, int], int] = {}
        for row in self.by_category():
            for figure in row.figures:
                key = (row.band, figure.radius_m)
                largest[key] = max(largest.get(key, 0), figure.count or 0)
        return replace(
            self,
            rows=tuple(
                row
                if row.category is not None
                else replace(row, figures=tuple(_beside(one, row, largest) for one in row.figures))
                for row in self.rows
            ),
        )


def _beside(total: RingFigure, row: AnswerRow, largest: dict[tuple[AnyBand, int], int]) -> RingFigure:
    if total.count is None or total.count >= largest.get((row.band, total.radius_m), 0):
        return total
    return replace(total, rate_per_km2=None, share_below=None, sentence="", below_part=True)


@dataclass(frozen=True)
class RingAnswer:
    """A finished answer.

    ``before`` is the window compared with; ``trend`` the months of the datasets' trends. ``boundary_note`` says in a
    sentence whether incidents across the borough's boundary are counted. ``notes`` are sentences about the answer as a
    whole (datasets left out among them). ``public`` marks what has been through the rules of publication.
    """

    place: Place
    radii: tuple[int, ...]
    now: Window
    before: Window | None
    trend: Window
    preset: str
    datasets: tuple[DatasetAnswer, ...]
    boundary_note: str
    answered_on: date
    notes: tuple[str, ...] = ()
    public: bool = False

    @property
    def rows(self) -> tuple[AnswerRow, ...]:
        """The rows of all datasets, in order."""
        return tuple(row for dataset in self.datasets for row in dataset.rows)

    @property
    def attributions(self) -> tuple[str, ...]:
        """Each dataset's attribution, once."""
        return tuple(dict.fromkeys(dataset.attribution for dataset in self.datasets if dataset.attribution))

    @property
    def caveats(self) -> tuple[str, ...]:
        """Each dataset's caveats, once."""
        return tuple(dict.fromkeys(caveat for dataset in self.datasets for caveat in dataset.caveats))

    @property
    def synthetic(self) -> bool:
        """Whether any of the incidents are invented."""
        return any(dataset.synthetic for dataset in self.datasets)

    @property
    def compared(self) -> bool:
        """Whether anything of the window before is told."""
        return any(dataset.compared for dataset in self.datasets)

    @property
    def compared_words(self) -> str:
        """“compared with January 2024 to December 2024”, or that it is not held; empty where it was not asked for."""
        if self.before is None:
            return ""
        if self.compared:
            return f"compared with {self.before.label}"
        return f"not compared: {self.before.label} is not held in full"

    @property
    def title(self) -> str:
        """“Incidents around SE1 2AA, January 2025 to December 2025”."""
        return f"Incidents around {self.place.label}, {self.now.label}"


class PublicationRules(Protocol):
    """What makes an answer fit for the public."""

    def published(self, answer: RingAnswer) -> RingAnswer:
        """The answer with small counts withheld, others rounded, and nothing left that tells them."""
        ...


def public(answer: RingAnswer, rules: PublicationRules) -> RingAnswer:
    """The answer as it may be published, marked so."""
    return replace(rules.published(answer), public=True)
