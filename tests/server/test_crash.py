"""Load, publish, recall, roll back and a supplier's file: broken off at each step in turn, and run again.

What a crash leaves is what SQLite, PostgreSQL and the file system make of it. Statements are counted in SQLAlchemy, the
rest by the library of tests/end_to_end/faults.c. The suite kills processes at some moments, with SIGKILL. `make
test-slow` walks through each command once: at every moment it stands still while the disk, which is as SIGKILL would
leave it, is read. The command is run again on each state that differs; figures go to build/faults/.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safestats.sync_server.datasets.models import Area
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import PACKAGE_ROOT, Part, Settings
from safestats.tests.end_to_end.faults import COMPILER, build
from safestats.tests.server.crash_rig import Look, Runner, States, a_copy, bytes_that_stayed, look, said_by
from safestats.tests.server.engines import ENGINE, copied
from safestats.tests.server.ingest_rig import street_csv
from safestats.tests.server.recall_rig import GONE, SECRET, RecallRig, gone, rows
from safestats.tests.server.sync_rig import PLACES
from sqlalchemy import delete

COMMANDS = ("load", "publish", "recall", "rollback", "supply")
FIGURES = PACKAGE_ROOT / "build" / "faults"
# How many moments of a kind the suite tries, evenly spaced.
_SOME = {"statement": 2, "torn": 2, "rename": 1}

pytestmark = pytest.mark.timeout(7200)


@dataclass(frozen=True)
class Stage:
    """What a command begins with, and what it comes to where nothing disturbs it.

    ``told_by`` is what tells how far it came. Typed again it says ``again`` where all was done, ``resumed`` where it
    was begun, else what it says undisturbed. Where it must not be begun anew, ``follow`` is typed instead.
    ``planted`` is in no file when it is through.
    """

    settings: Settings
    words: tuple[str, ...]
    told_by: str
    before: Look
    after: Look
    calls: dict[str, int]
    first: str
    again: str
    resumed: str
    follow: tuple[str, ...]
    planted: bytes


@dataclass(frozen=True)
class Trial:
    """What was seen between the crash and the second try, and what was not as it must be."""

    came: str  # “old”, “new”, or “missed”: the command ended before that moment
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """The Nth of a kind; ``image`` is what was on the disk, ``said`` what the command had said."""

    kind: str
    number: int
    image: Path
    said: str

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


@dataclass
class State:
    """What several moments leave alike. Of SQLite's own files the first and the last differ most."""

    first: Moment
    last: Moment
    moments: Counter[str]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    made = Runner(build(tmp_path_factory.mktemp("library")) if COMPILER else None)
    yield made
    made.close()


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory, runner: Runner) -> dict[str, Stage]:
    """Two releases of three months, and a month that is new, changed, known, withdrawn, twice and unfit by turns."""
    folder = tmp_path_factory.mktemp("stages")
    rig = RecallRig.published(folder / "published" / "server", count=3)
    _keep_few_areas(rig)
    plain = rows("2023-06", count=3)
    month = [plain[0].replace("Burglary", "Drugs"), plain[1], plain[1], gone("2023-13"), gone("2023-06", street="")]
    file = street_csv(folder / "2023-06-street.csv", *month)
    rig.services.close()
    published = rig.services.settings.model_copy(update={"resources_dir": _one_dataset(folder / "resources")})
    staged = copied(published, folder / "staged" / "server").model_copy(
        update={"resources_dir": published.resources_dir}
    )
    services = open_services(staged, Part.PUBLISHER)
    RecallRig(services).load(file, *month, accept_withdrawals=True)
    services.close()
    (folder / "supply").mkdir()
    fuller = street_csv(folder / "supply" / "2023-06-street.csv", *month, plain[2])
    publish = ("publish", "mps")
    recall = ("recall", "mps", "--incident", GONE, "--reason", "A court order of the ninth of November.", "--yes")
    resumed = "mps: what was asked for was broken off before; it is finished now."
    load = ("load", "mps", str(file), "--accept-withdrawals")
    return {
        "load": _stage(runner, folder, published, load, "deliveries"),
        "publish": _stage(runner, folder, staged, publish, "releases"),
        "recall": _stage(runner, folder, staged, recall, "recalls", resumed=resumed, planted=SECRET.encode()),
        "rollback": _stage(runner, folder, published, ("rollback", "mps"), "releases", follow=publish),
        "supply": _stage(runner, folder, published, ("supply", "mps", str(fuller)), "receipts"),
    }


def _one_dataset(folder: Path) -> Path:
    """What comes with the server, of the declared datasets only the one that is worked with."""
    shutil.copytree(PACKAGE_ROOT / "resources", folder)
    for path in folder.glob("datasets/*.toml"):
        if path.stem != "mps":
            path.unlink()
    return folder


