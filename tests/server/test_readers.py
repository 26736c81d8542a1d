"""Files of every kind become tables; what cannot be read says so in one sentence."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pytest
import xlwt
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest import archives, text_files
from safestats.sync_server.ingest.raw_tables import RawTable
from safestats.sync_server.ingest.tables import SourceFile, read_tables

pytestmark = pytest.mark.engineless

KNOWN = ("Arrival Date", "Assault Date", "Assault Time", "Assault Method", "Location Description", "Month", "Street")


def tables_of(name: str, data: bytes, **options: object) -> list[RawTable]:
    return read_tables(SourceFile.of(Path(name), data), KNOWN, **options)  # type: ignore[arg-type]


def table_of(name: str, data: bytes, **options: object) -> RawTable:
    (table,) = tables_of(name, data, **options)
    return table


def workbook(*sheets: tuple[str, list[list[object]]], merged: tuple[str, ...] = ()) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        for area in merged:
            sheet.merge_cells(area)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def packed(**members: bytes) -> bytes:
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return saved.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_text_in_every_encoding_with_every_delimiter(encoding: str, delimiter: str) -> None:
    lines = [["Month", "Street"], ["2026-03", "Café"], ["2026-03", ""]]
    table = table_of("a.csv", "\r\n".join(delimiter.join(line) for line in lines).encode(encoding))
    assert table.header == ("Month", "Street") and table.rows == [["2026-03", "Café"], ["2026-03", ""]]
    assert table.lines.to_list() == [2, 3]
    assert bool(table.notes) == (encoding == "cp1252")


def test_quoted_values_blank_lines_and_torn_rows() -> None:
    text = 'Month,Street\n2026-03,"High Street, N1"\n\n2026-03\n2026-03,a,b\n2026-03,"a ""b"""\n2026-03,plain\n'
    table = table_of("a.csv", text.encode())
    assert table.rows == [["2026-03", "High Street, N1"], ["2026-03", 'a "b"'], ["2026-03", "plain"]]
    assert table.lines.to_list() == [2, 6, 7]
    assert [(torn.line, torn.reason) for torn in table.torn] == [
        (4, "cut off: 1 of 2 columns"),
        (5, "too long: 3 columns, not 2"),
    ]


def test_a_value_over_several_lines() -> None:
    table = table_of("a.csv", b'Month,Street\n2026-03,"two\nlines"\n2026-03,b\n')
    assert table.rows == [["2026-03", "two\nlines"], ["2026-03", "b"]] and table.lines.to_list() == [2, 4]


def test_a_text_in_pieces_is_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f'{n},"High Street, {n}"\n' if n % 7 == 0 else f"{n},s\n" if n % 11 else "\n" for n in range(500)]
    text = "Title\n\nMonth,Street\n" + "".join(rows) + "1\n"
    whole = table_of("a.csv", text.encode())
    monkeypatch.setattr(text_files, "_PIECE", 100)
    pieces = table_of("a.csv", text.encode())
    # A value over two lines has Python's own reader take it all apart.
    slow = table_of("a.csv", (text + '2,"two\nlines"\n').encode())
    assert whole.rows == pieces.rows == slow.rows[:-1] and whole.torn == pieces.torn == slow.torn
    assert whole.lines.to_list() == pieces.lines.to_list() == slow.lines.to_list()[:-1]


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n\r\n", "\n , \n"])
def test_a_header_without_rows(end: str) -> None:
    table = table_of("a.csv", f"Month,Street{end}".encode())
    assert table.header == ("Month", "Street") and len(table) == 0 and not table.torn


def test_title_rows_above_the_header() -> None:
    text = (
        "ISTV return;;\nReporting period: March 2026;;\n\nArrival Date;Assault Date;Assault Method\n1/3/26;1/3/26;fist"
    )
    table = table_of("a.csv", text.encode())
    assert table.header == ("Arrival Date", "Assault Date", "Assault Method") and table.lines.to_list() == [5]
    assert table.above == ("ISTV return", "Reporting period: March 2026")
    assert table_of("a.csv", text.encode(), header_row=1).header[0] == "ISTV return"


def test_a_workbook_as_it_is_meant() -> None:
    rows: list[list[object]] = [
        ["Monthly return", None, None, None, None],
        [None],
        ["Arrival Date", "Assault Date", "Assault Time", "Assault Method", "Location Description"],
        [date(2026, 3, 5), datetime(2026, 3, 4, 23, 10), time(23, 10), 7, None],
        [None, 46085.5, 0.5, 1.25, True],
    ]
    data = workbook(("March", rows), ("Notes", [["Call us"]]), merged=("A1:E1", "A4:A5"))
    table, notes = tables_of("a.xlsx", data)
    assert table.header[0] == "Arrival Date" and table.above == ("Monthly return",) and table.sheet == "March"
    assert table.rows == [
        ["2026-03-05", "2026-03-04 23:10:00", "23:10:00", "7", ""],
        ["2026-03-05", "46085.5", "0.5", "1.25", "yes"],
    ]
    assert table.lines.to_list() == [4, 5] and notes.sheet == "Notes"
    assert [t.sheet for t in tables_of("a.xlsx", data, sheet="march")] == ["March"]
    with pytest.raises(SafeStatsError, match="has no sheet “April”; it has “March”, “Notes”"):
        tables_of("a.xlsx", data, sheet="April")


