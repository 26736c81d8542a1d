"""Bringing a copy of a million rows up to date: ours beside pygeodiff applying exactly the same change."""

from __future__ import annotations

from .invented_changes import ADDED, CHANGED, MOVED, UPDATED, WITHDRAWN
from .invented_releases import InventedReleases
from .job import Outcome, Place
from .measuring import UnmeasurableError
from .prepared import DATASET, USER

ROWS = 1_000_000


def measure(place: Place) -> Outcome:
    """Three releases, one after another, each pulled by a desk that has the one before it."""
    server = place.servers.empty("updating")
    releases = InventedReleases.begin(server, ROWS)
    server.command("publish", DATASET)
    usual = f"{UPDATED:,} rows changed ({MOVED:,} of them moved), {ADDED:,} new, {WITHDRAWN:,} withdrawn"
    outcome = Outcome()
    try:
        with server.serving() as url:
            known = {
                "url": url,
                "user": USER,
                "password": place.servers.password,
                "dataset": DATASET,
                "store": place.scratch / "store",
                "scratch": place.scratch,
                "peers": place.server_python,
            }
            place.desk.measure("updates", **known, job="")
            for job, change in (
                (f"{usual}, all in one of twelve months", releases.change_one_month),
                (f"{usual}, scattered over twelve months", releases.change_all_months),
                (f"a new month of {CHANGED:,} rows", releases.add_a_month),
            ):
                change()
                server.command("publish", DATASET)
                measures, versions = place.desk.measure("updates", **known, job=f"Of about {ROWS:,} rows: {job}")
                outcome.measures += measures
                outcome.versions |= versions
    except UnmeasurableError as reason:
        outcome.skipped.append(f"Updates: {reason}.")
    return outcome
