"""Real project files that were saved with a local copy which is no longer the one in force."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from qgis.core import Qgis, QgsPathResolver, QgsProjectBadLayerHandler, QgsVectorLayer
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import DeskError
from safestats.qgis_plugin.core.local_store import LocalCopy
from safestats.qgis_plugin.core.saved_projects import SavedProjects, is_stand_in

WAIT_MS = 20_000


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
