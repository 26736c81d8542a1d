"""A pulled layer among QGIS's own: the time controller moves it, and its properties tell what it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from qgis.core import (
    Qgis,
    QgsDateTimeRange,
    QgsFeature,
    QgsFeatureRequest,
    QgsProject,
    QgsVectorLayer,
    QgsVectorLayerTemporalContext,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QTime
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import DeskError
from safestats.qgis_plugin.core.layer_time import keep_time, months_held, widen_project_time
from safestats.qgis_plugin.core.layers import facts, shown_path

WAIT_MS = 120_000


@pytest.fixture
def open_city(desk: Desk, live_server, sign_in, qtbot) -> Callable[[], QgsVectorLayer]:
    sign_in(live_server.url, "ada")

    def act() -> QgsVectorLayer:
        ended: list[Any] = []
        desk.pull("colp", "colp", ended.append, ended.append)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
        assert not isinstance(ended[0], DeskError), ended[0]
        return desk.open_layer("colp")

    return act


def span(begin: QDate, end: QDate) -> QgsDateTimeRange:
    return QgsDateTimeRange(QDateTime(begin, QTime(0, 0)), QDateTime(end, QTime(0, 0)), True, False)


def shown(layer: QgsVectorLayer, during: QgsDateTimeRange) -> int:
    """How many features QGIS draws while the time controller stands at ``during``."""
    context = QgsVectorLayerTemporalContext()
    context.setLayer(layer)
    asked = layer.temporalProperties().createFilterString(context, during)
    request = QgsFeatureRequest().setFilterExpression(asked)
    return sum(1 for _ in layer.getFeatures(request))


def test_the_time_controller_shows_a_month_at_a_time(open_city: Callable[[], QgsVectorLayer]) -> None:
    layer = open_city()
    with closing(sqlite3.connect(shown_path(layer))) as file:
        held = dict(file.execute("SELECT month, count(*) FROM colp GROUP BY month"))
    assert layer.temporalProperties().isActive() and len(held) == 2
    assert shown(layer, span(QDate(2025, 8, 1), QDate(2025, 9, 1))) == held["2025-08"]
    assert shown(layer, span(QDate(2025, 9, 10), QDate(2025, 9, 11))) == held["2025-09"]
    assert shown(layer, span(QDate(2025, 10, 1), QDate(2025, 11, 1))) == 0
    assert QgsProject.instance().timeSettings().temporalRange() == span(QDate(2025, 8, 1), QDate(2025, 10, 1))


def test_a_layer_with_days_is_shown_by_the_day(qgis_app) -> None:
    layer = QgsVectorLayer("Point?crs=EPSG:27700&field=month:string(7)&field=occurred_on:date", "x", "memory")
    for text in ("2025-08-01", "2025-08-02", "2025-08-02"):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([text[:7], QDate.fromString(text, "yyyy-MM-dd")])
        layer.dataProvider().addFeature(feature)
    keep_time(layer)
    assert layer.temporalProperties().mode() == Qgis.VectorTemporalMode.FeatureDateTimeInstantFromField
    assert shown(layer, span(QDate(2025, 8, 2), QDate(2025, 8, 3))) == 2
    assert shown(layer, span(QDate(2025, 8, 3), QDate(2025, 8, 4))) == 0


def test_a_layer_without_dates_stays_still(qgis_app) -> None:
    layer = QgsVectorLayer("Point?crs=EPSG:27700&field=name:string", "x", "memory")
    keep_time(layer)
    assert not layer.temporalProperties().isActive()


def test_the_project_covers_what_all_its_layers_hold(qgis_new_project) -> None:
    project = QgsProject.instance()
    widen_project_time(project, months_held("2025-03", "2025-04"))
    widen_project_time(project, months_held("2025-01", "2025-03"))
    widen_project_time(project, months_held("", "2025-03"))
    assert project.timeSettings().temporalRange() == span(QDate(2025, 1, 1), QDate(2025, 5, 1))


def test_its_metadata_tell_release_agreement_span_and_place(open_city: Callable[[], QgsVectorLayer]) -> None:
    layer = open_city()
    metadata = layer.metadata()
    release = facts(layer).release
    assert metadata.identifier() == f"safestats:colp:{release}" and metadata.title().endswith("(synthetic)")
    assert any("DSA-CAMDEN" in one.constraint for one in metadata.constraints())
    assert any("never for enforcement" in one.constraint for one in metadata.constraints())
    assert metadata.history() and f"Release {release} " in metadata.history()[0]
    assert metadata.extent().temporalExtents() == [span(QDate(2025, 8, 1), QDate(2025, 10, 1))]
    bounds = metadata.extent().spatialExtents()[0].bounds
    assert layer.extent().contains(bounds.toRectangle())
    assert metadata.rights() == [layer.serverProperties().attribution()]
