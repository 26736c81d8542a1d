"""Study areas: boroughs, a layer's extent, or polygons; and the cells and points that lie in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from osgeo import gdal, ogr, osr
from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeatureRequest,
    QgsGeometry,
    QgsPoint,
    QgsProject,
    QgsVectorLayer,
    QgsWkbTypes,
)

from ...shared.areas import Boundaries
from .analysis_error import AnalysisError
from .brought import brought_words
from .point_facts import NATIONAL_GRID
from .resource_files import BOUNDARIES
from .sentences import say


@dataclass(frozen=True)
class StudyArea:
    """The area that a result is about, in EPSG:27700; ``edition`` names the source of its boundary.

    ``codes`` are those of the boroughs that make it up; empty for any other area. ``brought`` says how it came to the
    National Grid (``brought_words``), empty where it was there.
    """

    label: str
    geometry: QgsGeometry
    edition: str = ""
    codes: tuple[str, ...] = ()
    brought: str = ""

    @property
    def words(self) -> str:
        """Label, edition, and how it came to the National Grid."""
        told = "; ".join(filter(None, (self.edition, self.brought and say("brought {how}", how=self.brought))))
        return f"{self.label} ({told})" if told else self.label


@dataclass(frozen=True)
class Borough:
    """A borough of the boundaries file."""

    code: str
    name: str
    geometry: QgsGeometry


# A borough counts as held when incidents lie in so large a share of its LSOAs: an edge of 1 km is less.
_MOSTLY = 0.75


def boroughs_held(agreed: Collection[str], lsoa_codes: Collection[str]) -> frozenset[str]:
    """The codes of the boroughs that a layer covers, not just touches.

    ``agreed``: the areas that its agreement opens, boroughs whole and the edge around them by LSOAs; where they name
    no borough, the LSOAs in which incidents lie tell.
    """
    boundaries = Boundaries.read(BOUNDARIES)
    named = frozenset(lsoa.parent for lsoa in boundaries.lsoas.values()) & frozenset(agreed)
    if named:
        return named
    all_of = Counter(lsoa.parent for lsoa in boundaries.lsoas.values())
    held = Counter(boundaries.lsoas[code].parent for code in set(lsoa_codes) if code in boundaries.lsoas)
    return frozenset(code for code, count in held.items() if count >= _MOSTLY * all_of[code])


class BoroughMap:
    """The boroughs of a boundaries file (layer ``borough``, and ``edition`` that names their source)."""

    def __init__(self, path: Path) -> None:
        layer = QgsVectorLayer(f"{path}|layername=borough", "borough", "ogr")
        if not layer.isValid():
            raise AnalysisError(f"The borough boundaries cannot be read from {path}: install the plugin again.")
        found = [Borough(f["code"], f["name"], QgsGeometry(f.geometry())) for f in layer.getFeatures()]
        self.boroughs = tuple(sorted(found, key=lambda borough: borough.name))
        edition = QgsVectorLayer(f"{path}|layername=edition", "edition", "ogr")
        self.edition = next((f["title"] for f in edition.getFeatures()), "") if edition.isValid() else ""

    def at(self, easting: float, northing: float) -> Borough | None:
        """The borough that a point lies in; ``None`` outside them all."""
        point = QgsGeometry(QgsPoint(easting, northing))
        return next((b for b in self.boroughs if b.geometry.intersects(point)), None)

    def named(self, names: Sequence[str]) -> StudyArea:
        """The boroughs of these names or codes, or all for the word London; ``AnalysisError`` for an unknown one."""
        wanted = {name.strip().casefold() for name in names}
        if wanted == {"london"}:
            return self.study_area([borough.code for borough in self.boroughs])
        known = {key.casefold(): b.code for b in self.boroughs for key in (b.code, b.name)}
        unknown = sorted(wanted - set(known))
        if unknown:
            raise AnalysisError(
                f"“{unknown[0]}” is no London borough: give its name, such as Camden, or its code, such as E09000007.",
                "study area",
            )
        return self.study_area([known[name] for name in wanted])

    def study_area(self, codes: Sequence[str]) -> StudyArea:
        """The boroughs of these codes as one area; ``AnalysisError`` where none is named or one is unknown."""
        chosen = [b for b in self.boroughs if b.code in set(codes)]
        if not chosen or len(chosen) != len(set(codes)):
            raise AnalysisError("The study area is empty: choose at least one borough.", "study area")
        if len(chosen) == len(self.boroughs):
            label = "London"
        elif len(chosen) <= 3:
            label = " and ".join(filter(None, [", ".join(b.name for b in chosen[:-1]), chosen[-1].name]))
        else:
            label = f"{len(chosen)} boroughs"
        found = tuple(b.code for b in chosen)
        return StudyArea(label, _together([b.geometry for b in chosen]), self.edition, found)


def _together(shapes: Sequence[QgsGeometry]) -> QgsGeometry:
    """The union of shapes that share their edges exactly, as boroughs do: quick enough for the GUI thread."""
    found = QgsGeometry.collectGeometry(shapes).unionCoverage()
    if found.isNull() or not found.isGeosValid():
        return QgsGeometry.unaryUnion(shapes)
    return found


def extent_area(layer: QgsVectorLayer) -> StudyArea:
    """The rectangle around a layer's rows."""
    layer.updateExtents()
    extent = layer.extent()
    if extent.isNull() or not (extent.width() > 0 and extent.height() > 0):
        raise AnalysisError(
            f"The study area is empty: the extent of “{layer.name()}” is a single point or nothing; choose boroughs.",
            "study area",
        )
    return StudyArea(f"extent of {layer.name()}", QgsGeometry.fromRect(extent), "")


