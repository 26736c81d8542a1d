"""Real project files that were saved with a local copy which is no longer the one in force."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qgis.core import (
    Qgis,
    QgsGeometry,
    QgsLayoutItemAttributeTable,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsPathResolver,
    QgsPrintLayout,
    QgsProjectBadLayerHandler,
    QgsRectangle,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import DeskError
from safestats.qgis_plugin.core.explore import row_filter
from safestats.qgis_plugin.core.explore.filter_question import keep_question, taken_question
from safestats.qgis_plugin.core.explore.row_filter import naming
from safestats.qgis_plugin.core.explore.selection import Selection, Within
from safestats.qgis_plugin.core.filter_text import SINGLE_ROWS
from safestats.qgis_plugin.core.incidents import IncidentFilter
from safestats.qgis_plugin.core.local_store import LocalCopy
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.run_record import LayerName, RunRecord, keep_record, record_of
from safestats.qgis_plugin.core.saved_projects import SavedProjects, is_stand_in
from safestats.qgis_plugin.core.study_areas import StudyArea
from safestats.shared.manifest import FID_KEY_BITS

WAIT_MS = 120_000


class Unavailable(QgsProjectBadLayerHandler):
    """What QGIS would ask its user about: layers that it cannot find."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = 0

    def handleBadLayers(self, layers: list[Any]) -> None:
        self.layers += len(layers)


@pytest.fixture
def pull(desk: Desk, live_server, sign_in, qtbot) -> Callable[[], LocalCopy]:
    sign_in(live_server.url, "ada")

    def act() -> LocalCopy:
        ended: list[Any] = []
        desk.pull("colp", "colp", ended.append, ended.append)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
        assert not isinstance(ended[0], DeskError), ended[0]
        return ended[0].copy

    return act


def saved(desk: Desk, path: Path, relative: bool) -> None:
    """The project with its layer, as its user has styled it, in a file; then QGIS is empty again."""
    layer = desk.open_layer("colp")
    layer.setOpacity(0.25)
    layer.setName("Our incidents")
    layer.setSubsetString("\"category\" = 'Drugs'")
    project = desk.project
    project.setFilePathStorage(Qgis.FilePathType.Relative if relative else Qgis.FilePathType.Absolute)
    assert project.write(str(path))
    if path.suffix == ".qgs":
        assert ("../copies/" in path.read_text(encoding="utf-8")) is relative
    project.clear()


def opened(desk: Desk, path: Path) -> tuple[QgsVectorLayer, Unavailable]:
    unavailable = Unavailable()
    desk.project.setBadLayerHandler(unavailable)
    desk.project.read(str(path))
    desk.project.setBadLayerHandler(QgsProjectBadLayerHandler())
    (layer,) = desk.project.mapLayers().values()
    return layer, unavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "projects"
    folder.mkdir()
    return folder


def update(desk: Desk, pull: Callable[[], LocalCopy], live_server, former: LocalCopy, qtbot) -> LocalCopy:
    seed = int(datetime.now(timezone.utc).timestamp() * 1000) % 1_000_000
    live_server.publish(("2025-09", 180, seed))
    copy = pull()
    qtbot.waitUntil(lambda: not former.path.exists(), timeout=WAIT_MS)
    return copy


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
@pytest.mark.parametrize("kind", ["qgs", "qgz"])
def test_a_project_saved_before_an_update_opens_with_the_copy_in_force(
    desk: Desk, pull, live_server, folder: Path, qtbot, relative: bool, kind: str
) -> None:
    former = pull()
    saved(desk, folder / f"p.{kind}", relative)
    copy = update(desk, pull, live_server, former, qtbot)
    layer, unavailable = opened(desk, folder / f"p.{kind}")
    assert unavailable.layers == 0 and layer.isValid()
    assert layers.shown_path(layer) == copy.path
    assert (layer.name(), layer.opacity()) == ("Our incidents", 0.25)
    assert layer.subsetString() == "\"category\" = 'Drugs'"
    assert {feature["category"] for feature in layer.getFeatures()} == {"Drugs"}
    assert layers.facts(layer).release == copy.manifest.release == former.manifest.release + 1
    assert layers.facts(layer).valid_until == copy.manifest.valid_until
    assert desk.layers() == [layer]


def layout_of(desk: Desk, layer: QgsVectorLayer) -> QgsPrintLayout:
    """A layout that remembers the layer in a map whose layers are kept, in a legend, in a table and in its atlas."""
    layout = QgsPrintLayout(desk.project)
    layout.setName("A page")
    layout.initializeDefaults()
    shown = QgsLayoutItemMap(layout)
    shown.setLayers([layer])
    shown.setKeepLayerSet(True)
    layout.addLayoutItem(shown)
    legend = QgsLayoutItemLegend(layout)
    legend.setAutoUpdateModel(False)
    layout.addLayoutItem(legend)
    table = QgsLayoutItemAttributeTable.create(layout)
    table.setVectorLayer(layer)
    layout.addMultiFrame(table)
    layout.atlas().setCoverageLayer(layer)
    layout.atlas().setEnabled(True)
    desk.project.layoutManager().addLayout(layout)
    return layout


