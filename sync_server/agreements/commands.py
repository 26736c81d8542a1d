"""Commands: Data Sharing Agreements; those of the suppliers' terms stand beside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE
from ..command_line import initialised, print_table
from ..datasets.definitions import FieldGroup
from ..errors import SafeStatsError
from ..identity.service import find_organisation
from ..instants import london_today
from ..publishing.commands import build_for_agreement
from ..services import Services
from . import documents, grants, service, terms
from .details import ContactDetails, Details, PartyDetails, details_of
from .explain import explain as explain_access
from .models import Agreement, AgreementState, ContactRole, ControllerStatus, Grant, Precision, Use
from .profiles import Profile, apply_profile
from .review import due_for_review, standing
from .scope import profile_of
from .terms_commands import terms_commands

commands = typer.Typer()
agreement_commands = typer.Typer(no_args_is_help=True, help="Data Sharing Agreements and their grants.")
commands.add_typer(agreement_commands, name="agreement")
commands.add_typer(terms_commands, name="terms")

Choice = TypeVar("Choice", FieldGroup, Use, ContactRole, ControllerStatus)

_DATE = ["%Y-%m-%d"]
_EVERY_USE = ",".join(Use)
Reference = Annotated[str, typer.Argument(help="The agreement's reference.")]
Position = Annotated[int, typer.Argument(help="The grant's position, from 1.")]
Reason = Annotated[str, typer.Option(help="Why: kept with the agreement and in the audit.")]
Basis = Annotated[str | None, typer.Option("--basis", help="The lawful basis, in words.")]
Purposes = Annotated[str | None, typer.Option("--purposes", help="Codes, separated by commas; none: any permitted.")]
Controllers = Annotated[
    list[str] | None,
    typer.Option("--controller", help="A controller beside the organisation, as NAME:independent or NAME:joint."),
]
Contacts = Annotated[
    list[str] | None,
    typer.Option("--contact", help=f"As ROLE:NAME:E-MAIL; roles: {', '.join(ContactRole)}."),
]
Review = Annotated[
    datetime | None, typer.Option("--review", formats=_DATE, help="To be reviewed by; else a year after the start.")
]
Onward = Annotated[str | None, typer.Option("--onward", help="What may be passed on; nothing unless told.")]
Retention = Annotated[str | None, typer.Option("--retention", help="How long the organisation keeps what it has.")]
Areas = Annotated[str, typer.Option(help="Codes of boroughs or LSOAs, london, unplaced, outside; separated by commas.")]
Fields = Annotated[str, typer.Option(help="Field groups, separated by commas: " + ", ".join(FieldGroup) + ".")]
HowExactly = Annotated[Precision, typer.Option("--precision", help="How exactly places show.")]
GridM = Annotated[int, typer.Option(help="Cell of the grid in metres.")]
EdgeKm = Annotated[float, typer.Option(min=0, help="Also LSOAs of other boroughs within so many km.")]
FromMonth = Annotated[str, typer.Option(help="First month, as 2024-01.")]
ToMonth = Annotated[str, typer.Option(help="Last month.")]
LastMonths = Annotated[int, typer.Option(min=0, help="Only so many months, the current one included.")]
Uses = Annotated[str, typer.Option(help="What may be done: " + ", ".join(Use) + ".")]
Officers = Annotated[
    bool, typer.Option("--officer-records", help="Licensing officers see these records too; else they only count.")
]


@agreement_commands.command("add")
def add(
    reference: Reference,
    org: Annotated[str, typer.Option(help="Code of the organisation.")],
    dataset: Annotated[str, typer.Option(help="Code of the dataset.")],
    starts: Annotated[datetime, typer.Option("--from", formats=_DATE, help="First day.")],
    ends: Annotated[datetime, typer.Option("--to", formats=_DATE, help="Last day.")],
    basis: Basis = None,
    purposes: Purposes = None,
    controllers: Controllers = None,
    contacts: Contacts = None,
    review: Review = None,
    onward: Onward = None,
    retention: Retention = None,
) -> None:
    """Draft an agreement; it gives no access before it has grants, is signed and activated."""
    details = _details(Details(), basis, purposes, controllers, contacts, review, onward, retention)
    with _writing() as (services, session):
        organisation = find_organisation(session, org)
        service.draft(
            services, session, COMMAND_LINE, reference, organisation, dataset, starts.date(), ends.date(), details
        )
    typer.echo(f"Drafted {reference}: {org}, {dataset}, {starts:%Y-%m-%d} to {ends:%Y-%m-%d}.")


@agreement_commands.command("set")
def change(
    reference: Reference,
    starts: Annotated[datetime | None, typer.Option("--from", formats=_DATE, help="First day.")] = None,
    ends: Annotated[datetime | None, typer.Option("--to", formats=_DATE, help="Last day.")] = None,
    basis: Basis = None,
    purposes: Purposes = None,
    controllers: Controllers = None,
    contacts: Contacts = None,
    review: Review = None,
    onward: Onward = None,
    retention: Retention = None,
) -> None:
    """Change what a draft says; what is not told stays."""
    with _writing() as (services, session):
        agreement = service.find_agreement(session, reference)
        details = details_of(agreement)
        changed = _details(details, basis, purposes, controllers, contacts, review, onward, retention)
        first, last = (day.date() if day else None for day in (starts, ends))
        service.change(services, session, COMMAND_LINE, agreement, changed, first, last)
    typer.echo(f"Changed {reference}.")


@agreement_commands.command("grant")
def grant(
    reference: Reference,
    areas: Areas,
    fields: Fields,
    precision: HowExactly,
    grid_m: GridM = 250,
    edge_km: EdgeKm = 0,
    from_month: FromMonth = "",
    to_month: ToMonth = "",
    last_months: LastMonths = 0,
    uses: Uses = _EVERY_USE,
    officer_records: Officers = False,
    at: Annotated[int, typer.Option(min=0, help="At this position, before what stands there; else last.")] = 0,
    replacing: Annotated[int, typer.Option("--replace", min=0, help="In the place of the grant there.")] = 0,
) -> None:
    """Add a grant to a draft. Grants are ordered: a row is seen through the first that covers it."""
    asked = grants.GrantTerms(
        areas=_words(areas),
        groups=tuple(_choice(FieldGroup, word, "field group") for word in _words(fields)),
        precision=precision,
        grid_m=grid_m,
        edge_m=edge_km * 1000,
        from_month=from_month,
        to_month=to_month,
        last_months=last_months,
        uses=frozenset(_choice(Use, word, "use") for word in _words(uses)),
        officer_records=officer_records,
    )
    with _writing() as (services, session):
        agreement = service.find_agreement(session, reference)
        if replacing:
            made = grants.replace_grant(services, session, COMMAND_LINE, agreement, replacing, asked)
        else:
            made = grants.add_grant(services, session, COMMAND_LINE, agreement, asked, at or None)
        typer.echo(_grant_line(services, reference, made))


@agreement_commands.command("move-grant")
def move_grant(reference: Reference, position: Position, to: Annotated[int, typer.Argument(help="Where to.")]) -> None:
    """Give a grant of a draft another position."""
    with _writing() as (services, session):
        agreement = service.find_agreement(session, reference)
        grants.move_grant(services, session, COMMAND_LINE, agreement, position, to)
    typer.echo(f"Grant {position} of {reference} is number {to} now.")


@agreement_commands.command("remove-grant")
def remove_grant(reference: Reference, position: Position) -> None:
    """Take a grant out of a draft."""
    with _writing() as (services, session):
        agreement = service.find_agreement(session, reference)
        grants.remove_grant(services, session, COMMAND_LINE, agreement, position)
    typer.echo(f"Grant {position} of {reference} is gone.")


@agreement_commands.command("profile")
def profile(reference: Reference, name: Annotated[Profile, typer.Argument(help="Which.")]) -> None:
    """Give a draft the grants of a profile, as far as the supplier permits, instead of those that it has."""
    with _writing() as (services, session):
        agreement = service.find_agreement(session, reference)
        apply_profile(services, session, COMMAND_LINE, agreement, name)
        for made in agreement.grants:
            typer.echo(_grant_line(services, reference, made))


@agreement_commands.command("schedule")
def schedule(
    reference: Reference,
    signed: Annotated[bool, typer.Option("--signed", help="The text that was signed, as it was then.")] = False,
) -> None:
    """Print what is to be signed, made from the grants, and its SHA-256."""
    with initialised() as services, services.database.read() as session:
        agreement = service.find_agreement(session, reference)
        if signed and not agreement.schedule:
            raise SafeStatsError(f"Nobody has signed {reference}.")
        now = None if signed else service.schedule(services, session, agreement)
        typer.echo(now.text if now else agreement.schedule, nl=False)
        typer.echo(f"\nSHA-256: {now.sha256 if now else agreement.schedule_sha256}")


@agreement_commands.command("sign")
def sign(
    reference: Reference,
    by: Annotated[str, typer.Option(help="Name and office of who signed.")],
    party: Annotated[str, typer.Option(help="For which party; the organisation, unless told.")] = "",
    on: Annotated[datetime | None, typer.Option(formats=_DATE, help="The day; today, unless told.")] = None,
    sha256: Annotated[str, typer.Option(help="What stands on the paper, to be compared.")] = "",
    document: Annotated[Path | None, typer.Option(help="The signed document (PDF), attached.")] = None,
) -> None:
    """Record that the schedule was signed for a party. It is signed when every party has."""
    with initialised() as services:
        with services.database.write() as session:
            agreement = service.find_agreement(session, reference)
            day = on.date() if on else None
            schedule = service.sign(services, session, COMMAND_LINE, agreement, by, party, day, sha256)
            if document is not None:
                _attach(services, session, agreement, document)
            missing = {known.name for known in agreement.parties} - {known.party for known in agreement.signatures}
        if not missing:
            # What its people will pull is there when it comes into force.
            build_for_agreement(services, agreement.dataset)
    waits = f" Still to sign: {', '.join(sorted(missing))}." if missing else ""
    typer.echo(f"Recorded a signature under the schedule {schedule.sha256} of {reference}.{waits}")


@agreement_commands.command("attach")
def attach(reference: Reference, document: Annotated[Path, typer.Argument(help="The signed document, a PDF.")]) -> None:
    """Attach the signed document; it is kept by its SHA-256, readable by the server alone."""
    with _writing() as (services, session):
        sha256 = _attach(services, session, service.find_agreement(session, reference), document)
    typer.echo(f"Attached {document.name} ({sha256}) to {reference}.")


@agreement_commands.command("redraft")
def redraft(reference: Reference) -> None:
    """Make a signed agreement a draft again; its signatures are void."""
    with _writing() as (services, session):
        service.redraft(services, session, COMMAND_LINE, service.find_agreement(session, reference))
    typer.echo(f"Agreement {reference} is a draft again.")


@agreement_commands.command("activate")
def activate(reference: Reference) -> None:
    """Put a signed agreement in force, in place of the one that it amends, and build what its people will pull."""
    with initialised() as services:
        with services.database.write() as session:
            agreement = service.find_agreement(session, reference)
            service.activate(services, session, COMMAND_LINE, agreement)
        later = build_for_agreement(services, agreement.dataset)
    typer.echo(
        f"Agreement {reference} is in force until {agreement.ends}."
        + (" Its files are being built: “safestats jobs” tells how far they are." if later else "")
    )


@agreement_commands.command("suspend")
def suspend(reference: Reference, reason: Reason) -> None:
    """Refuse access from the next request on, until resumed."""
    with _writing() as (services, session):
        service.suspend(services, session, COMMAND_LINE, service.find_agreement(session, reference), reason)
    typer.echo(f"Agreement {reference} is suspended.")


@agreement_commands.command("resume")
def resume(reference: Reference) -> None:
    """Put a suspended agreement in force again."""
    with initialised() as services:
        with services.database.write() as session:
            agreement = service.find_agreement(session, reference)
            service.resume(services, session, COMMAND_LINE, agreement)
        build_for_agreement(services, agreement.dataset)
    typer.echo(f"Agreement {reference} is in force again, until {agreement.ends}.")


@agreement_commands.command("end")
def end(reference: Reference, reason: Reason) -> None:
    """End an agreement for good, at once."""
    with _writing() as (services, session):
        service.end(services, session, COMMAND_LINE, service.find_agreement(session, reference), reason)
    typer.echo(f"Agreement {reference} has ended.")


@agreement_commands.command("amend")
def amend(
    reference: Reference,
    new: Annotated[str, typer.Option("--as", help="The new reference; the old one with .v2, .v3 …, unless told.")] = "",
) -> None:
    """Draft a new version of an agreement; activated, it takes the old one's place in one step."""
    with _writing() as (services, session):
        agreement = service.find_agreement(session, reference)
        successor = service.amend(services, session, COMMAND_LINE, agreement, new)
    typer.echo(f"Drafted {successor.reference}, which amends {reference}: change it, have it signed, activate it.")


