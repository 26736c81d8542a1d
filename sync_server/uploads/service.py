"""What a publisher does with files: send them to be loaded, follow the load, and decide what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...shared.uploads import UNDER_WAY, UploadState
from ..audit.events import EventType
from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from ..identity.authority import authorise
from ..identity.permissions import Permission
from ..ingest.models import Delivery, Fate, RejectedRow
from ..instants import now
from ..problems import Problem
from ..publishing.jobs import Jobs
from ..publishing.models import OPEN_STATES, JobKind, JobState, PublishingJob, Release, ReleaseState
from ..screening.names import refuse_identifying_names, shown_file
from ..services import Services
from .incoming import Incoming, IncomingFile, fit_name
from .loading import forget_ended
from .models import Upload
from .recognising import KnownBy, site_of_name

MOST_FILES = 60
MOST_BYTES = 500_000_000  # of all files of an upload
MOST_SHOWN = 500  # rejected rows of a report


@dataclass(frozen=True)
class RejectedLine:
    """A row that was not taken: where it stood and why, never what it held."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class UploadStanding:
    """An upload as it is now. While something is under way ``step``, ``done`` and ``total`` tell how far it is.

    ``report`` is the delivery's (``DeliveryReport.to_json``), ``comparison`` its counts by month and borough before
    and after; both are ``None`` where nothing was loaded, or it was discarded. ``others`` other deliveries are staged
    for the same release.
    """

    number: int
    dataset: str
    site: str
    files: tuple[str, ...]
    state: UploadState
    message: str
    step: str
    done: int
    total: int
    asked_at: datetime
    actor: str
    release: int | None
    delivery: int | None
    report: dict[str, Any] | None
    comparison: list[list[Any]] | None
    others: int
    accept_withdrawals: bool
    cancel_requested: bool
    batch: int | None = None
    recognised: KnownBy | None = None


def receive(
    services: Services,
    actor: str,
    dataset: str,
    streams: Sequence[tuple[str, BinaryIO]],
    *,
    site: str = "",
    synthetic: bool | None = None,
    accept_withdrawals: bool = False,
    mapping: str = "",
) -> int:
    """Keep the files (name, stream) and ask for the job that loads them; returns its number.

    Raises ``SafeStatsError`` where a file is empty, too large or named for somebody, or none was chosen: then nothing
    is kept.
    """
    definition = _definition(services, actor, dataset, site)
    with _kept(services, streams) as kept, services.database.write() as session:
        asked = Upload(
            dataset=definition.code,
            site=site,
            synthetic=synthetic,
            accept_withdrawals=accept_withdrawals,
            mapping=mapping,
            files=[file.to_json() for file in kept],
        )
        return _request(services, session, actor, asked)


def receive_each(
    services: Services,
    actor: str,
    dataset: str,
    streams: Sequence[tuple[str, BinaryIO]],
    *,
    synthetic: bool | None = None,
    accept_withdrawals: bool = False,
) -> int:
    """Keep files of several sites and ask for a job for each of them; returns the number of the first, the batch's.

    The job finds out whose its file is (``recognising``). Raises ``SafeStatsError`` as ``receive``.
    """
    definition = _definition(services, actor, dataset, "")
    if not definition.sites:
        raise SafeStatsError(f"{definition.title} has no sites: its files are loaded together.")
    named = [site_of_name(services, name) for name, _ in streams]
    batch = 0
    with _kept(services, streams) as kept, services.database.write() as session:
        for file, site in zip(kept, named, strict=True):
            asked = Upload(
                dataset=definition.code,
                site=site,
                synthetic=synthetic,
                accept_withdrawals=accept_withdrawals,
                mapping="",
                files=[file.to_json()],
                batch=batch or None,
                recognised=KnownBy.NAME if site else None,
            )
            number = _request(services, session, actor, asked)
            batch = batch or number
            asked.batch = batch
    return batch


def _definition(services: Services, actor: str, dataset: str, site: str) -> DatasetDefinition:
    """That of the dataset, for somebody who may load it."""
    with services.database.read() as session:
        authorise(session, actor, Permission.MANAGE_RELEASES)
    definition = services.definition(dataset)
    if site and not definition.sites:
        raise SafeStatsError(f"{definition.title} has no sites: leave the site empty.")
    return definition


