"""Clients that ask a server over HTTP, each on a connection that stays open, and how long each answer took."""

from __future__ import annotations

import http.client
import math
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Question:
    """A GET; ``token`` may be empty."""

    path: str
    token: str = ""


@dataclass(frozen=True)
class Answered:
    """How long each answer took, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of the answers took longer."""
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """One answer in twenty took longer."""
        return sorted(self.seconds)[math.ceil(len(self.seconds) * 0.95) - 1]


def ask(url: str, questions: Sequence[Question], clients: int = 1) -> Answered:
    """Ask all, shared out among the clients, each of which asks when it has its last answer.

    Raises ``RuntimeError`` where an answer is not 200.
    """
    with ThreadPoolExecutor(clients) as pool:
        parts = pool.map(lambda number: _ask_in_turn(url, questions[number::clients]), range(clients))
        return Answered(tuple(seconds for part in parts for seconds in part))


def _ask_in_turn(url: str, questions: Sequence[Question]) -> list[float]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.connect()
        return [_ask(connection, question) for question in questions]
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, question: Question) -> float:
    headers = {"Authorization": f"Bearer {question.token}"} if question.token else {}
    began = time.perf_counter()
    connection.request("GET", question.path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    took = time.perf_counter() - began
    if answer.status != http.client.OK:
        raise RuntimeError(f"GET {question.path} was answered {answer.status}: {body[:500]!r}")
    return took
