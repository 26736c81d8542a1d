"""What you may pull, what you may not and why; the local copies; pull, renew and open them."""

from __future__ import annotations

from typing import Any

from qgis.gui import QgisInterface, QgsDockWidget
from qgis.PyQt.QtCore import QSize, Qt, QTimer, pyqtSignal
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

from ..core.days import BRITISH
from ..core.desk import Desk
from ..core.desk_session import DeskSession, SessionState
from ..core.errors import Cancelled, ConditionsNotAccepted, DeskError, SessionEnded
from ..core.pull import PullResult
from ..core.pull_period import ASK_ABOVE_ROWS, EVERYTHING, PullPeriod
from ..core.standing import Standing, ends_the_right, standing
from ..layouts.base_map import backdrop
from .counts_dialog import CountsDialog
from .icons import icon
from .layer_card import LayerCard
from .period_dialog import PeriodDialog
from .surfaces import GAP, MARGIN, Strip, Tone, heading, plain, small
from .update_round import UpdateRound

_PREPARING_MS = 10_000


class LayersDock(QgsDockWidget):
    """One card a dataset. ``sign_in_requested(str)`` (with a reason to show, or none), ``sign_out_requested()``,
    ``purpose_requested()``, ``sessions_requested()`` and ``storage_requested()`` ask the plugin for the windows."""

    sign_in_requested = pyqtSignal(str)
    sign_out_requested = pyqtSignal()
    purpose_requested = pyqtSignal()
    sessions_requested = pyqtSignal()
    storage_requested = pyqtSignal()

    def __init__(self, desk: Desk, iface: QgisInterface, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._iface = iface
        self.cards: dict[str, LayerCard] = {}
        self._interrupted: dict[str, None] = {}  # datasets whose pulls go on after the next sign-in, in order
        self._owner: tuple[str, str] | None = None  # server and user of the cards
        self._session: DeskSession | None = None  # the one that has been active here
        self._waiting_for_conditions = False
        self.counts_dialog: CountsDialog | None = None
        self.period_dialog: PeriodDialog | None = None
        self._round: UpdateRound | None = None  # of “update all”, while it lasts
        self.setObjectName("SafeStatsLayersDock")
        self.setWindowTitle(self.tr("SafeStats layers"))
        self.setMinimumWidth(320)

        self.pages = QStackedWidget(self)
        self.signed_out_page = self._signed_out_page()
        self.list_page = self._list_page()
        self.pages.addWidget(self.signed_out_page)
        self.pages.addWidget(self.list_page)
        self.setWidget(self.pages)

        # A layer that the server is still preparing shows as ready by itself.
        self.asking_again = QTimer(self)
        self.asking_again.setSingleShot(True)
        self.asking_again.setInterval(_PREPARING_MS)
        self.asking_again.timeout.connect(self.refresh)

        desk.session_changed.connect(self._session_changed)
        desk.copies_changed.connect(self._copy_changed)
        self._session_changed()

    def tell(self, sentence: str) -> None:
        """Show a sentence on the page of those who are not signed in."""
        self.signed_out_strip.say(sentence, Tone.NOTE)

    def complain(self, sentence: str) -> None:
        """Show trouble above the cards."""
        self.strip.say(sentence, Tone.TROUBLE)

    def refresh(self) -> None:
        """Ask the server again what may be pulled."""
        if not (self._desk.signed_in or self._desk.offline):
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
        self.sign_in_button.clicked.connect(lambda: self.sign_in_requested.emit(""))
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
        self.purpose_button = QPushButton(self.tr("Change…"), page)
        self.purpose_button.setFlat(True)
        self.purpose_button.setAccessibleName(self.tr("Change the purpose"))
        self.purpose_button.setToolTip(self.tr("Go on for another purpose, without signing out"))
        self.purpose_button.clicked.connect(self.purpose_requested)
        self.refresh_button = self._tool("refresh", self.tr("Ask again what you may pull"))
        self.refresh_button.clicked.connect(self.refresh)
        self.storage_button = self._tool("storage", self.tr("What the local copies take on this computer"))
        self.storage_button.clicked.connect(self.storage_requested)
        self.sessions_button = self._tool("sessions", self.tr("Where you are signed in"))
        self.sessions_button.clicked.connect(self.sessions_requested)
        self.sign_out_button = self._tool("sign_out", self.tr("Sign out"))
        self.sign_out_button.clicked.connect(self.sign_out_requested)
        self.update_all_button = self._tool("pull", self.tr("Update all layers that have a local copy"))
        self.update_all_button.clicked.connect(self._update_all)
        line = QHBoxLayout()
        line.setSpacing(0)
        line.addWidget(self.purpose, 1)
        for button in (
            *(self.purpose_button, self.update_all_button, self.refresh_button),
            *(self.storage_button, self.sessions_button, self.sign_out_button),
        ):
            line.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        head = QVBoxLayout()
        head.setContentsMargins(MARGIN, MARGIN, MARGIN, 0)
        head.setSpacing(2)
        head.addWidget(self.who)
        head.addLayout(line)

        self.synthetic_strip = Strip(page)
        self.offline_strip = Strip(page)
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
        self.again_button = QPushButton(icon("sign_in"), self.tr("Sign in again…"), page)
        self.again_button.clicked.connect(lambda: self.sign_in_requested.emit(""))
        self.again_button.hide()
        notices.addWidget(self.offline_strip)
        notices.addWidget(self.strip)
        notices.addWidget(self.again_button, 0, Qt.AlignmentFlag.AlignLeft)
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
        if session is not None and session is self._session and session.state is SessionState.PENDING:
            self._conditions_changed()
            return
        self._waiting_for_conditions = False
        if session is None or not (self._desk.signed_in or self._desk.offline):
            self._not_signed_in(lost=session is not None and session.state is not SessionState.ACTIVE)
            return
        self._session = session
        self.signed_out_strip.clear()
        self.strip.clear()
        self.again_button.hide()
        self._show_offline(self._desk.offline)
        owner = (session.transport.base_url, session.user.username)
        if owner != self._owner:
            self._clear_cards()
            self._owner = owner
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
        self.refresh_button.setEnabled(True)
        interrupted, self._interrupted = list(self._interrupted), {}
        for dataset in interrupted:
            if not self.cards[dataset].pulling:
                self._pull(dataset)
        self.refresh()

    def _show_offline(self, offline: bool) -> None:
        """What needs the server is not offered without it."""
        for button in (self.refresh_button, self.sessions_button, self.purpose_button):
            button.setVisible(not offline)
        self.offline_strip.setVisible(offline)
        if offline:
            self.offline_strip.say(
                self.tr(
                    "You are working offline, with the copies that are here. What you do with them is noted, and told "
                    "to the server at your next sign-in."
                ),
                Tone.WARNING,
            )
            self.again_button.setText(self.tr("Sign in…"))
            self.again_button.show()

    def _conditions_changed(self) -> None:
        """The session goes on once its person has accepted the new conditions; so does what was under way."""
        if self._waiting_for_conditions:
            return
        self._waiting_for_conditions = True
        sentence = self.tr("The conditions of use have changed. Read and accept them to go on.")
        self.strip.say(sentence, Tone.WARNING)
        self.again_button.setText(self.tr("Read the conditions…"))
        self.again_button.show()
        self.sign_in_requested.emit(sentence)

    def _not_signed_in(self, lost: bool) -> None:
        was_listed = bool(self.cards)
        if lost and (self._interrupted or any(card.pulling for card in self.cards.values())):
            # The cards keep what is under way: it goes on once the same person has signed in again.
            self.strip.say(self.tr("Your session has ended. Sign in again to go on."), Tone.WARNING)
            self.again_button.setText(self.tr("Sign in again…"))
            self.again_button.show()
            return
        self._clear_cards()
        self.pages.setCurrentWidget(self.signed_out_page)
        if was_listed and lost:
            self.tell(self.tr("Your session has ended. Sign in again to go on; your local copies are kept."))

    def _listed(self, entries: list[dict[str, Any]]) -> None:
        self.refresh_button.setEnabled(True)
        self.waiting.hide()
        wanted = sorted(entries, key=lambda entry: (not entry["permitted"], entry["title"]))
        named = {entry["dataset"] for entry in wanted}
        for dataset in [dataset for dataset in self.cards if dataset not in named]:
            self._drop_card(dataset)
        cards = {}
        for position, entry in enumerate(wanted):
            # A card stays the same widget: it may be at work, and what it has told stays readable.
            card = self.cards.get(entry["dataset"]) or self._new_card(entry)
            cards[entry["dataset"]] = card
            self._column.removeWidget(card)
            self._column.insertWidget(position, card)
            card.show_entry(entry)
        self.cards = cards
        for entry in wanted:
            self._copy_changed(entry["dataset"])
            self._heed(entry)
        if any(entry["permitted"] and entry["preparing"] for entry in entries):
            self.asking_again.start()
        if not wanted:
            self.strip.say(self.tr("The server has no layers yet."), Tone.NOTE)

    def _heed(self, entry: dict[str, Any]) -> None:
        """Do at once what must not wait for a click: delete what may not be held, replace what may hold too much."""
        dataset = entry["dataset"]
        copy, card = self._desk.copy(dataset), self.cards[dataset]
        if copy is None or card.pulling:
            return
        found = standing(entry, copy)
        if found is Standing.ENDED:
            if self._desk.give_up(dataset):
                card.copy_removed()
        elif found is Standing.RIGHTS_CHANGED and not entry["preparing"]:
            self._pull(dataset)
            if card.pulling:
                card.updates_itself()

    def _new_card(self, entry: dict[str, Any]) -> LayerCard:
        card = LayerCard(entry)
        card.pull_requested.connect(self._pull_or_ask)
        card.months_requested.connect(self._ask_months)
        card.removal_requested.connect(self._remove_copy)
        card.open_requested.connect(self._open)
        card.counts_requested.connect(self._ask_for_counts)
        return card

    def _not_listed(self, error: DeskError) -> None:
        self.refresh_button.setEnabled(True)
        self.waiting.hide()
        session = self._desk.session
        if ends_the_right(error) and session is not None:
            # Not one layer but all of them: the person's role has no data.
            self._desk.give_up_account(session.transport.base_url, session.user.username)
            for dataset in list(self.cards):
                self._drop_card(dataset)
        if not isinstance(error, (Cancelled, ConditionsNotAccepted)):
            self.strip.say(error.sentence, Tone.TROUBLE)

    def _copy_changed(self, dataset: str) -> None:
        card = self.cards.get(dataset)
        if card is not None:
            card.show_copy(self._desk.copy(dataset))
        several = sum(card.has_copy for card in self.cards.values()) > 1
        self.update_all_button.setVisible(several and not self._desk.offline)

    def _pull_or_ask(self, dataset: str) -> None:
        """Pull; but of a layer so large that few want all of it, ask first which months."""
        card = self.cards[dataset]
        if not card.has_copy and card.rows > ASK_ABOVE_ROWS:
            self._ask_months(
                dataset,
                self.tr("This layer has {rows} rows. Choose the months that you need, or pull everything.").format(
                    rows=BRITISH.toString(card.rows)
                ),
            )
        else:
            self._pull(dataset)

    def _ask_months(self, dataset: str, reason: str = "") -> None:
        if self.period_dialog is not None:
            self.period_dialog.reject()
        copy = self._desk.copy(dataset)
        held = copy.period if copy is not None else EVERYTHING
        dialog = PeriodDialog(self._desk, dataset, self.cards[dataset].title, held, reason, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._pull(dataset, dialog.period) if dataset in self.cards else None)
        dialog.finished.connect(self._months_closed)
        self.period_dialog = dialog
        dialog.open()

    def _months_closed(self) -> None:
        self.period_dialog = None

    def _remove_copy(self, dataset: str) -> None:
        if self._desk.give_up(dataset):
            self.cards[dataset].copy_given_back()

    def _pull(self, dataset: str, period: PullPeriod | None = None) -> None:
        card = self.cards[dataset]
        # The list may be gone by the time that the pull ends: a card is told only while it is shown.
        try:
            task = self._desk.pull(
                dataset,
                card.title,
                lambda result: self._pulled(card, result) if self.cards.get(dataset) is card else None,
                lambda error: self._pull_failed(card, error) if self.cards.get(dataset) is card else None,
                period,
            )
        except DeskError as error:
            self._pull_failed(card, error)
            return
        card.follow(task)

    def _pulled(self, card: LayerCard, result: PullResult) -> None:
        card.pulled(result)
        self._count(card.dataset, result)

    def _count(self, dataset: str, result: PullResult | None) -> None:
        """Note how a pull of “update all” ended; after the last one, say what they brought."""
        if self._round is not None and self._round.ended(dataset, result):
            self.strip.say(*self._round.summary())
            self._round = None

    def _pull_failed(self, card: LayerCard, error: DeskError) -> None:
        self._count(card.dataset, None)
        if isinstance(error, SessionEnded):
            card.interrupted(
                self.tr(
                    "Your session ended in the middle. What has arrived is kept: sign in again and the pull goes on "
                    "from there."
                )
            )
            self._interrupted[card.dataset] = None
            # For the first of several pulls: those that follow find the dialog open.
            self.sign_in_requested.emit(
                self.tr("Your session ended in the middle of a pull. Sign in again and it goes on from there.")
            )
            return
        if isinstance(error, ConditionsNotAccepted):
            card.interrupted(
                self.tr(
                    "The conditions of use have changed. What has arrived is kept: accept them and the pull goes on "
                    "from there."
                )
            )
            self._interrupted[card.dataset] = None
            self.sign_in_requested.emit(self.tr("The conditions of use have changed. Read and accept them to go on."))
            return
        card.pull_failed(error)
        if ends_the_right(error):
            card.refuse(error)
            card.copy_removed()
            self.refresh()

    def _update_all(self) -> None:
        wanted = [card.dataset for card in self.cards.values() if card.updatable]
        self._round = UpdateRound(wanted)
        for dataset in wanted:
            self._pull(dataset)

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

    def _ask_for_counts(self, dataset: str) -> None:
        self.counts_dialog = CountsDialog(self._desk, dataset, self.cards[dataset].title, self)
        self.counts_dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.counts_dialog.finished.connect(self._counts_closed)
        self.counts_dialog.open()

    def _counts_closed(self) -> None:
        self.counts_dialog = None

    def _clear_cards(self) -> None:
        for dataset in list(self.cards):
            self._drop_card(dataset)
        self._interrupted.clear()
        self._owner = None

    def _drop_card(self, dataset: str) -> None:
        card = self.cards.pop(dataset)
        card.abandon()
        self._column.removeWidget(card)
        card.deleteLater()
