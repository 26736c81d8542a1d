"""What the data are wanted for: one of the server's purposes, none preselected, or one in the person's own words."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import Qt, QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QFrame,
    QLabel,
    QLineEdit,
    QRadioButton,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from ..core.desk_session import Purpose
from .surfaces import GAP, MARGIN, Strip, Tone, plain, small

_LONGEST_DETAIL = 500
_LEAST_HEIGHT = 130


class PurposeChooser(QWidget):
    """The purposes as a list to choose from. ``changed()``: another choice, or other words."""

    changed = pyqtSignal()

    def __init__(self, purposes: Sequence[Purpose], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._purposes: dict[QAbstractButton, Purpose] = {}
        self.group = QButtonGroup(self)  # exclusive: the first choice is the user's
        self.detail_edit = QLineEdit(self)
        self.detail_edit.setMaxLength(_LONGEST_DETAIL)
        self.detail_edit.setPlaceholderText(self.tr("What you want to find out, where, and for whom"))
        self.detail_edit.setAccessibleName(self.tr("Your purpose in your own words"))
        self.detail_edit.textChanged.connect(self.changed)
        self.advice = Strip(self)
        self._inside: QWidget | None = None
        self._area = QScrollArea(self)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFrameShape(QFrame.Shape.StyledPanel)
        self._area.setAccessibleName(self.tr("Purposes"))
        self._area.setMinimumHeight(_LEAST_HEIGHT)
        self._area.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored
        )  # it scrolls: others come first
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self._area, 1)
        column.addWidget(self.detail_edit)
        column.addWidget(self.advice)
        self.group.buttonToggled.connect(self._chosen)
        self.show_purposes(purposes)

    @property
    def purpose(self) -> Purpose | None:
        """The purpose chosen; ``None`` until one is."""
        return self._purposes.get(self.group.checkedButton())

    @property
    def detail(self) -> str:
        """The person's own words, for the purpose that wants them."""
        return self.detail_edit.text().strip() if self._wants_words() else ""

    @property
    def ready(self) -> bool:
        """Whether what is chosen can be asked for."""
        purpose = self.purpose
        return purpose is not None and purpose.allowed and (bool(self.detail) or not self._wants_words())

    def show_purposes(self, purposes: Sequence[Purpose]) -> None:
        """Offer ``purposes``; nothing is chosen afterwards."""
        for button in self.group.buttons():
            self.group.removeButton(button)
        self._purposes = {}
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        column.setSpacing(2)
        for purpose in purposes:
            button = QRadioButton(purpose.title.replace("&", "&&"), inside)
            button.setAccessibleDescription(purpose.description)
            self.group.addButton(button)
            self._purposes[button] = purpose
            words = small(plain(QLabel(purpose.description, inside)))
            words.setWordWrap(True)
            words.setIndent(button.style().pixelMetric(QStyle.PixelMetric.PM_ExclusiveIndicatorWidth) + GAP)
            words.setContentsMargins(0, 0, 0, GAP)
            column.addWidget(button)
            column.addWidget(words)
        column.addStretch(1)
        self._area.setWidget(inside)  # which deletes the former one
        self._chosen()

    def _wants_words(self) -> bool:
        return self.purpose is not None and self.purpose.held

    def _chosen(self) -> None:
        purpose = self.purpose
        self.detail_edit.setVisible(self._wants_words())
        if purpose is not None and not purpose.allowed:
            self.advice.say(purpose.advice, Tone.WARNING)
        elif self._wants_words():
            self.advice.say(
                self.tr(
                    "A purpose in your own words is passed to the SafeStats team. Until they have approved it, choose "
                    "another or come back later."
                ),
                Tone.NOTE,
            )
        else:
            self.advice.clear()
        if self.group.checkedButton() is not None:
            # Once the list has the height that the words below leave it.
            QTimer.singleShot(0, self._show_choice)
        self.changed.emit()

    def _show_choice(self) -> None:
        if self.group.checkedButton() is not None:
            self._area.ensureWidgetVisible(self.group.checkedButton())
