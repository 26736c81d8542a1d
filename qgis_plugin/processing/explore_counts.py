"""Processing: the counts of a local copy by area, category and month, asked as the explore dock asks them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qgis.core import (
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
    QgsProcessingParameterDateTime,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorLayer,
    QgsProject,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QMetaType

from ...shared.rings import EVERY_DAY, OwnBand
from ..core import layers
from ..core.analysis_error import AnalysisError
from ..core.events import EventKind
from ..core.explore.area_sets import AreaSets, Held
from ..core.explore.copy_table import CopyTable, category_tree
from ..core.explore.counting import Counted, count
from ..core.explore.pivot import category_label
from ..core.explore.selection import By, Selection, Within, whole_or_days
from ..core.explore.wording import audited
from ..core.periods import DaySpan
from ..core.resource_files import BOUNDARIES
from ..core.study_areas import BoroughMap, polygon_area
from .algorithm import SafeStatsAlgorithm, copies, period_of, progress, tr, with_help

_BY = (By.WHOLE, By.BOROUGH, By.LSOA)  # wards come from the server, by the dock


class ExploreCounts(SafeStatsAlgorithm):
    """A table of counts: a row for each area, category and month that has any."""

    NAME = "explorecounts"
    TITLE = "Counts by area, category and month"
    TAGS = "safestats crime incidents count explore table borough lsoa months filter"
    ICON = "explore"
    HELP = (
        "Counts the incidents of a SafeStats layer's local copy, as the dock Explore does: of some months or days, "
        "hours, categories and areas; by borough, by LSOA or as one. The table has a row for each area, category and "
        "month with any, and one without a number for each area that the copy does not hold: none of them counts as "
        "zero.\n\n"
        "What is left out or rough is told in the notes. Counts are exact, small ones too: not for publication. One "
        "layer at a time, as incidents of several services are not added up."
    )
    INPUT, BY, BOROUGHS, POLYGONS = "INPUT", "BY", "BOROUGHS", "POLYGONS"
    CATEGORIES, FROM, TO = "CATEGORIES", "FROM_MONTH", "TO_MONTH"
    FIRST_DAY, LAST_DAY = "FIRST_DAY", "LAST_DAY"
    FIRST_HOUR, LAST_HOUR, DAYS = "FIRST_HOUR", "LAST_HOUR", "DAYS"
    OUTPUT, TOTAL, NOTES = "OUTPUT", "TOTAL", "NOTES"

    def initAlgorithm(self, _configuration: dict | None = None) -> None:
        add, sort = self.addParameter, QgsProcessingParameterNumber.Type.Integer
        kinds = [QgsProcessing.SourceType.TypeVector]
        polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
        by = [tr("As one"), tr("Borough"), tr("LSOA")]
        days = [tr(day) for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")]
        date = QgsProcessingParameterDateTime.Type.Date
        hour = {"type": sort, "optional": True, "minValue": 0, "maxValue": 23}
        for definition, explained in (
            (QgsProcessingParameterVectorLayer(self.INPUT, tr("SafeStats layer"), kinds),
             tr("A layer of SafeStats, whose local copy is counted whatever its filter.")),
            (QgsProcessingParameterEnum(self.BY, tr("Counts by"), by, defaultValue=1),
             tr("What areas the counts are told by.")),
            (QgsProcessingParameterString(self.BOROUGHS, tr("Within boroughs"), optional=True),
             tr("London boroughs by name or code, separated by commas; empty for everywhere in the copy.")),
            (QgsProcessingParameterVectorLayer(self.POLYGONS, tr("Within polygons"), polygons, optional=True),
             tr("Instead of boroughs: the selected polygons of a layer, or all of them.")),
            (QgsProcessingParameterString(self.CATEGORIES, tr("Categories"), optional=True),
             tr("Values of the category column, separated by commas; a finer one as “Fire / Primary fire”.")),
            (QgsProcessingParameterString(self.FROM, tr("First month, such as 2025-03"), optional=True),
             tr("Empty, with the last month empty too, for all months.")),
            (QgsProcessingParameterString(self.TO, tr("Last month"), optional=True),
             tr("Included; empty for the first month alone.")),
            (QgsProcessingParameterDateTime(self.FIRST_DAY, tr("First day"), date, optional=True),
             tr("Instead of months: from this day on, where the copy tells days.")),
            (QgsProcessingParameterDateTime(self.LAST_DAY, tr("Last day"), date, optional=True),
             tr("Included; empty for the first day alone.")),
            (QgsProcessingParameterNumber(self.FIRST_HOUR, tr("From hour (0 to 23)"), **hour),
             tr("Empty for all hours. A band may go through midnight, as from 20 to 5.")),
            (QgsProcessingParameterNumber(self.LAST_HOUR, tr("To the end of hour (0 to 23)"), **hour),
             tr("Included; what lies after midnight belongs to the day before.")),
            (QgsProcessingParameterEnum(self.DAYS, tr("Days on which the hours begin"), days, True, optional=True),
             tr("None chosen: every day.")),
            (QgsProcessingParameterFeatureSink(self.OUTPUT, tr("Counts"), QgsProcessing.SourceType.TypeVector),
             tr("The table, without places.")),
        ):  # fmt: skip
            add(with_help(definition, explained))
        self.addOutput(QgsProcessingOutputNumber(self.TOTAL, tr("Incidents counted")))
        self.addOutput(QgsProcessingOutputString(self.NOTES, tr("What a reader must know")))

    def checkParameterValues(self, parameters: dict, context: QgsProcessingContext) -> tuple[bool, str]:
        return self.check(lambda: self._look(parameters, context), parameters, context)

    def _look(self, parameters: dict, context: QgsProcessingContext) -> None:
        self._table_of(parameters, context)
        self._asked(parameters, context, "", "")

    # ------------------------------------------------------------------ the question

    def _table_of(self, parameters: dict, context: QgsProcessingContext) -> CopyTable:
        """The local copy of the layer; one that was opened as a plain file is known by where it lies."""
        layer = self.parameterAsVectorLayer(parameters, self.INPUT, context)
        if layer is None:
            raise AnalysisError(tr("No layer is chosen: choose a layer of SafeStats."), "layer")
        file = Path(layer.source().split("|", 1)[0])
        owner = copies().owner_of(file) if layers.facts(layer) is None else None
        copy = copies().account_of_key(owner[0]).copy(owner[1]) if owner is not None else None
        if copy is not None:
            told = QgsVectorLayer(layer.source(), layer.name(), "ogr")
            layers.describe(told, copy.manifest)
            return CopyTable.of(told)
        return CopyTable.of(layer)

    def _asked(self, parameters: dict, context: QgsProcessingContext, dataset: str, refined_by: str) -> Selection:
        """The question; raises ``AnalysisError`` for what cannot be asked."""
        text = lambda name: self.parameterAsString(parameters, name, context).strip()  # noqa: E731
        boroughs = [part.strip() for part in text(self.BOROUGHS).split(",") if part.strip()]
        polygons = self.parameterAsVectorLayer(parameters, self.POLYGONS, context)
        if boroughs and polygons is not None:
            raise AnalysisError(tr("Give boroughs or polygons: one of them, not both."), "area")
        within, codes, shape = Within.ALL, (), ""
        if boroughs:
            within, codes = Within.BOROUGHS, BoroughMap(BOUNDARIES).named(boroughs).codes
        elif polygons is not None:
            area = polygon_area(polygons, context.project() or QgsProject.instance())
            within, shape = Within.SHAPE, area.geometry.asWkt(3)
        named = [part.strip() for part in text(self.CATEGORIES).split(",") if part.strip()]
        categories = tuple(tuple(part.strip() for part in name.split(" / ", 1)) for name in named)
        period, days = period_of(text(self.FROM), text(self.TO)), self._days(parameters, context)
        if period is not None and days is not None:
            raise AnalysisError(tr("Give months or days: one of them, not both."), "day")
        if days is not None:
            period, days = whole_or_days(days)
        return Selection(
            dataset=dataset,
            period=period,
            days=days,
            hours=self._hours(parameters, context),
            refined_by=refined_by,
            categories=categories,
            within=within,
            codes=codes,
            shape=shape,
            by=_BY[self.parameterAsEnum(parameters, self.BY, context)],
        )

    def _days(self, parameters: dict, context: QgsProcessingContext) -> DaySpan | None:
        given = [self.parameterAsDateTime(parameters, name, context).date() for name in (self.FIRST_DAY, self.LAST_DAY)]
        first, last = (day.toString("yyyy-MM-dd") if day.isValid() else "" for day in given)
        if last and not first:
            raise AnalysisError(tr("Days have a beginning and an end: give the first day too."), "day")
        return DaySpan(first, last or first) if first else None

    def _hours(self, parameters: dict, context: QgsProcessingContext) -> OwnBand | None:
        given = [parameters.get(name) not in (None, "") for name in (self.FIRST_HOUR, self.LAST_HOUR)]
        # Of nothing chosen QGIS makes the first.
        chosen = self.parameterAsEnums(parameters, self.DAYS, context) if parameters.get(self.DAYS) else ()
        days = frozenset(chosen)
        if not any(given):
            return OwnBand(0, 23, days) if days and days != EVERY_DAY else None
        if not all(given):
            raise AnalysisError(tr("Hours have a beginning and an end: give both, or none."), "hours")
        first, last = (self.parameterAsInt(parameters, name, context) for name in (self.FIRST_HOUR, self.LAST_HOUR))
        return OwnBand(first, last, days or EVERY_DAY)

    # ------------------------------------------------------------------ running

    def prepareAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> bool:
        # Layers belong to the thread that prepares.
        self._table = self._table_of(parameters, context)
        self._question = self._asked(parameters, context, self._table.facts.dataset, "")
        self.require_copies([self._table], parameters)
        return True

    def _run(self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict:
        table, asked = self._table, self._question
        if any(len(path) > 1 for path in asked.categories):
            finer, _tree = category_tree(table, feedback.isCanceled)
            asked = Selection(**{**asked.__dict__, "refined_by": finer})
        counted = count(table, asked, AreaSets(), None, feedback.isCanceled, progress(feedback))
        target = self._write(counted, parameters, context)
        for note in counted.notes:
            feedback.pushWarning(note)
        total = counted.total if counted.additive else None
        self.note_use(table, EventKind.EXPLORED, audited(asked), total)
        return {self.OUTPUT: target, self.TOTAL: total, self.NOTES: "\n".join(counted.notes)}

    def _write(self, counted: Counted, parameters: dict, context: QgsProcessingContext) -> str:
        fields = QgsFields()
        for name in ("code", "area", "category", "month"):
            fields.append(QgsField(name, QMetaType.Type.QString))
        fields.append(QgsField("incidents", QMetaType.Type.LongLong))
        fields.append(QgsField("note", QMetaType.Type.QString))
        sink, target = self.parameterAsSink(
            parameters, self.OUTPUT, context, fields, QgsWkbTypes.Type.NoGeometry, QgsCoordinateReferenceSystem()
        )
        for row in _rows(counted):
            feature = QgsFeature(fields)
            feature.setAttributes(list(row))
            sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
        return target


def _rows(counted: Counted) -> Sequence[tuple]:
    """(code, area, category, month, incidents or nothing, note) of every cell with any, and of areas not held."""
    found = []
    words = {Held.WHOLE: "", Held.PART: tr("held in part"), Held.NONE: tr("not held")}
    for at, (place, held) in enumerate(zip(counted.places, counted.held)):
        if held is Held.NONE:
            found.append((place.code, place.name, "", "", None, words[held]))
        for category, month in zip(*(counted.cells[at].astype(bool) | counted.withheld[at]).nonzero()):
            masked = bool(counted.withheld[at, category, month])
            number = int(counted.cells[at, category, month])
            note = "; ".join(filter(None, [words[held], tr("a number is withheld by the supplier") if masked else ""]))
            shown = None if masked and not number else number
            label = category_label(counted.categories[category])
            found.append((place.code, place.name, label, counted.months[month], shown, note))
    return found
