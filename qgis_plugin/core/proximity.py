"""What happened around a place: incidents counted in rings, per dataset, category and band of the day.

A ring holds every incident at a distance ≤ its radius, so the counts are cumulative. Datasets are never added up:
police, ambulance and fire record the same event each in their own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from qgis.core import QgsGeometry, QgsRectangle

from ...shared import rings
from ...shared.change import change
from ...shared.presets import Exclusion, Preset, exclusion
from ...shared.ranks import sentence
from ...shared.ring_answer import AnswerRow, DatasetAnswer, Place, RingAnswer, RingFigure, WeekHours
from ...shared.rings import AnyBand, Band
from ...shared.windows import Window, common_end, comparison, month_words, newest_full_month, trend
from .analysis_error import AnalysisError
from .borough_ranks import BoroughRanks, RankTable
from .cautions import incidents_words
from .coverage import CoverageMap, circle
from .periods import Period
from .points import CancelledCheck, PointFacts, Points, PointSource, Rows, largest_stack, never_cancelled
from .study_areas import StudyArea, points_inside

MOST_RADII = 5
LARGEST_RADIUS = 5000
EVERYTHING = Preset("everything", "Everything", (Band.ALL,))
_ALL_INCIDENTS = "All incidents"
_WHOLE = 0.999_999  # of a ring's area

Report = Callable[[str, float, float], None]


def no_report(_stage: str, _done: float, _total: float) -> None:
    """The default of ``report``."""


@dataclass(frozen=True)
class Question:
    """What is asked around a place.

    ``bands`` are of one's own choice, in place of the preset's. ``window`` likewise: by default the last 12 months that
    all layers hold in full. ``within`` narrows rings to an area of one's own.
    """

    preset: Preset = EVERYTHING
    radii: tuple[int, ...] = rings.FIXED_RADII
    bands: tuple[AnyBand, ...] = ()
    window: Window | None = None
    compare: bool = True
    within: StudyArea | None = None

    @property
    def asked_bands(self) -> tuple[AnyBand, ...]:
        """The bands to count in."""
        return self.bands or self.preset.bands


@dataclass(frozen=True)
class Part:
    """A layer that takes part in an answer: what of its rows is left out, and what bands it can tell."""

    rows: Rows
    leave_out: Exclusion
    bands: tuple[AnyBand, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a question comes to: the windows, the layers that take part, and a sentence for each that does not."""

    question: Question
    now: Window
    before: Window | None
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class PlaceSearch:
    """A finished search: the answer, its rings as polygons of EPSG:27700, and the layer of each dataset's code.

    ``ranks``, by dataset and band, are the tables in which its counts were looked up, where there were such.
    """

    answer: RingAnswer
    question: Question
    rings: tuple[QgsGeometry, ...]
    layers: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[tuple[str, AnyBand], RankTable] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """The centre."""
        return self.answer.place

    @property
    def radii(self) -> tuple[int, ...]:
        """In metres, the smallest first."""
        return self.answer.radii

    @property
    def areas_km2(self) -> tuple[float, ...]:
        """Of the whole circles."""
        return tuple(rings.ring_area_km2(radius) for radius in self.radii)


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


# ---------------------------------------------------------------------- before anything is counted


def plan(sources: Sequence[Rows], question: Question, today: date) -> Plan:
    """The windows and who takes part; raises ``AnalysisError`` where nobody can."""
    left_out = [f"{s.facts.title} is left out: its rows have no dates." for s in sources if not s.facts.newest_month]
    dated = [source for source in sources if source.facts.newest_month]
    full = {id(source): _newest_full(source.facts, today) for source in dated}
    if not dated:
        raise AnalysisError(" ".join(left_out) + " Choose a layer with dates.", "layer")
    if question.window is None:
        now, before = comparison(common_end(list(full.values())))
    else:
        now, before = question.window, question.window.before()
    parts, titles = [], []
    for source in dated:
        facts = source.facts
        if not facts.held.any_of(now):
            left_out.append(f"{facts.title} is left out: {facts.held.none_words(now)}.")
        elif question.window is None and full[id(source)] < now.last:
            left_out.append(
                f"{facts.title} is left out: it is complete to {month_words(full[id(source)])} only, long before the "
                "others. Choose it alone, or a period of your own."
            )
        else:
            parts.append(_part(source, question, now))
            titles.append(facts.title)
    if not parts:
        raise AnalysisError(" ".join(left_out) + " Choose another period.", "month")
    return Plan(question, now, before if question.compare else None, tuple(parts), tuple(left_out))


