"""First: which layer, to which dataset, and what it holds."""

from __future__ import annotations

from qgis.core import QgsMapLayerProxyModel, QgsProject, QgsVectorLayer
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from ...core.publishable import Publishable
from ..surfaces import GAP, MARGIN, small

_LONGEST_SITE = 64
_LEAST_EXACT_M = 10_000


class LayerPage(QWidget):
    """``changed()``: something else was chosen."""

    changed = pyqtSignal()

    def __init__(self, project: QgsProject, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._publishables: list[Publishable] = []
        self.layer_combo = QgsMapLayerComboBox(self)
        self.layer_combo.setProject(project)
        self.layer_combo.setFilters(QgsMapLayerProxyModel.Filter.VectorLayer)
        self.selected_box = QCheckBox(self)
        self.dataset_combo = QComboBox(self)
        self.site = QLineEdit(self)
        self.site.setMaxLength(_LONGEST_SITE)
        self.site.setPlaceholderText(self.tr("code of the site; empty where a column tells it"))
        self.precision = QSpinBox(self)
        self.precision.setRange(1, _LEAST_EXACT_M)
        self.precision.setSuffix(self.tr(" m"))
        self.synthetic_box = QCheckBox(self.tr("The incidents are made up"), self)
        self.withdrawals_box = QCheckBox(self.tr("Publish even if more than a fifth of a month is withdrawn"), self)
        self.note = small(QLabel(self))
        self.note.setWordWrap(True)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setVerticalSpacing(GAP + 2)
        for words, widget in (
            (self.tr("&Layer"), self.layer_combo),
            ("", self.selected_box),
            (self.tr("&Dataset"), self.dataset_combo),
            (self.tr("&Site"), self.site),
            (self.tr("Places are &exact to"), self.precision),
            ("", self.synthetic_box),
            ("", self.withdrawals_box),
        ):
            form.addRow(words, widget)
            widget.setAccessibleName(words.replace("&", "") or widget.text())
        self._form = form
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(MARGIN)
        column.addLayout(form)
        column.addWidget(self.note)
        column.addStretch(1)
        self.layer_combo.layerChanged.connect(self._show)
        self.dataset_combo.currentIndexChanged.connect(self._dataset_chosen)
        self._show()

    @property
    def layer(self) -> QgsVectorLayer | None:
        """The chosen layer."""
        return self.layer_combo.currentLayer()

    @property
    def publishable(self) -> Publishable | None:
        """The chosen dataset."""
        at = self.dataset_combo.currentIndex()
        return self._publishables[at] if 0 <= at < len(self._publishables) else None

    @property
    def only_selected(self) -> bool:
        """Whether only the selected features are to go."""
        return not self.selected_box.isHidden() and self.selected_box.isChecked()

    def offer(self, publishables: list[Publishable]) -> None:
        """The datasets to choose from."""
        self._publishables = sorted(publishables, key=lambda one: one.title)
        self.dataset_combo.clear()
        for one in self._publishables:
            self.dataset_combo.addItem(one.title, one.dataset)
        self._dataset_chosen()

    def _dataset_chosen(self) -> None:
        chosen = self.publishable
        if chosen is not None:
            if chosen.mapping is not None:
                self.precision.setValue(chosen.mapping.precision_m)
            self.synthetic_box.setChecked(bool(chosen.synthetic))
            self.withdrawals_box.setChecked(False)
        self._show()

    def _show(self, *_chosen: object) -> None:
        layer, chosen = self.layer, self.publishable
        selected = layer.selectedFeatureCount() if layer is not None else 0
        self.selected_box.setText(self.tr("Only the {number:,} selected features").format(number=selected))
        self._row(self.selected_box, selected > 0)
        placed = layer is not None and layer.isSpatial()
        self._row(self.site, chosen is not None and chosen.sites)
        self._row(self.precision, chosen is not None and chosen.points and placed)
        self._row(self.withdrawals_box, chosen is not None and chosen.replaces)
        # A dataset holds one kind; the first layer decides which.
        self.synthetic_box.setEnabled(chosen is not None and chosen.synthetic is None)
        words = []
        if chosen is not None and chosen.replaces:
            words.append(
                self.tr(
                    "What you publish is the whole of its months: incidents of these months that the layer lacks are "
                    "withdrawn."
                )
            )
        if chosen is not None and chosen.points and layer is not None and not placed:
            words.append(self.tr("The layer has no geometry: its rows will be in totals, not on the map."))
        self.note.setText(" ".join(words))
        self.changed.emit()

    def _row(self, field: QWidget, shown: bool) -> None:
        field.setVisible(shown)
        label = self._form.labelForField(field)
        if label is not None:
            label.setVisible(shown)
