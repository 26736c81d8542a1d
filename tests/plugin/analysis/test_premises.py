"""A list of premises: rows that cannot be used are told by line, the others are answered as a single search is."""

from __future__ import annotations

import os
import subprocess
import zipfile
from datetime import date
from pathlib import Path

import pytest
from osgeo import ogr
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.borough_ranks import BoroughRanks
from safestats.qgis_plugin.core.coverage import CoverageMap
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.places import PlaceFinder
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.premises import MOST_PREMISES, answer_premises, read_premises
from safestats.qgis_plugin.core.premises_batch import PAGES, WORKBOOK, run_batch
from safestats.qgis_plugin.core.proximity import rank, search
from safestats.qgis_plugin.core.proximity_question import Question, plan
from safestats.qgis_plugin.layouts.premises_page import PremisesPages
from safestats.shared.rings import Band
from safestats.shared.windows import Window

FIRES = Window("2017-02", "2017-03")
HEADER = "Trading name,Licence no,Postcode,Easting,Northing"
GOOD = ["The Anchor,L1,se1 2ad,,", "=Bar & Grill,L2,EC2V7HH,,", "By a point,L3,,529000,184000"]


@pytest.fixture(scope="module")
def finder() -> PlaceFinder:
    return PlaceFinder()


@pytest.fixture
def ranks(qgis_app, tmp_path, finder) -> BoroughRanks:
    return BoroughRanks(LocalStore(tmp_path / "store"), finder)


