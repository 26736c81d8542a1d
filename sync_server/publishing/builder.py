"""Builds the files of a release for the scopes that may sync it, and records each as soon as it stands.

So a run that is broken off goes on where it stopped. What people see is not changed here: that is ``service``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..agreements.opened import Scope
from ..database import Database
from ..instants import now
from ..progress import ReportsProgress
from .artefact_store import ArtefactStore, DamagedFileError
from .geopackage import Packed, file_schema
from .layer_rows import read_rows
from .models import Artefact, ArtefactKind, LayerSlice, Release
from .releases import refuse_moved_rows
from .short_writes import in_a_write
from .slices import SliceKey, in_snapshot, slice_keys, snapshot_name


@dataclass
class Builder:
    """What is built for one ``release``, which has rows in ``periods``.

    ``slices`` says which slice holds what: it starts with what an earlier run left valid. ``made`` are the names
    of the files that were written, ``snapshots`` those of them that are snapshots.
    """

    database: Database
    store: ArtefactStore
    release: Release
    periods: list[str]
    slices: dict[SliceKey, str]
    rows: int = 0  # of the release, whoever may see them
    made: set[str] = field(default_factory=set)
    snapshots: set[str] = field(default_factory=set)

    def snapshot_slices(self, scope: Scope) -> list[str]:
        """The slices of the scope's snapshot, by period; raises ``KeyError`` where one is not built."""
        return [self.slices[key] for key in in_snapshot(slice_keys(scope, self.periods))]

    def lacks_slices(self, session: Session, scopes: Iterable[Scope]) -> bool:
        """Whether a slice of the scopes' layers is still to be built."""
        keys = {key for scope in scopes for key in slice_keys(scope, self.periods)}
        if any(key not in self.slices for key in keys):
            return True
        return not all(self._there(session, self.slices[key]) for key in keys)

    def lacks_snapshots(self, session: Session, scopes: Iterable[Scope]) -> bool:
        """Whether a snapshot of the scopes' layers, whose slices are there, is still to be built."""
        names = {snapshot_name(scope, self.snapshot_slices(scope)) for scope in scopes}
        return not all(self._there(session, name) for name in names)

    def build_slices(self, scopes: Sequence[Scope], progress: ReportsProgress) -> None:
        """Build the slices that the scopes lack, at the release that they name."""
        wanted = {key: scope for scope in scopes for key in slice_keys(scope, self.periods)}
        step = f"Building months of {self.release.dataset}"
        progress(step, 0, len(wanted))
        for done, (key, scope) in enumerate(wanted.items(), start=1):
            self._build_slice(scope, key, progress, (step, done - 1, len(wanted)))
            progress(step, done, len(wanted))

    def build_snapshots(self, scopes: Sequence[Scope], progress: ReportsProgress) -> None:
        """Put the slices of each scope's layer together; raises ``DamagedFileError`` where one is not sound."""
        wanted = {snapshot_name(scope, self.snapshot_slices(scope)): scope for scope in scopes}
        step = f"Building whole layers of {self.release.dataset}"
        progress(step, 0, len(wanted))
        for done, (name, scope) in enumerate(wanted.items(), start=1):
            self._build_snapshot(scope, name, progress, (step, done - 1, len(wanted)))
            progress(step, done, len(wanted))

    def _build_slice(
        self, scope: Scope, key: SliceKey, progress: ReportsProgress, so_far: tuple[str, int, int]
    ) -> None:
        def between() -> None:
            progress(*so_far)

        with self.database.read() as session:
            known = self.slices.get(key)
            if known is not None and self._there(session, known):
                return
            rows = read_rows(session, scope, key.period, between)
            there = self._there(session, rows.name)
        made = None
        if not there:
            layer = self.release.dataset
            packed = self.store.write(rows.name, layer, rows.table, scope.geometry, between)
            made = self._artefact(ArtefactKind.SLICE, rows.name, key.period, rows.table.num_rows, packed)
        slice_ = LayerSlice(
            dataset=self.release.dataset,
            release=self.release.number,
            fingerprint=key.fingerprint,
            period=key.period,
            artefact=rows.name,
        )
        self._record(made, slice_, between)
        self.slices[key] = rows.name

    def _build_snapshot(self, scope: Scope, name: str, progress: ReportsProgress, so_far: tuple[str, int, int]) -> None:
        def between() -> None:
            progress(*so_far)

        # Undated rows have the lowest feature ids, then months follow each other: this is the order of the ids.
        slices = self.snapshot_slices(scope)
        with self.database.read() as session:
            if self._there(session, name):
                return
            found = session.scalars(select(Artefact).where(Artefact.name.in_(slices)))
            digests = {artefact.name: artefact.file_sha256 for artefact in found}
        schema = file_schema(scope.columns, scope.geometry)
        packed, rows = self.store.write_merged(
            name, self.release.dataset, {part: digests[part] for part in slices}, schema, scope.geometry, between
        )
        self._record(self._artefact(ArtefactKind.SNAPSHOT, name, None, rows, packed), None, between)
        self.snapshots.add(name)

    def mend(self, damaged: DamagedFileError) -> None:
        """Let go of a file that is not sound: the next ``build_slices`` makes it anew."""
        self.store.remove(damaged.name)

    def _there(self, session: Session, name: str) -> bool:
        artefact = session.get(Artefact, name)
        return artefact is not None and self.store.holds(name, artefact.size)

    def _artefact(self, kind: ArtefactKind, name: str, period: str | None, rows: int, packed: Packed) -> Artefact:
        instant = now()
        return Artefact(
            name=name,
            kind=kind,
            dataset=self.release.dataset,
            period=period,
            rows=rows,
            size=packed.size,
            sha256=packed.sha256,
            chunks=list(packed.chunks),
            file_size=packed.file_size,
            file_sha256=packed.file_sha256,
            created_at=instant,
            # Of no use to anybody before its layer shows: a run that is never finished leaves nothing for good.
            unreferenced_since=instant,
        )

    def _record(self, made: Artefact | None, slice_: LayerSlice | None, between: Callable[[], None]) -> None:
        def record(session: Session) -> None:
            refuse_moved_rows(session, self.release)
            if made is not None:
                session.merge(made)
                session.flush()
            if slice_ is not None:
                session.merge(slice_)

        in_a_write(self.database, record, between, self.release.dataset)
        if made is not None:
            self.made.add(made.name)
