"""What the local copies take on this computer, of every server and user, and how to be rid of them."""

from __future__ import annotations

from urllib.parse import urlsplit

from qgis.PyQt.QtCore import QLocale, Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..core.days import BRITISH, day_in_words
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.local_store import Holding
from ..core.tasks import DeskTask
from .icons import icon
from .surfaces import GAP, MARGIN, Strip, Tone, heading, small


class StorageDialog(QDialog):
    """A row a copy, the largest first. What is removed can be pulled again."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._task: DeskTask | None = None
        self._holdings: list[Holding] = []
        self.setObjectName("SafeStatsStorage")
        self.setWindowTitle(self.tr("Local copies"))
        self.resize(900, 380)

        self.total = heading(QLabel(self), 1.2)
        where = small(QLabel(str(desk.store.root), self))
        where.setTextFormat(Qt.TextFormat.PlainText)
        where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.strip = Strip(self)
        titles = (self.tr("Layer"), self.tr("Months"), self.tr("Server"), self.tr("User"), self.tr("Valid until"))
        self.table = QTableWidget(0, len(titles) + 1, self)
        self.table.setHorizontalHeaderLabels([*titles, self.tr("Size")])
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)  # Tab leads on to the buttons
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.setAccessibleName(self.tr("Local copies"))
        self.table.itemSelectionChanged.connect(self._enable)
        self.remove_button = QPushButton(icon("remove"), self.tr("&Remove"), self)
        self.remove_button.setToolTip(
            self.tr("Close the layer and delete the copy from this computer; it can be pulled again")
        )
        self.remove_button.setAutoDefault(False)
        self.remove_button.clicked.connect(self._remove)
        self.folder_button = QPushButton(self.tr("Open the &folder"), self)
        self.folder_button.setAutoDefault(False)
        self.folder_button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(desk.store.root))))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.remove_button)
        row.addWidget(self.folder_button)
        row.addStretch(1)
        row.addWidget(buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN + 6, MARGIN + 6, MARGIN + 6, MARGIN)
        column.setSpacing(MARGIN)
        for widget in (self.total, where, self.strip, self.table):
            column.addWidget(widget)
        column.addLayout(row)
        self._ask()

    def done(self, result: int) -> None:
        """Close; a look under way is given up."""
        if self._task is not None:
            self._task.abandon()
            self._task = None
        super().done(result)

    def _ask(self) -> None:
        if self._task is not None:
            self._task.abandon()
        self.total.setText(self.tr("Looking…"))
        self._enable()
        self._task = self._desk.ask_holdings(self._found, self._failed)

    def _found(self, holdings: list[Holding]) -> None:
        self._task = None
        self._holdings = holdings
        self.total.setText(
            self.tr("{size} on this computer").format(size=_size(sum(one.size for one in holdings)))
            if holdings
            else self.tr("No local copies on this computer")
        )
        self.table.setRowCount(len(holdings))
        for row, one in enumerate(holdings):
            for column, words in enumerate(self._words(one)):
                item = QTableWidgetItem(words)
                item.setToolTip(words)
                if column == self.table.columnCount() - 1:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        self._enable()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        if not isinstance(error, Cancelled):
            self.strip.say(error.sentence, Tone.TROUBLE)

    def _words(self, one: Holding) -> tuple[str, ...]:
        known = self._desk.account_words(one.account)
        server, username = known or ("", "")
        copy = one.copy
        if copy is None:
            return one.dataset, self.tr("not whole"), urlsplit(server).netloc, username, "", _size(one.size)
        return (
            copy.manifest.title,
            copy.period.words or self.tr("all"),
            urlsplit(server).netloc or self.tr("another"),
            username or self.tr("somebody else"),
            day_in_words(copy.last_day),
            _size(one.size),
        )

    def _remove(self) -> None:
        rows = sorted({index.row() for index in self.table.selectedIndexes()})
        chosen = [self._holdings[row] for row in rows]
        for one in chosen:
            self._desk.remove_copy(one.account, one.dataset)
        self.strip.say(
            self.tr("{size} removed. What you need again, pull again.").format(
                size=_size(sum(one.size for one in chosen))
            ),
            Tone.GOOD,
        )
        self._desk.after_housekeeping(self._ask)

    def _enable(self) -> None:
        self.remove_button.setEnabled(bool(self.table.selectedIndexes()))


def _size(count: int) -> str:
    return BRITISH.formattedDataSize(count, 1, QLocale.DataSizeFormat.DataSizeSIFormat)
