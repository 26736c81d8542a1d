"""The conditions of use: published in versions, the newest of which every sign-in accepts."""

from __future__ import annotations

import hashlib

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..errors import SafeStatsError
from ..instants import now
from .models import ConditionsOfUse, SignIn, SignInState


def current_conditions(session: Session) -> ConditionsOfUse:
    """The newest version; raises ``SafeStatsError`` where none is published."""
    newest = session.scalar(select(ConditionsOfUse).order_by(ConditionsOfUse.published_at.desc()).limit(1))
    if newest is None:
        raise SafeStatsError("No conditions of use are published: run “safestats init”.")
    return newest


def publish_conditions(session: Session, version: str, text: str) -> ConditionsOfUse:
    """Make the text the one to accept, and end every sign-in, so that everybody accepts it.

    A published version never changes: raises ``SafeStatsError`` where it exists already, or the text is empty.
    """
    if not text.strip():
        raise SafeStatsError("The conditions of use are empty: nothing was published.")
    if session.get(ConditionsOfUse, version) is not None:
        raise SafeStatsError(f"Version {version} of the conditions is published already: choose a new version.")
    digest = hashlib.sha256(text.encode()).hexdigest()
    conditions = ConditionsOfUse(version=version, text=text, sha256=digest, published_at=now())
    session.add(conditions)
    session.execute(update(SignIn).values(state=SignInState.ENDED))
    return conditions
