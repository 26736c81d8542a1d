"""Makes a printed map or report of a result: page, mode, words, preview, what is missing, and the files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

from qgis.core import QgsLayoutExporter, QgsPrintLayout, QgsProject
from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import QEventLoop, QSize, Qt, QTimer
from qgis.PyQt.QtGui import QCloseEvent, QPixmap
from qgis.PyQt.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..core.desk import Desk
from ..core.errors import DeskError
from ..core.events import EventKind
from ..core.hotspots import HotspotResult
from ..core.proximity import ProximityResult
from ..core.uses import Use
from ..layouts.export import Format, check, export
from ..layouts.hotspot_map import HotspotMap, build_hotspot_layout
from ..layouts.incident_points import incidents_of
from ..layouts.proximity_report import ProximityReport, build_proximity_layout
from ..layouts.sheet import Imprint, Mode, Page
from .surfaces import GAP, MARGIN, Strip, Tone

LONGEST_TITLE = 220
PREVIEW = QSize(560, 396)
PREVIEW_DPI = 96
REDRAW_AFTER_MS = 400


class PublishDialog(QDialog):
    """The page of one result (``HotspotResult`` or ``ProximityResult``), drawn again as its publisher changes it."""

    def __init__(
        self, desk: Desk, iface: Any, content: HotspotResult | ProximityResult, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._desk = desk
        self._iface = iface
        self._result = content
        # The page and its base map live in a project of their own until they are opened in the layout designer.
        self._project = QgsProject(self)
        self._project.setTransformContext(desk.project.transformContext())
        self._project.setCrs(desk.project.crs())
        self._layout: QgsPrintLayout | None = None
        self._report = isinstance(content, ProximityResult)
        self.setWindowTitle(self.tr("Proximity report") if self._report else self.tr("Hotspot map"))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REDRAW_AFTER_MS)
        self._timer.timeout.connect(self.redraw)
        self._build()
        self._timer.start(0)

    # ------------------------------------------------------------------ the window

    def _build(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setVerticalSpacing(GAP + 2)
        self.title_edit = QLineEdit(self._result.title[:LONGEST_TITLE])
        self.title_edit.setMaxLength(LONGEST_TITLE)
        self.title_edit.setCursorPosition(0)
        self.author_edit = QLineEdit()
        self.organisation_edit = QLineEdit()
        user = self._desk.session.user if self._desk.signed_in and self._desk.session is not None else None
        if user is not None:
            self.author_edit.setText(user.display_name)
            self.organisation_edit.setText(user.organisation)
        self.page_combo = QComboBox()
        for page in Page:
            self.page_combo.addItem(self.tr("{size}, landscape").format(size=page.value), page)
        self.mode_combo = QComboBox()
        self.mode_combo.addItem(self.tr("Operational: exact counts, for colleagues"), Mode.OPERATIONAL)
        self.mode_combo.addItem(self.tr("Publication: small numbers protected"), Mode.PUBLICATION)
        self.folder = QgsFileWidget()
        self.folder.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.folder.setFilePath(str(Path.home()))
        self.formats = {kind: QCheckBox(kind.value.upper()) for kind in Format}
        self.formats[Format.PDF].setChecked(True)
        formats = QHBoxLayout()
        for box in self.formats.values():
            formats.addWidget(box)
        formats.addStretch()
        for words, widget in (
            (self.tr("Title"), self.title_edit),
            (self.tr("Author"), self.author_edit),
            (self.tr("Organisation"), self.organisation_edit),
            (self.tr("Page"), self.page_combo),
            (self.tr("For"), self.mode_combo),
            (self.tr("Folder"), self.folder),
        ):
            form.addRow(words, widget)
            widget.setAccessibleName(words)
        form.addRow(self.tr("Files"), formats)

        self.preview = QLabel(self.tr("Drawing the page…"))
        self.preview.setAccessibleName(self.tr("Preview of the page"))
        self.preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.preview.setMinimumSize(PREVIEW)
        self.strip = Strip(self)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.hide()
        buttons = QDialogButtonBox()
        self.export_button = buttons.addButton(self.tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.designer_button = QPushButton(self.tr("Open in layout designer"))
        self.designer_button.setEnabled(self._iface is not None)
        buttons.addButton(self.designer_button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.addButton(QDialogButtonBox.StandardButton.Close)
        buttons.accepted.connect(self.export)
        buttons.rejected.connect(self.reject)
        self.designer_button.clicked.connect(self.open_designer)

        left = QVBoxLayout()
        left.setSpacing(MARGIN)
        left.addLayout(form)
        left.addWidget(self.strip)
        left.addStretch()
        left.addWidget(self.progress)
        columns = QHBoxLayout()
        columns.setSpacing(2 * MARGIN)
        columns.addLayout(left, 1)
        columns.addWidget(self.preview)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        whole.setSpacing(MARGIN)
        whole.addLayout(columns)
        whole.addWidget(buttons)
        self.resize(1040, 500)

        for edit in (self.title_edit, self.author_edit, self.organisation_edit):
            edit.textChanged.connect(self._changed)
        for combo in (self.page_combo, self.mode_combo):
            combo.currentIndexChanged.connect(self._changed)
        for box in self.formats.values():
            box.toggled.connect(self._show_state)

    def _changed(self) -> None:
        self.export_button.setEnabled(False)
        self._timer.start(REDRAW_AFTER_MS)

    # ------------------------------------------------------------------ the page

    @property
    def imprint(self) -> Imprint:
        """What stands in the form."""
        return Imprint(
            title=self.title_edit.text().strip(),
            author=self.author_edit.text().strip(),
            organisation=self.organisation_edit.text().strip(),
            mode=Mode(self.mode_combo.currentData()),
            page=Page(self.page_combo.currentData()),
        )

    def build(self, project: QgsProject) -> QgsPrintLayout:
        """The page as a layout of ``project``."""
        if isinstance(self._result, HotspotResult):
            return build_hotspot_layout(project, HotspotMap(self._result, self.imprint))
        operational = self.imprint.mode is Mode.OPERATIONAL
        incidents = incidents_of(self._result, self._desk.project) if operational else ()
        return build_proximity_layout(project, ProximityReport(self._result, self.imprint, incidents))

    def redraw(self) -> None:
        """Build the page anew and show it, with what is missing from it."""
        self._timer.stop()
        self._layout = None
        self._project.removeAllMapLayers()
        self._layout = self.build(self._project)
        image = QgsLayoutExporter(self._layout).renderPageToImage(0, QSize(), PREVIEW_DPI)
        ratio = self.devicePixelRatioF()
        shown = QPixmap.fromImage(image).scaled(
            PREVIEW * ratio, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        shown.setDevicePixelRatio(ratio)
        self.preview.setPixmap(shown)
        self._show_state()

    def _show_state(self) -> None:
        if self._layout is None:
            return
        self.designer_button.setEnabled(self._iface is not None)
        try:
            self._require_use()
        except DeskError as error:
            self.strip.say(error.sentence, Tone.WARNING)
            for button in (self.export_button, self.designer_button):
                button.setEnabled(False)
            return
        try:
            check(self._layout)
        except DeskError as error:
            self.strip.say(error.sentence, Tone.WARNING)
            self.export_button.setEnabled(False)
            return
        self.strip.clear()
        self.export_button.setEnabled(bool(self._chosen()))

    def _require_use(self) -> None:
        """Raise ``AgreementRefused`` where an agreement does not grant what the page is for."""
        use = Use.PUBLISH if self.imprint.mode is Mode.PUBLICATION else Use.EXPORT
        if isinstance(self._result, HotspotResult):
            self._desk.require_use(self._result.dataset, self._result.dataset_title, use)
            return
        for dataset in self._result.datasets:
            self._desk.require_use(dataset.dataset, dataset.title, use)

    def _chosen(self) -> list[Format]:
        return [kind for kind, box in self.formats.items() if box.isChecked()]

    # ------------------------------------------------------------------ what leaves

    def export(self) -> list[Path]:
        """Write the chosen files; they, or an empty list and the reason in the strip."""
        if self._timer.isActive() or self._layout is None:
            self.redraw()
        try:
            self._require_use()  # rights may have changed since the page was drawn
        except DeskError as error:
            self.strip.say(error.sentence, Tone.WARNING)
            return []
        name = re.sub(r"[^\w\- ]+", "", self.imprint.title).strip()[:100] or "SafeStats"
        folder, written = Path(self.folder.filePath()), []
        chosen = self._chosen()
        self.progress.setRange(0, len(chosen))
        self.progress.show()
        self.export_button.setEnabled(False)
        try:
            for number, kind in enumerate(chosen):
                self.progress.setValue(number)
                # A layout can be drawn on the window's thread only: let the bar be seen in between.
                QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
                written.append(export(self._layout, folder / f"{name}.{kind.value}"))
        except DeskError as error:
            self.strip.say(error.sentence, Tone.TROUBLE)
            return []
        finally:
            self.progress.hide()
            self.export_button.setEnabled(True)
        self._record(chosen)
        names = ", ".join(path.name for path in written)
        self.strip.say(self.tr("Written to {folder}: {names}.").format(folder=folder, names=names), Tone.GOOD)
        return written

    def _record(self, formats: list[Format]) -> None:
        imprint = self.imprint
        filters = {
            "product": "proximity-report" if self._report else "hotspot-map",
            "mode": imprint.mode.value,
            "page": imprint.page.value,
            "formats": [kind.value for kind in formats],
            "page_id": str(uuid4()),  # by which the events of the page's datasets are known to be of one page
        }
        if isinstance(self._result, HotspotResult):
            self._desk.record(EventKind.MAP_EXPORT, self._result.dataset, filters, self._result.used)
            return
        for dataset in self._result.datasets:
            self._desk.record(EventKind.MAP_EXPORT, dataset.dataset, filters, dataset.total.counts[-1])

    def open_designer(self) -> None:
        """Put the page into the user's project and open QGIS's layout designer on it."""
        try:
            self._require_use()
        except DeskError as error:
            self.strip.say(error.sentence, Tone.WARNING)
            return
        project = self._desk.project
        layout = self.build(project)
        manager = project.layoutManager()
        taken = {other.name() for other in manager.printLayouts()}
        name, number = layout.name(), 2
        while layout.name() in taken:
            layout.setName(f"{name} ({number})")
            number += 1
        manager.addLayout(layout)
        self._iface.openLayoutDesigner(layout)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the page before the layers that it draws."""
        self._timer.stop()
        self._layout = None
        super().closeEvent(event)
