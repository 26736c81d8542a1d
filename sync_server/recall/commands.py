"""``safestats recall``, ``recalls`` and ``retention``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..command_line import initialised, print_table
from ..errors import SafeStatsError
from ..instants import LONDON
from ..progress import progress_bars
from ..services import Services

commands = typer.Typer()

_MOST_SHOWN = 12


@commands.command()
def recall(
    dataset: Annotated[str, typer.Argument(help="A dataset's code.")] = "",
    release: Annotated[
        int | None, typer.Option(help="Every incident of which this release brought a version.", min=1)
    ] = None,
    incident: Annotated[
        list[str] | None, typer.Option(help="The supplier's id of an incident. May be repeated.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A file with a supplier's id in each line.")] = None,
    feature: Annotated[
        list[int] | None, typer.Option(help="The feature id that a layer shows. May be repeated.")
    ] = None,
    identity: Annotated[list[str] | None, typer.Option(help="A keyed identity. May be repeated.")] = None,
    reason: Annotated[str, typer.Option(help="Why, in a sentence that names nobody.")] = "",
    may_return: Annotated[
        bool, typer.Option("--may-return", help="The supplier will send them anew, corrected: let them come.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and who holds it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    resume: Annotated[
        bool, typer.Option("--again", help="Finish what was broken off; hold a restored database to the list.")
    ] = False,
) -> None:
    """Withdraw incidents for good: every version, file and waiting row. Shows first what will go, and asks."""
    from . import planning, service
    from .choosing import Named, read_list
    from .reports import holders_of, state_in_words, table

    with initialised() as services:
        if resume:
            with progress_bars() as progress:
                done = service.again(services, progress)
            for entry in done:
                typer.echo(f"{entry.dataset}: recall {entry.recall_id} is {state_in_words(entry)}.")
            if not done:
                typer.echo("Every recall is carried out in this database: there is nothing to do.")
            return
        listed = read_list(file) if file is not None else ()
        named = Named(release, (*(incident or ()), *listed), tuple(feature or ()), tuple(identity or ()))
        rows = bool(named.incidents or named.features or named.identities)
        if not dataset or rows == (release is not None):
            raise SafeStatsError(
                "Name a dataset and what is to go: a --release, or rows by --incident, --file, --feature or --identity."
            )
        finished = _finished(services, dataset)
        try:
            planned = planning.plan(services, dataset, named)
        except SafeStatsError:
            if not finished:
                raise
            typer.echo(f"{dataset}: what was asked for was broken off before; it is finished now.")
            return
        extent = planned.extent
        months = [f"{month or 'undated'} ({number:,})" for month, number in extent.months.items()]
        shown = ", ".join(months[:_MOST_SHOWN]) + (" …" if len(months) > _MOST_SHOWN else "")
        typer.echo(
            f"{dataset}: {extent.incidents:,} incidents in {extent.versions:,} versions, {extent.staged:,} of them "
            f"staged, will go for good. Months: {shown}."
        )
        for name in planned.chosen.unknown:
            typer.echo(f"Not held, in any release: {name}.")
        found = holders_of(services, planned)
        if found:
            typer.echo(f"{len(found):,} people were sent or shown releases that have them:")
            print_table(*table(found))
        else:
            typer.echo("Nobody was sent or shown a release that has them.")
        typer.echo(
            "They may be loaded again when the supplier sends them anew."
            if may_return
            else "They will never be loaded again, whoever sends them."
        )
        if dry_run:
            return
        if not yes and not typer.confirm("Nothing of it can be brought back. Go on?"):
            raise SafeStatsError("Nothing was recalled.")
        with progress_bars() as progress:
            entry = service.recall(services, dataset, named, reason, may_return, progress)
    typer.echo(
        f"{dataset}: recall {entry.recall_id} is {state_in_words(entry)}"
        + (f"; release {entry.release} shows the rest." if entry.release else ".")
        + f" “safestats recalls {entry.recall_id}” tells who has synced since."
    )


def _finished(services: Services, dataset: str) -> bool:
    """See a recall of the dataset through that was broken off; whether there was one."""
    from . import service

    with services.database.read() as session:
        if not service.open_recalls(services, session):
            return False
    with progress_bars() as progress:
        return any(entry.dataset == dataset for entry in service.again(services, progress))


@commands.command()
def recalls(
    recall_id: Annotated[str, typer.Argument(help="A recall's id; none: list them.")] = "",
    csv: Annotated[Path | None, typer.Option("--csv", help="Write who held it into this file.")] = None,
) -> None:
    """What was recalled; of one, who held it and has not synced since."""
    from .reports import as_csv, recalls, report, state_in_words, table

    with initialised() as services:
        if not recall_id:
            with services.database.read() as session:
                listed = recalls(session)
            print_table(
                ["recall", "dataset", "kind", "asked", "incidents", "versions", "release", "state", "reason"],
                [
                    [
                        entry.recall_id,
                        entry.dataset,
                        str(entry.kind),
                        f"{entry.asked_at.astimezone(LONDON):%Y-%m-%d %H:%M}",
                        f"{entry.incidents:,}",
                        f"{entry.versions:,}",
                        str(entry.release or ""),
                        state_in_words(entry),
                        entry.reason,
                    ]
                    for entry in listed
                ],
            )
            return
        told = report(services, recall_id)
    if csv is not None:
        csv.write_text(as_csv(told.holders), encoding="utf-8")
        typer.echo(f"{csv}: {len(told.holders):,} people, of whom {told.outstanding:,} may still have a copy.")
        return
    entry = told.recall
    typer.echo(f"{entry.dataset}: {entry.incidents:,} incidents ({entry.reason}). It is {state_in_words(entry)}.")
    typer.echo(f"{told.outstanding:,} of {len(told.holders):,} people may still have a copy with them.")
    print_table(*table(told.holders))


@commands.command()
def retention(
    datasets: Annotated[list[str] | None, typer.Argument(help="Datasets' codes; none: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is too old, and take nothing out.")] = False,
) -> None:
    """Take out for good what is older than its dataset may be kept; the worker does it every hour."""
    from .planning import retention_plan
    from .service import retain

    with initialised() as services:
        for dataset in datasets or sorted(services.definitions):
            first, extent = retention_plan(services, dataset)
            if not first:
                typer.echo(f"{dataset}: everything is kept.")
                continue
            typer.echo(f"{dataset}: kept from {first} on; {extent.versions:,} versions of rows are older.")
            if extent.versions and not dry_run:
                with progress_bars() as progress:
                    done = retain(services, dataset, progress)
                if done is not None:
                    typer.echo(f"{dataset}: they are gone; release {done.release} shows the rest.")
