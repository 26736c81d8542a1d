"""Agreements out of a plan's list: drafted by the same services as by hand, signatures told as taken over from paper.

Nothing is signed here. Who signed elsewhere signed an earlier paper, and no schedule of this system: each signature
bears that paper's reference, in the database, on the console's page and in the audit. A party whose signature the list
does not tell has not signed, and the agreement waits as a draft.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..agreements import service
from ..agreements.details import ContactDetails, Details, PartyDetails
from ..agreements.grants import GrantTerms, add_grant
from ..agreements.models import Agreement, AgreementState, ContactRole, ControllerStatus, Precision, Use
from ..agreements.profiles import Profile, apply_profile
from ..agreements.terms import load_terms
from ..datasets.definitions import FieldGroup
from ..errors import SafeStatsError
from ..identity.service import find_organisation
from ..instants import london_today
from ..services import Services
from .ledger import Ledger
from .loading import Tells
from .models import StepKind, StepState
from .registers import Row, day_in, read_rows, words_of

_NEEDED = ("reference", "organisation", "dataset", "from", "until")
_GRANT = [
    "profile",
    "areas",
    "edge_km",
    "fields",
    "precision",
    "grid_m",
    "from_month",
    "to_month",
    "last_months",
    "uses",
    "officer_records",
]
_DETAILS = [
    "basis",
    "purposes",
    "dpo_name",
    "dpo_mail",
    "controller",
    "controller_status",
    "review",
    "retention",
    "onward",
    "paper",
    "signed_by",
    "signed_on",
    "controller_signed_by",
    "controller_signed_on",
]
_KNOWN = (*_NEEDED, *_GRANT, *_DETAILS)
_YES = ("yes", "true", "1")
_SEVERAL = (*_NEEDED, *_DETAILS)  # of an agreement with several grants, told once or the same each time


@dataclass(frozen=True)
class PaperSignature:
    """Who signed the paper for a party ("": the organisation), and when."""

    party: str
    signed_by: str
    signed_on: date


@dataclass(frozen=True)
class PaperAgreement:
    """An agreement as the list has it. ``grants`` are in their order; a profile stands alone."""

    place: str
    reference: str
    organisation: str
    dataset: str
    starts: date
    ends: date
    details: Details
    grants: tuple[GrantTerms, ...]
    profile: Profile | None
    paper: str
    signatures: tuple[PaperSignature, ...]
    digest: str


@dataclass
class AgreementTotals:
    """What became of the agreements of a list."""

    in_force: int = 0
    signed: int = 0
    drafted: int = 0
    ended: int = 0
    known: int = 0
    set_aside: int = 0


def read_agreements(
    services: Services, path: Path | None, organisations: Collection[str], mistakes: list[str]
) -> list[PaperAgreement]:
    """The agreements of a list; what is wrong with it goes to ``mistakes``. Rows of one reference are its grants."""
    rows: dict[str, list[Row]] = {}
    for row in read_rows(path, _NEEDED, _KNOWN, mistakes) if path is not None else ():
        if row["reference"]:
            rows.setdefault(row["reference"], []).append(row)
    read = [_agreement(services, group, organisations, mistakes) for group in rows.values()]
    return [agreement for agreement in read if agreement is not None]


def move_terms(services: Services, actor: str, ledger: Ledger, files: Sequence[Path], tell: Tells) -> int:
    """Record the suppliers' terms of the files; how many were set aside."""
    troubles = 0
    for path in files:
        try:
            with services.database.write() as session:
                terms = load_terms(services, session, actor, path)
                if terms is not None:
                    ledger.record_in(session, StepKind.TERMS, path.name, StepState.DONE, f"Version {terms.version}.")
                    tell(f"{path.name}: version {terms.version} of the terms on {terms.dataset} is recorded.")
        except SafeStatsError as error:
            troubles += 1
            ledger.record(StepKind.TERMS, path.name, StepState.SET_ASIDE, str(error))
            tell(f"{path.name}: SET ASIDE. {error}")
    return troubles


