"""Work on one piece while the next one is made ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Piece = TypeVar("Piece")
Ready = TypeVar("Ready")


def one_ahead(make_ready: Callable[[Piece], Ready], pieces: Iterable[Piece]) -> Iterator[Ready]:
    """What ``make_ready`` gives for each piece, in their order; the next one is made meanwhile in another thread.

    It pays where one of both lets other threads work, as Polars does. Never more than two are there at once.
    """
    with ThreadPoolExecutor(1) as beside:
        coming = None
        for piece in pieces:
            ready, coming = coming, beside.submit(make_ready, piece)
            if ready is not None:
                yield ready.result()
        if coming is not None:
            yield coming.result()
