"""Counts around a postcode of a layer whose records are not shown: asked of the server, which hides small ones."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..core.days import BRITISH
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError, ServerTrouble
from ..core.tasks import DeskTask
from .icons import icon
from .screens import within
from .surfaces import MARGIN, Strip, Tone, heading, plain, small


class CountsDialog(QDialog):
    """Asks for one layer. What may be asked is fixed: a postcode's centre, three radii, whole months."""

    def __init__(self, desk: Desk, dataset: str, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._dataset = dataset
        self._closed = False
        self._task: DeskTask | None = None
        self.setObjectName("SafeStatsCounts")
        self.setWindowTitle(self.tr("Counts around a postcode"))
        self.setWindowIcon(icon("proximity"))
        self.resize(within(QSize(620, 700), self))
        self.postcode = self._field(self.tr("Postcode"), "NW1 8QP", 16)
        self.first = self._field(self.tr("First month"), self.tr("empty: the newest twelve whole months"), 7)
        self.last = self._field(self.tr("Last month"), self.tr("such as 2025-08, where other months may be asked"), 7)
        self.ask_button = QPushButton(icon("proximity"), self.tr("Ask"), self)
        self.ask_button.setDefault(True)
        self.ask_button.clicked.connect(self._ask)
        self.table = QTreeWidget(self)
        self.table.setAccessibleName(self.tr("Counts"))
        self.table.setHeaderLabels([self.tr("Around the postcode"), self.tr("Incidents")])
        self.table.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.header().setStretchLastSection(False)
        self.table.setMinimumHeight(12 * self.fontMetrics().height())  # the caveats are long
        self.notes = small(plain(QLabel(self)))
        self.notes.setWordWrap(True)
        self.strip = Strip(self)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.addButton(self.ask_button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow(self.tr("&Postcode"), self.postcode)
        form.addRow(self.tr("&First month"), self.first)
        form.addRow(self.tr("&Last month"), self.last)
        name = heading(plain(QLabel(title, self)), 1.2)
        name.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.setSpacing(MARGIN)
        column.addWidget(name)
        column.addLayout(form)
        column.addWidget(self.strip)
        column.addWidget(self.table, 1)
        column.addWidget(self.notes)
        column.addWidget(buttons)

    def reject(self) -> None:
        """Stop what runs and close."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        super().reject()

    def _field(self, name: str, hint: str, longest: int) -> QLineEdit:
        field = QLineEdit(self)
        field.setAccessibleName(name)
        field.setPlaceholderText(hint)
        field.setMaxLength(longest)
        return field

    def _ask(self) -> None:
        postcode = self.postcode.text().strip()
        if not postcode:
            self.strip.say(self.tr("Enter a postcode."), Tone.NOTE)
            self.postcode.setFocus()
            return
        question: dict[str, Any] = {"dataset": self._dataset, "postcode": postcode}
        for member, field in (("from_month", self.first), ("to_month", self.last)):
            if field.text().strip():
                question[member] = field.text().strip()
        self.strip.clear()
        self.table.clear()
        self.notes.clear()
        try:
            transport = self._desk.transport
        except DeskError as error:
            self._failed(error)
            return
        self.ask_button.setEnabled(False)
        self._task = self._desk.run(
            self.tr("Counting around a postcode"),
            lambda task: transport.post_json("/v1/proximity", question, cancelled=task.isCanceled),
            self._answered,
            self._failed,
        )

    def _answered(self, answer: dict[str, Any]) -> None:
        if self._closed:
            return
        self._task = None
        self.ask_button.setEnabled(True)
        try:
            self._show(answer)
        except (KeyError, TypeError, AttributeError):
            trouble = self.tr("The server answered in a way that this plugin cannot read. Update the plugin.")
            self._failed(ServerTrouble(trouble, "unreadable"))

    def _show(self, answer: dict[str, Any]) -> None:
        counts = answer["rounded"]
        if counts is None:
            self.strip.say(self.tr("There is nothing to count here under your agreement."), Tone.NOTE)
            return
        fewer = self.tr("fewer than {number}").format(number=counts["fewer_than"])
        for ring in counts["rings"]:
            self._line(self.tr("within {radius} m").format(radius=ring["radius_m"]), ring["rows"], fewer)
        widest = self.tr("Of these within {radius} m").format(radius=counts["rings"][-1]["radius_m"])
        parent = self._line(widest, "", "")
        for part in counts["table"]:
            words = str(part["value"] or self.tr("Not stated"))
            parent.addChild(self._item(words, part["rows"], self.tr("withheld")))
        parent.setExpanded(True)
        if answer["place"]["warning"]:
            self.strip.say(str(answer["place"]["warning"]), Tone.WARNING)
        rounded = self.tr("From {first} to {last}. Rounded to {number}.").format(
            first=counts["from_month"], last=counts["to_month"], number=counts["rounding"]
        )
        self.notes.setText("\n".join([rounded, *answer["notes"], *answer["caveats"], answer["attribution"]]))

    def _line(self, words: str, rows: Any, hidden: str) -> QTreeWidgetItem:
        item = self._item(words, rows, hidden)
        self.table.addTopLevelItem(item)
        return item

    def _item(self, words: str, rows: Any, hidden: str) -> QTreeWidgetItem:
        shown = hidden if rows is None else BRITISH.toString(rows) if isinstance(rows, int) else str(rows)
        item = QTreeWidgetItem([words, shown])
        item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return item

    def _failed(self, error: DeskError) -> None:
        if self._closed:
            return
        self._task = None
        self.ask_button.setEnabled(True)
        if not isinstance(error, Cancelled):
            self.strip.say(error.sentence, Tone.TROUBLE)
