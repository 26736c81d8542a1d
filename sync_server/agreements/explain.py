"""What a person can see of a dataset, and why; or why not, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.events import COMMAND_LINE, EventType
from ..identity.models import Role, User
from ..identity.service import find_user
from ..identity.subject import Subject
from ..instants import london_today
from .ceiling import precision_in_words
from .grants import describe_grant
from .models import Agreement, Precision, Use
from .opened import GrantProfile, Refusal, Scope
from .readable import open_rows, rows_by_grant
from .review import Standing, standing
from .scope import opened_scope, profile_of

if TYPE_CHECKING:
    from ..datasets.areas import AreaIndex
    from ..services import Services


class Effect(StrEnum):
    """What becomes of the rows that a grant covers."""

    RECORDS = "records"
    COUNTS = "counts"
    HIDDEN = "hidden"


@dataclass(frozen=True)
class GrantExplained:
    """A grant as signed, in words; what terms and role leave of it for this person and use, and of how many rows."""

    position: int
    words: str
    effect: Effect
    opens: str
    rows: int | None  # at the visible release; for the SafeStats team only


@dataclass(frozen=True)
class Explanation:
    """What a person sees of a dataset today, for one use. Without ``refusal``, what the grants say."""

    username: str
    name: str
    organisation: str
    role: str
    account_active: bool
    dataset: str
    title: str
    use: Use
    agreement: str
    standing: Standing | None
    until: date | None
    purposes: tuple[str, ...]
    terms_version: int | None
    release: int
    columns: tuple[str, ...]
    geometry: str
    threshold: int
    grants: tuple[GrantExplained, ...]
    refusal: str  # its code
    reason: str

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it in sentences."""
        who = f"{self.name} ({self.username}, {self.role} of {self.organisation})"
        state = "active" if self.account_active else "closed"
        lines = [f"{who}; the account is {state}."]
        if self.agreement:
            until = f" until {self.until}" if self.until else ""
            lines.append(f"Agreement {self.agreement} is {self.standing}{until}.")
            lines.append(f"For the purposes: {', '.join(self.purposes) or 'any that the conditions permit'}.")
        if self.terms_version is not None:
            lines.append(f"Under version {self.terms_version} of the supplier's terms.")
        if self.refusal:
            lines.append(f"May not {self.use} {self.title or self.dataset}: {self.reason} ({self.refusal})")
        else:
            lines.append(f"May {self.use} {self.title} at release {self.release}.")
            lines.append(f"Columns: {', '.join(self.columns)}. Geometry: {self.geometry}.")
        if self.grants:
            lines.append("A row is seen through the first of these that covers it:")
        for grant in self.grants:
            rows = "" if grant.rows is None else f" {grant.rows:,} rows."
            lines.append(f"  {grant.position}. {grant.words} — {grant.opens}.{rows}")
        return tuple(lines)


def explain(
    services: Services,
    username: str,
    dataset: str,
    use: Use = Use.SYNC,
    *,
    actor: str = COMMAND_LINE,
    session_id: str = "",
    count_rows: bool = True,
    today: date | None = None,
) -> Explanation:
    """What the person would see today, decided by ``scope`` itself; raises ``SafeStatsError`` for an unknown person.

    ``count_rows`` only for the SafeStats team: it tells how many rows lie behind grants that hide them. That
    ``actor`` looked is recorded before it is told.
    """
    today = today or london_today()
    with services.database.read() as session:
        user = find_user(session, username)
        services.audit.record(
            EventType.ACCESS_EXPLAINED,
            actor=actor,
            organisation=user.organisation.code,
            dataset=dataset if dataset in services.definitions else "",
            filter={"user": user.id, "use": use, "rows_counted": count_rows},
            session=session_id,
        )
        return explained(services, session, user, dataset, use, count_rows, today)


