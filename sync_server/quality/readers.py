"""Under whose agreement a pack is read: that of the organisation which it is for, whoever makes it.

The SafeStats team has no agreement of its own and sees no incident. What it makes for an organisation holds what that
organisation's agreement permits to be published, and nothing where there is none.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from sqlalchemy.orm import Session

from ..agreements.models import Use
from ..agreements.opened import Refusal, Scope
from ..agreements.scope import scope
from ..audit.events import COMMAND_LINE, EventType, Outcome
from ..identity.models import Organisation, Role
from ..identity.permissions import Permission, not_permitted, require, sees_all
from ..identity.service import find_organisation
from ..identity.subject import Subject
from ..problems import Problem
from ..services import Services
from .standards import STANDARDS_FILE

_NO_AGREEMENT = "no-agreement"


def reader_of(services: Services, session: Session, asking: Subject | None, organisation: str) -> Subject:
    """The person in whose place the organisation's pack is read: the one who asks, or, where the team (or, ``None``,
    the command line) asks for an organisation, somebody of it with the packs' own purpose.

    Raises ``Problem`` 403 for another organisation's pack, ``SafeStatsError`` where there is no such organisation.
    """
    if asking is not None:
        require(asking, Permission.MAKE_PACKS)
        if asking.organisation == organisation:
            if not sees_all(asking.role):
                return asking
        elif not sees_all(asking.role):
            raise not_permitted()
    home = find_organisation(session, organisation)
    return Subject(
        user_id=asking.user_id if asking else COMMAND_LINE,
        username=asking.username if asking else "",
        organisation_id=home.id,
        organisation=home.code,
        role=Role.ANALYST,
        session_id=asking.session_id if asking else "",
        purpose=pack_purpose(services.settings.resources_dir),
        conditions_version=asking.conditions_version if asking else "",
        organisation_name=home.name,
    )


def areas_of(organisation: Organisation) -> list[str]:
    """The codes of the areas that it serves."""
    return sorted(area.code for area in organisation.areas)


def pack_purpose(resources: Path) -> str:
    """The purpose for which packs are made by the team, by its code."""
    document = tomllib.loads((resources / STANDARDS_FILE).read_text(encoding="utf-8"))
    return str(document["packs"]["purpose"])


class Reading:
    """The reading of one pack: its scope, and its trace in the audit. ``for_other``: of whose organisation the one who
    asks is not."""

    def __init__(
        self, services: Services, reader: Subject, dataset: str, told: dict[str, str], for_other: bool
    ) -> None:
        self._services = services
        self._reader = reader
        self._dataset = dataset
        self._told = told
        self._for_other = for_other

    def permitted(self, session: Session) -> Scope:
        """What may be published of the dataset; raises ``Refusal``, audited."""
        try:
            return scope(session, self._reader, self._dataset, self._services.definitions, Use.PUBLISH)
        except Problem as problem:
            raise self.refused(self._named(problem)) from None

    def refused(self, problem: Problem) -> Problem:
        """The problem, after it was audited: raise it."""
        self._record("", None, problem.document.code)
        return problem

    def _named(self, problem: Problem) -> Problem:
        """The refusal, which says “your organisation”, as those of another one read it."""
        if not self._for_other or problem.document.code != _NO_AGREEMENT:
            return problem
        title = self._services.definition(self._dataset).title
        return Refusal(
            _NO_AGREEMENT,
            f"{self._reader.organisation_name} has no agreement on {title}: draft one, or make the pack for an "
            "organisation that has.",
        )

    def answered(self, permitted: Scope, rows: int) -> None:
        """Audit the pack, of so many incidents, before any of it leaves; raises ``AuditUnavailable``."""
        self._record(permitted.agreement, rows, "")

    def _record(self, agreement: str, rows: int | None, reason: str) -> None:
        self._services.audit.record(
            EventType.PACK_MADE,
            actor=self._reader.user_id,
            organisation=self._reader.organisation,
            agreement=agreement,
            conditions=self._reader.conditions_version,
            purpose=self._reader.purpose,
            dataset=self._dataset if self._dataset in self._services.definitions else "",
            filter=self._told,
            rows=rows,
            outcome=Outcome.REFUSED if reason else Outcome.OK,
            reason=reason,
            session=self._reader.session_id,
        )
