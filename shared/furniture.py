"""The furniture of a map that may leave the house: what must stand on the page, and how its absence is told."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum


class FurnitureItem(str, Enum):
    """One item; the value is the identifier of the layout item that carries it."""

    MARKING_TOP = "marking-top"
    TITLE = "title"
    LEGEND = "legend"
    SCALE_BAR = "scale-bar"
    NORTH_ARROW = "north-arrow"
    SOURCE = "source"
    EXTRACT_DATE = "extract-date"
    COUNTS = "counts"
    SMALL_NUMBERS = "small-numbers"
    DISCLAIMER = "disclaimer"
    AUTHOR = "author"
    MARKING_BOTTOM = "marking-bottom"
    SYNTHETIC_LABEL = "synthetic-label"

    @property
    def words(self) -> str:
        """The item as a person names it."""
        return _WORDS[self]

    @property
    def is_text(self) -> bool:
        """Whether the item is words, and no drawing that belongs to a map."""
        return self not in (FurnitureItem.LEGEND, FurnitureItem.SCALE_BAR, FurnitureItem.NORTH_ARROW)


class Lack(Enum):
    """Why an item does not count as standing on the page; the value completes “The source line …”."""

    ABSENT = "is missing from the page"
    HIDDEN = "is hidden"
    LEFT_OUT = "is left out of exports"
    FAINT = "is too faint to be seen"
    OFF_PAGE = "lies off the page"
    EMPTY = "is empty"
    WRONG = "does not say what it must"


MARKINGS = (FurnitureItem.MARKING_TOP, FurnitureItem.MARKING_BOTTOM)
_WORDS = {
    FurnitureItem.MARKING_TOP: "protective marking at the top",
    FurnitureItem.TITLE: "title",
    FurnitureItem.LEGEND: "legend",
    FurnitureItem.SCALE_BAR: "scale bar",
    FurnitureItem.NORTH_ARROW: "north arrow",
    FurnitureItem.SOURCE: "source line",
    FurnitureItem.EXTRACT_DATE: "date of the data",
    FurnitureItem.COUNTS: "number of incidents shown and not mapped",
    FurnitureItem.SMALL_NUMBERS: "note on small numbers",
    FurnitureItem.DISCLAIMER: "disclaimer",
    FurnitureItem.AUTHOR: "author and organisation",
    FurnitureItem.MARKING_BOTTOM: "protective marking at the bottom",
    FurnitureItem.SYNTHETIC_LABEL: "label that the data are synthetic",
}


def required(synthetic: bool, mapped: bool = True) -> tuple[FurnitureItem, ...]:
    """What a page needs, in the order of the page.

    The synthetic label only where data are synthetic, what belongs to a map only where there is one (``mapped``).
    """
    return tuple(
        item
        for item in FurnitureItem
        if (mapped or item.is_text) and (synthetic or item is not FurnitureItem.SYNTHETIC_LABEL)
    )


def missing(present: Collection[FurnitureItem], synthetic: bool) -> tuple[FurnitureItem, ...]:
    """What is required and not among ``present``."""
    return tuple(item for item in required(synthetic) if item not in present)


def refusal(items: Collection[FurnitureItem]) -> str:
    """The sentence that refuses an export for want of ``items``."""
    words = [f"the {item.words}" for item in items]
    listed = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
    verb = "is" if len(words) == 1 else "are"
    again = "it" if len(words) == 1 else "them"
    return f"Not exported: {listed} {verb} missing from the page. Put {again} back, then export again."
