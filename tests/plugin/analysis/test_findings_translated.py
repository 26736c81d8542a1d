"""Every word that an analysis finds comes out in the user's language, and translators are given all of them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QCoreApplication, QTranslator
from safestats.qgis_plugin.core.analyses.registry import ANALYSES, analysis_named
from safestats.qgis_plugin.core.analyses.running import Inputs, run_analysis
from safestats.qgis_plugin.core.hotspots import IncidentFilter
from safestats.qgis_plugin.core.line_rows import LineSource
from safestats.qgis_plugin.core.points import PointSource, check_layer
from safestats.qgis_plugin.gui.hotspot_dock import HotspotDock
from safestats.tests.plugin.layouts.test_analysis_pages import AREA, VALUES, incidents, layer_of, streets

ROOT = Path(__file__).resolve().parents[3]
_SPEC = importlib.util.spec_from_file_location("translations", ROOT / "scripts" / "translations.py")
translations = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(translations)
WELSH = {
    "{hot} and {cold}, with at least {least} % confidence.": "{hot}, {cold}, hyder {least} % o leiaf.",
    "{n} of {cells} are hot spots": "{n} o {cells} yn fannau poeth",
    "{n} cold spots": "{n} man oer",
    "{n} cells": "{n} cell (Cymraeg)",
    "Correction": "Cywiriad",
}


class Made(QTranslator):
    """A translation made up: the words of ``told``, or every text in guillemets; ``asked`` are those looked up."""

    def __init__(self, told: dict[str, str] | None = None) -> None:
        super().__init__()
        self._told = told
        self.asked: set[str] = set()

    def isEmpty(self) -> bool:
        return False

    def translate(self, context: str, text: str, _comment: str | None = None, _number: int = -1) -> str | None:
        if context != "Analyses" or not text:
            return None
        self.asked.add(text)
        return f"«{text}»" if self._told is None else self._told.get(text)


@pytest.fixture
def speaking(qgis_app):
    """Puts a translation in force."""
    made = []

    def act(told: dict[str, str] | None = None) -> Made:
        made.append(Made(told))
        QCoreApplication.installTranslator(made[0])
        return made[0]

    yield act
    for translator in made:
        QCoreApplication.removeTranslator(translator)


def run_of(name: str, tmp_path: Path):
    source = PointSource(check_layer(layer_of(incidents())))
    values, lines = dict(VALUES.get(name, {})), {}
    if name == "hot-routes":
        lines, values["streets"] = {"streets": LineSource(streets(), QgsProject.instance())}, "Streets"
    if name == "near-repeat":
        values["permutations"] = 19
    wanted = IncidentFilter(None, ("theft", "arson") if name == "dual-density" else ())
    return run_analysis(analysis_named(name), Inputs(source, AREA, wanted, values, {}, lines), tmp_path / "f.gpkg", "9")


@pytest.mark.parametrize("name", [analysis.name for analysis in ANALYSES])
def test_all_that_is_found_is_translated_and_gathered(speaking, tmp_path, name):
    plain = run_of(name, tmp_path)
    translator = speaking()
    run = run_of(name, tmp_path)
    told = [run.findings.answer, *run.notes]
    told += [text for words, value in run.parameters for text in (words, value) if re.search("[a-z]{4}", text)]
    for output in run.findings.outputs:
        told += [output.title, *output.words.values(), *(one.label for one in output.classes)]
    given = {"Theft", "theft, arson", "a square", "Streets"}  # of the layers themselves
    unmarked = [text for text in told if "«" not in text and text not in given]
    assert [text for text in unmarked if not re.fullmatch(r"[A-Z][a-z]+ \d{4}( to [A-Z][a-z]+ \d{4})?", text)] == []
    # What was put together is looked up once more, as a whole, and need not be known.
    whole = {plain.findings.answer, *plain.notes, *(value for _words, value in plain.parameters)}
    gathered = {text for text, _, _ in translations.gather(translations.sources_of(ROOT))["Analyses"]}
    lacking = {text for text in translator.asked - gathered - whole if "«" not in text and not re.search(r"\d", text)}
    assert lacking - given - {"Arson"} == set()


def test_a_finding_comes_out_translated_in_the_dock(speaking, desk, window, qtbot):
    speaking(WELSH)
    QgsProject.instance().addMapLayer(layer_of(incidents()))
    dock = HotspotDock(desk, window)
    qtbot.addWidget(dock)
    try:
        dock.incidents.area_box.setCurrentIndex(1)
        dock.method_box.setCurrentIndex(dock.method_box.findData(analysis_named("hot-spots")))
        dock.start()
        qtbot.waitUntil(lambda: dock.findings is not None, timeout=20_000)
        shown = dock.values.toPlainText()
        assert re.search(r"\d+ o [\d,]+ cell \(Cymraeg\) yn fannau poeth, \d+ man oer, hyder 90 % o leiaf\.", shown)
        assert "Cywiriad" in shown
    finally:
        dock.close_down()
