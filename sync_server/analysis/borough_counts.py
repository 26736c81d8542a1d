"""Counts of whole boroughs and of London for those who may count the incidents there and see few of them.

Fixed questions: each borough of which everything may be counted, in a fixed year, of everything and of each category;
and London, where that holds of all boroughs. Perturbed as the counts around a place are, and worked out once a
release. All incidents of a borough are one cell, those whose records the asker holds, too: nothing exact is in it.
What is answered 0 is not listed, whether there are a few or none: which cells hold anything is told by nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from ...shared.cell_key import Records, answered
from ...shared.small_counts import ROUNDING
from ...shared.windows import Window
from ..agreements.opened import Scope
from ..agreements.readable import countable, open_rows
from ..agreements.scope import countable_scope
from ..audit.log import EventType
from ..datasets.areas import AreaIndex
from ..datasets.definitions import FieldGroup, Geometry
from ..identity.subject import Subject
from ..instants import london_today, now
from ..problems import Problem
from ..services import Services
from .asking import Question
from .cell_answers import fixed_windows, keep_answer, rights_digest
from .models import CellAnswer
from .schemas import BoroughCounts, BoroughsAnswer, RoundedValue
from .visible import CountsLieNowhere

LONDON = "London"
_HERE = "boroughs"  # in the place of what a question around a place leaves out: the two never meet
_BATCH = 20_000


@dataclass(frozen=True)
class _Count:
    """A perturbed count of a borough's code or of ``LONDON``; ``every`` or of one category."""

    area: str
    every: bool
    category: str | None
    rows: int


def count_boroughs(
    services: Services, session: Session, subject: Subject, dataset: str, first: str | None, last: str | None
) -> BoroughsAnswer:
    """The counts of a fixed year, the newest unless months are named; audited. Raises ``Problem``."""
    question = Question(services, subject, EventType.BOROUGHS_COUNTED, dataset, {"from_month": first, "to_month": last})
    try:
        permitted = countable_scope(session, subject, dataset, services.definitions)
        if permitted.definition.geometry == Geometry.COUNTS:
            raise CountsLieNowhere(permitted.definition.title)
        windows = fixed_windows(session, permitted, london_today())
        window = next((one for one in windows if (one.first, one.last) == (first, last)), None)
        if first is None and last is None and windows:
            window = windows[0]
        if window is None:
            raise _not_permitted(windows)
        whole = whole_boroughs(permitted, services.areas, window)
        counts = _counts(services, session, permitted, window) if whole else []
    except Problem as problem:
        raise question.refused(problem) from None
    answer = _answer(services, permitted, window, whole, counts)
    question.answered(permitted, answer.london.rows if answer.london else sum(one.rows for one in answer.boroughs))
    return answer


def whole_boroughs(permitted: Scope, areas: AreaIndex, window: Window) -> frozenset[str]:
    """The boroughs of which every incident of the window may be counted, with its area."""
    opened: set[str] = set()
    hidden: set[str] = set()
    for grant in permitted.grants:
        full = (not grant.from_month or grant.from_month <= window.first) and (
            not grant.to_month or grant.to_month >= window.last
        )
        if permitted.counts(grant) and FieldGroup.AREA in grant.groups:
            if full:
                opened |= set(grant.areas) - hidden
        else:
            hidden |= set(grant.areas)  # it keeps its rows from the grants after it
    lsoas: defaultdict[str, set[str]] = defaultdict(set)
    for code, lsoa in areas.lsoas.items():
        lsoas[lsoa.borough_code].add(code)
    return frozenset(
        borough
        for borough in areas.boroughs
        if (borough in opened or lsoas[borough] <= opened) and not (hidden & {borough, *lsoas[borough]})
    )


