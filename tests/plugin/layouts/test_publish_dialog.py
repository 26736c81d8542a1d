"""The dialog: what is missing is told before the export, and what leaves is noted for the audit."""

from __future__ import annotations

import json
import re

import pytest
from qgis.core import QgsProject, QgsSettings
from qgis.PyQt.QtCore import QSettings
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.settings import DeskSettings
from safestats.qgis_plugin.core.transport import QgisNetwork
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog
from safestats.qgis_plugin.layouts.export import Format
from safestats.qgis_plugin.layouts.sheet import Mode


@pytest.fixture
def signed_out_desk(qgis_app, tmp_path):
    """A desk that nobody has signed in to."""
    settings = DeskSettings(QgsSettings(str(tmp_path / "desk.ini"), QSettings.Format.IniFormat))
    made = Desk(settings, LocalStore(tmp_path / "local"), QgisNetwork(), "0.1.0", QgsProject())
    yield made
    made.close()


def test_it_says_what_is_missing_exports_and_notes_it(qtbot, signed_out_desk, samples, tmp_path):
    area = samples.borough_shape("Camden")
    layer = samples.density_raster(str(tmp_path / "density.tif"), area, 200)
    result = samples.hotspot_result(layer, area, "Camden", Method.KDE_RASTER)
    dialog = PublishDialog(signed_out_desk, None, result)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.title_edit.text() == "Density of theft from the person, Camden, January 2025 to December 2025"
    dialog.redraw()
    assert "author and organisation is missing" in dialog.strip.text
    assert not dialog.export_button.isEnabled()

    dialog.author_edit.setText("A. Analyst")
    dialog.organisation_edit.setText("London Borough of Camden")
    dialog.mode_combo.setCurrentIndex(dialog.mode_combo.findData(Mode.PUBLICATION))
    dialog.redraw()
    assert dialog.strip.text == ""
    assert dialog.export_button.isEnabled()
    assert not dialog.preview.pixmap().isNull()

    folder = tmp_path / "out"
    dialog.folder.setFilePath(str(folder))
    assert dialog.export() == []
    assert "cannot be written to" in dialog.strip.text
    folder.mkdir()
    (written,) = dialog.export()
    assert written.read_bytes().startswith(b"%PDF")
    signed_out_desk.settle()
    event = (tmp_path / "local" / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(event)
    assert '"publication"' in event
    assert "map.export" in event


def test_a_report_is_drawn_in_both_modes(qtbot, signed_out_desk, samples):
    dialog = PublishDialog(signed_out_desk, None, samples.proximity_result(samples.four_datasets()))
    qtbot.addWidget(dialog)
    dialog.redraw()
    operational = dialog.preview.pixmap().toImage()
    dialog.mode_combo.setCurrentIndex(1)
    dialog.redraw()
    assert dialog.preview.pixmap().toImage() != operational


def test_the_events_of_one_page_have_its_id_in_common(qtbot, signed_out_desk, samples, tmp_path):
    dialog = PublishDialog(signed_out_desk, None, samples.proximity_result(samples.four_datasets()))
    qtbot.addWidget(dialog)
    dialog.redraw()
    for _ in range(2):
        dialog._record([Format.PDF])
    signed_out_desk.settle()
    lines = (tmp_path / "local" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    pages = re.findall(r'"page_id": ?"([0-9a-f-]{36})"', "\n".join(lines))
    assert len(pages) == 8
    assert (pages[:4].count(pages[0]), pages[4:].count(pages[4])) == (4, 4)
    assert pages[0] != pages[4]
