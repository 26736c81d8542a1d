"""Counts laid out as a table: a line an area, a category, or both; a column a month or a category."""

from __future__ import annotations

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


def lines_of(counted: Counted, lines: Lines) -> int:
    """How many lines the table has, at most: many take a while."""
    areas, categories = len(counted.places), len(counted.categories)
    if not counted.additive:
        lines = Lines.BOTH
    return {Lines.AREAS: areas, Lines.CATEGORIES: categories, Lines.BOTH: areas * max(categories, 1)}[lines]


def pivot(counted: Counted, lines: Lines, across: Across, base: Base | None, bases: Bases) -> Pivot:
    """The table; rates stand where there is a denominator, and beside areas alone."""
    if not counted.additive:
        lines, across, base = Lines.BOTH, Across.MONTHS, None
    if across is Across.CATEGORIES and lines is not Lines.AREAS:
        across = Across.NOTHING
    if lines is not Lines.AREAS:
        base = None
    words = {
        Lines.AREAS: (_tr("Area"),), Lines.CATEGORIES: (_tr("Category"),), Lines.BOTH: (_tr("Area"), _tr("Category"))
    }[lines]  # fmt: skip
    headers = [*words, *([_tr("Incidents")] if counted.additive else []), *([base.title] if base else [])]
    names, areas, cells, masks = _figures(counted, lines)
    titles, figures, masked = _across(counted, across, cells, masks)
    sums = cells.sum(axis=(1, 2)).tolist()
    hidden = masked.any(axis=1).tolist()
    found = []
    for at, (name, values, total) in enumerate(zip(names, figures.tolist(), sums)):
        area = areas[at] if areas is not None else None
        held = counted.held[area] if area is not None else Held.WHOLE
        unknown = held is Held.NONE
        line: list[Value] = [*name]
        if counted.additive:
            line.append(None if unknown else total)
        note = {Held.NONE: _tr("not in your copy"), Held.PART: _tr("only in part in your copy")}.get(held, "")
        if base is not None and area is not None:
            code = counted.places[area].code
            rate = base.rate(total, [code]) if held is Held.WHOLE else None
            line.append(rate)
            if rate is not None:
                note = bases.caution(base, code, total)
            elif not note:
                note = _tr("no denominator: no rate")
        if unknown:
            line += [None] * len(titles)
        elif hidden[at]:
            line += [_masked(value) if mask else value for value, mask in zip(values, masked[at])]
        else:
            line += values
        found.append(Line(tuple(line), note))
    return Pivot((*headers, *titles), len(words), tuple(found))


def _figures(counted: Counted, lines: Lines) -> tuple[list[tuple[str, ...]], list[int] | None, np.ndarray, np.ndarray]:
    """Of each line: its words, its area's number, and its cells and what is withheld of them, categories × months."""
    cells, withheld = counted.cells, counted.withheld
    places, labels = [place.name for place in counted.places], [category_label(path) for path in counted.categories]
    if lines is Lines.AREAS:
        return [(name,) for name in places], list(range(len(places))), cells, withheld
    if lines is Lines.CATEGORIES:
        # Every line has the cells of one category, over all areas.
        of_categories = cells.sum(axis=0)[:, None, :], withheld.any(axis=0)[:, None, :]
        return [(label,) for label in labels], None, *of_categories
    # A line for each category that occurs in an area; an area without an incident has one line without a category.
    there = cells.any(axis=2) | withheld.any(axis=2)
    pairs = [(a, c) for a, c in zip(*(part.tolist() for part in there.nonzero()))]
    pairs += [(a, -1) for a in np.flatnonzero(~there.any(axis=1)).tolist()]
    pairs.sort()
    names = [(places[a], labels[c] if c >= 0 else "") for a, c in pairs]
    areas, kinds = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    blank = kinds < 0
    if not labels:
        return names, areas.tolist(), np.zeros((len(pairs), 1, 0), np.int64), np.zeros((len(pairs), 1, 0), bool)
    chosen, masks = cells[areas, kinds][:, None, :], withheld[areas, kinds][:, None, :]
    chosen[blank], masks[blank] = 0, False
    return names, areas.tolist(), chosen, masks


def _across(
    counted: Counted, across: Across, cells: np.ndarray, masks: np.ndarray
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The headers of the columns beside the sum, and of each line the figures and what is withheld of them."""
    if across is Across.MONTHS:
        return [month_label(month) for month in counted.months], cells.sum(axis=1), masks.any(axis=1)
    if across is Across.NOTHING:
        none = np.zeros((len(cells), 0), dtype=np.int64)
        return [], none, none.astype(bool)
    titles = [category_label(path) for path in counted.categories]
    figures, masked = cells.sum(axis=2), masks.any(axis=2)
    if len(titles) > MOST_CATEGORIES:
        titles = [*titles[:MOST_CATEGORIES], _tr("Others")]
        rest, hidden = figures[:, MOST_CATEGORIES:].sum(axis=1), masked[:, MOST_CATEGORIES:].any(axis=1)
        figures = np.column_stack([figures[:, :MOST_CATEGORIES], rest])
        masked = np.column_stack([masked[:, :MOST_CATEGORIES], hidden])
    return titles, figures, masked


def _masked(number: int) -> str:
    """A number of which the supplier withheld a part."""
    return _tr("withheld") if not number else _tr("{number:,} and a withheld number").format(number=number)
