"""What a run was: kept with the layers that it made, so that it can be read, checked and made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import Enum
from typing import Any

from qgis.core import QgsGeometry, QgsMapLayer

from .analysis_error import AnalysisError
from .filter_text import SINGLE_ROWS, names_rows
from .incidents import IncidentFilter
from .periods import Period
from .point_facts import PointFacts
from .study_areas import StudyArea

PROPERTY = "safestats/run"


@dataclass(frozen=True)
class LayerName:
    """A layer as it is found again: by its id in the same project, else by its dataset and its name.

    ``subset`` is the filter that it had, whole; empty where it showed all its rows. Of one that picks single rows
    only that there was one is kept: their numbers tell days, and a record travels with projects and files.
    """

    id: str
    title: str
    dataset: str = ""
    subset: str = ""

    @classmethod
    def of(cls, facts: PointFacts) -> LayerName:
        """The layer of these facts."""
        subset = SINGLE_ROWS if names_rows(facts.subset) else facts.subset
        return cls(facts.layer_id, facts.title, facts.dataset, subset)


@dataclass(frozen=True)
class RunRecord:
    """A run: ``method`` is an analysis's name, ``values`` are its choices as they were used, by name.

    A study area of boroughs is kept by their codes, any other by its shape (WKT, EPSG:27700). ``incidents`` lay in
    the study area and were used, ``outside`` were left out, ``unmapped`` have no place; ``run_on`` is an ISO date and
    ``version`` the plugin's.
    """

    method: str
    values: Mapping[str, object]
    source: LayerName
    categories: tuple[str, ...]
    first_month: str
    last_month: str
    area_label: str
    area_codes: tuple[str, ...]
    area_shape: str
    area_edition: str
    incidents: int
    outside: int
    unmapped: int
    run_on: str
    version: str
    others: Mapping[str, LayerName] = field(default_factory=dict)
    area_brought: str = ""  # how the study area came to the National Grid

    @classmethod
    def of(
        cls,
        method: str,
        values: Mapping[str, object],
        facts: PointFacts,
        wanted: IncidentFilter,
        area: StudyArea,
        counts: tuple[int, int, int],
        version: str,
        others: Mapping[str, LayerName],
    ) -> RunRecord:
        """The record of a run today; ``counts`` are the incidents used, outside the area, without a place."""
        return cls(
            method=method,
            values={name: _plain(value) for name, value in values.items()},
            source=LayerName.of(facts),
            categories=wanted.categories,
            first_month=wanted.period.first if wanted.period else "",
            last_month=wanted.period.last if wanted.period else "",
            area_label=area.label,
            area_codes=area.codes,
            area_shape="" if area.codes else area.geometry.asWkt(3),
            area_edition=area.edition,
            incidents=counts[0],
            outside=counts[1],
            unmapped=counts[2],
            run_on=date.today().isoformat(),
            version=version,
            others=dict(others),
            area_brought=area.brought,
        )

    @property
    def wanted(self) -> IncidentFilter:
        """Which incidents were analysed."""
        period = Period(self.first_month, self.last_month) if self.first_month else None
        return IncidentFilter(period, self.categories)

    @property
    def area(self) -> StudyArea | None:
        """The study area, unless it is named by its boroughs' codes."""
        if self.area_codes:
            return None
        return StudyArea(
            self.area_label, QgsGeometry.fromWkt(self.area_shape), self.area_edition, brought=self.area_brought
        )

    def to_json(self) -> str:
        """As it is kept with a layer."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """The record of ``to_json``; raises ``ValueError`` for anything else."""
        try:
            found = json.loads(text)
            found["source"] = _layer_name(found["source"])
            found["others"] = {name: _layer_name(layer) for name, layer in found["others"].items()}
            for name in ("categories", "area_codes"):
                found[name] = tuple(_of_kind(list, found[name]))
            record = cls(**found)
            record.check()
        except (TypeError, KeyError, AttributeError, RecursionError, AnalysisError) as error:
            raise ValueError("no record of a run") from error
        return record

    def check(self) -> None:
        """Raise ``TypeError`` or ``AnalysisError`` where a part is of another kind than it should be.

        A layer may come from anybody, with whatever in its metadata.
        """
        for value in (self.method, self.first_month, self.last_month, self.area_label, self.area_shape):
            _of_kind(str, value)
        for value in (self.area_edition, self.run_on, self.version, *self.categories, *self.area_codes, *self.values):
            _of_kind(str, value)
        for number in (self.incidents, self.outside, self.unmapped):
            _of_kind(int, number)
        for value in self.values.values():
            if isinstance(value, Mapping):
                Period(_of_kind(str, value["first"]), _of_kind(str, value["last"]))
            elif value is not None:
                _of_kind((str, int, float), value)
        if bool(self.first_month) != bool(self.last_month):
            raise TypeError("a period has two ends")
        if self.first_month:
            Period(self.first_month, self.last_month)


def _of_kind(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{value!r} is no {kind}")
    return value


def _layer_name(told: Any) -> LayerName:
    return LayerName(**{name: _of_kind(str, value) for name, value in told.items()})


def _plain(value: object) -> object:
    if isinstance(value, Period):
        return {"first": value.first, "last": value.last}
    if isinstance(value, Enum):
        return value.value
    return value.item() if hasattr(value, "item") else value  # of NumPy's numbers


def keep_record(layer: QgsMapLayer, record: RunRecord) -> None:
    """Keep the record with a layer; it travels with it in the project."""
    layer.setCustomProperty(PROPERTY, record.to_json())


def has_record(layer: QgsMapLayer) -> bool:
    """Whether the layer came of a run."""
    return bool(layer.customProperty(PROPERTY))


def record_of(layer: QgsMapLayer) -> RunRecord:
    """The run that made the layer; raises ``AnalysisError`` where it cannot be told."""
    try:
        return RunRecord.from_json(str(layer.customProperty(PROPERTY, "")))
    except ValueError as error:
        raise AnalysisError(
            f"“{layer.name()}” does not tell how it was made, so it cannot be made again: choose a layer that an "
            "analysis of SafeStats made.",
            "layer",
        ) from error
