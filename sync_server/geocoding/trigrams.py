"""Names that look alike: by the trigrams that they share first, then by rapidfuzz."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

_LOOKED_AT = 40


class TrigramIndex:
    """Which of many names are like a text, without comparing it with each."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        postings: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(names):
            for gram in _trigrams(name):
                postings[gram].append(number)
        self._postings: dict[str, NDArray[np.int32]] = {
            gram: np.array(numbers, dtype=np.int32) for gram, numbers in postings.items()
        }
        self._sizes = np.array([len(_trigrams(name)) for name in names], dtype=np.float32)

    def like(self, text: str, at_least: float) -> list[tuple[int, float]]:
        """(number of the name, likeness of 0 to 100) of the names that are at least so like it, the likest first."""
        grams = _trigrams(text)
        lists = [self._postings[gram] for gram in grams if gram in self._postings]
        if not lists:
            return []
        numbers, shared = np.unique(np.concatenate(lists), return_counts=True)
        dice = 2 * shared / (self._sizes[numbers] + len(grams))
        if len(numbers) > _LOOKED_AT:
            best = np.argpartition(-dice, _LOOKED_AT)[:_LOOKED_AT]
            numbers = numbers[best]
        scored = [(int(number), fuzz.ratio(text, self._names[number], score_cutoff=at_least)) for number in numbers]
        return sorted((pair for pair in scored if pair[1] >= at_least), key=lambda pair: (-pair[1], pair[0]))


def _trigrams(text: str) -> set[str]:
    padded = f"  {text} "
    return {padded[index : index + 3] for index in range(len(padded) - 2)}
