"""Commands: reports for the Steering Group and for suppliers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..audit.events import COMMAND_LINE, EventType
from ..command_line import initialised
from ..errors import SafeStatsError
from ..instants import london_today
from ..services import Services
from .periods import months_until
from .rendering import render_csv, render_html, render_pdf
from .report import OversightReport, oversight
from .supplier import SupplierUse, supplier_use

commands = typer.Typer()
oversight_commands = typer.Typer(no_args_is_help=True, help="Reports on the use of the data, made from the audit.")
commands.add_typer(oversight_commands, name="oversight")


class Format(StrEnum):
    """As what a report is written."""

    HTML = "html"
    CSV = "csv"
    PDF = "pdf"


Month = Annotated[str, typer.Option(help="The last month of the report (2026-11); else the month that is running.")]
Months = Annotated[int, typer.Option(min=1, max=60, help="How many months.")]
As = Annotated[Format, typer.Option("--format", help="A page, tables or a document.")]
Out = Annotated[Path | None, typer.Option(help="The file to write; else it goes to the output.")]


@oversight_commands.command("report")
def report(month: Month = "", months: Months = 1, format: As = Format.HTML, out: Out = None) -> None:
    """The report for the Steering Group."""
    wanted = _months(month, months)
    with initialised() as services:
        made = oversight(services, wanted)
        _write(services, made, "oversight", wanted, format, out)


@oversight_commands.command("supplier")
def supplier(
    code: Annotated[str, typer.Argument(help="The supplier's name, or the code of a dataset of its.")],
    month: Month = "",
    months: Months = 1,
    format: As = Format.HTML,
    out: Out = None,
) -> None:
    """What became of a supplier's data."""
    wanted = _months(month, months)
    with initialised() as services:
        made = supplier_use(services, code, wanted)
        _write(services, made, made.supplier, wanted, format, out)


def _months(month: str, count: int) -> list[str]:
    return months_until(month or f"{london_today():%Y-%m}", count)


def _write(
    services: Services,
    made: OversightReport | SupplierUse,
    which: str,
    months: Sequence[str],
    format: Format,
    out: Path | None,
) -> None:
    content = {
        Format.HTML: lambda: render_html(made).encode(),
        Format.CSV: lambda: render_csv(made).encode("utf-8-sig"),  # else spreadsheets guess at the letters
        Format.PDF: lambda: render_pdf(made),
    }[format]()
    if out is None and format == Format.PDF and sys.stdout.isatty():
        raise SafeStatsError("A PDF is not for the terminal: name a file with --out.")
    services.audit.record(
        EventType.REPORT_MADE, actor=COMMAND_LINE, filter={"report": which, "months": list(months), "format": format}
    )
    if out is None:
        sys.stdout.buffer.write(content)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise SafeStatsError(f"{out} could not be written ({error.strerror}): name another file.") from error
    typer.echo(f"{out} holds the report on {months[0]} to {months[-1]}.")
