"""``python -m safestats.benchmarks.disclosure``: what the rules of publication leave of a real year of the Met's.

Prints the tables of ``docs/disclosure.md``: how much public reports withhold, how far perturbed answers are off, and
what somebody finds out who has the answers, or the reports, of very many postcodes.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from convertbng.cutil import convert_bng
from numpy.typing import NDArray

from ..shared.cell_key import Records, perturbed
from ..shared.disclosure import Rules, publishable
from ..shared.postcodes import POSTCODES_FILE, PostcodeIndex
from ..shared.ring_answer import AnswerRow, DatasetAnswer, Place, RingAnswer, RingFigure
from ..shared.rings import FIXED_RADII, Band, ring_area_km2
from ..shared.windows import Window, trend

ROOT = Path(__file__).resolve().parent.parent
YEAR = Window("2017-01", "2017-12")
EVERY = 40  # postcodes
THRESHOLD = 5
SECRET = b"a server's"
# Squares of 1.8 km, one of many postcodes and one of few, by their middles.
SQUARES = {"West End": (529_600, 181_000), "Brixton": (530_900, 176_000)}
REACH = 900
LARGEST_SMALL = 4


@dataclass(frozen=True)
class Year:
    """Incidents of one year: places in whole metres, categories and months (0–11), and the supplier's ids."""

    places: NDArray[np.int64]
    categories: NDArray[np.object_]
    months: NDArray[np.int64]
    ids: list[str]


def read_year(folder: Path) -> Year:
    """The Metropolitan Police's incidents in the answers of data.police.uk, each id once."""
    rows = {row["id"]: row for row in _rows(folder) if row["location_type"] != "BTP"}
    degrees = [np.array([float(row["location"][axis]) for row in rows.values()]) for axis in ("longitude", "latitude")]
    east, north = convert_bng(*degrees)
    known = np.isfinite(east)
    return Year(
        places=np.rint(np.column_stack([east, north])[known]).astype(np.int64),
        categories=np.array([row["category"] for row in rows.values()], dtype=object)[known],
        months=np.array([int(row["month"][5:]) - 1 for row in rows.values()])[known],
        ids=[str(name) for name, here in zip(rows, known) if here],
    )


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                content = packed.read(name) if name.endswith(".json") else b""
                if content.strip():
                    yield from json.loads(content)


def main() -> None:
    """Measure and print."""
    folder = ROOT.parent / "shared" / "data" / "police_met_wards_api"
    if not folder.is_dir():
        sys.exit(f"The real months are not at {folder}: nothing is measured.")
    year = read_year(folder)
    index = PostcodeIndex.load(ROOT / "resources" / POSTCODES_FILE)
    everywhere = np.unique(np.array([place[:2] for place in index.places()]), axis=0)
    reports(year, everywhere[::EVERY])
    attacks(year, everywhere)


