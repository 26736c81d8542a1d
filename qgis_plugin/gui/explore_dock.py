"""The explore dock: a layer, months, hours, categories and areas; then counts, a table, a map and files of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from qgis.core import QgsCoordinateReferenceSystem, QgsCoordinateTransform, QgsGeometry, QgsVectorLayer
from qgis.gui import QgisInterface, QgsDockWidget
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtGui import QShowEvent
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QTableView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..core.analysis_error import AnalysisError
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.events import EventKind
from ..core.explore import table_files
from ..core.explore.area_sets import AreaSet, AreaSets, Place
from ..core.explore.choropleth import open_choropleth, write_choropleth
from ..core.explore.counting import CopyTable, Counted, category_tree, count, rows_of
from ..core.explore.pivot import Across, Lines, Pivot, lines_of, pivot
from ..core.explore.rates import Base, Bases, Beside, Compared, compare
from ..core.explore.saved_queries import SavedQuery
from ..core.explore.selection import By, Selection, Within
from ..core.explore.wording import area_words, audited, category_words, period_words
from ..core.points import NATIONAL_GRID
from ..core.tasks import DeskTask
from ..core.uses import Use
from .analysis_widgets import ProgressLine, caption
from .draw_area import DrawAreaTool
from .explore_choices import ChoicesForm
from .explore_table import ByNumber, PivotModel
from .icons import icon
from .saved_queries_row import SavedQueriesRow, SaveQueryDialog
from .surfaces import GAP, MARGIN, Strip, Tone, heading, plain, small

_MOST_NAMED_ROWS = 20_000  # of a shape, in a layer's filter
_NOTES_SHOWN = 4
_LINES_AT_ONCE = 2_000  # of the table, without making the window wait


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
        self._bases = Bases()
        self._table: CopyTable | None = None
        self._counted: Counted | None = None
        self._compared: tuple[Compared, ...] = ()
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
        return self._counted

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
        _narrow(self.layer_box)
        self.layer_box.currentIndexChanged.connect(self._layer_chosen)
        form.addRow(caption(self.tr("&Layer"), self.layer_box), self.layer_box)
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
        column.addWidget(self._results(body), 1)
        self._hint = small(QLabel(
            self.tr("Counts come from your local copy. Rates need a denominator that the server has loaded."), body
        ))  # fmt: skip
        self._hint.setWordWrap(True)
        column.addWidget(self._hint)
        column.addStretch(0)
        scroll = QScrollArea(self)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(body)
        scroll.setMinimumWidth(body.minimumSizeHint().width())
        self.setWidget(scroll)

    def _buttons(self, parent: QWidget) -> QHBoxLayout:
        self.count_button = QPushButton(icon("layers"), self.tr("Co&unt"), parent)
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

    def _results(self, parent: QWidget) -> QWidget:
        self.results = QWidget(parent)
        column = QVBoxLayout(self.results)
        column.setContentsMargins(0, GAP, 0, 0)
        column.setSpacing(GAP)
        self.headline = heading(plain(QLabel(self.results)), 1.3)
        self.headline.setWordWrap(True)
        self.question = small(plain(QLabel(self.results)))
        self.question.setWordWrap(True)
        column.addWidget(self.headline)
        column.addWidget(self.question)
        self.base_box = QComboBox(self.results)
        self.base_box.setToolTip(self.tr("What counts are divided by, with its edition; without one there is no rate"))
        _narrow(self.base_box)
        self.base_box.currentIndexChanged.connect(self._show)
        self.lines_box = self._choice((self.tr("areas"), Lines.AREAS), (self.tr("categories"), Lines.CATEGORIES),
                                      (self.tr("areas and categories"), Lines.BOTH))  # fmt: skip
        self.across_box = self._choice((self.tr("months"), Across.MONTHS), (self.tr("categories"), Across.CATEGORIES),
                                       (self.tr("sums only"), Across.NOTHING))  # fmt: skip
        form = QFormLayout()
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(caption(self.tr("&Rates"), self.base_box), self.base_box)
        layout_row = QHBoxLayout()
        layout_row.addWidget(self.lines_box, 1)
        layout_row.addWidget(QLabel(self.tr("by"), self.results))
        layout_row.addWidget(self.across_box, 1)
        form.addRow(caption(self.tr("&Table"), self.lines_box), layout_row)
        column.addLayout(form)
        self.model = PivotModel(self)
        sorted_model = ByNumber(self)
        sorted_model.setSourceModel(self.model)
        self.table = QTableView(self.results)
        self.table.setModel(sorted_model)
        self.table.setSortingEnabled(True)
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setAlternatingRowColors(True)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + GAP)
        self.table.setAccessibleName(self.tr("Counts"))
        self.table.setMinimumHeight(11 * self.fontMetrics().height())
        self.table.setWordWrap(False)
        column.addWidget(self.table, 1)
        self.compared = QTreeWidget(self.results)
        self.compared.setAccessibleName(self.tr("Beside London and neighbouring boroughs"))
        self.compared.setHeaderLabels([self.tr("Beside others"), self.tr("Incidents"), self.tr("Rate")])
        self.compared.setRootIsDecorated(False)
        self.compared.header().setStretchLastSection(False)
        self.compared.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.compared.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.compared.setFixedHeight(9 * self.fontMetrics().height())
        column.addWidget(self.compared)
        self.notes = small(plain(QLabel(self.results)))
        self.notes.setWordWrap(True)
        column.addWidget(self.notes)
        self.map_button = QPushButton(self.tr("&Map of it"), self.results)
        self.map_button.setToolTip(self.tr("The areas on the map, in classes of counts or of the rate chosen"))
        self.map_button.clicked.connect(self._map)
        self.export_button = QPushButton(icon("print"), self.tr("E&xport …"), self.results)
        self.export_button.setToolTip(self.tr("Save as CSV or XLSX, where your agreement grants export; it is audited"))
        self.export_button.clicked.connect(self._export)
        row = QHBoxLayout()
        row.addWidget(self.map_button)
        row.addStretch(1)
        row.addWidget(self.export_button)
        column.addLayout(row)
        self.results.hide()
        return self.results

    def _choice(self, *items: tuple[str, object]) -> QComboBox:
        box = QComboBox(self.results)
        for words, value in items:
            box.addItem(words, value)
        _narrow(box, 6)
        box.setAccessibleName(self.tr("Layout of the table"))
        box.currentIndexChanged.connect(self._show)
        return box

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
        self._bases = Bases()
        if self._desk.session is None:
            self.choices.reset()
            if self._tool is not None:
                self._tool.show_area(None)
        if self._desk.signed_in:
            transport = self._desk.transport
            self._desk.run(
                self.tr("Asking for denominators"),
                lambda task: Bases.from_json(transport.get_json("/v1/denominators", cancelled=task.isCanceled)),
                self._bases_told,
                lambda _error: None,  # an older server has none: then there are counts, and no rates
            )

    def _bases_told(self, bases: Bases) -> None:
        self._bases = bases
        self._fill_bases()

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
        self._counted, self._compared = None, ()
        self.results.hide()
        self.map_button.setEnabled(False)
        self.export_button.setEnabled(False)
        self._hint.show()
        self.message.clear()

    def _rights_changed(self, *_args: object) -> None:
        """A copy has ended: what was counted in it is shown no longer."""
        if self._counted is not None and not self._desk.has_right([self._counted.asked.dataset]):
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
        self.choices.set_drawn(there)
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
            asked, table = self.choices.question(), self._table
            assert table is not None
            transport = self._desk.transport if self.choices.needs_wards and self._desk.signed_in else None
        except DeskError as error:
            self._failed(error)
            return
        sets, chosen, session = self._sets, self._boroughs_of(asked), self._desk.session

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

    def _boroughs_of(self, asked: Selection) -> tuple[str, ...]:
        """The boroughs that the question is of, to be put beside others; none where it is of a shape or of all."""
        if asked.within is Within.BOROUGHS:
            return asked.codes
        known = self._sets.known(By.WARD) if asked.within is Within.WARDS else None
        if known is not None:
            return tuple(sorted({known.places[code].borough for code in asked.codes if code in known.places}))
        if asked.within is Within.LSOAS:
            lsoas = self._sets.boundaries.lsoas
            return tuple(sorted({lsoas[code].parent for code in asked.codes if code in lsoas}))
        return ()

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
        self._counted = counted
        self._fill_bases()
        self._hint.hide()
        self.results.show()
        self.export_button.setEnabled(True)
        self._desk.record(
            EventKind.EXPLORED,
            counted.asked.dataset,
            audited(counted.asked),
            counted.total if counted.additive else None,
        )

    def _fill_bases(self) -> None:
        if self._counted is None:
            return
        blocked = self.base_box.blockSignals(True)
        before = self.base_box.currentData()
        self.base_box.clear()
        bases = self._bases.of(self._counted.asked.by) if self._counted.additive else ()
        self.base_box.addItem(self.tr("counts only") if bases else self.tr("no denominator: no rates"), None)
        for base in bases:
            self.base_box.addItem(base.title, base)
            self.base_box.setItemData(self.base_box.count() - 1, base.source, Qt.ItemDataRole.ToolTipRole)
            if before is not None and before.kind == base.kind:
                self.base_box.setCurrentIndex(self.base_box.count() - 1)
        self.base_box.setEnabled(bool(bases))
        self.base_box.blockSignals(blocked)
        self._show()

    @property
    def base(self) -> Base | None:
        """What counts are divided by, if anything."""
        return self.base_box.currentData()

    def _show(self, *_index: object) -> None:
        counted = self._counted
        if counted is None:
            return
        if counted.additive:
            words = self.tr("{number:,} incidents") if counted.total != 1 else self.tr("{number:,} incident")
            self.headline.setText(words.format(number=counted.total))
        else:
            self.headline.setText(self.tr("Numbers of people: not added up"))
        asked = counted.asked
        told = [category_words(asked), area_words(asked, self._sets), period_words(asked)]
        told += [asked.hours.words] if asked.hours else []
        title = counted.facts.title + (self.tr(" (synthetic)") if counted.facts.synthetic else "")
        self.question.setText(f"{title}: {', '.join(told)}")
        self._lay_out(counted)
        for box in (self.lines_box, self.across_box):
            box.setEnabled(counted.additive)
        self._show_compared(counted)
        notes = [*counted.notes, self.tr("Boundaries: {edition}.").format(edition=counted.edition)]
        if self.base is not None:
            notes.append(
                self.tr("Denominator: {title}; {source}.").format(title=self.base.title, source=self.base.source)
            )
            notes.append(self.tr("Rates are of the whole period, not of a year."))
        self.notes.setText("\n".join(notes if counted.edition else counted.notes))
        self.map_button.setEnabled(counted.additive and asked.by is not By.WHOLE)

    def _lay_out(self, counted: Counted) -> None:
        """Fill the table, in a task where it is long."""
        chosen = (self.lines_box.currentData(), self.across_box.currentData(), self.base)

        def show(table: Pivot) -> None:
            if counted is self._counted and chosen == (
                self.lines_box.currentData(),
                self.across_box.currentData(),
                self.base,
            ):
                self.model.show(table)
                self.table.resizeColumnsToContents()

        bases = self._bases
        if lines_of(counted, chosen[0]) <= _LINES_AT_ONCE:
            show(pivot(counted, *chosen, bases))
        else:
            self._desk.run(self.tr("Laying out the table"), lambda _task: pivot(counted, *chosen, bases), show)

    def _show_compared(self, counted: Counted) -> None:
        self.compared.clear()
        self._compared = ()
        base = self.base
        if base is not None and base.by is not By.BOROUGH:
            base = next((one for one in self._bases.of(By.BOROUGH) if one.kind == base.kind), None)
        if counted.boroughs:
            self._compared = compare(counted, self._boroughs_of(counted.asked), base, self._bases, self._sets)
        for one in self._compared:
            name = one.name if one.beside is not Beside.PEER else self.tr("{name} (neighbour)").format(name=one.name)
            number = "–" if one.count is None else f"{one.count:,}"
            rate = "–" if one.rate is None else f"{one.rate:,.1f}"
            item = QTreeWidgetItem([f"{name} *" if one.caution else name, number, rate])
            for at in range(3):
                item.setToolTip(at, one.caution)
                if at:
                    item.setTextAlignment(at, int(Qt.AlignmentFlag.AlignRight))
            self.compared.addTopLevelItem(item)
        self.compared.setVisible(bool(self._compared))

    # ------------------------------------------------------------------ layer, map, file

    def _filter(self, on: bool) -> None:
        layer, table = self._layer(), self._table
        if layer is None or table is None:
            return
        if not on:
            layer.setSubsetString("")
            return
        try:
            asked = self.choices.question()
        except DeskError as error:
            self._unfiltered(error)
            return
        sets, wards_by = self._sets, self._desk.transport if _of_wards(asked) and self._desk.signed_in else None

        def work(task: DeskTask) -> str:
            wards = sets.get(By.WARD, wards_by, task.isCanceled) if asked.within is Within.WARDS else None
            return rows_of(table, asked, wards, _MOST_NAMED_ROWS, task.isCanceled)

        def found(sql: str) -> None:
            if self._table is table and self._layer() is layer:
                layer.setSubsetString(sql)
                self.filter_button.setChecked(bool(sql))

        self._desk.run(self.tr("Filtering the layer"), work, found, self._unfiltered)

    def _unfiltered(self, error: DeskError) -> None:
        layer = self._layer()
        self.filter_button.setChecked(layer is not None and bool(layer.subsetString()))
        self.message.say(error.sentence, Tone.TROUBLE)

    def _map(self) -> None:
        counted, base, bases, sets = self._counted, self.base, self._bases, self._sets
        if counted is None or self.progress.running:
            return
        areas = sets.known(counted.asked.by)

        def opened(path: Path) -> None:
            self._ended()
            if counted is not self._counted:
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
        if self._counted is None:
            return
        try:
            self._desk.require_use(self._counted.asked.dataset, self._counted.facts.title, Use.EXPORT)
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
        counted, session = self._counted, self._desk.session
        if counted is None or self.progress.running:
            return
        self.message.clear()
        under = table_files.Conditions(
            organisation=session.user.organisation if session else "",
            purpose=session.purpose.title if session and session.purpose else "",
            version=session.conditions.version if session and session.conditions else "",
        )
        told = table_files.about(counted, self._sets, self.base, under, date.today())
        tables = table_files.sheets(counted, self.base, self._bases, self._compared)
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
        self._dialog = SaveQueryDialog(f"{title}: {category_words(asked)}, {area_words(asked, self._sets)}", self)
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


def _narrow(box: QComboBox, least: int = 12) -> None:
    """Let a list of long names be narrower than its longest."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(least)
