"""Whichever system call of a pull fails, or is its last: the old copy or the new one stands, whole, and the next try
goes on from where it stopped. The calls fail by a preloaded library (faults.c); server, plugin and files are real.
"""

from __future__ import annotations

import errno
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safestats.tests.end_to_end.fault_stage import CHUNK_BYTES, Stage
from safestats.tests.end_to_end.faults import FAULTS, Fault, Kind, Outcome, Plan, Trial, trials
from safestats.tests.end_to_end.rig import ROOT

pytestmark = pytest.mark.timeout(900)  # whoever comes first prepares the stage, on a busy machine too

SCENARIOS = {
    "first": "whole",
    "months": "updated",
    "whole": "whole",
    "unchanged": "unchanged",
}  # and the kind of a pull that runs clean
FIGURES = ROOT / "build" / "faults"
# A transport hands on what has come in pieces of so much; what a broken line leaves of one is lost.
PIECE_BYTES = 64 * 1024
# Status lines and headers differ by a little from one answer to another.
HEAD_BYTES = 1500
SHARES = (0.3, 1.0)  # of a clean run's calls: where the quick tests let one fail
# Of an update's hundreds of writes, each fails and each is the last one; of the other ways, each seventh is tried.
EACH = (FAULTS[0], FAULTS[2])
MANY, STRIDE = 100, 7
KEPT_FILES = re.compile(
    r"state\.json(\.new)?|lock(\.rmlock)?|[a-z]+-r\d+-[0-9a-f]{8}\.gpkg|.+\.part(-journal|-wal|-shm)?"
)
# A folder out of which nothing can be deleted keeps its lock: told as another QGIS at work.
ON_DISK = (Kind.WRITE, Kind.SYNC, Kind.RENAME, Kind.TRUNCATE, Kind.OPEN)
ADVICE = ("pull again", "try again", "tell the safestats team", "your it team")


