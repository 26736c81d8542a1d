"""What a page tells beside a map: the months and categories of its incidents, and how many lie in each area."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsProject,
    QgsVectorLayer,
)

from ...shared.disclosure import masking_of
from .analysis_error import AnalysisError
from .incidents import IncidentFilter
from .periods import Period, month_number, month_of
from .point_facts import NATIONAL_GRID
from .points import CancelledCheck, PointSource, never_cancelled
from .study_areas import Borough, BoroughMap, StudyArea, points_inside

TREND_MONTHS = 36
MOST_AREAS = 120  # an atlas of more is no atlas that anybody reads


@dataclass(frozen=True)
class Breakdown:
    """Counts in the study area: (``YYYY-MM``, count) for each month, oldest first, those of no incident too;
    (label, count) for each category, the most frequent first. ``masking``: the largest count withheld in public."""

    months: tuple[tuple[str, int], ...]
    categories: tuple[tuple[str, int], ...]
    masking: int = masking_of(0)


@dataclass(frozen=True)
class Area:
    """An area of an atlas: its name, and its shape in EPSG:27700."""

    name: str
    geometry: QgsGeometry


@dataclass(frozen=True)
class AreaCount:
    """How many incidents lie in an area, and in the period before (``None``: not held)."""

    area: Area
    count: int
    before: int | None


def break_down(
    source: PointSource, area: StudyArea, wanted: IncidentFilter, cancelled: CancelledCheck = never_cancelled
) -> Breakdown:
    """Months up to the end of the period wanted, at most ``TREND_MONTHS`` and as far back as the data go; categories
    of the period itself."""
    facts = source.facts
    trend = _trend(wanted.period, facts.months)
    points = source.read(period=trend or wanted.period, categories=wanted.categories, cancelled=cancelled)
    points = points.where(points_inside(points.eastings, points.northings, area.geometry))
    by_month = Counter(points.months.tolist())
    months = _months(trend) if trend else ()
    inside = np.ones(len(points), dtype=bool)
    if wanted.period is not None:
        inside = (points.months >= wanted.period.first) & (points.months <= wanted.period.last)
    by_category = Counter(points.categories[inside].tolist())
    return Breakdown(
        tuple((month, by_month.get(month, 0)) for month in months),
        tuple((facts.label(code) or "Unknown", count) for code, count in by_category.most_common()),
        masking_of(facts.threshold),
    )


def count_areas(
    source: PointSource,
    areas: Sequence[Area],
    wanted: IncidentFilter,
    before: Period | None,
    cancelled: CancelledCheck = never_cancelled,
) -> tuple[AreaCount, ...]:
    """The incidents of each area, and those of the period before where it is given, in the order of the areas."""
    found = []
    for period in (wanted.period, before):
        if period is None and found:
            found.append([None] * len(areas))
            continue
        points = source.read(period=period, categories=wanted.categories, cancelled=cancelled)
        found.append([int(points_inside(points.eastings, points.northings, a.geometry).sum()) for a in areas])
    return tuple(AreaCount(area, now, former) for area, now, former in zip(areas, *found))


def boroughs_in(boroughs: BoroughMap, area: StudyArea) -> tuple[Area, ...]:
    """The boroughs that the study area holds for the most part."""

    def held(borough: Borough) -> bool:
        return borough.geometry.intersection(area.geometry).area() > 0.5 * borough.geometry.area()

    return tuple(Area(one.name, one.geometry) for one in boroughs.boroughs if held(one))


def areas_of_layer(layer: QgsVectorLayer, area: StudyArea, project: QgsProject) -> tuple[Area, ...]:
    """The polygons of a layer (wards, for instance) that lie in the study area for the most part, by name.

    Raises ``AnalysisError`` where there are none, or more than an atlas can have.
    """
    national = QgsCoordinateReferenceSystem(NATIONAL_GRID)
    transform = QgsCoordinateTransform(layer.crs(), national, project)
    name = _name_field(layer)
    found = []
    for feature in layer.getFeatures():
        shape = QgsGeometry(feature.geometry())
        if shape.isEmpty():
            continue
        shape.transform(transform)
        shape = shape.makeValid()
        if shape.intersection(area.geometry).area() > 0.5 * shape.area():
            found.append(Area(str(feature[name]) if name else f"{layer.name()} {feature.id()}", shape))
    if not found:
        raise AnalysisError(
            f"None of the areas of “{layer.name()}” lies in {area.label}: choose another layer of areas.", "areas"
        )
    if len(found) > MOST_AREAS:
        raise AnalysisError(
            f"“{layer.name()}” has {len(found)} areas in {area.label}, and an atlas at most {MOST_AREAS} pages: "
            "choose a smaller study area or larger areas.",
            "areas",
        )
    return tuple(sorted(found, key=lambda one: one.name))


def _name_field(layer: QgsVectorLayer) -> str:
    """The text column that is called a name (``name``, ``WD18NM``, ``ward_name``), or else the first text column."""
    texts = [field.name() for field in layer.fields() if field.typeName().lower() in ("string", "text", "varchar")]
    named = [one for one in texts if one.lower().startswith("name") or one.lower().endswith(("name", "nm"))]
    return next(iter([*named, *texts]), "")


def _trend(period: Period | None, held: Sequence[str]) -> Period | None:
    months = sorted(month for month in held if month)
    if not months:
        return None
    last = min(period.last, months[-1]) if period else months[-1]
    first = max(month_number(months[0]), month_number(last) - TREND_MONTHS + 1)
    return Period(month_of(first), last) if first <= month_number(last) else None


def _months(period: Period) -> tuple[str, ...]:
    return tuple(map(month_of, range(month_number(period.first), month_number(period.last) + 1)))
