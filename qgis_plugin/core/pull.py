"""Makes or renews a local copy: the cheapest way to what the server's manifest says, proved before it counts.

Three places to start from: the copy that is here, the server's whole-layer file, or nothing. What then lacks
comes in months. The former copy stays in use until the new one is proved.
"""

from __future__ import annotations

import errno
import re
import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from ...shared.manifest import API_VERSION, FID_COLUMN, GEOMETRY_COLUMN, Artefact, Manifest, Slice, Snapshot
from . import geopackage
from .download import Download
from .errors import Cancelled, LocalCopyTrouble, PluginTooOld, ServerTrouble, WrongDigest
from .geopackage import RowCounts
from .local_store import AccountStore, Changes, LocalCopy, instant
from .pull_period import EVERYTHING, MonthOffered, PullPeriod, months_offered
from .replacing import held_open
from .row_digest import prove_month
from .transport import Transport
from .unpacking import Unpacking

Progress = Callable[[str, float, float], None]  # what is going on, bytes done, bytes in all (0: not counted in bytes)
Cancel = Callable[[], bool]

CATEGORIES_WITH_COLOUR = 10
# To weigh the ways against each other: an office line, and what was measured on 1 M rows, taken with caution.
_BYTES_PER_SECOND = 5e6
_ROWS_PER_SECOND_INTO_INDEX = 40_000
_ROWS_PER_SECOND_THEN_INDEX = 30_000
_ROWS_PER_SECOND_PROVED = 150_000
# Of a month that is here already: how much of it a correction is expected to touch.
_CORRECTED_SHARE = 0.1
_MONTH_LENGTH = len("2026-11")
_COPY_BYTES = 4 * 1024 * 1024


class PullKind(Enum):
    """What a pull came to."""

    UNCHANGED = "unchanged"
    WHOLE = "whole"
    UPDATED = "updated"


@dataclass(frozen=True)
class PullResult:
    """The copy that is in force now, how it came about, and how many bytes were downloaded."""

    copy: LocalCopy
    kind: PullKind
    downloaded: int


@dataclass(frozen=True)
class _Plan:
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


def pull_layer(
    transport: Transport,
    store: AccountStore,
    dataset: str,
    progress: Progress,
    cancelled: Cancel,
    period: PullPeriod | None = None,
) -> PullResult:
    """Bring the local copy of ``dataset`` to what the server offers now of ``period``.

    Without one it is that of the copy that is here, or everything.
    Raises ``DeskError``: refused, unreachable, wrong digest, no room, busy, too new a server, cancelled.
    Whatever it raises, the former copy is untouched, and what has been downloaded is kept for the next try.
    """
    with store.lock(dataset):
        try:
            return _pull(transport, store, dataset, progress, cancelled, period)
        except ServerTrouble as error:
            if error.code != "not-found":
                raise
            # The server published anew between its manifest and the download: once more, with the new manifest.
            return _pull(transport, store, dataset, progress, cancelled, period)


def ask_months(transport: Transport, dataset: str, cancelled: Cancel) -> tuple[MonthOffered, ...]:
    """The months that the server offers of ``dataset``, to choose from; raises ``DeskError``."""
    return months_offered(_manifest(transport, dataset, cancelled))


