"""Searches in a local copy: ours, QGIS's algorithm, bare SQL on the same index, and NumPy over arrays in memory."""

from __future__ import annotations

import sqlite3
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer

from ...qgis_plugin.core.borough_ranks import BoroughRanks
from ...qgis_plugin.core.coverage import CoverageMap
from ...qgis_plugin.core.local_store import LocalStore
from ...qgis_plugin.core.places import PlaceFinder
from ...qgis_plugin.core.points import PointSource
from ...qgis_plugin.core.proximity import Place, rank, search
from ...qgis_plugin.core.proximity_question import Plan, Question, plan
from ...shared.windows import Window
from ..measuring import Contender, Kind, Measure, in_turns
from .application import answer, processing_run

RADIUS = 500
SEARCHES = 20
ALL_YEARS = Window("2023-01", "2025-12")
_TODAY = date(2026, 2, 15)
_REPORT_S = 0.5
_SEED = 7
Counts = dict[str, int]


def measure(arguments: dict[str, Any]) -> list[Measure]:
    """Two measures: counts of categories in one ring, all ways counting the same; and the figures of whole reports."""
    file, scratch = Path(arguments["copy"]), Path(arguments["scratch"])
    layer = QgsVectorLayer(f"{file}|layername={arguments['layer']}", "incidents", "ogr")
    source = PointSource(layer)  # as the dock holds it, from one search to the next
    points = source.read()
    finder, coverages = PlaceFinder(), CoverageMap()
    centres = _centres(points.eastings, points.northings)
    run_algorithm = processing_run()

    planned = plan([source], Question(radii=(RADIUS,), window=ALL_YEARS, compare=False), _TODAY)
    ranks = BoroughRanks(LocalStore(scratch / "store"), finder)

    def ours(east: int, north: int) -> Counts:
        found = search(planned, Place(f"{east}, {north}", east, north, "A point"), coverages, ranks)
        return {row.category: row.figures[0].count for row in found.answer.datasets[0].by_category()}

    def algorithm(east: int, north: int) -> Counts:
        centre = QgsVectorLayer("Point?crs=EPSG:27700", "centre", "memory")
        feature = QgsFeature()
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(east, north)))
        centre.dataProvider().addFeature(feature)
        inputs = {"INPUT": layer, "REFERENCE": centre, "DISTANCE": RADIUS, "OUTPUT": "memory:"}
        result = run_algorithm("native:extractwithindistance", inputs)["OUTPUT"]
        return dict(Counter(found["category"] for found in result.getFeatures()))

    def bare(east: int, north: int) -> Counts:
        return bare_sql(file, arguments["layer"], east, north, RADIUS)

    def brute(east: int, north: int) -> Counts:
        inside = (points.eastings - east) ** 2 + (points.northings - north) ** 2 <= RADIUS**2
        names, counts = np.unique(points.categories[inside], return_counts=True)
        return dict(zip(names.tolist(), counts.tolist()))

    _must_agree([ours, algorithm, bare, brute], centres)

    def contender(name: str, kind: Kind, way: Callable[[int, int], Counts]) -> Contender:
        return Contender(name, kind, lambda _folder: [way(east, north) for east, north in centres])

    return [
        in_turns(
            f"{SEARCHES} searches of {RADIUS} m by category in a local copy of {layer.featureCount():,} rows",
            [
                contender("core.proximity.search", Kind.OURS, ours),
                contender("native:extractwithindistance", Kind.PEER, algorithm),
                contender("SQL on the index of the file (R-tree)", Kind.PEER, bare),
                contender("NumPy over all rows, already in memory", Kind.LIMIT, brute),
            ],
            scratch,
            rounds=5,
            note="All find the same counts. Ours also tells three years by month, the rate, coarse places and those "
            "without any.",
        ),
        _reports(source, points.eastings, points.northings, finder, coverages, scratch),
    ]


def bare_sql(file: Path, layer: str, east: int, north: int, radius: int) -> Counts:
    """The categories within a ring, by the least that SQL has to do."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            f"SELECT t.category, t.geom FROM rtree_{layer}_geom AS r CROSS JOIN {layer} AS t ON t.rowid = r.id"
            " WHERE r.maxx >= ? AND r.minx <= ? AND r.maxy >= ? AND r.miny <= ?",
            (east - radius, east + radius, north - radius, north + radius),
        )
        counts: Counter[str] = Counter()
        for category, geometry in found:
            x, y = struct.unpack_from("<dd", geometry, 13)
            if (x - east) ** 2 + (y - north) ** 2 <= radius * radius:
                counts[category] += 1
    return dict(counts)


def _reports(
    source: PointSource,
    eastings: np.ndarray,
    northings: np.ndarray,
    finder: PlaceFinder,
    coverages: CoverageMap,
    scratch: Path,
) -> Measure:
    """The densest place of all those tried: three rings, two years compared, three years by month, ranks, land."""
    spots = np.floor(np.stack([eastings, northings]) / RADIUS)
    cells, numbers = np.unique(spots, axis=1, return_counts=True)
    east, north = ((cells[:, numbers.argmax()] + 0.5) * RADIUS).astype(int).tolist()
    place = finder.at(east, north)
    store = LocalStore(scratch / "store")
    prepared = BoroughRanks(store, finder)
    rank(_planned(source), place.borough_code, prepared)
    rows = search(_planned(source), place, coverages, prepared).answer.rows[0].figures[-1].count

    def report(_folder: Path) -> None:
        found = search(_planned(source), place, coverages, prepared)
        if found.answer.rows[0].figures[-1].share_below is None:
            raise RuntimeError("The place was not ranked.")

    def first_in_borough(_folder: Path) -> None:
        rank(_planned(source), place.borough_code, BoroughRanks(store, finder))

    return in_turns(
        f"All figures of a report where the copy is densest ({rows:,} incidents of a year within {RADIUS} m)",
        [
            Contender("core.proximity.search", Kind.OURS, report, aim=_REPORT_S),
            Contender(
                f"core.proximity.rank: all {len(finder.postcodes_of(place.borough_code)):,} postcodes of "
                f"{place.borough}, once for a copy",
                Kind.PART,
                first_in_borough,
            ),
        ],
        scratch,
        rounds=5,
        note="Three rings, every category, this year and the one before, three years by month, land held, ranks. The "
        "ranks of a borough are worked out once for a local copy, in the background, and are no part of the first row.",
    )


def _planned(source: PointSource) -> Plan:
    return plan([source], Question(), _TODAY)


def _centres(eastings: np.ndarray, northings: np.ndarray) -> list[tuple[int, int]]:
    """Half of them on incidents, half anywhere between the outermost incidents, all on land that is covered."""
    random = np.random.default_rng(_SEED)
    finder, centres = PlaceFinder(), []
    while len(centres) < SEARCHES:
        if len(centres) % 2:
            chosen = int(random.integers(0, len(eastings)))
            east, north = int(eastings[chosen]), int(northings[chosen])
        else:
            east = int(random.integers(eastings.min(), eastings.max()))
            north = int(random.integers(northings.min(), northings.max()))
        if finder.at(east, north).borough:
            centres.append((east, north))
    return centres


def _must_agree(ways: list[Callable[[int, int], Counts]], centres: list[tuple[int, int]]) -> None:
    for east, north in centres:
        first, *others = [way(east, north) for way in ways]
        if any(other != first for other in others):
            raise RuntimeError(f"The ways to search disagree around {east}, {north}: {first}, {others}.")


if __name__ == "__main__":
    answer(measure)
