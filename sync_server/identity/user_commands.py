"""Commands: people, their roles, passwords and second factors."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..audit.log import COMMAND_LINE, EventType
from ..command_line import initialised, print_table
from ..instants import LONDON
from ..services import Services
from . import people, second_factor, service
from .models import Role, User

user_commands = typer.Typer(no_args_is_help=True, help="People, their roles, passwords and second factors.")
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Sites = Annotated[
    list[str] | None, typer.Option("--site", help="A supplier's dataset, or dataset/site, say istv/st-thomas.")
]


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


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return typer.prompt("Password", hide_input=True, confirmation_prompt=True)
