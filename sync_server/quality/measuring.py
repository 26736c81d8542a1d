"""What a delivery held of each site's month, counted from its rows. Counts only: shares are made when they are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..datasets.areas import UNPLACED
from ..datasets.definitions import RETURN_MONTH, SITE, DatasetDefinition, Geometry
from ..datasets.definitions import Delivery as DeliveryMode
from ..geocoding.levels import GeoLevel
from ..ingest.report import DeliveryReport
from .models import MeasuredReturn
from .standards import Measure, Standards

_DATE, _ARRIVED = "occurred_on", "arrived_on"
_TIMES = ("occurred_time", "hour")
_LEVEL = "geo_level"
_UNKNOWN = "unknown"
# Levels that tell nothing of where it was.
_NOWHERE = (GeoLevel.NONE, GeoLevel.AMBIGUOUS)


@dataclass(frozen=True)
class Part:
    """``count`` of ``of`` rows."""

    count: int
    of: int

    @property
    def share(self) -> float | None:
        """0 to 1; ``None`` of no rows."""
        return self.count / self.of if self.of else None

    def __add__(self, other: Part) -> Part:
        return Part(self.count + other.count, self.of + other.of)


@dataclass(frozen=True)
class ReturnMeasure:
    """One site's month as a delivery held it.

    ``unmapped``: values in no code list that are nobody's own words, by field; ``dropped`` and ``blanked``: how many
    values were not kept, by header and by kind. ``addition``: it is some of the month's rows, not the whole of it.
    """

    site: str
    month: str
    accepted: int
    duplicates: int
    rejected: Mapping[str, int] = field(default_factory=dict)  # by reason
    parts: Mapping[Measure, Part] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)  # accepted rows by level of the place
    methods: Mapping[str, int] = field(default_factory=dict)  # and by how it was found
    unmapped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    blanked: Mapping[str, int] = field(default_factory=dict)
    addition: bool = False

    @property
    def rows_in(self) -> int:
        """Accepted, rejected and duplicates."""
        return self.accepted + sum(self.rejected.values()) + self.duplicates

    @property
    def zero(self) -> bool:
        """Whether the supplier said that there was nothing."""
        return self.rows_in == 0

    def __add__(self, later: ReturnMeasure) -> ReturnMeasure:
        """Both together: deliveries that add to a month."""
        parts = {
            measure: self.parts.get(measure, Part(0, 0)) + later.parts.get(measure, Part(0, 0))
            for measure in (*self.parts, *(one for one in later.parts if one not in self.parts))
        }
        fields = (*self.unmapped, *(name for name in later.unmapped if name not in self.unmapped))
        return ReturnMeasure(
            self.site,
            self.month,
            self.accepted + later.accepted,
            self.duplicates + later.duplicates,
            _sum(self.rejected, later.rejected),
            parts,
            _sum(self.levels, later.levels),
            _sum(self.methods, later.methods),
            {name: _sum(self.unmapped.get(name, {}), later.unmapped.get(name, {})) for name in fields},
            _sum(self.dropped, later.dropped),
            _sum(self.blanked, later.blanked),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "site": self.site,
            "month": self.month,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "rejected": dict(self.rejected),
            "parts": {str(measure): [part.count, part.of] for measure, part in self.parts.items()},
            "levels": dict(self.levels),
            "methods": dict(self.methods),
            "unmapped": {name: dict(values) for name, values in self.unmapped.items()},
            "dropped": dict(self.dropped),
            "blanked": dict(self.blanked),
            "addition": self.addition,
        }

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> ReturnMeasure:
        """What ``to_json`` gave."""
        parts = {Measure(name): Part(*numbers) for name, numbers in members["parts"].items()}
        return cls(**{**members, "parts": parts})


def measure(
    definition: DatasetDefinition,
    rows: pl.DataFrame,
    bad: Sequence[pl.DataFrame],
    torn: Iterable[tuple[str, str]],
    duplicates: pl.DataFrame,
    report: DeliveryReport,
    standards: Standards,
) -> list[ReturnMeasure]:
    """A measure for each site and month that the delivery speaks of, by site and month.

    ``rows`` are the accepted ones as ``pipeline.finish`` gave them, ``bad`` and ``duplicates`` have ``file`` and
    ``reason``, ``torn`` are files and reasons. What names no month (rejected rows, values in no code list) counts with
    the newest month of its file, or of the delivery.
    """
    months = _with_months(definition, rows, report)
    returns = {(site, month) for site, month in report.returns} or {(report.site, month) for month in report.months}
    groups = dict(_groups(months))
    keys = sorted(returns | set(groups))
    if not keys:
        return []
    newest = max(keys, key=lambda key: key[1])
    of_file: dict[str, tuple[str, str]] = {}
    for (site, month), group in groups.items():
        for name in group.get_column("file").unique():
            if name not in of_file or of_file[name][1] < month:
                of_file[name] = (site, month)
    rejected: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in keys}
    for frame in bad:
        for name, reason, number in frame.group_by("file", "reason").len().iter_rows():
            rejected[of_file.get(name, newest)][reason] += number
    for name, reason in torn:
        rejected[of_file.get(name, newest)][reason.split(":")[0]] += 1
    twice: Counter[tuple[str, str]] = Counter()
    for name, number in duplicates.get_column("file").value_counts().iter_rows():
        twice[of_file.get(name, newest)] += number
    found = []
    for key in keys:
        group = groups.get(key, months.clear())
        last = key == newest
        found.append(
            ReturnMeasure(
                site=key[0],
                month=key[1],
                accepted=len(group),
                duplicates=twice[key],
                rejected=_ordered(rejected[key]),
                parts=_parts(definition, group, standards, rejected[key].total(), twice[key], report if last else None),
                levels=_counted(group, _LEVEL),
                methods=_counted(group, "location_method"),
                unmapped={name: dict(values) for name, values in report.unmapped_values.items()} if last else {},
                dropped=_ordered(report.dropped) if last else {},
                blanked=_ordered(report.blanked) if last else {},
                addition=report.additions or definition.delivery == DeliveryMode.UPSERTS,
            )
        )
    return found


def keep(
    session: Session, dataset: str, delivery_id: int, measures: Iterable[ReturnMeasure], received_on: date
) -> None:
    """Store what was measured of a delivery, received on that day."""
    session.add_all(
        MeasuredReturn(
            delivery_id=delivery_id,
            dataset=dataset,
            site=one.site,
            month=one.month,
            received_on=received_on,
            accepted=one.accepted,
            measures=one.to_json(),
        )
        for one in measures
    )


def months_of(session: Session, delivery_id: int | None) -> list[str]:
    """The months of the returns that a delivery held, in order: of these there is a card."""
    wanted = select(MeasuredReturn.month).where(MeasuredReturn.delivery_id == delivery_id).distinct()
    return sorted(session.scalars(wanted))


def told(measures: Iterable[ReturnMeasure], received_on: date) -> dict[str, Any]:
    """For the delivery's report."""
    return {"received_on": received_on.isoformat(), "returns": [one.to_json() for one in measures]}


