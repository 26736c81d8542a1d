"""Help inside QGIS: the pages of ``resources/help``, without a network."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtCore import QSize, Qt, QUrl
from qgis.PyQt.QtWidgets import QDialog, QHBoxLayout, QListWidget, QListWidgetItem, QSplitter, QTextBrowser, QWidget

from ..core.resource_files import HELP
from .screens import within
from .surfaces import MARGIN

_WIDTH, _HEIGHT = 46, 34  # in times the height of a line of text
_TOPICS = 12


class HelpWindow(QDialog):
    """Topics at the left, the page at the right. It is modeless: one reads and works."""

    def __init__(self, parent: QWidget | None = None, folder: Path = HELP) -> None:
        super().__init__(parent)
        self.setObjectName("SafeStatsHelp")
        self.setWindowTitle(self.tr("Help on SafeStats"))
        self._folder = folder
        line = self.fontMetrics().height()
        self.topics = QListWidget(self)
        self.topics.setAccessibleName(self.tr("Topics"))
        for path in sorted(folder.glob("*.md")):
            item = QListWidgetItem(_title(path), self.topics)
            item.setData(Qt.ItemDataRole.UserRole, path.name)
        self.topics.currentItemChanged.connect(self._chosen)
        self.page = QTextBrowser(self)
        self.page.setAccessibleName(self.tr("Help page"))
        self.page.setOpenLinks(False)
        self.page.anchorClicked.connect(self._followed)
        self.page.document().setDocumentMargin(MARGIN)
        parts = QSplitter(self)
        parts.addWidget(self.topics)
        parts.addWidget(self.page)
        parts.setChildrenCollapsible(False)
        parts.setSizes([_TOPICS * line, (_WIDTH - _TOPICS) * line])
        row = QHBoxLayout(self)
        row.addWidget(parts)
        self.resize(within(QSize(_WIDTH * line, _HEIGHT * line), self))
        self.topics.setCurrentRow(0)

    def show_topic(self, name: str) -> bool:
        """Turn to the page of that file name; whether there is one."""
        for row in range(self.topics.count()):
            if self.topics.item(row).data(Qt.ItemDataRole.UserRole) == name:
                self.topics.setCurrentRow(row)
                return True
        return False

    def _chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            path = self._folder / item.data(Qt.ItemDataRole.UserRole)
            self.page.setMarkdown(path.read_text(encoding="utf-8"))

    def _followed(self, link: QUrl) -> None:
        self.show_topic(link.fileName())


def _title(path: Path) -> str:
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ").strip()
