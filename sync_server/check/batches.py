"""Lists of premises: asked for on a page, answered by the worker, kept a day for the one who asked."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import shutil
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...shared.disclosure import MOST_REPORTS, crowded
from ...shared.presets import Preset
from ...shared.ring_answer import Place
from ...shared.rings import FIXED_RADII
from ..agreements.models import Use
from ..agreements.scope import opened_scope
from ..audit.log import EventType, Outcome
from ..errors import SafeStatsError
from ..identity.models import Channel, Role, User
from ..identity.subject import Subject
from ..instants import now
from ..problems import Problem
from ..services import Services
from .answering import refusals_heard
from .asking import Asking, Tables
from .models import BatchState, CheckBatch
from .planning import permitted_scopes
from .premises import Premises, Rejected, read_premises
from .question import Question
from .report import ReportKind, as_reported, render
from .workbook import PremisesWorkbook

logger = logging.getLogger(__name__)

KEPT = timedelta(hours=24)
MOST_A_DAY = 9_000  # premises that one person may ask about
MOST_OPEN = 2  # lists that one person may have under way
OPEN_STATES = (BatchState.WAITING, BatchState.RUNNING)
WORKBOOK, REPORTS = "premises.xlsx", "reports.zip"
_AT_ONCE = 50
_PLACES_AN_EVENT = 200
_NOTE_EVERY = 5  # premises between two looks at the row
_CROWDED = (
    f"More than {MOST_REPORTS} premises of the list lie within {FIXED_RADII[-1]} m of this one: so many public reports "
    "of one place would let small counts be worked out. Leave some out, or make the list for operational use."
)
_MARKINGS = {
    ReportKind.OPERATIONAL: "OFFICIAL-SENSITIVE – not for publication; for a meeting, in exempt session only.",
    ReportKind.PUBLIC: "OFFICIAL. Small counts are withheld, others rounded to 5, and categories grouped.",
}


@dataclass(frozen=True)
class Batch:
    """A list as it is now; ``files`` are there once it is done."""

    number: int
    state: BatchState
    done: int
    total: int
    message: str
    requested_at: datetime
    gone_at: datetime | None
    rejected: tuple[Rejected, ...]
    files: tuple[str, ...]

    @property
    def under_way(self) -> bool:
        """Whether something is still to come."""
        return self.state in OPEN_STATES


class _CancelledError(Exception):
    """The person cancelled the list, or the worker is to end."""


def request_batch(
    services: Services,
    subject: Subject,
    name: str,
    content: bytes,
    preset: Preset,
    kind: ReportKind,
    with_reports: bool,
) -> int:
    """Read the list and keep it for the worker; its number. Raises ``SafeStatsError`` or ``Problem``."""
    with services.database.read() as session:
        points = kind is not ReportKind.PUBLIC and may_give_points(services, session, subject)
    premises, rejected = read_premises(services, name, content, points)
    if kind is ReportKind.PUBLIC and premises:
        too_many = crowded([(one.place.easting, one.place.northing) for one in premises])
        rejected += [
            Rejected(one.line, one.name, _CROWDED) for one, left in zip(premises, too_many, strict=True) if left
        ]
        premises = [one for one, left in zip(premises, too_many, strict=True) if not left]
    if not premises:
        one = rejected[0]
        raise SafeStatsError(f"None of the rows can be searched around. Line {one.line}: {one.sentence}")
    told = {"kind": str(kind), "preset": preset.name}
    with (
        refusals_heard(services, subject, EventType.CHECK_BATCH, told),
        services.database.read() as session,
    ):
        Asking.prepare(services, session, subject, (), kind.use)
    with services.database.write() as session:
        asked_today = session.scalars(
            select(CheckBatch.total).where(
                CheckBatch.user_id == subject.user_id, CheckBatch.requested_at > now() - timedelta(days=1)
            )
        )
        if sum(asked_today) + len(premises) > MOST_A_DAY:
            raise SafeStatsError(f"You may ask about {MOST_A_DAY:,} premises a day: send the rest tomorrow.")
        waiting = session.scalars(
            select(CheckBatch.check_batch_id).where(
                CheckBatch.user_id == subject.user_id, CheckBatch.state.in_(OPEN_STATES)
            )
        ).all()
        if len(waiting) >= MOST_OPEN:
            raise SafeStatsError(f"{MOST_OPEN} of your lists are under way: wait until one has ended, or cancel it.")
        batch = CheckBatch(
            token=secrets.token_hex(16),
            user_id=subject.user_id,
            subject=asdict(subject),
            asked={"preset": preset.name, "kind": str(kind), "reports": with_reports},
            premises=[[one.line, one.name, one.reference, asdict(one.place)] for one in premises],
            rejected=[[one.line, one.name, one.sentence] for one in rejected],
            requested_at=now(),
            total=len(premises),
        )
        session.add(batch)
        session.flush()
        number = batch.check_batch_id
        # Before anything is answered, and for good: the list itself is kept a day.
        for first in range(0, len(premises), _PLACES_AN_EVENT):
            places = [held.place.postcode or held.place.label for held in premises[first : first + _PLACES_AN_EVENT]]
            services.audit.record(
                EventType.CHECK_BATCH,
                **subject.audited,
                rows=len(places),
                filter={**told, "batch": number, "places": places},
            )
    return number


def may_give_points(services: Services, session: Session, subject: Subject) -> bool:
    """Whether places that are no postcodes can be answered for the person: where records of any dataset are shown."""
    scopes, _refusals = permitted_scopes(services, session, subject, Use.VIEW)
    return any(scope.gives_rows for scope in scopes)


def batches_of(services: Services, session: Session, subject: Subject) -> list[Batch]:
    """The person's own lists that are still kept, the newest first."""
    found = session.scalars(
        select(CheckBatch).where(CheckBatch.user_id == subject.user_id).order_by(CheckBatch.check_batch_id.desc())
    )
    return [_told(services, batch) for batch in found if not _is_over(batch)]


