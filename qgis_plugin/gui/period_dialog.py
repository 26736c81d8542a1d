"""Which months of a layer to hold on this computer: chosen before the pull, from what the server has."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import QLocale
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..core.days import BRITISH
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.periods import month_number, month_of, month_words
from ..core.pull_period import EVERYTHING, MonthOffered, PullPeriod
from ..core.tasks import DeskTask
from .surfaces import GAP, MARGIN, Strip, Tone, heading, plain, small

_YEAR = 12
_PRESETS = (1, 3, 5)  # years


class PeriodDialog(QDialog):
    """Accepted with ``period`` chosen. ``reason`` is said above, such as how large the whole layer is."""

    def __init__(
        self, desk: Desk, dataset: str, title: str, held: PullPeriod, reason: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._months: Sequence[MonthOffered] = ()
        self._held = held
        self._task: DeskTask | None = None
        self.setObjectName("SafeStatsPeriod")
        self.setWindowTitle(self.tr("Months to pull"))
        self.setMinimumWidth(440)

        title_line = heading(plain(QLabel(title, self)), 1.2)
        title_line.setWordWrap(True)
        self.strip = Strip(self)
        self.waiting = QProgressBar(self)
        self.waiting.setRange(0, 0)
        self.waiting.setTextVisible(False)
        self.waiting.setFixedHeight(4)
        self.waiting.setAccessibleName(self.tr("Asking which months there are"))
        self.first = QComboBox(self)
        self.first.setAccessibleName(self.tr("First month"))
        self.last = QComboBox(self)
        self.last.setAccessibleName(self.tr("Last month"))
        self.told = QLabel(self)
        self.told.setWordWrap(True)
        self.undated = small(QLabel(self))
        self.undated.setWordWrap(True)
        self.presets: list[QPushButton] = []
        quick = QHBoxLayout()
        quick.setSpacing(GAP)
        for years in _PRESETS:
            words = self.tr("Last 12 months") if years == 1 else self.tr("Last {n} years").format(n=years)
            self._add_preset(words, years, quick)
        self._add_preset(self.tr("Everything"), 0, quick)
        quick.addStretch(1)
        form = QFormLayout()
        form.setHorizontalSpacing(MARGIN)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(self.tr("&From"), self.first)
        form.addRow(self.tr("&To"), self.last)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.pull_button = self.buttons.addButton(self.tr("Pull"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.pull_button.setDefault(True)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN + 6, MARGIN + 6, MARGIN + 6, MARGIN)
        column.setSpacing(MARGIN)
        for widget in (title_line, self.strip, self.waiting):
            column.addWidget(widget)
        column.addLayout(quick)
        column.addLayout(form)
        column.addWidget(self.told)
        column.addWidget(self.undated)
        column.addStretch(1)
        column.addWidget(self.buttons)

        self.first.currentIndexChanged.connect(self._chosen)
        self.last.currentIndexChanged.connect(self._chosen)
        if reason:
            self.strip.say(reason, Tone.NOTE)
        self._enable(False)
        try:
            self._task = desk.ask_months(dataset, self._offered, self._not_offered)
        except DeskError as error:
            self._not_offered(error)

    @property
    def period(self) -> PullPeriod:
        """The months that are chosen now."""
        return PullPeriod(self.first.currentData() or "", self.last.currentData() or "")

    def done(self, result: int) -> None:
        """Close; a question under way is given up."""
        if self._task is not None:
            self._task.abandon()
            self._task = None
        super().done(result)

    def _add_preset(self, words: str, years: int, row: QHBoxLayout) -> None:
        button = QPushButton(words, self)
        button.setAutoDefault(False)
        button.clicked.connect(lambda: self._preset(years))
        self.presets.append(button)
        row.addWidget(button)

    def _offered(self, months: Sequence[MonthOffered]) -> None:
        self._task = None
        self.waiting.hide()
        self._months = months
        dated = [one.month for one in months if one.month]
        for box, words in (
            (self.first, self.tr("the beginning")),
            (self.last, self.tr("the newest, and all that follow")),
        ):
            box.blockSignals(True)
            box.addItem(words, "")
            for month in reversed(dated):
                box.addItem(month_words(month), month)
            box.blockSignals(False)
        for box, month in ((self.first, self._held.first), (self.last, self._held.last)):
            box.setCurrentIndex(max(0, box.findData(month)))
        undated = sum(one.rows for one in months if not one.month)
        if undated:
            self.undated.setText(
                self.tr("{rows} rows without a date come with Everything only.").format(rows=BRITISH.toString(undated))
            )
        self.undated.setVisible(bool(undated))
        self._enable(True)
        self._chosen()
        self.first.setFocus()

    def _not_offered(self, error: DeskError) -> None:
        self._task = None
        self.waiting.hide()
        if not isinstance(error, Cancelled):
            self.strip.say(error.sentence, Tone.TROUBLE)

    def _preset(self, years: int) -> None:
        dated = [one.month for one in self._months if one.month]
        first = ""
        if years and dated:
            first = month_of(month_number(dated[-1]) - years * _YEAR + 1)
            first = "" if first <= dated[0] and not self.undated.isVisible() else max(first, dated[0])
            # A month without any incident is not offered: the next one that is.
            first = first and min(month for month in dated if month >= first)
        self.first.setCurrentIndex(max(0, self.first.findData(first)))
        self.last.setCurrentIndex(0)

    def _chosen(self) -> None:
        if not self._months:
            return
        period = self.period
        wrong = bool(period.first and period.last and period.first > period.last)
        self.pull_button.setEnabled(not wrong)
        if wrong:
            self.told.setText(self.tr("The last month lies before the first: choose a later one."))
            return
        every = sum(one.rows for one in self._months)
        wanted = [
            one
            for one in self._months
            if period == EVERYTHING
            or (one.month and one.month >= period.first and (not period.last or one.month <= period.last))
        ]
        self.told.setText(
            self.tr("{rows} of {every} rows; at most {size} to download.").format(
                rows=BRITISH.toString(sum(one.rows for one in wanted)),
                every=BRITISH.toString(every),
                size=BRITISH.formattedDataSize(
                    sum(one.size for one in wanted), 1, QLocale.DataSizeFormat.DataSizeSIFormat
                ),
            )
        )

    def _enable(self, ready: bool) -> None:
        for widget in (self.first, self.last, self.pull_button, *self.presets):
            widget.setEnabled(ready)