@agreement_commands.command("list")
def list_agreements() -> None:
    """All agreements, whether they are in force, and which are to be reviewed soon."""
    today = london_today()
    with initialised() as services, services.database.read() as session:
        rows = [
            [
                a.reference,
                a.organisation.code,
                a.dataset,
                str(a.starts),
                str(a.ends),
                str(a.review_on or "none"),
                standing(a, today),
            ]
            for a in service.agreements(session)
        ]
        notices = due_for_review(session, today)
        without = terms.datasets_without_terms(session, services.definitions)
    print_table(["Reference", "Organisation", "Dataset", "From", "To", "Review", "Standing"], rows)
    for notice in notices:
        typer.echo(notice.sentence)
    if without:
        typer.echo(f"No supplier's terms are recorded on: {', '.join(without)}.")


@agreement_commands.command("show")
def show(reference: Reference) -> None:
    """An agreement: what it says, who signed it, its grants."""
    today = london_today()
    with initialised() as services, services.database.read() as session:
        agreement = service.find_agreement(session, reference)
        typer.echo(
            f"{agreement.reference}: {agreement.organisation.name}, {agreement.dataset}, "
            f"{agreement.starts} to {agreement.ends}, {standing(agreement, today)}."
        )
        for line in _particulars(agreement):
            typer.echo(f"  {line}")
        for made in agreement.grants:
            words = grants.describe_grant(profile_of(made, today), services.areas)
            typer.echo(f"  {made.position}. {words}")
        if agreement.state == AgreementState.DRAFT:
            for missing in service.unready(services, session, agreement, today):
                typer.echo(f"  Not ready: {missing}.")


