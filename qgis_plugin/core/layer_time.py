"""When the incidents of a layer happened, as QGIS's time controller asks for it."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsDateTimeRange,
    QgsExpression,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QMetaType, Qt, QTime

_DAY = "occurred_on"
_MONTH = "month"


def keep_time(layer: QgsVectorLayer) -> None:
    """Tell the time controller how the layer is dated: by the day where there is one, else by the month.

    A layer without either stays still. Rows without a date are shown at any time, as QGIS does with such rows.
    """
    properties = layer.temporalProperties()
    fields = layer.fields()
    day = fields.indexOf(_DAY)
    if day >= 0 and fields.at(day).type() in (QMetaType.Type.QDate, QMetaType.Type.QDateTime):
        properties.setMode(Qgis.VectorTemporalMode.FeatureDateTimeInstantFromField)
        properties.setStartField(_DAY)
        properties.setFixedDuration(1)
        properties.setDurationUnits(Qgis.TemporalUnit.Days)
    elif fields.indexOf(_MONTH) >= 0:
        # A date would not compare with the controller's moments.
        begins = f"to_datetime({QgsExpression.quotedColumnRef(_MONTH)} || '-01')"
        properties.setMode(Qgis.VectorTemporalMode.FeatureDateTimeStartAndEndFromExpressions)
        properties.setStartExpression(begins)
        properties.setEndExpression(f"{begins} + to_interval('1 month')")
    else:
        properties.setIsActive(False)
        return
    properties.setLimitMode(Qgis.VectorTemporalLimitMode.IncludeBeginExcludeEnd)
    properties.setIsActive(True)


def months_held(first: str, newest: str) -> QgsDateTimeRange | None:
    """From the first moment of the month ``first`` to the end of ``newest`` (YYYY-MM); ``None`` for other text."""
    begins, last = (QDate.fromString(f"{text}-01", Qt.DateFormat.ISODate) for text in (first, newest))
    if not (begins.isValid() and last.isValid() and begins <= last):
        return None
    midnight = QTime(0, 0)
    return QgsDateTimeRange(QDateTime(begins, midnight), QDateTime(last.addMonths(1), midnight), True, False)


def widen_project_time(project: QgsProject, held: QgsDateTimeRange | None) -> None:
    """The project's own span of time, which the time controller offers, takes in ``held``."""
    if held is None:
        return
    times = project.timeSettings()
    span = times.temporalRange()
    if span.isInfinite() or span.isEmpty():
        times.setTemporalRange(held)
    else:
        begin, end = min(span.begin(), held.begin()), max(span.end(), held.end())
        times.setTemporalRange(QgsDateTimeRange(begin, end, True, False))
