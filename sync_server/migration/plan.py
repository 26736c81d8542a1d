"""The plan of a move: a TOML file, read and checked for its form. Every mistake is told, each in a sentence."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..errors import SafeStatsError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_MONTH = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])", re.ASCII)
_BATCH_MB = 64
SITE = "{site}"  # stands in a pattern where the folder's or the file's name tells the site


class Publishing(StrEnum):
    """When a dataset is published."""

    END = "end"  # once, when all its files have been taken
    SECTIONS = "sections"  # after each [[load]] of it, say one a year
    NO = "no"  # by hand


class NotTaken(StrEnum):
    """What a former portal may have counted and a load leaves out."""

    REJECTED = "rejected"
    DUPLICATES = "duplicates"
    LEFT = "left"


class PlanError(SafeStatsError):
    """The plan cannot be followed: ``mistakes`` has a sentence each."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


@dataclass(frozen=True)
class LoadSection:
    """Files of one dataset. ``patterns`` are relative to the plan's folder and may have ``{site}`` once each."""

    number: int
    dataset: str
    patterns: tuple[str, ...]
    site: str = ""
    organisation: str | None = None
    synthetic: bool | None = None
    accept_withdrawals: bool = False


@dataclass(frozen=True)
class Comparison:
    """What the former portal counted, and how far the new counts may be from it."""

    old_counts: Path
    tolerance_percent: float = 0.0
    tolerance_rows: int = 0
    counted: tuple[NotTaken, ...] = (NotTaken.REJECTED, NotTaken.DUPLICATES)
    first: str = ""  # months; empty: the first and last of the old counts
    last: str = ""


@dataclass(frozen=True)
class Plan:
    """What is to be moved, from where. ``sha256`` is that of the plan's file."""

    path: Path
    name: str
    folder: Path
    sha256: str
    publish: Publishing
    batch_mb: int
    organisations: Path | None = None
    people: Path | None = None
    roles: dict[str, str] = field(default_factory=dict)  # the former portal's word for a role → SafeStats'
    terms: tuple[Path, ...] = ()
    agreements: Path | None = None
    activate: bool = False
    loads: tuple[LoadSection, ...] = ()
    comparison: Comparison | None = None

    @property
    def datasets(self) -> list[str]:
        """The datasets that are loaded, in the plan's order."""
        return list(dict.fromkeys(section.dataset for section in self.loads))


def read_plan(path: Path) -> Plan:
    """The plan in a file; raises ``PlanError`` with every mistake in its form."""
    try:
        content = path.read_bytes()
        document = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise PlanError([f"{path} cannot be read: {error.strerror}."]) from error
    except UnicodeDecodeError as error:
        raise PlanError([f"{path} is no UTF-8 text: save it as such."]) from error
    except tomllib.TOMLDecodeError as error:
        raise PlanError([f"{path.name} is no TOML: {error}."]) from error
    mistakes: list[str] = []
    root = _Table(path.name, document, mistakes)
    head = root.table("plan", needed=True)
    name = head.text("name", needed=True)
    if name and not _NAME.fullmatch(name):
        head.wrong("name", f"“{name}” is no name: use up to 64 small letters, digits and hyphens")
    folder = path.parent / (head.text("folder") or ".")
    if not folder.is_dir():
        head.wrong("folder", f"there is no folder {folder}")
    publish = head.choice("publish", Publishing, Publishing.END)
    batch_mb = head.number("batch_mb", _BATCH_MB)
    if batch_mb < 1:
        head.wrong("batch_mb", "a batch is 1 MB or more")
    head.close()
    people, agreements = root.table("people"), root.table("agreements")
    plan = Plan(
        path=path,
        name=name,
        folder=folder,
        sha256=hashlib.sha256(content).hexdigest(),
        publish=publish,
        batch_mb=int(batch_mb),
        organisations=root.table("organisations").only_file(folder),
        people=people.file("file", folder),
        roles=people.words("roles"),
        terms=root.table("terms").only_files(folder),
        agreements=agreements.file("file", folder),
        activate=agreements.flag("activate") or False,
        loads=tuple(_section(table, number) for number, table in enumerate(root.tables("load"), start=1)),
        comparison=_comparison(root.table("compare"), folder),
    )
    for table in (people, agreements, root):
        table.close()
    if not mistakes and not any((plan.organisations, plan.people, plan.terms, plan.agreements, plan.loads)):
        mistakes.append(f"{path.name}: nothing is to be moved: add a [[load]], or a file of organisations or people.")
    if mistakes:
        raise PlanError(mistakes)
    return plan


def _section(table: _Table, number: int) -> LoadSection:
    section = LoadSection(
        number=number,
        dataset=table.text("dataset", needed=True),
        patterns=table.texts("files", needed=True),
        site=table.text("site"),
        organisation=table.text("organisation") or None,
        synthetic=table.flag("synthetic"),
        accept_withdrawals=table.flag("accept_withdrawals") or False,
    )
    for pattern in section.patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            table.wrong("files", f"“{pattern}” leaves the plan's folder: name files below it, and set “folder”")
        if pattern.count(SITE) > 1:
            table.wrong("files", f"“{pattern}” has {SITE} more than once")
        if SITE in pattern and section.site:
            table.wrong("site", f"“{pattern}” tells the site by {SITE}: leave “site” out")
    table.close()
    return section


