"""The gallery of templates, each with a picture of a page made of it; the user's own ones at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Union

from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtGui import QIcon, QPixmap
from qgis.PyQt.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QListView,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..core.errors import DeskError
from ..layouts.own_templates import SUFFIX, OwnTemplates
from ..layouts.templates import TEMPLATES, Template
from .screens import within
from .surfaces import MARGIN, Strip, Tone

PICTURE = QSize(200, 150)
Choice = Union[Template, Path]


class TemplateGallery(QDialog):
    """``chosen`` is the template, or the file of a user's own, once the dialog is accepted."""

    def __init__(self, own: OwnTemplates, current: Choice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Choose a template"))
        self._own = own
        self.chosen: Choice = current
        self.list = QListWidget(self)
        self.list.setAccessibleName(self.tr("Templates"))
        self.list.setViewMode(QListView.ViewMode.IconMode)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setIconSize(PICTURE)
        self.list.setGridSize(QSize(PICTURE.width() + 24, PICTURE.height() + 56))
        self.list.setWordWrap(True)
        self.list.setSpacing(4)
        self.strip = Strip(self)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self)
        self.add_button = buttons.addButton(self.tr("Add a template file…"), QDialogButtonBox.ButtonRole.ActionRole)
        self.add_button.clicked.connect(self._choose_file)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        self.list.itemDoubleClicked.connect(lambda _item: self._accept())
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.addWidget(self.list, 1)
        column.addWidget(self.strip)
        column.addWidget(buttons)
        self.resize(within(QSize(980, 680), self))
        self._fill()

    def _fill(self) -> None:
        self.list.clear()
        for template in TEMPLATES:
            self._add(template, template.words, template.preview)
        for path in self._own.paths():
            self._add(path, self.tr("{name}, your own").format(name=path.stem), path.with_suffix(".png"))

    def _add(self, choice: Choice, words: str, picture: Path) -> None:
        item = QListWidgetItem(words, self.list)
        item.setData(Qt.ItemDataRole.UserRole, choice)
        item.setToolTip(words)
        pixmap = QPixmap(str(picture))
        if pixmap.isNull():
            pixmap = QPixmap(PICTURE)
            pixmap.fill(Qt.GlobalColor.white)
        ratio = self.devicePixelRatioF()
        pixmap = pixmap.scaled(
            PICTURE * ratio, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        pixmap.setDevicePixelRatio(ratio)
        item.setIcon(QIcon(pixmap))
        if choice == self.chosen:
            self.list.setCurrentItem(item)

    def add_file(self, path: Path) -> None:
        """Take a template file in; trouble is told below the list."""
        try:
            self.chosen = self._own.add(path)
        except DeskError as error:
            self.strip.say(error.sentence, Tone.TROUBLE)
            return
        self.strip.clear()
        self._fill()

    def _choose_file(self) -> None:
        name, _kind = QFileDialog.getOpenFileName(
            self,
            self.tr("Add a template file"),
            "",
            self.tr("QGIS layout templates ({suffix})").format(suffix=f"*{SUFFIX}"),
        )
        if name:
            self.add_file(Path(name))

    def _accept(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            self.chosen = item.data(Qt.ItemDataRole.UserRole)
            self.accept()
