"""Commands: purposes that wait for a decision, and the Steering Group's decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from ..audit.log import COMMAND_LINE
from ..command_line import initialised, print_table
from . import decisions
from .models import RequestState

decision_commands = typer.Typer(
    no_args_is_help=True, help="Purposes that wait for a decision, and the Steering Group's."
)


@decision_commands.command("requests")
def list_requests(
    decided: Annotated[bool, typer.Option("--all", help="Those that are decided as well.")] = False,
) -> None:
    """Purposes in people's own words, which wait for a decision."""
    with initialised() as services, services.database.read() as session:
        rows = [
            [
                str(r.id),
                r.user.username,
                r.user.organisation.code,
                r.state,
                f"{r.valid_until:%-d %B %Y}" if r.valid_until else "",
                r.text,
            ]
            for r in decisions.requests(session, None if decided else RequestState.HELD)
        ]
        print_table(["Number", "User name", "Organisation", "State", "Until", "Purpose"], rows)


@decision_commands.command("approve")
def approve(
    number: int,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Its last day.")] = None,
    text: Annotated[str | None, typer.Option(help="The purpose in better words.")] = None,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Let a person have the purpose that they asked for, for a time."""
    with initialised() as services:
        request = decisions.decide_purpose(
            services,
            COMMAND_LINE,
            number,
            True,
            reason=reason,
            text=text,
            valid_until=until.date() if until else None,
        )
    typer.echo(f"Request {number} is approved until {request.valid_until:%-d %B %Y}.")


@decision_commands.command("refuse")
def refuse(number: int, reason: Annotated[str, typer.Option(help="Why.")]) -> None:
    """Refuse a purpose that somebody asked for."""
    with initialised() as services:
        decisions.decide_purpose(services, COMMAND_LINE, number, False, reason=reason)
    typer.echo(f"Request {number} is refused.")


@decision_commands.command("add")
def add_decision(
    reference: Annotated[str, typer.Argument(help="Where it is written, say the minutes' reference.")],
    purpose: Annotated[str, typer.Option(help="The purpose that it opens: licence-review.")],
    decided: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day of the decision.")],
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Its last day.")],
    summary: Annotated[str, typer.Option(help="What was decided.")],
    org: Annotated[str | None, typer.Option(help="For this organisation only.")] = None,
) -> None:
    """Record a decision of the Steering Group that opens a purpose."""
    with initialised() as services:
        decisions.record_decision(
            services,
            COMMAND_LINE,
            reference,
            purpose,
            organisation=org,
            decided_on=decided.date(),
            valid_until=until.date(),
            summary=summary,
        )
    typer.echo(f"Recorded {reference}.")


@decision_commands.command("withdraw")
def withdraw_decision(reference: str) -> None:
    """Record that a decision was taken back; sessions under it end."""
    with initialised() as services:
        decisions.withdraw_decision(services, COMMAND_LINE, reference)
    typer.echo(f"{reference} is withdrawn.")


@decision_commands.command("list")
def list_decisions() -> None:
    """The Steering Group's decisions, the newest first."""
    with initialised() as services, services.database.read() as session:
        rows = [
            [
                d.reference,
                d.purpose,
                d.organisation.code if d.organisation else "all",
                f"{d.decided_on:%-d %B %Y}",
                "withdrawn" if d.withdrawn_at else f"until {d.valid_until:%-d %B %Y}",
                d.summary,
            ]
            for d in decisions.decisions(session)
        ]
        print_table(["Reference", "Purpose", "Organisation", "Decided", "State", "Summary"], rows)
