"""Takes in files that are put into a folder: ``<dataset>/file``, or ``<dataset>/<site>/file``.

A file is taken when it has been still for a while, by one watcher: a lock on it goes with the process. What was taken
is deleted, or moved to ``done``; what was refused is moved to ``refused``, with a sentence beside it.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.exc import OperationalError

from ..audit.log import COMMAND_LINE
from ..database import is_busy
from ..errors import SafeStatsError
from ..identity.supplies import Supplier
from ..instants import now
from ..problems import Problem
from ..screening.names import shown_file, shown_folder
from ..services import Services
from .loading import load_receipt
from .models import Door, Receipt, State
from .receiving import Sent, receive

DONE, REFUSED = "done", "refused"
LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = 0.3
_SITE = re.compile(r"[A-Za-z0-9._-]{1,64}")
# What programs call files that they are still writing, or that are nobody's delivery.
_UNFINISHED = re.compile(r"\..*|~.*|.*~|.*\.(?:part|partial|filepart|crdownload|tmp|temp|lock|swp)", re.IGNORECASE)


class Afterwards(StrEnum):
    """What becomes of a file that was taken."""

    DELETE = "delete"
    MOVE = "move"  # to “done”


@dataclass(frozen=True)
class Candidate:
    """A file in a dataset's or a site's folder."""

    path: Path
    dataset: str
    site: str


@dataclass
class Watcher:
    """Watches one folder. ``told`` is given a line for each file, and for what lies where nothing is taken."""

    services: Services
    folder: Path
    afterwards: Afterwards
    still_seconds: float
    told: Callable[[str], None]
    goes_on: Callable[[], bool] = lambda: True
    _seen: dict[Path, tuple[str, float]] = field(default_factory=dict)
    _strange: set[Path] = field(default_factory=set)

    def look(self) -> int:
        """Take what is still; how many files that was. Between two files it ends when it is to end."""
        taken = 0
        self._strange = {path for path in self._strange if os.path.lexists(path)}
        found = list(self._candidates())
        self._seen = {one.path: self._seen[one.path] for one in found if one.path in self._seen}
        for candidate in found:
            if not self.goes_on():
                break
            if self._is_still(candidate.path) and self._take(candidate):
                self._seen.pop(candidate.path, None)
                taken += 1
        return taken

    @property
    def waits(self) -> bool:
        """Whether a file is there that was not still for long enough."""
        return bool(self._seen)

    def _candidates(self) -> Iterator[Candidate]:
        for path in _files(self.folder):
            self._tell_once(
                path,
                f"{shown_file(path.name)} lies in no dataset’s folder and is left: move it into that of its dataset, "
                "and of its site where the dataset has several.",
            )
        for folder in _folders(self.folder):
            if folder.name in (DONE, REFUSED):
                continue
            if folder.name not in self.services.definitions:
                self._tell_once(
                    folder, f"{shown_folder(folder.name)} is the code of no dataset: what lies there is left."
                )
                continue
            yield from (Candidate(path, folder.name, "") for path in _files(folder))
            for site in _folders(folder):
                if _SITE.fullmatch(site.name):
                    yield from (Candidate(path, folder.name, site.name) for path in _files(site))
                else:
                    self._tell_once(
                        site, f"{folder.name}/{shown_folder(site.name)} is no site’s code: what lies there is left."
                    )

    def _tell_once(self, path: Path, sentence: str) -> None:
        if path not in self._strange:
            self._strange.add(path)
            self.told(sentence)

    def _is_still(self, path: Path) -> bool:
        try:
            mark = _mark(path.lstat())
        except FileNotFoundError:
            return False
        before = self._seen.get(path)
        if before is None or before[0] != mark:
            self._seen[path] = (mark, time.monotonic())
            return self.still_seconds <= 0
        return time.monotonic() - before[1] >= self.still_seconds

    def _take(self, candidate: Candidate) -> bool:
        """Whether it was taken, or refused; not where another watcher is at work on it."""
        try:
            file = candidate.path.open("rb")
        except OSError as error:
            self._tell_once(candidate.path, f"{_shown(candidate)} cannot be read: {error.strerror}.")
            return False
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            link = self._link_among_targets(candidate)
            if link is not None:
                self._tell_once(link, _led_elsewhere(link, self.folder))
                return False
            mark = _mark(os.fstat(file.fileno()))
            # Another watcher may have been through with it before we had the lock.
            if not candidate.path.is_file() or _mark(candidate.path.lstat()) != mark:
                return False
            try:
                receipt = self._loaded(candidate, file, mark)
            except (Problem, SafeStatsError) as trouble:
                if isinstance(trouble, Problem) and trouble.document.status == 429:
                    return False
                self._refuse(candidate, str(trouble))
                return True
            if receipt is None:
                return False
            if receipt.state == State.REFUSED:
                self._refuse(candidate, f"{receipt.refusal} (Receipt {receipt.number}.)")
                return True
            counts = f"{receipt.rows_in:,} rows, {receipt.accepted:,} accepted, {receipt.rejected:,} rejected"
            self.told(f"{_shown(candidate)}: {counts}, {receipt.duplicates:,} duplicates (receipt {receipt.number}).")
            if self.afterwards == Afterwards.DELETE:
                candidate.path.unlink()
            else:
                self._move(candidate, DONE)
            return True

    def _loaded(self, candidate: Candidate, file: BinaryIO, mark: str) -> Receipt | None:
        """The receipt when it is through; ``None`` where the watcher is to end before."""
        supplier = Supplier(COMMAND_LINE, "", "", ((candidate.dataset, candidate.site),))
        sent = [Sent(candidate.path.name, file)]
        # After a crash the same file is known again by its mark, and has its receipt already.
        received = receive(
            self.services, supplier, Door.FOLDER, candidate.dataset, candidate.site, sent, key=f"folder:{mark}"
        )
        while True:
            try:
                load_receipt(self.services, received.receipt.receipt_id)
            except OperationalError as error:
                if not is_busy(error):
                    raise
            # The worker may be at work on it.
            with self.services.database.read() as session:
                receipt = session.get_one(Receipt, received.receipt.receipt_id)
            if not receipt.open:
                return receipt
            if not self.goes_on():
                return None
            time.sleep(_PATIENCE_SECONDS)

    def _refuse(self, candidate: Candidate, sentence: str) -> None:
        self.told(f"{_shown(candidate)} was refused: {sentence}")
        self._move(candidate, REFUSED, f"{now():%Y-%m-%d %H:%M} UTC\n{sentence}\n")

    def _link_among_targets(self, candidate: Candidate) -> Path | None:
        """A link where a folder to move into should be: whoever put it there would choose where files go."""
        for to in (DONE, REFUSED):
            folder = self.folder
            for part in _parts(candidate, to):
                folder = folder / part
                if folder.is_symlink():
                    return folder
        return None

    def _move(self, candidate: Candidate, to: str, note: str = "") -> None:
        """Move a file below “done” or “refused”, with a note beside it; no link is followed on the way."""
        try:
            folder = _opened(self.folder, _parts(candidate, to))
        except OSError as error:
            there = self.folder / to
            self._tell_once(there, f"{to} cannot be moved into: {error.strerror}. What was taken is left where it was.")
            return
        try:
            path, number = candidate.path, 1
            name = path.name
            while _is_there(name, folder) or (note and _is_there(f"{name}.txt", folder)):
                number += 1
                name = f"{path.stem} ({number}){path.suffix}"
            os.rename(path, name, dst_dir_fd=folder)
            if note:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                handle = os.open(f"{name}.txt", flags, 0o600, dir_fd=folder)
                with os.fdopen(handle, "w", encoding="utf-8") as text:
                    text.write(note)
        finally:
            os.close(folder)


def watch(watcher: Watcher, wait: Callable[[float], object], once: bool = False) -> None:
    """Look again and again until the watcher is to end, or with ``once`` until nothing is on its way to being still."""
    while watcher.goes_on():
        watcher.look()
        if once and not watcher.waits:
            return
        wait(min(LOOK_SECONDS, max(0.05, watcher.still_seconds / 2)))


def _parts(candidate: Candidate, to: str) -> list[str]:
    return [part for part in (to, candidate.dataset, candidate.site) if part]


def _opened(top: Path, parts: Sequence[str]) -> int:
    """The handle of a folder below ``top``, made where it is missing; raises ``OSError`` where a link stands."""
    handle = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for part in parts:
        try:
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=handle)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    return handle


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _led_elsewhere(link: Path, top: Path) -> str:
    shown = "/".join(map(shown_folder, link.relative_to(top).parts))
    return f"{shown} is a link, which is never followed: nothing that would go there is taken; put a folder there."


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def _files(folder: Path) -> list[Path]:
    """The oldest first; links lead elsewhere and are left."""
    found = [
        path
        for path in folder.iterdir()
        if path.is_file() and not path.is_symlink() and not _UNFINISHED.fullmatch(path.name)
    ]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _mark(status: os.stat_result) -> str:
    """What changes whenever a file is written, renamed or put there anew."""
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _shown(candidate: Candidate) -> str:
    site = shown_folder(candidate.site) if candidate.site else ""
    return "/".join(part for part in (candidate.dataset, site, shown_file(candidate.path.name)) if part)
