"""The dialog: what is to be put right is told before the export, and nothing leaves without its note."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import pytest
from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsProject, QgsSettings, QgsVectorLayer
from qgis.PyQt.QtCore import QSettings
from qgis.PyQt.QtWidgets import QPushButton
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.hotspots import HotspotSettings, Method, open_result, run_hotspots, temporary_path
from safestats.qgis_plugin.core.incidents import IncidentFilter
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.settings import DeskSettings
from safestats.qgis_plugin.core.study_areas import StudyArea
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog
from safestats.qgis_plugin.gui.template_gallery import TemplateGallery
from safestats.qgis_plugin.layouts.export import Format, Leaving
from safestats.qgis_plugin.layouts.own_templates import OwnTemplates
from safestats.qgis_plugin.layouts.sheet import Mode
from safestats.qgis_plugin.layouts.templates import TEMPLATES, PageKind
from safestats.shared.furniture import FurnitureItem


@pytest.fixture
def signed_out_desk(qgis_app, tmp_path):
    """A desk that nobody has signed in to."""
    settings = DeskSettings(QgsSettings(str(tmp_path / "desk.ini"), QSettings.Format.IniFormat))
    made = Desk(settings, LocalStore(tmp_path / "local"), QgisNetwork(), "0.1.0", QgsProject())
    yield made
    made.close()
    made.project.clear()


@pytest.fixture
def dialog(qtbot, signed_out_desk, samples, tmp_path):
    """The dialog of a density of Camden."""
    area = samples.borough_shape("Camden")
    layer = samples.density_raster(str(tmp_path / "density.tif"), area, 200)
    signed_out_desk.project.addMapLayer(layer)  # as the dock does
    made = PublishDialog(signed_out_desk, None, samples.hotspot_result(layer, area, "Camden", Method.KDE_RASTER))
    qtbot.addWidget(made)
    made.show()
    return made


def signed(dialog, mode=Mode.PUBLICATION):
    dialog.author_edit.setText("A. Analyst")
    dialog.organisation_edit.setText("London Borough of Camden")
    dialog.mode_combo.setCurrentIndex(dialog.mode_combo.findData(mode))
    dialog.redraw()


def events(tmp_path):
    lines = (tmp_path / "local" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["event"] for line in lines if line]


def test_it_lists_all_that_is_to_be_put_right(dialog):
    assert dialog.title_edit.text() == "Density of theft from the person, Camden, January 2025 to December 2025"
    dialog.title_edit.setText("")
    dialog.formats[Format.PDF].setChecked(False)
    dialog.redraw()
    told = [finding.sentence for finding in dialog.findings.findings]
    assert told == [
        "The title is empty.",
        "The author and organisation is empty.",
        "No kind of file is chosen.",
    ]
    assert "Give author and organisation above." in dialog.findings.text
    assert not dialog.export_button.isEnabled()
    dialog.title_edit.setText("A title")
    dialog.formats[Format.PDF].setChecked(True)
    signed(dialog)
    assert dialog.findings.findings == ()
    assert dialog.export_button.isEnabled()
    assert not dialog.preview.page.isNull()


def test_it_fits_a_laptop_at_150_per_cent_whatever_is_found(dialog):
    dialog.title_edit.setText("")
    dialog.redraw()
    assert dialog.findings.findings
    least = dialog.minimumSizeHint()
    assert least.width() <= 1240 and least.height() <= 660, (least.width(), least.height())


def test_what_can_be_mended_has_a_button_that_mends_it(dialog):
    signed(dialog)
    layout = dialog._layout
    for item in (FurnitureItem.SOURCE, FurnitureItem.LEGEND, FurnitureItem.SCALE_BAR, FurnitureItem.MARKING_TOP):
        layout.removeLayoutItem(layout.itemById(item.value))
    layout.itemById(FurnitureItem.NORTH_ARROW.value).setVisibility(False)
    dialog._show_page()
    assert len(dialog.findings.findings) == 5
    for left in (4, 3, 2, 1, 0):
        dialog.findings.findChildren(QPushButton)[0].click()
        assert len(dialog.findings.findings) == left, dialog.findings.text
    assert dialog.export_button.isEnabled()
    assert layout.pageCollection().pageCount() == 2  # the words that had no place stand on a page of notes


def test_files_are_noted_with_their_digests_before_they_have_a_name(dialog, tmp_path, monkeypatch):
    signed(dialog)
    folder = tmp_path / "out"
    dialog.folder.setFilePath(str(folder))
    assert dialog.export() == []
    assert "cannot be written to" in dialog.strip.text
    assert not (tmp_path / "local" / "events.jsonl").exists()
    folder.mkdir()
    for box in dialog.formats.values():
        box.setChecked(True)
    seen = []
    note = dialog._desk.note_leaving

    def watched(kind, uses):
        note(kind, uses)
        seen.append([path.name for path in folder.iterdir() if not path.name.startswith(".") and path.stat().st_size])

    monkeypatch.setattr(dialog._desk, "note_leaving", watched)
    written = dialog.export()
    assert [path.suffix for path in written] == [".pdf", ".png", ".svg", ".html"]
    assert seen == [[]]
    (event,) = events(tmp_path)
    told = event["filter"]
    assert (event["kind"], event["dataset"], event["rows"]) == ("map.export", "mps", 12345)
    assert (told["product"], told["mode"], told["template"]) == ("hotspot-map", "publication", TEMPLATES[0].name)
    for path, file in zip(written, told["files"]):
        content = path.read_bytes()
        assert file == {
            "format": path.suffix[1:],
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
    assert len(json.dumps(told).encode()) < 4096  # the most that the server takes


def test_without_its_note_nothing_leaves(dialog, tmp_path):
    signed(dialog)
    folder = tmp_path / "out"
    folder.mkdir()
    dialog.folder.setFilePath(str(folder))
    former = folder / f"{dialog.title_edit.text().replace(',', '')}.pdf"
    former.write_bytes(b"former")
    (tmp_path / "local").mkdir(exist_ok=True)
    (tmp_path / "local" / "events.jsonl").mkdir()  # where the notes should be written
    assert dialog.export() == []
    assert dialog.strip.text.startswith("Nothing was exported, because its note for the audit could not be written")
    assert [path.name for path in folder.iterdir()] == [former.name]
    assert former.read_bytes() == b"former"


def test_a_report_is_drawn_and_its_datasets_noted_under_one_page(qtbot, signed_out_desk, samples, tmp_path):
    dialog = PublishDialog(signed_out_desk, None, samples.proximity_result(samples.four_datasets()))
    qtbot.addWidget(dialog)
    dialog.redraw()
    assert not dialog.preview.page.isNull()
    assert dialog.template_button.window() is not dialog and dialog.page_combo.window() is dialog
    for _ in range(2):
        dialog._note([Leaving("pdf", "0" * 64, 1)])
    pages = re.findall(r'"page_id": ?"([0-9a-f-]{36})"', json.dumps(events(tmp_path)))
    assert len(pages) == 8
    assert (pages[:4].count(pages[0]), pages[4:].count(pages[4])) == (4, 4)
    assert pages[0] != pages[4]


def test_a_public_report_around_a_point_is_refused_in_a_sentence(qtbot, signed_out_desk, samples):
    found = samples.proximity_result(samples.four_datasets())
    point = replace(found.answer.place, label="533500, 180050", postcode="")
    dialog = PublishDialog(signed_out_desk, None, replace(found, answer=replace(found.answer, place=point)))
    qtbot.addWidget(dialog)
    dialog.mode_combo.setCurrentIndex(dialog.mode_combo.findData(Mode.PUBLICATION))
    dialog.redraw()
    assert dialog.strip.text.startswith("A public report is made around a postcode") and dialog.export() == []
    dialog.mode_combo.setCurrentIndex(dialog.mode_combo.findData(Mode.OPERATIONAL))
    dialog.redraw()
    assert not dialog.preview.page.isNull() and "postcode" not in dialog.strip.text


def test_the_gallery_shows_each_template_with_a_picture(qtbot, tmp_path):
    gallery = TemplateGallery(OwnTemplates(tmp_path / "own"), TEMPLATES[3])
    qtbot.addWidget(gallery)
    assert gallery.list.count() == len(TEMPLATES) == 16
    assert all(template.preview.is_file() for template in TEMPLATES)
    assert gallery.list.currentItem().text() == TEMPLATES[3].words
    gallery.add_file(tmp_path / "none.qpt")
    assert "cannot be read" in gallery.strip.text
    (tmp_path / "text.qpt").write_text("no template")
    gallery.add_file(tmp_path / "text.qpt")
    assert "is no template of QGIS" in gallery.strip.text


# ---------------------------------------------------------------------- pages that need more than the run

MONTHS = [f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13)]


def incident_layer(project, area):
    """Two years of incidents on a spiral in the middle of the area: in 2025 twice as many as in 2024."""
    layer = QgsVectorLayer("Point?crs=EPSG:27700&field=month:string&field=category:string", "Incidents", "memory")
    centre = area.centroid().asPoint()
    features = []
    for number in range(300):
        month = MONTHS[number % 12 + (12 if number % 3 else 0)]
        feature = QgsFeature(layer.fields())
        east, north = centre.x() + 2 * number * (-1) ** number, centre.y() + 3 * (number % 50)
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(round(east), round(north))))
        feature.setAttributes([month, "robbery" if number % 4 else "drugs"])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    project.addMapLayer(layer)
    return layer


@pytest.fixture
def real_run(qtbot, signed_out_desk, samples):
    """The dialog of a run that was really made, of a layer in the project."""
    area = StudyArea("Camden", samples.borough_shape("Camden"), "LSOA 2011")
    layer = incident_layer(signed_out_desk.project, area.geometry)
    wanted = IncidentFilter(Period("2025-01", "2025-12"))
    method = Method.GI_GRID
    result = open_result(
        run_hotspots(PointSource(layer), area, wanted, HotspotSettings(method=method), temporary_path(method))
    )
    signed_out_desk.project.addMapLayer(result.layer)  # as the dock does
    made = PublishDialog(signed_out_desk, None, result)
    qtbot.addWidget(made)
    made.author_edit.setText("A. Analyst")
    made.organisation_edit.setText("London Borough of Camden")
    return made


@pytest.mark.parametrize("kind", [PageKind.TWO_PERIODS, PageKind.MAP_AND_CHARTS, PageKind.ATLAS])
def test_what_a_template_needs_is_worked_out_in_the_background(qtbot, real_run, kind):
    real_run.choose(next(template for template in TEMPLATES if template.kind is kind))
    real_run.redraw()
    assert real_run.progress.running
    qtbot.waitUntil(lambda: real_run._layout is not None and not real_run.progress.running)
    assert real_run.findings.findings == (), real_run.findings.text
    if kind is PageKind.TWO_PERIODS:
        assert (real_run._material.before.used, real_run._product.result.used) == (100, 200)
        assert real_run._material.before.classes == real_run._product.result.classes
    elif kind is PageKind.MAP_AND_CHARTS:
        months = dict(real_run._material.breakdown.months)
        assert sum(months.values()) == 300 and list(months) == MONTHS
        assert sum(count for _, count in real_run._material.breakdown.categories) == 200
    else:
        assert [(one.area.name, one.count, one.before) for one in real_run._material.areas] == [("Camden", 200, 100)]
        assert not real_run.formats[Format.PNG].isEnabled()


def test_of_two_periods_the_map_before_is_looked_at_too(qtbot, real_run):
    real_run.choose(next(template for template in TEMPLATES if template.kind is PageKind.TWO_PERIODS))
    real_run.redraw()
    qtbot.waitUntil(lambda: real_run._layout is not None and not real_run.progress.running)
    real_run._material = replace(real_run._material, before=replace(real_run._material.before, guarded=True))
    for mode, told in ((Mode.OPERATIONAL, False), (Mode.PUBLICATION, True)):
        real_run.mode_combo.setCurrentIndex(real_run.mode_combo.findData(mode))
        assert any("among others only" in found.sentence for found in real_run._found()) is told


def test_a_layer_that_was_closed_is_told(real_run):
    real_run._desk.project.removeAllMapLayers()
    real_run.choose(next(template for template in TEMPLATES if template.kind is PageKind.TWO_PERIODS))
    real_run.redraw()
    assert "is not open any more" in real_run.strip.text
    assert real_run.export() == []


def test_the_note_of_a_page_tells_the_filter_of_its_layer(qtbot, signed_out_desk, samples, tmp_path, real_run):
    found = samples.proximity_result(samples.four_datasets()[:2])
    told = replace(real_run._product.result, audited_filter={"filter": '"hour" = ?', "filter_length": 9})
    layer = signed_out_desk.project.mapLayer(told.source_layer_id)
    facts = replace(PointSource(layer).facts, dataset="mps", subset="\"category\" = 'drugs'")
    for content in (replace(found, sources=(facts,)), told):
        dialog = PublishDialog(signed_out_desk, None, content)
        qtbot.addWidget(dialog)
        dialog._note([Leaving("pdf", "0" * 64, 1)])
    police, city, map_ = (event["filter"] for event in events(tmp_path))
    assert (police["filter"], police["filter_columns"]) == ('"category" = ?', ["category"])
    assert "filter" not in city and city["page_id"] == police["page_id"]
    assert (map_["filter"], map_["filter_length"]) == ('"hour" = ?', 9)
