"""Ways from the National Grid to other coordinate systems: the best that this computer has, and how exact it is.

The best way needs the grid file OSTN15, which many installations lack. QGIS then warns at the first map and uses the
next best all the same: that one is chosen here for the project. Ways that ignore the difference of the two datums
(“ballpark”, 100 m) are never chosen: there QGIS's own warning is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from qgis.core import QgsCoordinateReferenceSystem, QgsDatumTransform, QgsProject
from qgis.PyQt.QtCore import QCoreApplication

NATIONAL_GRID = "EPSG:27700"
WORLD = "EPSG:4326"
WEB_MAP = "EPSG:3857"  # of base maps
_SECTION = "SafeStats"
_BALLPARK = "ballpark"
_OF_THE_GRID = "Inverse of British National Grid + "


def _tr(words: str) -> str:
    return QCoreApplication.translate("GridWays", words)


@dataclass(frozen=True)
class Way:
    """A way that is there; ``best``: there is none better, so that QGIS uses it unasked."""

    name: str
    proj: str
    accuracy_m: float
    best: bool


@cache
def way_to(system: str) -> Way | None:
    """The best way from the National Grid to ``system`` that this computer has; ``None`` where there is but a ballpark.

    Known for the rest of the session: a grid file that is installed meanwhile counts at QGIS's next start.
    """
    wanted = QgsCoordinateReferenceSystem(system)
    ways = QgsDatumTransform.operations(QgsCoordinateReferenceSystem(NATIONAL_GRID), wanted)
    there = [way for way in ways if way.isAvailable and way.accuracy >= 0 and _BALLPARK not in way.name.casefold()]
    if not there:
        return None
    chosen = min(there, key=lambda way: way.accuracy)  # the first of those that are alike
    name = chosen.name.replace(_OF_THE_GRID, "")
    return Way(name, chosen.proj, chosen.accuracy, best=ways[0].isAvailable)


def choose_ways(project: QgsProject) -> None:
    """Choose for the project the ways to degrees, base maps and its own system, where the best one is not there.

    What the user has chosen stays; what was chosen here goes once the best way is there.
    """
    national = QgsCoordinateReferenceSystem(NATIONAL_GRID)
    context = project.transformContext()
    changed = False
    for system in dict.fromkeys((WORLD, WEB_MAP, project.crs().authid())):
        other = QgsCoordinateReferenceSystem(system)
        if not other.isValid() or system == NATIONAL_GRID:
            continue
        way, entry = way_to(system), f"ways/{system.replace(':', '-')}"
        now = context.calculateCoordinateOperation(national, other)
        ours = now and now == project.readEntry(_SECTION, entry)[0]
        if way is not None and not way.best and not now:
            context.addCoordinateOperation(national, other, way.proj)
            project.writeEntry(_SECTION, entry, way.proj)
            changed = True
        elif ours and way is not None and way.best:
            context.removeCoordinateOperation(national, other)
            project.removeEntry(_SECTION, entry)
            changed = True
    if changed:
        project.setTransformContext(context)


def way_words() -> str:
    """How exact longitude and latitude are on this computer, in a sentence."""
    way = way_to(WORLD)
    if way is None:
        return _tr("Positions are on the National Grid; this computer has no exact way to longitude and latitude.")
    words = (
        _tr("Positions are on the National Grid; “{way}” makes longitude and latitude of them, exact to {metres:g} m.")
        if way.best
        else _tr(
            "Positions are on the National Grid; “{way}” makes longitude and latitude of them, exact to about "
            "{metres:g} m, as the grid file OSTN15 is not installed."
        )
    )
    return words.format(way=way.name, metres=way.accuracy_m)
