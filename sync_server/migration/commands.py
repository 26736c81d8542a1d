"""``safestats migrate``: a former portal's back-catalogue, moved in by a plan and compared."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..audit.log import COMMAND_LINE
from ..command_line import initialised, print_table, printable
from ..instants import LONDON
from ..progress import progress_bars
from .ledger import Ledger
from .models import StepKind, StepState
from .pace import in_words
from .plan import read_plan

_RUN = "run"
_SET_ASIDE, _INTERRUPTED = 2, 130


class _RunUnlessTold(TyperGroup):
    """``migrate PLAN.toml`` is ``migrate run PLAN.toml``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where its name was left out."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [_RUN, *args]
        return super().parse_args(ctx, args)


commands = typer.Typer()
migrate = typer.Typer(
    cls=_RunUnlessTold,
    no_args_is_help=True,
    help="Move a former portal's back-catalogue in: “migrate PLAN.toml”, again until nothing is left.",
)
commands.add_typer(migrate, name="migrate")

PlanFile = Annotated[Path, typer.Argument(help="The plan, a TOML file: docs/migration.md tells what is in it.")]


@migrate.command(_RUN)
def run(
    plan_file: PlanFile,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the plan and tell what would be done; nothing is changed.")
    ] = False,
) -> None:
    """Do what of the plan is not done yet. Status 2: something was set aside, or would be; mend it, run it again."""
    from . import service  # the readers of files, for which the help need not wait

    plan = read_plan(plan_file)
    with initialised() as services, progress_bars() as progress:
        if dry_run:
            if service.dry_run(services, plan, _tell, progress):
                raise typer.Exit(_SET_ASIDE)
            return
        try:
            with _first_interrupt() as interrupted:
                outcome = service.run(services, COMMAND_LINE, plan, _tell, progress, interrupted)
        except service.StoppedError:
            typer.echo(
                "Stopped: what is done is kept, and the batch at hand left nothing. Run the same command to go on.",
                err=True,
            )
            raise typer.Exit(_INTERRUPTED) from None
    if outcome.set_aside:
        typer.echo(f"{outcome.set_aside} to be looked at: mend them and run the same command again.", err=True)
        raise typer.Exit(_SET_ASIDE)


@migrate.command()
def status(plan_file: PlanFile) -> None:
    """How far the plan has come: its steps, and what was set aside."""
    plan = read_plan(plan_file)
    with initialised() as services:
        steps = Ledger(services.database, plan.name).steps()
    rows = []
    for kind in StepKind:
        of_kind = [step for step in steps if step.kind == kind]
        if of_kind:
            aside = [step for step in of_kind if step.state == StepState.SET_ASIDE]
            number = sum(int(step.report.get("rows_in", 0)) for step in of_kind)
            seconds = sum(step.seconds for step in of_kind)
            last = max(step.ended_at for step in of_kind).astimezone(LONDON)
            rows.append(
                [
                    kind,
                    str(len(of_kind) - len(aside)),
                    str(len(aside)),
                    f"{number:,}" if number else "",
                    in_words(seconds),
                ]
                + [f"{last:%Y-%m-%d %H:%M}"]
            )
    print_table(["Step", "Done", "Set aside", "Rows", "Took", "Last"], rows)
    for step in steps:
        if step.state == StepState.SET_ASIDE:
            typer.echo(printable(f"{step.subject}: {step.sentence}"))


@migrate.command()
def invite(
    plan_file: PlanFile,
    organisation: Annotated[str | None, typer.Option(help="Only the people of this one, by its code.")] = None,
) -> None:
    """Mail the invitations of the plan's people, each once: nobody was told before."""
    from . import service

    plan = read_plan(plan_file)
    with initialised() as services:
        totals = service.invite(services, COMMAND_LINE, plan, _tell, organisation)
        whereabouts = services.mailer.whereabouts
    typer.echo(
        f"{totals.added} invited (each letter {whereabouts}), {totals.known} invited or working already, "
        f"{totals.set_aside} to be looked at."
    )
    if totals.set_aside:
        raise typer.Exit(_SET_ASIDE)


@migrate.command()
def compare(
    plan_file: PlanFile,
    output: Annotated[
        Path | None, typer.Option(help="The folder for the CSV and the page; the plan's own, unless told.")
    ] = None,
) -> None:
    """Old against new counts by dataset, month and borough. Status 2: something is beyond the tolerance."""
    from .comparing import compare as compare_counts
    from .comparison_report import lines, to_csv, to_html

    plan = read_plan(plan_file)
    with initialised() as services:
        compared = compare_counts(services, COMMAND_LINE, plan)
    folder = output or plan_file.parent
    folder.mkdir(parents=True, exist_ok=True)
    table, page = (folder / f"{plan.name}-comparison.{kind}" for kind in ("csv", "html"))
    table.write_text(to_csv(compared), encoding="utf-8", newline="")
    page.write_text(to_html(compared), encoding="utf-8")
    for line in lines(compared):
        _tell(line)
    typer.echo(f"All of it: {table} and {page}.")
    if compared.beyond:
        raise typer.Exit(_SET_ASIDE)


def _tell(line: str) -> None:
    typer.echo(printable(line))


@contextmanager
def _first_interrupt() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C, or a friendly SIGTERM, is only noted: the work ends at its next word. A second one ends it."""
    came = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGINT, before[0])

    before = [signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield lambda: came
    finally:
        for number, former in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, former)
