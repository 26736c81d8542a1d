"""Processing: the proximity search around every premises of a list."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterString,
)

from ...shared.presets import read_presets
from ..core.borough_ranks import BoroughRanks
from ..core.coverage import CoverageMap
from ..core.events import EventKind
from ..core.places import PlaceFinder
from ..core.premises_batch import PAGES, WORKBOOK, run_batch
from ..core.proximity_question import Question, parse_radii
from ..core.resource_files import PRESETS
from ..layouts.premises_page import PremisesPages
from .algorithm import SafeStatsAlgorithm, advanced, copies, progress, tr, window_of, with_help


class PremisesBatch(SafeStatsAlgorithm):
    """A workbook of all answers, and a zip with a page for each premises."""

    NAME = "premisesbatch"
    TITLE = "Search around a list of premises"
    TAGS = "safestats crime incidents postcode licensing premises batch csv workbook"
    ICON = "proximity"
    HELP = (
        "Makes the same search as “Search around a postcode or point” around every premises of a list, and puts the "
        "figures into one workbook and, if wanted, a page for each premises (PDF) into a zip.\n\n"
        "The list is a CSV whose first line names its columns: “postcode”, or “easting” and “northing” in metres of "
        "the British National Grid; “name” and “reference” are optional. A row that cannot be searched around is "
        "told with its line and the reason on the sheet “Not searched”; all others are answered.\n\n"
        "Months are written 2025-03. Leave both empty for the last 12 that all layers hold in full."
    )
    INPUT, LIST, PRESET, RADII = "INPUT", "LIST", "PRESET", "RADII"
    FROM, TO, MAKE_PAGES, FOLDER = "FROM_MONTH", "TO_MONTH", "MAKE_PAGES", "FOLDER"
    BOOK, ZIP, ANSWERED, REJECTED = "WORKBOOK", "PAGES", "ANSWERED", "REJECTED"

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
                QgsProcessingParameterFile(self.LIST, tr("List of premises (CSV)"), extension="csv"),
                tr("Its first line names the columns: postcode, or easting and northing."),
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
                QgsProcessingParameterString(self.RADII, tr("Radii (m)"), "100, 250, 500"),
                tr("Whole metres separated by commas."),
            )
        )
        add(
            with_help(
                advanced(QgsProcessingParameterString(self.FROM, tr("First month"), optional=True)),
                tr("Such as 2025-03; empty, with the last month empty too, for the last 12 months that all hold."),
            )
        )
        add(
            with_help(
                advanced(QgsProcessingParameterString(self.TO, tr("Last month"), optional=True)),
                tr("Included; empty for the first month alone."),
            )
        )
        add(
            with_help(
                QgsProcessingParameterBoolean(self.MAKE_PAGES, tr("A page for each premises"), True),
                tr("A PDF each, together in a zip file."),
            )
        )
        add(QgsProcessingParameterFolderDestination(self.FOLDER, tr("Folder for the files")))
        self.addOutput(QgsProcessingOutputFile(self.BOOK, tr("Workbook")))
        self.addOutput(QgsProcessingOutputFile(self.ZIP, tr("Pages")))
        self.addOutput(QgsProcessingOutputNumber(self.ANSWERED, tr("Premises searched around")))
        self.addOutput(QgsProcessingOutputNumber(self.REJECTED, tr("Rows that could not be")))

    def checkParameterValues(self, parameters: dict, context: QgsProcessingContext) -> tuple[bool, str]:
        return self.check(lambda: self._question(parameters, context), parameters, context)

    def _question(self, parameters: dict, context: QgsProcessingContext) -> Question:
        return Question(
            preset=read_presets(PRESETS)[self.parameterAsEnum(parameters, self.PRESET, context)],
            radii=parse_radii(self.parameterAsString(parameters, self.RADII, context)),
            window=window_of(
                self.parameterAsString(parameters, self.FROM, context),
                self.parameterAsString(parameters, self.TO, context),
            ),
        )

    def prepareAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> bool:
        layers = self.parameterAsLayerList(parameters, self.INPUT, context)
        self._sources = [self.point_source(layer) for layer in layers]
        self.require_copies(self._sources, parameters)
        return True

    def _run(self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict:
        question = self._question(parameters, context)
        listed = Path(self.parameterAsFile(parameters, self.LIST, context))
        folder = Path(self.parameterAsString(parameters, self.FOLDER, context))
        folder.mkdir(parents=True, exist_ok=True)
        finder, coverages = PlaceFinder(), CoverageMap()
        pages = None
        if self.parameterAsBool(parameters, self.MAKE_PAGES, context):
            pages = PremisesPages(coverages.of(()), tr("Operational: exact counts. Not for publication."))
        filters = {"list": True, "radii": list(question.radii), "preset": question.preset.name}
        for source in self._sources:
            told = {**filters, **source.facts.audited_filter}
            self.note_use(source, EventKind.PROXIMITY_SEARCH, told, None)

        made = run_batch(
            *(listed, folder, self._sources, question, finder, coverages, BoroughRanks(copies(), finder), pages),
            *(feedback.isCanceled, progress(feedback)),
        )
        hashes = {path.name: digest for path, digest in made.files}
        for source in self._sources:
            told = {**filters, **source.facts.audited_filter, "answered": made.answered, "sha256": hashes}
            self.note_use(source, EventKind.PROXIMITY_SEARCH, told, made.counted.get(source.facts.dataset, 0))
        for one in made.rejected:
            feedback.pushWarning(tr("Line {line}: {why}").format(line=one.line, why=one.sentence))
        outputs = {self.BOOK: str(folder / WORKBOOK), self.ANSWERED: made.answered, self.REJECTED: len(made.rejected)}
        if pages is not None:
            outputs[self.ZIP] = str(folder / PAGES)
        return {self.FOLDER: str(folder), **outputs}
