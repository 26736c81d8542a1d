"""Who are you: server address, user name, password. The password is never stored."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from ..core.desk import Desk
from ..core.desk_session import DeskSession
from ..core.errors import AddressTrouble, DeskError, SignInRefused
from ..core.tasks import DeskTask
from .icons import icon
from .surfaces import GAP, MARGIN, Strip, Tone, heading, small


class SignInDialog(QDialog):
    """Accepted once the server has opened a session; the session then waits for the conditions of use."""

    def __init__(self, desk: Desk, parent: QWidget | None = None, reason: str = "") -> None:
        super().__init__(parent)
        self._desk = desk
        self._task: DeskTask | None = None
        self._closed = False
        self.setObjectName("SafeStatsSignIn")
        self.setWindowTitle(self.tr("Sign in to SafeStats"))
        self.setWindowIcon(icon("safestats"))
        self.setMinimumWidth(440)

        self.server = QLineEdit(desk.settings.server, self)
        self.server.setPlaceholderText("https://safestats.example.org")
        self.server.setAccessibleName(self.tr("Server address"))
        self.username = QLineEdit(desk.settings.username, self)
        self.username.setAccessibleName(self.tr("User name"))
        self.password = QLineEdit(self)
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.setAccessibleName(self.tr("Password"))
        self.strip = Strip(self)
        self.busy = QProgressBar(self)
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setFixedHeight(4)
        self.busy.setAccessibleName(self.tr("Signing in"))
        keep = self.busy.sizePolicy()
        keep.setRetainSizeWhenHidden(True)  # the dialog keeps its size while it works
        self.busy.setSizePolicy(keep)
        self.busy.hide()

        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.sign_in = buttons.addButton(self.tr("Sign in"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.sign_in.setIcon(icon("sign_in"))
        self.sign_in.setDefault(True)  # Enter in any field signs in
        self.sign_in.clicked.connect(self._submit)
        buttons.rejected.connect(self.reject)

        self._lay_out(buttons)
        if reason:
            self.strip.say(reason, Tone.NOTE)
        (self.password if self.username.text() else self.username).setFocus()

    def _lay_out(self, buttons: QDialogButtonBox) -> None:
        mark = QLabel(self)
        mark.setPixmap(icon("safestats").pixmap(40, 40))
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(heading(QLabel(self.tr("Sign in to SafeStats"), self), 1.3))
        words.addWidget(small(QLabel(self.tr("London's community-safety incident data"), self)))
        head = QHBoxLayout()
        head.setSpacing(MARGIN)
        head.addWidget(mark)
        head.addLayout(words, 1)

        form = QFormLayout()
        form.setHorizontalSpacing(MARGIN)
        form.setVerticalSpacing(GAP + 2)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.addRow(self.tr("Ser&ver"), self.server)
        form.addRow(self.tr("&User name"), self.username)
        form.addRow(self.tr("&Password"), self.password)

        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN + 6, MARGIN + 6, MARGIN + 6, MARGIN)
        column.setSpacing(MARGIN)
        column.addLayout(head)
        column.addLayout(form)
        column.addWidget(self.strip)
        column.addWidget(self.busy)
        column.addStretch(1)
        column.addWidget(buttons)

    def reject(self) -> None:
        """Stop what runs and close."""
        self._closed = True  # an answer may still come: there is nobody left to tell
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.password.clear()
        super().reject()

    def _submit(self) -> None:
        if self._task is not None:
            return
        missing = next(
            (field for field in (self.server, self.username, self.password) if not field.text().strip()), None
        )
        if missing is not None:
            self.strip.say(self.tr("Enter server, user name and password."), Tone.NOTE)
            missing.setFocus()
            return
        self.strip.clear()
        try:
            self._task = self._desk.sign_in(
                self.server.text(),
                self.username.text().strip(),
                self.password.text(),
                self._signed_in,
                self._failed,
            )
        except DeskError as error:  # the address cannot be used at all
            self._failed(error)
            return
        self._set_busy(True)

    def _signed_in(self, _session: DeskSession) -> None:
        if self._closed:
            return
        self._task = None
        self._set_busy(False)
        self.password.clear()
        self.accept()

    def _failed(self, error: DeskError) -> None:
        if self._closed:
            return
        self._task = None
        self._set_busy(False)
        self.strip.say(error.sentence, Tone.TROUBLE)
        if isinstance(error, SignInRefused):
            self.password.clear()
            self.password.setFocus()
        elif isinstance(error, AddressTrouble):
            self.server.setFocus()
            self.server.selectAll()

    def _set_busy(self, busy: bool) -> None:
        self.busy.setVisible(busy)
        for widget in (self.server, self.username, self.password, self.sign_in):
            widget.setEnabled(not busy)
