"""Lines between a desk and a server that do harm in ways of their own; each counts what it carries."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from safestats.tests.end_to_end.rig import WAIT_SECONDS, LiveServer

BODY = b"\r\n\r\n"


@dataclass
class Answer:
    """What was carried of an answer so far, in bytes; ``offset`` in the file, of an artefact's."""

    offset: int | None
    carried: int = 0


class MeddlingLine:
    """A port that passes everything on, and keeps ``answers`` until it is told to ``forget`` them.

    ``meddle(offset, block)``, where set, gets each block of bodies of artefacts with its offset in the file, and
    returns what is carried instead.
    """

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.answers: list[Answer] = []
        self.meddle: Callable[[int, bytes], bytes] | None = None
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def lead_to(self, server: LiveServer) -> None:
        """Lead to another server from now on; what is connected is cut."""
        self.server = server
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    @property
    def begun(self) -> list[int]:
        """The offsets of the artefacts' answers."""
        return [answer.offset for answer in self.answers if answer.offset is not None]

    @property
    def carried(self) -> int:
        """The bytes towards the desk."""
        return sum(answer.carried for answer in self.answers)

    def forget(self) -> None:
        """Know of no answer; one that is still under way counts no more."""
        self.answers = []

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                desk, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.server.port), timeout=WAIT_SECONDS)
                except OSError:
                    desk.close()
                    continue
                self._ends += [desk, server]
                threading.Thread(target=self._serve, args=(desk, server), daemon=True).start()

    def _serve(self, desk: socket.socket, server: socket.socket) -> None:
        """Question and answer in turns, as HTTP/1.1 has them."""
        try:
            while asked := _until_head(desk):
                head, rest = asked
                server.sendall(head + rest + _exactly(desk, _length(head) - len(rest)))
                self._answer(head, desk, server)
        except OSError:
            pass
        finally:
            for end in (desk, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _answer(self, asked: bytes, desk: socket.socket, server: socket.socket) -> None:
        answered = _until_head(server)
        if answered is None:
            raise OSError("the server hung up")
        head, block = answered
        left = _length(head) if b"content-length" in head.lower() else 0
        offset = 0
        artefact = b"/artefacts/" in asked.split(b"\r\n", 1)[0] and head.split(b" ", 2)[1] in (b"200", b"206")
        if artefact:
            for line in asked.split(b"\r\n"):
                if line.lower().startswith(b"range:"):
                    offset = int(line.split(b"=")[1].split(b"-")[0])
        told = Answer(offset if artefact else None)
        self.answers.append(told)
        desk.sendall(head)
        told.carried += len(head)
        while left > 0:
            if not block:
                block = server.recv(65536)
                if not block:
                    raise OSError("the server hung up")
            sent = self.meddle(offset, block) if artefact and self.meddle is not None else block
            desk.sendall(sent)
            told.carried += len(block)
            offset, left, block = offset + len(block), left - len(block), b""


def _until_head(end: socket.socket) -> tuple[bytes, bytes] | None:
    """The head with its empty line, and what came of the body with it; ``None`` where nothing comes any more."""
    come = b""
    while BODY not in come:
        block = end.recv(65536)
        if not block:
            return None
        come += block
    head, rest = come.split(BODY, 1)
    return head + BODY, rest


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def _exactly(end: socket.socket, length: int) -> bytes:
    come = b""
    while len(come) < length:
        block = end.recv(length - len(come))
        if not block:
            raise OSError("hung up")
        come += block
    return come
