"""What a reader must know of the data, as far as there is room: whole remarks alone, the important ones first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from qgis.PyQt.QtCore import QRectF

from .items import Block, block_heights
from .sheet import Sheet, tr
from .small_numbers import sentence

_ASSUMED = "Assumed:"  # as the server writes them; see a dataset's cautions
_OF_COUNTS_AND_PLACES = re.compile(r"\b(?:places?d?|points?|counts?|counted|maps?|ring|coordinates)\b", re.IGNORECASE)


def weight(caveat: str) -> int:
    """0 for what limits counts and places, 1 for other caveats, 2 for assumptions."""
    if caveat.startswith(_ASSUMED):
        return 2
    return 0 if _OF_COUNTS_AND_PLACES.search(caveat) else 1


def in_order(first: Iterable[str], caveats: Iterable[str]) -> list[str]:
    """Each remark once, as a sentence: those of the run, then the caveats by ``weight``."""
    return list(dict.fromkeys(map(sentence, (*first, *sorted(caveats, key=weight)))))


def left_out(number: int, layers: int = 1) -> str:
    """In words, that so many remarks are not printed; empty for none."""
    if not number:
        return ""
    where = tr("the layer's metadata") if layers == 1 else tr("the layers' metadata")
    if number == 1:
        return tr("One more remark is in {where}.").format(where=where)
    return tr("{n} more remarks are in {where}.").format(n=number, where=where)


def remarks_block(name: str, remarks: Sequence[str], layers: int = 1) -> Block:
    """A block of remarks, the most important first; ``whole`` leaves out those at its end."""
    return Block(name, tr("Read with care"), " ".join(remarks), tuple(remarks), layers)


def whole(sheet: Sheet, rect: QRectF, blocks: Sequence[Block], size: float, gap: float) -> list[Block]:
    """The blocks for ``rect`` at ``size`` (A4 points): of remarks no more than there is room for, and none cut."""

    def with_first(number: int) -> list[Block]:
        return [_shortened(block, number) if block.remarks else block for block in blocks]

    def fits(number: int) -> bool:
        heights = block_heights(sheet, rect.width(), with_first(number), size)
        return sum(map(sum, heights)) + sheet.mm(gap) * (len(blocks) - 1) <= rect.height()

    everything = max((len(block.remarks) for block in blocks), default=0)
    return with_first(everything if fits(everything) else most(everything - 1, fits))


def most(everything: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to ``everything`` that fits, where fewer always fit; 0 where none does."""
    low, high = 0, everything
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _shortened(block: Block, number: int) -> Block:
    kept = block.remarks[:number]
    words = left_out(len(block.remarks) - number, block.layers)
    return replace(block, words=" ".join((*kept, words)).strip(), remarks=kept)
