"""``safestats publish`` and ``safestats status``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..command_line import initialised, print_table
from ..instants import london_today
from ..progress import progress_bars
from .service import PublishReport
from .service import publish as publish_dataset
from .status import dataset_statuses

ALL = "all"

commands = typer.Typer()


@commands.command()
def publish(
    dataset: Annotated[str, typer.Argument(help=f"A dataset's code, or “{ALL}”.")],
) -> None:
    """Make what was loaded visible to those whose agreements permit it, and build files that are missing."""
    with initialised() as services, progress_bars() as progress:
        chosen = sorted(services.definitions) if dataset == ALL else [dataset]
        reports = [publish_dataset(services, code, progress) for code in chosen]
    for report in reports:
        typer.echo(_sentence(report))


@commands.command()
def status() -> None:
    """How things stand with each dataset: rows, release, what is staged, rejected rows, files, agreements."""
    with initialised() as services:
        entries = dataset_statuses(services, london_today())
    print_table(
        ["dataset", "release", "newest", "rows", "staged", "rejected", "files", "MB", "agreements"],
        [
            [
                entry.dataset + (" (synthetic)" if entry.synthetic else ""),
                str(entry.release) if entry.release else "none",
                entry.newest,
                f"{entry.rows:,}",
                f"+{entry.added:,} −{entry.closed:,}" if entry.staged else "nothing",
                f"{entry.rejected:,}",
                f"{entry.files:,}",
                f"{entry.size / 1e6:,.1f}",
                str(entry.agreements),
            ]
            for entry in entries
        ],
    )


def _sentence(report: PublishReport) -> str:
    built = report.slices_built + report.snapshots_built
    files = f"{built:,} files built, {report.slices_reused:,} reused, {report.files_removed:,} removed"
    if report.published:
        return (
            f"{report.dataset}: release {report.release} is published with {report.rows:,} rows "
            f"for {_rights(report.layers)} ({files})."
        )
    if report.release == 0:
        return f"{report.dataset}: nothing is staged and nothing was published before: load a file first."
    return f"{report.dataset}: nothing is staged; release {report.release} stays as it is ({files})."


def _rights(layers: int) -> str:
    if layers == 0:
        return "no agreement yet"
    return "one set of rights" if layers == 1 else f"{layers} different sets of rights"
