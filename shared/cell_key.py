"""Counts that are answered but never exact: each incident's weight, and the cell-key method upon it.

The cell-key method is that of the Census of 2021 (Office for National Statistics; Fraser and Wooton 2005). Each
incident has a record key from 0 to 255, which a keyed hash of its identity gives; a cell is a set of incidents, and
its cell key the sum of their record keys, modulo 256; count and cell key together find the published count in a table.
So one set of incidents has one answer, however it was asked for and in whichever release, and asking again, or by
another way round, gives nothing more. Published counts are multiples of 5, right on average; small ones do not occur;
nothing stays nothing.

The method alone does not withstand somebody who asks around every postcode: rings overlap, and thousands of answers
with independent errors determine nearly every small number between them. The Census swaps records between areas
before it counts. Here each incident counts by a weight of its own, 0, 1 or 2 (with a quarter, a half and a quarter of
the chances), which its keyed hash also gives: whoever solved everything would have the weights, not the incidents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .small_counts import ROUNDING

KEYS = 256
_WEIGHTS = np.array([0, 1, 1, 2], dtype=np.int64)
_BYTES = 2


@dataclass(frozen=True)
class Records:
    """The record key (0–255) and the weight (0–2) of each incident, in the order in which they were given."""

    keys: NDArray[np.int64]
    weights: NDArray[np.int64]

    @classmethod
    def of(cls, secret: bytes, identities: Iterable[str]) -> Records:
        """Those that the server's secret (at most 64 bytes) gives the incidents of these identities."""
        start = hashlib.blake2b(key=secret, digest_size=_BYTES)
        made = bytearray()
        for identity in identities:
            digest = start.copy()
            digest.update(identity.encode())
            made += digest.digest()
        both = np.frombuffer(bytes(made), np.uint8).reshape(-1, _BYTES).astype(np.int64)
        return cls(keys=both[:, 0], weights=_WEIGHTS[both[:, 1] % len(_WEIGHTS)])


def perturbation_table(threshold: int) -> NDArray[np.int64]:
    """What is added to a count, by count and cell key: shape ``(rows, 256)``.

    The last ``ROUNDING`` rows serve all larger counts, by their remainder. A count becomes one of the two multiples of
    ``ROUNDING`` around it, the nearer one more likely, so that it is right on average (to 1/256 of the distance). Below
    the smallest multiple that reaches ``threshold`` there is none but 0.
    """
    least = _least(threshold)
    counts = np.arange(least + ROUNDING)[:, None]
    lower = np.where(counts < least, 0, counts // ROUNDING * ROUNDING)
    step = np.where(counts < least, least, ROUNDING)
    up = np.arange(KEYS)[None, :] < np.rint((counts - lower) * KEYS / step)
    return lower + np.where(up, step, 0) - counts


def perturbed(inside: ArrayLike, records: Records, threshold: int) -> NDArray[np.int64]:
    """The published count of each cell, shape ``(cells,)``: multiples of ``ROUNDING``, none below ``threshold`` but 0.

    ``inside``: which records a cell holds, booleans of shape ``(cells, records)``.
    """
    held = np.asarray(inside, dtype=bool)
    return answered(held @ records.weights, held @ records.keys, threshold)


def answered(weights: ArrayLike, keys: ArrayLike, threshold: int) -> NDArray[np.int64]:
    """The published counts of cells of which the sums of weights and of record keys are known, in their shape."""
    counts = np.asarray(weights, dtype=np.int64)
    table = perturbation_table(threshold)
    repeated = len(table) - ROUNDING
    rows = np.where(counts < len(table), counts, repeated + (counts - repeated) % ROUNDING)
    return counts + table[rows, np.asarray(keys, dtype=np.int64) % KEYS]


def possible_weights(published: int, threshold: int) -> tuple[int, int]:
    """The least and the greatest sum of weights, both included, that may stand behind a published count."""
    least = _least(threshold)
    if published == 0:
        return 0, least - 1
    return (1 if published == least else published - ROUNDING + 1), published + ROUNDING - 1


def _least(threshold: int) -> int:
    """The smallest published count but 0."""
    return max(-(-threshold // ROUNDING), 1) * ROUNDING
