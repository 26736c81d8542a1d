"""Makes or renews a local copy: the cheapest way to what the server's manifest says, proved before it counts.

Three places to start from: the copy that is here, the server's whole-layer file, or nothing. What then lacks
comes in months. The former copy stays in use until the new one is proved.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import sqlite3
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ...shared.manifest import API_VERSION, GEOMETRY_COLUMN, Artefact, Manifest, Slice
from . import geopackage
from .download import fetch
from .errors import Cancelled, LocalCopyTrouble, PluginTooOld, ServerTrouble, WrongDigest
from .local_store import AccountStore, LocalCopy, instant
from .transport import Transport

Progress = Callable[[str, float, float], None]  # what is going on, bytes done, bytes in all (0: not counted in bytes)
Cancel = Callable[[], bool]

CATEGORIES_WITH_COLOUR = 10
# To weigh the ways against each other: an office line, and what SQLite was measured to do with triggers on.
_BYTES_PER_SECOND = 5e6
_ROWS_PER_SECOND_INTO_INDEX = 10_000
_ROWS_PER_SECOND_THEN_INDEX = 30_000
_READ_BYTES = 1024 * 1024


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

    base: LocalCopy | Artefact | None
    gone: tuple[Slice, ...]
    new: tuple[Slice, ...]

    @property
    def downloads(self) -> tuple[Artefact, ...]:
        whole = (self.base,) if isinstance(self.base, Artefact) else ()
        return (*whole, *self.new)

    @property
    def bytes(self) -> int:
        return sum(artefact.size for artefact in self.downloads)

    @property
    def seconds(self) -> float:
        rows = sum(month.rows for month in (*self.gone, *self.new))
        speed = _ROWS_PER_SECOND_THEN_INDEX if self.base is None else _ROWS_PER_SECOND_INTO_INDEX
        return self.bytes / _BYTES_PER_SECOND + rows / speed


def pull_layer(
    transport: Transport, store: AccountStore, dataset: str, progress: Progress, cancelled: Cancel
) -> PullResult:
    """Bring the local copy of ``dataset`` to what the server offers now.

    Raises ``DeskError``: refused, unreachable, wrong digest, no room, busy, too new a server, cancelled.
    Whatever it raises, the former copy is untouched, and what has been downloaded is kept for the next try.
    """
    with store.lock(dataset):
        try:
            return _pull(transport, store, dataset, progress, cancelled)
        except ServerTrouble as error:
            if error.code != "not-found":
                raise
            # The server published anew between its manifest and the download: once more, with the new manifest.
            return _pull(transport, store, dataset, progress, cancelled)


def _pull(transport: Transport, store: AccountStore, dataset: str, progress: Progress, cancelled: Cancel) -> PullResult:
    progress("Asking what has changed", 0, 0)
    manifest = _manifest(transport, dataset)
    former = store.copy(dataset)
    if former is not None and _names(former.manifest) == _names(manifest) and _same_shape(former.manifest, manifest):
        return PullResult(store.renew(dataset, former, manifest), PullKind.UNCHANGED, 0)
    plan = _plan(manifest, former)
    try:
        return _carry_out(transport, store, manifest, plan, progress, cancelled)
    except sqlite3.OperationalError as error:
        raise LocalCopyTrouble(
            f"The local copy of {manifest.title} could not be written to {store.folder}: {error}. Your "
            "former copy is untouched."
        ) from error
    except (geopackage.UnprovedError, sqlite3.DatabaseError, zlib.error) as error:
        # What arrived was right byte for byte and still does not add up: start afresh next time.
        store.discard_parts(dataset)
        raise WrongDigest(
            f"What {transport.host} offers of {manifest.title} does not add up ({error}). Your former copy "
            "is untouched. Tell the SafeStats team.",
            "does-not-add-up",
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            words = "the disk is full. Free some space, then pull again."
        else:
            words = f"{error.strerror or error}."
        raise LocalCopyTrouble(f"The local copy could not be written to {store.folder}: {words}") from error


def _manifest(transport: Transport, dataset: str) -> Manifest:
    document: dict[str, Any] = transport.get_json(f"/v1/layers/{dataset}/manifest")
    # The version first: a newer manifest may not even have the members that this plugin reads.
    if document.get("api_version", 0) > API_VERSION:
        raise PluginTooOld(
            f"{transport.host} describes this layer in a newer way than this plugin knows. Update SafeStats in "
            "Plugins → Manage and Install Plugins, then pull again."
        )
    try:
        manifest = Manifest.from_json(document)
        _require_plain(manifest, dataset)
        return manifest
    except (KeyError, TypeError, ValueError) as error:
        raise ServerTrouble(
            f"{transport.host} describes this layer in a way that cannot be read ({error}). Tell the SafeStats team.",
            "unreadable",
        ) from error


def _require_plain(manifest: Manifest, dataset: str) -> None:
    """Raise ``ValueError`` where the manifest is another layer's, or names what is no name, size or instant."""
    if manifest.dataset != dataset:
        raise ValueError(f"it is that of “{manifest.dataset}”")
    names = (manifest.layer_name, *(column.name for column in manifest.columns))
    if not all(re.fullmatch(r"[a-z][a-z0-9_]*", name, re.ASCII) for name in names):
        raise ValueError("a table or column has a name that is not in small letters, digits and underscores")
    files = [*manifest.slices, *([manifest.snapshot] if manifest.snapshot is not None else [])]
    if not all(re.fullmatch(r"[0-9a-f]{64}", file.name) and file.size >= 0 for file in files):
        raise ValueError("a file is not named by a digest, or has no size")
    instant(manifest.valid_until)
    instant(manifest.agreement_until)


