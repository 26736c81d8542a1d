"""Where one is signed in, and the way to end what one does not know or no longer needs."""

from __future__ import annotations

from datetime import datetime

from qgis.PyQt.QtCore import QDateTime, Qt
from qgis.PyQt.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..core.days import BRITISH
from ..core.desk import Desk
from ..core.desk_session import OwnSession
from ..core.errors import Cancelled, DeskError
from ..core.tasks import DeskTask
from .icons import icon
from .surfaces import MARGIN, Strip, Tone, small

_ID = Qt.ItemDataRole.UserRole


class SessionsDialog(QDialog):
    """One line a session, this one first."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._closed = False
        self._task: DeskTask | None = None
        self.setObjectName("SafeStatsSessions")
        self.setWindowTitle(self.tr("Where you are signed in"))
        self.setWindowIcon(icon("sessions"))
        self.resize(720, 340)
        self.list = QTreeWidget(self)
        self.list.setAccessibleName(self.tr("Your sessions"))
        self.list.setRootIsDecorated(False)
        self.list.setHeaderLabels([self.tr("Program"), self.tr("Address"), self.tr("Signed in"), self.tr("Last used")])
        self.list.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.list.itemSelectionChanged.connect(self._update)
        told = small(
            QLabel(
                self.tr("If you do not know one of these, end it, change your password and tell the SafeStats team."),
                self,
            )
        )
        told.setWordWrap(True)
        self.strip = Strip(self)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.end_button = QPushButton(self.tr("End the selected one"), self)
        self.others_button = QPushButton(self.tr("End all others"), self)
        for button in (self.end_button, self.others_button):
            button.setAutoDefault(False)
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        self.end_button.clicked.connect(self._end_selected)
        self.others_button.clicked.connect(lambda: self._end(None))
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.setSpacing(MARGIN)
        column.addWidget(self.list, 1)
        column.addWidget(told)
        column.addWidget(self.strip)
        column.addWidget(buttons)
        self._ask()

    def reject(self) -> None:
        """Stop what runs and close."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        super().reject()

    def _ask(self) -> None:
        self._start(lambda: self._desk.steps.own_sessions(self._listed, self._failed))

    def _listed(self, sessions: list[OwnSession]) -> None:
        if self._closed:
            return
        self._task = None
        self.list.clear()
        for session in sessions:
            program = session.client or self.tr("Unknown program")
            item = QTreeWidgetItem(
                [
                    self.tr("{program} (this one)").format(program=program) if session.current else program,
                    session.address,
                    _in_words(session.created_at),
                    _in_words(session.last_used_at),
                ]
            )
            item.setData(0, _ID, "" if session.current else session.id)
            self.list.addTopLevelItem(item)
        self._update()

    def _end_selected(self) -> None:
        for item in self.list.selectedItems():
            self._end(item.data(0, _ID))

    def _end(self, id_: str | None) -> None:
        self._start(lambda: self._desk.steps.end_sessions(id_, self._ended, self._failed))

    def _ended(self) -> None:
        if not self._closed:
            self._task = None
            self._ask()

    def _failed(self, error: DeskError) -> None:
        if self._closed:
            return
        self._task = None
        self._update()
        if not isinstance(error, Cancelled):
            self.strip.say(error.sentence, Tone.TROUBLE)

    def _start(self, begin) -> None:
        self.strip.clear()
        try:
            self._task = begin()
        except DeskError as error:  # nobody is signed in any more
            self._failed(error)
        self._update()

    def _update(self) -> None:
        idle = self._task is None
        chosen = self.list.selectedItems()
        self.end_button.setEnabled(idle and bool(chosen) and all(item.data(0, _ID) for item in chosen))
        self.others_button.setEnabled(idle and self.list.topLevelItemCount() > 1)


def _in_words(moment: datetime) -> str:
    """Day and hour, on this computer's clock."""
    local = QDateTime.fromSecsSinceEpoch(int(moment.timestamp()))
    return BRITISH.toString(local, "d MMMM yyyy, HH:mm")
