"""The settings of a test's server, and the engine that it runs on.

    SAFESTATS_TEST_ENGINE=postgis .venvs/server/bin/pytest tests/server -q -m 'not slow'

runs the tests on PostGIS: in a cluster of the run's own, which is made when the first test asks and gone with the
run. Each ``settings_for`` is a new database, copied from one that ``safestats init`` would have left; a test's
databases are dropped when it ends. Nothing else is to be done, and a test that opens its services with
``open_services(settings, Part.PUBLISHER)`` may load and publish on both engines. What many tests begin with is made
once a run and copied (``fill``).
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from safestats.sync_server.datasets.definitions import read_definitions
from safestats.sync_server.schema import prepare_database
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part, Settings
from sqlalchemy import make_url, text

ENGINE = os.environ.get("SAFESTATS_TEST_ENGINE", "spatialite")
ON_POSTGIS = ENGINE == "postgis"
_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "postgis.sh"
_ROLES = {"owner_url": "safestats_owner", "publisher_url": "safestats_publisher", "database_url": "safestats_app"}
_TEMPLATE = "safestats"
# Peers of the benchmarks lie in the tests' environment and in no server's, where GDAL's reader would import them.
_WITHOUT_PEERS = Path(__file__).resolve().parent / "without_peers"


def settings_for(folder: Path, **changes: Any) -> Settings:
    """A server in a folder of its own, with passwords that are hashed fast; on PostGIS in a database of its own."""
    urls = _cluster().new_database() if ON_POSTGIS and "database_url" not in changes else {}
    settings = _quick(folder, **{**urls, **changes})
    if settings.embedded and not settings.database_path.exists():
        settings.database_path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_embedded_template(), settings.database_path)
    return settings


def _quick(folder: Path, **changes: Any) -> Settings:
    quick = {"password_rounds": 1, "password_memory_kib": 64, "audit_points_per_minute": 1_000_000}
    return Settings(data_dir=folder, **{**quick, **changes})


def empty_database(folder: Path) -> Settings:
    """As ``settings_for``, before ``safestats init``: on PostGIS there is the extension and nothing else."""
    return _quick(folder, **(_cluster().new_database("safestats_empty") if ON_POSTGIS else {}))


def fill(settings: Settings, make: Callable[[Settings], None]) -> None:
    """Let a server that nobody has opened hold what ``make`` puts into one.

    ``make`` works once a run, in a server of its own that it closes; from then on that is copied.
    """
    made = _made(
        make, settings.embedded, settings.resources_dir, settings.password_rounds, settings.password_memory_kib
    )
    shutil.copytree(made.data_dir, settings.data_dir, dirs_exist_ok=True)
    if not settings.embedded:
        _cluster().overwrite(_name(settings), _name(made))


@cache
def _made(make: Callable[[Settings], None], embedded: bool, resources: Path, rounds: int, memory_kib: int) -> Settings:
    folder = Path(tempfile.mkdtemp(prefix="safestats-made-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    urls = {"database_url": ""} if embedded else _cluster().new_database(kept=True)
    settings = settings_for(
        folder / "server", **urls, resources_dir=resources, password_rounds=rounds, password_memory_kib=memory_kib
    )
    make(settings)
    return settings


def initialise(settings: Settings) -> None:
    """Let a server hold what ``safestats init`` makes, which runs once a run."""
    fill(settings, _init)


def _init(settings: Settings) -> None:
    command = [sys.executable, "-m", "safestats.sync_server.cli", "init"]
    subprocess.run(command, env=environment(settings), capture_output=True, check=True)


def _name(settings: Settings) -> str:
    return str(make_url(settings.owner_url).database)


def environment(settings: Settings) -> dict[str, str]:
    """What a process works with that is to serve, or to command, the same server."""
    names = ("data_dir", "resources_dir", "database_url", "publisher_url", "owner_url")
    told = {f"SAFESTATS_{name.upper()}": str(getattr(settings, name)) for name in names}
    return {**os.environ, "PYTHONPATH": str(_WITHOUT_PEERS), **told}


def copied(server: Settings, folder: Path) -> Settings:
    """A server of its own with all that a closed one has."""
    shutil.copytree(server.data_dir, folder, dirs_exist_ok=True)
    if not ON_POSTGIS:
        return settings_for(folder)
    return settings_for(folder, **_cluster().new_database(_name(server)))


def break_audit(settings: Settings) -> None:
    """Let the audit take no event any more."""
    if ON_POSTGIS:
        statement = "REVOKE INSERT ON audit_event FROM safestats_app, safestats_publisher"
        database = open_database(settings, Part.OWNER)
        with database.write() as session:
            session.execute(text(statement))
        database.engine.dispose()
        return
    with closing(sqlite3.connect(settings.audit_path)) as audit:
        audit.execute("CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END")


def alter_audit(settings: Settings, old: str, new: str) -> None:
    """Write over a text in every event, past what guards the audit."""
    change = "SET body = replace(body, ?, ?)"
    if ON_POSTGIS:
        database = open_database(settings, Part.OWNER)
        with database.write() as session:
            session.execute(text("ALTER TABLE audit_event DISABLE TRIGGER USER"))
            session.connection().exec_driver_sql(f"UPDATE audit_event {change.replace('?', '%s')}", (old, new))
        database.engine.dispose()
        return
    with closing(sqlite3.connect(settings.audit_path)) as audit, audit:
        audit.execute("DROP TRIGGER event_is_never_changed")
        audit.execute(f"UPDATE event {change}", (old, new))


@contextmanager
def databases_of_a_test() -> Iterator[None]:
    """Drop, on leaving, the databases that were made meanwhile."""
    if not ON_POSTGIS or not _cluster.cache_info().currsize:
        before = 0
    else:
        before = len(_cluster().databases)
    yield
    if ON_POSTGIS and _cluster.cache_info().currsize:
        _cluster().drop(before)


@dataclass
class _Cluster:
    """A cluster of PostgreSQL that lives as long as this process. The folder of its socket is all that is needed."""

    socket: str
    databases: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def urls(self, database: str) -> dict[str, str]:
        """The settings of a server in the database."""
        return {name: f"postgresql+psycopg://{role}@/{database}?host={self.socket}" for name, role in _ROLES.items()}

    def new_database(self, template: str = _TEMPLATE, *, kept: bool = False) -> dict[str, str]:
        """The settings of a server in a copy of the template, which ends with the test unless it is ``kept``."""
        name = f"test_{next(self._numbers)}"
        self._run(_copy(name, template))
        if not kept:
            self.databases.append(name)
        return self.urls(name)

    def overwrite(self, name: str, template: str) -> None:
        """Make the database a copy of the template."""
        self._run(f"DROP DATABASE {name}", _copy(name, template))

    def drop(self, first: int) -> None:
        """Drop the databases from that one on, whoever is still connected."""
        self._run(*(f"DROP DATABASE {name} WITH (FORCE)" for name in self.databases[first:]))
        del self.databases[first:]

    def _run(self, *statements: str) -> None:
        if not statements:
            return
        with psycopg.connect(host=self.socket, user="safestats_owner", dbname="postgres", autocommit=True) as session:
            for statement in statements:
                session.execute(statement)


def _copy(name: str, template: str) -> str:
    # Of many small files that is a third of what copying through the log takes.
    return f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"


@cache
def _embedded_template() -> Path:
    """The embedded database as ``safestats init`` would have left it, in one file, made once a run."""
    folder = Path(tempfile.mkdtemp(prefix="safestats-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = _quick(folder)
    database = open_database(settings, Part.OWNER)
    prepare_database(database, settings, read_definitions(settings.resources_dir / "datasets"))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.engine.dispose()
    return settings.database_path


@cache
def _cluster() -> _Cluster:
    # It ends when its standard input does: with this process, however that ends.
    process = subprocess.Popen(
        [_SCRIPT, "throwaway"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin and process.stdout and process.stderr
    socket = process.stdout.readline().strip()
    if not socket:
        raise RuntimeError(f"There is no PostgreSQL for the tests: {process.stderr.read()}")
    atexit.register(process.wait, 30)
    atexit.register(process.stdin.close)
    cluster = _Cluster(socket)
    cluster._run(_copy("safestats_empty", _TEMPLATE))
    settings = Settings(**cluster.urls(_TEMPLATE))
    database = open_database(settings, Part.OWNER)
    prepare_database(database, settings, read_definitions(settings.resources_dir / "datasets"))
    database.engine.dispose()
    return cluster
