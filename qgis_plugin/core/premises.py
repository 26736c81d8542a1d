"""A list of premises: read from a CSV, each placed or told by its line, and each answered as a single place is."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...shared.ring_answer import Place
from ...shared.windows import trend
from .analysis_error import AnalysisError
from .borough_ranks import BoroughRanks
from .coverage import CoverageMap
from .errors import Cancelled
from .held_rows import HeldRows
from .periods import Period
from .places import PlaceFinder
from .points import CancelledCheck, never_cancelled
from .proximity import PlaceSearch, Report, no_report, search
from .proximity_question import Part, Plan

MOST_PREMISES = 20_000
LARGEST_FILE = 20_000_000
_NAMES = {
    "name": ("name", "premises", "premisesname", "tradingname", "venue", "licencee", "licensee"),
    "reference": ("reference", "ref", "licence", "licencenumber", "licenceno", "licensenumber", "id"),
    "postcode": ("postcode", "postalcode", "pcode", "pcd"),
    "easting": ("easting", "eastings", "x", "xcoordinate"),
    "northing": ("northing", "northings", "y", "ycoordinate"),
}
_NUMBER = re.compile(r"\d{5,6}(?:\.\d+)?")


@dataclass(frozen=True)
class Premises:
    """One of the list: the line of the file it begins on, what it is called, and where it is."""

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


@dataclass(frozen=True)
class PremisesList:
    """What a file held, in its order."""

    premises: tuple[Premises, ...]
    rejected: tuple[Rejected, ...]


def read_premises(path: Path, finder: PlaceFinder, cancelled: CancelledCheck = never_cancelled) -> PremisesList:
    """The premises of a CSV with a header: a column of postcodes, or two of eastings and northings.

    Raises ``AnalysisError`` where the file as a whole cannot be used, ``Cancelled`` when stopped; rows that cannot be
    used are told one by one.
    """
    rows = _rows(path)
    header = next(rows, None)
    columns = _columns(header[1]) if header else {}
    if header is None or not ("postcode" in columns or {"easting", "northing"} <= set(columns)):
        raise AnalysisError(
            f"{path.name} has no column of places: name one “postcode” in its first line, or two “easting” and "
            "“northing”.",
            "premises",
        )
    found: list[Premises] = []
    rejected: list[Rejected] = []
    for line, cells in rows:
        if cancelled():
            raise Cancelled
        if len(found) + len(rejected) >= MOST_PREMISES:
            raise AnalysisError(f"{path.name} has more than {MOST_PREMISES:,} premises: divide it.", "premises")
        value = {name: cells[index].strip() if index < len(cells) else "" for name, index in columns.items()}
        name = value.get("name") or value.get("reference") or value.get("postcode", "")
        try:
            if len(cells) > len(header[1]):
                raise AnalysisError(
                    f"The row has {len(cells)} cells and the header {len(header[1])}: put text that holds commas in "
                    "quotation marks."
                )
            found.append(Premises(line, name, value.get("reference", ""), _place(value, finder)))
        except AnalysisError as error:
            rejected.append(Rejected(line, name, error.sentence))
    if not found and not rejected:
        raise AnalysisError(f"{path.name} has a header and no premises below it.", "premises")
    return PremisesList(tuple(found), tuple(rejected))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line a row begins on, and its cells; rows without any text are left out."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise AnalysisError(f"{path.name} is larger than {LARGEST_FILE / 1e6:.0f} MB: it is no list of premises.")
        content = path.read_bytes()
    except OSError as error:
        raise AnalysisError(f"{path.name} cannot be read: {error.strerror}.", "premises") from error
    if b"\0" in content:
        raise AnalysisError(f"{path.name} is no CSV: save the list as “CSV UTF-8” and choose that file.", "premises")
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
        raise AnalysisError(f"{path.name} cannot be read beyond line {before}: {error}.", "premises") from error


def _columns(header: Sequence[str]) -> dict[str, int]:
    keys = [re.sub(r"[^a-z]", "", name.casefold()) for name in header]
    return {
        name: next(index for index, key in enumerate(keys) if key in known)
        for name, known in _NAMES.items()
        if any(key in known for key in keys)
    }


def _place(value: dict[str, str], finder: PlaceFinder) -> Place:
    """By its point where it has one: a postcode stands for several doors."""
    easting, northing = value.get("easting", ""), value.get("northing", "")
    if not easting and not northing:
        return finder.find(value.get("postcode", ""))
    if not (_NUMBER.fullmatch(easting) and _NUMBER.fullmatch(northing)):
        raise AnalysisError(
            f"“{easting}, {northing}” is no point of the National Grid: give easting and northing in metres, such as "
            "530000 and 180000."
        )
    return finder.at(float(easting), float(northing))


def answer_premises(
    premises: Sequence[Premises],
    planned: Plan,
    coverages: CoverageMap,
    ranks: BoroughRanks,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
) -> Iterator[tuple[Premises, PlaceSearch | Rejected]]:
    """Each with its answer, borough by borough: the rows around a borough are read once.

    Raises ``Cancelled`` when stopped.
    """
    done = 0
    for borough in sorted({one.place.borough_code for one in premises}):
        here = [one for one in premises if one.place.borough_code == borough]
        report(f"Reading {here[0].place.borough or 'what lies outside London'}", done, len(premises))
        local = replace(
            planned, parts=tuple(_held(part, planned, here, borough, ranks, cancelled) for part in planned.parts)
        )
        for part in local.parts:
            if planned.question.within is None:
                ranks.prepare(
                    part.rows, borough, planned.now, part.bands, planned.question.radii, part.leave_out, cancelled
                )
        for one in here:
            if cancelled():
                raise Cancelled
            report(f"Searching in {one.place.borough or 'what lies outside London'}", done, len(premises))
            done += 1
            try:
                yield one, search(local, one.place, coverages, ranks, cancelled)
            except AnalysisError as error:
                yield one, Rejected(one.line, one.name, error.sentence)


def _held(
    part: Part, planned: Plan, here: Sequence[Premises], borough: str, ranks: BoroughRanks, cancelled: CancelledCheck
) -> Part:
    """The part with the rows around the premises, and around the borough's postcodes, in memory."""
    first = min(trend(planned.now.last).first, (planned.before or planned.now).first)
    places = [(one.place.easting, one.place.northing) for one in here]
    rows = HeldRows.around(
        part.rows,
        [*places, *(ranks.postcodes_of(borough).tolist() if borough else ())],
        max(planned.question.radii),
        Period(min(first, planned.now.first), planned.now.last),
        part.leave_out,
        cancelled,
    )
    return replace(part, rows=rows)
