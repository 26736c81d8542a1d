"""What happened around a place, dataset by dataset, as far as somebody's agreements let it be told.

Rows that are shown are counted exactly. Rows that are only counted are answered by the fixed questions, perturbed.
A ring holds every incident at a distance ≤ its radius; datasets are never added up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from ...shared import rings
from ...shared.change import RateChange, change
from ...shared.disclosure import SMALLEST_BASE
from ...shared.held_months import HeldMonths
from ...shared.presets import Exclusion, Preset
from ...shared.ranks import sentence
from ...shared.ring_answer import AnswerRow, DatasetAnswer, Place, RingAnswer, RingFigure, WeekHours
from ...shared.rings import FIXED_RADII, AnyBand, Band
from ...shared.windows import Window
from ..agreements.models import Use
from ..agreements.readable import Bounds
from ..agreements.scope import Subject
from ..analysis.cell_answers import CellRow, counts_around, fixed_windows
from ..audit.log import EventType, Outcome
from ..instants import london_today
from ..problems import Problem
from ..ranks.building import question_of
from ..ranks.tables import RankQuestion, Ranks, find_ranks, find_unplaced
from ..services import Services
from .planning import Part, Plan, parts_of, permitted_scopes, plan, without_places
from .reading import Incidents, read_shown

MOST_RADII = 5
LARGEST_RADIUS = 5_000
ALL_INCIDENTS = "All incidents"
_WHOLE = 0.999_999  # of a ring's area
_NO_AGREEMENT = (
    "Your organisation has no agreement in force on any dataset with places: ask the SafeStats team for one."
)
_PERTURBED = (
    "These records are only counted for you: the counts are altered at random to multiples of 5, small ones to 0 or "
    "the smallest that is told, so that nobody can be singled out. They need not add up."
)


@dataclass(frozen=True)
class Question:
    """What is asked around a place.

    ``bands`` are of one's own choice, in place of the preset's; ``datasets`` narrows to these codes.
    """

    place: Place
    preset: Preset
    radii: tuple[int, ...] = FIXED_RADII
    bands: tuple[AnyBand, ...] = ()
    datasets: tuple[str, ...] = ()

    @property
    def asked_bands(self) -> tuple[AnyBand, ...]:
        """The bands to count in."""
        return self.bands or self.preset.bands

    @property
    def fixed(self) -> bool:
        """Whether it is one of the questions that everybody may ask."""
        return bool(self.place.postcode) and self.radii == FIXED_RADII and not self.bands

    def told(self) -> dict[str, object]:
        """As the audit keeps it."""
        at: dict[str, object] = {"easting": self.place.easting, "northing": self.place.northing}
        if self.place.postcode:
            at = {"postcode": self.place.postcode}
        bands = [band.words for band in self.bands]
        return {**at, "radii": list(self.radii), "preset": self.preset.name, **({"bands": bands} if bands else {})}


@dataclass(frozen=True)
class Answered:
    """An answer, the agreement of each dataset in it, and which of them are perturbed counts."""

    answer: RingAnswer
    agreements: dict[str, str]
    held: dict[str, HeldMonths]
    counted: frozenset[int] = field(default_factory=frozenset)  # positions in the answer's datasets

    def settled(self) -> Answered:
        """As it is told, once nothing more is taken away: without rate and rank of totals below one of their parts."""
        datasets = tuple(one.without_odd_totals() for one in self.answer.datasets)
        return replace(self, answer=replace(self.answer, datasets=datasets))


def answer_around(
    services: Services, session: Session, subject: Subject, question: Question, use: Use = Use.VIEW
) -> Answered:
    """The answer, audited dataset by dataset before it leaves. Raises ``Problem`` where there is none."""
    with refusals_heard(services, subject, EventType.PLACE_CHECKED, question.told()):
        answered = answer_unheard(services, session, subject, question, use)
    record_answer(services, subject, question, answered, digest(answered.answer))
    return answered


@contextmanager
def refusals_heard(services: Services, subject: Subject, event: EventType, told: dict[str, Any]) -> Iterator[None]:
    """Audit the ``Problem`` that the block raises."""
    try:
        yield
    except Problem as problem:
        services.audit.record(
            event, **subject.audited, filter=told, outcome=Outcome.REFUSED, reason=problem.document.code
        )
        raise


def record_answer(
    services: Services,
    subject: Subject,
    question: Question,
    answered: Answered,
    sha256: str,
    event: EventType = EventType.PLACE_CHECKED,
    **told: str,
) -> None:
    """An event for each dataset of what leaves; raises ``AuditUnavailable``."""
    for one in answered.answer.datasets:
        rows = max((row.figures[-1].count or 0 for row in one.totals()), default=0)
        services.audit.record(
            event,
            **subject.audited,
            dataset=one.code,
            agreement=answered.agreements[one.code],
            rows=rows,
            filter={**question.told(), "sha256": sha256, **told},
        )


def digest(answer: RingAnswer) -> str:
    """SHA-256 of all that an answer tells."""
    return hashlib.sha256(json.dumps(asdict(answer), sort_keys=True, default=str).encode()).hexdigest()


def answer_unheard(
    services: Services, session: Session, subject: Subject, question: Question, use: Use = Use.VIEW
) -> Answered:
    """As ``answer_around``, for whoever audits it as a part of something larger."""
    return Answering.prepare(services, session, subject, question.datasets, use).answer(question).settled()


Tables = dict[tuple[RankQuestion, str], Ranks | None]


@dataclass(frozen=True)
class Answering:
    """Who asks for which use and what is open to them, worked out once for any number of places."""

    services: Services
    session: Session
    planned: Plan
    today: date
    tables: Tables

    @classmethod
    def prepare(
        cls,
        services: Services,
        session: Session,
        subject: Subject,
        datasets: Sequence[str],
        use: Use,
        tables: Tables | None = None,
    ) -> Answering:
        """``tables`` are those that were read before. Raises ``Problem`` where nothing is open."""
        today = london_today()
        scopes, refusals = permitted_scopes(services, session, subject, use, datasets)
        planned = plan([part for scope in scopes for part in parts_of(session, scope)], today)
        if planned is None:
            if refusals and not scopes:
                told = next((one for one in refusals if one.code not in ("no-agreement", "not-published")), None)
                reason = told.reason if told else _NO_AGREEMENT
                raise Problem(403, (told or refusals[0]).code, "Nothing is open to you", _why_nothing(reason, use))
            raise Problem(
                404, "nothing-dated", "Nothing to count", "None of the datasets open to you holds dated incidents yet."
            )
        planned = replace(planned, left_out=(*planned.left_out, *without_places(scopes)))
        return cls(services, session, planned, today, {} if tables is None else tables)

    def answer(self, question: Question) -> Answered:
        """What happened around the place, not settled yet; raises ``Problem`` where nothing is held there."""
        return _answer(self, question)

    def ranks(self, asked: RankQuestion, borough: str) -> Ranks | None:
        """The borough's table, read once."""
        key = (asked, borough)
        if key not in self.tables:
            self.tables[key] = find_ranks(self.session, asked, borough)
        return self.tables[key]


