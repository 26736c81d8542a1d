"""Keeps a publishing worker alive beside the server, as a process of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from types import TracebackType

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_STEADY_SECONDS = 300.0
_PATIENCE_SECONDS = 5.0


def pause_after(pause: float, lived: float) -> float:
    """Seconds to wait when a worker has ended that lived for ``lived`` seconds and was waited for as long as
    ``pause``: twice that, but the shortest again after one that lived for a while."""
    return _FIRST_PAUSE_SECONDS if lived >= _STEADY_SECONDS else min(2 * pause, _LONGEST_PAUSE_SECONDS)


class WorkerProcess:
    """While entered, a worker runs; one that ends is started again, after a pause that grows.

    The worker ends with this process too, however that ends.
    """

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._supervise, name="publishing-worker", daemon=True)

    def __enter__(self) -> WorkerProcess:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ending.set()
        with self._lock:
            process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(_PATIENCE_SECONDS)

    def _supervise(self) -> None:
        pause = _FIRST_PAUSE_SECONDS / 2  # the first is twice that
        command = [
            sys.executable,
            "-m",
            f"{__package__.rpartition('.')[0]}.cli",
            "worker",
            "--parent",
            str(os.getpid()),
        ]
        while True:
            with self._lock:
                if self._ending.is_set():
                    return
                # In a group of its own: Ctrl-C is for the server, which ends the worker.
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
            began = time.monotonic()
            status = self._process.wait()
            pause = pause_after(pause, time.monotonic() - began)
            # Where both were told to end, by a service manager say, this process hears of it a moment later.
            if self._ending.wait(pause):
                return
            logger.error("The publishing worker ended with status %s: it is started again.", status)
