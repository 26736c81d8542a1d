"""A layer that says nonsense of how it was made: one sentence, whatever the nonsense is."""

from __future__ import annotations

import json

import pytest
from qgis.core import QgsProject
from safestats.qgis_plugin.core.run_record import PROPERTY, RunRecord
from safestats.qgis_plugin.gui.hotspot_dock import HotspotDock
from safestats.tests.plugin.analysis.conftest import point_layer

GOOD = {
    "method": "change", "values": {"cell": 250.0, "before": {"first": "2025-01", "last": "2025-01"}, "shape": "square"},
    "source": {"id": "x", "title": "incidents", "dataset": "incidents"}, "categories": ["theft"],
    "first_month": "2025-02", "last_month": "2025-02", "area_label": "Camden", "area_codes": ["E09000007"],
    "area_shape": "", "area_edition": "", "incidents": 3, "outside": 0, "unmapped": 0, "run_on": "2025-03-01",
    "version": "1", "others": {},
}  # fmt: skip


@pytest.fixture
def dock(desk, window, qtbot):
    made = HotspotDock(desk, window)
    qtbot.addWidget(made)
    QgsProject.instance().addMapLayer(point_layer([(530_000, 180_000, "2025-01", "theft")] * 3))
    yield made
    made.close_down()


def repeat(dock, text: str) -> str:
    layer = point_layer([(1, 1, "2025-01", "theft")], "what was found")
    layer.setCustomProperty(PROPERTY, text)
    QgsProject.instance().addMapLayer(layer)
    dock.repeat_layer(layer.id())
    return dock.message.text


def test_a_good_record_fills_the_dock(dock):
    assert RunRecord.from_json(json.dumps(GOOD)).values["cell"] == 250.0
    assert "This is the run of 2025-03-01" in repeat(dock, json.dumps(GOOD))


@pytest.mark.parametrize(
    "bad",
    [
        {"source": "x"}, {"source": {"id": 7, "title": "t"}}, {"source": {"id": "x"}}, {"others": []},
        {"others": {"second": {"id": "x", "title": None}}}, {"categories": "theft"}, {"categories": [1]},
        {"area_codes": {"a": 1}}, {"area_codes": [None]}, {"incidents": "3"}, {"incidents": True}, {"outside": None},
        {"first_month": 202502}, {"first_month": "February"}, {"first_month": "2025-03"}, {"last_month": ""},
        {"values": []}, {"values": {"cell": [1]}}, {"values": {"before": {"first": "2025-02", "last": "2025-01"}}},
        {"values": {"before": {"first": 1}}}, {"run_on": 5}, {"version": None}, {"area_shape": 1}, {"method": ["x"]},
        {"more": 1},
    ],
)  # fmt: skip
def test_what_is_no_record_is_one_sentence(dock, bad):
    text = json.dumps({**GOOD, **bad})
    with pytest.raises(ValueError):
        RunRecord.from_json(text)
    assert repeat(dock, text).startswith("“what was found” does not tell how it was made")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "does not tell how it was made"),
        (json.dumps({**GOOD, "method": "witchcraft"}), "which this version lacks"),
        (json.dumps({**GOOD, "values": {"cell": "wide"}}), "“Cell” is “wide”, and must be a number."),
        (json.dumps({**GOOD, "values": {"cell": float("inf")}}), "“Cell” is “inf”, and must be a number."),
        (json.dumps({**GOOD, "values": {"shape": "round"}}), "“Shape of the cells” cannot be “round”"),
        (json.dumps({**GOOD, "values": {"before": "March"}}), "“Compare with” cannot be “March”"),
        (json.dumps({**GOOD, "method": "gi-grid", "values": {"neighbours": 1.5}}), "must be a whole number"),
        (json.dumps({**GOOD, "source": {"id": "", "title": "gone", "dataset": ""}}), "which is not open"),
    ],
)
def test_what_cannot_be_made_again_is_one_sentence(dock, text, words):
    told = repeat(dock, text)
    assert words in told and "\n" not in told
