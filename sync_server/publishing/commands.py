"""``safestats publish``, ``rollback``, ``discard``, ``jobs``, ``worker``, ``collect`` and ``status``."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from ..command_line import initialised, print_table
from ..errors import SafeStatsError
from ..instants import LONDON, london_today
from ..progress import progress_bars
from ..services import Services
from . import rollback as reversal
from .comparing import compared
from .comparing_tables import Changed, changes_of
from .jobs import Jobs, refuse_failed
from .models import OPEN_STATES, JobKind, PublishingJob, ReleaseState
from .releases import newest_release
from .status import dataset_statuses
from .worker_lock import parent_lives, sole_worker, worker_lives

# Whoever only looks need not wait for Arrow and GDAL: what works with them is imported where it is used.

ALL = "all"
_LOOK_SECONDS = 0.2
_ASKING_SECONDS = 2

commands = typer.Typer()
releases = typer.Typer(no_args_is_help=True, help="What releases hold against each other.")
commands.add_typer(releases, name="releases")

Background = Annotated[bool, typer.Option("--background", help="Return at once; the work goes on.")]


@commands.command()
def publish(
    dataset: Annotated[str, typer.Argument(help=f"A dataset's code, or “{ALL}”.")],
    background: Background = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel what is being done for it.")] = False,
) -> None:
    """Make what was loaded visible to those whose agreements permit it, and build files that are missing."""
    with initialised() as services:
        chosen = sorted(services.definitions) if dataset == ALL else [services.definition(dataset).code]
        if cancel:
            _cancel(services, chosen)
            return
        for message in _in_jobs(services, chosen, background):
            typer.echo(message)


@commands.command()
def rollback(
    dataset: Annotated[str, typer.Argument(help="A dataset's code.")],
    to: Annotated[
        int | None, typer.Option(help="The release to go back to; the one before the visible one unless told.", min=1)
    ] = None,
    background: Background = False,
) -> None:
    """Publish a new release with the content of an old one."""
    with initialised() as services:
        staged = reversal.stage_rollback(services, services.definition(dataset), to)
        typer.echo(
            f"{dataset}: release {staged.number} is to hold what release {staged.target} held "
            f"({staged.restored:,} rows come back, {staged.closed:,} go)."
        )
        for message in _in_jobs(services, [dataset], background):
            typer.echo(message)


@commands.command()
def discard(dataset: Annotated[str, typer.Argument(help="A dataset's code.")]) -> None:
    """Drop what is staged and was never published, with the records of its deliveries."""
    with initialised() as services:
        dropped = reversal.discard_staged(services, services.definition(dataset))
    typer.echo(
        f"{dataset}: what was staged for release {dropped.number} is dropped "
        f"({dropped.removed:,} new rows; {dropped.reopened:,} that they would have ended stay)."
    )


@commands.command()
def jobs(last: Annotated[int, typer.Option(help="How many.", min=1)] = 20) -> None:
    """Publishing work: what waits, what runs and how far it is, what came out."""
    with initialised() as services:
        newest = Jobs(services.database).newest(last)
        lives = worker_lives(services.settings.data_dir)
    print_table(
        ["job", "dataset", "kind", "state", "requested", "what"],
        [
            [
                str(job.id),
                job.dataset,
                job.kind,
                job.state,
                f"{job.requested_at.astimezone(LONDON):%Y-%m-%d %H:%M:%S}",
                f"{job.step} {job.done}/{job.total}" if job.state in OPEN_STATES and job.step else job.message,
            ]
            for job in newest
        ],
    )
    if not lives and any(job.state in OPEN_STATES for job in newest):
        typer.echo("No worker lives: run “safestats serve” or “safestats worker”.")


@commands.command()
def worker(
    parent: Annotated[int, typer.Option(hidden=True, help="End when this process has ended.")] = 0,
) -> None:
    """Do publishing jobs until interrupted; “serve” starts one itself. It may be killed at any moment."""
    # What it was doing is taken up again: there is nothing to clean up.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    from ..audit.sealing import sealed_regularly
    from .worker import work

    def goes_on() -> bool:
        return not parent or parent_lives(parent)

    with initialised() as services:
        # Somebody may just be asking whether a worker lives, which takes the lock for an instant.
        refused_after = time.monotonic() + _ASKING_SECONDS
        while goes_on():
            with sole_worker(services.settings.data_dir) as mine:
                if mine:
                    with sealed_regularly(services.audit):
                        work(services, goes_on)
                    return
            if not parent and time.monotonic() > refused_after:
                raise SafeStatsError("A worker lives already: it does what is asked for.")
            time.sleep(_LOOK_SECONDS)


@commands.command()
def collect() -> None:
    """Remove files that nobody may pull any more, and ask for those that are missing; a worker does it hourly."""
    from .worker import tidy

    with initialised() as services:
        removed = tidy(services)
    typer.echo(f"{removed:,} files removed.")


@commands.command()
def status() -> None:
    """How things stand with each dataset: rows, release, what is staged, rejected rows, files, agreements."""
    with initialised() as services:
        entries = dataset_statuses(services, london_today())
    print_table(
        ["dataset", "release", "newest", "rows", "staged", "rejected", "files", "MB", "agreements"],
        [
            [
                entry.dataset + (" (synthetic)" if entry.synthetic else ""),
                str(entry.release) if entry.release else "none",
                entry.newest,
                f"{entry.rows:,}",
                f"+{entry.added:,} −{entry.closed:,}" if entry.staged else "nothing",
                f"{entry.rejected:,}",
                f"{entry.files:,}",
                f"{entry.size / 1e6:,.1f}",
                str(entry.agreements),
            ]
            for entry in entries
        ],
    )


@releases.command()
def compare(
    dataset: Annotated[str, typer.Argument(help="A dataset's code.")],
    release: Annotated[
        int | None, typer.Option(help="Which; unless told the staged one, else the visible one.", min=1)
    ] = None,
    month: Annotated[str, typer.Option(help="Boroughs of this month alone, such as 2026-03.")] = "",
) -> None:
    """What a release changes against the published one before it: by month, borough and category, in counts."""
    with initialised() as services:
        found = compared(services, dataset, release)
        with services.database.read() as session:
            changes = changes_of(session, found, month)
    if month and not changes.month:
        raise SafeStatsError(f"Release {changes.release} of {dataset} changes nothing in “{month}”.")
    against = f"release {changes.before}" if changes.before else "nothing, for it is the first"
    total = changes.total
    typer.echo(
        f"{dataset}: release {changes.release} against {against}: {total.before:,} rows before, {total.after:,} after; "
        f"{total.added:,} added, {total.changed:,} changed, {total.withdrawn:,} withdrawn."
    )
    boroughs = f"borough in {changes.month}" if changes.month else "borough"
    for heading, entries in (
        ("month", changes.months),
        (boroughs, changes.boroughs),
        ("category", changes.categories),
        ("changed most", changes.most),
    ):
        if entries:
            typer.echo()
            _print_changes(heading, entries, rows_too=heading != "category")


def _print_changes(heading: str, entries: Sequence[Changed], rows_too: bool) -> None:
    print_table(
        [heading, "before", "after", "difference", *(("added", "changed", "withdrawn") if rows_too else ())],
        [
            [
                one.name,
                f"{one.before:,}",
                f"{one.after:,}",
                one.difference,
                *((f"{one.added:,}", f"{one.changed:,}", f"{one.withdrawn:,}") if rows_too else ()),
            ]
            for one in entries
        ],
    )


def build_for_agreement(services: Services, dataset: str) -> bool:
    """Build what an agreement's people will pull; whether a worker does it, later."""
    if worker_lives(services.settings.data_dir):
        Jobs(services.database).request(dataset, JobKind.BUILD)
        return True
    refuse_failed(_followed(services, dataset, JobKind.BUILD))
    return False


