"""What incidents are divided by: residents, workday population, licensed premises, each of a named edition.

A file replaces each kind × edition that it holds as a whole; other editions stay. No denominator, no rate.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ..audit.events import COMMAND_LINE, EventType
from ..errors import SafeStatsError
from ..instants import now
from ..services import Services
from .models import Denominator, DenominatorEdition, Kind, Level

_COLUMNS = ("kind", "edition", "source", "level", "code", "value")
_ASKED = ("code", "value")  # these are of every line; the others may be the same for all of them
_PREFIXES = {
    Level.BOROUGH: ("E06", "E07", "E08", "E09", "W06"),
    Level.WARD: ("E05", "E36", "W05"),
    Level.LSOA: ("E01", "W01"),
}
_CODE = re.compile(r"[EW]\d{8}", re.ASCII)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)", re.ASCII)
_MOST_BYTES = 50_000_000
_MOST = 100_000_000
_MOST_TOLD = 10


@dataclass(frozen=True)
class Loaded:
    """What a file brought: areas by kind, edition and level, and how many of them the loaded boundaries do not have."""

    areas: Mapping[tuple[str, str, str], int]
    unknown: Mapping[str, int]  # by level


@dataclass(frozen=True)
class Divisor:
    """The newest edition of a kind at one level: numbers by area code."""

    kind: Kind
    edition: str
    source: str
    values: Mapping[str, int] = field(default_factory=dict)

    def of(self, codes: Collection[str]) -> int | None:
        """The sum of these areas; ``None`` where one of them has no number, or all have none to divide by."""
        found = [self.values.get(code) for code in codes]
        known = [value for value in found if value is not None]
        return sum(known) or None if known and len(known) == len(found) else None


def load_denominators(services: Services, file: Path, of_all: Mapping[str, str], actor: str = COMMAND_LINE) -> Loaded:
    """Load a CSV whose lines name an area and its number; ``of_all``: columns that are the same for all lines.

    Raises ``SafeStatsError`` that names the lines that are wrong; nothing is loaded then.
    """
    content = _read(file)
    rows = list(_rows(content, file.name, of_all))
    sources = _sources(rows, file.name)
    digest = hashlib.sha256(content).hexdigest()
    boroughs, lsoas = set(services.areas.boroughs), set(services.areas.lsoas)
    with services.database.write() as session:
        for (kind, edition), source in sources.items():
            one = {"kind": kind, "edition": edition}
            session.execute(delete(Denominator).filter_by(**one))
            session.execute(delete(DenominatorEdition).filter_by(**one))
            session.add(DenominatorEdition(**one, year=_year(edition), source=source, sha256=digest, loaded_at=now()))
        session.flush()
        session.add_all(
            Denominator(kind=row.kind, edition=row.edition, level=row.level, code=row.code, value=row.value)
            for row in rows
        )
        services.audit.record(
            EventType.DENOMINATORS_LOADED,
            actor=actor,
            filter={"editions": [f"{kind}: {edition}" for kind, edition in sources], "sha256": digest},
            rows=len(rows),
        )
    known = {Level.BOROUGH: boroughs, Level.LSOA: lsoas}
    return Loaded(
        areas=Counter((row.kind, row.edition, row.level) for row in rows),
        unknown=Counter(row.level for row in rows if row.level in known and row.code not in known[Level(row.level)]),
    )


def list_denominators(session: Session) -> list[tuple[str, str, str, int, int, str]]:
    """(kind, edition, level, areas, sum of them, source) of all that is loaded, the newest edition of a kind first."""
    found = session.execute(
        select(
            Denominator.kind,
            Denominator.edition,
            Denominator.level,
            func.count(),
            func.sum(Denominator.value),
            DenominatorEdition.source,
        )
        .join(DenominatorEdition)
        .group_by(
            Denominator.kind, Denominator.edition, Denominator.level, DenominatorEdition.source, DenominatorEdition.year
        )
        .order_by(Denominator.kind, DenominatorEdition.year.desc(), Denominator.edition, Denominator.level)
    )
    return [(kind, edition, level, number, int(total), source) for kind, edition, level, number, total, source in found]


def base_of(session: Session, kind: Kind, level: Level) -> Divisor | None:
    """The edition of the latest year that has areas of the level (of several, the one loaded last)."""
    newest = session.execute(
        select(DenominatorEdition.edition, DenominatorEdition.source)
        .join(Denominator)
        .where(DenominatorEdition.kind == kind, Denominator.level == level)
        .order_by(DenominatorEdition.year.desc(), DenominatorEdition.loaded_at.desc(), DenominatorEdition.edition)
        .limit(1)
    ).first()
    if newest is None:
        return None
    held = select(Denominator.code, Denominator.value).filter_by(kind=kind, edition=newest.edition, level=level)
    return Divisor(kind, newest.edition, newest.source, {row.code: row.value for row in session.execute(held)})


@dataclass(frozen=True)
class _Row:
    line: int
    kind: str
    edition: str
    source: str
    level: str
    code: str
    value: int


class _LineError(Exception):
    """What is wrong with a line."""


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise SafeStatsError(f"{file.name} is larger than {_MOST_BYTES / 1e6:.0f} MB: load it in parts.")
        return file.read_bytes()
    except OSError as error:
        raise SafeStatsError(f"{file} cannot be read ({error.strerror}): name a CSV file.") from error


def _rows(content: bytes, name: str, of_all: Mapping[str, str]) -> Iterator[_Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SafeStatsError(f"{name} is no text in UTF-8: save it as “CSV UTF-8”.") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    given = {key: value for key, value in of_all.items() if value}
    header = [cell.strip().casefold() for cell in next(reader, [])]
    missing = [column for column in _COLUMNS if column not in header and (column in _ASKED or column not in given)]
    if missing:
        how = "" if missing[0] in _ASKED else f", or give --{missing[0]} for all lines"
        raise SafeStatsError(f"{name} has no column “{missing[0]}”: name it in the first line{how}.")
    twice = [column for column in given if column in header]
    if twice:
        raise SafeStatsError(f"{name} has a column “{twice[0]}” of its own: leave out --{twice[0]}.")
    troubles: list[str] = []
    first_seen: dict[tuple[str, ...], int] = {}
    found: list[_Row] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            try:
                row = _row(reader.line_num, {**given, **dict(zip(header, cells, strict=False))})
                key = (row.kind, row.edition, row.level, row.code)
                if key in first_seen:
                    raise _LineError(f"{row.code} stands in line {first_seen[key]} already")
                first_seen[key] = row.line
                found.append(row)
            except _LineError as error:
                troubles.append(f"line {reader.line_num}: {error}")
    except csv.Error as error:
        raise SafeStatsError(f"{name}, line {reader.line_num}: this is no CSV ({error}).") from error
    if troubles:
        more = f"; and {len(troubles) - _MOST_TOLD:,} more lines" if len(troubles) > _MOST_TOLD else ""
        raise SafeStatsError(f"{name}: nothing was loaded: {'; '.join(troubles[:_MOST_TOLD])}{more}.")
    if not found:
        raise SafeStatsError(f"{name} holds no area: nothing was loaded.")
    return iter(found)


def _row(line: int, cells: Mapping[str, str]) -> _Row:
    told = {name: " ".join(cells.get(name, "").split()) for name in _COLUMNS}
    kind, level = told["kind"].casefold(), told["level"].casefold()
    if kind not in set(Kind):
        raise _LineError(f"the kind is “{told['kind'][:40]}”: write {', '.join(Kind)}")
    if level not in set(Level):
        raise _LineError(f"the level is “{told['level'][:40]}”: write {', '.join(Level)}")
    code = told["code"].upper()
    if not _CODE.fullmatch(code):
        raise _LineError(f"“{told['code'][:40]}” is no area code such as E09000007")
    if not code.startswith(_PREFIXES[Level(level)]):
        raise _LineError(f"{code} is no code of a {level}")
    if not told["edition"] or len(told["edition"]) > 60 or not _YEAR.search(told["edition"]):
        raise _LineError("the edition is named with its year, such as mid-2023, in at most 60 letters")
    if not told["source"] or len(told["source"]) > 300:
        raise _LineError("the source is named in at most 300 letters")
    number = told["value"].replace(",", "")
    if not (number.isascii() and number.isdigit() and len(number) < 12) or int(number) > _MOST:
        raise _LineError(f"“{told['value'][:40]}” is no whole number from 0 to {_MOST:,}")
    return _Row(line, kind, told["edition"], told["source"], level, code, int(number))


def _sources(rows: list[_Row], name: str) -> dict[tuple[str, str], str]:
    """The source of each kind and edition."""
    sources: dict[tuple[str, str], str] = {}
    for row in rows:
        if sources.setdefault((row.kind, row.edition), row.source) != row.source:
            raise SafeStatsError(
                f"{name}: nothing was loaded: line {row.line}: {row.kind} {row.edition} have another source in the "
                "lines before: name one source for an edition."
            )
    return sources


def _year(edition: str) -> int:
    return max(int(year) for year in _YEAR.findall(edition))
