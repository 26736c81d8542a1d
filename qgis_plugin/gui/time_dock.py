"""The time dock: when the incidents of a layer, of its filter or of the map's selection happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from qgis.core import QgsMapLayerProxyModel, QgsPrintLayout, QgsVectorLayer
from qgis.gui import QgisInterface, QgsDockWidget, QgsMapLayerComboBox
from qgis.PyQt.QtCore import Qt, QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.events import EventKind
from ..core.explore.area_sets import AreaSets
from ..core.points import PointFacts
from ..core.residents import Residents, ask_residents
from ..core.tasks import DeskTask
from ..core.time_answer import ChartKind, TimeAnswer, TimeQuestion, answer
from ..core.time_rows import Reading, TimeSource, dated_facts, is_dated
from ..core.uses import Use
from ..core.usual_periods import Usual, UsualPeriod, usual_period
from ..layouts.checks import mode_of
from ..layouts.drawing import Drawing
from ..layouts.sheet import Mode, number
from ..layouts.time_charts.charts import Look, draw, least_height, notes
from ..layouts.time_page import TimeChart, place_chart
from .analysis_widgets import MonthRange, ProgressLine, caption
from .chart_view import ChartView
from .icons import icon
from .layer_boxes import OnlyCopy, WithoutResults
from .screens import scrolled
from .surfaces import GAP, MARGIN, Strip, Tone, small

REDO_AFTER_MS = 250  # a selection that is being drawn changes many times


class TimeDock(QgsDockWidget):
    """Charts of time. ``export_requested(TimeChart)`` asks for a page of the one that is shown."""

    export_requested = pyqtSignal(object)

    def __init__(
        self,
        desk: Desk,
        iface: QgisInterface,
        parent: QWidget | None = None,
        today: Callable[[], date] = date.today,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("SafeStatsTimeDock")
        self.setWindowTitle(self.tr("Time"))
        self._desk = desk
        self._iface = iface
        self._today = today
        self._layer: QgsVectorLayer | None = None
        self._facts: PointFacts | None = None
        self._answer: TimeAnswer | None = None
        self._usual: UsualPeriod | None = None  # the months that the dock itself chose
        self._residents: Residents | None = None
        self._reading: Reading | None = None  # of the layer, so that a selection is counted without reading anew
        self._reading_of: object = None
        self._changes = 0  # of the layer's content, since it was chosen or before
        self._asked = False  # for residents, in this session
        self._again = False  # something changed while it was being counted
        self._noted: set[tuple[object, ...]] = set()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REDO_AFTER_MS)
        self._timer.timeout.connect(self.count)
        self._build()
        desk.layer_opened.connect(self._layer_opened)
        desk.session_changed.connect(self._session_changed)
        desk.copies_changed.connect(self._rights_changed)
        self.visibilityChanged.connect(self._later)
        self._layer_chosen(self.layer_box.currentLayer())
        self._only_copy = OnlyCopy(self.layer_box, desk, is_dated)

    @property
    def answer(self) -> TimeAnswer | None:
        """What is shown; ``None`` where nothing is."""
        return self._answer

    @property
    def kind(self) -> ChartKind:
        """The chart that is chosen."""
        return ChartKind(self.chart_box.currentData())

    # ------------------------------------------------------------------ what is shown

    def _build(self) -> None:
        body = QWidget(self)
        column = QVBoxLayout(body)
        column.setSpacing(GAP)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.addLayout(self._form())
        self.told = small(QLabel(body))
        self.told.setWordWrap(True)
        self.told.setTextFormat(Qt.TextFormat.PlainText)
        column.addWidget(self.told)
        self.progress = ProgressLine(body)
        column.addWidget(self.progress)
        self.message = Strip(body)
        column.addWidget(self.message)
        self.chart = ChartView(body)
        column.addWidget(self.chart, 1)
        column.addLayout(self._buttons())
        self.setWidget(scrolled(body, self))

    def _form(self) -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(GAP)
        # No letter here is one of QGIS's own menus'.
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.layer_box = QgsMapLayerComboBox(self)
        self.layer_box.setFilters(QgsMapLayerProxyModel.Filter.VectorLayer)
        self.layer_box.setProject(self._desk.project)
        self.layer_box.setAllowEmptyLayer(True, self.tr("Choose a layer"))
        self.layer_box.setToolTip(self.tr("Its selected rows are counted, or all of its filter where none is selected"))
        self._without_results = WithoutResults(self.layer_box, self._desk.project)
        self.layer_box.layerChanged.connect(self._layer_chosen)
        form.addRow(caption(self.tr("La&yer"), self.layer_box), self.layer_box)
        self.months = MonthRange(self)
        self.months.changed.connect(self._later)
        form.addRow(caption(self.tr("Per&iod"), self.months), self.months)
        self.chart_box = QComboBox(self)
        for kind in ChartKind:
            self.chart_box.addItem(kind.words, kind)
        self.chart_box.currentIndexChanged.connect(self._show)
        form.addRow(caption(self.tr("Ch&art"), self.chart_box), self.chart_box)
        self.weighted_check = QCheckBox(self.tr("Wei&gh hours that are not known exactly"), self)
        self.weighted_check.setToolTip(
            self.tr(
                "Aoristic: an incident whose hour is known as a span, or not at all, is spread evenly over that span "
                "or its day. Without it, such incidents are left out, and their number is told."
            )
        )
        self.weighted_check.toggled.connect(self._later)
        form.addRow(self.weighted_check)
        self.borough_box = QComboBox(self)
        self.borough_box.addItem(self.tr("None"), "")
        for area in sorted(AreaSets().boundaries.boroughs.values(), key=lambda one: one.name):
            self.borough_box.addItem(area.name, area.code)
        self.borough_box.setToolTip(self.tr("It stands out in the comparison, as do the boroughs that border it"))
        self.borough_box.currentIndexChanged.connect(self._later)
        self._borough_label = caption(self.tr("&Borough"), self.borough_box)
        form.addRow(self._borough_label, self.borough_box)
        for box in (self.layer_box, self.chart_box, self.borough_box):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(12)
        return form

    def _buttons(self) -> QHBoxLayout:
        self.export_button = QPushButton(self.tr("E&xport …"), self)
        self.export_button.setIcon(icon("time"))
        self.export_button.setToolTip(
            self.tr("A page of this chart as SVG, PDF or PNG, for colleagues or for everybody")
        )
        self.export_button.clicked.connect(self._export)
        self.place_button = QPushButton(self.tr("Place in layo&ut"), self)
        self.place_button.setToolTip(
            self.tr("Put this chart on a print layout of the project, as a picture of vectors")
        )
        self.layout_menu = QMenu(self.place_button)
        self.layout_menu.aboutToShow.connect(self._list_layouts)
        self.place_button.setMenu(self.layout_menu)
        row = QHBoxLayout()
        row.addWidget(self.export_button)
        row.addWidget(self.place_button)
        row.addStretch(1)
        return row

    # ------------------------------------------------------------------ choices

    def _layer_opened(self, layer: QgsVectorLayer) -> None:
        if layer is self.layer_box.currentLayer():
            self._layer_chosen(layer)

    def _session_changed(self) -> None:
        """Another account may see other numbers."""
        self._asked = False
        self._rights_changed()
        self._later()

    def _rights_changed(self, *_args: object) -> None:
        """A session or a copy has ended: what was made of it is shown no longer."""
        if self._facts is not None and not self._desk.has_right([self._facts.dataset]):
            self._answer = self._reading = None
            self._show()

    def _layer_chosen(self, layer: QgsVectorLayer | None) -> None:
        self._follow(layer)
        self.message.clear()
        self._facts = self._answer = self._reading = None
        if layer is not None:
            try:
                self._facts = dated_facts(layer)
            except DeskError as error:
                self.message.say(error.sentence, Tone.TROUBLE)
        facts = self._facts
        self._usual = usual_period(Usual.YEAR, facts, self._today()) if facts else None
        self.months.set_held(
            facts.first_month if facts else "",
            facts.newest_month if facts else "",
            self._usual.period if self._usual else None,
        )
        self._show()
        self._later()

    def _follow(self, layer: QgsVectorLayer | None) -> None:
        """Listen to the layer's selection, filter and rows, and no more to those of the former one."""
        former, self._layer = self._layer, layer
        for one, connect in ((former, False), (layer, True)):
            if one is None:
                continue
            for signal in (one.selectionChanged, one.subsetStringChanged):
                signal.connect(self._later) if connect else signal.disconnect(self._later)
            one.dataChanged.connect(self._data_changed) if connect else one.dataChanged.disconnect(self._data_changed)
            one.willBeDeleted.connect(self._layer_gone) if connect else one.willBeDeleted.disconnect(self._layer_gone)

    def _data_changed(self) -> None:
        self._reading = None
        self._changes += 1
        self._later()

    def _layer_gone(self) -> None:
        self._layer = self._facts = self._answer = self._reading = None
        self.progress.stop()
        self._show()

    def _later(self, *_args: object) -> None:
        """Count again in a moment, where anybody sees it."""
        if self._facts is not None and self.isVisible():
            self._timer.start()

    # ------------------------------------------------------------------ counting

    def count(self) -> None:
        """Count what is chosen, off the window's thread; what is chosen meanwhile is counted after it."""
        self._timer.stop()
        if self.progress.running:
            self._again = True
            self.progress.stop()
            return
        layer, facts = self._layer, self._facts
        if layer is None or facts is None:
            return
        self.message.clear()
        try:
            self._desk.require_right(facts.dataset, facts.title)
            source = TimeSource(layer, facts, bool(layer.selectedFeatureCount()), self._today())
            question = TimeQuestion(
                self.months.period(), self.weighted_check.isChecked(), str(self.borough_box.currentData())
            )
        except DeskError as error:
            self._failed(error)
            return
        ask = self._desk.signed_in and not self._asked
        transport = self._desk.transport if ask else None
        known, today, changes = self._residents, self._today(), self._changes
        kept = self._reading if self._reading_of == source.identity else None

        def work(task: DeskTask) -> tuple[TimeAnswer, Reading, Residents | None, bool]:
            residents, asked = known, False
            if transport is not None:
                try:
                    residents = ask_residents(transport, task.isCanceled)
                except Cancelled:
                    raise
                except DeskError:
                    residents = None  # there are counts then, and the chart says why there are no rates
                asked = True
            task.report(self.tr("Reading the layer"), 0, 0)
            reading = kept or source.read(task.isCanceled)
            made = answer(source, question, residents, today, task.isCanceled, reading)
            return made, reading, residents, asked

        def done(found: tuple[TimeAnswer, Reading, Residents | None, bool]) -> None:
            self.progress.finish()
            made, reading, self._residents, asked = found
            self._asked = self._asked or asked
            if self._facts is not facts:
                return  # the layer went meanwhile
            try:
                self._desk.require_right(facts.dataset, facts.title)
            except DeskError as error:
                self._failed(error)
                return
            if source.identity is not None and self._changes == changes:
                self._reading, self._reading_of = reading, source.identity
            if not self._redo():
                self._answer = made
                self._note(made, source, question)
                self._show()

        self.progress.follow(self._desk.run(self.tr("Counting by time"), work, done, self._failed))

    def _redo(self) -> bool:
        if not self._again:
            return False
        self._again = False
        self._timer.start(0)
        return True

    def _failed(self, error: DeskError) -> None:
        self.progress.finish()
        if self._redo():
            return
        self._answer = None
        self._show()
        if not isinstance(error, Cancelled):
            self.message.say(error.sentence, Tone.TROUBLE)

    def _note(self, made: TimeAnswer, source: TimeSource, question: TimeQuestion) -> None:
        """Note the use of a copy: each question once, not each step of drawing a selection."""
        facts = made.facts
        if facts.layer_id not in {layer.id() for layer in self._desk.layers()}:
            return
        asked = (facts.layer_id, facts.newest_month, source.subset, made.selected, question)
        if asked in self._noted:
            return
        self._noted.add(asked)
        filters = {
            "from": made.period.first,
            "to": made.period.last,
            "selected": made.selected,
            "filtered": made.filtered,
            "weighted": question.weighted,
            **facts.audited_filter,
        }
        self._desk.record(EventKind.TIME_CHARTS, facts.dataset, filters, made.rows)

    def _show(self, *_args: object) -> None:
        peers = self.kind is ChartKind.PEERS
        self.borough_box.setVisible(peers)
        self._borough_label.setVisible(peers)
        self.weighted_check.setVisible(self.kind is ChartKind.WEEK)
        made, kind = self._answer, self.kind
        drawable = made is not None and not made.trouble(kind)
        self.export_button.setEnabled(drawable)
        self.place_button.setEnabled(drawable)
        if made is None:
            self.chart.clear()
            self.told.setText("")
            return
        self.told.setText(self._told(made))

        def drawn(width: float, height: float, size: float) -> Drawing:
            return draw(kind, made, Look(width, height, size))

        told = made.trouble(kind) or " ".join(notes(kind, made))
        self.chart.show_chart(drawn, lambda size: least_height(kind, made, size), f"{kind.words}. {told}")

    def _told(self, made: TimeAnswer) -> str:
        """Of which rows the charts are."""
        one = made.rows == 1
        if made.selected:
            words = (
                self.tr("1 selected incident in the period.")
                if one
                else self.tr("{n} selected incidents in the period.")
            )
        elif made.filtered:
            words = (
                self.tr("1 incident of the layer's filter in the period.")
                if one
                else self.tr("{n} incidents of the layer's filter in the period.")
            )
        else:
            words = self.tr("1 incident in the period.") if one else self.tr("{n} incidents in the period.")
        told = words.format(n=number(made.rows))
        if made.undated:
            undated = (
                self.tr("1 without a date is in no chart.")
                if made.undated == 1
                else self.tr("{n} without a date are in no chart.")
            )
            told += " " + undated.format(n=number(made.undated))
        if self._usual is not None and made.period == self._usual.period:
            automatic = self.tr("Period: {months} (automatic: {which}).")
            told += " " + automatic.format(months=made.period.label, which=self._usual.words)
        return told

    # ------------------------------------------------------------------ what leaves

    def _export(self) -> None:
        if self._answer is not None:
            self.export_requested.emit(TimeChart(self.kind, self._answer))

    def _list_layouts(self) -> None:
        self.layout_menu.clear()
        for layout in self._desk.project.layoutManager().printLayouts():
            self.layout_menu.addAction(layout.name(), lambda layout=layout: self.place(layout))
        self.layout_menu.addSeparator()
        self.layout_menu.addAction(self.tr("New layout"), lambda: self.place(None))

    def place(self, layout: QgsPrintLayout | None) -> None:
        """Put the chart that is shown on a layout, a new one where it is ``None``; trouble is told."""
        if self._answer is None:
            return
        chart = TimeChart(self.kind, self._answer)
        facts = self._answer.facts
        manager = self._desk.project.layoutManager()
        made = layout
        if made is None:
            made = QgsPrintLayout(self._desk.project)
            made.initializeDefaults()
            made.setName(manager.generateUniqueTitle())
        mode = mode_of(made)
        try:
            use = Use.PUBLISH if mode is Mode.PUBLICATION else Use.EXPORT
            self._desk.require_use(facts.dataset, facts.title, use)
            place_chart(made, chart)
        except DeskError as error:
            self.message.say(error.sentence, Tone.TROUBLE)
            return
        if layout is None:
            manager.addLayout(made)
        if facts.layer_id in {one.id() for one in self._desk.layers()}:
            filters = {"product": f"chart-{chart.kind.value}", "mode": mode.value, "placed": True}
            self._desk.record(EventKind.TIME_CHARTS, facts.dataset, filters, chart.rows)
        self._iface.openLayoutDesigner(made)
        self.message.say(self.tr("Placed in the layout “{name}”.").format(name=made.name()), Tone.GOOD)

    def close_down(self) -> None:
        """Let go of the project; the plugin calls this before it deletes the dock."""
        self._timer.stop()
        self._again = False
        self.progress.stop()
        self._follow(None)
        self._facts = None
        self._desk.layer_opened.disconnect(self._layer_opened)
        self._desk.session_changed.disconnect(self._session_changed)
        self._desk.copies_changed.disconnect(self._rights_changed)
