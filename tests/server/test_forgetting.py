"""What is known of sign-ins goes when nobody needs it any more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from safestats.sync_server.identity import links
from safestats.sync_server.identity.forgetting import forget
from safestats.sync_server.identity.models import AccountLink, SignIn, User
from safestats.sync_server.instants import now
from safestats.tests.server.trust_rig import USERNAME, Server
from sqlalchemy import func, select, update

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines


def _count(server: Server, model: type) -> int:
    with server.services.database.read() as session:
        return session.scalars(select(func.count()).select_from(model)).one()


@pytest.mark.parametrize(("days", "left"), [(89, 1), (91, 0)])
def test_sign_ins_and_links_go_90_days_after_their_end(server: Server, days: int, left: int) -> None:
    headers = server.active()
    database = server.services.database
    with database.write() as session:
        session.execute(update(User).values(email="analyst@camden.example.org"))
    links.request_reset(server.services, USERNAME, "192.0.2.1")
    with database.write() as session:
        session.execute(update(SignIn).values(expires_at=now() - timedelta(days=days)))
        session.execute(update(AccountLink).values(expires_at=now() - timedelta(days=days)))
    assert forget(database) == 2 * (1 - left)
    assert (_count(server, SignIn), _count(server, AccountLink)) == (left, left)
    # Its end was long before: whether it is known or not, it opens nothing.
    assert server.client.get("/v1/layers", headers=headers).status_code == 401


def test_what_lasts_stays_and_the_audit_keeps_all(server: Server) -> None:
    headers = server.active()
    events = len(server.events())
    assert forget(server.services.database) == 0
    assert server.client.get("/v1/layers", headers=headers).status_code == 200
    assert len(server.events()) == events + 1
