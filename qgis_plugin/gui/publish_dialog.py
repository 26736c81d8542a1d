"""Makes a printed page of a result: template, mode, words, base map, preview, what is to be put right, the files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from qgis.core import (
    QgsApplication,
    QgsLayoutExporter,
    QgsMapLayerProxyModel,
    QgsPrintLayout,
    QgsProject,
    QgsVectorLayer,
)
from qgis.gui import QgsFileWidget, QgsMapLayerComboBox
from qgis.PyQt.QtCore import QEventLoop, QSize, Qt, QTimer
from qgis.PyQt.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QProgressDialog,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..core.analyses.running import AnalysisRun
from ..core.analysis_error import AnalysisError
from ..core.base_source import BOUNDARIES_ONLY, BaseKind, BaseSource, trouble_with, zoomstack_file
from ..core.breakdown import areas_of_layer, boroughs_in
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.events import EventKind
from ..core.hotspots import HotspotResult, HotspotRun, open_result, run_hotspots, temporary_path
from ..core.house_styles import HouseRules
from ..core.needed import needed
from ..core.page_material import AreaCounts, breakdown_of, counts_of, run_before
from ..core.points import PointSource
from ..core.proximity import PlaceSearch
from ..core.public_surface import too_fine_to_publish
from ..core.resource_files import BOUNDARIES
from ..core.study_areas import BoroughMap
from ..core.uses import Use
from ..layouts.checks import Finding
from ..layouts.export import Format, Leaving, leave
from ..layouts.hotspot_map import HotspotMap
from ..layouts.house import style_of
from ..layouts.mending import remedied
from ..layouts.own_templates import OwnTemplates, fill
from ..layouts.products import HotspotProduct, product_of
from ..layouts.sheet import Imprint, Mode, Page
from ..layouts.templates import TEMPLATES, Material, PageKind, Template
from ..layouts.time_page import TimeChart
from .analysis_widgets import ProgressLine
from .findings_list import FindingsList
from .page_preview import PagePreview
from .screens import within
from .surfaces import GAP, MARGIN, Strip, Tone, small
from .template_gallery import Choice, TemplateGallery

LONGEST_TITLE = 220
USUAL_SIZE = QSize(1060, 640)
PREVIEW_DPI = 96
REDRAW_AFTER_MS = 400
_OWN_TEMPLATES = "safestats_templates"


class PublishDialog(QDialog):
    """The page of one result, drawn again as it is changed."""

    def __init__(
        self,
        desk: Desk,
        iface: Any,
        content: HotspotResult | AnalysisRun | PlaceSearch | TimeChart,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._desk = desk
        self._iface = iface
        self._product = product_of(content, desk.project)
        # The page and its base map live in a project of their own until they are opened in the layout designer.
        self._project = QgsProject(self)
        self._project.setTransformContext(desk.project.transformContext())
        self._project.setCrs(desk.project.crs())
        self._further = QgsProject(self)  # owns the layers of further runs
        self._layout: QgsPrintLayout | None = None
        self._style = style_of(desk.house_rules)
        self._material = Material()
        self._own = OwnTemplates(Path(QgsApplication.qgisSettingsDirPath()) / _OWN_TEMPLATES)
        self._choice: Choice = TEMPLATES[0]
        self._silent: dict[str, str] = {}  # base maps that did not answer, with the sentence that tells it
        self._answering: set[str] = set()
        self._notes: list[str] = []
        self.setWindowTitle(self._product.words)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REDRAW_AFTER_MS)
        self._timer.timeout.connect(self.redraw)
        self._closed = False
        self._build()
        self._drawing = False
        desk.session_changed.connect(self._rights_changed)
        desk.copies_changed.connect(self._rights_changed)
        desk.ask_house_rules(self._take_house_rules)
        self._timer.start(0)

    # ------------------------------------------------------------------ the window

    def _build(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setVerticalSpacing(GAP + 2)
        for words, widget in self._inputs():
            form.addRow(words, widget)
            widget.setAccessibleName(words)
        formats = QHBoxLayout()
        for box in self.formats.values():
            formats.addWidget(box)
        formats.addStretch()
        form.addRow(self.tr("Files"), formats)
        self._form = form

        self.preview = PagePreview(self.tr("Drawing the page…"), self)
        self.preview.setAccessibleName(self.tr("Preview of the page"))
        self.strip = Strip(self)
        self.findings = FindingsList(self)
        self.findings.mended.connect(self._show_mended)
        self.notes = small(QLabel(self))
        self.notes.setWordWrap(True)
        self.notes.setTextFormat(Qt.TextFormat.PlainText)
        self.notes.hide()
        self.progress = ProgressLine(self)

        left = QVBoxLayout()
        left.setSpacing(MARGIN)
        left.addLayout(form)
        left.addWidget(self.findings)
        left.addWidget(self.strip)
        left.addWidget(self.notes)
        left.addStretch()
        left.addWidget(self.progress)
        columns = QHBoxLayout()
        columns.setSpacing(2 * MARGIN)
        columns.addLayout(left, 4)
        columns.addWidget(self.preview, 5)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        whole.setSpacing(MARGIN)
        whole.addLayout(columns)
        whole.addWidget(self._buttons())
        self.resize(within(USUAL_SIZE, self))
        self._show_rows()
        self._connect()

    def _inputs(self) -> list[tuple[str, QWidget]]:
        self.title_edit = QLineEdit(self._product.title[:LONGEST_TITLE])
        self.title_edit.setMaxLength(LONGEST_TITLE)
        self.title_edit.setCursorPosition(0)
        self.author_edit = QLineEdit()
        self.organisation_edit = QLineEdit()
        user = self._desk.session.user if self._desk.signed_in and self._desk.session is not None else None
        if user is not None:
            self.author_edit.setText(user.display_name)
            self.organisation_edit.setText(user.organisation)
        self.template_button = QPushButton()
        self.page_combo = QComboBox()
        for page in Page:
            stands = self.tr("{size}, portrait") if self._product.upright else self.tr("{size}, landscape")
            self.page_combo.addItem(stands.format(size=page.value), page)
        self.areas_combo = QgsMapLayerComboBox()
        self.areas_combo.setProject(self._desk.project)
        self.areas_combo.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self.areas_combo.setAllowEmptyLayer(True, self.tr("Boroughs"))
        self.areas_combo.setLayer(None)
        self.mode_combo = QComboBox()
        self.mode_combo.addItem(self.tr("Operational: exact counts, for colleagues"), Mode.OPERATIONAL)
        self.mode_combo.addItem(self.tr("Publication: small numbers protected"), Mode.PUBLICATION)
        self.base_combo = QComboBox()
        self._list_base_maps()
        self.folder = QgsFileWidget()
        self.folder.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.folder.setFilePath(str(Path.home()))
        self.formats = {kind: QCheckBox(kind.value.upper()) for kind in Format}
        self.formats[Format.PDF].setChecked(True)
        self.save_template_button = QPushButton(self.tr("Save as template…"))
        self.fetch_button = QPushButton(self.tr("Get the base map"))
        self.fetch_button.setVisible(self._may_fetch())
        rows = [(self.tr("Page"), self.page_combo)]
        if self._product.in_templates:
            rows = [
                (self.tr("Template"), _beside(self.template_button, self.save_template_button)),
                (self.tr("Areas"), self.areas_combo),
            ]
        return [
            (self.tr("Title"), self.title_edit),
            (self.tr("Author"), self.author_edit),
            (self.tr("Organisation"), self.organisation_edit),
            *rows,
            (self.tr("For"), self.mode_combo),
            *([(self.tr("Base map"), _beside(self.base_combo, self.fetch_button))] if self._product.has_map else []),
            (self.tr("Folder"), self.folder),
        ]

    def _buttons(self) -> QDialogButtonBox:
        buttons = QDialogButtonBox()
        self.export_button = buttons.addButton(self.tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.designer_button = QPushButton(self.tr("Open in layout designer"))
        self.designer_button.setEnabled(self._iface is not None)
        buttons.addButton(self.designer_button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.addButton(QDialogButtonBox.StandardButton.Close)
        buttons.accepted.connect(self.export)
        buttons.rejected.connect(self.reject)
        return buttons

    def _connect(self) -> None:
        self.designer_button.clicked.connect(self.open_designer)
        self.template_button.clicked.connect(self._choose_template)
        self.save_template_button.clicked.connect(self._save_template)
        self.fetch_button.clicked.connect(self.fetch_base_map)
        for edit in (self.title_edit, self.author_edit, self.organisation_edit):
            edit.textChanged.connect(self._changed)
        for combo in (self.page_combo, self.mode_combo, self.base_combo):
            combo.currentIndexChanged.connect(self._changed)
        self.areas_combo.layerChanged.connect(self._areas_changed)
        for box in self.formats.values():
            box.toggled.connect(self._show_state)

    def _show_rows(self) -> None:
        """The rows that the template needs."""
        atlas = self.kind is PageKind.ATLAS
        if self._product.in_templates:
            self.areas_combo.setVisible(atlas)
            self._form.labelForField(self.areas_combo).setVisible(atlas)
        words = self._choice.words if isinstance(self._choice, Template) else self._choice.stem
        self.template_button.setText(f"{words}…")
        for kind in (Format.PNG, Format.SVG):  # an atlas has many pages, such files one
            self.formats[kind].setEnabled(not atlas)
            if atlas:
                self.formats[kind].setChecked(False)

    def _changed(self) -> None:
        self.export_button.setEnabled(False)
        self._timer.start(REDRAW_AFTER_MS)

    def _areas_changed(self) -> None:
        self._material = Material(self._material.before, self._material.breakdown)
        self._changed()

    # ------------------------------------------------------------------ template and base map

    @property
    def kind(self) -> PageKind:
        """What is on the page; a user's own template has one map."""
        return self._choice.kind if isinstance(self._choice, Template) else PageKind.ONE_MAP

    @property
    def template_name(self) -> str:
        """The template's name for the audit."""
        if not self._product.in_templates:
            return f"{self._product.name}-{Page(self.page_combo.currentData()).value.lower()}"
        return self._choice.name if isinstance(self._choice, Template) else "own"

    def choose(self, choice: Choice) -> None:
        """Make the page as that template."""
        self._choice = choice
        self._show_rows()
        self._changed()

    def _choose_template(self) -> None:
        gallery = TemplateGallery(self._own, self._choice, self)
        if gallery.exec() == QDialog.DialogCode.Accepted:
            self.choose(gallery.chosen)

    def _save_template(self) -> None:
        if self._layout is None:
            return
        name, taken = QInputDialog.getText(self, self.tr("Save as template"), self.tr("Name of the template"))
        if taken and name.strip():
            self.save_template(name.strip())

    def save_template(self, name: str) -> None:
        """Keep the page as a template of the user's own, without its words, figures and layers."""
        try:
            path = self._own.save(self._layout, name)
        except DeskError as error:
            self.strip.say(error.sentence, Tone.TROUBLE)
            return
        self.strip.say(self.tr("Kept as “{name}”: it is in the gallery now.").format(name=path.stem), Tone.GOOD)

    def _take_house_rules(self, rules: HouseRules) -> None:
        if self._closed:
            return
        self._style = style_of(rules)
        self.fetch_button.setVisible(self._may_fetch())
        self._list_base_maps()
        self._changed()

    def _run(self, stage: str, work: Callable[[Any], Any], done: Callable[[Any], None]) -> None:
        """Run something in the background while the dialog lives; trouble is told."""

        def finished(found: Any) -> None:
            if not self._closed:
                self.progress.finish()
                done(found)

        self.progress.follow(self._desk.run(stage, work, finished, self._told))

    def _list_base_maps(self) -> None:
        """The base maps that there are, the best for a page first; what was chosen stays chosen."""
        chosen = self.base_combo.currentData()
        self.base_combo.clear()
        local = zoomstack_file(self._desk.house_styles.base_map_path)
        for source in (local, self._desk.house_rules.service, BOUNDARIES_ONLY):
            if source is not None:
                self.base_combo.addItem(source.title, source)
        if chosen is not None:
            self.base_combo.setCurrentIndex(max(0, self.base_combo.findText(chosen.title)))

    def _may_fetch(self) -> bool:
        """Whether the server has a base map that is not here."""
        path = self._desk.house_styles.base_map_path
        offered = self._desk.house_rules.base_map
        return (
            self._product.has_map
            and self._desk.signed_in
            and offered is not None
            and not (path.is_file() and path.stat().st_size == offered.size)
        )

    def fetch_base_map(self) -> None:
        """Fetch it in the background, then draw on it."""
        transport, rules, styles = self._desk.transport, self._desk.house_rules, self._desk.house_styles
        total = rules.base_map.size if rules.base_map is not None else 0
        stage = self.tr("Fetching the base map")

        def work(task: Any) -> BaseSource:
            return styles.fetch_base_map(transport, rules, lambda got: task.report(stage, got, total), task.isCanceled)

        def fetched(source: BaseSource) -> None:
            self.fetch_button.hide()
            self._list_base_maps()
            self.base_combo.setCurrentIndex(self.base_combo.findText(source.title))
            self._changed()

        self._run(stage, work, fetched)

    def _base(self) -> BaseSource:
        """The chosen base map, or the boundaries where it has not answered."""
        source = self.base_combo.currentData() or BOUNDARIES_ONLY
        return BOUNDARIES_ONLY if source.title in self._silent or not self._product.has_map else source

    # ------------------------------------------------------------------ the page

    @property
    def imprint(self) -> Imprint:
        """What stands in the form."""
        by_template = isinstance(self._choice, Template) and self._product.in_templates
        return Imprint(
            title=self.title_edit.text().strip(),
            author=self.author_edit.text().strip(),
            organisation=self.organisation_edit.text().strip(),
            mode=Mode(self.mode_combo.currentData()),
            page=self._choice.page if by_template else Page(self.page_combo.currentData()),
            upright=self._choice.upright if by_template else False,
            style=self._style,
        )

    def build(self, project: QgsProject) -> QgsPrintLayout:
        """The page as a layout of ``project``; ``notes`` says what had to be replaced."""
        source = self.base_combo.currentData() or BOUNDARIES_ONLY
        self._notes = [*self._style.notes, *filter(None, [self._silent.get(source.title, "")])]
        if isinstance(self._choice, Path) and isinstance(self._product, HotspotProduct):
            filled = fill(project, self._choice, HotspotMap(self._product.result, self.imprint, self._base()))
            self._notes.extend(filled.notes)
            return filled.layout
        return self._product.build(project, self.kind, self.imprint, self._base(), self._material)

    def redraw(self) -> None:
        """Build the page anew and show it, with what is to be put right; first get ready what it needs."""
        self._timer.stop()
        if self.progress.running or self._get_ready():
            return
        self.findings.show_findings([])
        self._layout = None
        self._project.removeAllMapLayers()
        try:
            self._layout = self.build(self._project)
        except DeskError as error:
            self._told(error)
            return
        self._show_page()

    def _get_ready(self) -> bool:
        """Begin in the background what the page needs and is not there; whether there is such."""
        base = self._base()
        if base.kind is BaseKind.SERVICE and base.title not in self._answering:
            extent = self._product.extent

            def answered(trouble: str) -> None:
                self._answering.add(base.title)
                if trouble:
                    self._silent[base.title] = trouble
                self.redraw()

            self._run(self.tr("Asking for the base map"), lambda _task: trouble_with(base, extent), answered)
            return True
        if base.kind is BaseKind.FILE and (trouble := trouble_with(base, self._product.extent)):
            self._silent[base.title] = trouble
        return isinstance(self._product, HotspotProduct) and self._prepare_material(self._product.result)

    def _prepare_material(self, result: HotspotResult) -> bool:
        have = self._material
        lacking = {
            PageKind.TWO_PERIODS: have.before is None,
            PageKind.MAP_AND_CHARTS: have.breakdown is None,
            PageKind.ATLAS: not have.areas,
        }.get(self.kind, False)
        if not lacking:
            return False
        layer = self._desk.project.mapLayer(result.source_layer_id)
        if not isinstance(layer, QgsVectorLayer):
            self._told(
                AnalysisError(
                    self.tr("The layer of these incidents is not open any more: open it again, or choose “One map”.")
                )
            )
            return True
        source, kind = PointSource(layer), self.kind
        try:
            areas = self._areas(result) if kind is PageKind.ATLAS else ()
        except DeskError as error:
            self._told(error)
            return True

        def work(task: Any) -> Any:
            if kind is PageKind.TWO_PERIODS:
                return run_before(source, result, task.isCanceled)
            if kind is PageKind.MAP_AND_CHARTS:
                return breakdown_of(source, result, task.isCanceled)
            return counts_of(source, result, areas, task.isCanceled)

        def done(found: Any) -> None:
            if kind is PageKind.TWO_PERIODS:
                before = open_result(found)
                self._further.addMapLayer(before.layer, False)
                self._material = Material(before, have.breakdown, have.areas, have.areas_before)
            elif isinstance(found, AreaCounts):
                self._material = Material(have.before, have.breakdown, found.areas, found.before)
            else:
                self._material = Material(have.before, found, have.areas, have.areas_before)
            self.redraw()

        self._run(self.tr("Preparing the page"), work, done)
        return True

    def _areas(self, result: HotspotResult) -> Any:
        layer = self.areas_combo.currentLayer()
        if isinstance(layer, QgsVectorLayer):
            return areas_of_layer(layer, result.study_area, self._desk.project)
        found = boroughs_in(BoroughMap(BOUNDARIES), result.study_area)
        if not found:
            raise AnalysisError(
                self.tr("The study area holds no whole borough: choose a layer of areas, such as wards.")
            )
        return found

    def _told(self, error: DeskError) -> None:
        if self._closed:
            return
        self.progress.finish()
        self._layout = None
        self.export_button.setEnabled(False)
        if not isinstance(error, Cancelled):
            self.strip.say(error.sentence, Tone.WARNING)

    def _show_page(self) -> None:
        layout = needed(self._layout, "page")
        self.preview.show_page(QgsLayoutExporter(layout).renderPageToImage(0, QSize(), PREVIEW_DPI))
        self.strip.clear()
        self.notes.setText("\n".join(self._notes))
        self.notes.setVisible(bool(self._notes))
        self._show_state()

    def _show_mended(self) -> None:
        """After a finding was mended: the page itself stays, only its picture and what is left to do are new."""
        if not self.progress.running and self._layout is not None:
            self._show_page()

    def _show_state(self) -> None:
        if self._layout is None:
            return
        found = self._found()
        self.findings.show_findings(found)
        self.designer_button.setEnabled(self._iface is not None and not self._forbidden())
        self.export_button.setEnabled(not found)

    def _found(self) -> list[Finding]:
        """Everything that keeps the page from leaving: rights, furniture, and files to be written."""
        layout, found = needed(self._layout, "page"), []
        if forbidden := self._forbidden():
            found.append(Finding(forbidden, ""))
        if self.imprint.mode is Mode.PUBLICATION:
            found.extend(self._product.guarded)
            if self.kind is PageKind.TWO_PERIODS and self._material.before is not None:
                before = HotspotProduct(self._material.before).guarded
                found.extend(one for one in before if one.sentence not in {other.sentence for other in found})
        found.extend(self._too_fine())
        found.extend(remedied(layout))
        if not self._chosen():
            found.append(Finding(self.tr("No kind of file is chosen."), self.tr("Tick at least one.")))
        return found

    def _too_fine(self) -> list[Finding]:
        """That a density tells places more exactly than the public may know them; the remedy is to make it anew."""
        if not isinstance(self._product, HotspotProduct) or self.imprint.mode is not Mode.PUBLICATION:
            return []
        result = self._product.result
        needed = too_fine_to_publish(result)
        if needed is None:
            return []
        sentence = self.tr("The bandwidth of {used} m would tell places too exactly.").format(
            used=f"{result.settings.bandwidth_m:,.0f}"
        )
        fix = self.tr("For publication it is {needed} m or more.").format(needed=f"{needed:,.0f}")
        return [Finding(sentence, fix, None, self.tr("Make it anew"), lambda: self._run_anew(result, needed))]

    def _run_anew(self, result: HotspotResult, bandwidth_m: float) -> None:
        """Make the density again with that bandwidth, in the background; the map on the screen stays as it is."""
        layer = self._desk.project.mapLayer(result.source_layer_id)
        if not isinstance(layer, QgsVectorLayer):
            self._told(AnalysisError(self.tr("The layer of these incidents is not open any more: open it again.")))
            return
        source, settings = PointSource(layer), replace(result.settings, bandwidth_m=bandwidth_m)
        path = temporary_path(result.method)

        def work(task: Any) -> HotspotRun:
            return run_hotspots(source, result.study_area, result.wanted, settings, path, task.isCanceled, task.report)

        def done(run: HotspotRun) -> None:
            made = open_result(run)
            self._further.addMapLayer(made.layer, False)
            self._product = HotspotProduct(made)
            self._material = Material()
            self.redraw()

        self._run(self.tr("Making the map anew"), work, done)

    def _forbidden(self) -> str:
        """Why an agreement does not let the page be made; empty where all do."""
        try:
            self._require_use()
        except DeskError as error:
            return error.sentence
        return ""

    def _require_use(self) -> None:
        """Raise ``AgreementRefused`` where an agreement does not grant what the page is for."""
        use = Use.PUBLISH if self.imprint.mode is Mode.PUBLICATION else Use.EXPORT
        for used in self._product.datasets:
            self._desk.require_use(used.dataset, used.title, use)

    def _rights_changed(self, *_args: object) -> None:
        """Close where what the page shows may be shown no longer."""
        if self._closed or self._desk.has_right(used.dataset for used in self._product.datasets):
            return
        if self._drawing:  # the page must not go from under the drawing, which its note will refuse
            QTimer.singleShot(REDRAW_AFTER_MS, self._rights_changed)
        else:
            self.reject()

    def _chosen(self) -> list[Format]:
        return [kind for kind, box in self.formats.items() if box.isChecked()]

    # ------------------------------------------------------------------ what leaves

    def export(self) -> list[Path]:
        """Write the chosen files; they, or an empty list and the reason in the strip."""
        if self._timer.isActive() or self._layout is None:
            self.redraw()
        if self._layout is None or self._found():
            return []
        name = re.sub(r"[^\w\- ]+", "", self.imprint.title).strip()[:100] or "SafeStats"
        folder = Path(self.folder.filePath())
        self.export_button.setEnabled(False)
        self.strip.say(self.tr("Drawing the files…"), Tone.NOTE)
        # A layout can be drawn on the window's thread only: let the sentence be seen before.
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        shown = _Drawing(self)
        self._drawing = True
        try:
            self._require_use()  # rights may have changed since the page was drawn
            written = leave(self._layout, folder, name, self._chosen(), self._note, shown.goes_on)
        except Cancelled:
            self.strip.say(self.tr("Nothing was exported: you stopped it."), Tone.NOTE)
            return []
        except DeskError as error:
            self.strip.say(error.sentence, Tone.TROUBLE)
            return []
        finally:
            self._drawing = False
            shown.close()
            self.export_button.setEnabled(not self._found())
        names = ", ".join(path.name for path in written)
        self.strip.say(self.tr("Written to {folder}: {names}.").format(folder=folder, names=names), Tone.GOOD)
        return written

    def _note(self, leaving: Any) -> None:
        """Note on the disk what is about to leave, before it has a name."""
        files: list[Leaving] = list(leaving)
        imprint = self.imprint
        filters = {
            "product": self._product.name,
            "mode": imprint.mode.value,
            "page": imprint.page.value,
            "template": self.template_name,
            "base_map": self._base().kind.value,
            "formats": [file.format for file in files],
            "files": [{"format": file.format, "sha256": file.sha256, "size": file.size} for file in files],
            "page_id": str(uuid4()),  # by which the events of the page's datasets are known to be of one page
        }
        self._desk.note_leaving(
            EventKind.MAP_EXPORT,
            [(used.dataset, {**filters, **used.audited_filter}, used.rows) for used in self._product.datasets],
        )

    def open_designer(self) -> None:
        """Put the page into the user's project and open QGIS's layout designer on it."""
        try:
            self._require_use()
            project = self._desk.project
            layout = self.build(project)
        except DeskError as error:
            self.strip.say(error.sentence, Tone.WARNING)
            return
        manager = project.layoutManager()
        taken = {other.name() for other in manager.printLayouts()}
        name, number = layout.name(), 2
        while layout.name() in taken:
            layout.setName(f"{name} ({number})")
            number += 1
        manager.addLayout(layout)
        self._iface.openLayoutDesigner(layout)

    def done(self, result: int) -> None:
        """Let go of the page before the layers that it draws."""
        self._closed = True
        self._timer.stop()
        self.progress.stop()
        self.findings.show_findings([])  # their deeds hold the page
        self._layout = None
        self._material = Material()
        for project in (self._project, self._further):
            project.removeAllMapLayers()  # or they would hold their files until somebody collects the dialog
        super().done(result)


def _beside(first: QWidget, second: QWidget) -> QWidget:
    """Two widgets in one row of the form, the first as wide as there is room."""
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(first, 1)
    row.addWidget(second)
    both.setFocusProxy(first)
    return both


class _Drawing(QProgressDialog):
    """How far the drawing is, with a button that stops it; seen only where it takes longer than a moment."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Export"))
        self.setLabelText(self.tr("Drawing the files…"))
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setRange(0, 100)
        self.setMinimumDuration(1500)

    def goes_on(self, percent: float) -> bool:
        """Show it, and let the window live: a layout can be drawn on the window's thread only."""
        self.setValue(min(99, int(percent)))
        return not self.wasCanceled()
