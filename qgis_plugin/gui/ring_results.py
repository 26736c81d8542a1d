"""What was found around a place: the table of rings, what to know about it, and what can be done with it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QPalette, QResizeEvent
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QSplitter,
    QTextBrowser,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ...shared.ring_answer import AnswerRow, DatasetAnswer, RingAnswer, RingFigure
from ...shared.rings import Band
from .surfaces import GAP

_INDENT = 8
_LEAST_LINES = 14
_TABLE_TYPE = 0.92  # of the size of text
_LABEL_CHARACTERS = 18


class RingResults(QWidget):
    """Shows a ``RingAnswer``. ``incidents_requested(code)`` asks for the rows of a dataset, ``report_requested()`` for
    a page of all of it."""

    incidents_requested = pyqtSignal(str)
    report_requested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.where = QLabel(self)
        self.where.setWordWrap(True)
        self.where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.table = RingTable(self)
        self.remarks = QTextBrowser(self)
        self.remarks.setAccessibleName(self.tr("What to know about these figures"))
        self.remarks.setMinimumHeight(70)
        parts = QSplitter(Qt.Orientation.Vertical, self)
        parts.setChildrenCollapsible(False)
        parts.addWidget(self.table)
        parts.addWidget(self.remarks)
        parts.setStretchFactor(0, 3)
        parts.setStretchFactor(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.where)
        column.addWidget(parts, 1)
        column.addLayout(self._buttons())

    def _buttons(self) -> QHBoxLayout:
        self.incidents_button = QToolButton(self)
        self.incidents_button.setText(self.tr("I&ncidents"))
        self.incidents_button.setToolTip(self.tr("List the incidents that were counted, with all that is held of them"))
        self.incidents_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.incidents_button.setMenu(QMenu(self.incidents_button))
        self.incidents_button.setEnabled(False)
        self.report_button = QPushButton(self.tr("Report …"), self)
        self.report_button.setToolTip(self.tr("A one-page report of this search, to print or export"))
        self.report_button.clicked.connect(self.report_requested)
        self.report_button.setEnabled(False)
        row = QHBoxLayout()
        row.addWidget(self.incidents_button)
        row.addStretch(1)
        row.addWidget(self.report_button)
        return row

    def show_answer(self, answer: RingAnswer) -> None:
        """Show it in the place of the former one."""
        place = answer.place
        where = f"<b>{escape(place.label)}</b>" + (f", {escape(place.borough)}" if place.borough else "")
        before = f", {answer.compared_words}" if answer.compared_words else ""
        self.where.setText(
            f"{where}. {escape(place.accuracy)}<br>{escape(answer.now.label)}{escape(before)}. "
            f"{escape(answer.boundary_note)}"
        )
        self.table.show_answer(answer)
        self.remarks.setHtml("".join(f"<p style='margin:0 0 5px 0'>{line}</p>" for line in _remarks(answer)))
        self.report_button.setEnabled(True)
        self.show()

    def offer_incidents(self, datasets: Sequence[DatasetAnswer]) -> None:
        """Offer the rows of these."""
        menu = self.incidents_button.menu()
        menu.clear()
        for part in datasets:
            action = menu.addAction(part.title)
            action.triggered.connect(lambda _=False, code=part.code: self.incidents_requested.emit(code))
        self.incidents_button.setEnabled(not menu.isEmpty())

    def clear(self) -> None:
        """Show nothing any more."""
        self.table.clear()
        self.where.clear()
        self.remarks.clear()
        self.incidents_button.menu().clear()
        self.report_button.setEnabled(False)
        self.incidents_button.setEnabled(False)
        self.hide()


class RingTable(QTreeWidget):
    """A line for each category, a column for each ring; each dataset by itself."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Incidents by layer, category and ring"))
        self.setAlternatingRowColors(True)
        self.setUniformRowHeights(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMinimumHeight(_LEAST_LINES * self.fontMetrics().height())
        self.setIndentation(_INDENT)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * _TABLE_TYPE)
        self.setFont(font)

    def show_answer(self, answer: RingAnswer) -> None:
        """Fill it."""
        self.clear()
        outer = answer.radii[-1]
        headers = [self.tr("Incidents"), *(f"{radius} m" for radius in answer.radii)]
        headers += [self.tr("change"), self.tr("rank"), self.tr("per km²")]
        self.setHeaderLabels(headers)
        tips = (
            self.tr("Within {} m, against the months before; grey where a count is below 10"),
            self.tr("Within {} m: the share of the borough's postcodes that have fewer"),
            self.tr("Within {} m, per km² of land on which these data are held"),
        )
        for column, tip in enumerate(tips, start=len(answer.radii) + 1):
            self.headerItem().setToolTip(column, tip.format(outer))
        for part in answer.datasets:
            self._add(part, answer)
        self._set_widths()

    def _set_widths(self) -> None:
        """Figures as wide as they are; the labels get the rest, and never so little that they cannot be read."""
        header, columns = self.header(), self.columnCount()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(30)
        for number in range(1, columns):
            header.setSectionResizeMode(number, QHeaderView.ResizeMode.ResizeToContents)
        figures = sum(header.sectionSize(number) for number in range(1, columns))
        least = self.fontMetrics().averageCharWidth() * _LABEL_CHARACTERS
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(0, max(self.viewport().width() - figures, least))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the labels as wide as there is room."""
        super().resizeEvent(event)
        if self.topLevelItemCount():
            self._set_widths()

    def _add(self, part: DatasetAnswer, answer: RingAnswer) -> None:
        everything = all(row.band is Band.ALL for row in answer.rows)
        for total in part.totals():
            title = part.title if everything else f"{part.title}, {total.band.words}"
            top = QTreeWidgetItem([title])
            item = self._row(total, answer)
            font = top.font(0)
            font.setBold(True)
            top.setFont(0, font)
            for number in range(item.columnCount()):
                item.setFont(number, font)
            self.addTopLevelItem(top)
            top.setFirstColumnSpanned(True)
            top.addChild(item)
            said = total.figures[-1].sentence
            if said:
                words = QTreeWidgetItem([self.tr("{radius} m: {words}").format(radius=answer.radii[-1], words=said)])
                words.setToolTip(0, words.text(0))
                top.addChild(words)
                words.setFirstColumnSpanned(True)
            top.addChildren([self._row(row, answer) for row in part.by_category() if row.band == total.band])
            top.setExpanded(True)

    def _row(self, row: AnswerRow, answer: RingAnswer) -> QTreeWidgetItem:
        outer = row.figures[-1]
        cells = [row.label, *(f"{figure.count:,}" for figure in row.figures), _change_words(outer)]
        cells.append(_rank_words(outer))
        cells.append("–" if outer.rate_per_km2 is None else f"{outer.rate_per_km2:,.0f}")
        item = QTreeWidgetItem(cells)
        item.setToolTip(0, row.label)
        for number in range(1, len(cells)):
            item.setTextAlignment(number, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for column, figure in enumerate(row.figures, start=1):
            item.setToolTip(column, self._in_full(figure, answer))
        last = len(row.figures)
        item.setToolTip(last + 1, self._change_tip(outer))
        item.setToolTip(last + 2, outer.sentence)
        if outer.change is None or outer.change.weak:
            grey = self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
            item.setForeground(last + 1, grey)
        return item

    def _in_full(self, figure: RingFigure, answer: RingAnswer) -> str:
        """A figure in a sentence."""
        tip = self.tr("{count:,} within {radius} m").format(count=figure.count, radius=figure.radius_m)
        if figure.rate_per_km2 is not None:
            tip += self.tr(", {rate:,.1f} per km²").format(rate=figure.rate_per_km2)
        if figure.before is not None and answer.before is not None:
            tip += self.tr("; {count:,} in {period}").format(count=figure.before, period=answer.before.label)
        return f"{tip}; {figure.sentence}" if figure.sentence else tip

    def _change_tip(self, figure: RingFigure) -> str:
        if figure.change is None:
            return self.tr("The months before are not held in full, or were not asked for")
        return self.tr("95 % sure to lie between {low} and {high}: {words}").format(
            low=_percent(figure.change.low - 1), high=_percent(figure.change.high - 1), words=figure.change_told
        )


def _change_words(figure: RingFigure) -> str:
    if figure.change is None or figure.change.ratio is None:
        return "–"
    return _percent(figure.change.ratio - 1)


def _percent(change: float) -> str:
    percent = math.inf if math.isinf(change) else round(100 * change)
    return "∞" if percent == math.inf else "0%" if not percent else f"{percent:+,}%".replace("-", "−")


def _rank_words(figure: RingFigure) -> str:
    return "–" if figure.share_below is None else f"{int(figure.share_below)} %"


def _remarks(answer: RingAnswer) -> Sequence[str]:
    lines = [f"<b>{escape(_sentence(sentence))}</b>" for sentence in answer.notes]
    for part in answer.datasets:
        notes = [*part.notes, *part.caveats]
        lines.append(f"<b>{escape(part.title)}</b>: " + " ".join(escape(_sentence(note)) for note in notes))
    lines.append("Datasets are never added up: each service records the same event in its own way.")
    return lines


def _sentence(text: str) -> str:
    return text if re.search(r"[.!?]$", text) else f"{text}."
