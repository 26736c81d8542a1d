"""Counts as a file for colleagues whom the agreement covers: CSV or a workbook, marked, with dates and conditions."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from osgeo import ogr
from qgis.PyQt.QtCore import QCoreApplication

from ..analysis_error import AnalysisError
from ..days import day_in_words, day_of
from ..errors import Cancelled
from ..replacing import PATIENCE_S, delete, put_in_place
from .area_sets import AreaSets, Held
from .counting import Counted
from .pivot import Value, category_label
from .rates import Base, Bases, Compared
from .wording import BY_WORDS, question_words

MARK = "OFFICIAL-SENSITIVE"
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_MOST_ROWS = 1_000_000  # of a sheet; Excel ends at 1,048,576


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


@dataclass(frozen=True)
class Conditions:
    """Under what a file leaves: by whom, for what purpose."""

    organisation: str
    purpose: str
    version: str  # of the conditions of use


@dataclass(frozen=True)
class Sheet:
    """One table of a file."""

    name: str
    headers: tuple[str, ...]
    kinds: tuple[type, ...]
    rows: tuple[tuple[Value, ...], ...]


def about(
    counted: Counted, sets: AreaSets, base: Base | None, under: Conditions, made_on: date
) -> tuple[tuple[str, str], ...]:
    """What stands above the figures: what they are of, as of when, under what conditions."""
    facts = counted.facts
    told = [
        (_tr("Marking"), MARK),
        (_tr("Counts of"), facts.title),
        (_tr("Synthetic"), _tr("invented for demonstration: nothing of it happened") if facts.synthetic else ""),
        *question_words(counted.asked, sets),
        (_tr("Told by"), BY_WORDS[counted.asked.by]),
        (_tr("Boundaries"), counted.edition),
        (_tr("Rates"), f"{base.title}; {base.source}" if base else _tr("none: no denominator was chosen")),
        (_tr("Data held"), _tr("{first} to {newest}, release {release}").format(
            first=facts.first_period, newest=facts.newest_period, release=facts.release)),
        (_tr("Made on"), day_in_words(made_on)),
        (_tr("Agreement"), _tr("{agreement}, until {day}").format(
            agreement=facts.agreement, day=day_in_words(day_of(facts.agreement_until)))),
        (_tr("Conditions"), _tr(
            "Conditions of use {version}, accepted by {organisation} for the purpose “{purpose}”. For colleagues whom "
            "the agreement covers; counts are exact, small ones too: not for publication."
        ).format(version=under.version, organisation=under.organisation, purpose=under.purpose)),
        (_tr("Source"), facts.attribution),
        (_tr("Boundaries by"), counted.attribution),
        *((_tr("Note"), note) for note in (*counted.notes, *facts.caveats)),
        (_tr("Note"), _tr("Incidents of other services are not in these counts and are not to be added to them.")),
    ]  # fmt: skip
    return tuple((words, value) for words, value in told if value)


def sheets(
    counted: Counted, base: Base | None, bases: Bases, compared: Sequence[Compared]
) -> tuple[Sheet, Sheet, Sheet]:
    """Areas with their sums and rates; area × category × month; boroughs beside each other."""
    held_words = {Held.WHOLE: "", Held.PART: _tr("only in part in your copy"), Held.NONE: _tr("not in your copy")}
    areas, cells = [], []
    for at, (place, held) in enumerate(zip(counted.places, counted.held)):
        total = int(counted.cells[at].sum()) if counted.additive and held is not Held.NONE else None
        rate = base.rate(total, [place.code]) if base and total is not None and held is Held.WHOLE else None
        caution = bases.caution(base, place.code, total or 0) if base and rate is not None else ""
        divisor = base.values.get(place.code) if base else None
        areas.append(
            (place.code, place.name, total, divisor, rate, "; ".join(filter(None, (held_words[held], caution))))
        )
        for c, m in zip(*(counted.cells[at].astype(bool) | counted.withheld[at]).nonzero()):
            masked = bool(counted.withheld[at, c, m])
            number = int(counted.cells[at, c, m])
            note = _tr("a number is withheld by the supplier") if masked else ""
            shown = None if masked and not number else number
            path = category_label(counted.categories[c])
            cells.append((place.code, place.name, path, counted.months[m], shown, note))
    rated = base.title if base else _tr("rate")
    return (
        Sheet(
            _tr("Areas"),
            (
                _tr("code"),
                _tr("area"),
                _tr("incidents"),
                base.words if base else _tr("denominator"),
                rated,
                _tr("note"),
            ),
            (str, str, int, int, float, str),
            tuple(areas),
        ),
        Sheet(
            _tr("Counts"),
            (_tr("code"), _tr("area"), _tr("category"), _tr("month"), _tr("incidents"), _tr("note")),
            (str, str, str, str, int, str),
            tuple(cells),
        ),
        Sheet(
            _tr("Beside others"),
            (_tr("which"), _tr("area"), _tr("incidents"), rated, _tr("note")),
            (str, str, int, float, str),
            _beside(compared),
        ),
    )


def _beside(compared: Sequence[Compared]) -> tuple[tuple[Value, ...], ...]:
    """The copy's own lines. What the server answers rests on grants that only count, which may not permit export."""
    own = tuple((one.beside.value, one.name, one.count, one.rate, one.caution) for one in compared if not one.about)
    if len(own) == len(compared):
        return own
    words = _tr("What the server answers about areas that the copy does not hold in full is shown in the dock only.")
    return (*own, (_tr("Note"), "", None, None, words))


