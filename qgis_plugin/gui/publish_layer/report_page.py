"""Third: the server's report; each rejected row leads to its feature."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsVectorLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ...core.publishing import Upload, UploadReport
from ..surfaces import GAP, MARGIN, heading, plain, small

_FEATURE = Qt.ItemDataRole.UserRole
_ZOOM_OUT = 4.0


class ReportPage(QWidget):
    """What became of the rows; ``iface`` may be ``None``, then nothing is zoomed to."""

    def __init__(self, iface: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._iface = iface
        self._layer: QgsVectorLayer | None = None
        self.sum = heading(plain(QLabel(self)), 1.1)
        self.sum.setWordWrap(True)
        self.change = plain(QLabel(self))
        self.change.setWordWrap(True)
        self.details = small(plain(QLabel(self)))
        self.details.setWordWrap(True)
        self.errors = QTreeWidget(self)
        self.errors.setAccessibleName(self.tr("Rejected rows"))
        self.errors.setHeaderLabels([self.tr("Feature"), self.tr("What is wrong")])
        self.errors.setRootIsDecorated(False)
        self.errors.setUniformRowHeights(True)
        self.errors.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.errors.itemSelectionChanged.connect(self._update)
        self.errors.itemActivated.connect(lambda *_: self.show_feature())
        self.show_button = QPushButton(self.tr("Show the feature in the map"), self)
        self.show_button.setAutoDefault(False)
        self.show_button.clicked.connect(self.show_feature)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.show_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.sum)
        column.addWidget(self.change)
        column.addWidget(self.details)
        column.addSpacing(MARGIN - GAP)
        column.addWidget(self.errors, 1)
        column.addLayout(row)
        self._update()

    def tell(self, upload: Upload, layer: QgsVectorLayer | None) -> None:
        """The report of an upload of the layer; without one, nothing."""
        self._layer = layer
        self.errors.clear()
        report = upload.report
        for label in (self.sum, self.change, self.details):
            label.clear()
        if report is not None:
            self._tell(report)
        self._update()

    def forget_layer(self) -> None:
        """The layer is gone: there are no features to show."""
        self._layer = None

    def show_feature(self) -> None:
        """Select the feature of the chosen row, and zoom the map to it."""
        chosen = [item.data(0, _FEATURE) for item in self.errors.selectedItems()]
        features = [feature for feature in chosen if feature is not None]
        if self._layer is None or not features:
            return
        self._layer.selectByIds(features)
        if self._iface is None:
            return
        self._iface.setActiveLayer(self._layer)
        if self._layer.isSpatial():
            canvas = self._iface.mapCanvas()
            canvas.zoomToFeatureIds(self._layer, features)
            if self._layer.boundingBoxOfSelected().isEmpty():  # a point alone: with what is around it
                canvas.zoomByFactor(_ZOOM_OUT)
            canvas.flashFeatureIds(self._layer, features)

    def _tell(self, report: UploadReport) -> None:
        self.sum.setText(
            self.tr(
                "{rows_in:,} rows = {accepted:,} accepted + {rejected:,} rejected + {duplicates:,} duplicates + "
                "{left:,} left"
            ).format(**report.counts)
        )
        months = ", ".join(report.months) if len(report.months) < 4 else f"{report.months[0]} – {report.months[-1]}"
        self.change.setText(
            self.tr(
                "{months}: {added:,} new, {changed:,} changed, {unchanged:,} known already, {withdrawn:,} withdrawn."
            ).format(months=months or self.tr("No month"), **report.counts)
        )
        lines = [
            self.tr("{number:,} rejected: {reason}").format(number=number, reason=reason)
            for reason, number in report.reasons.items()
        ]
        for name, values in report.unmapped.items():
            shown = ", ".join(f"“{value}” ({times:,})" if value else f"{times:,}" for value, times in values.items())
            lines.append(self.tr("In no code list of {field}: {values}").format(field=name, values=shown))
        lines += [
            self.tr("{number:,} values dropped: {what}").format(number=number, what=what)
            for what, number in report.dropped.items()
        ]
        lines += [
            self.tr("{number:,} values taken out of texts: {what}").format(number=number, what=what)
            for what, number in report.blanked.items()
        ]
        self.details.setText("\n".join([*lines, *report.notes]))
        for error in report.errors:
            shown = str(error.feature) if error.feature is not None else self.tr("line {line}").format(line=error.line)
            item = QTreeWidgetItem([shown, error.reason])
            item.setData(0, _FEATURE, error.feature)
            self.errors.addTopLevelItem(item)
        if len(report.errors) < report.counts["rejected"]:
            self.errors.addTopLevelItem(
                QTreeWidgetItem(
                    ["", self.tr("… and {more:,} more").format(more=report.counts["rejected"] - len(report.errors))]
                )
            )

    def _update(self) -> None:
        chosen = self.errors.selectedItems()
        self.errors.setVisible(self.errors.topLevelItemCount() > 0)
        self.show_button.setVisible(self.errors.topLevelItemCount() > 0)
        self.show_button.setEnabled(bool(chosen) and chosen[0].data(0, _FEATURE) is not None)
