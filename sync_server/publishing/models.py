"""Releases of datasets, and the files that carry them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..audit.events import COMMAND_LINE
from ..database import Base
from ..instants import UtcDateTime


class ReleaseState(StrEnum):
    """A release is staged by loading and becomes visible by publishing."""

    STAGED = "staged"
    PUBLISHED = "published"


class ArtefactKind(StrEnum):
    """What a file holds."""

    SLICE = "slice"
    SNAPSHOT = "snapshot"


class JobKind(StrEnum):
    """What is to be done for a dataset."""

    PUBLISH = "publish"  # make the staged release visible; where none is, as BUILD
    BUILD = "build"  # build what the visible release lacks
    ROLLBACK = "rollback"  # stage the content of an old release, then as PUBLISH
    DISCARD = "discard"  # drop what is staged
    LOAD = "load"  # load what was uploaded, and stage it
    PLACE = "place"  # stage the rows whose places were decided on


class JobState(StrEnum):
    """A job waits, runs, and ends in one of three ways."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATES = (JobState.WAITING, JobState.RUNNING)


class Release(Base):
    """One numbered state of a dataset. Numbers start at 1 and only grow; at most one release is staged.

    A load that changes staged rows sets ``staged_at`` anew: publishing notices that its rows have moved.
    ``content_of`` is the release that a rollback goes back to. ``built_from`` is the ``staged_at`` of the rows of
    which the staged release's slices were made so far.
    """

    __tablename__ = "release"

    dataset: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(16))
    staged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synthetic: Mapped[bool] = mapped_column(default=False)
    periods: Mapped[list[str]] = mapped_column(JSON, default=list)  # those with rows; known once published
    built_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    content_of: Mapped[int | None]


class ReleaseComparison(Base):
    """What a release changes against the published one ``before`` it (0: none), in counts (``change_counts.Counts``).

    It is of the release's rows as they were when its ``staged_at`` was this one.
    """

    __tablename__ = "release_comparison"

    dataset: Mapped[str] = mapped_column(String(32), primary_key=True)
    release: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    before: Mapped[int]
    staged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    counts: Mapped[dict[str, Any]] = mapped_column(JSON)


class Artefact(Base):
    """A file in the artefacts folder, by the digest of what it holds. Its facts never change.

    ``size``, ``sha256`` and ``chunks`` are of the bytes as sent; ``file_size`` and ``file_sha256`` of the
    GeoPackage inside.
    """

    __tablename__ = "artefact"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    dataset: Mapped[str] = mapped_column(String(32), index=True)
    period: Mapped[str | None] = mapped_column(String(10))  # of a slice
    rows: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    chunks: Mapped[list[str]] = mapped_column(JSON)
    file_size: Mapped[int] = mapped_column(BigInteger)
    file_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    unreferenced_since: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LayerSlice(Base):
    """Which slice holds a period of a release for everybody whose rights have this fingerprint."""

    __tablename__ = "layer_slice"
    __table_args__ = (Index(None, "artefact"),)

    dataset: Mapped[str] = mapped_column(String(32), primary_key=True)
    release: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    period: Mapped[str] = mapped_column(String(10), primary_key=True)
    artefact: Mapped[str] = mapped_column(ForeignKey("artefact.name"))


class PublishingJob(Base):
    """Work that was asked for. Of the running one, ``step``, ``done`` and ``total`` tell how far it is.

    ``attempts`` counts how often it was taken up: a job whose process died is taken up again. ``message`` says
    what came out of it, or why it failed. ``actor`` is who asked for it, ``target`` the release to roll back to.
    """

    __tablename__ = "publishing_job"
    __table_args__ = (Index(None, "state"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32))
    kind: Mapped[JobKind] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64), default=COMMAND_LINE)
    target: Mapped[int | None]
    state: Mapped[JobState] = mapped_column(String(16), default=JobState.WAITING)
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    process: Mapped[int | None]  # of the worker that took it up
    step: Mapped[str] = mapped_column(default="")
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    message: Mapped[str] = mapped_column(default="")
