"""Commands: suppliers' keys, and the conditions of use; those of organisations, people and decisions stand beside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE, AuditLog, EventType
from ..command_line import initialised, print_table
from ..errors import SafeStatsError
from ..instants import LONDON
from . import conditions as conditions_of_use
from . import machine_keys
from .conditions import current_conditions, publish_conditions
from .decision_commands import decision_commands
from .models import ConditionsOfUse
from .organisation_commands import organisation_commands
from .user_commands import user_commands

commands = typer.Typer()
key_commands = typer.Typer(no_args_is_help=True, help="Keys of suppliers' machines.")
conditions_commands = typer.Typer(no_args_is_help=True, help="The conditions of use.")
commands.add_typer(organisation_commands, name="org")
commands.add_typer(user_commands, name="user")
commands.add_typer(key_commands, name="key")
commands.add_typer(conditions_commands, name="conditions")
commands.add_typer(decision_commands, name="decision")


@key_commands.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="By which the key is known: say, the machine's.")],
    org: Annotated[str, typer.Option(help="Code of the supplier's organisation.")],
    dataset: Annotated[str, typer.Option(help="Whose deliveries it opens.")],
    site: Annotated[str, typer.Option(help="And of which site, where the supplier has several.")] = "",
    days: Annotated[int, typer.Option(help="How long it lives.")] = machine_keys.DAYS_UNLESS_TOLD,
) -> None:
    """Make a key for a supplier's machine: it is shown this once."""
    with initialised() as services:
        new = machine_keys.add_key(services, COMMAND_LINE, name, org, dataset, site, days)
    typer.echo(new.key)
    typer.echo(f"Keep it now: it is not shown again. It expires on {new.entry.expires_at:%-d %B %Y}.", err=True)


@key_commands.command("list")
def list_keys() -> None:
    """All keys, of which only the beginnings are known."""
    with initialised() as services, services.database.read() as session:
        rows = [
            [
                key.prefix,
                key.name,
                key.organisation.code,
                key.dataset,
                key.site,
                "revoked" if key.revoked_at else f"until {key.expires_at:%-d %B %Y}",
                f"{key.last_used_at:%-d %B %Y}" if key.last_used_at else "never",
            ]
            for key in machine_keys.keys(session)
        ]
        print_table(["Begins", "Name", "Organisation", "Dataset", "Site", "State", "Last used"], rows)


@key_commands.command("revoke")
def revoke_key(begins: Annotated[str, typer.Argument(help="The key's beginning, as listed.")]) -> None:
    """Revoke a key: it opens nothing from now on."""
    with initialised() as services:
        machine_keys.revoke_key(services, COMMAND_LINE, begins)
    typer.echo(f"{begins} opens nothing any more.")


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


@conditions_commands.command("list")
def list_conditions() -> None:
    """Every published version, the one in force first."""
    with initialised() as services, services.database.read() as session:
        rows = [
            [c.version, f"{c.published_at.astimezone(LONDON):%-d %B %Y %H:%M}", c.sha256]
            for c in conditions_of_use.all_conditions(session)
        ]
    print_table(["Version", "Published", "SHA-256"], rows)


def publish_supplied_conditions(session: Session, audit: AuditLog, folder: Path) -> str:
    """Publish the newest supplied text unless some text is published; returns the version in force."""
    if session.scalar(select(ConditionsOfUse.version).limit(1)) is not None:
        return current_conditions(session).version
    newest = max(folder.glob("*.md"), key=lambda path: path.stem)
    conditions = publish_conditions(session, newest.stem, _read(newest))
    audit.record(
        EventType.CONDITIONS_PUBLISHED,
        actor=COMMAND_LINE,
        conditions=f"{conditions.version} {conditions.sha256}",
    )
    return conditions.version


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SafeStatsError(f"{file}: this text cannot be read ({error}).") from error
