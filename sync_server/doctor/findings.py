"""What an examination finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"  # the server works; somebody should look at it
    FAIL = "fail"  # the server does not work, or does not protect as it must


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what it is like, and what to do about it (empty where there is nothing to do)."""

    state: State
    subject: str
    told: str
    advice: str = ""


Check = Callable[[], Iterator[Finding]]


def ok(subject: str, told: str) -> Finding:
    """All is well."""
    return Finding(State.OK, subject, told)


def warn(subject: str, told: str, advice: str) -> Finding:
    """Somebody should look at it."""
    return Finding(State.WARN, subject, told, advice)


def fail(subject: str, told: str, advice: str) -> Finding:
    """It must be put right."""
    return Finding(State.FAIL, subject, told, advice)
