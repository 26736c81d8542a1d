"""Reads suppliers' files as they are: every row as text under its targets, with its line.

Nothing is repaired here. What cannot be read stops the file with one sentence (``SafeStatsError``); torn rows
are set aside with their line and the reason.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import SafeStatsError
from .mappings import FileFormat, Mapping, header_key

OWNER = "owner"
_LARGEST_UNPACKED = 500_000_000  # a month of the largest supplier is 28 MB

# Columns that would tell who somebody is: no file that has one is read, whatever the dataset.
_IDENTIFYING = frozenset(
    (
        "name",
        "fullname",
        "firstname",
        "forename",
        "surname",
        "lastname",
        "victimname",
        "suspectname",
        "patientname",
    )
    + ("dateofbirth", "dob", "nhsnumber", "nhsno", "nationalinsurancenumber", "homeaddress")
    + ("phone", "phonenumber", "telephone", "mobile", "email", "emailaddress")
)
_MONTH = re.compile(r"(?<!\d)((?:19|20)\d\d-(?:0[1-9]|1[0-2]))(?!\d)")
_SHOWN_HEADER = 40


@dataclass(frozen=True)
class SourceFile:
    """A file as it came."""

    path: Path
    data: bytes
    sha256: str

    @classmethod
    def read(cls, path: Path) -> SourceFile:
        """The file's bytes; raises ``SafeStatsError`` where they cannot be had."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SafeStatsError(f"{path} cannot be read: {error.strerror}.") from error
        return cls(path, data, hashlib.sha256(data).hexdigest())

    @property
    def name(self) -> str:
        """The name without its folder."""
        return self.path.name


@dataclass(frozen=True)
class TornRow:
    """A row that could not be taken apart, and those of its values whose column is certain."""

    file: str
    line: int
    reason: str
    content: dict[str, str]


@dataclass
class RawRows:
    """All rows of one file. ``frame`` has ``file``, ``line``, ``owner`` and the mapping's targets, all text but
    ``line``; ``dropped`` counts the filled values of columns that are not agreed."""

    mapping: Mapping
    frame: pl.DataFrame
    torn: list[TornRow] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    zero_return: str = ""  # the month of a file without rows, from its name


def read_file(source: SourceFile, dataset: str, mappings: Sequence[Mapping]) -> RawRows:
    """The rows of a file under the mapping of ``dataset`` that its kind calls for."""
    if not source.data.strip():
        raise SafeStatsError(f"{source.name} is empty: ask the supplier to send it again.")
    if source.name.lower().endswith(".zip") and not zipfile.is_zipfile(io.BytesIO(source.data)):
        raise SafeStatsError(f"{source.name} is no zip file, or a damaged one: ask the supplier to send it again.")
    kind = FileFormat.JSON_ZIP if zipfile.is_zipfile(io.BytesIO(source.data)) else FileFormat.CSV
    fitting = [m for m in mappings if m.format == kind and dataset in m.datasets]
    if kind == FileFormat.JSON_ZIP:
        if not fitting:
            raise SafeStatsError(f"{source.name} is a zip file; {dataset} is delivered as CSV.")
        return _read_json_zip(source, fitting[0])
    if b"\0" in source.data:
        raise SafeStatsError(f"{source.name} is no text: it holds bytes that no CSV file has.")
    return _read_csv(source, dataset, fitting, mappings)


