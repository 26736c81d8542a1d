"""The explore dock's question in Processing: the same counts, whichever way they are asked for."""

from __future__ import annotations

import processing
import pytest
from qgis.core import (
    NULL,
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate
from safestats.qgis_plugin.core.explore.area_sets import AreaSets
from safestats.qgis_plugin.core.explore.copy_table import CopyTable
from safestats.qgis_plugin.core.explore.counting import count
from safestats.qgis_plugin.core.explore.selection import By, Selection, Within
from safestats.qgis_plugin.core.periods import DaySpan, Period
from safestats.qgis_plugin.processing.provider import SafeStatsProvider
from safestats.shared.rings import OwnBand
from safestats.tests.plugin.explore.conftest import CAMDEN, manifest, opened, planted, write_copy
from safestats.tests.plugin.explore.test_explore_counting import BOX


@pytest.fixture
def ask(qgis_app):
    made = SafeStatsProvider()
    assert QgsApplication.processingRegistry().addProvider(made)

    def act(layer: QgsVectorLayer, **parameters) -> tuple[dict, list[tuple]]:
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        told = processing.run(
            "safestats:explorecounts", {"INPUT": layer, "OUTPUT": "memory:", **parameters}, context=context
        )
        names = ("code", "category", "month", "incidents", "note")
        return told, [tuple(feature[name] for name in names) for feature in told["OUTPUT"].getFeatures()]

    yield act
    QgsApplication.processingRegistry().removeProvider(made)


def box() -> QgsVectorLayer:
    layer = QgsVectorLayer("Polygon?crs=EPSG:27700", "box", "memory")
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromWkt(BOX))
    layer.dataProvider().addFeature(feature)
    layer.updateExtents()
    return layer


QUESTIONS = [
    ({}, Selection("lfb")),
    (
        {"FROM_MONTH": "2025-02", "TO_MONTH": "2025-05", "CATEGORIES": "Fire, False alarm", "BOROUGHS": "Camden"},
        Selection("lfb", Period("2025-02", "2025-05"), categories=(("Fire",), ("False alarm",)),
                  within=Within.BOROUGHS, codes=(CAMDEN,)),
    ),
    (
        {"CATEGORIES": "Fire / Primary fire", "FIRST_HOUR": 20, "LAST_HOUR": 5, "DAYS": [4, 5], "BY": 2},
        Selection("lfb", hours=OwnBand(20, 5, frozenset({4, 5})), refined_by="finer",
                  categories=(("Fire", "Primary fire"),), by=By.LSOA),
    ),
    (
        {"FIRST_DAY": QDate(2025, 3, 9), "LAST_DAY": "2025-05-02"},
        Selection("lfb", Period("2025-03", "2025-05"), days=DaySpan("2025-03-09", "2025-05-02")),
    ),
    ({"FIRST_DAY": "2025-03-01", "LAST_DAY": "2025-04-30"}, Selection("lfb", Period("2025-03", "2025-04"))),
    ({"POLYGONS": "box", "BY": 0}, Selection("lfb", within=Within.SHAPE, shape=BOX, by=By.WHOLE)),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "asked"), QUESTIONS)
def test_the_table_is_what_the_dock_counts(layer, ask, parameters, asked):
    if "POLYGONS" in parameters:
        parameters = {**parameters, "POLYGONS": box()}
    told, rows = ask(layer, **parameters)
    expected = count(CopyTable.of(layer), asked, AreaSets(), None, lambda: False)
    cells = {
        (expected.places[a].code, " · ".join(p or "Not stated or not shown" for p in expected.categories[c]),
         expected.months[m]): int(expected.cells[a, c, m])
        for a, c, m in zip(*expected.cells.nonzero())
    }  # fmt: skip
    assert {row[:3]: row[3] for row in rows if row[3] != NULL} == cells
    assert told["TOTAL"] == expected.total > 10
    assert told["NOTES"].split("\n") == list(expected.notes) or not expected.notes


def test_areas_that_are_not_held_have_no_number(qgis_app, qgis_new_project, ask, tmp_path):
    rows = [row for row in planted(800) if row["borough_code"] == CAMDEN]
    write_copy(tmp_path / "c.gpkg", "lfb", rows)
    layer = opened(tmp_path / "c.gpkg", manifest("lfb", "Fires", len(rows), areas=(CAMDEN,)))
    _told, found = ask(layer)
    missing = [row for row in found if row[3] == NULL]
    assert len(missing) == 32 and {row[4] for row in missing} == {"not held"}
    assert sum(row[3] for row in found if row[3] != NULL) == len(rows)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"BOROUGHS": "Atlantis"}, "is no London borough"),
        ({"BOROUGHS": "Camden", "POLYGONS": box}, "one of them, not both"),
        ({"FROM_MONTH": "March"}, "is no month"),
        ({"FROM_MONTH": "2025-03", "FIRST_DAY": "2025-03-09"}, "months or days"),
        ({"LAST_DAY": "2025-05-09"}, "the first day too"),
        ({"FIRST_DAY": "2025-05-09", "LAST_DAY": "2025-03-09"}, "comes before the first"),
        ({"FIRST_HOUR": 3}, "give both, or none"),
        ({"INPUT": box}, "is no layer of SafeStats"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(layer, ask, parameters, words):
    given = {name: value() if callable(value) else value for name, value in parameters.items()}
    with pytest.raises(QgsProcessingException, match=words):
        ask(given.pop("INPUT", layer), **given)
