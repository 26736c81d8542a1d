"""Releases of datasets, and the files that carry them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

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


class Release(Base):
    """One numbered state of a dataset. Numbers start at 1 and only grow; at most one release is staged.

    A load that changes staged rows sets ``staged_at`` anew: publishing notices that its rows have moved.
    """

    __tablename__ = "release"

    dataset: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(16))
    staged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synthetic: Mapped[bool] = mapped_column(default=False)
    periods: Mapped[list[str]] = mapped_column(JSON, default=list)  # those with rows; known once published


class Artefact(Base):
    """A file in the artefacts folder, by the digest of what it holds. Its facts never change.

    ``size``, ``sha256`` and ``chunks`` are of the bytes as sent; ``file_size`` and ``file_sha256`` of the
    GeoPackage inside.
    """

    __tablename__ = "artefact"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    dataset: Mapped[str] = mapped_column(String(32), index=True)
    period: Mapped[str | None] = mapped_column(String(7))  # of a slice
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
    period: Mapped[str] = mapped_column(String(7), primary_key=True)
    artefact: Mapped[str] = mapped_column(ForeignKey("artefact.name"))