def _pull(
    transport: Transport,
    store: AccountStore,
    dataset: str,
    progress: Progress,
    cancelled: Cancel,
    period: PullPeriod | None,
) -> PullResult:
    progress("Asking what has changed", 0, 0)
    former = store.copy(dataset)
    if period is None:
        period = former.period if former is not None else EVERYTHING
    manifest = period.of(_manifest(transport, dataset, cancelled))
    try:
        if (
            former is not None
            and _names(former.manifest) == _names(manifest)
            and _same_shape(former.manifest, manifest)
        ):
            renewed = store.renew(dataset, former, manifest, period)
            store.discard_parts(dataset)  # an earlier try may have been killed between its last two steps
            return PullResult(renewed, PullKind.UNCHANGED, 0)
        plan = _plan(manifest, former, cancelled)
        if isinstance(plan.base, LocalCopy) and not (plan.gone or plan.new):
            # Only names are new: days that have closed into their month.
            renewed = store.renew(dataset, plan.base, manifest, period)
            store.discard_parts(dataset)
            return PullResult(renewed, PullKind.UNCHANGED, 0)
        try:
            return _carry_out(transport, store, manifest, period, former, plan, progress, cancelled)
        except (geopackage.UnprovedError, sqlite3.DatabaseError) as error:
            if not isinstance(plan.base, LocalCopy) or isinstance(error, sqlite3.OperationalError):
                raise
            # The copy that is here may have been damaged since: once more, without it.
            afresh = _plan(manifest, None, cancelled)
            return _carry_out(transport, store, manifest, period, former, afresh, progress, cancelled)
    except (OSError, sqlite3.OperationalError) as error:
        raise LocalCopyTrouble(
            f"The local copy of {manifest.title} could not be written to {store.folder}: {_disk_words(error)}",
            "disk-full" if _is_full(error) else "cannot-write",
        ) from error
    except (geopackage.UnprovedError, sqlite3.DatabaseError) as error:
        # What arrived was right byte for byte and still does not add up: start afresh next time.
        store.discard_parts(dataset)
        raise WrongDigest(
            f"What {transport.host} offers of {manifest.title} does not add up ({error}). Your former copy "
            "is untouched. Tell the SafeStats team.",
            "does-not-add-up",
        ) from error


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "disk is full" in str(error)


def _disk_words(error: Exception) -> str:
    if _is_full(error):
        return "the disk is full. Free some space, then pull again; your former copy is untouched."
    if isinstance(error, OSError) and held_open(error):
        return (
            "another program holds a file open there (a virus scanner, a backup). Your former copy is untouched: pull "
            "again in a moment, and if it stays, ask your IT team to leave that folder out of it."
        )
    reason = (isinstance(error, OSError) and error.strerror) or error
    return (
        f"{reason}. Your former copy is untouched: pull again, and if it stays, ask your IT team to look at the disk."
    )


def _manifest(transport: Transport, dataset: str, cancelled: Cancel) -> Manifest:
    document: dict[str, Any] = transport.get_json(f"/v1/layers/{dataset}/manifest", cancelled=cancelled)
    # The version first: a newer manifest may not even have the members that this plugin reads.
    version = document.get("api_version", 0)
    if isinstance(version, int) and version > API_VERSION:
        raise PluginTooOld(
            f"{transport.host} describes this layer in a newer way than this plugin knows. Update SafeStats in "
            "Plugins → Manage and Install Plugins, then pull again."
        )
    try:
        manifest = Manifest.from_json(document)
        _require_plain(manifest, dataset)
        return manifest
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ServerTrouble(
            f"{transport.host} describes this layer in a way that cannot be read ({error}). Tell the SafeStats team.",
            "unreadable",
        ) from error


def _require_plain(manifest: Manifest, dataset: str) -> None:
    """Raise ``ValueError`` where the manifest is another layer's, or names what is no name, size or instant."""
    if manifest.dataset != dataset:
        raise ValueError(f"it is that of “{manifest.dataset}”")
    names = [column.name for column in manifest.columns]
    if not all(re.fullmatch(r"[a-z][a-z0-9_]*", name, re.ASCII) for name in (manifest.layer_name, *names)):
        raise ValueError("a table or column has a name that is not in small letters, digits and underscores")
    if len({FID_COLUMN, GEOMETRY_COLUMN, *names}) != len(names) + 2:
        raise ValueError("a column is there twice")
    if len({month.period for month in manifest.slices}) != len(manifest.slices):
        raise ValueError("a month is there twice")
    files = [*manifest.slices, *([manifest.snapshot] if manifest.snapshot is not None else [])]
    if not all(re.fullmatch(r"[0-9a-f]{64}", file.name) and file.size >= 0 for file in files):
        raise ValueError("a file is not named by a digest, or has no size")
    instant(manifest.valid_until)
    instant(manifest.agreement_until)


def _names(manifest: Manifest) -> set[str]:
    return {month.name for month in manifest.slices}


def _same_shape(one: Manifest, other: Manifest) -> bool:
    return (one.layer_name, one.geometry, one.columns) == (other.layer_name, other.geometry, other.columns)