def _with_months(definition: DatasetDefinition, rows: pl.DataFrame, report: DeliveryReport) -> pl.DataFrame:
    """The rows with ``_site`` and ``_month``; undated ones are in the newest month that the delivery speaks of."""
    last = report.months[-1] if report.months else ""
    month = pl.col(RETURN_MONTH) if RETURN_MONTH in rows.columns else pl.col("period")
    site = pl.col(SITE) if definition.sites else pl.lit(report.site)
    dated = pl.when(month.is_null() | (month == "")).then(pl.lit(last)).otherwise(month)
    return rows.with_columns(site.fill_null(report.site).alias("_site"), dated.alias("_month"))


def _groups(rows: pl.DataFrame) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    for key, group in rows.group_by("_site", "_month", maintain_order=True):
        if key[1]:
            yield (str(key[0]), str(key[1])), group


def completeness(definition: DatasetDefinition, rows: pl.DataFrame) -> dict[Measure, Part]:
    """In how many of the accepted rows date, time, category and place are known, as far as the dataset has them."""
    number, parts = len(rows), {}
    names = {declared.name: declared for declared in definition.fields}
    if _DATE in names:
        parts[Measure.DATE] = Part(_count(rows, pl.col(_DATE).is_not_null()), number)
    if time := next((name for name in _TIMES if name in names), None):
        parts[Measure.TIME] = Part(_count(rows, pl.col(time).is_not_null()), number)
    category = names[definition.category_field]
    known = pl.col(category.name).is_not_null()
    if _UNKNOWN in category.codes:
        known &= pl.col(category.name) != category.codes[_UNKNOWN]
    parts[Measure.CATEGORY] = Part(_count(rows, known), number)
    if definition.geometry == Geometry.POINTS:
        parts |= _places(names[_LEVEL].codes if _LEVEL in names else {}, rows)
    return parts