def _newest_full(facts: PointFacts, today: date) -> str:
    day = date.fromisoformat(facts.newest_day) if facts.newest_day else None
    return newest_full_month(facts.held.newest, day, today)


def _part(source: Rows, question: Question, now: Window) -> Part:
    facts = source.facts
    preset = question.preset
    leave_out = exclusion(preset, source.categories() if preset.leave_out else (), facts.flag_fields)
    notes = list(leave_out.notes())
    bands = question.asked_bands
    if not facts.timed:
        if any(band is not Band.ALL for band in bands):
            notes.append("These records do not tell the hour: all hours are counted.")
        bands = (Band.ALL,)
    missing = facts.held.gap_words(now)
    if missing:
        notes.append(missing)
    return Part(source, leave_out, bands, tuple(notes))


# ---------------------------------------------------------------------- ranks


def unranked(planned: Plan, borough: str, ranks: BoroughRanks) -> tuple[Part, ...]:
    """The layers whose counts cannot yet be compared with the postcodes of the borough (its code)."""
    if not borough or planned.question.within is not None:
        return ()
    return tuple(
        part
        for part in planned.parts
        if any(
            ranks.known(part.rows, borough, planned.now, band, planned.question.radii, part.leave_out) is None
            for band in part.bands
        )
    )


def rank(
    planned: Plan,
    borough: str,
    ranks: BoroughRanks,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
) -> None:
    """Count around every postcode of the borough where that was not done before; for a background thread.

    Raises ``Cancelled`` and ``AnalysisError``.
    """
    parts = unranked(planned, borough, ranks)
    for number, part in enumerate(parts):
        report(f"Comparing {part.rows.facts.title} with the borough's postcodes", number, len(parts))
        ranks.prepare(part.rows, borough, planned.now, part.bands, planned.question.radii, part.leave_out, cancelled)


# ---------------------------------------------------------------------- counting


def search(
    planned: Plan,
    place: Place,
    coverages: CoverageMap,
    ranks: BoroughRanks,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
) -> PlaceSearch:
    """Count the incidents around ``place`` in every layer of the plan; for a background thread.

    Places are compared with the borough's postcodes where that was worked out before (``BoroughRanks.prepare``).
    Raises ``AnalysisError`` where nothing is held around the place, ``Cancelled`` when stopped.
    """
    question, radii = planned.question, planned.question.radii
    centre = (place.easting, place.northing)
    found, elsewhere, placeless = [], [], []
    for number, part in enumerate(planned.parts):
        facts = part.rows.facts
        report(f"Counting in {facts.title}", number, len(planned.parts))
        coverage = coverages.of(facts.areas)
        if question.within is not None:
            coverage = coverage.cut(question.within.geometry)
        covered = coverage.km2(centre, radii)
        if not covered[-1] > 0:
            elsewhere.append(facts.title)
            continue
        counted_here = _dataset(planned, part, place, covered, ranks, cancelled)
        trouble = _placeless(part.rows, coverages, cancelled) if not _any(counted_here) else ""
        if trouble:
            placeless.append(trouble)
        else:
            found.append(counted_here)
    outside = tuple(f"{title} is left out: none of its incidents are held around here." for title in elsewhere)
    outside += tuple(f"{sentence}: it is left out." for sentence in placeless)
    if not found and placeless:
        raise AnalysisError(f"{placeless[0]}: choose another layer.", "layer")
    if not found:
        raise AnalysisError(_outside(place, question), "postcode")
    answer = RingAnswer(
        place=place,
        radii=tuple(radii),
        now=planned.now,
        before=planned.before,
        trend=trend(planned.now.last),
        preset=question.preset.title,
        datasets=tuple(found),
        boundary_note=_boundary_note(place, radii[-1], coverages),
        answered_on=date.today(),
        notes=(*planned.left_out, *outside, *_area_note(question)),
    )
    return PlaceSearch(
        answer=answer,
        question=question,
        rings=tuple(circle(centre, radius) for radius in radii),
        layers={part.rows.facts.dataset: part.rows.facts.layer_id for part in planned.parts},
        ranks=_tables(planned, place, ranks),
    )


