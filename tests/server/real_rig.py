"""Real deliveries loaded and published, beside what a few lines with csv, json and zipfile say that one must see.

Of the project's code the expectations use nothing but the code lists. Positions go through the same transformation
(OSTN15), areas through shapely on the boundaries' file.
"""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyogrio
import shapely
from convertbng.cutil import convert_bng
from safestats.sync_server.agreements.grants import GrantTerms, add_grant
from safestats.sync_server.agreements.models import Precision
from safestats.sync_server.agreements.readable import readable
from safestats.sync_server.agreements.scope import live_scopes
from safestats.sync_server.agreements.service import activate, draft, sign
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.datasets.definitions import FieldGroup, layer_fields
from safestats.sync_server.identity.service import add_organisation
from safestats.sync_server.instants import london_today
from safestats.sync_server.publishing.models import LayerSlice
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.agreements_rig import DETAILS, REMIT, record_supplied_terms
from safestats.tests.server.engines import settings_for
from sqlalchemy import select

_BOUNDARIES = Settings().resources_dir / "boundaries" / "london-lsoa-2011.gpkg"
DATASETS = ("mps", "colp", "btp", "lfb", "rnli")  # those of which there are real files that bear places
_NO_PLACES = {"", "No Location", "No location"}


def real_server(folder: Path) -> Services:
    """An empty server on which one organisation may have everything of the datasets."""
    services = open_services(settings_for(folder), Part.PUBLISHER)
    create_schema(services.database)
    today = london_today()
    until = today + timedelta(days=365)
    with services.database.write() as session:
        load_supplied_areas(session, _BOUNDARIES)
        record_supplied_terms(services, session)
    with services.database.write() as session:
        gla = add_organisation(session, "gla", "Greater London Authority", remit=REMIT)
        for dataset in DATASETS:
            definition = services.definitions[dataset]
            groups = {field.group for field in layer_fields(definition)}
            everything = tuple(group for group in FieldGroup if group in groups)
            grant = GrantTerms(("london", "unplaced", "outside"), everything, Precision.POINT)
            agreement = draft(services, session, COMMAND_LINE, f"GLA-{dataset}", gla, dataset, today, until, DETAILS)
            add_grant(services, session, COMMAND_LINE, agreement, grant)
            sign(services, session, COMMAND_LINE, agreement, "A. Director")
            activate(services, session, COMMAND_LINE, agreement)
    return services


def visible(services: Services, dataset: str, *columns: str, period: str | None = None) -> list[tuple[Any, ...]]:
    """These columns of the published rows, through the agreement on all of London."""
    with services.database.read() as session:
        (scope,) = live_scopes(session, dataset, services.definitions, london_today())
        assert scope.release > 0, "nothing is published"
        rows = readable(scope, period).subquery()
        return [tuple(row) for row in session.execute(select(*(rows.c[name] for name in columns)))]


def slices(services: Services, dataset: str) -> dict[str, str]:
    """Period → the name of its slice."""
    with services.database.read() as session:
        found = session.scalars(select(LayerSlice).where(LayerSlice.dataset == dataset))
        return {entry.period: entry.artefact for entry in found}


class RowSet:
    """Rows in no order, as their number and the sum of their hashes: equal sets have equal values."""

    def __init__(self, rows: Iterable[tuple[Any, ...]] = ()) -> None:
        self.number = self.total = 0
        for row in rows:
            digest = hashlib.blake2b("\x1f".join(map(str, row)).encode(), digest_size=16).digest()
            self.number += 1
            self.total = (self.total + int.from_bytes(digest, "big")) % (1 << 128)

    def __add__(self, other: RowSet) -> RowSet:
        both = RowSet()
        both.number, both.total = self.number + other.number, (self.total + other.total) % (1 << 128)
        return both

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowSet) and (self.number, self.total) == (other.number, other.total)

    def __repr__(self) -> str:
        return f"{self.number:,} rows {self.total:032x}"


POLICE_COLUMNS = ("month", "category", "street", "x", "y")


def met_rows(path: Path, labels: dict[str, str]) -> list[tuple[Any, ...]]:
    """A month's answers of the API: each id of the force's once."""
    with zipfile.ZipFile(path) as archive:
        entries = [entry for name in archive.namelist() for entry in json.loads(archive.read(name) or b"[]")]
    own = {entry["id"]: entry for entry in entries if entry["location_type"] == "Force"}
    return _police(
        (row["month"], labels[row["category"]], row["location"]["street"]["name"], *_degrees(row["location"]))
        for row in own.values()
    )


