"""Check digits: what makes ten figures an NHS number."""

from __future__ import annotations

import numpy as np
import polars as pl

_WEIGHTS = (10, 9, 8, 7, 6, 5, 4, 3, 2)
# Of other ten-digit numbers so many bear a right check digit by chance.
BY_CHANCE = 1 / 11
_ASCII_ZERO = ord("0")


def is_nhs_number(digits: str) -> bool:
    """Whether ten figures bear the check digit of an NHS number; all the same figure is a filler."""
    if len(digits) != 10 or len(set(digits)) == 1:
        return False
    figures = [int(digit) for digit in digits]
    return (11 - sum(w * f for w, f in zip(_WEIGHTS, figures, strict=False)) % 11) % 11 == figures[9]


def nhs_numbers_among(numbers: pl.Series) -> int:
    """How many of these texts, each of ten ASCII figures, are NHS numbers."""
    if numbers.is_empty():
        return 0
    figures = np.frombuffer("".join(numbers.to_list()).encode(), dtype=np.uint8).reshape(-1, 10) - _ASCII_ZERO
    check = (11 - figures[:, :9].astype(np.int64) @ np.array(_WEIGHTS) % 11) % 11
    varied = (figures != figures[:, :1]).any(axis=1)
    return int(((check == figures[:, 9]) & varied).sum())


def more_than_chance(right: int, tried: int) -> bool:
    """Whether so many right check digits among so many numbers are NHS numbers rather than other references."""
    if tried < 3:
        return right > 0
    if 2 * right >= tried:
        return True
    # Six standard deviations, and a share that no oddity of a numbering comes to.
    excess = right - tried * BY_CHANCE
    return right > 0.2 * tried and bool(excess > 6 * np.sqrt(tried * BY_CHANCE * (1 - BY_CHANCE)))