def _why_nothing(reason: str, use: Use) -> str:
    if use in (Use.EXPORT, Use.PUBLISH) and reason != _NO_AGREEMENT:
        kind = "operational" if use == Use.EXPORT else "public"
        return f"Your agreements permit no {kind} report: ask the SafeStats team to have them amended."
    return reason


def _answer(asking: Answering, question: Question) -> Answered:
    services, planned, today = asking.services, asking.planned, asking.today
    found: list[tuple[Part, DatasetAnswer]] = []
    left_out, elsewhere = list(planned.left_out), []
    centre, radii = (question.place.easting, question.place.northing), question.radii
    for part in planned.parts:
        covered = services.ground.covered_km2(part.areas, centre, radii)
        if not covered[-1] > 0:
            if not (part.counted and part.beside):
                elsewhere.append(part.title)
            continue
        if part.counted:
            made = _counted(asking, part, question, covered)
            if isinstance(made, str):
                left_out.append(made)
            else:
                found.append((part, made))
        else:
            found.append((part, _shown(asking, part, question, covered)))
    left_out += [f"{title} is left out: none of its incidents are held around here." for title in elsewhere]
    if not found:
        raise Problem(404, "outside-coverage", "Nothing is held here", _nothing_here(question, left_out, planned))
    answer = RingAnswer(
        place=question.place,
        radii=radii,
        now=planned.now,
        before=planned.before,
        trend=planned.trend,
        preset=question.preset.title if not question.bands else "Own times of day",
        datasets=tuple(one for _, one in found),
        boundary_note=_boundary_note(services, question.place, radii[-1]),
        answered_on=today,
        notes=tuple(left_out),
    )
    counted = frozenset(number for number, (part, _) in enumerate(found) if part.counted)
    return Answered(
        answer,
        agreements={part.dataset: part.scope.agreement for part, _ in found},
        held={part.dataset: part.held for part, _ in found},
        counted=counted,
    )