def find_batch(services: Services, session: Session, subject: Subject, number: int) -> Batch:
    """One of the person's own lists; raises ``Problem`` 404 for another's and for one that is gone."""
    return _told(services, _own(services, session, subject, number))


def file_of(services: Services, session: Session, subject: Subject, number: int, name: str) -> Path:
    """The path of a list's file, audited with its hash before it leaves.

    Raises ``Problem``: 404, and where what it was made of is not open to the person any more.
    """
    batch = _own(services, session, subject, number)
    with refusals_heard(services, subject, EventType.CHECK_BATCH, {"batch": number, "file": name}):
        _refuse_changed_rights(services, session, subject, batch)
    path = _folder(services, batch.token) / name
    if batch.state != BatchState.DONE or name not in (WORKBOOK, REPORTS) or not path.is_file():
        raise _no_such()
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    services.audit.record(
        EventType.CHECK_BATCH,
        **subject.audited,
        rows=batch.total,
        filter={"batch": number, "file": name, "sha256": sha256},
    )
    return path


def _refuse_changed_rights(services: Services, session: Session, subject: Subject, batch: CheckBatch) -> None:
    """What the files were made of is to be open still, by the same agreements."""
    for dataset, agreement in batch.asked.get("agreements", {}).items():
        use = ReportKind(batch.asked["kind"]).use
        permitted = opened_scope(session, subject, dataset, services.definitions, use)
        if permitted.agreement != agreement:
            raise Problem(
                403,
                "agreement-changed",
                "The agreement has changed",
                f"The agreement on {permitted.definition.title} has changed since the list was answered: ask again.",
            )


def cancel_batch(services: Services, subject: Subject, number: int) -> None:
    """End the list, now or as soon as the worker looks; raises ``Problem`` 404."""
    with services.database.write() as session:
        batch = _own(services, session, subject, number)
        if batch.state == BatchState.WAITING:
            _end(batch, BatchState.CANCELLED, "The list was cancelled before it began.")
        elif batch.state == BatchState.RUNNING:
            batch.cancel_requested = True