def _in_jobs(services: Services, datasets: list[str], background: bool) -> Iterator[str]:
    """Ask for the datasets to be published; what came of each."""
    for dataset in datasets:
        if background:
            number = Jobs(services.database).request(dataset, JobKind.PUBLISH)
            lives = worker_lives(services.settings.data_dir)
            waits = "" if lives else " It waits: no worker lives, run “safestats serve” or “safestats worker”."
            yield f"{dataset}: job {number}; “safestats jobs” tells how far it is.{waits}"
            continue
        job = _followed(services, dataset, JobKind.PUBLISH)
        refuse_failed(job)
        yield job.message


def _followed(services: Services, dataset: str, kind: JobKind) -> PublishingJob:
    """Ask for a job and follow it; an interrupt counts from before it is asked for, or it would go on alone."""
    from .worker import see_through

    with progress_bars() as progress, _first_interrupt() as interrupted:
        number, joined = Jobs(services.database).join(dataset, kind)
        return see_through(services, number, progress, interrupted, joined=joined)


def _cancel(services: Services, datasets: list[str]) -> None:
    from ..uploads.loading import forget_ended
    from .worker import do_next

    jobs = Jobs(services.database)
    for dataset in datasets:
        numbers = jobs.cancel(dataset)
        forget_ended(services)
        if not numbers:
            typer.echo(f"{dataset}: there is nothing to cancel.")
        for number in numbers:
            while (job := jobs.get(number)).state in OPEN_STATES:
                # Its process may have died: then it is ended here.
                if worker_lives(services.settings.data_dir) or not do_next(services, jobs, number):
                    time.sleep(_LOOK_SECONDS)
            typer.echo(f"{dataset}: job {number} is {job.state}. {job.message}")
        with services.database.read() as session:
            left = newest_release(session, dataset, ReleaseState.STAGED)
        if numbers and left is not None:
            what = "what was loaded" if left.content_of is None else f"the rollback to release {left.content_of}"
            typer.echo(
                f"{dataset}: {what} stays staged: publish it later, or drop it with “safestats discard {dataset}”."
            )


@contextmanager
def _first_interrupt() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C is only noted, a second one ends the command."""
    came = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)
