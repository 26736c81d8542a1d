"""Processing: incidents in rings around a postcode or a point."""

from __future__ import annotations

from collections.abc import Iterator

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

from ...shared.rings import Band
from ..core.analysis_error import AnalysisError
from ..core.events import EventKind
from ..core.places import PlaceFinder
from ..core.points import NATIONAL_GRID
from ..core.proximity import DatasetRings, ProximityResult, RingCounts, SearchFilter, parse_radii, search
from .algorithm import SafeStatsAlgorithm, advanced, period_of, tr, with_help

_GRID = QgsCoordinateReferenceSystem(NATIONAL_GRID)


class ProximitySearch(SafeStatsAlgorithm):
    """Rings with counts, and a table by dataset, category and ring."""

    NAME = "proximitysearch"
    TITLE = "Search around a postcode or point"
    TAGS = "safestats crime incidents postcode licensing rings buffer count"
    HELP = (
        "Counts the incidents of one or several point layers in rings around a postcode or a point, per category, "
        "for a period and, where held, for the period of the same length before it.\n\n"
        "A ring holds every incident at a distance of at most its radius, so counts are cumulative and an incident "
        "on the ring is inside. Distances are plane distances in the British National Grid (EPSG:27700), in which the "
        "layers must be. Layers are never added up: each service records the same event in its own way.\n\n"
        "Months are written 2025-03. Leave both empty for all dates."
    )
    INPUT, POSTCODE, POINT, RADII = "INPUT", "POSTCODE", "POINT", "RADII"
    FROM, TO, COMPARE, HOURS = "FROM_MONTH", "TO_MONTH", "COMPARE", "HOURS"
    RINGS, TABLE = "RINGS", "TABLE"
    EASTING, NORTHING, COUNT, PLACE = "EASTING", "NORTHING", "COUNT", "PLACE"

    def initAlgorithm(self, _configuration: dict | None = None) -> None:
        add = self.addParameter
        add(
            QgsProcessingParameterMultipleLayers(
                self.INPUT, tr("Incident layers"), QgsProcessing.SourceType.TypeVectorPoint
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
        add(QgsProcessingParameterString(self.FROM, tr("First month"), optional=True))
        add(QgsProcessingParameterString(self.TO, tr("Last month"), optional=True))
        add(advanced(QgsProcessingParameterBoolean(self.COMPARE, tr("Compare with the period before"), True)))
        bands = [tr("all hours") if band is Band.ALL else band.value for band in Band]
        add(advanced(QgsProcessingParameterEnum(self.HOURS, tr("Hours"), bands, defaultValue=0)))
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
        self._period(parameters, context)
        postcode = self.parameterAsString(parameters, self.POSTCODE, context).strip()
        if bool(postcode) == bool(parameters.get(self.POINT)):
            raise AnalysisError(tr("Give either a postcode or a point: one of them, not both."), "postcode")
        if postcode:
            PlaceFinder.check(postcode)

    def _period(self, parameters: dict, context: QgsProcessingContext):
        return period_of(
            self.parameterAsString(parameters, self.FROM, context), self.parameterAsString(parameters, self.TO, context)
        )

    def prepareAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> bool:
        layers = self.parameterAsLayerList(parameters, self.INPUT, context)
        self._sources = [self.point_source(layer) for layer in layers]
        self.require_export(self._sources, parameters)
        return True

    def processAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict:
        return self.run_checked(lambda: self._run(parameters, context, feedback), feedback)

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
        wanted = SearchFilter(
            period=self._period(parameters, context),
            compare=self.parameterAsBool(parameters, self.COMPARE, context),
            band=list(Band)[self.parameterAsEnum(parameters, self.HOURS, context)],
        )
        radii = parse_radii(self.parameterAsString(parameters, self.RADII, context))

        def report(stage: str, done: float, total: float) -> None:
            feedback.setProgressText(stage)
            feedback.setProgress(100 * done / total if total else 0)

        result = search(self._sources, place, radii, wanted, feedback.isCanceled, report)
        for sentence in result.left_out:
            feedback.pushWarning(sentence)
        by_layer = {source.facts.layer_id: source for source in self._sources}
        for part in result.datasets:
            filters: dict = {"place": place.label, "radii": list(radii)}
            if part.period is not None:
                filters.update({"from": part.period.first, "to": part.period.last})
            self.note_use(by_layer[part.layer_id], EventKind.PROXIMITY_SEARCH, filters, part.total.counts[-1])
            for note in (*part.notes, *part.caveats):
                feedback.pushInfo(f"{part.title}: {note}")
        outputs: dict = {
            self.PLACE: f"{place.label}{', ' + place.borough if place.borough else ''}",
            self.EASTING: place.easting,
            self.NORTHING: place.northing,
        }
        if len(result.datasets) == 1:
            outputs[self.COUNT] = result.datasets[0].total.counts[-1]
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
        ("place", _TEXT), ("dataset", _TEXT), ("radius_m", _WHOLE), ("area_km2", _REAL), ("incidents", _WHOLE),
        ("per_km2", _REAL), ("before", _WHOLE), ("unplaced", _WHOLE),
    )  # fmt: skip


def _table_fields() -> QgsFields:
    return _fields(
        ("place", _TEXT), ("dataset", _TEXT), ("category", _TEXT), ("radius_m", _WHOLE), ("incidents", _WHOLE),
        ("per_km2", _REAL), ("before", _WHOLE), ("change", _REAL), ("period", _TEXT), ("period_before", _TEXT),
    )  # fmt: skip


def _rings(result: ProximityResult) -> Iterator[QgsFeature]:
    for part in result.datasets:
        # The largest first, so that the smaller ones are drawn on top of it.
        for ring in reversed(range(len(result.radii))):
            feature = QgsFeature(_ring_fields())
            feature.setGeometry(result.rings[ring])
            count = part.total.counts[ring]
            feature.setAttributes(
                [
                    result.place.label, part.dataset, result.radii[ring], result.areas_km2[ring], count,
                    result.per_km2(count, ring), _before(part.total, ring), part.unplaced,
                ]
            )  # fmt: skip
            yield feature


def _table(result: ProximityResult) -> Iterator[QgsFeature]:
    for part in result.datasets:
        for counts in (part.total, *part.rows):
            for ring in range(len(result.radii)):
                yield _table_row(result, part, counts, ring)


def _table_row(result: ProximityResult, part: DatasetRings, counts: RingCounts, ring: int) -> QgsFeature:
    feature = QgsFeature(_table_fields())
    feature.setAttributes(
        [
            result.place.label,
            part.dataset,
            counts.label,
            result.radii[ring],
            counts.counts[ring],
            result.per_km2(counts.counts[ring], ring),
            _before(counts, ring),
            counts.change(ring),
            part.period.label if part.period else "",
            part.previous_period.label if part.previous_period else "",
        ]
    )
    return feature


def _before(counts: RingCounts, ring: int) -> int | None:
    return None if counts.previous is None else counts.previous[ring]
