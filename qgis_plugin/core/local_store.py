"""Local copies on this machine: where they are, what each holds, and the one place where files are replaced.

A folder for each account (server and user), in it one for each dataset with one GeoPackage and ``state.json``.
A GeoPackage that is named in the state is never written again: a new one is made beside it, proved, moved into
place, and only then does the state name it. Killed anywhere, the former copy or the new one is there, whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QLockFile

from ...shared.manifest import Manifest
from .days import day_in_words
from .errors import LocalCopyTrouble
from .in_use import MARK_SUFFIX, is_in_use
from .lock_files import try_lock
from .private_folder import is_private, refuse_remote
from .pull_period import EVERYTHING, PullPeriod
from .replacing import delete, flush, flush_folder, put_in_place, write_in_place

STATE = "state.json"
_OFFLINE_STATE = "pass.json"
_STATE_VERSION = 1
_DELETE_PATIENCE_S = 1.0  # the state of a copy may be read by another QGIS at that moment
_PROBE_BYTES = 4096
_PARTS_KEPT = timedelta(days=2)
_LOCK = "lock"
_BESIDE = "+"  # between the name of a copy and that of what was worked out of it
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Changes:
    """What an update brought, in incidents, against the copy of ``since`` (an ISO instant)."""

    since: str
    added: int
    changed: int
    withdrawn: int
    rights_changed: bool  # the agreement shows other rows or fields than before: part of the numbers comes of that


@dataclass(frozen=True)
class LocalCopy:
    """A proved copy: its file, the manifest that it fulfils, when it was made, its categories by frequency."""

    path: Path
    manifest: Manifest
    pulled_at: str
    categories: tuple[str, ...]  # empty where there are too many to tell apart by colour
    changes: Changes | None = None  # none for a first copy, and where the two cannot be compared
    uses: tuple[str, ...] | None = None  # what the agreement grants, as last told; ``None`` where nobody has told
    period: PullPeriod = EVERYTHING  # the months that its person chose; ``manifest`` tells of these alone

    @property
    def valid_until(self) -> datetime:
        """When the copy lapses (UTC)."""
        return instant(self.manifest.valid_until)

    @property
    def last_day(self) -> date:
        """The last day on which the copy may be used."""
        return last_day(self.manifest)

    def lapsed(self, now: datetime) -> bool:
        """Whether the time of the copy is over."""
        return now >= self.valid_until

    def require_valid(self, now: datetime) -> None:
        """Raise ``LocalCopyTrouble`` where the time of the copy is over."""
        if self.lapsed(now):
            raise LocalCopyTrouble(
                f"The local copy of {self.manifest.title} was valid until {day_in_words(self.last_day)}. "
                "Pull it again to go on working with it.",
                "copy-lapsed",
            )


@dataclass(frozen=True)
class Holding:
    """What one account has of one dataset on this computer: bytes, and the copy where there is a whole one."""

    account: str  # its key
    dataset: str
    copy: LocalCopy | None
    size: int


def last_day(manifest: Manifest) -> date:
    """The last day of a copy that fulfils ``manifest``: an end at midnight is the day before."""
    return (instant(manifest.valid_until) - timedelta(seconds=1)).date()


def instant(text: str) -> datetime:
    """An ISO 8601 instant, or the end of an ISO date, in UTC."""
    if len(text) == len("2026-01-31"):
        return datetime.fromisoformat(text).replace(tzinfo=timezone.utc) + timedelta(days=1)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


class LocalStore:
    """All accounts' copies under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @staticmethod
    def account_key(server: str, username: str) -> str:
        """The name of an account's folder: a digest, so that it is short and tells nothing."""
        return hashlib.sha256(f"{server}\n{username}".encode()).hexdigest()[:16]

    def account(self, server: str, username: str) -> AccountStore:
        """The copies of one user of one server."""
        return self.account_of_key(self.account_key(server, username))

    def account_of_key(self, key: str) -> AccountStore:
        """The copies of the account with this key."""
        return AccountStore(self.root, self.root / key)

    def owner_of(self, file: Path) -> tuple[str, str] | None:
        """The account's key and the dataset of a local copy; ``None`` for any other file."""
        try:
            account, dataset, _name = file.resolve().relative_to(self.root.resolve()).parts
        except ValueError:
            return None
        return account, dataset

    def keep_beside(self, copy: Path, name: str, content: bytes) -> None:
        """Keep what was worked out of the file of a local copy beside it, until the file goes.

        Of any other file nothing is kept, nor where it cannot be written: it is worked out again.
        """
        owner = self.owner_of(copy)
        if owner is not None and copy.is_file():
            with suppress(OSError):
                self.account_of_key(owner[0]).keep_beside(copy, name, content)

    def read_beside(self, copy: Path, name: str) -> bytes | None:
        """What ``keep_beside`` kept; ``None`` where there is nothing."""
        if self.owner_of(copy) is None:
            return None
        try:
            return copy.with_name(f"{copy.name}{_BESIDE}{_safe(name)}").read_bytes()
        except OSError:
            return None

    def holdings(self) -> list[Holding]:
        """What is here of all accounts, the largest first. It reads many files: call it in a thread."""
        found = []
        for folder in self.root.glob("*/*"):
            if folder.is_dir() and _NAME.fullmatch(folder.name):
                account = AccountStore(self.root, folder.parent)
                size = account.size(folder.name)
                if size:
                    found.append(Holding(folder.parent.name, folder.name, account.copy(folder.name), size))
        return sorted(found, key=lambda one: -one.size)

    @property
    def events_path(self) -> Path:
        """The queue of what was done and is not yet reported."""
        return self.root / "events.jsonl"

    def remove_lapsed(self, now: datetime) -> list[Path]:
        """Delete copies whose time is over and files that no state names; the folders without a copy.

        What another QGIS shows stays until it shows it no more. Parts of a pull that was broken off a short while
        ago stay for the next one to go on from.
        """
        cleared = []
        for folder in sorted(path for path in self.root.glob("*/*") if path.is_dir()):
            if not (is_private(folder) and is_private(folder.parent)):
                continue  # nobody else's folder is cleared
            account = AccountStore(self.root, folder.parent)
            try:
                with account.lock(folder.name):
                    copy = account.copy(folder.name)
                    unreadable = copy is None and (folder / STATE).exists()
                    if unreadable or (copy is not None and copy.lapsed(now)):
                        # Of a copy whose state cannot be read nobody knows how long it may be used.
                        account.remove(folder.name)
                    else:
                        account.discard_superseded(folder.name)
                        account.discard_parts(folder.name, before=now - _PARTS_KEPT)
                    if copy is None or copy.lapsed(now):
                        cleared.append(folder)
            except LocalCopyTrouble:
                continue  # another QGIS is making a new one
        return cleared


