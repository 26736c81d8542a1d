"""Every byte that a server keeps, as it lies and as it is packed, and a search for texts in any form."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from safestats.sync_server.services import Services
from safestats.tests.server.engines import ON_POSTGIS
from sqlalchemy import make_url

FORMS: tuple[Callable[[str], bytes], ...] = (
    lambda text: text.encode(),
    lambda text: text.encode("utf-16-le"),
    lambda text: text.encode("utf-16-be"),
    lambda text: text.encode().hex().encode(),
    lambda text: text.encode("utf-16-le").hex().encode(),
)


def stored(services: Services, log: bool = True) -> Iterator[tuple[str, bytes]]:
    """The server's files and, on PostgreSQL, its tables, its files and (``log``) the write-ahead log, by where."""
    folder = services.settings.data_dir
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()
    if not ON_POSTGIS:
        return
    url = make_url(services.settings.owner_url)
    cluster = Path(str(url.query["host"]))
    with psycopg.connect(host=str(cluster), user=url.username, dbname=url.database, autocommit=True) as session:
        tables = session.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            with session.cursor().copy(f'COPY (SELECT * FROM "{schema}"."{table}") TO STDOUT') as copy:
                yield f"table {table}", b"".join(bytes(part) for part in copy)
        (number,) = session.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone() or (0,)
    # The files of the database with its dead rows, and the log of what was written, also by those that failed.
    files = [*(cluster / "base" / str(number)).glob("*"), *((cluster / "pg_wal").glob("0*") if log else ())]
    for path in files:
        if path.is_file():
            yield f"{path.parent.name}/{path.name}", path.read_bytes()


def with_packed(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Bytes as they lie, and what is packed in them with gzip or zip."""
    yield name, data
    for match in re.finditer(rb"\x1f\x8b\x08", data):
        try:
            yield f"{name} (gzip)", zlib.decompressobj(31).decompress(data[match.start() :], 300_000_000)
        except zlib.error:
            continue
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield f"{name}/{member}", archive.read(member)


def finds(data: bytes, text: str) -> bool:
    """Whether the text is there, in whatever case and form."""
    small = data.lower()
    return any(form(text).lower() in small for form in FORMS)


def holding(services: Services, text: str, log: bool = True) -> set[str]:
    """Where the text is found."""
    return {
        where for name, data in stored(services, log) for where, bare in with_packed(name, data) if finds(bare, text)
    }


def renew_write_ahead_log(services: Services) -> None:
    """What PostgreSQL's administrator does after a recall, as docs/recall.md says."""
    host = str(make_url(services.settings.owner_url).query["host"])
    with psycopg.connect(host=host, user=Path(host).owner(), dbname="postgres", autocommit=True) as session:
        session.execute("ALTER SYSTEM SET wal_recycle = off")
        session.execute("SELECT pg_reload_conf()")
        session.execute("SELECT pg_sleep(0.5)")  # the checkpointer reads it in its own time
        for _ in range(3):
            session.execute("SELECT pg_switch_wal()")
            session.execute("CHECKPOINT")
        session.execute("ALTER SYSTEM RESET wal_recycle")
        session.execute("SELECT pg_reload_conf()")
