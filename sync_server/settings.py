"""Where the server keeps things and what it allows; read from the environment (``SAFESTATS_…``)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

PACKAGE_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """All paths hang on ``data_dir``; times are in the units that their names say."""

    model_config = SettingsConfigDict(env_prefix="SAFESTATS_")

    data_dir: Path = Path("build/server")
    resources_dir: Path = PACKAGE_ROOT / "resources"
    host: str = "127.0.0.1"
    port: int = 8520
    idle_minutes: int = 30
    session_hours: int = 12
    lease_days: int = 14
    # Argon2id: passes over the memory, and the memory.
    password_rounds: int = 3
    password_memory_kib: int = 65_536

    @property
    def database_path(self) -> Path:
        """The embedded database."""
        return self.data_dir / "safestats.sqlite"

    @property
    def audit_path(self) -> Path:
        """The audit's own file: a refusal survives a rolled-back request."""
        return self.data_dir / "audit.sqlite"

    @property
    def artefacts_dir(self) -> Path:
        """Published slices and snapshots, by name."""
        return self.data_dir / "artefacts"

    @property
    def keys_path(self) -> Path:
        """Secret keys (feature ids, identities), readable by the owner only."""
        return self.data_dir / "keys.json"

    @property
    def idle(self) -> timedelta:
        """How long a session lives without work."""
        return timedelta(minutes=self.idle_minutes)

    @property
    def session_length(self) -> timedelta:
        """How long a session lives at most."""
        return timedelta(hours=self.session_hours)
