"""What a reader of a report around a place must know of its datasets: remarks in two columns, the important ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from qgis.PyQt.QtCore import QRectF

from ...shared.ring_answer import RingAnswer
from .items import Block, block_heights, fitting_size, stack
from .remarks import left_out, most, weight
from .sheet import Sheet, tr
from .small_numbers import sentence

LEAST, MOST = 12.0, 46.0  # high
SIZES = (7.5, 7.25, 7, 6.75, 6.5, 6.25, 6, 5.75, 5.5, 5.25, 5)
WANTED_SIZE = 5.75  # in which the remarks would have room


@dataclass(frozen=True)
class Remark:
    """A remark and the names of the datasets that it is about; empty for all."""

    names: str
    words: str


class Care:
    """The remarks on a page; ``least`` is the height that they take in small type, in mm."""

    def __init__(self, sheet: Sheet, answer: RingAnswer) -> None:
        self._sheet, self._gap = sheet, sheet.mm(5)
        self._width = (sheet.right - sheet.left - self._gap) / 2
        self._remarks = Remarks(answer)
        room = sheet.mm(MOST)
        needed = max(self._height(block, WANTED_SIZE) for block in self._fitting(WANTED_SIZE, room))
        self.least = min(max(needed, sheet.mm(LEAST)), room)

    def draw(self, rect: QRectF) -> None:
        """The columns at the top of ``rect``, as large as they fit."""
        columns = self._fitting(SIZES[-1], rect.height())
        lefts = [rect.left() + number * (self._width + self._gap) for number in range(len(columns))]
        rooms = [QRectF(left, rect.top(), self._width, rect.height()) for left in lefts]
        size = min(fitting_size(self._sheet, room, [block], SIZES, 0) for room, block in zip(rooms, columns))
        for room, block in zip(rooms, columns):
            stack(self._sheet, room, [block], size, 0)

    def _fitting(self, size: float, room: float) -> list[Block]:
        """The columns with as many remarks as fit ``room`` at that size."""

        def fits(number: int) -> bool:
            return all(self._height(block, size) <= room for block in self._columns(number, size))

        everything = len(self._remarks)
        return self._columns(everything if fits(everything) else most(everything - 1, fits), size)

    def _columns(self, number: int, size: float) -> list[Block]:
        """The ``number`` most important remarks in two columns, about as high as one another."""
        told = self._remarks.first(number)

        def split(cut: int) -> list[Block]:
            first = Block("care", tr("Read with care"), _lines(told[:cut]))
            return [first, Block("care_more", " ", _lines(told[cut:]))] if told[cut:] else [first]

        def height(columns: Sequence[Block]) -> float:
            return max(self._height(block, size) for block in columns)

        # About the middle of the letters; what is measured says which one it is.
        letters = list(accumulate(len(remark.words) for remark in told))
        middle = next(place for place, count in enumerate(letters) if 2 * count >= letters[-1])
        return min((split(cut) for cut in (middle, middle + 1, middle + 2) if 0 < cut <= len(told)), key=height)

    def _height(self, block: Block, size: float) -> float:
        return sum(map(sum, block_heights(self._sheet, self._width, [block], size)))


class Remarks:
    """What a reader must know of an answer, each remark once, with the datasets that it is about."""

    def __init__(self, answer: RingAnswer) -> None:
        always = [tr("Datasets are not added up: several services may each record the same event.")]
        if answer.public:
            always.append(tr("No incidents are drawn on the map."))
        self._always = [Remark("", words) for words in (*always, *map(sentence, answer.notes))]
        self._datasets = len(answer.datasets)
        about: dict[str, list[str]] = {}
        ranks: dict[str, tuple[int, int]] = {}
        for dataset in answer.datasets:
            weighed = [(-1, words) for words in dataset.notes] + [(weight(words), words) for words in dataset.caveats]
            for place, (one, words) in enumerate(weighed):
                about.setdefault(sentence(words), []).append(dataset.title)
                ranks[sentence(words)] = min((one, place), ranks.get(sentence(words), (one, place)))
        self._by_rank = sorted(about, key=lambda words: ranks[words])
        # Remarks about the same datasets stand together, so that their names are printed once.
        groups: dict[str, list[Remark]] = {}
        for words, titles in about.items():
            names = ", ".join(titles) if len(titles) < self._datasets else ""
            groups.setdefault(names, []).append(Remark(names, words))
        self._told = [remark for group in groups.values() for remark in group]

    def __len__(self) -> int:
        return len(self._by_rank)

    def first(self, number: int) -> list[Remark]:
        """The ``number`` most important ones in the order of the page, and in words how many more there are."""
        kept = set(self._by_rank[:number])
        told = [*self._always, *(remark for remark in self._told if remark.words in kept)]
        more = left_out(len(self) - number, self._datasets)
        return [*told, Remark("", more)] if more else told


def _lines(remarks: Sequence[Remark]) -> str:
    """A paragraph for each group of datasets."""
    lines = []
    for names, group in groupby(remarks, key=lambda remark: remark.names):
        words = " ".join(remark.words for remark in group)
        lines.append(f"{names}: {words}" if names else words)
    return "\n".join(lines)
