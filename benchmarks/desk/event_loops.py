"""QGIS's event loop while a layer is pulled, updated and searched for hotspots, and idle: how long it ever waits."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qgis.core import QgsProject, QgsSettings
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QEventLoop, QSettings, QTimer

from ...qgis_plugin.core import layers
from ...qgis_plugin.core.desk import Desk
from ...qgis_plugin.core.hotspots import Method
from ...qgis_plugin.core.local_store import AccountStore, LocalCopy, LocalStore
from ...qgis_plugin.core.network import QgisNetwork
from ...qgis_plugin.core.pull import PullResult
from ...qgis_plugin.core.settings import DeskSettings
from ...qgis_plugin.gui.hotspot_dock import HotspotDock
from ..measuring import Contender, Figure, Kind, Measure, take_turns
from .application import answer
from .client import PURPOSE, Account
from .heartbeat import BEAT_MS, Heartbeat

_ROUNDS = 5
_AIM_S = 0.1
_PATIENCE_MS = 120_000
_LOOK_MS = 100
_IDLE_MS = 5_000
_MAP_SIZE = (1200, 800)


class _Window:
    """What the dock needs of QGIS's window."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        self._canvas = canvas

    def mapCanvas(self) -> QgsMapCanvas:
        return self._canvas


def measure(arguments: dict[str, Any]) -> list[Measure]:
    """A measure for each kind of work; with ``first`` none, but a copy in ``store`` of what the server offers now."""
    account, dataset, root = Account.of(arguments), arguments["dataset"], Path(arguments["store"])
    settings = DeskSettings(QgsSettings(str(root.with_suffix(".ini")), QSettings.Format.IniFormat))
    desk = Desk(settings, LocalStore(root), QgisNetwork(), "0.1.0", QgsProject.instance())
    _until(lambda *ends: desk.steps.sign_in(account.url, account.user, account.password, *ends))
    _until(lambda *ends: desk.steps.accept(PURPOSE, "", *ends))
    if arguments["first"]:
        _until(lambda *ends: desk.pull(dataset, dataset, *ends))
        return []

    store = LocalStore(root).account(account.url, account.user)
    former = store.copy(dataset)
    kept = Path(shutil.copyfile(former.path, Path(arguments["scratch"]) / "former.gpkg"))
    layer = desk.open_layer(dataset)
    canvas = QgsMapCanvas()
    canvas.setDestinationCrs(layer.crs())
    canvas.resize(*_MAP_SIZE)
    canvas.show()
    canvas.setExtent(layer.extent())
    canvas.setLayers([layer])
    _let_draw(canvas)
    brought: list[PullResult] = []

    def take_back(_folder: Path) -> None:
        # The map begins to be drawn, and is not waited for: the update comes in the middle of it.
        layers.renew(desk.project, _in_a_thread(lambda: _put_back(store, former, kept)))

    def update(_folder: Path) -> float:
        heartbeat = Heartbeat()
        brought.append(_until(lambda *ends: desk.pull(dataset, dataset, *ends)))
        _let_draw(canvas)
        return heartbeat.stop()

    def idle(_folder: Path) -> float:
        heartbeat, loop = Heartbeat(), QEventLoop()
        QTimer.singleShot(_IDLE_MS, loop.quit)
        loop.exec()
        return heartbeat.stop()

    def forget(_folder: Path) -> None:
        desk.give_up(dataset)
        desk.settle()

    def pull(_folder: Path) -> float:
        heartbeat = Heartbeat()
        _until(lambda *ends: desk.pull(dataset, dataset, *ends))
        canvas.setLayers([desk.open_layer(dataset)])
        _let_draw(canvas)
        return heartbeat.stop()

    def turns(name: str, act: Callable[[Path], float], prepare: Callable[[Path], None]) -> Any:
        ours = Contender(name, Kind.OURS, act, prepare, aim=_AIM_S)
        idling = Contender("QGIS with the same map, idle", Kind.LIMIT, idle)
        return take_turns([ours, idling], Path(arguments["scratch"]), _ROUNDS, warm_up=False)

    what = f"The event loop of QGIS, {arguments['year']} of the Met's on a map, {former.manifest.rows:,} rows"
    updated = turns("Desk.pull of a layer on a map", update, take_back)
    changes = brought[-1].copy.changes
    if changes is None or not changes.withdrawn or layer.featureCount() != brought[-1].copy.manifest.rows:
        raise RuntimeError(f"The layer was not updated: {changes}.")
    measures = [
        updated.told(
            f"{what}, updated by a correction of {changes.added + changes.changed + changes.withdrawn:,} rows",
            Figure.LONGEST_WAIT,
            note="From the request, which comes in the middle of drawing the map, until the map is drawn anew; a beat "
            f"every {BEAT_MS} ms.",
        ),
        turns("Desk.pull into an empty folder, then the map", pull, forget).told(
            f"{what}, pulled and opened",
            Figure.LONGEST_WAIT,
            note="From the request until the layer is on the map and drawn.",
        ),
    ]
    dock = HotspotDock(desk, _Window(canvas))
    dock.show()
    dock.incidents.layer_box.setLayer(desk.layers()[0])
    for method in Method:
        dock.method_box.setCurrentIndex(dock.method_box.findData(method))
        measures.append(
            turns(f"the hotspot dock, {method.value}", partial(_find_hotspots, dock, canvas), _nothing).told(
                f"{what}, searched for hotspots: {method.value}",
                Figure.LONGEST_WAIT,
                note="From the click until the result is on the map and drawn.",
            )
        )
    dock.close_down()
    return measures


