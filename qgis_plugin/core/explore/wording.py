"""A question in words for people, and in few members for the audit."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QCoreApplication

from .area_sets import AreaSets
from .selection import By, Selection, Within

_MOST_NAMED = 5
_MOST_AUDITED = 40

BY_WORDS = {By.WHOLE: "as one", By.BOROUGH: "borough", By.WARD: "ward", By.LSOA: "LSOA"}


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


def period_words(asked: Selection) -> str:
    """“January 2025 to June 2025”, or “5 January 2025 to 14 February 2025”."""
    if asked.days is not None:
        return asked.days.label
    return asked.period.label if asked.period else _tr("all dates")


def category_words(asked: Selection) -> str:
    """The categories by name, or how many."""
    if not asked.categories:
        return _tr("all categories")
    names = [path[-1] or _tr("not stated or not shown") for path in asked.categories]
    return _some(names, _tr("{number:,} categories"))


def area_words(asked: Selection, sets: AreaSets) -> str:
    """The areas by name, or how many."""
    if asked.within is Within.ALL:
        return _tr("everywhere in the copy")
    if asked.within is Within.SHAPE:
        return _tr("a drawn or selected area")
    by = {Within.BOROUGHS: By.BOROUGH, Within.WARDS: By.WARD, Within.LSOAS: By.LSOA}[asked.within]
    known = sets.known(by)
    names = [known.places[code].name if known and code in known.places else code for code in asked.codes]
    many = {
        By.BOROUGH: _tr("{number:,} boroughs"), By.WARD: _tr("{number:,} wards"), By.LSOA: _tr("{number:,} LSOAs")
    }[by]  # fmt: skip
    return _some(names, many)


def question_words(asked: Selection, sets: AreaSets) -> tuple[tuple[str, str], ...]:
    """What was asked, as (words, value)."""
    return (
        (_tr("Period"), period_words(asked)),
        (_tr("Hours"), asked.hours.words if asked.hours else _tr("all hours")),
        (_tr("Categories"), category_words(asked)),
        (_tr("Within"), area_words(asked, sets)),
    )


def audited(asked: Selection) -> dict[str, Any]:
    """What the audit notes of a question: short, whatever was chosen."""
    filters: dict[str, Any] = {"within": asked.within.value, "by": asked.by.value}
    if asked.period is not None:
        span = asked.days or asked.period
        filters.update({"from": span.first, "to": span.last})
    if asked.hours is not None:
        filters["hours"] = asked.hours.words
    if asked.categories:
        filters["categories"] = [" / ".join(path) for path in asked.categories[:_MOST_AUDITED]]
    if asked.codes:
        filters["areas"] = len(asked.codes)
        filters["codes"] = list(asked.codes[:_MOST_AUDITED])
    return filters


def _some(names: list[str], many: str) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMED else many.format(number=len(names))
