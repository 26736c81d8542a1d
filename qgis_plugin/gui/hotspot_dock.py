"""The hotspot dock: a layer, a study area, a method; then a layer on the map and the values that were used."""

from __future__ import annotations

from html import escape
from pathlib import Path

from qgis.core import QgsCoordinateTransform, QgsMapLayerProxyModel, QgsVectorLayer
from qgis.gui import (
    QgisInterface,
    QgsCheckableComboBox,
    QgsCollapsibleGroupBox,
    QgsDockWidget,
    QgsFileWidget,
    QgsMapLayerComboBox,
)
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QStackedWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from ..core.analysis_error import AnalysisError
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.events import EventKind
from ..core.hotspot_styles import DensityClasses
from ..core.hotspots import (
    CORRECTION_WORDS,
    HotspotResult,
    HotspotRun,
    HotspotSettings,
    IncidentFilter,
    Method,
    open_result,
    run_hotspots,
    temporary_path,
)
from ..core.periods import latest_year
from ..core.points import PointFacts, PointSource, check_layer, describe
from ..core.resource_files import BOUNDARIES
from ..core.study_areas import Borough, BoroughMap, StudyArea, boroughs_held, extent_area, polygon_area
from ..core.tasks import DeskTask
from ..core.uses import Use
from .analysis_widgets import MonthRange, ProgressLine, caption
from .icons import icon
from .surfaces import GAP, MARGIN, Strip, Tone, small

_BOROUGHS, _EXTENT, _POLYGONS = range(3)
_LSOA_FIELD = "lsoa_code"
_NEAR_M = 300  # a borough counts as held when the layer's extent reaches its box within this


