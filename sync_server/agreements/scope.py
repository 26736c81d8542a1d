"""Who may use what, until when: ``scope`` answers for one person, or refuses with the reason.

``scope`` always asks the primary database. What it returns is plain data: ``readable`` makes the SELECT of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition, Field, FieldGroup, layer_fields
from ..identity.models import Channel, Role
from ..instants import london_today
from ..problems import Problem
from ..publishing.models import Release, ReleaseState
from .models import Agreement, AgreementState, Grant, Precision, Use

COORDINATES = frozenset({"easting", "northing"})


@dataclass(frozen=True)
class Subject:
    """Who asks: a person in an active session. ``user_id`` and ``session_id`` are opaque."""

    user_id: str
    username: str
    organisation_id: int
    organisation: str
    role: Role
    session_id: str
    purpose: str
    conditions_version: str
    organisation_name: str = ""
    channel: Channel = Channel.DESK
    sites: tuple[tuple[str, str], ...] = ()  # a supplier's: (dataset, site)


@dataclass(frozen=True)
class GrantProfile:
    """What one grant shows: of which areas and months (``YYYY-MM``, "" = open), which fields, how exactly."""

    areas: tuple[str, ...]
    groups: tuple[FieldGroup, ...]
    precision: Precision
    grid_m: int
    from_month: str
    to_month: str
    uses: frozenset[Use]

    @property
    def shown_precision(self) -> Precision:
        """The precision in effect: without the location fields there are no coordinates, whatever it says."""
        return self.precision if FieldGroup.LOCATION in self.groups else Precision.AREA

    def covers(self, period: str) -> bool:
        """Whether the month is in the grant; undated rows ("") are only where no month bounds it."""
        if not period:
            return not self.from_month and not self.to_month
        return self.from_month <= period and (not self.to_month or period <= self.to_month)

    def fields(self, definition: DatasetDefinition) -> tuple[Field, ...]:
        """The fields that the grant shows, in the order of the layer."""
        return tuple(
            field
            for field in layer_fields(definition)
            if field.group in self.groups and (field.name not in COORDINATES or self.shown_precision != Precision.AREA)
        )


@dataclass(frozen=True)
class Scope:
    """The rows and columns of one dataset that an agreement opens for one use, at one release."""

    definition: DatasetDefinition
    grants: tuple[GrantProfile, ...]
    agreement: str
    until: date
    release: int
    use: Use = Use.SYNC

    def gives(self, grant: GrantProfile) -> bool:
        """Whether the grant permits this use; one that does not still hides its rows from later grants."""
        return self.use in grant.uses

    @property
    def columns(self) -> tuple[Field, ...]:
        """Every field that some grant shows, in the order of the layer."""
        names = {field.name for grant in self.grants if self.gives(grant) for field in grant.fields(self.definition)}
        return tuple(field for field in layer_fields(self.definition) if field.name in names)

    @property
    def geometry(self) -> str:
        """``point`` where some grant shows coordinates, else ``none``."""
        shown = (grant.shown_precision for grant in self.grants if self.gives(grant))
        return "point" if any(precision != Precision.AREA for precision in shown) else "none"

    def covers(self, period: str) -> bool:
        """Whether some grant shows rows of the month (or, "", undated ones)."""
        return any(self.gives(grant) and grant.covers(period) for grant in self.grants)

    def fingerprint(self, period: str) -> str:
        """What decides the rows and columns of a month, as SHA-256: equal rights have equal fingerprints.

        Neither organisation, agreement nor the month itself is in it, so artefacts are shared by those who
        hold the same rights and "the last 36 months" only selects among them.
        """
        rights = {
            "dataset": self.definition.code,
            "definition_version": self.definition.version,
            "geometry": self.geometry,
            "columns": [field.name for field in self.columns],
            "grants": [
                {
                    "areas": sorted(grant.areas),
                    "shown": self.gives(grant),
                    "columns": [field.name for field in grant.fields(self.definition)],
                    "precision": grant.shown_precision,
                    "grid_m": grant.grid_m if grant.shown_precision == Precision.GRID else 0,
                }
                for grant in self.grants
                if grant.covers(period)
            ],
        }
        canonical = json.dumps(rights, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class Refusal(Problem):
    """Access refused; ``reason`` is the sentence for the person, ``code`` the name for programs."""

    def __init__(self, code: str, reason: str, status: int = 403) -> None:
        super().__init__(status, code, "This layer is not open to you", reason)
        self.code = code
        self.reason = reason


def scope(
    session: Session,
    subject: Subject,
    dataset_code: str,
    definitions: Mapping[str, DatasetDefinition],
    use: Use = Use.SYNC,
    today: date | None = None,
) -> Scope:
    """What the subject may use of a dataset today (London's date); raises ``Refusal`` with the reason."""
    today = today or london_today()
    definition = definitions.get(dataset_code)
    if definition is None:
        raise Refusal("unknown-dataset", "There is no dataset of that name.", status=404)
    agreement = _agreement(session, subject, dataset_code, definition.title, today)
    permitted = scope_of(agreement, definition, _published_release(session, dataset_code), use, today)
    if not any(permitted.gives(grant) for grant in permitted.grants):
        raise Refusal(
            "use-not-granted",
            f"Agreement {agreement.reference} does not permit “{use.value}” of {definition.title}: "
            "ask the SafeStats team to have it amended.",
        )
    if permitted.release == 0:
        raise Refusal("not-published", f"Nothing of {definition.title} has been published yet.", status=404)
    return permitted


def live_scopes(
    session: Session, dataset_code: str, definitions: Mapping[str, DatasetDefinition], today: date
) -> list[Scope]:
    """The scopes, at the published release (or 0), of the agreements that permit sync, by their references.

    Of those in force, and of signed ones that have not started: their layers are ready on their first day.
    """
    release = _published_release(session, dataset_code)
    agreements = session.scalars(
        select(Agreement)
        .where(
            Agreement.dataset == dataset_code,
            Agreement.state == AgreementState.ACTIVE,
            Agreement.ends >= today,
        )
        .order_by(Agreement.reference)
    )
    scopes = [scope_of(a, definitions[dataset_code], release, Use.SYNC, today) for a in agreements]
    return [s for s in scopes if any(s.gives(grant) for grant in s.grants)]


def scope_of(agreement: Agreement, definition: DatasetDefinition, release: int, use: Use, today: date) -> Scope:
    """The agreement's grants as a scope; whether the agreement is in force is the caller's question."""
    return Scope(
        definition=definition,
        grants=tuple(_profile(grant, today) for grant in agreement.grants),
        agreement=agreement.reference,
        until=agreement.ends,
        release=release,
        use=use,
    )


def months_back(month: str, count: int) -> str:
    """The month ``count`` months before ``month`` (``YYYY-MM``)."""
    index = int(month[:4]) * 12 + int(month[5:]) - 1 - count
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def _profile(grant: Grant, today: date) -> GrantProfile:
    from_month = grant.from_month
    if grant.last_months:
        # The current month is the last of them.
        from_month = max(from_month, months_back(f"{today:%Y-%m}", grant.last_months - 1))
    return GrantProfile(
        areas=tuple(sorted(area.code for area in grant.areas)),
        groups=tuple(group for group in FieldGroup if group in grant.groups.split()),
        precision=Precision(grant.precision),
        grid_m=grant.grid_m,
        from_month=from_month,
        to_month=grant.to_month,
        uses=grant.uses,
    )


def _published_release(session: Session, dataset_code: str) -> int:
    newest = session.scalar(
        select(func.max(Release.number)).where(Release.dataset == dataset_code, Release.state == ReleaseState.PUBLISHED)
    )
    return newest or 0


def _agreement(session: Session, subject: Subject, dataset_code: str, title: str, today: date) -> Agreement:
    """The organisation's agreement in force; raises the ``Refusal`` that tells most about why there is none."""
    agreements = list(
        session.scalars(
            select(Agreement)
            .where(
                Agreement.organisation_id == subject.organisation_id,
                Agreement.dataset == dataset_code,
                Agreement.state != AgreementState.DRAFT,
            )
            .order_by(Agreement.ends.desc(), Agreement.id.desc())
        )
    )
    for agreement in agreements:
        if agreement.state == AgreementState.ACTIVE and agreement.starts <= today <= agreement.ends:
            return agreement
    ask = "Ask the SafeStats team."
    for agreement in agreements:
        if agreement.state == AgreementState.SUSPENDED:
            raise Refusal("agreement-suspended", f"Agreement {agreement.reference} on {title} is suspended. {ask}")
    for agreement in agreements:
        if agreement.state == AgreementState.ACTIVE and agreement.starts > today:
            raise Refusal(
                "agreement-not-started",
                f"Agreement {agreement.reference} on {title} starts on {agreement.starts:%-d %B %Y}.",
            )
    for agreement in agreements:
        raise Refusal(
            "agreement-ended",
            f"Agreement {agreement.reference} on {title} ended on {agreement.ends:%-d %B %Y}. {ask}",
        )
    raise Refusal("no-agreement", f"Your organisation has no agreement on {title}. {ask}")