def move_agreements(
    services: Services,
    actor: str,
    ledger: Ledger,
    agreements: Sequence[PaperAgreement],
    activate: bool,
    tell: Tells,
    today: date | None = None,
) -> AgreementTotals:
    """Draft the agreements that are missing and record who signed on paper; put them in force where told.

    One that has ended is told and left out: it opens nothing. One that is here, whoever made it, stays as it is.
    """
    today = today or london_today()
    totals = AgreementTotals()
    done = ledger.done(StepKind.AGREEMENT)
    for agreement in agreements:
        if done.get(agreement.reference) == agreement.digest:
            totals.known += 1
            continue
        try:
            state, sentence = _move(services, actor, ledger, agreement, activate, today)
        except SafeStatsError as error:
            totals.set_aside += 1
            ledger.record(StepKind.AGREEMENT, agreement.reference, StepState.SET_ASIDE, str(error))
            tell(f"{agreement.reference}: SET ASIDE. {error}")
            continue
        setattr(totals, state, getattr(totals, state) + 1)
        tell(f"{agreement.reference}: {sentence}")
    return totals


def _move(
    services: Services, actor: str, ledger: Ledger, paper: PaperAgreement, activate: bool, today: date
) -> tuple[str, str]:
    """Which total counts it, and what came of it; all of it or nothing, with its record."""
    with services.database.write() as session:
        held = session.scalar(select(Agreement).where(Agreement.reference == paper.reference))
        if held is not None:
            state, told = "known", f"is here already ({held.state}), and stays as it is."
        elif paper.ends < today:
            state, told = "ended", f"ended on {paper.ends}: it opens nothing and is not taken over."
        else:
            state, told = _drafted(services, session, actor, paper, activate, today)
        ledger.record_in(session, StepKind.AGREEMENT, paper.reference, StepState.DONE, told, {"digest": paper.digest})
    return state, told


def _drafted(
    services: Services, session: Session, actor: str, paper: PaperAgreement, activate: bool, today: date
) -> tuple[str, str]:
    organisation = find_organisation(session, paper.organisation)
    made = service.draft(
        services, session, actor, paper.reference, organisation, paper.dataset, paper.starts, paper.ends, paper.details
    )
    if paper.profile is not None:
        apply_profile(services, session, actor, made, paper.profile, today)
    for terms in paper.grants:
        add_grant(services, session, actor, made, terms, today=today)
    for one in paper.signatures:
        service.sign(
            services, session, actor, made, one.signed_by, one.party, one.signed_on, today=today, paper=paper.paper
        )
    if made.state != AgreementState.SIGNED:
        missing = {party.name for party in made.parties} - {one.party for one in made.signatures}
        return "drafted", f"drafted; still to sign: {', '.join(sorted(missing))}."
    if not activate or paper.starts > today:
        return "signed", f"signed, as “{paper.paper}” tells; put it in force with “safestats agreement activate”."
    service.activate(services, session, actor, made, today)
    return "in_force", f"in force until {paper.ends}, signed as “{paper.paper}” tells."


def _agreement(
    services: Services, rows: list[Row], organisations: Collection[str], mistakes: list[str]
) -> PaperAgreement | None:
    first, before = rows[0], len(mistakes)
    for row in rows[1:]:
        differing = [column for column in _SEVERAL if row[column] and row[column] != first[column]]
        mistakes += [
            f"{row.place}: “{column}” of {first['reference']} is another one than in line {first.line}."
            for column in differing
        ]
    if first["organisation"].casefold() not in organisations:
        mistakes.append(f"{first.place}: there is no organisation “{first['organisation']}”.")
    if first["dataset"] not in services.definitions:
        mistakes.append(f"{first.place}: there is no dataset “{first['dataset']}”.")
    starts, ends = day_in(first, "from", mistakes), day_in(first, "until", mistakes)
    profile = _profile(rows, mistakes)
    grants = () if profile or len(mistakes) > before else tuple(_grant(services, row, mistakes) for row in rows)
    details = _details(first, mistakes)
    signatures = _signatures(first, mistakes)
    if signatures and not first["paper"]:
        mistakes.append(
            f"{first.place}: who signed elsewhere signed a paper: give its reference in “paper”, as it is filed."
        )
    if len(mistakes) > before or starts is None or ends is None:
        return None
    digest = hashlib.sha256(repr([row.values for row in rows]).encode()).hexdigest()
    return PaperAgreement(
        first.place,
        first["reference"],
        first["organisation"].casefold(),
        first["dataset"],
        starts,
        ends,
        details,
        grants,
        profile,
        first["paper"],
        signatures,
        digest,
    )