@agreement_commands.command("due")
def due() -> None:
    """What is to be reviewed, or ends, within 90 days, and what is overdue."""
    with initialised() as services, services.database.read() as session:
        notices = due_for_review(session, london_today())
    for notice in notices:
        typer.echo(notice.sentence)
    if not notices:
        typer.echo("No agreement is due for review within 90 days.")


@agreement_commands.command("explain")
def explain(
    username: str,
    dataset: str,
    use: Annotated[Use, typer.Option(help="The use that is asked about.")] = Use.SYNC,
) -> None:
    """What a person sees of a dataset today, and why."""
    with initialised() as services:
        for line in explain_access(services, username, dataset, use).lines:
            typer.echo(line)


@contextmanager
def _writing() -> Iterator[tuple[Services, Session]]:
    """The services and a transaction that is committed on leaving."""
    with initialised() as services, services.database.write() as session:
        yield services, session


def _details(
    before: Details,
    basis: str | None,
    purposes: str | None,
    controllers: list[str] | None,
    contacts: list[str] | None,
    review: datetime | None,
    onward: str | None,
    retention: str | None,
) -> Details:
    told: dict[str, object] = {
        "lawful_basis": basis,
        "purposes": None if purposes is None else _words(purposes),
        "controllers": tuple(_controller(text) for text in controllers) if controllers else None,
        "contacts": tuple(_contact(text) for text in contacts) if contacts else None,
        "review_on": _day(review),
        "onward_sharing": onward,
        "retention": retention,
    }
    return replace(before, **{name: value for name, value in told.items() if value is not None})  # type: ignore[arg-type]


