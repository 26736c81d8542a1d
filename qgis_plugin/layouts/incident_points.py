"""The incidents that a search counted, read again for the map of an operational report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qgis.core import QgsProject, QgsVectorLayer

from ...shared import rings
from ..core.points import PointSource
from ..core.proximity import ProximityResult


@dataclass(frozen=True)
class IncidentPoints:
    """The places of one dataset's incidents in the outer ring: arrays of equal length, metres of EPSG:27700."""

    title: str
    eastings: np.ndarray
    northings: np.ndarray


def incidents_of(result: ProximityResult, project: QgsProject) -> tuple[IncidentPoints, ...]:
    """One entry a dataset whose layer is still open in ``project``; on the window's thread, by the layer's index."""
    place, outer = result.place, result.radii[-1]
    band = rings.Band(result.band) if result.band else rings.Band.ALL
    found = []
    for dataset in result.datasets:
        layer = project.mapLayer(dataset.layer_id)
        if not isinstance(layer, QgsVectorLayer):
            continue
        source = PointSource(layer)
        points = source.read(result.rings[-1].boundingBox().buffered(1), dataset.period)
        points = points.where(rings.within(points.eastings, points.northings, (place.easting, place.northing), outer))
        if band is not rings.Band.ALL and source.facts.hour_field:
            points = points.where(rings.in_band(band, points.hours, points.weekdays).inside)
        found.append(IncidentPoints(dataset.title, points.eastings, points.northings))
    return tuple(found)