def _tables(planned: Plan, place: Place, ranks: BoroughRanks) -> dict[tuple[str, AnyBand], RankTable]:
    question = planned.question
    if question.within is not None:
        return {}
    found = {
        (part.rows.facts.dataset, band): ranks.known(
            part.rows, place.borough_code, planned.now, band, question.radii, part.leave_out
        )
        for part in planned.parts
        for band in part.bands
    }
    return {key: table for key, table in found.items() if table is not None}


def incidents_expression(source: PointSource, found: PlaceSearch) -> str:
    """What chooses, among the rows of a layer, those that the outermost ring counts (all hours of the day)."""
    place, now = found.place, found.answer.now
    parts = [
        f"distance(@geometry, make_point({place.easting}, {place.northing})) <= {found.radii[-1]}",
        source.months_expression(Period(now.first, now.last)),
    ]
    if found.question.within is not None:
        parts.append(f"intersects(@geometry, geom_from_wkt('{found.question.within.geometry.asWkt()}'))")
    return " AND ".join(parts)


def _outside(place: Place, question: Question) -> str:
    if question.within is not None:
        return f"{place.label} lies too far from “{question.within.label}”: no ring reaches it. Choose another place."
    return (
        f"{place.label} lies outside the area whose incidents the chosen layers hold: choose a place inside it, or ask "
        "the SafeStats team what your agreement covers."
    )


def _any(answer: DatasetAnswer) -> bool:
    """Whether the outermost ring holds an incident, now or before."""
    return any(row.figures[-1].count or row.figures[-1].before for row in answer.rows)


def _placeless(rows: Rows, coverages: CoverageMap, cancelled: CancelledCheck) -> str:
    """What is wrong with a layer that can have nothing around any place; empty for one that is only quiet here.

    A local copy is of London and says itself what has no place; rows in memory are those around places already.
    """
    if not isinstance(rows, PointSource) or rows.kept_file is not None:
        return ""
    if len(rows.read(coverages.of(()).geometry.boundingBox(), cancelled=cancelled)):
        return ""
    title = rows.facts.title
    if len(rows.read(cancelled=cancelled)):
        return f"Every place of “{title}” lies outside London, and places are looked at in London only"
    return f"No row of “{title}” has a place, so that nothing can be counted around one"


def _area_note(question: Question) -> tuple[str, ...]:
    if question.within is None:
        return ()
    return (f"Counted only within “{question.within.label}”; ranks among postcodes are not given for it.",)


def _boundary_note(place: Place, radius: int, coverages: CoverageMap) -> str:
    if not place.borough_code:
        return f"{place.label} lies in no London borough: it is ranked among no borough's postcodes."
    borough = f"the {place.borough}" if place.borough.startswith("City ") else place.borough
    own = coverages.of([place.borough_code])
    if own.geometry.contains(circle((place.easting, place.northing), radius)):
        return f"All rings lie within {borough}."
    return f"Incidents across the boundary of {borough} are counted, as far as they are held."


