"""A PostgreSQL cluster of the benchmarks' own, with the settings that a server for it would have."""

from __future__ import annotations

import getpass
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from .programs import run

# For a machine with memory to spare; what keeps commits durable stays as it is: on.
_SETTINGS = {
    "shared_buffers": "2GB",
    "effective_cache_size": "6GB",
    "maintenance_work_mem": "512MB",
    "work_mem": "32MB",
    "random_page_cost": "1.1",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}


@dataclass(frozen=True)
class Cluster:
    """The cluster in ``folder``, made by ``scripts/postgis.sh``: it listens on a socket in there only."""

    root: Path
    folder: Path

    @contextmanager
    def running(self) -> Iterator[None]:
        """As long as it is wanted."""
        self._script("start")
        try:
            with self.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for name, value in _SETTINGS.items():
                    connection.execute(text(f"ALTER SYSTEM SET {name} = '{value}'"))
            self._script("stop")
            self._script("start")
            yield
        finally:
            self._script("stop")

    def environment(self) -> dict[str, str]:
        """The settings of a server on it."""
        return dict(re.findall(r"export (\w+)='(.*)'", self._script("environment")))

    def recreate(self) -> None:
        """Drop the database and all in it, and make it anew, empty."""
        self._script("recreate", "safestats")

    def engine(self) -> Engine:
        """An engine under the role that made the cluster, to whom no policy applies."""
        return create_engine(self.url)

    @property
    def url(self) -> str:
        """As ``engine``, for a database of the server's own kind."""
        return f"postgresql+psycopg://{_superuser()}@/safestats?host={self.folder.resolve()}"

    @property
    def conninfo(self) -> str:
        """As ``engine``, for the driver alone."""
        return f"user={_superuser()} dbname=safestats host={self.folder.resolve()}"

    def remove(self) -> None:
        """Stop it where it runs, and remove all of it."""
        if not self.folder.exists():
            return
        self._script("stop")
        shutil.rmtree(self.folder.resolve())
        self.folder.unlink(missing_ok=True)

    def _script(self, command: str, *words: str) -> str:
        return run([str(self.root / "scripts" / "postgis.sh"), command, str(self.folder), *words])


def _superuser() -> str:
    """PostgreSQL does not run as root: then its own user has made the cluster."""
    return "postgres" if os.geteuid() == 0 else getpass.getuser()
