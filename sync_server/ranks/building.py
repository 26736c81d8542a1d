"""Counts around every postcode of every borough, once a release, for those whose agreements open it.

No sample: all postcodes, and all rows that the rights show, nobody else's. Of rows that may only be counted it is the
answers that are ranked, those that anybody with these rights would get by asking around each postcode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ...shared.cell_key import Records, answered
from ...shared.presets import Exclusion
from ...shared.ranks import Distribution, count_all
from ...shared.rings import FIXED_RADII, Band, in_band
from ...shared.windows import MOST_BEHIND, Window, comparison, month_number
from ..agreements.models import Use
from ..agreements.scope import scopes_in_force
from ..analysis.visible import VisibleRows
from ..check.planning import Part, parts_of
from ..check.reading import Incidents, read_counted, read_shown
from ..instants import now
from ..progress import ReportsProgress, silent
from ..publishing.models import Release, ReleaseState
from ..publishing.releases import changed_months, newest_release
from ..publishing.short_writes import in_a_write
from ..services import Services
from .models import RankTable
from .tables import RankQuestion, Ranks, has_table, unplaced_content

_PLACES_AT_ONCE = 4_000


@dataclass(frozen=True)
class _Wanted:
    """A part whose tables of one window are made together."""

    part: Part
    window: Window
    asked: tuple[tuple[Band, Exclusion], ...]

    def question(self, band: Band, leave_out: Exclusion) -> RankQuestion:
        return question_of(self.part, self.window, band, leave_out)


def question_of(part: Part, window: Window, band: Band, leave_out: Exclusion) -> RankQuestion:
    """The table by which the part's counts are ranked."""
    return RankQuestion(part.dataset, part.scope.release, part.rights(window), window, band, leave_out)


def build_ranks(services: Services, today: date, progress: ReportsProgress = silent) -> int:
    """Make the tables that are lacking, and drop those that hold no more; how many were made.

    ``progress`` may raise to break it off: what was made by then is kept.
    """
    _carry_over(services, progress)
    made = 0
    for wanted in _lacking(services, today):
        step = f"Ranking places by {wanted.part.dataset}"
        made += _build(services, wanted, partial(progress, step))
    return made


def _lacking(services: Services, today: date) -> list[_Wanted]:
    found: dict[tuple[str, str, Window], _Wanted] = {}
    with services.database.read() as session:
        for use in (Use.VIEW, Use.EXPORT, Use.PUBLISH):
            for scopes in scopes_in_force(session, services.definitions, today, use):
                parts = [part for scope in scopes for part in parts_of(session, scope)]
                for part, window in _windows(parts, today):
                    wanted = _Wanted(part, window, _asked(services, part))
                    key = (part.dataset, part.rights(window), window)
                    if key not in found and _lacks(services, session, wanted):
                        found[key] = wanted
    return list(found.values())


def _windows(parts: Sequence[Part], today: date) -> Iterator[tuple[Part, Window]]:
    """Each part with the years that it is asked about: beside any of the others an answer ends with the older."""
    full = [part.newest_full(today) for part in parts]
    for part, own in zip(parts, full, strict=True):
        for end in sorted(set(full)):
            if end <= own and month_number(own) - month_number(end) < MOST_BEHIND:
                yield part, comparison(end)[0]


def _asked(services: Services, part: Part) -> tuple[tuple[Band, Exclusion], ...]:
    """Each listed band that the part can tell, with what a preset leaves out in it."""
    asked = []
    for preset in services.presets:
        leave_out = part.leave_out(preset)
        told = Exclusion(leave_out.categories, leave_out.flags)
        asked += [(band, told) for band in part.bands(preset.bands) if isinstance(band, Band)]
    return tuple(dict.fromkeys(asked))


def _lacks(services: Services, session: Session, wanted: _Wanted) -> bool:
    boroughs = services.ground.boroughs_of(wanted.part.areas)
    return any(
        not has_table(session, wanted.question(band, leave_out), borough)
        for band, leave_out in wanted.asked
        for borough in ("", *boroughs)
    )


def _carry_over(services: Services, progress: ReportsProgress) -> None:
    """Tables of months that later releases left as they were hold for the visible one; the others go."""

    def carry(session: Session) -> None:
        visible = dict(
            session.execute(
                select(Release.dataset, func.max(Release.number))
                .where(Release.state == ReleaseState.PUBLISHED)
                .group_by(Release.dataset)
            ).all()
        )
        for dataset, release in session.execute(select(RankTable.dataset, RankTable.release).distinct()).all():
            if visible.get(dataset) != release:
                _carry(services, session, dataset, release, visible.get(dataset, 0))

    in_a_write(services.database, carry, lambda: progress("Ranking places", 0, 1))


def _carry(services: Services, session: Session, dataset: str, former: int, visible: int) -> None:
    of_former = (RankTable.dataset == dataset, RankTable.release == former)
    there = session.scalar(
        select(RankTable.rank_table_id).where(RankTable.dataset == dataset, RankTable.release == visible).limit(1)
    )
    definition = services.definitions.get(dataset)
    if definition is not None and former < visible and there is None:
        changed = changed_months(session, definition, former, visible)
        windows = session.execute(select(RankTable.first, RankTable.last).where(*of_former).distinct()).all()
        for first, last in windows:
            if not any(first <= month <= last for month in changed):
                same = (*of_former, RankTable.first == first, RankTable.last == last)
                session.execute(update(RankTable).where(*same).values(release=visible))
    session.execute(delete(RankTable).where(*of_former))


