"""What happened around a place: incidents counted in rings, per dataset and category.

A ring holds every incident at a distance ≤ its radius, so the counts are cumulative. Datasets are never added up:
police, ambulance and fire record the same event each in their own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from qgis.core import QgsGeometry, QgsPointXY, QgsRectangle

from ...shared import rings
from ...shared.rings import Band
from .analysis_error import AnalysisError
from .periods import Period, held_before, month_words
from .points import CancelledCheck, PointFacts, Points, PointSource, largest_stack, never_cancelled

DEFAULT_RADII = (100, 250, 500)
MOST_RADII = 5
LARGEST_RADIUS = 5000
SMALL_NUMBER = 10  # below this a change says little and is greyed
_CIRCLE_SEGMENTS = 60  # in a quarter: the drawn ring strays from the true one by less than 0.01 %

Report = Callable[[str, float, float], None]


def no_report(_stage: str, _done: float, _total: float) -> None:
    """The default of ``report``."""


@dataclass(frozen=True)
class Place:
    """The centre of a search in whole metres of EPSG:27700.

    ``label`` is the postcode, or “Point 530000, 180000”; ``accuracy`` says in a sentence what the point stands for;
    ``borough`` is empty outside London.
    """

    label: str
    easting: int
    northing: int
    accuracy: str
    postcode: str = ""
    borough: str = ""
    warning: str = ""


@dataclass(frozen=True)
class RingCounts:
    """Cumulative counts of one category (or of a whole dataset), one per radius, now and in the period before.

    ``previous`` is ``None`` where the period before is not held.
    """

    label: str
    counts: tuple[int, ...]
    previous: tuple[int, ...] | None

    def change(self, ring: int) -> float | None:
        """The change in ring number ``ring`` against the period before, as a ratio (0.1 = up 10 %)."""
        if self.previous is None or not self.previous[ring]:
            return None
        return self.counts[ring] / self.previous[ring] - 1

    def change_is_weak(self, ring: int) -> bool:
        """Whether either figure is below ``SMALL_NUMBER``, so that the change says little."""
        return self.previous is None or min(self.counts[ring], self.previous[ring]) < SMALL_NUMBER


@dataclass(frozen=True)
class DatasetRings:
    """One dataset's part of a search.

    ``rows`` are the categories, largest first, ``total`` all of them. ``unplaced`` counts rows of the period without a
    place, anywhere in the layer, which no ring can count. ``largest_stack`` is the greatest number of incidents on one
    point within the outer ring; ``snapped`` says that the supplier moved points to shared map points. ``hours`` is 7
    rows (Monday first) of 24 counts in the outer ring, where the data tell the hour.
    """

    layer_id: str
    dataset: str
    title: str
    rows: tuple[RingCounts, ...]
    total: RingCounts
    period: Period | None
    previous_period: Period | None
    unplaced: int | None
    largest_stack: int
    snapped: bool
    caveats: tuple[str, ...]
    attribution: str
    synthetic: bool
    newest_month: str
    hours: tuple[tuple[int, ...], ...] | None
    unknown_hour: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProximityResult:
    """A finished search: ``rings`` are circles in EPSG:27700, ``areas_km2`` their areas, one per radius."""

    place: Place
    radii: tuple[int, ...]
    areas_km2: tuple[float, ...]
    rings: tuple[QgsGeometry, ...]
    period: Period | None
    band: str  # the words for the hours counted, empty for all
    datasets: tuple[DatasetRings, ...]
    searched_on: date
    left_out: tuple[str, ...] = ()  # a sentence for each layer that holds nothing of the period: absent is not zero

    @property
    def title(self) -> str:
        """“Incidents around SE1 2AA, January 2025 to December 2025”."""
        period = f", {self.period.label}" if self.period else ""
        return f"Incidents around {self.place.label}{period}"

    @property
    def synthetic(self) -> bool:
        """Whether any of the datasets is synthetic."""
        return any(dataset.synthetic for dataset in self.datasets)

    def per_km2(self, count: int, ring: int) -> float:
        """Incidents per km² of the whole circle of ring number ``ring``."""
        return count / self.areas_km2[ring]


@dataclass(frozen=True)
class SearchFilter:
    """What is counted: a period (``None``: all dates), whether also the period before, a band of the day."""

    period: Period | None = None
    compare: bool = True
    band: Band = Band.ALL


def parse_radii(text: str) -> tuple[int, ...]:
    """“100, 250, 500” as whole metres, smallest first; raises ``AnalysisError``."""
    parts = [part for part in re.split(r"[\s,;]+", text.strip()) if part]
    try:
        radii = sorted({int(part) for part in parts})
    except ValueError:
        raise AnalysisError(
            f"“{text}” is no list of radii: write whole metres separated by commas, for example 100, 250, 500.", "radii"
        ) from None
    if not radii or len(radii) > MOST_RADII or radii[0] < 1 or radii[-1] > LARGEST_RADIUS:
        raise AnalysisError(
            f"Give one to {MOST_RADII} radii between 1 and {LARGEST_RADIUS:,} m, for example 100, 250, 500.", "radii"
        )
    return tuple(radii)


def search(
    sources: Sequence[PointSource],
    place: Place,
    radii: Sequence[int],
    wanted: SearchFilter,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
) -> ProximityResult:
    """Count the incidents around ``place`` in every source; for a background thread.

    Raises ``AnalysisError`` for a layer without the dates or hours asked for, ``Cancelled`` when stopped.
    """
    radii = tuple(sorted(radii))
    centre = QgsPointXY(place.easting, place.northing)
    parts: list[DatasetRings] = []
    left_out: list[str] = []
    for number, source in enumerate(sources):
        report(f"Counting in {source.facts.title}", number, len(sources))
        if not _holds(source, wanted.period):
            held = Period(source.facts.first_month, source.facts.newest_month)
            left_out.append(f"{source.facts.title} is left out: it holds {held.label}, nothing of the period chosen.")
            continue
        parts.append(_search_one(source, place, radii, wanted, cancelled))
    if left_out and not parts:
        raise AnalysisError(" ".join(left_out) + " Choose another period.", "month")
    return ProximityResult(
        place=place,
        radii=radii,
        areas_km2=tuple(rings.ring_area_km2(radius) for radius in radii),
        rings=tuple(QgsGeometry.fromPointXY(centre).buffer(radius, _CIRCLE_SEGMENTS) for radius in radii),
        period=wanted.period,
        band="" if wanted.band is Band.ALL else wanted.band.value,
        datasets=tuple(parts),
        searched_on=date.today(),
        left_out=tuple(left_out),
    )


def _holds(source: PointSource, period: Period | None) -> bool:
    """Whether what a layer holds reaches into the period; one without dates cannot tell, and is counted whole."""
    facts = source.facts
    return (
        period is None
        or not facts.newest_month
        or (period.first <= facts.newest_month and facts.first_month <= period.last)
    )


def _search_one(
    source: PointSource, place: Place, radii: tuple[int, ...], wanted: SearchFilter, cancelled: CancelledCheck
) -> DatasetRings:
    facts = source.facts
    dated = bool(facts.newest_month)
    period = wanted.period if dated else None
    previous = None
    # Half a year against a whole one is no comparison.
    if period is not None and wanted.compare and period.last <= facts.newest_month:
        previous = held_before(period, facts.months)
    span = Period(previous.first, period.last) if period is not None and previous is not None else period
    outer = radii[-1]
    box = QgsRectangle(place.easting - outer, place.northing - outer, place.easting + outer, place.northing + outer)
    points = source.read(box, span, cancelled=cancelled)
    points = points.where(rings.within(points.eastings, points.northings, (place.easting, place.northing), outer))
    notes = []
    unknown_hour = 0
    timed = bool(facts.hour_field)
    if wanted.band is not Band.ALL:
        if timed:
            current = points.where(_in_period(points, period))
            unknown_hour = rings.in_band(wanted.band, current.hours, current.weekdays).unknown
            points = points.where(rings.in_band(wanted.band, points.hours, points.weekdays).inside)
        else:
            notes.append("The data do not tell the hour: all hours are counted")
    now = points.where(_in_period(points, period))
    then = points.where(_in_period(points, previous)) if previous is not None else None
    unplaced = source.count_unplaced(period, cancelled=cancelled)
    stack = largest_stack(now)
    notes += _notes(now, radii, wanted, period, previous, facts, unplaced, stack, unknown_hour)
    return DatasetRings(
        layer_id=facts.layer_id,
        dataset=facts.dataset,
        title=facts.title,
        rows=_rows(source, place, radii, now, then),
        total=_counts("All incidents", place, radii, now, then),
        period=period,
        previous_period=previous,
        unplaced=unplaced,
        largest_stack=stack,
        snapped=facts.snapped,
        caveats=facts.caveats,
        attribution=facts.attribution,
        synthetic=facts.synthetic,
        newest_month=facts.newest_month,
        hours=_hours(now) if timed else None,
        unknown_hour=unknown_hour,
        notes=tuple(notes),
    )


def _in_period(points: Points, period: Period | None) -> np.ndarray:
    if period is None:
        return np.ones(len(points), dtype=bool)
    return (points.months >= period.first) & (points.months <= period.last)


def _counts(label: str, place: Place, radii: tuple[int, ...], now: Points, then: Points | None) -> RingCounts:
    centre = (place.easting, place.northing)
    current = rings.count_in_rings(now.eastings, now.northings, centre, radii)
    before = None
    if then is not None:
        before = tuple(int(n) for n in rings.count_in_rings(then.eastings, then.northings, centre, radii))
    return RingCounts(label, tuple(int(n) for n in current), before)


def _rows(
    source: PointSource, place: Place, radii: tuple[int, ...], now: Points, then: Points | None
) -> tuple[RingCounts, ...]:
    if not source.facts.category_field:
        return ()
    categories = set(now.categories) | (set(then.categories) if then is not None else set())
    rows = [
        _counts(
            source.facts.label(str(category)),
            place,
            radii,
            now.where(now.categories == category),
            then.where(then.categories == category) if then is not None else None,
        )
        for category in categories
    ]
    return tuple(sorted(rows, key=lambda row: (-row.counts[-1], row.label)))


def _hours(points: Points) -> tuple[tuple[int, ...], ...] | None:
    known = ~np.isnan(points.hours) & ~np.isnan(points.weekdays)
    table = np.zeros((7, 24), dtype=int)
    np.add.at(table, (points.weekdays[known].astype(int), points.hours[known].astype(int)), 1)
    return tuple(tuple(int(n) for n in row) for row in table)


def _notes(
    now: Points,
    radii: tuple[int, ...],
    wanted: SearchFilter,
    period: Period | None,
    previous: Period | None,
    facts: PointFacts,
    unplaced: int,
    stack: int,
    unknown_hour: int,
) -> list[str]:
    notes = []
    if wanted.period is not None and period is None:
        notes.append("The layer has no dates: all of it is counted")
    elif period is not None and not (facts.first_month <= period.first and period.last <= facts.newest_month):
        held = f"{month_words(facts.first_month)} to {month_words(facts.newest_month)}"
        notes.append(f"Held for {held} only: other months of the period are missing from the counts")
    if period is not None and wanted.compare and previous is None:
        notes.append("Nothing is compared: the period and the one before are not both held in full")
    if unplaced:
        notes.append(
            f"{unplaced:,} incidents of the period, anywhere in the layer, have no place: no ring can count them"
        )
    if stack > 1:
        notes.append(f"Up to {stack:,} incidents lie on one and the same point")
    coarse = now.precision[~np.isnan(now.precision)]
    for radius in radii:
        rough = int((coarse > radius).sum())
        if rough:
            notes.append(
                f"{rough:,} of {len(now):,} incidents in the outer ring are placed less exactly than {radius} m"
            )
            break
    if unknown_hour:
        notes.append(f"{unknown_hour:,} incidents of unknown hour are left out of the time of day")
    return notes
