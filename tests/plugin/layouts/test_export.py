"""What may leave and what not, read back from the files."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from qgis.core import QgsLayoutItemLabel, QgsLayoutPoint
from qgis.PyQt.QtGui import QImage
from safestats.qgis_plugin.layouts.export import (
    ExportFailed,
    ExportRefused,
    FurnitureMissing,
    check,
    missing_furniture,
)
from safestats.qgis_plugin.layouts.export import export as export_noted
from safestats.qgis_plugin.layouts.incident_points import IncidentPoints
from safestats.qgis_plugin.layouts.sheet import Mode, Page
from safestats.shared.furniture import FurnitureItem

_spec = importlib.util.spec_from_file_location("layout_pages", Path(__file__).with_name("test_layouts.py"))
pages = importlib.util.module_from_spec(_spec)
sys.modules["layout_pages"] = pages
_spec.loader.exec_module(pages)


def export(layout, path):
    """The file, noted nowhere."""
    return export_noted(layout, path, lambda leaving: None)


INCIDENTS = IncidentPoints("Metropolitan Police incidents", np.array([533500, 533600]), np.array([180050, 180100]))
needs_poppler = pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext (poppler-utils) is not installed")


def words_of(pdf: Path) -> str:
    """The text of a PDF on one line."""
    done = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


@needs_poppler
def test_the_pdf_holds_title_source_marking_and_counts_as_text(project, samples, tmp_path):
    layout = pages.hotspot_page(project, samples, tmp_path, title="Density of theft, Camden, 2025")
    words = words_of(export(layout, tmp_path / "map.pdf"))
    assert "Density of theft, Camden, 2025" in words
    assert words.count("OFFICIAL-SENSITIVE") == 2
    assert "SYNTHETIC DATA – not real incidents" in words
    assert "Metropolitan Police incidents, through SafeStats." in words
    assert "Data to December 2025; extract of 22 November 2026." in words
    assert "12,345 incidents in the study area" in words
    assert "Bandwidth: 650 m (automatic)" in words
    assert "Contains OS data © Crown copyright" in words
    information = subprocess.run(
        ["pdfinfo", str(tmp_path / "map.pdf")], capture_output=True, text=True, check=True
    ).stdout
    assert "Density of theft, Camden, 2025" in information
    assert "A. Analyst, London Borough of Camden" in information
    fonts = subprocess.run(["pdffonts", str(tmp_path / "map.pdf")], capture_output=True, text=True, check=True).stdout
    rows = fonts.splitlines()[2:]
    assert rows
    assert all(row.split()[-5] == "yes" for row in rows), fonts  # the column “emb”
    assert project.metadata().title() == ""


def test_without_any_piece_of_furniture_nothing_leaves(project, samples, tmp_path):
    layout = pages.hotspot_page(project, samples, tmp_path)
    before = sorted(tmp_path.iterdir())

    def refused(item, loss):
        with pytest.raises(FurnitureMissing) as error:
            export(layout, tmp_path / "map.pdf")
        assert error.value.items == (item,), loss
        assert item.words in error.value.sentence
        assert sorted(tmp_path.iterdir()) == before, loss

    for item in FurnitureItem:
        piece = layout.itemById(item.value)
        piece.setVisibility(False)
        refused(item, "hidden")
        piece.setVisibility(True)
        piece.setExcludeFromExports(True)
        refused(item, "left out of exports")
        piece.setExcludeFromExports(False)
        place = piece.positionWithUnits()
        piece.attemptMove(QgsLayoutPoint(296, 50))
        refused(item, "off the page")
        piece.attemptMove(place)
        if isinstance(piece, QgsLayoutItemLabel):
            words = piece.text()
            piece.setText("  ")
            refused(item, "emptied")
            piece.setText(words)
    check(layout)
    gone = []
    for item in FurnitureItem:
        layout.removeLayoutItem(layout.itemById(item.value))
        gone.append(item)
        assert missing_furniture(layout) == tuple(gone)


def test_without_the_source_line_the_refusal_says_so(project, samples, tmp_path):
    layout = pages.hotspot_page(project, samples, tmp_path)
    layout.removeLayoutItem(layout.itemById(FurnitureItem.SOURCE.value))
    with pytest.raises(FurnitureMissing) as refused:
        export(layout, tmp_path / "map.pdf")
    assert refused.value.sentence.startswith("Not exported: the source line is missing from the page.")


def test_a_weaker_marking_is_no_marking(project, samples, tmp_path):
    layout = pages.hotspot_page(project, samples, tmp_path)
    layout.itemById(FurnitureItem.MARKING_TOP.value).setText("OFFICIAL")
    with pytest.raises(FurnitureMissing):
        export(layout, tmp_path / "map.pdf")


@needs_poppler
def test_incidents_are_drawn_for_colleagues_and_never_in_public(project, samples, tmp_path):
    operational = pages.proximity_page(project, samples, Mode.OPERATIONAL, incidents=(INCIDENTS,))
    words = words_of(export(operational, tmp_path / "report.pdf"))
    assert "Other (" in words
    incidents = [layer for layer in operational.itemById("map").layers() if layer.name() == INCIDENTS.title]
    assert len(incidents) == 1

    public = pages.proximity_page(project, samples, Mode.PUBLICATION, incidents=(INCIDENTS,))
    shown = public.itemById("map")
    assert INCIDENTS.title not in [layer.name() for layer in shown.layers()]
    export(public, tmp_path / "public.pdf")
    shown.setLayers([*incidents, *shown.layers()])  # as anyone could in the layout designer
    with pytest.raises(ExportRefused) as refused:
        export(public, tmp_path / "points.pdf")
    assert "shows single incidents (“Metropolitan Police incidents”)" in refused.value.sentence
    assert not (tmp_path / "points.pdf").exists()


@needs_poppler
def test_in_public_a_map_rounds_its_counts(project, samples, tmp_path):
    layout = pages.hotspot_page(
        project, samples, tmp_path, Mode.PUBLICATION, used=12343, outside=312, unmapped=3, largest_stack=163,
        parameters=(("In the study area", "12,343"), ("Without a place", "3"), ("Cell", "100 m")),
        notes=("Up to 163 incidents share a point",),
    )  # fmt: skip
    words = words_of(export(layout, tmp_path / "map.pdf"))
    assert "12,345 incidents" in words
    assert "In the study area" not in words  # the foot of the page tells the counts
    assert "12,343" not in words
    assert "<5 have no place" in words
    assert "Cell: 100 m" in words
    for exact in ("12,343", "312", "163"):
        assert exact not in words


def test_png_and_svg(project, samples, tmp_path):
    layout = pages.hotspot_page(project, samples, tmp_path, page=Page.A4)
    image = QImage(str(export(layout, tmp_path / "map.png")))
    assert abs(image.width() - 297 / 25.4 * 300) < 3
    assert abs(image.height() - 210 / 25.4 * 300) < 3
    assert "<svg" in export(layout, tmp_path / "map.svg").read_text(encoding="utf-8")[:600]
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith("density")} == {"map.png", "map.svg"}


def test_bad_targets_have_their_sentence(project, samples, tmp_path):
    layout = pages.hotspot_page(project, samples, tmp_path)
    with pytest.raises(ExportFailed, match=r"“map\.docx” is no PDF, PNG or SVG"):
        export(layout, tmp_path / "map.docx")
    with pytest.raises(ExportFailed, match=r"map\.pdf cannot be written to .*No such file or directory"):
        export(layout, tmp_path / "nowhere" / "map.pdf")
