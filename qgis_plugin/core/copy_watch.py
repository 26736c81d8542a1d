"""Notices when another QGIS of this machine makes, renews or removes a local copy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qgis.PyQt.QtCore import QFileSystemWatcher, QObject, Qt, QTimer, pyqtSignal
from qgis.PyQt.QtGui import QGuiApplication

from .errors import LocalCopyTrouble
from .housekeeping import Housekeeper
from .local_store import STATE, LocalCopy, LocalStore

Home = tuple[str, str]  # account's key, dataset
_GATHER_MS = 300  # a commit changes its folder several times


class CopyWatch(QObject):
    """``changed(home, copy)`` for each home whose copy is another than the one known; ``None`` where it is gone.

    It looks when a watched folder changes, and when QGIS's window comes to the front.
    """

    changed = pyqtSignal(object, object)

    def __init__(self, store: LocalStore, housekeeper: Housekeeper, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._housekeeper = housekeeper
        self.known: dict[Home, LocalCopy | None] = {}
        self._signatures: dict[Home, tuple[int, int, int] | None] = {}
        self._folders = QFileSystemWatcher(self)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_GATHER_MS)
        self._soon.timeout.connect(self.look)
        self._folders.directoryChanged.connect(lambda _folder: self._soon.start())
        QGuiApplication.instance().applicationStateChanged.connect(self._application_changed)

    def watch(self, home: Home, copy: LocalCopy | None) -> None:
        """Know ``copy`` as the one of ``home`` from now on, and tell of any other."""
        self.known[home] = copy
        folder = str(self._store.root / home[0] / home[1])
        if folder not in self._folders.directories():
            self._folders.addPath(folder)  # one that does not exist yet is looked at when the window is activated

    def look(self, then: Callable[[], None] | None = None) -> None:
        """Look for changes now, off the GUI thread."""
        homes = {home: self._signatures.get(home) for home in self.known}

        def work() -> dict[Home, tuple[tuple[int, int, int] | None, LocalCopy | None]]:
            found = {}
            for home, before in homes.items():
                signature = _signature(self._store.root / home[0] / home[1] / STATE)
                if signature != before or signature is None:
                    with suppress(LocalCopyTrouble):  # a project may name what can be no copy of ours
                        found[home] = signature, self._store.account_of_key(home[0]).copy(home[1])
            return found

        def told(found: dict[Home, tuple[tuple[int, int, int] | None, LocalCopy | None]]) -> None:
            for home, (signature, copy) in found.items():
                self._signatures[home] = signature
                if home in self.known and self.known[home] != copy:
                    self.watch(home, copy)
                    self.changed.emit(home, copy)
            if then is not None:
                then()

        self._housekeeper.do(work, told)

    def close(self) -> None:
        """Watch nothing any more."""
        self._soon.stop()
        QGuiApplication.instance().applicationStateChanged.disconnect(self._application_changed)
        if self._folders.directories():
            self._folders.removePaths(self._folders.directories())
        self.known.clear()

    def _application_changed(self, state: Qt.ApplicationState) -> None:
        if state == Qt.ApplicationState.ApplicationActive:
            self._soon.start()


def _signature(state: Path) -> tuple[int, int, int] | None:
    try:
        stat = state.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
