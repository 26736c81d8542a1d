"""Files that wait to be loaded, dropped: nobody knows what is in them until they are read."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..instants import now
from ..publishing.models import JobKind, JobState, PublishingJob
from ..services import Services
from ..supplies.models import Receipt, State
from ..supplies.receiving import incoming_of, kept_files
from ..uploads.incoming import Incoming, IncomingFile
from ..uploads.models import Upload
from .shredding import shred

SENTENCE = "Dropped before it was loaded, because incidents of this dataset were recalled: send it again."


def drop_waiting(services: Services, session: Session, dataset: str) -> int:
    """Shred the dataset's files that wait for their load, and tell whoever sent them; returns how many went.

    Only while ``store.building()``: no load runs then that the worker does. What another process is taking in at this
    moment is loaded under the never-load list, and deleted then.
    """
    dropped = 0
    jobs = session.scalars(
        select(PublishingJob).where(
            PublishingJob.dataset == dataset,
            PublishingJob.kind == JobKind.LOAD,
            PublishingJob.state == JobState.WAITING,
        )
    ).all()
    uploads = Incoming(services.settings.incoming_dir)
    for job in jobs:
        upload = session.get(Upload, job.id)
        for document in upload.files if upload is not None else ():
            dropped += _shredded(uploads.path(IncomingFile.from_json(document)))
        job.state, job.message, job.finished_at = JobState.CANCELLED, SENTENCE, now()
    supplies = incoming_of(services.settings)
    waiting = session.scalars(select(Receipt).where(Receipt.dataset == dataset, Receipt.state == State.WAITING)).all()
    for receipt in waiting:
        for file in kept_files(receipt):
            dropped += _shredded(supplies.path(file))
        receipt.state, receipt.refusal, receipt.finished_at = State.REFUSED, SENTENCE, now()
    return dropped


def _shredded(path: Path) -> int:
    there = path.exists()
    shred(path)
    if there:
        path.parent.rmdir()
    return int(there)
