"""Twenty-eight hospitals, each with its own way to fill in its workbook. Every habit here has been seen in practice."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a hospital sends."""

    XLSX = "xlsx"
    CSV = "csv"
    JSON = "json"


class Moments(StrEnum):
    """How dates and times are written."""

    CELLS = "cells"  # a date cell and a time cell, as Excel means them
    JOINED_CELL = "joined-cell"  # one cell of date and time
    SERIAL = "serial"  # one number: Excel's days since 1900
    ISO = "iso"  # 2025-03-05 23:10
    UK = "uk"  # 05/03/2025 and 23:10
    UK_JOINED = "uk-joined"  # 05/03/2025 23:10
    UK_SHORT = "uk-short"  # 5/3/25 and 2310
    US_JOINED = "us-joined"  # 03/05/2025 11:10 PM
    LONG = "long"  # 5 Mar 2025 and 11.10pm
    UTC = "utc"  # 2025-07-05T22:10:00Z


class Words(StrEnum):
    """How methods and kinds of places are written."""

    LABEL = "label"  # the standard's words
    CODE = "code"  # the standard's numbers
    TERM = "term"  # clinical terms
    TEXT = "text"  # whatever reception typed


@dataclass(frozen=True)
class Style:
    """One hospital's habits. ``headers`` are its own words for targets; a target that it lacks is not sent."""

    code: str
    name: str
    postcode: str
    note: str  # what is odd about it, for people
    headers: dict[str, str]
    kind: Kind = Kind.XLSX
    arrived: Moments = Moments.UK
    occurred: Moments = Moments.UK
    methods: Words = Words.LABEL
    types: Words = Words.LABEL
    titles: tuple[str, ...] = ()  # rows above the header, the first merged across the table
    grouped: bool = False  # headings merged over pairs of headers
    merged_days: bool = False  # equal days of arrival are one merged cell
    sheets: tuple[str, ...] = ("Sheet1",)  # rows are dealt out to them in turn
    cover: bool = False  # a first sheet of notes without rows
    footer: bool = False  # a total and a signature below the rows
    vague: float = 0.06  # share of moments told in words: "Fri night", "2am", "unknown"
    own_postcode: float = 0.0  # share of rows whose location is the hospital's own postcode
    postcode_column: bool = False  # the place's postcode stands apart
    upper: bool = False  # everything in capitals
    encoding: str = "utf-8"
    separator: str = ","
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)  # columns that nobody asked for, and their values
    cumulative: bool = False  # each month's file holds the month before once more
    size: float = 1.0  # against the others'
    silent: tuple[int, ...] = ()  # months in which nothing comes
    zero: tuple[int, ...] = ()  # months of a zero return


def _headers(arrived: str, arrived_time: str, occurred: str, occurred_time: str, method: str, kind: str, place: str,
             postcode: str = "") -> dict[str, str]:  # fmt: skip
    named = {
        "arrived": arrived,
        "arrived_time": arrived_time,
        "occurred": occurred,
        "occurred_time": occurred_time,
        "method": method,
        "location_type": kind,
        "location_description": place,
        "location_postcode": postcode,
    }
    return {target: header for target, header in named.items() if header}


_STANDARD = _headers(
    "Arrival Date", "Arrival Time", "Assault Date", "Assault Time", "Assault Method", "Assault Location Type",
    "Assault Location Description",
)  # fmt: skip
_JOINED = _headers(
    "Arrival Date and Time", "", "Assault Date and Time", "", "Assault Method", "Assault Location Type",
    "Location Description",
)  # fmt: skip

