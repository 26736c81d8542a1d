"""Searching the audit: who did what with which data, for those who may know."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from .events import COMMAND_LINE, EventType
from .log import AuditLog, Event
from .store import Criteria

if TYPE_CHECKING:
    from ..services import Services

PAGE = 50


@dataclass(frozen=True)
class AuditScope:
    """Who reads, and of whom: an organisation's administrator sees ``organisation`` alone; empty: everything."""

    reader: str
    organisation: str = ""

    @classmethod
    def everything(cls, reader: str = COMMAND_LINE) -> AuditScope:
        """For the SafeStats team and auditors."""
        return cls(reader)


@dataclass(frozen=True)
class Page:
    """The newest ``size`` events before the number ``before`` (None: the newest of all)."""

    before: int | None = None
    size: int = PAGE


@dataclass(frozen=True)
class Found:
    """A page of events, newest first. ``next`` is the page after it, where there is one."""

    events: list[Event] = field(default_factory=list)
    next: Page | None = None


def search_events(services: Services, scope: AuditScope, filters: Criteria, page: Page) -> Found:
    """See ``search``."""
    return search(services.audit, scope, filters, page)


def search(audit: AuditLog, scope: AuditScope, criteria: Criteria, page: Page) -> Found:
    """The events of the scope that meet the criteria. Every page of a search is recorded: it may be the first.

    Raises ``AuditUnavailable``, also where it cannot be recorded: then nothing is shown.
    """
    if scope.organisation:
        if criteria.organisation not in ("", scope.organisation):
            return Found()
        criteria = replace(criteria, organisation=scope.organisation)
    stored = audit.store.search(criteria, page.before, page.size + 1)
    events = [Event.read(event) for event in stored[: page.size]]
    asked = {name: value for name, value in asdict(criteria).items() if value}
    further = {} if page.before is None else {"before": page.before}
    audit.record(
        EventType.AUDIT_SEARCHED,
        actor=scope.reader,
        organisation=scope.organisation,
        filter={"criteria": asked, **further},
    )
    more = len(stored) > page.size
    return Found(events, Page(events[-1].number, page.size) if more else None)
