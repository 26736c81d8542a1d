"""The conditions of use, in full at every sign-in, and what the data are wanted for; nothing is preselected."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QTextCursor, QTextDocument
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QRadioButton,
    QScrollArea,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from ..core.desk import Desk
from ..core.desk_session import DeskSession, Purpose
from ..core.errors import DeskError
from .icons import icon
from .surfaces import GAP, MARGIN, Strip, Tone, heading, plain, small


class ConditionsDialog(QDialog):
    """Accepted once the server has the acceptance; rejected (button, Escape, closing) means declined."""

    def __init__(self, desk: Desk, session: DeskSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._session = session
        self._busy = False
        self._purposes: dict[QAbstractButton, Purpose] = {}
        self.setObjectName("SafeStatsConditions")
        self.setWindowTitle(self.tr("Conditions of use"))
        self.setWindowIcon(icon("safestats"))
        self.resize(820, 720)

        self.text = _ConditionsText(self)
        self.text.setAccessibleName(self.tr("Conditions of use"))
        self.text.setOpenLinks(False)
        self.text.anchorClicked.connect(_open_page)
        self.text.document().setDocumentMargin(MARGIN)
        self.text.setMarkdown(session.conditions.text)
        self.group = QButtonGroup(self)
        self.advice = Strip(self)
        self.agreed = QCheckBox(self.tr("I have read the conditions of use and &accept them"), self)
        self.agreed.toggled.connect(self._update)

        self.buttons = QDialogButtonBox(self)
        self.accept_button = self.buttons.addButton(self.tr("Accept"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.decline_button = self.buttons.addButton(self.tr("Decline"), QDialogButtonBox.ButtonRole.RejectRole)
        self.accept_button.setIcon(icon("permitted"))
        self.accept_button.clicked.connect(self._accept)
        self.decline_button.clicked.connect(self.reject)
        self.decline_button.setAutoDefault(False)

        self._lay_out()
        self._update()

    @property
    def purpose(self) -> Purpose | None:
        """The purpose chosen; ``None`` until one is."""
        return self._purposes.get(self.group.checkedButton())

    def reject(self) -> None:
        """Decline: whatever way the dialog is left without accepting."""
        if not self._busy:
            super().reject()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN + 6, MARGIN + 6, MARGIN + 6, MARGIN)
        column.setSpacing(MARGIN)
        head = QVBoxLayout()
        head.setSpacing(2)
        head.addWidget(heading(QLabel(self.tr("Before you see any data"), self), 1.3))
        who = self.tr("{name}, {organisation} · conditions of {version}").format(
            name=self._session.user.display_name,
            organisation=self._session.user.organisation,
            version=self._session.conditions.version,
        )
        head.addWidget(small(plain(QLabel(who, self))))
        column.addLayout(head)
        column.addWidget(self.text, 5)
        column.addWidget(heading(QLabel(self.tr("What do you want the data for?"), self), 1.1))
        column.addWidget(self._purpose_list(), 4)
        column.addWidget(self.advice)
        foot = QHBoxLayout()
        foot.addWidget(self.agreed, 1)
        foot.addWidget(self.buttons)
        column.addLayout(foot)

    def _purpose_list(self) -> QScrollArea:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        column.setSpacing(2)
        for purpose in self._session.purposes:
            button = QRadioButton(purpose.title, inside)
            button.setAccessibleDescription(purpose.description)
            self.group.addButton(button)
            self._purposes[button] = purpose
            words = small(plain(QLabel(purpose.description, inside)))
            words.setWordWrap(True)
            words.setIndent(button.style().pixelMetric(button.style().PixelMetric.PM_ExclusiveIndicatorWidth) + GAP)
            words.setContentsMargins(0, 0, 0, GAP)
            column.addWidget(button)
            column.addWidget(words)
        column.addStretch(1)
        # Buttons of one exclusive group: the first choice is the user's.
        self.group.buttonToggled.connect(self._update)
        area = QScrollArea(self)
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFrameShape(QFrame.Shape.StyledPanel)
        area.setAccessibleName(self.tr("Purposes"))
        return area

    def _update(self) -> None:
        purpose = self.purpose
        if purpose is not None and not purpose.allowed:
            self.advice.say(purpose.advice, Tone.WARNING)
        else:
            self.advice.clear()
        ready = self.agreed.isChecked() and purpose is not None and purpose.allowed
        self.accept_button.setEnabled(ready and not self._busy)

    def _accept(self) -> None:
        purpose = self.purpose
        if purpose is None:
            return
        self._set_busy(True)
        self._desk.accept(purpose.code, self._accepted, self._failed)

    def _accepted(self, _session: DeskSession) -> None:
        self._set_busy(False)
        self.accept()

    def _failed(self, error: DeskError) -> None:
        self._set_busy(False)
        self.advice.say(error.sentence, Tone.TROUBLE)

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        self.decline_button.setEnabled(not busy)
        self.agreed.setEnabled(not busy)
        for button in self._purposes:
            button.setEnabled(not busy)
        self.accept_button.setEnabled(not busy)


def _open_page(address: QUrl) -> None:
    if address.scheme() in ("http", "https", "mailto"):
        QDesktopServices.openUrl(address)


class _ConditionsText(QTextBrowser):
    """Text and links alone: what a server sends makes QGIS open no picture, file or network share."""

    def loadResource(self, _kind: int, _name: QUrl) -> None:
        """Nothing."""

    def setMarkdown(self, markdown: str) -> None:
        """Show Markdown, HTML in it as text."""
        self.document().setMarkdown(markdown, QTextDocument.MarkdownFeature.MarkdownNoHTML)
        self.moveCursor(QTextCursor.MoveOperation.Start)
