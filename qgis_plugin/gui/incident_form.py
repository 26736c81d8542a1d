"""Which incidents: a layer, categories, a period, a study area; the part of a form that every analysis begins with."""

from __future__ import annotations

from qgis.core import QgsMapLayerProxyModel, QgsProject, QgsVectorLayer
from qgis.gui import QgsCheckableComboBox, QgsMapLayerComboBox
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QFormLayout, QLabel, QStackedWidget, QWidget

from ..core.analysis_error import AnalysisError
from ..core.incidents import IncidentFilter
from ..core.point_facts import PointFacts, check_layer, describe
from ..core.run_record import RunRecord
from ..core.study_areas import BoroughMap, StudyArea, boroughs_held, extent_area, polygon_area
from ..core.usual_periods import Usual, UsualPeriod, usual_period
from .analysis_widgets import MonthRange, caption
from .choice_form import narrow
from .layer_boxes import WithoutResults
from .surfaces import GAP, small

BOROUGHS, EXTENT, POLYGONS, EARLIER = range(4)
_LSOA_FIELD = "lsoa_code"
_NEAR_M = 300  # a borough counts as held when the layer's extent reaches its box within this


class IncidentForm(QWidget):
    """``layer_described(PointFacts | None, trouble)`` follows each choice of a layer."""

    layer_described = pyqtSignal(object, str)

    def __init__(self, project: QgsProject, boroughs: BoroughMap, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._project = project
        self._boroughs = boroughs
        self.facts: PointFacts | None = None
        self._earlier: StudyArea | None = None  # of a run that is to be repeated
        self._ticked: frozenset[str] = frozenset()  # by the form itself
        self._usual = Usual.YEAR
        self._own: UsualPeriod | None = None  # the months that the form itself chose
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._incidents(form)
        self._study_area(form)

    def _incidents(self, form: QFormLayout) -> None:
        self.layer_box = QgsMapLayerComboBox(self)
        self.layer_box.setFilters(QgsMapLayerProxyModel.Filter.PointLayer)
        self.layer_box.setProject(self._project)
        self.layer_box.setAllowEmptyLayer(True, self.tr("Choose a point layer"))
        self.layer_box.setToolTip(self.tr("The incidents to analyse"))
        self._without_results = WithoutResults(self.layer_box, self._project)
        self.layer_box.layerChanged.connect(self.choose)
        narrow(self.layer_box)
        form.addRow(caption(self.tr("La&yer"), self.layer_box), self.layer_box)

        self.category_box = QgsCheckableComboBox(self)
        self.category_box.setDefaultText(self.tr("All categories"))
        self.category_box.setToolTip(self.tr("Tick the categories to analyse; none ticked means all"))
        narrow(self.category_box)
        form.addRow(caption(self.tr("Cate&gories"), self.category_box), self.category_box)

        self.months = MonthRange(self)
        form.addRow(caption(self.tr("Per&iod"), self.months), self.months)
        self.usual_label = small(QLabel(self))
        self.usual_label.setWordWrap(True)
        self.months.changed.connect(self._tell_usual)
        form.addRow("", self.usual_label)

    def _study_area(self, form: QFormLayout) -> None:
        self.area_box = QComboBox(self)
        self.area_box.addItems([self.tr("Boroughs"), self.tr("Extent of the layer"), self.tr("Polygons of a layer")])
        self.area_box.setToolTip(self.tr("Incidents outside the study area are left out"))
        form.addRow(caption(self.tr("St&udy area"), self.area_box), self.area_box)
        self.borough_box = QgsCheckableComboBox(self)
        self.borough_box.setDefaultText(self.tr("Choose boroughs"))
        self.borough_box.setAccessibleName(self.tr("Boroughs"))
        self.borough_box.setToolTip(self.tr("One borough, several, or all of London"))
        for borough in self._boroughs.boroughs:
            self.borough_box.addItemWithCheckState(borough.name, Qt.CheckState.Unchecked, borough.code)
        narrow(self.borough_box)
        self.polygon_box = QgsMapLayerComboBox(self)
        self.polygon_box.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self.polygon_box.setProject(self._project)
        self.polygon_box.setAccessibleName(self.tr("Layer of polygons"))
        self.polygon_box.setToolTip(self.tr("The selected polygons of this layer, or all of them"))
        narrow(self.polygon_box)
        self._areas = QStackedWidget(self)
        for widget in (self.borough_box, QLabel(""), self.polygon_box, QLabel("")):
            self._areas.addWidget(widget)
        self._areas.setFixedHeight(self.borough_box.sizeHint().height())
        self.area_box.currentIndexChanged.connect(self._areas.setCurrentIndex)
        self.area_box.currentIndexChanged.connect(lambda at: self._areas.setVisible(at in (BOROUGHS, POLYGONS)))
        form.addRow("", self._areas)

    # ------------------------------------------------------------------ the layer

    def choose(self, layer: QgsVectorLayer | None) -> None:
        """Offer what the layer holds."""
        self.facts, trouble = None, ""
        self.category_box.clear()
        if layer is not None:
            try:
                self.facts = describe(check_layer(layer))
            except AnalysisError as error:
                trouble = error.sentence
        if self.facts is None:
            self._own = None
            self.months.set_held("", "", None)
        else:
            self._offer(layer, self.facts)
        self.layer_described.emit(self.facts, trouble)

    def _offer(self, layer: QgsVectorLayer, facts: PointFacts) -> None:
        if facts.category_field:
            index = layer.fields().indexOf(facts.category_field)
            names = {value: facts.label(value) for value in layer.uniqueValues(index) if isinstance(value, str)}
            for value, label in sorted(names.items(), key=lambda pair: pair[1]):
                self.category_box.addItemWithCheckState(label, Qt.CheckState.Unchecked, value)
        self.category_box.setEnabled(bool(facts.category_field))
        self._own = usual_period(self._usual, facts)
        self.months.set_held(facts.first_month, facts.newest_month, self._own and self._own.period)
        self._tick_boroughs(layer, facts.areas)

    # ------------------------------------------------------------------ the usual months

    @property
    def usual_words(self) -> str:
        """Which months are shown, in words, where they are those that the form itself chose; else empty."""
        own = self._own
        return own.words if own is not None and self.months.shown() == (own.period.first, own.period.last) else ""

    def take_usual(self, usual: Usual) -> None:
        """Show the months that an analysis usually takes, unless somebody has chosen others."""
        untouched = bool(self.usual_words)
        self._usual = usual
        if self.facts is None:
            return
        self._own = usual_period(usual, self.facts)
        if untouched and self._own is not None:
            self.months.choose(self._own.period)
        self._tell_usual()

    def _tell_usual(self) -> None:
        words = self.usual_words
        self.usual_label.setText(self.tr("automatic: {which}").format(which=words) if words else "")
        self.usual_label.setVisible(bool(words))

    def _tick_boroughs(self, layer: QgsVectorLayer, agreed: tuple[str, ...]) -> None:
        """Tick the boroughs that the layer covers, unless somebody has chosen others.

        A study area beyond the data would be an empty hinterland that makes all the rest look hot.
        """
        if frozenset(self.borough_box.checkedItemsData()) != self._ticked:
            return
        index = layer.fields().indexOf(_LSOA_FIELD)
        if index >= 0:
            lsoas = {code for code in layer.uniqueValues(index) if isinstance(code, str)}
            held: frozenset[str] | set[str] = boroughs_held(agreed, lsoas)
        else:
            extent = layer.extent().buffered(_NEAR_M)
            held = {b.code for b in self._boroughs.boroughs if extent.contains(b.geometry.boundingBox())}
        self._tick(held)
        self._ticked = frozenset(self.borough_box.checkedItemsData())

    def _tick(self, codes: frozenset[str] | set[str]) -> None:
        for row, borough in enumerate(self._boroughs.boroughs):
            state = Qt.CheckState.Checked if borough.code in codes else Qt.CheckState.Unchecked
            self.borough_box.setItemCheckState(row, state)

    # ------------------------------------------------------------------ what is chosen

    def layer(self) -> QgsVectorLayer:
        """The layer chosen, where it can be analysed; raises ``AnalysisError``."""
        return check_layer(self.layer_box.currentLayer())

    def wanted(self) -> IncidentFilter:
        """Period and categories; raises ``AnalysisError`` for months the wrong way round."""
        return IncidentFilter(self.months.period(), tuple(self.category_box.checkedItemsData()))

    def study_area(self) -> StudyArea:
        """The study area chosen; raises ``AnalysisError``."""
        kind = self.area_box.currentIndex()
        if kind == EARLIER and self._earlier is not None:
            return self._earlier
        if kind == BOROUGHS:
            return self._boroughs.study_area(self.borough_box.checkedItemsData())
        if kind == EXTENT:
            return extent_area(self.layer())
        return polygon_area(self.polygon_box.currentLayer(), self._project)

    def fill(self, record: RunRecord, layer: QgsVectorLayer) -> None:
        """Choose what a run had: its layer, categories, period and study area."""
        if self.layer_box.currentLayer() is layer:
            self.choose(layer)
        else:
            self.layer_box.setLayer(layer)
        for row in range(self.category_box.count()):
            chosen = self.category_box.itemData(row) in record.categories
            state = Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked
            self.category_box.setItemCheckState(row, state)
        self.months.choose(record.wanted.period)
        self._earlier = record.area
        if self.area_box.count() > EARLIER:
            self.area_box.removeItem(EARLIER)
        if self._earlier is None:
            self.area_box.setCurrentIndex(BOROUGHS)
            self._tick(set(record.area_codes))
        else:
            self.area_box.addItem(self.tr("As in the earlier run: {area}").format(area=self._earlier.label))
            self.area_box.setCurrentIndex(EARLIER)
