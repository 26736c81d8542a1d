"""A server with drawn years of three boroughs’ police incidents, and a synthetic year of ambulances and treatment."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import numpy as np
import shapely
from convertbng.cutil import convert_lonlat
from safestats.sync_server.agreements import profiles, service
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.identity.service import find_organisation
from safestats.sync_server.ingest.service import load
from safestats.sync_server.instants import london_today
from safestats.sync_server.sample.service import make_sample
from safestats.sync_server.services import Services
from safestats.tests.server import console_rig
from safestats.tests.server.ingest_rig import publish_now, street_csv, street_row

CAMDEN, HACKNEY, CITY = "E09000007", "E09000012", "E09000001"
TODAY = london_today()
YEARS = (2023, 2024, 2025)
MONTHS = [f"{year}-{month:02d}" for year in YEARS for month in range(1, 13)]
# A borough's residents, and their edition: made up.
RESIDENTS = {CAMDEN: 210_000, HACKNEY: 259_000, CITY: 8_600}
_CATEGORIES = {
    "Violence and sexual offences": 60,
    "Burglary": 25,
    "Robbery": 10,
    "Public order": 8,
    "Bicycle theft": 3,
    "Possession of weapons": 1,
    "Drugs": 1,
}


def load_world(services: Services, folder: Path) -> None:
    """Loaded and published, with an agreement of the GLA on all London and of Camden on its own area."""
    load_police(services, folder, rows_a_month=50)
    make_sample(folder / "sample", services.settings.resources_dir, 2025, 1, 0.2)
    for dataset in ("las", "ndtms"):
        load(services, dataset, sorted((folder / "sample" / dataset).iterdir()))
        agree(services, "gla", dataset, profiles.Profile.PAN_LONDON)
        publish_now(services, dataset)


def load_police(services: Services, folder: Path, rows_a_month: int) -> None:
    """The police's incidents alone."""
    rows = _rows(services, random.Random(1), rows_a_month)
    load(services, "mps", [street_csv(folder / "2025-12-metropolitan-street.csv", *rows)])
    agree(services, "gla", "mps", profiles.Profile.PAN_LONDON)
    agree(services, "camden", "mps", profiles.Profile.BOROUGH)
    publish_now(services, "mps")


def agree(services: Services, organisation: str, dataset: str, profile: profiles.Profile) -> str:
    """An agreement in force; its reference."""
    reference, today = f"DSA-{organisation}-{dataset}".upper(), london_today()
    with services.database.write() as session:
        home = find_organisation(session, organisation)
        until = today + timedelta(days=300)
        agreement = service.draft(
            services, session, COMMAND_LINE, reference, home, dataset, today, until, console_rig.DETAILS
        )
        profiles.apply_profile(services, session, COMMAND_LINE, agreement, profile)
        service.sign(services, session, COMMAND_LINE, agreement, "A. Director")
        service.activate(services, session, COMMAND_LINE, agreement)
    return reference


def _rows(services: Services, drawn: random.Random, rows_a_month: int) -> Iterable[str]:
    """Most of Camden's lie in few LSOAs; Hackney's everywhere; the City has a handful."""
    places = {code: _places(services, code) for code in (CAMDEN, HACKNEY, CITY)}
    for at, month in enumerate(MONTHS):
        for code, share in ((CAMDEN, 1.0), (HACKNEY, 0.8), (CITY, 0.02)):
            number = int(rows_a_month * share * (1 + 0.01 * at)) + drawn.randrange(3)
            for _ in range(number):
                lsoa = min(int(drawn.expovariate(0.12)), len(places[code]) - 1)
                (category,) = drawn.choices(list(_CATEGORIES), list(_CATEGORIES.values()))
                yield street_row(month=month, place=places[code][lsoa], category=category, force="mps")


def _places(services: Services, borough: str) -> list[tuple[str, str]]:
    lsoas = [code for code, one in services.areas.lsoas.items() if one.borough_code == borough]
    inner = shapely.point_on_surface(list(services.areas.lsoa_shapes(lsoas).values()))
    longitudes, latitudes = convert_lonlat(np.array(shapely.get_x(inner)), np.array(shapely.get_y(inner)))
    return [(f"{x:.6f}", f"{y:.6f}") for x, y in zip(longitudes, latitudes, strict=True)]


def denominators_csv(path: Path, rows: Iterable[tuple[object, ...]], *columns: str) -> Path:
    """A file of denominators."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns or ("kind", "edition", "source", "level", "code", "value"))
        writer.writerows(rows)
    return path
