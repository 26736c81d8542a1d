"""``python -m safestats.benchmarks [NAME…]``: measure all, or those named; then renew the page."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

from . import (
    event_loop,
    first_pull,
    geocoding,
    hotspots,
    loading,
    organisations,
    place_check,
    proximity,
    publishing,
    snapshot,
    update,
    vault,
)
from .job import Benchmark, Place
from .machine import load, machine, today
from .page import TITLES, page, read_results
from .prepared import Prepared, prepared
from .programs import Desk

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "benchmarks"
PAGE = ROOT / "docs" / "benchmarks.md"
BENCHMARKS: dict[str, Benchmark] = {
    "hotspots": hotspots.measure,
    "proximity": proximity.measure,
    "first_pull": first_pull.measure,
    "update": update.measure,
    "event_loop": event_loop.measure,
    "snapshot": snapshot.measure,
    "publishing": publishing.measure,
    "organisations": organisations.measure,
    "loading": loading.measure,
    "geocoding": geocoding.measure,
    "vault": vault.measure,
    "place_check": place_check.measure,
}


def main(names: list[str]) -> None:
    """Measure, one benchmark after another, each in an empty folder that goes when it is done."""
    strange = [name for name in names if name not in BENCHMARKS]
    if strange:
        sys.exit(f"There is no benchmark “{strange[0]}”; there are: {', '.join(BENCHMARKS)}.")
    RESULTS.mkdir(parents=True, exist_ok=True)
    with prepared(ROOT, RESULTS / "prepared", ROOT.parent / "shared" / "data") as servers:
        for name in names or BENCHMARKS:
            print(f"bench: {TITLES[name]} …", flush=True)
            _run(name, BENCHMARKS[name], servers)
    text = page(read_results(RESULTS))
    PAGE.write_text(text, encoding="utf-8")
    print(f"{text}\nbench: every time is in {RESULTS.relative_to(ROOT)}/, the page is {PAGE.relative_to(ROOT)}")


def _run(name: str, benchmark: Benchmark, servers: Prepared) -> None:
    scratch = RESULTS / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    before, began = load(), time.monotonic()
    try:
        outcome = benchmark(Place(ROOT, scratch, ROOT.parent / "shared" / "data", Desk(ROOT, scratch), servers))
    finally:
        shutil.rmtree(scratch)
    result = {
        "benchmark": name,
        "date": today(),
        "machine": machine(),
        "versions": outcome.versions,
        "load_before": before,
        "load_after": load(),
        "took_s": round(time.monotonic() - began, 1),
        "measures": [measure.to_json() for measure in outcome.measures],
        "skipped": outcome.skipped,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
