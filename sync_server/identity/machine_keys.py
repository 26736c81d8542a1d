"""Keys of suppliers' machines: shown once, kept as a hash, bound to one site of one dataset."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..errors import SafeStatsError
from ..instants import now
from ..problems import Problem
from ..services import Services
from .authority import authorise
from .models import MachineKey
from .permissions import Permission
from .service import find_organisation
from .tokens import digest, new_id, new_token

PREFIX = "sk_"
DAYS_UNLESS_TOLD = 365
MOST_DAYS = 730
_SITE = re.compile(r"[A-Za-z0-9._-]{0,64}")
_SHOWN = 8
_NOTED_EVERY = timedelta(minutes=5)
_PATIENCE_MS = 250


@dataclass(frozen=True)
class NewKey:
    """A key, which is told here and never again."""

    key: str
    entry: MachineKey


def add_key(
    services: Services,
    actor: str,
    name: str,
    organisation: str,
    dataset: str,
    site: str = "",
    days: int = DAYS_UNLESS_TOLD,
) -> NewKey:
    """A key for one site of a dataset; raises ``SafeStatsError`` where there is no such dataset or organisation."""
    services.definition(dataset)
    if not name.strip() or len(name) > 100:
        raise SafeStatsError("A key needs a name of up to 100 characters, by which it is known: say, the machine's.")
    if not _SITE.fullmatch(site):
        raise SafeStatsError(f"“{site}” is no site: use up to 64 letters, digits and . _ -")
    if not 1 <= days <= MOST_DAYS:
        raise SafeStatsError(f"A key lives for 1 to {MOST_DAYS} days.")
    shown = PREFIX + secrets.token_hex(_SHOWN // 2)
    key = f"{shown}_{new_token()}"
    at = now()
    with services.database.write() as session:
        authorise(session, actor, Permission.MANAGE_KEYS)
        home = find_organisation(session, organisation)
        entry = MachineKey(
            id=new_id(),
            prefix=shown,
            key_hash=digest(key),
            name=name.strip(),
            organisation_id=home.id,
            dataset=dataset,
            site=site,
            created_by=actor,
            created_at=at,
            expires_at=at + timedelta(days=days),
        )
        entry.organisation = home
        session.add(entry)
        session.flush()
        _record(services, EventType.MACHINE_KEY_ADDED, actor, entry)
    return NewKey(key, entry)


def keys(session: Session) -> Sequence[MachineKey]:
    """All keys, the newest first."""
    return session.scalars(select(MachineKey).order_by(MachineKey.created_at.desc(), MachineKey.id)).all()


def revoke_key(services: Services, actor: str, prefix: str) -> MachineKey:
    """Revoke the key that begins so; it opens nothing from now on."""
    with services.database.write() as session:
        authorise(session, actor, Permission.MANAGE_KEYS)
        entry = session.scalar(select(MachineKey).where(MachineKey.prefix == prefix))
        if entry is None:
            raise SafeStatsError(f"There is no key “{prefix}”: see “safestats key list”.")
        if entry.revoked_at is None:
            entry.revoked_at = now()
            _record(services, EventType.MACHINE_KEY_REVOKED, actor, entry)
    return entry


def find_key(services: Services, key: str) -> MachineKey:
    """The entry of a key in force; unknown, expired and revoked ones all raise the same ``Problem`` 401."""
    at = now()
    with services.database.read() as session:
        entry = session.scalar(select(MachineKey).where(MachineKey.key_hash == digest(key)))
    if (
        entry is None
        or entry.revoked_at is not None
        or not entry.created_at <= at < entry.expires_at
        or not entry.organisation.active
    ):
        raise Problem(
            401, "key-not-valid", "Key not valid", "This key is not valid (any more): ask the SafeStats team."
        )
    _note_use(services, entry)
    return entry


def _note_use(services: Services, entry: MachineKey) -> None:
    at = now()
    if entry.last_used_at is not None and at - entry.last_used_at < _NOTED_EVERY:
        return
    try:
        with services.database.write(patience_ms=_PATIENCE_MS) as session:
            session.execute(update(MachineKey).where(MachineKey.id == entry.id).values(last_used_at=at))
    except OperationalError:
        return  # a load is writing: the next use is noted


def _record(services: Services, event: EventType, actor: str, entry: MachineKey) -> None:
    services.audit.record(
        event,
        actor=actor,
        organisation=entry.organisation.code,
        dataset=entry.dataset,
        filter={"key": entry.id, "site": entry.site},
    )
