"""The outcome of what is sent: every byte, a range, or a connection that broke."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safestats.sync_server.audit.events import EventType
from safestats.sync_server.audit.sending import AuditedFileResponse
from safestats.tests.server.audit_rig import AuditRig

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

SIZE = 3_000_000


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[AuditRig]:
    made = AuditRig(tmp_path / "server")
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "slice"
    path.write_bytes(bytes(range(256)) * (SIZE // 256 + 1))
    return path


async def get(response: AuditedFileResponse, range_: str = "", hangs_up_after: int = 0) -> int:
    """How many bytes a client got, which may hang up when it has so many."""
    got = 0
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal got
        if hangs_up_after and got >= hangs_up_after:
            gone.set()
            raise OSError("the client has gone")
        got += len(message.get("body", b""))

    headers = [(b"range", range_.encode())] if range_ else []
    scope = {
        "type": "http", "method": "GET", "headers": headers, "path": "/",
        "extensions": {"http.response.pathsend": {}},
    }  # fmt: skip
    try:
        await response(scope, receive, send)
    except* OSError:
        assert hangs_up_after
    return got


def test_every_way_in_which_sending_ends(rig: AuditRig, file: Path) -> None:
    intent = rig.log.intent(EventType.LAYER_PULL, actor="a1", dataset="mps", rows=7, session="s1")

    def fetch(part: str, **how: Any) -> int:
        def ended(completed: bool, sent: int) -> None:
            rig.log.outcome(intent, completed=completed, part=part, bytes=sent, rows=7)

        return asyncio.run(get(AuditedFileResponse(file, ended=ended), **how))

    size = file.stat().st_size
    assert fetch("whole") == size
    assert fetch("range", range_="bytes=100-299") == 200
    got = fetch("broken", hangs_up_after=1)
    assert 0 < got < size
    assert fetch("whole") == size  # told once
    told = [event.body for event in rig.log.events() if event.body["event"] == "delivery.end"]
    assert [(body["of"], body["outcome"], body["filter"]) for body in told] == [
        (intent, "ok", {"part": "whole", "bytes": size}),
        (intent, "ok", {"part": "range", "bytes": 200}),
        (intent, "broken-off", {"part": "broken", "bytes": got}),
    ]


def test_bytes_that_have_left_are_no_error_when_the_audit_fails_after_them(rig: AuditRig, file: Path) -> None:
    intent = rig.log.intent(EventType.LAYER_PULL, actor="a1")

    def ended(completed: bool, sent: int) -> None:
        rig.log.store.close()
        rig.log.outcome(intent, completed=completed, bytes=sent)

    assert asyncio.run(get(AuditedFileResponse(file, ended=ended))) == file.stat().st_size
