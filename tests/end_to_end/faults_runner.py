"""The process with the preloaded library: for each trial it forks a child for every pull and every look at the disk.

Started by ``faults.trials`` with its order as JSON; writes each ``Trial`` as a line of JSON. It never pulls itself,
so that each child begins as fresh as a QGIS that was just started.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safestats.shared import manifest as contract
from safestats.tests.end_to_end.faults import COPIES, Fault, Kind, Scenario, State, Trial, Try, bound

ORDER = json.loads(sys.argv[1])
SCENARIO = Scenario(**ORDER["scenario"])
# The server that made the files was started with the same: chunks so small that a small layer has many.
contract.CHUNK_BYTES = SCENARIO.chunk_bytes

from safestats.qgis_plugin.core.errors import DeskError  # noqa: E402
from safestats.qgis_plugin.core.local_store import LocalStore  # noqa: E402
from safestats.qgis_plugin.core.network import DIRECT, ProxySearch  # noqa: E402
from safestats.qgis_plugin.core.pull import pull_layer  # noqa: E402
from safestats.qgis_plugin.core.transport import Transport  # noqa: E402
from safestats.tests.end_to_end.soundness import faults_of, row_digests, rows_digest  # noqa: E402

LIBRARY = bound(Path(ORDER["library"]))
TIMEOUT_S = 60


class Direct:
    """A network without proxies, with the system's authorities."""

    def proxy_search(self, url: str) -> ProxySearch:
        return ProxySearch(lambda: (DIRECT,))

    def trusted_authorities(self) -> str:
        return ""


class MonthsOnly:
    """The transport to a server whose whole-layer file is not there yet, as soon after publishing."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def get_json(self, *args: Any, **options: Any) -> dict[str, Any]:
        return {**self._transport.get_json(*args, **options), "snapshot": None}


def connect() -> Any:
    transport = Transport(SCENARIO.url, Direct(), "0.1.0")
    transport.use_token(SCENARIO.token)
    return transport if SCENARIO.snapshot else MonthsOnly(transport)


def in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What ``work`` returned in a forked child; ``None`` where it was killed."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(TIMEOUT_S)
        try:
            answer = work()
        except BaseException:
            answer = {"crash": traceback.format_exc()}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answered = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if not answered:
        return {"crash": f"the child ended with status {status} (a signal, perhaps after {TIMEOUT_S} s)"}
    return json.loads(answered)


def attempt(root: Path, fault: Fault | None, number: int) -> Try:
    """Pull into the store ``root``; the Nth call of the fault's kind fails."""

    def work() -> dict[str, Any]:
        transport = connect()
        account = LocalStore(root).account(SCENARIO.url, SCENARIO.username)
        how = (fault.kind, fault.outcome, fault.error, number, fault.lasting) if fault else (0, 0, 0, 0, 0)
        LIBRARY.faults_arm(str(root).encode(), *how)
        answer: dict[str, Any] = {}
        try:
            answer["kind"] = pull_layer(transport, account, SCENARIO.dataset, lambda *_: None, lambda: False).kind.value
        except DeskError as error:
            answer |= {"error": error.code, "sentence": error.sentence}
        except BaseException:
            answer["unexpected"] = traceback.format_exc()
        LIBRARY.faults_disarm()
        answer["calls"] = [LIBRARY.faults_calls(kind) for kind in Kind]
        return answer | {"fired": LIBRARY.faults_fired(), "received": LIBRARY.faults_received()}

    answer = in_child(work)
    if answer is None:
        return Try(killed=True)
    return Try(unexpected=answer["crash"]) if "crash" in answer else Try(**answer)


def look(root: Path) -> State:
    """What is on the disk now."""

    def work() -> dict[str, Any]:
        account = LocalStore(root).account(SCENARIO.url, SCENARIO.username)
        copy = account.copy(SCENARIO.dataset)
        folder = account.folder / SCENARIO.dataset
        files = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        state: dict[str, Any] = {"files": files, "missing": missing(folder, copy)}
        if copy is not None:
            wrong = faults_of(copy.path)
            if copy.manifest.rows != len(row_digests(copy.path)):
                wrong.append(f"the state announces {copy.manifest.rows} rows")
            state |= {"digest": rows_digest(copy.path), "path": copy.path.name, "wrong": wrong}
        return state

    answer = in_child(work)
    if answer is None or "crash" in answer:
        return State(wrong=(f"the state cannot be read: {answer}",))
    return State(**answer)


def missing(folder: Path, copy: Any) -> int:
    """The bytes of the downloads that no leading proved chunk in a ``*.part`` file holds."""
    manifest = contract.Manifest.from_json(OFFERED)
    held = {each.name for each in copy.manifest.slices} if copy is not None else set()
    if {each.name for each in manifest.slices} == held:
        return 0
    wanted = [manifest.snapshot] if manifest.snapshot else [s for s in manifest.slices if s.name not in held]
    lacking = 0
    for artefact in wanted:
        found = [path.read_bytes() for path in folder.glob(f"*{artefact.name}*.gz.part")] or [b""]
        lacking += artefact.size - max(proved(content, artefact) for content in found)
    return lacking


def offered() -> dict[str, Any]:
    """The server's manifest, which stays the same all along."""
    answer = in_child(lambda: connect().get_json(f"/v1/layers/{SCENARIO.dataset}/manifest"))
    assert answer is not None and "crash" not in answer, answer
    return answer


def proved(content: bytes, artefact: contract.Artefact) -> int:
    length = 0
    for digest in artefact.chunks:
        chunk = content[length : min(length + SCENARIO.chunk_bytes, artefact.size)]
        if not chunk or hashlib.sha256(chunk).hexdigest() != digest:
            break
        length += len(chunk)
    return length


def trial(root: Path, fault: Fault, number: int, before: bool) -> Trial:
    """Fault, look, once more where the fault comes again, then a try without a fault and a last look."""
    shutil.rmtree(root, ignore_errors=True)
    if SCENARIO.template:
        shutil.copytree(SCENARIO.template, root)
    else:
        root.mkdir()
    tries, states = [], [look(root)] if before else []
    for _ in range(2 if fault.again else 1):
        tries.append(attempt(root, fault, number))
        states.append(look(root))
    tries.append(attempt(root, None, 0))
    states.append(look(root))
    return Trial(fault, number, tuple(tries), tuple(states))


OFFERED = offered()


def main() -> None:
    root = Path(ORDER["folder"]) / COPIES
    for given in ORDER["plans"]:
        fault = Fault.of(given["fault"])
        for number in given["numbers"] or itertools.count(1, given["step"]):
            done = trial(root, fault, number, given["before"])
            print(json.dumps(asdict(done)), flush=True)
            if not given["numbers"] and not done.fired:
                break


if __name__ == "__main__":
    main()
