"""The purposes that a person may have, read from ``resources/purposes.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Purpose:
    """One purpose. Where it is not allowed, ``advice`` says where to ask instead.

    One that is ``held`` is told in the person's own words and waits for approval; one ``by_decision`` is refused
    unless a decision of the Steering Group is recorded.
    """

    code: str
    title: str
    description: str
    allowed: bool
    advice: str = ""
    held: bool = False
    by_decision: bool = False


def read_purposes(path: Path) -> tuple[Purpose, ...]:
    """The purposes in the order of the file; raises ``ValueError`` where a refused one lacks its advice."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    purposes = tuple(Purpose(**entry) for entry in document["purposes"])
    for purpose in purposes:
        if not purpose.allowed and not purpose.advice:
            raise ValueError(f"{path.name}: purpose “{purpose.code}” is refused without advice where to ask.")
        if purpose.allowed and purpose.by_decision:
            raise ValueError(f"{path.name}: purpose “{purpose.code}” is allowed: it needs no decision.")
    return purposes