def explained(
    services: Services, session: Session, user: User, dataset: str, use: Use, count_rows: bool, today: date
) -> Explanation:
    """As ``explain``, within the session of who asks."""
    definition = services.definitions.get(dataset)
    agreement = _nearest(session, user.organisation_id, dataset, today)
    blank = Explanation(
        username=user.username,
        name=user.display_name,
        organisation=user.organisation.name,
        role=user.role,
        account_active=user.active,
        dataset=dataset,
        title=definition.title if definition else "",
        use=use,
        agreement=agreement.reference if agreement else "",
        standing=standing(agreement, today) if agreement else None,
        until=agreement.ends if agreement else None,
        purposes=tuple(agreement.purposes.split()) if agreement else (),
        terms_version=None,
        release=0,
        columns=(),
        geometry="none",
        threshold=0,
        grants=(),
        refusal="",
        reason="",
    )
    if not user.active:
        reason = "The account is closed: open it again, if it is to be used."
        return replace(blank, refusal="account-inactive", reason=reason)
    # The session's purpose is not known here: any that the agreement lists will do.
    purpose = blank.purposes[0] if blank.purposes else ""
    subject = Subject(
        user.id, user.username, user.organisation_id, user.organisation.code, Role(user.role), "", purpose, ""
    )
    try:
        opened = opened_scope(session, subject, dataset, services.definitions, use, today)
    except Refusal as refusal:
        return replace(blank, refusal=refusal.code, reason=refusal.reason)
    assert agreement is not None
    rows: dict[int, int] = {}
    if count_rows and opened.release:
        open_rows(session, opened)
        rows = {row.position: row.rows for row in session.execute(rows_by_grant(opened))}
    signed = [profile_of(grant, today) for grant in agreement.grants]
    officer = subject.role == Role.LICENSING_OFFICER
    explained = replace(
        blank,
        until=opened.until,
        terms_version=opened.terms_version,
        release=opened.release,
        columns=tuple(field.name for field in opened.columns),
        geometry=opened.geometry,
        threshold=opened.threshold,
        grants=tuple(
            _grant(number, before, after, opened, services.areas, rows.get(number, 0) if count_rows else None, officer)
            for number, (before, after) in enumerate(zip(signed, opened.grants, strict=True), start=1)
        ),
    )
    try:
        opened.require_rows()
    except Refusal as refusal:
        return replace(explained, refusal=refusal.code, reason=refusal.reason)
    return explained


def _grant(
    number: int,
    signed: GrantProfile,
    left: GrantProfile,
    opened: Scope,
    areas: AreaIndex,
    rows: int | None,
    officer: bool,
) -> GrantExplained:
    by_role = officer and not signed.officer_records
    if opened.gives(left):
        how = precision_in_words(left.shown_precision, left.grid_m)
        effect, opens = Effect.RECORDS, f"opens records ({', '.join(left.groups)}; {how})"
    elif opened.counts(left):
        effect, opens = Effect.COUNTS, "opens counts, online, by fixed questions"
    else:
        effect, opens = Effect.HIDDEN, "hides its rows"
        if opened.use in signed.uses:
            opens += ", for the supplier's terms do not permit this use"
    if left.precision == Precision.AGGREGATE and signed.precision != Precision.AGGREGATE:
        opens += ", for it gives no records to licensing officers" if by_role else ", for the terms give no records"
    if left.from_month != signed.from_month:
        opens += f", from {left.from_month} (the supplier's retention)"
    return GrantExplained(number, describe_grant(signed, areas), effect, opens, rows)


def _nearest(session: Session, organisation_id: int, dataset: str, today: date) -> Agreement | None:
    """The agreement that answers: the one in force, else the one that tells most about why there is none."""
    order = [Standing.ACTIVE, Standing.SUSPENDED, Standing.NOT_STARTED, Standing.EXPIRED, Standing.ENDED]
    order += [Standing.SIGNED, Standing.DRAFT]
    found = session.scalars(
        select(Agreement)
        .where(Agreement.organisation_id == organisation_id, Agreement.dataset == dataset)
        .order_by(Agreement.ends.desc(), Agreement.id.desc())
    ).all()
    return min(found, key=lambda agreement: order.index(standing(agreement, today)), default=None)
