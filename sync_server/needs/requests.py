"""Packs that are asked for on the web: made by the worker, since drawing takes longer than a page may; fetched by the
person who asked, while that person's agreements still open them.

Where no worker lives a pack is made while its person waits.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, update

from ..audit.events import EventType, Outcome
from ..errors import SafeStatsError
from ..identity.models import Channel, Role
from ..identity.subject import Subject
from ..instants import now
from ..problems import Problem
from ..publishing.worker_lock import worker_lives
from ..services import Services
from .making import make_files, refuse_closed, told
from .model import Mode
from .models import NeedsRequest, RequestState
from .pack import require_still_open
from .question import Question, reader_for

KEPT = timedelta(hours=24)
LONGEST_WAIT = timedelta(minutes=30)  # in which a pack is made while its person waits, if ever
_NEWEST = 10
_WAITED = "waited"  # of what was asked: whether its person waits for the web process to make it
_BROKEN_OFF = "The making of it was broken off: ask for it again."

logger = logging.getLogger(__name__)


def ask(services: Services, subject: Subject, question: Question) -> str:
    """Ask for a pack; returns its token. Raises ``Problem`` or ``SafeStatsError`` where it cannot be asked for."""
    refuse_closed(services, subject, question)
    token = secrets.token_hex(16)
    waited = not worker_lives(services.settings.data_dir)
    with services.database.write() as session:
        session.add(
            NeedsRequest(
                token=token,
                user_id=subject.user_id,
                subject=asdict(subject),
                asked={**asdict(question), "mode": str(question.mode), _WAITED: waited},
                requested_at=now(),
            )
        )
    if waited:
        _make(services, token)
    return token


def find(services: Services, subject: Subject, token: str) -> NeedsRequest:
    """The person's own pack; raises ``Problem`` 404 for any other."""
    with services.database.read() as session:
        request = session.get(NeedsRequest, token)
    if request is None or request.user_id != subject.user_id or request.requested_at < now() - KEPT:
        raise _nothing()
    return request


def newest(services: Services, subject: Subject) -> Sequence[NeedsRequest]:
    """The person's packs that are kept, the newest first."""
    with services.database.read() as session:
        return session.scalars(
            select(NeedsRequest)
            .where(NeedsRequest.user_id == subject.user_id, NeedsRequest.requested_at >= now() - KEPT)
            .order_by(NeedsRequest.requested_at.desc())
            .limit(_NEWEST)
        ).all()


def read_file(services: Services, subject: Subject, token: str, name: str) -> bytes:
    """A file of the person's own pack, if all that it was made of is still open to that person by the same agreements.

    It is audited with its SHA-256 before this returns, and a refusal as well. Raises ``Problem``.
    """
    about = {"file": name}
    try:
        request = find(services, subject, token)
        question = _question(request)
        about |= told(services, question)
        if name not in request.files:
            raise _nothing()
        with services.database.read() as session:
            reader = reader_for(services, session, subject, question)
            require_still_open(services, session, reader, question, request.asked.get("agreements", {}))
        try:
            content = (_folder(services, token) / name).read_bytes()
        except FileNotFoundError as error:
            raise _nothing() from error
    except Problem as problem:
        services.audit.record(
            EventType.NEEDS_PACK_FETCHED,
            **subject.audited,
            filter=about,
            outcome=Outcome.REFUSED,
            reason=problem.document.code,
        )
        raise
    services.audit.record(
        EventType.NEEDS_PACK_FETCHED,
        **subject.audited,
        filter={**about, "sha256": hashlib.sha256(content).hexdigest()},
    )
    return content


def any_waits(services: Services) -> bool:
    """Whether a pack waits to be made."""
    with services.database.read() as session:
        waiting = select(NeedsRequest.token).where(NeedsRequest.state == RequestState.WAITING).limit(1)
        return session.scalar(waiting) is not None


def make_next(services: Services) -> bool:
    """Make the oldest pack that waits; whether there was one."""
    with services.database.read() as session:
        token = session.scalar(
            select(NeedsRequest.token)
            .where(NeedsRequest.state == RequestState.WAITING)
            .order_by(NeedsRequest.requested_at)
            .limit(1)
        )
    if token is None:
        return False
    _make(services, token)
    return True


def tidy(services: Services) -> None:
    """Delete what is no longer kept, and tell of packs whose making ended with the web process that made them."""
    with services.database.write() as session:
        for request in session.scalars(select(NeedsRequest).where(NeedsRequest.state == RequestState.RUNNING)).all():
            if request.asked.get(_WAITED) and request.requested_at < now() - LONGEST_WAIT:
                _fail(services, request)
        old = session.scalars(select(NeedsRequest).where(NeedsRequest.requested_at < now() - KEPT)).all()
        for request in old:
            shutil.rmtree(_folder(services, request.token), ignore_errors=True)
            session.delete(request)


def fail_broken_off(services: Services) -> None:
    """Tell of packs whose making ended with a worker that is no more: for one that starts.

    Not of those that are made in a web process while their person waits.
    """
    with services.database.write() as session:
        for request in session.scalars(select(NeedsRequest).where(NeedsRequest.state == RequestState.RUNNING)).all():
            if not request.asked.get(_WAITED):
                _fail(services, request)


def _fail(services: Services, request: NeedsRequest) -> None:
    shutil.rmtree(_folder(services, request.token), ignore_errors=True)
    request.state, request.message, request.finished_at = RequestState.FAILED, _BROKEN_OFF, now()


def _make(services: Services, token: str) -> None:
    with services.database.write() as session:
        taken = session.execute(
            update(NeedsRequest)
            .where(NeedsRequest.token == token, NeedsRequest.state == RequestState.WAITING)
            .values(state=RequestState.RUNNING)
        )
        if not taken.rowcount:  # type: ignore[attr-defined]
            return
        request = session.get_one(NeedsRequest, token)
        subject, question = _subject(request), _question(request)
    agreements: Mapping[str, str] = {}
    try:
        made = make_files(services, subject, question)
        folder = _folder(services, token)
        folder.mkdir(parents=True, mode=0o700)
        for name, content in made.contents.items():
            (folder / name).write_bytes(content)
        state, message, files, agreements = RequestState.DONE, "", made.digests, made.agreements
    except (SafeStatsError, Problem) as error:
        state, message, files = RequestState.FAILED, str(error), {}
    except Exception:
        logger.exception("The needs-assessment pack %s failed", token)
        state, message, files = RequestState.FAILED, "The server failed at it: tell the SafeStats team.", {}
    with services.database.write() as session:
        request = session.get_one(NeedsRequest, token)
        request.state, request.message, request.finished_at = state, message, now()
        request.files = dict(files)
        request.asked = {**request.asked, "agreements": dict(agreements)}


def _subject(request: NeedsRequest) -> Subject:
    told = dict(request.subject)
    told["role"], told["channel"] = Role(told["role"]), Channel(told["channel"])
    told["sites"] = tuple((dataset, site) for dataset, site in told["sites"])
    return Subject(**told)


def _question(request: NeedsRequest) -> Question:
    asked = {name: value for name, value in request.asked.items() if name not in ("agreements", _WAITED)}
    return Question(**{**asked, "mode": Mode(asked["mode"])})


def _folder(services: Services, token: str) -> Path:
    return services.settings.needs_packs_dir / token


def _nothing() -> Problem:
    return Problem(404, "no-pack", "No such pack", "There is no pack of yours of that name: it is kept for a day.")
