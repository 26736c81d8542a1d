"""Saved queries in the explore dock: open, save, share, delete; asked of the server off the window's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..core.analysis_error import AnalysisError
from ..core.desk import Desk
from ..core.errors import DeskError
from ..core.explore.saved_queries import SavedQuery, list_queries, open_query, remove_query, save_query
from ..core.explore.selection import Selection
from ..core.tasks import DeskTask
from ..core.transport import Transport
from .icons import icon
from .surfaces import MARGIN, small

_LONGEST_NAME = 100
_LONGEST_SHAPE = 40_000  # characters that the server keeps


class SavedQueriesRow(QWidget):
    """``opened(SavedQuery, Selection)``: to be shown in the form. ``told(str)``, ``failed(str)``: for the strip."""

    opened = pyqtSignal(object, object)
    save_asked = pyqtSignal()
    told = pyqtSignal(str)
    failed = pyqtSignal(str)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.box = QComboBox(self)
        self.box.setAccessibleName(self.tr("Saved queries"))
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(10)
        self.box.currentIndexChanged.connect(self._chosen)
        self.open_button = QPushButton(self.tr("Open"), self)
        self.open_button.setToolTip(self.tr("Fill the form with this query; it is answered from your own copy"))
        self.open_button.clicked.connect(self._open)
        self.save_button = QPushButton(self.tr("S&ave …"), self)
        self.save_button.setToolTip(self.tr("Keep what the form asks, for yourself or for your organisation"))
        self.save_button.clicked.connect(self.save_asked)
        self.delete_button = QToolButton(self)
        self.delete_button.setIcon(QgsApplication.getThemeIcon("mActionDeleteSelected.svg"))
        self.delete_button.setAutoRaise(True)
        self.delete_button.setAccessibleName(self.tr("Delete this query"))
        self.delete_button.clicked.connect(self._delete)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box, 1)
        for button in (self.open_button, self.save_button, self.delete_button):
            row.addWidget(button)
        self.show_queries(())

    def refresh(self) -> None:
        """Ask for the queries anew; nobody signed in, there are none."""
        if not self._desk.signed_in:
            self.show_queries(())
            return
        transport, session = self._desk.transport, self._desk.session

        def told(queries: tuple[SavedQuery, ...]) -> None:
            if self._desk.session is session:  # else they are of somebody who has signed out meanwhile
                self.show_queries(queries)

        self._desk.run(
            self.tr("Asking for saved queries"),
            lambda task: list_queries(transport, task.isCanceled),
            told,
            self._failed,
        )

    def show_queries(self, queries: tuple[SavedQuery, ...]) -> None:
        """Fill the list; what one may not run is grey, with the reason, and a colleague's then has no name."""
        self.box.clear()
        self.box.addItem(self.tr("Saved queries") if queries else self.tr("no saved queries"), None)
        for query in queries:
            name = query.name or self.tr("A query of {owner} on {title}").format(owner=query.owner, title=query.title)
            if not query.own:
                name = name if not query.name else self.tr("{name} – {owner}").format(name=name, owner=query.owner)
            elif query.shared:
                name = self.tr("{name} – shared").format(name=name)
            self.box.addItem(name, query)
            at = self.box.count() - 1
            tip = query.reason or query.title
            self.box.setItemData(at, tip, Qt.ItemDataRole.ToolTipRole)
            if query.reason:
                self.box.setItemIcon(at, icon("refused"))
        self._chosen()

    def _chosen(self) -> None:
        query = self.box.currentData()
        self.open_button.setEnabled(query is not None)
        self.delete_button.setEnabled(query is not None and query.removable)
        left = query is not None and query.removable and not query.own
        self.delete_button.setToolTip(
            self.tr(
                "Delete this query for everybody: {owner} has left, and you manage the organisation's people"
            ).format(owner=query.owner)
            if left
            else self.tr("Delete this query of yours")
        )
        self.box.setToolTip(query.reason or query.title if query is not None else "")

    def _open(self) -> None:
        query: SavedQuery = self.box.currentData()
        if query.reason:
            self.failed.emit(self.tr("This query cannot be shown to you. {reason}").format(reason=query.reason))
            return
        self._run(
            self.tr("Opening a saved query"),
            lambda transport, task: open_query(transport, query.id, task.isCanceled),
            lambda asked: self.opened.emit(query, asked),
        )

    def _delete(self) -> None:
        query: SavedQuery = self.box.currentData()

        def gone(_nothing: object) -> None:
            named = self.tr("“{name}” is deleted.").format(name=query.name)
            self.told.emit(named if query.name else self.tr("The query is deleted."))
            self.refresh()

        self._run(
            self.tr("Deleting a saved query"),
            lambda transport, task: remove_query(transport, query.id, task.isCanceled),
            gone,
        )

    def save(self, name: str, asked: Selection, shared: bool) -> None:
        """Keep a question; raises ``AnalysisError`` where it is too long to be kept."""
        if len(asked.shape) > _LONGEST_SHAPE:
            raise AnalysisError(
                self.tr("The area has too many corners for a saved query: choose simpler polygons, or boroughs."),
                "area",
            )

        def kept(query: SavedQuery) -> None:
            words = (
                self.tr(
                    "“{name}” is saved and shared with your organisation: each colleague runs it with their own rights."
                )
                if query.shared
                else self.tr("“{name}” is saved.")
            )
            self.told.emit(words.format(name=query.name))
            self.refresh()

        self._run(
            self.tr("Saving a query"),
            lambda transport, task: save_query(transport, name, asked, shared, task.isCanceled),
            kept,
        )

    def _run(
        self,
        description: str,
        work: Callable[[Transport, DeskTask], Any],
        done: Callable[[Any], None],
    ) -> None:
        try:
            transport = self._desk.transport
        except DeskError as error:
            self._failed(error)
            return
        self._desk.run(description, lambda task: work(transport, task), done, self._failed)

    def _failed(self, error: DeskError) -> None:
        self.failed.emit(error.sentence)


class SaveQueryDialog(QDialog):
    """Asks for a name, and whether to share. ``saved(str, bool)`` once it is accepted."""

    saved = pyqtSignal(str, bool)

    def __init__(self, suggestion: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("SafeStatsSaveQuery")
        self.setWindowTitle(self.tr("Save query"))
        self.name = QLineEdit(suggestion[:_LONGEST_NAME], self)
        self.name.setMaxLength(_LONGEST_NAME)
        self.name.setAccessibleName(self.tr("Name"))
        self.shared = QCheckBox(self.tr("S&hare with my organisation"), self)
        words = self.tr(
            "Only what is asked is kept, no counts. Whoever opens it sees what their own rights show; who may not run "
            "it is not told its name. Write no personal data into the name."
        )
        hint = small(QLabel(words, self))
        hint.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel, self)
        self._save = buttons.button(QDialogButtonBox.StandardButton.Save)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.name.textChanged.connect(lambda text: self._save.setEnabled(bool(text.strip())))
        form = QFormLayout()
        form.addRow(self.tr("&Name"), self.name)
        form.addRow("", self.shared)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.addLayout(form)
        column.addWidget(hint)
        column.addWidget(buttons)
        self.resize(420, self.sizeHint().height())

    def accept(self) -> None:
        """Tell the name and close."""
        self.saved.emit(self.name.text().strip(), self.shared.isChecked())
        super().accept()
