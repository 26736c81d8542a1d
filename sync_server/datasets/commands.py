"""``safestats areas``: the boundaries by which incidents are counted and agreements are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..audit.log import COMMAND_LINE, EventType
from ..command_line import initialised, print_table
from .areas import list_areas, load_areas
from .models import AreaLevel
from .service import refuse_held_incidents

commands = typer.Typer()
areas = typer.Typer(no_args_is_help=True, help="The boundaries by which incidents are counted.")
commands.add_typer(areas, name="areas")


@areas.command()
def load(
    file: Annotated[Path, typer.Argument(help="Any file of polygons in British National Grid.")],
    level: Annotated[AreaLevel, typer.Option(help="What the polygons are.")],
    edition: Annotated[str, typer.Option(help="The edition's code, such as lsoa-2021.")],
    code_field: Annotated[str, typer.Option(help="The field of the areas' codes.")],
    name_field: Annotated[str, typer.Option(help="The field of the areas' names.")],
    parent_field: Annotated[str, typer.Option(help="The field of an LSOA's or ward's borough code.")] = "",
    attribution: Annotated[str, typer.Option(help="The line that the licence asks for.")] = "",
) -> None:
    """Put another edition of boundaries in the place of the loaded one: of wards at any time, else before any load."""
    with initialised() as services:
        with services.database.write() as session:
            if level != AreaLevel.WARD:
                refuse_held_incidents(session, services.definitions)
            number = load_areas(
                session,
                file,
                level,
                edition,
                code_field=code_field,
                name_field=name_field,
                parent_field=parent_field or None,
                attribution=attribution,
            )
            services.audit.record(
                EventType.AREAS_LOADED,
                actor=COMMAND_LINE,
                filter={"level": str(level), "edition": edition},
                rows=number,
            )
        typer.echo(f"{number:,} areas of the level {level} are loaded as {edition}.")


@areas.command("list")
def list_loaded() -> None:
    """The loaded editions."""
    with initialised() as services, services.database.read() as session:
        loaded = list_areas(session)
    print_table(["edition", "level", "areas", "title"], [[e, level, f"{n:,}", t] for e, level, n, t in loaded])
