"""Publishing a layer to a dataset: which column leads where, the rows as a file, the server's report, the release.

Only the chosen columns leave the desk, and of a geometry a point: on the National Grid where the layer is, else in
degrees, which the server makes metres of by the Ordnance Survey's own rule. Everything that takes time is
for tasks: nothing here touches a widget, a layer or the project.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsCsException,
    QgsFeatureRequest,
    QgsField,
    QgsGeometry,
    QgsPointXY,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QMetaType, QTime

from .errors import Cancelled, ServerTrouble
from .multipart import MultipartForm
from .transport import Cancel, Transport, never

UPLOADS = "/v1/publishing/uploads"
_GRID = "EPSG:27700"
_DEGREES = "EPSG:4326"
_GRID_TARGETS, _DEGREES_TARGETS = ("easting", "northing"), ("longitude", "latitude")
MOST_VALUES = 200  # of a column with codes; one with more holds something else
_LOOK_AGAIN_S = 0.4
_LOOK_FOR_CANCEL = 2000  # rows
_ALIKE = 0.78
_FIRST_LINE = 2  # of the file's rows: the header is the first
_UNFIT = re.compile(r"[^\w .()-]+")

Report = Callable[[str, float, float], None]


class Kind(Enum):
    """What a column of a target holds; the values are the server's words."""

    TEXT = "text"
    MONTH = "month"
    DATE = "date"
    TIME = "time"
    INTEGER = "integer"
    CODE = "code"


class UploadState(Enum):
    """How it stands with an upload; the values are the server's words."""

    WAITING = "waiting"
    LOADING = "loading"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNCHANGED = "unchanged"
    STAGED = "staged"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    DISCARDING = "discarding"
    DISCARDED = "discarded"


UNDER_WAY = (UploadState.WAITING, UploadState.LOADING, UploadState.PUBLISHING, UploadState.DISCARDING)


@dataclass(frozen=True)
class Target:
    """Something of a dataset that a column may lead to."""

    name: str
    title: str
    kind: Kind
    required: bool
    codes: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()  # what suppliers call it


@dataclass(frozen=True)
class LayerMapping:
    """Which column leads to which target, and what texts of it mean."""

    columns: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    precision_m: int = 1


@dataclass(frozen=True)
class Publishable:
    """A dataset that may be published to. ``mapping`` is that of the organisation's last layer."""

    dataset: str
    title: str
    sites: bool
    replaces: bool  # what a delivery lacks of its months is withdrawn
    points: bool
    synthetic: bool | None
    targets: tuple[Target, ...]
    mapping: LayerMapping | None


@dataclass(frozen=True)
class Column:
    """A column of a layer; ``dated`` where it holds days or instants."""

    name: str
    alias: str = ""
    dated: bool = False

    @classmethod
    def of(cls, field_: QgsField) -> Column:
        """That of a layer's field."""
        return cls(field_.name(), field_.alias(), field_.type() in (QMetaType.Type.QDate, QMetaType.Type.QDateTime))


@dataclass(frozen=True)
class Choice:
    """What a person has chosen to send."""

    dataset: str
    mapping: LayerMapping
    site: str = ""
    synthetic: bool = False
    accept_withdrawals: bool = False


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


@dataclass(frozen=True)
class RejectedRow:
    """A row that the server did not take, and the feature that it was."""

    line: int
    reason: str
    feature: int | None


@dataclass(frozen=True)
class UploadReport:
    """What became of the rows that were sent."""

    counts: Mapping[str, int]  # rows_in, accepted, rejected, duplicates, left, added, changed, withdrawn, unchanged
    months: tuple[str, ...]
    reasons: Mapping[str, int]
    unmapped: Mapping[str, Mapping[str, int]]
    dropped: Mapping[str, int]
    blanked: Mapping[str, int]
    notes: tuple[str, ...]
    errors: tuple[RejectedRow, ...]


@dataclass(frozen=True)
class Upload:
    """An upload as the server tells it."""

    id: int
    state: UploadState
    message: str
    step: str
    done: int
    total: int
    release: int | None
    others_staged: int
    report: UploadReport | None


# ---------------------------------------------------------------------- suggestions


