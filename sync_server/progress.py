"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)


class ReportsProgress(Protocol):
    """Called with the step's name, how many of its parts are done, and how many there are."""

    def __call__(self, step: str, done: int, total: int) -> None: ...


# Called at least once a second in the middle of long work; what it raises breaks the work off.
Between = Callable[[], None]


def unwatched() -> None:
    """Between the pieces of work that nobody follows."""


def silent(step: str, done: int, total: int) -> None:
    """Tells nobody."""


@contextmanager
def progress_bars() -> Iterator[ReportsProgress]:
    """A bar for each step on stderr, in the order in which the steps begin; nothing where it is no terminal."""
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield report
