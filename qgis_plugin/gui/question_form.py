"""What is asked around a place: a preset, and under “More choices” rings, hours, months and an area of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.core import QgsMapLayerProxyModel, QgsProject
from qgis.gui import QgsCheckableComboBox, QgsCollapsibleGroupBox, QgsMapLayerComboBox
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ...shared.presets import Preset
from ...shared.rings import FIXED_RADII, AnyBand, Band, OwnBand
from ...shared.windows import Window
from ..core.analysis_error import AnalysisError
from ..core.periods import latest_year
from ..core.proximity_question import Question, parse_radii
from ..core.study_areas import checked_area, polygon_area
from .analysis_widgets import MonthRange, caption
from .surfaces import GAP

_AS_PRESET, _OWN_HOURS = "preset", "own"


class QuestionForm(QWidget):
    """Gives a ``Question``."""

    def __init__(self, presets: Sequence[Preset], project: QgsProject, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._project = project
        self.preset_box = QComboBox(self)
        self.preset_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for preset in presets:
            self.preset_box.addItem(preset.title, preset)
        self.preset_box.setToolTip(self.tr("A fixed way to ask: what is printed for the public is always one of these"))
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(caption(self.tr("Preset"), self.preset_box), self.preset_box)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(form)
        column.addWidget(self._more())

    def _more(self) -> QgsCollapsibleGroupBox:
        self.more = QgsCollapsibleGroupBox(self.tr("More choices"), self)
        self.more.setCollapsed(True)
        # QGIS shows whatever is inside when the box opens.
        self.more.collapsedStateChanged.connect(self._show_own_hours)
        form = QFormLayout(self.more)
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.radii_edit = QLineEdit(", ".join(str(radius) for radius in FIXED_RADII), self.more)
        self.radii_edit.setToolTip(self.tr("Radii in metres, up to five, separated by commas"))
        form.addRow(caption(self.tr("Rin&gs (m)"), self.radii_edit), self.radii_edit)
        self.hours_box = QComboBox(self.more)
        self.hours_box.addItem(self.tr("as the preset says"), _AS_PRESET)
        for band in Band:
            self.hours_box.addItem(band.words, band)
        self.hours_box.addItem(self.tr("hours of my own"), _OWN_HOURS)
        self.hours_box.setToolTip(self.tr("Only layers that hold the hour can be narrowed to a time of day"))
        self.hours_box.currentIndexChanged.connect(self._show_own_hours)
        form.addRow(caption(self.tr("Ho&urs"), self.hours_box), self.hours_box)
        form.addRow("", self._own_hours())
        self.full_year = QCheckBox(self.tr("Last 12 full months"), self.more)
        self.full_year.setChecked(True)
        self.full_year.setToolTip(self.tr("The newest that all chosen layers hold in full"))
        self.full_year.toggled.connect(lambda on: self.months.setEnabled(not on))
        form.addRow("", self.full_year)
        self.months = MonthRange(self.more)
        self.months.setEnabled(False)
        form.addRow(caption(self.tr("Period"), self.months), self.months)
        self.compare = QCheckBox(self.tr("Compare with the months before"), self.more)
        self.compare.setChecked(True)
        self.compare.setToolTip(self.tr("As many months just before, where the layer reaches back so far"))
        form.addRow("", self.compare)
        self.area_box = QgsMapLayerComboBox(self.more)
        self.area_box.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self.area_box.setProject(self._project)
        self.area_box.setAllowEmptyLayer(True, self.tr("no area of my own"))
        self.area_box.setLayer(None)
        self.area_box.setToolTip(
            self.tr("Count only inside the polygons of this layer (the selected ones, where some are)")
        )
        form.addRow(caption(self.tr("Within"), self.area_box), self.area_box)
        return self.more

    def _own_hours(self) -> QWidget:
        self._own = QWidget(self.more)
        self.first_hour, self.last_hour = QSpinBox(self._own), QSpinBox(self._own)
        for box, name, hour in (
            (self.first_hour, self.tr("From this hour"), 20),
            (self.last_hour, self.tr("To the end of this hour"), 5),
        ):
            box.setRange(0, 23)
            box.setValue(hour)
            box.setAccessibleName(name)
            box.setToolTip(name)
        self.first_hour.setSuffix(":00")
        self.last_hour.setSuffix(":59")
        self.days = QgsCheckableComboBox(self._own)
        self.days.setAccessibleName(self.tr("Days on which the hours begin"))
        self.days.setToolTip(
            self.tr("Days on which the hours begin; what lies after midnight belongs to the day before")
        )
        self.days.setDefaultText(self.tr("no day"))
        weekdays = (
            *(self.tr("Mon"), self.tr("Tue"), self.tr("Wed"), self.tr("Thu"), self.tr("Fri")),
            *(self.tr("Sat"), self.tr("Sun")),
        )
        for number, day in enumerate(weekdays):
            self.days.addItemWithCheckState(day, Qt.CheckState.Checked, number)
        row = QHBoxLayout(self._own)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.first_hour)
        row.addWidget(QLabel(self.tr("to"), self._own))
        row.addWidget(self.last_hour)
        row.addWidget(self.days, 1)
        self._own.hide()
        return self._own

    def _show_own_hours(self, *_changed: object) -> None:
        self._own.setVisible(self.hours_box.currentData() == _OWN_HOURS)

    def set_held(self, months: Sequence[str], timed: bool) -> None:
        """What the chosen layers hold: the first and newest months, and whether any tells the hour."""
        first, newest = min(months, default=""), max(months, default="")
        try:
            shown = self.months.period()
        except AnalysisError:
            shown = None
        if not (shown and months and first <= shown.first and shown.last <= newest):
            shown = latest_year(months)
        self.months.set_held(first, newest, shown)
        self.full_year.setEnabled(bool(months))
        self.months.setEnabled(bool(months) and not self.full_year.isChecked())
        if not timed:
            self.hours_box.setCurrentIndex(0)
        self.hours_box.setEnabled(timed)

    def question(self) -> Question:
        """What is asked; raises ``AnalysisError`` where a choice cannot be used. On the window's thread."""
        period = None if self.full_year.isChecked() else self.months.period()
        layer = self.area_box.currentLayer()
        return Question(
            preset=self.preset_box.currentData(),
            radii=parse_radii(self.radii_edit.text()),
            bands=self._bands(),
            window=Window(period.first, period.last) if period else None,
            compare=self.compare.isChecked(),
            within=None if layer is None else checked_area(polygon_area(layer, self._project)),
        )

    def _bands(self) -> tuple[AnyBand, ...]:
        chosen = self.hours_box.currentData()
        if chosen == _AS_PRESET:
            return ()
        if chosen != _OWN_HOURS:
            return (chosen,)
        days = frozenset(int(day) for day in self.days.checkedItemsData())  # QGIS gives texts
        if not days:
            raise AnalysisError(self.tr("No day is ticked for hours of your own: tick at least one."), "hours")
        return (OwnBand(self.first_hour.value(), self.last_hour.value(), days),)
