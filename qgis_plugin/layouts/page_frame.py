"""What every page has around its content: marking, title, synthetic label above; source, notes, author below."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from qgis.PyQt.QtCore import QRectF, Qt

from ...shared.disclosure import masking_of, small_mark
from ...shared.furniture import FurnitureItem
from .base_map import BOUNDARIES
from .items import ROUNDING, RULE, Block, block_heights, fitting_size, panel, picture, stack, text
from .sheet import Mode, Sheet, tr

SYNTHETIC_FILL = "#ffd75e"
SYNTHETIC_WORDS = "SYNTHETIC DATA – not real incidents"
TITLE_SIZES = (16, 15, 14, 13, 12, 11.5, 11, 10, 9)
LOGO_WIDTH = 38.0
FOOTER_HEIGHT = 29.0
FOOTER_HEIGHT_UPRIGHT = 42.0
FOOTER_MOST = 0.4  # of the page's height
BLOCK_GAP = 1.2
COLUMN_SHARES = (0.25, 0.31, 0.44)  # the licences take most room
SOURCE, SOURCES, YEARS = "Source: ", "; ", ", "
_OF_A_YEAR = re.compile(r"(.*©.*? )(\d{4}(?:, \d{4})*)")
LICENSED = " licensed under "  # of what a licence asks for word by word
FOOTER_SIZES = (7, 6.75, 6.5, 6.25, 6, 5.75, 5.5, 5.25, 5)


@dataclass(frozen=True)
class Notes:
    """The words at the foot of a page; ``maskings``: the largest withheld count of each dataset on it.

    ``changes``: it shows changes between counts, small ones in grey.
    """

    source: str
    extracted: str
    counts: str
    attribution: str
    maskings: tuple[int, ...] = (masking_of(0),)
    changes: bool = False


def header(sheet: Sheet, longest_title: str = "") -> float:
    """Marking, title and, where the data are synthetic, the label that says so; the top of what follows, in mm.

    ``longest_title`` is given where titles change from page to page: there is room for it.
    """
    centre = Qt.AlignmentFlag.AlignHCenter
    marking = sheet.imprint.mode.marking
    markings = {
        FurnitureItem.MARKING_TOP: sheet.mm(4.5),
        FurnitureItem.MARKING_BOTTOM: sheet.height - sheet.mm(9),
    }
    for item, y in markings.items():
        band = QRectF(sheet.left, y, sheet.right - sheet.left, sheet.mm(4.5))
        text(sheet, item.value, band, marking, [8.5], bold=True, align=centre, middle=True)
    title_right = _logo(sheet)
    title = sheet.rect(sheet.left, sheet.mm(10), title_right, sheet.mm(20))
    words = longest_title or sheet.imprint.title
    text(sheet, FurnitureItem.TITLE.value, title, words, TITLE_SIZES, bold=True, middle=True)
    rule = sheet.rect(sheet.left, sheet.mm(20.3), sheet.right, sheet.mm(20.8))
    panel(sheet, "title_rule", rule, sheet.imprint.style.colour)
    y = sheet.mm(22.3)
    if sheet.synthetic:
        strip = sheet.rect(sheet.left, y, sheet.right, y + sheet.mm(5))
        panel(sheet, "synthetic_panel", strip, SYNTHETIC_FILL)
        words = tr(SYNTHETIC_WORDS)
        text(sheet, FurnitureItem.SYNTHETIC_LABEL.value, strip, words, [9], bold=True, align=centre, middle=True)
        y += sheet.mm(7)
    return y


def _logo(sheet: Sheet) -> float:
    """The organisation's logo, or its words, at the right of the title; how far the title may reach, in mm."""
    style = sheet.imprint.style
    if style.logo is None and not style.logo_words:
        return sheet.right
    place = sheet.rect(sheet.right - sheet.mm(LOGO_WIDTH), sheet.mm(10), sheet.right, sheet.mm(19.6))
    if style.logo is not None:
        picture(sheet, "logo", place, style.logo, style.logo_words or sheet.imprint.organisation)
    else:
        right = Qt.AlignmentFlag.AlignRight
        text(sheet, "logo", place, style.logo_words, (9, 8, 7, 6), bold=True, align=right, middle=True)
    return place.left() - sheet.mm(4)