def _counts(services: Services, session: Session, permitted: Scope, window: Window) -> list[_Count]:
    asked = {
        "dataset": permitted.definition.code,
        "release": permitted.release,
        "rights": rights_digest(permitted),
        "easting": 0,
        "northing": 0,
        "first": window.first,
        "last": window.last,
        "left_out": _HERE,
    }
    known = session.scalar(select(CellAnswer).filter_by(**asked))
    if known is not None:
        return [_Count(**row) for row in known.rows]

    def count() -> list[_Count]:
        with services.database.read() as later:  # somebody may have finished since the session began
            kept = later.scalar(select(CellAnswer).filter_by(**asked))
        if kept is not None:
            return [_Count(**row) for row in kept.rows]
        counts = _count(services, session, permitted, window)
        keep_answer(services, CellAnswer(**asked, rows=[vars(one) for one in counts], answered_at=now()))
        return counts

    return services.long_counts.result(tuple(asked.values()), count)


def _count(services: Services, session: Session, permitted: Scope, window: Window) -> list[_Count]:
    """Sums of weights and of record keys, batch by batch: a year of London is a million rows."""
    open_rows(session, permitted)
    held = countable(permitted, beside=["identity"]).subquery("countable")
    month = held.c.month
    wanted = select(held.c.identity, held.c.borough_code, held.c.category).where(
        month >= window.first, month <= window.last, held.c.borough_code.in_(services.areas.boroughs)
    )
    sums: defaultdict[tuple[str, bool, str | None], Any] = defaultdict(lambda: np.zeros(2, np.int64))
    found = session.execute(wanted.execution_options(yield_per=_BATCH))
    for batch in found.partitions(_BATCH):
        records = Records.of(services.keys.cell_secret, (row[0] for row in batch))
        both = np.stack([records.weights, records.keys], axis=1)
        rows_of: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
        for at, (_identity, borough, category) in enumerate(batch):
            rows_of[borough, category].append(at)
        for (borough, category), rows in rows_of.items():
            summed = both[rows].sum(axis=0)
            for area in (borough, LONDON):
                sums[area, True, None] += summed
                sums[area, False, category] += summed
    return [
        _Count(*cell, rows=int(answered(weights, keys, permitted.threshold)))
        for cell, (weights, keys) in sorted(sums.items(), key=lambda one: tuple(map(str, one[0])))
    ]


def _answer(
    services: Services, permitted: Scope, window: Window, whole: frozenset[str], counts: list[_Count]
) -> BoroughsAnswer:
    definition = permitted.definition
    group = definition.field(definition.category_field).group
    # Where a grant has no categories, those of a borough would be some of its incidents only.
    by_category = all(group in grant.groups for grant in permitted.grants if permitted.counts(grant))

    def told(area: str, name: str) -> BoroughCounts:
        own = [one for one in counts if one.area == area]
        # A category that is listed with 0 would be one that has a few.
        listed = [one for one in own if by_category and not one.every and one.rows]
        table = [RoundedValue(value=one.category, rows=one.rows) for one in listed]
        table.sort(key=lambda value: -value.rows)
        return BoroughCounts(code=area, name=name, rows=next((one.rows for one in own if one.every), 0), table=table)

    boroughs = services.areas.boroughs
    return BoroughsAnswer(
        dataset=definition.code,
        title=definition.title,
        release=permitted.release,
        agreement=permitted.agreement,
        from_month=window.first,
        to_month=window.last,
        rounding=ROUNDING,
        fewer_than=permitted.threshold,
        by=definition.category_field if by_category else "",
        boroughs=[told(code, boroughs[code]) for code in sorted(whole)],
        london=told(LONDON, LONDON) if whole == frozenset(boroughs) else None,
        caveats=list(definition.cautions),
        attribution=definition.attribution,
    )


def _not_permitted(windows: tuple[Window, ...]) -> Problem:
    years = " or ".join(f"{window.first} to {window.last}" for window in windows[:2])
    sentence = f"Boroughs are counted over fixed years: ask for {years}." if years else "No whole month is held yet."
    return Problem(403, "question-not-permitted", "Not one of the questions that are answered", sentence)
