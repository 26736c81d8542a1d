"""Counts around a place, by ring and by category.

Of rows that an agreement shows any question is answered exactly. Rows that it only lets be counted are counted by
fixed questions, so that no two questions can be told apart by a single incident: around postcodes, in three rings, over
one of the fixed years, by category and band; and the counts are perturbed (``cell_answers``). The two never stand in
one sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, func, literal, select
from sqlalchemy.orm import Session

from ...shared.rings import FIXED_RADII, Band
from ...shared.small_counts import ROUNDING, published_count
from ...shared.windows import Window
from ..agreements.models import Precision
from ..agreements.opened import Scope
from ..agreements.readable import Bounds, countable, open_rows
from ..agreements.scope import countable_scope
from ..audit.log import EventType
from ..datasets.definitions import Geometry
from ..identity.subject import Subject
from ..instants import london_today
from ..problems import Problem
from ..services import Services
from .asking import Question
from .cell_answers import counts_around, fixed_windows
from .places import within_radius
from .schemas import (
    ExactCounts,
    MonthAnswer,
    PlaceAnswer,
    ProximityAnswer,
    ProximityRequest,
    RingAnswer,
    RingsByValue,
    RoundedBand,
    RoundedCounts,
    RoundedMonth,
    RoundedRing,
    RoundedValue,
)
from .service import find_place
from .visible import CountsLieNowhere, VisibleRows, json_value


def count_around(services: Services, session: Session, subject: Subject, asked: ProximityRequest) -> ProximityAnswer:
    """The counts; audited. Raises ``Problem``."""
    told: dict[str, Any] = {"radii": asked.radii, "from_month": asked.from_month, "to_month": asked.to_month}
    if asked.postcode is None:
        told |= {"easting": asked.easting, "northing": asked.northing}
    question = Question(services, subject, EventType.PROXIMITY_COUNTED, asked.dataset, told)
    try:
        permitted = countable_scope(session, subject, asked.dataset, services.definitions)
        if permitted.definition.geometry == Geometry.COUNTS:
            raise CountsLieNowhere(permitted.definition.title)
        place = _place(services, asked)
        question = Question(services, subject, question.event, asked.dataset, {**told, "postcode": place.postcode})
        answer = _answer(services, session, permitted, asked, place)
    except Problem as problem:
        raise question.refused(problem) from None
    question.answered(permitted, _largest(answer))
    return answer


def _place(services: Services, asked: ProximityRequest) -> PlaceAnswer:
    if asked.postcode is None:
        assert asked.easting is not None and asked.northing is not None
        return PlaceAnswer(postcode="", easting=asked.easting, northing=asked.northing, warning="")
    found = find_place(services, asked.postcode)
    return PlaceAnswer(
        postcode=str(found.postcode), easting=found.easting, northing=found.northing, warning=found.warning
    )


def _answer(
    services: Services, session: Session, permitted: Scope, asked: ProximityRequest, place: PlaceAnswer
) -> ProximityAnswer:
    radii = sorted(set(asked.radii))
    only_counted = any(permitted.counts(grant) and not permitted.gives(grant) for grant in permitted.grants)
    windows = fixed_windows(session, permitted, london_today()) if only_counted else ()
    window = _fixed_window(asked, windows)
    fixed = window is not None and _is_fixed(permitted, asked, radii)
    questions = _questions(windows)
    if not permitted.gives_rows and not fixed:
        raise Problem(
            403,
            "question-not-permitted",
            "Not one of the questions that are answered",
            f"Your agreement opens counts by fixed questions only: ask {questions}.",
        )
    notes = []
    if only_counted and not fixed:
        notes.append(
            f"Some incidents are not in these figures: your agreement lets them be counted by fixed questions only, "
            f"{questions}."
        )
    elif only_counted:
        notes += _coarse_notes(permitted, radii)
    return ProximityAnswer(
        dataset=permitted.definition.code,
        title=permitted.definition.title,
        release=permitted.release,
        agreement=permitted.agreement,
        place=place,
        from_month=asked.from_month or "",
        to_month=asked.to_month or "",
        exact=_exact(session, permitted, asked, place, radii) if permitted.gives_rows else None,
        rounded=_rounded(services, session, permitted, place, radii, window) if window and fixed else None,
        notes=notes,
        caveats=list(permitted.definition.cautions),
        attribution=permitted.definition.attribution,
    )


def _fixed_window(asked: ProximityRequest, windows: Sequence[Window]) -> Window | None:
    """The fixed window that is asked for, the newest where no month is named; ``None`` where it is none of them."""
    if not (asked.from_month or asked.to_month):
        return windows[0] if windows else None
    return next((one for one in windows if (one.first, one.last) == (asked.from_month, asked.to_month)), None)


def _questions(windows: Sequence[Window]) -> str:
    years = " or ".join(f"{window.first} to {window.last}" for window in windows[:2])
    around = "around a postcode, within 100, 250 or 500 metres, by category"
    return f"{around}, over {years}" if years else around


def _coarse_notes(permitted: Scope, radii: Sequence[int]) -> list[str]:
    """What must be known of rings that are narrower than places are known to those who only count."""
    counted = [
        grant.counted_place for grant in permitted.grants if permitted.counts(grant) and not permitted.gives(grant)
    ]
    notes = []
    cell = max((cell for precision, cell in counted if precision == Precision.GRID), default=0)
    if narrow := [radius for radius in radii if radius < cell]:
        rings = " or ".join(map(str, narrow))
        notes.append(
            f"Places count at the middle of {cell} m squares: within {rings} metres a number says little, and 0 does "
            "not mean that nothing happened there."
        )
    if any(precision == Precision.AREA for precision, _cell in counted):
        notes.append("Some incidents are in no ring: your agreement does not let their places be counted.")
    return notes


def _is_fixed(permitted: Scope, asked: ProximityRequest, radii: Sequence[int]) -> bool:
    by = asked.by in (None, permitted.definition.category_field)
    return asked.postcode is not None and by and set(radii) <= set(FIXED_RADII)


def _exact(
    session: Session, permitted: Scope, asked: ProximityRequest, place: PlaceAnswer, radii: Sequence[int]
) -> ExactCounts:
    rows = VisibleRows(session, permitted, Bounds.around(place.easting, place.northing, radii[-1]))
    name = asked.by or permitted.definition.category_field
    by = rows.column(name)
    first, last = asked.from_month or "", asked.to_month or ""
    rings = [within_radius(rows, place.easting, place.northing, radius) for radius in radii]
    # A place of unknown precision is no coarse one.
    known = rows.column("precision_m") if "precision_m" in rows.fields else literal(0, Integer)
    coarse = [and_(ring, known > radius) for ring, radius in zip(rings, radii, strict=True)]
    counted = (
        rows.select(by, *map(_how_many, rings), *map(_how_many, coarse))
        .where(rows.within_months(first, last), rings[-1])
        .group_by(by)
    )
    found = [tuple(row) for row in session.execute(counted)]
    totals = [sum(column) for column in zip(*(row[1:] for row in found), strict=True)] or [0] * (2 * len(radii))
    field = rows.fields[name]
    table = [
        RingsByValue(value=json_value(field, row[0]), rows=list(row[1 : 1 + len(radii)]))
        for row in sorted(found, key=lambda row: (-row[len(radii)], row[0] is None, str(row[0])))
    ]
    return ExactCounts(
        rings=[
            RingAnswer(radius_m=radius, rows=totals[index], coarse=totals[len(radii) + index])
            for index, radius in enumerate(radii)
        ],
        by=name,
        table=table,
        unplaced=[
            MonthAnswer(month=month, rows=number) for month, number in _unplaced(session, permitted, first, last)
        ],
    )


def _unplaced(session: Session, permitted: Scope, first: str, last: str) -> list[tuple[str, int]]:
    rows = VisibleRows(session, permitted)
    without = rows.x.is_(None) if rows.placed else rows.fid.is_not(None)
    month = rows.column("month") if "month" in rows.fields else literal("")
    shown = rows.select(func.coalesce(month, "").label("month"), literal(1).label("one")).where(
        rows.within_months(first, last), without
    )
    counted = shown.subquery("without_place")
    found = session.execute(select(counted.c.month, func.count()).group_by(counted.c.month).order_by(counted.c.month))
    return [(name, number) for name, number in found]


def _rounded(
    services: Services,
    session: Session,
    permitted: Scope,
    place: PlaceAnswer,
    radii: Sequence[int],
    window: Window,
) -> RoundedCounts:
    rows = counts_around(services, session, permitted, place.easting, place.northing, window)
    asked = [FIXED_RADII.index(radius) for radius in radii]

    def rings(counts: Sequence[int]) -> list[RoundedRing]:
        return [RoundedRing(radius_m=FIXED_RADII[ring], rows=counts[ring]) for ring in asked]

    totals = {row.band: row.counts for row in rows if row.every}
    table = [row for row in rows if row.band is Band.ALL and not row.every and row.counts[asked[-1]]]
    table.sort(key=lambda row: -row.counts[asked[-1]])
    return RoundedCounts(
        rounding=ROUNDING,
        fewer_than=permitted.threshold,
        from_month=window.first,
        to_month=window.last,
        rings=rings(totals[Band.ALL]),
        by=permitted.definition.category_field,
        table=[RoundedValue(value=row.category, rows=row.counts[asked[-1]]) for row in table],
        bands=[
            RoundedBand(band=band.words, rings=rings(counts)) for band, counts in totals.items() if band is not Band.ALL
        ],
        unplaced=_unplaced_counted(session, permitted, window),
    )


def _unplaced_counted(session: Session, permitted: Scope, window: Window) -> list[RoundedMonth]:
    """Those of the whole of the agreement's area that lie in no ring, by month: the same whatever the place.

    Every month is told, and one with a few as one with none.
    """
    open_rows(session, permitted)
    rows = countable(permitted).subquery("countable")
    within = rows.c.month.between(window.first, window.last)
    unplaced = (
        select(rows.c.month, literal(1).label("one"))
        .where(rows.c.aggregate == 1, within, rows.c.x.is_(None))
        .subquery("without_place")
    )
    found = session.execute(select(unplaced.c.month, func.count()).group_by(unplaced.c.month))
    number_of = {month: int(number) for month, number in found}
    largest_masked = max(permitted.threshold - 1, 0)
    return [
        RoundedMonth(month=month, rows=published_count(number_of.get(month, 0), largest_masked) or None)
        for month in window.months
    ]


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _largest(answer: ProximityAnswer) -> int:
    """How many rows the answer speaks of, for the audit."""
    exact = answer.exact.rings[-1].rows if answer.exact else 0
    rounded = answer.rounded.rings[-1].rows if answer.rounded else 0
    return exact + (rounded or 0)
