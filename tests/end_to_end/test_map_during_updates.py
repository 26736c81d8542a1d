"""A map is drawn and its rows are walked through, in the window's thread and in another, while the copy is renewed
again and again: nothing complains, every walk sees one release from its beginning to its end, the window never waits.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from qgis.core import Qgis, QgsApplication, QgsCoordinateReferenceSystem, QgsVectorLayer, QgsVectorLayerFeatureSource
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QCoreApplication, QTimer
from safestats.qgis_plugin.core.errors import DeskError
from safestats.qgis_plugin.core.pull import PullKind
from safestats.tests.commands import SUPPLIERS_TERMS, agreement, organisation
from safestats.tests.end_to_end.bad_line import MeddlingLine
from safestats.tests.end_to_end.rig import REAL, ROOT, Analyst, LiveServer, ServerFolder, copy_of, loading, thinned

DATASET = "mps"
FIGURES = ROOT / "build" / "faults"
RENEWALS = {"sample": 6, "met": 4}
ROWS_AT_ONCE = 200
BEAT_MS = 2
PATIENCE_S = 240
LONGEST_WAIT_S = 1.0


def seal(layer: QgsVectorLayer) -> int:
    """What a walk through all rows adds up to, whatever their order."""
    return sum(map(mark, layer.getFeatures())) & MASK


def mark(feature) -> int:
    return hash((feature.id(), str(feature.attributes()), bytes(feature.geometry().asWkb())))


MASK = (1 << 64) - 1


class Walker:
    """Walks through a layer in the window's thread, some rows at a turn, over and over; ``seen`` has the seals."""

    def __init__(self, layer: QgsVectorLayer) -> None:
        self._layer = layer
        self.seen: list[int] = []
        self._begin()

    def _begin(self) -> None:
        self._sum, self._rows = 0, self._layer.getFeatures()

    def step(self) -> None:
        for number, feature in enumerate(self._rows):
            self._sum += mark(feature)
            if number == ROWS_AT_ONCE:
                return
        self.seen.append(self._sum & MASK)
        self._begin()


class Strider(threading.Thread):
    """Walks through a layer in a thread of its own; the source comes from the window's thread each time."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: list[int] = []
        self.source: QgsVectorLayerFeatureSource | None = None
        self.idle = threading.Event()
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.001):
            self.idle.set()
            source, self.source = self.source, None
            if source is not None:
                self.idle.clear()
                total = 0
                for feature in source.getFeatures():
                    total += mark(feature)
                    if self.stop.is_set():
                        return
                self.seen.append(total & MASK)


class Pulse:
    """The longest time for which the event loop did not come round."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def stop(self) -> None:
        self._timer.stop()


@dataclass
class Pair:
    """Two servers that take turns on one line, and analysts who are signed in at both."""

    name: str
    analysts: list[Analyst]
    turn: Callable[[], None]


