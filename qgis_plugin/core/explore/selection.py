"""What is asked of one layer: months or days, hours, categories and areas; as SQL on its columns, and as a saved query.

There is one layer in a question, never two: incidents of several services are not added up, for one event may be in
the records of each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from qgis.PyQt.QtCore import QCoreApplication

from ....shared.rings import EVERY_DAY, OwnBand
from ..analysis_error import AnalysisError
from ..periods import DaySpan, Period
from ..sql_text import literal, quoted

MONTH, HOUR, DAY = "month", "hour", "occurred_on"
BOROUGH, LSOA = "borough_code", "lsoa_code"


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


class Within(str, Enum):
    """Where incidents are counted; the values are those of saved queries."""

    ALL = "all"
    BOROUGHS = "boroughs"
    WARDS = "wards"
    LSOAS = "lsoas"
    SHAPE = "shape"  # drawn, or of selected polygons


class By(str, Enum):
    """What areas they are told by."""

    WHOLE = "whole"
    BOROUGH = "borough"
    WARD = "ward"
    LSOA = "lsoa"


# The columns that tell an incident's area; wards and shapes are found by its place.
AREA_COLUMNS = {Within.BOROUGHS: BOROUGH, Within.LSOAS: LSOA, By.BOROUGH: BOROUGH, By.LSOA: LSOA}
OF_PLACES = (Within.WARDS, Within.SHAPE, By.WARD)


@dataclass(frozen=True)
class Selection:
    """A question.

    ``categories``: values of the category, each perhaps with one of the column ``refined_by``; none: all.
    ``codes`` are of the areas of ``within``; ``shape`` is a polygon in EPSG:27700 as WKT. With ``days``, ``period`` is
    the months that they are of; hours through midnight belong to the day on which they begin.
    """

    dataset: str
    period: Period | None = None
    hours: OwnBand | None = None
    refined_by: str = ""
    categories: tuple[tuple[str, ...], ...] = ()
    within: Within = Within.ALL
    codes: tuple[str, ...] = ()
    shape: str = ""
    by: By = By.BOROUGH
    days: DaySpan | None = None
    brought: str = field(default="", compare=False)  # how the shape came to the National Grid; no part of the question

    def to_json(self) -> dict[str, Any]:
        """The definition of a saved query: plain JSON."""
        days = {"from_day": self.days.first, "to_day": self.days.last} if self.days else {}
        return {
            "dataset": self.dataset,
            **days,
            "from_month": self.period.first if self.period else "",
            "to_month": self.period.last if self.period else "",
            "hours": None
            if self.hours is None
            else {"first": self.hours.first, "last": self.hours.last, "days": sorted(self.hours.days)},
            "refined_by": self.refined_by,
            "categories": [list(path) for path in self.categories],
            "within": self.within.value,
            "codes": list(self.codes),
            "shape": self.shape,
            "by": self.by.value,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Selection:
        """The question of a saved query; raises ``AnalysisError`` where this plugin cannot read it."""
        try:
            hours = document["hours"]
            months = document["from_month"], document["to_month"]
            days = document.get("from_day", ""), document.get("to_day", "")  # of a query of before there are none
            return cls(
                dataset=str(document["dataset"]),
                period=Period(*months) if all(months) else None,
                hours=None if hours is None else OwnBand(hours["first"], hours["last"], frozenset(hours["days"])),
                refined_by=str(document["refined_by"]),
                categories=tuple(tuple(map(str, path)) for path in document["categories"]),
                within=Within(document["within"]),
                codes=tuple(map(str, document["codes"])),
                shape=str(document["shape"]),
                by=By(document["by"]),
                days=DaySpan(*days) if all(days) else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AnalysisError(
                _tr("This saved query is of another version of SafeStats: update the plugin, or save the query anew."),
                "query",
            ) from error


@dataclass(frozen=True)
class Conditions:
    """SQL of a question, in parts: a row that meets one and lacks another can be told. Empty: no condition."""

    period: str = ""
    days: str = ""
    hours: str = ""
    categories: str = ""
    area: str = ""  # as far as columns tell it
    joined: str = field(init=False, default="")

    def __post_init__(self) -> None:
        parts = (self.period, self.days, self.hours, self.categories, self.area)
        object.__setattr__(self, "joined", " AND ".join(filter(None, parts)))

    def where(self, *more: str, without: Collection[str] = ()) -> str:
        """``WHERE …`` of the parts but for those named ``without``, and of ``more``; empty where there are none."""
        names = [name for name in ("period", "days", "hours", "categories", "area") if name not in without]
        parts = [*filter(None, (getattr(self, name) for name in names)), *filter(None, more)]
        return f"WHERE {' AND '.join(parts)}" if parts else ""


def whole_or_days(days: DaySpan) -> tuple[Period, DaySpan | None]:
    """The months that days are of, and the days where these are not all of them: whole months are asked as months."""
    return days.period, days if days.in_part else None


def conditions(asked: Selection, columns: Mapping[str, str]) -> Conditions:
    """The SQL of a question on a table with these ``columns``; ``columns["category"]`` names that of the category.

    Raises ``AnalysisError`` where the table lacks a column that it needs.
    """
    return Conditions(
        _period(asked, columns),
        _days(asked, columns),
        _hours(asked, columns),
        _categories(asked, columns),
        _area(asked, columns),
    )


def _need(columns: Mapping[str, str], name: str, words: str) -> str:
    if name not in columns or not columns[name]:
        raise AnalysisError(
            _tr(
                "Your copy of this layer does not show {what}, so this cannot be asked of it: leave that choice out."
            ).format(what=words),
            name,
        )
    return quoted(columns[name])


def _period(asked: Selection, columns: Mapping[str, str]) -> str:
    if asked.period is None:
        return ""
    month = _need(columns, MONTH, _tr("the month"))
    last = asked.days.day_after[:7] if asked.days is not None and _through_midnight(asked) else asked.period.last
    return f"{month} BETWEEN '{asked.period.first}' AND '{last}'"


def _days(asked: Selection, columns: Mapping[str, str]) -> str:
    if asked.days is None:
        return ""
    day = _need(columns, DAY, _tr("the day"))
    last = asked.days.day_after if _through_midnight(asked) else asked.days.last
    return f"{day} BETWEEN '{asked.days.first}' AND '{last}'"


def _through_midnight(asked: Selection) -> bool:
    return asked.hours is not None and asked.hours.through_midnight


def _hours(asked: Selection, columns: Mapping[str, str]) -> str:
    if asked.hours is None:
        return ""
    band, hour = asked.hours, _need(columns, HOUR, _tr("the hour"))
    evening, morning = [f"{hour} >= {band.first}"], [f"{hour} <= {band.last}"]
    if band.days != EVERY_DAY:
        day = _need(columns, DAY, _tr("the day"))
        # strftime has 0 for Sunday, we have 0 for Monday; the hours after midnight belong to the day before.
        days = ", ".join(str(number) for number in sorted(band.days))
        evening.append(f"(CAST(strftime('%w', {day}) AS INTEGER) + 6) % 7 IN ({days})")
        if band.through_midnight:
            morning.append(f"(CAST(strftime('%w', {day}) AS INTEGER) + 5) % 7 IN ({days})")
    if not band.through_midnight:
        return f"({' AND '.join(evening + morning)})"
    if asked.days is not None:
        day = _need(columns, DAY, _tr("the day"))
        evening.append(f"{day} <= '{asked.days.last}'")
        morning.append(f"{day} > '{asked.days.first}'")
    return f"(({' AND '.join(evening)}) OR ({' AND '.join(morning)}))"


def _categories(asked: Selection, columns: Mapping[str, str]) -> str:
    if not asked.categories:
        return ""
    first = _need(columns, "category", _tr("the category"))
    whole = [path[0] for path in asked.categories if len(path) == 1]
    parts = [f"coalesce({first}, '') IN ({', '.join(map(literal, whole))})"] if whole else []
    finer: dict[str, list[str]] = {}
    for path in asked.categories:
        if len(path) > 1:
            finer.setdefault(path[0], []).append(path[1])
    if finer:
        second = _need(columns, asked.refined_by, _tr("the finer categories"))
        parts += [
            f"(coalesce({first}, '') = {literal(value)}"
            f" AND coalesce({second}, '') IN ({', '.join(map(literal, chosen))}))"
            for value, chosen in finer.items()
        ]
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _area(asked: Selection, columns: Mapping[str, str]) -> str:
    if asked.within not in AREA_COLUMNS:
        return ""
    if not asked.codes:
        raise AnalysisError(_tr("No area is chosen: choose at least one, or count everywhere."), "area")
    column = _need(columns, AREA_COLUMNS[asked.within], _tr("the areas of its incidents"))
    return f"{column} IN ({', '.join(map(literal, asked.codes))})"
