"""The signed documents of agreements: PDF files by their SHA-256, which the server's own user alone can read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..errors import SafeStatsError
from ..identity.permissions import Permission, require_organisation
from ..problems import Problem
from .models import Agreement, AgreementState
from .recording import record

if TYPE_CHECKING:
    from ..identity.subject import Subject
    from ..services import Services

DOCUMENTS_FOLDER = "documents"
MOST_BYTES = 20 * 1024 * 1024
_MAGIC = b"%PDF-"


def attach(services: Services, session: Session, actor: str, agreement: Agreement, content: bytes, name: str) -> str:
    """Keep the signed document of an agreement that has not ended; returns its SHA-256.

    Raises ``SafeStatsError`` where it is no PDF or too large. A document that is replaced stays in the folder.
    """
    if agreement.state == AgreementState.ENDED:
        raise SafeStatsError(f"Agreement {agreement.reference} has ended: nothing is attached to it any more.")
    if not content.startswith(_MAGIC):
        raise SafeStatsError(f"“{name}” is no PDF file: attach the signed document as PDF.")
    if len(content) > MOST_BYTES:
        raise SafeStatsError(f"“{name}” is larger than {MOST_BYTES // 1024**2} MB: attach a smaller scan.")
    sha256 = hashlib.sha256(content).hexdigest()
    _keep(services, sha256, content)
    agreement.document_sha256 = sha256
    agreement.document_name = "".join(letter for letter in Path(name).name if letter.isprintable())[:200]
    session.flush()
    record(services, actor, EventType.AGREEMENT_DOCUMENT, agreement, {"sha256": sha256, "bytes": len(content)})
    return sha256


def document_for(services: Services, subject: Subject, agreement: Agreement) -> bytes:
    """The signed document, for whom the agreement concerns.

    Raises ``Problem``: 403 for another organisation's people, 404 where there is none, 500 where it was altered.
    """
    require_organisation(subject, Permission.SEE_AGREEMENTS, agreement.organisation_id)
    content = document_of(services, agreement)
    services.audit.record(
        EventType.AGREEMENT_DOCUMENT_READ,
        **subject.audited,
        agreement=agreement.reference,
    )
    return content


def document_of(services: Services, agreement: Agreement) -> bytes:
    """The signed document; raises ``Problem`` where there is none, or not the one that was attached."""
    if not agreement.document_sha256:
        raise Problem(404, "no-document", "No document", f"No document is attached to {agreement.reference}.")
    path = _folder(services) / agreement.document_sha256
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != agreement.document_sha256:
        raise Problem(
            500,
            "document-damaged",
            "The document is damaged",
            f"The document of {agreement.reference} is missing or not the one that was attached: "
            "attach it again, or bring it back from a backup.",
        )
    return content


def _folder(services: Services) -> Path:
    return services.settings.data_dir / DOCUMENTS_FOLDER


def _keep(services: Services, sha256: str, content: bytes) -> None:
    folder = _folder(services)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / sha256
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
        return
    growing = folder / f"{sha256}.{os.getpid()}"
    with os.fdopen(os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    growing.rename(path)
