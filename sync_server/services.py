"""What the parts of the server work with, built once and passed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .audit.log import AuditLog
from .database import Database
from .datasets.definitions import DatasetDefinition
from .keys import Keys
from .settings import Settings


@dataclass(frozen=True)
class Services:
    """One of each; nothing of it is module-level."""

    settings: Settings
    database: Database
    audit: AuditLog
    keys: Keys
    definitions: Mapping[str, DatasetDefinition]
