"""Reads a layer of lines, such as streets, for analysis: shapes as NumPy arrays, off the window's thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsFeatureRequest,
    QgsProject,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
    QgsWkbTypes,
)

from .analysis_error import AnalysisError
from .brought import brought_words
from .errors import Cancelled
from .point_facts import NATIONAL_GRID
from .points import CHECK_EVERY, CancelledCheck, never_cancelled
from .study_areas import StudyArea

_NAMES = ("name", "name1", "street", "street_name", "roadname", "road_name")


@dataclass(frozen=True)
class Lines:
    """Lines in EPSG:27700 that come near the study area, whole: ``shapes`` are arrays of (vertices, 2); ``names`` are
    the streets' names, empty where the layer has none. A multi-line becomes several lines of one name. ``brought`` says
    how they came to the National Grid, empty where they were there.
    """

    title: str
    attribution: str
    shapes: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    brought: str = ""

    def __len__(self) -> int:
        return len(self.shapes)


class LineSource:
    """A line layer that a background thread may read; made on the layer's own thread."""

    def __init__(self, layer: QgsVectorLayer | None, project: QgsProject) -> None:
        if layer is None or not layer.isValid():
            raise AnalysisError("No layer of lines is chosen: open one, such as streets, and choose it.", "layer")
        if QgsWkbTypes.geometryType(layer.wkbType()) != Qgis.GeometryType.Line:
            raise AnalysisError(f"“{layer.name()}” holds no lines: choose a layer of lines, such as streets.", "layer")
        if not layer.crs().isValid():
            raise AnalysisError(
                f"“{layer.name()}” has no coordinate system, so nobody knows where its lines lie: set it first, in the "
                "layer's properties.",
                "layer",
            )
        self.layer_id, self.title = layer.id(), layer.name()
        self.attribution = "; ".join(layer.metadata().rights())
        self._context = project.transformContext()
        self.brought = brought_words(layer.crs(), self._context)
        self._source = QgsVectorLayerFeatureSource(layer)
        names = {field.name().lower(): field.name() for field in layer.fields()}
        self._name = next((names[name] for name in _NAMES if name in names), "")
        self._fields = layer.fields()

    def read(self, area: StudyArea, margin_m: float = 0.0, cancelled: CancelledCheck = never_cancelled) -> Lines:
        """The lines whose box touches the box of ``area``, grown by ``margin_m``; raises ``Cancelled``."""
        request = QgsFeatureRequest()
        request.setDestinationCrs(QgsCoordinateReferenceSystem(NATIONAL_GRID), self._context)
        request.setFilterRect(area.geometry.boundingBox().buffered(margin_m))
        request.setSubsetOfAttributes([self._name] if self._name else [], self._fields)
        shapes, names = [], []
        for number, feature in enumerate(self._source.getFeatures(request)):
            if number % CHECK_EVERY == 0 and cancelled():
                raise Cancelled
            name = str(feature[self._name] or "") if self._name else ""
            for part in feature.geometry().constParts():
                shape = np.array([(point.x(), point.y()) for point in part.vertices()], dtype=float)
                if len(shape) > 1:
                    shapes.append(shape)
                    names.append(name)
        return Lines(self.title, self.attribution, tuple(shapes), tuple(names), self.brought)