def _names(manifest: Manifest) -> set[str]:
    return {month.name for month in manifest.slices}


def _same_shape(one: Manifest, other: Manifest) -> bool:
    return (one.layer_name, one.geometry, one.columns) == (other.layer_name, other.geometry, other.columns)


def _plan(manifest: Manifest, former: LocalCopy | None) -> _Plan:
    """The way that takes the least time, by the estimates above."""
    plans = []
    if manifest.snapshot is not None:
        held = set(manifest.snapshot.slices)
        plans.append(_Plan(manifest.snapshot, (), tuple(s for s in manifest.slices if s.name not in held)))
    if former is not None and _same_shape(former.manifest, manifest):
        here, wanted = _names(former.manifest), _names(manifest)
        gone = tuple(s for s in former.manifest.slices if s.name not in wanted)
        plans.append(_Plan(former, gone, tuple(s for s in manifest.slices if s.name not in here)))
    if manifest.slices:
        plans.append(_Plan(None, (), manifest.slices))
    if not plans:
        raise LocalCopyTrouble(
            f"There is nothing to pull of {manifest.title} yet: no month has been published.", "empty"
        )
    return min(plans, key=lambda plan: plan.seconds)


def _carry_out(
    transport: Transport,
    store: AccountStore,
    manifest: Manifest,
    plan: _Plan,
    progress: Progress,
    cancelled: Cancel,
) -> PullResult:
    dataset = manifest.dataset
    store.require_room(dataset, _room(manifest, plan))
    packed = _download(transport, store, manifest, plan.downloads, plan.bytes, progress, cancelled)

    progress("Preparing the local copy", 0, 0)
    months = [(_unpacked(store, dataset, packed[m.name], m, cancelled), m) for m in plan.new]
    built = store.fresh_part(dataset, f"{dataset}.gpkg")
    columns = [column.name for column in manifest.columns]
    placed = manifest.geometry != "none"
    if placed:
        columns.append(GEOMETRY_COLUMN)

    if isinstance(plan.base, LocalCopy):
        shutil.copyfile(plan.base.path, built)
    elif plan.base is not None:
        _unpack(packed[plan.base.name], built, plan.base, cancelled)
    else:
        shutil.copyfile(months[0][0], built)  # its table has the right columns; the other months join its rows
    rest = months if plan.base is not None else months[1:]
    if plan.gone or rest:
        geopackage.replace_months(built, manifest.layer_name, plan.gone, rest, columns, cancelled)
    if placed and plan.base is None:
        progress("Indexing", 0, 0)
        geopackage.add_spatial_index(built, manifest.layer_name)
    if plan.base is None or plan.gone or plan.new:
        geopackage.settle(built, manifest.layer_name, manifest.published_at, cancelled)

    progress("Checking", 0, 0)
    geopackage.prove(built, manifest.layer_name, columns, manifest.rows, placed, cancelled)
    for month in plan.new:
        geopackage.prove_month(built, manifest, month, cancelled)
    categories: tuple[str, ...] = ()
    if manifest.category_field in columns:
        categories = geopackage.frequent_values(
            built, manifest.layer_name, manifest.category_field, CATEGORIES_WITH_COLOUR
        )
    if cancelled():
        raise Cancelled
    copy = store.commit(dataset, built, manifest, categories, None)
    store.discard_parts(dataset)
    kind = PullKind.UPDATED if isinstance(plan.base, LocalCopy) else PullKind.WHOLE
    return PullResult(copy, kind, plan.bytes)