def _plan(manifest: Manifest, former: LocalCopy | None, cancelled: Cancel) -> _Plan:
    """The way that takes the least time, by the estimates above."""
    plans = []
    if manifest.snapshot is not None:
        held = set(manifest.snapshot.slices)
        plans.append(_Plan(manifest.snapshot, (), tuple(s for s in manifest.slices if s.name not in held)))
    if former is not None and _same_shape(former.manifest, manifest):
        wanted = _names(manifest)
        closed = _closed(manifest, former, cancelled)
        here = _names(former.manifest) | {month.name for month in closed}
        gone = tuple(
            s
            for s in former.manifest.slices
            if s.name not in wanted and not any(_lies_in(s, month) for month in closed)
        )
        plans.append(_Plan(former, gone, tuple(s for s in manifest.slices if s.name not in here)))
    if manifest.slices:
        plans.append(_Plan(None, (), manifest.slices))
    if not plans:
        raise LocalCopyTrouble(
            f"There is nothing to pull of {manifest.title} yet: no month has been published.", "empty"
        )
    return min(plans, key=lambda plan: plan.seconds)


def _lies_in(one: Slice, other: Slice) -> bool:
    return other.fid_from <= one.fid_from and one.fid_to <= other.fid_to


def _closed(manifest: Manifest, former: LocalCopy, cancelled: Cancel) -> tuple[Slice, ...]:
    """The months whose rows the copy has already, proved by their digest: they were days before."""
    here = _names(former.manifest)
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


def _left(gone: tuple[Slice, ...], new: tuple[Slice, ...]) -> list[Slice]:
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


def _carry_out(
    transport: Transport,
    store: AccountStore,
    manifest: Manifest,
    period: PullPeriod,
    former: LocalCopy | None,
    plan: _Plan,
    progress: Progress,
    cancelled: Cancel,
) -> PullResult:
    dataset, table = manifest.dataset, manifest.layer_name
    store.require_room(dataset, _room(plan))
    columns = [column.name for column in manifest.columns]
    placed = manifest.geometry != "none"
    if placed:
        columns.append(GEOMETRY_COLUMN)

    arriving = _Arriving(transport, store, manifest, plan.bytes, progress, cancelled)
    built = store.fresh_part(dataset, f"{dataset}.gpkg")
    with ThreadPoolExecutor(1, "safestats-copy") as beside:
        copying = None
        if isinstance(plan.base, LocalCopy):
            copying = beside.submit(_copy, plan.base.path, built, cancelled)
        elif plan.base is not None:
            arriving.receive(plan.base, built)
        months = [(month, arriving.receive(month)) for month in plan.new]
    progress("Preparing the local copy", 0, 0)
    if copying is not None:
        copying.result()
    fillers: list[str] = []
    there = 0  # months whose rows are in the file already
    if plan.base is None:
        _copy(months[0][1], built, cancelled)  # its table has the right columns
        if placed:
            fillers = geopackage.begin_index(built, table)
        else:
            there = 1
    counts = RowCounts()
    for month in _left(plan.gone, plan.new):
        counts += geopackage.remove_month(built, table, month, cancelled)
    for month, source in months[there:]:
        counts += geopackage.put_month(built, table, source, month, columns, cancelled)
    if placed and plan.base is None:
        progress("Indexing", 0, 0)
        geopackage.end_index(built, table, fillers, cancelled)
    as_announced = isinstance(plan.base, Snapshot) and not plan.new  # byte for byte: its digest was that of the file
    if not as_announced:
        geopackage.settle(built, table, manifest.rows, manifest.published_at, cancelled)

    progress("Checking", 0, 0)
    with ThreadPoolExecutor(2, "safestats-prove") as beside:
        proof = beside.submit(
            geopackage.prove, built, table, columns, manifest.rows, placed, not as_announced, cancelled
        )
        comparison = None
        if former is not None and not isinstance(plan.base, LocalCopy):
            comparison = beside.submit(_compare, former, built, manifest, cancelled)
        for month in plan.new:
            prove_month(built, manifest, month, cancelled)
        proof.result()
    changes = None
    if former is not None:
        changes = _changes(former, manifest, period, counts if comparison is None else comparison.result())
    categories: tuple[str, ...] = ()
    if manifest.category_field in columns:
        categories = geopackage.frequent_values(built, table, manifest.category_field, CATEGORIES_WITH_COLOUR)
    if cancelled():
        raise Cancelled
    copy = store.commit(dataset, built, manifest, categories, changes, period)
    store.discard_parts(dataset)
    kind = PullKind.UPDATED if isinstance(plan.base, LocalCopy) else PullKind.WHOLE
    return PullResult(copy, kind, arriving.received)


