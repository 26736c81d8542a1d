"""Periods that nobody chose: what of the months held each analysis takes, and how that is told."""

from __future__ import annotations

from datetime import date

import pytest
from qgis.core import QgsGeometry, QgsProject
from safestats.qgis_plugin.core.analyses.analysis import Need
from safestats.qgis_plugin.core.analyses.registry import ANALYSES, analysis_named
from safestats.qgis_plugin.core.analyses.running import Inputs, run_analysis
from safestats.qgis_plugin.core.incidents import IncidentFilter
from safestats.qgis_plugin.core.periods import Period, month_number, month_of
from safestats.qgis_plugin.core.point_facts import check_layer, describe
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.study_areas import StudyArea
from safestats.qgis_plugin.core.usual_periods import Usual, period_before, usual_period, whole_months
from safestats.qgis_plugin.gui.hotspot_dock import HotspotDock
from safestats.qgis_plugin.gui.time_dock import TimeDock

from .conftest import point_layer, safestats_layer

AREA = StudyArea(
    "a square",
    QgsGeometry.fromWkt("POLYGON((530000 180000,534000 180000,534000 184000,530000 184000,530000 180000))"),
    "",
)
TODAY = date(2026, 6, 10)


def held(first: str, newest: str) -> list[tuple[int, int, str, str]]:
    """Incidents of every month, in clusters."""
    rows = []
    for number in range(month_number(first), month_number(newest) + 1):
        for at in range(30):
            east, north = (600, 700) if at % 3 else (100 + 130 * at, 3700 - 110 * at)
            place = 530_000 + east + 7 * (at % 5), 180_000 + north + 11 * (at % 7)
            rows.append((*place, month_of(number), "theft" if at % 2 else "arson"))
    return rows


def facts(first: str, newest: str):
    return describe(safestats_layer(held(first, newest), newest))


@pytest.mark.parametrize(
    ("usual", "first", "newest", "period", "words"),
    [
        (Usual.YEAR, "2023-01", "2026-03", ("2025-04", "2026-03"), "the last 12 months held"),
        (Usual.YEAR, "2025-10", "2026-03", ("2025-10", "2026-03"), "all months held"),
        (Usual.NEWEST, "2025-10", "2026-03", ("2026-03", "2026-03"), "the last month held"),
        (Usual.ALL, "2023-01", "2026-03", ("2023-01", "2026-03"), "all months held"),
        (Usual.TWO_EQUAL, "2024-04", "2026-03", ("2025-04", "2026-03"), "the last 12 months held"),
        (Usual.TWO_EQUAL, "2025-04", "2026-03", ("2025-10", "2026-03"), "the last half of those held"),
        (Usual.TWO_EQUAL, "2026-03", "2026-03", ("2026-03", "2026-03"), "the last half of those held"),
        # June is not over on the tenth.
        (Usual.NEWEST, "2025-10", "2026-06", ("2026-05", "2026-05"), "the last month held"),
    ],
)
def test_the_months_come_from_what_is_held(qgis_app, usual, first, newest, period, words):
    found = usual_period(usual, facts(first, newest), TODAY)
    assert (found.period, found.words) == (Period(*period), words)


def test_what_is_compared_with_is_held_or_there_is_none(qgis_app):
    of = facts("2025-04", "2026-03")
    assert period_before(Usual.TWO_EQUAL, Period("2025-10", "2026-03"), of) == Period("2025-04", "2025-09")
    assert period_before(Usual.TWO_EQUAL, Period("2025-04", "2026-03"), of) is None
    assert period_before(Usual.NEWEST, Period("2026-03", "2026-03"), of) == Period("2025-04", "2026-02")
    assert period_before(Usual.NEWEST, Period("2025-04", "2025-05"), of) is None
    long = facts("2022-01", "2026-03")
    assert period_before(Usual.NEWEST, Period("2026-03", "2026-03"), long) == Period("2025-03", "2026-02")
    assert whole_months(describe(point_layer([(1, 1, "", "x")])), TODAY) is None


