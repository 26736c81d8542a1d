"""What every command works with. A domain's commands are the typer app ``commands`` of its ``commands.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .datasets.service import ensure_incident_tables
from .errors import SafeStatsError
from .schema import check_schema
from .services import Services, open_services
from .settings import Part, Settings

_LINE = 400


@contextmanager
def initialised(as_: Part = Part.PUBLISHER) -> Iterator[Services]:
    """The services on the folder of the environment's settings, closed on leaving.

    Raises ``SafeStatsError`` where ``safestats init`` has not been run there.
    """
    settings = Settings()
    if not (settings.database_path if settings.embedded else settings.keys_path).exists():
        # Opening would make an empty database, or keys under which every incident was another one.
        raise SafeStatsError(
            f"There is no SafeStats server in {settings.data_dir}: run “safestats init” first, "
            "or name its folder in SAFESTATS_DATA_DIR."
        )
    services = open_services(settings, as_)
    try:
        check_schema(services.database)
        ensure_incident_tables(services.database, services.definitions)
        yield services
    finally:
        services.close()


def print_table(headings: list[str], rows: list[list[str]]) -> None:
    """Rows under headings on stdout."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))  # as it is: no markup
    # Into a file or a pipe a row is a line, however long.
    console = Console() if sys.stdout.isatty() else Console(width=_LINE)
    console.print(table)


def printable(text: str) -> str:
    """What suppliers, clients or people wrote, without a terminal's control sequences."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
