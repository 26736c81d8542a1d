"""The proximity dock: a postcode or a point, rings around it, and what happened in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

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
from qgis.PyQt.QtGui import QPalette
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QTextBrowser,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ...shared.rings import Band
from ..core.analysis_error import AnalysisError
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.events import EventKind
from ..core.periods import latest_year
from ..core.places import PlaceFinder
from ..core.points import NATIONAL_GRID, PointFacts, PointSource, check_layer, describe
from ..core.proximity import (
    DEFAULT_RADII,
    DatasetRings,
    ProximityResult,
    RingCounts,
    SearchFilter,
    parse_radii,
    search,
)
from ..core.ring_layers import ring_layer
from ..core.tasks import DeskTask
from .analysis_widgets import MonthRange, ProgressLine, caption
from .icons import icon
from .surfaces import GAP, MARGIN, Strip, Tone, small

_MARGIN = 1.15  # of the outer ring, when the map moves there


class ProximityDock(QgsDockWidget):
    """Search around a place. ``report_requested(ProximityResult)`` asks for a printed report of what is shown."""

    report_requested = pyqtSignal(object)

    def __init__(self, desk: Desk, iface: QgisInterface, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("SafeStatsProximityDock")
        self.setWindowTitle(self.tr("Around a place"))
        self._desk = desk
        self._canvas = iface.mapCanvas()
        self._finder = PlaceFinder()
        self._facts: dict[str, PointFacts] = {}
        self._result: ProximityResult | None = None
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
        self.refresh_layers()

    # ------------------------------------------------------------------ what is shown

    @property
    def result(self) -> ProximityResult | None:
        """The search that the table shows, if any."""
        return self._result

    def _build(self) -> None:
        body = QWidget(self)
        column = QVBoxLayout(body)
        column.setSpacing(GAP)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.addLayout(self._inputs())
        column.addLayout(self._buttons())
        self.progress = ProgressLine(body)
        column.addWidget(self.progress)
        self.message = Strip(body)
        column.addWidget(self.message)
        self._where = QLabel(body)
        self._where.setWordWrap(True)
        self._where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._where.hide()
        column.addWidget(self._where)
        self._results = QSplitter(Qt.Orientation.Vertical, body)
        self._results.setChildrenCollapsible(False)
        self._results.addWidget(self._table())
        self._results.addWidget(self._remarks())
        self._results.setStretchFactor(0, 3)
        self._results.setStretchFactor(1, 1)
        self._results.hide()
        column.addWidget(self._results, 1)
        self._hint = QLabel(
            self.tr("Type a postcode or pick a point on the map. Incidents on the ring itself count as inside."), body
        )
        self._hint.setWordWrap(True)
        small(self._hint)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self._hint, 1)
        self.setWidget(body)

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
        form.addRow(caption(self.tr("&Postcode"), self.place_edit), place)

        self.radii_edit = QLineEdit(", ".join(str(radius) for radius in DEFAULT_RADII), self)
        self.radii_edit.setToolTip(self.tr("Radii in metres, up to five, separated by commas"))
        self.radii_edit.returnPressed.connect(self.start)
        form.addRow(caption(self.tr("&Rings (m)"), self.radii_edit), self.radii_edit)

        self.layer_list = QListWidget(self)
        self.layer_list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.layer_list.setToolTip(self.tr("The layers to count in; each has its own part of the table"))
        self.layer_list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.layer_list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.layer_list.itemChanged.connect(self._layers_chosen)
        form.addRow(caption(self.tr("&Layers"), self.layer_list), self.layer_list)

        self.months = MonthRange(self)
        form.addRow(caption(self.tr("P&eriod"), self.months), self.months)
        self.compare = QCheckBox(self.tr("Compare with the period before"), self)
        self.compare.setChecked(True)
        self.compare.setToolTip(
            self.tr("The period of the same length just before, where the layer reaches back so far")
        )
        form.addRow("", self.compare)

        self.hours = QComboBox(self)
        for band in Band:
            self.hours.addItem(self.tr("all hours") if band is Band.ALL else band.value, band)
        self.hours.setToolTip(self.tr("Only layers that hold the hour can be narrowed to a time of day"))
        form.addRow(caption(self.tr("&Hours"), self.hours), self.hours)
        return form

    def _buttons(self) -> QHBoxLayout:
        self.search_button = QPushButton(self.tr("&Search"), self)
        self.search_button.setIcon(icon("proximity"))
        self.search_button.setToolTip(self.tr("Count the incidents in the rings"))
        self.search_button.clicked.connect(self.start)
        self.clear_button = QPushButton(self.tr("&Clear"), self)
        self.clear_button.setToolTip(self.tr("Empty the table and take the rings off the map"))
        self.clear_button.clicked.connect(self.clear)
        self.report_button = QPushButton(self.tr("Repor&t …"), self)
        self.report_button.setToolTip(self.tr("A one-page report of this search, to print or export"))
        self.report_button.clicked.connect(lambda: self.report_requested.emit(self._result))
        self.report_button.setEnabled(False)
        row = QHBoxLayout()
        row.addWidget(self.search_button)
        row.addWidget(self.clear_button)
        row.addStretch(1)
        row.addWidget(self.report_button)
        return row

    def _table(self) -> QTreeWidget:
        self.table = QTreeWidget(self)
        self.table.setAccessibleName(self.tr("Incidents by layer, category and ring"))
        self.table.setAlternatingRowColors(True)
        self.table.setUniformRowHeights(True)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setMinimumHeight(140)
        self.table.setIndentation(12)
        return self.table

    def _remarks(self) -> QTextBrowser:
        self.remarks = QTextBrowser(self)
        self.remarks.setAccessibleName(self.tr("What to know about these figures"))
        self.remarks.setMinimumHeight(70)
        return self.remarks

    # ------------------------------------------------------------------ layers, months

    def _layers_changed(self, *_args: object) -> None:
        self._refresh.start()

    def _layer_renewed(self, layer: QgsVectorLayer) -> None:
        self._facts.pop(layer.id(), None)
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
        self._facts = {key: facts for key, facts in self._facts.items() if self._desk.project.mapLayer(key)}
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

    def _facts_of(self, layer: QgsVectorLayer) -> PointFacts | None:
        if layer.id() not in self._facts:
            try:
                self._facts[layer.id()] = describe(check_layer(layer))
            except AnalysisError:
                return None  # the search says why
        return self._facts[layer.id()]

    def _layers_chosen(self, *_args: object) -> None:
        facts = [f for f in map(self._facts_of, self.chosen_layers()) if f is not None]
        held = [month for f in facts for month in f.months]
        shown = latest_year(held)
        try:
            before = self.months.period()
        except AnalysisError:
            before = None
        if before and held and min(held) <= before.first and before.last <= max(held):
            shown = before
        self.months.set_held(min(held, default=""), max(held, default=""), shown)
        self.compare.setEnabled(bool(held))
        timed = any(f.hour_field for f in facts)
        self.hours.setEnabled(timed)
        if not timed:
            self.hours.setCurrentIndex(0)

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

    def start(self) -> None:
        """Search with what the dock shows; trouble is told beside the inputs."""
        if self.progress.running:
            return
        self.message.clear()
        try:
            radii = parse_radii(self.radii_edit.text())
            layers = self.chosen_layers()
            if not layers:
                raise AnalysisError(
                    self.tr("No layer is chosen: pull and open a SafeStats layer, or tick one in the list."), "layer"
                )
            sources = [PointSource(layer) for layer in layers]
            wanted = SearchFilter(
                period=self.months.period(),
                compare=self.compare.isEnabled() and self.compare.isChecked(),
                band=self.hours.currentData(),
            )
        except AnalysisError as error:
            self._failed(error)
            return
        text, finder = self.place_edit.text(), self._finder

        def work(task: DeskTask) -> ProximityResult:
            return search(sources, finder.find(text), radii, wanted, task.isCanceled, task.report)

        self.search_button.setEnabled(False)
        self.progress.follow(self._desk.run(self.tr("Searching around a place"), work, self._done, self._failed))

    def stop(self) -> None:
        """Stop the search that runs."""
        self.progress.stop()

    def clear(self) -> None:
        """Empty the dock's result and take the rings off the map."""
        self.stop()
        self._result = None
        self.message.clear()
        self.place_edit.clear()
        self.table.clear()
        for widget in (self._where, self._results):
            widget.hide()
        self._hint.show()
        self.report_button.setEnabled(False)
        self._remove_rings()
        self.place_edit.setFocus()

    def _ended(self) -> None:
        self.progress.finish()
        self.search_button.setEnabled(True)

    def _failed(self, error: DeskError) -> None:
        self._ended()
        if isinstance(error, Cancelled):
            self.message.say(self.tr("The search was stopped; nothing was counted."), Tone.NOTE)
            return
        self.message.say(error.sentence, Tone.TROUBLE)
        about = error.about if isinstance(error, AnalysisError) else ""
        widget = {"postcode": self.place_edit, "radii": self.radii_edit, "layer": self.layer_list}.get(about)
        if widget is not None:
            widget.setFocus()

    def _done(self, result: ProximityResult) -> None:
        self._ended()
        self._result = result
        if result.place.postcode:
            self.place_edit.setText(result.place.postcode)
        self._show(result)
        self._draw(result)
        self.report_button.setEnabled(True)
        self._record(result)

    def _record(self, result: ProximityResult) -> None:
        ours = {layer.id() for layer in self._desk.layers()}
        for part in result.datasets:
            if part.layer_id in ours:
                filters = {"around": result.place.label, "radii_m": list(result.radii), "hours": result.band}
                if part.period is not None:
                    filters.update({"from": part.period.first, "to": part.period.last})
                self._desk.record(EventKind.PROXIMITY_SEARCH, part.dataset, filters, part.total.counts[-1])

    # ------------------------------------------------------------------ the result

    def _show(self, result: ProximityResult) -> None:
        place = result.place
        where = f"<b>{escape(place.label)}</b>" + (f", {escape(place.borough)}" if place.borough else "")
        self._where.setText(f"{where}. {place.accuracy}")
        self._where.show()
        if place.warning:
            self.message.say(place.warning, Tone.NOTE)
        outer = result.radii[-1]
        headers = [self.tr("Incidents"), *(f"{radius} m" for radius in result.radii)]
        headers += [self.tr("per km²"), self.tr("change")]
        self.table.clear()
        self.table.setColumnCount(len(headers))
        self.table.setHeaderLabels(headers)
        for number in range(1, len(headers)):
            self.table.headerItem().setTextAlignment(number, Qt.AlignmentFlag.AlignRight)
        self.table.headerItem().setToolTip(len(headers) - 2, self.tr("Within {} m").format(outer))
        self.table.headerItem().setToolTip(
            len(headers) - 1, self.tr("Within {} m, against the period before").format(outer)
        )
        for part in result.datasets:
            top = QTreeWidgetItem([part.title])
            total = self._row(result, part, part.total, part.total.label)
            font = top.font(0)
            font.setBold(True)
            top.setFont(0, font)
            for number in range(len(headers)):
                total.setFont(number, font)
            self.table.addTopLevelItem(top)
            top.setFirstColumnSpanned(True)
            top.addChildren([total, *(self._row(result, part, row, row.label) for row in part.rows)])
            top.setExpanded(True)
        header = self.table.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(30)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for number in range(1, len(headers)):
            header.setSectionResizeMode(number, QHeaderView.ResizeMode.ResizeToContents)
        self.remarks.setHtml("".join(f"<p style='margin:0 0 5px 0'>{line}</p>" for line in _remarks(result)))
        self._hint.hide()
        self._results.show()

    def _row(self, result: ProximityResult, part: DatasetRings, counts: RingCounts, label: str) -> QTreeWidgetItem:
        last = len(result.radii) - 1
        per_km2 = result.per_km2(counts.counts[last], last)
        change = counts.change(last)
        cells = [label, *(f"{count:,}" for count in counts.counts), f"{per_km2:,.0f}"]
        cells.append("–" if change is None else f"{change:+.0%}".replace("-", "−"))
        item = QTreeWidgetItem(cells)
        item.setToolTip(0, label)
        for number in range(1, len(cells)):
            item.setTextAlignment(number, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for ring, radius in enumerate(result.radii):
            tip = self.tr("{count:,} within {radius} m, {rate:,.1f} per km²").format(
                count=counts.counts[ring], radius=radius, rate=result.per_km2(counts.counts[ring], ring)
            )
            if counts.previous is not None and part.previous_period is not None:
                tip += self.tr("; {count:,} in {period}").format(
                    count=counts.previous[ring], period=part.previous_period.label
                )
            item.setToolTip(ring + 1, tip)
        if counts.change_is_weak(last):
            grey = self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
            item.setForeground(len(cells) - 1, grey)
            if counts.previous is None:
                item.setToolTip(len(cells) - 1, self.tr("The period before is not held in full, or was not asked for"))
            else:
                item.setToolTip(len(cells) - 1, self.tr("Fewer than ten in one of the periods: the change says little"))
        return item

    def _draw(self, result: ProximityResult) -> None:
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
        self._refresh.stop()
        self._put_tool_away()
        self._remove_rings()
        self._desk.project.layersAdded.disconnect(self._layers_changed)
        self._desk.project.layersRemoved.disconnect(self._layers_changed)
        self._desk.layer_opened.disconnect(self._layer_renewed)


def _is_points(layer: QgsMapLayer) -> bool:
    return isinstance(layer, QgsVectorLayer) and layer.geometryType() == Qgis.GeometryType.Point


def _remarks(result: ProximityResult) -> Sequence[str]:
    lines = [f"<b>{escape(sentence)}</b>" for sentence in result.left_out]
    for part in result.datasets:
        notes = [*part.notes, *part.caveats]
        lines.append(f"<b>{escape(part.title)}</b>: " + " ".join(escape(_sentence(note)) for note in notes))
    lines.append("Datasets are never added up: each service records the same event in its own way.")
    return lines


def _sentence(text: str) -> str:
    return text if re.search(r"[.!?]$", text) else f"{text}."