def reports(year: Year, centres: NDArray[np.int64]) -> None:
    """Public reports of these places: what they withhold."""
    order = np.argsort(year.places[:, 0], kind="stable")
    eastings = year.places[order, 0]
    reach = FIXED_RADII[-1]
    cells: Counter[tuple[int, str]] = Counter()
    rows: Counter[int] = Counter()
    off: dict[int, list[float]] = {radius: [] for radius in FIXED_RADII}
    lost: Counter[tuple[int, str]] = Counter()
    charts: Counter[tuple[str, int]] = Counter()
    worst: tuple[int, str] = (1 << 30, "")
    measured = 0
    for easting, northing in centres:
        near = order[np.searchsorted(eastings, easting - reach) : np.searchsorted(eastings, easting + reach, "right")]
        squared = ((year.places[near] - (easting, northing)) ** 2).sum(axis=1)
        near, squared = near[squared <= reach**2], squared[squared <= reach**2]
        if len(near) < 50:  # boroughs that are not among the files
            continue
        measured += 1
        answer = _answer(year, near, squared, int(easting), int(northing))
        dataset = publishable(answer, Rules()).datasets[0]
        exact = answer.datasets[0]
        for ring, radius in enumerate(FIXED_RADII):
            for row in exact.by_category():
                small = 0 < (row.figures[ring].count or 0) <= LARGEST_SMALL
                cells[radius, "bare small"] += small
                cells[radius, "bare"] += 1
            for row in dataset.by_category():
                cells[radius, row.figures[ring].mark or "shown"] += 1
            total = dataset.rows[0].figures[ring]
            cells[radius, f"total {total.mark or 'shown'}"] += 1
        rows[len(dataset.by_category())] += 1
        charts["months", dataset.trend_step if any(count is not None for count in dataset.trend) else 0] += 1
        printed = sum(figure.count is not None for row in dataset.rows for figure in row.figures)
        worst = min(worst, (printed, _words(dataset)))
        _perturb(year, near, squared, off, lost)
    print(f"{len(year.ids):,} incidents, {measured:,} postcodes: every {EVERY}th that has 50 incidents within 500 m\n")
    print("| ring | 14 categories, plainly masked: small | public rows: “<5” | “*” | row of all withheld |")
    print("|---|---|---|---|---|")
    for radius in FIXED_RADII:
        all_rows = sum(cells[radius, mark] for mark in ("shown", "<5", "*"))
        parts = [cells[radius, "bare small"] / cells[radius, "bare"]]
        parts += [cells[radius, mark] / all_rows for mark in ("<5", "*")]
        parts.append((cells[radius, "total <5"] + cells[radius, "total *"]) / measured)
        print(f"| {radius} m | " + " | ".join(f"{100 * part:.1f} %" for part in parts) + " |")
    print(
        "\nRows of categories in a report:", ", ".join(f"{n}: {100 * rows[n] / measured:.1f} %" for n in sorted(rows))
    )
    print("Blocks of months in the chart (0: none):", dict(sorted(charts.items())))
    print(f"The report that prints least:\n{worst[1]}\n")
    print("| ring | perturbed totals: half are off by at most | nine in ten | categories answered 0 that are not |")
    print("|---|---|---|---|")
    for radius in FIXED_RADII:
        half, most = np.quantile(off[radius], [0.5, 0.9])
        zero = lost[radius, "zero"] / lost[radius, "held"]
        print(f"| {radius} m | {100 * half:.0f} % | {100 * most:.0f} % | {100 * zero:.0f} % |")


def _answer(year: Year, near: NDArray[Any], squared: NDArray[Any], easting: int, northing: int) -> RingAnswer:
    def row(category: str | None, chosen: NDArray[np.bool_]) -> AnswerRow:
        counts = [int((squared[chosen] <= radius**2).sum()) for radius in FIXED_RADII]
        figures = tuple(
            RingFigure(radius, count, None, None, count / ring_area_km2(radius), ring_area_km2(radius))
            for radius, count in zip(FIXED_RADII, counts)
        )
        return AnswerRow("mps", "Police", category, category or "All incidents", Band.ALL, figures)

    here = year.categories[near]
    rows = [row(None, np.ones(len(near), dtype=bool))]
    rows += [row(name, here == name) for name in sorted(set(here.tolist()))]
    months = np.bincount(year.months[near], minlength=12)
    dataset = DatasetAnswer(
        code="mps",
        title="Police",
        rows=tuple(rows),
        hours=None,
        trend=(None,) * 24 + tuple(int(count) for count in months),
        coarse=(),
        newest=YEAR.last,
        attribution="",
    )
    label = f"{easting}, {northing}"
    place = Place(label, easting, northing, "", postcode=label)
    return RingAnswer(place, FIXED_RADII, YEAR, None, trend(YEAR.last), "everything", (dataset,), "", date(2018, 3, 1))


def _words(dataset: DatasetAnswer) -> str:
    return "\n".join(
        f"    {row.label:30}" + "".join(f"{f.mark if f.count is None else f.count:>8}" for f in row.figures)
        for row in dataset.rows
    )


