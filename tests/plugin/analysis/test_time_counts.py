"""“Count by time” in Processing: every table against counting row by row."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import processing
import pytest
from qgis.core import NULL, QgsApplication, QgsFeature, QgsProcessingContext, QgsProcessingException, QgsVectorLayer
from qgis.PyQt.QtCore import QDate
from safestats.qgis_plugin.core.time_answer import ChartKind
from safestats.qgis_plugin.processing.provider import SafeStatsProvider

KINDS = list(ChartKind)
FIRST, DAYS = date(2024, 1, 1), 731
CAMDEN, HACKNEY = "E09000007", "E09000012"


def incidents() -> list[tuple[date, int | None, str, str]]:
    """Two of each day of 2024 and 2025 but of May 2025; every eleventh without an hour."""
    found = []
    for place in range(2 * DAYS):
        day = FIRST + timedelta(days=place // 2)
        if (day.year, day.month) != (2025, 5):
            hour = None if place % 11 == 0 else place % 24
            found.append((day, hour, "theft" if place % 3 else "drugs", CAMDEN if place % 4 else HACKNEY))
    return found


@pytest.fixture
def layer(qgis_app) -> QgsVectorLayer:
    columns = "field=occurred_on:date&field=hour:integer&field=category:string&field=borough_code:string"
    made = QgsVectorLayer(f"Point?crs=EPSG:27700&{columns}", "Incidents", "memory")
    features = []
    for day, hour, kind, borough in incidents():
        feature = QgsFeature(made.fields())
        feature.setAttributes([QDate(day.year, day.month, day.day), hour, kind, borough])
        features.append(feature)
    made.dataProvider().addFeatures(features)
    return made


@pytest.fixture
def provider(qgis_app):
    made = SafeStatsProvider()
    assert QgsApplication.processingRegistry().addProvider(made)
    yield made
    QgsApplication.processingRegistry().removeProvider(made)


@pytest.fixture
def counted(provider, layer):
    """Runs the algorithm: its outputs and its rows, each as a tuple."""

    def act(kind: ChartKind, **inputs):
        context = QgsProcessingContext()
        given = {"INPUT": layer, "CHART": KINDS.index(kind), "OUTPUT": "memory:", **inputs}
        done = processing.run("safestats:timecounts", given, context=context)
        return done, [
            tuple(None if value == NULL else value for value in feature) for feature in done["OUTPUT"].getFeatures()
        ]

    return act


def test_hours_and_weekdays(counted):
    done, rows = counted(ChartKind.WEEK, FROM_MONTH="2025-01", TO_MONTH="2025-12")
    year = [one for one in incidents() if one[0].year == 2025]
    by_hand = Counter((day.isoweekday(), hour) for day, hour, *_ in year if hour is not None)
    assert {(weekday, hour): count for weekday, hour, count in rows if count} == by_hand
    assert len(rows) == 7 * 24
    assert (done["INCIDENTS"], done["UNKNOWN_HOUR"]) == (len(year), sum(hour is None for _, hour, *_ in year))
    _, weighted = counted(ChartKind.WEEK, FROM_MONTH="2025-01", TO_MONTH="2025-12", WEIGHTED=True)
    assert sum(count for *_, count in weighted) == pytest.approx(len(year))


def test_days_months_and_years(counted):
    _, days = counted(ChartKind.CALENDAR, FROM_MONTH="2025-04", TO_MONTH="2025-06")
    assert len(days) == 30 + 31 + 30
    assert all(count == (None if day.month() == 5 else 2) for day, count in days)
    _, months = counted(ChartKind.ROLLING, TO_MONTH="2025-12", FROM_MONTH="2025-01")
    told = {month: (count, year) for month, count, year, _partial in months}
    assert told["2024-12"] == (62, 732) and told["2025-04"] == (60, 730)
    assert told["2025-05"] == (None, None) and told["2025-12"] == (62, None)
    _, years = counted(ChartKind.YEARS, TO_MONTH="2025-12", FROM_MONTH="2025-01")
    assert ("2025-02", 56, 58) in years and ("2025-05", None, 62) in years


def test_categories_and_boroughs(counted):
    _, categories = counted(ChartKind.PARETO, FROM_MONTH="2024-01", TO_MONTH="2024-12")
    by_hand = Counter(kind for day, _, kind, _ in incidents() if day.year == 2024)
    assert [(label, count) for label, count, *_ in categories] == [
        ("Theft", by_hand["theft"]), ("Drugs", by_hand["drugs"])
    ]  # fmt: skip
    assert categories[-1][3] == pytest.approx(1)
    _, boroughs = counted(ChartKind.PEERS, FROM_MONTH="2024-01", TO_MONTH="2024-12")
    assert {code: count for code, _, count in boroughs} == Counter(
        borough for day, _, _, borough in incidents() if day.year == 2024
    )


def test_what_is_selected(counted, layer):
    layer.selectByIds([feature.id() for feature in layer.getFeatures()][:7])
    done, _ = counted(ChartKind.PARETO, FROM_MONTH="2024-01", TO_MONTH="2024-12", SELECTED=True)
    assert done["INCIDENTS"] == 7


def test_bad_inputs_have_a_sentence(provider, layer, counted):
    algorithm, context = provider.algorithm("timecounts"), QgsProcessingContext()
    undated = QgsVectorLayer("Point?crs=EPSG:27700&field=category:string", "Places", "memory")
    context.temporaryLayerStore().addMapLayer(undated)

    def told(**inputs) -> str:
        ok, sentence = algorithm.checkParameterValues({"INPUT": layer, "OUTPUT": "memory:", **inputs}, context)
        assert not ok
        return sentence

    assert "“Places” has no column of dates or months" in told(INPUT=undated)
    assert "No incident of “Incidents” is selected" in told(SELECTED=True)
    assert "is no month" in told(FROM_MONTH="May")
    with pytest.raises(QgsProcessingException, match="Nothing of what is chosen happened in May 2025"):
        counted(ChartKind.PARETO, FROM_MONTH="2025-05")