def _room(manifest: Manifest, plan: _Plan) -> int:
    if isinstance(plan.base, LocalCopy):
        base = plan.base.path.stat().st_size
    else:
        base = manifest.snapshot.file_size if manifest.snapshot is not None else 5 * plan.bytes
    months = sum(month.size for month in plan.new)
    return plan.bytes + base + 8 * months


def _download(
    transport: Transport,
    store: AccountStore,
    manifest: Manifest,
    artefacts: Sequence[Artefact],
    total: int,
    progress: Progress,
    cancelled: Cancel,
) -> dict[str, Path]:
    """The files as sent, by name; one id ties the requests of this pull together in the server's audit."""
    pull = uuid.uuid4()
    files, before = {}, 0
    for artefact in artefacts:
        part = store.part(manifest.dataset, f"{artefact.name}.gz")
        path = f"/v1/layers/{manifest.dataset}/artefacts/{artefact.name}?pull={pull}"

        def tell(done: int, before: int = before) -> None:
            progress("Downloading", before + done, total)

        fetch(transport, path, artefact, part, tell, cancelled)
        files[artefact.name] = part
        before += artefact.size
    return files


def _unpacked(store: AccountStore, dataset: str, packed: Path, artefact: Artefact, cancelled: Cancel) -> Path:
    target = store.fresh_part(dataset, f"{artefact.name}.gpkg")
    _unpack(packed, target, artefact, cancelled)
    return target


def _unpack(packed: Path, target: Path, artefact: Artefact, cancelled: Cancel) -> None:
    """Gunzip, and prove the outcome where its digest was announced."""
    digest = hashlib.sha256()
    announced = getattr(artefact, "file_size", 0)
    unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
    with packed.open("rb") as source, target.open("r+b") as file:
        while block := source.read(_READ_BYTES):
            if cancelled():
                raise Cancelled
            while block:
                # In pieces: a small file may unpack into more than the memory holds.
                content = unzip.decompress(block, _READ_BYTES)
                digest.update(content)
                file.write(content)
                if announced and file.tell() > announced:
                    raise geopackage.UnprovedError("the unpacked file is larger than announced")
                block = unzip.unconsumed_tail
        content = unzip.flush()
        digest.update(content)
        file.write(content)
    expected = getattr(artefact, "file_sha256", "")
    if not unzip.eof or (expected and digest.hexdigest() != expected):
        raise geopackage.UnprovedError("the unpacked file is not the announced one")