def suggest_columns(
    targets: Sequence[Target], columns: Sequence[Column], before: LayerMapping | None
) -> dict[str, str]:
    """Target → column: as the last layer had it, else by names that are the same, else by names that are alike.

    The one column of dates is suggested for the date that is needed, whatever its name. No column is suggested twice.
    """
    names = {column.name for column in columns}
    found: dict[str, str] = {}
    if before is not None:
        known = {target.name for target in targets}
        found = {target: name for target, name in before.columns.items() if target in known and name in names}
    for alike in (1.0, _ALIKE):
        for target in targets:
            if target.name in found:
                continue
            free = [column for column in columns if column.name not in found.values()]
            best = max(((_likeness(target, column), column.name) for column in free), default=(0.0, ""))
            if best[0] >= alike:
                found[target.name] = best[1]
    dated = [column.name for column in columns if column.dated and column.name not in found.values()]
    for target in targets:
        if target.required and target.kind in (Kind.MONTH, Kind.DATE) and target.name not in found and len(dated) == 1:
            found[target.name] = dated[0]
    return found


def suggest_code(target: Target, text: str, before: LayerMapping | None = None) -> str:
    """The code that a text seems to mean; "" where none is alike."""
    chosen = before.codes.get(target.name, {}).get(text, "") if before is not None else ""
    if chosen in target.codes:
        return chosen
    keys = {_key(words): code for code, label in target.codes.items() for words in (label, code)}
    if _key(text) in keys:
        return keys[_key(text)]
    alike = difflib.get_close_matches(_key(text), list(keys), 1, _ALIKE)
    return keys[alike[0]] if alike else ""


def _likeness(target: Target, column: Column) -> float:
    wanted = {_key(target.name), _key(target.title), *map(_key, target.headers)}
    return max(
        difflib.SequenceMatcher(None, one, other).ratio()
        for one in wanted
        for other in {_key(column.name), _key(column.alias or column.name)}
    )


