"""What happened around a place, in a local copy of a year of the Met's: our search beside QGIS's and bare NumPy."""

from __future__ import annotations

from ..sync_server.publishing.geopackage import POINT, write_geopackage
from .incidents import LAYER, met_rows
from .job import MANY_ROWS, Outcome, Place
from .measuring import UnmeasurableError


def measure(place: Place) -> Outcome:
    """Measured inside QGIS, on the file that a pull of such a layer would bring."""
    copy = place.scratch / f"{LAYER}.gpkg"
    write_geopackage(copy, LAYER, met_rows(MANY_ROWS, place.resources), POINT, spatial_index=True)
    try:
        measures, versions = place.desk.measure("proximity_searches", copy=copy, layer=LAYER, scratch=place.scratch)
    except UnmeasurableError as reason:
        return Outcome(skipped=[f"Proximity search: {reason}."])
    return Outcome(measures, versions=versions)