def _find_hotspots(dock: HotspotDock, canvas: QgsMapCanvas, _folder: Path) -> float:
    heartbeat, before = Heartbeat(), dock.result
    dock.start()
    _until_true(lambda: dock.result is not before and dock.run_button.isEnabled())
    canvas.setLayers([dock.result.layer])
    _let_draw(canvas)
    return heartbeat.stop()


def _nothing(_folder: Path) -> None:
    """There is nothing to prepare."""


def _put_back(store: AccountStore, former: LocalCopy, kept: Path) -> LocalCopy:
    dataset = former.manifest.dataset
    with store.lock(dataset):
        built = store.fresh_part(dataset, "former.gpkg")
        shutil.copyfile(kept, built)
        return store.commit(dataset, built, former.manifest, former.categories, None)


def _in_a_thread(work: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def _until(begin: Callable[[Callable[[Any], None], Callable[[Any], None]], Any]) -> Any:
    """Let QGIS live until the work that ``begin`` starts has ended; its result."""
    loop, results, errors = QEventLoop(), [], []

    def done(result: Any) -> None:
        results.append(result)
        loop.quit()

    def failed(error: Any) -> None:
        errors.append(error)
        loop.quit()

    begin(done, failed)
    _give_up_later(loop)
    loop.exec()
    if not results:
        raise RuntimeError(f"It did not end well: {errors or 'out of time'}.")
    return results[0]


def _let_draw(canvas: QgsMapCanvas) -> None:
    """Let QGIS live until the map is drawn: a change of a layer begins to be drawn well before the second look."""
    loop, looks, still = QEventLoop(), QTimer(), []

    def look() -> None:
        still.append(not canvas.isDrawing())
        if still[-2:] == [True, True]:
            loop.quit()

    looks.timeout.connect(look)
    looks.start(_LOOK_MS)
    _give_up_later(loop)
    loop.exec()
    looks.stop()


def _until_true(holds: Callable[[], bool]) -> None:
    """Let QGIS live until ``holds`` does."""
    loop, looks = QEventLoop(), QTimer()
    looks.timeout.connect(lambda: loop.quit() if holds() else None)
    looks.start(_LOOK_MS)
    _give_up_later(loop)
    loop.exec()
    looks.stop()
    if not holds():
        raise RuntimeError("It did not end in time.")


def _give_up_later(loop: QEventLoop) -> None:
    timer = QTimer(loop)  # goes with the loop
    timer.setSingleShot(True)
    timer.timeout.connect(loop.quit)
    timer.start(_PATIENCE_MS)


if __name__ == "__main__":
    answer(measure, windows=True)