def _key(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


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


# ---------------------------------------------------------------------- the file


def write_rows(
    rows: LayerRows, choice: Choice, targets: Sequence[Target], path: Path, report: Report, cancelled: Cancel
) -> tuple[LayerMapping, list[int]]:
    """Write the chosen columns as CSV, for a task; the mapping of the file, and the feature of each of its rows.

    A column that leads to two targets is written twice. Geometries become points; a place that cannot be told stays
    empty.
    """
    kinds = {target.name: target.kind for target in targets}
    headers = _headers(choice.mapping.columns)
    on_grid = rows.crs.authid() == _GRID
    wanted = QgsCoordinateReferenceSystem(_GRID if on_grid else _DEGREES)
    transform = QgsCoordinateTransform(rows.crs, wanted, rows.transforms)
    request = rows.request().setSubsetOfAttributes(list(choice.mapping.columns.values()), rows.source.fields())
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
            cells = [
                _text(feature[name], kinds.get(target, Kind.TEXT)) for target, name in choice.mapping.columns.items()
            ]
            writer.writerow([*cells, *(_place(feature.geometry(), transform) if placed else ())])
            features.append(feature.id())
    mapping = LayerMapping({**headers, **placed}, choice.mapping.codes, choice.mapping.precision_m)
    return mapping, features


def _headers(columns: Mapping[str, str]) -> dict[str, str]:
    """The header of each target: its column's name, with the target where that column was used before."""
    headers: dict[str, str] = {}
    for target, name in columns.items():
        headers[target] = f"{name} ({target})" if _key(name) in map(_key, headers.values()) else name
    return headers


def _other(name: str, headers: Mapping[str, str]) -> str:
    taken = {_key(header) for header in headers.values()}
    while _key(name) in taken:
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


# ---------------------------------------------------------------------- the server


def ask_publishables(transport: Transport, *, cancelled: Cancel = never) -> list[Publishable]:
    """The datasets that the signed-in person may publish to."""
    document = transport.get_json("/v1/publishing/datasets", cancelled=cancelled)
    try:
        return [_publishable(entry) for entry in document["datasets"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable() from error


def send(
    transport: Transport, rows: LayerRows, choice: Choice, targets: Sequence[Target], report: Report, cancelled: Cancel
) -> tuple[Upload, list[int]]:
    """Write the rows, send them and wait for the server's report; the upload, and the feature of each row."""
    with waiting_file(rows.name) as path:
        mapping, features = write_rows(rows, choice, targets, path, report, cancelled)
        fields = {
            "dataset": choice.dataset,
            "site": choice.site,
            "synthetic": "true" if choice.synthetic else "false",
            "accept_withdrawals": "true" if choice.accept_withdrawals else "false",
            "mapping": json.dumps(
                {
                    "columns": dict(mapping.columns),
                    "codes": {name: dict(codes) for name, codes in mapping.codes.items() if codes},
                    "precision_m": mapping.precision_m,
                }
            ),
        }
        with MultipartForm(
            fields, "files", path, lambda done, total: report("Sending the rows", done, total), cancelled
        ) as form:
            upload = _upload(transport.post_form(UPLOADS, form, cancelled=cancelled), features)
    try:
        return follow(transport, upload, features, report, cancelled), features
    except Cancelled:
        # The load is of no use to anybody any more.
        transport.delete(f"{UPLOADS}/{upload.id}")
        raise


def follow(transport: Transport, upload: Upload, features: Sequence[int], report: Report, cancelled: Cancel) -> Upload:
    """Wait until nothing of it is under way any more; for a task."""
    while upload.state in UNDER_WAY:
        report(upload.step or "Waiting for the server", upload.done, upload.total)
        until = time.monotonic() + _LOOK_AGAIN_S
        while time.monotonic() < until:
            if cancelled():
                raise Cancelled
            time.sleep(_LOOK_AGAIN_S / 8)
        upload = _upload(transport.get_json(f"{UPLOADS}/{upload.id}", cancelled=cancelled), features)
    return upload


def publish(transport: Transport, upload: Upload, features: Sequence[int], report: Report, cancelled: Cancel) -> Upload:
    """Make it visible, and wait until it is. Cancelled, the server goes on without anybody waiting."""
    answer = transport.post_json(f"{UPLOADS}/{upload.id}/publish", {}, cancelled=cancelled)
    return follow(transport, _upload(answer, features), features, report, cancelled)


def drop(transport: Transport, upload: Upload, *, cancelled: Cancel = never) -> None:
    """Let the server forget it."""
    transport.delete(f"{UPLOADS}/{upload.id}", cancelled=cancelled)


def _publishable(entry: Mapping[str, Any]) -> Publishable:
    told = entry["mapping"]
    return Publishable(
        dataset=str(entry["dataset"]),
        title=str(entry["title"]),
        sites=bool(entry["sites"]),
        replaces=bool(entry["replaces"]),
        points=bool(entry["points"]),
        synthetic=entry["synthetic"],
        targets=tuple(
            Target(
                one["name"],
                one["title"],
                Kind(one["kind"]),
                bool(one["required"]),
                dict(one["codes"]),
                tuple(one["headers"]),
            )
            for one in entry["targets"]
        ),
        mapping=LayerMapping(told["columns"], told["codes"], int(told["precision_m"])) if told else None,
    )


def _upload(document: Mapping[str, Any], features: Sequence[int]) -> Upload:
    try:
        told = document["report"]
        return Upload(
            id=int(document["id"]),
            state=UploadState(document["state"]),
            message=str(document["message"]),
            step=str(document["step"]),
            done=int(document["done"]),
            total=int(document["total"]),
            release=document["release"],
            others_staged=int(document["others_staged"]),
            report=_report(told, features) if told else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable() from error


def _report(told: Mapping[str, Any], features: Sequence[int]) -> UploadReport:
    counted = ("rows_in", "accepted", "rejected", "duplicates", "left", "added", "changed", "withdrawn", "unchanged")
    return UploadReport(
        counts={name: int(told[name]) for name in counted},
        months=tuple(told["months"]),
        reasons=dict(told["reasons"]),
        unmapped={name: dict(values) for name, values in told["unmapped"].items()},
        dropped=dict(told["dropped"]),
        blanked=dict(told["blanked"]),
        notes=tuple(told["notes"]),
        errors=tuple(
            RejectedRow(int(one["line"]), str(one["reason"]), _feature(int(one["line"]), features))
            for one in told["errors"]
        ),
    )


def _feature(line: int, features: Sequence[int]) -> int | None:
    at = line - _FIRST_LINE
    return features[at] if 0 <= at < len(features) else None


def _unreadable() -> ServerTrouble:
    return ServerTrouble(
        "The server answered in a way that this plugin cannot read. Update the plugin; if it stays, tell the SafeStats "
        "team.",
        "unreadable",
    )
