"""Moves the map to a place and marks it for a moment."""

from __future__ import annotations

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
)
from qgis.gui import QgsMapCanvas

from ...shared.ring_answer import Place
from ..core.grid_ways import NATIONAL_GRID, choose_ways

_SCALE = 2_500  # a few streets around it


def go_to(canvas: QgsMapCanvas, project: QgsProject, place: Place) -> bool:
    """Centre ``canvas`` on ``place``, no farther off than a few streets; whether its projection has the place."""
    grid = QgsCoordinateReferenceSystem(NATIONAL_GRID)
    choose_ways(project)
    point = QgsPointXY(place.easting, place.northing)
    try:
        centre = QgsCoordinateTransform(grid, canvas.mapSettings().destinationCrs(), project).transform(point)
    except QgsCsException:
        return False
    canvas.setCenter(centre)
    if canvas.scale() > _SCALE:
        canvas.zoomScale(_SCALE)
    canvas.refresh()
    canvas.flashGeometries([QgsGeometry.fromPointXY(point)], grid)
    return True
