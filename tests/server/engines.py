"""The settings of a test's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safestats.sync_server.settings import Settings


def settings_for(folder: Path, **changes: Any) -> Settings:
    """A server in a folder of its own, with passwords that are hashed fast."""
    return Settings(data_dir=folder, **{"password_rounds": 1, "password_memory_kib": 64, **changes})
