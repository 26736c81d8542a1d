"""The pages of signing in, one step each: password, organisation, code, enrolment.

A page knows its fields and its step of ``desk.steps``; the dialog around it has the buttons, the strip and the order.
"""

from __future__ import annotations

from collections.abc import Callable

from qgis.PyQt.QtCore import Qt, QUrl, pyqtSignal
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QAbstractButton, QFormLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from ..core.desk import Desk
from ..core.desk_session import DeskSession
from ..core.errors import AddressTrouble, DeskError, ProxyTrouble, ServerUnreachable, SignInRefused
from ..core.loopback import LoopbackListener
from ..core.tasks import DeskTask
from ..core.transport import is_loopback, server_address
from .icons import icon
from .server_field import ServerField
from .surfaces import GAP, MARGIN, plain, small

Done = Callable[[DeskSession], None]
Failed = Callable[[DeskError], None]
_OUT_OF_REACH = (ServerUnreachable, ProxyTrouble)
_LONGEST = {"server": 300, "username": 200, "organisation": 32, "code": 64}
_LONGEST_OTHERWISE = 1000


class Page(QWidget):
    """One step. ``complained(str)``: why it cannot begin. ``changed()``: its words, or readiness, changed."""

    complained = pyqtSignal(str)
    changed = pyqtSignal()
    submitted = pyqtSignal()  # as if the first button had been pressed
    went_on = pyqtSignal()  # the step is done, and the next one is on this page too

    heading = ""
    words = ""
    action = ""  # what the first button says; empty: there is none
    refusal = ""  # what the other one says
    starts_at: QWidget | None = None  # a focus proxy instead would let Tab jump to it, past what is before it

    def begin_here(self) -> None:
        """Put the cursor where the step begins."""
        (self.starts_at or self).setFocus()

    def begin(self, done: Done, failed: Failed) -> DeskTask | None:
        """Start the step with what was entered; ``None`` where it cannot begin, which was said then."""
        raise NotImplementedError

    @property
    def ready(self) -> bool:
        """Whether the first button can be pressed."""
        return True

    def heed(self, error: DeskError) -> None:
        """Put the cursor where the trouble is."""

    def set_busy(self, busy: bool) -> None:
        """Take no input while the step runs."""
        for kind in (QLineEdit, QAbstractButton):
            for field in self.findChildren(kind):
                field.setEnabled(not busy)

    def leave(self) -> None:
        """Forget what was entered and wait for nothing any more."""

    # ------------------------------------------------------------------ for the pages

    def _form(self) -> QFormLayout:
        form = QFormLayout()
        form.setHorizontalSpacing(MARGIN)
        form.setVerticalSpacing(GAP + 2)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return form

    def _column(self) -> QVBoxLayout:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(MARGIN)
        return column

    def _field(self, kind: str, name: str, text: str = "") -> QLineEdit:
        field = QLineEdit(text, self)
        field.setMaxLength(_LONGEST.get(kind, _LONGEST_OTHERWISE))
        field.setAccessibleName(name)
        return field

    def _link(self, words: str, act: Callable[[], None]) -> QPushButton:
        button = QPushButton(words, self)
        button.setAutoDefault(False)
        button.clicked.connect(act)
        return button