@pytest.fixture(scope="module")
def pair(qgis_app, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Servers of the same content and the same sessions, one of them a correction further; an analyst for each test."""
    name, root = request.param, tmp_path_factory.mktemp("pair")
    if name == "sample":
        folder = copy_of(request.getfixturevalue("sample_folder"), root / "one")
        month = sorted((request.getfixturevalue("sample") / DATASET).iterdir())[5]
    else:
        months = sorted((REAL / "police_met_wards_api").glob("*.zip"))
        if not months:
            pytest.skip(f"the real files are not in {REAL}")
        month = months[5]
        folder = ServerFolder(root / "one").initialise()
        folder.run(
            SUPPLIERS_TERMS,
            organisation("gla", "Greater London Authority"),
            "user add gla.analyst --org gla --password-stdin",
            *agreement(
                "DSA",
                "gla",
                DATASET,
                "--areas london,unplaced,outside --fields core,area,location,place --precision point",
            ),
            loading(DATASET, months),
            f"publish {DATASET}",
        )
    one = LiveServer(folder)
    one.start()
    line = MeddlingLine(one)
    desks = [root / "first", root / "second"]
    for desk in desks:
        desk.mkdir()
    analysts = [Analyst(desk, line.url, "gla.analyst").begin() for desk in desks]
    one.stop()
    two = LiveServer(copy_of(folder, root / "two"))
    two.folder.run(loading(DATASET, [thinned(month, root / "changed")]), f"publish {DATASET}")
    one.start()
    two.start()
    line.lead_to(one)
    yield Pair(name, list(analysts), lambda: line.lead_to(two if line.server is one else one))
    for analyst in analysts:
        analyst.leave()
    line.close()
    for server in (one, two):
        server.stop()


@pytest.mark.parametrize(
    "pair", ["sample", pytest.param("met", marks=[pytest.mark.slow, pytest.mark.timeout(1500)])], indirect=True
)
def test_a_map_shows_one_release_or_the_other(pair: Pair, qtbot, capfd: pytest.CaptureFixture[str]) -> None:
    name, analyst, turn = pair.name, pair.analysts.pop(), pair.turn
    live(lambda done: analyst.desk.pull(DATASET, DATASET, done, done))
    layer = analyst.open(DATASET)
    seals = {seal(layer)}

    said: list[str] = []
    QgsApplication.messageLog().messageReceived[str, str, Qgis.MessageLevel].connect(
        lambda words, tag, level: said.append(f"{tag}: {words}") if level != Qgis.MessageLevel.Info else None
    )
    canvas = QgsMapCanvas()
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    canvas.setParallelRenderingEnabled(True)
    canvas.setCachingEnabled(False)
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:27700"))
    canvas.setLayers([layer])
    canvas.setExtent(layer.extent())
    drawn: list[None] = []
    canvas.mapCanvasRefreshed.connect(lambda: drawn.append(None))
    canvas.renderErrorOccurred.connect(lambda words, _layer: said.append(f"map: {words}"))
    canvas.show()
    capfd.readouterr()

    walker, strider = Walker(layer), Strider()
    strider.start()

    def live_on() -> None:
        walker.step()
        if strider.source is None and strider.idle.is_set():
            strider.source = QgsVectorLayerFeatureSource(layer)
        if not canvas.isDrawing():
            canvas.refresh()

    idle = QTimer()
    idle.timeout.connect(live_on)
    idle.start(0)
    pulse, longest = Pulse(), []
    for number in range(RENEWALS[name]):
        turn()
        result = live(lambda done: analyst.desk.pull(DATASET, DATASET, done, done))
        assert result.kind is not PullKind.UNCHANGED
        longest.append(round(pulse.longest, 4))
        pulse.longest = 0.0
        idle.stop()
        seals.add(seal(QgsVectorLayer(layer.source(), "again", "ogr")))
        idle.start(0)
        until = len(walker.seen) + 1, len(strider.seen) + 1, len(drawn) + 1
        pulse = restarted(pulse)
        rest(lambda until=until: all(n >= m for n, m in zip((len(walker.seen), len(strider.seen), len(drawn)), until)))
        assert rows_of(layer) == layer.featureCount(), number
    idle.stop()
    pulse.stop()
    strider.stop.set()
    strider.join(PATIENCE_S)
    canvas.stopRendering()
    rest(lambda: not canvas.isDrawing())

    FIGURES.mkdir(parents=True, exist_ok=True)
    figures = {
        "rows": layer.featureCount(),
        "renewals": RENEWALS[name],
        "walks": len(walker.seen) + len(strider.seen),
        "maps": len(drawn),
        "longest_wait_ms": [round(1000 * seconds) for seconds in longest],
    }
    (FIGURES / f"map-{name}.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    assert len(seals) == 2
    assert set(walker.seen) | set(strider.seen) <= seals
    assert len(walker.seen) >= RENEWALS[name] <= len(strider.seen)
    assert not said, said[:5]
    out, errors = capfd.readouterr()
    assert (out, errors) == ("", "")
    assert max(longest) < LONGEST_WAIT_S, figures


@pytest.mark.parametrize("pair", ["sample"], indirect=True)
def test_what_was_begun_before_a_renewal_still_reads_the_former_release(pair: Pair) -> None:
    analyst, turn = pair.analysts.pop(), pair.turn
    live(lambda done: analyst.desk.pull(DATASET, DATASET, done, done))
    layer = analyst.open(DATASET)
    before, former = layer.featureCount(), Path(layer.source().split("|")[0])
    source = QgsVectorLayerFeatureSource(layer)  # as a map or a task that waits for its turn holds one
    turn()
    live(lambda done: analyst.desk.pull(DATASET, DATASET, done, done))
    assert layer.featureCount() != before
    assert sum(1 for _ in source.getFeatures()) == before
    analyst.desk.shown_copies.letting_go.start()
    rest(lambda: not former.exists())


def live(begin: Callable[[Callable], Any]) -> Any:
    """What the task that ``begin`` starts comes to, while the window lives on."""
    ends: list[Any] = []
    begin(ends.append)
    rest(lambda: bool(ends))
    if isinstance(ends[0], DeskError):
        raise ends[0]
    return ends[0]


def rest(until: Callable[[], bool]) -> None:
    """Let the window live until then."""
    limit = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < limit, f"nothing happened for {PATIENCE_S} s"
        QCoreApplication.processEvents()


def restarted(pulse: Pulse) -> Pulse:
    pulse.stop()
    return Pulse()


def rows_of(layer: QgsVectorLayer) -> int:
    path = layer.source().split("|")[0]
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(f"SELECT count(*) FROM {DATASET}").fetchone()[0]
