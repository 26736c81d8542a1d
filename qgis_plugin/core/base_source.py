"""Where a page's base map comes from: the plugin's boundaries, a local file of OS Open Zoomstack, or the
organisation's own map service. Never a third party's tiles: those would tell it what is being looked at."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsNetworkAccessManager,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QEventLoop, QSize, QTimer
from qgis.PyQt.QtGui import QColor

from .point_facts import NATIONAL_GRID

FILE_NAME = "base-map.gpkg"
WAIT_S = 8
_PROBE_PX = 64
_NOTHING = QColor(255, 0, 255)


class BaseKind(Enum):
    """What kind of base map it is."""

    BOUNDARIES = "boundaries"
    FILE = "file"
    SERVICE = "service"


@dataclass(frozen=True)
class BaseSource:
    """A base map: its name for people, what must be printed beside it, and where it is (a file, or QGIS's address)."""

    kind: BaseKind
    title: str
    attribution: str = ""
    path: Path | None = None
    uri: str = ""


BOUNDARIES_ONLY = BaseSource(BaseKind.BOUNDARIES, "Boundaries and river, as they come with the plugin")


def zoomstack_file(path: Path) -> BaseSource | None:
    """The local file that ``safestats basemap`` made; ``None`` where there is none or it is not one."""
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as file:
            title, attribution = file.execute("SELECT title, attribution FROM edition").fetchone()
    except (sqlite3.Error, TypeError):
        return None
    return BaseSource(BaseKind.FILE, str(title), str(attribution), path)


def service(address: str, layer: str, matrix_set: str, image_format: str, title: str, attribution: str) -> BaseSource:
    """An organisation's WMTS as QGIS asks for it."""
    url = f"{address}{'&' if '?' in address else '?'}SERVICE=WMTS&REQUEST=GetCapabilities"
    parts = {
        "contextualWMSLegend": "0",
        "crs": NATIONAL_GRID,
        "dpiMode": "7",
        "format": image_format,
        "layers": layer,
        "styles": "default",
        "tileMatrixSet": matrix_set,
        "url": quote(url, safe=""),
    }
    uri = "&".join(f"{name}={value}" for name, value in parts.items())
    return BaseSource(BaseKind.SERVICE, title, attribution, uri=uri)


def trouble_with(source: BaseSource, extent: QgsRectangle) -> str:
    """Why a base map cannot be drawn here, in one sentence; empty where it can. Waits ``WAIT_S`` seconds at most."""
    if source.kind is BaseKind.FILE:
        if source.path is None or zoomstack_file(source.path) is None:
            return f"The base map “{source.title}” is not at {source.path} any more: the boundaries stand in its place."
        return ""
    if source.kind is BaseKind.SERVICE and not _draws(source, extent):
        return f"The base map “{source.title}” did not answer: the boundaries stand in its place."
    return ""


def _draws(source: BaseSource, extent: QgsRectangle) -> bool:
    """Whether the service gives anything for the extent, tried with a small picture."""
    manager = QgsNetworkAccessManager.instance()
    former = manager.timeout()
    manager.setTimeout(WAIT_S * 1000)
    try:
        layer = QgsRasterLayer(source.uri, source.title, "wms")
        if not layer.isValid():
            return False
        settings = QgsMapSettings()
        settings.setLayers([layer])
        settings.setDestinationCrs(QgsCoordinateReferenceSystem(NATIONAL_GRID))
        settings.setExtent(extent)
        settings.setOutputSize(QSize(_PROBE_PX, _PROBE_PX))
        settings.setBackgroundColor(_NOTHING)
        job = QgsMapRendererSequentialJob(settings)
        loop = QEventLoop()
        job.finished.connect(loop.quit)
        QTimer.singleShot(WAIT_S * 1000, loop.quit)
        job.start()
        loop.exec()
        if job.isActive():
            job.cancelWithoutBlocking()
            return False
        image = job.renderedImage()
        return any(image.pixelColor(x, y) != _NOTHING for x in range(0, _PROBE_PX, 8) for y in range(0, _PROBE_PX, 8))
    finally:
        manager.setTimeout(former)
