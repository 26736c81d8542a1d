"""Findings as layers of a GeoPackage, styled and told about: every layer says how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsFeatureSink,
    QgsField,
    QgsFields,
    QgsGeometry,
    QgsLayerMetadata,
    QgsMapLayer,
    QgsPoint,
    QgsPointXY,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QMetaType, QTime

from ..analysis_error import AnalysisError
from ..errors import Cancelled
from ..hotspots import MOST_CELLS_OF_A_LAYER
from ..point_facts import NATIONAL_GRID
from ..points import CancelledCheck, never_cancelled
from ..run_record import keep_record
from .analysis import Findings, Output, OutputKind
from .drawing import draw

if TYPE_CHECKING:
    from .running import AnalysisRun

_WKB = {
    OutputKind.GRID: Qgis.WkbType.Polygon,
    OutputKind.POINTS: Qgis.WkbType.Point,
    OutputKind.LINES: Qgis.WkbType.LineString,
    OutputKind.TABLE: Qgis.WkbType.NoGeometry,
}
_FIELD_TYPES = {
    "b": QMetaType.Type.Bool,
    "i": QMetaType.Type.LongLong,
    "u": QMetaType.Type.LongLong,
    "f": QMetaType.Type.Double,
}


def write(findings: Findings, path: Path, cancelled: CancelledCheck = never_cancelled) -> None:
    """Write every output as a layer of the GeoPackage ``path``, in place of what was there.

    Raises ``AnalysisError`` where that cannot be done, and ``Cancelled``.
    """
    names = [output.name for output in findings.outputs]
    if len(set(names)) != len(names):
        raise ValueError(f"outputs of one name: {names}")
    for number, output in enumerate(findings.outputs):
        _write(output, path, cancelled, new_file=number == 0)


def _write(output: Output, path: Path, cancelled: CancelledCheck, new_file: bool) -> None:
    if output.surface is not None and output.surface.cells > MOST_CELLS_OF_A_LAYER:
        raise AnalysisError(
            f"“{output.title}” would be {output.surface.cells:,} cells, more than the {MOST_CELLS_OF_A_LAYER:,} that a "
            "layer of cells can hold: choose larger cells or a smaller study area.",
            "parameters",
        )
    fields = fields_of(output)
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = output.name
    action = QgsVectorFileWriter.ActionOnExistingFile
    options.actionOnExistingFile = action.CreateOrOverwriteFile if new_file else action.CreateOrOverwriteLayer
    options.layerOptions = [] if output.kind is OutputKind.TABLE else ["GEOMETRY_NAME=geom"]
    crs = (
        QgsCoordinateReferenceSystem()
        if output.kind is OutputKind.TABLE
        else QgsCoordinateReferenceSystem(NATIONAL_GRID)
    )
    writer = QgsVectorFileWriter.create(
        str(path), fields, _WKB[output.kind], crs, QgsCoordinateTransformContext(), options
    )
    if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
        raise _unwritable(path, writer.errorMessage())
    for number, feature in enumerate(features_of(output, fields)):
        if number % 5000 == 0 and cancelled():
            raise Cancelled
        writer.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
    if not writer.flushBuffer():
        raise _unwritable(path, writer.errorMessage())
    del writer  # closes the file


def _unwritable(path: Path, why: str) -> AnalysisError:
    return AnalysisError(f"The result cannot be written to {path} ({why or 'unknown reason'}): choose another place.")


def fields_of(output: Output) -> QgsFields:
    """The columns of an output's layer."""
    if output.surface is not None:
        return output.surface.fields()
    fields = QgsFields()
    for name, array in output.columns.items():
        fields.append(QgsField(name, _field_type(array)))
    return fields


def _field_type(array: np.ndarray) -> QMetaType.Type:
    if array.dtype.kind == "M":
        return QMetaType.Type.QDate if array.dtype == np.dtype("datetime64[D]") else QMetaType.Type.QDateTime
    return _FIELD_TYPES.get(array.dtype.kind, QMetaType.Type.QString)


def features_of(output: Output, fields: QgsFields) -> Iterator[QgsFeature]:
    """The rows of an output."""
    if output.surface is not None:
        yield from output.surface.features()
        return
    columns = [_attributes(array) for array in output.columns.values()]
    for shape, values in zip(_shapes(output), zip(*columns)):
        feature = QgsFeature(fields)
        if shape is not None:
            feature.setGeometry(shape)
        feature.setAttributes(list(values))
        yield feature


