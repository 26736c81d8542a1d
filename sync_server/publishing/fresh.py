"""Definitions as they are now: a worker outlives their changes."""

from __future__ import annotations

from dataclasses import replace

from ..datasets.definitions import read_definitions
from ..datasets.service import ensure_incident_tables
from ..services import Services


def with_fresh_definitions(services: Services) -> Services:
    """The services with the definitions read anew, and their tables there; raises ``DefinitionError``."""
    definitions = read_definitions(services.settings.resources_dir / "datasets")
    ensure_incident_tables(services.database, definitions)
    return replace(services, definitions=definitions)