@pytest.mark.parametrize("name", [analysis.name for analysis in ANALYSES if Need.PERIOD in analysis.needs])
def test_every_analysis_of_months_runs_unasked_on_a_year_and_says_which_it_took(qgis_app, tmp_path, name):
    source = PointSource(check_layer(point_layer(held("2024-01", "2024-12"))))
    inputs = Inputs(source, AREA, IncidentFilter(), {"cell": 400})
    run = run_analysis(analysis_named(name), inputs, tmp_path / "found.gpkg", "9.9")
    told = dict(run.parameters)
    expected = {
        "change": ("July 2024 to December 2024", "the last half of those held"),
        "back-test": ("December 2024", "the last month held"),
    }.get(name, ("January 2024 to December 2024", "all months held"))
    assert told["Period"] == "{} (automatic: {})".format(*expected)
    assert expected[0] in run.title
    if name == "change":
        assert told["Compare with"].startswith("January 2024 to June 2024 (automatic)")
    if name == "back-test":
        assert told["Maps made from"].startswith("January 2024 to November 2024 (automatic)")


# ---------------------------------------------------------------------- in the docks


@pytest.fixture
def dock(desk, window, qtbot):
    made = HotspotDock(desk, window)
    qtbot.addWidget(made)
    yield made
    made.close_down()


def choose(dock, name: str) -> None:
    dock.method_box.setCurrentIndex(dock.method_box.findData(analysis_named(name)))


def test_the_dock_shows_the_usual_months_until_somebody_chooses_others(dock, qtbot):
    QgsProject.instance().addMapLayer(safestats_layer(held("2024-01", "2025-03"), "2025-03"))
    form = dock.incidents
    qtbot.waitUntil(lambda: form.facts is not None)  # the only layer is taken
    assert form.months.period() == Period("2024-04", "2025-03")
    assert form.usual_label.text() == "automatic: the last 12 months held"
    choose(dock, "back-test")
    assert form.months.period() == Period("2025-03", "2025-03")
    assert dock.form.input("made_from").which.itemText(0) == "automatic: March 2024 to February 2025"
    choose(dock, "change")
    assert form.months.period() == Period("2024-09", "2025-03")
    assert dock.form.input("before").which.itemText(0) == "automatic: February 2024 to August 2024"
    form.months.choose(Period("2025-01", "2025-02"))
    assert form.usual_label.isHidden()
    assert dock.form.input("before").which.itemText(0) == "automatic: November 2024 to December 2024"
    choose(dock, "back-test")
    assert form.months.period() == Period("2025-01", "2025-02")


def test_the_back_test_runs_as_the_dock_proposes_it(dock, qtbot):
    QgsProject.instance().addMapLayer(safestats_layer(held("2024-01", "2024-12"), "2024-12"))
    qtbot.waitUntil(lambda: dock.incidents.facts is not None)
    dock.incidents.area_box.setCurrentIndex(1)
    choose(dock, "back-test")
    dock.start()
    qtbot.waitUntil(lambda: dock.findings is not None, timeout=20_000)
    assert "December 2024 (automatic: the last month held)" in dock.values.toPlainText()


def test_of_two_layers_none_is_taken(dock, desk, window, qtbot):
    times = TimeDock(desk, window)
    qtbot.addWidget(times)
    try:
        QgsProject.instance().addMapLayer(point_layer(held("2024-01", "2024-02"), "Somebody's own"))
        assert dock.incidents.layer_box.currentLayer() is None
        first = safestats_layer(held("2024-01", "2024-02"), "2024-02")
        QgsProject.instance().addMapLayer(first)
        qtbot.waitUntil(lambda: dock.incidents.layer_box.currentLayer() is first)
        assert times.layer_box.currentLayer() is first
        dock.incidents.layer_box.setLayer(None)
        QgsProject.instance().addMapLayer(safestats_layer(held("2024-01", "2024-02"), "2024-02"))
        assert dock.incidents.layer_box.currentLayer() is None and times.layer_box.currentLayer() is first
    finally:
        times.close_down()