def _shapes(output: Output) -> Iterator[QgsGeometry | None]:
    if output.kind is OutputKind.POINTS:
        for x, y in output.shapes[0].tolist():
            yield QgsGeometry(QgsPoint(x, y))
    elif output.kind is OutputKind.LINES:
        for shape in output.shapes:
            yield QgsGeometry.fromPolylineXY([QgsPointXY(x, y) for x, y in shape.tolist()])
    else:
        while True:
            yield None


def _attributes(array: np.ndarray) -> list:
    """As QGIS takes them: what is not a number or not a time becomes NULL."""
    if array.dtype.kind == "M":
        return [_moment(text, array.dtype) for text in np.datetime_as_string(array.astype("datetime64[s]")).tolist()]
    if array.dtype.kind == "f":
        return [None if value != value else value for value in array.tolist()]
    if array.dtype.kind in "biu":
        return array.tolist()
    return [None if value is None else str(value) for value in array.tolist()]


def _moment(text: str, dtype: np.dtype) -> QDate | QDateTime | None:
    if text == "NaT":
        return None
    day = QDate.fromString(text[:10], "yyyy-MM-dd")
    return day if dtype == np.dtype("datetime64[D]") else QDateTime(day, QTime.fromString(text[11:19], "HH:mm:ss"))


def open_layers(run: AnalysisRun) -> list[QgsVectorLayer]:
    """The outputs of a run as layers, styled, named and told about, in the file too; the main one is first.

    In any thread: opening files and writing styles takes longer than a window may be busy. ``hand_over`` gives them to
    the window.
    """
    layers = []
    for number, output in enumerate(run.findings.outputs):
        layer = QgsVectorLayer(source_of(run, output), layer_name(run, number), "ogr")
        if not layer.isValid():
            raise _unwritable(run.path, "the file cannot be opened again")
        dress(layer, output, run)
        keep_in_file(layer)
        layers.append(layer)
    return layers


def hand_over(layers: Sequence[QgsMapLayer]) -> None:
    """Let layers that a background thread made belong to the window's; that thread must not touch them again."""
    for layer in layers:
        layer.moveToThread(QgsApplication.instance().thread())


def source_of(run: AnalysisRun, output: Output) -> str:
    """Where QGIS finds an output of a run."""
    return f"{run.path}|layername={output.name}"


def layer_name(run: AnalysisRun, number: int) -> str:
    """What the layer of an output is called: the main one like the run."""
    return run.title if number == 0 else run.findings.outputs[number].title


def dress(layer: QgsVectorLayer, output: Output, run: AnalysisRun) -> None:
    """Style the layer of an output, name its columns for people, and keep with it how it was made."""
    draw(layer, output)
    for column, words in output.words.items():
        layer.setFieldAlias(layer.fields().indexOf(column), words)
    tell(layer, run)


def tell(layer: QgsMapLayer, run: AnalysisRun) -> None:
    """Keep with a layer what it shows, how it was made and of what, in words and as a record."""
    abstract = [run.findings.answer, *run.notes, *run.facts.caveats]
    if run.synthetic:
        abstract.append("These data are synthetic: invented for demonstration, they describe nothing that happened.")
    history = [f"{words}: {value}" for words, value in run.parameters]
    history.append(f"Made on {run.record.run_on} with SafeStats {run.record.version} from “{run.facts.title}”")
    describe(layer, run.title, abstract, history, run.facts.attribution)
    keep_record(layer, run.record)


def keep_in_file(layer: QgsMapLayer) -> None:
    """Keep style, metadata and record with the file, so that it is the same layer in any other project."""
    if isinstance(layer, QgsVectorLayer):
        layer.saveStyleToDatabase("SafeStats", "", True, "")
    else:
        layer.saveDefaultStyle(QgsMapLayer.StyleCategory.AllStyleCategories)
    layer.saveDefaultMetadata()


def describe(layer: QgsMapLayer, title: str, abstract: Sequence[str], history: Sequence[str], attribution: str) -> None:
    """Fill in a result's metadata as QGIS shows it in the layer's properties."""
    metadata = QgsLayerMetadata()
    metadata.setTitle(title)
    metadata.setAbstract("\n".join(filter(None, abstract)))
    metadata.setHistory(list(history))
    metadata.setRights([attribution] if attribution else [])
    metadata.setType("dataset")
    metadata.setLanguage("ENG")
    metadata.setCrs(layer.crs())
    layer.setMetadata(metadata)
    layer.serverProperties().setAttribution(attribution)
