"""Which way a pull takes to what the manifest says: where it starts from, and what it takes out and in."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, replace

from ...shared.manifest import Artefact, Manifest, Slice, Snapshot
from . import geopackage
from .errors import Cancelled, LocalCopyTrouble
from .local_store import LocalCopy
from .row_digest import prove_month
from .transport import Cancel

# To weigh the ways against each other: an office line, and what was measured on 1 M rows, taken with caution.
_BYTES_PER_SECOND = 5e6
_ROWS_PER_SECOND_INTO_INDEX = 40_000
_ROWS_PER_SECOND_THEN_INDEX = 30_000
_ROWS_PER_SECOND_PROVED = 150_000
# Of a month that is here already: how much of it a correction is expected to touch.
_CORRECTED_SHARE = 0.1
_MONTH_LENGTH = len("2026-11")


@dataclass(frozen=True)
class PullPlan:
    """Where to start (the copy here, the snapshot, or nothing), and the months to take out and in."""

    base: LocalCopy | Snapshot | None
    gone: tuple[Slice, ...]
    new: tuple[Slice, ...]

    @property
    def downloads(self) -> tuple[Artefact, ...]:
        whole = (self.base,) if isinstance(self.base, Snapshot) else ()
        return (*whole, *self.new)

    @property
    def bytes(self) -> int:
        return sum(artefact.size for artefact in self.downloads)

    @property
    def seconds(self) -> float:
        arriving = sum(month.rows for month in self.new)
        estimate = self.bytes / _BYTES_PER_SECOND + arriving / _ROWS_PER_SECOND_PROVED
        if self.base is None:
            return estimate + arriving / _ROWS_PER_SECOND_THEN_INDEX
        # By month: days that are now a month, or the other way round, are mostly the same rows.
        rows_gone, rows_new = (_rows_by_month(slices) for slices in (self.gone, self.new))
        touched = 0.0
        for month in {*rows_gone, *rows_new}:
            old, new = rows_gone[month], rows_new[month]
            touched += abs(new - old) + _CORRECTED_SHARE * min(old, new)
        return estimate + touched / _ROWS_PER_SECOND_INTO_INDEX


def _rows_by_month(slices: tuple[Slice, ...]) -> Counter[str]:
    rows: Counter[str] = Counter()
    for one in slices:
        rows[one.period[:_MONTH_LENGTH]] += one.rows
    return rows


def slice_names(manifest: Manifest) -> set[str]:
    """What the slices are told apart by."""
    return {month.name for month in manifest.slices}


def same_shape(one: Manifest, other: Manifest) -> bool:
    """Whether rows of one fit into a copy of the other."""
    return (one.layer_name, one.geometry, one.columns) == (other.layer_name, other.geometry, other.columns)


def plan_pull(manifest: Manifest, former: LocalCopy | None, cancelled: Cancel) -> PullPlan:
    """The way that takes the least time, by the estimates above."""
    plans = []
    if manifest.snapshot is not None:
        held = set(manifest.snapshot.slices)
        plans.append(PullPlan(manifest.snapshot, (), tuple(s for s in manifest.slices if s.name not in held)))
    if former is not None and same_shape(former.manifest, manifest):
        wanted = slice_names(manifest)
        closed = _closed(manifest, former, cancelled)
        here = slice_names(former.manifest) | {month.name for month in closed}
        gone = tuple(
            s
            for s in former.manifest.slices
            if s.name not in wanted and not any(_lies_in(s, month) for month in closed)
        )
        plans.append(PullPlan(former, gone, tuple(s for s in manifest.slices if s.name not in here)))
    if manifest.slices:
        plans.append(PullPlan(None, (), manifest.slices))
    if not plans:
        raise LocalCopyTrouble(
            f"There is nothing to pull of {manifest.title} yet: no month has been published.", "empty"
        )
    return min(plans, key=lambda plan: plan.seconds)


def _lies_in(one: Slice, other: Slice) -> bool:
    return other.fid_from <= one.fid_from and one.fid_to <= other.fid_to


def _closed(manifest: Manifest, former: LocalCopy, cancelled: Cancel) -> tuple[Slice, ...]:
    """The months whose rows the copy has already, proved by their digest: they were days before."""
    here = slice_names(former.manifest)
    closed = []
    for month in manifest.slices:
        days = [s for s in former.manifest.slices if _lies_in(s, month) and s.period != month.period]
        if month.name in here or not days or sum(day.rows for day in days) != month.rows:
            continue
        try:
            prove_month(former.path, manifest, month, cancelled)
        except (geopackage.UnprovedError, sqlite3.DatabaseError):
            if cancelled():
                raise Cancelled from None
            continue  # corrected, or damaged: it is downloaded
        closed.append(month)
    return tuple(closed)


def left_over(gone: tuple[Slice, ...], new: tuple[Slice, ...]) -> list[Slice]:
    """What of the slices that go no new one takes the place of."""
    left = []
    for old in gone:
        first = old.fid_from
        for month in sorted(new, key=lambda month: month.fid_from):
            if month.fid_to < first or month.fid_from > old.fid_to:
                continue
            if month.fid_from > first:
                left.append(replace(old, fid_from=first, fid_to=month.fid_from - 1))
            first = month.fid_to + 1
        if first <= old.fid_to:
            left.append(replace(old, fid_from=first))
    return left


def room_needed(plan: PullPlan) -> int:
    """Bytes of disk that carrying it out takes, the former copy not counted."""
    if isinstance(plan.base, LocalCopy):
        base = plan.base.path.stat().st_size
    elif plan.base is not None:
        base = plan.base.file_size
    else:
        base = 5 * plan.bytes
    return plan.bytes + base + sum(max(month.file_size, 8 * month.size) for month in plan.new)
