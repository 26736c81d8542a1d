"""A scope's layer as published: its files, found by what its rights are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from ..agreements.opened import Scope
from ..datasets.periods import month_of
from ..problems import Problem
from ..publishing.models import Artefact, LayerSlice, Release
from ..publishing.slices import SliceKey, in_snapshot, slice_keys, snapshot_name


class LayerPreparing(Problem):
    """The agreement opens the layer, but its files are not all built yet."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            503,
            "layer-preparing",
            "This layer is being prepared",
            f"The files of {scope.definition.title} for agreement {scope.agreement} are still being made: "
            "try again in a few minutes.",
        )


@dataclass(frozen=True)
class PublishedFile:
    """What a client is told of an artefact: plain data, for a layer has hundreds."""

    name: str
    rows: int
    size: int
    sha256: str
    chunks: Sequence[str]
    file_size: int
    file_sha256: str


@dataclass(frozen=True)
class Layer:
    """What the scope may sync now. ``slices`` are by period; ``snapshot``, if any, holds exactly these but for days.

    Periods without a row that the scope shows are not among them: that others have rows there must not show.
    """

    scope: Scope
    release: Release
    slices: Sequence[tuple[SliceKey, PublishedFile]]
    snapshot: PublishedFile | None

    @property
    def rows(self) -> int:
        """How many rows the whole layer has."""
        return sum(artefact.rows for _, artefact in self.slices)

    @property
    def size(self) -> int:
        """Bytes to download for the whole layer."""
        if self.snapshot is None:
            return sum(artefact.size for _, artefact in self.slices)
        held = set(in_snapshot(key for key, _ in self.slices))
        return self.snapshot.size + sum(artefact.size for key, artefact in self.slices if key not in held)

    @property
    def months(self) -> list[str]:
        """The months that it has, in order; undated rows are of none."""
        return sorted({month_of(key.period) for key, _ in self.slices if key.period})

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the rights that apply to its months."""
        rights = sorted({key.fingerprint for key, _ in self.slices})
        return hashlib.sha256("\n".join(rights).encode()).hexdigest()

    def artefact(self, name: str) -> PublishedFile | None:
        """The file of that name, if it is part of the layer."""
        files = [artefact for _, artefact in self.slices] + ([self.snapshot] if self.snapshot else [])
        return next((artefact for artefact in files if artefact.name == name), None)


def published_layer(session: Session, scope: Scope) -> Layer:
    """The layer of a scope at its release; raises ``LayerPreparing`` where a slice is still to be built."""
    release = session.get_one(Release, (scope.definition.code, scope.release))
    keys = slice_keys(scope, release.periods)
    found = session.execute(
        _files(LayerSlice.fingerprint, LayerSlice.period)
        .join(Artefact, Artefact.name == LayerSlice.artefact)
        .where(
            LayerSlice.dataset == release.dataset,
            LayerSlice.release == release.number,
            LayerSlice.fingerprint.in_({key.fingerprint for key in keys}),
        )
    )
    artefacts = {SliceKey(fingerprint, period): PublishedFile(*facts) for fingerprint, period, *facts in found}
    if not all(key in artefacts for key in keys):
        raise LayerPreparing(scope)
    slices = [(key, artefacts[key]) for key in keys]
    # Its name is made of the slices' names: a snapshot of any others has another name.
    whole = snapshot_name(scope, [artefacts[key].name for key in in_snapshot(keys)])
    facts = session.execute(_files().where(Artefact.name == whole)).one_or_none()
    snapshot = PublishedFile(*facts) if facts else None
    shown = [(key, artefact) for key, artefact in slices if artefact.rows]
    if not shown and snapshot is None:
        raise LayerPreparing(scope)
    return Layer(scope, release, shown, snapshot)


def _files(*columns: Any) -> Select[Any]:
    """The columns, then the facts of artefacts as ``PublishedFile`` has them."""
    return select(
        *columns,
        Artefact.name,
        Artefact.rows,
        Artefact.size,
        Artefact.sha256,
        Artefact.chunks,
        Artefact.file_size,
        Artefact.file_sha256,
    )
