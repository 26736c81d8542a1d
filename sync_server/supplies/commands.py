"""``safestats watch``: a folder into which suppliers' files are put."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from ..command_line import initialised, printable
from ..errors import SafeStatsError
from .watching import Afterwards, Watcher
from .watching import watch as watch_folder

commands = typer.Typer()


@commands.command()
def watch(
    folder: Annotated[Path, typer.Argument(help="Holds a folder for each dataset, by its code, or dataset/site.")],
    done: Annotated[
        Afterwards, typer.Option(help="What becomes of a file that was taken: deleted, or moved to “done”.")
    ],
    still_seconds: Annotated[
        float, typer.Option(help="A file is taken when it has not changed for so long.", min=0)
    ] = 10,
    once: Annotated[bool, typer.Option("--once", help="Take what is there, and end.")] = False,
) -> None:
    """Load files that are put into a folder, until interrupted. What is refused is moved to “refused”, with the reason.

    The file that is being loaded is seen through.
    """
    if not folder.is_dir():
        raise SafeStatsError(f"There is no folder {folder}: name the one to watch.")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    with initialised() as services:
        watcher = Watcher(
            services,
            folder,
            done,
            still_seconds,
            lambda line: typer.echo(printable(line)),
            lambda: not ending.is_set(),
        )
        watch_folder(watcher, ending.wait, once)
