"""``docs/benchmarks.md``, made of the result files and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TITLES = {
    "hotspots": "Hotspots",
    "proximity": "Around a place",
    "snapshot": "Writing a snapshot",
    "loading": "Loading a delivery",
    "first_pull": "First pull",
}
_HEAD = """# Benchmarks

`make bench` measures this, keeps every single time in `build/benchmarks/*.json` and makes this page of those files;
nothing here is written by hand. Nothing is a test: other work may share the machine, so only ratios tell.

Each job is done by all its contenders in turns, so that a slow minute is slow for all. A time is the median of n
rounds. The ratio is our time divided by the other's, taken round by round: its median, then the least and the most;
below 1 we are the faster. A **peer** is another program on the same work; a **limit** is the least that any program
has to do; a **part of ours** is measured apart to tell where our time goes. All incidents are invented, unless a job
says that they are real.
"""


def read_results(folder: Path) -> list[dict[str, Any]]:
    """The result files that are there, in the order of the page."""
    paths = [folder / f"{name}.json" for name in TITLES]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def page(results: Sequence[dict[str, Any]]) -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for result in results:
        parts.append(f"## {TITLES[result['benchmark']]}\n")
        for measure in result["measures"]:
            parts.append(_table(measure))
        parts += [f"Not measured. {reason}\n" for reason in result["skipped"]]
        parts.append(_circumstances(result))
    return "\n".join(parts)


def _table(measure: dict[str, Any]) -> str:
    rounds = len(measure["contenders"][0]["seconds"])
    lines = [f"**{measure['job']}** (n = {rounds})\n", "| | | time | our time ÷ this |", "|---|---|---:|---:|"]
    for contender in measure["contenders"]:
        ratio = contender.get("ratio")
        words = f"{_figure(ratio['median'])} ({_figure(ratio['least'])}–{_figure(ratio['most'])})" if ratio else ""
        name = f"`{contender['name']}`" if contender["kind"] == "ours" else contender["name"]
        lines.append(f"| {contender['kind']} | {name} | {_time(contender['median'])} | {words} |")
    if measure["note"]:
        lines += ["", measure["note"]]
    return "\n".join([*lines, ""])


def _circumstances(result: dict[str, Any]) -> str:
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    return (
        f"<sub>{result['date']}; {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}; Python {machine['python']}, {versions}; load {result['load_before']} before, "
        f"{result['load_after']} after; took {result['took_s']:.0f} s.</sub>\n"
    )


def _time(seconds: float) -> str:
    return f"{_figure(seconds * 1000)} ms" if seconds < 1 else f"{_figure(seconds)} s"


def _figure(value: float) -> str:
    """Three figures, no more: the rest is noise."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
