"""Density and Gi* among the analyses: their choices, and the record of what they made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from enum import Enum

from qgis.core import QgsMapLayer

from ..hotspot_styles import DensityClasses
from ..hotspots import CORRECTION_WORDS, HotspotResult, HotspotSettings, Method
from ..point_facts import PointFacts
from ..run_record import RunRecord, keep_record
from .analysis import Choice, Kind
from .writing import describe, keep_in_file

_CELL = Choice(
    "cell_m",
    "Cell",
    "The side of a cell; automatic suits the study area",
    Kind.METRES,
    least=1,
    most=5000,
)
_DENSITY = (
    _CELL,
    Choice(
        "bandwidth_m",
        "Bandwidth",
        "How far an incident's influence reaches; automatic follows the spread of the incidents",
        Kind.METRES,
        least=1,
        most=20_000,
    ),
    Choice(
        "edge_correction",
        "Correct for the edge of the study area",
        "Give back to each incident what its kernel would lose outside the study area",
        Kind.YES_NO,
        default=False,
        advanced=True,
    ),
    Choice(
        "classes",
        "Classes",
        "How the density is cut into classes for the map",
        Kind.ONE_OF,
        default=DensityClasses.MULTIPLES.value,
        options=(
            (DensityClasses.MULTIPLES.value, "Multiples of the mean"),
            (DensityClasses.QUANTILES.value, "Five equal parts (quantiles)"),
        ),
        advanced=True,
    ),
)
_GI = (
    _CELL,
    Choice(
        "neighbours",
        "Neighbours",
        "How many rings of cells around a cell belong to its neighbourhood, the cell itself included",
        Kind.WHOLE,
        default=1,
        least=1,
        most=20,
    ),
    Choice(
        "correction",
        "Correction",
        "Many cells are tested at once: a correction keeps chance from making hot spots",
        Kind.ONE_OF,
        default=next(iter(CORRECTION_WORDS)).value,
        options=tuple((correction.value, words) for correction, words in CORRECTION_WORDS.items()),
        advanced=True,
    ),
)


def choices_of(method: Method) -> tuple[Choice, ...]:
    """What may be chosen of a method; named like the fields of ``HotspotSettings``."""
    return _DENSITY if method.is_density else _GI


def settings_of(method: Method, values: Mapping[str, object]) -> HotspotSettings:
    """The settings of choices, those not given being the defaults."""
    settings = HotspotSettings(method)
    given = {}
    for name, value in values.items():
        usual = getattr(settings, name)
        given[name] = type(usual)(value) if isinstance(usual, Enum) else value
    return replace(settings, **given)


def values_of(settings: HotspotSettings) -> dict[str, object]:
    """The choices that make these settings."""
    offered = {choice.name for choice in choices_of(settings.method)}
    values = {found.name: getattr(settings, found.name) for found in fields(settings) if found.name in offered}
    return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}


def tell_hotspots(result: HotspotResult, facts: PointFacts, version: str) -> None:
    """Keep with a result's layer, and with its file, how it was made, in words and as a record."""
    record = RunRecord.of(
        result.method.value,
        values_of(result.settings),
        facts,
        result.wanted,
        result.study_area,
        (result.used, result.outside, result.unmapped or 0),
        version,
        {},
    )
    tell_layer(result.layer, result.title, record, facts, result.parameters, result.notes)
    keep_in_file(result.layer)


def tell_layer(
    layer: QgsMapLayer,
    title: str,
    record: RunRecord,
    facts: PointFacts,
    parameters: Sequence[tuple[str, str]],
    notes: Sequence[str],
) -> None:
    """Keep with a layer how it was made, in words and as a record with the values that were used."""
    abstract = [*notes, *facts.caveats]
    if facts.synthetic:
        abstract.append("These data are synthetic: invented for demonstration, they describe nothing that happened.")
    history = [f"{words}: {value}" for words, value in parameters]
    history.append(f"Made on {record.run_on} with SafeStats {record.version} from “{facts.title}”")
    describe(layer, title, abstract, history, facts.attribution)
    keep_record(layer, record)


def method_named(name: str) -> Method | None:
    """Density or Gi* by the name in a record; ``None`` for an analysis of the registry."""
    return next((method for method in Method if method.value == name), None)
