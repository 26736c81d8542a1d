"""``safestats check`` and ``safestats template``: for suppliers, before they send."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ..command_line import initialised, printable
from ..datasets.definitions import read_definitions
from ..errors import SafeStatsError
from ..ingest.mappings import read_mappings
from ..ingest.source import SourceFile
from ..services import Services, open_services
from ..settings import Part, Settings
from .check import check as check_files
from .check import dataset_of
from .workbook import template_workbook

commands = typer.Typer()


@commands.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="The files, as they are to be sent.")],
    dataset: Annotated[str, typer.Option(help="The dataset's code; unless told, the headers tell.")] = "",
    site: Annotated[str, typer.Option(help="Whose return it is, where the supplier has several sites.")] = "",
) -> None:
    """Tell what a load would make of files, and change nothing; status 1 where they would be refused."""
    sources = [SourceFile.read(file, number) for number, file in enumerate(files, start=1)]
    with _server() as services:
        report = check_files(services, dataset or dataset_of(services, sources[0]), sources, site)
    for line in report.sentences():
        typer.echo(printable(line))
    raise typer.Exit(0 if report.taken else 1)


@commands.command()
def template(
    dataset: Annotated[str, typer.Argument(help="The dataset's code.")],
    file: Annotated[Path, typer.Argument(help="The workbook to write (.xlsx).")],
) -> None:
    """Write a workbook that a supplier can fill in: headers, lists to choose from, and what each column means."""
    resources = Settings().resources_dir
    definitions = read_definitions(resources / "datasets")
    if dataset not in definitions:
        raise SafeStatsError(f"There is no dataset “{dataset}”: the declared ones are {', '.join(definitions)}.")
    if file.suffix.casefold() != ".xlsx":
        raise SafeStatsError(f"{file.name} does not end in .xlsx: name a workbook.")
    if file.exists():
        raise SafeStatsError(f"{file} is there already: name another file.")
    data = template_workbook(definitions[dataset], read_mappings(resources / "mappings", definitions))
    try:
        file.write_bytes(data)
    except OSError as error:
        raise SafeStatsError(f"{file} cannot be written: {error.strerror}.") from error
    typer.echo(printable(f"{file} is ready to be filled in for {dataset}."))


@contextmanager
def _server() -> Iterator[Services]:
    """This machine's server, or where there is none a throw-away one: a supplier may check without any."""
    settings = Settings()
    if not settings.embedded or settings.database_path.exists():
        with initialised() as services:
            yield services
        return
    from ...shared.areas import BOUNDARIES_FILE
    from ..datasets.areas import load_supplied_areas
    from ..schema import prepare_database

    with TemporaryDirectory(prefix="safestats-check-") as folder:
        services = open_services(settings.model_copy(update={"data_dir": Path(folder)}), Part.OWNER)
        try:
            prepare_database(services.database, services.settings, services.definitions)
            with services.database.write() as session:
                load_supplied_areas(session, settings.resources_dir / BOUNDARIES_FILE)
            yield services
        finally:
            services.close()
