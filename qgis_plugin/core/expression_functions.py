"""Functions for QGIS's expressions: where a postcode is, in which borough a point lies, when a month begins."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsExpression, QgsExpressionContext, QgsExpressionFunction, QgsGeometry, QgsPointXY
from qgis.PyQt.QtCore import QDate, QObject, Qt

from .analysis_error import AnalysisError
from .places import PlaceFinder

GROUP = "SafeStats"


class _PlaceFunction(QgsExpressionFunction):
    """One function of one argument; trouble is the expression's own error, an empty argument gives NULL."""

    def __init__(self, name: str, help_text: str, argument: str, finder: PlaceFinder) -> None:
        super().__init__(name, [QgsExpressionFunction.Parameter(argument)], GROUP, help_text)
        self._finder = finder

    def answer(self, value: Any) -> Any:
        raise NotImplementedError

    def func(
        self, values: list[Any], _context: QgsExpressionContext | None, parent: QgsExpression, _node: object
    ) -> Any:
        """QGIS calls this for each feature; it never sees NULL."""
        try:
            return self.answer(values[0])
        except AnalysisError as error:
            parent.setEvalErrorString(error.sentence)
            return None


class _PostcodePoint(_PlaceFunction):
    def answer(self, value: Any) -> QgsGeometry:
        place = self._finder.find(str(value))
        return QgsGeometry.fromPointXY(QgsPointXY(place.easting, place.northing))


class _BoroughAt(_PlaceFunction):
    def answer(self, value: Any) -> str | None:
        if not isinstance(value, QgsGeometry):
            raise AnalysisError(
                "safestats_borough() asks for a point on the National Grid (EPSG:27700), such as @geometry."
            )
        if value.isEmpty():  # null, too
            return None
        point = value.centroid().asPoint()
        return self._finder.at(point.x(), point.y()).borough or None


class _MonthBegins(_PlaceFunction):
    def answer(self, value: Any) -> QDate:
        day = QDate.fromString(f"{value}-01", Qt.DateFormat.ISODate)
        if not day.isValid():
            raise AnalysisError(f"“{value}” is no month: give one such as '2026-01'.")
        return day


class ExpressionFunctions(QObject):
    """Registers the functions with QGIS, and takes them back."""

    def __init__(self, finder: PlaceFinder) -> None:
        super().__init__()
        self._functions = [
            _PostcodePoint(
                "safestats_postcode",
                self.tr(
                    "<p>The point of a postcode on the National Grid (EPSG:27700), from the list that comes with "
                    "SafeStats.</p><p><code>safestats_postcode('SE1 2AA')</code> → a point</p>"
                ),
                "postcode",
                finder,
            ),
            _BoroughAt(
                "safestats_borough",
                self.tr(
                    "<p>The London borough in which a point (EPSG:27700) lies; NULL outside London's boroughs.</p>"
                    "<p><code>safestats_borough(@geometry)</code> → 'Camden'</p>"
                ),
                "point",
                finder,
            ),
            _MonthBegins(
                "safestats_month_begins",
                self.tr(
                    "<p>The first day of a month as SafeStats layers write it.</p>"
                    '<p><code>safestats_month_begins("month")</code> → 2026-01-01</p>'
                ),
                "month",
                finder,
            ),
        ]

    def register(self) -> None:
        """Offer them in every expression."""
        for function in self._functions:
            QgsExpression.registerFunction(function)

    def remove(self) -> None:
        """Take them back."""
        for function in self._functions:
            QgsExpression.unregisterFunction(function.name())
