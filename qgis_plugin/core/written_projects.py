"""Project files hold no filter that picks single rows of a local copy.

Whoever gets such a file would learn how many incidents the filter picks, and of which days. Layers and tree are
written without it; layouts remember sources of their own, which are taken out once the file is there.
"""

from __future__ import annotations

import glob
import html
import os
import re
import time
import zipfile
from pathlib import Path

from qgis.core import QgsMapLayer, QgsProviderRegistry
from qgis.PyQt.QtCore import QDir, QFileInfo
from qgis.PyQt.QtXml import QDomDocument, QDomElement

from .filter_text import names_rows
from .replacing import delete, put_in_place
from .saved_projects import is_copy

_UNFILTERED = "safestats-rows-filter"  # an attribute of the layer
_JUST_WRITTEN_S = 600
# Sources with a filter as they stand in XML, in an attribute or between two tags.
_SOURCE = re.compile(r'(?<==")[^"]*\.gpkg\|[^"]*(?=")|(?<=>)[^<>]*\.gpkg\|[^<]*(?=</)')


def without_rows(source: str) -> str:
    """The source as a file may hold it: of a local copy without a filter of single rows."""
    if "|" not in source or not names_rows(source):
        return source
    provider = QgsProviderRegistry.instance()
    parts = provider.decodeUri("ogr", source)
    if not is_copy(str(parts.get("path") or "")) or not names_rows(str(parts.get("subset") or "")):
        return source
    del parts["subset"]
    return provider.encodeUri("ogr", parts)


def write_unfiltered(layer: QgsMapLayer, element: QDomElement, document: QDomDocument) -> None:
    """Take the filter out of a layer that is being written, and note that there was one.

    For ``QgsProject.writeMapLayer``, which comes after the layer tree and before the layouts.
    """
    source = layer.source()
    if without_rows(source) == source:
        return
    element.setAttribute(_UNFILTERED, "yes")
    told = element.firstChildElement("datasource")
    clean = document.createElement("datasource")
    clean.appendChild(document.createTextNode(without_rows(told.text())))
    element.replaceChild(clean, told)
    nodes = document.elementsByTagName("layer-tree-layer")
    for node in (nodes.at(at).toElement() for at in range(nodes.count())):
        node.setAttribute("source", without_rows(node.attribute("source")))


def was_filtered(element: QDomElement) -> bool:
    """Whether ``write_unfiltered`` took a filter out of the layer."""
    return element.hasAttribute(_UNFILTERED)


def clean_unpacked(path: Path) -> None:
    """The same of a file that QGIS is about to pack: it has written it to a folder of its own, and says so before."""
    if path.suffix.lower() == ".qgz":
        for found in Path(QDir.tempPath()).glob(f"*/{glob.escape(QFileInfo(str(path)).completeBaseName())}.qgs"):
            if time.time() - found.stat().st_mtime < _JUST_WRITTEN_S and os.access(found, os.W_OK):
                clean_file(found)


def clean_file(path: Path) -> None:
    """Take out of a written project file what its layouts remember; raises ``OSError`` where it cannot be written."""
    if path.suffix.lower() == ".qgz":
        _clean_archive(path)
    elif path.suffix.lower() == ".qgs" and path.is_file():
        before = path.read_bytes()
        after = _clean(before)
        if after != before:
            _replace(path, after)


def _clean_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        held = [(entry, archive.read(entry)) for entry in archive.infolist()]
    cleaned = [(entry, _clean(content) if entry.filename.endswith(".qgs") else content) for entry, content in held]
    if cleaned == held:
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content in cleaned:
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
        _put(part, path)
    finally:
        delete(part)


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        _put(part, path)
    finally:
        delete(part)


def _put(part: Path, path: Path) -> None:
    was = path.stat()
    part.chmod(was.st_mode)
    os.utime(part, ns=(was.st_atime_ns, was.st_mtime_ns))  # QGIS would say that somebody else had changed it
    put_in_place(part, path)


def _clean(content: bytes) -> bytes:
    if b".gpkg|" not in content:
        return content
    return _SOURCE.sub(_cleaned, content.decode("utf-8")).encode("utf-8")


def _cleaned(found: re.Match[str]) -> str:
    told = html.unescape(found[0])
    clean = without_rows(told)
    return found[0] if clean == told else html.escape(clean)
