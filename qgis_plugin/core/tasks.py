"""Work off the GUI thread: one kind of QgsTask for everything that touches the network or takes time."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from qgis.core import Qgis, QgsMessageLog, QgsTask
from qgis.PyQt.QtCore import pyqtSignal

from .errors import Cancelled, DeskError

LOG_TAG = "SafeStats"


class DeskTask(QgsTask):
    """Runs ``work(task)`` in a thread; then, on the GUI thread, ``done(result)`` or ``failed(DeskError)``.

    ``work`` may call ``task.report(stage, done, total)`` and must look at ``task.isCanceled()`` (or call
    ``task.stop_if_cancelled()``) at least once a second. It touches no widget, layer or project.
    """

    reported = pyqtSignal(str, float, float)  # stage in words, done, total (bytes or any unit; total 0: unknown)

    def __init__(
        self,
        description: str,
        work: Callable[[DeskTask], Any],
        done: Callable[[Any], None] | None,
        failed: Callable[[DeskError], None] | None,
    ) -> None:
        super().__init__(description, QgsTask.Flag.CanCancel)
        self._work = work
        self._done = done
        self._failed = failed
        self._result: Any = None
        self._error: DeskError | None = None

    def report(self, stage: str, done: float, total: float) -> None:
        """Tell how far the work is; callable from the working thread."""
        self.reported.emit(stage, float(done), float(total))
        if total:
            self.setProgress(100.0 * done / total)

    def stop_if_cancelled(self) -> None:
        """Raise ``Cancelled`` where the user has stopped the task."""
        if self.isCanceled():
            raise Cancelled

    def abandon(self) -> None:
        """Cancel it, and tell nobody how it ends: those who asked are going."""
        self._done = self._failed = None
        self.cancel()

    def run(self) -> bool:
        """QGIS calls this in a thread."""
        try:
            self._result = self._work(self)
        except DeskError as error:
            self._error = error
        except Exception as error:  # a task must end with an answer, whatever went wrong
            QgsMessageLog.logMessage(traceback.format_exc(), LOG_TAG, Qgis.MessageLevel.Critical)
            self._error = DeskError(
                f"{self.description()}: something unexpected went wrong ({type(error).__name__}: {error}). "
                f"The log panel “{LOG_TAG}” has the details.",
                "unexpected",
            )
        return self._error is None

    def finished(self, ok: bool) -> None:
        """QGIS calls this on the GUI thread."""
        if ok:
            if self._done is not None:
                self._done(self._result)
        elif self._failed is not None:
            # Cancelled before it ever ran: there is no error yet.
            self._failed(self._error or Cancelled())
