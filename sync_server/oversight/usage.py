"""What the audit's events say of use: counted, and nothing else. Each figure here is told in docs/audit.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..audit.events import EventType, Outcome
from ..audit.log import AuditLog, Event
from ..audit.store import Criteria

PULLS = frozenset({EventType.LAYER_PULL})
QUESTIONS = frozenset(
    {EventType.ITEMS_READ, EventType.FACETS_READ, EventType.PROXIMITY_COUNTED, EventType.BOROUGHS_COUNTED}
)
EXPORTS = frozenset({EventType.MAP_EXPORT})
USES = PULLS | QUESTIONS | EXPORTS | {EventType.PACK_MADE}
# Whoever mistypes a password is not refused data.
OF_SIGNING_IN = frozenset({EventType.SIGN_IN, EventType.SECOND_FACTOR, EventType.LINK_USED})
_AT_ONCE = 5000


@dataclass(frozen=True)
class Usage:
    """Figures of some events.

    ``users`` signed in, from ``organisations``; ``rows`` were pulled in ``pulls``; ``rows_online`` were read in some
    of the ``questions`` asked online; ``exports`` are pages that left the desk, each counted once however many
    datasets are on it; ``refusals`` leave out sign-ins that failed, which are ``failed_sign_ins``.
    """

    organisations: int
    users: int
    sign_ins: int
    failed_sign_ins: int
    datasets: int
    pulls: int
    rows: int
    questions: int
    rows_online: int
    exports: int
    refusals: int


def usage_of(events: Iterable[Event]) -> Usage:
    """The figures of these events."""
    bodies = [event.body for event in events]
    fine = [body for body in bodies if body["outcome"] == Outcome.OK]
    refused = [body for body in bodies if body["outcome"] == Outcome.REFUSED]
    signed_in = [body for body in fine if body["event"] == EventType.SIGN_IN]
    pulls = [body for body in fine if body["event"] in PULLS]
    questions = [body for body in fine if body["event"] in QUESTIONS]
    exports = [body for body in fine if body["event"] in EXPORTS]
    return Usage(
        organisations=len({body["organisation"] for body in signed_in if body["organisation"]}),
        users=len({body["actor"] for body in signed_in}),
        sign_ins=len(signed_in),
        failed_sign_ins=sum(body["event"] in OF_SIGNING_IN for body in refused),
        datasets=len({body["dataset"] for body in (*pulls, *questions, *exports) if body["dataset"]}),
        pulls=len(pulls),
        rows=sum(body["rows"] or 0 for body in pulls),
        questions=len(questions),
        rows_online=sum(body["rows"] or 0 for body in questions if body["event"] == EventType.ITEMS_READ),
        exports=len({_page_of(body) for body in exports}),
        refusals=sum(body["event"] not in OF_SIGNING_IN for body in refused),
    )


def _page_of(export: Mapping[str, Any]) -> tuple[str, str | int]:
    """What all events of one page have in common; an event that names no page is one of its own."""
    page = export["filter"].get("page_id")
    return export["actor"], page if isinstance(page, str) and page else export["number"]


def is_use(event: Event) -> bool:
    """Whether data were used, or were asked for and refused."""
    return event.body["event"] in USES or (
        event.body["outcome"] == Outcome.REFUSED and event.body["event"] not in OF_SIGNING_IN
    )


def usage_by(events: Iterable[Event], of: Callable[[Event], str]) -> dict[str, Usage]:
    """The figures of each group, by name; events of no group (an empty name) are left out."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        if name := of(event):
            groups.setdefault(name, []).append(event)
    return {name: usage_of(group) for name, group in sorted(groups.items())}


def events_that(audit: AuditLog, criteria: Criteria) -> Iterator[Event]:
    """The events that meet the criteria, newest first, without holding more than some of them."""
    before: int | None = None
    while found := audit.store.search(criteria, before, _AT_ONCE):
        yield from (Event.read(stored) for stored in found)
        before = found[-1].number
