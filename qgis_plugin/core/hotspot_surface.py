"""A grid of results, and how it is written: as a raster, as features of cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from osgeo import gdal, osr
from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsFeatureSink,
    QgsField,
    QgsFields,
    QgsGeometry,
    QgsVectorFileWriter,
)
from qgis.PyQt.QtCore import QMetaType

from ...shared.grids import Grid
from ...shared.hexagons import HexGrid
from .analysis_error import AnalysisError
from .errors import Cancelled
from .point_facts import NATIONAL_GRID
from .points import CancelledCheck, never_cancelled

NODATA = -9999.0
_FIELD_TYPES = {
    "i": QMetaType.Type.Int,
    "f": QMetaType.Type.Double,
    "U": QMetaType.Type.QString,
}


@dataclass(frozen=True)
class HotspotSurface:
    """Values on a grid of squares (or hexagons), shape ``(rows, columns)``, southernmost row first.

    ``mask`` marks the cells of the study area; ``columns`` are arrays by name (``count`` and, for density,
    ``per_km2``; for Gi*, ``z``, ``p``, ``q`` and ``class``); ``shown`` names the one to be mapped. ``parameters`` are
    (words, value in words), ``notes`` sentences for the reader.
    """

    grid: Grid | HexGrid
    mask: np.ndarray
    columns: dict[str, np.ndarray]
    shown: str
    bandwidth_m: float | None
    parameters: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    @property
    def cells(self) -> int:
        """The number of cells in the study area."""
        return int(self.mask.sum())

    def fields(self) -> QgsFields:
        """The columns of a grid layer."""
        fields = QgsFields()
        for name, array in self.columns.items():
            fields.append(QgsField(name, _FIELD_TYPES[array.dtype.kind]))
        return fields

    def features(self) -> Iterator[QgsFeature]:
        """The cells of the study area as polygons, row by row from the south-west."""
        fields = self.fields()
        columns = [_values(array[self.mask]) for array in self.columns.values()]
        for shape, values in zip(self._outlines(), zip(*columns)):
            feature = QgsFeature(fields)
            geometry = QgsGeometry()
            geometry.fromWkb(shape)
            feature.setGeometry(geometry)
            feature.setAttributes(list(values))
            yield feature

    def _outlines(self) -> Iterator[bytes]:
        # All polygons are laid out as WKB in one array: making each from its corners would take many times as long.
        rings = self.grid.outlines(*np.nonzero(self.mask))
        head = [("order", "u1"), ("type", "<u4"), ("rings", "<u4"), ("points", "<u4")]
        wkb = np.zeros(len(rings), dtype=[*head, ("xy", "<f8", rings.shape[1:])])
        wkb["order"], wkb["type"], wkb["rings"], wkb["points"] = 1, 3, 1, rings.shape[1]
        wkb["xy"] = rings
        size, buffer = wkb.dtype.itemsize, wkb.tobytes()
        return (buffer[start : start + size] for start in range(0, len(buffer), size))

    def to_raster(self, path: Path) -> None:
        """Write the shown column as a one-band GeoTIFF in EPSG:27700, ``NODATA`` outside the study area.

        Raises ``AnalysisError`` where the file cannot be written.
        """
        array = np.where(self.mask, self.columns[self.shown], NODATA).astype(np.float32)[::-1]
        rows, columns = array.shape
        options = ["COMPRESS=DEFLATE", "PREDICTOR=3", "TILED=YES"]
        try:  # GDAL raises or returns nothing, as it was told elsewhere
            target = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, 1, gdal.GDT_Float32, options)
        except RuntimeError:
            target = None
        if target is None:
            raise unwritable(path, gdal.GetLastErrorMsg())
        top = self.grid.bottom + self.grid.rows * self.grid.cell
        target.SetGeoTransform((self.grid.left, self.grid.cell, 0, top, 0, -self.grid.cell))
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(27700)
        target.SetProjection(reference.ExportToWkt())
        band = target.GetRasterBand(1)
        band.SetNoDataValue(NODATA)
        band.SetDescription(self.shown)
        band.WriteArray(array)
        target.FlushCache()

    def to_grid(self, path: Path, cancelled: CancelledCheck = never_cancelled) -> None:
        """Write the cells of the study area as a GeoPackage with one layer, named like the file.

        Raises ``AnalysisError`` where the file cannot be written.
        """
        options = QgsVectorFileWriter.SaveVectorOptions()
        options.driverName = "GPKG"
        options.layerName = path.stem
        options.layerOptions = ["GEOMETRY_NAME=geom"]
        writer = QgsVectorFileWriter.create(
            str(path),
            self.fields(),
            Qgis.WkbType.Polygon,
            QgsCoordinateReferenceSystem(NATIONAL_GRID),
            QgsCoordinateTransformContext(),
            options,
        )
        if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
            raise unwritable(path, writer.errorMessage())
        for number, feature in enumerate(self.features()):
            if number % 5000 == 0 and cancelled():
                raise Cancelled
            writer.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
        if not writer.flushBuffer():
            raise unwritable(path, writer.errorMessage())
        del writer  # closes the file


def _values(array: np.ndarray) -> list:
    """As attributes: not a number becomes NULL."""
    return [None if value != value else value for value in array.tolist()]


def unwritable(path: Path, why: str) -> AnalysisError:
    return AnalysisError(f"The result cannot be written to {path} ({why or 'unknown reason'}): choose another place.")
