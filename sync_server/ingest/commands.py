"""``safestats load``: a supplier's delivery into the next release."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ..audit.log import COMMAND_LINE
from ..command_line import initialised, print_table, printable
from ..errors import SafeStatsError
from ..progress import progress_bars
from . import saved_mappings
from .mappings import read_mappings
from .report import DeliveryReport
from .service import load as load_delivery

commands = typer.Typer()
mapping = typer.Typer(no_args_is_help=True, help="How suppliers' files are read: mappings saved for their sites.")
commands.add_typer(mapping, name="mapping")
_MOST_SHOWN = 8


@commands.command()
def load(
    dataset: Annotated[str, typer.Argument(help="The dataset's code.")],
    files: Annotated[list[Path], typer.Argument(help="The supplier's files, as they came.")],
    synthetic: Annotated[
        bool | None,
        typer.Option("--synthetic/--real", help="Made-up incidents; unless told, the files' names tell."),
    ] = None,
    accept_withdrawals: Annotated[
        bool, typer.Option(help="Load it although many incidents of a month are no longer in it.")
    ] = False,
    site: Annotated[str, typer.Option(help="Whose delivery it is, where the supplier has several sites.")] = "",
    received: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day on which it came, if not today: it is on time or late by it."),
    ] = None,
) -> None:
    """Read, check and place a delivery and stage it for the next release; “publish” makes it visible."""
    with initialised() as services, progress_bars() as progress:
        came = received.date() if received else None
        report = load_delivery(
            services, dataset, files, progress, synthetic, accept_withdrawals, site=site, received_on=came
        )
    for line in receipt(report):
        typer.echo(printable(line))


@mapping.command("list")
def list_mappings(
    dataset: Annotated[str | None, typer.Option(help="Only those of a dataset.")] = None,
) -> None:
    """Every saved mapping, and those that come with SafeStats."""
    with initialised() as services:
        supplied = read_mappings(services.settings.resources_dir / "mappings", services.definitions)
        with services.database.read() as session:
            saved = saved_mappings.versions(session, dataset)
            rows = [
                [one.organisation.code, one.dataset, one.site, str(one.version), f"{one.made_at:%Y-%m-%d %H:%M}"]
                for one in saved
            ]
    print_table(["organisation", "dataset", "site", "version", "saved (UTC)"], rows)
    print_table(
        ["supplied", "datasets", "title"],
        [
            [one.code, ", ".join(one.datasets), one.title]
            for one in supplied
            if dataset is None or dataset in one.datasets
        ],
    )


@mapping.command("show")
def show_mapping(
    organisation: Annotated[str, typer.Argument(help="The supplier's organisation, by its code.")],
    dataset: Annotated[str, typer.Argument(help="The dataset's code.")],
    site: Annotated[str, typer.Argument(help="The site, where the supplier has several.")] = "",
    version: Annotated[int | None, typer.Option(help="An earlier version.")] = None,
) -> None:
    """The saved mapping, as TOML."""
    with initialised() as services, services.database.read() as session:
        found = saved_mappings.find(session, organisation, dataset, site, version)
        if found is None:
            raise SafeStatsError(f"No such mapping is saved for {organisation}, {dataset} {site}".rstrip() + ".")
        typer.echo(found.document, nl=False)


@mapping.command("save")
def save_mapping(
    organisation: Annotated[str, typer.Argument(help="The supplier's organisation, by its code.")],
    dataset: Annotated[str, typer.Argument(help="The dataset's code.")],
    file: Annotated[Path, typer.Argument(help="The mapping, a TOML file.")],
    site: Annotated[str, typer.Option(help="The site, where the supplier has several.")] = "",
) -> None:
    """Save a mapping for a supplier's site: its newest version counts from the next load on."""
    try:
        document = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SafeStatsError(f"{file} cannot be read as UTF-8 text: name a TOML file.") from error
    with initialised() as services:
        version = saved_mappings.save(services, COMMAND_LINE, organisation, dataset, site, document)
    typer.echo(f"Saved as version {version}.")


def receipt(report: DeliveryReport) -> list[str]:
    """The report in lines for people."""
    head = f"{report.dataset}: {report.rows_in:,} rows in {len(report.files)} file(s)"
    if report.months:
        head += f", {report.months[0]} to {report.months[-1]}"
    lines = [
        head + (", synthetic" if report.synthetic else "") + ".",
        f"  {report.accepted:,} accepted: {report.added:,} new, {report.changed:,} changed, "
        f"{report.unchanged:,} known; {report.withdrawn:,} withdrawn.",
    ]
    lines += [f"  {number:,} rejected: {reason}." for reason, number in report.rejected.most_common()]
    if report.withdrawn and report.rejected:
        lines.append(
            "  What is withdrawn may be rows that are rejected this time: look at those before you publish, and ask "
            "for a mended file."
        )
    if report.duplicates:
        lines.append(f"  {report.duplicates:,} duplicates: the same incident a second time.")
    if report.withdrawn_for_good:
        lines.append(f"  {report.withdrawn_for_good:,} not taken: they were withdrawn for good.")
    lines += [f"  {number:,} left: they belong to {other}." for other, number in report.left.most_common()]
    found = ", ".join(f"{number:,} {how}" for how, number in report.areas.most_common() if number)
    if found:
        lines.append(f"  Areas ({report.area_edition}): {found}.")
    lines += [f"  {number:,} values dropped: {what}." for what, number in report.dropped.most_common() if number]
    lines += [f"  {number:,} values taken out of texts: {what}." for what, number in report.blanked.most_common()]
    for name, number in report.unmapped.most_common():
        listed = report.unmapped_values.get(name, {})
        shown = ", ".join(f"“{value}” ({times:,})" for value, times in list(listed.items())[:_MOST_SHOWN])
        lines.append(f"  {number:,} values of {name} in no code list{': ' + shown if shown else ''}.")
    if report.stacked:
        lines.append(
            f"  {report.stacked:,} lie at a point with nine others or more: a stack, not a hotspot, where the supplier "
            "moves places to fixed points."
        )
    lines += [f"  {note}" for note in report.notes]
    lines.append(
        "  Nothing changed." if report.release is None else f"  Staged for release {report.release}: publish it."
    )
    return lines
