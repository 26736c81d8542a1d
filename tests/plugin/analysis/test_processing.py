"""The provider ``safestats``: in this process, and by ``qgis_process`` with the plugin in a profile of its own."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import processing
import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core.analyses.registry import ANALYSES
from safestats.qgis_plugin.core.errors import DeskError
from safestats.qgis_plugin.core.events import EventQueue
from safestats.qgis_plugin.core.local_store import STATE, LocalCopy, LocalStore
from safestats.qgis_plugin.core.run_record import record_of
from safestats.qgis_plugin.processing.algorithm import SafeStatsAlgorithm
from safestats.qgis_plugin.processing.provider import SafeStatsProvider
from safestats.tests.plugin.explore.conftest import manifest

from .conftest import ROOT, point_layer

EAST, NORTH = 533_512, 179_796  # SE1 2AD


@pytest.fixture
def provider(qgis_app):
    made = SafeStatsProvider()
    assert QgsApplication.processingRegistry().addProvider(made)
    yield made
    QgsApplication.processingRegistry().removeProvider(made)


@pytest.fixture
def context(qgis_app) -> QgsProcessingContext:
    return QgsProcessingContext()


@pytest.fixture
def shown(qgis_app) -> Iterator[Callable[[LocalCopy], QgsVectorLayer]]:
    """The layer of a local copy, owned by the project.

    QGIS never lets go of what an algorithm raises, nor of the frames that led there: a layer owned by Python would
    outlive QGIS, and its end would crash the process.
    """
    made = []

    def show(copy: LocalCopy) -> QgsVectorLayer:
        made.append(QgsProject.instance().addMapLayer(QgsVectorLayer(str(copy.path), "copy", "ogr")).id())
        return QgsProject.instance().mapLayer(made[-1])

    yield show
    QgsProject.instance().removeMapLayers(made)


def rows(number: int = 800) -> list[tuple[int, int, str, str]]:
    random = np.random.default_rng(11)
    places = np.rint(random.normal((EAST, NORTH), 350, (number, 2))).astype(int)
    return [(int(e), int(n), "2025-01", "theft" if i % 3 else "drugs") for i, (e, n) in enumerate(places)]


def square_layer() -> QgsVectorLayer:
    layer = QgsVectorLayer("Polygon?crs=EPSG:27700", "square", "memory")
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(EAST - 1000, NORTH - 1000, EAST + 1000, NORTH + 1000)))
    layer.dataProvider().addFeatures([feature])
    return layer


def test_every_algorithm_has_a_name_a_help_and_an_icon(provider):
    names = {"getisord", "kerneldensity", "premisesbatch", "explorecounts", "proximitysearch", "timecounts"}
    names |= {analysis.name.replace("-", "") for analysis in ANALYSES}
    assert {a.id() for a in provider.algorithms()} == {f"safestats:{name}" for name in names}
    for algorithm in provider.algorithms():
        assert algorithm.displayName() and len(algorithm.shortHelpString()) > 100 and not algorithm.icon().isNull()


def test_proximity_search_equals_a_count_by_hand(provider, context):
    points = rows()
    done = processing.run(
        "safestats:proximitysearch",
        {
            "INPUT": [point_layer(points)], "POSTCODE": "se12ad", "RADII": "100,250,500",
            "RINGS": "memory:", "TABLE": "memory:", "FROM_MONTH": "2025-01",
        },
        context=context,
    )  # fmt: skip
    squared = [(e - EAST) ** 2 + (n - NORTH) ** 2 for e, n, *_ in points]
    by_hand = {radius: sum(s <= radius**2 for s in squared) for radius in (100, 250, 500)}
    assert (done["EASTING"], done["NORTHING"], done["COUNT"]) == (EAST, NORTH, by_hand[500])
    assert {f["radius_m"]: f["incidents"] for f in done["RINGS"].getFeatures()} == by_hand
    table = {(f["category"], f["radius_m"]): f["incidents"] for f in done["TABLE"].getFeatures()}
    assert table["All incidents", 250] == by_hand[250] == table["Theft", 250] + table["Drugs", 250]


@pytest.mark.parametrize(
    ("name", "further", "sentence"),
    [
        ("kerneldensity", {"BANDWIDTH": 0}, "“Bandwidth (m)” is 0, and must be at least 1: choose a larger number."),
        ("kerneldensity", {"CELL": -5}, "“Cell (m)” is -5, and must be at least 1: choose a larger number."),
        ("getisord", {"CELL": 0}, "“Cell (m)” is 0, and must be at least 1: choose a larger number."),
        ("getisord", {"NEIGHBOURS": 0}, "“Neighbours” is 0, and must be at least 1: choose a larger number."),
        ("getisord", {"NEIGHBOURS": 21}, "“Neighbours” is 21, and must be at most 20: choose a smaller number."),
        ("repeatlocations", {"LEAST": 0}, "and must be at least 2: choose a larger number."),
    ],
)
def test_a_number_out_of_its_range_has_a_sentence(provider, context, name, further, sentence):
    parameters = {
        "INPUT": point_layer(rows()), "STUDY_AREA": square_layer(), "OUTPUT": "TEMPORARY_OUTPUT", **further,
    }  # fmt: skip
    ok, told = provider.algorithm(name).checkParameterValues(parameters, context)
    assert not ok and told.endswith(sentence)
    usual = {key: value for key, value in parameters.items() if key not in further}
    assert provider.algorithm(name).checkParameterValues(usual, context)[0]


def test_several_layers_are_never_added_up(provider, context):
    layers = [point_layer(rows(50), "one"), point_layer(rows(70), "two")]
    inputs = {
        "INPUT": layers,
        "POINT": f"{EAST},{NORTH} [EPSG:27700]",
        "RADII": "5000",
        "TABLE": "memory:",
        "FROM_MONTH": "2025-01",
        "RANK": False,
    }
    done = processing.run("safestats:proximitysearch", inputs, context=context)
    assert "COUNT" not in done
    totals = {f["dataset"]: f["incidents"] for f in done["TABLE"].getFeatures() if f["category"] == "All incidents"}
    assert totals == {"one": 50, "two": 70}


def test_kernel_density_has_the_volume_of_the_incidents(provider, context, tmp_path):
    points = [r for r in rows() if max(abs(r[0] - EAST), abs(r[1] - NORTH)) < 700]
    done = processing.run(
        "safestats:kerneldensity",
        {
            "INPUT": point_layer(points), "STUDY_AREA": square_layer(), "CELL": 25, "BANDWIDTH": 300,
            "OUTPUT": str(tmp_path / "density.tif"),
        },
        context=context,
    )  # fmt: skip
    raster = gdal.Open(done["OUTPUT"])
    values = raster.ReadAsArray().astype(float)
    volume = values[values != raster.GetRasterBand(1).GetNoDataValue()].sum() * 0.025**2
    assert volume == pytest.approx(len(points), rel=0.005)
    assert (done["INCIDENTS"], done["CELL_USED"], done["BANDWIDTH_USED"]) == (len(points), 25, 300)


def test_a_layer_that_processing_loads_tells_how_it_was_made(provider, context, tmp_path):
    project = QgsProject()
    context.setProject(project)
    layer, area = point_layer(rows()), square_layer()
    project.addMapLayers([layer, area])
    path = str(tmp_path / "density.tif")
    parameters = {
        "INPUT": layer, "STUDY_AREA": area, "OUTPUT": QgsProcessingOutputLayerDefinition(path, project),
    }  # fmt: skip
    found, ok = provider.algorithm("kerneldensity").run(parameters, context, QgsProcessingFeedback())
    assert ok
    raster = QgsRasterLayer(path, "density", "gdal")
    loading = context.layersToLoadOnCompletion()[path]
    loading.postProcessor().postProcessLayer(raster, context, QgsProcessingFeedback())
    record = record_of(raster)
    assert (record.method, record.incidents) == ("kde-raster", found["INCIDENTS"])
    assert record.values["bandwidth_m"] == found["BANDWIDTH_USED"] and record.values["cell_m"] == found["CELL_USED"]
    assert raster.metadata().history() and raster.renderer().type() == "singlebandpseudocolor"


def test_getis_ord_finds_the_planted_cluster(provider, context):
    done = processing.run(
        "safestats:getisord",
        {"INPUT": point_layer(rows()), "STUDY_AREA": square_layer(), "CELL": 100, "OUTPUT": "memory:"},
        context=context,
    )
    cells = list(done["OUTPUT"].getFeatures())
    hottest = max(cells, key=lambda f: f["z"]).geometry().centroid().asPoint()
    assert abs(hottest.x() - EAST) < 250 and abs(hottest.y() - NORTH) < 250
    assert done["HOT_CELLS"] == sum(f["class"] > 0 for f in cells) > 0
    assert sum(f["count"] for f in cells) == done["INCIDENTS"]


@pytest.mark.parametrize(
    ("algorithm", "changes", "words"),
    [
        ("proximitysearch", {"POSTCODE": "SE1"}, "only part of a postcode"),
        ("proximitysearch", {"POSTCODE": "SE1 2AD", "POINT": "1,1"}, "either a postcode or a point"),
        ("proximitysearch", {}, "either a postcode or a point"),
        ("proximitysearch", {"POSTCODE": "SE1 2AD", "RADII": "x"}, "no list of radii"),
        ("proximitysearch", {"POSTCODE": "SE1 2AD", "FROM_MONTH": "March"}, "is no month"),
        ("kerneldensity", {}, "Give one study area"),
        ("kerneldensity", {"BOROUGHS": "Camden", "CELL": 200, "BANDWIDTH": 100}, "smaller than the cell"),
        ("getisord", {"BOROUGHS": "Camden", "FROM_MONTH": "2025-02", "TO_MONTH": "2025-01"}, "before it starts"),
    ],
)
def test_inputs_that_cannot_be_used_are_told_before_the_run(provider, context, algorithm, changes, words):
    layer = point_layer(rows(5))
    context.temporaryLayerStore().addMapLayer(layer)
    found = provider.algorithm(algorithm)
    given = [layer.id()] if algorithm == "proximitysearch" else layer.id()
    inputs = {"INPUT": given, "OUTPUT": "TEMPORARY_OUTPUT", **changes}
    ok, sentence = found.checkParameterValues(inputs, context)
    assert not ok and words in sentence


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"BOROUGHS": "Atlantis"}, "is no London borough"),
        ({"BOROUGHS": "Camden"}, "All 5 incidents of .* lie outside the study area “Camden”"),
    ],
)
def test_trouble_while_running_is_one_sentence(provider, context, inputs, words):
    with pytest.raises(QgsProcessingException, match=words):
        processing.run(
            "safestats:getisord",
            {"INPUT": point_layer(rows(5)), "OUTPUT": "memory:", **inputs},
            context=context,
            feedback=QgsProcessingFeedback(),
        )


def test_qgis_process_runs_the_plugin_in_a_fresh_profile(qgis_app, tmp_path):
    command = shutil.which("qgis_process")
    if command is None:
        pytest.skip("qgis_process is not installed.")
    plugins = tmp_path / "profile" / "profiles" / "default" / "python" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "safestats").symlink_to(ROOT)
    points = rows()
    file = tmp_path / "incidents.gpkg"
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    QgsVectorFileWriter.writeAsVectorFormatV3(
        point_layer(points), str(file), QgsProject.instance().transformContext(), options
    )
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "QGIS_CUSTOM_CONFIG_PATH": str(tmp_path / "profile"),
        "HOME": str(tmp_path),
    }
    environment.pop("PYTHONPATH", None)

    def call(*arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call("plugins", "enable", "safestats")
    inputs = {"INPUT": [str(file)], "POSTCODE": "se1 2ad", "RADII": "100,250", "RINGS": str(tmp_path / "rings.gpkg")}
    answer = json.loads(call("run", "safestats:proximitysearch", "-", stdin=json.dumps({"inputs": inputs})))
    expected = sum((e - EAST) ** 2 + (n - NORTH) ** 2 <= 250**2 for e, n, *_ in points)
    assert answer["results"]["COUNT"] == expected
    rings = QgsVectorLayer(str(tmp_path / "rings.gpkg"), "rings", "ogr")
    assert {f["radius_m"]: f["incidents"] for f in rings.getFeatures()}[250] == expected
    assert rings.crs() == QgsCoordinateReferenceSystem("EPSG:27700")


def local_copy(root: Path, **changes) -> LocalCopy:
    """A copy of account-1, as a pull makes it."""
    account = LocalStore(root).account_of_key("account-1")
    built = account.fresh_part("mps", "built")
    built.unlink()
    file = built.with_name("built.gpkg")
    saved = QgsVectorFileWriter.writeAsVectorFormatV3(
        point_layer(rows(40)), str(file), QgsCoordinateTransformContext(), QgsVectorFileWriter.SaveVectorOptions()
    )
    assert saved[0] == QgsVectorFileWriter.WriterError.NoError
    return account.commit("mps", file, manifest("mps", "Police", 40, **changes), (), None)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [("unreadable", "no longer here"), ("lapsed", "was valid until"), ("gone", "no longer here")],
)
@pytest.mark.parametrize("kept", [True, False])
def test_nothing_is_made_of_a_copy_whose_terms_cannot_be_read_or_are_over(
    provider, context, shown, tmp_path, monkeypatch, trouble, words, kept
):
    monkeypatch.setenv("SAFESTATS_LOCAL_ROOT", str(tmp_path / "copies"))
    copy = local_copy(tmp_path / "copies", **({"valid_until": "2020-01-01T00:00:00Z"} if trouble == "lapsed" else {}))
    state = copy.path.parent / STATE
    if trouble == "unreadable":
        state.write_text("{", encoding="utf-8")
    elif trouble == "gone":
        state.unlink()
    layer = shown(copy)
    table = str(tmp_path / "kept.csv") if kept else "memory:"
    inputs = {"INPUT": [layer], "POSTCODE": "SE1 2AD", "RADII": "100,500", "TABLE": table}
    told = QgsProcessingFeedback(False)
    with pytest.raises(QgsProcessingException):
        processing.run("safestats:proximitysearch", inputs, context=context, feedback=told)
    assert words in told.textLog()
    assert not (tmp_path / "kept.csv").exists()
    hotspots = {"INPUT": layer, "BOROUGHS": "Southwark", "OUTPUT": "TEMPORARY_OUTPUT"}
    told = QgsProcessingFeedback(False)
    with pytest.raises(QgsProcessingException):
        processing.run("safestats:kerneldensity", hotspots, context=context, feedback=told)
    assert words in told.textLog()


class Incidents(list):
    """What an algorithm reads, to be asked after."""


def fails_at_once() -> None:
    raise DeskError("There is nothing to look at.")


def fails_for_a_cause() -> None:
    try:
        fails_deep()
    except ValueError as error:
        raise DeskError("There is nothing to look at.") from error


def fails_on_the_way() -> None:
    try:
        fails_deep()
    except ValueError:
        raise DeskError("There is nothing to look at.") from None


def fails_deep() -> None:
    incidents = Incidents(range(10))
    raise ValueError(len(incidents))


def fails_for_want_of_memory() -> None:
    raise MemoryError


def fails_for_want_of_memory_on_the_way() -> None:
    try:
        fails_deep()
    except ValueError:
        raise MemoryError from None


@pytest.mark.parametrize(
    ("fails", "expected"),
    [
        (fails_at_once, QgsProcessingException),
        (fails_for_a_cause, QgsProcessingException),
        (fails_on_the_way, QgsProcessingException),
        (fails_for_want_of_memory, MemoryError),
        (fails_for_want_of_memory_on_the_way, MemoryError),
    ],
)
def test_what_was_read_goes_whatever_the_run_failed_of(qgis_app, context, fails, expected):
    class Failing(SafeStatsAlgorithm):
        NAME = TITLE = HELP = "failing"

        def _run(self, _parameters, _context, _feedback) -> dict:
            incidents = Incidents(range(1000))
            fails()
            return {"READ": len(incidents)}

    # What QGIS catches it never lets go of.
    with pytest.raises(expected) as caught:
        Failing().processAlgorithm({}, context, QgsProcessingFeedback(False))
    assert caught.value is not None
    assert not [one for one in gc.get_objects() if type(one) is Incidents]


def test_what_was_read_goes_though_the_run_failed(qgis_app, context):
    read: list[weakref.ref] = []

    class Failing(SafeStatsAlgorithm):
        NAME = TITLE = HELP = "failing"

        def initAlgorithm(self, _configuration=None) -> None:
            pass

        def _run(self, _parameters, _context, _feedback) -> dict:
            incidents = np.zeros(1000)
            read.append(weakref.ref(incidents))
            raise DeskError("There is nothing to look at.")

    told = QgsProcessingFeedback(False)
    algorithm = Failing()
    algorithm.initAlgorithm()
    assert algorithm.run({}, context, told) == ({}, False)
    assert "There is nothing to look at." in told.textLog()
    assert len(read) == 1 and read[0]() is None


def test_a_run_on_a_local_copy_is_noted_for_the_audit(provider, context, tmp_path, monkeypatch):
    monkeypatch.setenv("SAFESTATS_LOCAL_ROOT", str(tmp_path / "copies"))
    layer = QgsVectorLayer(str(local_copy(tmp_path / "copies").path), "copy", "ogr")
    inputs = {"INPUT": [layer], "POSTCODE": "SE1 2AD", "RADII": "100,500", "TABLE": "memory:"}
    done = processing.run("safestats:proximitysearch", inputs, context=context)
    (event,) = EventQueue(tmp_path / "copies" / "events.jsonl").waiting("account-1")
    assert (event["kind"], event["dataset"], event["rows"]) == ("proximity.search", "mps", done["COUNT"])
    assert (event["filter"]["place"], event["filter"]["radii"]) == ("SE1 2AD", [100, 500])
    # A layer of one's own is nobody else's business.
    processing.run("safestats:proximitysearch", {**inputs, "INPUT": [point_layer(rows(5))]}, context=context)
    assert len(EventQueue(tmp_path / "copies" / "events.jsonl").waiting("account-1")) == 1


def test_what_processing_notes_tells_the_filter_of_the_layer(provider, context, tmp_path, monkeypatch):
    monkeypatch.setenv("SAFESTATS_LOCAL_ROOT", str(tmp_path / "copies"))
    layer = QgsVectorLayer(str(local_copy(tmp_path / "copies").path), "copy", "ogr")
    assert layer.setSubsetString("\"category\" = 'theft'")
    listed = tmp_path / "list.csv"
    listed.write_text("name,postcode\nThe Anchor,SE1 2AD\n", encoding="utf-8")
    around = {"INPUT": [layer], "RADII": "100,500"}
    processing.run("safestats:proximitysearch", {**around, "POSTCODE": "SE1 2AD"}, context=context)
    batch = {**around, "LIST": str(listed), "FOLDER": str(tmp_path / "out"), "PAGES": False}
    processing.run("safestats:premisesbatch", batch, context=context)
    processing.run("safestats:timecounts", {"INPUT": layer, "CHART": 2, "OUTPUT": "memory:"}, context=context)
    noted = [event["filter"] for event in EventQueue(tmp_path / "copies" / "events.jsonl").waiting("account-1")]
    assert [one["by"] for one in noted] == ["proximitysearch", "premisesbatch", "premisesbatch", "timecounts"]
    assert all((one["filter"], one["filter_columns"]) == ('"category" = ?', ["category"]) for one in noted)
