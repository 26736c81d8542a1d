"""The worker's part: a load that was asked for, done once whatever happens to the worker, and its files forgotten."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..audit.events import EventType, Outcome
from ..database import Database
from ..errors import SafeStatsError
from ..identity.models import Organisation, User
from ..ingest import saved_mappings
from ..ingest.comparison import counts_by_place
from ..ingest.models import Delivery
from ..ingest.report import DeliveryReport
from ..ingest.service import load
from ..progress import ReportsProgress
from ..publishing.models import OPEN_STATES, JobState, PublishingJob, ReleaseState
from ..publishing.releases import newest_release
from ..services import Services
from .incoming import Incoming, IncomingFile
from .models import Upload
from .recognising import KnownBy, recognise

logger = logging.getLogger(__name__)


def run_load(services: Services, job: PublishingJob, progress: ReportsProgress) -> str:
    """Load what the job's upload holds, unless that was done before its process died; what came out, in a sentence.

    Raises ``SafeStatsError`` where it cannot be loaded: then nothing was.
    """
    with services.database.read() as session:
        upload = session.get_one(Upload, job.id)
    if upload.delivery_id is None:
        if upload.batch is not None:
            upload = _recognise(services, upload, progress)
        upload = _load(services, job, upload, progress)
    if upload.mapping:
        _remember(services, job, upload)
    if upload.delivery_id is None:
        return f"{upload.dataset}: nothing changed; all of it was held already."
    with services.database.read() as session:
        delivery = session.get_one(Delivery, upload.delivery_id)
        # Loads and publishing take turns, so that the visible release is still the one before.
        visible = newest_release(session, upload.dataset, ReleaseState.PUBLISHED)
        before = visible.number if visible is not None else 0
        months = [*delivery.report["months"]]
        definition = services.definition(upload.dataset)
        counts = counts_by_place(session, definition, months, before, delivery.release)
    _note(services.database, job.id, comparison=counts)
    return (
        f"{upload.dataset}: {delivery.rows_in:,} rows, {delivery.accepted:,} accepted and {delivery.rejected:,} "
        f"rejected; staged for release {delivery.release}."
    )


def _load(services: Services, job: PublishingJob, upload: Upload, progress: ReportsProgress) -> Upload:
    incoming = Incoming(services.settings.incoming_dir)
    files = [incoming.path(IncomingFile.from_json(file)) for file in upload.files]

    def recorded(session: Session, delivery_id: int) -> None:
        # In the transaction that loads it: whoever takes the job up again knows that this is done.
        entry = session.get_one(Upload, job.id)
        entry.delivery_id = delivery_id
        delivery = session.get_one(Delivery, delivery_id)
        entry.release = delivery.release
        if entry.batch is not None:
            _refuse_second_return(session, entry, delivery)

    report: DeliveryReport = load(
        services,
        upload.dataset,
        files,
        progress,
        upload.synthetic,
        upload.accept_withdrawals,
        site=upload.site,
        actor=job.actor,
        mapping=upload.mapping,
        recorded=recorded,
    )
    with services.database.read() as session:
        loaded = session.get_one(Upload, job.id)
    if loaded.delivery_id is None:
        _note(services.database, job.id, report=report.to_json())
    return loaded


def _recognise(services: Services, upload: Upload, progress: ReportsProgress) -> Upload:
    """Write down whose file it is; raises ``SafeStatsError`` where that cannot be told."""
    progress("Recognising the file", 0, 1)
    path = Incoming(services.settings.incoming_dir).path(IncomingFile.from_json(upload.files[0]))
    by_name = upload.site if upload.recognised == KnownBy.NAME else ""
    found = recognise(services, services.definition(upload.dataset), path, by_name)
    _note(services.database, upload.job_id, site=found.site, recognised=found.by)
    with services.database.read() as session:
        return session.get_one(Upload, upload.job_id)


def _refuse_second_return(session: Session, upload: Upload, delivery: Delivery) -> None:
    """Raises ``SafeStatsError`` where a file that was sent with this one is the whole of the same return."""
    beside = session.execute(
        select(Upload.files, Delivery.report)
        .join(Delivery, Delivery.delivery_id == Upload.delivery_id)
        .where(Upload.batch == upload.batch, Upload.job_id != upload.job_id)
    )
    own = {tuple(one) for one in delivery.report["returns"]}
    for files, report in beside:
        for site, month in sorted(own & {tuple(one) for one in report["returns"]}):
            raise SafeStatsError(
                f"{files[0]['name']} and {upload.files[0]['name']} were sent together and both hold the return of "
                f"{site} for {month}: the first one is loaded; if this one is right, send it again by itself."
            )


def _remember(services: Services, job: PublishingJob, upload: Upload) -> None:
    """Save the mapping for the next layer, once nothing identifying was found in what it leads."""
    with services.database.read() as session:
        person = session.get(User, job.actor)
        home = session.get(Organisation, person.organisation_id) if person is not None else None
    if home is not None:
        saved_mappings.save(services, job.actor, home.code, upload.dataset, saved_mappings.LAYERS, upload.mapping)


def unexpected(job: PublishingJob, error: Exception) -> str:
    """A sentence on what nobody foresaw; the log tells where it happened, and no word of what a file held."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    logger.error("Loading job %s of %s failed: %s at %s", job.id, job.dataset, type(error).__name__, places)
    return (
        f"The load of {job.dataset} failed, and nothing was loaded ({type(error).__name__}, job {job.id}): tell the "
        "SafeStats team, who find where in the worker's output."
    )


def forget_ended(services: Services) -> None:
    """Delete the files of loads that have ended, whichever way, and record how."""
    incoming = Incoming(services.settings.incoming_dir)
    with services.database.read() as session:
        ended = session.execute(
            select(Upload, PublishingJob)
            .join(PublishingJob, PublishingJob.id == Upload.job_id)
            .where(Upload.kept, PublishingJob.state.not_in(OPEN_STATES))
        ).all()
    for upload, job in ended:
        for file in upload.files:
            incoming.forget(file["token"])
        services.audit.record(
            EventType.UPLOAD_ENDED,
            actor=job.actor,
            dataset=job.dataset,
            filter={"upload": job.id, "state": str(JobState(job.state))},
            outcome=Outcome.OK if job.state == JobState.DONE else Outcome.REFUSED,
            once=f"upload-end:{job.id}",
        )
        # The texts of a mapping are the file's: of a load that was refused nothing is kept.
        _note(services.database, job.id, kept=False, mapping="")


def waiting_tokens(session: Session) -> set[str]:
    """The tokens of incoming files that an open load still needs."""
    waiting = session.scalars(
        select(Upload.files)
        .join(PublishingJob, PublishingJob.id == Upload.job_id)
        .where(PublishingJob.state.in_(OPEN_STATES))
    )
    return {file["token"] for files in waiting for file in files}


def _note(database: Database, number: int, **values: object) -> None:
    with database.write() as session:
        session.execute(update(Upload).where(Upload.job_id == number).values(**values))
