"""The incidents that a search counted, read again for the map of an operational report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qgis.core import QgsProject, QgsVectorLayer

from ...shared import rings
from ...shared.presets import exclusion
from ..core.periods import Period
from ..core.points import Points, PointSource
from ..core.proximity import PlaceSearch
from ..core.study_areas import points_inside


@dataclass(frozen=True)
class IncidentPoints:
    """The places of one dataset's incidents in the outer ring: arrays of equal length, metres of EPSG:27700."""

    title: str
    eastings: np.ndarray
    northings: np.ndarray


def incidents_of(found: PlaceSearch, project: QgsProject) -> tuple[IncidentPoints, ...]:
    """One entry a dataset whose layer is still open in ``project``; on the window's thread, by the layer's index.

    They are those of the table: of its months and any of its times of day, without what the preset leaves out.
    """
    made = []
    for dataset in found.answer.datasets:
        layer = project.mapLayer(found.layers.get(dataset.code, ""))
        if isinstance(layer, QgsVectorLayer):
            points = _counted(PointSource(layer), found, [row.band for row in dataset.totals()])
            made.append(IncidentPoints(dataset.title, points.eastings, points.northings))
    return tuple(made)


def _counted(source: PointSource, found: PlaceSearch, bands: list[rings.AnyBand]) -> Points:
    place, preset, now = found.place, found.question.preset, found.answer.now
    leave_out = exclusion(preset, source.categories() if preset.leave_out else (), source.facts.flag_fields)
    box = found.rings[-1].boundingBox().buffered(1)
    points = source.read(box, Period(now.first, now.last), leave_out=leave_out)
    centre = (place.easting, place.northing)
    points = points.where(rings.within(points.eastings, points.northings, centre, found.radii[-1]))
    if found.question.within is not None:
        points = points.where(points_inside(points.eastings, points.northings, found.question.within.geometry))
    chosen = [rings.in_band(band, points.hours, points.weekdays).inside for band in bands]
    return points.where(np.logical_or.reduce(chosen))
