"""The bandwidth of a density: what was chosen or what a rule gives, in words that say which, and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...shared.bandwidths import STEADY_TIMES_PRECISION, Rule, bandwidth_by, precision_kept
from ...shared.kernel_density import check
from .sentences import say, translated

RULE_WORDS = {
    Rule.SILVERMAN: "Silverman's rule of thumb",
    Rule.SCOTT: "Scott's rule",
    Rule.NORMAL_REFERENCE: "Normal reference, as of crime maps in R",
    Rule.MEDIAN_DISTANCE: "Median distance, as in ArcGIS",
}


@dataclass(frozen=True)
class ChosenBandwidth:
    """The bandwidth in ``metres`` with the words and warnings that belong to it."""

    metres: float
    words: str
    notes: tuple[str, ...]


def chosen_bandwidth(
    given: object, rule: Rule, eastings: np.ndarray, northings: np.ndarray, cell: float, precision: np.ndarray
) -> ChosenBandwidth:
    """The bandwidth ``given`` in metres, or where there is none (``None``), the rule's for these points.

    ``precision`` are the places' in metres, NaN where unknown. Raises ``DensityError``.
    """
    # Too few points for any density are too few for a bandwidth, too: the check says so first.
    check(len(eastings), cell, cell if given is None else float(given))  # type: ignore[arg-type]
    kept = precision_kept(precision)
    if given is None:
        found = bandwidth_by(rule, eastings, northings, cell, precision)
        metres, by_itself = found.metres, translated(" (automatic)")
        words = f"{metres:,.0f} m{by_itself}: {translated(RULE_WORDS[rule])}"
        if found.at_floor:
            words += say(
                " gave {rule_metres:,.0f} m; the floor is {why_floor}",
                rule_metres=found.rule_metres,
                why_floor=found.why_floor,
            )
    else:
        metres = float(given)  # type: ignore[arg-type]
        words = f"{metres:,.0f} m"
    notes: tuple[str, ...] = ()
    if kept and metres < STEADY_TIMES_PRECISION * kept:
        notes = (
            say(
                "The places are exact to {kept:,.0f} m only; below a bandwidth of {steady_times_precision:,.0f} m "
                "the surface shows in part where points were put, not where things happened.",
                kept=kept,
                steady_times_precision=STEADY_TIMES_PRECISION * kept,
            ),
        )
    return ChosenBandwidth(metres, words, notes)