def _dataset(
    planned: Plan, part: Part, place: Place, covered: tuple[float, ...], ranks: BoroughRanks, cancelled: CancelledCheck
) -> DatasetAnswer:
    facts, radii = part.rows.facts, planned.question.radii
    now, months = planned.now, trend(planned.now.last)
    before = planned.before if planned.before and facts.held.compares(now, planned.before) else None
    span = Period(min(months.first, now.first, before.first if before else now.first), now.last)
    outer = radii[-1]
    box = QgsRectangle(place.easting - outer, place.northing - outer, place.easting + outer, place.northing + outer)
    points = part.rows.read(box, span, cancelled=cancelled, leave_out=part.leave_out)
    points = points.where(rings.within(points.eastings, points.northings, (place.easting, place.northing), outer))
    if planned.question.within is not None:
        area = planned.question.within.geometry
        points = points.where(points_inside(points.eastings, points.northings, area))
    current = points.where(_in(points, now))
    counter = _Counter(points, (place.easting, place.northing), radii)
    in_now, in_before = _in(points, now), _in(points, before) if before else None
    rows: list[AnswerRow] = []
    unknown_hour = 0
    for band in part.bands:
        chosen = rings.in_band(band, points.hours, points.weekdays)
        unknown_hour = max(unknown_hour, rings.in_band(band, current.hours, current.weekdays).unknown)
        table = ranks.known(part.rows, place.borough_code, now, band, radii, part.leave_out)
        if planned.question.within is not None:
            table = None
        then = counter.table(chosen.inside & in_before) if in_before is not None else None
        rows += _rows(facts, band, counter, counter.table(chosen.inside & in_now), then, radii, covered, table)
    unplaced = part.rows.unplaced(now, cancelled)
    stack = largest_stack(current)
    coarse = counter.coarse(in_now)
    compared = not planned.question.compare or before is not None
    notes = [
        *part.notes,
        *_coverage_notes(radii, covered),
        *_count_notes(len(current), radii, coarse, unplaced, stack, unknown_hour, compared),
    ]
    return DatasetAnswer(
        code=facts.dataset,
        title=facts.title,
        rows=tuple(rows),
        hours=_hours(current) if facts.timed else None,
        trend=_trend(points.months, months, facts),
        coarse=coarse,
        newest=facts.held.newest,
        attribution=facts.attribution,
        caveats=facts.caveats,
        notes=tuple(notes),
        unplaced=unplaced,
        unknown_hour=unknown_hour,
        largest_stack=stack,
        synthetic=facts.synthetic,
        threshold=facts.threshold,
        sensitive=facts.sensitive,
        gap=facts.held.gap_words(now),
    )


class _Counter:
    """Counts rows (all within the outermost ring) by category and ring."""

    def __init__(self, points: Points, centre: tuple[int, int], radii: tuple[int, ...]) -> None:
        squared = rings.squared_distances(points.eastings, points.northings, centre)
        self.categories, self._category = np.unique(points.categories, return_inverse=True)
        self._ring = np.searchsorted(np.array(radii) ** 2, squared)  # on the ring is inside
        self._precision, self._radii = points.precision, radii

    def table(self, chosen: np.ndarray) -> np.ndarray:
        """Cumulative counts of the chosen rows, shape ``(categories, rings)``."""
        shape = (len(self.categories), len(self._radii))
        cells = self._category[chosen] * shape[1] + self._ring[chosen]
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).cumsum(axis=1)

    def coarse(self, chosen: np.ndarray) -> tuple[int, ...]:
        """How many of the chosen rows in each ring are placed less exactly than its radius."""
        with np.errstate(invalid="ignore"):
            return tuple(
                int(np.count_nonzero(chosen & (self._ring <= number) & (self._precision > radius)))
                for number, radius in enumerate(self._radii)
            )


def _in(points: Points, window: Window) -> np.ndarray:
    return (points.months >= window.first) & (points.months <= window.last)


