"""Commands: organisations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..audit.log import COMMAND_LINE
from ..command_line import initialised, print_table, printable
from . import organisations, service
from .models import Organisation

organisation_commands = typer.Typer(no_args_is_help=True, help="Organisations.")
Areas = Annotated[list[str] | None, typer.Option("--area", help="Code of an area that it serves, say E09000007.")]
Kind = Annotated[str | None, typer.Option(help="Say, local-authority, police, supplier.")]
Remit = Annotated[str | None, typer.Option(help="Its duty to prevent crime and disorder, in a sentence.")]


@organisation_commands.command("load")
def load_organisations(
    file: Annotated[Path | None, typer.Argument(help="A register; unless told, the one that is supplied.")] = None,
) -> None:
    """Take over the register of organisations; can be run again."""
    with initialised() as services:
        path = file or services.settings.resources_dir / organisations.REGISTER_FILE
        entries = organisations.read_register(path)
        told = organisations.load_register(services, COMMAND_LINE, entries)
    for line in told:
        typer.echo(printable(line))
    typer.echo(f"{len(entries)} organisations in the register, {len(told)} added or changed.")


@organisation_commands.command("add")
def add_organisation(code: str, name: str, kind: Kind = None, remit: Remit = None, area: Areas = None) -> None:
    """Add an organisation, say: org add camden "London Borough of Camden". What the register says of it is taken."""
    with initialised() as services:
        entries = organisations.read_register(services.settings.resources_dir / organisations.REGISTER_FILE)
        known = next((entry for entry in entries if entry.code == code), None)
        added = organisations.add(
            services,
            COMMAND_LINE,
            code,
            name,
            kind=kind if kind is not None or known is None else known.kind,
            remit=remit if remit is not None or known is None else known.remit,
            areas=area if area is not None or known is None else known.areas,
        )
    typer.echo(f"Added {added.name} ({added.code}).")


@organisation_commands.command("list")
def list_organisations() -> None:
    """All organisations."""
    with initialised() as services, services.database.read() as session:
        rows = [
            [o.code, o.name, o.kind, _areas_in_short(o), "yes" if o.remit else "no", _state(o.active)]
            for o in service.organisations(session)
        ]
        print_table(["Code", "Name", "Kind", "Areas", "Remit", "State"], rows)


def _areas_in_short(organisation: Organisation) -> str:
    """Two areas' codes at most: ``org show`` has them all."""
    codes = [area.code for area in organisation.areas]
    return " ".join(codes) if len(codes) <= 2 else f"{len(codes)} areas"


@organisation_commands.command("show")
def show_organisation(code: str) -> None:
    """One organisation with all that is kept of it."""
    with initialised() as services, services.database.read() as session:
        found = service.find_organisation(session, code)
        people_there = len(service.users(session, found.id))
        lines = {
            "Code": found.code,
            "Name": found.name,
            "Kind": found.kind,
            "State": _state(found.active),
            "Areas": " ".join(area.code for area in found.areas),
            "Remit": found.remit or "none: it can have no agreement",
            "Own sign-in": found.oidc_issuer or "none",
            "People": str(people_there),
        }
    for name, value in lines.items():
        typer.echo(printable(f"{name:<11}  {value}".rstrip()))


@organisation_commands.command("amend")
def amend_organisation(
    code: str,
    name: Annotated[str | None, typer.Option(help="Its name.")] = None,
    kind: Kind = None,
    remit: Remit = None,
    area: Areas = None,
) -> None:
    """Change an organisation; --area (each one again) replaces its areas."""
    with initialised() as services:
        changed = organisations.amend(services, COMMAND_LINE, code, name=name, kind=kind, remit=remit, areas=area)
    typer.echo(f"Changed {', '.join(changed)} of {code}." if changed else "Nothing to change.")


@organisation_commands.command("deactivate")
def deactivate_organisation(code: str) -> None:
    """Close an organisation: its people's sessions end at once."""
    with initialised() as services:
        organisations.set_active(services, COMMAND_LINE, code, active=False)
    typer.echo(f"{code} is closed: none of its people can sign in.")


@organisation_commands.command("reactivate")
def reactivate_organisation(code: str) -> None:
    """Open a closed organisation again."""
    with initialised() as services:
        organisations.set_active(services, COMMAND_LINE, code, active=True)
    typer.echo(f"{code} is open again.")


@organisation_commands.command("sign-in")
def set_sign_in(
    code: str,
    issuer: Annotated[str, typer.Option(help="Address of its OpenID provider; empty: no sign-in of its own.")],
    client_id: Annotated[str, typer.Option(help="As whom the provider knows this server.")] = "",
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the client's secret from stdin.")] = False,
) -> None:
    """Let an organisation's people sign in at its own OpenID provider."""
    secret = sys.stdin.readline().rstrip("\r\n") if secret_stdin else ""
    with initialised() as services:
        organisations.set_oidc(services, COMMAND_LINE, code, issuer, client_id, secret)
    typer.echo(f"{code} signs in at {issuer}." if issuer else f"{code} has no sign-in of its own.")


def _state(active: bool) -> str:
    return "active" if active else "inactive"
