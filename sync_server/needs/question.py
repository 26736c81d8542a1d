"""Which needs-assessment pack is asked for, and in whose place it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from ..errors import SafeStatsError
from ..identity.purposes import Purpose
from ..identity.subject import Subject
from ..quality.readers import reader_of
from ..services import Services
from .declared import read_declared
from .model import (
    Mode,
)


@dataclass(frozen=True)
class Question:
    """Which pack. ``borough`` is a code or a name; ``organisation`` whose agreements open it.

    ``purpose`` is told on the command line alone: a person has that of the session.
    """

    borough: str
    mode: Mode
    organisation: str
    purpose: str = ""


def reader_for(services: Services, session: Session, asking: Subject | None, question: Question) -> Subject:
    """In whose place the pack is read, and for what purpose; raises ``Problem`` or ``SafeStatsError``."""
    reader = reader_of(services, session, asking, question.organisation)
    if reader is asking:
        return reader
    wanted = question.purpose or read_declared(services.settings.resources_dir).purpose
    known = {one.code: one for one in services.purposes}
    if wanted not in known or not known[wanted].allowed or known[wanted].held:
        open_ones = ", ".join(code for code, one in known.items() if one.allowed and not one.held)
        advice = known[wanted].advice if wanted in known and known[wanted].advice else ""
        raise SafeStatsError(f"“{wanted[:40]}” is no purpose of a pack: name one of {open_ones}. {advice}".strip())
    return replace(reader, purpose=wanted)


def purpose_in_words(purposes: Sequence[Purpose], code: str) -> str:
    known = {purpose.code: purpose.title for purpose in purposes}
    return known.get(code, code.replace("-", " ").capitalize())
