"""Second: which column leads where, and what the values of coded columns mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QHeaderView,
    QLabel,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ....shared.uploads import Kind
from ...core.column_suggestions import Column, suggest_code, suggest_columns
from ...core.publishable import LayerMapping, Publishable, Target
from ..surfaces import GAP, small


class ColumnsPage(QWidget):
    """``values_wanted()``: the columns of coded targets changed, and their values are to be counted."""

    values_wanted = pyqtSignal()
    changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._publishable: Publishable | None = None
        self._columns: list[QComboBox] = []
        self._codes: list[tuple[str, str, QComboBox]] = []  # target, value, its code
        self.table = self._tree(
            self.tr("Columns"), [self.tr("Dataset"), self.tr("Column of the layer"), self.tr("What it must be")]
        )
        self.values = self._tree(self.tr("Values"), [self.tr("Value in the layer"), self.tr("Rows"), self.tr("Means")])
        self.values.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.told = small(QLabel(self.tr("Only the columns chosen here leave this computer."), self))
        self.told.setWordWrap(True)
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(self.table)
        split.addWidget(self.values)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.told)
        column.addWidget(split, 1)

    @property
    def columns(self) -> dict[str, str]:
        """Target → column, as chosen."""
        targets = self._publishable.targets if self._publishable is not None else ()
        return {
            target.name: combo.currentData() for target, combo in zip(targets, self._columns) if combo.currentData()
        }

    @property
    def codes(self) -> dict[str, dict[str, str]]:
        """Target → value → code, of the values that have been given one."""
        found: dict[str, dict[str, str]] = {}
        for target, value, combo in self._codes:
            if combo.currentData():
                found.setdefault(target, {})[value] = combo.currentData()
        return found

    @property
    def missing(self) -> list[Target]:
        """The targets that need a column and have none."""
        targets = self._publishable.targets if self._publishable is not None else ()
        chosen = self.columns
        return [target for target in targets if target.required and target.name not in chosen]

    def begin(self, publishable: Publishable, columns: Sequence[Column]) -> None:
        """Offer the columns of a layer for a dataset, with suggestions."""
        self._publishable = publishable
        suggested = suggest_columns(publishable.targets, columns, publishable.mapping)
        self.table.clear()
        self._columns = []
        for target in publishable.targets:
            title = self.tr("{title} (needed)").format(title=target.title) if target.required else target.title
            item = QTreeWidgetItem([title, "", self._must_be(target)])
            self.table.addTopLevelItem(item)
            combo = QComboBox(self.table)
            combo.setAccessibleName(target.title)
            combo.addItem(self.tr("– none –"), "")
            for column in columns:
                words = f"{column.name} – {column.alias}" if column.alias else column.name
                combo.addItem(words, column.name)
            combo.setCurrentIndex(max(0, combo.findData(suggested.get(target.name, ""))))
            combo.currentIndexChanged.connect(lambda _at, target=target: self._column_chosen(target))
            item.setSizeHint(1, combo.sizeHint())
            self.table.setItemWidget(item, 1, combo)
            self._columns.append(combo)
        self.show_values({})
        self.values_wanted.emit()

    def coded(self) -> dict[str, str]:
        """Target → column, of the targets with codes."""
        targets = self._publishable.targets if self._publishable is not None else ()
        kinds = {target.name: target.kind for target in targets}
        return {target: column for target, column in self.columns.items() if kinds[target] is Kind.CODE}

    def show_values(self, counted: Mapping[str, Counter[str]]) -> None:
        """Offer codes for the values of columns, as they were counted; what is plain already is chosen."""
        self.values.clear()
        self._codes = []
        if self._publishable is None:
            return
        targets = {target.name: target for target in self._publishable.targets}
        for name, column in self.coded().items():
            found = counted.get(column)
            if not found:
                continue
            target = targets[name]
            group = QTreeWidgetItem([self.tr("{title}: {column}").format(title=target.title, column=column), "", ""])
            self.values.addTopLevelItem(group)
            for value, rows in found.most_common():
                item = QTreeWidgetItem([value, f"{rows:,}", ""])
                item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                group.addChild(item)
                combo = QComboBox(self.values)
                combo.setAccessibleName(self.tr("What “{value}” means").format(value=value))
                combo.addItem(self.tr("– in no code list –"), "")
                for code, label in target.codes.items():
                    combo.addItem(label, code)
                chosen = suggest_code(target, value, self._publishable.mapping)
                combo.setCurrentIndex(max(0, combo.findData(chosen)))
                combo.currentIndexChanged.connect(lambda _at: self.changed.emit())
                item.setSizeHint(2, combo.sizeHint())
                self.values.setItemWidget(item, 2, combo)
                self._codes.append((name, value, combo))
            group.setExpanded(True)
        self.changed.emit()

    def mapping(self, precision_m: int) -> LayerMapping:
        """What was chosen."""
        return LayerMapping(self.columns, self.codes, precision_m)

    def _column_chosen(self, target: Target) -> None:
        if target.kind is Kind.CODE:
            self.values_wanted.emit()
        self.changed.emit()

    def _must_be(self, target: Target) -> str:
        return {
            Kind.MONTH: self.tr("a month or date"),
            Kind.DATE: self.tr("a date"),
            Kind.TIME: self.tr("a time of day"),
            Kind.INTEGER: self.tr("a whole number"),
            Kind.CODE: self.tr("one of {number} codes").format(number=len(target.codes)),
        }.get(target.kind, self.tr("text"))

    def _tree(self, name: str, headers: list[str]) -> QTreeWidget:
        tree = QTreeWidget(self)
        tree.setAccessibleName(name)
        tree.setHeaderLabels(headers)
        tree.setRootIsDecorated(False)
        tree.setSelectionMode(QTreeWidget.SelectionMode.NoSelection)
        tree.header().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        tree.header().setStretchLastSection(False)
        return tree
