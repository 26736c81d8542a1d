"""Commands: Data Sharing Agreements."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, TypeVar

import typer

from ..audit.log import COMMAND_LINE, AuditLog, EventType
from ..command_line import initialised, print_table
from ..datasets.definitions import FieldGroup
from ..errors import SafeStatsError
from ..identity.service import find_organisation, find_user
from ..instants import london_today
from ..publishing.commands import build_for_agreement
from . import service
from .models import Agreement, AgreementState, Precision, Use
from .scope import scope_of

commands = typer.Typer()
agreement_commands = typer.Typer(no_args_is_help=True, help="Data Sharing Agreements and their grants.")
commands.add_typer(agreement_commands, name="agreement")

Choice = TypeVar("Choice", FieldGroup, Use)

_DATE = ["%Y-%m-%d"]
Reference = Annotated[str, typer.Argument(help="The agreement's reference.")]


@agreement_commands.command("add")
def add(
    reference: Reference,
    org: Annotated[str, typer.Option(help="Code of the organisation.")],
    dataset: Annotated[str, typer.Option(help="Code of the dataset.")],
    starts: Annotated[datetime, typer.Option("--from", formats=_DATE, help="First day.")],
    ends: Annotated[datetime, typer.Option("--to", formats=_DATE, help="Last day.")],
) -> None:
    """Draft an agreement; it gives no access before it has grants and is activated."""
    with initialised() as services, services.database.write() as session:
        agreement = service.add_agreement(
            session,
            services.definitions,
            reference,
            find_organisation(session, org),
            dataset,
            starts.date(),
            ends.date(),
        )
        _audit(services.audit, EventType.AGREEMENT_ADDED, agreement)
    typer.echo(f"Drafted {reference}: {org}, {dataset}, {starts:%Y-%m-%d} to {ends:%Y-%m-%d}.")


@agreement_commands.command("grant")
def grant(
    reference: Reference,
    areas: Annotated[
        str, typer.Option(help="Codes of boroughs or LSOAs, london, unplaced, outside; separated by commas.")
    ],
    fields: Annotated[str, typer.Option(help="Field groups, separated by commas: " + ", ".join(FieldGroup) + ".")],
    precision: Annotated[Precision, typer.Option(help="How exactly places show.")],
    grid_m: Annotated[int, typer.Option(help="Cell of the grid in metres.")] = 250,
    edge_km: Annotated[float, typer.Option(min=0, help="Also LSOAs of other boroughs within so many km.")] = 0,
    from_month: Annotated[str, typer.Option(help="First month, as 2024-01.")] = "",
    to_month: Annotated[str, typer.Option(help="Last month.")] = "",
    last_months: Annotated[int, typer.Option(min=0, help="Only so many months, the current one included.")] = 0,
    uses: Annotated[str, typer.Option(help="What may be done: " + ", ".join(Use) + ".")] = ",".join(Use),
) -> None:
    """Add a grant to a draft. Grants are ordered: a row is seen through the first that covers it."""
    terms = service.GrantTerms(
        areas=_words(areas),
        groups=tuple(_choice(FieldGroup, word, "field group") for word in _words(fields)),
        precision=precision,
        grid_m=grid_m,
        edge_m=edge_km * 1000,
        from_month=from_month,
        to_month=to_month,
        last_months=last_months,
        uses=frozenset(_choice(Use, word, "use") for word in _words(uses)),
    )
    with initialised() as services, services.database.write() as session:
        agreement = service.find_agreement(session, reference)
        added = service.add_grant(session, services.areas, agreement, terms)
        profile = scope_of(agreement, services.definitions[agreement.dataset], 0, Use.VIEW, london_today()).grants[-1]
        _audit(
            services.audit,
            EventType.AGREEMENT_GRANTED,
            agreement,
            {
                "position": added.position,
                "areas": list(profile.areas),
                "fields": list(profile.groups),
                "precision": profile.precision,
                "grid_m": profile.grid_m,
                "from_month": added.from_month,
                "to_month": added.to_month,
                "last_months": added.last_months,
                "uses": sorted(profile.uses),
            },
        )
        typer.echo(f"Grant {added.position} of {reference}: {service.describe_grant(profile, services.areas)}.")


@agreement_commands.command("activate")
def activate(reference: Reference) -> None:
    """Put an agreement in force, and build what its people will pull."""
    with initialised() as services:
        with services.database.write() as session:
            agreement = service.find_agreement(session, reference)
            service.activate(session, agreement, london_today())
            _audit(services.audit, EventType.AGREEMENT_ACTIVATED, agreement)
        later = build_for_agreement(services, agreement.dataset)
    typer.echo(
        f"Agreement {reference} is in force until {agreement.ends}."
        + (" Its files are being built: “safestats jobs” tells how far they are." if later else "")
    )


@agreement_commands.command("suspend")
def suspend(reference: Reference) -> None:
    """Refuse access at once, until activated again."""
    with initialised() as services, services.database.write() as session:
        agreement = service.find_agreement(session, reference)
        service.suspend(agreement)
        _audit(services.audit, EventType.AGREEMENT_SUSPENDED, agreement)
    typer.echo(f"Agreement {reference} is suspended.")


@agreement_commands.command("end")
def end(reference: Reference) -> None:
    """End an agreement for good, at once."""
    with initialised() as services, services.database.write() as session:
        agreement = service.find_agreement(session, reference)
        service.end_agreement(agreement, london_today())
        _audit(services.audit, EventType.AGREEMENT_ENDED, agreement)
    typer.echo(f"Agreement {reference} has ended.")


@agreement_commands.command("list")
def list_agreements() -> None:
    """All agreements and whether they are in force."""
    today = london_today()
    with initialised() as services, services.database.read() as session:
        rows = [
            [a.reference, a.organisation.code, a.dataset, str(a.starts), str(a.ends), _standing(a, today)]
            for a in service.agreements(session)
        ]
    print_table(["Reference", "Organisation", "Dataset", "From", "To", "Standing"], rows)


@agreement_commands.command("show")
def show(reference: Reference) -> None:
    """An agreement and its grants."""
    today = london_today()
    with initialised() as services, services.database.read() as session:
        agreement = service.find_agreement(session, reference)
        typer.echo(
            f"{agreement.reference}: {agreement.organisation.name}, {agreement.dataset}, "
            f"{agreement.starts} to {agreement.ends}, {_standing(agreement, today)}."
        )
        definition = services.definitions[agreement.dataset]
        for position, profile in enumerate(scope_of(agreement, definition, 0, Use.VIEW, today).grants, start=1):
            typer.echo(f"  {position}. {service.describe_grant(profile, services.areas)}")


@agreement_commands.command("explain")
def explain(
    username: str,
    dataset: str,
    use: Annotated[Use, typer.Option(help="The use that is asked about.")] = Use.SYNC,
) -> None:
    """What a person sees of a dataset today, and why."""
    with initialised() as services, services.database.read() as session:
        explanation = service.explain(
            session,
            find_user(session, username),
            dataset,
            services.definitions,
            services.areas,
            use,
            london_today(),
        )
    for line in explanation.lines:
        typer.echo(line)


def _standing(agreement: Agreement, today: date) -> str:
    if agreement.state == AgreementState.ACTIVE and agreement.ends < today:
        return AgreementState.ENDED
    if agreement.state == AgreementState.ACTIVE and agreement.starts > today:
        return "not started"
    return agreement.state


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _choice(kind: type[Choice], word: str, what: str) -> Choice:
    try:
        return kind(word)
    except ValueError as error:
        raise SafeStatsError(f"“{word}” is no {what}; there are: {', '.join(kind)}.") from error


def _audit(audit: AuditLog, event: EventType, agreement: Agreement, details: dict[str, object] | None = None) -> None:
    audit.record(
        event,
        actor=COMMAND_LINE,
        organisation=agreement.organisation.code,
        agreement=agreement.reference,
        dataset=agreement.dataset,
        filter=details,
    )
