"""Commands: reading, proving, sealing and keeping the audit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ..command_line import initialised, print_table
from ..errors import SafeStatsError
from ..instants import now
from ..settings import Part
from .archive import check_archive
from .events import COMMAND_LINE, EventType, Recorder
from .export import export_events
from .log import Event
from .opening import open_audit
from .retention import retire
from .seals import SealFolder
from .search import AuditScope, Page, search
from .signing import read_public_keys
from .store import Criteria

commands = typer.Typer()
audit_commands = typer.Typer(no_args_is_help=True, help="The audit: an append-only, sealed chain of events.")
commands.add_typer(audit_commands, name="audit")

_COLUMNS = ("at", "event", "outcome", "reason", "actor", "organisation", "dataset", "purpose", "rows")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document a line, with every member.")]
PublicKeys = Annotated[
    list[Path] | None,
    typer.Option("--public-key", help="A public key (PEM) that you trust, or a folder of them. May be repeated."),
]


@audit_commands.command("verify")
def verify(
    seals: Annotated[
        Path | None, typer.Option(help="A folder of seals that was kept elsewhere, instead of the server's own.")
    ] = None,
    public_key: PublicKeys = None,
    archive: Annotated[
        list[Path] | None, typer.Option(help="An archive or export to prove as well. May be repeated.")
    ] = None,
) -> None:
    """Prove events, seals and signatures; names the first altered, missing or moved event and ends with status 1."""
    if seals is not None and not seals.is_dir():
        raise SafeStatsError(f"There is no folder {seals}: name the one that holds the exported seals.")
    keys = read_public_keys(public_key) if public_key else None
    with initialised() as services:
        result = services.audit.verify(SealFolder(seals) if seals else None, keys)
        trusted = services.audit.sealing.keyring.public_keys() if keys is None else keys
    if not result.ok:
        raise SafeStatsError(f"The audit is not intact. {result.message}")
    typer.echo(result.message)
    if seals is None:
        typer.echo(
            "The seals exported to the server's own folder were all that could be compared with: whoever can "
            "rewrite it too could cut the end off unseen. Name a folder that was kept elsewhere with --seals."
        )
    for folder in archive or ():
        try:
            contents = check_archive(folder, trusted)
        except ValueError as error:
            raise SafeStatsError(f"The archive is not intact. {error}.") from error
        typer.echo(f"{folder}: events {contents.first} to {contents.last} are in place and unaltered.")


@audit_commands.command("events")
def events() -> None:
    """What is audited: every kind of event, who records it, and what the members of its filter mean."""
    rows = [
        [
            str(event),
            {Recorder.SERVER: "server", Recorder.TEAM: "team", Recorder.DESK: "desk, reported"}[event.recorder],
            event.meaning,
            "; ".join(f"{name}: {meaning}" for name, meaning in event.members.items()),
        ]
        for event in EventType
    ]
    print_table(["Event", "Recorded by", "What it tells", "Its filter"], rows)


@audit_commands.command("list")
def list_events(
    last: Annotated[int, typer.Option(min=1, help="How many of the newest events.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest events."""
    with initialised() as services:
        _show(services.audit.events(last), as_json)