@contextmanager
def _kept(services: Services, streams: Sequence[tuple[str, BinaryIO]]) -> Iterator[list[IncomingFile]]:
    """The files, kept until their loads have ended; where what follows fails, nothing is."""
    if not streams:
        raise SafeStatsError("No file was chosen: choose at least one.")
    if len(streams) > MOST_FILES:
        raise SafeStatsError(f"At most {MOST_FILES} files are loaded together: send the rest afterwards.")
    names = [fit_name(name) for name, _ in streams]
    refuse_identifying_names(names)
    incoming = Incoming(services.settings.incoming_dir)
    kept: list[IncomingFile] = []
    try:
        for number, (name, (_, stream)) in enumerate(zip(names, streams, strict=True), start=1):
            kept.append(incoming.keep(stream, shown_file(name, number), MOST_BYTES - sum(file.size for file in kept)))
        yield kept
    except BaseException:
        for file in kept:
            incoming.forget(file.token)
        raise


def _request(services: Services, session: Session, actor: str, asked: Upload) -> int:
    job = PublishingJob(dataset=asked.dataset, kind=JobKind.LOAD, actor=actor, requested_at=now())
    session.add(job)
    session.flush()
    asked.job_id = job.id
    session.add(asked)
    session.flush()
    services.audit.record(
        EventType.UPLOAD_RECEIVED,
        actor=actor,
        dataset=asked.dataset,
        filter={"upload": job.id, "site": asked.site, "files": [file["sha256"] for file in asked.files]},
    )
    return job.id


def standing(session: Session, number: int) -> UploadStanding:
    """How an upload stands; raises ``Problem`` 404 where there is none of the number."""
    upload = session.get(Upload, number)
    if upload is None:
        raise Problem(404, "no-such-upload", "No such upload", f"There is no upload {number}.")
    return _standing(session, upload, session.get_one(PublishingJob, number))


def newest(session: Session, count: int, dataset: str | None = None) -> list[UploadStanding]:
    """The newest uploads, the newest one first."""
    query = select(Upload, PublishingJob).join(PublishingJob, PublishingJob.id == Upload.job_id)
    if dataset is not None:
        query = query.where(Upload.dataset == dataset)
    found = session.execute(query.order_by(Upload.job_id.desc()).limit(count)).all()
    return [_standing(session, upload, job) for upload, job in found]


def batch_of(session: Session, number: int) -> list[UploadStanding]:
    """The uploads that were sent together, in their order; raises ``Problem`` 404 where there are none."""
    found = session.execute(
        select(Upload, PublishingJob)
        .join(PublishingJob, PublishingJob.id == Upload.job_id)
        .where(Upload.batch == number)
        .order_by(Upload.job_id)
    ).all()
    if not found:
        raise Problem(404, "no-such-upload", "No such upload", f"No uploads were sent together under {number}.")
    return [_standing(session, upload, job) for upload, job in found]


def rejected_lines(session: Session, upload: UploadStanding, count: int = MOST_SHOWN) -> list[RejectedLine]:
    """The first rejected rows of what was loaded, in the order of their files and lines."""
    found = session.execute(
        select(RejectedRow.file, RejectedRow.line, RejectedRow.reason)
        .where(RejectedRow.delivery_id == upload.delivery, RejectedRow.fate == Fate.REJECTED)
        .order_by(RejectedRow.file, RejectedRow.line)
        .limit(count)
    )
    return [RejectedLine(*row) for row in found]


def publish(services: Services, actor: str, number: int) -> int:
    """Ask for the job that makes what was loaded visible; its number. Raises ``Problem`` 409 unless it is staged."""
    upload = _acted_on(services, actor, number, (UploadState.STAGED,), "published")
    return Jobs(services.database).request(upload.dataset, JobKind.PUBLISH, actor)


