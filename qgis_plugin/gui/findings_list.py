"""Everything that keeps a page from leaving, each with what to do about it and a button where that can be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qgis.PyQt.QtCore import QSize, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from ..layouts.checks import Finding
from .icons import icon
from .surfaces import GAP, Tone, plain

_MOST_HEIGHT = 210


class FindingsList(QScrollArea):
    """Rows of findings; hidden while there are none. ``mended()`` follows each deed."""

    mended = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMaximumHeight(_MOST_HEIGHT)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("What keeps the page from leaving"))
        self.findings: tuple[Finding, ...] = ()
        self.hide()

    @property
    def text(self) -> str:
        """All sentences that are shown."""
        return " ".join(f"{finding.sentence} {finding.fix}" for finding in self.findings)

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Show these in place of the former."""
        self.findings = tuple(findings)
        rows = QWidget()
        column = QVBoxLayout(rows)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        if findings:
            words = self.tr("%n thing(s) to put right before it can be exported:", "", len(findings))
            column.addWidget(QLabel(words.replace("thing(s)", "thing" if len(findings) == 1 else "things")))
        for finding in findings:
            column.addLayout(self._row(finding, rows))
        column.addStretch()
        self.setWidget(rows)
        self.setMinimumHeight(min(_MOST_HEIGHT, rows.sizeHint().height()) if findings else 0)
        self.setVisible(bool(findings))

    def _row(self, finding: Finding, parent: QWidget) -> QHBoxLayout:
        mark = QLabel(parent)
        mark.setPixmap(icon(Tone.WARNING.value[0]).pixmap(QSize(16, 16)))
        mark.setAlignment(Qt.AlignmentFlag.AlignTop)
        words = plain(QLabel(f"{finding.sentence} {finding.fix}", parent))
        words.setWordWrap(True)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(mark)
        row.addWidget(words, 1)
        if finding.mend is not None:
            button = QPushButton(finding.button, parent)
            button.setAccessibleName(f"{finding.button}: {finding.sentence}")
            button.clicked.connect(lambda _checked=False, mend=finding.mend: self._mend(mend))
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _mend(self, mend: Callable[[], None]) -> None:
        mend()
        self.mended.emit()
