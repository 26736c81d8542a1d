"""How incidents concentrate on places: repeat locations, the share of places that holds a share of incidents, Gini.

A place is whatever the counts are of: exact points, street segments, cells. With x the counts of P places in rising
order, c incidents in all, the ordinary Gini coefficient is

    G = 2·Σ i·x_i / (P·c) − (P + 1) / P

With fewer incidents than places most places *must* be empty, and G is near 1 whatever happens. The generalised one
measures from the most even spread that is possible, an incident each on c places (Bernasco and Steenbeek 2017):

    G' = max(1/c, 1/P) · (2·Σ i·x_i/c − P − 1) − max(P/c, 1) + 1 = 1 − max(P/c, 1)·(1 − G)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ConcentrationError(ValueError):
    """No concentration can be computed; the message says why and what to do."""


@dataclass(frozen=True)
class Places:
    """Points that hold incidents, those with most first; ``of_incident`` is each incident's index among them."""

    eastings: NDArray[np.float64]
    northings: NDArray[np.float64]
    counts: NDArray[np.int64]
    of_incident: NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """The places by how many incidents they hold, most first; a row for each number that occurs (none included).

    ``places`` hold ``count`` incidents each; ``places_so_far`` and ``incidents_so_far`` add up the rows from the top.
    """

    count: NDArray[np.int64]
    places: NDArray[np.int64]
    places_so_far: NDArray[np.int64]
    incidents_so_far: NDArray[np.int64]


@dataclass(frozen=True)
class Concentration:
    """``incidents`` over ``places``, of which ``empty`` hold none; both Gini coefficients, 0 (even) to 1, to 1e-9."""

    incidents: int
    places: int
    empty: int
    gini: float
    generalised_gini: float
    curve: Curve

    def places_holding(self, percent: float) -> int:
        """The smallest number of places that hold at least so many per cent of the incidents."""
        if not 0 < percent <= 100:
            raise ConcentrationError(f"A share of incidents lies above 0 and up to 100 per cent; it is {percent:g}.")
        # Less a hair, so that what is a whole number on paper is not missed for the last binary digit.
        wanted = int(np.ceil(percent * self.incidents / 100 - 1e-9))
        row = int(np.searchsorted(self.curve.incidents_so_far, wanted))
        above_places = int(self.curve.places_so_far[row - 1]) if row else 0
        above_incidents = int(self.curve.incidents_so_far[row - 1]) if row else 0
        return above_places + -(-(wanted - above_incidents) // int(self.curve.count[row]))


def places_of(eastings: ArrayLike, northings: ArrayLike) -> Places:
    """The points of incidents (metres), those within the same centimetre taken as one.

    Where several hold as many, the southernmost comes first, then the westernmost.
    """
    east, north = (np.rint(np.asarray(values, dtype=float) * 100).astype(np.int64) for values in (eastings, northings))
    if not len(east):
        nowhere = np.empty(0)
        return Places(nowhere, nowhere, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    # One number a spot: rows of two would be sorted many times as slowly, and with every other thread waiting.
    width = int(east.max() - east.min()) + 1
    spots = (north - north.min()) * width + (east - east.min())
    found, index, counts = np.unique(spots, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    row, column = np.divmod(found[order], width)
    return Places(
        (column + east.min()) / 100, (row + north.min()) / 100, counts[order].astype(np.int64), rank[index.reshape(-1)]
    )


def concentration(counts: ArrayLike, places: int | None = None) -> Concentration:
    """The concentration of incidents given as ``counts`` by place.

    ``places`` is how many there are in all, where ``counts`` leaves out empty ones. Raises ``ConcentrationError`` for
    no incident, counts below nought, and fewer places than there are counts.
    """
    held = np.asarray(counts, dtype=np.int64).ravel()
    if (held < 0).any():
        raise ConcentrationError(f"A place cannot hold {int(held.min())} incidents: check the counts.")
    total = int(held.sum())
    if not total:
        raise ConcentrationError("There is no incident, so nothing to concentrate: choose a longer period or more.")
    number = len(held) if places is None else int(places)
    occupied = np.sort(held[held > 0])
    if number < (len(held) if places is None else len(occupied)):
        raise ConcentrationError(
            f"Incidents lie on {len(occupied):,} places, more than the {number:,} places told in all: give a larger "
            "number, or leave it empty."
        )
    ranks = np.arange(number - len(occupied) + 1, number + 1, dtype=float)
    gini = 2 * float((ranks * occupied).sum()) / (number * total) - (number + 1) / number
    generalised = 1 - max(number / total, 1.0) * (1 - gini)
    empty = number - len(occupied)
    return Concentration(total, number, empty, max(gini, 0.0), max(generalised, 0.0), _curve(occupied, empty))


def _curve(occupied: NDArray[np.int64], empty: int) -> Curve:
    count, places = np.unique(occupied, return_counts=True)
    count, places = count[::-1].astype(np.int64), places[::-1].astype(np.int64)
    if empty:
        count, places = np.append(count, 0), np.append(places, empty)
    return Curve(count, places, np.cumsum(places), np.cumsum(count * places))
