"""Runs an analysis in a background thread: reads, refuses what is hopeless, computes, writes, and keeps the record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qgis.core import QgsProcessingUtils

from ..analysis_error import AnalysisError
from ..cautions import cautions, counted, incidents_words
from ..exact import Exact
from ..hotspots import check_cells_of, precision_of
from ..incidents import ALL_INCIDENTS, IncidentFilter, Incidents, Report, collect, gather, no_report
from ..line_rows import LineSource
from ..needed import needed
from ..periods import Period
from ..point_facts import PointFacts, filter_parameter, filter_told, mostly_guarded
from ..points import CancelledCheck, PointSource, largest_stack, never_cancelled
from ..run_record import LayerName, RunRecord
from ..sentences import say, translated
from ..study_areas import StudyArea, checked_area
from ..usual_periods import period_before, usual_period
from .analysis import Analysis, Choice, Findings, Kind, Need, Other, Request
from .grid_cells import CELL, usual_cell
from .telling import in_words, told
from .writing import write

_NUMBERS = (Kind.METRES, Kind.WHOLE, Kind.NUMBER, Kind.DAYS)
# The parameters that are counts: a page tells them in sentences of its own.
COUNT_WORDS = ("In the study area", "Outside it, left out", "Without a place")
_UNITS = {Kind.METRES: " m", Kind.DAYS: " days"}


@dataclass(frozen=True)
class Inputs:
    """What a run is given, made on the thread that owns the layers; ``points`` and ``lines`` are the choices'.

    ``usual`` says in words which months ``wanted`` has, where nobody chose them.
    """

    source: PointSource
    area: StudyArea
    wanted: IncidentFilter
    values: Mapping[str, object]
    points: Mapping[str, PointSource] = field(default_factory=dict)
    lines: Mapping[str, LineSource] = field(default_factory=dict)
    usual: str = ""

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
    largest_stack: int = 0
    precision_m: float | None = None  # of the least exact place; None where not every incident tells
    guarded: bool = False  # of a set that it tells apart few lie beside what is published among others only

    @property
    def title(self) -> str:
        """Analysis, incidents, place and dates: “Repeat locations: burglary, Camden, January 2025 to March 2025”."""
        period = f", {self.wanted.period.label}" if self.wanted.period else ""
        synthetic = " (synthetic)" if self.synthetic else ""
        filtered = translated(", layer filtered") if self.facts.subset else ""
        return f"{translated(self.analysis.words)}: {self.what}, {self.area.label}{period}{filtered}{synthetic}"

    @property
    def names_rows(self) -> bool:
        """Whether the filter of any layer that was read picks single rows."""
        return any(facts.names_rows for facts in (self.facts, *(other for other, _ in self.others)))

    @property
    def names_days(self) -> bool:
        """Whether the filter of any of them is by days or hours."""
        return any(facts.names_days for facts in (self.facts, *(other for other, _ in self.others)))

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


def check_recorded(choices: Sequence[Choice], values: Mapping[str, object]) -> None:
    """Raise ``AnalysisError`` for a value of a record that no form has; what this version does not know is passed."""
    for choice in choices:
        value = values.get(choice.name)
        if value is None:
            continue
        _checked(choice, value)
        fits = {Kind.YES_NO: (bool,), Kind.PERIOD: (Mapping, Period)}.get(choice.kind)
        if fits is not None and not isinstance(value, fits):
            raise AnalysisError(f"“{choice.words}” cannot be “{value}”: choose it anew.", choice.name)


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
    try:
        number = float(value)  # type: ignore[arg-type]
        if not math.isfinite(number):
            raise ValueError(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise AnalysisError(f"“{choice.words}” is “{value}”, and must be a number.", choice.name) from error
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


def check_needs(analysis: Analysis, facts: PointFacts) -> None:
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
    if Need.PERIOD in analysis.needs and not facts.months:
        raise AnalysisError(
            f"“{title}” has no dates, and “{words}” compares months: choose a layer whose rows are dated.", "layer"
        )


def run_analysis(
    analysis: Analysis,
    inputs: Inputs,
    path: Path,
    version: str,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
) -> AnalysisRun:
    """Read, compute and write the outputs to the GeoPackage ``path``; raises ``AnalysisError`` or ``Cancelled``."""
    facts = inputs.source.facts
    check_needs(analysis, facts)
    inputs = _with_usual_period(analysis, inputs)
    wanted = inputs.wanted
    values = _with_periods(analysis, checked_values(analysis, inputs.values), facts, wanted)
    _check_cells(analysis, inputs.area, values)
    incidents = gather(inputs.source, inputs.area, wanted, cancelled, report, _columns(analysis, values))
    others = _others(analysis, inputs, values, cancelled, report)
    lines = {}
    for name, source in inputs.lines.items():
        report(say("Reading {title}", title=source.title), 62, 100)
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
    findings = in_words(analysis.run(request))
    request.stop_if_cancelled()
    report("Writing the layers", 90, 100)
    write(findings, path, cancelled)
    return _finished(analysis, inputs, request, findings, path, version)


def _finished(
    analysis: Analysis, inputs: Inputs, request: Request, findings: Findings, path: Path, version: str
) -> AnalysisRun:
    incidents, facts, wanted = request.incidents, request.facts, request.wanted
    what = ", ".join(facts.label(value).lower() for value in wanted.categories) or translated(ALL_INCIDENTS)
    names = {name: LayerName.of(source.facts) for name, source in inputs.points.items()}
    names.update({name: LayerName(source.layer_id, source.title) for name, source in inputs.lines.items()})
    notes = _cautions(analysis, request)
    return AnalysisRun(
        analysis=analysis,
        findings=findings,
        facts=facts,
        wanted=wanted,
        area=request.area,
        path=path,
        what=what,
        parameters=(
            *map(told, incident_parameters(incidents, facts, wanted, request.area, what, inputs.usual)),
            *map(told, _chosen_words(analysis, inputs, request)),
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
        largest_stack=largest_stack(incidents.points),
        precision_m=precision_of(incidents.points),
        guarded=_guarded(request, findings),
        others=tuple(
            (request.others[name].facts, len(request.others[name].incidents.points)) for name in inputs.points
        ),
    )


def _guarded(request: Request, findings: Findings) -> bool:
    own = [(request.facts, request.incidents.points)]
    own += [(other.facts, other.incidents.points) for other in request.others.values()]
    sets = (*own, *findings.parts)
    return any(mostly_guarded(facts, len(points), points.number_guarded) for facts, points in sets)


def incident_parameters(
    incidents: Incidents, facts: PointFacts, wanted: IncidentFilter, area: StudyArea, what: str, usual: str = ""
) -> tuple[tuple[str, str], ...]:
    """Which incidents were analysed and where, and how many were and were not: (words, value in words)."""
    period = wanted.period.label if wanted.period else "all dates"
    return (
        ("Incidents", what),
        *filter_parameter(facts),
        ("Period", say("{period} (automatic: {usual})", period=period, usual=usual) if usual else period),
        ("Study area", area.words),
        ("In the study area", f"{len(incidents.points):,}"),
        ("Outside it, left out", f"{incidents.outside:,}"),
        ("Without a place", f"{incidents.unmapped:,}"),
    )


def _check_cells(analysis: Analysis, area: StudyArea, values: Mapping[str, object]) -> None:
    """Raise ``AnalysisError`` for more cells than can be, where cells are made; nobody waits for it."""
    if CELL not in analysis.choices:
        return
    checked_area(area)
    cell = values[CELL.name]
    check_cells_of(area, float(cell) if cell is not None else usual_cell(area))  # type: ignore[arg-type]


def _cautions(analysis: Analysis, request: Request) -> tuple[str, ...]:
    """What would mislead in the incidents analysed and, named, in those beside them."""
    uses = {"hours": Need.HOURS in analysis.needs, "days": Need.DAYS in analysis.needs}
    found = list(cautions(request.incidents.points, request.facts, **uses))
    for choice in analysis.choices:
        other = request.others.get(choice.name)
        if other is None:
            continue
        of_period = choice.kind is Kind.PERIOD
        name = other.period.label if of_period and other.period else f"“{other.facts.title}”"
        # Of another period the layer is the same, and its filter is told.
        facts = replace(other.facts, subset="") if of_period else other.facts
        words = translated(choice.words)
        found += [f"{words} – {name}: {note}" for note in cautions(other.incidents.points, facts, **uses)]
    return tuple(found)


def _with_usual_period(analysis: Analysis, inputs: Inputs) -> Inputs:
    """The inputs with the usual months, where the analysis needs some and none were chosen."""
    if Need.PERIOD not in analysis.needs or inputs.wanted.period is not None:
        return inputs
    usual = needed(usual_period(analysis.usual, inputs.source.facts), "dated row")
    return replace(inputs, wanted=replace(inputs.wanted, period=usual.period), usual=usual.words)


def _with_periods(
    analysis: Analysis, values: dict[str, object], facts: PointFacts, wanted: IncidentFilter
) -> dict[str, object]:
    """The values with the automatic periods filled in: just before the incidents' own."""
    found = dict(values)
    for choice in analysis.choices:
        if choice.kind is not Kind.PERIOD or values[choice.name] is not None:
            continue
        if wanted.period is None:
            raise AnalysisError(
                f"Without a period there is none before it for “{choice.words}”: choose a period.", "period"
            )
        before = period_before(analysis.usual, wanted.period, facts)
        if before is None:
            raise AnalysisError(
                f"“{facts.title}” holds nothing before {Period(facts.first_month, facts.first_month).label}, so "
                f"{wanted.period.before().label} is not there to compare with: choose a later or shorter period, or "
                f"another one for “{choice.words}”.",
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
            months, incidents = f"{other.period.label}{automatic}", incidents_words(len(other.incidents.points))
            found.append(Exact.of(choice.words, f"{months}, {incidents}", months))
        elif choice.name in request.others:
            other = request.others[choice.name]
            dates = other.period.label if other.period else translated("all dates")
            layer, points = f"{other.facts.title}, {dates}", counted(len(other.incidents.points), "point")
            found.append(Exact.of(choice.words, f"{layer}, {points}", layer))
            if other.facts.subset:
                name = say("{words}: filter of the layer", words=translated(choice.words))
                found.append(filter_told(name, other.facts))
        elif choice.name in request.lines:
            lines = request.lines[choice.name]
            found.append((choice.words, f"{lines.title}, {counted(len(lines), 'line')}"))
            if lines.brought:
                found.append(
                    (
                        say("{words}: coordinates", words=translated(choice.words)),
                        say("brought {how}", how=lines.brought),
                    )
                )
    return found
