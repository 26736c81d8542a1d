"""``safestats denominators`` and ``safestats needs-pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..command_line import initialised, print_table
from ..errors import SafeStatsError
from . import making
from .denominators import list_denominators, load_denominators
from .model import Mode
from .models import Kind, Level
from .question import Question

commands = typer.Typer()
denominators = typer.Typer(
    no_args_is_help=True, help="What incidents are divided by: residents, workday population, licensed premises."
)
commands.add_typer(denominators, name="denominators")


@denominators.command()
def load(
    file: Annotated[Path, typer.Argument(help="A CSV with the columns code and value, and the others below.")],
    kind: Annotated[Kind | None, typer.Option(help="Of all lines, where the file has no column “kind”.")] = None,
    edition: Annotated[str, typer.Option(help="Likewise, with its year, such as mid-2023.")] = "",
    level: Annotated[Level | None, typer.Option(help="Likewise: what areas the codes are of.")] = None,
    source: Annotated[str, typer.Option(help="Likewise: the line that the licence asks for.")] = "",
) -> None:
    """Load them; an edition that is loaded already is replaced as a whole, other editions stay."""
    of_all = {"kind": kind or "", "edition": edition, "level": level or "", "source": source}
    with initialised() as services:
        loaded = load_denominators(services, file, of_all)
    for (of_kind, of_edition, of_level), number in sorted(loaded.areas.items()):
        typer.echo(f"{number:,} areas of the level {of_level} are loaded: {of_kind}, {of_edition}.")
    for of_level, number in sorted(loaded.unknown.items()):
        typer.echo(f"{number:,} codes of the level {of_level} are not in the loaded boundaries.")


@denominators.command("list")
def list_loaded() -> None:
    """What is loaded; rates use the edition of the latest year."""
    with initialised() as services, services.database.read() as session:
        found = list_denominators(session)
    headings = ["kind", "edition", "level", "areas", "sum", "source"]
    print_table(headings, [[k, e, lv, f"{n:,}", f"{total:,}", source] for k, e, lv, n, total, source in found])


@commands.command("needs-pack")
def needs_pack(
    borough: Annotated[str, typer.Argument(help="The borough's name or code.")],
    organisation: Annotated[str, typer.Option("--for", help="The organisation under whose agreements it is made.")],
    purpose: Annotated[str, typer.Option(help="The purpose's code; unless told, needs-assessment.")] = "",
    mode: Annotated[Mode, typer.Option(help="public: small counts withheld; operational: true counts.")] = Mode.PUBLIC,
    out: Annotated[Path, typer.Option(help="The folder to write the page, the PDF and the workbook into.")] = Path(),
) -> None:
    """A borough's needs-assessment pack: page, PDF and workbook."""
    if not out.is_dir():
        raise SafeStatsError(f"There is no folder {out}: name one with --out.")
    with initialised() as services:
        made = making.make_files(services, None, Question(borough, mode, organisation, purpose))
    for name, content in made.contents.items():
        path = out / name
        try:
            path.write_bytes(content)
        except OSError as error:
            raise SafeStatsError(f"{path} could not be written ({error.strerror}): name another folder.") from error
        typer.echo(f"{path} is written.")
