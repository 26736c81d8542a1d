"""``safestats sample-data``: synthetic deliveries for a demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SafeStatsError
from ..instants import london_today
from ..progress import progress_bars
from ..settings import Settings
from .service import make_sample

commands = typer.Typer()


@commands.command()
def sample_data(
    folder: Annotated[Path, typer.Argument(help="A new folder for the files.")],
    year: Annotated[int, typer.Option(help="The year of the incidents, a past one.")] = 2025,
    seed: Annotated[int, typer.Option(help="The same seed makes the same files.")] = 1,
    scale: Annotated[float, typer.Option(help="1 is about 173,000 rows.")] = 1.0,
) -> None:
    """Make a year of synthetic, labelled deliveries in the suppliers' own formats."""
    if not 2000 <= year < london_today().year:
        raise SafeStatsError(f"The year is {year}: name a whole year that is over, from 2000 on.")
    with progress_bars() as progress:
        rows = make_sample(folder, Settings().resources_dir, year, seed, scale, progress)
    made = ", ".join(f"{number:,} {dataset}" for dataset, number in rows.items())
    typer.echo(f"Synthetic deliveries of {year} are in {folder}: about {made} rows.")