def _nothing_here(question: Question, left_out: Sequence[str], planned: Plan) -> str:
    if any(part.counted for part in planned.parts) and not question.fixed:
        reason = next((one for one in left_out if "postcode" in one), "")
        if reason:
            return reason
    return (
        f"{question.place.label} lies outside the area whose incidents your agreements open: choose a place inside it, "
        "or ask the SafeStats team what your agreement covers."
    )


def _boundary_note(services: Services, place: Place, radius: int) -> str:
    if not place.borough_code:
        return f"{place.label} lies in no London borough: it is ranked among no borough's postcodes."
    borough = f"the {place.borough}" if place.borough.startswith("City ") else place.borough
    if services.ground.is_within(place.borough_code, (place.easting, place.northing), radius):
        return f"All rings lie within {borough}."
    return f"Incidents across the boundary of {borough} are counted, as far as they are held."


# ---------------------------------------------------------------------- rows that are shown


def _shown(asking: Answering, part: Part, question: Question, covered: tuple[float, ...]) -> DatasetAnswer:
    planned = asking.planned
    place, radii, now = question.place, question.radii, planned.now
    centre = (place.easting, place.northing)
    before = planned.before if part.held.compares(now, planned.before) else None
    leave_out = part.leave_out(question.preset)
    span = Window(min(planned.trend.first, planned.before.first), now.last)
    rows = read_shown(asking.session, part, Bounds.around(*centre, radii[-1]), span, leave_out)
    rows = rows.where(rings.within(rows.eastings, rows.northings, centre, radii[-1]))
    counter = _Counter(rows, centre, radii)
    in_now = _in(rows, now)
    in_before = None if before is None else _in(rows, before)
    current = rows.where(in_now)
    made: list[AnswerRow] = []
    unknown_hour = 0
    unplaced: int | None = None
    bands = part.bands(question.asked_bands)
    for band in bands:
        chosen = rings.in_band(band, rows.hours, rows.weekdays)
        unknown_hour = max(unknown_hour, rings.in_band(band, current.hours, current.weekdays).unknown)
        ranks, unplaced_here = _ranks(asking, part, question, band, leave_out)
        unplaced = unplaced if unplaced_here is None else unplaced_here
        then = None if in_before is None else counter.table(chosen.inside & in_before)
        made += _rows(part, band, counter, counter.table(chosen.inside & in_now), then, question, covered, ranks)
    coarse = counter.coarse(in_now)
    stack = _largest_stack(current)
    notes = [
        *leave_out.notes(),
        *_part_notes(part, question, now),
        *_coverage_notes(radii, covered),
        *_count_notes(len(current), radii, coarse, unplaced, stack, unknown_hour, before is not None),
    ]
    return DatasetAnswer(
        code=part.dataset,
        title=part.title,
        rows=tuple(made),
        hours=_hours(current) if part.timed else None,
        trend=_trend(rows, planned.trend, part),
        coarse=coarse,
        newest=part.newest_month,
        attribution=part.scope.definition.attribution,
        caveats=part.scope.definition.cautions,
        notes=tuple(notes),
        unplaced=unplaced,
        unknown_hour=unknown_hour,
        largest_stack=stack,
        synthetic=part.synthetic,
        gap=part.held.gap_words(now),
    )


def _ranks(
    asking: Answering, part: Part, question: Question, band: AnyBand, leave_out: Exclusion
) -> tuple[Ranks | None, int | None]:
    """The borough's table, and how many rows have no place; of the fixed questions alone."""
    if not isinstance(band, Band):
        return None, None
    asked = question_of(part, asking.planned.now, band, Exclusion(leave_out.categories, leave_out.flags))
    unplaced = find_unplaced(asking.session, asked)
    if question.radii != FIXED_RADII or not question.place.borough_code:
        return None, unplaced
    return asking.ranks(asked, question.place.borough_code), unplaced


