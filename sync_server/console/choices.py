"""What pages call datasets and organisations, and offer to choose from."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..identity.service import organisations
from .visits import Visit


def title_of(visit: Visit, dataset: str) -> str:
    """The dataset's title; its code where it is declared no more."""
    definition = visit.services.definitions.get(dataset)
    return definition.title if definition else dataset


def dataset_options(visit: Visit) -> list[tuple[str, str]]:
    """The declared datasets to choose from."""
    return [(code, definition.title) for code, definition in sorted(visit.services.definitions.items())]


def organisation_options(session: Session) -> list[tuple[str, str]]:
    """The organisations to choose from."""
    return sorted(((o.code, o.name) for o in organisations(session)), key=lambda option: option[1])
