"""What you may pull, what you may not and why; the local copies; pull, renew and open them."""

from __future__ import annotations

from typing import Any

from qgis.gui import QgisInterface, QgsDockWidget
from qgis.PyQt.QtCore import QSize, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..layouts.base_map import backdrop
from .icons import icon
from .layer_card import LayerCard
from .surfaces import GAP, MARGIN, Strip, Tone, heading, plain, small


class LayersDock(QgsDockWidget):
    """One card a dataset. ``sign_in_requested()`` and ``sign_out_requested()`` ask the plugin to do so."""

    sign_in_requested = pyqtSignal()
    sign_out_requested = pyqtSignal()

    def __init__(self, desk: Desk, iface: QgisInterface, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._iface = iface
        self.cards: dict[str, LayerCard] = {}
        self.setObjectName("SafeStatsLayersDock")
        self.setWindowTitle(self.tr("SafeStats layers"))
        self.setMinimumWidth(320)

        self.pages = QStackedWidget(self)
        self.signed_out_page = self._signed_out_page()
        self.list_page = self._list_page()
        self.pages.addWidget(self.signed_out_page)
        self.pages.addWidget(self.list_page)
        self.setWidget(self.pages)

        desk.session_changed.connect(self._session_changed)
        desk.copies_changed.connect(self._copy_changed)
        self._session_changed()

    def tell(self, sentence: str) -> None:
        """Show a sentence on the page of those who are not signed in."""
        self.signed_out_strip.say(sentence, Tone.NOTE)

    def refresh(self) -> None:
        """Ask the server again what may be pulled."""
        if not self._desk.signed_in:
            return
        self.strip.clear()
        self.refresh_button.setEnabled(False)
        self.waiting.setVisible(not self.cards)
        self._desk.list_layers(self._listed, self._not_listed)

    # ------------------------------------------------------------------ pages

    def _signed_out_page(self) -> QWidget:
        page = QWidget(self)
        mark = QLabel(page)
        mark.setPixmap(icon("safestats").pixmap(QSize(56, 56)))
        mark.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        title = heading(QLabel(self.tr("You are not signed in"), page), 1.2)
        title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        words = small(QLabel(self.tr("Sign in to see which layers your organisation's agreements let you pull."), page))
        words.setWordWrap(True)
        words.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.signed_out_strip = Strip(page)
        self.sign_in_button = QPushButton(icon("sign_in"), self.tr("Sign in…"), page)
        self.sign_in_button.clicked.connect(self.sign_in_requested)
        column = QVBoxLayout(page)
        column.setContentsMargins(2 * MARGIN, 2 * MARGIN, 2 * MARGIN, 2 * MARGIN)
        column.setSpacing(MARGIN)
        column.addWidget(self.signed_out_strip)
        column.addStretch(2)
        column.addWidget(mark)
        column.addWidget(title)
        column.addWidget(words)
        column.addWidget(self.sign_in_button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        return page

    def _list_page(self) -> QWidget:
        page = QWidget(self)
        self.who = heading(plain(QLabel(page)), 1.1)
        self.who.setWordWrap(True)
        self.purpose = small(plain(QLabel(page)))
        self.purpose.setWordWrap(True)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.who)
        words.addWidget(self.purpose)
        self.refresh_button = self._tool("refresh", self.tr("Ask again what you may pull"))
        self.refresh_button.clicked.connect(self.refresh)
        self.sign_out_button = self._tool("sign_out", self.tr("Sign out"))
        self.sign_out_button.clicked.connect(self.sign_out_requested)
        head = QHBoxLayout()
        head.setContentsMargins(MARGIN, MARGIN, MARGIN, 0)
        head.addLayout(words, 1)
        head.addWidget(self.refresh_button, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(self.sign_out_button, 0, Qt.AlignmentFlag.AlignTop)

        self.synthetic_strip = Strip(page)
        self.strip = Strip(page)
        self.waiting = QProgressBar(page)
        self.waiting.setRange(0, 0)
        self.waiting.setTextVisible(False)
        self.waiting.setFixedHeight(4)
        self.waiting.setAccessibleName(self.tr("Asking what you may pull"))
        notices = QVBoxLayout()
        notices.setContentsMargins(MARGIN, 0, MARGIN, 0)
        notices.setSpacing(GAP)
        notices.addWidget(self.synthetic_strip)
        notices.addWidget(self.strip)
        notices.addWidget(self.waiting)

        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(MARGIN, 0, MARGIN, MARGIN)
        self._column.setSpacing(MARGIN - 2)
        self._column.addStretch(1)
        area = QScrollArea(page)
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # The cards stand on the dock itself, not on a sheet of their own.
        area.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        area.setAccessibleName(self.tr("Layers"))

        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(MARGIN - 2)
        column.addLayout(head)
        column.addLayout(notices)
        column.addWidget(area, 1)
        return page

    def _tool(self, name: str, words: str) -> QToolButton:
        button = QToolButton(self)
        button.setIcon(icon(name))
        button.setToolTip(words)
        button.setAccessibleName(words)
        button.setAutoRaise(True)
        button.setIconSize(QSize(18, 18))
        return button

    # ------------------------------------------------------------------ what happens

    def _session_changed(self) -> None:
        session = self._desk.session
        if session is None or not self._desk.signed_in:
            was_listed = bool(self.cards)
            self._clear_cards()
            self.pages.setCurrentWidget(self.signed_out_page)
            if was_listed and session is not None:
                self.tell(self.tr("Your session has ended. Sign in again to go on; your local copies are kept."))
            return
        self.signed_out_strip.clear()
        self.who.setText(
            self.tr("{name} · {organisation}").format(
                name=session.user.display_name, organisation=session.user.organisation
            )
        )
        self.purpose.setText(
            self.tr("Purpose: {purpose}").format(purpose=session.purpose.title) if session.purpose is not None else ""
        )
        if session.about.synthetic:
            self.synthetic_strip.say(
                self.tr("Synthetic data: invented for demonstration, nothing here has happened."), Tone.WARNING
            )
        else:
            self.synthetic_strip.clear()
        self.pages.setCurrentWidget(self.list_page)
        self.refresh()

    def _listed(self, entries: list[dict[str, Any]]) -> None:
        self.refresh_button.setEnabled(True)
        self.waiting.hide()
        wanted = sorted(entries, key=lambda entry: (not entry["permitted"], entry["title"]))
        running = {dataset for dataset, card in self.cards.items() if card.pulling}
        if running:
            # A card that is at work keeps its place; the others learn what is new.
            for entry in wanted:
                if entry["dataset"] in self.cards:
                    self.cards[entry["dataset"]].show_entry(entry)
            return
        self._clear_cards()
        for position, entry in enumerate(wanted):
            card = LayerCard(entry)
            card.pull_requested.connect(self._pull)
            card.open_requested.connect(self._open)
            self.cards[entry["dataset"]] = card
            self._column.insertWidget(position, card)
            self._copy_changed(entry["dataset"])
        if not wanted:
            self.strip.say(self.tr("The server has no layers yet."), Tone.NOTE)

    def _not_listed(self, error: DeskError) -> None:
        self.refresh_button.setEnabled(True)
        self.waiting.hide()
        if not isinstance(error, Cancelled):
            self.strip.say(error.sentence, Tone.TROUBLE)

    def _copy_changed(self, dataset: str) -> None:
        copies, card = self._desk.copies, self.cards.get(dataset)
        if copies is not None and card is not None:
            card.show_copy(copies.copy(dataset))

    def _pull(self, dataset: str) -> None:
        card = self.cards[dataset]
        try:
            # The list may be gone by the time that the pull ends: a card is told only while it is shown.
            task = self._desk.pull(
                dataset,
                card.title,
                lambda result: card.pulled(result) if self.cards.get(dataset) is card else None,
                lambda error: card.pull_failed(error) if self.cards.get(dataset) is card else None,
            )
        except DeskError as error:
            card.pull_failed(error)
            return
        card.follow(task)

    def _open(self, dataset: str) -> None:
        try:
            layer = self._desk.open_layer(dataset)
        except DeskError as error:
            self.cards[dataset].strip.say(error.sentence, Tone.TROUBLE)
            return
        backdrop(self._desk.project)
        self._iface.setActiveLayer(layer)
        if layer.isSpatial() and not layer.extent().isEmpty():
            self._iface.zoomToActiveLayer()

    def _clear_cards(self) -> None:
        for card in self.cards.values():
            card.abandon()
            self._column.removeWidget(card)
            card.deleteLater()
        self.cards.clear()