class PasswordPage(Page):
    """Server address, user name, password. The password is never stored. ``other_way()``: by the organisation."""

    other_way = pyqtSignal()

    def __init__(self, desk: Desk, server: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.heading = self.tr("Sign in to SafeStats")
        self.words = self.tr("London's community-safety incident data")
        self.action = self.tr("Sign in")
        self.refusal = self.tr("Cancel")
        self.server = self._field("server", self.tr("Server address"), server)
        self.server.setPlaceholderText("https://safestats.example.org")
        self.servers = ServerField(desk.settings, self.server, self)
        self.servers.textActivated.connect(self._server_chosen)
        self.username = self._field("username", self.tr("User name"), self._last_user(server))
        self.password = self._field("password", self.tr("Password"))
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.other_button = self._link(self.tr("Sign in with my &organisation…"), self.other_way.emit)
        self.offline_button = self._link(self.tr("&Work offline"), self._work_offline)
        self.offline_button.setToolTip(self.tr("Open the local copies that are here with your password"))
        self.offline_button.hide()
        self._offline = False
        form = self._form()
        form.addRow(self.tr("Ser&ver"), self.servers)
        form.addRow(self.tr("&User name"), self.username)
        form.addRow(self.tr("&Password"), self.password)
        column = self._column()
        column.addLayout(form)
        column.addWidget(self.other_button, 0, Qt.AlignmentFlag.AlignRight)
        column.addWidget(self.offline_button, 0, Qt.AlignmentFlag.AlignRight)
        column.addStretch(1)
        self.starts_at = self.password if self.username.text() else self.username

    def begin(self, done: Done, failed: Failed) -> DeskTask | None:
        fields = (self.server, self.username, self.password)
        missing = next((field for field in fields if not field.text().strip()), None)
        if missing is not None:
            self.complained.emit(self.tr("Enter server, user name and password."))
            missing.setFocus()
            return None
        offline, self._offline = self._offline, False
        if offline:
            return self._desk.steps.unlock(
                self.server.text(), self.username.text().strip(), self.password.text(), done, failed
            )
        return self._desk.steps.sign_in(
            self.server.text(), self.username.text().strip(), self.password.text(), done, failed
        )

    def heed(self, error: DeskError) -> None:
        if isinstance(error, SignInRefused):
            self.password.clear()
            self.password.setFocus()
        elif isinstance(error, AddressTrouble):
            self.server.setFocus()
            self.server.selectAll()
        elif isinstance(error, _OUT_OF_REACH):
            possible = self._desk.steps.may_unlock(self.server.text(), self.username.text())
            self.offline_button.setVisible(possible)
            if possible:
                self.went_on.emit()

    def leave(self) -> None:
        self.password.clear()

    def _last_user(self, server: str) -> str:
        return self._desk.settings.username_at(server) or self._desk.settings.username

    def _server_chosen(self, server: str) -> None:
        self.username.setText(self._last_user(server))
        self.password.setFocus()

    def _work_offline(self) -> None:
        self._offline = True
        self.submitted.emit()


class OrganisationPage(Page):
    """The organisation's own sign-in, in the browser. ``other_way()``: back to the password."""

    other_way = pyqtSignal()

    def __init__(self, desk: Desk, server: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._session: DeskSession | None = None  # while the browser is at work
        self._url = ""
        self.heading = self.tr("Sign in with my organisation")
        self.words = self.tr("In your web browser, with the account that you have at work")
        self.refusal = self.tr("Cancel")
        self.listener = LoopbackListener(self)
        self.listener.arrived.connect(self._arrived)
        self.listener.refused.connect(self._refused)
        self.listener.expired.connect(self._expired)
        self.server = self._field("server", self.tr("Server address"), server)
        self.servers = ServerField(desk.settings, self.server, self)
        self.servers.textActivated.connect(lambda _server: self._suggest())
        self.organisation = self._field("organisation", self.tr("Code of the organisation"), self._remembered(server))
        self.organisation.setPlaceholderText(self.tr("as the SafeStats team gave it to you"))
        self.waiting = plain(QLabel(self))
        self.waiting.setWordWrap(True)
        self.code = self._field("code", self.tr("Code that the browser shows"))
        self.code.setPlaceholderText(self.tr("only if the browser shows one"))
        self.again_button = self._link(self.tr("Open the browser again"), self._open)
        self.other_button = self._link(self.tr("Use user name and password"), self.other_way.emit)
        self._form_layout = self._form()
        self._form_layout.addRow(self.tr("Ser&ver"), self.servers)
        self._form_layout.addRow(self.tr("&Organisation"), self.organisation)
        self._code_form = self._form()
        self._code_form.addRow(self.tr("&Code"), self.code)
        column = self._column()
        column.addLayout(self._form_layout)
        column.addWidget(self.waiting)
        column.addLayout(self._code_form)
        column.addWidget(self.again_button, 0, Qt.AlignmentFlag.AlignRight)
        column.addWidget(self.other_button, 0, Qt.AlignmentFlag.AlignRight)
        column.addStretch(1)
        self.server.editingFinished.connect(self._suggest)
        self.starts_at = self.organisation
        self._show(waiting=False)

    @property
    def in_browser(self) -> bool:
        """Whether it waits for what the browser brings."""
        return self._session is not None

    def begin(self, done: Done, failed: Failed) -> DeskTask | None:
        if self._session is not None:
            if not self.code.text().strip():
                self.complained.emit(self.tr("Sign in in the browser first. If it shows a code, type it here."))
                self.code.setFocus()
                return None
            return self._desk.steps.finish_in_browser(self._session, self.code.text(), done, failed)
        missing = next((field for field in (self.server, self.organisation) if not field.text().strip()), None)
        if missing is not None:
            self.complained.emit(self.tr("Enter the server and your organisation's code."))
            missing.setFocus()
            return None
        port = self.listener.listen()
        return self._desk.steps.begin_in_browser(
            self.server.text(), self.organisation.text().strip().lower(), port, self._begun, failed
        )

    def heed(self, error: DeskError) -> None:
        if self._session is not None:
            # A sign-in in the browser counts once: after a refusal a new one begins.
            self._stop()
        self.listener.close()
        (self.server if isinstance(error, AddressTrouble) else self.organisation).setFocus()

    def leave(self) -> None:
        self._stop()

    def _begun(self, session: DeskSession, url: str) -> None:
        self._session, self._url = session, url
        self._show(waiting=True)
        self.went_on.emit()
        self._open()

    def _open(self) -> None:
        address = QUrl(self._url, QUrl.ParsingMode.StrictMode)
        safe = address.scheme() == "https" or (address.scheme() == "http" and is_loopback(address.host()))
        if not address.isValid() or not safe:
            self._stop()
            self.complained.emit(
                self.tr(
                    "Your organisation's sign-in page has an address that is not safe to open. Tell the SafeStats team."
                )
            )
        elif not QDesktopServices.openUrl(address):
            self.complained.emit(
                self.tr("No web browser could be opened. Open this address in one: {address}").format(address=self._url)
            )

    def _arrived(self, code: str) -> None:
        if self._session is not None:
            self.code.setText(code)
            self.submitted.emit()

    def _refused(self) -> None:
        self._stop()
        self.complained.emit(
            self.tr(
                "Your organisation's sign-in did not lead to an account of SafeStats. Begin again with the account "
                "that the SafeStats team knows, or ask them."
            )
        )

    def _expired(self) -> None:
        self._stop()
        self.complained.emit(self.tr("Nothing came from the browser for ten minutes. Begin again."))

    def _stop(self) -> None:
        self._session, self._url = None, ""
        self.code.clear()
        self.listener.close()
        self._show(waiting=False)
        self.changed.emit()

    def _show(self, waiting: bool) -> None:
        self.action = self.tr("Go on") if waiting else self.tr("Open the browser")
        self.waiting.setText(
            self.tr(
                "Your browser shows the sign-in page of your organisation. Sign in there: this window goes on by "
                "itself."
            )
        )
        for widget in (self.servers, self.organisation, self.other_button):
            widget.setVisible(not waiting)
        for field in (self.servers, self.organisation):
            self._form_layout.labelForField(field).setVisible(not waiting)
        for widget in (self.waiting, self.code, self.again_button, self._code_form.labelForField(self.code)):
            widget.setVisible(waiting)

    def _suggest(self) -> None:
        if not self.organisation.text():
            self.organisation.setText(self._remembered(self.server.text()))

    def _remembered(self, server: str) -> str:
        try:
            return self._desk.settings.organisation(server_address(server))
        except AddressTrouble:
            return ""


class CodePage(Page):
    """The second factor: the code of a device, or a recovery code. Never stored."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.heading = self.tr("Second step")
        self.words = self.tr("{name}, {organisation}").format(
            name=desk.pending().user.display_name, organisation=desk.pending().user.organisation
        )
        self.action = self.tr("Go on")
        self.refusal = self.tr("Cancel")
        told = QLabel(
            self.tr("Enter the six digits that your authenticator app shows now, or one of your recovery codes."), self
        )
        told.setWordWrap(True)
        self.code = self._field("code", self.tr("Code"))
        self.code.setPlaceholderText("123 456")
        hint = small(QLabel(self.tr("A recovery code works once. Lost both? Ask the SafeStats team."), self))
        hint.setWordWrap(True)
        form = self._form()
        form.addRow(self.tr("&Code"), self.code)
        column = self._column()
        column.addWidget(told)
        column.addLayout(form)
        column.addWidget(hint)
        column.addStretch(1)
        self.starts_at = self.code

    def begin(self, done: Done, failed: Failed) -> DeskTask | None:
        if not self.code.text().strip():
            self.complained.emit(self.tr("Enter the code."))
            self.code.setFocus()
            return None
        return self._desk.steps.prove_second_factor(self.code.text(), done, failed)

    def heed(self, error: DeskError) -> None:
        if isinstance(error, SignInRefused):
            self.code.clear()
        self.code.setFocus()

    def leave(self) -> None:
        self.code.clear()


class EnrolmentPage(Page):
    """The role needs a second factor, which is set up in the console: where that is, and a button that goes there."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.address = f"{desk.pending().transport.base_url}/console"
        self.heading = self.tr("One thing first")
        self.words = self.tr("Your account needs a second factor")
        self.refusal = self.tr("Close")
        told = QLabel(
            self.tr(
                "Your role signs in with a password and a code from an authenticator app. Set the app up once, in the "
                "console, then come back and sign in here."
            ),
            self,
        )
        told.setWordWrap(True)
        where = plain(QLabel(self.address, self))
        where.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        where.setAccessibleName(self.tr("Address of the console"))
        self.open_button = QPushButton(icon("open_map"), self.tr("Open the console"), self)
        self.open_button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(self.address)))
        column = self._column()
        column.addWidget(told)
        column.addWidget(where)
        column.addWidget(self.open_button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        self.starts_at = self.open_button

    def begin(self, _done: Done, _failed: Failed) -> DeskTask | None:
        return None
