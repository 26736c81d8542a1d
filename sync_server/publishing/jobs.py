"""The table of publishing jobs: asking for one, cancelling it, and what its worker notes in it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ..audit.events import COMMAND_LINE
from ..database import Database, is_busy
from ..errors import SafeStatsError
from ..instants import now
from ..progress import ReportsProgress
from .models import OPEN_STATES, JobKind, JobState, PublishingJob
from .short_writes import in_a_write

MOST_ATTEMPTS = 5
_NOTE_SECONDS = 0.5
_NOTE_PATIENCE_MS = 50


class JobCancelledError(Exception):
    """Somebody cancelled the job while it ran."""


class Jobs:
    """The jobs in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, dataset: str, kind: JobKind, actor: str = COMMAND_LINE, target: int | None = None) -> int:
        """The number of a job that will do it: one that waits already, or a new one."""
        return self.join(dataset, kind, actor, target)[0]

    def join(
        self, dataset: str, kind: JobKind, actor: str = COMMAND_LINE, target: int | None = None
    ) -> tuple[int, bool]:
        """As ``request``; and whether it is one that was asked for before."""
        with self._database.write() as session:
            waiting = session.scalar(
                select(PublishingJob.id).where(
                    PublishingJob.dataset == dataset,
                    PublishingJob.kind == kind,
                    PublishingJob.target.is_(None) if target is None else PublishingJob.target == target,
                    PublishingJob.state == JobState.WAITING,
                    PublishingJob.cancel_requested.is_(False),
                )
            )
            if waiting is not None:
                return waiting, True
            job = PublishingJob(dataset=dataset, kind=kind, actor=actor, target=target, requested_at=now())
            session.add(job)
            session.flush()
            return job.id, False

    def get(self, number: int) -> PublishingJob:
        """The job as it is now."""
        with self._database.read() as session:
            return session.get_one(PublishingJob, number)

    def newest(self, count: int) -> Sequence[PublishingJob]:
        """The newest jobs, the newest one first."""
        with self._database.read() as session:
            return session.scalars(select(PublishingJob).order_by(PublishingJob.id.desc()).limit(count)).all()

    def any_open(self) -> bool:
        """Whether a job waits or runs."""
        with self._database.read() as session:
            return (
                session.scalar(select(PublishingJob.id).where(PublishingJob.state.in_(OPEN_STATES)).limit(1))
                is not None
            )

    def cancel(self, dataset: str, number: int | None = None) -> list[int]:
        """End the jobs of a dataset that wait, ask the running one to end; returns the numbers of both.

        With a ``number`` only that one.
        """
        with self._database.write() as session:
            jobs = [job for job in _open(session, dataset) if number in (None, job.id)]
            for job in jobs:
                job.cancel_requested = True
                if job.state == JobState.WAITING:
                    _end(job, JobState.CANCELLED, f"The job of {dataset} was cancelled before it began.")
            return [job.id for job in jobs]

    def claim(self, number: int | None = None) -> PublishingJob | None:
        """Take up the oldest open job, or that of the number, for whoever is ``store.building()``.

        So what runs by its row has lost its process. Ends those that were cancelled or broken off too often.
        """

        def claim(session: Session) -> PublishingJob | None:
            for job in _open(session):
                if job.cancel_requested:
                    _end(job, JobState.CANCELLED, f"The job of {job.dataset} was cancelled.")
                elif number in (None, job.id) and job.attempts >= MOST_ATTEMPTS:
                    sentence = (
                        f"The job of {job.dataset} was broken off {MOST_ATTEMPTS} times: see the worker's output."
                    )
                    _end(job, JobState.FAILED, sentence)
                elif number in (None, job.id):
                    job.state = JobState.RUNNING
                    job.attempts += 1
                    job.process = os.getpid()
                    job.heartbeat_at = now()
                    job.started_at = job.started_at or job.heartbeat_at
                    return job
            return None

        return in_a_write(self._database, claim, _wait)

    def put_back(self, number: int) -> None:
        """Let the job wait again, as if nobody had taken it up."""

        def put_back(session: Session) -> None:
            job = session.get_one(PublishingJob, number)
            job.state, job.process, job.started_at, job.heartbeat_at = JobState.WAITING, None, None, None
            job.attempts -= 1
            job.step, job.done, job.total = "", 0, 0

        in_a_write(self._database, put_back, _wait)

    def finish(self, number: int, state: JobState, message: str) -> None:
        """Write down how the job ended."""

        def finish(session: Session) -> None:
            _end(session.get_one(PublishingJob, number), state, message)

        in_a_write(self._database, finish, _wait)


class JobProgress:
    """Progress of a job, noted in its row twice a second at most; raises ``JobCancelledError`` when asked to end."""

    def __init__(self, database: Database, number: int, also: ReportsProgress) -> None:
        self._database = database
        self._number = number
        self._also = also
        self._noted_at = float("-inf")

    def __call__(self, step: str, done: int, total: int) -> None:
        """Note how far it is, if it is time."""
        self._also(step, done, total)
        if time.monotonic() - self._noted_at < _NOTE_SECONDS:
            return
        with self._database.read() as session:
            cancelled = session.scalar(select(PublishingJob.cancel_requested).where(PublishingJob.id == self._number))
        if cancelled:
            raise JobCancelledError
        try:
            with self._database.write(_NOTE_PATIENCE_MS) as session:
                job = session.get_one(PublishingJob, self._number)
                job.step, job.done, job.total = step, done, total
                job.heartbeat_at = now()
        except OperationalError as error:
            # A load holds the writer: how far we are can wait, the work cannot.
            if not is_busy(error):
                raise
        self._noted_at = time.monotonic()


def failed_loads(session: Session, since: datetime) -> list[tuple[str, int, int]]:
    """(Dataset, how many loads of uploads failed since then, the newest one's number)."""
    failed = (
        select(PublishingJob.dataset, func.count(), func.max(PublishingJob.id))
        .where(
            PublishingJob.kind == JobKind.LOAD,
            PublishingJob.state == JobState.FAILED,
            PublishingJob.finished_at >= since,
        )
        .group_by(PublishingJob.dataset)
        .order_by(PublishingJob.dataset)
    )
    return [(dataset, number, newest) for dataset, number, newest in session.execute(failed)]


def refuse_failed(job: PublishingJob) -> None:
    """Raises ``SafeStatsError`` with what went wrong, where the job is not done."""
    if job.state != JobState.DONE:
        raise SafeStatsError(job.message)


def _open(session: Session, dataset: str | None = None) -> Sequence[PublishingJob]:
    query = select(PublishingJob).where(PublishingJob.state.in_(OPEN_STATES)).order_by(PublishingJob.id)
    return session.scalars(query if dataset is None else query.where(PublishingJob.dataset == dataset)).all()


def _end(job: PublishingJob, state: JobState, message: str) -> None:
    job.state = state
    job.message = message
    job.finished_at = now()


def _wait() -> None:
    """Nobody ends this wait."""
