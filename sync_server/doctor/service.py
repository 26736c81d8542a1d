"""The examination: check after check, whatever is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ..database import CannotLoadSpatialiteError, Database
from ..datasets.definitions import DefinitionError, read_definitions
from ..errors import SafeStatsError
from ..schema import check_schema
from ..services import open_database
from ..settings import Part, Settings
from . import host, postgresql, store
from .findings import Finding, fail, ok


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything that a server needs, one line each. Changes nothing but the audit, which tells of it."""
    yield from _safely("folder", lambda: host.look_at_folder(settings))
    yield from _safely("disk", lambda: host.look_at_disk(settings))
    yield from _safely("datasets", lambda: host.look_at_definitions(settings))
    with ExitStack() as closing:
        if settings.embedded:
            yield from _embedded(settings, closing)
        else:
            yield from _postgresql(settings, closing)
    yield from _safely("address", lambda: host.look_at_serving(settings))


def _embedded(settings: Settings, closing: ExitStack) -> Iterator[Finding]:
    if not settings.database_path.is_file():
        # Opening it would make an empty one.
        yield fail("database", f"there is no {settings.database_path}", "run “safestats init”")
        return
    database = open_database(settings, Part.PUBLISHER)
    closing.callback(database.engine.dispose)
    yield from _safely("engine", lambda: store.look_at_embedded(settings, database))
    yield from _of_both(settings, database)


def _postgresql(settings: Settings, closing: ExitStack) -> Iterator[Finding]:
    databases: dict[str, Database] = {}
    for part in (Part.APPLICATION, Part.PUBLISHER):
        try:
            database = open_database(settings, part)
            closing.callback(database.engine.dispose)
            with database.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except (SafeStatsError, SQLAlchemyError) as error:
            yield fail(
                "database", f"the {part} does not get in: {_first_line(error)}", "see the addresses and pg_hba.conf"
            )
        else:
            yield ok("database", f"the {part} gets in")
            databases[part] = database
    if len(databases) < 2:
        return
    application, publisher = databases[Part.APPLICATION], databases[Part.PUBLISHER]
    yield from _safely("engine", lambda: postgresql.look_at_engine(application))
    yield from _of_both(settings, publisher)
    if not _migrated(publisher):
        return
    yield from _safely("roles", lambda: postgresql.look_at_roles(databases))
    yield from _safely("audit's tables", lambda: postgresql.look_at_audit_rights(application))
    try:
        definitions = read_definitions(settings.resources_dir / "datasets")
    except (DefinitionError, OSError):
        return  # told already
    yield from _safely("row-level security", lambda: postgresql.look_at_incidents(application, definitions))


def _of_both(settings: Settings, database: Database) -> Iterator[Finding]:
    yield from _safely("clock", lambda: store.look_at_clock(database))
    yield from _safely("migrations", lambda: store.look_at_schema(database))
    if _migrated(database):
        yield from _safely("content", lambda: store.look_at_content(database))
        yield from _safely("seals", lambda: store.look_at_seals(settings))
        yield from _safely("audit", lambda: store.look_at_audit(settings))


def _migrated(database: Database) -> bool:
    try:
        check_schema(database)
    except (SafeStatsError, SQLAlchemyError):
        return False
    return True


def _safely(subject: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What the check finds; one that cannot be done is a finding too."""
    try:
        yield from check()
    except CannotLoadSpatialiteError as error:
        yield fail(subject, str(error), "install what it names")
    except (SQLAlchemyError, SafeStatsError, OSError) as error:
        yield fail(
            subject, f"it could not be looked at: {_first_line(error)}", "put right what comes before, then try again"
        )


def _first_line(error: Exception) -> str:
    told = str(getattr(error, "orig", None) or error).strip()
    return told.splitlines()[0] if told else type(error).__name__
