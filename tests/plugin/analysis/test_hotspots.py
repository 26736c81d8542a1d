"""Hotspots: Gi* against its formula and KDE against its volume on real incidents; files, classes, sentences."""

from __future__ import annotations

import math
import re
from datetime import date

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsLayerTreeLayer,
    QgsLayerTreeModel,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt import sip
from qgis.PyQt.QtCore import Qt
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.brought import brought_words
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.hotspot_styles import DensityClasses, density_classes, leave_out_band, number_words
from safestats.qgis_plugin.core.hotspots import HotspotSettings, Method, open_result, run_hotspots
from safestats.qgis_plugin.core.incidents import IncidentFilter
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.resource_files import BOUNDARIES
from safestats.qgis_plugin.core.study_areas import (
    BoroughMap,
    StudyArea,
    boroughs_held,
    extent_area,
    points_inside,
    polygon_area,
)
from safestats.shared.areas import Boundaries

from .conftest import CENTRE, dated_layer, point_layer

EAST, NORTH = CENTRE


def square(side: float = 2000) -> StudyArea:
    box = QgsRectangle(EAST - side / 2, NORTH - side / 2, EAST + side / 2, NORTH + side / 2)
    return StudyArea("a square", QgsGeometry.fromRect(box))


def scattered(number: int, seed: int = 1) -> list[tuple[int, int, str, str]]:
    """Most around one spot, the rest anywhere in the square."""
    random = np.random.default_rng(seed)
    spot = random.normal(0, 120, (number // 2, 2)) + 300
    anywhere = random.uniform(-990, 990, (number - number // 2, 2))
    places = np.clip(np.rint(np.vstack([spot, anywhere])), -990, 990).astype(int) + CENTRE
    return [(int(e), int(n), "2025-01", "theft") for e, n in places]


def run(layer, area, tmp_path, method, wanted=None, **settings):
    settings = HotspotSettings(method=method, **settings)
    path = tmp_path / f"result{method.suffix}"
    return run_hotspots(PointSource(layer), area, wanted or IncidentFilter(), settings, path)


def test_the_boroughs_of_the_agreement_are_held_and_not_those_that_its_edge_fills():
    boundaries = Boundaries.read(BOUNDARIES)
    city = [code for code, lsoa in boundaries.lsoas.items() if lsoa.parent == "E09000001"]
    camden = [code for code, lsoa in boundaries.lsoas.items() if lsoa.parent == "E09000007"]
    assert boroughs_held(["E09000007", *city], [*camden, *city]) == {"E09000007"}
    assert boroughs_held([], [*camden, *city]) == {"E09000001", "E09000007"}
    assert boroughs_held([], camden[: len(camden) // 2]) == frozenset()


# ---------------------------------------------------------------------- Gi*


def test_gi_star_on_real_incidents_is_the_formula(fire_layer, fire_rows, tmp_path):
    boroughs = BoroughMap(BOUNDARIES)
    camden = boroughs.study_area(["E09000007"])
    done = run(fire_layer, camden, tmp_path, Method.GI_GRID, cell_m=250.0)
    grid = open_result(done).layer
    # The cells as the file holds them, and counts made here from the raw rows.
    cells = {}
    for feature in grid.getFeatures():
        corner = feature.geometry().boundingBox()
        key = (round(corner.xMinimum()) // 250, round(corner.yMinimum()) // 250)
        cells[key] = (feature["count"], feature["z"], feature["p"])
    counts = dict.fromkeys(cells, 0)
    for easting, northing, *_ in fire_rows:
        point = QgsGeometry.fromWkt(f"POINT({easting} {northing})")
        if camden.geometry.boundingBox().contains(easting, northing) and camden.geometry.intersects(point):
            counts[easting // 250, northing // 250] += 1
    assert {key: cell[0] for key, cell in cells.items()} == counts
    n = len(counts)
    mean = sum(counts.values()) / n
    deviation = math.sqrt(sum(c * c for c in counts.values()) / n - mean**2)
    for (column, row), (_, z, p) in cells.items():
        near = [(column + i, row + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (column + i, row + j) in counts]
        w = len(near)
        naive = (sum(counts[k] for k in near) - mean * w) / (deviation * math.sqrt((n * w - w * w) / (n - 1)))
        assert z == pytest.approx(naive, abs=1e-9)
        assert p == pytest.approx(math.erfc(abs(naive) / math.sqrt(2)), abs=1e-9)
    assert n > 300 and sum(counts.values()) > 500


def test_a_planted_cluster_is_hot_and_says_so_in_the_legend(qgis_app, tmp_path):
    done = run(point_layer(scattered(400)), square(), tmp_path, Method.GI_GRID, cell_m=100.0)
    result = open_result(done)
    hot = max(result.layer.getFeatures(), key=lambda f: f["z"])
    centre = hot.geometry().centroid().asPoint()
    assert hot["class"] == 3
    assert math.hypot(centre.x() - EAST - 300, centre.y() - NORTH - 300) < 200
    labels = [category.label() for category in result.layer.renderer().categories()]
    assert labels[0] == "Hot spot, 99 % confidence" and labels[-1] == "Cold spot, 99 % confidence"
    assert dict(result.parameters)["Cell"] == "100 m"
    assert dict(result.parameters)["Correction"] == "Benjamini–Hochberg, over all cells"
    assert result.used == 400


def test_incidents_outside_the_study_area_change_nothing(qgis_app, tmp_path):
    rows = scattered(300)
    far = [(EAST + 5000, NORTH, "2025-01", "theft")] * 500
    alone = run(point_layer(rows), square(), tmp_path, Method.GI_GRID, cell_m=100.0)
    beside = run(point_layer(rows + far), square(), tmp_path, Method.GI_GRID, cell_m=100.0)
    assert beside.incidents.outside == 500
    np.testing.assert_array_equal(alone.surface.columns["z"], beside.surface.columns["z"])


def test_filters_choose_categories_and_months(qgis_app, tmp_path):
    rows = scattered(60) + [
        (EAST, NORTH, "2025-02", "theft"),
        (EAST, NORTH, "2025-01", "drugs"),
        (None, None, "2025-01", "theft"),
    ]
    wanted = IncidentFilter(Period("2025-01", "2025-01"), ("theft",))
    done = run(point_layer(rows), square(), tmp_path, Method.GI_GRID, wanted)
    assert (len(done.incidents.points), done.incidents.unmapped) == (60, 1)
    assert open_result(done).title == "Hot and cold spots of theft, a square, January 2025"


def test_gi_star_as_raster_holds_the_classes(qgis_app, tmp_path):
    done = run(point_layer(scattered(400)), square(), tmp_path, Method.GI_RASTER, cell_m=100.0)
    values = gdal.Open(str(done.path)).ReadAsArray()
    assert set(np.unique(values)) <= {-3, -2, -1, 0, 1, 2, 3, -9999}
    assert values.max() == 3


# ---------------------------------------------------------------------- density


def test_the_volume_of_real_incidents_is_their_number(fire_layer, fire_rows, tmp_path):
    area = StudyArea("London and around", QgsGeometry.fromRect(QgsRectangle(480_000, 130_000, 590_000, 230_000)))
    done = run(fire_layer, area, tmp_path, Method.KDE_RASTER, cell_m=250.0, bandwidth_m=1000.0)
    raster = gdal.Open(str(done.path))
    values = raster.ReadAsArray().astype(float)
    volume = values[values != raster.GetRasterBand(1).GetNoDataValue()].sum() * 0.25**2
    assert volume == pytest.approx(len(fire_rows), rel=0.005)
    assert len(done.incidents.points) == len(fire_rows)


def test_density_is_the_kernel_where_it_is_written(qgis_app, tmp_path):
    rows = [(EAST + 50, NORTH + 50, "2025-01", "theft")] * 3
    rows.append((EAST - 900, NORTH - 900, "2025-01", "theft"))  # beyond its reach: all on one point would be refused
    done = run(point_layer(rows), square(), tmp_path, Method.KDE_RASTER, cell_m=20.0, bandwidth_m=500.0)
    raster = gdal.Open(str(done.path))
    west, size, _, north, _, _ = raster.GetGeoTransform()
    values = raster.ReadAsArray()
    for dx, dy in ((0, 0), (200, 0), (0, -300), (100, 250)):
        x, y = EAST + 50 + dx, NORTH + 50 + dy
        column, row = int((x - west) / size), int((north - y) / size)
        centre = (west + (column + 0.5) * size, north - (row + 0.5) * size)
        squared = (centre[0] - EAST - 50) ** 2 + (centre[1] - NORTH - 50) ** 2
        expected = 3 * 3 / (math.pi * 0.5**2) * (1 - squared / 500**2) ** 2
        assert values[row, column] == pytest.approx(expected, rel=0.01)
    assert QgsCoordinateReferenceSystem.fromWkt(raster.GetProjection()).authid() == "EPSG:27700"


def test_cells_outside_the_study_area_hold_nothing(qgis_app, tmp_path):
    corners = f"{EAST} {NORTH}, {EAST + 2000} {NORTH}, {EAST} {NORTH + 2000}, {EAST} {NORTH}"
    wedge = StudyArea("a wedge", QgsGeometry.fromWkt(f"POLYGON(({corners}))"))
    rows = [(EAST + 300 + i, NORTH + 300, "2025-01", "theft") for i in range(50)]
    done = run(point_layer(rows), wedge, tmp_path, Method.KDE_RASTER, cell_m=100.0, bandwidth_m=400.0)
    raster = gdal.Open(str(done.path))
    values = raster.ReadAsArray()
    assert raster.GetRasterBand(1).GetNoDataValue() == values[0, -1] == -9999
    assert values[-2, 1] >= 0


def test_raster_and_grid_say_the_same(qgis_app, tmp_path):
    layer = point_layer(scattered(200))
    raster = run(layer, square(), tmp_path, Method.KDE_RASTER, cell_m=100.0, bandwidth_m=300.0)
    grid = open_result(run(layer, square(), tmp_path, Method.KDE_GRID, cell_m=100.0, bandwidth_m=300.0)).layer
    opened = open_result(raster).layer
    for feature in list(grid.getFeatures())[::37]:
        sampled, ok = opened.dataProvider().sample(feature.geometry().centroid().asPoint(), 1)
        assert ok and sampled == pytest.approx(feature["per_km2"], rel=1e-5, abs=1e-6)


def test_automatic_values_are_told_as_they_were_used(qgis_app, tmp_path):
    done = run(point_layer(scattered(200)), square(), tmp_path, Method.KDE_RASTER)
    told = dict(open_result(done).parameters)
    assert told["Cell"] == f"{done.surface.grid.cell:g} m (automatic)"
    assert told["Bandwidth"] == f"{done.surface.bandwidth_m:,.0f} m (automatic): Silverman's rule of thumb"
    assert gdal.Open(str(done.path)).GetGeoTransform()[1] == done.surface.grid.cell


def test_classes_cover_every_cell_once(qgis_app):
    values = np.random.default_rng(3).exponential(10, 5000)
    for by in DensityClasses:
        classes = density_classes(values, by)
        assert classes[0].lower == 0 and classes[-1].upper == values.max()
        assert all(a.upper == b.lower for a, b in zip(classes, classes[1:]))
        assert all("–" in c.label for c in classes)
    assert density_classes(np.zeros(4), DensityClasses.QUANTILES) == ()
    assert [number_words(v) for v in (0, 1234567, 12.345, 0.01234)] == ["0", "1,230,000", "12.3", "0.0123"]


# ---------------------------------------------------------------------- study areas


def test_points_inside_is_exact_on_real_places(qgis_app, police_points):
    # Roughly to metres is enough here: both sides judge the same numbers.
    eastings = (police_points[:, 0] + 0.1) * 69_200 + 530_000
    northings = (police_points[:, 1] - 51.5) * 111_250 + 180_000
    camden = BoroughMap(BOUNDARIES).study_area(["E09000007"]).geometry
    inside = points_inside(eastings, northings, camden)
    chosen = np.random.default_rng(5).choice(len(eastings), 3000, replace=False)
    engine = QgsGeometry.createGeometryEngine(camden.constGet())
    for index in chosen:
        point = QgsGeometry.fromWkt(f"POINT({eastings[index]!r} {northings[index]!r})")
        assert inside[index] == engine.intersects(point.constGet())
    assert inside.sum() > 1000


def test_a_polygon_layer_in_other_coordinates_becomes_a_study_area(qgis_app, qgis_new_project, tmp_path):
    layer = QgsVectorLayer("Polygon?crs=EPSG:4326", "zone", "memory")
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(-0.15, 51.5, -0.1, 51.55)))
    layer.dataProvider().addFeatures([feature])
    area = polygon_area(layer, QgsProject.instance())
    assert area.geometry.area() / 1e6 == pytest.approx(3.47 * 5.56, rel=0.02)
    assert area.brought.startswith("from EPSG:4326 to the National Grid by “OSGB36 to WGS 84 (")
    done = run(
        point_layer([(530_500 + i, 181_000 + i, "2025-01", "a") for i in range(40)]), area, tmp_path, Method.KDE_RASTER
    )
    told = dict(open_result(done).parameters)["Study area"]
    assert re.fullmatch(r"zone \(brought from EPSG:4326 .* exact to [12] m\)", told)
    ballpark = QgsVectorLayer("Polygon?crs=EPSG:4258", "zone", "memory")
    ballpark.dataProvider().addFeatures([feature])
    assert "it may lie 100 m off" in polygon_area(ballpark, QgsProject.instance()).brought or grid_installed()
    national = QgsVectorLayer("Polygon?crs=EPSG:27700", "zone", "memory")
    feature.setGeometry(square().geometry)
    national.dataProvider().addFeatures([feature])
    assert polygon_area(national, QgsProject.instance()).words == "zone"


def grid_installed() -> bool:
    """Whether PROJ has the Ordnance Survey's grid here."""
    context = QgsProject.instance().transformContext()
    return "with the grid" in brought_words(QgsCoordinateReferenceSystem("EPSG:4258"), context)


def test_polygons_without_a_coordinate_system_are_refused(qgis_app, qgis_new_project):
    layer = QgsVectorLayer("Polygon", "zone", "memory")
    layer.setCrs(QgsCoordinateReferenceSystem())
    feature = QgsFeature()
    feature.setGeometry(square().geometry)
    layer.dataProvider().addFeatures([feature])
    with pytest.raises(AnalysisError, match="“zone” has no coordinate system, so nobody knows where its polygons lie"):
        polygon_area(layer, QgsProject.instance())


def test_the_floor_under_a_bandwidth_and_coarse_places_are_told(qgis_app, tmp_path):
    days = [date(2024, 1, 1 + number % 28) for number in range(40)]
    rows = [(530_000 + 7 * (number % 3), 180_000 + number, day, 1, "a", 150.0) for number, day in enumerate(days)]
    done = run(dated_layer(rows), square(), tmp_path, Method.KDE_RASTER)
    told = open_result(done)
    assert dict(told.parameters)["Bandwidth"].startswith("300 m (automatic): Silverman's rule of thumb gave ")
    assert dict(told.parameters)["Bandwidth"].endswith("the floor is twice the places' precision of 150 m")
    assert any("exact to 150 m only; below a bandwidth of 750 m" in note for note in told.notes)
    chosen = open_result(run(dated_layer(rows), square(), tmp_path, Method.KDE_RASTER, bandwidth_m=800))
    assert dict(chosen.parameters)["Bandwidth"] == "800 m"
    assert not any("exact to" in note for note in chosen.notes)


def test_boroughs_by_name_or_code(qgis_app):
    boroughs = BoroughMap(BOUNDARIES)
    assert boroughs.named(["camden", "E09000019"]).label == "Camden and Islington"
    assert boroughs.named(["London"]).label == "London"
    with pytest.raises(AnalysisError, match="“atlantis” is no London borough"):
        boroughs.named(["Atlantis"])


# ---------------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("number", "settings", "words"),
    [
        (2, {"method": Method.KDE_RASTER}, "only 2 incidents"),
        (2, {"method": Method.GI_GRID}, "too few"),
        (0, {"method": Method.KDE_RASTER}, "no incident"),
        (50, {"method": Method.KDE_RASTER, "cell_m": 200.0, "bandwidth_m": 100.0}, "smaller than the cell"),
        (50, {"method": Method.GI_GRID, "cell_m": 5000.0}, "cell"),
        (50, {"method": Method.KDE_RASTER, "cell_m": 0.01}, "choose larger cells"),
    ],
)
def test_what_cannot_be_computed_is_told_in_one_sentence(qgis_app, tmp_path, number, settings, words):
    with pytest.raises(AnalysisError, match=words):
        run(point_layer(scattered(number)), square(), tmp_path, **settings)
    assert not list(tmp_path.iterdir())


def test_equal_counts_everywhere_are_refused(qgis_app, tmp_path):
    cells = [(EAST - 950 + 100 * i, NORTH - 950 + 100 * j, "2025-01", "theft") for i in range(20) for j in range(20)]
    area = StudyArea("a square", QgsGeometry.fromRect(QgsRectangle(EAST - 1000, NORTH - 1000, EAST + 999, NORTH + 999)))
    with pytest.raises(AnalysisError, match="same number of incidents"):
        run(point_layer(cells), area, tmp_path, Method.GI_GRID, cell_m=100.0)


def test_an_empty_study_area_is_refused(qgis_app, qgis_new_project, tmp_path):
    with pytest.raises(AnalysisError, match="study area .* is empty"):
        run(point_layer(scattered(9)), StudyArea("nowhere", QgsGeometry()), tmp_path, Method.GI_GRID)
    with pytest.raises(AnalysisError, match="study area is empty"):
        BoroughMap(BOUNDARIES).study_area([])
    with pytest.raises(AnalysisError, match="study area is empty"):
        extent_area(point_layer([(EAST, NORTH, "2025-01", "theft")]))
    with pytest.raises(AnalysisError, match="is empty"):
        polygon_area(QgsVectorLayer("Polygon?crs=EPSG:27700", "none", "memory"), QgsProject.instance())


def test_a_place_that_cannot_be_written_is_named(qgis_app, tmp_path):
    for method in (Method.KDE_RASTER, Method.GI_GRID):
        with pytest.raises(AnalysisError, match="cannot be written to"):
            run(point_layer(scattered(50)), square(), tmp_path / "absent", method)


def test_a_run_can_be_stopped(qgis_app, tmp_path):
    source = PointSource(point_layer(scattered(50)))
    settings = HotspotSettings(method=Method.GI_GRID)
    with pytest.raises(Cancelled):
        run_hotspots(source, square(), IncidentFilter(), settings, tmp_path / "x.gpkg", cancelled=lambda: True)
    assert not list(tmp_path.iterdir())


def test_the_tree_of_layers_shows_classes_and_no_band(qgis_app, tmp_path):
    made = run(point_layer(scattered(200)), square(), tmp_path, Method.KDE_RASTER, cell_m=100.0, bandwidth_m=300.0)
    result = open_result(made)
    project = QgsProject()
    project.addMapLayer(result.layer, False)
    model = QgsLayerTreeModel(project.layerTreeRoot())

    def shown(prepare) -> list[str]:
        node = QgsLayerTreeLayer(result.layer)
        prepare(node)
        project.layerTreeRoot().insertChildNode(0, node)
        return [one.data(Qt.ItemDataRole.DisplayRole) for one in model.layerLegendNodes(node)]

    assert shown(lambda _node: None)[0].startswith("Band 1")
    assert shown(leave_out_band) == [one.label for one in result.classes]
    sip.delete(model)  # before the tree that it looks at
