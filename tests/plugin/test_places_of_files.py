"""Places read at once from a GeoPackage, and the same read row by row: not a point, not a digit may differ."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing

import numpy as np
import pytest
from qgis.core import (
    NULL,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.packed_index import pack, placed
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.points import PointSource, largest_stack


@pytest.fixture
def made(qgis_app, tmp_path):
    """Writes rows (x, y, month, category, precision) to a GeoPackage and opens it; no place where x is None."""

    def act(rows):
        memory = QgsVectorLayer(
            "Point?crs=EPSG:27700&field=month:string&field=category:string&field=precision_m:double", "m", "memory"
        )
        features = []
        for x, y, month, category, precision in rows:
            feature = QgsFeature(memory.fields())
            feature.setAttributes([month, category, NULL if precision is None else precision])
            if x is not None:
                feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(x, y)))
            features.append(feature)
        memory.dataProvider().addFeatures(features)
        path = tmp_path / f"points{len(list(tmp_path.iterdir()))}.gpkg"
        options = QgsVectorFileWriter.SaveVectorOptions()
        options.driverName, options.layerName = "GPKG", "points"
        error = QgsVectorFileWriter.writeAsVectorFormatV3(memory, str(path), QgsCoordinateTransformContext(), options)
        assert error[0] == QgsVectorFileWriter.WriterError.NoError
        return QgsVectorLayer(f"{path}|layername=points", "points", "ogr")

    return act


def rows_of(number, whole=True, precision=150.0, missing=0):
    rng = np.random.default_rng(number)
    places = rng.uniform((503_000, 155_000), (562_000, 201_000), (number, 2))
    places = np.rint(places) if whole else places
    return [
        (None if i < missing else float(x), float(y), f"2025-{i % 12 + 1:02d}", "ab"[i % 2], precision)
        for i, (x, y) in enumerate(places)
    ]


def in_order(points):
    """Places with their precision, in order; NaN as −1."""
    precision = np.nan_to_num(points.precision, nan=-1)
    return sorted(zip(points.eastings.tolist(), points.northings.tolist(), precision.tolist()))


@pytest.mark.parametrize("precision", [150.0, None])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("number", [1, 40, 3000])
def test_places_at_once_are_those_row_by_row(made, number, whole, precision):
    rows = rows_of(number, whole, precision)
    source = PointSource(made(rows))
    quick, slow = source.read(places_only=True), source.read()
    assert in_order(quick) == in_order(slow)
    assert quick.eastings.dtype == slow.eastings.dtype == (np.int64 if whole else np.float64)
    assert len(quick) == number
    assert len(quick.where(np.ones(number, bool))) == number


def test_precision_stays_with_its_place(made):
    rows = [(x, y, m, c, float(i % 7) if i % 5 else None) for i, (x, y, m, c, _) in enumerate(rows_of(900))]
    source = PointSource(made(rows))
    quick = source.read(places_only=True)
    assert in_order(quick) == in_order(source.read())
    assert np.isnan(quick.precision).sum() == 180


def test_rows_without_a_place_are_left_out(made):
    source = PointSource(made(rows_of(500, missing=37)))
    assert source.count_unplaced() == 37
    assert len(source.read(places_only=True)) == 463
    assert len(source.read()) == 463  # by QGIS, for such a file has empty points
    assert source.count_unplaced() == 37
    assert source.count_unplaced(Period("2025-01", "2025-02")) == 7


def test_a_filter_chooses_the_same_places(made):
    source = PointSource(made(rows_of(700)))
    wanted = {"period": Period("2025-03", "2025-07"), "categories": ("b",)}
    quick = source.read(places_only=True, **wanted)
    assert in_order(quick) == in_order(source.read(**wanted))
    assert 0 < len(quick) < 700


def test_an_empty_file_has_no_places(made):
    assert len(PointSource(made([])).read(places_only=True)) == 0


def test_a_stale_index_is_not_believed(made, tmp_path):
    layer = made(rows_of(300))
    path = layer.source().split("|")[0]
    del layer
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM rtree_points_geom_rowid WHERE rowid = 7")
    source = PointSource(QgsVectorLayer(f"{path}|layername=points", "points", "ogr"))
    assert len(source.read(places_only=True)) == 300


def test_reading_places_can_be_cancelled(made):
    source = PointSource(made(rows_of(100, whole=False)))
    with pytest.raises(Cancelled):
        source.read(places_only=True, cancelled=lambda: True)


@pytest.mark.parametrize("number", [1, 50, 51, 5000])
def test_a_packed_index_tells_its_points(number):
    rng = np.random.default_rng(number)
    x, y = (rng.integers(0, 700_000, number).astype(float) for _ in range(2))
    tree = pack(np.arange(number), x, y, 1228)
    inner = {parent for _, parent in tree.parents.tolist()}
    found = placed([data for node, data in tree.nodes if node not in inner])
    assert sorted(zip(*(values.tolist() for values in found))) == sorted(zip(x.tolist(), y.tolist()))


@pytest.mark.parametrize("whole", [True, False])
def test_the_largest_stack_is_the_most_on_one_point(made, whole):
    rng = np.random.default_rng(2)
    places = rng.integers(500_000, 500_012, (400, 2)) + (0 if whole else 0.25)
    points = PointSource(made([(float(x), float(y), "2025-01", "a", None) for x, y in places])).read()
    assert largest_stack(points) == Counter(map(tuple, places.tolist())).most_common(1)[0][1] > 2
