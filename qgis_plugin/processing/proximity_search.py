"""Processing: incidents in rings around a postcode or a point."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterPoint,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import QMetaType

from ...shared.change import RateChange
from ...shared.presets import read_presets
from ...shared.ring_answer import AnswerRow, DatasetAnswer
from ..core.analysis_error import AnalysisError
from ..core.borough_ranks import BoroughRanks
from ..core.coverage import CoverageMap
from ..core.events import EventKind
from ..core.places import PlaceFinder
from ..core.point_facts import NATIONAL_GRID
from ..core.proximity import PlaceSearch, rank, search
from ..core.proximity_question import Question, parse_radii, plan
from ..core.resource_files import PRESETS
from .algorithm import SafeStatsAlgorithm, advanced, copies, progress, tr, window_of, with_help

_GRID = QgsCoordinateReferenceSystem(NATIONAL_GRID)


class ProximitySearch(SafeStatsAlgorithm):
    """Rings with counts, and a table by dataset, category and ring."""

    NAME = "proximitysearch"
    TITLE = "Search around a postcode or point"
    TAGS = "safestats crime incidents postcode licensing rings buffer count"
    ICON = "proximity"
    HELP = (
        "Counts the incidents of one or several point layers in rings around a postcode or a point, per category, "
        "for the last 12 full months (or months of your own) and, where held, for as many before them; tells the "
        "change with a 95 % interval, the rate per km² of land on which the data are held, and the share of the "
        "borough's postcodes that have fewer.\n\n"
        "A ring holds every incident at a distance of at most its radius, so counts are cumulative and an incident "
        "on the ring is inside. Distances are plane distances in the British National Grid (EPSG:27700), in which the "
        "layers must be. Layers are never added up: each service records the same event in its own way.\n\n"
        "Months are written 2025-03. Leave both empty for the last 12 that all layers hold in full."
    )
    INPUT, POSTCODE, POINT, RADII = "INPUT", "POSTCODE", "POINT", "RADII"
    FROM, TO, COMPARE, PRESET, RANK = "FROM_MONTH", "TO_MONTH", "COMPARE", "PRESET", "RANK"
    RINGS, TABLE = "RINGS", "TABLE"
    EASTING, NORTHING, COUNT, PLACE = "EASTING", "NORTHING", "COUNT", "PLACE"

    def initAlgorithm(self, _configuration: dict | None = None) -> None:
        add = self.addParameter
        add(
            with_help(
                QgsProcessingParameterMultipleLayers(
                    self.INPUT, tr("Incident layers"), QgsProcessing.SourceType.TypeVectorPoint
                ),
                tr("Point layers of incidents. Each is counted by itself; they are never added up."),
            )
        )
        add(
            with_help(
                QgsProcessingParameterString(self.POSTCODE, tr("Postcode"), optional=True),
                tr("A full postcode in any spelling, for example se1 2aa. Leave empty to give a point."),
            )
        )
        add(
            with_help(
                QgsProcessingParameterPoint(self.POINT, tr("Point (instead of a postcode)"), optional=True),
                tr("Rounded to whole metres of the British National Grid."),
            )
        )
        add(
            with_help(
                QgsProcessingParameterString(self.RADII, tr("Radii (m)"), "100, 250, 500"),
                tr("Whole metres separated by commas."),
            )
        )
        add(
            with_help(
                QgsProcessingParameterString(self.FROM, tr("First month"), optional=True),
                tr("Such as 2025-03; empty, with the last month empty too, for the last 12 months that all hold."),
            )
        )
        add(
            with_help(
                QgsProcessingParameterString(self.TO, tr("Last month"), optional=True),
                tr("Included; empty for the first month alone."),
            )
        )
        add(
            with_help(
                advanced(QgsProcessingParameterBoolean(self.COMPARE, tr("Compare with the months before"), True)),
                tr("Tells the change from as many months just before, where they are held."),
            )
        )
        titles = [preset.title for preset in read_presets(PRESETS)]
        add(
            with_help(
                QgsProcessingParameterEnum(self.PRESET, tr("Preset"), titles, defaultValue=0),
                tr("Which hours and days are counted, and what is left out."),
            )
        )
        add(
            with_help(
                advanced(QgsProcessingParameterBoolean(self.RANK, tr("Rank among the borough's postcodes"), True)),
                tr("Counts around every postcode of the borough: a while the first time, at once afterwards."),
            )
        )
        add(
            QgsProcessingParameterFeatureSink(
                self.RINGS, tr("Rings with counts"), QgsProcessing.SourceType.TypeVectorPolygon, optional=True
            )
        )
        add(
            QgsProcessingParameterFeatureSink(
                self.TABLE, tr("Table by category and ring"), QgsProcessing.SourceType.TypeVector, optional=True
            )
        )
        self.addOutput(QgsProcessingOutputString(self.PLACE, tr("Centre in words")))
        self.addOutput(QgsProcessingOutputNumber(self.EASTING, tr("Easting of the centre")))
        self.addOutput(QgsProcessingOutputNumber(self.NORTHING, tr("Northing of the centre")))
        self.addOutput(QgsProcessingOutputNumber(self.COUNT, tr("Incidents in the outer ring (of a single layer)")))

    def checkParameterValues(self, parameters: dict, context: QgsProcessingContext) -> tuple[bool, str]:
        return self.check(lambda: self._look(parameters, context), parameters, context)

    def _look(self, parameters: dict, context: QgsProcessingContext) -> None:
        parse_radii(self.parameterAsString(parameters, self.RADII, context))
        self._window(parameters, context)
        postcode = self.parameterAsString(parameters, self.POSTCODE, context).strip()
        if bool(postcode) == bool(parameters.get(self.POINT)):
            raise AnalysisError(tr("Give either a postcode or a point: one of them, not both."), "postcode")
        if postcode:
            PlaceFinder.check(postcode)

    def _window(self, parameters: dict, context: QgsProcessingContext):
        return window_of(
            self.parameterAsString(parameters, self.FROM, context), self.parameterAsString(parameters, self.TO, context)
        )

    def prepareAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> bool:
        layers = self.parameterAsLayerList(parameters, self.INPUT, context)
        self._sources = [self.point_source(layer) for layer in layers]
        self.require_copies(self._sources, parameters)
        return True

    def _run(self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict:
        postcode = self.parameterAsString(parameters, self.POSTCODE, context)
        finder = PlaceFinder()
        if postcode.strip():
            place = finder.find(postcode)
        else:
            point = self.parameterAsPoint(parameters, self.POINT, context, _GRID)
            place = finder.at(point.x(), point.y())
        feedback.pushInfo(f"{place.label}: {place.accuracy}")
        if place.warning:
            feedback.pushWarning(place.warning)
        question = Question(
            preset=read_presets(PRESETS)[self.parameterAsEnum(parameters, self.PRESET, context)],
            radii=parse_radii(self.parameterAsString(parameters, self.RADII, context)),
            window=self._window(parameters, context),
            compare=self.parameterAsBool(parameters, self.COMPARE, context),
        )

        report = progress(feedback)
        planned, ranks = plan(self._sources, question, date.today()), BoroughRanks(copies(), finder)
        if self.parameterAsBool(parameters, self.RANK, context):
            rank(planned, place.borough_code, ranks, feedback.isCanceled, report)
        result = search(planned, place, CoverageMap(), ranks, feedback.isCanceled, report)
        answer = result.answer
        for sentence in (*answer.notes, answer.boundary_note):
            feedback.pushInfo(sentence)
        sources = {source.facts.layer_id: source for source in self._sources}
        for part in answer.datasets:
            filters = {"place": place.label, "radii": list(answer.radii), "preset": question.preset.name}
            filters |= {"from": answer.now.first, "to": answer.now.last}
            source = sources[result.layers[part.code]]
            filters |= source.facts.audited_filter
            self.note_use(source, EventKind.PROXIMITY_SEARCH, filters, part.rows[0].figures[-1].count or 0)
            for note in (*part.notes, *part.caveats):
                feedback.pushInfo(f"{part.title}: {note}")
        outputs: dict = {
            self.PLACE: f"{place.label}{', ' + place.borough if place.borough else ''}",
            self.EASTING: place.easting,
            self.NORTHING: place.northing,
        }
        if len(answer.datasets) == 1:
            outputs[self.COUNT] = answer.rows[0].figures[-1].count
        self._write(self.RINGS, _ring_fields(), Qgis.WkbType.Polygon, _rings(result), parameters, context, outputs)
        self._write(self.TABLE, _table_fields(), Qgis.WkbType.NoGeometry, _table(result), parameters, context, outputs)
        return outputs

    def _write(
        self,
        name: str,
        fields: QgsFields,
        kind: Qgis.WkbType,
        features: Iterator[QgsFeature],
        parameters: dict,
        context: QgsProcessingContext,
        outputs: dict,
    ) -> None:
        crs = QgsCoordinateReferenceSystem() if kind == Qgis.WkbType.NoGeometry else _GRID
        sink, target = self.parameterAsSink(parameters, name, context, fields, kind, crs)
        if sink is None:
            return  # not asked for
        for feature in features:
            sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
        del sink
        outputs[name] = target


def _fields(*columns: tuple[str, QMetaType.Type]) -> QgsFields:
    fields = QgsFields()
    for name, kind in columns:
        fields.append(QgsField(name, kind))
    return fields


_TEXT, _WHOLE, _REAL = QMetaType.Type.QString, QMetaType.Type.Int, QMetaType.Type.Double


def _ring_fields() -> QgsFields:
    return _fields(
        ("place", _TEXT), ("dataset", _TEXT), ("hours", _TEXT), ("radius_m", _WHOLE), ("covered_km2", _REAL),
        ("incidents", _WHOLE), ("per_km2", _REAL), ("before", _WHOLE), ("unplaced", _WHOLE),
    )  # fmt: skip


def _table_fields() -> QgsFields:
    return _fields(
        ("place", _TEXT), ("dataset", _TEXT), ("category", _TEXT), ("hours", _TEXT), ("radius_m", _WHOLE),
        ("incidents", _WHOLE), ("before", _WHOLE), ("change", _REAL), ("change_low", _REAL), ("change_high", _REAL),
        ("per_km2", _REAL), ("fewer_pc", _REAL), ("compared", _TEXT), ("period", _TEXT), ("period_before", _TEXT),
    )  # fmt: skip


def _rings(result: PlaceSearch) -> Iterator[QgsFeature]:
    for part in result.answer.datasets:
        for row in part.totals():
            # The largest first, so that the smaller ones are drawn on top of it.
            for ring in reversed(range(len(result.radii))):
                yield _ring(result, part, row, ring)


def _ring(result: PlaceSearch, part: DatasetAnswer, row: AnswerRow, ring: int) -> QgsFeature:
    figure = row.figures[ring]
    feature = QgsFeature(_ring_fields())
    feature.setGeometry(result.rings[ring])
    feature.setAttributes(
        [
            result.place.label, part.code, row.band.words, figure.radius_m, figure.covered_km2, figure.count,
            figure.rate_per_km2, figure.before, part.unplaced,
        ]
    )  # fmt: skip
    return feature


def _table(result: PlaceSearch) -> Iterator[QgsFeature]:
    answer = result.answer
    for row in answer.rows:
        for figure in row.figures:
            changed = figure.change
            feature = QgsFeature(_table_fields())
            feature.setAttributes(
                [
                    answer.place.label, row.dataset, row.label, row.band.words, figure.radius_m, figure.count,
                    figure.before, *_change(changed), figure.rate_per_km2, figure.share_below, figure.sentence,
                    answer.now.label, answer.before.label if answer.before and figure.before is not None else "",
                ]
            )  # fmt: skip
            yield feature


def _change(changed: RateChange | None) -> tuple[float | None, float | None, float | None]:
    """The change and its interval as ratios less one; an interval without end has none."""
    if changed is None or changed.ratio is None:
        return None, None, None
    return changed.ratio - 1, changed.low - 1, None if math.isinf(changed.high) else changed.high - 1
