"""Go on for another purpose, without signing out."""

from __future__ import annotations

from qgis.PyQt.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPushButton, QVBoxLayout, QWidget

from ..core.desk import Desk
from ..core.desk_session import DeskSession
from ..core.errors import Cancelled, ConditionsNotAccepted, DeskError, PurposeHeld, SessionEnded
from ..core.tasks import DeskTask
from .icons import icon
from .purpose_chooser import PurposeChooser
from .surfaces import MARGIN, Strip, Tone, heading, plain, small


class PurposeDialog(QDialog):
    """Accepted once the session has the new purpose."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._closed = False
        self._task: DeskTask | None = None
        session = desk.pending()
        self.setObjectName("SafeStatsPurpose")
        self.setWindowTitle(self.tr("Change the purpose"))
        self.setWindowIcon(icon("purpose"))
        self.resize(640, 560)
        now = session.purpose.title if session.purpose is not None else ""
        self.now = small(plain(QLabel(self.tr("So far: {purpose}").format(purpose=now), self)))
        self.now.setVisible(bool(now))
        self.chooser = PurposeChooser(session.purposes, self)
        self.chooser.changed.connect(self._update)
        told = small(
            QLabel(
                self.tr(
                    "The purpose is recorded with everything that you do from now on. Layers whose agreement does not "
                    "cover it are closed and their local copies deleted."
                ),
                self,
            )
        )
        told.setWordWrap(True)
        self.strip = Strip(self)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.change_button = QPushButton(icon("permitted"), self.tr("Change"), self)
        self.change_button.setDefault(True)
        self.buttons.addButton(self.change_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self.change_button.clicked.connect(self._change)
        self.buttons.rejected.connect(self.reject)

        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN + 6, MARGIN + 6, MARGIN + 6, MARGIN)
        column.setSpacing(MARGIN)
        column.addWidget(heading(QLabel(self.tr("What do you want the data for now?"), self), 1.2))
        column.addWidget(self.now)
        column.addWidget(self.chooser, 1)
        column.addWidget(told)
        column.addWidget(self.strip)
        column.addWidget(self.buttons)
        self._update()
        # One in the person's own words may have been approved since the sign-in.
        self._task = desk.steps.ask_purposes(self._asked, self._not_asked)

    def reject(self) -> None:
        """Stop what runs and close."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        super().reject()

    def _asked(self, session: DeskSession) -> None:
        if self._closed:
            return
        self._task = None
        if self.chooser.purpose is None:  # not under the hand of somebody who chooses
            self.chooser.show_purposes(session.purposes)
        self._update()

    def _not_asked(self, error: DeskError) -> None:
        if self._closed:
            return
        self._task = None
        self._update()
        if isinstance(error, (SessionEnded, ConditionsNotAccepted)):
            self.reject()  # another window asks for what is wanted now
        elif not isinstance(error, Cancelled):
            self.strip.say(error.sentence, Tone.TROUBLE)

    def _change(self) -> None:
        purpose = self.chooser.purpose
        if purpose is None or self._task is not None:
            return
        self.strip.clear()
        try:
            self._task = self._desk.steps.change_purpose(
                purpose.code, self.chooser.detail, self._changed, self._not_changed
            )
        except DeskError as error:
            self._not_changed(error)
        self._update()

    def _changed(self, _session: DeskSession) -> None:
        self._task = None
        if not self._closed:
            self.accept()

    def _not_changed(self, error: DeskError) -> None:
        if self._closed:
            return
        self._task = None
        self._update()
        if isinstance(error, SessionEnded):
            self.reject()
            return
        self.strip.say(error.sentence, Tone.NOTE if isinstance(error, PurposeHeld) else Tone.TROUBLE)

    def _update(self) -> None:
        self.change_button.setEnabled(self.chooser.ready and self._task is None)