STYLES = (
    Style(
        "RJ122", "St Thomas' Hospital", "SE1 7EH",
        "The standard's own headers, real date and time cells, a title over the table.",
        _STANDARD, arrived=Moments.CELLS, occurred=Moments.CELLS, size=1.6,
        titles=("ISTV monthly return", "Emergency Department"),
    ),
    Style(
        "RJZ01", "King's College Hospital", "SE5 9RS",
        "Date and time in one cell; methods as reception typed them.",
        _headers("Arr Date/Time", "", "Incident Date/Time", "", "Weapon Used", "Location Type", "Location of Assault"),
        arrived=Moments.JOINED_CELL, occurred=Moments.JOINED_CELL, methods=Words.TEXT, size=1.8,
    ),
    Style(
        "RJZ30", "Princess Royal University Hospital", "BR6 8ND",
        "A CSV file in Windows' own encoding, with semicolons.",
        _headers("Arrived", "Arrived at", "Date of incident", "Time of incident", "Weapon", "Where", "Where exactly"),
        kind=Kind.CSV, encoding="cp1252", separator=";", types=Words.TEXT,
    ),
    Style(
        "R1H12", "The Royal London Hospital", "E1 1BZ",
        "Excel's serial numbers instead of dates, codes instead of words, three title rows.",
        _headers("ArrDtTm", "", "AssaultDtTm", "", "Method", "LocType", "LocDesc"),
        arrived=Moments.SERIAL, occurred=Moments.SERIAL, methods=Words.CODE, types=Words.CODE, size=1.9,
        titles=("SAFEGUARDING – VIOLENCE REDUCTION", "Monthly extract", "Produced by Business Intelligence"),
    ),
    Style(
        "R1HKH", "Whipps Cross University Hospital", "E11 1NR",
        "American order of day and month, with AM and PM.",
        _headers("Arrival", "", "Assault", "", "MOI", "Place Type", "Place"),
        arrived=Moments.US_JOINED, occurred=Moments.US_JOINED, methods=Words.TEXT,
    ),
    Style(
        "R1HNH", "Newham University Hospital", "E13 8SL",
        "Three sheets, one a ten-day period, each with the header again.",
        _STANDARD, sheets=("1-10", "11-20", "21-end"), methods=Words.TERM, size=1.4,
    ),
    Style(
        "RQXM1", "Homerton University Hospital", "E9 6SR",
        "Merged headings over pairs of headers: “Arrival” and “Incident” over “Date” and “Time”.",
        _headers("Date", "Time", "Date", "Time", "Weapon", "Type of place", "Address of incident"),
        grouped=True, methods=Words.TEXT, size=1.3,
    ),
    Style(
        "RKEQ4", "Whittington Hospital", "N19 5NF",
        "The place's postcode in a column of its own, often the hospital's own postcode.",
        {**_STANDARD, "location_postcode": "Incident Postcode"},
        postcode_column=True, own_postcode=0.15,
    ),
    Style(
        "RRV03", "University College Hospital", "NW1 2BU",
        "A JSON list; instants in UTC.",
        _headers("arrival_date_time", "", "assault_date_time", "", "assault_method", "assault_location_type",
                 "location_description"),
        kind=Kind.JSON, arrived=Moments.UTC, occurred=Moments.UTC, methods=Words.CODE, types=Words.CODE, vague=0.0,
        size=1.4,
    ),
    Style(
        "RYJ01", "St Mary's Hospital", "W2 1NY",
        "Equal days of arrival are one merged cell; a total and a signature below the rows.",
        _STANDARD, arrived=Moments.CELLS, merged_days=True, footer=True, size=1.4,
    ),
    Style(
        "RYJ02", "Charing Cross Hospital", "W6 8RF",
        "Short dates and times without a colon: 5/3/25, 2310.",
        _headers("Arr Date", "Arr Time", "Inc Date", "Inc Time", "Method", "Location", "Location detail"),
        arrived=Moments.UK_SHORT, occurred=Moments.UK_SHORT, methods=Words.TEXT, types=Words.TEXT,
    ),
    Style(
        "RQM01", "Chelsea and Westminster Hospital", "SW10 9NH",
        "Everything in capitals, and notes on a first sheet of their own.",
        _headers("ARRIVAL DATE", "ARRIVAL TIME", "ASSAULT DATE", "ASSAULT TIME", "ASSAULT METHOD", "LOCATION TYPE",
                 "LOCATION"),
        upper=True, cover=True, sheets=("DATA",),
    ),
    Style(
        "RQM91", "West Middlesex University Hospital", "TW7 6AF",
        "Dates with the month's name, times such as 11.10pm.",
        _headers("Date Attended", "Time Attended", "Date Assaulted", "Time Assaulted", "How", "Location Type", "Where"),
        arrived=Moments.LONG, occurred=Moments.LONG,
    ),
    Style(
        "R1K01", "Northwick Park Hospital", "HA1 3UJ",
        "Each month's file holds the month before once more.",
        _STANDARD, cumulative=True, size=1.2,
    ),
    Style(
        "R1K04", "Ealing Hospital", "UB1 3HW",
        "Nothing comes in August; a zero return in February.",
        _JOINED, arrived=Moments.UK_JOINED, occurred=Moments.UK_JOINED, silent=(8,), zero=(2,), size=0.7,
    ),
    Style(
        "RAS01", "Hillingdon Hospital", "UB8 3NN",
        "Many moments in words: “Fri night”, “2am”, “unknown”.",
        _STANDARD, vague=0.35, size=0.8,
    ),
    Style(
        "RAX01", "Kingston Hospital", "KT2 7QB",
        "A tab-separated file in UTF-16, as Excel calls “Unicode text”.",
        _STANDARD, kind=Kind.CSV, encoding="utf-16", separator="\t", size=0.8,
    ),
    Style(
        "RJ701", "St George's Hospital", "SW17 0QT",
        "Clinical terms for the method, a blank column, joined dates as text.",
        {**_JOINED, "method": "Mechanism of injury (SNOMED)"},
        arrived=Moments.UK_JOINED, occurred=Moments.UK_JOINED, methods=Words.TERM, extra={" ": ("",)}, size=1.3,
    ),
    Style(
        "RJ611", "Croydon University Hospital", "CR7 7YE",
        "The patient's age and sex, which nobody may send, stand beside the rest.",
        _STANDARD, extra={"Age": ("34", "19", "52", "27"), "Sex": ("M", "F", "M")}, size=1.4,
    ),
    Style(
        "RVR05", "St Helier Hospital", "SM5 1AA",
        "The hospital's own postcode in most descriptions that were left blank.",
        _headers("Attendance date", "Attendance time", "Assault date", "Assault time", "Assault weapon",
                 "Assault place type", "Assault place"),
        own_postcode=0.25, size=0.8,
    ),
    Style(
        "RJ224", "University Hospital Lewisham", "SE13 6LH",
        "ISO dates and codes in a CSV file with a byte order mark.",
        _headers("arrival_dt", "", "assault_dt", "", "assault_method_code", "assault_loc_code", "loc_text"),
        kind=Kind.CSV, encoding="utf-8-sig", arrived=Moments.ISO, occurred=Moments.ISO, methods=Words.CODE,
        types=Words.CODE,
    ),
    Style(
        "RJ231", "Queen Elizabeth Hospital Woolwich", "SE18 4QH",
        "Two sheets: adults and children.",
        _STANDARD, sheets=("Adults", "Paeds"), methods=Words.TEXT,
    ),
    Style(
        "RF4DG", "King George Hospital", "IG3 8YB",
        "Four title rows and a blank one; kinds of place as reception typed them.",
        _STANDARD, types=Words.TEXT, size=0.8,
        titles=("King George Hospital", "Emergency Department", "Assault data", "OFFICIAL-SENSITIVE"),
    ),
    Style(
        "RF4QH", "Queen's Hospital Romford", "RM7 0AG",
        "The time of the assault stands before its date; dates are cells, times text.",
        {"occurred_time": "Time of assault", "occurred": "Date of assault", "arrived": "Date of arrival",
         "arrived_time": "Time of arrival", "location_description": "Location of assault", "method": "Weapon used",
         "location_type": "Type of location"},
        arrived=Moments.CELLS, methods=Words.TEXT, size=1.1,
    ),
    Style(
        "RAPNM", "North Middlesex University Hospital", "N18 1QX",
        "The method is the standard's code, the place a postcode column and a text.",
        {**_STANDARD, "location_postcode": "Location Postcode"},
        methods=Words.CODE, postcode_column=True, size=1.5,
    ),
    Style(
        "RAL01", "Royal Free Hospital", "NW3 2QG",
        "Three columns that were not asked for: triage, ambulance, discharge.",
        _STANDARD,
        extra={"Triage category": ("3", "2", "4"), "Arrived by ambulance": ("N", "Y"), "Discharge status": ("Home",)},
    ),
    Style(
        "RAL26", "Barnet Hospital", "EN5 3DJ",
        "Dates of arrival as ISO text, dates of the assault with the month's name.",
        _STANDARD, arrived=Moments.ISO, occurred=Moments.LONG, size=0.8,
    ),
    Style(
        "RVR50", "Epsom Hospital", "KT18 7EG",
        "A hospital outside London: a handful of rows, a zero return in three months, headers of its own.",
        _headers("Date seen", "Time seen", "When (date)", "When (time)", "Injured by", "Location", "Details"),
        methods=Words.TEXT, types=Words.TEXT, size=0.15, zero=(1, 5, 9),
    ),
)  # fmt: skip
