"""``safestats quality``: the register of returns, feedback cards, and monthly packs."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..audit.events import EventType
from ..audit.log import COMMAND_LINE
from ..command_line import initialised, print_table
from ..errors import SafeStatsError
from ..identity.service import find_organisation
from ..instants import london_today
from ..oversight.periods import months_until
from ..services import Services
from . import rendering
from .card import feedback_card
from .pack import Pack
from .packs import monthly_pack
from .readers import areas_of
from .register import Standing, last_whole_month, read_register

commands = typer.Typer()
quality = typer.Typer(no_args_is_help=True, help="How good deliveries are: register, feedback cards, monthly packs.")
commands.add_typer(quality, name="quality")


class Format(StrEnum):
    """What is written."""

    HTML = "html"
    PDF = "pdf"


Dataset = Annotated[str, typer.Argument(help="The dataset's code.")]
Month = Annotated[str, typer.Option(help="The month, such as 2026-10; unless told, the newest that is over.")]
As = Annotated[Format, typer.Option("--format", help="html or pdf.")]
Out = Annotated[Path | None, typer.Option("--out", help="The file to write; unless told, to the terminal (HTML only).")]
For = Annotated[str, typer.Option("--for", help="The organisation under whose agreement it is made, by its code.")]


@quality.command("register")
def register(
    dataset: Dataset,
    month: Month = "",
    months: Annotated[int, typer.Option(help="How many, of which that month is the last.", min=1, max=60)] = 1,
) -> None:
    """Which site owed which month, and what came of it."""
    wanted = months_until(_month(month), months)
    with initialised() as services, services.database.read() as session:
        found = read_register(services, session, services.definition(dataset), wanted, london_today())
    rows = []
    for site in found.sites:
        for one in found.of_site(site.code):
            if one.standing == Standing.NOT_EXPECTED:
                continue
            came = f"{one.received_on}" if one.received_on else ""
            late = "" if one.days_late is None else "on time" if one.days_late == 0 else f"{one.days_late} days late"
            taken = f"{one.measure.accepted:,}" if one.measure else ""
            why = "; ".join(one.rating.reasons) if one.rating else ""
            rows.append([one.month, site.code, site.name, one.word, taken, f"{one.due or ''}", came, late, why])
    headings = ["month", "site", "name", "standing", "rows", "due", "received", "in time", "why"]
    print_table(headings, sorted(rows))


@quality.command("card")
def card(
    dataset: Dataset,
    site: Annotated[str, typer.Argument(help="The site's code, where the supplier has several.")] = "",
    month: Month = "",
    format: As = Format.HTML,
    out: Out = None,
) -> None:
    """The feedback card of a supplier or its site."""
    wanted = _month(month)
    _refuse_terminal(format, out)
    with initialised() as services:
        with services.database.read() as session:
            made = feedback_card(services, session, dataset, site, wanted)
        services.audit.record(
            EventType.CARD_MADE,
            actor=COMMAND_LINE,
            dataset=dataset,
            filter={"site": site, "month": wanted, "format": format},
        )
        content = rendering.card_pdf(made) if format == Format.PDF else rendering.card_html(made).encode()
        _write(content, out)


@quality.command("pack")
def pack(dataset: Dataset, organisation: For, month: Month = "", format: As = Format.HTML, out: Out = None) -> None:
    """The monthly pack of all London, for MOPAC or the Violence Reduction Unit."""
    _refuse_terminal(format, out)
    with initialised() as services:
        made = monthly_pack(services, None, dataset, _month(month), organisation, format)
        _write(_pack_content(made, format), out)


@quality.command("borough")
def borough(
    dataset: Dataset,
    organisation: For,
    area: Annotated[
        str, typer.Argument(help="The borough's name or code; unless told, that which the organisation serves.")
    ] = "",
    month: Month = "",
    format: As = Format.HTML,
    out: Out = None,
) -> None:
    """The one-page pack of a borough, for its Community Safety Partnership."""
    _refuse_terminal(format, out)
    with initialised() as services:
        wanted = area or _own_area(services, organisation)
        made = monthly_pack(services, None, dataset, _month(month), organisation, format, wanted)
        _write(_pack_content(made, format), out)


def _own_area(services: Services, organisation: str) -> str:
    with services.database.read() as session:
        served = areas_of(find_organisation(session, organisation))
    if len(served) != 1:
        raise SafeStatsError(
            f"{organisation} serves {len(served) or 'no'} boroughs: name the one that is meant after the dataset, as "
            f"in “safestats quality borough istv Camden --for {organisation}”."
        )
    return served[0]


def _pack_content(made: Pack, format: Format) -> bytes:
    return rendering.pack_pdf(made) if format == Format.PDF else rendering.pack_html(made).encode()


def _month(month: str) -> str:
    return months_until(month or last_whole_month(london_today()), 1)[0]


def _refuse_terminal(format: Format, out: Path | None) -> None:
    if out is None and format == Format.PDF and sys.stdout.isatty():
        raise SafeStatsError("A PDF is not for the terminal: name a file with --out.")


def _write(content: bytes, out: Path | None) -> None:
    if out is None:
        sys.stdout.buffer.write(content)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise SafeStatsError(f"{out} could not be written ({error.strerror}): name another file.") from error
    typer.echo(f"{out} is written.")
