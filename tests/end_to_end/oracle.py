"""What each agreement opens, worked out a second time: from the server's tables as they lie on the disk, with
geometry and arithmetic of its own. Nothing of the server's code is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qgis.core import QgsGeometry, QgsVectorLayer
from safestats.tests.end_to_end.rig import ROOT, ServerFolder

CAMDEN, CITY = "E09000007", "E09000001"
EDGE_M = 1000
GRID_M = 250

_BOUNDARIES = ROOT / "resources" / "boundaries" / "london-lsoa-2011.gpkg"
_CORE = {
    "police": ("category",),
    "lfb": (
        *("occurred_on", "occurred_time", "hour", "weekday", "incident_group", "stop_code", "special_service"),
        *("property_category", "property_type", "pumps"),
    ),
    "rnli": (
        *("occurred_on", "hour", "weekday", "casualty_category", "casualty", "casualty_type", "activity"),
        *("service_outcome", "station"),
    ),
}
_AREA = ("borough_code", "borough", "lsoa_code")
_LOCATION = ("easting", "northing", "location_method", "precision_m")
_POLICE = ("month", *_AREA, *_LOCATION, *_CORE["police"], "street")
_WITHOUT_STREET = _POLICE[:-1]
_AREAS_ONLY = ("month", *_AREA, *_CORE["police"])
_FIRE = ("month", *_AREA, *_LOCATION, *_CORE["lfb"], "postcode_district", "station_ground")
_LAUNCH_AREAS = ("month", *_AREA, *_CORE["rnli"], "area_method")
_LAUNCH = ("month", *_AREA, *_LOCATION, *_CORE["rnli"], "area_method")


@dataclass(frozen=True)
class Right:
    """What one organisation may have of one dataset: all of London or a borough, its columns, how exactly."""

    organisation: str
    dataset: str
    borough: str  # empty: all of London, and what lies outside
    edge: bool
    unplaced: bool
    columns: tuple[str, ...]
    precision: str  # point, grid or area

    def __str__(self) -> str:
        return f"{self.organisation}-{self.dataset}"


RIGHTS = (
    *(Right("camden", dataset, CAMDEN, True, False, _POLICE, "point") for dataset in ("mps", "colp", "btp")),
    Right("city", "mps", CITY, True, False, _WITHOUT_STREET, "grid"),
    Right("city", "colp", CITY, True, True, _POLICE, "point"),
    Right("city", "btp", CITY, False, False, _AREAS_ONLY, "area"),
    *(Right("gla", dataset, "", False, True, _POLICE, "point") for dataset in ("mps", "colp", "btp")),
    Right("gla", "lfb", "", False, True, _FIRE, "point"),
    Right("city", "rnli", CITY, True, False, _LAUNCH_AREAS, "area"),
    Right("gla", "rnli", "", False, True, _LAUNCH, "point"),
)

Place = tuple  # easting and northing, or nothing where there is no point
Row = tuple[Place, tuple[Any, ...]]


def expected(folder: ServerFolder, right: Right) -> dict[int, Row]:
    """Feature id → (place, values of the columns) of the rows that the right opens."""
    return {row[f"fid_{right.precision}"]: _seen(row, right) for row in permitted(folder, right)}


def permitted(folder: ServerFolder, right: Right) -> list[dict[str, Any]]:
    """The rows of the table that the right opens, with all their columns, hidden ones too."""
    near = edge(right.borough) if right.edge else frozenset()
    found = []
    for row in published(folder, right.dataset):
        if row["easting"] is None and row["lsoa_code"] is None:
            open_ = right.unplaced
        elif not right.borough:
            open_ = True
        else:
            open_ = row["borough_code"] == right.borough or row["lsoa_code"] in near
        if open_:
            found.append(row)
    return found


@lru_cache
def published(folder: ServerFolder, dataset: str) -> tuple[dict[str, Any], ...]:
    """The rows of the newest published release, read once: ask when nothing more is to be published."""
    (newest,) = folder.query(
        "SELECT max(number) AS number FROM release WHERE dataset = ? AND state = 'published'", dataset
    )
    rows = folder.query(f"SELECT * FROM incident_{dataset}")
    release = newest["number"]
    return tuple(
        row
        for row in rows
        if row["from_release"] <= release and (row["to_release"] is None or row["to_release"] > release)
    )


@lru_cache
def edge(borough: str) -> frozenset[str]:
    """The LSOAs within the edge of a borough's outline, its own among them."""
    layer = QgsVectorLayer(f"{_BOUNDARIES}|layername=borough", "boroughs", "ogr")
    (outline,) = (QgsGeometry(f.geometry()) for f in layer.getFeatures() if f["code"] == borough)
    lsoas = QgsVectorLayer(f"{_BOUNDARIES}|layername=lsoa", "lsoas", "ogr")
    around = outline.boundingBox().buffered(EDGE_M + 1)
    return frozenset(
        feature["code"] for feature in lsoas.getFeatures(around) if feature.geometry().distance(outline) <= EDGE_M
    )


def _seen(row: dict[str, Any], right: Right) -> Row:
    seen = dict(row)
    placed = row["easting"] is not None
    if right.precision == "grid" and placed:
        for name in ("easting", "northing"):
            seen[name] = row[name] // GRID_M * GRID_M + GRID_M // 2
        seen["precision_m"] = max(GRID_M, row["precision_m"] or 0)
        seen["location_method"] = "grid"
    place = (seen["easting"], seen["northing"]) if placed and right.precision != "area" else ()
    return place, tuple(seen[name] for name in right.columns)
