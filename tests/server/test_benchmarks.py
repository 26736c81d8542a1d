"""What the benchmarks' figures are made of; how long anything takes is nobody's test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from safestats.benchmarks.__main__ import BENCHMARKS
from safestats.benchmarks.measuring import Contender, Figure, Kind, Measure, Series, in_turns, take_turns
from safestats.benchmarks.page import TITLES, page
from safestats.benchmarks.programs import weigh

pytestmark = pytest.mark.engineless


def test_contenders_act_in_turns_each_in_a_new_folder(tmp_path: Path) -> None:
    acted: list[str] = []

    def contender(name: str, kind: Kind) -> Contender:
        def act(folder: Path) -> None:
            assert [path.name for path in folder.iterdir()] == ["prepared"]
            acted.append(name)

        return Contender(name, kind, act, lambda folder: (folder / "prepared").touch())

    measure = in_turns("a job", [contender("a", Kind.OURS), contender("b", Kind.PEER)], tmp_path, rounds=3)
    assert acted == ["a", "b"] * 4, "a warm-up and three rounds"
    assert [len(series.values) for series in measure.series] == [3, 3]


def test_a_median_of_fewer_than_three_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 3 rounds"):
        in_turns("a job", [], tmp_path, rounds=2)


def test_the_page_shows_median_times_and_ratios_round_by_round() -> None:
    ours = Series("ours", Kind.OURS, (1.0, 4.0, 3.0))
    peer = Series("a peer", Kind.PEER, (2.0, 2.0, 2.0), aim=1.4)
    limit = Series("a limit", Kind.LIMIT, (0.5, 0.5, 1.0), aim=8)
    lines = _page_of(Measure("a job", (ours, peer, limit), "A note."))
    assert "**a job** (n = 3)" in lines
    assert "| ours | `ours` | 3.00 s (1.00 s–4.00 s) |  |  |" in lines
    assert "| peer | a peer | 2.00 s (2.00 s–2.00 s) | 1.50 (0.50–2.00) | at most 1.40: **missed** |" in lines
    assert "| limit | a limit | 500 ms (500 ms–1.00 s) | 3.00 (2.00–8.00) | at most 8.00: met |" in lines
    assert "A note." in lines and "Not measured. Another job: no QGIS." in lines


def test_what_contenders_tell_is_kept_beside_their_times_and_read_back(tmp_path: Path) -> None:
    waits = iter((0.02, 0.3, 0.04))
    ours = Contender("ours", Kind.OURS, lambda folder: next(waits), aim=0.1)
    done = take_turns([ours, Contender("idle", Kind.LIMIT, lambda folder: 0.01)], tmp_path, warm_up=False)
    told = done.told("a job", Figure.LONGEST_WAIT)
    assert told.series[0].values == (0.02, 0.3, 0.04)
    assert Measure.from_json(told.to_json()) == told
    assert done.times("a job").series[0].values != told.series[0].values


def test_an_aim_for_our_own_figure_is_met_by_every_round_or_not_at_all() -> None:
    memory = Measure("a job", (Series("ours", Kind.OURS, (5e6, 6e6, 9e6), aim=8e6),), figure=Figure.PEAK_MEMORY)
    assert "| ours | `ours` | 6.00 MB (5.00 MB–9.00 MB) |  | at most 8.00 MB: **missed** |" in _page_of(memory)


def test_the_peak_of_a_command_is_its_own_and_not_that_of_whoever_started_it(tmp_path: Path) -> None:
    ballast = bytearray(200_000_000)
    peak = weigh(tmp_path / "peak", [sys.executable, "-c", "held = bytearray(60_000_000)"])
    assert 60_000_000 < peak < len(ballast)


def test_every_benchmark_has_its_place_on_the_page() -> None:
    assert list(BENCHMARKS) == list(TITLES)


def _page_of(measure: Measure) -> list[str]:
    """The lines of a page with one measure."""
    result = {
        "benchmark": "hotspots",
        "date": "2026-01-31",
        "machine": {"processor": "a processor", "cores": 2, "memory_gb": 24, "system": "Debian", "python": "3.11"},
        "versions": {"NumPy": "2.4"},
        "load_before": 0.1,
        "load_after": 1.2,
        "took_s": 9.0,
        "measures": [measure.to_json()],
        "skipped": ["Another job: no QGIS."],
    }
    return page([result]).splitlines()