def _rows(
    facts: PointFacts,
    band: AnyBand,
    counter: _Counter,
    now: np.ndarray,
    before: np.ndarray | None,
    radii: tuple[int, ...],
    covered: tuple[float, ...],
    ranks: RankTable | None,
) -> list[AnswerRow]:
    """All incidents, then the categories that have any, those with most in the outermost ring first."""

    def row(category: str | None, label: str, counts: np.ndarray, then: np.ndarray | None) -> AnswerRow:
        figures = tuple(
            _figure(radius, int(counts[i]), None if then is None else int(then[i]), covered[i], category, ranks)
            for i, radius in enumerate(radii)
        )
        return AnswerRow(facts.dataset, facts.title, category, label, band, figures)

    rows = [row(None, _ALL_INCIDENTS, now.sum(axis=0), None if before is None else before.sum(axis=0))]
    if not facts.category_field:
        return rows
    any_there = now[:, -1] + (0 if before is None else before[:, -1])
    parts = [
        row(str(category), facts.label(str(category)), now[i], None if before is None else before[i])
        for i, category in enumerate(counter.categories)
        if any_there[i]
    ]
    return rows + sorted(parts, key=lambda part: (-(part.figures[-1].count or 0), part.label))


def _figure(
    radius: int, count: int, before: int | None, covered: float, category: str | None, ranks: RankTable | None
) -> RingFigure:
    distribution = ranks.of(category, radius) if ranks is not None else None
    return RingFigure(
        radius_m=radius,
        count=count,
        before=before,
        change=None if before is None else change(count, before),
        rate_per_km2=count / covered if covered > 0 else None,
        covered_km2=covered,
        share_below=distribution.share_below(count) if distribution is not None else None,
        sentence=sentence(distribution, count, ranks.borough) if distribution is not None else "",
    )


def _hours(points: Points) -> WeekHours:
    known = ~np.isnan(points.hours) & ~np.isnan(points.weekdays)
    table = np.zeros((7, 24), dtype=int)
    np.add.at(table, (points.weekdays[known].astype(int), points.hours[known].astype(int)), 1)
    return tuple(tuple(int(n) for n in row) for row in table)


def _trend(months: np.ndarray, window: Window, facts: PointFacts) -> tuple[int | None, ...]:
    held, counts = np.unique(months, return_counts=True)
    found = dict(zip(held.tolist(), counts.tolist()))
    return tuple(int(found.get(month, 0)) if facts.held.holds(month) else None for month in window.months)


def _coverage_notes(radii: tuple[int, ...], covered: tuple[float, ...]) -> list[str]:
    shares = [part / rings.ring_area_km2(radius) for radius, part in zip(radii, covered)]
    short = [(radius, share) for radius, share in zip(radii, shares) if share < _WHOLE]
    if not short:
        return []
    words = ", ".join(f"{radius} m {share:.0%}" for radius, share in short)
    return [f"Land on which these data are held covers only part of the ring: {words}. Rates are per km² of that part."]


def _count_notes(
    current: int,
    radii: tuple[int, ...],
    coarse: tuple[int, ...],
    unplaced: int,
    stack: int,
    unknown_hour: int,
    compared: bool,
) -> list[str]:
    notes = []
    if not compared:
        notes.append("Nothing is compared: the months before are not all held.")
    if unplaced:
        notes.append(
            f"{incidents_words(unplaced)} of the period, anywhere in the layer, {'has' if unplaced == 1 else 'have'} "
            "no place: no ring counts them."
        )
    if stack > 1:
        notes.append(f"Up to {stack:,} incidents lie on one and the same point.")
    rough = [f"{number:,} within {radius} m" for radius, number in zip(radii, coarse) if number]
    if rough:
        notes.append(f"Placed less exactly than the ring is wide: {', '.join(rough)}, of {current:,} in all.")
    if unknown_hour:
        notes.append(
            f"{incidents_words(unknown_hour)} of unknown hour {'is' if unknown_hour == 1 else 'are'} left out of "
            "the time of day."
        )
    return notes
