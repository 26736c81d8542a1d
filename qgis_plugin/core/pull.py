"""Makes or renews a local copy: the cheapest way to what the server's manifest says, proved before it counts.

Three places to start from: the copy that is here, the server's whole-layer file, or nothing. What then lacks
comes in months. The former copy stays in use until the new one is proved.
"""

from __future__ import annotations

import errno
import re
import sqlite3
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ...shared.manifest import API_VERSION, FID_COLUMN, GEOMETRY_COLUMN, Manifest, Slice, Snapshot
from . import geopackage
from .download import Download
from .errors import Cancelled, LocalCopyTrouble, PluginTooOld, ServerTrouble, WrongDigest
from .geopackage import RowCounts
from .local_store import AccountStore, Changes, LocalCopy, instant
from .pull_period import EVERYTHING, MonthOffered, PullPeriod, months_offered
from .pull_plan import PullPlan, left_over, plan_pull, room_needed, same_shape, slice_names
from .replacing import held_open
from .row_digest import prove_month
from .transport import Cancel, Transport
from .unpacking import Unpacking

Progress = Callable[[str, float, float], None]  # what is going on, bytes done, bytes in all (0: not counted in bytes)

CATEGORIES_WITH_COLOUR = 10
_COPY_BYTES = 4 * 1024 * 1024
_LOOK_AGAIN_S = 0.3


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


def pull_in_turn(
    transport: Transport,
    store: AccountStore,
    dataset: str,
    progress: Progress,
    cancelled: Cancel,
    period: PullPeriod | None,
    waiting: str,
) -> PullResult:
    """As ``pull_layer``, once no other QGIS of this computer pulls ``dataset``; ``waiting`` says so meanwhile."""
    while True:
        try:
            return pull_layer(transport, store, dataset, progress, cancelled, period)
        except LocalCopyTrouble as trouble:
            if trouble.code != "copy-busy":
                raise
        progress(waiting, 0, 0)
        if cancelled():
            raise Cancelled
        time.sleep(_LOOK_AGAIN_S)


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
            and slice_names(former.manifest) == slice_names(manifest)
            and same_shape(former.manifest, manifest)
        ):
            renewed = store.renew(dataset, former, manifest, period)
            store.discard_parts(dataset)  # an earlier try may have been killed between its last two steps
            return PullResult(renewed, PullKind.UNCHANGED, 0)
        plan = plan_pull(manifest, former, cancelled)
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
            afresh = plan_pull(manifest, None, cancelled)
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


def _carry_out(
    transport: Transport,
    store: AccountStore,
    manifest: Manifest,
    period: PullPeriod,
    former: LocalCopy | None,
    plan: PullPlan,
    progress: Progress,
    cancelled: Cancel,
) -> PullResult:
    dataset, table = manifest.dataset, manifest.layer_name
    store.require_room(dataset, room_needed(plan))
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
    for month in left_over(plan.gone, plan.new):
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
