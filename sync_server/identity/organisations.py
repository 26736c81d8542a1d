"""What the SafeStats team does with organisations: the register, amendments, their own sign-in. Checked and audited."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..errors import SafeStatsError
from ..services import Services
from .authority import authorise
from .models import Organisation
from .permissions import Permission
from .secret_box import SecretBox
from .service import add_organisation, end_access, find_organisation, set_areas, users

REGISTER_FILE = "organisations.toml"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Entry:
    """An organisation as the register has it."""

    code: str
    name: str
    kind: str
    areas: tuple[str, ...]
    remit: str


def read_register(path: Path) -> tuple[Entry, ...]:
    """The register's entries in its order; raises ``SafeStatsError`` where it cannot be understood."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = tuple(Entry(**{**entry, "areas": tuple(entry["areas"])}) for entry in document["organisations"])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise SafeStatsError(f"{path}: this is no register of organisations ({error}).") from error
    for name in ("code", "name"):
        values = [getattr(entry, name) for entry in entries]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise SafeStatsError(f"{path}: “{twice[0]}” stands there twice: give each organisation one entry.")
    return entries


def load_register(services: Services, actor: str, entries: Sequence[Entry]) -> list[str]:
    """Take the register over; returns a line for each change, none where all was so already.

    Organisations are known by their code, or their name. Those that are not in the register stay as they are.
    """
    told = []
    with services.database.write() as session:
        authorise(session, actor, Permission.MANAGE_ORGANISATIONS)
        for entry in entries:
            there = session.scalar(
                select(Organisation)
                .where(or_(Organisation.code == entry.code, Organisation.name == entry.name))
                .order_by((Organisation.code == entry.code).desc())
                .limit(1)
            )
            if there is None:
                added = add_organisation(session, entry.code, entry.name, entry.kind, entry.remit, entry.areas)
                _record(services, EventType.ORGANISATION_ADDED, actor, added, register=True)
                told.append(f"{entry.code}: added {entry.name}")
                continue
            changed = _change(
                session, there, name=entry.name, kind=entry.kind, remit=entry.remit, areas=tuple(entry.areas)
            )
            if changed:
                _record(services, EventType.ORGANISATION_CHANGED, actor, there, changed=changed, register=True)
                told.append(f"{there.code}: changed {', '.join(changed)}")
    return told


def add(
    services: Services,
    actor: str,
    code: str,
    name: str,
    *,
    kind: str | None = None,
    remit: str | None = None,
    areas: Sequence[str] | None = None,
) -> Organisation:
    """A new organisation; raises ``SafeStatsError`` where it cannot be."""
    with services.database.write() as session:
        authorise(session, actor, Permission.MANAGE_ORGANISATIONS)
        organisation = add_organisation(session, code, name, kind or "", remit or "", areas or ())
        _record(services, EventType.ORGANISATION_ADDED, actor, organisation)
    return organisation


def amend(
    services: Services,
    actor: str,
    code: str,
    *,
    name: str | None = None,
    kind: str | None = None,
    remit: str | None = None,
    areas: Sequence[str] | None = None,
) -> list[str]:
    """Change an organisation; what is None stays. Returns the names of what was changed."""
    with services.database.write() as session:
        authorise(session, actor, Permission.MANAGE_ORGANISATIONS)
        organisation = find_organisation(session, code)
        changed = _change(session, organisation, name=name, kind=kind, remit=remit, areas=areas)
        if changed:
            _record(services, EventType.ORGANISATION_CHANGED, actor, organisation, changed=changed)
    return changed


def set_active(services: Services, actor: str, code: str, active: bool) -> Organisation:
    """Close an organisation (its people's sessions and links end at once) or open it again."""
    with services.database.write() as session:
        authorise(session, actor, Permission.MANAGE_ORGANISATIONS)
        organisation = find_organisation(session, code)
        organisation.active = active
        if not active:
            for user in users(session, organisation.id):
                end_access(session, user)
        _record(services, EventType.ORGANISATION_CHANGED, actor, organisation, active=active)
    return organisation


def set_oidc(services: Services, actor: str, code: str, issuer: str, client_id: str, client_secret: str = "") -> None:
    """Let an organisation's people sign in at its own OpenID provider; without an issuer, no longer.

    Without a secret this server is a public client, which PKCE protects. Who was linked there before is linked anew.
    """
    issuer = issuer.strip()
    address = urlsplit(issuer)
    if issuer and (address.scheme != "https" and not (address.scheme == "http" and address.hostname in _LOOPBACK)):
        raise SafeStatsError(f"“{issuer}” is no address of an OpenID provider: it begins with https://.")
    if issuer and not client_id:
        raise SafeStatsError("The OpenID provider knows this server by a client id: give it as well.")
    with services.database.write() as session:
        authorise(session, actor, Permission.MANAGE_ORGANISATIONS)
        organisation = find_organisation(session, code)
        moved = issuer != organisation.oidc_issuer
        organisation.oidc_issuer, organisation.oidc_client_id = issuer, client_id if issuer else ""
        sealed = SecretBox(services.keys).seal(client_secret, f"oidc:{organisation.id}") if client_secret else ""
        organisation.oidc_client_secret = sealed if issuer else ""
        for user in users(session, organisation.id) if moved else ():
            user.oidc_subject = ""
            # Nobody is left without a way in: a reset by mail sets a password.
            user.sso_only = user.sso_only and bool(issuer)
        _record(services, EventType.ORGANISATION_CHANGED, actor, organisation, changed=["oidc"])


def _change(
    session: Session,
    organisation: Organisation,
    *,
    name: str | None,
    kind: str | None,
    remit: str | None,
    areas: Sequence[str] | None,
) -> list[str]:
    changed = []
    if name is not None and not name.strip():
        raise SafeStatsError("An organisation needs a name.")
    if name is not None and name.strip() != organisation.name:
        taken = select(Organisation.id).where(Organisation.name == name.strip(), Organisation.id != organisation.id)
        if session.scalar(taken) is not None:
            raise SafeStatsError(f"Another organisation has the name “{name.strip()}” already.")
    for field, value in (("name", name), ("kind", kind), ("remit", remit)):
        if value is not None and value.strip() != getattr(organisation, field):
            setattr(organisation, field, value.strip())
            changed.append(field)
    if areas is not None and sorted(set(areas)) != [area.code for area in organisation.areas]:
        set_areas(organisation, areas)
        changed.append("areas")
    session.flush()
    return changed


def _record(services: Services, event: EventType, actor: str, organisation: Organisation, **more: Any) -> None:
    services.audit.record(event, actor=actor, organisation=organisation.code, filter=more)
