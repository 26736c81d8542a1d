"""Repeat locations: exact points where incidents come again, the stacks that a map of dots hides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ....shared.concentration import Places, places_of
from ..analysis_error import AnalysisError
from ..cautions import incidents_words
from ..exact import Exact
from ..hotspot_styles import LegendClass
from ..point_facts import ColumnKind
from ..sentences import say, say_number
from .analysis import Analysis, Choice, Findings, Guard, Kind, Output, Request

_COLOURS = ("#f3b987", "#e28259", "#bd4944", "#7d1a34")
_WORDS = {
    "rank": "Rank",
    "incidents": "Incidents",
    "share": "Share of all incidents (%)",
    "share_so_far": "Share of all incidents, with the places above (%)",
    "name": "Name",
    "category": "Most frequent category",
    "of_category": "Incidents of that category",
    "first_day": "First day",
    "last_day": "Last day",
    "months": "Months with incidents",
    "easting": "Easting",
    "northing": "Northing",
}


def run(request: Request) -> Findings:
    """The places with at least so many incidents, as points by size and as a table in order."""
    points = request.incidents.points
    least = int(request.values["least"])
    places = places_of(points.eastings, points.northings)
    shown = int(np.count_nonzero(places.counts >= least))
    if not shown:
        raise AnalysisError(
            f"No place holds {incidents_words(least)} or more; the most on one is {int(places.counts[0])}: ask for "
            "fewer, or choose a longer period or more categories.",
            "least",
        )
    request.stop_if_cancelled()
    columns = _columns(request, places, shown)
    held = int(places.counts[:shown].sum())
    total = len(points)
    classes = _classes(places.counts[:shown])
    repeats = int(np.count_nonzero(places.counts > 1))
    on_repeats = int(places.counts[places.counts > 1].sum())
    answer = say_number(
        shown,
        "{n} place holds {incidents} or more: {held:,} of {total:,} ({share:.0f} %) on {of_places:.1f} % of all "
        "places with any. The most on one place is {most:,}.",
        "{n} places hold {incidents} or more: {held:,} of {total:,} ({share:.0f} %) on {of_places:.1f} % of all "
        "places with any. The most on one place is {most:,}.",
        incidents=incidents_words(least),
        held=held,
        total=total,
        share=100 * held / total,
        of_places=100 * shown / len(places.counts),
        most=int(places.counts[0]),
    )
    words = {name: _WORDS[name] for name in columns}
    return Findings(
        answer=answer,
        outputs=(
            Output.points(
                "repeat_locations",
                "Repeat locations",
                places.eastings[:shown],
                places.northings[:shown],
                columns,
                words=words,
                shown="incidents",
                classes=classes,
                legend_title="Incidents on one point",
                sized_by="incidents",
                guard=Guard((places.counts[:shown],)),
            ),
            Output.table("places_in_order", "Repeat locations, in order", columns, words),
        ),
        parameters=(
            ("A place is", "an exact point (to the centimetre)"),
            ("Shown from", incidents_words(least)),
            Exact.of("Places with incidents", f"{len(places.counts):,}"),
            Exact.of(
                "Places with more than one",
                say("{repeats:,}, with {incidents}", repeats=repeats, incidents=incidents_words(on_repeats)),
            ),
        ),
        values_used={"least": least, "name": request.values["name"]},
    )


def _columns(request: Request, places: Places, shown: int) -> dict[str, np.ndarray]:
    points = request.incidents.points
    counts = places.counts[:shown]
    order = np.argsort(places.of_incident, kind="stable")
    bounds = np.searchsorted(places.of_incident[order], np.arange(shown + 1))
    groups = [order[begin:end] for begin, end in zip(bounds[:-1], bounds[1:])]
    columns: dict[str, np.ndarray] = {"rank": np.arange(1, shown + 1), "incidents": counts}
    columns["share"] = np.round(100 * counts / len(points), 2)
    columns["share_so_far"] = np.round(100 * np.cumsum(counts) / len(points), 2)
    if request.values["name"]:
        names = points.extra[str(request.values["name"])]
        columns["name"] = np.array([_commonest(names[group])[0] for group in groups], dtype=object)
    if request.facts.category_field:
        commonest = [_commonest(points.categories[group]) for group in groups]
        columns["category"] = np.array([request.facts.label(value) for value, _ in commonest], dtype=object)
        columns["of_category"] = np.array([number for _, number in commonest])
    if request.facts.date_field:
        days = [points.days[group][~np.isnat(points.days[group])] for group in groups]
        none = np.datetime64("NaT", "D")
        columns["first_day"] = np.array([day.min() if len(day) else none for day in days], dtype="datetime64[D]")
        columns["last_day"] = np.array([day.max() if len(day) else none for day in days], dtype="datetime64[D]")
    if request.facts.months:
        columns["months"] = np.array([len(set(points.months[group]) - {""}) for group in groups])
    columns["easting"], columns["northing"] = places.eastings[:shown], places.northings[:shown]
    return columns


def _commonest(values: Sequence[str]) -> tuple[str, int]:
    """The value that occurs most, of equals the first by letter, and how often; empty values do not count."""
    found = Counter(str(value) for value in values if value is not None and str(value))
    return min(found.items(), key=lambda item: (-item[1], item[0])) if found else ("", 0)


def _classes(counts: np.ndarray) -> tuple[LegendClass, ...]:
    """Up to four classes of about equal numbers of places, fewest incidents first; none is empty."""
    low, top = int(counts.min()), int(counts.max())
    starts = sorted({low, *(int(np.ceil(np.quantile(counts, share))) for share in (0.5, 0.8, 0.95))})
    starts = [start for start in starts if start <= top]
    colours = _COLOURS[-len(starts) :]
    found = []
    for start, following, colour in zip(starts, [*starts[1:], top + 1], colours):
        last = following - 1
        # Half a step on either side: counts are whole, and a class of a single count is a range all the same.
        label = f"{start:,}" if last == start else f"{start:,}–{last:,}"
        found.append(LegendClass(start - 0.5, last + 0.5, label, colour))
    return tuple(found)


REPEAT_LOCATIONS = Analysis(
    name="repeat-locations",
    words="Repeat locations",
    group="Places",
    help=(
        "Finds the exact points on which incidents lie on top of one another, and shows each as one circle whose area "
        "follows their number, with a table in order: how many, what share of all, the most frequent category, the "
        "first and last day. Where the supplier moves incidents to shared map points, a stack is a street, not an "
        "address."
    ),
    choices=(
        Choice(
            "least",
            "Incidents on one point, at least",
            "Points with fewer are left out of the map and the table; they count in the shares.",
            Kind.WHOLE,
            default=2,
            least=2,
            most=100_000,
        ),
        Choice(
            "name",
            "Name of the place from",
            "A column that names the place, such as the premises: the value most frequent on each point is shown.",
            Kind.COLUMN,
            columns=(ColumnKind.TEXT,),
        ),
    ),
    run=run,
)
