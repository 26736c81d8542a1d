"""The plugin's own version."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

_METADATA = Path(__file__).resolve().parents[2] / "metadata.txt"


def plugin_version() -> str:
    """The version in ``metadata.txt``."""
    metadata = ConfigParser(interpolation=None)
    metadata.read(_METADATA, encoding="utf-8")
    return metadata["general"]["version"]
