"""Processing: an algorithm for each analysis of the registry, made from what the analysis says of itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputString,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterField,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorLayer,
    QgsProject,
)

from ..core.analyses.analysis import Analysis, Choice, Kind
from ..core.analyses.running import AnalysisRun, Inputs, check_needs, checked_values, run_analysis
from ..core.analyses.writing import dress, layer_name, open_layers, source_of
from ..core.analysis_error import AnalysisError
from ..core.events import EventKind
from ..core.line_rows import LineSource
from ..core.point_facts import ColumnKind, check_layer, describe
from ..core.points import PointSource
from ..core.sentences import translated
from ..core.version import plugin_version
from .algorithm import AfterLoading, advanced, period_of, progress, tr, with_help
from .incident_algorithm import IncidentAlgorithm

_WHOLE = (Kind.WHOLE, Kind.DAYS)
_DATA_TYPES = {
    (ColumnKind.NUMBER,): QgsProcessingParameterField.DataType.Numeric,
    (ColumnKind.TEXT,): QgsProcessingParameterField.DataType.String,
    (ColumnKind.MOMENT,): QgsProcessingParameterField.DataType.DateTime,
}
_LAYER_TYPES = {
    Kind.LINE_LAYER: QgsProcessing.SourceType.TypeVectorLine,
    Kind.POINT_LAYER: QgsProcessing.SourceType.TypeVectorPoint,
}


class AnalysisAlgorithm(IncidentAlgorithm):
    """One analysis. A choice ``band_m`` is the parameter ``BAND_M``; a period is two, ``…_FROM`` and ``…_TO``."""

    ICON = "hotspot"
    OUTPUT, LAYER, ANSWER = "OUTPUT", "LAYER", "ANSWER"

    def __init__(self, analysis: Analysis) -> None:
        super().__init__()
        self._analysis = analysis

    def createInstance(self) -> AnalysisAlgorithm:
        return type(self)(self._analysis)

    def name(self) -> str:
        return self._analysis.name.replace("-", "")

    def displayName(self) -> str:
        return translated(self._analysis.words)

    def group(self) -> str:
        return translated(self._analysis.group)

    def groupId(self) -> str:
        return self._analysis.group.lower().replace(" ", "")

    def shortHelpString(self) -> str:
        lines = [f"{translated(choice.words)}: {translated(choice.help)}" for choice in self._analysis.choices]
        return "\n\n".join([translated(self._analysis.help), *lines])

    def tags(self) -> list[str]:
        return ["safestats", "crime", *self._analysis.name.split("-")]

    # ------------------------------------------------------------------ parameters

    def initAlgorithm(self, _configuration: dict | None = None) -> None:
        self.add_incidents()
        for choice in self._analysis.choices:
            for definition in self._definitions(choice):
                shown = with_help(definition, translated(choice.help))
                self.addParameter(advanced(shown) if choice.advanced else shown)
        self.addParameter(QgsProcessingParameterFileDestination(self.OUTPUT, tr("Result"), tr("GeoPackage (*.gpkg)")))
        self.addOutput(QgsProcessingOutputVectorLayer(self.LAYER, tr("Main layer of the result")))
        self.addOutput(QgsProcessingOutputString(self.ANSWER, tr("What was found")))
        self.add_counts()

    def _definitions(self, choice: Choice) -> list[QgsProcessingParameterDefinition]:
        makers: dict[Kind, Callable[[Choice], list[QgsProcessingParameterDefinition]]] = {
            Kind.ONE_OF: self._one_of,
            Kind.YES_NO: self._yes_no,
            Kind.COLUMN: self._column,
            Kind.LINE_LAYER: self._layer,
            Kind.POINT_LAYER: self._layer,
            Kind.PERIOD: self._period,
        }
        return makers.get(choice.kind, self._number)(choice)

    @staticmethod
    def _number(choice: Choice) -> list[QgsProcessingParameterDefinition]:
        unit = {Kind.METRES: " (m)", Kind.DAYS: tr(" (days)")}.get(choice.kind, "")
        sort = QgsProcessingParameterNumber.Type
        bounds = {"minValue": choice.least, "maxValue": choice.most}
        return [
            QgsProcessingParameterNumber(
                choice.name.upper(),
                translated(choice.words) + unit,
                sort.Integer if choice.kind in _WHOLE else sort.Double,
                choice.default,
                optional=choice.default is None,
                **{name: bound for name, bound in bounds.items() if bound is not None},
            )
        ]

    @staticmethod
    def _one_of(choice: Choice) -> list[QgsProcessingParameterDefinition]:
        values = [value for value, _ in choice.options]
        words = [translated(words) for _, words in choice.options]
        usual = values.index(choice.default) if choice.default in values else 0
        return [QgsProcessingParameterEnum(choice.name.upper(), translated(choice.words), words, defaultValue=usual)]

    @staticmethod
    def _yes_no(choice: Choice) -> list[QgsProcessingParameterDefinition]:
        return [
            QgsProcessingParameterBoolean(
                choice.name.upper(), translated(choice.words), defaultValue=bool(choice.default)
            )
        ]

    def _column(self, choice: Choice) -> list[QgsProcessingParameterDefinition]:
        kind = _DATA_TYPES.get(choice.columns, QgsProcessingParameterField.DataType.Any)
        return [
            QgsProcessingParameterField(
                choice.name.upper(),
                translated(choice.words),
                parentLayerParameterName=self.INPUT,
                type=kind,
                optional=not choice.required,
            )
        ]

    @staticmethod
    def _layer(choice: Choice) -> list[QgsProcessingParameterDefinition]:
        types = [_LAYER_TYPES[choice.kind]]
        return [
            QgsProcessingParameterVectorLayer(
                choice.name.upper(), translated(choice.words), types, optional=not choice.required
            )
        ]

    @staticmethod
    def _period(choice: Choice) -> list[QgsProcessingParameterDefinition]:
        ends = (("FROM", tr("{words}: first month")), ("TO", tr("{words}: last month")))
        return [
            QgsProcessingParameterString(
                f"{choice.name.upper()}_{end}", words.format(words=translated(choice.words)), optional=True
            )
            for end, words in ends
        ]

    def values(self, parameters: dict, context: QgsProcessingContext) -> dict[str, object]:
        """The choices as an analysis takes them; raises ``AnalysisError`` for months that are none."""
        return {choice.name: self._value(choice, parameters, context) for choice in self._analysis.choices}

    def _value(self, choice: Choice, parameters: dict, context: QgsProcessingContext) -> object:
        name = choice.name.upper()
        if choice.kind is Kind.PERIOD:
            first, last = (self.parameterAsString(parameters, f"{name}_{end}", context) for end in ("FROM", "TO"))
            return period_of(first, last)
        if choice.kind is Kind.ONE_OF:
            return choice.options[self.parameterAsEnum(parameters, name, context)][0]
        if choice.kind is Kind.YES_NO:
            return self.parameterAsBool(parameters, name, context)
        if choice.kind is Kind.COLUMN:
            return self.parameterAsString(parameters, name, context) or None
        if choice.kind in _LAYER_TYPES:
            layer = self.parameterAsVectorLayer(parameters, name, context)
            return layer.name() if layer is not None else None
        if choice.default is None and parameters.get(name) in (None, ""):
            return None
        whole = choice.kind in _WHOLE
        return (self.parameterAsInt if whole else self.parameterAsDouble)(parameters, name, context)

    # ------------------------------------------------------------------ running

    def checkParameterValues(self, parameters: dict, context: QgsProcessingContext) -> tuple[bool, str]:
        return self.check(lambda: self._look(parameters, context), parameters, context)

    def _look(self, parameters: dict, context: QgsProcessingContext) -> None:
        self.look_at_incidents(parameters, context)
        checked_values(self._analysis, self.values(parameters, context))
        layer = check_layer(self.parameterAsVectorLayer(parameters, self.INPUT, context))
        check_needs(self._analysis, describe(layer))

    def sources(self, parameters: dict, context: QgsProcessingContext) -> list[PointSource]:
        """The incidents and the further layers of points; streets are made ready beside them."""
        self._points: dict[str, PointSource] = {}
        self._lines: dict[str, LineSource] = {}
        project = context.project() or QgsProject.instance()
        for choice in self._analysis.choices:
            if choice.kind not in _LAYER_TYPES:
                continue
            layer = self.parameterAsVectorLayer(parameters, choice.name.upper(), context)
            if layer is None:
                continue
            if choice.kind is Kind.POINT_LAYER:
                self._points[choice.name] = self.point_source(layer)
                continue
            try:
                self._lines[choice.name] = LineSource(layer, project)
            except AnalysisError as error:
                self._trouble = error
        return [self._source, *self._points.values()]

    def _run(self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict:
        if self._trouble is not None:
            raise self._trouble
        inputs = Inputs(
            self._source,
            self._area,
            self.wanted(parameters, context),
            self.values(parameters, context),
            self._points,
            self._lines,
        )
        path = self.parameterAsFileOutput(parameters, self.OUTPUT, context)
        run = run_analysis(
            self._analysis, inputs, Path(path), plugin_version(), feedback.isCanceled, progress(feedback)
        )
        open_layers(run)  # which keeps style and record with the files
        self._tell(run, feedback)
        filters = self.filters(self._analysis.name, run.wanted)
        self.note_use(self._source, EventKind.HOTSPOT_RUN, filters, run.record.incidents)
        for source, (_facts, used) in zip(self._points.values(), run.others):
            self.note_use(source, EventKind.HOTSPOT_RUN, filters, used)
        self._load(run, context)
        return {
            self.OUTPUT: path,
            self.LAYER: source_of(run, run.findings.outputs[0]),
            self.ANSWER: run.findings.answer,
            self.INCIDENTS: run.record.incidents,
            self.OUTSIDE: run.record.outside,
            self.UNMAPPED: run.record.unmapped,
        }

    @staticmethod
    def _tell(run: AnalysisRun, feedback: QgsProcessingFeedback) -> None:
        feedback.pushInfo(run.findings.answer)
        for words, value in run.parameters:
            feedback.pushInfo(f"{words}: {value}")
        for note in (*run.notes, *run.facts.caveats):
            feedback.pushWarning(note)

    def _load(self, run: AnalysisRun, context: QgsProcessingContext) -> None:
        """Have Processing open the layers in the project it works for, if it does."""
        if context.project() is None:
            return
        for number, output in reversed(list(enumerate(run.findings.outputs))):
            details = QgsProcessingContext.LayerDetails(layer_name(run, number), context.project(), output.name)
            details.setPostProcessor(AfterLoading(partial(dress, output=output, run=run)))
            context.addLayerToLoadOnCompletion(source_of(run, output), details)
