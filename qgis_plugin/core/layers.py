"""Local copies as layers of a project: read-only, named, styled, attributed, in the group “SafeStats”."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsExpression,
    QgsLayerTreeGroup,
    QgsMapLayer,
    QgsMarkerSymbol,
    QgsProject,
    QgsProperty,
    QgsProviderRegistry,
    QgsRendererCategory,
    QgsSimpleMarkerSymbolLayer,
    QgsSingleSymbolRenderer,
    QgsSymbolLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor

from ...shared.manifest import FID_COLUMN, Manifest
from .errors import LocalCopyTrouble
from .grid_ways import NATIONAL_GRID, choose_ways
from .layer_metadata import abstract, layer_title, metadata_of
from .layer_time import keep_time, months_held, widen_project_time
from .local_store import LocalCopy
from .saved_projects import home, is_stand_in

GROUP = "SafeStats"
_PREFIX = "safestats/"
_OPACITY = 0.6
# Small in the city, larger in the street: one point must stay visible without hiding its neighbours.
_SIZE = "scale_exp(@map_scale, 2500, 150000, 2.8, 0.8, 0.4)"
# Told apart by people who see colours differently, and dark enough for white and for pale base maps.
_CATEGORY_COLOURS = (
    "#332288", "#cc6677", "#117733", "#88ccee", "#882255", "#ddaa33", "#44aa99", "#aa4499", "#999933",
    "#661100",
)  # fmt: skip
_REST_COLOUR = "#777777"


@dataclass(frozen=True)
class LayerFacts:
    """What is known of an open SafeStats layer; travels with the layer, in the project too."""

    dataset: str
    title: str
    release: int
    first_period: str  # YYYY-MM
    newest_period: str
    attribution: str
    caveats: tuple[str, ...]
    synthetic: bool
    agreement: str
    agreement_until: str
    valid_until: str
    area_edition: str
    category_field: str
    colour: str
    geometry: str  # "point" or "none"
    newest_day: str  # of layers that are published as things happen
    areas: tuple[str, ...]  # codes of the areas in which incidents are held
    threshold: int  # smaller counts are not published
    sensitive: tuple[str, ...]  # categories that are published among others only
    returned: tuple[str, ...]  # of a layer that several sites return: the months of which any return came
    sensitive_by_column: Mapping[str, tuple[str, ...]]  # values of any column that are published among others only


def facts(layer: QgsMapLayer) -> LayerFacts | None:
    """The facts of a layer that ``open_copy`` opened; ``None`` for any other layer."""
    if not layer.customProperty(f"{_PREFIX}dataset"):
        return None
    values = {}
    for name, kind in LayerFacts.__annotations__.items():
        value = layer.customProperty(_PREFIX + name, "")
        if kind.startswith("tuple"):
            value = tuple(value or ())
        elif kind.startswith("Mapping"):
            value = {column: tuple(held) for column, held in json.loads(value or "{}").items()}
        elif kind == "int":
            value = int(value or 0)
        elif kind == "bool":
            value = str(value).lower() == "true"
        else:
            value = value or ""  # an empty text comes back from a project file as none at all
        values[name] = value
    return LayerFacts(**values)


def open_layers(project: QgsProject) -> list[QgsVectorLayer]:
    """The SafeStats layers of ``project`` that can be read, in the order of the layer tree."""
    layers = [node.layer() for node in project.layerTreeRoot().findLayers()]
    return [
        layer
        for layer in layers
        if isinstance(layer, QgsVectorLayer) and layer.isValid() and facts(layer) is not None and not is_stand_in(layer)
    ]


def shown_copies(project: QgsProject) -> dict[str, tuple[str, str]]:
    """The layers of ``project`` that show local copies or stand for them: layer id → account's key and dataset."""
    homes = {id_: home(layer) for id_, layer in project.mapLayers().items() if layer.type() == Qgis.LayerType.Vector}
    return {id_: found for id_, found in homes.items() if found is not None}


def shown_path(layer: QgsMapLayer) -> Path:
    """The file that the layer shows."""
    return Path(QgsProviderRegistry.instance().decodeUri("ogr", layer.source()).get("path") or "")


def open_copy(project: QgsProject, copy: LocalCopy) -> QgsVectorLayer:
    """The layer of ``copy`` in ``project``, added on top of the group “SafeStats” unless it is there already.

    Raises ``LocalCopyTrouble`` where the copy has lapsed or cannot be opened.
    """
    copy.require_valid(datetime.now(timezone.utc))
    for layer in renew(project, copy):
        return layer
    choose_ways(project)
    options = QgsVectorLayer.LayerOptions(project.transformContext())  # it asks for the way to degrees by itself
    options.loadDefaultStyle = False  # a style can hold actions and forms that run: ours comes from here
    layer = QgsVectorLayer(_source(copy), layer_title(copy.manifest), "ogr", options)
    if not layer.isValid():
        raise LocalCopyTrouble(
            f"The local copy of {copy.manifest.title} cannot be opened ({copy.path}). Pull it again.",
            "copy-unreadable",
        )
    describe(layer, copy.manifest)
    if copy.manifest.geometry != "none":
        layer.setRenderer(renderer(copy))
        layer.setOpacity(_OPACITY)
    prepare_project(project)
    widen_project_time(project, months_held(copy.manifest.first_period[:7], copy.manifest.newest_period[:7]))
    project.addMapLayer(layer, False)
    _group(project).insertLayer(0, layer)
    return layer