def _build(services: Services, wanted: _Wanted, told: Callable[[int, int], None]) -> int:
    part, window = wanted.part, wanted.window
    boroughs = services.ground.boroughs_of(part.areas)
    by_exclusion: dict[Exclusion, list[Band]] = {}
    for band, leave_out in wanted.asked:
        by_exclusion.setdefault(leave_out, []).append(band)
    total, done, made = len(boroughs) * len(by_exclusion), 0, 0
    for leave_out, bands in by_exclusion.items():
        told(done, total)
        with services.database.read() as session:
            unplaced = _unplaced(session, part, window)
            if part.counted:
                rows, records = read_counted(session, part, window, leave_out, services.keys.cell_secret)
            else:
                rows, records = read_shown(session, part, None, window, leave_out), None
        contents = [(wanted.question(band, leave_out), "", unplaced_content(unplaced)) for band in bands]
        made += _keep(services, contents)
        for borough in boroughs:
            told(done, total)
            places = services.ground.postcodes_of(borough)
            found = _rank(rows, records, part, places, bands)
            contents = [
                (wanted.question(band, leave_out), borough, ranks.packed())
                for band, ranks in zip(bands, found, strict=True)
            ]
            made += _keep(services, contents)
            done += 1
    return made


def _unplaced(session: Session, part: Part, window: Window) -> int:
    if part.counted:
        return 0
    rows = VisibleRows(session, part.scope, months=(window.first, window.last))
    without = rows.x.is_(None) if rows.placed else rows.fid.is_not(None)
    counted = rows.select(func.count()).where(rows.within_months(window.first, window.last), without)
    return int(session.scalar(counted) or 0)


def _keep(services: Services, contents: Sequence[tuple[RankQuestion, str, bytes]]) -> int:
    def keep(session: Session) -> int:
        made = 0
        for question, borough, content in contents:
            # Counted of a release that shows no more, perhaps because rows of it were erased: not kept.
            visible = newest_release(session, question.dataset, ReleaseState.PUBLISHED)
            if visible is None or visible.number != question.release:
                continue
            if not has_table(session, question, borough):
                session.add(RankTable(**question.key(borough), content=content, made_at=now()))
                made += 1
        return made

    try:
        return in_a_write(services.database, keep, lambda: None)
    except IntegrityError:
        return 0  # another builder made them meanwhile


def _rank(
    rows: Incidents, records: Records | None, part: Part, places: NDArray[np.int64], bands: Sequence[Band]
) -> list[Ranks]:
    """For each band, how often each count occurs around the places."""
    if len(places):
        reach = max(FIXED_RADII)
        (west, south), (east, north) = places.min(axis=0) - reach, places.max(axis=0) + reach
        near = (rows.eastings >= west) & (rows.eastings <= east) & (rows.northings >= south) & (rows.northings <= north)
        rows = rows.where(near)
        if records is not None:
            records = Records(records.keys[near], records.weights[near])
    categories, category = np.unique(rows.categories.astype(str), return_inverse=True)
    kinds = max(len(categories), 1)
    inside = [in_band(band, rows.hours, rows.weekdays).inside for band in bands]
    spots = np.stack([rows.eastings, rows.northings], axis=1)
    ones = np.ones(len(rows), np.int64)
    counts = _count(spots, _by_kind(records.weights if records else ones, inside, category, kinds), places)
    keys = _count(spots, _by_kind(records.keys, inside, category, kinds), places) if records else None
    found = []
    for number in range(len(bands)):
        own = slice(number * kinds, (number + 1) * kinds)
        tables: dict[tuple[str | None, int], Distribution] = {}
        for ring, radius in enumerate(FIXED_RADII):
            columns = _columns(categories, counts[:, ring, own], None if keys is None else keys[:, ring, own])
            for name, counted, keyed in columns:
                shown = counted if keyed is None else answered(counted, keyed, part.scope.threshold)
                tables[name, radius] = Distribution.of(shown)
        found.append(Ranks(len(places), tables))
    return found


def _columns(
    categories: NDArray[np.str_], counts: NDArray[np.int64], keys: NDArray[np.int64] | None
) -> Iterator[tuple[str | None, NDArray[np.int64], NDArray[np.int64] | None]]:
    """All together (``None``), then each category: counts, and sums of keys where there are any, by place."""
    yield None, counts.sum(axis=1), None if keys is None else keys.sum(axis=1)
    for kind, name in enumerate(categories):
        yield str(name), counts[:, kind], None if keys is None else keys[:, kind]


def _by_kind(
    weights: NDArray[np.int64], inside: Sequence[NDArray[np.bool_]], category: NDArray[np.intp], kinds: int
) -> NDArray[np.int32]:
    made = np.zeros((len(weights), kinds * len(inside)), dtype=np.int32)
    for number, chosen in enumerate(inside):
        made[np.flatnonzero(chosen), category[chosen] + number * kinds] = weights[chosen]
    return made


def _count(spots: NDArray[np.int64], weights: NDArray[np.int32], places: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.zeros((len(places), len(FIXED_RADII), weights.shape[1]), dtype=np.int64)
    for first in range(0, len(places), _PLACES_AT_ONCE):
        some = slice(first, first + _PLACES_AT_ONCE)
        counts[some] = count_all(spots, weights, places[some], FIXED_RADII)
    return counts
