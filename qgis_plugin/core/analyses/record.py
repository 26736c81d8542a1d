"""What a run was: kept with the layers that it made, so that it can be read, checked and made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import Enum

from qgis.core import QgsGeometry, QgsMapLayer

from ..analysis_error import AnalysisError
from ..hotspots import IncidentFilter
from ..periods import Period
from ..points import PointFacts
from ..study_areas import StudyArea

PROPERTY = "safestats/run"


@dataclass(frozen=True)
class LayerName:
    """A layer as it is found again: by its id in the same project, else by its dataset and its name."""

    id: str
    title: str
    dataset: str = ""

    @classmethod
    def of(cls, facts: PointFacts) -> LayerName:
        """The layer of these facts."""
        return cls(facts.layer_id, facts.title, facts.dataset)


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
        return StudyArea(self.area_label, QgsGeometry.fromWkt(self.area_shape), self.area_edition)

    def to_json(self) -> str:
        """As it is kept with a layer."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """The record of ``to_json``; raises ``ValueError`` for anything else."""
        try:
            found = json.loads(text)
            found["source"] = LayerName(**found["source"])
            found["others"] = {name: LayerName(**layer) for name, layer in found["others"].items()}
            for name in ("categories", "area_codes"):
                found[name] = tuple(found[name])
            return cls(**found)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("no record of a run") from error


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
