"""Commands: organisations, people, suppliers' keys, conditions of use, decisions on purposes."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE, AuditLog, EventType
from ..command_line import initialised, print_table, printable
from ..errors import SafeStatsError
from ..instants import LONDON
from ..services import Services
from . import conditions as conditions_of_use
from . import decisions, machine_keys, organisations, people, second_factor, service
from .conditions import current_conditions, publish_conditions
from .models import ConditionsOfUse, Organisation, RequestState, Role, User

commands = typer.Typer()
organisation_commands = typer.Typer(no_args_is_help=True, help="Organisations.")
user_commands = typer.Typer(no_args_is_help=True, help="People, their roles, passwords and second factors.")
key_commands = typer.Typer(no_args_is_help=True, help="Keys of suppliers' machines.")
conditions_commands = typer.Typer(no_args_is_help=True, help="The conditions of use.")
decision_commands = typer.Typer(
    no_args_is_help=True, help="Purposes that wait for a decision, and the Steering Group's."
)
commands.add_typer(organisation_commands, name="org")
commands.add_typer(user_commands, name="user")
commands.add_typer(key_commands, name="key")
commands.add_typer(conditions_commands, name="conditions")
commands.add_typer(decision_commands, name="decision")

PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Areas = Annotated[list[str] | None, typer.Option("--area", help="Code of an area that it serves, say E09000007.")]
Sites = Annotated[
    list[str] | None, typer.Option("--site", help="A supplier's dataset, or dataset/site, say istv/st-thomas.")
]
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


@user_commands.command("add")
def add_user(
    username: str,
    org: Annotated[str, typer.Option(help="Code of the organisation.")],
    name: Annotated[str, typer.Option(help="The name that people see.")] = "",
    role: Annotated[Role, typer.Option()] = Role.ANALYST,
    email: Annotated[str, typer.Option(help="Where resets are sent.")] = "",
    site: Sites = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Add a person with a password that is told them otherwise; “user invite” lets them choose it."""
    with initialised() as services:
        sites = _sites(services, site)
        password = _password(password_stdin)
        with services.database.write() as session:
            organisation = service.find_organisation(session, org)
            user = service.add_user(
                session, services.passwords, username, organisation, name, role, password, email, sites
            )
            services.audit.record(
                EventType.USER_ADDED,
                actor=COMMAND_LINE,
                organisation=org,
                filter={"user": user.id, "role": user.role},
            )
    typer.echo(f"Added {user.username} to {organisation.name}.")


@user_commands.command("invite")
def invite(
    username: str,
    org: Annotated[str, typer.Option(help="Code of the organisation.")],
    email: Annotated[str, typer.Option(help="Where the invitation is sent.")],
    name: Annotated[str, typer.Option(help="The name that people see.")] = "",
    role: Annotated[Role, typer.Option()] = Role.ANALYST,
    site: Sites = None,
) -> None:
    """Make an account and mail a link by which its person chooses a password."""
    with initialised() as services:
        invited = people.invite(
            services,
            COMMAND_LINE,
            username=username,
            organisation=org,
            role=role,
            email=email,
            display_name=name,
            sites=_sites(services, site),
        )
        typer.echo(_sent(services, invited))


@user_commands.command("invite-again")
def invite_again(username: str) -> None:
    """Mail a new link to who has not taken up their invitation; the one before ends."""
    with initialised() as services:
        typer.echo(_sent(services, people.invite_again(services, COMMAND_LINE, _id_of(services, username))))


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
                _account(u),
                "yes" if u.has_second_factor else "no",
                u.id,
            ]
            for u in service.users(session)
        ]
        print_table(["User name", "Name", "Organisation", "Role", "Account", "Second factor", "In the audit"], rows)


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


@user_commands.command("role")
def change_role(username: str, role: Role, site: Sites = None) -> None:
    """Give a person another role; their sessions end."""
    with initialised() as services:
        user = people.change_role(services, COMMAND_LINE, _id_of(services, username), role, _sites(services, site))
    typer.echo(f"{user.username} is {role} now; their sessions have ended.")


@user_commands.command("amend")
def amend_user(
    username: str,
    name: Annotated[str | None, typer.Option(help="The name that people see.")] = None,
    email: Annotated[str | None, typer.Option(help="Where resets are sent.")] = None,
    sso_only: Annotated[
        bool | None, typer.Option("--sso-only/--password", help="Whether they sign in at their organisation only.")
    ] = None,
) -> None:
    """Change a person's name, address or way of signing in."""
    with initialised() as services:
        people.amend(
            services, COMMAND_LINE, _id_of(services, username), display_name=name, email=email, sso_only=sso_only
        )
    typer.echo(f"Changed {username}.")


@user_commands.command("deactivate")
def deactivate(username: str) -> None:
    """Close a person's account; their sessions end."""
    with initialised() as services:
        user = people.close_account(services, COMMAND_LINE, _id_of(services, username))
    typer.echo(f"{user.username} can no longer sign in.")


@user_commands.command("reactivate")
def reactivate(username: str) -> None:
    """Open a closed account again."""
    with initialised() as services:
        user = people.reopen_account(services, COMMAND_LINE, _id_of(services, username))
    typer.echo(f"{user.username} can sign in again.")


@user_commands.command("reset-second-factor")
def reset_second_factor(username: str) -> None:
    """Take a lost second factor off an account; its person's sessions end."""
    with initialised() as services:
        user = second_factor.reset_second_factor(services, COMMAND_LINE, _id_of(services, username))
    typer.echo(f"{user.username} has no second factor now; who needs one sets it up at the next sign-in.")


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


def _id_of(services: Services, username: str) -> str:
    with services.database.read() as session:
        return service.find_user(session, username).id


def _sites(services: Services, given: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for text in given or ():
        dataset, _, site = text.partition("/")
        services.definition(dataset)
        pairs.append((dataset, site))
    return pairs


def _sent(services: Services, invited: people.Invited) -> str:
    settings = services.settings
    way = (
        f"was sent by {settings.smtp_host}"
        if settings.smtp_host
        else f"lies in {settings.outbox_dir} as a letter with the link, for no mail server is set"
    )
    until = f"{invited.expires_at.astimezone(LONDON):%-d %B %Y, %H:%M}"
    return f"The invitation of {invited.user.username} {way}; it can be used until {until} (London time)."


def _account(user: User) -> str:
    if not user.active:
        return "inactive"
    return "active" if user.password_hash or user.oidc_subject else "invited"


def _state(active: bool) -> str:
    return "active" if active else "inactive"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SafeStatsError(f"{file}: this text cannot be read ({error}).") from error


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return typer.prompt("Password", hide_input=True, confirmation_prompt=True)
