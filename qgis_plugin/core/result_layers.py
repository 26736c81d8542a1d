"""Layers that analyses made of single incidents: they leave the project with the copies of which they were made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsLayerTreeGroup,
    QgsMapLayer,
    QgsProcessingUtils,
    QgsProject,
    QgsProviderRegistry,
    QgsVectorLayer,
)

from .analysis_error import AnalysisError
from .replacing import delete
from .run_record import LayerName, has_record, record_of

_BESIDE = ("", "-wal", "-shm", "-journal")  # a GeoPackage and what SQLite keeps with it


def close_rows(project: QgsProject, ours: Callable[[LayerName], bool]) -> list[str]:
    """Take out of ``project`` the results that hold a point for each incident or place; what they were called.

    Only those made of a layer of which ``ours`` says that it is closed. All layers of a file that holds such rows go;
    a temporary file is deleted, one that somebody chose stays on the disk. Sums over areas stay.
    """
    held = [layer for layer in project.mapLayers().values() if _holds_rows(layer) and _made_of(layer, ours)]
    files = {path for layer in held if (path := _file(layer)) is not None}
    gone = {layer.id() for layer in held}
    gone.update(id_ for id_, layer in project.mapLayers().items() if files and _file(layer) in files)
    names = [layer.name() for layer in held]
    del held  # nothing but the project may hold them, or their files would stay open
    _take_out(project, gone)
    for path in files:
        delete_temporary(path)
    return names


def is_temporary(path: Path) -> bool:
    """Whether the file lies in QGIS's folder of temporary results."""
    return Path(QgsProcessingUtils.tempFolder()).resolve() in path.resolve().parents


def delete_temporary(path: Path) -> None:
    """Delete a temporary result; any other file stays. One that is still open goes when QGIS closes."""
    if is_temporary(path):
        for ending in _BESIDE:
            delete(path.with_name(path.name + ending))


def _holds_rows(layer: QgsMapLayer) -> bool:
    return isinstance(layer, QgsVectorLayer) and has_record(layer) and layer.geometryType() == Qgis.GeometryType.Point


def _made_of(layer: QgsMapLayer, ours: Callable[[LayerName], bool]) -> bool:
    try:
        record = record_of(layer)
    except AnalysisError:
        return True  # of a later version, or damaged: whose rows they are cannot be told
    return any(ours(name) for name in (record.source, *record.others.values()))


def _file(layer: QgsMapLayer) -> Path | None:
    if not isinstance(layer, QgsVectorLayer) or layer.providerType() != "ogr":
        return None
    path = QgsProviderRegistry.instance().decodeUri("ogr", layer.source()).get("path")
    return Path(path) if path else None


def _take_out(project: QgsProject, ids: set[str]) -> None:
    root = project.layerTreeRoot()
    groups = {node.parent() for node in map(root.findLayer, ids) if node is not None}
    project.removeMapLayers(list(ids))
    for group in groups:
        if isinstance(group, QgsLayerTreeGroup) and group is not root and not group.children():
            parent = group.parent()
            if parent is not None:
                parent.removeChildNode(group)
