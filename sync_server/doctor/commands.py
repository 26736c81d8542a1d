"""``safestats doctor``: is the server well, and what is to be done?"""

from __future__ import annotations

from collections import Counter

import typer

from ..command_line import printable
from ..settings import Settings
from .findings import State
from .service import examine

commands = typer.Typer()


@commands.command()
def doctor() -> None:
    """Look at everything that the server needs, and say what to do; ends with status 1 where something fails."""
    counts: Counter[State] = Counter()
    for finding in examine(Settings()):
        counts[finding.state] += 1
        line = f"{finding.state:<4}  {finding.subject}: {finding.told}"
        typer.echo(printable(f"{line} → {finding.advice}" if finding.advice else line))
    typer.echo(f"{counts[State.OK]} ok, {counts[State.WARN]} to look at, {counts[State.FAIL]} to put right.")
    if counts[State.FAIL]:
        raise typer.Exit(1)
