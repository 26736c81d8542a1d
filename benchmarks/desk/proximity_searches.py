"""Twenty searches of 500 m in a local copy: ours, QGIS's algorithm, and NumPy over arrays that it has already."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qgis.core import QgsApplication, QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer

from ...qgis_plugin.core.points import PointSource
from ...qgis_plugin.core.proximity import Place, SearchFilter, search
from ..measuring import Contender, Kind, Measure, in_turns
from .application import answer

RADIUS = 500
SEARCHES = 20
_SEED = 7
Counts = dict[str, int]


def measure(arguments: dict[str, Any]) -> list[Measure]:
    """One measure: all searches, one after another; all three ways have to count the same."""
    layer = QgsVectorLayer(f"{arguments['copy']}|layername={arguments['layer']}", "incidents", "ogr")
    source = PointSource(layer)
    points = source.read()
    centres = _centres(points.eastings, points.northings)
    run_algorithm = _processing()

    def ours(east: int, north: int) -> Counts:
        place = Place(f"Point {east}, {north}", east, north, "A point")
        found = search([source], place, [RADIUS], SearchFilter()).datasets[0]
        return {row.label: row.counts[0] for row in found.rows}

    def algorithm(east: int, north: int) -> Counts:
        centre = QgsVectorLayer("Point?crs=EPSG:27700", "centre", "memory")
        feature = QgsFeature()
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(east, north)))
        centre.dataProvider().addFeature(feature)
        inputs = {"INPUT": layer, "REFERENCE": centre, "DISTANCE": RADIUS, "OUTPUT": "memory:"}
        result = run_algorithm("native:extractwithindistance", inputs)["OUTPUT"]
        return dict(Counter(found["category"] for found in result.getFeatures()))

    def brute(east: int, north: int) -> Counts:
        inside = (points.eastings - east) ** 2 + (points.northings - north) ** 2 <= RADIUS**2
        names, counts = np.unique(points.categories[inside], return_counts=True)
        return dict(zip(names.tolist(), counts.tolist()))

    _must_agree([ours, algorithm, brute], centres)

    def contender(name: str, kind: Kind, way: Callable[[int, int], Counts]) -> Contender:
        return Contender(name, kind, lambda _folder: [way(east, north) for east, north in centres])

    return [
        in_turns(
            f"{SEARCHES} searches of {RADIUS} m by category in a local copy of {source.rows:,} rows",
            [
                contender("core.proximity.search", Kind.OURS, ours),
                Contender(
                    "counting what has no place", Kind.PART, lambda _folder: [source.count_unplaced() for _ in centres]
                ),
                contender("native:extractwithindistance", Kind.PEER, algorithm),
                contender("NumPy over all rows, already in memory", Kind.LIMIT, brute),
            ],
            Path(arguments["scratch"]),
            rounds=5,
            note="All three find the same counts. Ours also counts the rows without a place, which no index answers.",
        )
    ]


def _centres(eastings: np.ndarray, northings: np.ndarray) -> list[tuple[int, int]]:
    """Half of them on incidents, half anywhere between the outermost incidents."""
    random = np.random.default_rng(_SEED)
    on = random.integers(0, len(eastings), SEARCHES // 2)
    anywhere = zip(
        random.integers(eastings.min(), eastings.max(), SEARCHES // 2).tolist(),
        random.integers(northings.min(), northings.max(), SEARCHES // 2).tolist(),
    )
    return [*zip(eastings[on].tolist(), northings[on].tolist()), *anywhere]


def _processing() -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """QGIS's own ``processing.run``, which lies among its plugins."""
    sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))
    import processing
    from processing.core.Processing import Processing

    Processing.initialize()
    return processing.run


def _must_agree(ways: list[Callable[[int, int], Counts]], centres: list[tuple[int, int]]) -> None:
    for east, north in centres:
        first, *others = [way(east, north) for way in ways]
        if any(other != first for other in others):
            raise RuntimeError(f"The ways to search disagree around {east}, {north}: {first}, {others}.")


if __name__ == "__main__":
    answer(measure)
