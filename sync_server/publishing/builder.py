"""Builds the files of a release for the scopes that may sync it. Records nothing: that is ``service``'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from sqlalchemy.orm import Session

from ..agreements.scope import Scope
from ..instants import now
from ..progress import ReportsProgress
from .artefact_store import ArtefactStore
from .geopackage import rows_schema
from .layer_rows import SliceKey, read_rows, slice_keys, snapshot_name
from .models import Artefact, ArtefactKind


@dataclass
class Builder:
    """What is built for one release.

    ``slices`` says which slice holds what: it starts with what an earlier build left valid.
    ``made`` are the new files by name, to be recorded.
    """

    store: ArtefactStore
    periods: list[str]
    slices: dict[SliceKey, str]
    made: dict[str, Artefact] = field(default_factory=dict)

    def lacks(self, session: Session, scope: Scope) -> bool:
        """Whether a file of the scope's layer is still to be built."""
        keys = slice_keys(scope, self.periods)
        if any(key not in self.slices for key in keys):
            return True
        names = self.names(scope)
        return not all(self._there(session, name) for name in (*names, snapshot_name(scope, names)))

    def names(self, scope: Scope) -> list[str]:
        """The slices of the scope's layer, by period; raises ``KeyError`` where one is not built."""
        return [self.slices[key] for key in slice_keys(scope, self.periods)]

    def build(self, session: Session, scopes: Sequence[Scope], progress: ReportsProgress) -> None:
        """Build what the scopes lack, at the release that they name."""
        step = f"Building files of {scopes[0].definition.code}" if scopes else ""
        total = sum(len(slice_keys(scope, self.periods)) + 1 for scope in scopes)
        done = 0
        for scope in scopes:
            tables: dict[str, pa.Table] = {}
            for key in slice_keys(scope, self.periods):
                self._build_slice(session, scope, key, tables)
                done += 1
                progress(step, done, total)
            self._build_snapshot(session, scope, tables)
            done += 1
            progress(step, done, total)

    def _build_slice(self, session: Session, scope: Scope, key: SliceKey, tables: dict[str, pa.Table]) -> None:
        known = self.slices.get(key)
        if known is not None and self._there(session, known):
            return
        rows = read_rows(session, scope, key.period)
        name = rows.name()
        tables[key.period] = rows.table()
        self.slices[key] = name
        if not self._there(session, name):
            self._make(ArtefactKind.SLICE, scope, name, tables[key.period], key.period)

    def _build_snapshot(self, session: Session, scope: Scope, tables: Mapping[str, pa.Table]) -> None:
        name = snapshot_name(scope, self.names(scope))
        if self._there(session, name):
            return
        # Undated rows have the lowest feature ids, then months follow each other: this is the order of the ids.
        parts = [
            tables[key.period] if key.period in tables else read_rows(session, scope, key.period).table()
            for key in slice_keys(scope, self.periods)
        ]
        empty = rows_schema(scope.columns, scope.geometry).empty_table()
        self._make(ArtefactKind.SNAPSHOT, scope, name, pa.concat_tables([empty, *parts]), None)

    def _there(self, session: Session, name: str) -> bool:
        return (name in self.made or session.get(Artefact, name) is not None) and self.store.holds(name)

    def _make(self, kind: ArtefactKind, scope: Scope, name: str, rows: pa.Table, period: str | None) -> None:
        dataset = scope.definition.code
        packed = self.store.write(name, dataset, rows, scope.geometry, spatial_index=kind == ArtefactKind.SNAPSHOT)
        self.made[name] = Artefact(
            name=name,
            kind=kind,
            dataset=dataset,
            period=period,
            rows=rows.num_rows,
            size=packed.size,
            sha256=packed.sha256,
            chunks=list(packed.chunks),
            file_size=packed.file_size,
            file_sha256=packed.file_sha256,
            created_at=now(),
        )