class _Counter:
    """Counts rows (all within the outermost ring) by category and ring."""

    def __init__(self, rows: Incidents, centre: tuple[int, int], radii: tuple[int, ...]) -> None:
        squared = rings.squared_distances(rows.eastings, rows.northings, centre)
        self.categories, self._category = np.unique(rows.categories.astype(str), return_inverse=True)
        self._ring = np.searchsorted(np.array(radii) ** 2, squared)  # on the ring is inside
        self._precision, self._radii = rows.precision, radii

    def table(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Cumulative counts of the chosen rows, shape ``(categories, rings)``."""
        shape = (len(self.categories), len(self._radii))
        cells = self._category[chosen] * shape[1] + self._ring[chosen]
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).cumsum(axis=1)

    def coarse(self, chosen: NDArray[np.bool_]) -> tuple[int, ...]:
        """How many of the chosen rows in each ring are placed less exactly than its radius."""
        with np.errstate(invalid="ignore"):
            return tuple(
                int(np.count_nonzero(chosen & (self._ring <= number) & (self._precision > radius)))
                for number, radius in enumerate(self._radii)
            )


def _in(rows: Incidents, window: Window) -> NDArray[np.bool_]:
    return np.asarray((rows.months >= window.first) & (rows.months <= window.last), dtype=bool)


def _rows(
    part: Part,
    band: AnyBand,
    counter: _Counter,
    now: NDArray[np.int64],
    before: NDArray[np.int64] | None,
    question: Question,
    covered: tuple[float, ...],
    ranks: Ranks | None,
) -> list[AnswerRow]:
    """All incidents, then the categories that have any, those with most in the outermost ring first."""

    def row(category: str | None, counts: NDArray[np.int64], then: NDArray[np.int64] | None) -> AnswerRow:
        figures = tuple(
            _figure(
                radius,
                int(counts[i]),
                None if then is None else int(then[i]),
                None if then is None else change(int(counts[i]), int(then[i])),
                covered[i],
                category,
                ranks,
                question.place.borough,
            )
            for i, radius in enumerate(question.radii)
        )
        label = ALL_INCIDENTS if category is None else category or "Not stated"
        return AnswerRow(part.dataset, part.title, category, label, band, figures)

    rows = [row(None, now.sum(axis=0), None if before is None else before.sum(axis=0))]
    if not part.by_category:
        return rows
    any_there = now[:, -1] + (0 if before is None else before[:, -1])
    parts = [
        row(str(category), now[i], None if before is None else before[i])
        for i, category in enumerate(counter.categories)
        if any_there[i]
    ]
    return rows + sorted(parts, key=lambda one: (-(one.figures[-1].count or 0), one.label))


def _figure(
    radius: int,
    count: int,
    before: int | None,
    changed: RateChange | None,
    covered: float,
    category: str | None,
    ranks: Ranks | None,
    borough: str,
) -> RingFigure:
    distribution = ranks.of(category, radius) if ranks is not None else None
    return RingFigure(
        radius_m=radius,
        count=count,
        before=before,
        change=changed,
        rate_per_km2=count / covered if covered > 0 else None,
        covered_km2=covered,
        share_below=distribution.share_below(count) if distribution is not None else None,
        sentence=sentence(distribution, count, borough) if distribution is not None else "",
    )


def _hours(rows: Incidents) -> WeekHours:
    known = ~np.isnan(rows.hours) & ~np.isnan(rows.weekdays)
    table = np.zeros((7, 24), dtype=int)
    np.add.at(table, (rows.weekdays[known].astype(int), rows.hours[known].astype(int)), 1)
    return tuple(tuple(int(number) for number in row) for row in table)


def _trend(rows: Incidents, window: Window, part: Part) -> tuple[int | None, ...]:
    held, counts = np.unique(rows.months.astype(str), return_counts=True)
    found = dict(zip(held.tolist(), counts.tolist(), strict=True))
    return tuple(int(found.get(month, 0)) if part.held.holds(month) else None for month in window.months)


def _largest_stack(rows: Incidents) -> int:
    if not len(rows):
        return 0
    _, counts = np.unique(np.stack([rows.eastings, rows.northings], axis=1), axis=0, return_counts=True)
    return int(counts.max())


# ---------------------------------------------------------------------- rows that are only counted


def _counted(asking: Answering, part: Part, question: Question, covered: tuple[float, ...]) -> DatasetAnswer | str:
    """The part's answer, or why there is none."""
    services, session, planned = asking.services, asking.session, asking.planned
    if not question.fixed:
        return (
            f"{part.title} is left out: it is only counted for you, around a postcode, within 100, 250 and 500 m and "
            "in the listed times of day."
        )
    windows = fixed_windows(session, part.scope, asking.today)
    if planned.now not in windows or planned.before not in windows:
        return f"{part.title} is left out: it is not counted for {planned.now.label}."
    leave_out = part.leave_out(question.preset)
    left_out = Exclusion(leave_out.categories, leave_out.flags)
    place = question.place
    now, before = (
        counts_around(services, session, part.scope, place.easting, place.northing, window, left_out)
        for window in (planned.now, planned.before)
    )
    compared = part.held.compares(planned.now, planned.before)
    made: list[AnswerRow] = []
    for band in part.bands(question.asked_bands):
        ranks, _unplaced = _ranks(asking, part, question, band, left_out)
        then = {(row.every, row.category): row.counts for row in before if row.band is band}
        made += [
            _counted_row(part, row, then if compared else None, question, covered, ranks)
            for row in now
            if row.band is band
        ]
    return DatasetAnswer(
        code=part.dataset,
        title=part.title,
        rows=tuple(made),
        hours=None,
        trend=(None,) * len(planned.trend.months),
        coarse=(None,) * len(question.radii),
        newest=part.newest_month,
        attribution=part.scope.definition.attribution,
        caveats=part.scope.definition.cautions,
        notes=(
            _PERTURBED,
            *leave_out.notes(),
            *_part_notes(part, question, planned.now),
            *_coverage_notes(question.radii, covered),
        ),
        synthetic=part.synthetic,
        perturbed=True,
        gap=part.held.gap_words(planned.now),
    )


def _counted_row(
    part: Part,
    row: CellRow,
    before: dict[tuple[bool, str | None], tuple[int, ...]] | None,
    question: Question,
    covered: tuple[float, ...],
    ranks: Ranks | None,
) -> AnswerRow:
    category = None if row.every else row.category or ""
    figures = []
    for i, radius in enumerate(question.radii):
        then = None
        if before is not None:
            # A category that is not among those told is not known to be 0.
            known = before.get((row.every, row.category))
            then = None if known is None else known[i]
        changed = None if then is None or then < SMALLEST_BASE else change(row.counts[i], then)
        figures.append(
            _figure(radius, row.counts[i], then, changed, covered[i], category, ranks, question.place.borough)
        )
    label = ALL_INCIDENTS if category is None else category or "Not stated"
    return AnswerRow(part.dataset, part.title, category, label, row.band, tuple(figures))


# ---------------------------------------------------------------------- notes


def _part_notes(part: Part, question: Question, now: Window) -> list[str]:
    notes = []
    if not part.timed and any(band is not Band.ALL for band in question.asked_bands):
        notes.append("These records do not tell the hour: all hours are counted.")
    missing = part.held.gap_words(now)
    return [*notes, missing] if missing else notes


def _coverage_notes(radii: Sequence[int], covered: Sequence[float]) -> list[str]:
    shares = [part / rings.ring_area_km2(radius) for radius, part in zip(radii, covered, strict=True)]
    short = [(radius, share) for radius, share in zip(radii, shares, strict=True) if share < _WHOLE]
    if not short:
        return []
    words = ", ".join(f"{radius} m {share:.0%}" for radius, share in short)
    return [f"Land on which these data are held covers only part of the ring: {words}. Rates are per km² of that part."]


def _count_notes(
    current: int,
    radii: Sequence[int],
    coarse: Sequence[int],
    unplaced: int | None,
    stack: int,
    unknown_hour: int,
    compared: bool,
) -> list[str]:
    notes = []
    if not compared:
        notes.append("Nothing is compared: the months before are not all held.")
    if unplaced:
        notes.append(
            f"{unplaced:,} incidents of the period, anywhere in the layer, have no place: no ring counts them."
        )
    if stack > 1:
        notes.append(f"Up to {stack:,} incidents lie on one and the same point.")
    rough = [f"{number:,} within {radius} m" for radius, number in zip(radii, coarse, strict=True) if number]
    if rough:
        notes.append(f"Placed less exactly than the ring is wide: {', '.join(rough)}, of {current:,} in all.")
    if unknown_hour:
        notes.append(f"{unknown_hour:,} incidents of unknown hour are left out of the time of day.")
    return notes
