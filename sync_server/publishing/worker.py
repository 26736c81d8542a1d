"""Does publishing jobs, one at a time: in a process of its own that lives, or where a command waits for its job.

Who works holds the artefacts folder (``store.building()``), so a job that is marked as running while that is free
has lost its process, and is taken up again. A worker may be killed at any moment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import OperationalError

from ..check import batches as lists
from ..database import is_busy
from ..datasets.definitions import DefinitionError
from ..errors import SafeStatsError, disk_full_sentence, is_disk_full
from ..identity.forgetting import forget
from ..ingest.again import place_again
from ..instants import london_today
from ..needs import requests as needs
from ..problems import Problem
from ..progress import ReportsProgress, silent
from ..queries.forgetting import forget_queries
from ..recall.watching import see_to_recalls
from ..services import Services
from ..supplies.loading import any_waits, load_next
from ..supplies.receiving import tidy as tidy_supplies
from ..uploads.incoming import Incoming
from ..uploads.loading import forget_ended, run_load, unexpected, waiting_tokens
from .artefact_store import ArtefactStore
from .clerk import Clerk
from .collecting import collect
from .fresh import with_fresh_definitions
from .jobs import JobCancelledError, JobProgress, Jobs
from .models import OPEN_STATES, JobKind, JobState, PublishingJob, ReleaseState
from .releases import newest_release
from .rollback import discard_staged, stage_rollback
from .service import lacks_files, publish_in_turn
from .worker_lock import worker_lives

logger = logging.getLogger(__name__)

COLLECT_SECONDS = 3600
_LOOK_SECONDS = 0.4


def work(services: Services, goes_on: Callable[[], bool]) -> None:
    """Do jobs as they come, until ``goes_on`` says no; tidies up every hour: files, and what people who left leave."""

    def watched(step: str, done: int, total: int) -> None:
        if not goes_on():
            raise _StoppedError

    jobs = Jobs(services.database)
    clerk = Clerk(services, goes_on)
    tidied_at = float("-inf")
    with clerk.at_work():
        while goes_on():
            try:
                if time.monotonic() - tidied_at >= COLLECT_SECONDS:
                    tidied_at = time.monotonic()
                    forget(services.database)
                    forget_queries(services)
                    see_to_recalls(with_fresh_definitions(services), watched)
                    tidy(services, goes_on)
                did = jobs.any_open() and do_next(services, jobs, progress=watched)
                if _load_supplies(services, goes_on) or did:
                    clerk.published()
                else:
                    time.sleep(_LOOK_SECONDS)
            except _StoppedError:
                return
            except (OperationalError, SafeStatsError, DefinitionError, OSError) as error:
                # A restored database, a full disk: what is wrong may be righted while we wait.
                logger.error("The publishing worker waits: %s", error)
                time.sleep(10 * _LOOK_SECONDS)


class _StoppedError(Exception):
    """The worker is to end."""


class _LeftError(Exception):
    """Whoever does somebody else's job is to end."""


def _load_supplies(services: Services, goes_on: Callable[[], bool]) -> bool:
    """Load a supply that waits; whether there was one."""
    return any_waits(services) and load_next(with_fresh_definitions(services), goes_on)


def tidy(services: Services, goes_on: Callable[[], bool] = lambda: True) -> int:
    """Remove files out of use, and ask for those that live agreements lack; returns how many artefacts went."""

    def between() -> None:
        if not goes_on():
            raise _StoppedError

    fresh = with_fresh_definitions(services)
    forget_ended(fresh)
    with fresh.database.read() as session:
        named = waiting_tokens(session)
    Incoming(fresh.settings.incoming_dir).tidy(named)
    tidy_supplies(fresh)
    lists.tidy(fresh)
    needs.tidy(fresh)
    removed = collect(fresh, london_today(), between)
    for dataset in fresh.definitions:
        between()
        if lacks_files(fresh, dataset, london_today()):
            Jobs(fresh.database).request(dataset, JobKind.BUILD)
    return removed


def do_next(services: Services, jobs: Jobs, number: int | None = None, progress: ReportsProgress = silent) -> bool:
    """Do the oldest open job, or that of the number, if nobody else works; whether there was one."""
    store = ArtefactStore(services.settings.artefacts_dir)
    with store.building_now() as mine:
        job = jobs.claim(number) if mine else None
        if job is not None:
            try:
                state, message = _do(services, store, job, JobProgress(services.database, job.id, progress))
            except _LeftError:
                jobs.put_back(job.id)
                raise
            jobs.finish(job.id, state, message)
        if mine:
            forget_ended(services)
        return job is not None


