"""The conditions of use, in full whenever they are to be accepted, and what the data are wanted for."""

from __future__ import annotations

from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QDesktopServices, QTextCursor, QTextDocument
from qgis.PyQt.QtWidgets import QCheckBox, QLabel, QTextBrowser, QWidget

from ..core.desk import Desk
from ..core.desk_session import Purpose
from ..core.errors import DeskError
from ..core.tasks import DeskTask
from .purpose_chooser import PurposeChooser
from .sign_in_pages import Done, Failed, Page
from .surfaces import MARGIN, heading

_LEAST_HEIGHT = 200


class ConditionsPage(Page):
    """``renewed``: the session has accepted former conditions already, and goes on once these are accepted."""

    def __init__(self, desk: Desk, renewed: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        session = desk.pending()
        self.heading = self.tr("The conditions of use have changed") if renewed else self.tr("Before you see any data")
        self.words = self.tr("{name}, {organisation} · conditions of {version}").format(
            name=session.user.display_name,
            organisation=session.user.organisation,
            version=session.conditions.version,
        )
        self.action = self.tr("Accept")
        self.refusal = self.tr("Decline")
        self.text = _ConditionsText(self)
        self.text.setAccessibleName(self.tr("Conditions of use"))
        self.text.setOpenLinks(False)
        self.text.anchorClicked.connect(_open_page)
        self.text.document().setDocumentMargin(MARGIN)
        self.text.setMinimumHeight(_LEAST_HEIGHT)
        self.text.setMarkdown(session.conditions.text)
        self.chooser = PurposeChooser(session.purposes, self)
        self.chooser.changed.connect(self.changed)
        self.agreed = QCheckBox(self.tr("I have read the conditions of use and &accept them"), self)
        self.agreed.toggled.connect(self.changed)
        column = self._column()
        column.addWidget(self.text, 5)
        column.addWidget(heading(QLabel(self.tr("What do you want the data for?"), self), 1.1))
        column.addWidget(self.chooser, 4)
        column.addWidget(self.agreed)
        self.starts_at = self.text

    @property
    def purpose(self) -> Purpose | None:
        """The purpose chosen; ``None`` until one is."""
        return self.chooser.purpose

    @property
    def ready(self) -> bool:
        return self.agreed.isChecked() and self.chooser.ready

    def begin(self, done: Done, failed: Failed) -> DeskTask | None:
        purpose = self.purpose
        if purpose is None:
            return None
        return self._desk.steps.accept(purpose.code, self.chooser.detail, done, failed)

    def heed(self, error: DeskError) -> None:
        self.chooser.setFocus()


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
