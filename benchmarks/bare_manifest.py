"""The least SQL of which a manifest can be made: whose session, which grants, which files, one durable event."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg

from ..sync_server.agreements.scope import live_scopes
from ..sync_server.identity.tokens import digest
from ..sync_server.instants import london_today
from ..sync_server.publishing.slices import slice_keys
from ..sync_server.settings import Part
from .asking import Answered
from .invented_vault import LAYER, PERIODS, RELEASE, Person
from .prepared_vault import Vault

_SESSION = """
SELECT u.id, u.organisation_id, s.purpose FROM sign_in s
JOIN user_account u ON u.id = s.user_id JOIN organisation o ON o.id = u.organisation_id
WHERE s.token_hash = %s AND s.state = 'active' AND u.active AND o.active
"""
_GRANTS = """
SELECT a.reference, g.id, g.position, g.groups, g.precision, g.grid_m, c.code FROM agreement a
JOIN agreement_grant g ON g.agreement_id = a.id JOIN grant_area c ON c.grant_id = g.id
WHERE a.organisation_id = %s AND a.dataset = %s AND a.state = 'active'
"""
_FILES = """
SELECT l.period, a.name, a.size, a.sha256, a.chunks, a.rows, a.file_size, a.file_sha256 FROM layer_slice l
JOIN artefact a ON a.name = l.artefact WHERE l.dataset = %s AND l.release = %s AND l.fingerprint = ANY(%s)
"""
_EVENTS = "CREATE TABLE IF NOT EXISTS bare_event (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text)"
_EVENT = "INSERT INTO bare_event (body) VALUES (%s)"


@dataclass(frozen=True)
class BareManifest:
    """On one connection, under a role to whom no policy applies. Which rights an agreement has, it knows before."""

    connection: psycopg.Connection[Any]
    fingerprints: dict[str, list[str]]

    NOTE: ClassVar[str] = "The bare SQL is four statements on one connection, the last an insert that is on the disk."

    @classmethod
    @contextmanager
    def of(cls, vault: Vault) -> Iterator[BareManifest]:
        """Ready to ask."""
        services = vault.services(Part.APPLICATION)
        try:
            with services.database.read() as session:
                scopes = live_scopes(session, LAYER, services.definitions, london_today())
        finally:
            services.close()
        fingerprints = {s.agreement: sorted({key.fingerprint for key in slice_keys(s, PERIODS)}) for s in scopes}
        with psycopg.connect(vault.cluster.conninfo, prepare_threshold=1) as connection:
            connection.execute(_EVENTS)
            connection.commit()
            yield cls(connection, fingerprints)

    def all_of(self, people: Sequence[Person]) -> Answered:
        """One after another."""
        return Answered(tuple(self._one(person) for person in people))

    def _one(self, person: Person) -> float:
        began = time.perf_counter()
        execute = self.connection.execute
        user, organisation, purpose = execute(_SESSION, [digest(person.token)]).fetchall()[0]
        grants = execute(_GRANTS, [organisation, LAYER]).fetchall()
        files = execute(_FILES, [LAYER, RELEASE, self.fingerprints[grants[0][0]]]).fetchall()
        execute(_EVENT, [f"{user} {organisation} {purpose} {grants[0][0]} {len(files)}" + " " * 400])
        self.connection.commit()
        if len(files) != len(PERIODS):
            raise RuntimeError(f"{len(files)} files instead of {len(PERIODS)} stand behind {grants[0][0]}.")
        return time.perf_counter() - began
