"""Signing in, step by step, in one window: password or organisation, code, conditions and purpose."""

from __future__ import annotations

from qgis.PyQt.QtCore import QPoint, QRect, QSize
from qgis.PyQt.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from ..core.desk import Desk
from ..core.desk_session import DeskSession, SessionState
from ..core.errors import DeskError, PurposeHeld, SessionEnded
from ..core.tasks import DeskTask
from .conditions_page import ConditionsPage
from .icons import icon
from .screens import within
from .sign_in_pages import CodePage, EnrolmentPage, OrganisationPage, Page, PasswordPage
from .surfaces import MARGIN, Strip, Tone, heading, plain, small

_NARROW, _WIDE = 460, QSize(820, 740)


class SignInDialog(QDialog):
    """Accepted once the session is active; rejected (button, Escape, closing) leaves whatever step was reached.

    Where the session waits for new conditions already, it begins with them.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None, reason: str = "") -> None:
        super().__init__(parent)
        self._desk = desk
        self._task: DeskTask | None = None
        self._closed = False
        self.setObjectName("SafeStatsSignIn")
        self.setWindowIcon(icon("safestats"))
        self.setMinimumWidth(_NARROW)

        self._heading = heading(QLabel(self), 1.3)
        self._words = small(plain(QLabel(self)))
        self.pages = QStackedWidget(self)
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
        self.buttons = QDialogButtonBox(self)
        self.action_button = QPushButton(self)
        self.refusal_button = QPushButton(self)
        self.buttons.addButton(self.action_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.addButton(self.refusal_button, QDialogButtonBox.ButtonRole.RejectRole)
        self.refusal_button.setAutoDefault(False)
        self.action_button.clicked.connect(self._submit)
        self.refusal_button.clicked.connect(self.reject)

        self._lay_out()
        self._begin()
        if reason:
            self._say(reason, Tone.NOTE)

    @property
    def page(self) -> Page:
        """The step that is shown."""
        return self.pages.currentWidget()

    def reject(self) -> None:
        """Stop what runs and close. A step under way that cannot be taken back is waited for."""
        if isinstance(self.page, ConditionsPage) and self._task is not None:
            return
        self._closed = True  # an answer may still come: there is nobody left to tell
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.page.leave()
        super().reject()

    def _lay_out(self) -> None:
        mark = QLabel(self)
        mark.setPixmap(icon("safestats").pixmap(40, 40))
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._heading)
        words.addWidget(self._words)
        head = QHBoxLayout()
        head.setSpacing(MARGIN)
        head.addWidget(mark)
        head.addLayout(words, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN + 6, MARGIN + 6, MARGIN + 6, MARGIN)
        column.setSpacing(MARGIN)
        column.addLayout(head)
        column.addWidget(self.pages, 1)
        column.addWidget(self.strip)
        column.addWidget(self.busy)
        column.addWidget(self.buttons)

    # ------------------------------------------------------------------ from page to page

    def _begin(self) -> None:
        session = self._desk.session
        if session is not None and session.state is SessionState.PENDING:
            self._show(ConditionsPage(self._desk, renewed=True, parent=self))
        else:
            self._show_password(self._desk.settings.server)

    def _show_password(self, server: str) -> None:
        page = PasswordPage(self._desk, server, self)
        page.other_way.connect(lambda: self._show_organisation(page.server.text()))
        self._show(page)

    def _show_organisation(self, server: str) -> None:
        page = OrganisationPage(self._desk, server, self)
        page.other_way.connect(lambda: self._show_password(page.server.text()))
        self._show(page)

    def _show(self, page: Page) -> None:
        self._set_busy(False)
        former = self.pages.currentWidget()
        self.strip.clear()
        page.complained.connect(lambda sentence: self._say(sentence, Tone.NOTE))
        page.changed.connect(self._page_changed)
        page.submitted.connect(self._submit)
        page.went_on.connect(self._went_on)
        self.pages.addWidget(page)
        self.pages.setCurrentWidget(page)
        if former is not None:
            former.leave()
            self.pages.removeWidget(former)
            former.deleteLater()
        self._page_changed()
        if isinstance(page, ConditionsPage):
            self._widen()
        else:
            self.adjustSize()
            self._fit()
        page.begin_here()

    def _page_changed(self) -> None:
        page = self.page
        self.setWindowTitle(page.heading)
        self._heading.setText(page.heading)
        self._words.setText(page.words)
        self.action_button.setText(page.action)
        self.action_button.setVisible(bool(page.action))
        self.action_button.setDefault(bool(page.action))  # Enter in any field goes on
        self.action_button.setIcon(icon("permitted" if isinstance(page, ConditionsPage) else "sign_in"))
        self.refusal_button.setText(page.refusal)
        self.action_button.setEnabled(page.ready and self._task is None)

    def _say(self, sentence: str, tone: Tone) -> None:
        self.strip.say(sentence, tone)
        self._fit()

    def _fit(self) -> None:
        """Room for what is shown, where the window has become too small for it."""
        self.layout().activate()
        needed = max(self.layout().totalHeightForWidth(self.width()), self.layout().totalMinimumSize().height())
        if needed > self.height():
            self.resize(self.width(), needed)

    def _went_on(self) -> None:
        if self._closed:
            self.page.leave()
            return
        self._set_busy(False)
        self._page_changed()
        self._fit()

    def _widen(self) -> None:
        """Room for the text, in the middle of where the narrow window was and inside the screen."""
        middle = self.geometry().center()
        edge = self.frameGeometry().size() - self.size()  # which the window manager draws
        self.resize(within(_WIDE, self))
        if self.isVisible():
            screen = self.screen().availableGeometry()
            frame = QRect(QPoint(0, 0), self.size() + edge)
            frame.moveCenter(middle)
            self.move(
                max(screen.left(), min(frame.left(), screen.right() + 1 - frame.width())),
                max(screen.top(), min(frame.top(), screen.bottom() + 1 - frame.height())),
            )

    def _submit(self) -> None:
        if self._task is not None or self._closed:
            return
        self.strip.clear()
        try:
            task = self.page.begin(self._arrived, self._failed)
        except DeskError as error:  # it cannot even be asked, such as an address that is none
            self._failed(error)
            return
        if task is not None:
            self._task = task
            self._set_busy(True)

    def _arrived(self, session: DeskSession) -> None:
        """The step is done: the session's state says what comes next."""
        if self._closed:
            return
        self._task = None
        if session.state in (SessionState.ACTIVE, SessionState.OFFLINE):
            self._set_busy(False)
            self.page.leave()
            self.accept()
        elif session.state is SessionState.SECOND_FACTOR:
            self._show(CodePage(self._desk, self))
        elif session.state is SessionState.ENROLMENT:
            self._show(EnrolmentPage(self._desk, self))
        else:
            self._show(ConditionsPage(self._desk, renewed=False, parent=self))

    def _failed(self, error: DeskError) -> None:
        if self._closed:
            return
        self._task = None
        self._set_busy(False)
        if isinstance(error, SessionEnded):
            self._show_password(self._desk.settings.server)  # it took too long: from the beginning
        elif error.code == "conditions-changed" and isinstance(self.page, ConditionsPage):
            self._read_again()
            return
        else:
            self.page.heed(error)
        self._say(error.sentence, Tone.NOTE if isinstance(error, PurposeHeld) else Tone.TROUBLE)

    def _read_again(self) -> None:
        """Newer conditions came into force while these were read."""
        try:
            self._task = self._desk.steps.read_conditions(self._renewed, self._failed)
        except DeskError as error:
            self._failed(error)
            return
        self._set_busy(True)

    def _renewed(self, _session: DeskSession) -> None:
        if self._closed:
            return
        self._task = None
        self._show(ConditionsPage(self._desk, renewed=True, parent=self))

    def _set_busy(self, busy: bool) -> None:
        if not busy:
            self._task = None
        self.busy.setVisible(busy)
        if self.pages.currentWidget() is not None:
            self.page.set_busy(busy)
            self.action_button.setEnabled(not busy and self.page.ready)
        # An acceptance under way cannot be taken back.
        self.refusal_button.setEnabled(not (busy and isinstance(self.pages.currentWidget(), ConditionsPage)))