def listed(tmp_path: Path, *lines: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
    path = tmp_path / "premises.csv"
    path.write_text("\n".join([header, *lines]), encoding=encoding)
    return path


def test_bad_rows_are_told_by_line_and_reason(qgis_app, tmp_path, finder):
    rows = [
        *GOOD,
        "Half,L4,SE1,,",
        "",
        "Nowhere,L5,,,",
        "Far,L6,M1 1AE,,",
        "Ended,L7,SE1 2AA,,",
        "Off the grid,L8,,51.5,-0.1",
        "Far off,L9,,100000,900000",
        "Comma, Ltd,L10,SE1 2AD,,",
        '"Two\nlines",L11,SE1 2AD,,',
    ]
    found = read_premises(listed(tmp_path, *rows), finder)
    assert [(one.line, one.name) for one in found.premises] == [
        (2, "The Anchor"),
        (3, "=Bar & Grill"),
        (4, "By a point"),
        (13, "Two\nlines"),
    ]
    assert [place.postcode for place in (one.place for one in found.premises)] == ["SE1 2AD", "EC2V 7HH", "", "SE1 2AD"]
    told = {one.line: one.sentence for one in found.rejected}
    assert list(told) == [5, 7, 8, 9, 10, 11, 12]
    for line, words in (
        (5, "only part of a postcode"),
        (7, "No postcode was given"),
        (8, "outside London"),
        (9, "not a live postcode"),
        (10, "is no point of the National Grid"),
        (11, "far outside London"),
        (12, "6 cells and the header 5"),
    ):
        assert words in told[line]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no column of places"),
        (b"name,where\nx,y\n", "has no column of places"),
        (b"postcode\n", "no premises below it"),
        (b"PK\x03\x04\0\0", "is no CSV"),
        (b"postcode\n" + b"SE1\n" * (MOST_PREMISES + 1), "more than 20,000 premises"),
        (b'postcode\n"' + b"x" * 140_000 + b'"\n', "cannot be read beyond line 1"),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_a_sentence(qgis_app, tmp_path, finder, content, words):
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(AnalysisError, match=words) as trouble:
        read_premises(path, finder)
    assert trouble.value.sentence.startswith("list.csv ")
    with pytest.raises(AnalysisError, match=r"gone\.csv cannot be read"):
        read_premises(tmp_path / "gone.csv", finder)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_lists_as_spreadsheets_save_them(qgis_app, tmp_path, finder, encoding):
    path = listed(tmp_path, "Café Nº 1;se12ad", header="Premises;Post code", encoding=encoding)
    (only,) = read_premises(path, finder).premises
    assert (only.name, only.place.postcode) == ("Café Nº 1", "SE1 2AD")


def test_each_answer_is_that_of_a_search_of_its_own(timed_fire_layer, tmp_path, finder, ranks):
    path = listed(tmp_path, *GOOD, "Edge,L4,EC1A 1BB,,", "River,L5,,533500,180450")
    premises = read_premises(path, finder).premises
    question = Question(window=FIRES, bands=(Band.ALL, Band.LATE_NIGHT))
    source = PointSource(timed_fire_layer)
    planned = plan([source], question, date(2026, 1, 1))
    coverages = CoverageMap()
    together = {one.line: found.answer for one, found in answer_premises(premises, planned, coverages, ranks)}
    assert len(together) == 5
    alone_ranks = BoroughRanks(LocalStore(tmp_path / "other"), finder)
    for one in premises:
        rank(planned, one.place.borough_code, alone_ranks)
        alone = search(planned, one.place, coverages, alone_ranks).answer
        assert together[one.line] == alone
    by_hand = sum(
        (feature.geometry().asPoint().x() - 529_000) ** 2 + (feature.geometry().asPoint().y() - 184_000) ** 2 <= 500**2
        for feature in timed_fire_layer.getFeatures("month(occurred_on) IN (2, 3)")
    )
    assert together[4].rows[0].figures[-1].count == by_hand > 10


def sheet(path: Path, name: str) -> list[dict]:
    source = ogr.Open(str(path))
    layer = source.GetLayerByName(name)
    return [{f.GetFieldDefnRef(i).GetName(): f.GetField(i) for i in range(f.GetFieldCount())} for f in layer]


def test_one_workbook_and_a_zip_of_pages(timed_fire_layer, tmp_path, finder, ranks):
    path = listed(tmp_path, *GOOD, "Half,L4,SE1,,")
    coverages = CoverageMap()
    pages = PremisesPages(coverages.of(()), "Operational: not for publication.")
    question = Question(window=FIRES)
    sources = [PointSource(timed_fire_layer)]
    made = run_batch(path, tmp_path / "out", sources, question, finder, coverages, ranks, pages)
    assert (made.answered, [one.line for one in made.rejected]) == (3, [5])
    totals = {row["premises"]: row for row in sheet(tmp_path / "out" / WORKBOOK, "All incidents")}
    place = finder.find("529000, 184000")
    planned = plan(sources, question, date.today())
    figure = search(planned, place, coverages, ranks).answer.rows[0].figures[-1]
    row = totals["By a point"]
    assert (row["500 m"], row["500 m postcodes with fewer %"]) == (figure.count, pytest.approx(figure.share_below))
    assert row["500 m compared"] == figure.sentence != ""
    assert "'=Bar & Grill" in totals  # no spreadsheet takes it for a formula
    assert {row["category"] for row in sheet(tmp_path / "out" / WORKBOOK, "Categories")} == {
        "Fire", "False Alarm", "Special Service",
    }  # fmt: skip
    (rejected,) = sheet(tmp_path / "out" / WORKBOOK, "Not searched")
    assert (rejected["line"], rejected["premises"]) == (5, "Half") and "only part" in rejected["why"]
    with zipfile.ZipFile(tmp_path / "out" / PAGES) as archive:
        assert archive.namelist() == ["00003 Bar & Grill.pdf", "00004 By a point.pdf", "00002 The Anchor.pdf"]
        page = archive.read("00004 By a point.pdf")
    (tmp_path / "page.pdf").write_bytes(page)
    text = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "page.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "By a point" in text and f"{figure.count:,}" in text and "not for publication" in text
    assert "February 2017 to March 2017" in text and text.count("\f") == 1


def test_stopped_or_not_writable_nothing_is_left(timed_fire_layer, tmp_path, finder, ranks):
    path = listed(tmp_path, *GOOD)
    folder = tmp_path / "out"
    looks = iter([False] * 12)
    arguments = [PointSource(timed_fire_layer)], Question(window=FIRES), finder, CoverageMap(), ranks
    page = PremisesPages(CoverageMap().of(()), "x")
    with pytest.raises(Cancelled):
        run_batch(path, folder, *arguments, page, lambda: next(looks, True))
    assert not list(folder.iterdir())
    with pytest.raises(AnalysisError, match="None of the premises of bad.csv could be searched around. Line 2: "):
        bad = tmp_path / "bad.csv"
        bad.write_text("postcode\nSE1\n")
        run_batch(bad, folder, *arguments, page)
    assert not list(folder.iterdir())
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(AnalysisError, match="The workbook cannot be written to"):
        run_batch(path, blocked / "in", *arguments, page)
    if os.geteuid():
        folder.chmod(0o500)
        with pytest.raises(AnalysisError, match="cannot be written"):
            run_batch(path, folder, *arguments, page)
