"""The proximity dock: a postcode or a point, rings around it, and what happened in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsMapLayer,
    QgsPointXY,
    QgsVectorLayer,
)
from qgis.gui import QgisInterface, QgsDockWidget, QgsMapMouseEvent, QgsMapTool, QgsMapToolEmitPoint
from qgis.PyQt.QtCore import Qt, QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ...shared.presets import read_presets
from ..core.analysis_error import AnalysisError
from ..core.borough_ranks import BoroughRanks
from ..core.coverage import CoverageMap
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.events import EventKind
from ..core.places import PlaceFinder
from ..core.point_facts import NATIONAL_GRID
from ..core.points import PointSource
from ..core.premises_batch import Batch, run_batch
from ..core.proximity import Place, PlaceSearch, incidents_expression, rank, search, unranked
from ..core.proximity_question import Plan, Question, plan
from ..core.resource_files import PRESETS
from ..core.ring_layers import ring_layer
from ..core.run_record import has_record
from ..core.tasks import DeskTask
from ..core.uses import Use
from ..layouts.premises_page import PremisesPages
from .analysis_widgets import ProgressLine, caption
from .icons import icon
from .question_form import QuestionForm
from .ring_results import RingResults
from .screens import scrolled
from .surfaces import GAP, MARGIN, Strip, Tone, small

_MARGIN = 1.15  # of the outer ring, when the map moves there
_INDENT = 8
_TABLE_TYPE = 0.92  # of the size of text
_LABEL_CHARACTERS = 18


class ProximityDock(QgsDockWidget):
    """Search around a place. ``report_requested(PlaceSearch)`` asks for a printed report of what is shown."""

    report_requested = pyqtSignal(object)

    def __init__(self, desk: Desk, iface: QgisInterface, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("SafeStatsProximityDock")
        self.setWindowTitle(self.tr("Around a place"))
        self._desk = desk
        self._iface = iface
        self._canvas = iface.mapCanvas()
        self._finder = PlaceFinder()
        self._coverages = CoverageMap()
        self._ranks = BoroughRanks(desk.store, self._finder)
        self._sources: dict[str, PointSource] = {}
        self._result: PlaceSearch | None = None
        self._ranking: DeskTask | None = None
        self._ring_layer_id = ""
        self._tool_before: QgsMapTool | None = None
        self._build()
        self._tool = QgsMapToolEmitPoint(self._canvas)
        self._tool.canvasClicked.connect(self._clicked)
        self._tool.deactivated.connect(lambda: self.pick_button.setChecked(False))
        project = desk.project
        # Many layers may come and go in one go: look once, afterwards.
        self._refresh = QTimer(self)
        self._refresh.setSingleShot(True)
        self._refresh.setInterval(0)
        self._refresh.timeout.connect(self.refresh_layers)
        project.layersAdded.connect(self._layers_changed)
        project.layersRemoved.connect(self._layers_changed)
        desk.layer_opened.connect(self._layer_renewed)
        desk.session_changed.connect(self._rights_changed)
        desk.copies_changed.connect(self._rights_changed)
        self.refresh_layers()

    # ------------------------------------------------------------------ what is shown

    @property
    def result(self) -> PlaceSearch | None:
        """The search that the table shows, if any."""
        return self._result

    def _build(self) -> None:
        body = QWidget(self)
        column = QVBoxLayout(body)
        column.setSpacing(GAP)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.addLayout(self._inputs())
        self.form = QuestionForm(read_presets(PRESETS), self._desk.project, body)
        self.form.radii_edit.returnPressed.connect(self.start)
        column.addWidget(self.form)
        column.addLayout(self._buttons())
        self.progress = ProgressLine(body)
        column.addWidget(self.progress)
        self.message = Strip(body)
        column.addWidget(self.message)
        self.results = RingResults(body)
        self.results.incidents_requested.connect(self._list_incidents)
        self.results.report_requested.connect(lambda: self.report_requested.emit(self._result))
        self.results.hide()
        column.addWidget(self.results, 1)
        self._hint = QLabel(
            self.tr("Type a postcode or pick a point on the map. Incidents on the ring itself count as inside."), body
        )
        self._hint.setWordWrap(True)
        small(self._hint)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self._hint, 1)
        self.setWidget(scrolled(body, self))

    def _inputs(self) -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.place_edit = QLineEdit(self)
        self.place_edit.setPlaceholderText(self.tr("for example SE1 2AD"))
        self.place_edit.setToolTip(
            self.tr("A full postcode in any spelling, or easting and northing such as 530000, 180000")
        )
        self.place_edit.setClearButtonEnabled(True)
        self.place_edit.returnPressed.connect(self.start)
        self.pick_button = QToolButton(self)
        self.pick_button.setCheckable(True)
        self.pick_button.setAutoRaise(True)
        self.pick_button.setIcon(QgsApplication.getThemeIcon("cursors/mCapturePoint.svg"))
        self.pick_button.setToolTip(self.tr("Pick the centre on the map"))
        self.pick_button.setAccessibleName(self.tr("Pick the centre on the map"))
        self.pick_button.clicked.connect(self._toggle_tool)
        place = QHBoxLayout()
        place.addWidget(self.place_edit, 1)
        place.addWidget(self.pick_button)
        form.addRow(caption(self.tr("Pos&tcode"), self.place_edit), place)

        self.layer_list = QListWidget(self)
        self.layer_list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.layer_list.setToolTip(self.tr("The layers to count in; each has its own part of the table"))
        self.layer_list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.layer_list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.layer_list.itemChanged.connect(self._layers_chosen)
        form.addRow(caption(self.tr("La&yers"), self.layer_list), self.layer_list)

        return form

    def _buttons(self) -> QHBoxLayout:
        self.search_button = QPushButton(self.tr("Se&arch"), self)
        self.search_button.setIcon(icon("proximity"))
        self.search_button.setToolTip(self.tr("Count the incidents in the rings"))
        self.search_button.clicked.connect(self.start)
        self.clear_button = QPushButton(self.tr("Clear"), self)
        self.clear_button.setToolTip(self.tr("Empty the table and take the rings off the map"))
        self.clear_button.clicked.connect(self.clear)
        self.premises_button = QToolButton(self)
        self.premises_button.setText(self.tr("Prem&ises …"))
        self.premises_button.setToolTip(
            self.tr("The same search around every premises of a list (CSV): a workbook, and a page for each")
        )
        self.premises_button.clicked.connect(self.choose_premises)
        row = QHBoxLayout()
        row.addWidget(self.search_button)
        row.addWidget(self.clear_button)
        row.addStretch(1)
        row.addWidget(self.premises_button)
        return row

    # ------------------------------------------------------------------ layers, months

    def _layers_changed(self, *_args: object) -> None:
        self._refresh.start()

    def _layer_renewed(self, layer: QgsVectorLayer) -> None:
        self._sources.pop(layer.id(), None)
        self._refresh.start()

    def refresh_layers(self) -> None:
        """List the project's point layers, those of SafeStats first; what was chosen stays chosen."""
        ours = [layer.id() for layer in self._desk.layers()]
        known = {self._item_id(i): i.checkState() for i in self._items()}
        points = [layer for layer in self._desk.project.mapLayers().values() if _is_points(layer)]
        points.sort(key=lambda layer: (layer.id() not in ours, layer.name()))
        blocked = self.layer_list.blockSignals(True)
        self.layer_list.clear()
        for layer in points:
            item = QListWidgetItem(layer.name(), self.layer_list)
            item.setData(Qt.ItemDataRole.UserRole, layer.id())
            item.setToolTip(layer.name())
            default = Qt.CheckState.Checked if layer.id() in ours else Qt.CheckState.Unchecked
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(known.get(layer.id(), default))
        if not points:
            item = QListWidgetItem(self.tr("No point layer is open."), self.layer_list)
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        self.layer_list.blockSignals(blocked)
        shown = min(max(self.layer_list.count(), 2), 5)
        height = max(self.layer_list.sizeHintForRow(0), self.fontMetrics().height() + 4)
        self.layer_list.setFixedHeight(shown * height + 2 * self.layer_list.frameWidth() + 2)
        self._sources = {key: source for key, source in self._sources.items() if self._desk.project.mapLayer(key)}
        self._layers_chosen()

    def _items(self) -> list[QListWidgetItem]:
        items = [self.layer_list.item(row) for row in range(self.layer_list.count())]
        return [item for item in items if self._item_id(item)]

    @staticmethod
    def _item_id(item: QListWidgetItem) -> str:
        return item.data(Qt.ItemDataRole.UserRole) or ""

    def chosen_layers(self) -> list[QgsVectorLayer]:
        """The ticked layers."""
        ids = [self._item_id(i) for i in self._items() if i.checkState() == Qt.CheckState.Checked]
        return [self._desk.project.mapLayer(key) for key in ids]

    def _source_of(self, layer: QgsVectorLayer) -> PointSource:
        """The layer as a search reads it; raises ``AnalysisError``."""
        known = self._sources.get(layer.id())
        if known is None or not known.still_shows(layer):
            known = self._sources[layer.id()] = PointSource(layer)
        return known

    def _layers_chosen(self, *_args: object) -> None:
        facts = []
        for layer in self.chosen_layers():
            with suppress(AnalysisError):  # the search says why
                facts.append(self._source_of(layer).facts)
        self.form.set_held([month for one in facts for month in one.months], any(one.timed for one in facts))

    # ------------------------------------------------------------------ the place on the map

    def _toggle_tool(self, on: bool) -> None:
        if on:
            self._tool_before = self._canvas.mapTool()
            self._canvas.setMapTool(self._tool)
        else:
            self._put_tool_away()

    def _put_tool_away(self) -> None:
        if self._canvas.mapTool() is self._tool:
            if self._tool_before is not None:
                self._canvas.setMapTool(self._tool_before)
            else:
                self._canvas.unsetMapTool(self._tool)
        self._tool_before = None

    def _clicked(self, point: QgsPointXY, _button: Qt.MouseButton | QgsMapMouseEvent) -> None:
        transform = QgsCoordinateTransform(
            self._canvas.mapSettings().destinationCrs(), QgsCoordinateReferenceSystem(NATIONAL_GRID), self._desk.project
        )
        centre = transform.transform(point)
        self.place_edit.setText(f"{round(centre.x())}, {round(centre.y())}")
        self._put_tool_away()
        self.start()

    # ------------------------------------------------------------------ searching

    def search_around(self, place: Place) -> None:
        """Come to the front and search around ``place``, as if its name had been typed."""
        self.setUserVisible(True)
        self.place_edit.setText(place.postcode or f"{place.easting}, {place.northing}")
        self.start()

    def start(self) -> None:
        """Search with what the dock shows; trouble is told beside the inputs."""
        self._end_ranking()
        if self.progress.running:
            return
        self.message.clear()
        try:
            question, sources = self._asked()
        except AnalysisError as error:
            self._failed(error)
            return
        text, finder = self.place_edit.text(), self._finder

        def work(task: DeskTask) -> tuple[Plan, PlaceSearch]:
            place = finder.find(text)
            planned = plan(sources, question, date.today())
            return planned, search(planned, place, self._coverages, self._ranks, task.isCanceled, task.report)

        self.search_button.setEnabled(False)
        self.progress.follow(self._desk.run(self.tr("Searching around a place"), work, self._done, self._failed))

    def _asked(self) -> tuple[Question, list[PointSource]]:
        layers = self.chosen_layers()
        if not layers:
            raise AnalysisError(
                self.tr("No layer is chosen: pull and open a SafeStats layer, or tick one in the list."), "layer"
            )
        return self.form.question(), [self._source_of(layer) for layer in layers]

    # ------------------------------------------------------------------ a list of premises

    def choose_premises(self) -> None:
        """Ask for a list (CSV) and a folder, then search around every premises of the list."""
        listed, _ = QFileDialog.getOpenFileName(
            self, self.tr("The list of premises"), "", self.tr("CSV files (*.csv);;All files (*)")
        )
        if not listed:
            return
        folder = QFileDialog.getExistingDirectory(self, self.tr("Where the workbook and the pages go"))
        if folder:
            self.search_premises(Path(listed), Path(folder))

    def search_premises(self, listed: Path, folder: Path) -> None:
        """Search around every premises of ``listed`` as the dock says; a workbook and a zip of pages in ``folder``."""
        self._end_ranking()
        if self.progress.running:
            return
        self.message.clear()
        try:
            question, sources = self._asked()
            ours = self._ours(sources)
            for source in ours:
                self._desk.require_use(source.facts.dataset, source.facts.title, Use.EXPORT)
            filters = {"list": True, "radii_m": list(question.radii), "preset": question.preset.name}
            uses = [(source.facts.dataset, {**filters, **source.facts.audited_filter}, None) for source in ours]
            self._desk.note_leaving(EventKind.PROXIMITY_SEARCH, uses)
            pages = PremisesPages(self._coverages.of(()), self.tr("Operational: exact counts. Not for publication."))
        except DeskError as error:
            self._failed(error)
            return
        finder = self._finder

        def work(task: DeskTask) -> Batch:
            return run_batch(
                *(listed, folder, sources, question, finder, self._coverages, self._ranks, pages),
                *(task.isCanceled, task.report),
            )

        def done(made: Batch) -> None:
            self._ended()
            hashes = {path.name: digest for path, digest in made.files}
            for source in ours:
                dataset = source.facts.dataset
                told = {**filters, **source.facts.audited_filter, "answered": made.answered, "sha256": hashes}
                self._desk.record(EventKind.PROXIMITY_SEARCH, dataset, told, made.counted.get(dataset, 0))
            self._say_batch(made, folder)

        self.search_button.setEnabled(False)
        self.premises_button.setEnabled(False)
        self.progress.follow(self._desk.run(self.tr("Searching around a list of premises"), work, done, self._failed))

    def _ours(self, sources: Sequence[PointSource]) -> list[PointSource]:
        ours = {layer.id() for layer in self._desk.layers()}
        return [source for source in sources if source.facts.layer_id in ours]

    def _say_batch(self, made: Batch, folder: Path) -> None:
        names = self.tr(" and ").join(path.name for path, _digest in made.files)
        words = self.tr("{n:,} premises were searched around: {names} are in {folder}.").format(
            n=made.answered, names=names, folder=folder
        )
        if made.rejected:
            first = made.rejected[0]
            words += " " + self.tr(
                "{n:,} could not be; they are on the sheet “Not searched”. The first is line {line}: {why}"
            ).format(n=len(made.rejected), line=first.line, why=first.sentence)
        self.message.say(words, Tone.WARNING if made.rejected else Tone.GOOD)

    # ------------------------------------------------------------------ ranks

    def _compare(self, planned: Plan, place: Place) -> None:
        """Rank the place among its borough's postcodes, in the background, where that was not prepared before."""
        if not unranked(planned, place.borough_code, self._ranks):
            return

        def work(task: DeskTask) -> PlaceSearch:
            rank(planned, place.borough_code, self._ranks, task.isCanceled, task.report)
            return search(planned, place, self._coverages, self._ranks, task.isCanceled)

        def ended(show: Callable[[], None]) -> None:
            if self._ranking is task:  # else another search has begun, or the dock is cleared
                self._ranking = None
                self.progress.finish()
                show()

        task = self._desk.run(
            self.tr("Comparing with the borough"),
            work,
            lambda result: ended(lambda: self._ranked(result)),
            lambda error: ended(lambda: self._not_ranked(error)),
        )
        self._ranking = task
        self.progress.follow(task)

    def _end_ranking(self) -> None:
        if self._ranking is not None:
            self._ranking.cancel()
            self._ranking = None
            self.progress.finish()

    def _ranked(self, result: PlaceSearch) -> None:
        if not self._desk.has_right(_datasets(result)):
            return
        self._result = result
        self._show(result)

    def _not_ranked(self, error: DeskError) -> None:
        if not isinstance(error, Cancelled):
            self.message.say(error.sentence, Tone.TROUBLE)

    def stop(self) -> None:
        """Stop the search that runs."""
        self.progress.stop()

    def clear(self) -> None:
        """Empty the dock's result and take the rings off the map."""
        self.stop()
        self.message.clear()
        self.place_edit.clear()
        self._forget()
        self.place_edit.setFocus()

    def _forget(self) -> None:
        """Show no result any more."""
        self._end_ranking()
        self._result = None
        self.results.clear()
        self._hint.show()
        self._remove_rings()

    def _rights_changed(self, *_args: object) -> None:
        """A session or a copy has ended: what was made of it is shown no longer."""
        if self._result is not None and not self._desk.has_right(_datasets(self._result)):
            self._forget()

    def _ended(self) -> None:
        self.progress.finish()
        self.search_button.setEnabled(True)
        self.premises_button.setEnabled(True)

    def _failed(self, error: DeskError) -> None:
        self._ended()
        self._forget()  # below the sentence, former figures would pass for the answer
        if isinstance(error, Cancelled):
            self.message.say(self.tr("The search was stopped; nothing was counted."), Tone.NOTE)
            return
        self.message.say(error.sentence, Tone.TROUBLE)
        about = error.about if isinstance(error, AnalysisError) else ""
        widget = {"postcode": self.place_edit, "radii": self.form.radii_edit, "layer": self.layer_list}.get(about)
        if widget is not None:
            widget.setFocus()

    def _done(self, outcome: tuple[Plan, PlaceSearch]) -> None:
        planned, result = outcome
        try:
            for dataset in _datasets(result):
                self._desk.require_right(dataset)
        except DeskError as error:  # it ended while this was counted
            self._failed(error)
            return
        self._ended()
        self._result = result
        if result.place.postcode:
            self.place_edit.setText(result.place.postcode)
        self._show(result)
        self._draw(result)
        project = self._desk.project
        self.results.offer_incidents(
            [part for part in result.answer.datasets if project.mapLayer(result.layers[part.code]) is not None]
        )
        self._record(result)
        self._compare(planned, result.place)

    def _record(self, result: PlaceSearch) -> None:
        ours = {layer.id() for layer in self._desk.layers()}
        answer = result.answer
        for part in answer.datasets:
            if result.layers[part.code] in ours:
                filters = {
                    "around": answer.place.label,
                    "radii_m": list(answer.radii),
                    "preset": result.question.preset.name,
                    "hours": [row.band.words for row in part.totals()],
                    "from": answer.now.first,
                    "to": answer.now.last,
                    **result.audited_filter(part.code),
                }
                self._desk.record(EventKind.PROXIMITY_SEARCH, part.code, filters, part.rows[0].figures[-1].count or 0)

    # ------------------------------------------------------------------ the result

    def _show(self, result: PlaceSearch) -> None:
        if result.answer.place.warning:
            self.message.say(result.answer.place.warning, Tone.NOTE)
        self.results.show_answer(result.answer)
        self._hint.hide()

    def _list_incidents(self, code: str) -> None:
        if self._result is None:
            return
        layer = self._desk.project.mapLayer(self._result.layers[code])
        if isinstance(layer, QgsVectorLayer):
            self._iface.showAttributeTable(layer, incidents_expression(self._source_of(layer), self._result))

    def _draw(self, result: PlaceSearch) -> None:
        self._remove_rings()
        layer = ring_layer(result)
        project = self._desk.project
        project.addMapLayer(layer, False)
        project.layerTreeRoot().insertLayer(0, layer)
        self._ring_layer_id = layer.id()
        transform = QgsCoordinateTransform(
            layer.crs(), self._canvas.mapSettings().destinationCrs(), project.transformContext()
        )
        extent = transform.transformBoundingBox(result.rings[-1].boundingBox())
        extent.scale(_MARGIN)
        self._canvas.setExtent(extent)
        self._canvas.refresh()

    def _remove_rings(self) -> None:
        if self._ring_layer_id and self._desk.project.mapLayer(self._ring_layer_id):
            self._desk.project.removeMapLayer(self._ring_layer_id)
        self._ring_layer_id = ""

    def close_down(self) -> None:
        """Let go of the map and the project; the plugin calls this before it deletes the dock."""
        self.stop()
        self._end_ranking()
        self._refresh.stop()
        self._put_tool_away()
        self._remove_rings()
        self._desk.project.layersAdded.disconnect(self._layers_changed)
        self._desk.project.layersRemoved.disconnect(self._layers_changed)
        self._desk.layer_opened.disconnect(self._layer_renewed)
        self._desk.session_changed.disconnect(self._rights_changed)
        self._desk.copies_changed.disconnect(self._rights_changed)


def _is_points(layer: QgsMapLayer) -> bool:
    """Whether incidents may be in it; results of analyses are no incidents."""
    points = isinstance(layer, QgsVectorLayer) and layer.geometryType() == Qgis.GeometryType.Point
    return points and not has_record(layer)


def _datasets(result: PlaceSearch) -> list[str]:
    return [part.code for part in result.answer.datasets]
