"""The table of the explore dock: a model over a pivot, sorted by size."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QAbstractTableModel, QModelIndex, QObject, QSortFilterProxyModel, Qt

from ..core.explore.pivot import Pivot, Value

NUMBER = Qt.ItemDataRole.UserRole


class PivotModel(QAbstractTableModel):
    """Figures at the right with separators of thousands; “–” where nobody knows, with the reason in the tip."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pivot = Pivot((), 0, ())

    def show(self, pivot: Pivot) -> None:
        """Show another table."""
        self.beginResetModel()
        self._pivot = pivot
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """Lines."""
        return 0 if parent.isValid() else len(self._pivot.lines)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """Headers."""
        return 0 if parent.isValid() else len(self._pivot.headers)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a column is."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        words = self._pivot.headers[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return words.replace(" (", "\n(")  # a rate's edition stands below it
        if role == Qt.ItemDataRole.ToolTipRole:
            return words
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Of a cell."""
        if not index.isValid():
            return None
        line = self._pivot.lines[index.row()]
        value = line.values[index.column()]
        figure = index.column() >= self._pivot.words
        if role == Qt.ItemDataRole.DisplayRole:
            words = _shown(value) if figure else str(value)
            return f"{words} *" if line.note and index.column() == 0 else words
        if role == NUMBER:
            return float(value) if isinstance(value, (int, float)) else -1.0 if figure else str(value)
        if role == Qt.ItemDataRole.TextAlignmentRole and figure:
            flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            return int(getattr(flags, "value", flags))  # a number in a QVariant; Qt 6's flags are none
        if role == Qt.ItemDataRole.ToolTipRole:
            return line.note or None
        return None


class ByNumber(QSortFilterProxyModel):
    """Sorts figures by size, not by their digits."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setSortRole(NUMBER)
        self.setSortLocaleAware(True)


def _shown(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else value
