"""Counts as a page shows them: exact in operational mode, by the disclosure rules in publication mode."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...shared.disclosure import published_count, published_words
from ..core.exact import Exact
from .sheet import Mode, number

# A number by itself: none that is part of a name, such as that of an edition (“V3”).
_WHOLE_NUMBER = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:,\d{3})+|\d+)(?![\w])")


def shown(count: int, mode: Mode, masking: int) -> str:
    """The count in words: “1,234”, or in public “1,235” and, up to ``masking``, “<5”."""
    return number(count) if mode is Mode.OPERATIONAL else published_words(published_count(count, masking), masking)


def shown_value(value: str, counts: Iterable[int], mode: Mode, masking: int) -> str:
    """A parameter's value in words, in which no count of ``counts`` stands exactly in public."""
    if mode is Mode.OPERATIONAL:
        return value
    exact = {number(count): shown(count, mode, masking) for count in counts}
    return _WHOLE_NUMBER.sub(lambda found: exact.get(found[0], found[0]), value)


def printed_value(parameter: tuple[str, str], mode: Mode) -> str:
    """The value of a parameter as it is printed; in public only what of it is for everybody."""
    return parameter.public if mode is Mode.PUBLICATION and isinstance(parameter, Exact) else parameter[1]


def without_figures(sentences: Iterable[str], mode: Mode) -> list[str]:
    """The sentences that may be printed: in public none that holds a figure, for it may be a small count."""
    return [words for words in sentences if mode is Mode.OPERATIONAL or not any(c.isdigit() for c in words)]


def sentence(words: str) -> str:
    """``words`` ended by a full stop."""
    words = words.strip()
    return words if words.endswith((".", "!", "?")) else f"{words}."
