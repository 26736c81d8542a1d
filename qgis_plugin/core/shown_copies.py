"""The local copies that the project shows: marked for other QGIS, and deleted a while after a newer one took over.

A map that is being drawn or a task that waits for its turn may hold a layer's former source and open the file late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from qgis.PyQt.QtCore import QObject, QTimer

from .errors import LocalCopyTrouble
from .housekeeping import Housekeeper
from .in_use import InUse
from .local_store import AccountStore

_LINGER_MS = 30_000
_LOOK_AGAIN_S = 0.3
_LOCK_TRIES = 10


class ShownCopies(QObject):
    """What is shown, and what was shown a moment ago. ``letting_go`` is the timer that ends that moment."""

    def __init__(self, housekeeper: Housekeeper, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._housekeeper = housekeeper
        self._in_use = InUse()
        self._shown: set[Path] = set()
        self._lingering: set[Path] = set()
        self._superseded: dict[Path, tuple[AccountStore, str]] = {}
        self.letting_go = QTimer(self)
        self.letting_go.setSingleShot(True)
        self.letting_go.setInterval(_LINGER_MS)
        self.letting_go.timeout.connect(self._let_go)

    def show(self, paths: set[Path]) -> None:
        """Exactly ``paths`` are shown now; what was shown so far lingers."""
        left = self._shown - paths
        if left:
            self._lingering |= left
            self.letting_go.start()
        self._shown = paths
        self._mark()

    def discard_superseded(self, copies: AccountStore, dataset: str) -> None:
        """Delete the former copies of ``dataset``: at once, or when they linger no more."""
        self._superseded[copies.folder / dataset] = copies, dataset
        if not self.letting_go.isActive():
            self._let_go()

    def remove(self, copies: AccountStore, dataset: str) -> None:
        """Delete the copy of ``dataset`` now: nobody may hold it any more."""
        folder = copies.folder / dataset
        self._lingering = {path for path in self._lingering if path.parent != folder}
        self._mark()
        self._housekeeper.do(lambda: _alone(copies, dataset, copies.remove))

    def close(self) -> None:
        """Nothing is shown any more."""
        self.letting_go.stop()
        self._shown = set()
        self._let_go()

    def _let_go(self) -> None:
        self._lingering.clear()
        self._mark()
        for copies, dataset in self._superseded.values():
            self._discard(copies, dataset)
        self._superseded.clear()

    def _discard(self, copies: AccountStore, dataset: str) -> None:
        self._housekeeper.do(lambda: _alone(copies, dataset, copies.discard_superseded))

    def _mark(self) -> None:
        marked = self._shown | self._lingering
        self._housekeeper.do(lambda: self._in_use.show(marked))


def _alone(copies: AccountStore, dataset: str, act: Callable[[str], None]) -> None:
    for _try in range(_LOCK_TRIES):
        try:
            with copies.lock(dataset):
                act(dataset)
            return
        except LocalCopyTrouble:  # another QGIS is at work there; what stays undone, the next pull or start does
            time.sleep(_LOOK_AGAIN_S)