def prepare_project(project: QgsProject) -> None:
    """The National Grid for a project without layers, and ways from it to other systems that this computer has."""
    choose_ways(project)  # first: a new system makes QGIS ask for the way to degrees at once
    if not project.mapLayers():
        project.setCrs(QgsCoordinateReferenceSystem(NATIONAL_GRID))


def renew(project: QgsProject, copy: LocalCopy) -> list[QgsVectorLayer]:
    """Point the layers of a former copy at ``copy``; name, style, filter and place in the tree stay. The layers.

    Quick, whatever the size of the layer: the file is opened once and no feature is read.
    """
    renewed = []
    owner = copy.path.parent.parent.name
    for id_, (account, dataset) in shown_copies(project).items():
        layer = project.mapLayer(id_)
        if dataset != copy.manifest.dataset or not (account == owner or is_stand_in(layer)):
            continue
        if shown_path(layer) != copy.path:
            _point_at(layer, copy)
            layer.triggerRepaint()
        describe(layer, copy.manifest)
        renewed.append(layer)
    return renewed


def _point_at(layer: QgsVectorLayer, copy: LocalCopy) -> None:
    chosen = layer.subsetString()
    # The filter goes with the source: set afterwards, it would open the file anew and count its rows.
    layer.setDataSource(_source(copy, chosen), layer.name(), "ogr")
    if chosen and not layer.isValid():  # it asks for a column that is no longer there
        layer.setDataSource(_source(copy), layer.name(), "ogr")


def close_layers(project: QgsProject) -> None:
    """Take the SafeStats layers out of ``project``."""
    project.removeMapLayers(
        [id_ for id_, layer in project.mapLayers().items() if layer.customProperty(f"{_PREFIX}dataset")]
    )


def close_copy(project: QgsProject, account: str, dataset: str) -> list[str]:
    """Take the layers of one account's copy of ``dataset`` out of ``project``; what they were called."""
    gone = [id_ for id_, found in shown_copies(project).items() if found == (account, dataset)]
    names = [project.mapLayer(id_).name() for id_ in gone]
    project.removeMapLayers(gone)
    return names


def describe(layer: QgsVectorLayer, manifest: Manifest) -> None:
    """Read-only, aliases, metadata, times, attribution, and the facts that ``facts`` reads."""
    layer.setReadOnly(True)
    fields = layer.fields()
    aliases = {c.name: f"{c.alias} ({c.unit})" if c.unit else c.alias for c in manifest.columns}
    for name, alias in {**aliases, FID_COLUMN: "Feature number"}.items():
        position = fields.indexOf(name)
        if position >= 0 and layer.attributeAlias(position) != alias:  # each one set makes QGIS read all fields anew
            layer.setFieldAlias(position, alias)
    if manifest.category_field in fields.names():
        shown = QgsExpression.quotedColumnRef(manifest.category_field)
        if layer.displayExpression() != shown:
            layer.setDisplayExpression(shown)

    layer.setMetadata(metadata_of(layer, manifest))
    keep_time(layer)
    layer.serverProperties().setAttribution(manifest.attribution)
    layer.serverProperties().setAbstract(abstract(manifest))

    for name, kind in LayerFacts.__annotations__.items():
        value = getattr(manifest, name)
        if kind.startswith("tuple"):
            value = list(value)
        elif kind.startswith("Mapping"):
            value = json.dumps({column: list(held) for column, held in value.items()})
        elif kind == "bool":
            value = "true" if value else "false"
        layer.setCustomProperty(_PREFIX + name, value)


def renderer(copy: LocalCopy) -> QgsCategorizedSymbolRenderer | QgsSingleSymbolRenderer:
    """Small markers without outline: a colour a category where these are few, else the dataset's own colour."""
    manifest = copy.manifest
    if len(copy.categories) < 2:
        return QgsSingleSymbolRenderer(_marker(manifest.colour))
    categories = [
        QgsRendererCategory(value, _marker(colour), value) for value, colour in zip(copy.categories, _CATEGORY_COLOURS)
    ]
    categories.append(QgsRendererCategory("", _marker(_REST_COLOUR), "Not stated"))
    return QgsCategorizedSymbolRenderer(manifest.category_field, categories)


def _marker(colour: str) -> QgsMarkerSymbol:
    dot = QgsSimpleMarkerSymbolLayer(Qgis.MarkerShape.Circle)
    dot.setColor(QColor(colour))
    dot.setStrokeStyle(Qt.PenStyle.NoPen)
    dot.setSize(1.6)
    dot.setDataDefinedProperty(QgsSymbolLayer.Property.Size, QgsProperty.fromExpression(_SIZE))
    symbol = QgsMarkerSymbol()
    symbol.changeSymbolLayer(0, dot)  # takes the dot over; a symbol made of a list would leave it to Python
    return symbol


def _source(copy: LocalCopy, chosen: str = "") -> str:
    parts = {"path": str(copy.path), "layerName": copy.manifest.layer_name}
    return QgsProviderRegistry.instance().encodeUri("ogr", {**parts, "subset": chosen} if chosen else parts)


def _group(project: QgsProject) -> QgsLayerTreeGroup:
    root = project.layerTreeRoot()
    return root.findGroup(GROUP) or root.insertGroup(0, GROUP)
