"""The conditions of use: published in versions, the newest of which every session has to accept."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..errors import SafeStatsError
from ..instants import now
from ..services import Services
from .authority import authorise
from .models import ConditionsOfUse
from .permissions import Permission

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


def current_conditions(session: Session) -> ConditionsOfUse:
    """The newest version; raises ``SafeStatsError`` where none is published."""
    newest = session.scalar(select(ConditionsOfUse).order_by(ConditionsOfUse.published_at.desc()).limit(1))
    if newest is None:
        raise SafeStatsError("No conditions of use are published: run “safestats init”.")
    return newest


def all_conditions(session: Session) -> Sequence[ConditionsOfUse]:
    """Every published version, the one in force first."""
    return session.scalars(select(ConditionsOfUse).order_by(ConditionsOfUse.published_at.desc())).all()


def publish_conditions(session: Session, version: str, text: str) -> ConditionsOfUse:
    """Make the text the one to accept: every session is pending again until its person has accepted it.

    A published version never changes: raises ``SafeStatsError`` where it exists already, or the text is empty.
    The caller audits.
    """
    if not text.strip():
        raise SafeStatsError("The conditions of use are empty: nothing was published.")
    if not _VERSION.fullmatch(version):
        raise SafeStatsError(f"“{version}” is no version: use up to 32 letters, digits and . _ - (say, 2027-01).")
    if session.get(ConditionsOfUse, version) is not None:
        raise SafeStatsError(f"Version {version} of the conditions is published already: choose a new version.")
    # Later than any before, even where the clock was set back: the newest is the one in force.
    last = session.scalar(select(func.max(ConditionsOfUse.published_at)))
    at = now()
    if last is not None and at <= last:
        raise SafeStatsError(
            "The server's clock is behind the last version's publication: set the clock, then publish."
        )
    digest = hashlib.sha256(text.encode()).hexdigest()
    conditions = ConditionsOfUse(version=version, text=text, sha256=digest, published_at=at)
    session.add(conditions)
    session.flush()
    return conditions


def publish(services: Services, actor: str, version: str, text: str) -> ConditionsOfUse:
    """``publish_conditions`` for a person (or the command line), audited."""
    with services.database.write() as session:
        authorise(session, actor, Permission.PUBLISH_CONDITIONS)
        conditions = publish_conditions(session, version, text)
        services.audit.record(
            EventType.CONDITIONS_PUBLISHED, actor=actor, conditions=f"{conditions.version} {conditions.sha256}"
        )
    return conditions


def difference(old: str, new: str) -> list[str]:
    """The lines of ``new`` against those of ``old``: each begins with “+ ”, “- ” or two blanks."""
    return [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if not line.startswith("? ")]