def test_headings_merged_over_headers() -> None:
    rows: list[list[object]] = [
        ["Arrival", None, "Assault", None, None, None],
        ["Date", "Time", "Date", "Time", "Assault Method", "Location Description"],
        ["1/3/26", "2pm", "1/3/26", "1pm", "fist", "a street"],
    ]
    table = table_of("a.xlsx", workbook(("S", rows), merged=("A1:B1", "C1:D1")))
    assert table.header == ("Arrival Date", "Arrival Time", "Assault Date", "Assault Time", "Assault Method") + (
        "Location Description",
    )


def test_an_old_workbook() -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    for at, header in enumerate(("Arrival Date", "Assault Method")):
        sheet.write(0, at, header)
    sheet.write(1, 0, date(2026, 3, 5), xlwt.easyxf(num_format_str="dd/mm/yyyy"))
    sheet.write(1, 1, "fist")
    saved = io.BytesIO()
    book.save(saved)
    assert table_of("a.xls", saved.getvalue()).rows == [["2026-03-05", "fist"]]


def test_json_lists_and_objects_that_hold_one() -> None:
    entries = [{"Month": "2026-03", "place": {"Street": "A"}}, {"Month": "2026-04", "place": None, "n": 3}]
    for document in (entries, {"period": "2026-03", "records": entries}):
        table = table_of("a.json", json.dumps(document).encode())
        assert table.header == ("Month", "place.Street", "n")
        assert table.rows == [["2026-03", "A", ""], ["2026-04", "", "3"]] and table.lines.to_list() == [1, 2]
    assert table.above == ("period: 2026-03",)


def test_a_zip_file_of_several_kinds() -> None:
    data = packed(
        a__csv=b"Month,Street\n2026-03,A\n", b__json=b'[{"Month": "2026-03"}]', c__pdf=b"%PDF-1.4", d__json=b""
    )
    csv_table, json_table = tables_of("a.zip", data)
    assert csv_table.file == "a.zip/a.csv" and csv_table.rows == [["2026-03", "A"]]
    assert json_table.files is not None and json_table.files.to_list() == ["a.zip/b.json"]
    assert any("1 file(s) of other kinds were left out: c.pdf" in note for note in json_table.notes)
    assert any("1 file(s) without a single byte" in note for note in json_table.notes)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.csv", b" \n", "a.csv is empty"),
        ("a.csv", b"Month,\0", "a.csv is no text"),
        ("a.csv", b"Month\x81,\x8d", "neither UTF-8 nor Windows-1252"),
        ("a.zip", b"Month", "a.zip is no zip file, or a damaged one"),
        ("a.xlsx", b"\0\1\2", "a.xlsx is no workbook, or a damaged one"),
        ("a.xlsx", packed(a__csv=b"Month\n"), "a.xlsx is no XLSX workbook, or a damaged one"),
        ("a.xls", bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, "a.xls is a damaged workbook"),
        ("a.pdf", b"%PDF-1.4", "a.pdf is a PDF"),
        ("a.json", b'[{"Month": ', "a.json is cut off or no JSON"),
        ("a.json", b'{"Month": "2026"}', "a.json holds no list of incidents"),
        ("a.zip", packed(b__zip=packed(a__csv=b"Month\n")), "holds another zip file, “b.zip”"),
        ("a.zip", packed(c__pdf=b"%PDF"), "a.zip holds no file that can be read"),
        ("a.zip", packed(**{f"a{n}__csv": b"0" * 9_000_000 for n in range(2)}), "times its size"),
    ],
)
def test_what_cannot_be_read_says_so(name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(SafeStatsError, match=sentence) as raised:
        tables_of(name, data)
    assert str(raised.value).endswith(".") and "zip file" not in str(raised.value) or name.endswith(".zip")


def test_a_zip_file_is_opened_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 1_000)
    with pytest.raises(SafeStatsError, match="more than the 0 that a zip file of a month can be"):
        tables_of("a.zip", packed(a__csv=b"Month\n" + bytes(range(65, 91)) * 100))
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 1)
    with pytest.raises(SafeStatsError, match="holds 2 files, more than 1"):
        tables_of("a.zip", packed(a__csv=b"Month\n", b__csv=b"Month\n"))


def test_a_damaged_workbook() -> None:
    data = workbook(("S", [["Arrival Date"]]))
    with pytest.raises(SafeStatsError, match="damaged"):
        tables_of("a.xlsx", data[: len(data) // 2])
