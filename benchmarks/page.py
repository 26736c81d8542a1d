"""``docs/benchmarks.md``, made of the result files and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .measuring import Figure, Kind

TITLES = {
    "hotspots": "Hotspots",
    "proximity": "Around a place",
    "first_pull": "First pull",
    "update": "Updates",
    "event_loop": "QGIS while it pulls, updates and finds hotspots",
    "snapshot": "Writing a snapshot",
    "publishing": "Publishing",
    "organisations": "A month for every organisation",
    "loading": "Loading a million rows",
    "geocoding": "Finding described places",
    "vault": "The vault",
    "place_check": "Checking a place on the server",
}
_HEAD = """# Benchmarks

`make bench` measures this, keeps every single time in `build/benchmarks/*.json` and makes this page of those files;
nothing here is written by hand. Nothing is a test: other work may share the machine, so only ratios tell.

Each job is done by all its contenders in turns, so that a slow minute is slow for all. A figure is the median of n
rounds, then the least and the most. The ratio is ours divided by the other's, taken round by round; below 1 we are
the better. A **peer** is another program on the same work; a **limit** is the least that any program has to do; a
**part of ours** is measured apart to tell where our time goes. An **aim** is met by the median ratio, an aim for our
own figure by every round. All incidents are invented, unless a job says that they are real.
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
    figure = Figure(measure["figure"])
    rounds = len(measure["contenders"][0]["values"])
    lines = [
        f"**{measure['job']}** (n = {rounds})\n",
        f"| | | {figure.value} | ours ÷ this | aim |",
        "|---|---|---:|---:|---|",
    ]
    for contender in measure["contenders"]:
        values = contender["values"]
        ours = contender["kind"] == Kind.OURS.value
        name = f"`{contender['name']}`" if ours else contender["name"]
        spread = _spread(contender["median"], min(values), max(values), lambda value: _amount(value, figure))
        ratio = contender.get("ratio")
        times = _spread(ratio["median"], ratio["least"], ratio["most"], _figure) if ratio else ""
        lines.append(f"| {contender['kind']} | {name} | {spread} | {times} | {_aim(contender, figure)} |")
    if measure["note"]:
        lines += ["", measure["note"]]
    return "\n".join([*lines, ""])


def _aim(contender: dict[str, Any], figure: Figure) -> str:
    """The aim and whether it is met: by the median ratio, for ours by every round."""
    aim = contender["aim"]
    if aim is None:
        return ""
    if contender["kind"] == Kind.OURS.value:
        met, words = max(contender["values"]) <= aim, f"at most {_amount(aim, figure)}"
    else:
        met, words = contender["ratio"]["median"] <= aim, f"at most {_figure(aim)}"
    return f"{words}: {'met' if met else '**missed**'}"


def _spread(median: float, least: float, most: float, words: Callable[[float], str]) -> str:
    return f"{words(median)} ({words(least)}–{words(most)})"


def _circumstances(result: dict[str, Any]) -> str:
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    return (
        f"<sub>{result['date']}; {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}; Python {machine['python']}, {versions}; load {result['load_before']} before, "
        f"{result['load_after']} after; took {result['took_s']:.0f} s.</sub>\n"
    )


def _amount(value: float, figure: Figure) -> str:
    if figure in (Figure.PEAK_MEMORY, Figure.DISK):
        return f"{_figure(value / 1e6)} MB"
    return f"{_figure(value * 1000)} ms" if value < 1 else f"{_figure(value)} s"


def _figure(value: float) -> str:
    """Three figures, no more: the rest is noise."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