def discard(services: Services, actor: str, number: int, with_others: bool = False) -> None:
    """End a load that is under way, or ask for the job that drops what was loaded.

    What is staged is dropped as a whole: raises ``Problem`` 409 where other deliveries are staged beside it, unless
    they may go too; and where it is neither under way nor staged.
    """
    open_states = (UploadState.WAITING, UploadState.LOADING, UploadState.STAGED)
    upload = _acted_on(services, actor, number, open_states, "dropped")
    if upload.state != UploadState.STAGED:
        Jobs(services.database).cancel(upload.dataset, number)
        forget_ended(services)
        return
    if upload.others and not with_others:
        detail = (
            f"{upload.others} other deliveries are staged for the same release and would be dropped too: drop them all "
            "on the console’s page of the release."
        )
        raise Problem(409, "others-staged", "Not alone", detail)
    Jobs(services.database).request(upload.dataset, JobKind.DISCARD, actor)


def _acted_on(services: Services, actor: str, number: int, states: Sequence[UploadState], done: str) -> UploadStanding:
    with services.database.read() as session:
        authorise(session, actor, Permission.MANAGE_RELEASES)
        upload = standing(session, number)
    if upload.state not in states:
        detail = f"Upload {number} is {upload.state}, so it cannot be {done}."
        raise Problem(409, "not-possible", "That could not be done", detail)
    return upload


def _standing(session: Session, upload: Upload, job: PublishingJob) -> UploadStanding:
    delivery = None
    if upload.delivery_id is not None:
        delivery = session.execute(
            select(Delivery.release, Delivery.report).where(Delivery.delivery_id == upload.delivery_id)
        ).one()
    state, of = _state(session, upload, job)
    shown = of if of.state in OPEN_STATES else job
    message = of.message if of.state == JobState.FAILED else job.message
    others = 0
    if state == UploadState.STAGED and delivery is not None:
        others = (
            session.scalar(
                select(func.count())
                .select_from(Delivery)
                .where(
                    Delivery.dataset == upload.dataset,
                    Delivery.release == delivery.release,
                    Delivery.delivery_id != upload.delivery_id,
                )
            )
            or 0
        )
    return UploadStanding(
        number=job.id,
        dataset=upload.dataset,
        site=upload.site,
        files=tuple(file["name"] for file in upload.files),
        state=state,
        message=message,
        step=shown.step if state in UNDER_WAY else "",
        done=shown.done,
        total=shown.total,
        asked_at=job.requested_at,
        actor=job.actor,
        release=upload.release,
        delivery=upload.delivery_id,
        report=delivery.report if delivery is not None else upload.report,
        comparison=upload.comparison if delivery is not None else None,
        others=others,
        accept_withdrawals=upload.accept_withdrawals,
        cancel_requested=job.cancel_requested,
        batch=upload.batch,
        recognised=KnownBy(upload.recognised) if upload.recognised else None,
    )


_BEFORE: dict[JobState, UploadState] = {
    JobState.WAITING: UploadState.WAITING,
    JobState.RUNNING: UploadState.LOADING,
    JobState.FAILED: UploadState.FAILED,
    JobState.CANCELLED: UploadState.CANCELLED,
}


def _state(session: Session, upload: Upload, job: PublishingJob) -> tuple[UploadState, PublishingJob]:
    """The state, and the job that tells how far it is: the load's own, or a later one of its release."""
    loaded = JobState(job.state)
    if loaded in (JobState.WAITING, JobState.RUNNING) or upload.release is None:
        return _BEFORE.get(loaded, UploadState.UNCHANGED), job
    if upload.delivery_id is None:
        return UploadState.DISCARDED, job
    release = session.get(Release, (upload.dataset, upload.release))
    if release is None:
        return UploadState.DISCARDED, job
    if release.state == ReleaseState.PUBLISHED:
        return UploadState.PUBLISHED, job
    later = session.scalar(
        select(PublishingJob)
        .where(
            PublishingJob.dataset == upload.dataset,
            PublishingJob.kind.in_((JobKind.PUBLISH, JobKind.DISCARD)),
            PublishingJob.id > job.id,
        )
        .order_by(PublishingJob.id.desc())
        .limit(1)
    )
    if later is None or later.state not in OPEN_STATES:
        return UploadState.STAGED, later or job
    return (UploadState.PUBLISHING if later.kind == JobKind.PUBLISH else UploadState.DISCARDING), later
