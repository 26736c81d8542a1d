"""QGIS's event loop while a layer that a map shows is updated, and while nothing happens: how long it ever waits."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import QgsProject, QgsSettings
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QEventLoop, QSettings, Qt, QTimer

from ...qgis_plugin.core import layers
from ...qgis_plugin.core.desk import Desk
from ...qgis_plugin.core.local_store import AccountStore, LocalCopy, LocalStore
from ...qgis_plugin.core.pull import PullResult
from ...qgis_plugin.core.settings import DeskSettings
from ...qgis_plugin.core.transport import QgisNetwork
from ..measuring import Contender, Figure, Kind, Measure, take_turns
from .application import answer
from .client import PURPOSE, Account

_ROUNDS = 5
_BEAT_MS = 5
_AIM_S = 0.1
_PATIENCE_MS = 120_000
_LOOK_MS = 100
_IDLE_MS = 5_000
_MAP_SIZE = (1200, 800)


class _Heartbeat:
    """A timer of the event loop; ``longest`` is the longest time, in seconds, between two of its beats."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def stop(self) -> float:
        """The longest time, up to now."""
        self._beat()
        self._timer.stop()
        return self.longest

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now


def measure(arguments: dict[str, Any]) -> list[Measure]:
    """One measure; with ``first`` none, but a copy in ``store`` of what the server offers now."""
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
        heartbeat = _Heartbeat()
        brought.append(_until(lambda *ends: desk.pull(dataset, dataset, *ends)))
        _let_draw(canvas)
        return heartbeat.stop()

    def idle(_folder: Path) -> float:
        heartbeat, loop = _Heartbeat(), QEventLoop()
        QTimer.singleShot(_IDLE_MS, loop.quit)
        loop.exec()
        return heartbeat.stop()

    done = take_turns(
        [
            Contender("Desk.pull of a layer on a map", Kind.OURS, update, take_back, aim=_AIM_S),
            Contender("QGIS with the same map, idle", Kind.LIMIT, idle),
        ],
        Path(arguments["scratch"]),
        _ROUNDS,
        warm_up=False,
    )
    changes = brought[-1].copy.changes
    if changes is None or not changes.withdrawn or layer.featureCount() != brought[-1].copy.manifest.rows:
        raise RuntimeError(f"The layer was not updated: {changes}.")
    return [
        done.told(
            f"The event loop of QGIS, {arguments['year']} of the Met's on a map, {former.manifest.rows:,} rows, "
            f"updated by a correction of {changes.added + changes.changed + changes.withdrawn:,} rows",
            Figure.LONGEST_WAIT,
            note="From the request, which comes in the middle of drawing the map, until the map is drawn anew; a beat "
            f"every {_BEAT_MS} ms.",
        )
    ]


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


def _give_up_later(loop: QEventLoop) -> None:
    timer = QTimer(loop)  # goes with the loop
    timer.setSingleShot(True)
    timer.timeout.connect(loop.quit)
    timer.start(_PATIENCE_MS)


if __name__ == "__main__":
    answer(measure, windows=True)