def polygon_area(layer: QgsVectorLayer | None, project: QgsProject) -> StudyArea:
    """The polygons of a layer (the selected ones, where some are) as one area, brought to the National Grid."""
    if layer is None or QgsWkbTypes.geometryType(layer.wkbType()) != Qgis.GeometryType.Polygon:
        raise AnalysisError("The study area is empty: choose a layer of polygons, or choose boroughs.", "study area")
    if not layer.crs().isValid():
        raise AnalysisError(
            f"“{layer.name()}” has no coordinate system, so nobody knows where its polygons lie: set it first, in the "
            "layer's properties.",
            "study area",
        )
    request = QgsFeatureRequest()
    if layer.selectedFeatureCount():
        request.setFilterFids(layer.selectedFeatureIds())
    transform = QgsCoordinateTransform(layer.crs(), QgsCoordinateReferenceSystem(NATIONAL_GRID), project)
    shapes = []
    for feature in layer.getFeatures(request):
        shape = QgsGeometry(feature.geometry())
        shape.transform(transform)
        shapes.append(shape if shape.isGeosValid() else shape.makeValid())
    brought = brought_words(layer.crs(), project.transformContext())
    return checked_area(StudyArea(layer.name(), QgsGeometry.unaryUnion(shapes), "", brought=brought))


def checked_area(area: StudyArea) -> StudyArea:
    """The area, where it has one; else ``AnalysisError``."""
    if area.geometry.isEmpty() or not area.geometry.area() > 0:
        raise AnalysisError(
            f"The study area “{area.label}” is empty: it holds no polygon with an area; choose another.", "study area"
        )
    return area


def burn(
    geometry: QgsGeometry, west: float, north: float, cell: float, shape: tuple[int, int], touched: bool
) -> np.ndarray:
    """Boolean cells, northernmost row first: whose centre lies in the geometry, or (``touched``) that it touches."""
    rows, columns = shape
    target = gdal.GetDriverByName("MEM").Create("", columns, rows, 1, gdal.GDT_Byte)
    target.SetGeoTransform((west, cell, 0, north, 0, -cell))
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(27700)
    target.SetProjection(reference.ExportToWkt())
    source = ogr.GetDriverByName("Memory").CreateDataSource("")
    layer = source.CreateLayer("area", reference, ogr.wkbUnknown)
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(ogr.CreateGeometryFromWkb(bytes(geometry.asWkb())))
    layer.CreateFeature(feature)
    gdal.RasterizeLayer(target, [1], layer, burn_values=[1], options=["ALL_TOUCHED=TRUE"] if touched else [])
    return target.ReadAsArray().astype(bool)


def points_inside(eastings: np.ndarray, northings: np.ndarray, geometry: QgsGeometry) -> np.ndarray:
    """Which points lie in the geometry or on its border (exact); a boolean array."""
    box = geometry.boundingBox()
    inside = np.zeros(len(eastings), dtype=bool)
    near = np.flatnonzero(
        (eastings >= box.xMinimum())
        & (eastings <= box.xMaximum())
        & (northings >= box.yMinimum())
        & (northings <= box.yMaximum())
    )
    if not near.size:
        return inside
    # Away from the border a coarse picture of the area decides; only points beside the border are tested one by one.
    step = max(box.width(), box.height(), 1.0) / 1000
    shape = (int(box.height() / step) + 1, int(box.width() / step) + 1)
    column = np.minimum(((eastings[near] - box.xMinimum()) / step).astype(int), shape[1] - 1)
    row = np.minimum(((box.yMaximum() - northings[near]) / step).astype(int), shape[0] - 1)
    filled = burn(geometry, box.xMinimum(), box.yMaximum(), step, shape, touched=False)
    border = QgsGeometry(geometry.constGet().boundary())
    beside = _grown(burn(border, box.xMinimum(), box.yMaximum(), step, shape, touched=True))
    inside[near] = filled[row, column]
    doubtful = near[beside[row, column]]
    places, back = np.unique(np.stack([eastings[doubtful], northings[doubtful]]), axis=1, return_inverse=True)
    engine = QgsGeometry.createGeometryEngine(geometry.constGet())
    engine.prepareGeometry()
    tested = np.array([engine.intersects(QgsPoint(float(e), float(n))) for e, n in places.T], dtype=bool)
    if doubtful.size:
        inside[doubtful] = tested[back.reshape(-1)]
    return inside


def _grown(cells: np.ndarray) -> np.ndarray:
    """The cells and their eight neighbours: a point on the edge of a touched cell is doubtful, too."""
    padded = np.pad(cells, 1)
    rows, columns = cells.shape
    return np.logical_or.reduce([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)])
