"""A server with people of every role, the worker's own services, and publishers who upload."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from safestats.sync_server.identity.conditions import current_conditions
from safestats.sync_server.identity.models import SignIn, SignInState
from safestats.sync_server.identity.service import find_user
from safestats.sync_server.instants import now
from safestats.sync_server.publishing.jobs import Jobs
from safestats.sync_server.publishing.worker import do_next
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.sync_server.uploads import service
from safestats.sync_server.uploads.service import UploadStanding
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import Console
from safestats.tests.server.ingest_rig import STREET_HEADER, street_row

UPLOADS = "/v1/publishing/uploads"


def street(*rows: str) -> bytes:
    """Rows as a street CSV."""
    return "\r\n".join([STREET_HEADER, *rows, ""]).encode()


def month(name: str, rows: int, first: int = 0) -> bytes:
    """So many incidents of a month."""
    return street(*(street_row(f"{name}-{n}", month=name) for n in range(first, first + rows)))


@dataclass
class Uploads:
    """The console and its application, and the services of a worker beside them."""

    console: Console
    worker: Services

    @property
    def services(self) -> Services:
        return self.console.services

    @property
    def publisher(self) -> str:
        """The id of the team's publisher."""
        return self.id_of("gla.publisher")

    @property
    def waiting(self) -> list[Path]:
        """The files that wait."""
        folder = self.services.settings.incoming_dir
        return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []

    def id_of(self, username: str) -> str:
        with self.services.database.read() as session:
            return find_user(session, username).id

    def receive(self, *files: tuple[str, bytes], dataset: str = "colp", **options: Any) -> int:
        """Files sent by the publisher."""
        streams = [(name, BytesIO(data)) for name, data in files]
        return service.receive(self.services, self.publisher, dataset, streams, **options)

    def work(self) -> None:
        """Let a worker do what waits."""
        jobs = Jobs(self.worker.database)
        while jobs.any_open():
            assert do_next(self.worker, jobs)

    def standing(self, number: int) -> UploadStanding:
        with self.services.database.read() as session:
            return service.standing(session, number)

    def loaded(self, *files: tuple[str, bytes], **options: Any) -> UploadStanding:
        """What came of files that the publisher sent."""
        number = self.receive(*files, **options)
        self.work()
        return self.standing(number)

    def token(self, username: str, state: SignInState = SignInState.ACTIVE) -> str:
        """The token of somebody who is signed in at a desk."""
        token, at, active = secrets.token_urlsafe(32), now(), state == SignInState.ACTIVE
        with self.services.database.write() as session:
            current = current_conditions(session)
            session.add(
                SignIn(
                    id=secrets.token_hex(16),
                    token_hash=hashlib.sha256(token.encode()).hexdigest(),
                    user_id=find_user(session, username).id,
                    state=state,
                    conditions_version=current.version if active else "",
                    conditions_sha256=current.sha256 if active else "",
                    purpose="needs-assessment" if active else "",
                    created_at=at,
                    accepted_at=at if active else None,
                    last_used_at=at,
                    expires_at=at + timedelta(hours=6),
                )
            )
        return token


@contextmanager
def running(settings: Settings) -> Iterator[Uploads]:
    """The application and a worker on a new server."""
    console_rig.make_server(settings)
    with console_rig.running(settings) as console:
        worker = open_services(settings, Part.PUBLISHER)
        try:
            yield Uploads(console, worker)
        finally:
            worker.close()
