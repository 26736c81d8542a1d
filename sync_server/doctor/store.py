"""The database of either engine, and the audit."""

from __future__ import annotations

import itertools
import platform
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from ..audit.canonical import link
from ..audit.events import COMMAND_LINE, EventType
from ..audit.opening import open_audit
from ..database import Database
from ..datasets.models import Area
from ..errors import SafeStatsError
from ..identity.models import ConditionsOfUse
from ..instants import now
from ..problems import Problem
from ..schema import check_schema
from ..settings import Part, Settings
from .findings import Finding, fail, ok, warn

_LIGHT_EVENTS = 1_000
_NEAR_SECONDS = 2.0
_LONG_UNSEALED = timedelta(minutes=5)


def look_at_embedded(settings: Settings, database: Database) -> Iterator[Finding]:
    """SQLite and SpatiaLite, and the soundness of the file."""
    with database.read() as session:
        spatialite = session.execute(text("SELECT spatialite_version()")).scalar_one()
        yield ok(
            "engine",
            f"SpatiaLite {spatialite} on SQLite {sqlite3.sqlite_version}, Python {platform.python_version()}",
        )
        mode = session.execute(text("PRAGMA journal_mode")).scalar_one()
        if mode != "wal":
            yield fail("engine", f"the file's journal is “{mode}”", "keep it on a local disk, where WAL works")
        found = session.execute(text("PRAGMA quick_check(1)")).scalar_one()
        if found == "ok":
            yield ok("file", f"{settings.database_path} is sound")
        else:
            yield fail("file", f"{settings.database_path} is damaged ({found})", "restore the backup")


def look_at_schema(database: Database) -> Iterator[Finding]:
    """The migrations."""
    try:
        check_schema(database)
    except SafeStatsError:
        yield fail("migrations", "the tables are not of this version", "back up, then run “safestats init”")
    else:
        yield ok("migrations", "the tables are of this version")


def look_at_content(database: Database) -> Iterator[Finding]:
    """What every server must hold."""
    with database.read() as session:
        if session.query(Area).first() is None:
            yield fail("areas", "no boundaries are loaded", "run “safestats init”")
        else:
            yield ok("areas", "boundaries are loaded")
        if session.query(ConditionsOfUse).first() is None:
            yield fail("conditions of use", "none are published", "run “safestats init”")
        else:
            yield ok("conditions of use", "there are some")


def look_at_audit(settings: Settings) -> Iterator[Finding]:
    """Write an event, then follow the newest ones; the whole of it is ``safestats audit verify``'s."""
    advice = "run “safestats audit verify”, which names the event"
    try:
        audit = open_audit(settings, "" if settings.embedded else settings.url(Part.PUBLISHER))
    except (Problem, OSError) as error:
        yield fail("audit", f"it cannot be opened ({error})", "until it can, the server gives out nothing")
        return
    try:
        audit.record(EventType.SERVER_EXAMINED, actor=COMMAND_LINE)
        newest, _ = audit.store.head()
        events = audit.store.events(max(0, newest - _LIGHT_EVENTS))
        for before, event in itertools.pairwise(events):
            if event.number != before.number + 1 or event.hash != link(before.hash, event.body):
                yield fail("audit", f"event {event.number} does not follow event {before.number}", advice)
                return
    except (Problem, SafeStatsError, OSError) as error:
        yield fail("audit", f"it cannot be written ({error})", "until it can, the server gives out nothing")
        return
    finally:
        audit.close()
    yield ok("audit", f"it takes events; the newest {min(newest, _LIGHT_EVENTS):,} follow each other")


def look_at_seals(settings: Settings) -> Iterator[Finding]:
    """Whether the audit is sealed in time, and its seals are carried off; to be asked before anything seals it."""
    audit = open_audit(settings, "" if settings.embedded else settings.url(Part.PUBLISHER))
    try:
        standing = audit.standing()
        keyring = audit.sealing.keyring
        if standing.newest and not keyring.exists():
            told = f"the key that signs them, {keyring.path}, is missing"
            yield fail("seals", told, "put it back, or go on with a new one: “safestats audit keys --rotate”")
            return
        since = standing.unsealed_since
        if since is not None and now() - since > _LONG_UNSEALED:
            told = f"what the audit recorded since {since:%Y-%m-%d %H:%M:%S} UTC is not sealed"
            yield warn("seals", told, "“safestats serve” seals every minute; at once: “safestats audit seal”")
            return
        if standing.exported < standing.newest:
            told = f"of {standing.newest} seals only {standing.exported} reached {audit.sealing.folder.path}"
            yield warn("seals", told, "see that this folder is there and can be written, then “safestats audit seal”")
            return
        where = (
            "" if settings.audit_export_dir else ", on this host: set SAFESTATS_AUDIT_EXPORT_DIR to another's folder"
        )
        yield ok("seals", f"{standing.newest:,} made, and exported to {audit.sealing.folder.path}{where}")
    finally:
        audit.store.close()


def look_at_clock(database: Database) -> Iterator[Finding]:
    """This machine's time against the database's."""
    with database.read() as session:
        theirs = session.execute(text("SELECT CURRENT_TIMESTAMP")).scalar_one()
    if isinstance(theirs, str):
        theirs = datetime.fromisoformat(theirs).replace(tzinfo=UTC)
    apart = abs((now() - theirs).total_seconds())
    if apart > _NEAR_SECONDS:
        yield warn(
            "clock",
            f"this machine and the database are {apart:.0f} seconds apart",
            "let both keep time by the same NTP servers: sessions and second factors go by it",
        )
    else:
        yield ok("clock", f"{now():%Y-%m-%d %H:%M:%S} UTC, as the database has it")