class HotspotDock(QgsDockWidget):
    """Find hotspots. ``map_requested(HotspotResult)`` asks for a printed map of what was found."""

    map_requested = pyqtSignal(object)

    def __init__(self, desk: Desk, iface: QgisInterface, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("SafeStatsHotspotDock")
        self.setWindowTitle(self.tr("Hotspots"))
        self._desk = desk
        self._canvas = iface.mapCanvas()
        self._boroughs = BoroughMap(BOUNDARIES)
        self._facts: PointFacts | None = None
        self._result: HotspotResult | None = None
        self._result_layer_id = ""
        self._ticked: frozenset[str] = frozenset()  # by the dock itself
        self._build()
        desk.layer_opened.connect(self._layer_opened)
        self._layer_chosen(self.layer_box.currentLayer())
        self._method_chosen()

    @property
    def result(self) -> HotspotResult | None:
        """The run whose values are shown, if any."""
        return self._result

    @property
    def boroughs(self) -> tuple[Borough, ...]:
        """The boroughs that can be a study area."""
        return self._boroughs.boroughs

    # ------------------------------------------------------------------ what is shown

    def _build(self) -> None:
        body = QWidget(self)
        column = QVBoxLayout(body)
        column.setSpacing(GAP)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        form = self._form()
        self._incidents(form)
        self._method(form)
        column.addLayout(form)
        column.addWidget(self._advanced())
        column.addLayout(self._buttons())
        self.progress = ProgressLine(body)
        column.addWidget(self.progress)
        self.message = Strip(body)
        column.addWidget(self.message)
        column.addWidget(self._values(), 1)
        self._hint = QLabel(
            self.tr("Cell and bandwidth may stay automatic: the values that were used are listed with the result."),
            body,
        )
        self._hint.setWordWrap(True)
        small(self._hint)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self._hint, 1)
        scroll = QScrollArea(self)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(body)
        scroll.setMinimumWidth(body.minimumSizeHint().width())
        self.setWidget(scroll)

    @staticmethod
    def _form() -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        return form

    def _incidents(self, form: QFormLayout) -> None:
        self.layer_box = QgsMapLayerComboBox(self)
        self.layer_box.setFilters(QgsMapLayerProxyModel.Filter.PointLayer)
        self.layer_box.setProject(self._desk.project)
        self.layer_box.setAllowEmptyLayer(True, self.tr("Choose a point layer"))
        self.layer_box.setToolTip(self.tr("The incidents to analyse"))
        self.layer_box.layerChanged.connect(self._layer_chosen)
        _narrow(self.layer_box)
        form.addRow(caption(self.tr("&Layer"), self.layer_box), self.layer_box)

        self.category_box = QgsCheckableComboBox(self)
        self.category_box.setDefaultText(self.tr("All categories"))
        self.category_box.setToolTip(self.tr("Tick the categories to analyse; none ticked means all"))
        _narrow(self.category_box)
        form.addRow(caption(self.tr("&Categories"), self.category_box), self.category_box)

        self.months = MonthRange(self)
        form.addRow(caption(self.tr("P&eriod"), self.months), self.months)

        self.area_box = QComboBox(self)
        self.area_box.addItems([self.tr("Boroughs"), self.tr("Extent of the layer"), self.tr("Polygons of a layer")])
        self.area_box.setToolTip(self.tr("Incidents outside the study area are left out"))
        form.addRow(caption(self.tr("&Study area"), self.area_box), self.area_box)
        self.borough_box = QgsCheckableComboBox(self)
        self.borough_box.setDefaultText(self.tr("Choose boroughs"))
        self.borough_box.setAccessibleName(self.tr("Boroughs"))
        self.borough_box.setToolTip(self.tr("One borough, several, or all of London"))
        for borough in self._boroughs.boroughs:
            self.borough_box.addItemWithCheckState(borough.name, Qt.CheckState.Unchecked, borough.code)
        _narrow(self.borough_box)
        self.polygon_box = QgsMapLayerComboBox(self)
        self.polygon_box.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self.polygon_box.setProject(self._desk.project)
        self.polygon_box.setAccessibleName(self.tr("Layer of polygons"))
        self.polygon_box.setToolTip(self.tr("The selected polygons of this layer, or all of them"))
        _narrow(self.polygon_box)
        self._areas = QStackedWidget(self)
        for widget in (self.borough_box, QLabel(""), self.polygon_box):
            self._areas.addWidget(widget)
        self._areas.setFixedHeight(self.borough_box.sizeHint().height())
        self.area_box.currentIndexChanged.connect(self._areas.setCurrentIndex)
        self.area_box.currentIndexChanged.connect(lambda index: self._areas.setVisible(index != _EXTENT))
        form.addRow("", self._areas)

    def _method(self, form: QFormLayout) -> None:
        self.method_box = QComboBox(self)
        for method in Method:
            self.method_box.addItem(method.words, method)
        self.method_box.currentIndexChanged.connect(self._method_chosen)
        _narrow(self.method_box)
        form.addRow(caption(self.tr("&Method"), self.method_box), self.method_box)

        self.cell_spin = self._metres(self.tr("The side of a cell; automatic suits the study area"), 5000, 25)
        form.addRow(caption(self.tr("Ce&ll"), self.cell_spin), self.cell_spin)
        self.bandwidth_spin = self._metres(
            self.tr("How far an incident's influence reaches; automatic follows the spread of the incidents"), 20000, 50
        )
        self._bandwidth_label = caption(self.tr("&Bandwidth"), self.bandwidth_spin)
        form.addRow(self._bandwidth_label, self.bandwidth_spin)
        self.neighbour_spin = QSpinBox(self)
        self.neighbour_spin.setRange(1, 20)
        self.neighbour_spin.setToolTip(
            self.tr("How many rings of cells around a cell belong to its neighbourhood, the cell itself included")
        )
        self._neighbour_label = caption(self.tr("&Neighbours"), self.neighbour_spin)
        form.addRow(self._neighbour_label, self.neighbour_spin)

    def _metres(self, tip: str, most: int, step: int) -> QSpinBox:
        spin = QSpinBox(self)
        spin.setRange(0, most)
        spin.setSingleStep(step)
        spin.setSuffix(self.tr(" m"))
        spin.setSpecialValueText(self.tr("automatic"))
        spin.setToolTip(tip)
        return spin

    def _advanced(self) -> QgsCollapsibleGroupBox:
        box = QgsCollapsibleGroupBox(self.tr("More choices"), self)
        box.setCollapsed(True)
        form = self._form()
        self.edge_check = QCheckBox(self.tr("Correct for the edge of the study area"), box)
        self.edge_check.setToolTip(
            self.tr("Give back to each incident what its kernel would lose outside the study area")
        )
        self.class_box = QComboBox(box)
        self.class_box.addItem(self.tr("Multiples of the mean"), DensityClasses.MULTIPLES)
        self.class_box.addItem(self.tr("Five equal parts (quantiles)"), DensityClasses.QUANTILES)
        self.class_box.setToolTip(self.tr("How the density is cut into classes for the map"))
        self._class_label = caption(self.tr("C&lasses"), self.class_box)
        self.correction_box = QComboBox(box)
        for correction, words in CORRECTION_WORDS.items():
            self.correction_box.addItem(words, correction)
        self.correction_box.setToolTip(
            self.tr("Many cells are tested at once: a correction keeps chance from making hot spots")
        )
        self._correction_label = caption(self.tr("C&orrection"), self.correction_box)
        self.file_widget = QgsFileWidget(box)
        self.file_widget.setStorageMode(QgsFileWidget.StorageMode.SaveFile)
        self.file_widget.lineEdit().setPlaceholderText(self.tr("temporary file"))
        self.file_widget.setToolTip(self.tr("Where to keep the result; a temporary file goes when QGIS closes"))
        form.addRow(self.edge_check)
        form.addRow(self._class_label, self.class_box)
        form.addRow(self._correction_label, self.correction_box)
        form.addRow(caption(self.tr("Sa&ve to"), self.file_widget), self.file_widget)
        box.setLayout(form)
        return box

    def _buttons(self) -> QHBoxLayout:
        self.run_button = QPushButton(self.tr("&Find hotspots"), self)
        self.run_button.setIcon(icon("hotspot"))
        self.run_button.setToolTip(self.tr("Compute, and put the result on the map"))
        self.run_button.clicked.connect(self.start)
        self.map_button = QPushButton(self.tr("&Map …"), self)
        self.map_button.setToolTip(self.tr("A map of this result with all its furniture, to print or export"))
        self.map_button.setEnabled(False)
        self.map_button.clicked.connect(lambda: self.map_requested.emit(self._result))
        row = QHBoxLayout()
        row.addWidget(self.run_button)
        row.addStretch(1)
        row.addWidget(self.map_button)
        return row

    def _values(self) -> QTextBrowser:
        self.values = QTextBrowser(self)
        self.values.setAccessibleName(self.tr("The values that were used"))
        self.values.setMinimumHeight(180)
        self.values.hide()
        return self.values

    # ------------------------------------------------------------------ choices

    def _layer_opened(self, layer: QgsVectorLayer) -> None:
        if layer is self.layer_box.currentLayer():
            self._layer_chosen(layer)

    def _layer_chosen(self, layer: QgsVectorLayer | None) -> None:
        self.message.clear()
        self._facts = None
        self.category_box.clear()
        if layer is not None:
            try:
                self._facts = describe(check_layer(layer))
            except AnalysisError as error:
                self.message.say(error.sentence, Tone.TROUBLE)
        if self._facts is None:
            self.months.set_held("", "", None)
            return
        facts = self._facts
        if facts.category_field:
            index = layer.fields().indexOf(facts.category_field)
            names = {value: facts.label(value) for value in layer.uniqueValues(index) if isinstance(value, str)}
            for value, label in sorted(names.items(), key=lambda pair: pair[1]):
                self.category_box.addItemWithCheckState(label, Qt.CheckState.Unchecked, value)
        self.category_box.setEnabled(bool(facts.category_field))
        self.months.set_held(facts.first_month, facts.newest_month, latest_year(facts.months))
        self._tick_boroughs(layer)

    def _tick_boroughs(self, layer: QgsVectorLayer) -> None:
        """Tick the boroughs that the layer covers, unless somebody has chosen others.

        A study area beyond the data would be an empty hinterland that makes all the rest look hot.
        """
        if frozenset(self.borough_box.checkedItemsData()) != self._ticked:
            return
        index = layer.fields().indexOf(_LSOA_FIELD)
        if index >= 0:
            lsoas = {code for code in layer.uniqueValues(index) if isinstance(code, str)}
            held = boroughs_held(self._facts.areas if self._facts is not None else (), lsoas)
        else:
            extent = layer.extent().buffered(_NEAR_M)
            held = {b.code for b in self._boroughs.boroughs if extent.contains(b.geometry.boundingBox())}
        for row, borough in enumerate(self._boroughs.boroughs):
            state = Qt.CheckState.Checked if borough.code in held else Qt.CheckState.Unchecked
            self.borough_box.setItemCheckState(row, state)
        self._ticked = frozenset(self.borough_box.checkedItemsData())

    def _method_chosen(self, *_args: object) -> None:
        density = self.method_box.currentData().is_density
        for widget in (
            self.bandwidth_spin, self._bandwidth_label, self.edge_check, self.class_box, self._class_label,
        ):  # fmt: skip
            widget.setVisible(density)
        for widget in (self.neighbour_spin, self._neighbour_label, self.correction_box, self._correction_label):
            widget.setVisible(not density)
        suffix = self.method_box.currentData().suffix
        self.file_widget.setFilter("GeoTIFF (*.tif)" if suffix == ".tif" else "GeoPackage (*.gpkg)")
        chosen = self.file_widget.filePath()
        if chosen:
            self.file_widget.setFilePath(str(Path(chosen).with_suffix(suffix)))

    def study_area(self) -> StudyArea:
        """The study area chosen; raises ``AnalysisError``."""
        kind = self.area_box.currentIndex()
        if kind == _BOROUGHS:
            return self._boroughs.study_area(self.borough_box.checkedItemsData())
        if kind == _EXTENT:
            return extent_area(check_layer(self.layer_box.currentLayer()))
        return polygon_area(self.polygon_box.currentLayer(), self._desk.project)

    def settings(self) -> HotspotSettings:
        """Method and parameters as chosen."""
        return HotspotSettings(
            method=self.method_box.currentData(),
            cell_m=self.cell_spin.value() or None,
            bandwidth_m=self.bandwidth_spin.value() or None,
            neighbours=self.neighbour_spin.value(),
            correction=self.correction_box.currentData(),
            edge_correction=self.edge_check.isChecked(),
            classes=self.class_box.currentData(),
        )

    # ------------------------------------------------------------------ running

    def start(self) -> None:
        """Run with what the dock shows; trouble is told beside the inputs."""
        if self.progress.running:
            return
        self.message.clear()
        try:
            source = PointSource(check_layer(self.layer_box.currentLayer()))
            area = self.study_area()
            settings = self.settings()
            wanted = IncidentFilter(self.months.period(), tuple(self.category_box.checkedItemsData()))
            chosen = self.file_widget.filePath()
            if chosen:
                self._desk.require_use(source.facts.dataset, source.facts.title, Use.EXPORT)
        except DeskError as error:
            self._failed(error)
            return
        path = Path(chosen).with_suffix(settings.method.suffix) if chosen else temporary_path(settings.method)

        def work(task: DeskTask) -> HotspotRun:
            return run_hotspots(source, area, wanted, settings, path, task.isCanceled, task.report)

        self.run_button.setEnabled(False)
        self.progress.follow(self._desk.run(self.tr("Finding hotspots"), work, self._done, self._failed))

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

    def _done(self, run: HotspotRun) -> None:
        self._ended()
        project = self._desk.project
        former = project.layerTreeRoot().findLayer(self._result_layer_id)
        if former is not None:
            former.setItemVisibilityChecked(False)  # two surfaces on top of each other tell nothing
        result = open_result(run)
        self._result = result
        self._result_layer_id = result.layer.id()
        project.addMapLayer(result.layer, False)
        project.layerTreeRoot().insertLayer(0, result.layer)
        self._zoom(result)
        self._show(result)
        self.map_button.setEnabled(True)
        if result.source_layer_id in {layer.id() for layer in self._desk.layers()}:
            filters = {"method": result.method.value, "area": result.study_area.label, "categories": result.what}
            if result.period is not None:
                filters.update({"from": result.period.first, "to": result.period.last})
            self._desk.record(EventKind.HOTSPOT_RUN, result.dataset, filters, result.used)

    def _zoom(self, result: HotspotResult) -> None:
        transform = QgsCoordinateTransform(
            result.layer.crs(), self._canvas.mapSettings().destinationCrs(), self._desk.project.transformContext()
        )
        extent = transform.transformBoundingBox(result.study_area.geometry.boundingBox())
        extent.scale(1.05)
        self._canvas.setExtent(extent)
        self._canvas.refresh()

    def _show(self, result: HotspotResult) -> None:
        rows = (
            f"<tr><td style='padding: 1px 12px 1px 0'>{escape(words)}</td><td>{escape(value)}</td></tr>"
            for words, value in result.parameters
        )
        self.values.setHtml(f"<table>{''.join(rows)}</table>")
        self.values.show()
        self._hint.hide()
        if result.notes:
            self.message.say("\n".join(result.notes), Tone.NOTE)

    def close_down(self) -> None:
        """Let go of the project; the plugin calls this before it deletes the dock."""
        self.stop()
        self._desk.layer_opened.disconnect(self._layer_opened)


def _narrow(box: QComboBox) -> None:
    """Let a list of long names be narrower than its longest."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
