"""Who may use what, until when: ``scope`` answers for one person, or refuses with the reason.

``scope`` always asks the primary database. What it returns is plain data: ``readable`` makes the SELECT of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, lazyload, selectinload

from ..datasets.definitions import DatasetDefinition, Field, FieldGroup, Geometry, layer_fields
from ..datasets.periods import month_of
from ..identity.models import Channel, Organisation, Role
from ..identity.permissions import Permission, permitted
from ..instants import london_today
from ..problems import Problem
from ..publishing.models import Release, ReleaseState
from .ceiling import Ceiling
from .models import Agreement, AgreementState, Grant, GrantArea, Precision, Use
from .months import months_back
from .terms import ceiling_on

COORDINATES = frozenset({"easting", "northing"})
_OF_PLACES = (FieldGroup.LOCATION, FieldGroup.PLACE)
_OTHER = "other"
_IN_FORCE_ONCE = (AgreementState.ACTIVE, AgreementState.SUSPENDED, AgreementState.ENDED)
# Of the organisation its own columns are enough.
_BARE = joinedload(Agreement.organisation).options(lazyload("*"))
# An edge has hundreds of areas: their codes are read as they are, not as objects.
_AREAS_APART = joinedload(Agreement.grants).lazyload(Grant.areas)


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

    @property
    def audited(self) -> dict[str, str]:
        """Who asks, as an event of the audit tells it."""
        return {
            "actor": self.user_id,
            "organisation": self.organisation,
            "conditions": self.conditions_version,
            "purpose": self.purpose,
            "session": self.session_id,
        }


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
    officer_records: bool = False  # a licensing officer, too, is shown rows
    # Where rows that are only counted count as lying: never closer than those who are shown rows could see.
    counted: Precision = Precision.POINT
    counted_m: int = 0

    @property
    def shown_precision(self) -> Precision:
        """The precision in effect: without the location fields there are no coordinates, whatever it says."""
        if self.precision == Precision.AGGREGATE or FieldGroup.LOCATION in self.groups:
            return self.precision
        return Precision.AREA

    @property
    def counted_place(self) -> tuple[Precision, int]:
        """How exactly a row lies when it is counted, with the cell of the grid in metres."""
        if FieldGroup.LOCATION not in self.groups:
            return Precision.AREA, 0
        if self.precision == Precision.AGGREGATE:
            return self.counted, self.counted_m
        return self.precision, self.grid_m if self.precision == Precision.GRID else 0

    def only_counted(self) -> GrantProfile:
        """The grant without its rows: they are counted where they would have been shown."""
        if self.precision == Precision.AGGREGATE:
            return self
        counted, counted_m = self.counted_place
        return replace(self, precision=Precision.AGGREGATE, grid_m=0, counted=counted, counted_m=counted_m)

    def covers(self, period: str) -> bool:
        """Whether the month, or the day's month, is in the grant; undated rows ("") only where no month bounds it."""
        month = month_of(period)
        if not month:
            return not self.from_month and not self.to_month
        return self.from_month <= month and (not self.to_month or month <= self.to_month)

    def fields(self, definition: DatasetDefinition) -> tuple[Field, ...]:
        """The fields that the grant shows, in the order of the layer; none where rows are only counted."""
        if self.precision == Precision.AGGREGATE:
            return ()
        return tuple(
            field
            for field in layer_fields(definition)
            if field.group in self.groups and (field.name not in COORDINATES or self.shown_precision != Precision.AREA)
        )


