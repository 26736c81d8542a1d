"""What the benchmarks' figures are made of; how long anything takes is nobody's test."""

from __future__ import annotations

from pathlib import Path

import pytest
from safestats.benchmarks.__main__ import BENCHMARKS
from safestats.benchmarks.measuring import Contender, Kind, Measure, Series, in_turns
from safestats.benchmarks.page import TITLES, page


def test_contenders_act_in_turns_each_in_a_new_folder(tmp_path: Path) -> None:
    acted: list[str] = []

    def contender(name: str, kind: Kind) -> Contender:
        def act(folder: Path) -> None:
            assert [path.name for path in folder.iterdir()] == ["prepared"]
            acted.append(name)

        return Contender(name, kind, act, lambda folder: (folder / "prepared").touch())

    measure = in_turns("a job", [contender("a", Kind.OURS), contender("b", Kind.PEER)], tmp_path, rounds=3)
    assert acted == ["a", "b"] * 4, "a warm-up and three rounds"
    assert [len(series.seconds) for series in measure.series] == [3, 3]


def test_a_median_of_fewer_than_three_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 3 rounds"):
        in_turns("a job", [], tmp_path, rounds=2)


def test_the_page_shows_median_times_and_ratios_round_by_round() -> None:
    ours = Series("ours", Kind.OURS, (1.0, 4.0, 3.0))
    peer = Series("a peer", Kind.PEER, (2.0, 2.0, 2.0))
    result = {
        "benchmark": "hotspots",
        "date": "2026-01-31",
        "machine": {"processor": "a processor", "cores": 2, "memory_gb": 24, "system": "Debian", "python": "3.11"},
        "versions": {"NumPy": "2.4"},
        "load_before": 0.1,
        "load_after": 1.2,
        "took_s": 9.0,
        "measures": [Measure("a job", (ours, peer), "A note.").to_json()],
        "skipped": ["Another job: no QGIS."],
    }
    lines = page([result]).splitlines()
    assert "**a job** (n = 3)" in lines
    assert "| ours | `ours` | 3.00 s |  |" in lines
    assert "| peer | a peer | 2.00 s | 1.50 (0.50–2.00) |" in lines
    assert "A note." in lines and "Not measured. Another job: no QGIS." in lines


def test_every_benchmark_has_its_place_on_the_page() -> None:
    assert list(BENCHMARKS) == list(TITLES)