def see_through(
    services: Services, number: int, progress: ReportsProgress, cancelled: Callable[[], bool], *, joined: bool = False
) -> PublishingJob:
    """Follow a job until it has ended, and return it; where no worker lives, the work is done here.

    When ``cancelled`` says so, the job is asked to end; one that was asked for before (``joined``) goes on, and
    ``SafeStatsError`` says so.
    """
    jobs = Jobs(services.database)
    asked = False

    def watched(step: str, done: int, total: int) -> None:
        progress(step, done, total)
        if cancelled():
            raise _LeftError if joined else JobCancelledError

    while (job := jobs.get(number)).state in OPEN_STATES:
        if cancelled() and joined:
            raise _left(services, job)
        if cancelled() and not asked:
            jobs.cancel(job.dataset, number)
            asked = True
        try:
            did = not worker_lives(services.settings.data_dir) and do_next(services, jobs, number, watched)
        except _LeftError:
            raise _left(services, job) from None
        if not did:
            if job.step:
                progress(job.step, job.done, job.total)
            time.sleep(_LOOK_SECONDS / 2)
    return job


def _left(services: Services, job: PublishingJob) -> SafeStatsError:
    lives = worker_lives(services.settings.data_dir)
    goes_on = "goes on" if lives else "waits for a worker (“safestats serve” or “safestats worker”)"
    return SafeStatsError(
        f"{job.dataset}: job {job.id} was asked for before, so it is not cancelled and {goes_on}. "
        f"“safestats jobs” tells how far it is, “safestats publish {job.dataset} --cancel” ends it."
    )


def _do(
    services: Services, store: ArtefactStore, job: PublishingJob, progress: ReportsProgress
) -> tuple[JobState, str]:
    """How the job ended, in a sentence."""
    try:
        fresh = with_fresh_definitions(services)
        kind = JobKind(job.kind)
        if kind == JobKind.LOAD:
            return JobState.DONE, run_load(fresh, job, progress)
        if kind == JobKind.PLACE:
            return JobState.DONE, _place(fresh, job, progress)
        if kind == JobKind.DISCARD:
            return JobState.DONE, _discard(fresh, job)
        if kind == JobKind.ROLLBACK:
            _stage(fresh, job)
            kind = JobKind.PUBLISH
        report = publish_in_turn(fresh, store, job.dataset, kind, progress, actor=job.actor)
    except JobCancelledError:
        if job.kind == JobKind.LOAD:
            return JobState.CANCELLED, f"The load of {job.dataset} was cancelled: nothing was loaded."
        return JobState.CANCELLED, f"The job of {job.dataset} was cancelled; {_what_shows(services, job.dataset)}."
    except (_StoppedError, _LeftError):
        raise
    except (SafeStatsError, Problem, DefinitionError) as error:
        return JobState.FAILED, str(error)
    except Exception as error:
        if isinstance(error, OperationalError) and is_busy(error):
            raise
        if is_disk_full(error):
            shows = _what_shows(services, job.dataset)
            return JobState.FAILED, f"{disk_full_sentence(services.settings.data_dir)} Until then {shows}."
        if job.kind == JobKind.LOAD:
            return JobState.FAILED, unexpected(job, error)
        logger.exception("Publishing job %s of %s failed", job.id, job.dataset)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return JobState.FAILED, (
            f"The job of {job.dataset} failed ({reason}); {_what_shows(services, job.dataset)}. "
            "Put right what is wrong and publish it again."
        )
    return JobState.DONE, report.sentence()


def _discard(services: Services, job: PublishingJob) -> str:
    dropped = discard_staged(services, services.definition(job.dataset), job.actor)
    return f"{job.dataset}: what was staged for release {dropped.number} is dropped ({dropped.removed:,} new rows)."


def _place(services: Services, job: PublishingJob, progress: ReportsProgress) -> str:
    number = place_again(services, job.actor, job.dataset, progress)
    if not number:
        return f"{job.dataset}: no row that is held waits to be placed."
    return f"{job.dataset}: {number:,} rows are placed as was decided, and staged: publish them."


def _stage(services: Services, job: PublishingJob) -> None:
    """Stage the job's rollback, unless it did so before its process died."""
    with services.database.read() as session:
        staged = newest_release(session, job.dataset, ReleaseState.STAGED)
    if staged is None or staged.content_of is None or staged.content_of != job.target or job.attempts == 1:
        stage_rollback(services, services.definition(job.dataset), job.target, job.actor)


def _what_shows(services: Services, dataset: str) -> str:
    with services.database.read() as session:
        release = newest_release(session, dataset, ReleaseState.PUBLISHED)
    return "nothing of it is visible" if release is None else f"release {release.number} is what people see"
