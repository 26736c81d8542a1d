"""``safestats basemap``: the base map that desks fetch from this server."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from ..command_line import initialised
from ..errors import SafeStatsError
from . import base_map

_EDGE_M = 2_000.0  # a map shows a little of what lies around

commands = typer.Typer()


@commands.command("basemap")
def basemap(
    file: Annotated[Path, typer.Argument(help="OS Open Zoomstack as a GeoPackage, unzipped.")],
    edition: Annotated[str, typer.Option(help="Its edition, such as “October 2026”; printed on no page.")],
    year: Annotated[int, typer.Option(help="The year of its copyright line; this year where it is not given.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Write it here instead, for desks without this server.")] = None,
) -> None:
    """Cut OS Open Zoomstack to where incidents are, as the base map of printed pages."""
    if not file.is_file():
        raise SafeStatsError(f"There is no file {file}.")
    with initialised() as services:
        west, south, east, north = services.areas.bounds
        box = (west - _EDGE_M, south - _EDGE_M, east + _EDGE_M, north + _EDGE_M)
        target = output or services.settings.base_map_path
        found = base_map.load(
            file,
            target,
            box,
            edition,
            year or date.today().year,
            lambda name, number: typer.echo(f"  {name}: {number:,}"),
        )
    typer.echo(f"{found.title} is at {target}, {found.size / 1e6:,.1f} MB. Desks fetch it when they make a page.")
