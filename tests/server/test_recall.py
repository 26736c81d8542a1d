"""Incidents withdrawn for good: gone from tables, files and everybody's sight, and never loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.recall.choosing import Named
from safestats.sync_server.recall.models import RecallState
from safestats.sync_server.recall.service import again, plan, recall
from safestats.tests.server.ingest_rig import held, rejected, releases
from safestats.tests.server.recall_rig import GONE, RecallRig, gone, rows

REASON = "A court order of the ninth of November."
ONE = Named(incidents=(GONE,))


@pytest.fixture
def rig(tmp_path: Path) -> RecallRig:
    return RecallRig.published(tmp_path / "server")


def test_every_version_goes_and_a_new_release_shows_the_rest(rig: RecallRig) -> None:
    services = rig.services
    told = plan(services, "mps", ONE)
    assert (told.extent.incidents, told.extent.versions, told.extent.months) == (1, 2, {"2023-05": 2})
    assert told.extent.agreements == ("DSA-1",) and told.extent.first_release == 1
    before = len(held(services, "mps"))
    done = recall(services, "mps", ONE, REASON)
    assert done.state == RecallState.DONE and done.release == 3
    assert releases(services, "mps") == [(1, "published"), (2, "published"), (3, "published")]
    assert len(held(services, "mps")) == before - 1 == len(held(services, "mps", 3))
    assert not any(GONE in str(row.content) for row in rejected(services))
