"""Where the server keeps things and what it allows; read from the environment (``SAFESTATS_…``)."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_POSTGRESQL = "postgresql+psycopg://"


def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks or addresses divided by commas; raises ``ValueError`` where one is none."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


class Part(StrEnum):
    """As whom a process works with the database: on PostgreSQL a role of its own each."""

    APPLICATION = "application"  # what people and machines reach over the network
    PUBLISHER = "publisher"  # the command line and the worker: loads and publishes
    OWNER = "owner"  # owns the tables: ``safestats init``


class Settings(BaseSettings):
    """All paths hang on ``data_dir``; times are in the units that their names say."""

    model_config = SettingsConfigDict(env_prefix="SAFESTATS_")

    data_dir: Path = Path("build/server")
    resources_dir: Path = PACKAGE_ROOT / "resources"
    # Empty: the embedded database. Else PostgreSQL's, under the role of each part.
    database_url: str = Field(default="", repr=False)
    publisher_url: str = Field(default="", repr=False)
    owner_url: str = Field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 8520
    idle_minutes: int = 30
    session_hours: int = 12
    lease_days: int = 14
    # Seals are written here too; let it lie on another host. Empty: in the folder beside the audit.
    audit_export_dir: Path | None = None
    # The private key of the seals. Empty: in the data folder.
    audit_signing_key: Path | None = None
    # Sealed batches older than this may be archived by “safestats audit retention”; 0: never.
    audit_keep_months: int = 0
    # The list of recalled incidents, which a restored database is held to. Empty: in the data folder.
    never_load_list: Path | None = None
    # What one session may add to the audit: a refusal or a listing counts ten, anything else one.
    audit_points_per_minute: int = 600
    # How large what a supplier sends at once may be, and for how many days its Idempotency-Key is remembered.
    supply_megabytes: int = Field(default=100, ge=1, le=2000)
    idempotency_days: int = Field(default=30, ge=1, le=400)
    # Where people reach the server, for the links in mails. Empty: the host and port.
    public_address: str = ""
    # Reverse proxies (addresses or networks, divided by commas) whose X-Forwarded-For is believed.
    trusted_proxies: str = ""
    # The plugin's zip that QGIS's plugin manager is given. Empty: plugin/safestats.zip in the data folder.
    plugin_zip: Path | None = None
    # How long the links in mails live.
    invitation_hours: int = 72
    reset_minutes: int = 60
    # Mails go by this server, over TLS ("starttls", or "tls" from the first byte). Empty: into files.
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: Literal["starttls", "tls"] = "starttls"
    smtp_user: str = ""
    smtp_password: str = Field(default="", repr=False)
    mail_sender: str = "SafeStats <safestats@localhost>"
    # Argon2id: passes over the memory, and the memory.
    password_rounds: int = 3
    password_memory_kib: int = 65_536

    @field_validator("database_url", "publisher_url", "owner_url")
    @classmethod
    def _is_postgresql(cls, url: str) -> str:
        if url and not url.startswith(_POSTGRESQL):
            raise ValueError(f"it begins with {_POSTGRESQL}, or is empty for the embedded database")
        return url

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        parse_networks(text)
        return text

    @property
    def embedded(self) -> bool:
        """Whether the database is the embedded one."""
        return not (self.database_url or self.publisher_url or self.owner_url)

    def url(self, part: Part) -> str:
        """The address of PostgreSQL's database for a part; empty where it is not set."""
        urls = {
            Part.APPLICATION: self.database_url,
            Part.PUBLISHER: self.publisher_url,
            Part.OWNER: self.owner_url,
        }
        return urls[part]

    @property
    def database_path(self) -> Path:
        """The embedded database."""
        return self.data_dir / "safestats.sqlite"

    @property
    def audit_path(self) -> Path:
        """The audit's own file: a refusal survives a rolled-back request."""
        return self.data_dir / "audit.sqlite"

    @property
    def audit_seals_dir(self) -> Path:
        """Where seals are exported to."""
        return self.audit_export_dir or self.data_dir / "audit-seals"

    @property
    def audit_key_path(self) -> Path:
        """The private key that signs seals; the public ones lie in ``audit-public-keys`` in the data folder."""
        return self.audit_signing_key or self.data_dir / "audit-signing-key"

    @property
    def artefacts_dir(self) -> Path:
        """Published slices and snapshots, by name."""
        return self.data_dir / "artefacts"

    @property
    def base_map_path(self) -> Path:
        """The base map that desks fetch, which ``safestats basemap`` makes."""
        return self.data_dir / "base-map" / "base-map.gpkg"

    @property
    def plugin_path(self) -> Path:
        """The plugin that the server hands out, where there is one."""
        return self.plugin_zip or self.data_dir / "plugin" / "safestats.zip"

    @property
    def incoming_dir(self) -> Path:
        """Files that came over the network and wait to be loaded, readable by the owner only."""
        return self.data_dir / "incoming"

    @property
    def needs_packs_dir(self) -> Path:
        """Needs-assessment packs that were asked for, for a day."""
        return self.data_dir / "needs-packs"

    @property
    def never_load_path(self) -> Path:
        """What was recalled, by keyed identities: it must outlive a restored database."""
        return self.never_load_list or self.data_dir / "never-load.jsonl"

    @property
    def keys_path(self) -> Path:
        """Secret keys (feature ids, identities), readable by the owner only."""
        return self.data_dir / "keys.json"

    @property
    def outbox_dir(self) -> Path:
        """Mails, as files, where no mail server is set."""
        return self.data_dir / "outbox"

    @property
    def address(self) -> str:
        """Where people reach the server, without a slash at its end."""
        return self.public_address.rstrip("/") or f"http://{self.host}:{self.port}"

    @cached_property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The trusted proxies."""
        return parse_networks(self.trusted_proxies)

    @property
    def reset_length(self) -> timedelta:
        """How long a link to set a new password lives."""
        return timedelta(minutes=self.reset_minutes)

    @property
    def idle(self) -> timedelta:
        """How long a session lives without work."""
        return timedelta(minutes=self.idle_minutes)

    @property
    def session_length(self) -> timedelta:
        """How long a session lives at most."""
        return timedelta(hours=self.session_hours)
