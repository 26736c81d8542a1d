"""A list of premises: read from a CSV, each row placed or told by its line."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...shared.ring_answer import Place
from ..errors import SafeStatsError
from ..problems import Problem
from ..services import Services
from .places import place_of

MOST_PREMISES = 3_000
LARGEST_FILE = 2_000_000
_LONGEST_NAME = 200
_NAMES = {
    "name": ("name", "premises", "premisesname", "tradingname", "venue", "licencee", "licensee"),
    "reference": ("reference", "ref", "licence", "licencenumber", "licenceno", "licensenumber", "id"),
    "postcode": ("postcode", "postalcode", "pcode", "pcd"),
    "easting": ("easting", "eastings", "x", "xcoordinate"),
    "northing": ("northing", "northings", "y", "ycoordinate"),
}
_NUMBER = re.compile(r"\d{5,6}(?:\.\d+)?", re.ASCII)


@dataclass(frozen=True)
class Premises:
    """One of the list: the line it begins on, what it is called, and where it is."""

    line: int
    name: str
    reference: str
    place: Place


@dataclass(frozen=True)
class Rejected:
    """A row that could not be searched around: its line, its name or text, and why in a sentence."""

    line: int
    name: str
    sentence: str


def read_premises(
    services: Services, name: str, content: bytes, points: bool = True
) -> tuple[list[Premises], list[Rejected]]:
    """The premises of a CSV with a header: a column of postcodes, or two of eastings and northings.

    A row with both is placed by its point, unless ``points`` cannot be answered: then by its postcode.

    Raises ``SafeStatsError`` where the file as a whole cannot be used; rows that cannot be are told one by one.
    """
    rows = _rows(name, content)
    header = next(rows, None)
    columns = _columns(header[1]) if header else {}
    if header is None or not ("postcode" in columns or {"easting", "northing"} <= set(columns)):
        raise SafeStatsError(
            f"{name} has no column of places: name one “postcode” in its first line, or two “easting” and “northing”."
        )
    found: list[Premises] = []
    rejected: list[Rejected] = []
    for line, cells in rows:
        if len(found) + len(rejected) >= MOST_PREMISES:
            raise SafeStatsError(f"{name} has more than {MOST_PREMISES:,} premises: divide it.")
        value = {key: _plain(cells[index]) if index < len(cells) else "" for key, index in columns.items()}
        called = (value.get("name") or value.get("reference") or value.get("postcode", ""))[:_LONGEST_NAME]
        try:
            if len(cells) > len(header[1]):
                raise SafeStatsError(
                    f"The row has {len(cells)} cells and the header {len(header[1])}: put text that holds commas in "
                    "quotation marks."
                )
            place = _place(services, value, points)
            found.append(Premises(line, called, value.get("reference", "")[:_LONGEST_NAME], place))
        except SafeStatsError as error:
            rejected.append(Rejected(line, called, str(error)))
        except Problem as problem:
            rejected.append(Rejected(line, called, problem.document.detail))
    if not found and not rejected:
        raise SafeStatsError(f"{name} has a header and no premises below it.")
    return found, rejected


def _rows(name: str, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The line a row begins on, and its cells; rows without any text are left out."""
    if len(content) > LARGEST_FILE:
        raise SafeStatsError(f"{name} is larger than {LARGEST_FILE // 1_000_000} MB: it is no list of premises.")
    if b"\0" in content:
        raise SafeStatsError(f"{name} is no CSV: save the list as “CSV UTF-8” and choose that file.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")  # as Excel writes it on Windows
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if any(cell.strip() for cell in cells):
                yield line, cells
    except csv.Error as error:
        raise SafeStatsError(f"{name} cannot be read beyond line {before}: {error}.") from error


def _plain(cell: str) -> str:
    """Its text without control characters, which no workbook takes."""
    return "".join(sign for sign in cell if unicodedata.category(sign) != "Cc").strip()


def _columns(header: Sequence[str]) -> dict[str, int]:
    keys = [re.sub(r"[^a-z]", "", name.casefold()) for name in header]
    return {
        name: next(index for index, key in enumerate(keys) if key in known)
        for name, known in _NAMES.items()
        if any(key in known for key in keys)
    }


def _place(services: Services, value: dict[str, str], points: bool) -> Place:
    """By its point where it has one that may be given: a postcode stands for several doors."""
    easting, northing, postcode = (value.get(name, "") for name in ("easting", "northing", "postcode"))
    if (not easting and not northing) or (postcode and not points):
        return place_of(services, postcode)
    if not (_NUMBER.fullmatch(easting) and _NUMBER.fullmatch(northing)):
        raise SafeStatsError(
            "Easting and northing are no point of the National Grid: give both in metres, such as 530000 and 180000."
        )
    return place_of(services, f"{easting}, {northing}")
