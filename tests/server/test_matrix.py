"""The matrix: whatever was agreed, whoever asks and however, the answers are the oracle's and tell nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from safestats.tests.server.matrix_checks import check_everything
from safestats.tests.server.matrix_rig import MatrixRig
from safestats.tests.server.matrix_worlds import DATASETS, World, worlds

QUICK_WORLDS = 24
MANY_WORLDS = 2_000
_HOUR = 3600


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixRig]:
    made = MatrixRig(tmp_path_factory.mktemp("matrix"), DATASETS)
    yield made
    made.close()


def look_at(rig: MatrixRig, world: World) -> None:
    """Ask everything, as everybody, at the start and after each change."""
    state = rig.begin(world)
    callers = rig.callers(world)
    moments = [None, *world.changes]
    for turn, change in enumerate(moments):
        if change is not None:
            state = rig.apply(world, state, change)
        last = turn == len(moments) - 1
        files = world.sync and last
        # At each moment somebody else; at the last one everybody.
        asking = callers if files else [callers[turn % len(callers)]]
        for number, caller in enumerate(asking):
            look = turn + number + len(state.agreements)
            check_everything(rig, state, caller, turn=look, files=files, all_datasets=last)


# Worlds are small as drawn, and each takes its time: shrinking one would take minutes.
_QUIETLY = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "database": None,
    "phases": (Phase.generate,),
    "report_multiple_bugs": False,
}


@settings(max_examples=int(os.environ.get("SAFESTATS_TEST_WORLDS", QUICK_WORLDS)), **_QUIETLY)
@given(world=worlds())
def test_some_worlds(rig: MatrixRig, world: World) -> None:
    look_at(rig, world)


@pytest.mark.slow
@pytest.mark.timeout(2 * _HOUR)
@settings(max_examples=MANY_WORLDS, **_QUIETLY)
@given(world=worlds())
def test_thousands_of_worlds(rig: MatrixRig, world: World) -> None:
    look_at(rig, world)
