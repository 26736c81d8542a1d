"""A pack as files: read, drawn, and audited with the digests of what leaves, before it does."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ..audit.events import EventType, Outcome
from ..datasets.areas import borough_code_of
from ..identity.subject import Subject
from ..problems import Problem
from ..services import Services
from .model import NeedsPack
from .pack import needs_pack, require_open
from .question import Question, reader_for
from .rendering import pack_html, pack_pdf
from .workbook import pack_workbook


class Format(StrEnum):
    """What is written."""

    HTML = "html"
    PDF = "pdf"
    XLSX = "xlsx"


@dataclass(frozen=True)
class Made:
    """The files of a pack by name, their SHA-256, and the agreements that opened what is in them, by dataset."""

    contents: Mapping[str, bytes]
    digests: Mapping[str, str]
    agreements: Mapping[str, str]


def make_files(services: Services, asking: Subject | None, question: Question, today: date | None = None) -> Made:
    """The page, the PDF and the workbook, of the same figures; ``asking`` is ``None`` on the command line.

    An event for each dataset in the pack is audited before this returns, and a refusal as well. Raises ``Problem``,
    ``AuditUnavailable``, and ``SafeStatsError`` for what cannot be asked.
    """
    with services.database.read() as session:
        reader = reader_for(services, session, asking, question)
        with _refusals(services, reader, question):
            pack = needs_pack(services, session, reader, question, today)
    contents = {f"{_stem(pack)}.{form}": _content(pack, form) for form in Format}
    made = Made(
        contents,
        {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        {part.definition.code: part.agreement for part in pack.parts},
    )
    number = secrets.token_hex(8)
    for part in pack.parts:
        services.audit.record(
            EventType.NEEDS_PACK_MADE,
            **reader.audited,
            agreement=part.agreement,
            dataset=part.definition.code,
            filter={**told(services, question), "pack": number, "files": dict(made.digests)},
            rows=part.rows,
        )
    return made


def refuse_closed(services: Services, asking: Subject, question: Question) -> None:
    """Raises ``Problem`` 403, audited, where no dataset of the borough is open to the person for the pack."""
    with services.database.read() as session:
        reader = reader_for(services, session, asking, question)
        with _refusals(services, reader, question):
            require_open(services, session, reader, question)


@contextmanager
def _refusals(services: Services, reader: Subject, question: Question) -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        services.audit.record(
            EventType.NEEDS_PACK_MADE,
            **reader.audited,
            filter=told(services, question),
            outcome=Outcome.REFUSED,
            reason=problem.document.code,
        )
        raise


def told(services: Services, question: Question) -> dict[str, str]:
    """What the audit tells of a question."""
    return {"area": borough_code_of(services.areas, question.borough), "mode": str(question.mode)}


def _content(pack: NeedsPack, form: Format) -> bytes:
    if form is Format.PDF:
        return pack_pdf(pack)
    return pack_workbook(pack) if form is Format.XLSX else pack_html(pack).encode()


def _stem(pack: NeedsPack) -> str:
    where = re.sub(r"[^a-z0-9]+", "-", pack.borough.casefold())
    return f"safestats-needs-{where}-{pack.made:%Y-%m-%d}-{pack.mode}"
