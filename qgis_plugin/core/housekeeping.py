"""Small work on files off the GUI thread, one piece after the other in the order in which it was asked for."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable
from typing import Any

from qgis.core import Qgis, QgsMessageLog
from qgis.PyQt.QtCore import QObject, Qt, pyqtSignal

from .tasks import LOG_TAG

_LAST_WAIT_S = 5.0


class Housekeeper(QObject):
    """``do(work, done)`` runs ``work()`` in its thread, then ``done(result)`` on the GUI thread.

    What goes wrong is logged: nobody waits for an answer, and the next occasion does it again.
    """

    _finished = pyqtSignal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: queue.Queue[tuple[Callable[[], Any], Callable[[Any], None] | None] | None] = queue.Queue()
        self._finished.connect(self._tell, Qt.ConnectionType.QueuedConnection)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="safestats-housekeeping", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], Any], done: Callable[[Any], None] | None = None) -> None:
        """Ask for ``work``; after ``close`` it is left undone."""
        if not self._closed:
            self._wanted.put((work, done))

    def settle(self) -> None:
        """Wait until all that was asked for so far is done, a few seconds at most."""
        reached = threading.Event()
        self.do(reached.set)
        reached.wait(_LAST_WAIT_S)

    def close(self) -> None:
        """Let what was asked for be done, waiting a few seconds at most, and tell nobody any more."""
        self._closed = True
        self._wanted.put(None)
        self._thread.join(_LAST_WAIT_S)

    def _work(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            work, done = wanted
            try:
                result = work()
            except Exception:  # one piece of work must not stop the next
                QgsMessageLog.logMessage(traceback.format_exc(), LOG_TAG, Qgis.MessageLevel.Warning)
                continue
            if done is not None and not self._closed:
                self._finished.emit(done, result)

    def _tell(self, done: Callable[[Any], None], result: Any) -> None:
        if not self._closed:
            done(result)
