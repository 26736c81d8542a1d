"""The audit of an installation, opened."""

from __future__ import annotations

from ..settings import Settings
from .log import AuditLog
from .sealing import Sealing
from .seals import SealFolder
from .signing import Keyring
from .store import AuditStore
from .store_postgres import PostgresAuditStore
from .store_sqlite import SqliteAuditStore


def open_audit(settings: Settings, url: str = "") -> AuditLog:
    """The audit in the database at ``url``, as the role that it names; without one, in the embedded file."""
    store: AuditStore = PostgresAuditStore(url) if url else SqliteAuditStore(settings.audit_path)
    keyring = Keyring(settings.audit_key_path, settings.data_dir / "audit-public-keys")
    sealing = Sealing(store, keyring, SealFolder(settings.audit_seals_dir))
    return AuditLog(store, sealing, settings.audit_points_per_minute, settings.data_dir / "audit-heads.txt")
