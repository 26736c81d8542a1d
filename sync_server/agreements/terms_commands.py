"""Commands: the suppliers' terms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..audit.log import COMMAND_LINE
from ..command_line import initialised, print_table
from ..errors import SafeStatsError
from ..instants import london_today
from ..publishing.commands import build_for_agreement
from . import grants, service, terms
from .ceiling import precision_in_words
from .models import AgreementState, Use

terms_commands = typer.Typer(no_args_is_help=True, help="The suppliers' terms, which no agreement goes beyond.")


@terms_commands.command("load")
def load_terms(
    files: Annotated[list[Path] | None, typer.Argument(help="TOML files; those that come along, unless told.")] = None,
) -> None:
    """Record suppliers' terms as new versions. Narrower ones hold from the next request on."""
    with initialised() as services:
        changed = set()
        with services.database.read() as session:
            in_force = [a for a in service.agreements(session) if a.state == AgreementState.ACTIVE]
        for path in files or terms.supplied_terms(services):
            with services.database.write() as session:
                loaded = terms.load_terms(services, session, COMMAND_LINE, path)
            if loaded is None:
                typer.echo(f"{path.name}: this version is recorded already.")
                continue
            if any(loaded.dataset == a.dataset for a in in_force):
                changed.add(loaded.dataset)
            typer.echo(f"Recorded version {loaded.version} of the terms on {loaded.dataset}, from {loaded.starts}.")
            with services.database.read() as session:
                for agreement in service.agreements(session):
                    if agreement.state == AgreementState.ACTIVE and agreement.dataset == loaded.dataset:
                        for sentence in grants.cut_by_terms(terms.ceiling_of(loaded), agreement):
                            typer.echo(f"  {agreement.reference}: {sentence}")
        for dataset in sorted(changed):
            build_for_agreement(services, dataset)


@terms_commands.command("list")
def list_terms() -> None:
    """All versions of all terms; the one that counts today is marked."""
    today = london_today()
    with initialised() as services, services.database.read() as session:
        rows = []
        for version in terms.terms_of(session):
            ceiling = terms.ceiling_on(session, version.dataset, today)
            counts = ceiling is not None and ceiling.version == version.version
            mark = ("in force" if ceiling and ceiling.in_force(today) else "not in force") if counts else ""
            ends = str(version.ends or "")
            rows.append([version.dataset, str(version.version), str(version.starts), ends, version.supplier, mark])
        without = terms.datasets_without_terms(session, services.definitions)
    print_table(["Dataset", "Version", "From", "To", "Supplier", "Today"], rows)
    if without:
        typer.echo(f"None are recorded on: {', '.join(without)}.")


@terms_commands.command("show")
def show_terms(dataset: str) -> None:
    """The terms on a dataset that count today."""
    with initialised() as services, services.database.read() as session:
        title = services.definition(dataset).title
        ceiling = terms.ceiling_on(session, dataset, london_today())
        if ceiling is None:
            raise SafeStatsError(f"No supplier's terms on “{dataset}” are recorded: see “safestats terms load”.")
        recorded = next(t for t in terms.terms_of(session, dataset) if t.version == ceiling.version)
    until = f" to {ceiling.ends}" if ceiling.ends else ""
    typer.echo(f"{title}: version {ceiling.version} of the terms of {recorded.supplier}, {ceiling.starts}{until}.")
    typer.echo(f"  Fields: {', '.join(ceiling.groups)}.")
    typer.echo(f"  Exactness at most: {precision_in_words(ceiling.precision, ceiling.grid_m)}.")
    typer.echo(f"  Uses: {', '.join(use for use in Use if use in ceiling.uses)}.")
    typer.echo(f"  Recipients: {', '.join(ceiling.recipients) or 'any organisation with a remit'}.")
    typer.echo(f"  Counts below {ceiling.suppression_threshold} are masked before they are published.")
    typer.echo(f"  Months that can be read: {ceiling.retention_months or 'all'}.")
    if recorded.note:
        typer.echo(f"  {recorded.note}")
