"""Commands: reading and proving the audit."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ..command_line import initialised, print_table
from ..errors import SafeStatsError

commands = typer.Typer()
audit_commands = typer.Typer(no_args_is_help=True, help="The audit: an append-only chain of events.")
commands.add_typer(audit_commands, name="audit")


@audit_commands.command("verify")
def verify() -> None:
    """Walk the chain; names the first altered, missing or moved event and ends with status 1."""
    with initialised() as services:
        result = services.audit.verify()
    if not result.ok:
        raise SafeStatsError(f"The audit is not intact. {result.message}")
    typer.echo(result.message)


@audit_commands.command("list")
def list_events(
    last: Annotated[int, typer.Option(min=1, help="How many of the newest events.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line, with every member.")] = False,
) -> None:
    """The newest events."""
    with initialised() as services:
        events = list(services.audit.events(last))
    if as_json:
        for event in events:
            typer.echo(json.dumps(event.body, ensure_ascii=False, sort_keys=True))
        return
    members = ("at", "event", "outcome", "reason", "actor", "organisation", "dataset", "purpose", "rows")
    rows = [
        [str(event.number), *("" if event.body[m] is None else str(event.body[m]) for m in members)] for event in events
    ]
    print_table(["Number", *(m.capitalize() for m in members)], rows)
