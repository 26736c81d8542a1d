"""The land in which a layer's incidents are held, and how much of a ring lies on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from qgis.core import QgsGeometry, QgsPointXY, QgsVectorLayer

from ...shared import rings
from .analysis_error import AnalysisError
from .resource_files import BOUNDARIES


def circle(centre: Sequence[float], radius: float) -> QgsGeometry:
    """The ring as a polygon in EPSG:27700: what is drawn, and what land is cut with."""
    return QgsGeometry.fromPolygonXY([[QgsPointXY(x, y) for x, y in rings.circle(centre, radius).tolist()]])


@dataclass(frozen=True)
class Coverage:
    """Land of EPSG:27700."""

    geometry: QgsGeometry

    def km2(self, centre: Sequence[int], radii: Sequence[int]) -> tuple[float, ...]:
        """How much of each ring lies on it, in km²; the whole circle where nothing of it is missing."""
        widest = circle(centre, max(radii))
        if self.geometry.contains(widest):
            return tuple(rings.ring_area_km2(radius) for radius in radii)
        near = self.geometry.intersection(widest)
        return tuple(rings.covered_km2(radius, near.intersection(circle(centre, radius)).area()) for radius in radii)

    def cut(self, shape: QgsGeometry) -> Coverage:
        """What of it lies in ``shape``."""
        return Coverage(self.geometry.intersection(shape))


class CoverageMap:
    """Coverages of sets of areas, by the boundaries that come with the plugin; each is made once."""

    def __init__(self, path: Path = BOUNDARIES) -> None:
        self._path = path
        self._made: dict[frozenset[str], Coverage] = {}
        self._shapes: dict[str, dict[str, QgsGeometry]] = {}

    def of(self, areas: Collection[str]) -> Coverage:
        """The land of these boroughs and LSOAs (codes); all of London where none is named or known.

        Raises ``AnalysisError`` where the boundaries cannot be read.
        """
        wanted = frozenset(areas)
        if wanted not in self._made:
            boroughs = self._read("borough")
            shapes = [boroughs[code] for code in wanted if code in boroughs]
            if len(shapes) < len(wanted):
                lsoas = self._read("lsoa")
                shapes += [lsoas[code] for code in wanted if code in lsoas]
            self._made[wanted] = Coverage(QgsGeometry.unaryUnion(shapes or list(boroughs.values())))
        return self._made[wanted]

    def _read(self, name: str) -> dict[str, QgsGeometry]:
        if name not in self._shapes:
            layer = QgsVectorLayer(f"{self._path}|layername={name}", name, "ogr")
            if not layer.isValid():
                raise AnalysisError(f"The boundaries cannot be read from {self._path}: install the plugin again.")
            self._shapes[name] = {f["code"]: QgsGeometry(f.geometry()) for f in layer.getFeatures()}
        return self._shapes[name]