def _own(services: Services, session: Session, subject: Subject, number: int) -> CheckBatch:
    batch = session.get(CheckBatch, number)
    with refusals_heard(services, subject, EventType.CHECK_BATCH, {"batch": number}):
        if batch is None or batch.user_id != subject.user_id or _is_over(batch):
            raise _no_such()
    return batch


def _no_such() -> Problem:
    return Problem(
        404, "no-such-list", "There is no such list", "This list is not yours, or its files were kept for their day."
    )


def _is_over(batch: CheckBatch) -> bool:
    return batch.finished_at is not None and now() - batch.finished_at >= KEPT


def _told(services: Services, batch: CheckBatch) -> Batch:
    folder = _folder(services, batch.token)
    there = (WORKBOOK, REPORTS) if batch.state == BatchState.DONE else ()
    return Batch(
        number=batch.check_batch_id,
        state=BatchState(batch.state),
        done=batch.done,
        total=batch.total,
        message=batch.message,
        requested_at=batch.requested_at,
        gone_at=batch.finished_at + KEPT if batch.finished_at else None,
        rejected=tuple(Rejected(*one) for one in batch.rejected),
        files=tuple(name for name in there if (folder / name).is_file()),
    )


def _folder(services: Services, token: str) -> Path:
    return services.settings.data_dir / "check-batches" / token


# ---------------------------------------------------------------------- the worker's part


def any_waits(services: Services) -> bool:
    """Whether a list is to be answered. One that runs by its row has lost its worker: there is one worker."""
    with services.database.read() as session:
        return _next(session) is not None


def answer_next(services: Services, goes_on: Callable[[], bool]) -> bool:
    """Answer the oldest list; whether there was one. Broken off by the worker's end it is begun anew."""
    with services.database.write() as session:
        batch = _next(session)
        if batch is None:
            return False
        batch.state, batch.done = BatchState.RUNNING, 0
    try:
        told = _work(services, batch, goes_on)
        _finish(services, batch, BatchState.DONE, told)
    except _CancelledError:
        shutil.rmtree(_folder(services, batch.token), ignore_errors=True)
        if goes_on():
            _finish(services, batch, BatchState.CANCELLED, "The list was cancelled: nothing of it is kept.")
    except (Problem, SafeStatsError) as error:
        shutil.rmtree(_folder(services, batch.token), ignore_errors=True)
        _finish(services, batch, BatchState.FAILED, str(error))
    except Exception as error:
        shutil.rmtree(_folder(services, batch.token), ignore_errors=True)
        logger.exception("List %s of premises failed", batch.check_batch_id)
        told = f"The list failed ({type(error).__name__}): tell the SafeStats team its number."
        _finish(services, batch, BatchState.FAILED, told)
    return True


def tidy(services: Services) -> None:
    """Remove lists and files whose day is over, and files of no list."""
    with services.database.write() as session:
        for batch in session.scalars(select(CheckBatch)).all():
            if _is_over(batch):
                session.delete(batch)
        session.flush()
        kept = set(session.scalars(select(CheckBatch.token)))
    folder = services.settings.data_dir / "check-batches"
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _next(session: Session) -> CheckBatch | None:
    return session.scalar(
        select(CheckBatch).where(CheckBatch.state.in_(OPEN_STATES)).order_by(CheckBatch.check_batch_id).limit(1)
    )


def _work(services: Services, batch: CheckBatch, goes_on: Callable[[], bool]) -> str:
    with closing(PremisesWorkbook(FIXED_RADII)) as workbook:
        return _answer_all(services, batch, workbook, goes_on)