def write_csv(
    path: Path, told: Sequence[tuple[str, str]], tables: Sequence[Sheet], cancelled: Callable[[], bool]
) -> None:
    """One file: the marking, what the figures are, the tables, the marking. Whole, or not there at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([MARK])
            writer.writerows([_harmless(words), _harmless(value)] for words, value in told)
            for table in tables:
                if cancelled():
                    raise Cancelled
                if table.rows:
                    writer.writerow([])
                    writer.writerow([table.name])
                    writer.writerow(map(_harmless, table.headers))
                    writer.writerows([_harmless(value) for value in row] for row in table.rows)
            writer.writerow([])
            writer.writerow([MARK])
        put_in_place(part, path)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    finally:
        delete(part)


def write_workbook(
    path: Path, told: Sequence[tuple[str, str]], tables: Sequence[Sheet], cancelled: Callable[[], bool]
) -> None:
    """A workbook: a sheet on what the figures are, then a sheet a table; each is marked at its top and its end."""
    driver = ogr.GetDriverByName("XLSX")
    if driver is None:
        raise AnalysisError(_tr("This QGIS cannot write workbooks (its GDAL lacks XLSX): export as CSV instead."))
    part = path.with_name(f"{path.stem}.part.xlsx")
    try:
        part.write_bytes(b"")  # GDAL would tell only at the end
        delete(part, PATIENCE_S)
        source = driver.CreateDataSource(str(part))
        front = Sheet(_tr("About"), (MARK, ""), (str, str), (*told, (MARK, "")))
        for table in (front, *tables):
            _write_sheet(source, table, cancelled)
        source = None  # GDAL writes the file when it is let go
        put_in_place(part, path)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    finally:
        source = None
        delete(part)


def _write_sheet(source: ogr.DataSource, table: Sheet, cancelled: Callable[[], bool]) -> None:
    if len(table.rows) > _MOST_ROWS:
        raise AnalysisError(
            _tr(
                "The table has more than {most:,} lines, more than a sheet holds: choose fewer months or areas."
            ).format(most=_MOST_ROWS)
        )
    layer = source.CreateLayer(table.name, None, ogr.wkbNone)
    kinds = {str: ogr.OFTString, int: ogr.OFTInteger64, float: ogr.OFTReal}
    for name, kind in zip(table.headers, table.kinds):
        layer.CreateField(ogr.FieldDefn(name or " ", kinds[kind]))
    rows = table.rows if table.headers[0] == MARK else (*table.rows, (MARK,))
    for number, row in enumerate(rows):
        if number % 5000 == 0 and cancelled():
            raise Cancelled
        feature = ogr.Feature(layer.GetLayerDefn())
        for index, value in enumerate(row):
            if value is not None:
                feature.SetField(index, _harmless(value))
        layer.CreateFeature(feature)


def _harmless(value: Value) -> Value:
    """A text that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    # Some programs pass over what does not print before the sign, and read the wide signs of East Asian type alike.
    doubtful = isinstance(value, str) and (value[:1].isspace() or value.startswith(_FORMULA))
    return f"'{value}" if doubtful else value


def _unwritable(path: Path, reason: str) -> AnalysisError:
    return AnalysisError(
        _tr(
            "The table cannot be written to {path} ({reason}): choose a folder of your own, and close the file where "
            "it is open."
        ).format(path=path, reason=reason),
        "file",
    )