@dataclass(frozen=True)
class Scope:
    """The rows and columns of one dataset that an agreement opens for one use, at one release.

    ``threshold``: counts below it are masked before they are published, by the dataset and the supplier's terms.
    """

    definition: DatasetDefinition
    grants: tuple[GrantProfile, ...]
    agreement: str
    until: date
    release: int
    use: Use = Use.SYNC
    threshold: int = 0
    terms_version: int | None = None  # of the supplier's terms that clipped the grants

    def gives(self, grant: GrantProfile) -> bool:
        """Whether the grant shows rows for this use; one that does not still hides its rows from later grants."""
        return self.counts(grant) and grant.precision != Precision.AGGREGATE

    def counts(self, grant: GrantProfile) -> bool:
        """Whether the rows of the grant may be counted for this use: those shown, and those only counted."""
        return self.use in grant.uses

    @property
    def gives_rows(self) -> bool:
        """Whether any grant shows rows for this use."""
        return any(self.gives(grant) for grant in self.grants)

    @property
    def gives_counts(self) -> bool:
        """Whether the rows of any grant may be counted for this use."""
        return any(self.counts(grant) for grant in self.grants)

    def require_rows(self) -> None:
        """Raises ``Refusal`` where no grant shows rows for this use, or nothing has been published."""
        if not self.gives_rows:
            if self.gives_counts:
                raise Refusal(
                    "aggregates-only",
                    f"Agreement {self.agreement} opens counts of {self.definition.title} to you, not its records: "
                    "ask for counts instead.",
                )
            raise self._use_not_granted()
        self._require_release()

    def require_counts(self) -> None:
        """Raises ``Refusal`` where nothing may be counted for this use, or nothing has been published."""
        if not self.gives_counts:
            raise self._use_not_granted()
        self._require_release()

    def _use_not_granted(self) -> Refusal:
        return Refusal(
            "use-not-granted",
            f"Agreement {self.agreement} does not permit “{self.use.value}” of {self.definition.title}: "
            "ask the SafeStats team to have it amended.",
        )

    def _require_release(self) -> None:
        if self.release == 0:
            reason = f"Nothing of {self.definition.title} has been published yet."
            raise Refusal("not-published", reason, status=404)

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
        grants = [grant for grant in self.grants if grant.covers(period)]
        return self._digest(grants, {"definition_version": self.definition.version})

    @property
    def rights(self) -> str:
        """What decides rows and columns but for months and the definition's version, as SHA-256.

        It is known before the files of changed rights are made: a client whose copy was made under others lets go.
        """
        return self._digest(self.grants, {})

    def _digest(self, grants: Iterable[GrantProfile], beside: Mapping[str, int]) -> str:
        rights = {
            "dataset": self.definition.code,
            **beside,
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
                for grant in grants
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
    """What the subject may use of a dataset today (London's date), row by row; raises ``Refusal`` with the reason."""
    opened = opened_scope(session, subject, dataset_code, definitions, use, today)
    opened.require_rows()
    return opened


def countable_scope(
    session: Session,
    subject: Subject,
    dataset_code: str,
    definitions: Mapping[str, DatasetDefinition],
    today: date | None = None,
) -> Scope:
    """What the subject may have counted of a dataset today, for ``readable.countable``; raises ``Refusal``."""
    opened = opened_scope(session, subject, dataset_code, definitions, Use.VIEW, today)
    opened.require_counts()
    return opened


def opened_scope(
    session: Session,
    subject: Subject,
    dataset_code: str,
    definitions: Mapping[str, DatasetDefinition],
    use: Use = Use.SYNC,
    today: date | None = None,
) -> Scope:
    """What the agreement in force holds for the subject, even where that is nothing for this use.

    Raises ``Refusal`` where the role, the agreement, its purposes or the supplier's terms stand against it.
    """
    today = today or london_today()
    definition = definitions.get(dataset_code)
    if definition is None:
        raise Refusal("unknown-dataset", "There is no dataset of that name.", status=404)
    if Permission.USE_DATA not in permitted(subject.role):
        raise Refusal(
            "role-without-data",
            "Incidents are for analysts, licensing officers and administrators of organisations with an agreement: "
            "your role sees none.",
        )
    agreement = _agreement(session, subject, dataset_code, definition.title, today)
    _check_purpose(agreement, subject)
    ceiling = ceiling_on(session, dataset_code, today)
    if ceiling is not None:
        check_ceiling(ceiling, agreement.organisation, definition.title, today)
    release = _published_release(session, dataset_code)
    officer = subject.role == Role.LICENSING_OFFICER
    areas = _codes(session, [agreement.id])
    return scope_of(agreement, definition, release, use, today, ceiling, areas, officer=officer)


def live_scopes(
    session: Session, dataset_code: str, definitions: Mapping[str, DatasetDefinition], today: date
) -> list[Scope]:
    """The scopes, at the published release (or 0), of the agreements that permit sync, by their references.

    Of those in force, and of those signed that are not yet: their layers are ready on their first day, and one that
    amends another takes its place without a pause. Where licensing officers are shown fewer rows than others, theirs
    is a scope of its own.
    """
    release = _published_release(session, dataset_code)
    definition = definitions[dataset_code]
    ceiling = ceiling_on(session, dataset_code, today)
    agreements = session.scalars(
        select(Agreement)
        .where(
            Agreement.dataset == dataset_code,
            Agreement.state.in_((AgreementState.ACTIVE, AgreementState.SIGNED)),
            Agreement.ends >= today,
        )
        .options(_BARE, selectinload(Agreement.grants).lazyload(Grant.areas))
        .order_by(Agreement.reference)
    ).all()
    areas = _codes(session, [agreement.id for agreement in agreements])
    scopes: list[Scope] = []
    for agreement in agreements:
        for officer in (False, True):
            found = scope_of(agreement, definition, release, Use.SYNC, today, ceiling, areas, officer=officer)
            if found.gives_rows and found not in scopes[-1:]:
                scopes.append(found)
    return scopes


def scopes_in_force(
    session: Session, definitions: Mapping[str, DatasetDefinition], today: date, use: Use
) -> Iterator[list[Scope]]:
    """For each organisation, and for its licensing officers, the scopes whose rows may at least be counted."""
    agreements = session.scalars(
        select(Agreement)
        .where(Agreement.state == AgreementState.ACTIVE, Agreement.starts <= today, Agreement.ends >= today)
        .options(_BARE, selectinload(Agreement.grants).lazyload(Grant.areas))
        .order_by(Agreement.reference)
    ).all()
    known = [agreement for agreement in agreements if agreement.dataset in definitions]
    areas = _codes(session, [agreement.id for agreement in known])
    ceilings = {code: ceiling_on(session, code, today) for code in {agreement.dataset for agreement in known}}
    releases = {code: _published_release(session, code) for code in ceilings}
    for organisation in sorted({agreement.organisation_id for agreement in known}):
        for officer in (False, True):
            scopes = [
                scope_of(
                    agreement,
                    definitions[agreement.dataset],
                    releases[agreement.dataset],
                    use,
                    today,
                    ceilings[agreement.dataset],
                    areas,
                    officer=officer,
                )
                for agreement in known
                if agreement.organisation_id == organisation
            ]
            yield [scope for scope in scopes if scope.gives_counts]


def scope_of(
    agreement: Agreement,
    definition: DatasetDefinition,
    release: int,
    use: Use,
    today: date,
    ceiling: Ceiling | None,
    areas: Mapping[int, tuple[str, ...]],
    *,
    officer: bool = False,
) -> Scope:
    """The agreement's grants under the supplier's terms as a scope, for a licensing ``officer`` or for others.

    ``areas`` are the codes of each grant, by its id, sorted. Whether the agreement is in force is the caller's
    question. Terms that are not in force, or do not admit the organisation, leave grants that permit nothing.
    """
    grants = [profile_of(grant, today, areas.get(grant.id, ())) for grant in agreement.grants]
    until, threshold, version = agreement.ends, definition.suppression_threshold, None
    if officer:
        grants = [grant if grant.officer_records else grant.only_counted() for grant in grants]
    if definition.geometry == Geometry.COUNTS:
        # Whatever was signed: numbers of an area lie nowhere.
        grants = [replace(grant, groups=tuple(g for g in grant.groups if g not in _OF_PLACES)) for grant in grants]
    if ceiling is not None:
        grants = [ceiling.clip(grant, today) for grant in grants]
        organisation = agreement.organisation
        if not ceiling.in_force(today) or not ceiling.admits(organisation.code, organisation.kind):
            grants = [replace(grant, uses=frozenset()) for grant in grants]
        until = min(until, ceiling.ends or until)
        threshold, version = max(threshold, ceiling.suppression_threshold), ceiling.version
    return Scope(definition, tuple(grants), agreement.reference, until, release, use, threshold, version)


def check_ceiling(ceiling: Ceiling, organisation: Organisation, title: str, today: date) -> None:
    """Raises ``Refusal`` where the supplier's terms give the organisation nothing today."""
    ask = "Ask the SafeStats team."
    if today < ceiling.starts:
        reason = f"The supplier's terms on {title} start on {ceiling.starts:%-d %B %Y}. {ask}"
        raise Refusal("terms-not-in-force", reason)
    if ceiling.ends is not None and ceiling.ends < today:
        raise Refusal("terms-not-in-force", f"The supplier's terms on {title} ended on {ceiling.ends:%-d %B %Y}. {ask}")
    if not ceiling.admits(organisation.code, organisation.kind):
        reason = f"The supplier's terms on {title} do not permit it to be given to {organisation.name}. {ask}"
        raise Refusal("not-a-recipient", reason)


def profile_of(grant: Grant, today: date, areas: tuple[str, ...] | None = None) -> GrantProfile:
    """The grant as signed, before role and supplier's terms. ``areas``: its codes, where they are read already."""
    from_month = grant.from_month
    if grant.last_months:
        # The current month is the last of them.
        from_month = max(from_month, months_back(f"{today:%Y-%m}", grant.last_months - 1))
    return GrantProfile(
        areas=tuple(sorted(area.code for area in grant.areas)) if areas is None else areas,
        groups=tuple(group for group in FieldGroup if group in grant.groups.split()),
        precision=Precision(grant.precision),
        grid_m=grant.grid_m,
        from_month=from_month,
        to_month=grant.to_month,
        uses=grant.uses,
        officer_records=bool(grant.officer_records),
    )


def _codes(session: Session, agreement_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The area codes of each grant of the agreements, by the grant's id."""
    rows = session.execute(
        select(GrantArea.grant_id, GrantArea.code)
        .join(Grant, Grant.id == GrantArea.grant_id)
        .where(Grant.agreement_id.in_(agreement_ids))
    )
    found: dict[int, list[str]] = {}
    for grant_id, code in rows:
        found.setdefault(grant_id, []).append(code)
    return {grant_id: tuple(sorted(codes)) for grant_id, codes in found.items()}


def _check_purpose(agreement: Agreement, subject: Subject) -> None:
    """An agreement that lists purposes is for these alone. One approved in a person's own words counts as “other”."""
    purpose = _OTHER if subject.purpose.startswith(f"{_OTHER}-") else subject.purpose
    agreed = agreement.purposes.split()
    if agreed and purpose not in agreed:
        raise Refusal(
            "purpose-not-agreed",
            f"Agreement {agreement.reference} is not for the purpose of this session: choose another purpose, "
            "or ask the SafeStats team to have the agreement amended.",
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
                Agreement.state.in_(_IN_FORCE_ONCE),
            )
            .options(_BARE, _AREAS_APART)
            .order_by(Agreement.ends.desc(), Agreement.id.desc())
        ).unique()
    )
    for agreement in agreements:
        if agreement.state == AgreementState.ACTIVE and agreement.starts <= today <= agreement.ends:
            return agreement
    ask = "Ask the SafeStats team."
    for agreement in agreements:
        if agreement.state == AgreementState.SUSPENDED:
            why = f" ({agreement.state_reason.rstrip('.')})" if agreement.state_reason else ""
            raise Refusal("agreement-suspended", f"Agreement {agreement.reference} on {title} is suspended{why}. {ask}")
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
