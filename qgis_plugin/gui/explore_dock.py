"""The explore dock: a layer, its months or days, categories, areas; then counts, a table, a map and files of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from qgis.core import QgsCoordinateReferenceSystem, QgsCoordinateTransform, QgsGeometry, QgsVectorLayer
from qgis.gui import QgisInterface, QgsDockWidget
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtGui import QShowEvent
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..core.analysis_error import AnalysisError
from ..core.brought import brought_words
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.events import EventKind
from ..core.explore import table_files
from ..core.explore.area_sets import AreaSet, AreaSets, Place
from ..core.explore.choropleth import open_choropleth, write_choropleth
from ..core.explore.copy_table import CopyTable, category_tree
from ..core.explore.counting import Counted, count
from ..core.explore.elsewhere import Elsewhere, ask_elsewhere, can_be_asked
from ..core.explore.filter_question import keep_question, kept_question, taken_question
from ..core.explore.rates import Bases, boroughs_of, compare
from ..core.explore.row_filter import rows_of
from ..core.explore.saved_queries import SavedQuery
from ..core.explore.selection import By, Selection, Within
from ..core.explore.wording import area_words, audited, category_words, period_words
from ..core.needed import needed
from ..core.point_facts import NATIONAL_GRID
from ..core.tasks import DeskTask
from ..core.uses import Use
from .analysis_widgets import ProgressLine, caption
from .choice_form import narrow
from .draw_area import DrawAreaTool
from .explore_choices import ChoicesForm
from .explore_results import ExploreResults
from .icons import icon
from .saved_queries_row import SavedQueriesRow, SaveQueryDialog
from .screens import scrolled
from .surfaces import GAP, MARGIN, Strip, Tone, small

_NOTES_SHOWN = 4


class ExploreDock(QgsDockWidget):
    """Counts one layer's local copy. There is no sum over layers: one event may be in the records of each service."""

    def __init__(self, desk: Desk, iface: QgisInterface, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("SafeStatsExploreDock")
        self.setWindowTitle(self.tr("Explore"))
        self._desk = desk
        self._canvas = iface.mapCanvas()
        self._sets = AreaSets()
        self._server = ""  # whose wards these are
        self._table: CopyTable | None = None
        self._map_layer_id = ""
        self._to_show: Selection | None = None  # a saved query that waits for its layer's categories
        self._tool: DrawAreaTool | None = None
        self._former_tool = None
        self._dialog: SaveQueryDialog | None = None
        self._build()
        desk.layer_opened.connect(self._fill_layers)
        desk.session_changed.connect(self._session_changed)
        desk.copies_changed.connect(self._rights_changed)
        desk.layers_listed.connect(self._fill_layers)
        self._fill_soon = QTimer(self)  # the layer tree, which has the layers in order, hears of them after us
        self._fill_soon.setSingleShot(True)
        self._fill_soon.timeout.connect(self._fill_layers)
        desk.project.layersRemoved.connect(self._layers_changed)
        desk.project.layersAdded.connect(self._layers_changed)
        self._session_changed()

    @property
    def counted(self) -> Counted | None:
        """What is shown, if anything."""
        return self.results.counted

    # ------------------------------------------------------------------ what is shown

    def _build(self) -> None:
        body = QWidget(self)
        column = QVBoxLayout(body)
        column.setSpacing(GAP)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self.queries = SavedQueriesRow(self._desk, body)
        self.queries.opened.connect(self._query_opened)
        self.queries.save_asked.connect(self._save)
        self.queries.told.connect(lambda words: self.message.say(words, Tone.GOOD))
        self.queries.failed.connect(lambda words: self.message.say(words, Tone.TROUBLE))
        column.addWidget(self.queries)
        form = QFormLayout()
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.layer_box = QComboBox(body)
        self.layer_box.setToolTip(self.tr("One layer at a time: incidents of several services are not added up"))
        narrow(self.layer_box)
        self.layer_box.currentIndexChanged.connect(self._layer_chosen)
        form.addRow(caption(self.tr("La&yer"), self.layer_box), self.layer_box)
        column.addLayout(form)
        names = {code: area.name for code, area in self._sets.boundaries.boroughs.items()}
        self.choices = ChoicesForm(self._desk.project, names, body)
        lsoas = self._sets.boundaries.lsoas
        self.choices.set_lsoas({code: Place(code, area.name, area.parent) for code, area in lsoas.items()})
        self.choices.area_changed.connect(self._area_changed)
        self.choices.draw_asked.connect(self._draw)
        column.addWidget(self.choices)
        column.addLayout(self._buttons(body))
        self.progress = ProgressLine(body)
        column.addWidget(self.progress)
        self.message = Strip(body)
        column.addWidget(self.message)
        self.results = ExploreResults(self._desk, self._sets, body)
        self.results.map_asked.connect(self._map)
        self.results.export_asked.connect(self._export)
        column.addWidget(self.results, 1)
        self._hint = small(QLabel(
            self.tr("Counts come from your local copy. Rates need a denominator that the server has loaded."), body
        ))  # fmt: skip
        self._hint.setWordWrap(True)
        column.addWidget(self._hint)
        column.addStretch(0)
        self.setWidget(scrolled(body, self))

    def _buttons(self, parent: QWidget) -> QHBoxLayout:
        self.count_button = QPushButton(icon("layers"), self.tr("Coun&t"), parent)
        self.count_button.setToolTip(self.tr("Count what is asked, in your local copy"))
        self.count_button.clicked.connect(self.start)
        self.filter_button = QPushButton(self.tr("&Filter the layer"), parent)
        self.filter_button.setCheckable(True)
        self.filter_button.setToolTip(self.tr("Show on the map only what is asked; press again to show all"))
        self.filter_button.clicked.connect(self._filter)
        row = QHBoxLayout()
        row.addWidget(self.count_button)
        row.addStretch(1)
        row.addWidget(self.filter_button)
        return row

    # ------------------------------------------------------------------ layer and session

    def showEvent(self, event: QShowEvent) -> None:
        """What may be chosen may have been asked for since."""
        super().showEvent(event)
        self._fill_layers()

    def _session_changed(self) -> None:
        session = self._desk.session
        if session is not None and session.transport.base_url != self._server:
            self._server = session.transport.base_url
            self._sets.forget_wards()
        self._clear()
        self._fill_layers()
        self.queries.refresh()
        self.queries.setEnabled(self._desk.signed_in)
        self.results.bases = Bases()
        if self._desk.session is None:
            self.choices.reset()
            if self._tool is not None:
                self._tool.show_area(None)
        if self._desk.signed_in:
            transport = self._desk.transport
            self._desk.run(
                self.tr("Asking for denominators"),
                lambda task: Bases.from_json(transport.get_json("/v1/denominators", cancelled=task.isCanceled)),
                self.results.take_bases,
                lambda _error: None,  # an older server has none: then there are counts, and no rates
            )

    def _layers_changed(self, *_layers: object) -> None:
        self._fill_soon.start()

    def _fill_layers(self, *_changed: object) -> None:
        layers = self._desk.layers()
        before = self.layer_box.currentData()
        blocked = self.layer_box.blockSignals(True)
        self.layer_box.clear()
        for layer in layers:
            self.layer_box.addItem(layer.name(), layer.id())
        if not layers:
            self.layer_box.addItem(self.tr("Open a layer in the layers dock"), "")
        for entry in self._desk.listed():
            if entry.get("aggregate") and not entry["permitted"]:
                words = self.tr("{title} – counts only").format(title=entry["title"])
                self.layer_box.addItem(words, "")
                at = self.layer_box.count() - 1
                tip = self.tr("Its records are not open to you: ask for counts in the layers dock.")
                self.layer_box.setItemData(at, f"{entry['reason']} {tip}", Qt.ItemDataRole.ToolTipRole)
                self.layer_box.model().item(at).setEnabled(False)
        self.layer_box.setCurrentIndex(max(0, self.layer_box.findData(before) if before else 0))
        self.layer_box.blockSignals(blocked)
        table = self._table
        if (before or "") != self.layer_box.currentData() or table is None:
            self._layer_chosen()
        elif (layer := self._layer()) is not None and (fresh := CopyTable.of(layer)) != table:
            self._renewed(table, fresh)

    def _renewed(self, before: CopyTable, fresh: CopyTable) -> None:
        """The layer is told of anew, or shows another copy: what was asked stays."""
        if (fresh.path, fresh.columns) == (before.path, before.columns):
            self._table = fresh
            self.choices.renew(fresh)
            return
        try:
            asked = self.choices.question()
        except DeskError:
            asked = None
        self._layer_chosen()
        self._to_show = asked

    def _layer(self) -> QgsVectorLayer | None:
        return self._desk.project.mapLayer(self.layer_box.currentData() or "")

    def _layer_chosen(self, *_index: object) -> None:
        self._clear()
        self._table = None
        layer = self._layer()
        self.filter_button.setChecked(layer is not None and bool(layer.subsetString()))
        for widget in (self.count_button, self.filter_button, self.choices):
            widget.setEnabled(layer is not None)
        if layer is None:
            self.choices.set_table(None)
            return
        try:
            self._table = CopyTable.of(layer)
        except AnalysisError as error:
            self.message.say(error.sentence, Tone.TROUBLE)
            return
        self.choices.set_table(self._table)
        if self._to_show is None:
            self._to_show = taken_question(layer)
        table = self._table
        self._desk.run(
            self.tr("Reading the categories"),
            lambda task: category_tree(table, task.isCanceled),
            lambda found: self._tree_told(table, found),
            lambda error: None if isinstance(error, Cancelled) else self.message.say(error.sentence, Tone.TROUBLE),
        )

    def _tree_told(self, table: CopyTable, found: tuple[str, tuple[tuple[str, str, int], ...]]) -> None:
        if table is not self._table:
            return
        self.choices.set_tree(*found)
        if self._to_show is not None:
            asked, self._to_show = self._to_show, None
            self._show_question(asked)

    def _clear(self) -> None:
        self.results.clear()
        self._hint.show()
        self.message.clear()

    def _rights_changed(self, *_args: object) -> None:
        """A copy has ended: what was counted in it is shown no longer."""
        if self.results.counted is not None and not self._desk.has_right([self.results.counted.asked.dataset]):
            self._clear()

    # ------------------------------------------------------------------ areas

    def _area_changed(self) -> None:
        if not self.choices.needs_wards or self._sets.known(By.WARD) is not None:
            return
        if not self._desk.signed_in:
            self.message.say(self.tr("Wards come from the server: sign in first."), Tone.NOTE)
            return
        transport = self._desk.transport
        self._desk.run(
            self.tr("Asking for wards"),
            lambda task: self._sets.get(By.WARD, transport, task.isCanceled),
            self._wards_told,
            lambda error: self.message.say(error.sentence, Tone.TROUBLE),
        )

    def _wards_told(self, wards: AreaSet) -> None:
        self.choices.set_wards(wards)
        self.message.say(self.tr("Wards: {edition}.").format(edition=wards.edition), Tone.NOTE)

    def _draw(self) -> None:
        if self._tool is None:
            self._tool = DrawAreaTool(self._canvas)
            self._tool.drawn.connect(self._drawn)
            self._tool.failed.connect(lambda words: self.message.say(words, Tone.TROUBLE))
        if self._canvas.mapTool() is not self._tool:
            self._former_tool = self._canvas.mapTool()
        self._canvas.setMapTool(self._tool)
        self.message.say(self.tr("Click the corners of the area on the map, then click right."), Tone.NOTE)

    def _drawn(self, shape: QgsGeometry) -> None:
        self.message.clear()
        self._tool.show_area(shape)
        there = QgsGeometry(shape)
        there.transform(
            QgsCoordinateTransform(
                self._canvas.mapSettings().destinationCrs(),
                QgsCoordinateReferenceSystem(NATIONAL_GRID),
                self._desk.project.transformContext(),
            )
        )
        canvas_crs, context = self._canvas.mapSettings().destinationCrs(), self._desk.project.transformContext()
        self.choices.set_drawn(there, brought_words(canvas_crs, context))
        if self._former_tool is not None:
            self._canvas.setMapTool(self._former_tool)
        else:
            self._canvas.unsetMapTool(self._tool)

    # ------------------------------------------------------------------ counting

    def start(self) -> None:
        """Count what the form asks; trouble is told beside it."""
        if self.progress.running:
            return
        self.message.clear()
        try:
            asked, table = self.choices.question(), needed(self._table, "layer")
            transport = self._desk.transport if self.choices.needs_wards and self._desk.signed_in else None
        except DeskError as error:
            self._clear()  # an answer below would be that of another question
            self._failed(error)
            return
        sets, chosen, session = self._sets, boroughs_of(asked, self._sets), self._desk.session

        def done(counted: Counted) -> None:
            if self._desk.session is session:
                self._done(counted)
            else:  # it is of somebody who has signed out meanwhile
                self._ended()

        def work(task: DeskTask) -> Counted:
            wards = sets.get(By.WARD, transport, task.isCanceled) if _of_wards(asked) else None
            found = count(table, asked, sets, wards, task.isCanceled, task.report)
            compare(found, chosen, None, Bases(), sets)  # the neighbours' shapes are read here
            return found

        self.count_button.setEnabled(False)
        self.progress.follow(self._desk.run(self.tr("Counting incidents"), work, done, self._failed))

    def _ended(self) -> None:
        self.progress.finish()
        self.count_button.setEnabled(self._table is not None)

    def _failed(self, error: DeskError) -> None:
        self._ended()
        if isinstance(error, Cancelled):
            self.message.say(self.tr("It was stopped; nothing was counted."), Tone.NOTE)
        else:
            self.message.say(error.sentence, Tone.TROUBLE)

    def _done(self, counted: Counted) -> None:
        self._ended()
        if self._table is None or counted.asked.dataset != self._table.facts.dataset:
            return  # another layer was chosen meanwhile
        try:
            self._desk.require_right(counted.asked.dataset, counted.facts.title)
        except DeskError as error:
            self._failed(error)
            return
        self._hint.hide()
        self.results.take(counted)
        layer = self._layer()
        if layer is not None and layer.subsetString() and kept_question(layer) not in (None, counted.asked):
            self.message.say(
                self.tr("The layer on the map is still filtered to what was asked before: filter it anew."), Tone.NOTE
            )
        self._desk.record(
            EventKind.EXPLORED,
            counted.asked.dataset,
            audited(counted.asked),
            counted.total if counted.additive else None,
        )
        self._ask_elsewhere(counted)

    def _ask_elsewhere(self, counted: Counted) -> None:
        """The boroughs that the copy does not hold are asked of the server, where it answers such a question."""
        lacking = any(one.count is None for one in self.results.beside)
        if not (lacking and self._desk.signed_in and counted.additive and can_be_asked(counted.asked)):
            return
        transport, session = self._desk.transport, self._desk.session

        def told(elsewhere: Elsewhere) -> None:
            if counted is self.results.counted and self._desk.session is session:
                self.results.take_elsewhere(elsewhere)

        self._desk.run(
            self.tr("Asking for London and neighbouring boroughs"),
            lambda task: ask_elsewhere(transport, counted.asked, task.isCanceled),
            told,
            lambda error: None if isinstance(error, Cancelled) else told(Elsewhere(why=error.sentence)),
        )

    # ------------------------------------------------------------------ layer, map, file

    def _filter(self, on: bool) -> None:
        layer, table = self._layer(), self._table
        if layer is None or table is None or self.progress.running:
            self.filter_button.setChecked(not on)
            return
        if not on:
            layer.setSubsetString("")
            keep_question(layer, None)
            return
        try:
            asked = self.choices.question()
        except DeskError as error:
            self._unfiltered(error)
            return
        sets, wards_by = self._sets, self._desk.transport if _of_wards(asked) and self._desk.signed_in else None

        def work(task: DeskTask) -> str:
            wards = sets.get(By.WARD, wards_by, task.isCanceled) if asked.within is Within.WARDS else None
            return rows_of(table, asked, wards, task.isCanceled, task.report)

        def found(sql: str) -> None:
            self._ended()
            if self._table is not table or self._layer() is not layer:
                return
            try:
                self._desk.require_right(asked.dataset, table.facts.title)
            except DeskError as error:
                self._unfiltered(error)
                return
            if not layer.setSubsetString(sql):
                words = self.tr("“{layer}” could not be filtered: end its editing, or pull the layer again.")
                self._unfiltered(AnalysisError(words.format(layer=layer.name()), "layer"))
                return
            self.filter_button.setChecked(bool(sql))
            keep_question(layer, asked)
            self._desk.record(EventKind.EXPLORED, asked.dataset, {**audited(asked), "filtered": True}, None)

        self.progress.follow(self._desk.run(self.tr("Filtering the layer"), work, found, self._unfiltered))

    def _unfiltered(self, error: DeskError) -> None:
        self._ended()
        layer = self._layer()
        self.filter_button.setChecked(layer is not None and bool(layer.subsetString()))
        if isinstance(error, Cancelled):
            self.message.say(self.tr("It was stopped; the layer is filtered as before."), Tone.NOTE)
        else:
            self.message.say(error.sentence, Tone.TROUBLE)

    def _map(self) -> None:
        counted, base, bases, sets = self.results.counted, self.results.base, self.results.bases, self._sets
        if counted is None or self.progress.running:
            return
        areas = sets.known(counted.asked.by)

        def opened(path: Path) -> None:
            self._ended()
            if counted is not self.results.counted:
                return  # the session or the copy has ended meanwhile
            project = self._desk.project
            former = project.layerTreeRoot().findLayer(self._map_layer_id)
            if former is not None:
                former.setItemVisibilityChecked(False)  # two maps on top of each other tell nothing
            layer = open_choropleth(path, counted, sets, base)
            self._map_layer_id = layer.id()
            project.addMapLayer(layer, False)
            project.layerTreeRoot().insertLayer(0, layer)

        work: Callable[[DeskTask], Path] = lambda _task: write_choropleth(counted, areas, base, bases)  # noqa: E731
        self.progress.follow(self._desk.run(self.tr("Making a map"), work, opened, self._failed))

    def _export(self) -> None:
        if self.results.counted is None:
            return
        try:
            self._desk.require_use(self.results.counted.asked.dataset, self.results.counted.facts.title, Use.EXPORT)
        except DeskError as error:
            self.message.say(error.sentence, Tone.TROUBLE)
            return
        chosen, kind = QFileDialog.getSaveFileName(
            self, self.tr("Export counts"), "", self.tr("Workbook (*.xlsx);;CSV (*.csv)")
        )
        if chosen:
            suffix = ".csv" if "csv" in kind else ".xlsx"
            path = Path(chosen)
            self.export_to(path if path.suffix.lower() in (".csv", ".xlsx") else path.with_name(path.name + suffix))

    def export_to(self, path: Path) -> None:
        """Write what is shown to a CSV or XLSX file, where the agreement grants it, once the audit has its note."""
        counted, session = self.results.counted, self._desk.session
        if counted is None or self.progress.running:
            return
        self.message.clear()
        under = table_files.Conditions(
            organisation=session.user.organisation if session else "",
            purpose=session.purpose.title if session and session.purpose else "",
            version=session.conditions.version if session and session.conditions else "",
        )
        told = table_files.about(counted, self._sets, self.results.base, under, date.today())
        tables = table_files.sheets(counted, self.results.base, self.results.bases, self.results.beside)
        write = table_files.write_csv if path.suffix.lower() == ".csv" else table_files.write_workbook
        filters = {**audited(counted.asked), "format": path.suffix.lower().lstrip(".")}
        try:
            self._desk.require_use(counted.asked.dataset, counted.facts.title, Use.EXPORT)
            rows = counted.total if counted.additive else None
            self._desk.note_leaving(EventKind.TABLE_EXPORT, [(counted.asked.dataset, filters, rows)])
        except DeskError as error:
            self.message.say(error.sentence, Tone.TROUBLE)
            return

        def written(_nothing: object) -> None:
            self._ended()
            words = self.tr("Exported to {path}, marked OFFICIAL-SENSITIVE: for colleagues whom the agreement covers.")
            self.message.say(words.format(path=path), Tone.GOOD)

        work = lambda task: write(path, told, tables, task.isCanceled)  # noqa: E731
        self.progress.follow(self._desk.run(self.tr("Exporting counts"), work, written, self._failed))

    # ------------------------------------------------------------------ saved queries

    def _save(self) -> None:
        try:
            asked = self.choices.question()
        except DeskError as error:
            self.message.say(error.sentence, Tone.TROUBLE)
            return
        title = self._table.facts.title if self._table else ""
        words = (category_words(asked), area_words(asked, self._sets), period_words(asked))
        self._dialog = SaveQueryDialog(f"{title}: {', '.join(words)}", self)
        self._dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def save(name: str, shared: bool) -> None:
            try:
                self.queries.save(name, asked, shared)
            except DeskError as error:
                self.message.say(error.sentence, Tone.TROUBLE)

        self._dialog.saved.connect(save)
        self._dialog.open()

    def _query_opened(self, query: SavedQuery, asked: Selection) -> None:
        layers = {_dataset(layer): layer.id() for layer in self._desk.layers()}
        if asked.dataset not in layers:
            self.message.say(
                self.tr(
                    "The query asks of {title}: pull and open that layer in the layers dock, then open the query."
                ).format(title=query.title),
                Tone.NOTE,
            )
            return
        at = self.layer_box.findData(layers[asked.dataset])
        if at != self.layer_box.currentIndex() or not self.choices.tree.topLevelItemCount():
            self._to_show = asked  # once the categories of its layer are known
            if at != self.layer_box.currentIndex():
                self.layer_box.setCurrentIndex(at)
            return
        self._show_question(asked)

    def _show_question(self, asked: Selection) -> None:
        if _of_wards(asked) and self._sets.known(By.WARD) is None and self._desk.signed_in:
            transport = self._desk.transport

            def told(wards: AreaSet) -> None:
                self.choices.set_wards(wards, asked.codes)
                self._show_question(asked)

            self._desk.run(
                self.tr("Asking for wards"), lambda task: self._sets.get(By.WARD, transport, task.isCanceled), told,
                lambda error: self.message.say(error.sentence, Tone.TROUBLE),
            )  # fmt: skip
            return
        self._clear()
        cannot = self.choices.show_question(asked)
        if cannot:
            self.message.say("\n".join(cannot[:_NOTES_SHOWN]), Tone.WARNING)

    def close_down(self) -> None:
        """Let go of desk and project; the plugin calls this before it deletes the dock."""
        self.progress.stop()
        if self._tool is not None:
            self._tool.show_area(None)
            self._canvas.unsetMapTool(self._tool)
        self._desk.layer_opened.disconnect(self._fill_layers)
        self._desk.session_changed.disconnect(self._session_changed)
        self._desk.copies_changed.disconnect(self._rights_changed)
        self._desk.layers_listed.disconnect(self._fill_layers)
        self._desk.project.layersRemoved.disconnect(self._layers_changed)
        self._desk.project.layersAdded.disconnect(self._layers_changed)
        self._fill_soon.stop()


def _of_wards(asked: Selection) -> bool:
    return asked.within is Within.WARDS or asked.by is By.WARD


def _dataset(layer: QgsVectorLayer) -> str:
    return CopyTable.of(layer).facts.dataset
