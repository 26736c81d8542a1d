"""Runs an analysis in a background thread: reads, refuses what is hopeless, computes, writes, and keeps the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from qgis.core import QgsProcessingUtils

from ..analysis_error import AnalysisError
from ..cautions import cautions, counted, incidents_words
from ..hotspots import ALL_INCIDENTS, IncidentFilter, Incidents, Report, collect, gather, no_report
from ..line_rows import LineSource
from ..periods import Period
from ..points import CancelledCheck, PointFacts, PointSource, never_cancelled
from ..study_areas import StudyArea
from .analysis import Analysis, Choice, Findings, Kind, Need, Other, Request
from .record import LayerName, RunRecord
from .writing import write

_NUMBERS = (Kind.METRES, Kind.WHOLE, Kind.NUMBER, Kind.DAYS)
_UNITS = {Kind.METRES: " m", Kind.DAYS: " days"}


@dataclass(frozen=True)
class Inputs:
    """What a run is given, made on the thread that owns the layers; ``points`` and ``lines`` are the choices'."""

    source: PointSource
    area: StudyArea
    wanted: IncidentFilter
    values: Mapping[str, object]
    points: Mapping[str, PointSource] = field(default_factory=dict)
    lines: Mapping[str, LineSource] = field(default_factory=dict)

    @property
    def sources(self) -> list[PointSource]:
        """All layers of incidents that are read."""
        return [self.source, *self.points.values()]


@dataclass(frozen=True)
class AnalysisRun:
    """A finished run, its outputs on disk at ``path`` but not yet open.

    ``parameters`` and ``notes`` are the findings' own and the frame's, as they are to be shown; ``what`` are the
    incidents in words.
    """

    analysis: Analysis
    findings: Findings
    facts: PointFacts
    wanted: IncidentFilter
    area: StudyArea
    path: Path
    what: str
    parameters: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    record: RunRecord
    others: tuple[tuple[PointFacts, int], ...] = ()  # of further layers: what they are, how many incidents were used

    @property
    def title(self) -> str:
        """Analysis, incidents, place and dates: “Repeat locations: burglary, Camden, January 2025 to March 2025”."""
        period = f", {self.wanted.period.label}" if self.wanted.period else ""
        synthetic = " (synthetic)" if self.synthetic else ""
        return f"{self.analysis.words}: {self.what}, {self.area.label}{period}{synthetic}"

    @property
    def synthetic(self) -> bool:
        """Whether any of the incidents were invented."""
        return any(facts.synthetic for facts in (self.facts, *(other for other, _ in self.others)))


def temporary_file(analysis: Analysis) -> Path:
    """A new GeoPackage in QGIS's folder of temporary results, which goes when QGIS closes."""
    return Path(QgsProcessingUtils.generateTempFilename(f"{analysis.name.replace('-', '_')}.gpkg"))


def checked_values(analysis: Analysis, values: Mapping[str, object]) -> dict[str, object]:
    """Every choice by name, defaults filled in; raises ``AnalysisError`` for one that cannot be used."""
    unknown = sorted(set(values) - {choice.name for choice in analysis.choices})
    if unknown:
        raise AnalysisError(f"“{analysis.words}” has no choice “{unknown[0]}”: leave it out.", "parameters")
    return {choice.name: _checked(choice, values.get(choice.name, choice.default)) for choice in analysis.choices}


def _checked(choice: Choice, value: object) -> object:
    if value is None or value == "":
        if choice.required:
            raise AnalysisError(f"Nothing is chosen for “{choice.words}”: choose one first.", choice.name)
        return choice.default
    if choice.kind in _NUMBERS:
        return _number(choice, value)
    if choice.kind is Kind.ONE_OF and value not in dict(choice.options):
        offered = ", ".join(f"“{words}”" for _, words in choice.options)
        raise AnalysisError(f"“{choice.words}” cannot be “{value}”: choose one of {offered}.", choice.name)
    if choice.kind is Kind.PERIOD and isinstance(value, Mapping):
        return Period(str(value["first"]), str(value["last"]))
    return value


