"""When the sign-in window opens and what follows when it closes; it never blocks QGIS."""

from __future__ import annotations

from qgis.PyQt.QtCore import QObject, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QWidget

from ..core.desk import Desk
from ..core.desk_session import SessionState
from ..core.errors import Cancelled, DeskError
from .conditions_page import ConditionsPage
from .sign_in_dialog import SignInDialog


class SignInFlow(QObject):
    """``declined(str)`` carries the sentence to show when the conditions were declined.

    ``failed(str)``: why new conditions could not be shown.
    """

    declined = pyqtSignal(str)
    failed = pyqtSignal(str)

    def __init__(self, desk: Desk, window: QWidget) -> None:
        super().__init__(window)
        self._desk = desk
        self._window = window
        self._asking = False
        self.dialog: SignInDialog | None = None

    def start(self, reason: str = "") -> None:
        """Show the window, with the sentence why; or bring to the front the one that is open.

        A session that waits for new conditions is shown them, and not asked for its password again.
        """
        if self.dialog is not None:
            self.dialog.raise_()
            self.dialog.activateWindow()
            return
        session = self._desk.session
        if session is None or session.state is not SessionState.PENDING:
            self._show(reason)
        elif not self._asking:
            self._asking = True
            self._desk.steps.read_conditions(lambda _session: self._read(reason), self._not_read)

    def close(self) -> None:
        """Close whatever is open."""
        if self.dialog is not None:
            self.dialog.close()

    def _read(self, reason: str) -> None:
        self._asking = False
        self._show(reason)

    def _not_read(self, error: DeskError) -> None:
        self._asking = False
        if self._desk.session is not None and self._desk.session.state is SessionState.ENDED:
            self._show(error.sentence)
        elif not isinstance(error, Cancelled):
            self.failed.emit(error.sentence)

    def _show(self, reason: str) -> None:
        self.dialog = SignInDialog(self._desk, self._window, reason)
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.dialog.accepted.connect(self._closed)
        self.dialog.rejected.connect(self._left)
        self.dialog.open()

    def _left(self) -> None:
        declined = self.dialog is not None and isinstance(self.dialog.page, ConditionsPage)
        self._closed()
        session = self._desk.session
        if session is None or session.state in (SessionState.ACTIVE, SessionState.OFFLINE, SessionState.ENDED):
            return
        if declined:
            self._desk.decline(lambda: None)
            self.declined.emit(
                self.tr(
                    "You declined the conditions of use, so you were signed out. Nothing was pulled and nothing is "
                    "open."
                )
            )
        else:
            self._desk.sign_out(lambda: None)  # a session half opened is nobody's

    def _closed(self) -> None:
        self.dialog = None
