"""Three thousand premises: a workbook and a zip of pages, beside bare SQL that only counts around the same places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import QgsVectorLayer

from ...qgis_plugin.core.borough_ranks import BoroughRanks
from ...qgis_plugin.core.coverage import CoverageMap
from ...qgis_plugin.core.local_store import LocalStore
from ...qgis_plugin.core.places import PlaceFinder
from ...qgis_plugin.core.points import PointSource
from ...qgis_plugin.core.premises import read_premises
from ...qgis_plugin.core.premises_batch import run_batch
from ...qgis_plugin.core.proximity_question import Question
from ...qgis_plugin.layouts.premises_page import PremisesPages
from ...shared.windows import Window
from ..measuring import Contender, Kind, Measure, in_turns
from .application import answer
from .proximity_searches import bare_sql

_LIST_S = 300
_ROUNDS = 3
_YEAR = Window("2025-01", "2025-12")


def measure(arguments: dict[str, Any]) -> list[Measure]:
    """One measure. Ours works the ranks of every borough out anew in each round."""
    file, listed = Path(arguments["copy"]), Path(arguments["premises"])
    layer = QgsVectorLayer(f"{file}|layername={arguments['layer']}", "incidents", "ogr")
    finder = PlaceFinder()
    places = [one.place for one in read_premises(listed, finder).premises]

    def ours(folder: Path) -> None:
        coverages, ranks = CoverageMap(), BoroughRanks(LocalStore(folder / "store"), finder)
        pages = PremisesPages(coverages.of(()), "Operational: not for publication.")
        sources = [PointSource(layer)]
        made = run_batch(listed, folder, sources, Question(window=_YEAR), finder, coverages, ranks, pages)
        if made.answered != len(places):
            raise RuntimeError(f"{made.answered} premises were answered, not {len(places)}: {made.rejected[:1]}.")

    def bare(_folder: Path) -> None:
        for place in places:
            bare_sql(file, arguments["layer"], place.easting, place.northing, 500)

    return [
        in_turns(
            f"{len(places):,} premises all over London in a local copy of {layer.featureCount():,} rows: a workbook, "
            "and a page each",
            [
                Contender("core.premises_batch.run_batch", Kind.OURS, ours, aim=_LIST_S),
                Contender("SQL on the index of the file: one ring, all years, counts alone", Kind.PEER, bare),
            ],
            Path(arguments["scratch"]),
            _ROUNDS,
            warm_up=False,
            note="Ours counts three rings in two years, three years by month, ranks each place among all postcodes of "
            "its borough, worked out anew, and draws the pages.",
        )
    ]


if __name__ == "__main__":
    answer(measure, windows=True)
