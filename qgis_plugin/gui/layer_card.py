"""One dataset in the layers dock: what it is, what may be done with it, and the copy that is here."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from html import escape
from typing import Any

from qgis.PyQt.QtCore import QDate, QLocale, QSize, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QHBoxLayout, QLabel, QMenu, QProgressBar, QPushButton, QToolButton, QWidget

from ..core.days import BRITISH, day_in_words, day_of
from ..core.errors import Cancelled, DeskError
from ..core.local_store import Changes, LocalCopy
from ..core.pull import PullKind, PullResult
from ..core.standing import AGGREGATES_ONLY, Standing, standing
from ..core.tasks import DeskTask
from ..core.uses import Use
from .icons import icon
from .surfaces import GAP, Card, Strip, Tone, heading, plain, small


class LayerCard(Card):
    """``pull_requested(dataset)`` and ``open_requested(dataset)`` are its two buttons.

    ``counts_requested(dataset)`` is the one of a layer whose records are not shown. ``months_requested(dataset)`` and
    ``removal_requested(dataset)``: to choose the months to hold, to delete the copy.
    """

    months_requested = pyqtSignal(str)
    removal_requested = pyqtSignal(str)
    counts_requested = pyqtSignal(str)
    pull_requested = pyqtSignal(str)
    open_requested = pyqtSignal(str)

    def __init__(self, entry: dict[str, Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._task: DeskTask | None = None
        self._copy: LocalCopy | None = None
        self._entry: dict[str, Any] = entry

        self._state = QLabel(self)
        self._title = heading(plain(QLabel(self)), 1.08)
        self._title.setWordWrap(True)
        self._supplier = small(self._words())
        self.facts = self._words()
        self._agreement = small(self._words())
        self.uses_line = small(self._words())
        self.questions = Strip(self)
        self.copy_line = self._words()
        self.changes_line = small(self._words())
        self.news = Strip(self)
        self.strip = Strip(self)
        self.stage = small(QLabel(self))
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.cancel_button = QPushButton(self.tr("Cancel"), self)
        self.cancel_button.clicked.connect(self._cancel)
        self.pull_button = QPushButton(icon("pull"), self.tr("Pull"), self)
        self.pull_button.clicked.connect(lambda: self.pull_requested.emit(self.dataset))
        self.open_button = QPushButton(icon("open_map"), self.tr("Open in map"), self)
        self.open_button.clicked.connect(lambda: self.open_requested.emit(self.dataset))

        self.counts_button = QPushButton(icon("proximity"), self.tr("Ask for counts…"), self)
        self.counts_button.clicked.connect(lambda: self.counts_requested.emit(self.dataset))

        self.months_button = QPushButton(self.tr("Months…"), self)
        self.months_button.setToolTip(self.tr("Pull some months of this layer only"))
        self.months_button.clicked.connect(lambda: self.months_requested.emit(self.dataset))
        self.more_menu = QMenu(self)
        self.months_action = self.more_menu.addAction(icon("months"), self.tr("Choose months…"))
        self.months_action.triggered.connect(lambda: self.months_requested.emit(self.dataset))
        self.removal_action = self.more_menu.addAction(icon("remove"), self.tr("Remove from this computer"))
        self.removal_action.triggered.connect(lambda: self.removal_requested.emit(self.dataset))
        self.more_button = QToolButton(self)
        self.more_button.setIcon(icon("more"))
        self.more_button.setAutoRaise(True)
        self.more_button.setMenu(self.more_menu)
        self.more_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more_button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.more_button.setToolTip(self.tr("More about the local copy"))

        self._lay_out()
        self._show_progress(False)
        self.show_entry(entry)
        self.show_copy(None)

    @property
    def pulling(self) -> bool:
        """Whether a pull is under way."""
        return self._task is not None

    @property
    def has_copy(self) -> bool:
        """Whether there is a local copy, at work or not."""
        return self._copy is not None

    @property
    def rows(self) -> int:
        """The rows of the whole layer, as the server says."""
        return int(self._entry["rows"])

    @property
    def updatable(self) -> bool:
        """Whether there is a copy that a click would update now."""
        return self._copy is not None and self.pull_button.isEnabled()

    def show_entry(self, entry: dict[str, Any]) -> None:
        """Show what the server says of the dataset (one of ``layers`` in ``GET /v1/layers``)."""
        self._entry = entry
        self.dataset: str = entry["dataset"]
        self.title: str = entry["title"]
        permitted = bool(entry["permitted"])
        self._title.setText(self.title)
        self._supplier.setText(entry["supplier"])
        self._supplier.setVisible(bool(entry["supplier"]))
        self._supplier.setToolTip(escape(entry["description"]))
        self._state.setPixmap(icon("permitted" if permitted else "refused").pixmap(QSize(18, 18)))
        state = self.tr("Your agreement permits this layer") if permitted else self.tr("Not permitted")
        self._state.setToolTip(state)
        self._state.setAccessibleName(state)
        self.setAccessibleName(f"{self.title}: {state}")
        self.setAccessibleDescription(entry["reason"])
        self.facts.setText(self._facts(entry) if permitted else entry["reason"])
        self._agreement.setVisible(permitted)
        if permitted:
            self._agreement.setText(
                self.tr("Agreement {reference}, until {date}").format(
                    reference=entry["agreement"], date=day_in_words(day_of(entry["agreement_until"]))
                )
            )
        uses = self._uses(entry.get("uses")) if permitted else ""
        self.uses_line.setText(uses)
        self.uses_line.setVisible(bool(uses))
        counted = entry.get("reason_code") == AGGREGATES_ONLY
        self.counts_button.setVisible(counted)
        self.counts_button.setAccessibleName(f"{self.counts_button.text()}: {self.title}")
        if counted:
            self.questions.say(
                self.tr(
                    "You can ask for counts around the centre of a postcode: within 100, 250 and 500 m, for whole "
                    "months, by the most frequent categories. Small counts are hidden."
                ),
                Tone.NOTE,
            )
        else:
            self.questions.clear()
        for widget in (self.pull_button, self.open_button, self.copy_line):
            widget.setVisible(permitted)
        if not permitted:
            self.changes_line.hide()
        self._show_news()
        for button in (self.pull_button, self.open_button, self.months_button):
            button.setAccessibleName(f"{button.text()}: {self.title}")
        self.more_button.setAccessibleName(f"{self.more_button.toolTip()}: {self.title}")
        self._enable()

    def show_copy(self, copy: LocalCopy | None) -> None:
        """Show the local copy, or that there is none."""
        self._copy = copy
        if copy is None:
            self.copy_line.setText(self.tr("No local copy yet"))
        elif copy.lapsed(datetime.now(timezone.utc)):
            self.copy_line.setText(
                self.tr("The local copy lapsed on {date}: pull it again").format(date=day_in_words(copy.last_day))
            )
        else:
            words = self.tr("Local copy of {pulled}, valid until {until}").format(
                pulled=day_in_words(day_of(copy.pulled_at)), until=day_in_words(copy.last_day)
            )
            if not copy.period.everything:
                words = self.tr("{copy} · {months}: {rows} rows").format(
                    copy=words, months=copy.period.words, rows=BRITISH.toString(copy.manifest.rows)
                )
            with suppress(OSError):  # gone in this moment
                words = self.tr("{copy} · {size} here").format(copy=words, size=self._size(copy.path.stat().st_size))
            self.copy_line.setText(words)
        changes = self._changes(copy.changes) if copy is not None and copy.changes is not None else ""
        self.changes_line.setText(changes)
        self.changes_line.setVisible(bool(changes) and bool(self._entry["permitted"]))
        self.pull_button.setText(self.tr("Pull") if copy is None else self.tr("Update"))
        self._show_news()
        self._enable()

    def follow(self, task: DeskTask) -> None:
        """Show how ``task``, the pull of this dataset, gets on."""
        self._task = task
        self.strip.clear()
        self.news.clear()
        self.stage.setText(self.tr("Waiting…"))
        self.bar.setRange(0, 0)
        self._show_progress(True)
        self._enable()
        task.reported.connect(self._progress)

    def pulled(self, result: PullResult) -> None:
        """The pull is done."""
        self._ended()
        rows = BRITISH.toString(result.copy.manifest.rows)
        size = self._size(result.downloaded)
        words = {
            PullKind.UNCHANGED: self.tr("Already up to date: {rows} rows."),
            PullKind.WHOLE: self.tr("Pulled {rows} rows ({size})."),
            PullKind.UPDATED: self.tr("Updated: {rows} rows now ({size} downloaded)."),
        }[result.kind]
        self.strip.say(words.format(rows=rows, size=size), Tone.GOOD)

    def pull_failed(self, error: DeskError) -> None:
        """The pull ended without a new copy."""
        self._ended()
        self.strip.say(error.sentence, Tone.NOTE if isinstance(error, Cancelled) else Tone.TROUBLE)

    def interrupted(self, sentence: str) -> None:
        """The pull stopped in the middle, and goes on when its person has done what ``sentence`` says."""
        self._ended()
        self.strip.say(sentence, Tone.WARNING)

    def copy_removed(self) -> None:
        """The local copy had to go; the card itself says why."""
        self.strip.say(self.tr("The local copy was deleted and the layer closed."), Tone.WARNING)

    def copy_given_back(self) -> None:
        """The person has removed the copy."""
        self.strip.say(self.tr("The copy is removed from this computer. Pull to have it again."), Tone.NOTE)

    def refuse(self, error: DeskError) -> None:
        """The server permits the layer no longer: show so before the list is asked for again."""
        self.show_entry({**self._entry, "permitted": False, "reason": error.sentence, "reason_code": error.code})

    def updates_itself(self) -> None:
        """An update that nobody asked for has begun."""
        self.news.say(self.tr("Your agreement has changed: the local copy is being updated."), Tone.NOTE)

    def abandon(self) -> None:
        """Stop a pull that is under way: the card is going."""
        self._cancel()

    # ------------------------------------------------------------------ inside

    def _lay_out(self) -> None:
        words = QHBoxLayout()
        words.addWidget(self._title, 1)
        words.addWidget(self._state, 0, Qt.AlignmentFlag.AlignTop)
        progress = QHBoxLayout()
        progress.setSpacing(2 * GAP)
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel_button)
        buttons = QHBoxLayout()
        buttons.setSpacing(GAP)
        buttons.addWidget(self.pull_button)
        buttons.addWidget(self.open_button)
        buttons.addWidget(self.months_button)
        buttons.addWidget(self.counts_button)
        buttons.addWidget(self.more_button)
        buttons.addStretch(1)
        self.body.addLayout(words)
        self.body.addWidget(self._supplier)
        self.body.addWidget(self.facts)
        self.body.addWidget(self._agreement)
        self.body.addWidget(self.uses_line)
        self.body.addWidget(self.questions)
        self.body.addWidget(self.copy_line)
        self.body.addWidget(self.changes_line)
        self.body.addWidget(self.news)
        self.body.addWidget(self.strip)
        self.body.addWidget(self.stage)
        self.body.addLayout(progress)
        self.body.addLayout(buttons)

    def _words(self) -> QLabel:
        label = plain(QLabel(self))
        label.setWordWrap(True)
        return label

    def _show_news(self) -> None:
        """What the server has that the copy has not."""
        self.news.clear()
        if self._copy is None or self.pulling:
            return
        found = standing(self._entry, self._copy)
        if found in (Standing.RIGHTS_CHANGED, Standing.NEWER):
            self.strip.clear()  # what was said of the last pull no longer holds
        if found is Standing.RIGHTS_CHANGED:
            self.news.say(self.tr("Your agreement has changed: update."), Tone.WARNING)
        elif found is Standing.NEWER:
            published = self._entry.get("published_at")
            words = self.tr("Newer data of {date}: update.") if published else self.tr("There are newer data: update.")
            self.news.say(words.format(date=day_in_words(day_of(published)) if published else ""), Tone.NOTE)

    def _uses(self, granted: object) -> str:
        """What may be done with what comes of the layer; empty where the server does not say."""
        if not isinstance(granted, list):
            return ""
        export, publish = Use.EXPORT.value in granted, Use.PUBLISH.value in granted
        if export and publish:
            return self.tr("Export and publication are granted.")
        if export:
            return self.tr("Export is granted, publication is not.")
        if publish:
            return self.tr("Publication is granted, export is not.")
        return self.tr("For work in QGIS only: neither export nor publication is granted.")

    def _changes(self, changes: Changes) -> str:
        since = day_in_words(day_of(changes.since))
        added, changed, withdrawn = (
            BRITISH.toString(count) for count in (changes.added, changes.changed, changes.withdrawn)
        )
        if changes.added or changes.changed or changes.withdrawn:
            words = self.tr("Since {date}: {added} added, {changed} changed, {withdrawn} withdrawn.")
            if changes.rights_changed:
                words = self.tr(
                    "Since {date}, when your agreement was another: {added} added, {changed} changed, {withdrawn} no "
                    "longer shown."
                )
        elif changes.rights_changed:
            words = self.tr("Your agreement has changed since {date}; the incidents are the same.")
        else:
            words = self.tr("Nothing has changed since {date}.")
        return words.format(date=since, added=added, changed=changed, withdrawn=withdrawn)

    def _facts(self, entry: dict[str, Any]) -> str:
        if entry["preparing"]:
            return self.tr("Being prepared on the server. This card will say when it is ready.")
        parts = [
            self.tr("{rows} rows").format(rows=BRITISH.toString(int(entry["rows"]))),
            self._size(int(entry["size"])),
        ]
        if entry["newest"]:
            month = BRITISH.toString(QDate.fromString(entry["newest"], "yyyy-MM"), "MMMM yyyy")
            parts.append(self.tr("newest data {month}").format(month=month))
        if entry["precision"]:
            parts.append(entry["precision"])
        return " · ".join(parts)

    def _progress(self, stage: str, done: float, total: float) -> None:
        if not self.pulling:
            return
        if total:
            self.bar.setRange(0, 1000)
            self.bar.setValue(int(1000 * done / total))
            stage = self.tr("{stage}: {done} of {total}").format(
                stage=stage, done=self._size(int(done)), total=self._size(int(total))
            )
        else:
            self.bar.setRange(0, 0)
            stage = f"{stage}…"
        self.stage.setText(stage)
        self.bar.setAccessibleName(stage)

    def _cancel(self) -> None:
        if self._task is not None:
            self.cancel_button.setEnabled(False)
            self.stage.setText(self.tr("Stopping…"))
            self._task.cancel()

    def _ended(self) -> None:
        self._task = None
        self._show_progress(False)
        self._enable()

    def _show_progress(self, shown: bool) -> None:
        for widget in (self.stage, self.bar, self.cancel_button):
            widget.setVisible(shown)
        self.cancel_button.setEnabled(shown)

    def _enable(self) -> None:
        permitted = bool(self._entry["permitted"])
        ready = permitted and not self._entry["preparing"] and not self._entry.get("offline")
        self.pull_button.setEnabled(ready and not self.pulling)
        self.months_button.setVisible(permitted and not self.has_copy)
        self.months_button.setEnabled(ready and not self.pulling)
        self.months_action.setEnabled(ready)
        self.more_button.setVisible(permitted and self.has_copy)
        self.more_button.setEnabled(not self.pulling)
        usable = self._copy is not None and not self._copy.lapsed(datetime.now(timezone.utc))
        self.open_button.setEnabled(usable)

    def _size(self, count: int) -> str:
        return BRITISH.formattedDataSize(count, 1, QLocale.DataSizeFormat.DataSizeSIFormat)
