"""A server with areas, an organisation, its analyst and the suppliers' terms, and agreements led through their life."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from safestats.sync_server.agreements import grants, service, terms
from safestats.sync_server.agreements.details import ContactDetails, Details
from safestats.sync_server.agreements.grants import GrantTerms
from safestats.sync_server.agreements.models import Agreement, ContactRole
from safestats.sync_server.agreements.opened import Scope
from safestats.sync_server.agreements.scope import countable_scope, scope
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.database import Database
from safestats.sync_server.identity.models import Organisation, Role, User
from safestats.sync_server.identity.subject import Subject
from safestats.sync_server.services import Services
from sqlalchemy import select
from sqlalchemy.orm import Session

REMIT = "Section 17 of the Crime and Disorder Act 1998: a local authority."
DETAILS = Details(
    lawful_basis="Public task: section 17 of the Crime and Disorder Act 1998.",
    contacts=(ContactDetails(ContactRole.DATA_PROTECTION, "D. Officer", "dpo@example.org"),),
)


@dataclass(frozen=True)
class Life:
    """The services, and the one transaction in which a test leads agreements through their life."""

    services: Services
    session: Session
    today: date

    @property
    def organisation(self) -> Organisation:
        return self.session.scalars(select(Organisation).order_by(Organisation.id)).first()  # type: ignore[return-value]

    def draft(
        self,
        reference: str = "DSA-1",
        starts: date | None = None,
        ends: date | None = None,
        dataset: str = "mps",
        details: Details = DETAILS,
        organisation: Organisation | None = None,
    ) -> Agreement:
        first = starts or self.today
        last = ends or max(first, self.today)
        return service.draft(
            self.services,
            self.session,
            COMMAND_LINE,
            reference,
            organisation or self.organisation,
            dataset,
            first,
            last,
            details,
        )

    def grant(self, agreement: Agreement, terms: GrantTerms, position: int | None = None) -> None:
        grants.add_grant(self.services, self.session, COMMAND_LINE, agreement, terms, position, self.today)

    def sign(self, agreement: Agreement, party: str = "", sha256: str = "") -> str:
        signed = service.sign(
            self.services, self.session, COMMAND_LINE, agreement, "A. Director", party, None, sha256, self.today
        )
        return signed.sha256

    def activate(self, agreement: Agreement, today: date | None = None) -> None:
        service.activate(self.services, self.session, COMMAND_LINE, agreement, today or self.today)

    def in_force(
        self, *asked: GrantTerms, reference: str = "DSA-1", ends: date | None = None, dataset: str = "mps"
    ) -> Agreement:
        """Drafted, granted, signed by the organisation, active."""
        agreement = self.draft(reference, ends=ends, dataset=dataset)
        for grant in asked:
            self.grant(agreement, grant)
        self.sign(agreement)
        self.activate(agreement)
        return agreement

    def suspend(self, agreement: Agreement) -> None:
        service.suspend(self.services, self.session, COMMAND_LINE, agreement, "A breach is looked into.")

    def resume(self, agreement: Agreement) -> None:
        service.resume(self.services, self.session, COMMAND_LINE, agreement, self.today)

    def end(self, agreement: Agreement) -> None:
        service.end(self.services, self.session, COMMAND_LINE, agreement, "No longer needed.", self.today)

    def amend(self, agreement: Agreement) -> Agreement:
        return service.amend(self.services, self.session, COMMAND_LINE, agreement)

    def load_terms(self, path: Path) -> terms.SupplierTerms | None:
        return terms.load_terms(self.services, self.session, COMMAND_LINE, path)

    def subject(self, role: Role = Role.ANALYST, purpose: str = "needs-assessment") -> Subject:
        user = self.session.scalars(select(User).order_by(User.username)).first()
        assert user is not None
        return Subject(user.id, user.username, user.organisation_id, user.organisation.code, role, "s", purpose, "1")

    def ask(
        self, dataset: str = "mps", role: Role = Role.ANALYST, purpose: str = "policy", **question: object
    ) -> Scope:
        """What ``scope`` answers; ``use`` and ``today`` may be told."""
        asked = {"today": self.today, **question}
        return scope(self.session, self.subject(role, purpose), dataset, self.services.definitions, **asked)  # type: ignore[arg-type]

    def count(self, dataset: str = "mps", role: Role = Role.ANALYST) -> Scope:
        return countable_scope(self.session, self.subject(role), dataset, self.services.definitions, self.today)


def record_supplied_terms(services: Services, session: Session) -> None:
    """The terms that come with the project, on every dataset."""
    for path in terms.supplied_terms(services):
        terms.load_terms(services, session, COMMAND_LINE, path)


class _Undo(Exception):  # noqa: N818 - nothing went wrong
    """Ends a transaction without a trace."""


@contextmanager
def undone(database: Database) -> Iterator[Session]:
    """A writing session that leaves nothing behind, and waits for no disk."""
    with suppress(_Undo), database.write() as session:
        yield session
        raise _Undo


@contextmanager
def rolled_back(services: Services, today: date) -> Iterator[Life]:
    """A transaction in which agreements are led through their life, and which leaves nothing behind."""
    with undone(services.database) as session:
        yield Life(services, session, today)


def days(count: int) -> timedelta:
    """So many."""
    return timedelta(days=count)
