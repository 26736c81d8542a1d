"""Pulls in which one system call goes wrong: what is to fail, the process that tries it, and what came of it."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("faults.c")
RUNNER = Path(__file__).with_name("faults_runner.py")
COPIES = "copies"  # the store, in the folder of a run of trials
COMPILER = shutil.which("cc") or shutil.which("gcc")


class Kind(IntEnum):
    """The calls that are counted, as in faults.c."""

    WRITE = 0
    SYNC = 1
    RENAME = 2
    TRUNCATE = 3
    UNLINK = 4
    OPEN = 5
    RECEIVE = 6
    SEND = 7


class Outcome(IntEnum):
    """What becomes of the call, as in faults.c."""

    ERROR = 0
    KILL = 1
    TORN = 2
    SHORT = 3
    END = 4


@dataclass(frozen=True)
class Fault:
    """A kind of call and what becomes of it; ``lasting``: of all further ones too; ``again``: at the next try too."""

    kind: Kind
    outcome: Outcome
    error: int = 0
    lasting: bool = False
    again: bool = False

    @classmethod
    def of(cls, document: dict) -> Fault:
        """The fault that ``asdict`` made the document of."""
        return cls(**{**document, "kind": Kind(document["kind"]), "outcome": Outcome(document["outcome"])})

    def __str__(self) -> str:
        words = [self.kind.name.lower(), errno.errorcode.get(self.error, self.outcome.name.lower())]
        return "-".join([*words, *(["lasting"] if self.lasting else []), *(["again"] if self.again else [])])


FAULTS = (
    Fault(Kind.WRITE, Outcome.ERROR, errno.EIO),
    Fault(Kind.WRITE, Outcome.ERROR, errno.ENOSPC, lasting=True, again=True),
    Fault(Kind.WRITE, Outcome.KILL),
    Fault(Kind.WRITE, Outcome.TORN, again=True),
    Fault(Kind.WRITE, Outcome.SHORT),
    Fault(Kind.SYNC, Outcome.ERROR, errno.EIO, again=True),
    Fault(Kind.SYNC, Outcome.KILL),
    Fault(Kind.RENAME, Outcome.ERROR, errno.EIO),
    Fault(Kind.RENAME, Outcome.ERROR, errno.ENOSPC, lasting=True),
    Fault(Kind.RENAME, Outcome.KILL, again=True),
    Fault(Kind.TRUNCATE, Outcome.ERROR, errno.EIO, again=True),
    Fault(Kind.TRUNCATE, Outcome.KILL),
    Fault(Kind.UNLINK, Outcome.ERROR, errno.EACCES, lasting=True, again=True),
    Fault(Kind.UNLINK, Outcome.KILL),
    Fault(Kind.OPEN, Outcome.ERROR, errno.EACCES),
    Fault(Kind.OPEN, Outcome.ERROR, errno.ENOSPC, lasting=True),
    Fault(Kind.OPEN, Outcome.KILL, again=True),
    Fault(Kind.RECEIVE, Outcome.ERROR, errno.ECONNRESET, again=True),
    Fault(Kind.RECEIVE, Outcome.END),
    Fault(Kind.RECEIVE, Outcome.KILL),
    Fault(Kind.SEND, Outcome.ERROR, errno.ECONNRESET),
)


@dataclass(frozen=True)
class Try:
    """How one pull ended. ``kind`` is a ``PullKind``'s value; empty with ``error``, and where it was killed."""

    kind: str = ""
    error: str = ""  # the code of the DeskError
    sentence: str = ""
    unexpected: str = ""  # the traceback of anything that is no DeskError
    killed: bool = False
    fired: int = 0
    received: int = 0  # bytes over TCP, heads and all
    calls: tuple[int, ...] = ()  # by kind


@dataclass(frozen=True)
class State:
    """What is on the disk. ``digest`` is that of the copy's rows, empty where there is none."""

    digest: str = ""
    path: str = ""
    wrong: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    missing: int = 0  # bytes of what the pull downloads that no proved chunk on the disk holds


@dataclass(frozen=True)
class Trial:
    """The Nth call failed: each try with the fault, the state after each, then a try without and its state."""

    fault: Fault
    number: int
    tries: tuple[Try, ...]
    states: tuple[State, ...]

    @property
    def fired(self) -> bool:
        """Whether there was such a call at all."""
        return self.tries[0].killed or self.tries[0].fired > 0


@dataclass(frozen=True)
class Scenario:
    """What is pulled, from where, into which beginning. ``template`` is a store to begin with; empty: an empty one.

    ``snapshot``: whether the server's manifest keeps its whole-layer file; without it, months make the copy.
    """

    url: str
    token: str
    dataset: str
    username: str
    template: str
    snapshot: bool
    chunk_bytes: int


@dataclass(frozen=True)
class Plan:
    """The fault, and which calls: each of ``numbers``, or each ``step``-th from the first until a try runs clean.

    ``before``: begin the trial's states with how it was before the first try.
    """

    fault: Fault
    numbers: tuple[int, ...] = ()
    step: int = 1
    before: bool = False


def build(folder: Path) -> Path:
    """The library, compiled into ``folder``."""
    library = folder / "faults.so"
    command = [str(COMPILER), "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def bound(library: Path) -> ctypes.CDLL:
    """The library that is preloaded in this process, its functions typed."""
    faults = ctypes.CDLL(str(library))
    faults.faults_arm.argtypes = [ctypes.c_char_p, *[ctypes.c_int] * 3, ctypes.c_long, ctypes.c_int]
    faults.faults_moment.argtypes = [ctypes.c_char]
    for name in ("faults_calls", "faults_fired", "faults_received"):
        getattr(faults, name).restype = ctypes.c_long
    return faults


def trials(library: Path, folder: Path, scenario: Scenario, plans: Sequence[Plan]) -> Iterator[Trial]:
    """Try the plans in a process of its own; each trial as it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    order = {
        "library": str(library),
        "folder": str(folder),
        "scenario": asdict(scenario),
        "plans": [asdict(plan) for plan in plans],
    }
    log = folder / "runner.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, str(RUNNER), json.dumps(order)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "LD_PRELOAD": str(library)},
        ) as runner,
    ):
        assert runner.stdout is not None
        try:
            for line in runner.stdout:
                document = json.loads(line)
                yield Trial(
                    Fault.of(document["fault"]),
                    document["number"],
                    tuple(Try(**{**each, "calls": tuple(each["calls"])}) for each in document["tries"]),
                    tuple(
                        State(**{**each, "wrong": tuple(each["wrong"]), "files": tuple(each["files"])})
                        for each in document["states"]
                    ),
                )
        finally:
            runner.stdout.close()
            if runner.poll() is None:
                runner.terminate()
            runner.wait(20)
    assert runner.returncode in (0, -15), log.read_text(encoding="utf-8", errors="replace")[-3000:]
