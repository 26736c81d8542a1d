"""Load, publish and recall, killed at each statement, write, rename and removal in turn, and run again.

Real commands in processes of their own, which SIGKILL ends: what a crash leaves is what SQLite, PostgreSQL and the file
system make of it. Statements are counted in SQLAlchemy, the rest by the library of tests/end_to_end/faults.c. The
suite tries some moments, `make test-slow` all of them and leaves its figures in build/faults/.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import PACKAGE_ROOT, Part, Settings
from safestats.tests.end_to_end.faults import COMPILER, build
from safestats.tests.server.crash_rig import Runner, Seen, a_copy, audited, everything, opened, seen
from safestats.tests.server.engines import ENGINE, copied
from safestats.tests.server.ingest_rig import street_csv
from safestats.tests.server.recall_rig import GONE, RecallRig, gone, rows

KINDS = ("statement", "write", "rename", "unlink", "truncate", "open")
FIGURES = PACKAGE_ROOT / "build" / "faults"
REASON = "A court order of the ninth of November."
# How many moments of a kind the suite tries; of a recall's writes, most of them the rewriting of the database's file,
# `make test-slow` tries each so many-th.
_SOME = 3
_STEPS = {("recall", "write"): 7}

pytestmark = pytest.mark.timeout(7200)


@dataclass(frozen=True)
class Stage:
    """What a command begins with, and what it comes to where nothing disturbs it."""

    settings: Settings
    words: tuple[str, ...]
    before: Seen
    after: Seen
    outcome: dict
    events: list[str]
    calls: dict[str, int]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    made = Runner(build(tmp_path_factory.mktemp("library")) if COMPILER else None)
    yield made
    made.close()


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory, runner: Runner) -> dict[str, Stage]:
    folder = tmp_path_factory.mktemp("stages")
    rig = RecallRig.published(folder / "published" / "server", count=3)
    corrected = [row.replace("Burglary", "Drugs") for row in rows("2023-06", count=2)]
    month = [*corrected, *rows("2023-06", gone("2023-06", street=""), count=3)[2:]]
    file = street_csv(folder / "2023-06-street.csv", *month)
    rig.services.close()
    published = rig.services.settings
    staged = copied(published, folder / "staged" / "server")
    services = open_services(staged, Part.PUBLISHER)
    RecallRig(services).load(file, *month)
    services.close()
    recalling = ("recall", "mps", "--incident", GONE, "--reason", REASON, "--yes")
    return {
        "load": _stage(runner, folder, published, ("load", "mps", str(file))),
        "publish": _stage(runner, folder, staged, ("publish", "mps")),
        "recall": _stage(runner, folder, staged, recalling),
    }


def _stage(runner: Runner, folder: Path, settings: Settings, words: tuple[str, ...]) -> Stage:
    with opened(settings) as services:
        before = seen(services, "mps")
    with a_copy(settings, folder / "undisturbed") as server:
        ended = runner.run(server, words)
        assert ended.status == 0 and not ended.killed, ended.said
        with opened(server) as services:
            whole, events = audited(services)
            assert whole
            after, outcome = seen(services, "mps"), everything(services, "mps")
    return Stage(settings, words, before, after, outcome, events, ended.calls)


def _moments(stage: Stage, kind: str, every: bool) -> list[int]:
    last = stage.calls.get(kind, 0)
    if every or last <= _SOME:
        return list(range(1, last + 1, _STEPS.get((stage.words[0], kind), 1) if every else 1))
    return sorted({round(1 + n * (last - 1) / (_SOME - 1)) for n in range(_SOME)})


def _tried(runner: Runner, folder: Path, stage: Stage, kind: str, number: int) -> str:
    """Kill the command at that moment, look, run it again, and compare; what was seen in between."""
    with a_copy(stage.settings, folder / f"{kind}-{number}") as server:
        ended = runner.run(server, stage.words, kind, number, torn=kind == "write" and number % 2 == 0)
        if not ended.killed:
            assert ended.status == 0, ended.said
        with opened(server) as services:
            between = seen(services, "mps")
        assert not between.unsound, (kind, number, between.unsound)
        assert (between.release, between.rows) in (
            (stage.before.release, stage.before.rows),
            (stage.after.release, stage.after.rows),
        ), (kind, number, between)
        # A recall alone takes files away before it makes others: what lacks one is being prepared, never half there.
        assert not between.preparing or stage.words[0] == "recall", (kind, number)
        if ended.killed:
            ended = runner.run(server, stage.words)
        # Killed when all was done: there is nothing left to recall, and it says so.
        done = "there is nothing to recall" in ended.said
        assert (ended.status == 0 or done) and not ended.killed and ended.said.strip(), (kind, number, ended.said)
        with opened(server) as services:
            found, last, (whole, events) = everything(services, "mps"), seen(services, "mps"), audited(services)
        for what, expected in stage.outcome.items():
            assert found[what] == expected, (kind, number, what)
        assert last == stage.after
        # What was recorded right before its transaction was lost is recorded again with the next one.
        assert whole and set(events) == set(stage.events), (kind, number)
        assert not Counter(stage.events) - Counter(events)
        assert (Counter(events) - Counter(stage.events)).total() <= 1
        return "old" if between.release == stage.before.release else "new"


def _loop(runner: Runner, tmp_path: Path, stage: Stage, kind: str, every: bool) -> dict[str, int]:
    if kind != "statement" and not COMPILER:
        pytest.skip("there is no C compiler to build the faults with")
    came: Counter[str] = Counter()
    for number in _moments(stage, kind, every):
        came[_tried(runner, tmp_path, stage, kind, number)] += 1
    return {"tried": came.total(), "old": came["old"], "new": came["new"], "calls": stage.calls.get(kind, 0)}


@pytest.mark.parametrize("what", ["load", "publish", "recall"])
@pytest.mark.parametrize("kind", ["statement", "write", "rename"])
def test_some_moments(runner: Runner, stages: dict[str, Stage], tmp_path: Path, what: str, kind: str) -> None:
    assert _loop(runner, tmp_path, stages[what], kind, every=False)["calls"] or kind == "rename"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["load", "publish", "recall"])
def test_every_moment(runner: Runner, stages: dict[str, Stage], tmp_path: Path, what: str, kind: str) -> None:
    figures = _loop(runner, tmp_path, stages[what], kind, every=True)
    FIGURES.mkdir(parents=True, exist_ok=True)
    path = FIGURES / f"crash-{ENGINE}.json"
    told = json.loads(path.read_text()) if path.exists() else {}
    told[f"{what} {kind}"] = figures
    path.write_text(json.dumps(told, indent=1, sort_keys=True))
