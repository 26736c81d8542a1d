"""Pictures of the time dock for the guide, on invented incidents: ``.venvs/desk/bin/python scripts/time_pictures.py``.

They are written to docs/images/; a display is not needed. ``QT_SCALE_FACTOR=1.5`` makes them as at 150 %, into
build/time/ instead. The numbers of residents are rounded and stand for no edition.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import QgsApplication, QgsFeature, QgsLayoutExporter, QgsProject, QgsSettings, QgsVectorLayer
from qgis.PyQt.QtCore import QDate, QPoint, QSettings, QSize
from qgis.PyQt.QtGui import QColor, QImage, QPainter
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.residents import Residents
from safestats.qgis_plugin.core.resource_files import BOUNDARIES
from safestats.qgis_plugin.core.settings import DeskSettings
from safestats.qgis_plugin.core.time_answer import ChartKind
from safestats.qgis_plugin.gui.time_dock import TimeDock
from safestats.qgis_plugin.layouts.sheet import Imprint
from safestats.qgis_plugin.layouts.time_page import TimeChart, build_chart_layout
from safestats.shared.areas import Boundaries
from safestats.shared.manifest import Manifest

ROOT = Path(__file__).resolve().parent.parent
TODAY = date(2026, 1, 10)
CITY, CAMDEN = "E09000001", "E09000007"
SHOWN = (ChartKind.WEEK, ChartKind.ROLLING, ChartKind.PEERS)
GROUPS = {"False alarm": 8, "Special service": 5, "Primary fire": 3, "Secondary fire": 2, "Chimney fire": 1}
COLUMNS = "field=occurred_on:date&field=hour:integer&field=incident_group:string&field=borough_code:string"


def invented_layer(codes: list[str]) -> QgsVectorLayer:
    """Three years of calls, none delivered in August 2024, some without an hour."""
    chance = random.Random(2026)
    layer = QgsVectorLayer(f"Point?crs=EPSG:27700&{COLUMNS}", "London Fire Brigade incidents", "memory")
    features = []
    for _ in range(30_000):
        day = date(2023, 1, 1) + timedelta(days=int(1096 * chance.random() ** 0.85))
        if (day.year, day.month) == (2024, 8):
            continue
        hour = round(chance.gauss(20 if day.weekday() > 3 else 16, 4)) % 24 if chance.random() < 0.97 else None
        feature = QgsFeature(layer.fields())
        group = chance.choices(list(GROUPS), list(GROUPS.values()))[0]
        borough = chance.choices(codes, [2 if code == CAMDEN else 1 for code in codes])[0]
        feature.setAttributes([QDate(day.year, day.month, day.day), hour, group, borough])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    manifest = Manifest(
        dataset="lfb", title="London Fire Brigade incidents", layer_name="lfb", definition_version=1, release=3,
        published_at="2026-01-10T00:00:00Z", fingerprint="0", geometry="point", columns=(), rows=len(features),
        first_period="2023-01", newest_period="2025-12", slices=(), snapshot=None, attribution="Invented.",
        caveats=("Places are rounded to 50 m.",), synthetic=True, agreement="DSA-DEMO", agreement_until="2099-12-31",
        valid_until="2099-12-31T00:00:00Z", area_edition="LSOA 2011", colour="#a62b38",
        category_field="incident_group",
    )  # fmt: skip
    layers.describe(layer, manifest)
    return layer


def wait_until(done: Callable[[], bool]) -> None:
    """Let the window live until something is so; a minute at most."""
    until = time.monotonic() + 60
    while not done():
        if time.monotonic() > until:
            sys.exit("The dock did not answer within a minute.")
        QgsApplication.processEvents()
        time.sleep(0.01)


def beside(images: list[QImage]) -> QImage:
    """The pictures in a row."""
    gap = 10
    width = sum(image.width() for image in images) + gap * (len(images) - 1)
    row = QImage(width, max(image.height() for image in images), QImage.Format.Format_RGB32)
    row.fill(QColor("#ffffff"))
    painter, left = QPainter(row), 0
    for image in images:
        image.setDevicePixelRatio(1)
        painter.drawImage(QPoint(left, 0), image)
        left += image.width() + gap
    painter.end()
    return row


def main() -> None:
    """All pictures."""
    scale = os.environ.get("QT_SCALE_FACTOR", "1")
    folder = ROOT / "docs" / "images" if scale == "1" else ROOT / "build" / "time"
    folder.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.TemporaryDirectory(prefix="safestats-")
    settings = QgsSettings(str(Path(scratch.name) / "settings.ini"), QSettings.Format.IniFormat)
    project = QgsProject.instance()
    desk = Desk(DeskSettings(settings), LocalStore(Path(scratch.name) / "copies"), QgisNetwork(), "0", project)
    codes = sorted(Boundaries.read(BOUNDARIES).boroughs)
    residents = {code: 8_600 if code == CITY else 180_000 + 5_000 * at for at, code in enumerate(codes)}
    layer = invented_layer(codes)
    project.addMapLayer(layer)
    dock = TimeDock(desk, None, None, lambda: TODAY)
    dock._residents = Residents("made up, 2025", "none", residents, 50_000)
    dock.resize(440, 800)
    dock.show()
    dock.layer_box.setLayer(layer)
    dock.borough_box.setCurrentIndex(dock.borough_box.findData(CAMDEN))
    wait_until(lambda: dock.answer is not None and any(line.own for line in dock.answer.peers.lines))
    pictures = []
    for kind in SHOWN:
        dock.chart_box.setCurrentIndex(dock.chart_box.findData(kind))
        wait_until(lambda: not dock.progress.running)
        for _ in range(10):
            QgsApplication.processEvents()
        pictures.append(dock.grab().toImage())
    beside(pictures).save(str(folder / "time-dock.png"))
    chart = TimeChart(ChartKind.CALENDAR, dock.answer)
    page = build_chart_layout(project, chart, Imprint(chart.title, "Ada Okafor", "London Borough of Camden"))
    QgsLayoutExporter(page).renderPageToImage(0, QSize(), 100).save(str(folder / "time-page.png"))
    dock.close_down()
    desk.close()
    project.clear()
    scratch.cleanup()


application = QgsApplication([], True)
application.initQgis()
main()
application.exitQgis()
