"""Makes a folder of synthetic deliveries of all five datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import SafeStatsError
from ..progress import ReportsProgress, silent
from .city import build_city
from .fire import write_fire
from .police import write_city, write_met, write_railways
from .river import write_launches

# Rows of a year at scale 1, the Met's at about a tenth of what really happens.
YEARLY_ROWS = {"mps": 90_000, "colp": 9_000, "btp": 16_000, "lfb": 12_000, "rnli": 900}
_WRITERS = {"mps": write_met, "colp": write_city, "btp": write_railways, "lfb": write_fire, "rnli": write_launches}
_README = """SYNTHETIC DATA

Every incident in this folder is made up by `safestats sample-data --year {year} --seed {seed} --scale {scale}`.
Nothing here happened. The forms are those in which the suppliers deliver; the postcodes and boroughs are real, the
street and station names, the incidents and their numbers are not.
"""


def make_sample(
    folder: Path,
    resources: Path,
    year: int,
    seed: int,
    scale: float,
    progress: ReportsProgress = silent,
) -> dict[str, int]:
    """Write ``folder/<dataset>/synthetic-…`` files; returns about how many rows each dataset has.

    The same arguments give the same bytes. Raises ``SafeStatsError`` where a file is already there.
    """
    if scale <= 0:
        raise SafeStatsError(f"The scale is {scale}: it must be above 0.")
    folder.mkdir(parents=True, exist_ok=True)
    for dataset in YEARLY_ROWS:
        (folder / dataset).mkdir(exist_ok=True)
        if any((folder / dataset).iterdir()):
            raise SafeStatsError(f"{folder / dataset} is not empty: name a new folder for the synthetic files.")
    (folder / "README.txt").write_text(_README.format(year=year, seed=seed, scale=scale), encoding="utf-8")
    rows = {dataset: max(12, round(number * scale)) for dataset, number in YEARLY_ROWS.items()}
    progress("Making synthetic files", 0, len(rows))
    city = build_city(resources, np.random.default_rng(seed))
    for number, (dataset, count) in enumerate(rows.items()):
        # Each dataset draws from a stream of its own: the scale of one does not change another.
        _WRITERS[dataset](folder / dataset, year, count, city, np.random.default_rng([seed, number]))
        progress("Making synthetic files", number + 1, len(rows))
    return rows