def _number(choice: Choice, value: object) -> float | int:
    whole = choice.kind in (Kind.WHOLE, Kind.DAYS)
    number = float(value)  # type: ignore[arg-type]
    unit = _UNITS.get(choice.kind, "")
    if choice.least is not None and not number >= choice.least:
        raise AnalysisError(
            f"“{choice.words}” is {number:g}{unit}, and must be at least {choice.least:g}{unit}.", choice.name
        )
    if choice.most is not None and number > choice.most:
        raise AnalysisError(
            f"“{choice.words}” is {number:g}{unit}, and must be at most {choice.most:g}{unit}.", choice.name
        )
    if whole and number != int(number):
        raise AnalysisError(f"“{choice.words}” is {number:g}, and must be a whole number.", choice.name)
    return int(number) if whole else number


def check_needs(analysis: Analysis, facts: PointFacts, wanted: IncidentFilter) -> None:
    """Raise ``AnalysisError`` where the layer does not tell what the analysis lives on."""
    title, words = facts.title, analysis.words
    if Need.DAYS in analysis.needs and not facts.date_field:
        raise AnalysisError(
            f"“{title}” does not tell on which day an incident happened, and “{words}” needs the day: choose a layer "
            "with a column of dates.",
            "layer",
        )
    if Need.HOURS in analysis.needs and not facts.hour_field:
        raise AnalysisError(
            f"“{title}” does not tell at which hour an incident happened, and “{words}” needs the hour: choose a layer "
            "with a column “hour”.",
            "layer",
        )
    if Need.PERIOD in analysis.needs:
        if not facts.months:
            raise AnalysisError(
                f"“{title}” has no dates, and “{words}” compares months: choose a layer whose rows are dated.", "layer"
            )
        if wanted.period is None:
            raise AnalysisError(f"“{words}” compares months: choose a period first.", "period")


def run_analysis(
    analysis: Analysis,
    inputs: Inputs,
    path: Path,
    version: str,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
) -> AnalysisRun:
    """Read, compute and write the outputs to the GeoPackage ``path``; raises ``AnalysisError`` or ``Cancelled``."""
    facts, wanted = inputs.source.facts, inputs.wanted
    check_needs(analysis, facts, wanted)
    values = _with_periods(analysis, checked_values(analysis, inputs.values), facts, wanted)
    incidents = gather(inputs.source, inputs.area, wanted, cancelled, report, _columns(analysis, values))
    others = _others(analysis, inputs, values, cancelled, report)
    lines = {}
    for name, source in inputs.lines.items():
        report(f"Reading {source.title}", 62, 100)
        lines[name] = source.read(inputs.area, cancelled=cancelled)
    request = Request(
        incidents,
        inputs.area,
        wanted,
        facts,
        values,
        others,
        lines,
        cancelled,
        lambda stage, done, total: report(stage, 65 + 25 * done / total if total else 65, 100),
    )
    report("Computing", 65, 100)
    findings = analysis.run(request)
    request.stop_if_cancelled()
    report("Writing the layers", 90, 100)
    write(findings, path, cancelled)
    return _finished(analysis, inputs, request, findings, path, version)


def _finished(
    analysis: Analysis, inputs: Inputs, request: Request, findings: Findings, path: Path, version: str
) -> AnalysisRun:
    incidents, facts, wanted = request.incidents, request.facts, request.wanted
    what = ", ".join(facts.label(value).lower() for value in wanted.categories) or ALL_INCIDENTS
    names = {name: LayerName.of(source.facts) for name, source in inputs.points.items()}
    names.update({name: LayerName(source.layer_id, source.title) for name, source in inputs.lines.items()})
    notes = cautions(incidents.points, facts, hours=Need.HOURS in analysis.needs, days=Need.DAYS in analysis.needs)
    return AnalysisRun(
        analysis=analysis,
        findings=findings,
        facts=facts,
        wanted=wanted,
        area=request.area,
        path=path,
        what=what,
        parameters=(
            *incident_parameters(incidents, wanted, request.area, what),
            *_chosen_words(analysis, inputs, request),
            *findings.parameters,
        ),
        notes=(*findings.notes, *notes),
        record=RunRecord.of(
            analysis.name,
            {**request.values, **findings.values_used},
            facts,
            wanted,
            request.area,
            (len(incidents.points), incidents.outside, incidents.unmapped),
            version,
            names,
        ),
        others=tuple(
            (request.others[name].facts, len(request.others[name].incidents.points)) for name in inputs.points
        ),
    )


