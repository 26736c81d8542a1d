"""The review queue: what could not be placed for sure, what somebody decides, and what is remembered of it."""

from __future__ import annotations

import json

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..instants import now
from .levels import NOWHERE, Candidate, LocationMethod, Placed
from .models import PlaceDecision, PlaceReview, PlaceWaiting


def enqueue(session: Session, dataset: str, site: str, rows: pl.DataFrame) -> int:
    """Put rows of a load into the queue: ``identity``, ``place_key`` and ``ambiguous`` as ``place_described`` gave
    them (others are left out); how many wait now of those. Rows placed meanwhile wait no longer."""
    identities = rows.get_column("identity").to_list()
    for start in range(0, len(identities), 500):
        chunk = identities[start : start + 500]
        for waiting in session.scalars(
            select(PlaceWaiting).where(PlaceWaiting.dataset == dataset, PlaceWaiting.identity.in_(chunk))
        ):
            session.delete(waiting)
    session.flush()
    unclear = rows.filter(pl.col("ambiguous").is_not_null())
    for (text,), group in unclear.group_by(["place_key"], maintain_order=True):
        entry = session.scalar(
            select(PlaceReview).where(
                PlaceReview.dataset == dataset, PlaceReview.site == site, PlaceReview.text == text
            )
        )
        instant = now()
        if entry is None:
            entry = PlaceReview(dataset=dataset, site=site, text=str(text), first_seen=instant)
            session.add(entry)
        entry.candidates = [json.loads(candidate) for candidate in group.get_column("ambiguous")[0]]
        entry.last_seen = instant
        session.flush()
        session.add_all(
            PlaceWaiting(dataset=dataset, identity=identity, review_id=entry.review_id)
            for identity in group.get_column("identity")
        )
    session.flush()
    return len(unclear)


def decisions_of(session: Session, dataset: str) -> dict[tuple[str, str], Placed]:
    """What was decided on the dataset's texts, by site and text."""
    found = session.scalars(select(PlaceDecision).where(PlaceDecision.dataset == dataset))
    return {(decision.site, decision.text): _decided(decision) for decision in found}


def _decided(decision: PlaceDecision) -> Placed:
    if decision.place is None:
        return NOWHERE
    return Placed.at(Candidate.from_json(decision.place), LocationMethod.REVIEWED)
