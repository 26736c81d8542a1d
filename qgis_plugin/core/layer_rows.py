"""A layer's rows as a file to be published: the chosen columns, and of a geometry a point.

The point is on the National Grid where the layer is, else in degrees, which the server makes metres of by the
Ordnance Survey's own rule. Reading and writing are for tasks: nothing here touches a widget or the project.
"""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsCsException,
    QgsFeatureRequest,
    QgsGeometry,
    QgsPointXY,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QTime

from ...shared.uploads import Kind
from .column_suggestions import key_of
from .errors import Cancelled
from .publishable import LayerMapping, Target
from .transport import Cancel, never

_GRID = "EPSG:27700"
_DEGREES = "EPSG:4326"
_GRID_TARGETS, _DEGREES_TARGETS = ("easting", "northing"), ("longitude", "latitude")
MOST_VALUES = 200  # of a column with codes; one with more holds something else
_LOOK_FOR_CANCEL = 2000  # rows
_UNFIT = re.compile(r"[^\w .()-]+")

Report = Callable[[str, float, float], None]


@dataclass(frozen=True)
class LayerRows:
    """A layer's rows to be read in a task: made on the GUI thread. ``selected``: only those, where there are any."""

    name: str
    source: QgsVectorLayerFeatureSource
    crs: QgsCoordinateReferenceSystem
    transforms: QgsCoordinateTransformContext
    rows: int
    points: bool
    selected: tuple[int, ...] = ()

    @classmethod
    def of(cls, layer: QgsVectorLayer, transforms: QgsCoordinateTransformContext, only_selected: bool) -> LayerRows:
        """Those of a layer as it is now, edits included."""
        selected = tuple(layer.selectedFeatureIds()) if only_selected else ()
        return cls(
            layer.name(),
            QgsVectorLayerFeatureSource(layer),
            layer.crs(),
            transforms,
            len(selected) or layer.featureCount(),
            layer.geometryType() != QgsWkbTypes.GeometryType.NullGeometry,
            selected,
        )

    def without_places(self) -> LayerRows:
        """The same rows for a dataset whose rows lie nowhere."""
        return replace(self, points=False)

    def request(self) -> QgsFeatureRequest:
        """All of them, or the selected ones."""
        return QgsFeatureRequest(list(self.selected)) if self.selected else QgsFeatureRequest()


def values_of(rows: LayerRows, columns: Sequence[str], cancelled: Cancel = never) -> dict[str, Counter[str]]:
    """How often each value stands in each column, for a task; a column with too many kinds of values has none."""
    counted: dict[str, Counter[str]] = {name: Counter() for name in columns}
    request = rows.request().setFlags(QgsFeatureRequest.Flag.NoGeometry)
    request.setSubsetOfAttributes(list(columns), rows.source.fields())
    for number, feature in enumerate(rows.source.getFeatures(request)):
        if number % _LOOK_FOR_CANCEL == 0 and cancelled():
            raise Cancelled
        for name, found in counted.items():
            if len(found) <= MOST_VALUES:
                text = _text(feature[name], Kind.TEXT)
                if text:
                    found[text] += 1
    return {name: found if len(found) <= MOST_VALUES else Counter() for name, found in counted.items()}


def write_rows(
    rows: LayerRows, chosen: LayerMapping, targets: Sequence[Target], path: Path, report: Report, cancelled: Cancel
) -> tuple[LayerMapping, list[int]]:
    """Write the chosen columns as CSV, for a task; the mapping of the file, and the feature of each of its rows.

    A column that leads to two targets is written twice. Geometries become points; a place that cannot be told stays
    empty.
    """
    kinds = {target.name: target.kind for target in targets}
    headers = _headers(chosen.columns)
    on_grid = rows.crs.authid() == _GRID
    wanted = QgsCoordinateReferenceSystem(_GRID if on_grid else _DEGREES)
    transform = QgsCoordinateTransform(rows.crs, wanted, rows.transforms)
    request = rows.request().setSubsetOfAttributes(list(chosen.columns.values()), rows.source.fields())
    features: list[int] = []
    placed = {}
    if rows.points:
        names = _GRID_TARGETS if on_grid else _DEGREES_TARGETS
        placed = {name: _other(f"{name} of the point", headers) for name in names}
    else:
        request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*headers.values(), *placed.values()])
        for number, feature in enumerate(rows.source.getFeatures(request)):
            if number % _LOOK_FOR_CANCEL == 0:
                if cancelled():
                    raise Cancelled
                report("Reading the layer", number, rows.rows)
            cells = [_text(feature[name], kinds.get(target, Kind.TEXT)) for target, name in chosen.columns.items()]
            writer.writerow([*cells, *(_place(feature.geometry(), transform) if placed else ())])
            features.append(feature.id())
    mapping = LayerMapping({**headers, **placed}, chosen.codes, chosen.precision_m)
    return mapping, features


def _headers(columns: Mapping[str, str]) -> dict[str, str]:
    """The header of each target: its column's name, with the target where that column was used before."""
    headers: dict[str, str] = {}
    for target, name in columns.items():
        headers[target] = f"{name} ({target})" if key_of(name) in map(key_of, headers.values()) else name
    return headers


def _other(name: str, headers: Mapping[str, str]) -> str:
    taken = {key_of(header) for header in headers.values()}
    while key_of(name) in taken:
        name += "x"
    return name


def _place(geometry: QgsGeometry, transform: QgsCoordinateTransform) -> tuple[str, str]:
    if geometry.isNull() or geometry.isEmpty():
        return "", ""
    if geometry.type() == QgsWkbTypes.GeometryType.PointGeometry:
        point = geometry.centroid().asPoint() if geometry.isMultipart() else geometry.asPoint()
    else:
        point = geometry.pointOnSurface().asPoint()
    try:
        there = transform.transform(QgsPointXY(point))
    except QgsCsException:
        return "", ""
    # Beyond where a projection is defined PROJ gives infinities.
    if not (abs(there.x()) < 1e7 and abs(there.y()) < 1e7):
        return "", ""
    return f"{there.x():.7f}", f"{there.y():.7f}"


def _text(value: Any, kind: Kind) -> str:
    """A cell, on one line."""
    if value is None or (hasattr(value, "isNull") and value.isNull()):
        return ""
    if isinstance(value, QDateTime):
        # An instant with a zone is London's at the same moment only where the layer says so: taken as it is shown.
        forms = {Kind.MONTH: "yyyy-MM", Kind.DATE: "yyyy-MM-dd", Kind.TIME: "HH:mm"}
        return value.toString(forms.get(kind, "yyyy-MM-dd HH:mm"))
    if isinstance(value, QDate):
        return value.toString("yyyy-MM" if kind is Kind.MONTH else "yyyy-MM-dd")
    if isinstance(value, QTime):
        return value.toString("HH:mm")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = " ".join(str(value).split())
    if kind is Kind.MONTH and re.match(r"\d{4}-\d{2}-\d{2}", text):
        return text[:7]
    return text


@contextmanager
def waiting_file(name: str) -> Iterator[Path]:
    """A place for the file to be sent, for this person alone, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="safestats-"))
    try:
        stem = _UNFIT.sub("_", name).strip(" .")[:80] or "layer"
        yield folder / f"{stem}.csv"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
