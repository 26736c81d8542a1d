"""One request and its answer in a thread of its own, so that whoever waits for it can leave at any moment.

A blocking call cannot be stopped while it looks up a name, connects, agrees on encryption or waits for headers. So
it is left alone instead: the one who waits goes, and the thread closes the connection when its call returns.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import requests

from .errors import Cancelled

_POLL_S = 0.1
_BLOCK_BYTES = 64 * 1024
_BLOCKS_AHEAD = 16


class StalledError(Exception):
    """Nothing, or next to nothing, has come for too long."""


class Exchange:
    """Runs ``send()`` at once. ``head`` gives the answer without its body, then ``blocks`` the body.

    Both raise ``Cancelled`` within a second of ``cancelled()`` turning true, ``StalledError``, and whatever the request
    raised. ``leave`` must be called in the end; it never waits.
    """

    def __init__(self, send: Callable[[], requests.Response], cancelled: Callable[[], bool], patience_s: float) -> None:
        self._send = send
        self._cancelled = cancelled
        self._patience_s = patience_s
        self._left = threading.Event()
        self._arrived: queue.Queue[requests.Response | bytes | BaseException | None] = queue.Queue(_BLOCKS_AHEAD)
        threading.Thread(target=self._run, name="safestats-exchange", daemon=True).start()

    def head(self) -> requests.Response:
        """The answer's status and headers. Its body is ``blocks``, never its own ``content``."""
        return self._next()

    def blocks(self) -> Iterator[bytes]:
        """The body. A line that brings less than one block while patience lasts counts as stalled."""
        while True:
            block = self._next()
            if block is None:
                return
            yield block

    def leave(self) -> None:
        """Nobody waits any more: the thread closes the connection as soon as it can."""
        self._left.set()

    def _next(self):
        until = time.monotonic() + self._patience_s
        while True:
            if self._cancelled():
                raise Cancelled
            try:
                arrived = self._arrived.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() > until:
                    raise StalledError from None
                continue
            if isinstance(arrived, BaseException):
                raise arrived
            return arrived

    def _run(self) -> None:
        try:
            response = self._send()
            with response:
                self._put(response)
                for block in response.raw.stream(_BLOCK_BYTES, decode_content=False):
                    self._put(block)
                self._put(None)
        except _LeftAloneError:
            pass
        except Exception as error:  # whatever it is, it belongs to the one who waits
            with suppress(_LeftAloneError):
                self._put(error)

    def _put(self, arrived: requests.Response | bytes | BaseException | None) -> None:
        while not self._left.is_set():
            try:
                self._arrived.put(arrived, timeout=_POLL_S)
            except queue.Full:
                continue
            return
        raise _LeftAloneError


class _LeftAloneError(Exception):
    """Nobody waits for the answer."""
