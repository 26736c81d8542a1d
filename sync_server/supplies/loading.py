"""Loads what suppliers sent and writes down, on its receipt, what became of it.

Who loads a supply holds a lock on the folder that it waits in, which goes with the process: what is marked as being
loaded while the lock is free was broken off, and is taken up again. What was loaded stays loaded: the delivery is
noted on the receipt in the transaction that loads it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ..audit.log import EventType, Outcome
from ..database import is_busy, is_out_of_reach
from ..datasets.definitions import Publish
from ..errors import SafeStatsError, is_disk_full
from ..ingest.models import Delivery, RejectedRow
from ..ingest.report import DeliveryReport
from ..ingest.service import load
from ..ingest.staging import WithdrawsTooMuchError
from ..instants import now
from ..publishing.jobs import Jobs
from ..publishing.models import JobKind, Release, ReleaseState
from ..services import Services
from .models import OPEN_STATES, Kind, Receipt, State
from .receiving import incoming_of, kept_files
from .wording import to_the_supplier

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
MOST_ROWS = 1000  # with trouble that are told one by one
_TOLD = ("months", "rejected", "left", "dropped", "blanked", "unmapped", "notes", "added", "changed", "unchanged")
_LACKS_MANY = (
    "More than a fifth of the incidents that are held of a month are not in it, so nothing was loaded: see whether "
    "what you sent is the whole of its month. If it is, tell the SafeStats team, who can load it all the same."
)


class _BrokenOffError(BaseException):
    """Whoever loads is to end."""


def any_waits(services: Services) -> bool:
    """Whether a supply waits, or was broken off."""
    with services.database.read() as session:
        return session.scalar(select(Receipt.receipt_id).where(Receipt.state.in_(OPEN_STATES)).limit(1)) is not None


def load_next(services: Services, goes_on: Callable[[], bool] = lambda: True) -> bool:
    """Load the oldest supply that waits and that nobody is at work on; whether there was one.

    Raises ``OperationalError`` or ``OSError`` where the database is busy or the disk full: the supply waits on.
    """
    with services.database.read() as session:
        waiting = session.scalars(
            select(Receipt.receipt_id).where(Receipt.state.in_(OPEN_STATES)).order_by(Receipt.receipt_id)
        ).all()
    return any(load_receipt(services, receipt, goes_on) is not None for receipt in waiting)


def load_receipt(services: Services, receipt_id: int, goes_on: Callable[[], bool] = lambda: True) -> Receipt | None:
    """Load one supply and return its receipt; ``None`` where another is at work on it, or it is through."""
    with services.database.read() as session:
        receipt = session.get_one(Receipt, receipt_id)
    with _mine(_folder(services, receipt)) as mine:
        if not mine:
            return None
        with services.database.read() as session:
            receipt = session.get_one(Receipt, receipt_id)
        if not receipt.open:
            return None
        try:
            return _load(services, receipt, goes_on)
        except _BrokenOffError:
            return None


def _load(services: Services, receipt: Receipt, goes_on: Callable[[], bool]) -> Receipt:
    if receipt.delivery_id is not None:
        # It was loaded, and its process ended before that was told.
        return _finish(services, receipt, _of_delivery(services, receipt.delivery_id))
    incoming = incoming_of(services.settings)
    paths = [incoming.path(file) for file in kept_files(receipt)]
    if not paths or not all(path.is_file() for path in paths):
        return _refuse(services, receipt, "What you sent was lost before it was read: send it again.", "lost")
    with _counted(paths[0].parent) as attempts:
        if attempts > MOST_ATTEMPTS:
            sentence = f"The server broke off {MOST_ATTEMPTS} times while it read this: tell the SafeStats team."
            return _refuse(services, receipt, sentence, "broken-off")
        with services.database.write() as session:
            begun = session.get_one(Receipt, receipt.receipt_id)
            begun.state, begun.started_at = State.LOADING, now()

        def watched(step: str, done: int, total: int) -> None:
            if not goes_on():
                raise _BrokenOffError

        def recorded(session: Session, delivery_id: int) -> None:
            session.get_one(Receipt, receipt.receipt_id).delivery_id = delivery_id

        try:
            report = load(
                services,
                receipt.dataset,
                paths,
                watched,
                synthetic=receipt.synthetic,
                site=receipt.site,
                actor=receipt.actor,
                organisation=receipt.organisation or None,
                recorded=recorded,
                additions=receipt.kind == Kind.RECORDS,
            )
        except WithdrawsTooMuchError as error:
            sentence = to_the_supplier(f"{_LACKS_MANY} {error.because}".rstrip())
            return _refuse(services, receipt, sentence, "withdraws-too-much")
        except SafeStatsError as error:
            return _refuse(services, receipt, to_the_supplier(str(error)), "unfit")
        except Exception as error:
            if _passes(error):
                raise
            # The message may hold a value: where it happened is enough.
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error("Supply %s failed: %s\n%s", receipt.number, type(error).__name__, where)
            sentence = f"The server failed while it read this: tell the SafeStats team the receipt {receipt.number}."
            return _refuse(services, receipt, sentence, "server-failure")
    return _finish(services, receipt, report)


def _finish(services: Services, receipt: Receipt, report: DeliveryReport) -> Receipt:
    """The report on the receipt; asks for publication, before the receipt says so."""
    at_once = receipt.kind == Kind.RECORDS and _publish_at_once(services, receipt.dataset, receipt.actor)
    document = report.to_json()
    with services.database.write() as session:
        done = session.get_one(Receipt, receipt.receipt_id)
        if done.delivery_id is None:
            done.delivery_id = _same_delivery(session, receipt.dataset, receipt.site, report)
        done.state, done.finished_at = State.ACCEPTED, now()
        done.rows_in, done.accepted, done.duplicates = report.rows_in, report.accepted, report.duplicates
        done.rejected, done.left = sum(document["rejected"].values()), sum(document["left"].values())
        done.withdrawn_for_good = report.withdrawn_for_good
        done.report = {name: document[name] for name in _TOLD}
        done.rows = _troubles(session, done)
        done.release, done.published_at_once = report.release, at_once
        _close(services, session, done)
    _forget(services, receipt)
    return done


def _refuse(services: Services, receipt: Receipt, sentence: str, reason: str) -> Receipt:
    with services.database.write() as session:
        refused = session.get_one(Receipt, receipt.receipt_id)
        refused.state, refused.finished_at, refused.refusal = State.REFUSED, now(), sentence
        _close(services, session, refused, reason)
    _forget(services, receipt)
    return refused


def _close(services: Services, session: Session, receipt: Receipt, reason: str = "") -> None:
    receipt.files = [{**file, "token": ""} for file in receipt.files]
    session.flush()
    services.audit.record(
        EventType.SUPPLY_ENDED,
        actor=receipt.actor,
        organisation=receipt.organisation,
        dataset=receipt.dataset,
        filter={"receipt": receipt.number, "site": receipt.site},
        rows=receipt.accepted,
        outcome=Outcome.REFUSED if reason else Outcome.OK,
        reason=reason,
    )


def _forget(services: Services, receipt: Receipt) -> None:
    for file in kept_files(receipt):
        incoming_of(services.settings).forget(file.token)


def _publish_at_once(services: Services, dataset: str, actor: str) -> bool:
    """Ask for a publication where the dataset publishes at once and nothing but records is staged.

    A file that waits to be looked at is not published by a record that comes after it.
    """
    if services.definition(dataset).publish != Publish.AT_ONCE:
        return False
    with services.database.read() as session:
        staged = session.scalar(select(Release).where(Release.dataset == dataset, Release.state == ReleaseState.STAGED))
        if staged is None or staged.content_of is not None:
            return False
        reports = session.scalars(
            select(Delivery.report).where(Delivery.dataset == dataset, Delivery.release == staged.number)
        ).all()
    if not all(report.get("additions") for report in reports):
        return False
    Jobs(services.database).request(dataset, JobKind.PUBLISH, actor)
    return True


def _of_delivery(services: Services, delivery_id: int) -> DeliveryReport:
    with services.database.read() as session:
        return DeliveryReport.of_json(session.get_one(Delivery, delivery_id).report)


def _same_delivery(session: Session, dataset: str, site: str, report: DeliveryReport) -> int | None:
    """The delivery that brought the same files before: nothing was recorded of their coming again."""
    digests = {file["sha256"] for file in report.files}
    earlier = select(Delivery).where(Delivery.dataset == dataset, Delivery.site == site)
    for delivery in session.scalars(earlier.order_by(Delivery.delivery_id.desc())):
        if digests <= {file["sha256"] for file in delivery.files}:
            return delivery.delivery_id
    return None


def _troubles(session: Session, receipt: Receipt) -> list[dict[str, object]]:
    """Where the rows stand that were not taken, and why; never what they hold."""
    columns = (RejectedRow.file, RejectedRow.line, RejectedRow.fate, RejectedRow.reason)
    query = select(*columns).where(RejectedRow.delivery_id == receipt.delivery_id)
    found = session.execute(query.order_by(RejectedRow.file, RejectedRow.line).limit(MOST_ROWS))
    return [{"file": file, "line": line, "fate": str(fate), "reason": reason} for file, line, fate, reason in found]


def _folder(services: Services, receipt: Receipt) -> Path | None:
    files = kept_files(receipt)
    return incoming_of(services.settings).path(files[0]).parent if files else None


@contextmanager
def _mine(folder: Path | None) -> Iterator[bool]:
    """Whether nobody else works on what waits in the folder; until leaving nobody else does."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY) if folder else -1
    except FileNotFoundError:
        handle = -1
    if handle < 0:
        yield True  # lost, or through: the receipt tells which
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
        return
    else:
        yield True
    finally:
        os.close(handle)


@contextmanager
def _counted(folder: Path) -> Iterator[int]:
    """How often this was begun. What ends in order, whichever way, is not counted: only a lost process is."""
    tally = folder / "attempts"
    with tally.open("ab") as file:
        file.write(b".")
    begun = tally.stat().st_size
    try:
        yield begun
    finally:
        with suppress(OSError):
            os.truncate(tally, begun - 1)


def _passes(error: Exception) -> bool:
    """Whether the trouble is the server's for a while, and the supply may wait."""
    busy = isinstance(error, OperationalError) and is_busy(error)
    return busy or is_out_of_reach(error) or is_disk_full(error)
