"""A question to the rows that somebody may view: who asks, what for, and its trace in the audit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from ..agreements.models import Use
from ..agreements.opened import Scope
from ..agreements.scope import scope
from ..audit.log import EventType, Outcome
from ..datasets.definitions import DatasetDefinition, layer_fields
from ..identity.subject import Subject
from ..problems import Problem
from ..services import Services

_LONGEST_TOLD = 200


@dataclass(frozen=True)
class Question:
    """What ``subject`` asks of a dataset; ``wanted`` is how the audit tells the question."""

    services: Services
    subject: Subject
    event: EventType
    dataset: str
    wanted: Mapping[str, Any]

    def permitted(self, session: Session, use: Use = Use.VIEW) -> Scope:
        """The scope of the answer; raises ``Refusal``, audited."""
        try:
            return scope(session, self.subject, self.dataset, self.services.definitions, use)
        except Problem as refusal:
            raise self.refused(refusal) from None

    def refused(self, problem: Problem) -> Problem:
        """The problem, after it was audited: raise it."""
        self._record(outcome=Outcome.REFUSED, reason=problem.document.code)
        return problem

    def answered(self, permitted: Scope, rows: int) -> None:
        """Audit the answer, of so many rows, before any of it leaves; raises ``AuditUnavailable``."""
        self._record(agreement=permitted.agreement, rows=rows)

    def listed(self, permitted: list[str]) -> None:
        """Audit a list of the datasets that the subject may use; raises ``AuditUnavailable``."""
        self._record(filter={"permitted": permitted})

    def _record(self, **members: Any) -> None:
        self.services.audit.record(
            self.event,
            **self.subject.audited,
            # What was typed may be anything: only declared names are kept.
            dataset=self.dataset if self.dataset in self.services.definitions else "",
            **{"filter": dict(self.wanted), **members},
        )


def declared_only(
    definition: DatasetDefinition | None, parameters: Iterable[tuple[str, str]], named: Collection[str]
) -> dict[str, str]:
    """Parameters as the audit keeps them: those ``named`` and declared properties; others may be anything."""
    declared = {field.name for field in layer_fields(definition)} if definition else set()
    return {name: value[:_LONGEST_TOLD] for name, value in parameters if name in named or name in declared}
