"""``scripts/run.sh`` without a display: it does an analyst's whole job, leaves what it made, and nothing running."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import unicodedata
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from qgis.PyQt.QtGui import QImage
from safestats.tests.end_to_end.rig import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

DEMO = ROOT / "build" / "demo"
PRODUCTS = ("hotspot-map-kde-raster", "hotspot-map-gi-grid", "proximity-report")
SCREENSHOTS = {
    *("sign-in", "conditions", "layers-before", "layers", "proximity", "proximity-report"),
    *("hotspots-kde-raster", "hotspots-kde-grid", "hotspots-gi-raster", "hotspots-gi-grid"),
    *("hotspot-map-kde-raster", "hotspot-map-gi-grid"),
}
START_SECONDS = 30
END_SECONDS = 15


@dataclass
class Run:
    """One run of the script: what it printed, its status, seconds until the analyst was signed in."""

    printed: str
    status: int
    signed_in_after: float


def job(interrupt: bool = False) -> Run:
    """Run the script; with ``interrupt``, press Ctrl-C once the analyst is signed in."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("DISPLAY")}
    environment.pop("QT_QPA_PLATFORM", None)
    log = DEMO / "job.log"
    log.unlink(missing_ok=True)
    began = time.monotonic()
    process = subprocess.Popen(
        [ROOT / "scripts" / "run.sh"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    signed_in = float("inf")
    try:
        while process.poll() is None:
            with suppress(OSError):
                if signed_in == float("inf") and "signed in" in log.read_text(encoding="utf-8"):
                    signed_in = time.monotonic() - began
                    assert len(list(left_running())) > 1  # the server and QGIS: they would be found
                    if interrupt:
                        os.killpg(process.pid, signal.SIGINT)
                        process.wait(END_SECONDS)
            time.sleep(0.1)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # only where a test failed half way
        printed = process.communicate()[0]
    return Run(printed, process.returncode, signed_in)


@pytest.fixture(scope="module")
def run(qgis_app) -> Run:
    """The first run, which may have to make the data."""
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed: scripts/setup.sh installs it")
    done = job()
    assert done.status == 0, done.printed
    return done


def left_running() -> Iterator[str]:
    """Command lines of processes with the demonstration's environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (folder / "environ").read_bytes().split(b"\0")
            if (
                f"SAFESTATS_DEMO_FOLDER={DEMO}".encode() in environment
                or b"SAFESTATS_DATA_DIR=build/demo-server" in environment
            ) and (folder / "cwd").resolve() == ROOT:
                yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def assert_nothing_is_left(run: Run) -> None:
    port = int(re.search(r"the server answers on http://127\.0\.0\.1:(\d+)", run.printed).group(1))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    assert list(left_running()) == []


def words_of(pdf: Path) -> str:
    done = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True)
    return " ".join(unicodedata.normalize("NFKC", done.stdout).split())  # “ffi” is one letter on the page


def colours(image: QImage) -> int:
    """How many colours a coarse sample of the picture has."""
    small = image.scaled(160, 100)
    return len({small.pixel(x, y) for x in range(small.width()) for y in range(small.height())})


def test_the_job_ends_by_itself_and_its_server_with_it(run: Run) -> None:
    assert "everything is in build/demo/" in run.printed
    assert re.search(r"^done$", run.printed, re.M)
    for dataset in ("mps", "colp", "btp"):
        assert f"pulled {dataset}" in run.printed
    assert "lfb is refused: Your organisation has no agreement on London Fire Brigade incidents" in run.printed
    assert_nothing_is_left(run)


@pytest.mark.parametrize("size", ["a4", "a3"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_the_pages_are_there_with_title_source_and_marking(run: Run, product: str, size: str) -> None:
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext (poppler-utils) is not installed")
    pdf = DEMO / f"{product}-{size}.pdf"
    words = words_of(pdf)
    title = "Incidents around NW1 8QP" if product == "proximity-report" else "Metropolitan Police"
    assert title in words
    assert "OFFICIAL" in words
    assert "Contains public sector information licensed under the Open Government Licence v3.0" in words
    assert "synthetic" in words.lower()
    assert "Office for National Statistics" in words
    information = subprocess.run(["pdfinfo", str(pdf)], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Pages:\s+1\n", information)
    assert f"({size.upper()})" in information
    picture = QImage(str(pdf.with_suffix(".png")))
    assert picture.width() > picture.height() > 1000
    assert colours(picture) > 50


def test_every_screenshot_is_there_and_shows_something(run: Run) -> None:
    pictures = {path.stem: QImage(str(path)) for path in (DEMO / "screenshots").glob("*.png")}
    assert set(pictures) == SCREENSHOTS
    blank = [name for name, image in pictures.items() if image.width() < 300 or colours(image) < 20]
    assert not blank


def test_the_local_copies_are_sound(run: Run) -> None:
    copies = {path.name.split("-")[0]: path for path in (DEMO / "local-copies").glob("*.gpkg")}
    assert set(copies) == {"mps", "colp", "btp"}
    for dataset, path in copies.items():
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            (rows,) = database.execute(f"SELECT count(*) FROM {dataset}").fetchone()
            assert database.execute("SELECT feature_count FROM gpkg_ogr_contents").fetchone() == (rows,)
        assert rows > 0
        said = re.search(rf"pulled {dataset}: ([\d,]+)", run.printed)
        assert said and int(said.group(1).replace(",", "")) == rows


def test_a_second_run_starts_soon_and_ctrl_c_ends_it_whole(run: Run, tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path / "demo")
    try:
        second = job(interrupt=True)
    finally:  # a run that is broken off leaves less than the whole one did
        shutil.rmtree(DEMO)
        shutil.copytree(tmp_path / "demo", DEMO)
    assert "are up to date" in second.printed
    assert second.signed_in_after < START_SECONDS
    assert second.status != 0
    assert_nothing_is_left(second)