def _keep_few_areas(rig: RecallRig) -> None:
    """Most of a small server's file are areas, and a recall writes the file anew, page by page."""
    codes = [code for borough, (_, lsoa, *_) in PLACES.items() for code in (borough, lsoa, "E01000863")]
    with rig.services.database.write() as session:
        session.execute(delete(Area).where(Area.code.not_in(codes)))
    if rig.services.settings.embedded:
        with rig.services.database.engine.connect() as connection:
            connection.connection.execute("VACUUM")


def _stage(
    runner: Runner,
    folder: Path,
    settings: Settings,
    words: tuple[str, ...],
    told_by: str,
    *,
    resumed: str = "",
    follow: tuple[str, ...] = (),
    planted: bytes = b"",
) -> Stage:
    with a_copy(settings, folder / "undisturbed") as server:
        before = look(server, "mps")
        ended = runner.run(server, words)
        assert ended.status == 0 and not ended.killed, ended.said
        after = look(server, "mps")
        assert after.whole and after.held[told_by] != before.held[told_by]
        assert not planted or not bytes_that_stayed(server, planted)
        again = runner.run(server, follow or words)
    first = _report(ended.said)
    return Stage(
        settings,
        words,
        told_by,
        before,
        after,
        {**ended.calls, "torn": ended.calls.get("write", 0)},
        first,
        _report(again.said),
        resumed or first,
        follow,
        planted,
    )


def _report(said: str) -> str:
    """What a command said, without ids and numbers of files, which differ from run to run."""
    said = re.sub(r"\([\d,]+ files built, [^()]*\)", "(files)", said)
    return re.sub(r"\brecalls? [0-9a-f-]{8,}", "recall ID", said).strip()


def _tried(runner: Runner, folder: Path, stage: Stage, kind: str, number: int) -> Trial:
    """Kill the command at that moment, look, run it again, and compare."""
    with a_copy(stage.settings, folder / f"{kind}-{number}") as server:
        torn = kind == "torn"
        ended = runner.run(server, stage.words, "write" if torn else kind, number, torn)
        if ended.killed:
            return _again(runner, stage, server, ended.said)
        wrong = [] if _report(ended.said) == stage.first else [f"undisturbed it said: {ended.said}"]
        return Trial("missed", tuple(wrong + _wrong_after(stage, look(server, "mps"))))


def _again(runner: Runner, stage: Stage, server: Settings, said: str) -> Trial:
    """Look at what a killed command left, which had ``said`` so much; run it again, and compare."""
    between = look(server, "mps")
    wrong = _wrong_between(stage, said, between)
    begun = between.held[stage.told_by] != stage.before.held[stage.told_by]
    done = between.held[stage.told_by] == stage.after.held[stage.told_by]
    words = stage.follow if begun and stage.follow else stage.words
    ended = runner.run(server, words)
    expected = stage.again if done else stage.resumed if begun else stage.first
    if words == stage.words and _report(ended.said) != expected:
        wrong.append(f"typed again it said: {ended.said}")
    if not ended.said.strip() or ended.killed or (ended.status and words != stage.words):
        wrong.append(f"typed again: {ended}")
    found = look(server, "mps")
    if found.held["open jobs"]:
        # What was broken off is the worker's, who finds that it was done meanwhile.
        ended = runner.run(server, ("take_up",))
        wrong += [f"the worker: {ended}"] if ended.status or ended.killed else []
        found = look(server, "mps")
    stayed = bytes_that_stayed(server, stage.planted) if stage.planted else []
    wrong += [f"{name} still holds what was recalled" for name in stayed]
    came = "old" if between.seen.release == stage.before.seen.release else "new"
    return Trial(came, tuple(wrong + _wrong_after(stage, found)))


def _wrong_between(stage: Stage, said: str, between: Look) -> list[str]:
    wrong = [f"between: {name} is not whole" for name in between.seen.unsound]
    if between.seen.rows not in [
        each.seen.rows for each in (stage.before, stage.after) if each.seen.release == between.seen.release
    ]:
        wrong.append(f"between: neither the old rows nor the new: {between.seen}")
    # A recall alone takes files away before it makes others: what lacks one is being prepared, never half there.
    if between.seen.preparing and stage.words[0] != "recall":
        wrong.append("between: a file is missing")
    if between.held["checks"] != stage.before.held["checks"]:
        wrong.append(f"between: {between.held['checks']}")
    if stage.first.splitlines()[-1] in _report(said) and between.held[stage.told_by] != stage.after.held[stage.told_by]:
        wrong.append(f"it told of what was not done: {said}")
    return wrong


