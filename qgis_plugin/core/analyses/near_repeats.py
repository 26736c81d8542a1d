"""Near repeats: after an incident, are more to be expected close by within days?"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ....shared.near_repeat import Metric, NearRepeat, NearRepeatError, Role, Series, near_repeat, series
from ..analysis_error import AnalysisError
from ..cautions import counted
from ..hotspot_styles import LegendClass
from ..points import Points
from ..sentences import say, say_number, translated
from .analysis import Analysis, Choice, Findings, Kind, Need, Output, Request

_UNUSUAL_P = 0.05
_MEANINGFUL_RATIO = 1.2  # what the Near Repeat Calculator calls meaningful
_NOT_UNUSUAL = "#de8463"  # no red where repeats are no more than chance brings
_CLASSES = (
    LegendClass(Role.REPEAT, Role.REPEAT, "Repeat: after another on the same point", "#7d1a34"),
    LegendClass(Role.NEAR_REPEAT, Role.NEAR_REPEAT, "Near repeat: after another close by", "#de8463"),
    LegendClass(Role.ORIGINATOR, Role.ORIGINATOR, "Originator: the first of a series", "#24588f"),
    LegendClass(Role.ALONE, Role.ALONE, "Neither before nor after another", "#c9c9c4"),
)
_ROLE_WORDS = {
    Role.REPEAT: "repeat",
    Role.NEAR_REPEAT: "near repeat",
    Role.ORIGINATOR: "originator",
    Role.ALONE: "alone",
}


def run(request: Request) -> Findings:
    """The table of observed and expected pairs, ratio and p by band of distance and days; and a table of ratios."""
    values, points = request.values, request.incidents.points
    known = ~np.isnat(points.days)
    dated = points.where(known)
    days = dated.days.astype(np.int64)
    _check_days(dated.days)
    metric = Metric(values["metric"])
    distances = [float(values["band"]) * (number + 1) for number in range(int(values["bands"]))]
    spans = [int(values["span"]) * (number + 1) for number in range(int(values["spans"]))]
    heard = request.listener("Dealing out dates at random")
    try:
        found = near_repeat(
            dated.eastings,
            dated.northings,
            days,
            distances,
            spans,
            int(values["permutations"]),
            metric,
            int(values["seed"]),
            progress=heard,
        )
        roles = series(
            dated.eastings, dated.northings, days, dated.hours, distances[0], spans[0], metric, progress=heard
        )
    except NearRepeatError as error:
        raise AnalysisError(str(error), "parameters") from error
    square = _square_m(dated)
    distance_words, span_words = _distance_words(distances, square), _span_words(spans)
    return Findings(
        answer=_answer(found, distance_words, span_words),
        outputs=(
            _incidents(dated, roles, distance_words[1], span_words[0], _classes(square, bool(_unusual(found).any()))),
            _table(found, distance_words, spans),
            _ratios(found, distance_words, spans),
        ),
        parameters=(
            ("Method", "Knox test, exact expectation, p by permutation (one-sided)"),
            ("Incidents with a day", f"{found.incidents:,}, {counted(found.pairs, 'pair')}"),
            (
                "Bands of distance",
                say(
                    "{distance_words}, then {distances} of {band:g} m",
                    distance_words=distance_words[0],
                    distances=len(distances),
                    band=float(values["band"]),
                ),
            ),
            ("Bands of days", f"{len(spans)} of {int(values['span'])}"),
            ("Distance", "as the crow flies" if metric is Metric.EUCLIDEAN else "along a street grid"),
            (
                "On the map",
                say(
                    "{distance_words} and within {span_words} of another",
                    distance_words=distance_words[1],
                    span_words=span_words[0],
                ),
            ),
            ("Pairs within the largest distance", f"{int(found.space_pairs.sum()):,}"),
            (
                "Permutations",
                say("{permutations:,}, seed {seed}", permutations=found.permutations, seed=int(values["seed"])),
            ),
        ),
        values_used={},
        notes=_notes(found, request, square, distances[0]),
    )


def _check_days(days: np.ndarray) -> None:
    """Raise ``AnalysisError`` where the days tell nothing of what came soon after what."""
    if not len(days):
        raise AnalysisError("No incident tells its day, and near repeats need it: choose data with dates.", "layer")
    if (days == days[0]).all():
        raise AnalysisError(
            f"All {len(days):,} incidents are dated {days[0]}, so none comes before another: choose a longer period.",
            "period",
        )
    if (days == days.astype("datetime64[M]").astype("datetime64[D]")).all():
        raise AnalysisError(
            "Every incident is dated the first of a month, so only the month is known, and near repeats need the day: "
            "choose data with exact dates.",
            "layer",
        )


def _square_m(points: Points) -> float:
    """The side of the squares on whose middles the places lie, in metres; 0 where they are exact or do not tell."""
    known = points.precision[~np.isnan(points.precision)]
    # Of a copy on a grid the smallest is the grid's: some may have been placed less exactly before.
    if not len(known) or not known.min() > 1:
        return 0.0
    side = float(known.min())
    offset = np.concatenate([points.eastings, points.northings]) % side
    # A copy's grid and the supplier's own rounding both put every place at the same part of its square.
    return side if (offset == offset[0]).all() else 0.0


def _classes(square: float, unusual: bool) -> tuple[LegendClass, ...]:
    """The parts of a series for the map; those on one point are not red where the table holds nothing unusual."""
    repeat = _CLASSES[0]
    words = translated("Repeat: after another in the same square" if square else repeat.label)
    if unusual:
        return (replace(repeat, label=words), *_CLASSES[1:])
    words = say("{label} (no more than by chance)", label=words)
    near = replace(
        _CLASSES[1],
        label=say("{label} (no more than by chance)", label=translated(_CLASSES[1].label)),
        colour="#efc4ae",
    )
    return (replace(repeat, label=words, colour=_NOT_UNUSUAL), near, *_CLASSES[2:])


def _distance_words(distances: list[float], square: float) -> list[str]:
    words = [
        say("same square of {square:g} m", square=square) if square else translated("same place"),
        say("under {distances:g} m", distances=distances[0]),
    ]
    return words + [
        say("{low:g} to under {high:g} m", low=low, high=high) for low, high in zip(distances, distances[1:])
    ]


def _span_words(spans: list[int]) -> list[str]:
    """Whole days, both ends included: 0 to 6 days is what lies under 7."""
    bounds = list(zip([0, *spans], spans))
    return [
        counted(low, "day") if low == high - 1 else say("{low} to {high} days", low=low, high=high - 1)
        for low, high in bounds
    ]


def _unusual(found: NearRepeat) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (found.p <= _UNUSUAL_P) & (found.ratio >= _MEANINGFUL_RATIO)


def _answer(found: NearRepeat, distance_words: list[str], span_words: list[str]) -> str:
    unusual = np.argwhere(_unusual(found))
    if not len(unusual):
        return say(
            "No near repeats: in no band are there clearly more pairs than chance would bring (p up to {unusual_p:g} "
            "and at least {meaningful_ratio:g} times as many).",
            unusual_p=_UNUSUAL_P,
            meaningful_ratio=_MEANINGFUL_RATIO,
        )
    sentences = []
    for row, column in unusual[np.argsort([-found.ratio[tuple(cell)] for cell in unusual], kind="stable")][:3]:
        sentences.append(
            say(
                "{distance_words} within {span_words}: {ratio:.1f} times as many pairs as by chance ({observed:,} "
                "against {expected:,.1f}, p {p:.3f})",
                distance_words=distance_words[row],
                span_words=span_words[column],
                ratio=found.ratio[row, column],
                observed=int(found.observed[row, column]),
                expected=found.expected[row, column],
                p=found.p[row, column],
            )
        )
    more = len(unusual) - len(sentences)
    return (
        translated("Near repeats: ")
        + "; ".join(sentences)
        + (say_number(more, "; and {n} more band.", "; and {n} more bands.") if more else ".")
    )


def _notes(found: NearRepeat, request: Request, square: float, band: float) -> tuple[str, ...]:
    notes = []
    if square:
        told = say(
            "Places are middles of {square:g} m squares: incidents “in the same square” lie up to {diagonal:.0f} m "
            "apart, and bands narrower than {square:g} m say nothing",
            square=square,
            diagonal=square * math.sqrt(2),
        )
        notes.append(
            told + (say(" – yours are of {band:g} m: choose wider ones.", band=band) if band < square else ".")
        )
    if request.facts.snapped:
        notes.append(
            "The supplier moves incidents to shared map points, so the same place or square is a street, and distances "
            "under about 100 m mean little."
        )
    tests = found.p.size
    if np.isfinite(found.p).any():
        chance = _UNUSUAL_P * tests
        notes.append(
            say_number(
                tests,
                "{n} band is tested, by itself: by chance alone about {chance:.0f} would have p up to {unusual_p:g}. "
                "Read the table as a whole, from the first row and the first days outwards.",
                "{n} bands are tested, each by itself: by chance alone about {chance:.0f} would have p up to "
                "{unusual_p:g}. Read the table as a whole, from the first row and the first days outwards.",
                chance=chance,
                unusual_p=_UNUSUAL_P,
            )
        )
    return tuple(notes)


def _incidents(points: Points, roles: Series, distance: str, span: str, classes: tuple[LegendClass, ...]) -> Output:
    """The incidents by their part in a series, those that follow another on top."""
    order = np.argsort(roles.role, kind="stable")
    title = say("Series: {distance} and within {span}", distance=distance, span=span)
    return Output.points(
        "series",
        title,
        points.eastings[order],
        points.northings[order],
        {
            "role": np.array([_ROLE_WORDS[Role(role)] for role in roles.role[order]], dtype=object),
            "class": roles.role[order],
            "day": points.days[order],
            "since": np.where(roles.since < 0, np.nan, roles.since)[order],
            "followers": roles.followers[order],
        },
        words={
            "role": "Part in a series",
            "class": "Part, as a number",
            "day": "Day",
            "since": "Days since the last one before it",
            "followers": "Incidents that follow it",
        },
        shown="class",
        classes=classes,
        legend_title=title,
    )


def _table(found: NearRepeat, distance_words: list[str], spans: list[int]) -> Output:
    span_words = _span_words(spans)
    rows, columns = (index.ravel() for index in np.indices(found.observed.shape))
    return Output.table(
        "near_repeats",
        "Near repeats by distance and days",
        {
            "distance": np.array(distance_words, dtype=object)[rows],
            "days": np.array(span_words, dtype=object)[columns],
            "observed": found.observed.ravel(),
            "expected": np.round(found.expected.ravel(), 3),
            "ratio": np.round(found.ratio.ravel(), 3),
            "p": np.round(found.p.ravel(), 5),
            "unusual": _unusual(found).ravel(),
            "distance_pairs": found.space_pairs[rows],
            "days_pairs": found.time_pairs[columns],
        },
        {
            "distance": "Distance between",
            "days": "Days between",
            "observed": "Observed pairs",
            "expected": "Pairs expected by chance",
            "ratio": "Observed / expected",
            "p": "p (one-sided)",
            "unusual": say(
                "p ≤ {unusual_p:g} and ratio ≥ {meaningful_ratio:g}",
                unusual_p=_UNUSUAL_P,
                meaningful_ratio=_MEANINGFUL_RATIO,
            ),
            "distance_pairs": "All pairs at this distance",
            "days_pairs": "All pairs so many days apart",
        },
    )


def _ratios(found: NearRepeat, distance_words: list[str], spans: list[int]) -> Output:
    """The ratios as a table to be read: a row for each distance, a column for each span of days."""
    names = [f"days_{low}_{high - 1}" for low, high in zip([0, *spans], spans)]
    columns: dict[str, np.ndarray] = {"distance": np.array(distance_words, dtype=object)}
    columns.update({name: np.round(found.ratio[:, number], 2) for number, name in enumerate(names)})
    words = {"distance": "Distance between", **dict(zip(names, _span_words(spans)))}
    return Output.table("ratios", "Near repeats: observed over expected", columns, words)


NEAR_REPEATS = Analysis(
    name="near-repeat",
    words="Near repeats",
    group="Near in time",
    help=(
        "Counts pairs of incidents by how far and how many days they lie apart, and compares with what chance would "
        "bring if dates were dealt out anew (Knox 1964): the expected number is exact, p comes from permutations. A "
        "ratio of 2 for under 100 m and 0 to 6 days means twice as many pairs as by chance. The row “same place” holds "
        "repeats at one exact point; in a copy whose places are middles of squares it is the row “same square”, and "
        "bands narrower than the squares say nothing. The map shows which incidents followed another within the first "
        "bands; of two on one day the earlier hour counts as the first. Days are needed; months are not enough."
    ),
    choices=(
        Choice(
            "band",
            "Width of a band of distance",
            "100 m: the same place, above it and under 100 m, 100 to under 200 m, and so on.",
            Kind.METRES,
            default=100.0,
            least=1,
            most=10_000,
        ),
        Choice("bands", "Bands of distance", "How many of them.", Kind.WHOLE, default=5, least=1, most=30),
        Choice(
            "span",
            "Length of a band of days",
            "7: 0 to 6 days, 7 to 13 days, and so on. Two incidents of one day are 0 days apart.",
            Kind.DAYS,
            default=7,
            least=1,
            most=366,
        ),
        Choice("spans", "Bands of days", "How many of them.", Kind.WHOLE, default=4, least=1, most=30),
        Choice(
            "permutations",
            "Permutations",
            "How often the dates are dealt out at random; the smallest p is 1 over one more than that.",
            Kind.WHOLE,
            default=999,
            least=19,
            most=99_999,
            advanced=True,
        ),
        Choice(
            "metric",
            "Distance",
            "Along a street grid adds up east–west and north–south, as the Near Repeat Calculator does.",
            Kind.ONE_OF,
            default=Metric.EUCLIDEAN.value,
            options=(
                (Metric.EUCLIDEAN.value, "as the crow flies"),
                (Metric.MANHATTAN.value, "along a street grid (Manhattan)"),
            ),
            advanced=True,
        ),
        Choice(
            "seed",
            "Seed of chance",
            "The same seed deals the same dates, so that a run can be repeated to the digit.",
            Kind.WHOLE,
            default=1,
            least=0,
            most=2_000_000_000,
            advanced=True,
        ),
    ),
    run=run,
    needs=(Need.DAYS,),
)