def _day(instant: datetime | None) -> date | None:
    return instant.date() if instant else None


def _controller(text: str) -> PartyDetails:
    name, _, status = text.rpartition(":")
    if not name:
        raise SafeStatsError(f"“{text}” is no controller: write NAME:independent or NAME:joint.")
    return PartyDetails(name, _choice(ControllerStatus, status, "status"))


def _contact(text: str) -> ContactDetails:
    role, _, rest = text.partition(":")
    name, _, email = rest.rpartition(":")
    return ContactDetails(_choice(ContactRole, role, "role of a contact"), name, email)


def _attach(services: Services, session: Session, agreement: Agreement, document: Path) -> str:
    try:
        if document.stat().st_size > documents.MOST_BYTES:
            raise SafeStatsError(f"{document} is larger than {documents.MOST_BYTES // 1024**2} MB.")
        content = document.read_bytes()
    except OSError as error:
        raise SafeStatsError(f"{document} cannot be read: {error.strerror}.") from error
    return documents.attach(services, session, COMMAND_LINE, agreement, content, document.name)


def _particulars(agreement: Agreement) -> Iterator[str]:
    if agreement.predecessor:
        yield f"Version {agreement.version}, amends {agreement.predecessor}."
    if agreement.state_reason:
        yield f"Reason: {agreement.state_reason}"
    for party in agreement.parties:
        signature = next((s for s in agreement.signatures if s.party == party.name), None)
        signed = f"signed by {signature.signed_by} on {signature.signed_on}" if signature else "has not signed"
        if signature and signature.paper:
            signed += f" on paper ({signature.paper}), taken over from there"
        yield f"Party: {party.name}, {party.status} controller, {signed}."
    yield f"Lawful basis: {agreement.lawful_basis or 'none stated'}"
    yield f"Purposes: {', '.join(agreement.purposes.split()) or 'any that the conditions permit'}."
    for contact in agreement.contacts:
        yield f"Contact: {contact.role}, {contact.name}, {contact.email}."
    yield f"Review: {agreement.review_on or 'no date'}."
    if agreement.schedule_sha256:
        yield f"Schedule: {agreement.schedule_sha256}."
    if agreement.document_sha256:
        yield f"Document: {agreement.document_name} ({agreement.document_sha256})."


def _grant_line(services: Services, reference: str, made: Grant) -> str:
    words = grants.describe_grant(profile_of(made, london_today()), services.areas)
    return f"Grant {made.position} of {reference}: {words}."


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _choice(kind: type[Choice], word: str, what: str) -> Choice:
    try:
        return kind(word)
    except ValueError as error:
        raise SafeStatsError(f"“{word}” is no {what}; there are: {', '.join(kind)}.") from error
