"""A server for tests, and a client that speaks HTTP to it."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from safestats.sync_server.identity.models import Channel
from safestats.sync_server.identity.sessions import find_session, subject_at_work
from safestats.sync_server.identity.subject import Subject
from safestats.sync_server.services import Services

USERNAME = "camden.analyst"
PASSWORD = "three random words"


@dataclass
class Server:
    """The application, its services, and a client without a session."""

    app: FastAPI
    services: Services
    client: TestClient

    def sign_in(self, username: str = USERNAME, password: str = PASSWORD) -> Response:
        return self.client.post("/v1/session", json={"username": username, "password": password})

    def accept(self, pending: dict, **changes: str) -> Response:
        body = {
            "conditions_version": pending["conditions"]["version"],
            "conditions_sha256": pending["conditions"]["sha256"],
            "purpose": "needs-assessment",
            **changes,
        }
        return self.client.post("/v1/session/accept", json=body, headers=bearer(pending["token"]))

    def active(self) -> dict[str, str]:
        """The headers of an active session."""
        return bearer(self.accept(self.sign_in().json()).json()["token"])

    def events(self) -> list[dict]:
        return [event.body for event in self.services.audit.events()]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def subject_of_token(server: Server, token: str, channel: Channel = Channel.DESK) -> Subject:
    """Who asks with the token; raises ``Problem`` where its session is not active."""
    services = server.services
    with services.database.read() as session:
        found = find_session(session, token, services.settings, channel)
        return subject_at_work(services.database, session, found, services.settings)