def _answer_all(services: Services, batch: CheckBatch, workbook: PremisesWorkbook, goes_on: Callable[[], bool]) -> str:
    subject = _subject(batch.subject)
    kind = ReportKind(batch.asked["kind"])
    preset = next(one for one in services.presets if one.name == batch.asked["preset"])
    folder = _folder(services, batch.token)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    rejected = [Rejected(*one) for one in batch.rejected]
    answered_number, used = 0, dict[str, str]()
    tables: Tables = {}
    with zipfile.ZipFile(folder / REPORTS, "w", zipfile.ZIP_STORED) as reports:
        for first in range(0, len(batch.premises), _AT_ONCE):
            # Anew each time: what was suspended meanwhile is not told any more.
            with services.database.read() as session:
                _refuse_closed(session, batch, subject)
                asking = Asking.prepare(services, session, subject, (), kind.use, tables)
                for done, (line, name, reference, place) in enumerate(batch.premises[first : first + _AT_ONCE], first):
                    if done % _NOTE_EVERY == 0:
                        _note(services, batch, done, goes_on)
                    premises = Premises(line, name, reference, Place(**place))
                    try:
                        answered = as_reported(asking, Question(premises.place, preset), kind)
                    except Problem as problem:
                        rejected.append(Rejected(line, name, problem.document.detail))
                        continue
                    workbook.add(premises, answered.answer)
                    used.update(answered.agreements)
                    answered_number += 1
                    if batch.asked["reports"]:
                        reports.writestr(_file_name(premises), render(services, session, subject, answered, kind))
    if not batch.asked["reports"]:
        (folder / REPORTS).unlink()
    for one in sorted(rejected, key=lambda one: one.line):
        workbook.reject(one)
    workbook.save(folder / WORKBOOK, _MARKINGS[kind])
    _audit(services, batch, subject, kind, used, answered_number)
    with services.database.write() as session:
        held = session.get_one(CheckBatch, batch.check_batch_id)
        held.rejected = [[one.line, one.name, one.sentence] for one in sorted(rejected, key=lambda one: one.line)]
        held.asked = {**held.asked, "agreements": used}
    rows = "1 row was" if len(rejected) == 1 else f"{len(rejected):,} rows were"
    left = f"; {rows} not searched" if rejected else ""
    return f"{answered_number:,} premises {'is' if answered_number == 1 else 'are'} answered{left}."


def _refuse_closed(session: Session, batch: CheckBatch, subject: Subject) -> None:
    user = session.get(User, batch.user_id)
    if user is None or not user.active or Role(user.role) != subject.role:
        raise SafeStatsError("The account that asked for it is closed, or its role has changed.")


def _audit(
    services: Services, batch: CheckBatch, subject: Subject, kind: ReportKind, used: dict[str, str], premises: int
) -> None:
    """An event for each dataset that is told of, with what may leave."""
    for name in (WORKBOOK, REPORTS):
        path = _folder(services, batch.token) / name
        if path.is_file():
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            for dataset, agreement in used.items():
                services.audit.record(
                    EventType.CHECK_BATCH,
                    **subject.audited,
                    dataset=dataset,
                    agreement=agreement,
                    rows=premises,
                    filter={"batch": batch.check_batch_id, "kind": str(kind), "file": name, "sha256": sha256},
                    outcome=Outcome.OK,
                )


def _subject(document: dict[str, Any]) -> Subject:
    known = {**document, "role": Role(document["role"]), "channel": Channel(document["channel"])}
    known["sites"] = tuple((dataset, site) for dataset, site in document["sites"])
    return Subject(**known)


def _note(services: Services, batch: CheckBatch, done: int, goes_on: Callable[[], bool]) -> None:
    if not goes_on():
        raise _CancelledError
    with services.database.write() as session:
        held = session.get_one(CheckBatch, batch.check_batch_id)
        if held.cancel_requested:
            raise _CancelledError
        held.done = done


def _finish(services: Services, batch: CheckBatch, state: BatchState, message: str) -> None:
    with services.database.write() as session:
        _end(session.get_one(CheckBatch, batch.check_batch_id), state, message)


def _end(batch: CheckBatch, state: BatchState, message: str) -> None:
    batch.state, batch.message, batch.finished_at = state, message, now()
    if state == BatchState.DONE:
        batch.done = batch.total
    batch.premises = []  # names of premises are not needed any more


def _file_name(premises: Premises) -> str:
    plain = re.sub(r"[^A-Za-z0-9]+", "-", f"{premises.name} {premises.place.label}").strip("-")[:80]
    return f"{premises.line:05d}-{plain}.pdf"
