"""Counts around a place, by ring and by category.

Of rows that an agreement shows any question is answered exactly. Rows that it only lets be counted are counted by
fixed questions, so that no two questions can be told apart by a single incident: around postcodes, in three rings,
over whole months, by category; small counts are withheld and others rounded. The two never stand in one sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, func, literal, select
from sqlalchemy.orm import Session

from ...shared.disclosure import ROUNDING, published_count, published_rings, published_table
from ..agreements.models import Precision
from ..agreements.readable import Bounds, countable, open_rows
from ..agreements.scope import Scope, Subject, countable_scope
from ..audit.log import EventType
from ..datasets.definitions import Geometry
from ..problems import Problem
from ..services import Services
from ..spatial.backend import backend_of
from .asking import Question
from .places import within_radius
from .schemas import (
    ExactCounts,
    MonthAnswer,
    PlaceAnswer,
    ProximityAnswer,
    ProximityRequest,
    RingAnswer,
    RingsByValue,
    RoundedCounts,
    RoundedMonth,
    RoundedRing,
    RoundedValue,
)
from .service import find_place
from .visible import CountsLieNowhere, VisibleRows, json_value

FIXED_RADII = (100, 250, 500)
_TOP_CATEGORIES = 10


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
        answer = _answer(session, permitted, asked, place)
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


def _answer(session: Session, permitted: Scope, asked: ProximityRequest, place: PlaceAnswer) -> ProximityAnswer:
    radii = sorted(set(asked.radii))
    only_counted = any(permitted.counts(grant) and not permitted.gives(grant) for grant in permitted.grants)
    fixed = _is_fixed(permitted, asked, radii)
    if not permitted.gives_rows and not fixed:
        raise Problem(
            403,
            "question-not-permitted",
            "Not one of the questions that are answered",
            "Your agreement opens counts by fixed questions only: ask around a postcode, within 100, 250 or 500 "
            "metres, by category.",
        )
    notes = []
    if only_counted and not fixed:
        notes.append(
            "Some incidents are not in these figures: your agreement lets them be counted around postcodes, within "
            "100, 250 or 500 metres, by category only."
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
        rounded=_rounded(session, permitted, asked, place, radii) if only_counted and fixed else None,
        notes=notes,
        caveats=list(permitted.definition.cautions),
        attribution=permitted.definition.attribution,
    )


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
    session: Session, permitted: Scope, asked: ProximityRequest, place: PlaceAnswer, radii: Sequence[int]
) -> RoundedCounts:
    open_rows(session, permitted)
    spatial = backend_of(session.get_bind().dialect)
    rows = countable(permitted).subquery("countable")
    conditions: list[ColumnElement[bool]] = [rows.c.aggregate == 1]
    if asked.from_month:
        conditions.append(rows.c.month >= asked.from_month)
    if asked.to_month:
        conditions.append(rows.c.month <= asked.to_month)
    # All of them whatever is asked: how a ring is told depends on those within it.
    rings = [spatial.within(rows.c.x, rows.c.y, place.easting, place.northing, radius) for radius in FIXED_RADII]
    counted = select(rows.c.category, *map(_how_many, rings)).where(*conditions, rings[-1]).group_by(rows.c.category)
    found = [tuple(row) for row in session.execute(counted)]
    largest_masked = max(permitted.threshold - 1, 0)
    totals = [sum(column) for column in zip(*(row[1:] for row in found), strict=True)] or [0] * len(FIXED_RADII)
    told = dict(zip(FIXED_RADII, published_rings(totals, largest_masked), strict=True))
    outermost = 1 + FIXED_RADII.index(radii[-1])
    inside = [(row[0], row[outermost]) for row in found if row[outermost]]
    table = published_table([[count] for _, count in inside], largest_masked)
    values = [(value, shown[0]) for (value, _), shown in zip(inside, table.rows, strict=True)]
    # Those withheld in the order of their names: their own order would tell which is larger.
    values.sort(key=lambda value: (-(value[1] or 0), value[0] is None, str(value[0])))
    month = func.coalesce(rows.c.month, "").label("month")
    unplaced = select(month, literal(1).label("one")).where(*conditions, rows.c.x.is_(None)).subquery("without_place")
    months = session.execute(
        select(unplaced.c.month, func.count()).group_by(unplaced.c.month).order_by(unplaced.c.month)
    )
    return RoundedCounts(
        rounding=ROUNDING,
        fewer_than=permitted.threshold,
        rings=[RoundedRing(radius_m=radius, rows=told[radius]) for radius in radii],
        by=permitted.definition.category_field,
        table=[RoundedValue(value=value, rows=shown) for value, shown in values[:_TOP_CATEGORIES]],
        unplaced=[RoundedMonth(month=name, rows=published_count(number, largest_masked)) for name, number in months],
    )


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _largest(answer: ProximityAnswer) -> int:
    """How many rows the answer speaks of, for the audit."""
    exact = answer.exact.rings[-1].rows if answer.exact else 0
    rounded = answer.rounded.rings[-1].rows if answer.rounded else 0
    return exact + (rounded or 0)