def _wrong_after(stage: Stage, found: Look) -> list[str]:
    wrong = [
        f"{what}: {_shown(found.held[what])} instead of {_shown(expected)}"
        for what, expected in stage.after.held.items()
        if found.held[what] != expected
    ]
    if found.seen != stage.after.seen:
        wrong.append(f"seen: {found.seen} instead of {stage.after.seen}")
    # What was recorded right before its transaction was lost is recorded again with the next one.
    more, fewer = (
        Counter(found.events) - Counter(stage.after.events),
        Counter(stage.after.events) - Counter(found.events),
    )
    if not found.whole or fewer or more.total() > 1 or set(more) - set(stage.after.events):
        wrong.append(f"audit: whole {found.whole}, too many {dict(more)}, too few {dict(fewer)}")
    return wrong


def _shown(value: Any) -> str:
    return str(value)[:600]


@pytest.mark.parametrize("what", COMMANDS)
def test_some_moments(runner: Runner, stages: dict[str, Stage], tmp_path: Path, what: str) -> None:
    """Killed in earnest."""
    came: Counter[str] = Counter()
    for kind, most in _SOME.items() if COMPILER else [("statement", _SOME["statement"])]:
        for number in _spread(stages[what].calls.get(kind, 0), most):
            trial = _tried(runner, tmp_path, stages[what], kind, number)
            assert not trial.wrong, "\n".join((f"{kind} {number}, {trial.came}:", *trial.wrong))
            came[trial.came] += 1
    assert came["old"] + came["new"] > came["missed"]


def _spread(last: int, most: int) -> list[int]:
    """Numbers from 1 to ``last``, the last one among them."""
    return sorted({max(1, round(last * n / most)) for n in range(1, most + 1)}) if last else []


@pytest.mark.skipif(not COMPILER, reason="there is no C compiler to build the faults with")
@pytest.mark.parametrize("what", ["publish", "recall"])
def test_what_is_read_at_a_standstill_is_what_a_kill_leaves(
    runner: Runner, stages: dict[str, Stage], tmp_path: Path, what: str
) -> None:
    until = ("torn", stages[what].calls["torn"] // 2)
    with a_copy(stages[what].settings, tmp_path / "walked") as server:
        states, read = States(server), ""
        for moment in runner.walk(server, stages[what].words, until):
            read = states.now() if moment == until else ""
        assert read and states.now() == read


@pytest.mark.slow
@pytest.mark.parametrize("what", COMMANDS)
def test_every_moment(runner: Runner, stages: dict[str, Stage], tmp_path: Path, what: str) -> None:
    """Walked through: what each moment leaves is read, and the command typed again on all that differs."""
    if not COMPILER:
        pytest.skip("there is no C compiler to build the faults with")
    stage, began = stages[what], time.monotonic()
    left = _walked(runner, tmp_path, stage)
    trials = [
        (moment, state.moments, _on_what_was_left(runner, tmp_path, stage, moment))
        for state in left
        for moment in {state.first, state.last}
    ]
    wrong = ["\n    ".join((f"{moment}, {trial.came}:", *trial.wrong)) for moment, _, trial in trials if trial.wrong]
    figures = {
        "moments": sum((state.moments for state in left), Counter()),
        "states": len(left),
        "typed again": len(trials),
        "wrong": len(wrong),
        "seconds": round(time.monotonic() - began, 1),
    }
    FIGURES.mkdir(parents=True, exist_ok=True)
    path = FIGURES / f"crash-{ENGINE}.json"
    told = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**told, what: figures}, indent=1, sort_keys=True))
    assert not wrong, "\n".join(wrong)


def _walked(runner: Runner, folder: Path, stage: Stage) -> list[State]:
    """Walk through the command: the states that its moments leave, told apart."""
    found: dict[str, State] = {}
    with a_copy(stage.settings, folder / "walked") as server:
        states = States(server)
        for kind, number in runner.walk(server, stage.words):
            digest = states.now()
            known = digest in found
            image = folder / f"left-{list(found).index(digest) if known else len(found)}-{'last' if known else 'first'}"
            moment = Moment(kind, number, image, said_by(server).read_text())
            if server.embedded:
                states.keep(image)
            state = found.setdefault(digest, State(moment, moment, Counter()))
            state.last = moment
            state.moments[kind] += 1
    return list(found.values())


def _on_what_was_left(runner: Runner, folder: Path, stage: Stage, moment: Moment) -> Trial:
    """Run the command again on that; PostgreSQL's server goes on, so there it is killed in earnest first."""
    if not stage.settings.embedded:
        return _tried(runner, folder, stage, moment.kind, moment.number)
    server = stage.settings.model_copy(update={"data_dir": moment.image / "server"})
    return _again(runner, stage, server, moment.said)