@pytest.fixture(scope="module")
def clean(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
    """A pull without a fault, by scenario: how many calls of each kind it makes, and how many bytes it takes."""
    done = {}
    for name, scenario in stage.scenarios.items():
        (done[name],) = trials(
            stage.library, tmp_path_factory.mktemp(name), scenario, [Plan(FAULTS[0], numbers=(0,), before=True)]
        )
    return done


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_pull_that_is_to_fail_is_the_one_meant(stage: Stage, clean: dict[str, Trial], name: str) -> None:
    once, again = clean[name].tries
    assert (once.kind, again.kind) == (SCENARIOS[name], "unchanged")
    assert [state.digest for state in clean[name].states] == [stage.old[name], stage.new, stage.new]
    if name == "unchanged":
        assert stage.old[name] == stage.new
        return
    assert stage.old[name] != stage.new
    assert all(once.calls[kind] for kind in Kind), dict(zip(Kind, once.calls))
    assert clean[name].states[0].missing > 2 * CHUNK_BYTES


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_here_and_there(stage: Stage, clean: dict[str, Trial], tmp_path: Path, name: str) -> None:
    calls = clean[name].tries[0].calls
    plans = [
        Plan(
            replace(fault, again=False),
            numbers=tuple(sorted({max(1, round(share * calls[fault.kind])) for share in SHARES})),
        )
        for fault in FAULTS
        if calls[fault.kind]  # of a pull that finds nothing new, most kinds have no call that could fail
    ]
    judge(stage, clean, name, trials(stage.library, tmp_path, stage.scenarios[name], plans), f"quick-{name}")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_fault_until_a_pull_runs_clean(
    stage: Stage, clean: dict[str, Trial], tmp_path: Path, name: str, fault: Fault
) -> None:
    many = clean[name].tries[0].calls[fault.kind] > MANY and fault not in EACH
    plan = Plan(fault, step=STRIDE if many else 1)
    done = judge(stage, clean, name, trials(stage.library, tmp_path, stage.scenarios[name], [plan]), f"{name}-{fault}")
    assert done and not done[-1].fired and all(trial.fired for trial in done[:-1])
    assert done[-1].tries[0].kind == SCENARIOS[name]


def judge(stage: Stage, clean: dict[str, Trial], name: str, done: Iterable[Trial], title: str) -> list[Trial]:
    """Note figures and sentences in build/faults, then fail the test with all that was not as it must be."""
    old, new = stage.old[name], stage.new
    whole = clean[name].states[0].missing
    overhead = clean[name].tries[0].received - whole + HEAD_BYTES
    seen, wrong = [], []
    for trial in done:
        seen.append(trial)
        wrong += [
            f"{name}, {trial.fault} {trial.number}: {words}" for words in _wrong(trial, old, new, whole, overhead)
        ]
    outcomes = Counter(f"{each.fault.kind.name.lower()}: {_came_of(each, old)}" for each in seen if each.fired)
    sentences = sorted({each.sentence for trial in seen for each in trial.tries if each.sentence})
    FIGURES.mkdir(parents=True, exist_ok=True)
    (FIGURES / f"{title}.json").write_text(
        json.dumps({"points": sum(t.fired for t in seen), "outcomes": outcomes, "sentences": sentences}, indent=1)
    )
    assert not wrong, "\n".join(wrong)
    return seen


def _wrong(trial: Trial, old: str, new: str, whole: int, overhead: int) -> Iterator[str]:
    fault = trial.fault
    for one, state in zip(trial.tries, trial.states):
        if one.unexpected:
            yield f"no sentence but {one.unexpected}"
        if one.killed and fault.outcome not in (Outcome.KILL, Outcome.TORN):
            yield "the process ended"
        if one.sentence:
            yield from _wrong_in(one.sentence, fault)
        if state.digest not in (old, new):
            yield f"the rows are neither the old nor the new ones: {state}"
        if one.kind and state.digest != new:
            yield f"it says “{one.kind}” and the rows are not the new ones: {state}"
        if state.wrong:
            yield f"the copy is broken: {state.wrong}"
        if strange := [file for file in state.files if not KEPT_FILES.fullmatch(file)]:
            yield f"files that nobody knows: {strange}"
        kept = whole - state.missing
        if one.received and not one.kind and fault.kind in (Kind.RECEIVE, Kind.SYNC, Kind.RENAME):
            arrived = one.received - overhead
            if state.digest != new and kept < arrived - CHUNK_BYTES - PIECE_BYTES:
                yield f"{arrived} bytes came and only {kept} were kept"
    last, before, end = trial.tries[-1], trial.states[-2], trial.states[-1]
    if last.error or last.killed or end.digest != new:
        yield f"the next try did not complete: {last}"
    if last.received > before.missing + overhead:
        yield f"the next try fetched {last.received} bytes and {before.missing} were missing"
    if left := [file for file in end.files if not re.fullmatch(r"state\.json|.+\.gpkg", file)]:
        yield f"left behind: {left}"


def _wrong_in(sentence: str, fault: Fault) -> Iterator[str]:
    if not sentence.endswith(".") or re.search(r"\[?Errno|Traceback|Error\b|sqlite|0x", sentence):
        yield f"not a sentence for people: {sentence}"
    if not any(advice in sentence.lower() for advice in ADVICE):
        yield f"it does not say what to do: {sentence}"
    # SQLite opens a file that it cannot open for writing to read it instead, and then knows no more than that.
    sqlite_reads = fault.kind is Kind.OPEN and "readonly database" in sentence
    if fault.error == errno.ENOSPC and not sqlite_reads and "disk is full" not in sentence:
        yield f"a full disk told as: {sentence}"
    if fault.kind in ON_DISK and not re.search("cannot be written to|could not be written", sentence):
        yield f"a bad disk told as: {sentence}"
    if fault.kind in (Kind.RECEIVE, Kind.SEND) and not re.search(
        "broke off|No server answers|did not answer|was cut before", sentence
    ):
        yield f"a broken line told as: {sentence}"


def _came_of(trial: Trial, old: str) -> str:
    first = trial.tries[0]
    stands = "old copy" if trial.states[0].digest == old else "new copy"
    return f"{'killed' if first.killed else 'told' if first.error else 'got over'}, {stands}"
