"""Processing: when the incidents of a layer happened, as a table."""

from __future__ import annotations

from datetime import date

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSink,
    QgsField,
    QgsFields,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QMetaType

from ..core.analysis_error import AnalysisError
from ..core.events import EventKind
from ..core.time_answer import ChartKind, TimeAnswer, TimeQuestion, answer
from ..core.time_rows import TimeSource, dated_facts
from ..core.time_tables import COLUMNS, TimeTable, Value, time_table
from .algorithm import SafeStatsAlgorithm, advanced, period_of, tr, with_help

_KINDS = tuple(ChartKind)
_TYPES = {
    int: QMetaType.Type.Int,
    float: QMetaType.Type.Double,
    str: QMetaType.Type.QString,
    bool: QMetaType.Type.Bool,
    date: QMetaType.Type.QDate,
}


class TimeCounts(SafeStatsAlgorithm):
    """One of the time dock's charts as a table of exact counts."""

    NAME = "timecounts"
    ICON = "time"
    TITLE = "Count by time"
    TAGS = "safestats crime incidents time hour weekday calendar trend year pareto aoristic boroughs"
    HELP = (
        "Counts the incidents of a layer by hour and weekday, by day, by month with the sum of the twelve months that "
        "end with it, month by month beside the year before, by category, or by borough: the tables behind the "
        "charts of the time dock.\n\n"
        "A month that was not delivered has no value: it is never taken for a month without incidents. With weighting "
        "(aoristic) an incident whose hour is known as a span, or not at all, is spread evenly over that span or its "
        "day; without it such incidents are left out, and their number is told.\n\n"
        "Months are written 2025-03. Leave both empty for the newest twelve. Rates per 1,000 residents are in the "
        "dock, which asks the server for the residents."
    )
    INPUT, CHART, FROM, TO = "INPUT", "CHART", "FROM_MONTH", "TO_MONTH"
    WEIGHTED, SELECTED, OUTPUT = "WEIGHTED", "SELECTED", "OUTPUT"
    INCIDENTS, UNDATED, UNKNOWN = "INCIDENTS", "UNDATED", "UNKNOWN_HOUR"

    def initAlgorithm(self, _configuration: dict | None = None) -> None:
        kinds = [QgsProcessing.SourceType.TypeVector]
        words = [kind.words for kind in _KINDS]
        for definition, explained in (
            (QgsProcessingParameterVectorLayer(self.INPUT, tr("Incidents"), kinds),
             tr("A layer with a column of dates or months. Its filter holds here, too.")),
            (QgsProcessingParameterEnum(self.CHART, tr("Count by"), words, defaultValue=0),
             tr("Which of the time dock's charts the table is of.")),
            (QgsProcessingParameterString(self.FROM, tr("First month, such as 2025-03"), optional=True),
             tr("Empty, with the last month empty too, for the newest twelve months.")),
            (QgsProcessingParameterString(self.TO, tr("Last month"), optional=True),
             tr("Included; empty for the first month alone.")),
            (QgsProcessingParameterBoolean(self.WEIGHTED, tr("Weigh hours that are not known exactly"), False),
             tr("Aoristic. Of hour and weekday only.")),
            (advanced(QgsProcessingParameterBoolean(self.SELECTED, tr("Selected incidents only"), False)),
             tr("Those that are selected on the map. Boroughs are always compared by all incidents of the filter.")),
            (QgsProcessingParameterFeatureSink(self.OUTPUT, tr("Counts"), QgsProcessing.SourceType.TypeVector),
             tr("The table, without places.")),
        ):  # fmt: skip
            self.addParameter(with_help(definition, explained))
        self.addOutput(QgsProcessingOutputNumber(self.INCIDENTS, tr("Incidents in the period")))
        self.addOutput(QgsProcessingOutputNumber(self.UNDATED, tr("Incidents without a date")))
        self.addOutput(QgsProcessingOutputNumber(self.UNKNOWN, tr("Incidents without an hour (hour and weekday)")))

    def checkParameterValues(self, parameters: dict, context: QgsProcessingContext) -> tuple[bool, str]:
        return self.check(lambda: self._look(parameters, context), parameters, context)

    def _look(self, parameters: dict, context: QgsProcessingContext) -> None:
        self._question(parameters, context)
        layer = self.parameterAsVectorLayer(parameters, self.INPUT, context)
        dated_facts(layer)
        if self.parameterAsBool(parameters, self.SELECTED, context) and not layer.selectedFeatureCount():
            raise AnalysisError(
                tr("No incident of “{layer}” is selected: select some, or count all.").format(layer=layer.name()),
                "selection",
            )

    def _question(self, parameters: dict, context: QgsProcessingContext) -> TimeQuestion:
        first, last = (self.parameterAsString(parameters, name, context) for name in (self.FROM, self.TO))
        return TimeQuestion(period_of(first, last), self.parameterAsBool(parameters, self.WEIGHTED, context))

    def prepareAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> bool:
        layer = self.parameterAsVectorLayer(parameters, self.INPUT, context)
        selected = self.parameterAsBool(parameters, self.SELECTED, context)
        self._source = TimeSource(layer, dated_facts(layer), selected, date.today())
        self.require_copies([self._source], parameters)
        return True

    def _run(self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict:
        kind = _KINDS[self.parameterAsEnum(parameters, self.CHART, context)]
        question = self._question(parameters, context)
        made = answer(self._source, question, None, date.today(), feedback.isCanceled)
        self._note(kind, question, made)
        if made.trouble(kind):
            raise AnalysisError(made.trouble(kind))
        feedback.pushInfo(tr("Period: {months}").format(months=made.period.label))
        if made.missing:
            feedback.pushWarning(tr("Not delivered: {months}").format(months=", ".join(made.missing)))
        outputs: dict = {self.INCIDENTS: made.rows, self.UNDATED: made.undated}
        if kind is ChartKind.WEEK and made.week is not None:
            outputs[self.UNKNOWN] = made.week.unknown
        self._write(time_table(kind, made), parameters, context, outputs)
        return outputs

    def _note(self, kind: ChartKind, question: TimeQuestion, made: TimeAnswer) -> None:
        filters = {
            "from": made.period.first,
            "to": made.period.last,
            "selected": made.selected,
            "filtered": made.filtered,
            "weighted": question.weighted,
            "product": f"table-{kind.value}",
            **made.facts.audited_filter,
        }
        self.note_use(self._source, EventKind.TIME_CHARTS, filters, made.rows)

    def _write(self, table: TimeTable, parameters: dict, context: QgsProcessingContext, outputs: dict) -> None:
        fields = QgsFields()
        for name, kind in COLUMNS[table.kind]:
            fields.append(QgsField(name, _TYPES[kind]))
        nowhere = QgsCoordinateReferenceSystem()
        sink, target = self.parameterAsSink(parameters, self.OUTPUT, context, fields, Qgis.WkbType.NoGeometry, nowhere)
        for row in table.rows:
            feature = QgsFeature(fields)
            feature.setAttributes([_of_qt(value) for value in row])
            sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
        del sink
        outputs[self.OUTPUT] = target


def _of_qt(value: Value) -> object:
    return QDate(value.year, value.month, value.day) if isinstance(value, date) else value