def _profile(rows: list[Row], mistakes: list[str]) -> Profile | None:
    first = rows[0]
    if not first["profile"]:
        return None
    if first["profile"] not in set(Profile):
        mistakes.append(f"{first.place}: “{first['profile']}” is no profile; there are: {', '.join(Profile)}.")
        return None
    besides = [column for row in rows for column in _GRANT if column != "profile" and row[column]]
    if besides or len(rows) > 1:
        mistakes.append(
            f"{first.place}: a profile stands alone, without “{besides[0] if besides else 'a second row'}”."
        )
    return Profile(first["profile"])


def _grant(services: Services, row: Row, mistakes: list[str]) -> GrantTerms:
    names = {name.casefold(): code for code, name in services.areas.boroughs.items()}
    for column in ("areas", "fields", "precision"):
        if not row[column]:
            mistakes.append(f"{row.place}: “{column}” is empty, and there is no “profile”.")
    fields = [word for word in words_of(row["fields"]) if _known(row, "fields", word, FieldGroup, mistakes)]
    uses = [word for word in words_of(row["uses"]) if _known(row, "uses", word, Use, mistakes)]
    precision = row["precision"] or Precision.POINT
    if not _known(row, "precision", precision, Precision, mistakes):
        precision = Precision.POINT
    return GrantTerms(
        areas=tuple(names.get(word.casefold(), word) for word in words_of(row["areas"])),
        groups=tuple(FieldGroup(word) for word in fields),
        precision=Precision(precision),
        grid_m=int(_number(row, "grid_m", mistakes)),
        edge_m=_number(row, "edge_km", mistakes) * 1000,
        from_month=row["from_month"],
        to_month=row["to_month"],
        last_months=int(_number(row, "last_months", mistakes)),
        # What may be copied is to be told: questions online are the least.
        uses=frozenset(Use(word) for word in uses) or frozenset({Use.VIEW}),
        officer_records=row["officer_records"].casefold() in _YES,
    )


def _details(row: Row, mistakes: list[str]) -> Details:
    status = row["controller_status"] or ControllerStatus.INDEPENDENT
    if not _known(row, "controller_status", status, ControllerStatus, mistakes):
        status = ControllerStatus.INDEPENDENT
    contacts = (ContactDetails(ContactRole.DATA_PROTECTION, row["dpo_name"], row["dpo_mail"]),)
    return Details(
        lawful_basis=row["basis"],
        purposes=words_of(row["purposes"]),
        controllers=(PartyDetails(row["controller"], ControllerStatus(status)),) if row["controller"] else (),
        contacts=contacts if row["dpo_name"] or row["dpo_mail"] else (),
        review_on=day_in(row, "review", mistakes),
        onward_sharing=row["onward"],
        retention=row["retention"],
    )


def _signatures(row: Row, mistakes: list[str]) -> tuple[PaperSignature, ...]:
    found = []
    for prefix, party in (("", ""), ("controller_", row["controller"])):
        by, on = row[f"{prefix}signed_by"], day_in(row, f"{prefix}signed_on", mistakes)
        if bool(by) != bool(row[f"{prefix}signed_on"]):
            mistakes.append(f"{row.place}: “{prefix}signed_by” and “{prefix}signed_on” go together.")
        elif by and prefix and not party:
            mistakes.append(f"{row.place}: “{prefix}signed_by” needs the “controller” for whom they signed.")
        elif by and on is not None:
            found.append(PaperSignature(party, by, on))
    return tuple(found)


def _known(row: Row, column: str, word: str, kind: type, mistakes: list[str]) -> bool:
    words = [str(one) for one in kind]  # type: ignore[attr-defined]
    if word in words:
        return True
    mistakes.append(f"{row.place}: “{word}” in “{column}” is none of {', '.join(words)}.")
    return False


def _number(row: Row, column: str, mistakes: list[str]) -> float:
    try:
        return float(row[column] or 0)
    except ValueError:
        mistakes.append(f"{row.place}: “{row[column]}” in “{column}” is no number.")
        return 0