class AccountStore:
    """The copies of one account. All that writes, moves or deletes is here."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self.folder = folder

    def copy(self, dataset: str) -> LocalCopy | None:
        """The copy of ``dataset``, lapsed or not; ``None`` where there is none that can be read."""
        folder = self._folder(dataset)
        try:
            document = json.loads((folder / STATE).read_text(encoding="utf-8"))
            if document["state_version"] != _STATE_VERSION:
                return None
            copy = LocalCopy(
                path=folder / _safe(document["file"]),
                manifest=Manifest.from_json(document["manifest"]),
                pulled_at=document["pulled_at"],
                categories=tuple(document["categories"]),
                changes=Changes(**document["changes"]) if document.get("changes") else None,
                uses=tuple(document["uses"]) if document.get("uses") is not None else None,
                period=PullPeriod.from_json(document.get("period")),
            )
            _ = copy.valid_until  # a copy whose end cannot be read has none
        except (OSError, ValueError, KeyError, TypeError, LocalCopyTrouble):
            return None  # an unreadable state is no state: the next pull makes a new one
        return copy if copy.path.is_file() else None

    def valid_copy(self, dataset: str) -> LocalCopy:
        """The copy of ``dataset`` if it may still be used; raises ``LocalCopyTrouble``."""
        copy = self.copy(dataset)
        if copy is None:
            raise LocalCopyTrouble("There is no local copy of this layer yet: pull it first.", "no-copy")
        copy.require_valid(datetime.now(timezone.utc))
        return copy

    @contextmanager
    def lock(self, dataset: str) -> Iterator[None]:
        """Alone with the folder of ``dataset``, among all QGIS on this machine; raises ``LocalCopyTrouble``."""
        folder = self._prepared(dataset)
        lock = QLockFile(str(folder / _LOCK))
        if not try_lock(lock):
            if lock.error() != QLockFile.LockError.LockFailedError:
                raise _unwritable(folder)
            raise LocalCopyTrouble(
                "Another QGIS on this machine is pulling this layer. Wait until it is done, then try again.",
                "copy-busy",
            )
        try:
            yield
        finally:
            lock.unlock()

    def part(self, dataset: str, name: str) -> Path:
        """A file to write to, owner-only, kept from an earlier try where there was one."""
        path = self._prepared(dataset) / f"{_safe(name)}.part"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        return path

    def fresh_part(self, dataset: str, name: str) -> Path:
        """A file to write to, owner-only and empty."""
        path = self.part(dataset, name)
        for journal in path.parent.glob(f"{path.name}-*"):
            delete(journal)
        os.truncate(path, 0)
        return path

    def require_room(self, dataset: str, needed: int) -> None:
        """Raise ``LocalCopyTrouble`` where the disk has fewer than ``needed`` bytes free."""
        free = shutil.disk_usage(self._prepared(dataset)).free
        if free < needed:
            raise LocalCopyTrouble(
                f"There is not enough room in {self._root}: {needed / 1e6:,.0f} MB are needed and "
                f"{free / 1e6:,.0f} MB are free. Free some space, then pull again.",
                "disk-full",
            )

    def commit(
        self,
        dataset: str,
        built: Path,
        manifest: Manifest,
        categories: tuple[str, ...],
        changes: Changes | None,
        period: PullPeriod = EVERYTHING,
    ) -> LocalCopy:
        """Make the proved file ``built`` the copy of ``dataset``. The state is written last and atomically."""
        folder = built.parent
        stamp = hashlib.sha256(os.urandom(16)).hexdigest()[:8]
        final = folder / _safe(f"{dataset}-r{manifest.release}-{stamp}.gpkg")
        flush(built)
        put_in_place(built, final)
        flush_folder(folder)
        return self._write_state(folder, LocalCopy(final, manifest, _now(), categories, changes, period=period))

    def renew(self, dataset: str, copy: LocalCopy, manifest: Manifest, period: PullPeriod = EVERYTHING) -> LocalCopy:
        """The same file fulfils ``manifest`` too: record the new validity."""
        renewed = replace(copy, manifest=manifest, pulled_at=_now(), period=period)
        return self._write_state(self._folder(dataset), renewed)

    def note_uses(self, dataset: str, uses: tuple[str, ...]) -> LocalCopy | None:
        """The copy of ``dataset``, which knows from now on what the agreement grants.

        Where another QGIS is making a new one, the next contact with the server notes it.
        """
        copy = self.copy(dataset)
        if copy is None or copy.uses == uses:
            return copy
        with suppress(LocalCopyTrouble), self.lock(dataset):
            copy = self.copy(dataset)
            if copy is not None:
                copy = self._write_state(self._folder(dataset), replace(copy, uses=uses))
        return copy

    def keep_pass(self, content: bytes) -> None:
        """Keep what unlocks the copies of the account without the server; raises ``OSError``, ``LocalCopyTrouble``."""
        self._prepare(self.folder)
        write_in_place(self.folder / _OFFLINE_STATE, content)

    def read_pass(self) -> bytes:
        """What ``keep_pass`` kept; raises ``OSError`` where there is nothing."""
        return (self.folder / _OFFLINE_STATE).read_bytes()

    def drop_pass(self) -> None:
        """Let nobody unlock the copies without the server any more."""
        delete(self.folder / _OFFLINE_STATE, _DELETE_PATIENCE_S)

    def datasets(self) -> list[str]:
        """The datasets that there may be a copy of."""
        return sorted(state.parent.name for state in self.folder.glob(f"*/{STATE}"))

    def discard_superseded(self, dataset: str) -> None:
        """Delete GeoPackages that the state does not name and no QGIS shows.

        Those still shown, or open on Windows, go when they are no more, at the latest at the next start. Hold the
        lock: another QGIS may be about to name a new one. A state that cannot be read names nothing and saves all:
        it may be readable again in a moment.
        """
        copy = self.copy(dataset)
        if copy is None and (self._folder(dataset) / STATE).exists():
            return
        for path in self._folder(dataset).glob("*.gpkg"):
            if (copy is None or path != copy.path) and not is_in_use(path):
                delete(path)
        for path in self._folder(dataset).glob(f"*.gpkg{_BESIDE}*"):
            if not path.with_name(path.name.split(_BESIDE, 1)[0]).is_file():
                delete(path)

    def size(self, dataset: str) -> int:
        """The bytes that ``dataset`` takes on the disk: its copy, what was worked out of it, what was broken off.

        Whoever is at work there for a moment takes none.
        """
        total = 0
        for path in self._folder(dataset).glob("*"):
            if path.name == _LOCK or path.suffix == MARK_SUFFIX:
                continue
            with suppress(OSError):  # gone already
                total += path.stat().st_size
        return total

    def keep_beside(self, copy: Path, name: str, content: bytes) -> None:
        """Keep ``content`` beside the file of a copy, owner-only, whole or not at all; raises ``OSError``."""
        final = copy.with_name(f"{copy.name}{_BESIDE}{_safe(name)}")
        # Another QGIS may write the same at the same time.
        write_in_place(final, content, f"{os.getpid()}.part")

    def discard_parts(self, dataset: str, before: datetime | None = None) -> None:
        """Delete what downloads left; with ``before``, only what was not written since."""
        for path in self._folder(dataset).glob("*.part*"):
            with suppress(OSError):  # gone already
                written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
                if before is None or written < before:
                    delete(path)

    def remove(self, dataset: str) -> None:
        """Delete the copy: the state first, so that nothing names a file that may be going."""
        delete(self._folder(dataset) / STATE, _DELETE_PATIENCE_S)
        self.discard_superseded(dataset)
        self.discard_parts(dataset)

    def _write_state(self, folder: Path, copy: LocalCopy) -> LocalCopy:
        document: dict[str, Any] = {
            "state_version": _STATE_VERSION,
            "file": copy.path.name,
            "pulled_at": copy.pulled_at,
            "categories": list(copy.categories),
            "changes": asdict(copy.changes) if copy.changes else None,
            "uses": None if copy.uses is None else list(copy.uses),
            "period": None if copy.period.everything else vars(copy.period),
            "manifest": copy.manifest.to_json(),
        }
        write_in_place(folder / STATE, json.dumps(document, ensure_ascii=False).encode(), "new")
        flush_folder(folder)
        return copy

    def _folder(self, dataset: str) -> Path:
        return self.folder / _safe(dataset)

    def _prepared(self, dataset: str) -> Path:
        folder = self._folder(dataset)
        self._prepare(self.folder, folder)
        return folder

    def _prepare(self, *folders: Path) -> None:
        """Make the folders, owner-only; raises ``LocalCopyTrouble`` where they cannot be trusted."""
        if not folders[-1].is_dir():
            refuse_remote(self._root)
            for path in (self._root, *folders):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.chmod(0o700)
        for path in folders:
            if not is_private(path):
                raise LocalCopyTrouble(
                    f"The folder {path} is not yours alone, so no copy may be kept in it: delete it, then pull again.",
                    "unsafe-folder",
                )


def _safe(name: str) -> str:
    # Names come from a server: none may lead out of the folder.
    if not _NAME.fullmatch(name) or ".." in name:
        raise LocalCopyTrouble(f"The server named a file “{name}”, which cannot be stored here.", "unsafe-name")
    return name


def _unwritable(folder: Path) -> LocalCopyTrouble:
    """Why no lock could be written, which Qt does not tell: a second file shows it, if it lasts."""
    probe, reason = folder / "probe.part", ""
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return LocalCopyTrouble(
                f"The local copy could not be written to {folder}: the disk is full. Free some space, then pull "
                "again; your former copy is untouched.",
                "disk-full",
            )
        reason = f": {error.strerror or error}"
    finally:
        delete(probe)
    return LocalCopyTrouble(
        f"The folder of the local copy, {folder}, cannot be written to{reason}. Your former copy is untouched: pull "
        "again, and if it stays, ask your IT team to look at the disk.",
        "cannot-write",
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
