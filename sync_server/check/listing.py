"""The incidents around a place one by one, for those who are shown records."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from ...shared import rings
from ...shared.windows import Window
from ..agreements.models import Use
from ..agreements.readable import Bounds
from ..analysis.visible import VisibleRows, json_value
from ..audit.log import EventType
from ..identity.subject import Subject
from ..instants import london_today
from ..problems import Problem
from ..services import Services
from .answering import refusals_heard
from .planning import Part, parts_of, permitted_scopes, plan
from .question import Question
from .reading import incidents_of, shown_query

MOST_LISTED = 500
# What says again in codes what other columns or the distance say.
_NOT_LISTED = ("borough_code", "lsoa_code", "easting", "northing", "borough")


@dataclass(frozen=True)
class Listing:
    """A dataset's incidents: the columns' titles, and rows of a distance in metres and their values, nearest first.

    ``total`` is how many there are, of which at most ``MOST_LISTED`` are listed.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: int


def list_incidents(services: Services, session: Session, subject: Subject, question: Question) -> list[Listing]:
    """The incidents that the outermost ring counts, in the bands asked for; audited. Raises ``Problem``."""
    with refusals_heard(services, subject, EventType.CHECK_LISTED, question.told()):
        shown, now = _shown_parts(services, session, subject, question)
    found = []
    for part in shown:
        listing = _listing(session, part, question, now)
        text = json.dumps([listing.columns, listing.rows], default=str)
        services.audit.record(
            EventType.CHECK_LISTED,
            **subject.audited,
            dataset=part.dataset,
            agreement=part.scope.agreement,
            rows=len(listing.rows),
            filter={**question.told(), "sha256": hashlib.sha256(text.encode()).hexdigest()},
        )
        found.append(listing)
    return found


def _shown_parts(
    services: Services, session: Session, subject: Subject, question: Question
) -> tuple[list[Part], Window]:
    """Whose records are open, and the months that are asked about; raises ``Problem`` where none are."""
    scopes, _refusals = permitted_scopes(services, session, subject, Use.VIEW, question.datasets)
    planned = plan([part for scope in scopes for part in parts_of(session, scope)], london_today())
    shown = [part for part in planned.parts if not part.counted] if planned else []
    if planned is None or not shown:
        raise Problem(
            403,
            "aggregates-only",
            "Records are not open to you",
            "Your agreements open counts to you, not records: ask the SafeStats team if you need them for your work.",
        )
    return shown, planned.now


def _listing(session: Session, part: Part, question: Question, now: Window) -> Listing:
    place, reach = question.place, question.radii[-1]
    centre = (place.easting, place.northing)
    rows = VisibleRows(session, part.scope, Bounds.around(*centre, reach), (now.first, now.last))
    leave_out = part.leave_out(question.preset)
    fields = [field for field in part.scope.columns if field.name not in _NOT_LISTED]
    base = shown_query(rows, part, now, leave_out)
    known = len(base.selected_columns)
    query = base.add_columns(*(rows.column(field.name).label(f"listed_{field.name}") for field in fields))
    held = [tuple(row) for row in session.execute(query)]
    incidents = incidents_of(part, [row[:known] for row in held])
    inside = rings.within(incidents.eastings, incidents.northings, centre, reach)
    in_bands = np.zeros(len(held), dtype=bool)
    for band in part.bands(question.asked_bands):
        in_bands |= rings.in_band(band, incidents.hours, incidents.weekdays).inside
    squared = rings.squared_distances(incidents.eastings, incidents.northings, centre)
    chosen = np.flatnonzero(inside & in_bands)
    chosen = chosen[np.argsort(squared[chosen], kind="stable")]
    listed = tuple(
        (
            round(float(squared[at]) ** 0.5),
            *(json_value(field, value) for field, value in zip(fields, held[at][known:], strict=True)),
        )
        for at in chosen[:MOST_LISTED].tolist()
    )
    return Listing(part.title, tuple(field.alias for field in fields), listed, len(chosen))
