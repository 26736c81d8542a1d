"""``safestats gazetteer``, ``hospitals`` and ``review``: what places are found by, and what nobody could find."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..audit.log import COMMAND_LINE
from ..command_line import initialised, print_table
from ..errors import SafeStatsError
from ..instants import LONDON
from ..progress import progress_bars
from . import review as queue
from . import store
from .hospitals import hospitals_file, read_hospitals
from .kinds import SourceKind
from .models import DecisionKind

commands = typer.Typer()
gazetteer = typer.Typer(no_args_is_help=True, help="Names and postcodes by which described places are found.")
hospitals = typer.Typer(no_args_is_help=True, help="The register of the hospitals that report.")
review = typer.Typer(no_args_is_help=True, help="Descriptions of places that somebody must look at.")
commands.add_typer(gazetteer, name="gazetteer")
commands.add_typer(hospitals, name="hospitals")
commands.add_typer(review, name="review")
geocode = typer.Typer(no_args_is_help=True, help="Described places of rows that are held already.")
commands.add_typer(geocode, name="geocode")


@gazetteer.command("load")
def load_gazetteer(
    kind: Annotated[SourceKind, typer.Argument(help="Whose file it is.")],
    file: Annotated[Path, typer.Argument(help="The publisher's file or zip.")],
    edition: Annotated[str, typer.Option(help="The edition, such as 2026-10; else the file's name.")] = "",
) -> None:
    """Put a publisher's file in the place of the one of its kind that was loaded before."""
    from .service import load_part  # geometry libraries, which the other commands need not wait for

    with initialised() as services:
        part = load_part(services, COMMAND_LINE, kind, file, edition)
    typer.echo(f"{part.rows:,} of {kind} are loaded, edition {part.edition}.")


@gazetteer.command("list")
def list_gazetteer() -> None:
    """What is loaded, with its edition. The stations and postcodes that come with SafeStats are there besides."""
    with initialised() as services:
        loaded = store.parts(services.settings.data_dir)
    print_table(
        ["kind", "edition", "rows", "loaded", "file"],
        [
            [one.kind, one.edition, f"{one.rows:,}", f"{one.loaded_at.astimezone(LONDON):%Y-%m-%d %H:%M}", one.file]
            for one in loaded
        ],
    )


@gazetteer.command("remove")
def remove_gazetteer(kind: Annotated[SourceKind, typer.Argument(help="What to drop.")]) -> None:
    """Drop what was loaded of a kind."""
    from .service import remove_part

    with initialised() as services:
        remove_part(services, COMMAND_LINE, kind)
    typer.echo(f"What was loaded of {kind} is gone.")


@hospitals.command("load")
def load_register(file: Annotated[Path, typer.Argument(help="CSV: code,name,postcode,trust,from,to.")]) -> None:
    """Put the official register of hospitals in force."""
    from .service import load_hospitals

    with initialised() as services:
        number = load_hospitals(services, COMMAND_LINE, file)
    typer.echo(f"{number:,} hospitals are in force.")


@hospitals.command("list")
def list_register() -> None:
    """The register that is in force."""
    with initialised() as services:
        register = read_hospitals(hospitals_file(services.settings.data_dir, services.settings.resources_dir))
    print_table(
        ["code", "name", "postcode", "trust", "from", "to"],
        [
            [one.code, one.name, one.postcode, one.trust, f"{one.since or ''}", f"{one.until or ''}"]
            for one in register.values()
        ],
    )


@review.command("list")
def list_review(
    dataset: Annotated[str, typer.Option(help="Only this dataset's.")] = "",
    limit: Annotated[int, typer.Option(help="How many texts.", min=1)] = 50,
) -> None:
    """Texts that wait, those of most rows first, with the places that fit, numbered from 1."""
    with initialised() as services, services.database.read() as session:
        waiting = queue.waiting_texts(session, dataset, limit)
        texts, rows = queue.count_waiting(session)
    print_table(
        ["number", "dataset", "site", "rows", "text", "places that fit"],
        [
            [
                str(one.review_id),
                one.dataset,
                one.site,
                f"{one.rows:,}",
                one.text,
                "; ".join(f"{number}: {place.label}" for number, place in enumerate(one.candidates, start=1)),
            ]
            for one in waiting
        ],
    )
    typer.echo(f"{texts:,} texts wait for a decision; {rows:,} rows wait to be placed anew.")


@review.command("decide")
def decide_review(
    number: Annotated[int, typer.Argument(help="The text's number in the list.")],
    candidate: Annotated[int, typer.Option(help="It is this one of the places that fit.", min=0)] = 0,
    postcode: Annotated[str, typer.Option(help="It is at this postcode.")] = "",
    no_place: Annotated[bool, typer.Option("--no-place", help="It names no place.")] = False,
    every_site: Annotated[bool, typer.Option("--every-site", help="It means so at every site.")] = False,
) -> None:
    """Say what a text means; it is remembered for the next loads."""
    if bool(candidate) + bool(postcode) + no_place != 1:
        raise SafeStatsError("Say one of --candidate, --postcode and --no-place.")
    kind = DecisionKind.CANDIDATE if candidate else DecisionKind.POSTCODE if postcode else DecisionKind.NO_PLACE
    with initialised() as services:
        rows = queue.decide(
            services,
            COMMAND_LINE,
            number,
            kind,
            candidate=candidate - 1 if candidate else None,
            postcode=postcode,
            every_site=every_site,
        )
    typer.echo(f"Remembered. {rows:,} rows are placed so at their next load, or by “safestats geocode again”.")


@geocode.command("again")
def geocode_again(dataset: Annotated[str, typer.Argument(help="The dataset's code.")]) -> None:
    """Place the rows anew whose descriptions were decided on, and stage them for the next release."""
    from ..ingest.again import place_again

    with initialised() as services, progress_bars() as progress:
        rows = place_again(services, COMMAND_LINE, dataset, progress)
    told = "publish them" if rows else "no row waited that is still held"
    typer.echo(f"{dataset}: {rows:,} rows are placed anew and staged: {told}.")
