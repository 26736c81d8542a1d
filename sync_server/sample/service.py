"""Makes a folder of synthetic deliveries of all datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import SafeStatsError
from ..progress import ReportsProgress, silent
from .ambulance import write_ambulances
from .buses import write_buses
from .city import City, build_city
from .denominators import write_denominators
from .fire import write_fire
from .hospital_styles import STYLES
from .hospitals import write_correction, write_identifying, write_returns
from .police import write_city, write_met, write_railways
from .river import write_launches
from .treatment import write_treatment
from .vehicles import write_vehicles

ISTV, NDTMS = "istv", "ndtms"
DENOMINATORS = "denominators"  # the folder beside those of the datasets

# Rows of a year at scale 1, the Met's at about a tenth of what really happens. The order decides each one's stream.
YEARLY_ROWS = {
    "mps": 90_000,
    "colp": 9_000,
    "btp": 16_000,
    "lfb": 12_000,
    "rnli": 900,
    "las": 12_000,
    "lfb_mobilisations": 18_000,
    "tfl": 6_000,
    "ndtms": 1_584,
    "istv": 8_000,
}
_WRITERS = {
    "mps": write_met,
    "colp": write_city,
    "btp": write_railways,
    "lfb": write_fire,
    "rnli": write_launches,
    "las": write_ambulances,
    "lfb_mobilisations": write_vehicles,
    "tfl": write_buses,
    "ndtms": write_treatment,
}
_README = """SYNTHETIC DATA

Every incident in this folder is made up by `safestats sample-data --year {year} --seed {seed} --scale {scale}`.
Nothing here happened, and nobody was counted for what rates divide by ("denominators"). The forms are those in which
the suppliers deliver; the postcodes and boroughs are real, the street and station names, the incidents and their
numbers are not. Of hospitals, names, codes and postcodes are real,
their workbooks and habits are not. Files under "truth" tell what was meant, for tests: no loader reads them.
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

    Those of hospitals are in a folder a hospital; what is true of them is in ``folder/truth``, a month that is sent
    again in ``folder/corrected``, and a workbook that must be stopped in ``folder/refused``. What rates divide by is
    in ``folder/denominators``. The same arguments give the same bytes. Raises ``SafeStatsError`` where a file is
    already there.
    """
    if scale <= 0:
        raise SafeStatsError(f"The scale is {scale}: it must be above 0.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*YEARLY_ROWS, DENOMINATORS):
        (folder / name).mkdir(exist_ok=True)
        if any((folder / name).iterdir()):
            raise SafeStatsError(f"{folder / name} is not empty: name a new folder for the synthetic files.")
    (folder / "README.txt").write_text(_README.format(year=year, seed=seed, scale=scale), encoding="utf-8")
    rows = {dataset: max(12, round(number * scale)) for dataset, number in YEARLY_ROWS.items()}
    rows[NDTMS] = YEARLY_ROWS[NDTMS]  # boroughs, periods and groups, however many people
    progress("Making synthetic files", 0, len(rows))
    city = build_city(resources, np.random.default_rng(seed))
    for number, (dataset, count) in enumerate(rows.items()):
        # Each dataset draws from a stream of its own: the scale of one does not change another.
        if dataset == ISTV:
            _write_hospitals(folder, resources, year, seed, count, city)
        else:
            _WRITERS[dataset](folder / dataset, year, count, city, np.random.default_rng([seed, number]))
        progress("Making synthetic files", number + 1, len(rows))
    write_denominators(folder / DENOMINATORS, year, city, np.random.default_rng([seed, len(rows)]))
    return rows


def _write_hospitals(folder: Path, resources: Path, year: int, seed: int, count: int, city: City) -> None:
    a_month = count / 12 / sum(style.size for style in STYLES)
    truth = folder / "truth"
    write_returns(folder / ISTV, truth / ISTV, city, resources, year, range(1, 13), seed, a_month)
    corrected = folder / "corrected"
    write_correction(corrected / ISTV, truth / "corrected" / ISTV, city, resources, year, 3, seed, a_month)
    write_identifying(folder / "refused" / ISTV, year, 3)
