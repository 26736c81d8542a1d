"""Counts laid out as a table: a line an area, a category, or both; a column a month or a category."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Union

import numpy as np
from qgis.PyQt.QtCore import QCoreApplication

from ..periods import month_words
from .area_sets import Held
from .counting import Counted
from .rates import Base, Bases

Value = Union[int, float, str, None]  # None: not held, so nobody knows
MOST_CATEGORIES = 12  # columns of their own; the others are among “others”


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


class Lines(Enum):
    """What a line is."""

    AREAS = "areas"
    CATEGORIES = "categories"
    BOTH = "both"


class Across(Enum):
    """What the columns are, beside the sum."""

    MONTHS = "months"
    CATEGORIES = "categories"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Line:
    """``values`` are as many as the headers; ``note`` says what is to be known of the line."""

    values: tuple[Value, ...]
    note: str = ""


@dataclass(frozen=True)
class Pivot:
    """Headers and lines; the first ``words`` columns are words, the others figures."""

    headers: tuple[str, ...]
    words: int
    lines: tuple[Line, ...]


def category_label(path: tuple[str, ...]) -> str:
    """A category in words, with the finer one."""
    return " · ".join(part or _tr("Not stated or not shown") for part in path)


def month_label(month: str) -> str:
    """“March 2025”; rows without a month say so."""
    return month_words(month) if month else _tr("no month")


def pivot(counted: Counted, lines: Lines, across: Across, base: Base | None, bases: Bases) -> Pivot:
    """The table; rates stand where there is a denominator, and beside areas alone."""
    if not counted.additive:
        lines, across, base = Lines.BOTH, Across.MONTHS, None
    cells, withheld = counted.cells, counted.withheld
    if across is Across.CATEGORIES and lines is not Lines.AREAS:
        across = Across.NOTHING
    words = {
        Lines.AREAS: (_tr("Area"),), Lines.CATEGORIES: (_tr("Category"),), Lines.BOTH: (_tr("Area"), _tr("Category"))
    }[lines]  # fmt: skip
    headers = [*words]
    if counted.additive:
        headers.append(_tr("Incidents"))
    rated = base is not None and lines is Lines.AREAS
    if rated:
        headers.append(base.title)
    headers += _across_headers(counted, across)
    found = []
    for names, area, cell, mask in _figures(counted, lines, cells, withheld):
        not_held = area is not None and counted.held[area] is Held.NONE
        values: list[Value] = [*names]
        if counted.additive:
            values.append(None if not_held else int(cell.sum()))
        note = ""
        if area is not None:
            note = {Held.NONE: _tr("not in your copy"), Held.PART: _tr("only in part in your copy")}.get(
                counted.held[area], ""
            )
        if rated and area is not None:
            code, number = counted.places[area].code, int(cell.sum())
            rate = None if counted.held[area] is not Held.WHOLE else base.rate(number, [code])
            values.append(rate)
            if rate is not None:
                note = bases.caution(base, code, number)
            elif not note and counted.held[area] is Held.WHOLE:
                note = _tr("no denominator: no rate")
        values += [None] * _columns(counted, across) if not_held else _across(cell, mask, across)
        found.append(Line(tuple(values), note))
    return Pivot(tuple(headers), len(words), tuple(found))


def _across_headers(counted: Counted, across: Across) -> list[str]:
    if across is Across.MONTHS:
        return [month_label(month) for month in counted.months]
    if across is Across.CATEGORIES:
        named = [category_label(path) for path in counted.categories[:MOST_CATEGORIES]]
        return [*named, *([_tr("Others")] if len(counted.categories) > MOST_CATEGORIES else [])]
    return []


def _columns(counted: Counted, across: Across) -> int:
    return len(_across_headers(counted, across))


def _across(cell: np.ndarray, mask: np.ndarray, across: Across) -> list[Value]:
    """Of a line's cells, categories × months."""
    if across is Across.MONTHS:
        sums, masked = cell.sum(axis=0), mask.any(axis=0)
    elif across is Across.CATEGORIES:
        sums, masked = cell.sum(axis=1), mask.any(axis=1)
        if len(sums) > MOST_CATEGORIES:
            sums = np.append(sums[:MOST_CATEGORIES], sums[MOST_CATEGORIES:].sum())
            masked = np.append(masked[:MOST_CATEGORIES], masked[MOST_CATEGORIES:].any())
    else:
        return []
    return [_masked(int(number)) if hidden else int(number) for number, hidden in zip(sums, masked)]


def _masked(number: int) -> str:
    """A number of which the supplier withheld a part."""
    return _tr("withheld") if not number else _tr("{number:,} and a withheld number").format(number=number)


def _figures(
    counted: Counted, lines: Lines, cells: np.ndarray, withheld: np.ndarray
) -> Iterator[tuple[tuple[str, ...], int | None, np.ndarray, np.ndarray]]:
    """Of each line: its words, its area's number, and its cells and what is withheld of them, categories × months."""
    if lines is Lines.AREAS:
        for at, place in enumerate(counted.places):
            yield (place.name,), at, cells[at], withheld[at]
    elif lines is Lines.CATEGORIES:
        for at, path in enumerate(counted.categories):
            yield (category_label(path),), None, cells[:, at : at + 1].sum(axis=0), withheld[:, at : at + 1].any(axis=0)
    else:
        # Areas without an incident have one line, the others a line a category that occurs.
        for at, place in enumerate(counted.places):
            there = [c for c in range(len(counted.categories)) if cells[at, c].any() or withheld[at, c].any()]
            for c in there:
                yield (
                    (place.name, category_label(counted.categories[c])),
                    at,
                    cells[at, c : c + 1],
                    withheld[at, c : c + 1],
                )
            if not there:
                yield (place.name, ""), at, cells[at, :1], withheld[at, :1]
