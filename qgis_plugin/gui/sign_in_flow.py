"""From “Sign in” to an active session: one dialog, then the other, never blocking QGIS."""

from __future__ import annotations

from qgis.PyQt.QtCore import QObject, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QDialog, QWidget

from ..core.desk import Desk
from .conditions_dialog import ConditionsDialog
from .sign_in_dialog import SignInDialog


class SignInFlow(QObject):
    """``declined(str)`` carries the sentence to show when the conditions were declined."""

    declined = pyqtSignal(str)

    def __init__(self, desk: Desk, window: QWidget) -> None:
        super().__init__(window)
        self._desk = desk
        self._window = window
        self.dialog: QDialog | None = None

    def start(self, reason: str = "") -> None:
        """Show the sign-in dialog, with the sentence why; or bring to the front the dialog that is open."""
        if self.dialog is not None:
            self.dialog.raise_()
            self.dialog.activateWindow()
            return
        self._show(SignInDialog(self._desk, self._window, reason), self._signed_in, self._closed)

    def close(self) -> None:
        """Close whatever is open."""
        if self.dialog is not None:
            self.dialog.close()

    def _show(self, dialog: QDialog, accepted, rejected) -> None:
        self.dialog = dialog
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(accepted)
        dialog.rejected.connect(rejected)
        dialog.open()

    def _signed_in(self) -> None:
        session = self._desk.session
        if session is None:
            self._closed()
            return
        self._show(ConditionsDialog(self._desk, session, self._window), self._closed, self._decline)

    def _decline(self) -> None:
        self._closed()
        self._desk.decline(lambda: None)
        self.declined.emit(
            self.tr(
                "You declined the conditions of use, so you were signed out. Nothing was pulled and nothing is open."
            )
        )

    def _closed(self) -> None:
        self.dialog = None
