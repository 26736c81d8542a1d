"""The frame of an analysis: what it is handed, what becomes of its findings, what is refused, and running it again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from hashlib import sha256

import numpy as np
import pytest
from qgis.core import (
    NULL,
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsGraduatedSymbolRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QUrl
from safestats.qgis_plugin.core.analyses.analysis import Analysis, Choice, Findings, Kind, Need, Output, Request
from safestats.qgis_plugin.core.analyses.grid_cells import CELL
from safestats.qgis_plugin.core.analyses.registry import ANALYSES
from safestats.qgis_plugin.core.analyses.running import Inputs, checked_values, run_analysis
from safestats.qgis_plugin.core.analyses.writing import open_layers
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.cautions import cautions
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.filter_text import SINGLE_ROWS, audited_filter, filter_words
from safestats.qgis_plugin.core.hotspot_styles import LegendClass
from safestats.qgis_plugin.core.hotspot_surface import HotspotSurface
from safestats.qgis_plugin.core.hotspots import (
    MOST_CELLS,
    MOST_CELLS_OF_A_LAYER,
    HotspotSettings,
    Method,
    check_cells,
    run_hotspots,
)
from safestats.qgis_plugin.core.incidents import IncidentFilter, gather
from safestats.qgis_plugin.core.line_rows import LineSource
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.point_facts import ColumnKind, check_layer
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.run_record import LayerName, RunRecord, keep_record, record_of
from safestats.qgis_plugin.core.study_areas import StudyArea, extent_area
from safestats.qgis_plugin.gui.hotspot_dock import HotspotDock
from safestats.qgis_plugin.processing.analysis_algorithm import AnalysisAlgorithm
from safestats.shared.grids import Grid

from .conftest import CENTRE, ROOT, dated_layer, point_layer, safestats_layer

EAST, NORTH = CENTRE
NULL_ISLAND = (622_675, -5_527_598)  # longitude 0, latitude 0


def square(side: float = 2000, east: float = EAST, north: float = NORTH) -> StudyArea:
    half = side / 2
    return StudyArea(
        "a square", QgsGeometry.fromRect(QgsRectangle(east - half, north - half, east + half, north + half))
    )


def scattered(number: int = 60, months: tuple[str, ...] = ("2025-01",)) -> list[tuple[int, int, str, str]]:
    random = np.random.default_rng(3)
    places = random.integers(-900, 900, (number, 2)) + CENTRE
    return [(int(e), int(n), months[i % len(months)], ("theft", "robbery")[i % 2]) for i, (e, n) in enumerate(places)]


def streets() -> QgsVectorLayer:
    layer = QgsVectorLayer("MultiLineString?crs=EPSG:27700&field=name:string", "Streets", "memory")
    shapes = (
        (
            "High Street",
            f"MULTILINESTRING(({EAST} {NORTH}, {EAST + 100} {NORTH}), ({EAST} {NORTH}, {EAST} {NORTH + 50}))",
        ),
        ("Far Away", "MULTILINESTRING((1000 1000, 2000 2000))"),
    )
    for name, shape in shapes:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([name])
        feature.setGeometry(QgsGeometry.fromWkt(shape))
        layer.dataProvider().addFeature(feature)
    layer.updateExtents()
    return layer


def census(request: Request) -> Findings:
    """Every kind of output there is, of what was handed over."""
    points = request.incidents.points
    reach = request.values["reach"] or 250.0
    grid = Grid.covering(EAST - 1000, NORTH - 1000, EAST + 1000, NORTH + 1000, 1000)
    counts = grid.bin(points.eastings, points.northings)
    surface = HotspotSurface(grid, np.ones(grid.shape, bool), {"count": counts}, "count", None, ())
    classes = (LegendClass(0, 10, "Few", "#fae3c4"), LegendClass(10, 1000, "Many", "#7d1a34"))
    stacks = Output.points(
        "places",
        "Places",
        points.eastings[:3],
        points.northings[:3],
        {
            "number": np.array([3, 2, 1]),
            "share": np.array([0.5, np.nan, 0.25]),
            "what": np.array(["a", "b", "c"]),
            "since": np.array(["2025-01-31", "NaT", "2025-02-01"], dtype="datetime64[D]"),
            "seen": np.array(["2025-01-31T23:59:58", "NaT", "2025-02-01"], dtype="datetime64[s]"),
            "kept": np.array([True, False, True]),
        },
        words={"number": "Incidents"},
        sized_by="number",
    )
    roads = tuple(lines for found in request.lines.values() for lines in found.shapes)
    return Findings(
        answer=f"{len(points)} incidents.",
        outputs=(
            Output.grid("cells", "Cells", surface, classes, "Incidents"),
            stacks,
            Output.lines("roads", "Roads", roads, {"metres": np.array([100.0, 50.0])[: len(roads)]}),
            Output.table(
                "sums", "Sums", {"other": np.array([len(o.incidents.points) for o in request.others.values()])}
            ),
        ),
        parameters=(("Reach", f"{reach:g} m" + ("" if request.values["reach"] else " (automatic)")),),
        values_used={"reach": reach},
        notes=("A note of its own.",),
    )


CENSUS = Analysis(
    name="count-all",
    words="Count all",
    group="Where",
    help="Counts.",
    choices=(
        Choice("reach", "Reach", "How far", Kind.METRES, least=1, most=5000),
        Choice("steps", "Steps", "How many", Kind.WHOLE, default=3, least=1, most=9),
        Choice("share", "Share", "How much", Kind.NUMBER, default=0.5, least=0, most=1, advanced=True),
        Choice("way", "Way", "Which", Kind.ONE_OF, default="b", options=(("a", "First"), ("b", "Second"))),
        Choice("strict", "Strict", "Whether", Kind.YES_NO, default=True),
        Choice("weight", "Weight", "By what", Kind.COLUMN, columns=(ColumnKind.NUMBER,)),
        Choice("streets", "Streets", "Along what", Kind.LINE_LAYER),
        Choice("against", "Against", "Compared with", Kind.POINT_LAYER),
        Choice("before", "Before", "Since when", Kind.PERIOD),
    ),
    run=census,
    needs=(Need.PERIOD,),
)
MARCH = IncidentFilter(Period("2025-03", "2025-03"), ("theft",))
ALL = IncidentFilter()
MONTHS = ("2025-01", "2025-02", "2025-03")


def plain(run=None, needs=(), choices=()) -> Analysis:
    """The least of an analysis."""
    found = run or (
        lambda request: Findings(
            "Found.", (Output.table("sums", "Sums", {"n": np.array([len(request.incidents.points)])}),), (), {}
        )
    )
    return Analysis("least", "The least", "Where", "Counts.", tuple(choices), found, tuple(needs))


def run_on(layer, tmp_path, analysis=None, area=None, wanted=ALL, values=None, **layers):
    inputs = Inputs(PointSource(check_layer(layer)), area or square(), wanted, values or {}, **layers)
    return run_analysis(analysis or plain(), inputs, tmp_path / "result.gpkg", "9.9")


@pytest.fixture
def made(qgis_app, tmp_path):
    """A run of every kind of choice and output; the layers of what was found."""
    layer = point_layer(scattered(90, MONTHS))
    other = point_layer(scattered(7), "Premises")
    run = run_on(
        layer,
        tmp_path,
        CENSUS,
        wanted=MARCH,
        values={"streets": "Streets", "against": "Premises", "weight": "easting"},
        points={"against": PointSource(other)},
        lines={"streets": LineSource(streets(), QgsProject.instance())},
    )
    return run, open_layers(run)


# ---------------------------------------------------------------------- what becomes of findings


def test_findings_become_layers_of_their_kind(made):
    run, (cells, places, roads, sums) = made
    assert [layer.wkbType() for layer in (cells, places, roads, sums)] == [
        Qgis.WkbType.Polygon, Qgis.WkbType.Point, Qgis.WkbType.LineString, Qgis.WkbType.NoGeometry,
    ]  # fmt: skip
    assert sum(f["count"] for f in cells.getFeatures()) == run.record.incidents == 15
    rows = [[f[name] for name in ("number", "share", "what", "since", "seen", "kept")] for f in places.getFeatures()]
    assert rows[0] == [3, 0.5, "a", QDate(2025, 1, 31), QDateTime(2025, 1, 31, 23, 59, 58), True]
    assert rows[1] == [2, NULL, "b", NULL, NULL, False]
    # Of streets far from the study area nothing is read; a multi-line comes as its parts.
    assert [round(f.geometry().length()) for f in roads.getFeatures()] == [100, 50]
    # Of the other layer, undated by this choice, all months; of the months before, the same categories.
    assert [f["other"] for f in sums.getFeatures()] == [0, 15]


def test_layers_are_drawn_in_the_classes_and_named(made):
    run, (cells, places, *_rest) = made
    assert cells.name() == "Count all: theft, a square, March 2025"
    renderer = cells.renderer()
    assert isinstance(renderer, QgsGraduatedSymbolRenderer) and renderer.classAttribute() == "count"
    assert [r.label() for r in renderer.ranges()] == ["Few", "Many"]
    assert places.name() == "Places" and places.attributeDisplayName(places.fields().indexOf("number")) == "Incidents"
    symbol = places.renderer().symbol()
    expression = symbol.symbolLayer(0).dataDefinedProperties().property(0).expressionString()
    assert "number" in expression or "number" in str(symbol.dataDefinedSize().expressionString())


def test_every_choice_is_told_with_the_value_that_was_used(made):
    run, _ = made
    told = dict(run.parameters)
    assert told["Reach"] == "250 m (automatic)"
    assert told["Before"] == "February 2025 (automatic), 15 incidents"
    assert told["Against"] == "Premises, March 2025, 0 points"
    assert told["Streets"] == "Streets, 2 lines"
    assert (told["Incidents"], told["Period"], told["In the study area"]) == ("theft", "March 2025", "15")


def test_a_layer_says_in_its_metadata_how_it_was_made(made):
    run, layers = made
    for layer in layers:
        metadata = layer.metadata()
        assert "15 incidents." in metadata.abstract() and "A note of its own." in metadata.abstract()
        assert "below 30 chance weighs more" in metadata.abstract()
        assert "Reach: 250 m (automatic)" in metadata.history()
        assert metadata.history()[-1].endswith("with SafeStats 9.9 from “incidents”")


def test_the_record_is_the_whole_run_and_survives_the_project(made, qgis_new_project, tmp_path):
    run, layers = made
    QgsProject.instance().addMapLayers(layers)
    path = str(tmp_path / "kept.qgz")
    assert QgsProject.instance().write(path)
    again = QgsProject()
    assert again.read(path)
    record = record_of(again.mapLayersByName("Places")[0])
    assert record == run.record
    assert record.values["reach"] == 250.0 and record.values["before"] == {"first": "2025-02", "last": "2025-02"}
    assert record.wanted == MARCH and (record.incidents, record.outside, record.unmapped) == (15, 0, 0)
    assert record.others["against"].title == "Premises" and record.version == "9.9"
    assert record.area.geometry.equals(square().geometry)


def test_a_file_tells_the_same_in_another_project(made):
    run, _ = made
    again = QgsVectorLayer(f"{run.path}|layername=cells", "opened by itself", "ogr")
    assert record_of(again) == run.record
    assert "15 incidents." in again.metadata().abstract()
    assert isinstance(again.renderer(), QgsGraduatedSymbolRenderer)


def test_a_layer_without_a_record_says_so(qgis_app):
    with pytest.raises(AnalysisError, match="does not tell how it was made"):
        record_of(point_layer(scattered(3)))
    for text in ("", "7", "{}", '{"method": "x"}', "[]"):
        with pytest.raises(ValueError):
            RunRecord.from_json(text)


def test_the_values_used_make_the_same_run(made, tmp_path):
    run, _ = made
    values = checked_values(CENSUS, {**run.record.values, "streets": None, "against": None})
    layer = point_layer(scattered(90, MONTHS))
    again = run_on(layer, tmp_path, CENSUS, wanted=run.record.wanted, area=run.record.area, values=values)
    assert again.findings.answer == run.findings.answer and again.record.values["before"] == run.record.values["before"]


def test_a_run_can_be_stopped(qgis_app, tmp_path):
    inputs = Inputs(PointSource(point_layer(scattered())), square(), IncidentFilter(), {})
    with pytest.raises(Cancelled):
        run_analysis(plain(), inputs, tmp_path / "x.gpkg", "1", cancelled=lambda: True)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reach": 0}, "“Reach” is 0 m, and must be at least 1 m"),
        ({"reach": float("nan")}, "must be a number"),
        ({"steps": 10}, "“Steps” is 10, and must be at most 9"),
        ({"steps": 2.5}, "must be a whole number"),
        ({"way": "c"}, "“Way” cannot be “c”: choose one of “First”, “Second”"),
        ({"speed": 1}, "“Count all” has no choice “speed”"),
    ],
)
def test_choices_out_of_bounds_are_refused(values, words):
    with pytest.raises(AnalysisError, match=words):
        checked_values(CENSUS, values)


def test_defaults_fill_in_what_is_not_chosen():
    values = checked_values(CENSUS, {"reach": 20})
    assert values["reach"] == 20.0 and values["steps"] == 3 and values["way"] == "b" and values["before"] is None
    with pytest.raises(AnalysisError, match="Nothing is chosen for “By”"):
        checked_values(plain(choices=[Choice("by", "By", "", Kind.COLUMN, required=True)]), {})


def test_a_layer_that_cannot_be_analysed_is_refused(qgis_app):
    bare = QgsVectorLayer("Point?field=month:string", "bare", "memory")
    bare.setCrs(QgsCoordinateReferenceSystem())
    cases = {
        "“bare” is in no coordinate system": bare,
        "“degrees” is in EPSG:4326, not in the British National Grid": point_layer(
            [(0, 51, "", "")], "degrees", "EPSG:4326"
        ),
        "“table” holds no points": QgsVectorLayer("NoGeometry?field=month:string", "table", "memory"),
        "“Streets” holds no points": streets(),
    }
    for words, layer in cases.items():
        with pytest.raises(AnalysisError, match=words):
            check_layer(layer)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(EAST, NORTH, "2025-01", "theft")], "Only 1 incident of “incidents” lies in the study area"),
        ([(EAST, NORTH, "2025-01", "theft")] * 50, "All 50 incidents lie on one and the same point"),
        ([], "holds no incident with a place for this choice"),
        ([(None, None, "2025-01", "theft")] * 5, "None of the 5 rows of “incidents” for this choice has a place"),
        ([(None, None, "2025-01", "theft")], "The only row of “incidents” for this choice has no place"),
    ],
)
def test_incidents_without_a_pattern_are_refused(qgis_app, tmp_path, rows, words):
    with pytest.raises(AnalysisError, match=words):
        run_on(point_layer(rows), tmp_path)


@pytest.mark.parametrize("method", list(Method))
def test_the_first_four_methods_refuse_a_single_point_too(qgis_app, tmp_path, method):
    source = PointSource(point_layer([(EAST, NORTH, "2025-01", "theft")] * 100))
    target = tmp_path / f"x{method.suffix}"
    with pytest.raises(AnalysisError, match="All 100 incidents lie on one and the same point"):
        run_hotspots(source, square(), ALL, HotspotSettings(method=method, cell_m=100), target)
    assert not target.exists()


@pytest.mark.parametrize("method", [Method.KDE_GRID, Method.GI_GRID])
def test_more_cells_than_a_layer_holds_are_refused_before_anything_is_read(qgis_app, tmp_path, method):
    source = PointSource(point_layer(scattered()))
    asked = []
    with pytest.raises(AnalysisError, match="Cells of 1.9 m would be about 1,108,033 .* more than the 1,000,000"):
        run_hotspots(
            source, square(), ALL, HotspotSettings(method=method, cell_m=1.9), tmp_path / "x.gpkg",
            report=lambda *told: asked.append(told),
        )  # fmt: skip
    assert not asked
    check_cells(square(), HotspotSettings(method=method, cell_m=2))  # a million
    check_cells(square(), HotspotSettings(method=Method.KDE_RASTER, cell_m=1))
    text = (ROOT / "docs" / "analyses.md").read_text(encoding="utf-8")
    assert f"more than {MOST_CELLS:,} cells as a raster, {MOST_CELLS_OF_A_LAYER:,} as a layer of cells" in text


def test_a_study_area_outside_the_data_is_refused(qgis_app, tmp_path):
    layer, away = point_layer(scattered()), square(east=EAST + 50_000)
    with pytest.raises(AnalysisError, match="All 60 incidents of “incidents” lie outside the study area “a square”"):
        run_on(layer, tmp_path, area=away)
    with pytest.raises(AnalysisError, match="All 60 incidents of “incidents” lie outside"):
        run_hotspots(PointSource(layer), away, IncidentFilter(), HotspotSettings(), tmp_path / "x.tif")


@pytest.mark.parametrize("place", [(0, 0), NULL_ISLAND])
def test_a_null_island_point_in_the_study_area_is_refused(qgis_app, tmp_path, place):
    layer = point_layer([*scattered(), (*place, "2025-01", "theft")])
    with pytest.raises(AnalysisError, match="1 incident of “incidents” lies at coordinates 0, 0"):
        gather(PointSource(layer), extent_area(layer), IncidentFilter())
    # In a study area of its own it is only left out.
    assert gather(PointSource(layer), square(), IncidentFilter()).outside == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cell_m": 0.6}, "more than 8,000,000"),  # ten million and more
        ({"bandwidth_m": 0.0}, "bandwidth must be more than 0"),
        ({"cell_m": 0.0}, "cell size must be more than 0"),
    ],
)
def test_impossible_settings_are_refused(qgis_app, tmp_path, settings, words):
    source = PointSource(point_layer(scattered()))
    with pytest.raises(AnalysisError, match=words):
        run_hotspots(source, square(), IncidentFilter(), HotspotSettings(**settings), tmp_path / "x.tif")


def test_more_cells_than_a_layer_can_hold_are_refused(qgis_app, tmp_path):
    side = int(MOST_CELLS_OF_A_LAYER**0.5) + 1

    def many(_request: Request) -> Findings:
        mask = np.ones((side, side), bool)
        surface = HotspotSurface(Grid(0, 0, 1, side, side), mask, {"count": mask.astype(int)}, "count", None, ())
        return Findings("", (Output.grid("cells", "Cells", surface, (), ""),), (), {})

    with pytest.raises(AnalysisError, match="“Cells” would be 1,002,001 cells, more than the 1,000,000"):
        run_on(point_layer(scattered()), tmp_path, plain(many))


def test_missing_dates_and_hours_are_told_before_the_run(qgis_app, tmp_path):
    layer = point_layer(scattered())
    for need, words in (
        (Need.DAYS, "does not tell on which day"),
        (Need.HOURS, "does not tell at which hour"),
    ):
        with pytest.raises(AnalysisError, match=words):
            run_on(layer, tmp_path, plain(needs=[need]))
    undated = QgsVectorLayer("Point?crs=EPSG:27700&field=kind:string", "undated", "memory")
    with pytest.raises(AnalysisError, match="“undated” has no dates, and “The least” compares months"):
        run_on(undated, tmp_path, plain(needs=[Need.PERIOD]))
    with pytest.raises(AnalysisError, match="holds nothing before January 2025, so December 2024 is not there"):
        run_on(layer, tmp_path, CENSUS, wanted=IncidentFilter(Period("2025-01", "2025-01")))


def test_a_column_that_is_not_there_is_named(qgis_app, tmp_path):
    by = plain(choices=[Choice("by", "By", "", Kind.COLUMN)])
    with pytest.raises(AnalysisError, match="has no column “harm”"):
        run_on(point_layer(scattered()), tmp_path, by, values={"by": "harm"})


def test_lines_that_cannot_be_used_are_refused(qgis_app):
    nowhere = streets()
    nowhere.setCrs(QgsCoordinateReferenceSystem())
    for layer, words in ((None, "No layer of lines"), (point_layer([]), "holds no lines"), (nowhere, "no coordinate")):
        with pytest.raises(AnalysisError, match=words):
            LineSource(layer, QgsProject.instance())


def test_lines_in_other_coordinates_are_brought_to_the_national_grid(qgis_app):
    layer = QgsVectorLayer("LineString?crs=EPSG:4326", "degrees", "memory")
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromWkt("LINESTRING(-0.1281 51.508, -0.1281 51.509)"))
    layer.dataProvider().addFeature(feature)
    layer.updateExtents()
    found = LineSource(layer, QgsProject.instance()).read(square(4000))
    # Trafalgar Square is TQ 300 804 on any map.
    assert (found.shapes[0][0] // 100).tolist() == [5300, 1804]
    assert found.brought.startswith("from EPSG:4326 to the National Grid by “OSGB36 to WGS 84 (")
    assert re.search(r"exact to [12] m$", found.brought)  # with and without the Ordnance Survey's grid
    assert LineSource(streets(), QgsProject.instance()).read(square(4000)).brought == ""
    assert np.hypot(*(found.shapes[0][1] - found.shapes[0][0])) == pytest.approx(111.26, abs=0.2)


# ---------------------------------------------------------------------- what is warned of


def said(layer: QgsVectorLayer, **uses: bool) -> str:
    source = PointSource(layer)
    return " ".join(cautions(source.read(), source.facts, **uses))


def test_few_incidents_are_a_hint(qgis_app):
    assert "Only 29 incidents: below 30" in said(point_layer(scattered(29)))
    assert said(point_layer(scattered(30))) == ""


def test_moved_points_are_warned_of(qgis_app):
    rows = [*scattered(40), *[(EAST, NORTH, "2025-01", "theft")] * 5]
    assert "shared map points (up to 5 on one)" in said(safestats_layer(rows, "2025-01"))
    # Of any other layer the data tell it, in words of what is seen.
    assert said(point_layer(rows)).startswith("Several incidents share one point: 5 of 45 (11 %), up to 5 on one.")
    pairs = [place for place in scattered(40) for _ in range(2)]
    assert "80 of 80 (100 %), up to 2 on one" in said(point_layer(pairs))
    assert said(point_layer([*scattered(60), *scattered(10)])) == ""  # few doors with two are no heap
    assert "60 of 90 (67 %), up to 6 on one" in said(
        point_layer([*scattered(40), *[row for row in scattered(10) for _ in range(5)]])
    )


def test_one_point_far_away_is_named(qgis_app):
    rows = scattered(100)
    assert said(point_layer([*rows, (EAST + 60_000, NORTH, "2025-01", "theft")])).startswith(
        f"1 incident lies up to 60 km from the middle of the others (at {EAST + 60_000}, {NORTH})"
    )
    # A second town is no stray.
    town = [(e + 60_000, n, month, kind) for e, n, month, kind in rows[:30]]
    assert said(point_layer([*rows, *town])) == ""


def test_unknown_days_and_hours_are_counted(qgis_app):
    rows = [
        (EAST + i, NORTH, date(2025, 1, 1 + i % 28), None if i < 10 else 1 + i % 20, "theft", None) for i in range(40)
    ]
    layer = dated_layer(rows)
    assert "10 of 40 incidents (25 %) do not tell their hour" in said(layer, hours=True)
    assert said(layer) == "" and said(layer, days=True) == ""
    midnight = dated_layer([(*row[:3], 0 if i < 30 else 12, *row[4:]) for i, row in enumerate(rows)])
    assert "may stand for “time not known”" in said(midnight, hours=True)


# ---------------------------------------------------------------------- the dock


FILTER = "\"category\" = 'theft'"


def test_a_filter_of_the_layer_is_told_recorded_and_kept_with_what_was_made(qgis_app, tmp_path):
    layer = point_layer(scattered(80))
    assert layer.setSubsetString(FILTER)
    run = run_on(layer, tmp_path)
    assert dict(run.parameters)["Filter of the layer"] == FILTER
    assert run.record.incidents == 40 and run.record.source.subset == FILTER
    assert any("is filtered: only" in note for note in run.notes) and "theft" not in " ".join(run.notes)
    assert run.title.endswith(", layer filtered")
    (made,) = open_layers(run)
    assert record_of(made).source.subset == FILTER
    assert f"Filter of the layer: {FILTER}" in made.metadata().history()
    assert "is filtered" in made.metadata().abstract()
    layer.setSubsetString("")
    bare = run_on(layer, tmp_path)
    assert "filter" not in " ".join([bare.title, *bare.notes, *dict(bare.parameters)]).lower()


HIDDEN = '"lsoa_code"=\'E01000907\' AND "occurred_on"=\'2025-03-14\' AND "hour"=3'


@pytest.mark.parametrize(
    "subset",
    [HIDDEN, f'{HIDDEN} AND "fid">0', f"/*{' ' * 200}*/{HIDDEN}", f"-- {'x' * 300}\n{HIDDEN}", f"[fid]>0 AND {HIDDEN}"],
)
def test_nothing_hides_from_the_audit_by_what_a_filter_was(subset):
    told = audited_filter(subset, ["lsoa_code", "occurred_on", "hour", "category"])
    assert {"lsoa_code", "occurred_on", "hour"} <= set(told["filter_columns"])
    assert told["filter_length"] == len(subset) and told["filter_sha256"] == sha256(subset.encode()).hexdigest()
    assert '"lsoa_code"=? AND "occurred_on"=? AND "hour"=?' in told["filter"]
    for value in ("E01000907", "2025-03-14", "xxx", "3"):
        assert value not in told["filter"]
    assert "lsoa_code" in filter_words(subset) and "xxx" not in filter_words(subset)  # nor from a reader


def test_texts_in_the_place_of_columns_are_values_to_the_audit():
    told = audited_filter('"category" = "E01000907" OR hex(x\'ab\') IN (1, 2.5e3, 0xff)', ["category"])
    assert told["filter"] == '"category" = ? OR hex(?) IN (?, …)' and told["filter_columns"] == ["category"]
    assert audited_filter("", ["category"]) == {}
    for rows in ('"fid" IN (1, 2, 3)', "\"fid\" IN (SELECT value FROM json_each('[1,2]'))", SINGLE_ROWS):
        assert filter_words(rows) == "single rows, as a shape or wards pick them"
    subset = " AND ".join(f'"hour" <> {n}' for n in range(900)) + " AND \"category\" = 'x'"
    long = audited_filter(subset, ["hour", "category"])
    assert len(long["filter"]) < 700 and long["filter_columns"] == ["hour", "category"]


def test_a_filter_of_another_layer_is_told_under_its_name(qgis_app, tmp_path):
    other = point_layer(scattered(20), "Premises")
    other.setSubsetString(FILTER)
    against = Choice("against", "Beside", "", Kind.POINT_LAYER)
    run = run_on(
        point_layer(scattered(40)), tmp_path, plain(choices=[against]), values={"against": "Premises"},
        points={"against": PointSource(other)},
    )  # fmt: skip
    assert dict(run.parameters)["Beside: filter of the layer"] == FILTER
    assert "Beside – “Premises”: Only 10 incidents: below 30" in " ".join(run.notes)
    assert run.record.others["against"].subset == FILTER
    assert "layer filtered" not in run.title


@pytest.mark.parametrize("analysis", [one for one in ANALYSES if CELL in one.choices], ids=lambda one: one.name)
@pytest.mark.parametrize("shape", ["square", "hexagon"])
def test_ten_million_cells_are_refused_before_anything_is_read(qgis_app, tmp_path, analysis, shape):
    asked, values = [], {"cell": 1}
    if any(choice.name == "shape" for choice in analysis.choices):
        values["shape"] = shape
    rows = [(e, n, date(2025, i % 12 + 1, 1), 1, "theft", None) for i, (e, n, *_) in enumerate(scattered(60))]
    wanted = IncidentFilter(Period("2025-07", "2025-12"))
    inputs = Inputs(PointSource(dated_layer(rows)), square(3200), wanted, values)
    with pytest.raises(AnalysisError, match="10,240,000"):
        run_analysis(analysis, inputs, tmp_path / "x.gpkg", "1", report=lambda *told: asked.append(told))
    assert not asked and not (tmp_path / "x.gpkg").exists()


def test_analyses_without_cells_are_known():
    assert {one.name for one in ANALYSES if CELL not in one.choices} == {
        "repeat-locations",
        "hot-routes",
        "near-repeat",
    }


@pytest.fixture
def dock(desk, window, qtbot):
    dock = HotspotDock(desk, window, analyses=(CENSUS, plain()))
    qtbot.addWidget(dock)
    yield dock
    dock.close_down()


def choose(dock: HotspotDock, analysis: Analysis) -> None:
    dock.method_box.setCurrentIndex(dock.method_box.findData(analysis))


def test_the_dock_makes_an_analysis_and_repeats_it(dock, desk, window, qtbot):
    project = QgsProject.instance()
    layer, roads = safestats_layer(scattered(90, MONTHS), "2025-03"), streets()
    other = point_layer(scattered(7), "Premises")
    project.addMapLayers([layer, roads, other])
    dock.incidents.layer_box.setLayer(layer)
    dock.incidents.area_box.setCurrentIndex(1)
    dock.incidents.months.choose(Period("2025-03", "2025-03"))
    dock.incidents.category_box.setCheckedItems(["Theft"])
    choose(dock, CENSUS)
    form = dock.form
    assert form.input("weight").findData("easting") > 0 and form.input("weight").findData("category") < 0
    form.input("steps").setValue(5)
    form.input("share").setValue(0.25)
    form.input("way").setCurrentIndex(0)
    form.input("strict").setChecked(False)
    form.input("weight").setCurrentIndex(form.input("weight").findData("easting"))
    form.input("streets").setLayer(roads)
    form.input("against").setLayer(other)
    form.input("before").choose(Period("2025-01", "2025-02"))
    dock.start()
    qtbot.waitUntil(lambda: dock.findings is not None or bool(dock.message.text), timeout=20_000)
    assert dock.findings is not None, dock.message.text
    first = dock.findings
    assert first.record.values == {
        "reach": 250.0, "steps": 5, "share": 0.25, "way": "a", "strict": False, "weight": "easting",
        "streets": "Streets", "against": "Premises", "before": {"first": "2025-01", "last": "2025-02"},
    }  # fmt: skip
    shown = dock.values.toPlainText()
    assert first.findings.answer in shown
    for words, value in first.parameters:
        assert words in shown and value in shown
    assert "A note of its own." in dock.message.text
    group = project.layerTreeRoot().children()[0]
    assert group.name() == first.title and [node.name() for node in group.children()][1:] == ["Places", "Roads", "Sums"]
    dock.values.anchorClicked.emit(QUrl("table:sums"))
    assert [layer.name() for layer, _ in window.tables] == ["Sums"]
    assert "other" in shown  # the table is small enough to be read at once
    desk.settle()
    noted = (desk.store.root / "events.jsonl").read_text(encoding="utf-8")
    assert '"method": "count-all"' in noted and '"rows": 15' in noted

    # Somebody chooses other things, and comes back to the run by its layer.
    choose(dock, dock.method_box.itemData(0) and CENSUS)
    form.fill({"reach": None, "steps": 1, "share": 1.0, "way": "b", "strict": True, "weight": None, "before": None}, {})
    dock.incidents.category_box.deselectAllOptions()
    dock.incidents.months.choose(None)
    dock.method_box.setCurrentIndex(0)
    dock.repeat_menu.aboutToShow.emit()
    (action,) = dock.repeat_menu.actions()
    assert action.text() == first.title
    action.trigger()
    assert dock.message.text.startswith("This is the run of")
    assert dock.incidents.area_box.currentText().startswith("As in the earlier run")
    dock.start()
    qtbot.waitUntil(lambda: dock.findings is not None and dock.findings is not first, timeout=20_000)
    assert dock.findings.record == first.record


def test_a_density_is_repeated_too(dock, qtbot):
    layer = safestats_layer(scattered(90, MONTHS), "2025-03")
    QgsProject.instance().addMapLayer(layer)
    dock.incidents.layer_box.setLayer(layer)
    dock.incidents.area_box.setCurrentIndex(1)
    dock.form.input("edge_correction").setChecked(True)
    dock.start()
    qtbot.waitUntil(lambda: dock.result is not None, timeout=20_000)
    first = dock.result
    by_itself = QgsRasterLayer(first.layer.source(), "opened by itself", "gdal")
    assert record_of(by_itself) == record_of(first.layer)
    assert record_of(first.layer).values["bandwidth_m"] == first.settings.bandwidth_m
    dock.form.input("edge_correction").setChecked(False)
    dock.method_box.setCurrentIndex(dock.method_box.findData(Method.GI_GRID))
    dock.repeat_layer(first.layer.id())
    dock.start()
    qtbot.waitUntil(lambda: dock.result not in (None, first), timeout=20_000)
    again = dock.result
    assert again.method is first.method and again.settings.edge_correction
    assert again.settings == first.settings
    assert np.array_equal(again.surface.columns["per_km2"], first.surface.columns["per_km2"], equal_nan=True)


def test_a_filter_is_audited_and_set_again_when_the_run_is_repeated(dock, desk, qtbot):
    layer = safestats_layer(scattered(90, MONTHS), "2025-03")
    QgsProject.instance().addMapLayer(layer)
    layer.setSubsetString(FILTER)
    dock.incidents.layer_box.setLayer(layer)
    dock.incidents.area_box.setCurrentIndex(1)
    dock.start()
    qtbot.waitUntil(lambda: dock.result is not None, timeout=20_000)
    first = dock.result
    assert first.used == 45 and dict(first.parameters)["Filter of the layer"] == FILTER
    assert first.title.endswith(", layer filtered") and first.layer.name().endswith(", layer filtered")
    assert "is filtered" in dock.message.text
    desk.settle()
    noted = (desk.store.root / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    told = json.loads(noted)["event"]["filter"]
    assert (told["filter"], told["filter_columns"], told["filter_length"]) == ('"category" = ?', ["category"], 20)
    assert told["filter_sha256"] == sha256(FILTER.encode()).hexdigest() and "theft" not in noted
    layer.setSubsetString("")
    dock.repeat_layer(first.layer.id())
    assert layer.subsetString() == FILTER and dock.message.text.startswith("This is the run of")
    record = record_of(first.layer)
    unfit = replace(record, source=replace(record.source, subset="such = "))  # as of a column that has gone
    rows = '"fid" IN (1, 2, 3)'
    kept = LayerName.of(replace(PointSource(layer).facts, subset=rows))
    assert kept.subset and not any(c.isdigit() for c in kept.subset)  # only that there was one
    keep_record(first.layer, replace(record, source=kept))
    assert replace(PointSource(layer).facts, subset=rows).filter_words == "single rows, as a shape or wards pick them"
    dock.repeat_layer(first.layer.id())
    assert "filtered to single rows, which may be others by now" in dock.message.text and layer.subsetString() == FILTER
    keep_record(first.layer, unfit)
    dock.repeat_layer(first.layer.id())
    assert "with the filter such =" in dock.message.text and "cannot be set now" in dock.message.text


def test_what_cannot_be_repeated_is_told(dock, qtbot):
    run = QgsVectorLayer("Point?crs=EPSG:27700", "an old result", "memory")
    QgsProject.instance().addMapLayer(run)
    dock.repeat_menu.aboutToShow.emit()
    assert [action.isEnabled() for action in dock.repeat_menu.actions()] == [False]
    dock.repeat_layer(run.id())
    assert "does not tell how it was made" in dock.message.text
    record = '{"method": "%s", "values": {}, "source": {"id": "x", "title": "Gone", "dataset": ""}, "categories": [], \
"first_month": "", "last_month": "", "area_label": "", "area_codes": [], "area_shape": "", "area_edition": "", \
"incidents": 1, "outside": 0, "unmapped": 0, "run_on": "2025-01-01", "version": "0.1", "others": {}}'
    run.setCustomProperty("safestats/run", record % "tea-leaves")
    dock.repeat_layer(run.id())
    assert "“tea-leaves” of SafeStats 0.1, which this version lacks" in dock.message.text
    run.setCustomProperty("safestats/run", record % "count-all")
    dock.repeat_layer(run.id())
    assert "The run used “Gone”, which is not open" in dock.message.text


def test_trouble_with_an_analysis_is_told_beside_the_inputs(dock, qtbot):
    layer = safestats_layer([(EAST + i % 2, NORTH, "2025-01", "theft") for i in range(40)], "2025-01")
    QgsProject.instance().addMapLayer(layer)
    dock.incidents.layer_box.setLayer(layer)
    choose(dock, CENSUS)
    dock.start()
    assert "study area is empty" in dock.message.text
    dock.incidents.area_box.setCurrentIndex(2)
    dock.start()
    assert "choose a layer of polygons" in dock.message.text


# ---------------------------------------------------------------------- Processing


def test_an_algorithm_is_made_of_the_choices(qgis_app, tmp_path):
    project = QgsProject()
    layer, roads, polygons = point_layer(scattered(90, MONTHS)), streets(), area_layer()
    project.addMapLayers([layer, roads, polygons])
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    context.setProject(project)
    algorithm = AnalysisAlgorithm(CENSUS).create()
    parameters = {
        "INPUT": layer, "STUDY_AREA": polygons, "CATEGORIES": "theft", "FROM_MONTH": "2025-03", "REACH": None,
        "STEPS": 4, "WAY": 0, "WEIGHT": "easting", "STREETS": roads, "BEFORE_FROM": "2025-01", "BEFORE_TO": "2025-02",
        "OUTPUT": str(tmp_path / "out.gpkg"),
    }  # fmt: skip
    assert algorithm.checkParameterValues(parameters, context) == (True, "")
    found, ok = algorithm.run(parameters, context, feedback)
    assert ok and found["INCIDENTS"] == 15 and found["ANSWER"] == "15 incidents."
    assert "Reach: 250 m (automatic)" in feedback.textLog() and "A note of its own." in feedback.textLog()
    assert QgsVectorLayer(found["LAYER"], "x", "ogr").featureCount() == 9
    loaded = context.layersToLoadOnCompletion()
    assert len(loaded) == 4
    source = f"{tmp_path / 'out.gpkg'}|layername=places"
    assert record_of(QgsVectorLayer(source, "by itself", "ogr")).method == "count-all"
    opened = QgsVectorLayer(source, "places", "ogr")
    loaded[source].postProcessor().postProcessLayer(opened, context, feedback)
    record = record_of(opened)
    assert record.values["steps"] == 4 and record.values["way"] == "a" and record.values["reach"] == 250.0
    assert record.values["before"] == {"first": "2025-01", "last": "2025-02"} and record.values["weight"] == "easting"


def area_layer() -> QgsVectorLayer:
    layer = QgsVectorLayer("Polygon?crs=EPSG:27700", "area", "memory")
    feature = QgsFeature()
    feature.setGeometry(square().geometry)
    layer.dataProvider().addFeature(feature)
    layer.updateExtents()
    return layer


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"STEPS": 99}, "“Steps” is 99, and must be at most 9"),
        ({"FROM_MONTH": "March"}, "is no month"),
        ({"BOROUGHS": "Camden"}, "Give one study area"),
    ],
)
def test_an_algorithm_refuses_before_the_run(qgis_app, changes, words):
    project = QgsProject()
    layer, polygons = point_layer(scattered(90, MONTHS)), area_layer()
    project.addMapLayers([layer, polygons])
    context = QgsProcessingContext()
    context.setProject(project)
    parameters = {
        "INPUT": layer,
        "STUDY_AREA": polygons,
        "FROM_MONTH": "2025-03",
        "OUTPUT": "TEMPORARY_OUTPUT",
        **changes,
    }
    ok, sentence = AnalysisAlgorithm(CENSUS).create().checkParameterValues(parameters, context)
    assert not ok and words in sentence


# ---------------------------------------------------------------------- the registry


def test_every_analysis_of_the_registry_is_whole():
    names = [analysis.name for analysis in ANALYSES]
    assert len(set(names)) == len(names)
    for analysis in ANALYSES:
        assert analysis.words and analysis.group and len(analysis.help) > 60
        assert analysis.help.rstrip().endswith(".")
        for choice in analysis.choices:
            assert choice.words and choice.help
            assert choice.kind is not Kind.ONE_OF or choice.default in dict(choice.options)
        checked_values(analysis, {c.name: "x" for c in analysis.choices if c.required})
        algorithm = AnalysisAlgorithm(analysis).create()
        assert algorithm.name().isalnum() and algorithm.shortHelpString() and not algorithm.icon().isNull()


def test_the_guide_names_every_analysis():
    guide = (ROOT / "docs" / "analyses.md").read_text(encoding="utf-8")
    assert [a.words for a in ANALYSES if f"| {a.words} |" not in guide] == []
    assert [group for group in dict.fromkeys(a.group for a in ANALYSES) if f"| **{group}** |" not in guide] == []
