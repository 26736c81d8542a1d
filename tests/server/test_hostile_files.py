"""Small files that are made to unfold: each is refused in a sentence, soon, and without much memory."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable

import pytest
import xlwt

pytestmark = pytest.mark.engineless

KNOWN = ("Month", "Street", "Arrival*")
SECONDS, MEGABYTES = 5, 200

_TYPES = """<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/></Types>"""
_RELATIONS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def cell(place: str, text: str = "Month") -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def xlsx(body: str, sheets: int = 1, more: dict[str, bytes] | None = None, dimension: str = "A1:B2") -> bytes:
    """A workbook by hand; all its sheets are of one part."""
    sheet = f'<worksheet xmlns="{_MAIN}"><dimension ref="{dimension}"/><sheetData>{body}</sheetData></worksheet>'
    listed = "".join(f'<sheet name="S{n}" sheetId="{n}" r:id="rId1"/>' for n in range(1, sheets + 1))
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _RELATIONS.format(
            f'<Relationship Id="rId1" Type="{_KIND}/officeDocument" Target="xl/workbook.xml"/>'
        ),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_KIND}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _RELATIONS.format(
            f'<Relationship Id="rId1" Type="{_KIND}/worksheet" Target="worksheets/sheet1.xml"/>'
        ),
        "xl/worksheets/sheet1.xml": sheet,
        **(more or {}),
    }
    return packed({name: part.encode() if isinstance(part, str) else part for name, part in parts.items()})


def packed(members: dict[str, bytes]) -> bytes:
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return saved.getvalue()


def corners(last: str) -> bytes:
    row = last.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return xlsx(f'<row r="1">{cell("A1")}</row><row r="{row}">{cell(last)}</row>')


def old_corners(sheets: int) -> bytes:
    book = xlwt.Workbook()
    for number in range(sheets):
        sheet = book.add_sheet(f"S{number}")
        sheet.write(0, 0, "Month")
        sheet.write(65_535, 255, "Street")
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def old_far() -> bytes:
    """A number's record in a column that the format has not: 65,535."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    sheet.write(0, 0, "Month")
    sheet.write(65_535, 255, 1.5)
    saved = io.BytesIO()
    book.save(saved)
    data = saved.getvalue()
    number = data.index(b"\xff\xff\xff\x00", data.index(b"Month"))
    return data[: number + 2] + b"\xff\xff" + data[number + 4 :]


def keys_json(records: int, keys: int) -> bytes:
    return json.dumps([{f"k{(n * 7 + m) % keys}": "x" for m in range(2)} for n in range(records)]).encode()


def wide_csv(columns: int, rows: int = 3) -> bytes:
    header = ",".join(f"Column {n}" for n in range(columns))
    return (header + "\n" + (",".join("x" * columns) + "\n") * rows).encode()


def prefixed() -> bytes:
    """Another way of writing the same elements."""
    body = "".join(
        f'<x:row r="{r}"><x:c r="{c}{r}"><x:v>1</x:v></x:c></x:row>' for r, c in ((1, "A"), (1_048_576, "XFD"))
    )
    sheet = f'<x:worksheet xmlns:x="{_MAIN}"><x:sheetData>{body}</x:sheetData></x:worksheet>'
    return xlsx("", more={"xl/worksheets/sheet1.xml": sheet.encode()})


def in_two_bytes() -> bytes:
    """Another text for who believes its first bytes than for who does not."""
    plain = f'<worksheet xmlns="{_MAIN}"><sheetData><row r="1048576">{cell("XFD1048576")}</row></sheetData></worksheet>'
    hidden = plain.encode() + b" " * (len(plain) % 2)
    sheet = b"\xff\xfe" + "<a>".encode("utf-16-le") + hidden + "</a>".encode("utf-16-le")
    return xlsx("", more={"xl/worksheets/sheet1.xml": sheet})


def binary() -> bytes:
    """What looks like a workbook and has the parts of other kinds."""
    return packed({"[Content_Types].xml": _TYPES.encode(), "xl/workbook.bin": b"\x83\x01\x00", "content.xml": b"<a/>"})


_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_TWO = {"a.xlsx": corners("XFD1048576"), "b.xlsx": corners("XFD1048576")}
_ROWS = "".join(f'<row r="{n}">{"".join(f"<c><v>{m}</v></c>" for m in range(60))}</row>' for n in range(1, 4_001))

HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "two corners": ("a.xlsx", lambda: corners("XFD1048576"), "more than 1,000 columns"),
    "wide": ("a.xlsx", lambda: corners("XFD1800"), "more than 1,000 columns"),
    "long": ("a.xlsx", lambda: corners("ALL30000"), "nearly all empty"),
    "longer": ("a.xlsx", lambda: corners("ALL4000000000"), "more than 30,000,000 cells"),
    "prefixed": ("a.xlsx", prefixed, "more than 1,000 columns"),
    "a lie": ("a.xlsx", lambda: xlsx(cell("A1"), dimension="A1:XFD1048576"), ""),
    "unnumbered": ("a.xlsx", lambda: xlsx(f"<row>{'<c><v>1</v></c>' * 1_001}</row>"), "more than 1,000 columns"),
    "numbered rows": ("a.xlsx", lambda: xlsx(f'<row r="99999999"><c><v>1</v></c></row>{"<row/>" * 9}'), "cells"),
    "many of one": ("a.xlsx", lambda: xlsx(_ROWS, sheets=340), "several sheets of one part"),
    "two bytes": ("a.xlsx", in_two_bytes, "damaged"),
    "entities": (
        "a.xlsx",
        lambda: xlsx(
            "",
            more={"xl/worksheets/sheet1.xml": b'<!DOCTYPE a [<!ENTITY b "XFD9">]><a><sheetData/><c r="&b;"/></a>'},
        ),
        "damaged",
    ),
    "other parts": ("a.xlsx", binary, "damaged"),
    "counted strings": (
        "a.xlsx",
        lambda: xlsx(
            cell("A1"),
            more={
                "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}" count="4294967295" uniqueCount="4294967295"/>'.encode()
            },
        ),
        "damaged",
    ),
    "zipped": ("a.zip", lambda: packed(_TWO), "more than 1,000 columns"),
    "old": ("a.xls", lambda: old_corners(1), "nearly all empty"),
    "old and many": ("a.xls", lambda: old_corners(30), "cannot be read with the memory|nearly all empty"),
    "old and far": ("a.xls", old_far, "cannot be read with the memory|columns|damaged"),
    "two kinds": ("a.xls", lambda: _OLE + bytes(504) + corners("XFD1048576"), "cannot be read|damaged"),
    "keys": ("a.json", lambda: keys_json(20_000, 5_000), "more than 500 different keys"),
    "keys within": (
        "a.json",
        lambda: json.dumps([{"a": {f"k{n}": {"b": 1}}} for n in range(5_000)]).encode(),
        "more than 500 different keys",
    ),
    "values": ("a.json", lambda: b"[" + b"{}," * 16_000_000 + b"{}]", "30,000,000 cells"),
    "columns": ("a.csv", lambda: wide_csv(28_000), "more than 1,000 columns"),
    "columns and rows": ("a.csv", lambda: wide_csv(1_000, 31_000), "30,000,000 cells"),
    "columns by members": (
        "a.zip",
        lambda: packed({f"{n:03}.csv": wide_csv(900) for n in range(40)}),
        "20,000 columns together",
    ),
}


# Run in a process of its own, which may be lost: that is what is at stake.
_APART = """
import json, resource, sys, time
from pathlib import Path
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest.tables import SourceFile, read_tables

name, known, data = sys.argv[1], sys.argv[2:], sys.stdin.buffer.read()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
read_tables(SourceFile.of(Path("warm.csv"), b"Month,Street\\na,b\\n"), known)
resource.setrlimit(resource.RLIMIT_AS, (8_000_000_000, 8_000_000_000))
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    read_tables(SourceFile.of(Path(name), data), known)
    told = "read"
except SafeStatsError as error:
    told = str(error)
seconds, after = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([told, seconds, (after - before) // 1024]))
"""


@pytest.mark.parametrize("case", HOSTILE)
def test_what_unfolds_is_refused_soon_and_without_much_memory(case: str) -> None:
    name, made, sentence = HOSTILE[case]
    done = subprocess.run(
        [sys.executable, "-c", _APART, name, *KNOWN], input=made(), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    told, seconds, megabytes = json.loads(done.stdout)
    assert told == "read" if not sentence else any(part in told for part in sentence.split("|")), told
    assert told == "read" or (told.endswith(".") and told.startswith(name)), told
    assert seconds < SECONDS and megabytes < MEGABYTES, (seconds, megabytes)
