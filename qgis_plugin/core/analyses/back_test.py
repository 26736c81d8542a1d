"""Back-test: would last period's hotspot maps have shown where this period's incidents came?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....shared.back_test import BackTestError, Score, scores
from ....shared.bandwidths import Rule
from ....shared.getis_ord import Correction, distance_band, gi_star, queen
from ....shared.kernel_density import kernel_density
from ..analysis_error import AnalysisError
from ..cautions import counted, incidents_words
from ..chosen_bandwidth import ChosenBandwidth, chosen_bandwidth
from ..exact import Exact
from ..hotspot_styles import LegendClass
from ..points import Points
from ..sentences import say, translated
from ..usual_periods import Usual
from .analysis import Analysis, Choice, Findings, Guard, Kind, Need, Output, Request
from .grid_cells import CELL, Cells, cells_over, in_one_sentence, numbers_used

_NEAR = queen()
_SHARES = (1.0, 2.0, 5.0, 10.0, 20.0)
_CLASSES = (
    LegendClass(3, 3, "Hot on both maps", "#7d1a34"),
    LegendClass(2, 2, "Hot by density only", "#e28259"),
    LegendClass(1, 1, "Hot by Gi* only", "#6a9fc9"),
    LegendClass(0, 0, "Not hot", ""),
)
_MADE_FROM = Choice(
    "made_from",
    "Maps made from",
    "The earlier period, of which the maps are made; the period above judges them. Leave it empty for the months just "
    "before, up to twelve.",
    Kind.PERIOD,
)
_BANDWIDTH = Choice(
    "bandwidth",
    "Bandwidth of the density",
    "Leave it empty for one that suits the incidents of the earlier period.",
    Kind.METRES,
    least=1,
)
_SHARE = Choice(
    "share",
    "Share of the area on the map (%)",
    "The hottest cells are drawn for this share, and judged beside 1, 2, 5, 10 and 20 %.",
    Kind.NUMBER,
    default=5.0,
    least=0.1,
    most=100,
)


@dataclass(frozen=True)
class _Map:
    """A hotspot map of the earlier period: values by cell, the higher the hotter."""

    name: str
    words: str
    in_text: str
    values: np.ndarray


def run(request: Request) -> Findings:
    """Hit rate, PAI, PEI* and RRI of three maps by share of the area; and a grid of where two of them were hot."""
    earlier, made_from = request.others["made_from"].incidents.points, request.others["made_from"].period
    later, judged_by = request.incidents.points, request.wanted.period
    if made_from is None or judged_by is None:
        raise AnalysisError("A map of one period is judged by a later one: choose the later period above.", "period")
    if not made_from.last < judged_by.first:
        raise AnalysisError(
            f"The maps are made from {made_from.label}, which does not end before {judged_by.label} begins, so they "
            "would be judged by what they were made of: choose an earlier period for them.",
            "made_from",
        )
    if not len(earlier):
        raise AnalysisError(
            f"No incident of {made_from.label} lies in the study area, so there is no map to judge: choose another "
            "period for the maps.",
            "made_from",
        )
    cells = cells_over(request.area, [earlier, later], request.values)
    before, after = cells.counts(earlier), cells.counts(later)
    bandwidth, maps = _maps(request, cells, earlier, before)
    share = float(request.values["share"])  # type: ignore[arg-type]
    shares = sorted({*_SHARES, share})
    request.stop_if_cancelled()
    try:
        found = {each.name: scores(each.values, before, after, cells.mask, shares) for each in maps}
    except BackTestError as error:
        raise AnalysisError(str(error), "parameters") from error
    at = shares.index(share)
    return Findings(
        answer=_answer(maps, [found[each.name][at] for each in maps], len(later)),
        outputs=(
            _grid(cells, maps, before, after, found, at, bandwidth.metres),
            _side_by_side(maps, shares, found),
            _table(maps, shares, found),
        ),
        parameters=(
            *cells.parameters,
            ("Density", "quartic kernel, edge of the study area corrected for"),
            ("Bandwidth", bandwidth.words),
            ("Gi*", "3 × 3 cells, the cell itself included; cells in order of z"),
            Exact.of("Judged by", f"{judged_by.label}, {incidents_words(len(later))}", judged_by.label),
        ),
        values_used={**numbers_used(request.values, cells), "bandwidth": bandwidth.metres, "made_from": made_from},
        notes=(*bandwidth.notes, *_notes(found, at, later)),
    )


def _maps(
    request: Request, cells: Cells, earlier: Points, before: np.ndarray
) -> tuple[ChosenBandwidth, tuple[_Map, ...]]:
    """The bandwidth that was used, and the maps: density, Gi*, and the plain counts of the earlier period."""
    east, north, cell = earlier.eastings, earlier.northings, cells.grid.cell
    with in_one_sentence():
        bandwidth = chosen_bandwidth(request.values["bandwidth"], Rule.SILVERMAN, east, north, cell, earlier.precision)
        request.report("Density of the earlier period", 1, 4)
        density = kernel_density(east, north, cells.grid, bandwidth.metres, study_area=cells.mask, edge_correction=True)
        request.stop_if_cancelled()
        request.report("Gi* of the earlier period", 2, 4)
        z = gi_star(before, cells.mask, _NEAR, Correction.NONE).z
    return bandwidth, (
        _Map("density", "Kernel density", "kernel density", density.values),
        _Map("gi_star", "Getis-Ord Gi*", "Gi*", z),
        _Map("counts", "Plain counts", "plain counts", before.astype(float)),
    )


def _answer(maps: tuple[_Map, ...], at_share: list[Score], incidents: int) -> str:
    told = [
        say(
            "{hit_rate:.0f} % by {in_text} (PAI {pai:.1f}, PEI* {pei_star:.2f})",
            hit_rate=100 * score.hit_rate,
            in_text=translated(each.in_text),
            pai=score.pai,
            pei_star=score.pei_star,
        )
        for each, score in zip(maps, at_share)
    ]
    return say(
        "Of the {later_incidents}, the hottest {area_share:.1f} % of the area held {value}. No map of that size "
        "could have held more than {best_hits:.0f} %.",
        later_incidents=counted(incidents, "later incident"),
        area_share=100 * at_share[0].area_share,
        value=", ".join(told),
        best_hits=100 * at_share[0].best_hits / incidents,
    )


def _notes(found: dict[str, tuple[Score, ...]], at: int, later: Points) -> tuple[str, ...]:
    notes = []
    if max(score[at].pai for score in found.values()) <= 1:
        notes.append("No map did better than chance (PAI 1): the later incidents came elsewhere.")
    best_per_cell = found["density"][at].best_hits / found["density"][at].cells
    if len(later) < found["density"][at].cells or best_per_cell < 2:
        notes.append(
            "There are few later incidents for so many cells, so even the best map could catch few: judge by a longer "
            "period, or take larger cells."
        )
    return tuple(notes)


def _grid(
    cells: Cells,
    maps: tuple[_Map, ...],
    before: np.ndarray,
    after: np.ndarray,
    found: dict[str, tuple[Score, ...]],
    at: int,
    bandwidth: float,
) -> Output:
    density, z = maps[0].values, maps[1].values
    number = found["density"][at].cells
    hot = [_hottest(values, cells.mask, number) for values in (density, z)]
    columns = {
        "before": before,
        "after": after,
        "per_km2": density,
        "z": z,
        "class": 2 * hot[0].astype(np.int64) + hot[1].astype(np.int64),
    }
    share = 100 * found["density"][at].area_share
    return Output.grid(
        "hot_cells",
        say("The hottest {share:.1f} % of the area", share=share),
        cells.surface(columns, "class"),
        _CLASSES,
        say("The hottest {share:.1f} % of the area", share=share),
        {
            "before": "Incidents of the earlier period",
            "after": "Incidents of the later period",
            "per_km2": "Density of the earlier period (incidents per km²)",
            "z": "Gi* of the earlier period (z)",
            "class": "Hot by which map",
        },
        Guard(
            (before,),
            distance_band(cells.grid.cell, max(bandwidth, cells.grid.cell)),
            0,
            bandwidth,
            width_m=len(_NEAR) * cells.grid.cell,
        ),
    )


def _hottest(values: np.ndarray, mask: np.ndarray, number: int) -> np.ndarray:
    """So many cells with the highest values; of equals the south-western come first, for a map has to choose."""
    flat = np.where(mask & ~np.isnan(values), values, -np.inf).ravel()
    order = np.argsort(-flat, kind="stable")[:number]
    hot = np.zeros(flat.shape, dtype=bool)
    hot[order] = True
    return hot.reshape(values.shape) & mask


def _side_by_side(maps: tuple[_Map, ...], shares: list[float], found: dict[str, tuple[Score, ...]]) -> Output:
    """A row for each share of the area, small enough to be read beside the map."""
    columns, words = {"share": np.array(shares)}, {"share": "Share of the area (%)"}
    for name, digits, times, title in (("hit_rate", 1, 100, "Hit rate (%)"), ("pei_star", 2, 1, "PEI*")):
        for each in maps:
            values = np.array([getattr(score, name) for score in found[each.name]])
            columns[f"{name}_{each.name}"] = np.round(values * times, digits)
            words[f"{name}_{each.name}"] = say("{title}, {map}", title=translated(title), map=translated(each.in_text))
    return Output.table("side_by_side", "The maps side by side", columns, words)


def _table(maps: tuple[_Map, ...], shares: list[float], found: dict[str, tuple[Score, ...]]) -> Output:
    rows = [(each, share, score) for each in maps for share, score in zip(shares, found[each.name])]
    every = [score for _, _, score in rows]

    def rounded(name: str, digits: int, times: float = 1.0) -> np.ndarray:
        return np.round(np.array([getattr(score, name) for score in every], dtype=float) * times, digits)

    return Output.table(
        "scores",
        "How the maps did, by share of the area",
        {
            "map": np.array([translated(each.words) for each, _, _ in rows], dtype=object),
            "share": np.array([share for _, share, _ in rows]),
            "cells": np.array([score.cells for score in every]),
            "area_share": rounded("area_share", 3, 100),
            "hits": rounded("hits", 1),
            "hit_rate": rounded("hit_rate", 2, 100),
            "pai": rounded("pai", 3),
            "pei_star": rounded("pei_star", 3),
            "rri": rounded("rri", 3),
            "best_hits": np.array([score.best_hits for score in every]),
        },
        {
            "map": "Map",
            "share": "Share asked for (%)",
            "cells": "Hottest cells",
            "area_share": "Their share of the area (%)",
            "hits": "Later incidents in them",
            "hit_rate": "Hit rate (%)",
            "pai": "PAI",
            "pei_star": "PEI*",
            "rri": "RRI",
            "best_hits": "Most that as many cells could hold",
        },
    )


BACK_TEST = Analysis(
    name="back-test",
    words="Back-test of hotspot maps",
    group="Check a map",
    help=(
        "Makes hotspot maps of an earlier period – kernel density, Gi*, and the plain counts to compare with – and "
        "judges them by the incidents of a later one. Hit rate: the share of later incidents in the hottest cells. "
        "PAI: that over the share of the area, 1 being no better than chance; compare it only between equal shares. "
        "PEI*: the hits over the most that any map of that size could have had. RRI: whether the hot cells kept their "
        "share (1), lost (below) or gained."
    ),
    choices=(_MADE_FROM, _SHARE, CELL, _BANDWIDTH),
    run=run,
    needs=(Need.PERIOD,),
    usual=Usual.NEWEST,
)
