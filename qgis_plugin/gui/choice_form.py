"""A form made from an analysis's choices: an input each, and the values that were chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qgis.core import QgsMapLayerProxyModel, QgsProject, QgsVectorLayer
from qgis.gui import QgsCollapsibleGroupBox, QgsMapLayerComboBox
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ..core.analyses.analysis import Choice, Kind
from ..core.periods import Period, latest_year
from ..core.point_facts import PointFacts
from ..core.sentences import translated
from .analysis_widgets import MonthRange, caption
from .surfaces import GAP

_MOST = 1_000_000
_LAYERS = {
    Kind.LINE_LAYER: QgsMapLayerProxyModel.Filter.LineLayer,
    Kind.POINT_LAYER: QgsMapLayerProxyModel.Filter.PointLayer,
}


class ChoiceForm(QWidget):
    """Inputs for ``choices``; the advanced ones are folded away under “More choices”."""

    def __init__(self, choices: Sequence[Choice], project: QgsProject, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choices = tuple(choices)
        self._project = project
        self._inputs: dict[str, QWidget] = {}
        self._exact: dict[str, tuple[float, float]] = {}  # of a number that was filled in: as shown, as it is
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(self._form([choice for choice in choices if not choice.advanced]))
        advanced = [choice for choice in choices if choice.advanced]
        if advanced:
            box = QgsCollapsibleGroupBox(self.tr("More choices"), self)
            box.setLayout(self._form(advanced))
            box.setCollapsed(True)
            column.addWidget(box)

    def _form(self, choices: Sequence[Choice]) -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for choice in choices:
            widget = self._makers()[choice.kind](choice)
            widget.setToolTip(translated(choice.help))
            self._inputs[choice.name] = widget
            if choice.kind is Kind.YES_NO:
                form.addRow(widget)
            else:
                named = widget.which if isinstance(widget, PeriodInput) else widget
                form.addRow(caption(translated(choice.words), named), widget)
        return form

    def _makers(self) -> dict[Kind, Callable[[Choice], QWidget]]:
        return {
            Kind.METRES: self._number,
            Kind.NUMBER: self._number,
            Kind.WHOLE: self._whole,
            Kind.DAYS: self._whole,
            Kind.ONE_OF: self._one_of,
            Kind.YES_NO: self._yes_no,
            Kind.COLUMN: self._column,
            Kind.LINE_LAYER: self._layer,
            Kind.POINT_LAYER: self._layer,
            Kind.PERIOD: self._period,
        }

    # ------------------------------------------------------------------ inputs

    def _number(self, choice: Choice) -> QDoubleSpinBox:
        spin = QDoubleSpinBox(self)
        metres = choice.kind is Kind.METRES
        shares = choice.most is not None and choice.most <= 1
        spin.setDecimals(_decimals(3 if shares else 0 if metres else 1, choice.default, choice.least))
        spin.setSuffix(self.tr(" m") if metres else "")
        self._bound(spin, choice, 1.0 if metres else 0.001)
        spin.setSingleStep(25 if metres else 0.1)
        return spin

    def _whole(self, choice: Choice) -> QSpinBox:
        spin = QSpinBox(self)
        spin.setSuffix(self.tr(" days") if choice.kind is Kind.DAYS else "")
        self._bound(spin, choice, 1)
        return spin

    def _bound(self, spin: QSpinBox | QDoubleSpinBox, choice: Choice, step: float) -> None:
        """Bounds and default; the lowest value of all stands for automatic, where there is such a thing."""
        kind = int if isinstance(spin, QSpinBox) else float
        least = kind(choice.least if choice.least is not None else 0)
        most = kind(choice.most if choice.most is not None else _MOST)
        if choice.default is None:
            least = kind(0) if least > 0 else kind(least - step)
            spin.setSpecialValueText(self.tr("automatic"))
        spin.setRange(least, most)
        spin.setValue(least if choice.default is None else kind(choice.default))

    def _one_of(self, choice: Choice) -> QComboBox:
        box = QComboBox(self)
        for value, words in choice.options:
            box.addItem(translated(words), value)
        box.setCurrentIndex(max(0, box.findData(choice.default)))
        narrow(box)
        return box

    def _yes_no(self, choice: Choice) -> QCheckBox:
        box = QCheckBox(translated(choice.words), self)
        box.setChecked(bool(choice.default))
        return box

    def _column(self, choice: Choice) -> QComboBox:
        box = QComboBox(self)
        box.addItem(self.tr("Choose a column") if choice.required else self.tr("none"), None)
        narrow(box)
        return box

    def _layer(self, choice: Choice) -> QgsMapLayerComboBox:
        box = QgsMapLayerComboBox(self)
        box.setFilters(_LAYERS[choice.kind])
        box.setProject(self._project)
        box.setAllowEmptyLayer(True, self.tr("Choose a layer") if choice.required else self.tr("none"))
        box.setLayer(None)
        narrow(box)
        return box

    def _period(self, _choice: Choice) -> PeriodInput:
        return PeriodInput(self)

    # ------------------------------------------------------------------ what is chosen

    def input(self, name: str) -> QWidget:
        """The input of a choice."""
        return self._inputs[name]

    def offer(self, facts: PointFacts | None) -> None:
        """Offer the columns and months of the layer that is to be analysed."""
        for choice in self._choices:
            widget = self._inputs[choice.name]
            if choice.kind is Kind.COLUMN:
                chosen = widget.currentData()
                while widget.count() > 1:
                    widget.removeItem(1)
                for column in facts.columns if facts is not None else ():
                    if column.kind in choice.columns:
                        widget.addItem(column.words, column.name)
                usual = chosen or choice.default
                widget.setCurrentIndex(max(0, widget.findData(usual)))
            elif choice.kind is Kind.PERIOD:
                widget.offer(facts)

    def tell_before(self, before: Period | None) -> None:
        """Show which months the automatic period before is; ``None`` where there is none."""
        for choice in self._choices:
            if choice.kind is Kind.PERIOD:
                self._inputs[choice.name].tell_before(before)

    def values(self) -> dict[str, object]:
        """The values by name, ``None`` for automatic or none; of a layer, its name. ``AnalysisError`` for a period the
        wrong way round."""
        return {choice.name: self._value(choice) for choice in self._choices}

    def _value(self, choice: Choice) -> object:
        widget = self._inputs[choice.name]
        if isinstance(widget, (QSpinBox, QDoubleSpinBox)):
            shown = widget.value()
            if choice.default is None and shown == widget.minimum():
                return None
            as_shown, exact = self._exact.get(choice.name, (shown, shown))
            return exact if shown == as_shown else shown
        if isinstance(widget, QCheckBox):
            return widget.isChecked()
        if isinstance(widget, PeriodInput):
            return widget.period()
        if isinstance(widget, QgsMapLayerComboBox):
            layer = widget.currentLayer()
            return layer.name() if layer is not None else None
        return widget.currentData()

    def layers(self) -> dict[str, QgsVectorLayer]:
        """The layers that were chosen, by the name of the choice."""
        boxes = {c.name: self._inputs[c.name] for c in self._choices if c.kind in _LAYERS}
        return {name: box.currentLayer() for name, box in boxes.items() if box.currentLayer() is not None}

    def fill(self, values: Mapping[str, object], layers: Mapping[str, QgsVectorLayer]) -> None:
        """Choose the values of a run; what a newer or older version does not know stays as it is."""
        for choice in self._choices:
            if choice.kind in _LAYERS:
                self._inputs[choice.name].setLayer(layers.get(choice.name))
            elif choice.name in values:
                self._fill(self._inputs[choice.name], values[choice.name])
                self._keep_exact(choice.name, values[choice.name])

    def _keep_exact(self, name: str, value: object) -> None:
        """A bandwidth that a rule found has more digits than are shown; repeated, it is to be the same."""
        widget = self._inputs[name]
        if isinstance(widget, QDoubleSpinBox) and value is not None:
            self._exact[name] = (widget.value(), float(value))

    @staticmethod
    def _fill(widget: QWidget, value: object) -> None:
        if isinstance(widget, QSpinBox):
            widget.setValue(widget.minimum() if value is None else int(value))
        elif isinstance(widget, QDoubleSpinBox):
            widget.setValue(widget.minimum() if value is None else float(value))
        elif isinstance(widget, QCheckBox):
            widget.setChecked(bool(value))
        elif isinstance(widget, PeriodInput):
            widget.choose(Period(str(value["first"]), str(value["last"])) if isinstance(value, Mapping) else None)
        elif isinstance(widget, QComboBox):
            widget.setCurrentIndex(max(0, widget.findData(value)))


class PeriodInput(QWidget):
    """The period just before the incidents' own, or months of one's choice."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        self.which = QComboBox(self)
        self.which.addItems(["", self.tr("these months")])
        self.tell_before(None)
        narrow(self.which)
        self.months = MonthRange(self)
        self.months.hide()
        self.which.currentIndexChanged.connect(lambda index: self.months.setVisible(index == 1))
        column.addWidget(self.which)
        column.addWidget(self.months)
        self.setFocusProxy(self.which)

    def offer(self, facts: PointFacts | None) -> None:
        """Offer the months of a layer."""
        if facts is None:
            self.months.set_held("", "", None)
        else:
            self.months.set_held(facts.first_month, facts.newest_month, latest_year(facts.months))

    def tell_before(self, before: Period | None) -> None:
        """Name the months of the period before, where there is one."""
        words = self.tr("automatic: {months}").format(months=before.label) if before else ""
        self.which.setItemText(0, words or self.tr("the period just before (automatic)"))
        self.which.setItemData(0, words, Qt.ItemDataRole.ToolTipRole)

    def choose(self, period: Period | None) -> None:
        """Choose these months; ``None``: the period before."""
        self.which.setCurrentIndex(int(period is not None))
        if period is not None:
            self.months.choose(period)

    def period(self) -> Period | None:
        """The months chosen; ``None`` for the period before."""
        return self.months.period() if self.which.currentIndex() else None


def _decimals(usual: int, *values: object) -> int:
    """So many that the values are shown as they are, at most four."""
    told = (f"{value:.4f}".rstrip("0").partition(".")[2] for value in values if isinstance(value, (int, float)))
    return max(usual, *map(len, told), 0)


def narrow(box: QComboBox) -> None:
    """Let a list of long names be narrower than its longest."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
