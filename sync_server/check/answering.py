"""What happened around a place, dataset by dataset, as far as somebody's agreements let it be told.

Rows that are shown are counted exactly. Rows that are only counted are answered by the fixed questions, perturbed.
A ring holds every incident at a distance ≤ its radius; datasets are never added up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from ...shared.ring_answer import DatasetAnswer, Place, RingAnswer
from ..agreements.models import Use
from ..audit.log import EventType, Outcome
from ..identity.subject import Subject
from ..problems import Problem
from ..services import Services
from .asking import Asking
from .counted import counted_answer
from .planning import Part, Plan
from .question import Answered, Question
from .shown import shown_answer


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
    return answer(Asking.prepare(services, session, subject, question.datasets, use), question).settled()


def answer(asking: Asking, question: Question) -> Answered:
    """What happened around the place, not settled yet; raises ``Problem`` where nothing is held there."""
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
            made = counted_answer(asking, part, question, covered)
            if isinstance(made, str):
                left_out.append(made)
            else:
                found.append((part, made))
        else:
            found.append((part, shown_answer(asking, part, question, covered)))
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
