"""The review queue: what could not be placed for sure, what somebody decides, and what is remembered of it.

A text in the queue was screened and normalised before. It goes when it is decided, or when no row waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from ...shared.postcodes import PostcodeError
from ..audit.log import EventType
from ..errors import SafeStatsError
from ..instants import now
from ..services import Services
from .levels import NOWHERE, Candidate, GeoLevel, LocationMethod, Placed
from .models import DecisionKind, PlaceDecision, PlaceReview, PlaceWaiting

_CHUNK = 500
_SURE = 95  # a person's word
_POSTCODE_PRECISION_M = 100


@dataclass(frozen=True)
class Waiting:
    """A text that waits for a decision, and how many rows wait for it."""

    review_id: int
    dataset: str
    site: str
    text: str
    candidates: tuple[Candidate, ...]
    rows: int
    first_seen: datetime
    last_seen: datetime


def waiting_for_review(rows: pl.DataFrame) -> pl.DataFrame:
    """Of rows as ``place_described`` gave them, those whose place somebody must look at."""
    return rows.filter(pl.col("ambiguous").is_not_null() & pl.col("place_key").is_not_null())


def enqueue(session: Session, dataset: str, site: str, rows: pl.DataFrame) -> int:
    """Put rows of a load into the queue: ``identity``, ``place_key`` and ``ambiguous`` as ``place_described`` gave
    them; how many of those wait now. Rows that are placed by now wait no longer."""
    leave(session, dataset, rows.get_column("identity").to_list())
    unclear = waiting_for_review(rows)
    instant = now()
    for (text,), group in unclear.group_by(["place_key"], maintain_order=True):
        entry = session.scalar(
            select(PlaceReview).where(
                PlaceReview.dataset == dataset, PlaceReview.site == site, PlaceReview.text == text
            )
        )
        if entry is None:
            entry = PlaceReview(dataset=dataset, site=site, text=str(text), first_seen=instant)
            session.add(entry)
        entry.candidates = [json.loads(candidate) for candidate in group.get_column("ambiguous")[0]]
        entry.last_seen = instant
        session.flush()
        session.add_all(
            PlaceWaiting(dataset=dataset, identity=identity, review_id=entry.review_id)
            for identity in group.get_column("identity").unique(maintain_order=True)
        )
    session.flush()
    _drop_unasked(session)
    return len(unclear)


def leave(session: Session, dataset: str, identities: Collection[str]) -> None:
    """Let these rows wait no longer: they were placed, withdrawn or recalled. Texts that nobody waits for go."""
    waiting = list(identities)
    for start in range(0, len(waiting), _CHUNK):
        chunk = waiting[start : start + _CHUNK]
        session.execute(delete(PlaceWaiting).where(PlaceWaiting.dataset == dataset, PlaceWaiting.identity.in_(chunk)))
    _drop_unasked(session)


def _drop_unasked(session: Session) -> None:
    asked = select(PlaceWaiting.review_id).where(PlaceWaiting.review_id.is_not(None))
    session.execute(delete(PlaceReview).where(PlaceReview.review_id.not_in(asked)))


def waiting_texts(session: Session, dataset: str = "", limit: int = 100, after: int = 0) -> list[Waiting]:
    """The texts that wait, those of most rows first; ``after`` so many."""
    number = func.count(PlaceWaiting.identity)
    chosen = (
        select(PlaceReview.review_id, number)
        .join(PlaceWaiting, PlaceWaiting.review_id == PlaceReview.review_id)
        .group_by(PlaceReview.review_id)
        .order_by(number.desc(), PlaceReview.review_id)
        .limit(limit)
        .offset(after)
    )
    if dataset:
        chosen = chosen.where(PlaceReview.dataset == dataset)
    ids = session.execute(chosen).all()
    found = session.scalars(select(PlaceReview).where(PlaceReview.review_id.in_([row[0] for row in ids])))
    entries = {entry.review_id: entry for entry in found}
    return [_waiting(entries[review_id], rows) for review_id, rows in ids]


def waiting_text(session: Session, review_id: int) -> Waiting | None:
    """One text, if it still waits."""
    entry = session.get(PlaceReview, review_id)
    if entry is None:
        return None
    rows = session.scalar(select(func.count()).select_from(PlaceWaiting).where(PlaceWaiting.review_id == review_id))
    return _waiting(entry, rows or 0)


def _waiting(entry: PlaceReview, rows: int) -> Waiting:
    candidates = tuple(Candidate.from_json(candidate) for candidate in entry.candidates)
    return Waiting(
        entry.review_id, entry.dataset, entry.site, entry.text, candidates, rows, entry.first_seen, entry.last_seen
    )


def count_waiting(session: Session) -> tuple[int, int]:
    """How many texts wait for a decision, and how many rows were decided on and wait to be placed anew."""
    texts = session.scalar(select(func.count()).select_from(PlaceReview)) or 0
    rows = session.scalar(select(func.count()).select_from(PlaceWaiting).where(PlaceWaiting.decision_id.is_not(None)))
    return texts, rows or 0


def rows_to_place(session: Session) -> dict[str, int]:
    """Dataset → how many of its rows were decided on and wait to be placed anew."""
    decided_on = select(PlaceWaiting.dataset, func.count().label("rows")).where(PlaceWaiting.decision_id.is_not(None))
    found = session.execute(decided_on.group_by(PlaceWaiting.dataset).order_by(PlaceWaiting.dataset))
    return {row.dataset: row.rows for row in found}


def decide(
    services: Services,
    actor: str,
    review_id: int,
    kind: DecisionKind,
    *,
    candidate: int | None = None,
    postcode: str = "",
    every_site: bool = False,
) -> int:
    """Say what a text means: a candidate by its number, a postcode, or no place. It is remembered for the site, or
    for every site of the dataset, and its rows are placed so at their next load or by ``place_again``.

    Returns how many rows wait for that. Raises ``SafeStatsError`` where the text is decided already, or the
    candidate or the postcode is none.
    """
    with services.database.write() as session:
        entry = session.get(PlaceReview, review_id)
        if entry is None:
            raise SafeStatsError("This text waits no longer: somebody decided on it, or its rows were placed.")
        place = _place_of(services, entry, kind, candidate, postcode)
        site = "" if every_site else entry.site
        decision = session.scalar(
            select(PlaceDecision).where(
                PlaceDecision.dataset == entry.dataset, PlaceDecision.site == site, PlaceDecision.text == entry.text
            )
        )
        if decision is None:
            decision = PlaceDecision(dataset=entry.dataset, site=site, text=entry.text)
            session.add(decision)
        decision.kind, decision.place = kind, place.to_json() if place else None
        decision.decided_by, decision.decided_at = actor, now()
        session.flush()
        settled = select(PlaceReview.review_id).where(
            PlaceReview.dataset == entry.dataset, PlaceReview.text == entry.text
        )
        if not every_site:
            settled = settled.where(PlaceReview.review_id == review_id)
        ids = list(session.scalars(settled))
        theirs = PlaceWaiting.review_id.in_(ids)
        moved = session.scalar(select(func.count()).select_from(PlaceWaiting).where(theirs)) or 0
        session.execute(update(PlaceWaiting).where(theirs).values(review_id=None, decision_id=decision.decision_id))
        session.execute(delete(PlaceReview).where(PlaceReview.review_id.in_(ids)))
        # What was written is not told: the decision's number leads to it.
        services.audit.record(
            EventType.PLACE_DECIDED,
            actor=actor,
            dataset=entry.dataset,
            filter={"decision": decision.decision_id, "kind": str(kind), "site": site},
            rows=moved,
        )
        return moved


def _place_of(
    services: Services, entry: PlaceReview, kind: DecisionKind, candidate: int | None, postcode: str
) -> Candidate | None:
    if kind == DecisionKind.NO_PLACE:
        return None
    if kind == DecisionKind.CANDIDATE:
        if candidate is None or not 0 <= candidate < len(entry.candidates):
            raise SafeStatsError(f"Choose one of the {len(entry.candidates)} places that fit.")
        chosen = Candidate.from_json(entry.candidates[candidate])
        return Candidate(**{**chosen.__dict__, "confidence": _SURE})
    try:
        found = services.postcodes.find(postcode)
    except PostcodeError as error:
        raise SafeStatsError(str(error)) from error
    lsoa = services.areas.lsoas.get(found.lsoa)
    return Candidate(
        GeoLevel.POSTCODE,
        str(found.postcode),
        found.easting,
        found.northing,
        _POSTCODE_PRECISION_M,
        lsoa.borough_code if lsoa else "",
        _SURE,
    )


def decisions_of(session: Session, dataset: str) -> dict[tuple[str, str], Placed]:
    """What was decided on the dataset's texts, by site and text."""
    found = session.scalars(select(PlaceDecision).where(PlaceDecision.dataset == dataset))
    return {(decision.site, decision.text): decided(decision) for decision in found}


def decided(decision: PlaceDecision) -> Placed:
    """Where a decision puts its rows."""
    if decision.place is None:
        return NOWHERE
    return Placed.at(Candidate.from_json(decision.place), LocationMethod.REVIEWED)


def recent_decisions(session: Session, limit: int = 50) -> list[PlaceDecision]:
    """The newest decisions."""
    return list(session.scalars(select(PlaceDecision).order_by(PlaceDecision.decided_at.desc()).limit(limit)))


def forget(services: Services, actor: str, decision_id: int) -> None:
    """Take a decision back: its text is asked about again when it next comes. Raises ``SafeStatsError``."""
    with services.database.write() as session:
        decision = session.get(PlaceDecision, decision_id)
        if decision is None:
            raise SafeStatsError("There is no such decision any more.")
        dataset = decision.dataset
        session.execute(delete(PlaceWaiting).where(PlaceWaiting.decision_id == decision_id))
        session.delete(decision)
        services.audit.record(
            EventType.PLACE_DECIDED,
            actor=actor,
            dataset=dataset,
            filter={"decision": decision_id, "kind": "taken-back"},
        )