@audit_commands.command("search")
def search_events(
    actor: Annotated[str, typer.Option(help="The opaque id of who did it (“user list” shows it).")] = "",
    organisation: Annotated[str, typer.Option(help="An organisation's code.")] = "",
    dataset: Annotated[str, typer.Option(help="A dataset's code.")] = "",
    event: Annotated[str, typer.Option(help="An event, for example layer.pull.")] = "",
    outcome: Annotated[str, typer.Option(help="ok, refused or broken-off.")] = "",
    since: Annotated[str, typer.Option(help="From this instant or day on, UTC: 2026-11-01.")] = "",
    until: Annotated[str, typer.Option(help="Before this instant or day, UTC.")] = "",
    text: Annotated[str, typer.Option(help="What stands somewhere in the event.")] = "",
    before: Annotated[int, typer.Option(min=0, help="Older than the event of this number: the next page.")] = 0,
    size: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Events that meet every criterion, newest first. The search is recorded."""
    criteria = Criteria(actor, organisation, dataset, event, outcome, since, until, text)
    with initialised() as services:
        found = search(services.audit, AuditScope.everything(), criteria, Page(before or None, size))
    _show(found.events, as_json)
    if found.next is not None:
        typer.echo(f"There is more: add --before {found.next.before}.", err=True)


@audit_commands.command("seal")
def seal() -> None:
    """Seal what is not sealed and export the seals; a running server does this every minute."""
    with initialised() as services:
        try:
            made = services.audit.seal()
        except OSError as error:
            folder = services.audit.sealing.folder.path
            raise SafeStatsError(f"The seals could not be exported to {folder}: {error.strerror}.") from error
        newest = services.audit.verify()
    if not newest.ok:
        raise SafeStatsError(f"The audit is not intact. {newest.message}")
    typer.echo(f"{made} seal(s) made. Up to event {newest.sealed_until} everything is sealed.")


@audit_commands.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="A new folder for the files.")],
    after: Annotated[int, typer.Option(min=0, help="Only events after this number.")] = 0,
) -> None:
    """Write events, seals and public keys as files that prove themselves; the export is recorded."""
    with initialised() as services:
        contents = export_events(services.audit, folder, COMMAND_LINE, after)
    typer.echo(
        f"{folder} holds events {contents.first} to {contents.last} and {contents.seals} seal(s); "
        f"SHA-256 of the events: {contents.events_sha256}."
    )


@audit_commands.command("keys")
def keys(
    rotate: Annotated[bool, typer.Option(help="Sign with a new key from now on.")] = False,
    export_to: Annotated[Path | None, typer.Option(help="Write the public keys into this folder.")] = None,
) -> None:
    """The keys that sign or signed seals; the one in use is marked."""
    with initialised() as services:
        audit = services.audit
        if rotate:
            audit.rotate_key(COMMAND_LINE)
        keyring = audit.sealing.keyring
        public = keyring.public_keys()
        current = keyring.public().id if keyring.exists() else ""
        if export_to is not None:
            export_to.mkdir(parents=True, exist_ok=True)
            for key in public.values():
                (export_to / f"{key.id}.pem").write_bytes(key.pem)
    for key in public.values():
        typer.echo(f"{key.id}  {key.raw.hex()}{'  in use' if key.id == current else ''}")


@audit_commands.command("retention")
def retention(
    folder: Annotated[Path, typer.Argument(help="Where the archive goes: a folder in it for each run.")],
    months: Annotated[int, typer.Option(min=0, help="Keep so many months; else SAFESTATS_AUDIT_KEEP_MONTHS.")] = 0,
) -> None:
    """Archive sealed batches that are older than the agreed time, prove the archive, then remove them here."""
    with initialised() as services:
        settings = services.settings
        # Only the owner of the tables can remove; everything else is done as everybody does it.
        owner = None if settings.embedded else open_audit(settings, settings.url(Part.OWNER))
        try:
            retired = retire(
                services.audit,
                months or settings.audit_keep_months,
                now(),
                folder,
                COMMAND_LINE,
                owner.store.remove if owner else None,
            )
        finally:
            if owner is not None:
                owner.store.close()
    if retired is None:
        typer.echo("No sealed batch is that old: nothing was archived.")
        return
    typer.echo(f"{retired.removed} events, up to {retired.contents.last}, are in {retired.folder} alone now.")


def _show(events: Iterable[Event], as_json: bool) -> None:
    if as_json:
        for event in events:
            typer.echo(json.dumps(event.body, ensure_ascii=False, sort_keys=True))
        return
    rows = [
        [str(event.number), *("" if event.body[name] is None else str(event.body[name]) for name in _COLUMNS)]
        for event in events
    ]
    print_table(["Number", *(name.capitalize() for name in _COLUMNS)], rows)