def incident_parameters(
    incidents: Incidents, wanted: IncidentFilter, area: StudyArea, what: str
) -> tuple[tuple[str, str], ...]:
    """Which incidents were analysed and where, and how many were and were not: (words, value in words)."""
    return (
        ("Incidents", what),
        ("Period", wanted.period.label if wanted.period else "all dates"),
        ("Study area", area.label + (f" ({area.edition})" if area.edition else "")),
        ("In the study area", f"{len(incidents.points):,}"),
        ("Outside it, left out", f"{incidents.outside:,}"),
        ("Without a place", f"{incidents.unmapped:,}"),
    )


def _with_periods(
    analysis: Analysis, values: dict[str, object], facts: PointFacts, wanted: IncidentFilter
) -> dict[str, object]:
    """The values with the automatic periods filled in: the one of equal length just before the incidents' own."""
    found = dict(values)
    for choice in analysis.choices:
        if choice.kind is not Kind.PERIOD or values[choice.name] is not None:
            continue
        if wanted.period is None:
            raise AnalysisError(
                f"Without a period there is none before it for “{choice.words}”: choose a period.", "period"
            )
        before = wanted.period.before()
        if facts.first_month > before.first:
            raise AnalysisError(
                f"“{facts.title}” holds nothing before {Period(facts.first_month, facts.first_month).label}, so "
                f"{before.label} is not there to compare with: choose a later or shorter period, or another one for "
                f"“{choice.words}”.",
                choice.name,
            )
        found[choice.name] = before
    return found


def _columns(analysis: Analysis, values: Mapping[str, object]) -> list[str]:
    return [str(values[c.name]) for c in analysis.choices if c.kind is Kind.COLUMN and values[c.name]]


def _others(
    analysis: Analysis, inputs: Inputs, values: Mapping[str, object], cancelled: CancelledCheck, report: Report
) -> dict[str, Other]:
    """The incidents of the further layers (of the same period, where they are dated) and of the further periods."""
    found = {}
    for choice in analysis.choices:
        if choice.kind is Kind.POINT_LAYER and choice.name in inputs.points:
            source = inputs.points[choice.name]
            period = inputs.wanted.period if source.facts.months else None
            incidents = collect(source, inputs.area, IncidentFilter(period), cancelled, report)
            found[choice.name] = Other(source.facts, incidents, period)
        elif choice.kind is Kind.PERIOD:
            wanted = replace(inputs.wanted, period=values[choice.name])
            columns = _columns(analysis, values)
            incidents = collect(inputs.source, inputs.area, wanted, cancelled, report, columns)
            found[choice.name] = Other(inputs.source.facts, incidents, wanted.period)
    return found


def _chosen_words(analysis: Analysis, inputs: Inputs, request: Request) -> list[tuple[str, str]]:
    """The periods and layers that were chosen, in words."""
    found = []
    for choice in analysis.choices:
        if choice.kind is Kind.PERIOD:
            other = request.others[choice.name]
            automatic = "" if inputs.values.get(choice.name) else " (automatic)"
            found.append(
                (choice.words, f"{other.period.label}{automatic}, {incidents_words(len(other.incidents.points))}")
            )
        elif choice.name in request.others:
            other = request.others[choice.name]
            dates = other.period.label if other.period else "all dates"
            found.append(
                (choice.words, f"{other.facts.title}, {dates}, {counted(len(other.incidents.points), 'point')}")
            )
        elif choice.name in request.lines:
            lines = request.lines[choice.name]
            found.append((choice.words, f"{lines.title}, {counted(len(lines), 'line')}"))
    return found