def footer(sheet: Sheet, notes: Notes) -> float:
    """Source, counts, notes and author in three columns above the lower marking; the bottom of what is above, in mm.

    Nothing of it is cut: where it is too long even in the smallest type, it takes room of what is above.
    """
    bottom = sheet.height - sheet.mm(10)
    gap = sheet.mm(4 if sheet.imprint.upright else 6)
    room = sheet.right - sheet.left - 2 * gap
    widths = [room * share for share in COLUMN_SHARES]
    lefts = [sheet.left + sum(widths[:number]) + number * gap for number in range(len(widths))]
    item = FurnitureItem
    small = small_number_note(sheet.imprint.mode, notes.maskings, notes.changes)
    columns = (
        (
            Block(item.SOURCE.value, tr("Source"), notes.source),
            Block(item.EXTRACT_DATE.value, "", notes.extracted),
            Block(item.AUTHOR.value, tr("Produced by"), sheet.imprint.issued_by),
        ),
        (
            Block(item.COUNTS.value, tr("Counts"), notes.counts),
            Block(item.SMALL_NUMBERS.value, tr("Small numbers"), small),
        ),
        (
            Block(item.DISCLAIMER.value, tr("Use"), disclaimer(sheet.imprint.mode)),
            Block("attribution", tr("Licences"), notes.attribution),
        ),
    )
    above, below = sheet.mm(2), sheet.mm(0.5)
    least = max(_height(sheet, width, blocks) for width, blocks in zip(widths, columns)) + above + below
    usual = sheet.mm(FOOTER_HEIGHT_UPRIGHT if sheet.imprint.upright else FOOTER_HEIGHT)
    top = bottom - max(usual, min(least, sheet.height * FOOTER_MOST))
    panel(sheet, "footer_rule", sheet.rect(sheet.left, top, sheet.right, top + 0.2), RULE)
    rects = [sheet.rect(left, top + above, left + width, bottom - below) for left, width in zip(lefts, widths)]
    size = min(fitting_size(sheet, rect, blocks, FOOTER_SIZES, BLOCK_GAP) for rect, blocks in zip(rects, columns))
    for rect, blocks in zip(rects, columns):
        stack(sheet, rect, blocks, size, BLOCK_GAP)
    return top - sheet.mm(2.5)


def _height(sheet: Sheet, width: float, blocks: Sequence[Block]) -> float:
    """The height of a column of the footer in its smallest type, in mm."""
    heights = block_heights(sheet, width, blocks, FOOTER_SIZES[-1])
    return sum(map(sum, heights)) + sheet.mm(BLOCK_GAP) * (len(blocks) - 1) + ROUNDING


def small_number_note(mode: Mode, maskings: Iterable[int], changes: bool = False) -> str:
    """How small numbers are shown, and what they are worth; ``maskings`` and ``changes`` as in ``Notes``."""
    if mode is Mode.PUBLICATION:
        masked = [
            tr("1 to {most} are shown as “{mark}”").format(most=most, mark=small_mark(most))
            for most in sorted(set(maskings))
        ]
        return tr(
            "Counts are rounded to the nearest 5, counts of {masked}. Rates and changes are worked out "
            "from the rounded counts; no change is given where the base is below 20."
        ).format(masked=tr(" or, by dataset, of ").join(masked))
    words = [tr("Counts are exact.")]
    if changes:
        words.append(tr("Changes between counts below 10 say little and are shown in grey."))
    words.append(tr("A small count in a small area can point to a person: do not publish this page."))
    return " ".join(words)


def disclaimer(mode: Mode) -> str:
    """What the page may be used for."""
    words = tr(
        "For the prevention of crime and disorder only: not for enforcement or prosecution, and not for identifying "
        "any person, household or business. Incidents recorded are not all incidents that happened, and places are "
        "approximate."
    )
    if mode is Mode.OPERATIONAL:
        words += " " + tr("Only for people covered by the Data Sharing Agreement.")
    return words


def boundary_attribution() -> str:
    """The attribution that the boundaries' licence asks for."""
    with closing(sqlite3.connect(f"file:{BOUNDARIES}?mode=ro", uri=True)) as boundaries:
        (words,) = boundaries.execute("SELECT attribution FROM edition").fetchone()
    return words


def joined(*attributions: str) -> str:
    """Attribution sentences, each once, in their order; sources of data in one sentence, and years of one right."""
    sentences: dict[str, list[str]] = {}
    for words in attributions:
        for sentence in words.replace("\n", " ").split(". "):
            beginning, ends = _parted(sentence.strip(" ."))
            if beginning or ends:
                held = sentences.setdefault(beginning, [])
                held += [end for end in ends if end not in held]
    told = []
    for beginning, ends in sentences.items():
        # A right without a year stands in the sentence of the same right with years.
        if ends or f"{beginning} " not in sentences:
            told.append(beginning + (SOURCES.join(ends) if beginning == SOURCE else YEARS.join(sorted(ends))))
    return " ".join(f"{words}." for words in told)


def _parted(sentence: str) -> tuple[str, list[str]]:
    """What a sentence shares with others of its kind, and what is its own."""
    if sentence.startswith(SOURCE) and LICENSED not in sentence:
        return SOURCE, sentence[len(SOURCE) :].split(SOURCES)
    dated = _OF_A_YEAR.fullmatch(sentence)
    return (dated[1], dated[2].split(YEARS)) if dated is not None else (sentence, [])
