"""A workbook that a supplier can fill in: a dataset's headers, lists to choose from, and what each column means."""

from __future__ import annotations

import io
from collections.abc import Mapping as Codes
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from ..datasets.definitions import DatasetDefinition, Field, FieldType
from ..errors import SafeStatsError
from ..ingest.mappings import Mapping, Parse, Source
from .marks import EXAMPLE_MARK, EXPLAINED, LISTS

_ROWS_WITH_LISTS = 5000
_TEXTS = {
    "month": "The month, as 2026-03.",
    "occurred_on": "The day on which it happened, as 2026-03-05 or a date cell.",
    "occurred_time": "The time at which it happened, as 23:10; empty where it is not known.",
    "arrived_on": "The day of arrival, as 2026-03-05 or a date cell.",
    "arrived_time": "The time of arrival, as 23:10.",
    "site": "The code of the hospital or site.",
    "return_month": "The month of the return, as 2026-03.",
    "longitude": "Degrees east of Greenwich (WGS84), west being negative: -0.1415.",
    "latitude": "Degrees north (WGS84): 51.5400.",
    "easting": "Metres east on the National Grid: 530000.",
    "northing": "Metres north on the National Grid: 180000.",
    "easting_rounded": "The easting rounded to 50 m, where the exact one is withheld.",
    "northing_rounded": "The northing rounded to 50 m, where the exact one is withheld.",
    "supplier_lsoa": "The LSOA's code, if you have it.",
    "supplier_borough": "The borough's code, as E09000007.",
    "location_description": "Where it happened, in words: venue, street, area. Never a home or a name.",
    "location_postcode": "The postcode of where it happened, never of a home.",
}
_EXAMPLES: dict[str, object] = {
    "month": "2026-03",
    "return_month": "2026-03",
    "occurred_on": date(2026, 3, 5),
    "arrived_on": date(2026, 3, 6),
    "occurred_time": time(23, 10),
    "arrived_time": time(0, 40),
    "site": "RJ122",
    "longitude": -0.1415,
    "latitude": 51.54,
    "easting": 530000,
    "northing": 180000,
    "easting_rounded": 530050,
    "northing_rounded": 180050,
    "supplier_lsoa": "",
    "supplier_borough": "E09000007",
    "location_postcode": "",
}
# Where the two rows differ, so that what stands in a row goes together; codes by their names.
_PAIRS: dict[str, tuple[str, str]] = {
    "location_description": ("Camden High Street, outside the bank", "Camden Town station, the platform"),
    "location_type": ("street", "transport"),
    "age_band": ("25-29", "35-44"),
    "incident_group": ("fire", "false-alarm"),
    "stop_code": ("secondary-fire", "false-alarm-good-intent"),
    "special_service": ("", ""),
    "property_category": ("outdoor", "non-residential"),
}
_HEAD = PatternFill("solid", fgColor="DCE6F1")
_MARKED = PatternFill("solid", fgColor="FFF2CC")


@dataclass(frozen=True)
class TemplateColumn:
    """One column of the template."""

    header: str
    target: str
    meaning: str
    required: bool
    choices: tuple[str, ...]
    examples: tuple[object, object]


def template_workbook(definition: DatasetDefinition, mappings: Sequence[Mapping]) -> bytes:
    """The bytes of an XLSX workbook for one dataset; raises ``SafeStatsError`` where no mapping reads one."""
    columns = template_columns(definition, mappings)
    workbook = Workbook()
    sheet = workbook.active
    assert isinstance(sheet, Worksheet)
    sheet.title = definition.code.upper()
    for at, column in enumerate(columns, start=1):
        cell = sheet.cell(1, at, column.header)
        cell.font, cell.fill = Font(bold=True), _HEAD
        sheet.column_dimensions[get_column_letter(at)].width = max(14, len(column.header) + 3)
        for line in (0, 1):
            sheet.cell(2 + line, at, column.examples[line]).fill = _MARKED
    for line in (2, 3):
        # Beside the table, so that it is no column of it.
        sheet.cell(line, len(columns) + 1, EXAMPLE_MARK).font = Font(bold=True, color="C00000")
    sheet.freeze_panes = "A2"
    _explain(workbook.create_sheet(EXPLAINED), definition, columns)
    _add_lists(workbook.create_sheet(LISTS), sheet, columns)
    workbook.properties.creator = "SafeStats"
    filled = io.BytesIO()
    workbook.save(filled)
    return filled.getvalue()