def city_rows(path: Path) -> list[tuple[Any, ...]]:
    """A month of the City's CSV: rows with an id once by what is held of them, rows without one each."""
    rows = [(row["Crime ID"], *_street_row(row)) for row in csv_rows(path)]
    named = {row: None for row in rows if row[0]}
    return _police(row[1:] for row in [*named, *(row for row in rows if not row[0])])


def railway_rows(path: Path) -> list[tuple[Any, ...]]:
    """A month of the railways' CSV: each row of London, by its code or by its place."""
    rows = list(csv_rows(path))
    near = metres_from_london([float(row["Longitude"]) for row in rows], [float(row["Latitude"]) for row in rows])
    known = _codes()
    london = [row for row, metres in zip(rows, near, strict=True) if row["LSOA code"] in known or metres <= 100]
    return _police(map(_street_row, london))


FIRE_COLUMNS = ("occurred_on", "occurred_time", "hour", "incident_group", "stop_code", "pumps", "x", "y")


def fire_rows(path: Path) -> dict[str, tuple[Any, ...]]:
    """A file of the Brigade's by incident number, under either form of its headers."""
    rows = {}
    for raw in csv_rows(path):
        row = {key.replace("_", "").lower(): value.strip() for key, value in raw.items()}
        form = "%Y-%m-%d" if "-" in row["dateofcall"] else "%d %b %Y"
        place = (row["eastingm"], row["northingm"])
        if not all(place):
            place = (row["eastingrounded"], row["northingrounded"])
        rows[row["incidentnumber"]] = (
            datetime.strptime(row["dateofcall"], form).date(),
            row["timeofcall"][:5],
            int(row["hourofcall"]),
            row["incidentgroup"],
            row["stopcodedescription"],
            int(float(row["numpumpsattending"])) if row["numpumpsattending"] else None,
            *(round(float(metres)) for metres in place),
        )
    return rows


RNLI_COLUMNS = ("occurred_on", "hour", "station", "casualty", "service_outcome", "x", "y")


def launch_rows(path: Path) -> list[tuple[Any, ...]]:
    """The launches to within 500 m of London."""
    rows = list(csv_rows(path))
    places = [[float(row[name]) for row in rows] for name in ("X_dest", "Y_dest")]
    near = metres_from_london(*places)
    found = []
    for row, metres in zip(rows, near, strict=True):
        if metres <= 500:
            at = datetime.fromisoformat(row["DateOfLaunch"]).astimezone(ZoneInfo("Europe/London"))
            what = (row["Station"].capitalize(), row["AIC"], row["OutcomeOfService"])
            found.append((at.date(), at.hour, *what, *_grid(float(row["X_dest"]), float(row["Y_dest"]))))
    return found


def csv_rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def metres_from_london(longitudes: list[float], latitudes: list[float]) -> np.ndarray:
    """How far each place lies from the nearest area, infinite off the National Grid."""
    eastings, northings = (np.rint(c) for c in convert_bng(np.array(longitudes), np.array(latitudes)))
    tree = shapely.STRtree(_shapes())
    placed = np.flatnonzero(~np.isnan(eastings))
    points = shapely.points(eastings[placed], northings[placed])
    indices, distances = tree.query_nearest(points, return_distance=True, all_matches=False)
    found = np.full(len(longitudes), np.inf)
    found[placed[indices[0]]] = distances
    return found


def multiset(rows: Iterable[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(map(str, row)) for row in rows)


def _street_row(row: dict[str, str]) -> tuple[str, ...]:
    return (row["Month"], row["Crime type"], row["Location"], row["Longitude"], row["Latitude"])


def _degrees(location: dict[str, Any]) -> tuple[str, str]:
    return location["longitude"], location["latitude"]


def _police(rows: Iterable[tuple[str, ...]]) -> list[tuple[Any, ...]]:
    found = []
    for month, category, location, longitude, latitude in rows:
        street = location.removeprefix("On or near").strip()
        place = _grid(float(longitude), float(latitude)) if longitude and latitude else (None, None)
        found.append((month, category, None if street in _NO_PLACES else " ".join(street.split()), *place))
    return found


@cache
def _grid(longitude: float, latitude: float) -> tuple[int, int]:
    eastings, northings = convert_bng(np.array([longitude]), np.array([latitude]))
    return int(np.rint(eastings[0])), int(np.rint(northings[0]))


@cache
def _shapes() -> np.ndarray:
    meta, table = pyogrio.read_arrow(_BOUNDARIES, layer="lsoa")
    return shapely.from_wkb(table.column(meta["geometry_name"] or "wkb_geometry").to_pylist())


@cache
def _codes() -> frozenset[str]:
    return frozenset(pyogrio.read_arrow(_BOUNDARIES, layer="lsoa", read_geometry=False)[1]["code"].to_pylist())