def _perturb(
    year: Year,
    near: NDArray[Any],
    squared: NDArray[Any],
    off: dict[int, list[float]],
    lost: Counter[tuple[int, str]],
) -> None:
    """How far perturbed answers about the place are off."""
    records = Records.of(SECRET, (year.ids[number] for number in near))
    rings = [squared <= radius**2 for radius in FIXED_RADII]
    for radius, ring, answer in zip(FIXED_RADII, rings, perturbed(rings, records, THRESHOLD)):
        if ring.any():
            off[radius].append(abs(int(answer) - int(ring.sum())) / int(ring.sum()))
    here = year.categories[near]
    for name in set(here.tolist()):
        of_it = [ring & (here == name) for ring in rings]
        for radius, ring, answer in zip(FIXED_RADII, of_it, perturbed(of_it, records, THRESHOLD)):
            lost[radius, "held"] += bool(ring.any())
            lost[radius, "zero"] += bool(ring.any() and not answer)


def attacks(year: Year, everywhere: NDArray[np.int64]) -> None:
    """How many small counts of single map points least squares find, from answers or reports of many postcodes."""
    print("\n| square, category | postcodes | best constant guess | cell key alone | with weights | public reports |")
    print("|---|---|---|---|---|---|")
    for name, middle in SQUARES.items():
        for category in ("robbery", "violent-crime"):
            for most_within in (None, 100, 40):
                _attack(year, everywhere, name, middle, category, most_within)


def _attack(
    year: Year,
    everywhere: NDArray[np.int64],
    name: str,
    middle: tuple[int, int],
    category: str,
    most_within: int | None,
) -> None:
    around = (np.abs(year.places - middle) < REACH + FIXED_RADII[-1]).all(axis=1)
    points, back = np.unique(year.places[around], axis=0, return_inverse=True)
    of_it = (year.categories[around] == category).nonzero()[0]
    counts = np.bincount(back.reshape(-1)[of_it], minlength=len(points))
    chosen = everywhere[(np.abs(everywhere - middle) < REACH).all(axis=1)]
    if most_within is not None:
        wanted = int(most_within / ring_area_km2(FIXED_RADII[-1]) * (2 * REACH / 1000) ** 2)
        draw = np.random.default_rng(5)
        chosen = chosen[np.sort(draw.permutation(len(chosen))[:wanted])]
    squared = ((chosen[:, None].astype(float) - points[None]) ** 2).sum(axis=2)
    rings = np.concatenate([squared <= radius**2 for radius in FIXED_RADII])
    ids = [year.ids[number] for number in around.nonzero()[0][of_it]]
    weighted = Records.of(SECRET, ids)
    inside = rings[:, back.reshape(-1)[of_it]]
    bare = Records(weighted.keys, np.ones_like(weighted.weights))
    exact = rings @ counts
    public = np.where((exact > 0) & (exact <= LARGEST_SMALL), 2.5, (exact + 2) // 5 * 5)
    inner = (np.abs(points - middle) < REACH - 300).all(axis=1)
    small = inner & (counts >= 1) & (counts <= LARGEST_SMALL)
    constant = np.bincount(counts[small]).max() / small.sum()
    shares = [constant]
    answered = (perturbed(inside, bare, THRESHOLD), perturbed(inside, weighted, THRESHOLD), public)
    for answers, variance in zip(answered, (6.0, 6.0, 2.0)):
        guess = _solved(rings.astype(float), answers.astype(float), counts, variance)
        shares.append(float((guess == counts)[small].mean()))
    where = "all" if most_within is None else f"{most_within} within 500 m"
    print(
        f"| {name}, {category} | {where} ({len(chosen):,}) | " + " | ".join(f"{100 * s:.0f} %" for s in shares) + " |"
    )


def _solved(rings: NDArray[Any], answers: NDArray[Any], counts: NDArray[Any], variance: float) -> NDArray[Any]:
    """The likeliest counts of the points, to somebody who knows the points, and how counts are spread over them."""
    mean, spread = counts.mean(), max(counts.var(), 0.1)
    normal = rings.T @ rings / variance + np.eye(rings.shape[1]) / spread
    right = rings.T @ (answers - rings @ np.full(rings.shape[1], mean)) / variance
    guess = np.clip(mean + np.linalg.solve(normal, right), 0, None)
    step = 1 / np.linalg.eigvalsh(normal)[-1]
    for _ in range(200):  # no count is negative
        guess = np.clip(guess - step * (normal @ (guess - mean) - right), 0, None)
    return np.rint(guess).astype(int)


if __name__ == "__main__":
    main()
