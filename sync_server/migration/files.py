"""The files of a plan: found by their patterns, in the order of their months, put together to batches."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import SafeStatsError
from .plan import SITE, LoadSection, Plan

_MONTH = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_. ]?(0[1-9]|1[0-2])(?!\d)")
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")
_CHUNK = 1 << 20
BYTES_A_MB = 1_000_000


@dataclass(frozen=True)
class PlanFile:
    """A file to be loaded. ``name`` is its path in the plan's folder, ``unpacked`` about how many bytes it holds."""

    path: Path
    name: str
    dataset: str
    site: str
    unpacked: int

    def digest(self) -> str:
        """The SHA-256 of what it holds; raises ``SafeStatsError`` where it cannot be read."""
        known = hashlib.sha256()
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    known.update(chunk)
        except OSError as error:
            raise SafeStatsError(f"{self.name} cannot be read: {error.strerror}.") from error
        return known.hexdigest()


def files_of(plan: Plan, section: LoadSection) -> list[PlanFile]:
    """The files of a section: by site, then by the month that a name tells, then by name, numbers by their value."""
    found: dict[str, PlanFile] = {}
    for pattern in section.patterns:
        for path, site in _matches(plan.folder, pattern):
            name = path.relative_to(plan.folder).as_posix()
            found.setdefault(name, PlanFile(path, name, section.dataset, site or section.site, _unpacked(path)))
    return sorted(found.values(), key=lambda file: (file.site, _month(file.name), _natural(file.name)))


def mistakes_in(plan: Plan) -> list[str]:
    """A sentence for each pattern that finds nothing, and each file that is in two sections of its dataset."""
    mistakes = []
    sections: dict[tuple[str, str], int] = {}
    for section in plan.loads:
        where = f"{plan.path.name}, [[load]] number {section.number}, “files”"
        mistakes += [
            f"{where}: “{pattern}” finds no file in {plan.folder}."
            for pattern in section.patterns
            if next(iter(_matches(plan.folder, pattern)), None) is None
        ]
        for file in files_of(plan, section):
            first = sections.setdefault((section.dataset, file.name), section.number)
            if first != section.number:
                mistakes.append(f"{where}: {file.name} is in [[load]] number {first} already.")
    return mistakes


def batches(files: Iterable[PlanFile], batch_mb: int) -> Iterator[list[PlanFile]]:
    """The files in their order, together as long as they are of one site and hold no more than ``batch_mb``.

    A file that holds more is a batch of its own.
    """
    batch: list[PlanFile] = []
    size = 0
    for file in files:
        if batch and (file.site != batch[0].site or size + file.unpacked > batch_mb * BYTES_A_MB):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.unpacked
    if batch:
        yield batch


def _matches(folder: Path, pattern: str) -> Iterator[tuple[Path, str]]:
    """The files of a pattern, and the site that each one's path tells."""
    told = _expression(pattern) if SITE in pattern else None
    for path in sorted(folder.glob(pattern.replace(SITE, "*"))):
        if not path.is_file():
            continue
        if told is None:
            yield path, ""
        elif match := told.fullmatch(path.relative_to(folder).as_posix()):
            yield path, match["site"].casefold()


def _expression(pattern: str) -> re.Pattern[str]:
    """What a path of the pattern looks like; the site is what stands for ``{site}``."""
    meanings = {SITE: "(?P<site>[^/]+?)", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\{site\}|\*\*/|\*|\?)", pattern)
    return re.compile("".join(meanings.get(part, re.escape(part)) for part in parts))


def _unpacked(path: Path) -> int:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        pass  # the load will tell what is wrong with it
    return path.stat().st_size


def _month(name: str) -> str:
    """The month, or the year, that a name tells; of several the last, which is the file's own."""
    months = ["-".join(parts) for parts in _MONTH.findall(name)]
    return (months or _YEAR.findall(name) or [""])[-1]


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name.casefold()) if part]
