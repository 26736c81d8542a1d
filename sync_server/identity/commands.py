"""Commands: organisations, people, conditions of use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE, AuditLog, EventType
from ..command_line import initialised, print_table
from ..errors import SafeStatsError
from . import conditions as conditions_of_use
from . import service
from .conditions import current_conditions, publish_conditions
from .models import ConditionsOfUse, Role

commands = typer.Typer()
organisation_commands = typer.Typer(no_args_is_help=True, help="Organisations.")
user_commands = typer.Typer(no_args_is_help=True, help="People and their passwords.")
conditions_commands = typer.Typer(no_args_is_help=True, help="The conditions of use.")
commands.add_typer(organisation_commands, name="org")
commands.add_typer(user_commands, name="user")
commands.add_typer(conditions_commands, name="conditions")

PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@organisation_commands.command("add")
def add_organisation(code: str, name: str) -> None:
    """Add an organisation, say: org add camden "London Borough of Camden"."""
    with initialised() as services, services.database.write() as session:
        organisation = service.add_organisation(session, code, name)
        services.audit.record(EventType.ORGANISATION_ADDED, actor=COMMAND_LINE, organisation=organisation.code)
    typer.echo(f"Added {organisation.name} ({organisation.code}).")


@organisation_commands.command("list")
def list_organisations() -> None:
    """All organisations."""
    with initialised() as services, services.database.read() as session:
        print_table(["Code", "Name"], [[o.code, o.name] for o in service.organisations(session)])


@user_commands.command("add")
def add_user(
    username: str,
    org: Annotated[str, typer.Option(help="Code of the organisation.")],
    name: Annotated[str, typer.Option(help="The name that people see.")] = "",
    role: Annotated[Role, typer.Option()] = Role.ANALYST,
    password_stdin: PasswordStdin = False,
) -> None:
    """Add a person to an organisation."""
    with initialised() as services:
        password = _password(password_stdin)
        with services.database.write() as session:
            organisation = service.find_organisation(session, org)
            user = service.add_user(session, services.passwords, username, organisation, name, role, password)
            services.audit.record(
                EventType.USER_ADDED,
                actor=COMMAND_LINE,
                organisation=org,
                filter={"user": user.id, "role": user.role},
            )
    typer.echo(f"Added {user.username} to {organisation.name}.")


@user_commands.command("list")
def list_users() -> None:
    """Everybody."""
    with initialised() as services, services.database.read() as session:
        rows = [
            [
                u.username,
                u.display_name,
                u.organisation.code,
                u.role,
                "active" if u.active else "inactive",
                u.id,
            ]
            for u in service.users(session)
        ]
        print_table(["User name", "Name", "Organisation", "Role", "Account", "In the audit"], rows)


@user_commands.command("password")
def change_password(username: str, password_stdin: PasswordStdin = False) -> None:
    """Set a person's password; their sessions end."""
    with initialised() as services:
        password = _password(password_stdin)
        with services.database.write() as session:
            user = service.find_user(session, username)
            service.change_password(session, services.passwords, user, password)
            services.audit.record(
                EventType.USER_PASSWORD,
                actor=COMMAND_LINE,
                organisation=user.organisation.code,
                filter={"user": user.id},
            )
    typer.echo(f"Changed the password of {user.username}; their sessions have ended.")


@user_commands.command("deactivate")
def deactivate(username: str) -> None:
    """Close a person's account; their sessions end."""
    with initialised() as services, services.database.write() as session:
        user = service.find_user(session, username)
        service.deactivate(session, user)
        services.audit.record(
            EventType.USER_DEACTIVATED,
            actor=COMMAND_LINE,
            organisation=user.organisation.code,
            filter={"user": user.id},
        )
    typer.echo(f"{user.username} can no longer sign in.")


@conditions_commands.command("publish")
def publish(
    file: Annotated[Path, typer.Argument(help="The text, in Markdown.")],
    version: Annotated[str, typer.Option(help="Say, 2026-11.")],
) -> None:
    """Put a new version in force: nobody gets data until they have accepted it."""
    text = _read(file)
    with initialised() as services:
        conditions = conditions_of_use.publish(services, COMMAND_LINE, version, text)
    typer.echo(f"Conditions of use {conditions.version} are in force ({conditions.sha256}).")


@conditions_commands.command("show")
def show() -> None:
    """The conditions in force."""
    with initialised() as services, services.database.read() as session:
        conditions = current_conditions(session)
    typer.echo(f"Version {conditions.version}, SHA-256 {conditions.sha256}\n\n{conditions.text}")


def publish_supplied_conditions(session: Session, audit: AuditLog, folder: Path) -> str:
    """Publish the newest supplied text unless some text is published; returns the version in force."""
    if session.scalar(select(ConditionsOfUse.version).limit(1)) is not None:
        return current_conditions(session).version
    newest = max(folder.glob("*.md"), key=lambda path: path.stem)
    conditions = publish_conditions(session, newest.stem, _read(newest))
    _audit(audit, conditions)
    return conditions.version


def _audit(audit: AuditLog, conditions: ConditionsOfUse) -> None:
    audit.record(
        EventType.CONDITIONS_PUBLISHED,
        actor=COMMAND_LINE,
        conditions=f"{conditions.version} {conditions.sha256}",
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SafeStatsError(f"{file}: this text cannot be read ({error}).") from error


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return typer.prompt("Password", hide_input=True, confirmation_prompt=True)
