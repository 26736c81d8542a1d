"""What happened around a place, in a local copy of three years of the Met's; and around three thousand premises."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pyarrow as pa

from ..shared.postcodes import POSTCODES_FILE
from ..sync_server.publishing.geopackage import POINT, write_geopackage
from .incidents import LAYER, met_rows
from .job import MANY_ROWS, Outcome, Place
from .measuring import UnmeasurableError

YEARS = (2023, 2024, 2025)
PREMISES = 3_000
_SEED = 11


def measure(place: Place) -> Outcome:
    """Measured inside QGIS, on the file that a pull of such a layer would bring."""
    copy, premises = place.scratch / f"{LAYER}.gpkg", place.scratch / "premises.csv"
    rows = pa.concat_tables([met_rows(MANY_ROWS, place.resources, year) for year in YEARS])
    write_geopackage(copy, LAYER, rows, POINT, spatial_index=True)
    _write_premises(premises, place.resources / POSTCODES_FILE)
    measures, versions = [], {}
    skipped = []
    for name in ("proximity_searches", "premises_lists"):
        arguments = {"copy": copy, "layer": LAYER, "premises": premises, "scratch": place.scratch}
        try:
            done, versions = place.desk.measure(name, **arguments)
            measures += done
        except UnmeasurableError as reason:
            skipped.append(f"Proximity search: {reason}.")
    return Outcome(measures, skipped, versions)


def _write_premises(path: Path, postcodes: Path) -> None:
    """So many postcodes of London, the same in every run."""
    with gzip.open(postcodes, "rt", encoding="ascii", newline="") as file:
        london = [row["postcode"] for row in csv.DictReader(file) if row["lsoa"] and int(row["quality"]) < 60]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "postcode"])
        chosen = random.Random(_SEED).sample(london, PREMISES)
        writer.writerows([f"Invented premises {number}", code] for number, code in enumerate(chosen, start=1))
