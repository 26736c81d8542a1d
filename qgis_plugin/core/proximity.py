"""What happened around a place: the layers of a plan searched, one after the other, and ranked beside the borough.

A ring holds every incident at a distance ≤ its radius, so the counts are cumulative. Datasets are never added up:
police, ambulance and fire record the same event each in their own way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from qgis.core import QgsGeometry

from ...shared import rings
from ...shared.ring_answer import DatasetAnswer, Place, RingAnswer
from ...shared.rings import AnyBand
from ...shared.windows import Window, trend
from .analysis_error import AnalysisError
from .borough_ranks import BoroughRanks, RankTable
from .coverage import CoverageMap, circle
from .layer_in_rings import dataset_answer
from .periods import Period
from .point_facts import PointFacts, mostly_guarded
from .points import CancelledCheck, PointSource, Rows, never_cancelled
from .proximity_question import Part, Plan, Question

Report = Callable[[str, float, float], None]


def no_report(_stage: str, _done: float, _total: float) -> None:
    """The default of ``report``."""


@dataclass(frozen=True)
class PlaceSearch:
    """A finished search: the answer, its rings as polygons of EPSG:27700, and the layer of each dataset's code.

    ``ranks``, by dataset and band, are the tables in which its counts were looked up, where there were such.
    ``guarded``: a layer's own filter leaves few others beside what is published among others only; ``names_rows``: it
    picks single rows. ``sources`` are the layers that were to be counted in.
    """

    answer: RingAnswer
    question: Question
    rings: tuple[QgsGeometry, ...]
    layers: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[tuple[str, AnyBand], RankTable] = field(default_factory=dict)
    guarded: bool = False
    names_rows: bool = False
    sources: tuple[PointFacts, ...] = ()

    @property
    def filtered(self) -> tuple[str, ...]:
        """The titles of the layers that had a filter of their own."""
        return tuple(dict.fromkeys(facts.title for facts in self.sources if facts.subset))

    def audited_filter(self, dataset: str) -> Mapping[str, Any]:
        """What the audit notes of the filter of the dataset's layer; empty where it had none."""
        return next((f.audited_filter for f in self.sources if f.dataset == dataset and f.subset), {})

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


# ---------------------------------------------------------------------- before anything is counted


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
        counted_here = dataset_answer(planned, part, place, covered, ranks, cancelled)
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
        guarded=any(filtered_to_guarded(part.rows, planned.now, cancelled) for part in planned.parts),
        names_rows=any(part.rows.facts.names_rows for part in planned.parts),
        sources=tuple(part.rows.facts for part in planned.parts),
    )


def filtered_to_guarded(rows: Rows, now: Window, cancelled: CancelledCheck = never_cancelled) -> bool:
    """Whether the layer's own filter leaves few others beside what is published among others only.

    Judged by all its rows of these months: around one place a few guarded ones are grouped with whatever else is there.
    """
    facts = rows.facts
    if not facts.subset or not facts.guarded_values:
        return False
    read = rows.read(period=Period(now.first, now.last), cancelled=cancelled)
    return mostly_guarded(facts, len(read), read.number_guarded)


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
