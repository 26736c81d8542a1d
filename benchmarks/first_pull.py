"""The first pull of a layer over the loopback address: ours beside the bare transfer of the same bytes."""

from __future__ import annotations

import secrets

from .job import Outcome, Place
from .measuring import UnmeasurableError
from .programs import Server

_DATASET = "mps"
_SCALE = 2  # of the sample: about 180,000 incidents of the Met's
_USER = "analyst"


def measure(place: Place) -> Outcome:
    """A synthetic year is loaded and published, then pulled by the plugin's own code inside QGIS."""
    server = Server(place.root, place.scratch / "server")
    password = secrets.token_urlsafe(12)
    sample = place.scratch / "sample"
    server.command("init")
    server.command("sample-data", str(sample), "--scale", str(_SCALE))
    server.command("load", _DATASET, *map(str, sorted((sample / _DATASET).iterdir())))
    server.command("org", "add", "desk", "An Organisation")
    server.command("user", "add", _USER, "--org", "desk", "--password-stdin", stdin=f"{password}\n")
    agreement = ["--org", "desk", "--dataset", _DATASET, "--from", "2024-01-01", "--to", "2099-12-31"]
    server.command("agreement", "add", "DSA-BENCH", *agreement)
    grant = ["--areas", "london,unplaced,outside", "--fields", "core,area,location,place", "--precision", "point"]
    server.command("agreement", "grant", "DSA-BENCH", *grant)
    server.command("agreement", "activate", "DSA-BENCH")
    server.command("publish", _DATASET)
    try:
        with server.serving() as url:
            measures, versions = place.desk.measure(
                "first_pulls", url=url, user=_USER, password=password, dataset=_DATASET, scratch=place.scratch
            )
    except UnmeasurableError as reason:
        return Outcome(skipped=[f"First pull: {reason}."])
    return Outcome(measures, versions=versions)
