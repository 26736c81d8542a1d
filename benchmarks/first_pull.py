"""The first pull of a year of the Met's: from the request to a layer in QGIS, beside bare bytes and other writers."""

from __future__ import annotations

from .job import Outcome, Place
from .measuring import UnmeasurableError
from .prepared import DATASET, USER


def measure(place: Place) -> Outcome:
    """Pulled over the loopback address by the plugin's own code inside QGIS."""
    servers = place.servers
    try:
        with servers.published.serving() as url:
            measures, versions = place.desk.measure(
                "first_pulls",
                url=url,
                user=USER,
                password=servers.password,
                dataset=DATASET,
                year=servers.year,
                scratch=place.scratch,
                peers=place.server_python,
            )
    except UnmeasurableError as reason:
        return Outcome(skipped=[f"First pull: {reason}."])
    return Outcome(measures, versions=versions)