def _copy(source: Path, target: Path, cancelled: Cancel) -> None:
    with source.open("rb") as reading, target.open("r+b") as writing:
        while block := reading.read(_COPY_BYTES):
            if cancelled():
                raise Cancelled
            writing.write(block)


def _compare(former: LocalCopy, built: Path, manifest: Manifest, cancelled: Cancel) -> RowCounts | None:
    """What differs in the months that are not the same in both; ``None`` where the two cannot be compared."""
    if former.manifest.layer_name != manifest.layer_name:
        return None
    here, there = ({month.period: month for month in m.slices} for m in (former.manifest, manifest))
    ranges, rows_before, rows_now = [], 0, 0
    for period in {*here, *there}:
        old, new = here.get(period), there.get(period)
        if old is None or new is None or old.name != new.name:
            month = old or new
            ranges.append((month.fid_from, month.fid_to))
            rows_before += old.rows if old is not None else 0
            rows_now += new.rows if new is not None else 0
    # A month and its days, where the one became the other, are one range.
    apart: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if apart and first <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(last, apart[-1][1]))
        else:
            apart.append((first, last))
    shared = {column.name for column in former.manifest.columns}
    columns = [column.name for column in manifest.columns if column.name in shared]
    if "none" not in (former.manifest.geometry, manifest.geometry):
        columns.append(GEOMETRY_COLUMN)
    try:
        common, changed = geopackage.compare(former.path, built, manifest.layer_name, columns, apart, cancelled)
    except sqlite3.DatabaseError:
        return None  # a former copy that cannot be read is no reason to refuse the new one
    return RowCounts(rows_now - common, changed, rows_before - common)


def _changes(former: LocalCopy, manifest: Manifest, period: PullPeriod, counts: RowCounts | None) -> Changes | None:
    rights_changed = former.manifest.fingerprint != manifest.fingerprint
    if counts is None or (rights_changed and counts.added and counts.withdrawn == former.manifest.rows):
        # Every incident under another number: places show in another precision, and nothing can be known again.
        return None
    # Months that came or went with the choice of another period have not changed.
    came = sum(part.rows for part in manifest.slices if not former.period.holds(part))
    went = sum(part.rows for part in former.manifest.slices if not period.holds(part))
    return Changes(former.pulled_at, counts.added - came, counts.changed, counts.withdrawn - went, rights_changed)


def _room(plan: _Plan) -> int:
    if isinstance(plan.base, LocalCopy):
        base = plan.base.path.stat().st_size
    elif plan.base is not None:
        base = plan.base.file_size
    else:
        base = 5 * plan.bytes
    return plan.bytes + base + sum(max(month.file_size, 8 * month.size) for month in plan.new)


class _Arriving:
    """The downloads of one pull: each is unpacked while it comes; one id ties them together in the audit."""

    def __init__(
        self,
        transport: Transport,
        store: AccountStore,
        manifest: Manifest,
        total: int,
        progress: Progress,
        cancelled: Cancel,
    ) -> None:
        self._transport = transport
        self._store = store
        self._dataset = manifest.dataset
        self._table = manifest.layer_name
        self._total = total
        self._progress = progress
        self._cancelled = cancelled
        self._pull = uuid.uuid4()
        self._before = 0
        self.received = 0

    def receive(self, artefact: Slice | Snapshot, target: Path | None = None) -> Path:
        """The artefact's content as a file: ``target``, or a new one."""
        if target is None:
            target = self._store.fresh_part(self._dataset, f"{artefact.name}.gpkg")
        path = f"/v1/layers/{self._dataset}/artefacts/{artefact.name}?pull={self._pull}"
        part = self._store.part(self._dataset, f"{artefact.name}.gz")
        with Unpacking(target, artefact.file_size, artefact.file_sha256) as unpacking:
            download = Download(self._transport, path, artefact, unpacking.take, self._tell, self._cancelled)
            try:
                download.fetch(part)
            finally:
                self.received += download.received
        geopackage.require_plain(target, self._table)
        self._before += artefact.size
        return target

    def _tell(self, done: int) -> None:
        self._progress("Downloading", self._before + done, self._total)