def _read_csv(source: SourceFile, dataset: str, fitting: Sequence[Mapping], mappings: Sequence[Mapping]) -> RawRows:
    notes = []
    try:
        text = source.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = source.data.decode("cp1252")
        except UnicodeDecodeError as error:
            raise SafeStatsError(
                f"{source.name} is neither UTF-8 nor Windows-1252 text: ask the supplier for UTF-8."
            ) from error
        notes.append(f"{source.name} is not UTF-8; it was read as Windows-1252.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(_rows(reader), (0, [], ""))[1]
    mapping = _choose(source.name, dataset, header, fitting, mappings)
    columns = _columns(source.name, header, mapping, notes)

    cells: list[list[str]] = []
    lines: list[int] = []
    torn: list[TornRow] = []
    for line, row, trouble in _rows(reader):
        if not trouble and len(row) < len(header):
            trouble = f"cut off: {len(row)} of {len(header)} columns"
        elif not trouble and len(row) > len(header):
            trouble = f"too long: {len(row)} columns, not {len(header)}"
        if trouble:
            # In a row that is too short all values but the last stand under their own header.
            sure = len(row) - 1 if len(row) < len(header) else 0
            content = {to: row[at].strip() for to, at in columns.targets.items() if at < sure and row[at].strip()}
            torn.append(TornRow(source.name, line, trouble, content))
            continue
        cells.append(row)
        lines.append(line)
    rows = RawRows(
        mapping,
        pl.DataFrame(
            {
                "file": pl.Series([source.name] * len(lines), dtype=pl.String),
                "line": pl.Series(lines, dtype=pl.Int64),
                **{to: pl.Series([row[at] for row in cells], dtype=pl.String) for to, at in columns.targets.items()},
            }
        ),
        torn,
        notes=notes,
    )
    for what, positions in columns.dropped.items():
        rows.dropped[what] = sum(1 for row in cells for at in positions if row[at].strip())
    if not cells and not torn:
        _note_zero_return(rows, source.name)
    return rows


def _rows(reader: Any) -> Iterator[tuple[int, list[str], str]]:
    """(first line, values, trouble) of each row that is not blank."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, [], "quotation marks that do not close"
            continue
        if any(value.strip() for value in row):
            yield line, row, ""


@dataclass(frozen=True)
class _Columns:
    targets: dict[str, int]
    dropped: dict[str, list[int]]


def _choose(
    name: str, dataset: str, header: Sequence[str], fitting: Sequence[Mapping], mappings: Sequence[Mapping]
) -> Mapping:
    missing = {mapping.code: _missing(header, mapping) for mapping in mappings if mapping.format == FileFormat.CSV}
    best = min(fitting, key=lambda m: len(missing[m.code]), default=None)
    if best is None:
        raise SafeStatsError(f"{name} is no file in which {dataset} is delivered.")
    if not missing[best.code]:
        return best
    there = {header_key(text) for text in header}
    for unwanted in best.others:
        if there.issuperset(map(header_key, unwanted.headers)):
            raise SafeStatsError(f"{name} holds {unwanted.title}, which {dataset} does not take: {unwanted.instead}.")
    for other in mappings:
        if missing.get(other.code) == []:
            raise SafeStatsError(
                f"{name} holds {other.title}, which is not how {dataset} is delivered: "
                f"load it as {' or '.join(other.datasets)}."
            )
    raise SafeStatsError(
        f"{name} has no column “{missing[best.code][0]}”, which {best.title} must have: "
        "ask the supplier for the whole file."
    )


def _missing(header: Sequence[str], mapping: Mapping) -> list[str]:
    there = {header_key(text) for text in header}
    needed = [source.headers for source in mapping.sources if source.required]
    if mapping.owner_headers:
        needed.append(mapping.owner_headers)
    return [headers[0] for headers in needed if there.isdisjoint(map(header_key, headers))]


def _columns(name: str, header: Sequence[str], mapping: Mapping, notes: list[str]) -> _Columns:
    positions: dict[str, int] = {}
    for at, text in enumerate(header):
        if not text.strip():
            continue
        if header_key(text) in positions:
            raise SafeStatsError(f"{name} has the column “{text.strip()}” twice: which one holds is unknown.")
        positions[header_key(text)] = at
    targets: dict[str, int] = {}
    unused = dict(positions)
    wanted = [(source.target, source.headers) for source in mapping.sources]
    for target, headers in [(OWNER, mapping.owner_headers), *wanted]:
        for key in map(header_key, headers):
            if key in positions:
                targets.setdefault(target, positions[key])
                unused.pop(key, None)
    dropped = {
        what: [positions[key] for key in map(header_key, headers) if unused.pop(key, None) is not None]
        for what, headers in mapping.drop.items()
    }
    for key in map(header_key, mapping.ignore):
        unused.pop(key, None)
    for at in unused.values():
        _refuse_identifying(name, "column", header[at])
    if unused:
        shown = ", ".join(f"“{header[at].strip()[:_SHOWN_HEADER]}”" for at in unused.values())
        notes.append(f"{name} has columns that are not agreed, which were dropped: {shown}.")
    return _Columns(targets, dropped)


def _refuse_identifying(name: str, what: str, header: str) -> None:
    if re.sub(r"[^a-z]", "", header_key(header)) in _IDENTIFYING:
        raise SafeStatsError(
            f"{name} has the {what} “{header.strip()[:_SHOWN_HEADER]}”, which tells who somebody is: "
            "nothing of it was read; ask the supplier for a file without it."
        )


def _read_json_zip(source: SourceFile, mapping: Mapping) -> RawRows:
    wanted = {source.target: source.headers[0].split(".") for source in mapping.sources}
    if mapping.owner_headers:
        wanted[OWNER] = mapping.owner_headers[0].split(".")
    values: dict[str, list[str]] = {target: [] for target in wanted}
    files: list[str] = []
    lines: list[int] = []
    rows = RawRows(mapping, pl.DataFrame())
    empty_files: list[str] = []
    members: set[str] = set()
    known = {header_key(h.split(".")[0]) for s in mapping.sources for h in s.headers}
    known |= {header_key(h.split(".")[0]) for hs in mapping.drop.values() for h in hs}
    known |= {header_key(h.split(".")[0]) for h in (*mapping.ignore, *mapping.owner_headers)}
    for name, entries in _lists(source, empty_files):
        files += [f"{source.name}/{name}"] * len(entries)
        lines += range(1, len(entries) + 1)
        for target, path in wanted.items():
            values[target] += _texts(f"{source.name}/{name}", entries, path)
        for what, headers in mapping.drop.items():
            for header in headers:
                rows.dropped[what] += sum(1 for value in _values(entries, header.split(".")) if value not in (None, ""))
        members.update(*entries)
    unknown = {member for member in members if header_key(member) not in known}
    for key in sorted(unknown):
        _refuse_identifying(source.name, "member", key)
    rows.frame = pl.DataFrame(
        {
            "file": pl.Series(files, dtype=pl.String),
            "line": pl.Series(lines, dtype=pl.Int64),
            **{target: pl.Series(column, dtype=pl.String) for target, column in values.items()},
        }
    )
    if empty_files:
        rows.notes.append(
            f"{source.name}: {len(empty_files)} file(s) without a single byte were taken as empty lists: "
            f"{', '.join(empty_files[:3])}{'…' if len(empty_files) > 3 else ''}."
        )
    if unknown:
        shown = ", ".join(f"“{key[:_SHOWN_HEADER]}”" for key in sorted(unknown))
        rows.notes.append(f"{source.name} has members that are not agreed, which were dropped: {shown}.")
    if not lines:
        _note_zero_return(rows, source.name)
    return rows


def _lists(source: SourceFile, empty_files: list[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > _LARGEST_UNPACKED:
                raise SafeStatsError(
                    f"{source.name} unpacks to {unpacked / 1e6:,.0f} MB, more than the {_LARGEST_UNPACKED / 1e6:,.0f} "
                    "that a month can be: ask for smaller files."
                )
            for name in sorted(archive.namelist()):
                if not name.lower().endswith(".json"):
                    continue
                data = archive.read(name)
                if not data.strip():
                    empty_files.append(name)
                    continue
                entries = json.loads(data)
                if b"\\ud" in data.lower():
                    json.dumps(entries, ensure_ascii=False).encode()  # half a surrogate pair is no text
                if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                    raise SafeStatsError(f"{source.name}: {name} holds no list of incidents.")
                yield name, entries
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise SafeStatsError(f"{source.name} is a damaged zip file: ask for it again.") from error
    except ValueError as error:
        raise SafeStatsError(f"{source.name}: {name} is cut off or no JSON: ask for it again.") from error


def _values(entries: Sequence[dict[str, Any]], path: Sequence[str]) -> list[Any]:
    """What stands at a path of members, ``None`` where there is nothing."""
    found: list[Any] = list(entries)
    for member in path:
        found = [entry.get(member) if isinstance(entry, dict) else None for entry in found]
    return found


def _texts(name: str, entries: Sequence[dict[str, Any]], path: Sequence[str]) -> list[str]:
    """The values at a path of members as texts, "" where there is nothing; a list or an object stops the file."""
    found = _values(entries, path)
    if any(isinstance(value, dict | list) for value in found):
        raise SafeStatsError(
            f"{name}: “{'.'.join(path)}” holds a list or an object where a text is expected: ask the supplier for the "
            "form that was agreed."
        )
    return ["" if value is None else str(value) for value in found]


def _note_zero_return(rows: RawRows, name: str) -> None:
    match = _MONTH.search(name)
    rows.zero_return = match[1] if match else ""
    told = f"a return of no incidents in {rows.zero_return}" if match else "no incidents; its name has no month"
    rows.notes.append(f"{name} has no rows: {told}.")