def template_columns(definition: DatasetDefinition, mappings: Sequence[Mapping]) -> list[TemplateColumn]:
    """The columns that a supplier is to fill in, in the mapping's order."""
    own = [one for one in mappings if definition.code in one.datasets and not _is_of_records(one)]
    if not own:
        raise SafeStatsError(f"No mapping tells how a workbook of {definition.code} is read: declare one first.")
    mapping = max(own, key=lambda one: len(one.sources))  # the form that tells most
    columns = []
    if mapping.owner_headers:
        names = tuple(name for name, code in mapping.owners.items() if code == definition.code)
        told = "Whose incidents these are."
        columns.append(TemplateColumn(mapping.owner_headers[0], "owner", told, True, names, (names[0], names[0])))
    for source in mapping.sources:
        header = next((text for text in source.headers if "*" not in text), "")
        if header and source.target not in mapping.constants and header not in {one.header for one in columns}:
            columns.append(_column(definition, source, header))
    return columns


def _is_of_records(mapping: Mapping) -> bool:
    """Whether its headers are members within members, as only JSON has them."""
    return any("." in header for source in mapping.sources for header in source.headers[:1])


def _column(definition: DatasetDefinition, source: Source, header: str) -> TemplateColumn:
    declared = next((one for one in definition.fields if one.name == source.target), None)
    codes = declared.codes if declared and declared.codes else {}
    choices = tuple(codes.values())
    return TemplateColumn(
        header,
        source.target,
        _meaning(source, declared, definition),
        source.required or bool(declared and declared.required),
        choices,
        (_example(definition, source, codes, 0), _example(definition, source, codes, 1)),
    )


def _meaning(source: Source, declared: Field | None, definition: DatasetDefinition) -> str:
    if source.target in _TEXTS:
        return _TEXTS[source.target]
    if source.target == definition.identity.id_field:
        return "Your own number of the incident. It is in no layer, and tells a correction from another incident."
    if declared is None:
        return source.target.replace("_", " ").capitalize() + "."
    unit = f", in {declared.unit}" if declared.unit else ""
    kinds = {FieldType.INTEGER: "a whole number", FieldType.REAL: "a number", FieldType.BOOLEAN: "yes or no"}
    kind = "one of the list" if declared.codes else kinds.get(declared.type, "text")
    return f"{declared.alias}: {kind}{unit}."


def _example(definition: DatasetDefinition, source: Source, codes: Codes[str, str], line: int) -> object:
    told = _PAIRS.get(source.target, ("", ""))[line]
    if source.target in _PAIRS and (not told or not codes or told in codes):
        return codes.get(told, "") if codes else told
    if codes:
        return tuple(codes.values())[line % len(codes)]
    if source.target in _EXAMPLES:
        value = _EXAMPLES[source.target]
        return "2026-03-05 23:10:00" if source.parse == Parse.INSTANT and isinstance(value, date) else value
    if source.target == definition.identity.id_field:
        return f"EXAMPLE-{line + 1}"
    declared = next((one for one in definition.fields if one.name == source.target), None)
    whole = source.parse == Parse.INTEGER or (declared is not None and declared.type == FieldType.INTEGER)
    return line + 1 if whole else ""


def _explain(sheet: Worksheet, definition: DatasetDefinition, columns: Sequence[TemplateColumn]) -> None:
    lines = [
        definition.title,
        "Fill in one row an incident below the headers of the first sheet, and delete its two example rows first: a "
        "file that still has them is refused.",
        "Send no names, dates of birth, NHS numbers, telephone numbers, e-mail addresses or home addresses: a file "
        "with such a column is refused whole.",
        "",
    ]
    for line in lines:
        sheet.append([line])
    sheet.append(["Column", "Needed", "What it means", "Values"])
    for column in columns:
        needed = "yes" if column.required else "no"
        sheet.append([column.header, needed, column.meaning, "; ".join(column.choices)])
    for cell in sheet[len(lines) + 1]:
        cell.font, cell.fill = Font(bold=True), _HEAD
    sheet["A1"].font = Font(bold=True, size=14)
    for letter, width in zip("ABCD", (28, 9, 70, 90), strict=True):
        sheet.column_dimensions[letter].width = width
    for row in sheet.iter_rows(min_row=len(lines) + 1):
        for cell in row:
            cell.alignment = Alignment(wrap_text=True, vertical="top")


def _add_lists(lists: Worksheet, sheet: Worksheet, columns: Sequence[TemplateColumn]) -> None:
    lists.sheet_state = "hidden"
    number = 0
    for at, column in enumerate(columns, start=1):
        if not column.choices:
            continue
        number += 1
        for line, choice in enumerate((column.header, *column.choices), start=1):
            lists.cell(line, number, choice)
        letter = get_column_letter(number)
        allowed = DataValidation(
            type="list",
            formula1=f"'{LISTS}'!${letter}$2:${letter}${len(column.choices) + 1}",
            allow_blank=not column.required,
        )
        allowed.error, allowed.errorTitle = "Choose one of the list.", column.header[:32]
        allowed.showErrorMessage = True
        allowed.add(f"{get_column_letter(at)}2:{get_column_letter(at)}{_ROWS_WITH_LISTS}")
        sheet.add_data_validation(allowed)
