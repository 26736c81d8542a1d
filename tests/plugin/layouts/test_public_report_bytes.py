"""The public report around a place, every file of it read byte by byte: no exact count, no incident, no attribute."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safestats.qgis_plugin.layouts.export import Format, leave
from safestats.qgis_plugin.layouts.incident_points import IncidentPoints
from safestats.qgis_plugin.layouts.proximity_report import ProximityReport, build_proximity_layout
from safestats.qgis_plugin.layouts.sheet import Imprint, Mode
from safestats.shared.pictures import png_chunks

pytestmark = pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext (poppler-utils) is not installed")

# Where incidents lie, and counts none of which is a multiple of five.
EASTINGS, NORTHINGS = np.array([533_417, 533_688, 533_541]), np.array([180_139, 179_922, 180_263])
TOTAL, BEFORE = (213, 1_207, 6_418), (198, 1_152, 6_033)
ROWS = {
    "Theft from the person": ((117, 804, 4_391), (109, 777, 4_118)),
    "Overdose": ((83, 297, 1_641), (77, 281, 1_569)),
    "Drugs": ((12, 104, 379), (11, 92, 338)),
    "Possession of weapons": ((1, 2, 7), (1, 2, 8)),
}
EXACT = {number for counts in (TOTAL, BEFORE, *(c for row in ROWS.values() for c in row)) for number in counts}
PUBLIC_NUMBERS = {1, 2, 7, 8, 11, 12}  # too common to look for


def a_dataset(samples):
    """A dataset of these rows, one of its categories sensitive, with months and hours that add up."""
    code, title = "las", "London Ambulance Service incidents"
    rows = [samples.row_of(code, title, None, "All incidents", TOTAL, BEFORE)]
    rows += [samples.row_of(code, title, name, name, *counts) for name, counts in ROWS.items()]
    draw = np.random.default_rng(11)
    months = [draw.multinomial(year, np.ones(12) / 12) for year in (5_871, BEFORE[-1], TOTAL[-1])]
    hours = draw.multinomial(TOTAL[-1] - 13, np.ones(168) / 168).reshape(7, 24)
    return samples.dataset_answer(
        code,
        title,
        ["any"],
        1,
        10,
        rows=tuple(rows),
        hours=tuple(map(tuple, hours.tolist())),
        trend=tuple(np.concatenate(months).tolist()),
        coarse=(3, 17, 0),
        unplaced=413,
        unknown_hour=13,
        largest_stack=38,
        notes=("13 incidents of unknown hour are left out.",),
        threshold=8,
        sensitive=("Overdose",),
        synthetic=False,
    )


@pytest.fixture
def files(project, samples, tmp_path) -> dict[str, Path]:
    """Every file that a public report is."""
    found = samples.proximity_result([a_dataset(samples)])
    incidents = IncidentPoints("Secret layer", EASTINGS, NORTHINGS)
    imprint = Imprint(found.answer.title, "A. Analyst", "London Borough of Southwark", Mode.PUBLICATION)
    layout = build_proximity_layout(project, ProximityReport(found, imprint, (incidents,)))
    written = leave(layout, tmp_path, "report", list(Format), lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
    return {path.suffix: path for path in written}


def unpacked(content: bytes) -> bytes:
    """The bytes, and behind them what they hold compressed or as base 64."""
    parts = [content]
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            parts.append(zlib.decompressobj().decompress(stream))
        except zlib.error:
            continue
    parts += [base64.b64decode(found) for found in re.findall(rb"base64,([A-Za-z0-9+/=\s]+)", content)]
    return b"\n".join(parts)


def read_by_people(path: Path) -> str:
    """The words of a page."""
    if path.suffix == ".pdf":
        return subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=True).stdout
    return re.sub(r"<[^>]+>", " ", re.sub(r"base64,[^\"]+", "", path.read_text(encoding="utf-8")))


def test_no_exact_count_is_printed(files):
    for suffix in (".pdf", ".html"):
        words = read_by_people(files[suffix])
        numbers = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", words)}
        assert not numbers & (EXACT - PUBLIC_NUMBERS), suffix
        assert 413 not in numbers and 6_405 not in numbers
        assert {215, 1_205, 6_420, 4_390} <= numbers, suffix  # it is the report of these rows, rounded
        assert "Overdose" not in words and "Possession of weapons" not in words
        assert "Other (2 categories)" in words
        assert "13 incidents" not in words and "Secret layer" not in words


def test_no_incident_and_no_attribute_is_in_the_bytes(files):
    places = [str(value) for value in (*EASTINGS.tolist(), *NORTHINGS.tolist())]
    forbidden = [*places, *(f"{int(place):,}" for place in places), "Secret layer", "Overdose", "Possession of weapons"]
    forbidden += ["/tmp/", "/home", "/root", ".gpkg", "precision_m", "location_method", "occurred_on"]
    for path in files.values():
        content = unpacked(path.read_bytes())
        for word in forbidden:
            assert word.encode() not in content, (path.name, word)
            assert word.encode("utf-16-be") not in content, (path.name, word)
    assert {kind for kind, _ in png_chunks(files[".png"].read_bytes())} <= {
        *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"pHYs", b"sRGB", b"gAMA"),
    }


def test_the_search_finds_what_is_there(project, samples, tmp_path):
    """The same search on a report for colleagues finds the counts, so that it is known to look where they stand."""
    found = samples.proximity_result([replace(a_dataset(samples), synthetic=False)])
    imprint = Imprint(found.answer.title, "A. Analyst", "London Borough of Southwark", Mode.OPERATIONAL)
    layout = build_proximity_layout(project, ProximityReport(found, imprint))
    (pdf,) = leave(layout, tmp_path, "report", [Format.PDF], lambda _: None)
    numbers = {int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\d|\d", read_by_people(pdf))}
    assert {213, 1_207, 6_418, 4_391} <= numbers
    assert "Overdose" in read_by_people(pdf)