def all_bytes(path: Path) -> bytes:
    if path.suffix == ".qgs":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return b"".join(archive.read(name) for name in archive.namelist())


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
@pytest.mark.parametrize("kind", ["qgs", "qgz"])
@pytest.mark.parametrize("many", [3, 400])
def test_a_project_file_holds_no_filter_of_single_rows(
    desk: Desk, pull, folder: Path, monkeypatch, relative: bool, kind: str, many: int
) -> None:
    monkeypatch.setattr(row_filter, "_MOST_LISTED", 100)  # the copy holds 480
    pull()
    layer = desk.open_layer("colp")
    fids = np.array(sorted(feature.id() for feature in layer.getFeatures())[:many], dtype=np.int64)
    assert layer.setSubsetString(naming(fids)) and fids[0] > 1 << FID_KEY_BITS
    keep_question(layer, Selection("colp", within=Within.BOROUGHS, codes=("E09000001",)))
    result = QgsVectorLayer("Point?crs=EPSG:27700", "A result", "memory")
    area = StudyArea("a square", QgsGeometry.fromRect(QgsRectangle(530_000, 180_000, 534_000, 184_000)), "")
    facts = PointSource(layer).facts
    keep_record(
        result, RunRecord.of("x", {}, facts, IncidentFilter(), area, (1, 0, 0), "9", {"a": LayerName.of(facts)})
    )
    desk.project.addMapLayer(result)
    layout_of(desk, layer)
    project, path = desk.project, folder / f"p.{kind}"
    project.setFilePathStorage(Qgis.FilePathType.Relative if relative else Qgis.FilePathType.Absolute)
    for _again in range(2):
        assert project.write(str(path))
        told = all_bytes(path)
        days = {int(fid) >> FID_KEY_BITS for fid in fids}
        assert not any(str(fid).encode() in told for fid in fids.tolist()) and b"json_each" not in told
        assert not any(int(number) >> FID_KEY_BITS in days for number in re.findall(rb"\d{17,19}", told))
        assert layer.subsetString() == naming(fids)  # what is shown stays as it is
    assert [found.name for found in folder.iterdir() if found.name.endswith(".part")] == []
    project.clear()
    sentences: list[str] = []
    desk.told.connect(sentences.append)
    assert project.read(str(path))
    (again,) = project.mapLayersByName(layer_name := desk.layers()[0].name())
    assert again.isValid() and not again.subsetString() and again.featureCount() >= many
    assert sentences == [
        f"{layer_name}: shown unfiltered. It was filtered to single incidents, and a project file keeps no such "
        "filter: filter it again in Explore."
    ]
    assert taken_question(again) == Selection("colp", within=Within.BOROUGHS, codes=("E09000001",))
    (item,) = [one for one in project.layoutManager().layouts()[0].items() if isinstance(one, QgsLayoutItemMap)]
    assert item.layers() == [again]
    assert project.write(str(path)) and b"safestats-rows-filter" not in all_bytes(path)
    (made,) = project.mapLayersByName("A result")
    assert record_of(made).source.subset == SINGLE_ROWS


@pytest.mark.parametrize("lapsed", [False, True], ids=["deleted", "lapsed"])
def test_without_a_valid_copy_nothing_stale_is_shown_and_one_sentence_says_so(
    desk: Desk, pull, folder: Path, qtbot, lapsed: bool
) -> None:
    copy = pull()
    saved(desk, folder / "p.qgs", relative=True)
    state = copy.path.parent / "state.json"
    if lapsed:
        document = json.loads(state.read_text(encoding="utf-8"))
        document["manifest"]["valid_until"] = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()
        state.write_text(json.dumps(document), encoding="utf-8")
    else:
        desk.give_up("colp")
        qtbot.waitUntil(lambda: not copy.path.exists(), timeout=WAIT_MS)
    told: list[str] = []
    desk.told.connect(told.append)
    layer, unavailable = opened(desk, folder / "p.qgs")
    assert unavailable.layers == 0
    assert layer.featureCount() == 0 and list(layer.getFeatures()) == []
    assert len(told) == 1 and told[0].startswith("Our incidents: the local copy is no longer here")
    assert desk.layers() == []  # no dock searches an empty layer

    # Saved once more and opened after the next pull, it is the layer again, as its user had it.
    assert desk.project.write(str(folder / "again.qgs"))
    desk.project.clear()
    fresh = pull()
    layer, unavailable = opened(desk, folder / "again.qgs")
    assert unavailable.layers == 0 and layers.shown_path(layer) == fresh.path
    assert layer.opacity() == 0.25 and layer.featureCount() > 0


def test_the_next_pull_fills_the_layer_that_stood_empty(desk: Desk, pull, folder: Path, qtbot) -> None:
    copy = pull()
    saved(desk, folder / "p.qgs", relative=False)
    desk.give_up("colp")
    qtbot.waitUntil(lambda: not copy.path.exists(), timeout=WAIT_MS)
    layer, _ = opened(desk, folder / "p.qgs")
    assert is_stand_in(layer)
    fresh = pull()
    assert layers.shown_path(layer) == fresh.path and layer.isValid()
    assert desk.open_layer("colp") is layer
    assert layer.opacity() == 0.25


def test_other_files_keep_their_paths(store, tmp_path: Path) -> None:
    saved_projects = SavedProjects(store, lambda _account: True)
    for path in (
        "/data/boroughs.gpkg",
        "./rings.gpkg|layername=rings",
        "0123456789abcdef/colp/mps-r3-01234567.gpkg",
        "/x/0123456789abcdef/colp/colp-r3-01234567.gpkg.bak",
        "https://example.org/0123456789abcdef/colp/colp",
        "",
    ):
        assert saved_projects.redirected(path) == path


def test_unloading_takes_the_redirection_back(store, qgis_app) -> None:
    path = "/elsewhere/0123456789abcdef/colp/colp-r3-01234567.gpkg"
    resolver = QgsPathResolver()
    saved_projects = SavedProjects(store, lambda _account: True)
    before = resolver.readPath(path)
    saved_projects.install()
    assert "0123456789abcdef/colp/colp-r0-" in resolver.readPath(path)
    saved_projects.remove()
    assert resolver.readPath(path) == before == path
