"""The answers on a list of premises as one workbook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from ...shared.ring_answer import AnswerRow, RingAnswer, RingFigure
from . import wording
from .premises import Premises, Rejected

_OF_PREMISES = ("Line", "Premises", "Reference", "Place", "Borough")
# What the numbers of a row are worth. One that is altered is shown as “≈ 10” and stays a number.
_EXACT, _ROUNDED, _ALTERED = "exact", "rounded to 5", "≈ altered: 0 is 0 or a few"
_ABOUT_FORMAT = '"≈ "#,##0'
_OF_CHANGE = ("change", "change, low", "change, high")
_OF_RING = ("count", "count before", *_OF_CHANGE, "per km²", "rank %", "in words", "change in words")


class PremisesWorkbook:
    """Sheets of all incidents, of categories, of what was not searched, and of how to read it."""

    def __init__(self, radii: Sequence[int]) -> None:
        self._book = Workbook(write_only=True)
        self._all = self._sheet("All incidents", _heads(radii, ("Dataset", "Hours", "Counts are")))
        self._categories = self._sheet("Categories", _heads(radii, ("Dataset", "Hours", "Counts are", "Category")))
        self._rejected = self._sheet("Not searched", ("Line", "Premises", "Why"))
        self._about: dict[str, None] = {}

    def add(self, premises: Premises, answer: RingAnswer) -> None:
        """The answer on one of the premises."""
        place = answer.place
        head = (premises.line, premises.name, premises.reference, place.label, place.borough)
        for dataset in answer.datasets:
            exactly = _ALTERED if dataset.perturbed else _ROUNDED if answer.public else _EXACT
            for row in dataset.rows:
                odd = wording.odd_total(row)
                are = f"{exactly}; {odd}" if odd else exactly
                of_row = (*head, row.title, wording.band_words(row), are)
                figures = _figures(row, dataset.perturbed)
                if row.category is None:
                    self._append(self._all, (*of_row, *figures))
                else:
                    self._append(self._categories, (*of_row, row.label, *figures))
            if dataset.perturbed:
                self._about.setdefault(f"{dataset.title}: {_ALTERED}. {wording.ALTERED}")
        months = f"Counted: {answer.now.label}, {answer.preset.lower()}; {answer.compared_words}."
        told = (months, *answer.attributions, *answer.caveats)
        told += tuple(f"{one.title}: {note}" for one in answer.datasets for note in one.notes if not _has_figure(note))
        self._about.update(dict.fromkeys(told))

    def reject(self, rejected: Rejected) -> None:
        """A row that was not searched."""
        self._append(self._rejected, (rejected.line, rejected.name, rejected.sentence))

    def save(self, path: Path, marking: str) -> None:
        """Write the file."""
        sheet = self._sheet("Read with care", ("Read with care",))
        for sentence in (marking, *_ABOUT, *self._about):
            self._append(sheet, (sentence,))
        self._book.save(path)

    def close(self) -> None:
        """Let go of what was not saved."""
        for sheet in self._book.worksheets:
            if not sheet.closed:
                sheet.close()

    def _sheet(self, title: str, heads: Sequence[str]) -> Any:
        sheet = self._book.create_sheet(title)
        sheet.freeze_panes = "A2"
        for number, head in enumerate(heads, start=1):
            letter = _letter(number)
            sheet.column_dimensions[letter].width = 100 if len(heads) == 1 else 40 if "words" in head else 16
        cells = [WriteOnlyCell(sheet, head) for head in heads]
        for cell in cells:
            cell.font = Font(bold=True)
        sheet.append(cells)
        return sheet

    @staticmethod
    def _append(sheet: Any, values: Sequence[Any]) -> None:
        cells = []
        for value in values:
            about = isinstance(value, _About)
            cell = WriteOnlyCell(sheet, value.number if about else value)
            if about:
                cell.number_format = _ABOUT_FORMAT
            if isinstance(value, str):
                cell.data_type = "s"  # a name that begins with “=” is no formula
            cells.append(cell)
        sheet.append(cells)


_ABOUT = (
    "Rings are cumulative. Datasets overlap and must not be added up, nor rows of places that lie near each other.",
    "Change: 0.1 is ten per cent more; low and high: in which range it lies 95 times in 100.",
    "Per km²: of the part of the ring in which data are held. Rank: percentage of the borough’s postcodes with fewer.",
    "For prevention and licensing policy, never as evidence in enforcement, a review or a prosecution.",
)


def _heads(radii: Sequence[int], between: Sequence[str]) -> tuple[str, ...]:
    return (*_OF_PREMISES, *between, *(f"{radius} m: {head}" for radius in radii for head in _OF_RING))


@dataclass(frozen=True)
class _About:
    """A number that is only about so many."""

    number: float


def _figures(row: AnswerRow, about: bool) -> list[Any]:
    return [value for figure in row.figures for value in _figure(figure, about)]


def _figure(figure: RingFigure, about: bool) -> tuple[Any, ...]:
    changed = figure.change
    per_km2 = None if figure.rate_per_km2 is None else round(figure.rate_per_km2, 1)
    count, before, rate = (
        _About(number) if about and number is not None else number for number in (figure.count, figure.before, per_km2)
    )
    return (
        figure.mark or None if count is None else count,
        figure.before_mark or None if before is None else before,
        None if changed is None or changed.ratio is None else round(changed.ratio - 1, 3),
        None if changed is None else round(changed.low - 1, 3),
        None if changed is None or math.isinf(changed.high) else round(changed.high - 1, 3),
        rate,
        None if figure.share_below is None else math.floor(figure.share_below),
        figure.sentence or None,
        figure.change_told or None,
    )


def _has_figure(sentence: str) -> bool:
    return any(character.isdigit() for character in sentence)


def _letter(number: int) -> str:
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
