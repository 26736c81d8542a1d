"""Forgets what was known of sign-ins once nobody needs it; the audit keeps that there was one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete

from ..database import Database
from ..instants import now
from .models import AccountLink, OidcAttempt, SignIn

# For so long a sign-in tells from where a person works, which spares them the limits on tries.
REMEMBERED = timedelta(days=90)


def forget(database: Database) -> int:
    """Remove sign-ins and links that ended 90 days ago, and attempts at single sign-on; returns how many went."""
    at = now()
    ended = (
        delete(SignIn).where(SignIn.expires_at < at - REMEMBERED),
        delete(AccountLink).where(AccountLink.expires_at < at - REMEMBERED),
        delete(OidcAttempt).where(OidcAttempt.expires_at < at),
    )
    with database.write() as session:
        results: list[Any] = [session.execute(statement) for statement in ended]
        return sum(result.rowcount for result in results)