def _comparison(table: _Table, folder: Path) -> Comparison | None:
    if not table.content:
        return None
    old = table.file("old_counts", folder, needed=True)
    counted = table.texts("old_counts_include")
    wrong = sorted(set(counted) - set(NotTaken))
    if wrong:
        table.wrong("old_counts_include", f"“{wrong[0]}” is none of {', '.join(NotTaken)}")
    months = {key: table.text(key) for key in ("from", "until")}
    for key, month in months.items():
        if month and not _MONTH.fullmatch(month):
            table.wrong(key, f"“{month}” is no month: write it as 2015-01")
    percent, rows = table.number("tolerance_percent", 0), table.number("tolerance_rows", 0)
    if percent < 0 or rows < 0:
        table.wrong("tolerance_percent" if percent < 0 else "tolerance_rows", "a tolerance is 0 or more")
    told = "old_counts_include" in table.content
    table.close()
    if old is None or wrong:
        return None
    include = tuple(NotTaken(word) for word in counted) if told else Comparison.counted
    return Comparison(old, percent, int(rows), include, months["from"], months["until"])


class _Table:
    """A table of the document that notes what is wrong with it, and keys that mean nothing."""

    def __init__(self, where: str, content: dict[str, Any], mistakes: list[str]) -> None:
        self.content = content
        self._where = where
        self._mistakes = mistakes
        self._known: set[str] = set()

    def wrong(self, key: str, what: str) -> None:
        """Note a mistake."""
        self._mistakes.append(f"{self._where}, “{key}”: {what}.")

    def close(self) -> None:
        """Note the keys that nobody asked for."""
        for key in self.content:
            if key not in self._known:
                known = ", ".join(sorted(self._known))
                self.wrong(key, f"this means nothing here; there are: {known}")

    def table(self, key: str, needed: bool = False) -> _Table:
        """A table within; an empty one where it is absent."""
        value = self._get(key, dict, "a table, written [" + key + "]", needed)
        return _Table(f"{self._where}, [{key}]", value or {}, self._mistakes)

    def tables(self, key: str) -> list[_Table]:
        """The tables of a list."""
        value = self._get(key, list, "a list of tables, each written [[" + key + "]]", False) or []
        if any(not isinstance(entry, dict) for entry in value):
            self.wrong(key, "this is no list of tables, each written [[" + key + "]]")
            return []
        return [
            _Table(f"{self._where}, [[{key}]] number {number}", entry, self._mistakes)
            for number, entry in enumerate(value, start=1)
        ]

    def text(self, key: str, needed: bool = False) -> str:
        """A text, "" where it is absent."""
        value = self._get(key, str, "a text", needed)
        if needed and value is not None and not value.strip():
            self.wrong(key, "this is empty")
        return (value or "").strip()

    def texts(self, key: str, needed: bool = False) -> tuple[str, ...]:
        """A list of texts; one text is a list of one."""
        if isinstance(self.content.get(key), str):
            return (self.text(key, needed),)
        value = self._get(key, list, "a list of texts", needed) or []
        if any(not isinstance(entry, str) or not entry.strip() for entry in value) or (needed and value == []):
            if key in self.content:
                self.wrong(key, "this is no list of texts")
            return ()
        return tuple(entry.strip() for entry in value)

    def words(self, key: str) -> dict[str, str]:
        """A table of texts."""
        value = self._get(key, dict, "a table of texts", False) or {}
        if any(not isinstance(entry, str) for entry in value.values()):
            self.wrong(key, "this is no table of texts")
            return {}
        return {str(name).casefold(): entry for name, entry in value.items()}

    def number(self, key: str, absent: float) -> float:
        """A number."""
        value = self.content.get(key, absent)
        self._known.add(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.wrong(key, "this is no number")
            return absent
        return value

    def flag(self, key: str) -> bool | None:
        """True, false, or None where it is absent."""
        return self._get(key, bool, "true or false", False)

    def choice(self, key: str, kind: type[Publishing], absent: Publishing) -> Publishing:
        """One of the words of an enumeration."""
        word = self.text(key)
        if word and word not in set(kind):
            self.wrong(key, f"“{word}” is none of {', '.join(kind)}")
            return absent
        return kind(word) if word else absent

    def file(self, key: str, folder: Path, needed: bool = False) -> Path | None:
        """A file that is there, relative to the folder."""
        name = self.text(key, needed or bool(self.content))
        if not name:
            return None
        path = folder / name
        if not path.is_file():
            self.wrong(key, f"there is no file {path}")
            return None
        return path

    def only_file(self, folder: Path) -> Path | None:
        """The table's one key, ``file``."""
        path = self.file("file", folder)
        self.close()
        return path

    def only_files(self, folder: Path) -> tuple[Path, ...]:
        """The table's one key, ``files``: patterns, each of which finds something."""
        found: list[Path] = []
        for pattern in self.texts("files", needed=bool(self.content)):
            if Path(pattern).is_absolute():
                self.wrong("files", f"“{pattern}” leaves the plan's folder: name files below it")
                continue
            there = sorted(folder.glob(pattern))
            if not there:
                self.wrong("files", f"“{pattern}” finds no file in {folder}")
            found += there
        self.close()
        return tuple(dict.fromkeys(found))

    def _get(self, key: str, kind: type, what: str, needed: bool) -> Any:
        self._known.add(key)
        value = self.content.get(key)
        if value is None:
            if needed:
                self.wrong(key, "this is missing")
            return None
        if not isinstance(value, kind):
            self.wrong(key, f"this is not {what}")
            return None
        return value
