"""How coordinates came to the British National Grid, in words: by which operation, and how exact that is."""

from __future__ import annotations

from qgis.core import QgsCoordinateReferenceSystem, QgsCoordinateTransform, QgsCoordinateTransformContext

from .grid_ways import NATIONAL_GRID
from .sentences import say

_INVERSE = "Inverse of "


def brought_words(crs: QgsCoordinateReferenceSystem, context: QgsCoordinateTransformContext) -> str:
    """What QGIS does here between a coordinate system and the National Grid; empty where it is the Grid already.

    With the Ordnance Survey's grid (OSTN15) it is exact to the metre, without it to about 2 m; from some systems PROJ
    knows no way at all and takes the angles as they are, which is off by 100 m.
    """
    national = QgsCoordinateReferenceSystem(NATIONAL_GRID)
    if crs == national:
        return ""
    details = QgsCoordinateTransform(crs, national, context).instantiatedCoordinateOperationDetails()
    # The first steps and the last are projections, which are exact; the one between two datums is what matters.
    steps = [step.replace(_INVERSE, "", 1) for step in details.name.split(" + ")]
    between = [step for step in steps if " to " in step] or steps
    grids = ", ".join(grid.shortName for grid in details.grids)
    by = f"“{'; '.join(between)}”"
    if grids:
        by = say("{way} with the grid {grids}", way=by, grids=grids)
    start = say(
        "from {system} to the National Grid by {way}", system=crs.authid() or crs.userFriendlyIdentifier(), way=by
    )
    if details.accuracy < 0:
        doubt = "{way}, of unknown accuracy: it may lie 100 m off, so save it in {grid} by a way you trust"
        return say(doubt, way=start, grid=NATIONAL_GRID)
    if not details.accuracy:
        return say("{way}, a projection alone", way=start)
    return say("{way}, exact to {metres:g} m", way=start, metres=details.accuracy)
