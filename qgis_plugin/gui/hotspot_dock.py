"""The hotspot dock: incidents, an analysis, its choices; then layers on the map and the values that were used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsLayerTreeLayer,
    QgsMapLayer,
    QgsProject,
    QgsVectorLayer,
)
from qgis.gui import QgisInterface, QgsDockWidget, QgsFileWidget
from qgis.PyQt.QtCore import Qt, QUrl, pyqtSignal
from qgis.PyQt.QtGui import QStandardItemModel
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from ..core.analyses.analysis import Analysis, Kind, OutputKind
from ..core.analyses.hotspot_runs import choices_of, method_named, settings_of, tell_hotspots
from ..core.analyses.registry import ANALYSES
from ..core.analyses.running import (
    AnalysisRun,
    Inputs,
    check_needs,
    check_recorded,
    checked_values,
    run_analysis,
    temporary_file,
)
from ..core.analyses.writing import hand_over, open_layers
from ..core.analysis_error import AnalysisError
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.events import EventKind
from ..core.filter_text import filter_words, names_rows
from ..core.hotspot_styles import leave_out_band
from ..core.hotspots import HotspotResult, Method, open_result, run_hotspots, temporary_path
from ..core.line_rows import LineSource
from ..core.point_facts import NATIONAL_GRID, PointFacts, check_layer
from ..core.points import PointSource
from ..core.resource_files import BOUNDARIES
from ..core.result_layers import delete_temporary
from ..core.run_record import LayerName, RunRecord, has_record, record_of
from ..core.sentences import translated
from ..core.study_areas import Borough, BoroughMap, StudyArea
from ..core.tasks import DeskTask
from ..core.uses import Use
from ..core.usual_periods import Usual, period_before
from .analysis_widgets import ProgressLine, caption
from .choice_form import ChoiceForm, narrow
from .findings_text import page
from .icons import icon
from .incident_form import IncidentForm
from .layer_boxes import OnlyCopy
from .screens import scrolled
from .surfaces import GAP, MARGIN, Strip, Tone, small


class HotspotDock(QgsDockWidget):
    """Find hotspots, and make every analysis of the registry.

    Its keys (Alt and the letter underlined) are those that QGIS's own menus leave free.

    ``map_requested(HotspotResult | AnalysisRun)`` asks for a printed map of what was found.
    """

    map_requested = pyqtSignal(object)

    def __init__(
        self,
        desk: Desk,
        iface: QgisInterface,
        parent: QWidget | None = None,
        analyses: Sequence[Analysis] = ANALYSES,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("SafeStatsHotspotDock")
        self.setWindowTitle(self.tr("Hotspots"))
        self._desk = desk
        self._iface = iface
        self._canvas = iface.mapCanvas()
        self._boroughs = BoroughMap(BOUNDARIES)
        self._analyses = tuple(analyses)
        self._facts: PointFacts | None = None
        self._result: HotspotResult | None = None
        self._findings: AnalysisRun | None = None
        self._shown_before: list[str] = []  # ids of the layers of the last run that are on the map
        self._tables: dict[str, str] = {}  # ids of the tables of the last run, by the names of their outputs
        self._forms: dict[str, ChoiceForm] = {}
        self._build()
        desk.layer_opened.connect(self._layer_opened)
        desk.session_changed.connect(self._rights_changed)
        desk.copies_changed.connect(self._rights_changed)
        self.incidents.choose(self.incidents.layer_box.currentLayer())
        self._only_copy = OnlyCopy(self.incidents.layer_box, desk)
        self._method_chosen()

    @property
    def result(self) -> HotspotResult | None:
        """The density or Gi* whose values are shown, if any."""
        return self._result

    @property
    def findings(self) -> AnalysisRun | None:
        """The analysis of the registry whose values are shown, if any."""
        return self._findings

    @property
    def boroughs(self) -> tuple[Borough, ...]:
        """The boroughs that can be a study area."""
        return self._boroughs.boroughs

    @property
    def form(self) -> ChoiceForm:
        """The choices of the method that is chosen."""
        method = self.method_box.currentData()
        key = method.value if isinstance(method, Method) else method.name
        if key not in self._forms:
            choices = choices_of(method) if isinstance(method, Method) else method.choices
            form = ChoiceForm(choices, self._desk.project, self._choices)
            form.offer(self._facts)
            self._choices.layout().addWidget(form)
            self._put_after_method(form)
            self._forms[key] = form
        return self._forms[key]

    def _put_after_method(self, form: ChoiceForm) -> None:
        """Let Tab lead through the form where it is seen, not after all that was made before it."""
        parts, part = [], form.nextInFocusChain()
        while form.isAncestorOf(part):
            if part.focusPolicy() != Qt.FocusPolicy.NoFocus:
                parts.append(part)
            part = part.nextInFocusChain()
        for before, part in zip([self.method_box, *parts], parts):
            QWidget.setTabOrder(before, part)

    # ------------------------------------------------------------------ what is shown

    def _build(self) -> None:
        body = QWidget(self)
        column = QVBoxLayout(body)
        column.setSpacing(GAP)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self.incidents = IncidentForm(self._desk.project, self._boroughs, body)
        self.incidents.layer_described.connect(self._described)
        self.incidents.months.changed.connect(self._tell_before)
        column.addWidget(self.incidents)
        column.addLayout(self._methods(body))
        self._choices = QWidget(body)
        choices = QVBoxLayout(self._choices)
        choices.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._choices)
        column.addLayout(self._target(body))
        column.addLayout(self._buttons())
        self.progress = ProgressLine(body)
        column.addWidget(self.progress)
        self.message = Strip(body)
        column.addWidget(self.message)
        self.values = QTextBrowser(body)
        self.values.setAccessibleName(self.tr("What was found, and the values that were used"))
        self.values.setMinimumHeight(180)
        self.values.setOpenLinks(False)
        self.values.anchorClicked.connect(self._open_table)
        self.values.hide()
        column.addWidget(self.values, 1)
        self._hint = QLabel(
            self.tr("What is left automatic is listed with the result, with the value that was used."), body
        )
        self._hint.setWordWrap(True)
        small(self._hint)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self._hint, 1)
        self.setWidget(scrolled(body, self))

    @staticmethod
    def _form() -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        return form

    def _methods(self, body: QWidget) -> QFormLayout:
        form = self._form()
        self.method_box = QComboBox(body)
        for method in Method:
            self.method_box.addItem(translated(method.words), method)
        group = ""
        for analysis in self._analyses:
            if analysis.group != group:
                group = analysis.group
                self._add_heading(translated(group))
            self.method_box.addItem(translated(analysis.words), analysis)
        self.method_box.setMaxVisibleItems(self.method_box.count())
        self.method_box.currentIndexChanged.connect(self._method_chosen)
        narrow(self.method_box)
        form.addRow(caption(self.tr("Me&thod"), self.method_box), self.method_box)
        self._help = QLabel(body)
        self._help.setWordWrap(True)
        self._help.setTextFormat(Qt.TextFormat.PlainText)
        small(self._help)
        form.addRow(self._help)
        return form

    def _add_heading(self, words: str) -> None:
        self.method_box.insertSeparator(self.method_box.count())
        self.method_box.addItem(words)
        model = self.method_box.model()
        if isinstance(model, QStandardItemModel):
            item = model.item(self.method_box.count() - 1)
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            font = self.method_box.font()
            font.setBold(True)
            item.setFont(font)

    def _target(self, body: QWidget) -> QFormLayout:
        form = self._form()
        self.file_widget = QgsFileWidget(body)
        self.file_widget.setStorageMode(QgsFileWidget.StorageMode.SaveFile)
        self.file_widget.lineEdit().setPlaceholderText(self.tr("temporary file"))
        self.file_widget.setToolTip(self.tr("Where to keep the result; a temporary file goes when QGIS closes"))
        form.addRow(caption(self.tr("Save to"), self.file_widget), self.file_widget)
        return form

    def _buttons(self) -> QHBoxLayout:
        self.run_button = QPushButton(self.tr("&Find hotspots"), self)
        self.run_button.setIcon(icon("hotspot"))
        self.run_button.setToolTip(self.tr("Compute, and put the result on the map"))
        self.run_button.clicked.connect(self.start)
        self.repeat_button = QPushButton(self.tr("Repeat …"), self)
        self.repeat_button.setToolTip(
            self.tr("Fill the dock with the choices that made a layer of this project, to make that run again")
        )
        self.repeat_menu = QMenu(self.repeat_button)
        self.repeat_menu.aboutToShow.connect(self._list_runs)
        self.repeat_button.setMenu(self.repeat_menu)
        self.map_button = QPushButton(self.tr("Map …"), self)
        self.map_button.setToolTip(
            self.tr("A page of this map with all its furniture, for colleagues or for everybody")
        )
        self.map_button.setEnabled(False)
        self.map_button.clicked.connect(lambda: self.map_requested.emit(self._result or self._findings))
        row = QHBoxLayout()
        row.addWidget(self.run_button)
        row.addWidget(self.repeat_button)
        row.addStretch(1)
        row.addWidget(self.map_button)
        return row

    # ------------------------------------------------------------------ choices

    def _layer_opened(self, layer: QgsVectorLayer) -> None:
        if layer is self.incidents.layer_box.currentLayer():
            self.incidents.choose(layer)

    def _described(self, facts: PointFacts | None, trouble: str) -> None:
        self.message.clear()
        if trouble:
            self._forget()
            self.message.say(trouble, Tone.TROUBLE)
        self._facts = facts
        for form in self._forms.values():
            form.offer(facts)
        self._tell_before()

    def _usual(self) -> Usual:
        method = self.method_box.currentData()
        return method.usual if isinstance(method, Analysis) else Usual.YEAR

    def _tell_before(self) -> None:
        """Name the months that are compared with, where none are chosen for it."""
        try:
            period = self.incidents.months.period()
        except AnalysisError:  # the wrong way round; the run says so
            period = None
        before = period_before(self._usual(), period, self._facts) if period and self._facts else None
        for form in self._forms.values():
            form.tell_before(before)

    def _method_chosen(self, *_args: object) -> None:
        method = self.method_box.currentData()
        if method is None:  # a heading
            return
        self.message.clear()  # what it says is about another method
        wanted = self.form
        for form in self._forms.values():
            form.setVisible(form is wanted)
        self.incidents.take_usual(self._usual())
        self._tell_before()
        self._help.setText(translated(method.help) if isinstance(method, Analysis) else "")
        self._help.setVisible(isinstance(method, Analysis))
        suffix = self._suffix(method)
        self.run_button.setText(self.tr("&Find hotspots") if isinstance(method, Method) else self.tr("Ru&n"))
        self.file_widget.setFilter("GeoTIFF (*.tif)" if suffix == ".tif" else "GeoPackage (*.gpkg)")
        chosen = self.file_widget.filePath()
        if chosen:
            self.file_widget.setFilePath(str(Path(chosen).with_suffix(suffix)))

    @staticmethod
    def _suffix(method: Method | Analysis) -> str:
        return method.suffix if isinstance(method, Method) else ".gpkg"

    def study_area(self) -> StudyArea:
        """The study area chosen; raises ``AnalysisError``."""
        return self.incidents.study_area()

    # ------------------------------------------------------------------ running

    def start(self) -> None:
        """Run with what the dock shows; trouble is told beside the inputs."""
        if self.progress.running:
            return
        self.message.clear()
        self._forget()  # beside another form, or a refusal, former values would mislead
        method = self.method_box.currentData()
        try:
            self._start(method)
        except DeskError as error:
            self._failed(error)

    def _start(self, method: Method | Analysis) -> None:
        layer = self.incidents.layer()
        source, area, wanted = PointSource(layer), self.incidents.study_area(), self.incidents.wanted()
        chosen, version = self.file_widget.filePath(), self._desk.plugin_version
        path = Path(chosen).with_suffix(self._suffix(method)) if chosen else None
        if isinstance(method, Method):
            settings = settings_of(method, self.form.values())
            self._require_export([source], path)
            target = path or temporary_path(method)

            def find(task: DeskTask) -> HotspotResult:
                run = run_hotspots(source, area, wanted, settings, target, task.isCanceled, task.report)
                result = open_result(run)
                tell_hotspots(result, run.facts, version)
                hand_over([result.layer])
                return result

            self._follow(self.tr("Finding hotspots"), find, self._done)
            return
        inputs = self._inputs(method, source, area)
        checked_values(method, inputs.values)
        check_needs(method, source.facts)
        self._require_export(inputs.sources, path)
        target = path or temporary_file(method)

        def analyse(task: DeskTask) -> tuple[AnalysisRun, list[QgsVectorLayer]]:
            run = run_analysis(method, inputs, target, version, task.isCanceled, task.report)
            layers = open_layers(run)
            hand_over(layers)
            return run, layers

        self._follow(translated(method.words), analyse, self._found)

    def _inputs(self, analysis: Analysis, source: PointSource, area: StudyArea) -> Inputs:
        points, lines = {}, {}
        for name, layer in self.form.layers().items():
            if analysis.choice(name).kind is Kind.LINE_LAYER:
                lines[name] = LineSource(layer, self._desk.project)
            else:
                points[name] = PointSource(check_layer(layer))
        return Inputs(
            source, area, self.incidents.wanted(), self.form.values(), points, lines, self.incidents.usual_words
        )

    def _require_export(self, sources: Sequence[PointSource], path: Path | None) -> None:
        if path is not None:
            for source in sources:
                self._desk.require_use(source.facts.dataset, source.facts.title, Use.EXPORT)

    def _follow(self, words: str, work: object, done: object) -> None:
        self.run_button.setEnabled(False)
        self.progress.follow(self._desk.run(words, work, done, self._failed))

    def stop(self) -> None:
        """Stop the run."""
        self.progress.stop()

    def _ended(self) -> None:
        self.progress.finish()
        self.run_button.setEnabled(True)

    def _failed(self, error: DeskError) -> None:
        self._ended()
        if isinstance(error, Cancelled):
            self.message.say(self.tr("The run was stopped; no layer was made."), Tone.NOTE)
        else:
            self.message.say(error.sentence, Tone.TROUBLE)

    # ------------------------------------------------------------------ results

    def _forget(self) -> None:
        """Show no values any more, and offer no map of them; layers stay."""
        self._result = self._findings = None
        self._tables = {}
        self.values.clear()
        self.values.hide()
        self._hint.show()
        self.map_button.setEnabled(False)

    def _rights_changed(self, *_args: object) -> None:
        """A session or a copy has ended: what was made of it is shown no longer."""
        if not self._desk.has_right(self._datasets()):
            self._forget()

    def _datasets(self) -> list[str]:
        """Of which the values are that are shown."""
        if self._result is not None:
            return [self._result.dataset]
        return _datasets_of(self._findings) if self._findings is not None else []

    def _ended_meanwhile(self, datasets: Sequence[str]) -> bool:
        """Whether the right to show what was made of these has ended; if so, that is told."""
        try:
            for dataset in datasets:
                self._desk.require_right(dataset)
        except DeskError as error:
            self._failed(error)
            return True
        return False

    def _done(self, result: HotspotResult) -> None:
        if self._ended_meanwhile([result.dataset]):
            return
        self._ended()
        self._result, self._findings = result, None
        self._put_on_map([result.layer], result.study_area, result.title)
        self._show(page(result.title, "", result.parameters), result.notes)
        self.map_button.setEnabled(True)
        filters = {"method": result.method.value, "area": result.study_area.label, "categories": result.what}
        if result.period is not None:
            filters.update({"from": result.period.first, "to": result.period.last})
        filters.update(result.audited_filter)
        self._note(result.source_layer_id, result.dataset, filters, result.used)

    def _found(self, found: tuple[AnalysisRun, list[QgsVectorLayer]]) -> None:
        run, layers = found
        if self._ended_meanwhile(_datasets_of(run)):
            layers.clear()  # closes the file
            delete_temporary(run.path)
            return
        self._ended()
        self._result, self._findings = None, run
        self._put_on_map(layers, run.area, run.title)
        outputs = run.findings.outputs
        self._tables = {output.name: layer.id() for output, layer in zip(outputs, layers)}
        self._show(page(run.title, run.findings.answer, run.parameters, outputs), run.notes)
        self.map_button.setEnabled(outputs[0].kind is not OutputKind.TABLE)
        filters = {"method": run.analysis.name, "area": run.area.label, "categories": run.what}
        if run.wanted.period is not None:
            filters.update({"from": run.wanted.period.first, "to": run.wanted.period.last})
        for facts, used in ((run.facts, run.record.incidents), *run.others):
            self._note(facts.layer_id, facts.dataset, {**filters, **facts.audited_filter}, used)

    def _note(self, layer_id: str, dataset: str, filters: dict, used: int) -> None:
        """Note for the audit what was made of a local copy."""
        if layer_id in {layer.id() for layer in self._desk.layers()}:
            self._desk.record(EventKind.HOTSPOT_RUN, dataset, filters, used)

    def _put_on_map(self, layers: Sequence[QgsMapLayer], area: StudyArea, title: str) -> None:
        """On top of the tree, several in a group of their own; those of the last run are hidden.

        Two surfaces on top of each other tell nothing.
        """
        root = self._desk.project.layerTreeRoot()
        drawn = [layer for layer in layers if layer.isSpatial()]
        if drawn:
            for former in filter(None, map(root.findLayer, self._shown_before)):
                former.setItemVisibilityChecked(False)
            self._shown_before = [layer.id() for layer in drawn]
        parent = root.insertGroup(0, title) if len(layers) > 1 else root
        for number, layer in enumerate(layers):
            self._desk.project.addMapLayer(layer, False)
            node = QgsLayerTreeLayer(layer)
            leave_out_band(node)
            parent.insertChildNode(number, node)
        self._zoom(area)

    def _zoom(self, area: StudyArea) -> None:
        transform = QgsCoordinateTransform(
            QgsCoordinateReferenceSystem(NATIONAL_GRID),
            self._canvas.mapSettings().destinationCrs(),
            self._desk.project.transformContext(),
        )
        extent = transform.transformBoundingBox(area.geometry.boundingBox())
        extent.scale(1.05)
        self._canvas.setExtent(extent)
        self._canvas.refresh()

    def _show(self, html: str, notes: Sequence[str]) -> None:
        self.values.setHtml(html)
        self.values.show()
        self._hint.hide()
        if notes:
            self.message.say("\n".join(notes), Tone.NOTE)

    def _open_table(self, link: QUrl) -> None:
        layer = self._desk.project.mapLayer(self._tables.get(link.path(), ""))
        if layer is not None:
            self._iface.showAttributeTable(layer, "")

    # ------------------------------------------------------------------ once more

    def _list_runs(self) -> None:
        """The layers of the project that runs have made, as the menu's items."""
        self.repeat_menu.clear()
        for layer in self._made_by_runs(self._desk.project):
            action = self.repeat_menu.addAction(layer.name())
            action.triggered.connect(partial(self.repeat_layer, layer.id()))
        if self.repeat_menu.isEmpty():
            self.repeat_menu.addAction(self.tr("No layer of this project was made here")).setEnabled(False)

    @staticmethod
    def _made_by_runs(project: QgsProject) -> list[QgsMapLayer]:
        """One layer a run."""
        found: dict[str, QgsMapLayer] = {}
        for node in project.layerTreeRoot().findLayers():
            layer = node.layer()
            if layer is not None and has_record(layer):
                found.setdefault(layer.source().split("|", 1)[0], layer)
        return list(found.values())

    def repeat_layer(self, layer_id: str, _checked: bool = False) -> None:
        """Fill the dock with what made a layer; what cannot be filled is told."""
        layer = self._desk.project.mapLayer(layer_id)
        self.message.clear()
        try:
            if layer is not None:
                self.repeat(record_of(layer))
        except AnalysisError as error:
            self._forget()
            self.message.say(error.sentence, Tone.TROUBLE)

    def repeat(self, record: RunRecord) -> None:
        """Choose all that a run had, so that ``start`` makes it again; raises ``AnalysisError``."""
        method = method_named(record.method) or next((a for a in self._analyses if a.name == record.method), None)
        if method is None:
            raise AnalysisError(
                f"The run was made by “{record.method}” of SafeStats {record.version}, which this version lacks: "
                "choose another method.",
                "method",
            )
        check_recorded(method.choices if isinstance(method, Analysis) else choices_of(method), record.values)
        source = self._find_again(record.source)
        others = {name: self._find_again(layer) for name, layer in record.others.items()}
        self.method_box.setCurrentIndex(self.method_box.findData(method))
        self.incidents.fill(record, source)
        self.form.fill(record.values, others)
        told = [self.tr("This is the run of {day}. Start it, or change it first.").format(day=record.run_on)]
        if record.source.subset:
            told.append(self.tr("The layer's own filter was set as it was then."))
        self.message.say(" ".join(told), Tone.NOTE)

    def _find_again(self, name: LayerName) -> QgsVectorLayer:
        """The project's layer by its id, else by its dataset, else by its name; ``AnalysisError`` where it is gone."""
        project = self._desk.project
        layer = project.mapLayer(name.id)
        if layer is None and name.dataset:
            open_here = (found for found in self._desk.layers() if PointSource(found).facts.dataset == name.dataset)
            layer = next(open_here, None)
        if layer is None:
            layer = next(iter(project.mapLayersByName(name.title)), None)
        if layer is None:
            raise AnalysisError(f"The run used “{name.title}”, which is not open: open it first.", "layer")
        if layer.subsetString() == name.subset:
            return layer
        if names_rows(name.subset):  # in another copy these may be other incidents
            raise AnalysisError(
                f"The run used “{name.title}” filtered to single rows, which may be others by now: filter the layer in "
                "Explore as it was, and choose the run's settings by hand.",
                "layer",
            )
        if not layer.setSubsetString(name.subset):
            then = f"the filter {filter_words(name.subset)}" if name.subset else "no filter"
            raise AnalysisError(
                f"The run used “{name.title}” with {then}, and that cannot be set now: end the editing of the layer, "
                "or open the layer that the run used.",
                "layer",
            )
        return layer

    def close_down(self) -> None:
        """Let go of the project; the plugin calls this before it deletes the dock."""
        self.stop()
        self._desk.layer_opened.disconnect(self._layer_opened)
        self._desk.session_changed.disconnect(self._rights_changed)
        self._desk.copies_changed.disconnect(self._rights_changed)


def _datasets_of(run: AnalysisRun) -> list[str]:
    return [run.facts.dataset, *(facts.dataset for facts, _used in run.others)]
