"""Pages of analyses: each map leads to one, and what everybody gets holds classes alone, none of them sparse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qgis.core import (
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsGeometry,
    QgsLayoutItemLabel,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.analyses.analysis import Guard, Output, OutputKind
from safestats.qgis_plugin.core.analyses.published import drawn, drawn_in_public, public_output, too_fine, too_narrow
from safestats.qgis_plugin.core.analyses.registry import ANALYSES, analysis_named
from safestats.qgis_plugin.core.analyses.running import AnalysisRun, Inputs, run_analysis
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.base_source import BOUNDARIES_ONLY
from safestats.qgis_plugin.core.cautions import filtered_layer
from safestats.qgis_plugin.core.filter_text import days_of
from safestats.qgis_plugin.core.hotspot_surface import HotspotSurface
from safestats.qgis_plugin.core.hotspots import HotspotSettings, Method, open_result, run_hotspots
from safestats.qgis_plugin.core.incidents import IncidentFilter
from safestats.qgis_plugin.core.line_rows import LineSource
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.point_facts import check_layer, mostly_guarded
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.proximity import filtered_to_guarded
from safestats.qgis_plugin.core.study_areas import StudyArea
from safestats.qgis_plugin.layouts.checks import findings, incident_layers
from safestats.qgis_plugin.layouts.html_twin import twin_of
from safestats.qgis_plugin.layouts.products import AnalysisProduct, HotspotProduct, product_of
from safestats.qgis_plugin.layouts.sheet import Imprint, Mode
from safestats.qgis_plugin.layouts.templates import Material, PageKind
from safestats.shared.grids import Grid
from safestats.shared.manifest import Manifest
from safestats.shared.windows import Window

WEST, SOUTH, SIDE = 530_000, 180_000, 4_000
AREA = StudyArea("a square", QgsGeometry.fromRect(QgsRectangle(WEST, SOUTH, WEST + SIDE, SOUTH + SIDE)), "")
MONTHS = [f"2024-{month:02d}" for month in range(1, 13)] + [f"2025-{month:02d}" for month in range(1, 13)]
SINGLE = {"near-repeat"}  # its map is of single incidents
ON_MAPS = [analysis.name for analysis in ANALYSES if analysis.name not in SINGLE]


def incidents(seed: int = 3) -> list[tuple[int, int, str, str, str]]:
    """Two clusters, one of which grows, stacks on a few points, and single incidents far from all others."""
    random = np.random.default_rng(seed)
    rows = []
    for number, month in enumerate(MONTHS):
        for east, north, size in ((1000, 1200, 25), (2900, 2700, 4 + 2 * number)):
            for x, y in np.rint(random.normal((WEST + east, SOUTH + north), 120, (size, 2))).astype(int).tolist():
                rows.append((x, y, month, "theft" if x % 3 else "arson", f"{month}-{1 + number % 27:02d}"))
        rows.append((WEST + 3700, SOUTH + 300, month, "theft", f"{month}-15"))
    rows.append((WEST + 3700, SOUTH + 300, MONTHS[0], "theft", f"{MONTHS[0]}-16"))  # no round number in all
    for lonely in range(3):
        rows.append((WEST + 300 + 1300 * lonely, SOUTH + 3800, MONTHS[-1], "theft", f"{MONTHS[-1]}-02"))
    return rows


TOLD = Manifest(
    dataset="mps", title="Police", layer_name="mps", definition_version=1, release=1,
    published_at="2026-01-01T00:00:00Z", fingerprint="0", geometry="point", columns=(), rows=0,
    first_period=MONTHS[0], newest_period=MONTHS[-1], slices=(), snapshot=None, attribution="OGL v3.0.",
    caveats=("Made for a test.",), synthetic=True, agreement="A-1", agreement_until="2099-12-31",
    valid_until="2099-12-31T00:00:00Z", area_edition="LSOA 2011", colour="#1f5a8a", category_field="category",
)  # fmt: skip


def layer_of(rows, **changes) -> QgsVectorLayer:
    """They as the desk opens a copy."""
    columns = "field=month:string&field=category:string&field=occurred_on:date&field=precision_m:double"
    layer = QgsVectorLayer(f"Point?crs=EPSG:27700&{columns}", "Police", "memory")
    made = []
    for east, north, month, category, day in rows:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([month, category, day, 10.0])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(east, north)))
        made.append(feature)
    layer.dataProvider().addFeatures(made)
    layer.updateExtents()
    layers.describe(layer, replace(TOLD, rows=len(rows), **changes))
    return layer


def streets() -> QgsVectorLayer:
    """A grid of streets."""
    layer = QgsVectorLayer("LineString?crs=EPSG:27700&field=name:string", "Streets", "memory")
    made = []
    for at in range(0, SIDE + 1, 200):
        along = [step * 200 for step in range(SIDE // 200 + 1)]
        for name, places in ((f"A{at}", [(at, y) for y in along]), (f"B{at}", [(x, at) for x in along])):
            feature = QgsFeature(layer.fields())
            feature.setAttributes([name])
            feature.setGeometry(QgsGeometry.fromPolylineXY([QgsPointXY(WEST + x, SOUTH + y) for x, y in places]))
            made.append(feature)
    layer.dataProvider().addFeatures(made)
    return layer


VALUES = {
    "dual-density": {"cell": 100, "bandwidth": 300},
    "density": {"cell": 100, "bandwidth": 300},
    "back-test": {"cell": 200, "bandwidth": 300},
    "hot-routes": {"bandwidth": 300, "within": 150, "piece": 50},
    "change": {"cell": 400},
    "concentration": {"cell": 250},
    "hot-spot-classes": {"cell": 250},
    "emerging-hot-spots": {"cell": 250, "shape": "hexagon"},
    "hot-spots": {"cell": 200},
}


@pytest.fixture
def made(qgis_app, tmp_path):
    """Runs an analysis by its name."""

    def act(name: str, values=None, rows=None, wanted: IncidentFilter | None = None, **changes) -> AnalysisRun:
        source = PointSource(check_layer(layer_of(rows or incidents(), **changes)))
        chosen = {"dual-density": ("theft", "arson")}.get(name, ())
        lines = {}
        given = {**VALUES.get(name, {}), **(values or {})}
        if name == "hot-routes":
            lines, given["streets"] = {"streets": LineSource(streets(), QgsProject.instance())}, "Streets"
        inputs = Inputs(source, AREA, wanted or IncidentFilter(None, chosen), given, {}, lines)
        return run_analysis(analysis_named(name), inputs, tmp_path / f"{name}.gpkg", "9.9")

    return act


def page(run, project, mode: Mode):
    imprint = Imprint("A title", "A. Analyst", "An organisation", mode)
    return product_of(run, project).build(project, PageKind.ONE_MAP, imprint, BOUNDARIES_ONLY, Material())


def words_of(layout) -> str:
    return "\n".join(
        " ".join(item.currentText().split()) for item in layout.items() if isinstance(item, QgsLayoutItemLabel)
    )


@pytest.mark.parametrize("name", ON_MAPS)
def test_each_map_leads_to_a_page_for_colleagues_and_one_for_everybody(made, project, name):
    run = made(name)
    for mode in Mode:
        layout = page(run, project, mode)
        assert [found.sentence for found in findings(layout)] == [], mode
        words = words_of(layout)
        assert "…" not in words, mode  # all of it has room
        assert f"Analysis: {run.analysis.words}" in words and "Made for a test." in words
        if mode is Mode.OPERATIONAL:
            assert run.findings.answer in words
            continue
        assert not incident_layers(layout)
        assert f"{run.record.incidents:,} incidents" not in words and f", {run.record.incidents:,}" not in words
        assert "undrawn" in words or "shown as “" in words
    assert AnalysisProduct(run).guarded == ()


@pytest.mark.parametrize("name", ON_MAPS)
def test_what_everybody_gets_holds_classes_alone(made, name):
    shown = drawn_in_public(made(name))
    assert shown.layer.fields().names() == ["fid", "class"]
    offered = {int(one.lower) for one in shown.output.classes}
    assert {feature["class"] for feature in shown.layer.getFeatures()} <= offered
    assert shown.layer.featureCount() > 0 and shown.withheld


@pytest.mark.parametrize("name", ["hot-spots", "emerging-hot-spots", "hot-spot-classes", "density", "back-test"])
def test_no_cell_is_shown_near_which_few_incidents_lie(made, name):
    """Counted anew from the incidents themselves, cell by cell."""
    run = made(name)
    output = run.findings.outputs[0]
    guard, shown = output.guard, drawn_in_public(run).output.surface
    grid, mask = output.surface.grid, output.surface.mask
    points = np.array([row[:2] for row in incidents() if name != "back-test" or "2024-12" <= row[2] <= "2025-11"])
    counts = grid.bin(points[:, 0], points[:, 1])
    half = [side // 2 for side in guard.near.shape]
    sparse = 0
    for row, column in zip(*(found.tolist() for found in np.nonzero(mask))):
        near = sum(
            counts[row + i - half[0], column + j - half[1]]
            for i, j in zip(*(found.tolist() for found in np.nonzero(guard.near)))
            if 0 <= row + i - half[0] < mask.shape[0] and 0 <= column + j - half[1] < mask.shape[1]
        )
        if 1 <= near <= 4:
            sparse += 1
            assert not shown.mask[row, column] or shown.columns["class"][row, column] == guard.neutral
    assert sparse > 0


def test_of_two_densities_both_must_be_dense_enough(qgis_app):
    grid, mask = Grid(WEST, SOUTH, 100, 1, 4), np.ones((1, 4), bool)
    surface = HotspotSurface(grid, mask, {"v": np.array([[0.5, 1.5, 1.5, 0.5]])}, "v", None, ())
    classes = (cls(0, 1, "low", "#111111"), cls(1, 2, "high", "#222222"))
    output = Output.grid(
        "two", "Two", surface, classes, "", guard=Guard((np.array([[9, 9, 3, 0]]), np.array([[9, 4, 9, 9]])))
    )
    assert public_output(output, 4, AREA, None).surface.mask.tolist() == [[True, False, False, True]]


def cls(lower, upper, label, colour):
    from safestats.qgis_plugin.core.hotspot_styles import LegendClass

    return LegendClass(lower, upper, label, colour)


def test_places_are_put_together_by_squares_and_rounded(made):
    run = made("repeat-locations", {"least": 2})
    output = run.findings.outputs[0]
    shown = drawn_in_public(run)
    assert output.kind is OutputKind.POINTS and shown.output.surface.grid.cell == 250
    squares: dict[tuple[int, int], int] = {}
    for (east, north), number in zip(output.shapes[0].tolist(), output.columns["incidents"].tolist()):
        at = (int(east // 250), int(north // 250))
        squares[at] = squares.get(at, 0) + number
    assert any(number < 5 for number in squares.values())
    drawn_at = {
        (int(box.center().x() // 250), int(box.center().y() // 250)): feature["class"]
        for feature in shown.layer.getFeatures()
        for box in [feature.geometry().boundingBox()]
    }
    assert drawn_at.keys() == {at for at, number in squares.items() if number >= 5}
    for at, number in drawn_at.items():
        low, _, high = shown.output.classes[number].label.partition("–")
        rounded = (squares[at] + 2) // 5 * 5
        assert int(low) <= rounded <= int(high or low)


def test_single_incidents_are_never_published(made, project):
    run = made("near-repeat", {"permutations": 19})
    page(run, project, Mode.OPERATIONAL)
    with pytest.raises(AnalysisError, match="shows single incidents, which are not published"):
        page(run, project, Mode.PUBLICATION)


@pytest.mark.parametrize(
    ("name", "sensitive", "chosen", "told"),
    [
        ("change", ("arson",), ("arson",), True),
        ("change", ("arson",), ("arson", "theft"), False),
        ("change", ("arson", "theft"), (), True),
        ("dual-density", ("arson",), ("theft", "arson"), True),
        ("dual-density", (), ("theft", "arson"), False),
    ],
)
def test_guarded_categories_are_published_among_others_only(made, name, sensitive, chosen, told):
    run = made(name, wanted=IncidentFilter(None, chosen), sensitive=sensitive)
    sentences = [found.sentence for found in AnalysisProduct(run).guarded]
    assert bool(sentences) == told and all("among others only" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("chosen", "subset", "told"), [(("arson",), "", True), ((), "\"category\" = 'arson'", True), ((), "", False)]
)
def test_a_hotspot_map_looks_at_guarded_categories_too(qgis_app, tmp_path, chosen, subset, told):
    layer = layer_of(incidents(), sensitive=("arson",))
    layer.setSubsetString(subset)
    settings = HotspotSettings(Method.KDE_RASTER, 100, 300)
    wanted = IncidentFilter(Period("2025-01", "2025-12"), chosen)
    run = run_hotspots(PointSource(check_layer(layer)), AREA, wanted, settings, tmp_path / "d.tif")
    assert bool(HotspotProduct(open_result(run)).guarded) is told


def calls(share: int, **changes) -> QgsVectorLayer:
    """The incidents as calls of one category, of which each ``share``-th is of a guarded kind in another column."""
    columns = "field=fid:integer&field=month:string&field=incident_group:string&field=special_service:string"
    layer = QgsVectorLayer(f"Point?crs=EPSG:27700&{columns}&field=precision_m:double", "Calls", "memory")
    made = []
    for number, (east, north, month, *_) in enumerate(incidents()):
        feature = QgsFeature(layer.fields())
        kind = "Suicide/attempts" if number % share == 0 else "Lift Release" if number % 5 else None
        feature.setAttributes([number, month, "Special Service", kind, 10.0])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(east, north)))
        made.append(feature)
    layer.dataProvider().addFeatures(made)
    layer.updateExtents()
    guarded = {"special_service": ("Suicide/attempts",), "not_in_the_copy": ("x",)}
    told = {"dataset": "lfb", "category_field": "incident_group", "sensitive_by_column": guarded, **changes}
    layers.describe(layer, replace(TOLD, **told))
    return layer


def hotspots_of(layer: QgsVectorLayer, path, categories=(), **settings):
    chosen = HotspotSettings(**{"method": Method.KDE_RASTER, "cell_m": 100, "bandwidth_m": 300, **settings})
    wanted = IncidentFilter(Period("2024-01", "2025-12"), tuple(categories))
    return open_result(run_hotspots(PointSource(check_layer(layer)), AREA, wanted, chosen, path))


def analysed(layer: QgsVectorLayer, path, name: str, values=None) -> AnalysisRun:
    given = {**VALUES.get(name, {}), **(values or {})}
    inputs = Inputs(PointSource(check_layer(layer)), AREA, IncidentFilter(None, ()), given)
    return run_analysis(analysis_named(name), inputs, path, "9.9")


def told_of(product) -> list[str]:
    return [found.sentence for found in product.guarded]


KINDS = "What is counted is mostly of kinds of incident that are published among others only."
SPAN = "\"occurred_on\" BETWEEN '2025-03-09' AND '2025-04-05'"
DAYS = "The layer is filtered by day, hour or incident number, and such selections are not published."
ROWS = "The layer's filter names single rows, which is a selection, and such are not published."
CELLS = "The cells, or the neighbourhoods of cells, would tell places too exactly."


@pytest.mark.parametrize(
    ("share", "subset", "told"),
    [
        (3, "", []),
        (3, "\"special_service\" = 'Suicide/attempts'", [KINDS]),
        (3, "\"special_service\" = 'Suicide/attempts' OR month < '2024-03'", [KINDS]),
        (1, "", [KINDS]),
        (3, "\"special_service\" = 'Lift Release'", []),
    ],
)
def test_a_guarded_value_of_any_column_needs_as_many_others(qgis_app, tmp_path, share, subset, told):
    layer = calls(share)
    layer.setSubsetString(subset)
    assert told_of(HotspotProduct(hotspots_of(layer, tmp_path / "d.tif"))) == told
    assert told_of(AnalysisProduct(analysed(layer, tmp_path / "c.gpkg", "change"))) == told
    assert told_of(AnalysisProduct(analysed(layer, tmp_path / "r.gpkg", "repeat-locations"))) == told


@pytest.mark.parametrize(
    ("subset", "guarded", "named"),
    [
        ("", False, False),
        ("\"special_service\" = 'Suicide/attempts'", True, False),
        ("\"special_service\" = 'Lift Release'", False, False),
        ('"fid" < 300', False, True),
    ],
)
def test_a_report_looks_at_the_filter_of_its_layers(qgis_app, project, samples, subset, guarded, named):
    layer = calls(1 if not subset else 3)
    layer.setSubsetString(subset)
    source = PointSource(check_layer(layer))
    assert filtered_to_guarded(source, Window("2024-01", "2025-12")) is guarded
    assert source.facts.names_rows is named
    one = samples.dataset_answer("lfb", "Fire Brigade", samples.FIRES, 3, 300)
    found = replace(samples.proximity_result([one]), guarded=guarded, names_rows=named)
    assert told_of(product_of(found, project)) == [KINDS] * guarded + [ROWS] * named


def test_a_local_copy_is_judged_by_its_rows_too(qgis_app, tmp_path):
    """Read straight from the file, with all columns and with places alone."""
    manifest_layer, path = calls(3), tmp_path / "copy.gpkg"
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName = "GPKG", "calls"
    QgsVectorFileWriter.writeAsVectorFormatV3(manifest_layer, str(path), QgsCoordinateTransformContext(), options)
    layer = QgsVectorLayer(f"{path}|layername=calls", "calls", "ogr")
    for name in manifest_layer.customPropertyKeys():
        layer.setCustomProperty(name, manifest_layer.customProperty(name))
    source = PointSource(check_layer(layer))
    assert source.kept_file is not None
    guarded = sum(1 for number in range(len(incidents())) if number % 3 == 0)
    for places_only in (True, False):
        read = source.read(places_only=places_only)
        assert read.number_guarded == guarded and len(read) == len(incidents())
        year = source.read(period=Period("2025-01", "2025-12"), places_only=places_only)
        assert 0 < year.number_guarded < len(year) < len(read)
        marked = {(int(x), int(y)) for x, y in zip(read.eastings[read.guarded], read.northings[read.guarded])}
        assert marked == {row[:2] for number, row in enumerate(incidents()) if number % 3 == 0}
    assert told_of(HotspotProduct(hotspots_of(layer, tmp_path / "d.tif"))) == []
    assert PointSource(layer_of(incidents())).read().guarded is None


def test_what_is_guarded_travels_with_the_project(qgis_app, tmp_path):
    layer = calls(3)
    project = QgsProject()
    project.addMapLayer(layer)
    assert project.write(str(tmp_path / "p.qgz"))
    other = QgsProject()
    assert other.read(str(tmp_path / "p.qgz"))
    (found,) = other.mapLayers().values()
    assert layers.facts(found).sensitive_by_column["special_service"] == ("Suicide/attempts",)
    found.removeCustomProperty("safestats/sensitive_by_column")  # a project from before
    assert layers.facts(found).sensitive_by_column == {}


def test_one_other_row_opens_no_guarded_category(made, qgis_app, tmp_path):
    rows = [(e, n, m, "overdose", d) for e, n, m, _, d in incidents()]
    for at in (0, 900):
        rows[at] = (*rows[at][:3], "no trace", rows[at][4])
    assert told_of(AnalysisProduct(made("change", rows=rows, sensitive=("overdose",)))) == [KINDS]
    layer = layer_of(rows, sensitive=("overdose",))
    for chosen in ((), ("overdose", "no trace"), ("overdose", "of which there is none")):
        assert told_of(HotspotProduct(hotspots_of(layer, tmp_path / f"{len(chosen)}.tif", chosen))) == [KINDS]


def test_of_two_periods_each_needs_the_others(made):
    """The others of one year do not open the other year."""
    rows = [(e, n, m, "theft" if m < "2025" else "overdose", d) for e, n, m, _, d in incidents()]
    assert told_of(AnalysisProduct(made("change", rows=rows, sensitive=("overdose",)))) == [KINDS]


@pytest.mark.parametrize(
    ("threshold", "rows", "guarded", "told"),
    [
        (0, 10, 0, False),
        (0, 0, 0, False),
        (0, 10, 5, False),
        (0, 10, 6, True),
        (0, 8, 4, True),  # four others: fewer than the threshold
        (10, 18, 9, True),
        (10, 20, 10, False),
        (0, 101, 51, True),
    ],
)
def test_half_and_the_threshold_must_be_others(qgis_app, threshold, rows, guarded, told):
    facts = PointSource(layer_of([], threshold=threshold)).facts
    assert mostly_guarded(facts, rows, guarded) is told


def test_maps_of_a_filter_that_names_rows_are_not_published(qgis_app, tmp_path):
    layer = calls(3, sensitive_by_column={})
    for subset, told in (
        ('"fid" IN (' + ",".join(map(str, range(400, 1100))) + ")", [ROWS]),
        ("month > '2024-06'", []),
    ):
        layer.setSubsetString(subset)
        assert told_of(HotspotProduct(hotspots_of(layer, tmp_path / f"{len(subset)}.tif"))) == told
        run = analysed(layer, tmp_path / f"{len(subset)}.gpkg", "repeat-locations")
        assert told_of(AnalysisProduct(run)) == told


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("concentration", {"cell": 25}, 250),
        ("concentration", {"cell": 249}, 250),
        ("concentration", {"cell": 250}, None),
        ("change", {"cell": 40}, 250),
        ("hot-spots", {"cell": 40}, 250),
        ("hot-spots", {"cell": 80, "shape": "hexagon"}, 250),
        ("hot-spots", {"cell": 84, "shape": "hexagon"}, None),
        ("hot-spots", {"cell": 50, "steps": 2}, None),
        ("emerging-hot-spots", {"cell": 80}, 250),
        ("hot-spot-classes", {"cell": 80}, 250),
        ("hot-spot-classes", {"cell": 84}, None),
        ("back-test", {"cell": 80}, 250),
        ("density", {"cell": 40}, None),  # its bandwidth is looked at
    ],
)
def test_cells_are_as_wide_as_a_published_bandwidth(made, name, values, told):
    run = made(name, values)
    assert too_narrow(run) == told
    assert told_of(AnalysisProduct(run)) == ([CELLS] if told else [])


def test_neighbourhoods_of_a_hotspot_map_are_as_wide(qgis_app, tmp_path):
    for cell, neighbours, told in ((20, 1, [CELLS]), (80, 1, [CELLS]), (84, 1, []), (50, 2, [])):
        made = {"method": Method.GI_GRID, "cell_m": cell, "neighbours": neighbours, "bandwidth_m": None}
        result = hotspots_of(layer_of(incidents()), tmp_path / f"{cell}.gpkg", **made)
        assert told_of(HotspotProduct(result)) == told, cell


def test_short_streets_are_left_undrawn(qgis_app, tmp_path):
    roads = QgsVectorLayer("LineString?crs=EPSG:27700&field=name:string", "Streets", "memory")
    east, north = WEST + 1000, SOUTH + 1200  # the middle of a cluster
    ways = {
        "long": [(-400, 30), (400, 30)],
        "short": [(-40, -60), (40, -60)],
        "bent": [(-70, -90), (70, -90), (70, -210)],
    }
    for name, places in ways.items():
        feature = QgsFeature(roads.fields())
        feature.setAttributes([name])
        feature.setGeometry(QgsGeometry.fromPolylineXY([QgsPointXY(east + x, north + y) for x, y in places]))
        roads.dataProvider().addFeature(feature)

    def act(subset=""):
        roads.setSubsetString(subset)
        inputs = Inputs(
            PointSource(check_layer(layer_of(incidents()))), AREA, IncidentFilter(None, ()),
            {"unit": "streets", "streets": "Streets", "within": 150}, {},
            {"streets": LineSource(roads, QgsProject.instance())},
        )  # fmt: skip
        return run_analysis(analysis_named("concentration"), inputs, tmp_path / f"s{len(subset)}.gpkg", "9.9")

    run = act()
    counts = dict(zip(run.findings.outputs[0].columns["street"], run.findings.outputs[0].columns["incidents"]))
    assert min(counts.values()) > 4
    shown = drawn_in_public(run)
    lengths = sorted(round(feature.geometry().length()) for feature in shown.layer.getFeatures())
    assert lengths == [260, 800]
    assert shown.withheld.startswith("Streets shorter than 250 m")
    with pytest.raises(AnalysisError, match="No street is 250 m long"):
        drawn_in_public(act("name = 'short'"))


SECRET = "\"month\" <> '2024-02' /* Elm Road, flat two */ AND \"category\" <> 'E01000907'"


@pytest.mark.parametrize("name", ["density", "change", "dual-density"])
@pytest.mark.parametrize("mode", list(Mode))
def test_everybody_is_told_of_a_layer_s_filter_only_that_there_was_one(qgis_app, project, tmp_path, name, mode):
    layer = layer_of(incidents())
    assert layer.setSubsetString(SECRET)
    source, wanted = PointSource(check_layer(layer)), IncidentFilter()
    if name == "density":
        settings = HotspotSettings(Method.KDE_RASTER, 100, 300)
        run = open_result(run_hotspots(source, AREA, wanted, settings, tmp_path / "d.tif"))
        title = run.title
    else:
        wanted = IncidentFilter(None, ("theft", "arson") if name == "dual-density" else ())
        inputs = Inputs(source, AREA, wanted, VALUES[name], {}, {})
        run = run_analysis(analysis_named(name), inputs, tmp_path / "r.gpkg", "9.9")
        title = run.title
    imprint = Imprint(title, "A. Analyst", "An organisation", mode)
    layout = product_of(run, project).build(project, PageKind.ONE_MAP, imprint, BOUNDARIES_ONLY, Material())
    written = twin_of(layout)
    words = words_of(layout) + layout.name() + written
    if mode is Mode.OPERATIONAL:
        assert "Elm Road" not in words and "E01000907" in words
        return
    assert "Filter of the layer: the layer was filtered" in words_of(layout) and "layer filtered" in title
    for hidden in ("Elm Road", "E01000907", "2024-02", "<>", "&lt;&gt;"):
        assert hidden not in words, hidden


def test_a_bandwidth_that_tells_places_too_exactly_is_told(made):
    run = made("dual-density", {"bandwidth": 150})
    assert too_fine(run) == 250
    (found,) = AnalysisProduct(run).guarded
    assert "too exactly" in found.sentence and "250 m or more" in found.fix


def test_what_rose_and_fell_can_be_told_apart_without_colours(made):
    rows = incidents()
    # The second cluster shrinks instead of growing.
    months = dict(zip(MONTHS, reversed(MONTHS)))
    run = made("change", rows=[(e, n, months[m], c, d) for e, n, m, c, d in rows])
    below = drawn(run).below
    fell = sum(feature.geometry().area() for feature in drawn(run).layer.getFeatures() if feature["class"] < 0)
    assert below.area() == pytest.approx(fell) and fell > 0


def test_maps_of_a_layer_filtered_by_days_or_hours_are_not_published(qgis_app, tmp_path):
    layer = layer_of(incidents())
    for at, (subset, told) in enumerate((("occurred_on > '2025-03-09'", [DAYS]), ("month > '2024-06'", []), ("", []))):
        assert layer.setSubsetString(subset)
        result = hotspots_of(layer, tmp_path / f"{at}.tif")
        assert told_of(HotspotProduct(result)) == told
        product = AnalysisProduct(analysed(layer, tmp_path / f"{at}.gpkg", "repeat-locations"))
        assert told_of(product) == told
        for used in (*product.datasets, *HotspotProduct(result).datasets):
            assert used.audited_filter.get("filter_length", 0) == len(subset)


@pytest.mark.parametrize(
    ("subset", "told"),
    [
        (f'{SPAN} AND "category" IN (\'a\'\'b\') AND ("hour" >= 22 OR "hour" <= 3)', "9 March 2025 to 5 April 2025"),
        (f"\"month\" BETWEEN '2025-03' AND '2025-04' AND {SPAN}", "9 March 2025 to 5 April 2025"),
        (SPAN.replace("2025-04-05", "2025-03-09"), "9 March 2025"),
        (f"{SPAN} OR \"category\" = 'a'", ""),
        (f"{SPAN} AND \"category\" = 'a' OR \"category\" = 'b'", ""),
        (f"NOT {SPAN}", ""),
        (SPAN.replace("04-05", "04-31"), ""),
        ("\"category\" = 'a'", ""),
        ("", ""),
    ],
)
def test_the_days_of_a_filter_of_explores_are_told_in_words(qgis_app, subset, told):
    days = days_of(subset)
    assert (days.label if days else "") == told
    facts = replace(PointSource(layer_of(incidents()[:5])).facts, subset=subset)
    note = filtered_layer(facts)
    assert f"filtered to {told}:" in note if told else ("is filtered: only" in note) == bool(subset)
