"""How long QGIS's event loop waits during a pull, an update and a search for hotspots: whether anybody notices."""

from __future__ import annotations

from .job import Outcome, Place
from .measuring import UnmeasurableError
from .prepared import DATASET, USER


def measure(place: Place) -> Outcome:
    """The year's layer on a map: updated by a correction, pulled anew, searched for hotspots, again and again."""
    servers = place.servers
    server = servers.copy_of(servers.published, place.scratch / "server")
    store = place.scratch / "store"
    try:
        with server.serving() as url:
            known = {
                "url": url,
                "user": USER,
                "password": servers.password,
                "dataset": DATASET,
                "store": store,
                "scratch": place.scratch,
                "year": servers.year,
            }
            place.desk.measure("event_loops", **known, first=True)
            server.command("load", DATASET, "--accept-withdrawals", str(servers.correction))
            server.command("publish", DATASET)
            measures, versions = place.desk.measure("event_loops", **known, first=False)
    except UnmeasurableError as reason:
        return Outcome(skipped=[f"QGIS while a layer is updated: {reason}."])
    return Outcome(measures, versions=versions)