def _count(rows: pl.DataFrame, condition: pl.Expr) -> int:
    return int(rows.select(condition.fill_null(False).sum()).item())


def _parts(
    definition: DatasetDefinition,
    rows: pl.DataFrame,
    standards: Standards,
    rejected: int,
    duplicates: int,
    report: DeliveryReport | None,
) -> dict[Measure, Part]:
    """Each measure that the dataset's fields allow. ``report``: the delivery's, where this is its newest month."""
    came = len(rows) + rejected + duplicates
    parts = {Measure.REJECTED: Part(rejected, came), Measure.DUPLICATES: Part(duplicates, came)}
    parts |= completeness(definition, rows)
    names = {declared.name for declared in definition.fields}
    if _ARRIVED in names and _DATE in names:
        gap = (pl.col(_ARRIVED) - pl.col(_DATE)).dt.total_days()
        both = _count(rows, gap.is_not_null())
        before = gap < 0
        if "arrived_time" in names and "occurred_time" in names:
            before |= (gap == 0) & (pl.col("arrived_time") < pl.col("occurred_time")).fill_null(False)
        parts[Measure.IMPOSSIBLE] = Part(_count(rows, before), both)
        parts[Measure.LATE_RECORDS] = Part(_count(rows, gap >= standards.late_record_days), both)
    if report is not None:
        parts[Measure.UNMAPPED] = Part(min(report.unmapped.total(), came), came)
    return parts


def _places(levels: Mapping[str, str], rows: pl.DataFrame) -> dict[Measure, Part]:
    """Places told, and places at a point; homes are told, and are no share of what could have a point."""
    number = len(rows)
    placed = pl.col("easting").is_not_null()
    if not levels:
        return {
            Measure.PLACE: Part(_count(rows, pl.col("area_code") != UNPLACED), number),
            Measure.POINT: Part(_count(rows, placed), number),
        }
    nowhere = pl.col(_LEVEL).is_null() | pl.col(_LEVEL).is_in([levels[level] for level in _NOWHERE if level in levels])
    home = levels.get(GeoLevel.HOME, "")
    homes = _count(rows, pl.col(_LEVEL) == home)
    return {
        Measure.PLACE: Part(number - _count(rows, nowhere), number),
        Measure.POINT: Part(_count(rows, placed & (pl.col(_LEVEL) != home).fill_null(True)), number - homes),
    }


def _counted(rows: pl.DataFrame, name: str) -> dict[str, int]:
    if name not in rows.columns:
        return {}
    return _ordered(Counter(dict(rows.get_column(name).drop_nulls().value_counts().iter_rows())))


def _ordered(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return _ordered(Counter(one) + Counter(other))
