"""The vault that the figures are of: made once, which takes minutes, and kept for the next run."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..sync_server.datasets.areas import AreaIndex
from ..sync_server.schema import newest_migration
from ..sync_server.services import Services, open_services
from ..sync_server.settings import Part, Settings
from . import invented_vault
from .cluster import Cluster
from .invented_vault import Person
from .programs import Server

# What decides about the tables and what is in them; releases and sessions are made anew for each run.
_PACKAGE = Path(__file__).parent.parent
_SOURCES = ("benchmarks/cluster.py", "benchmarks/invented_vault.py", "sync_server/datasets/incidents.py")


@dataclass(frozen=True)
class Vault:
    """A server on PostgreSQL with all its incidents and people."""

    root: Path
    folder: Path
    cluster: Cluster

    @property
    def server(self) -> Server:
        """The command on it."""
        return Server(self.root, self.folder / "server", self.cluster.environment())

    def services(self, part: Part) -> Services:
        """Its services, under the role of the part."""
        urls = {name.removeprefix("SAFESTATS_").lower(): url for name, url in self.cluster.environment().items()}
        return open_services(Settings(data_dir=self.folder / "server", **urls), part)  # type: ignore[arg-type]

    def sign_in_everybody(self) -> list[Person]:
        """See ``invented_vault``."""
        services = self.services(Part.PUBLISHER)
        try:
            with services.database.write() as session:
                return invented_vault.sign_in_everybody(session)
        finally:
            services.close()

    def make(self) -> None:
        """Incidents and people, from nothing, in a cluster that runs."""
        self.server.command("init")
        publisher, owner = self.services(Part.PUBLISHER), self.services(Part.OWNER)
        definition = owner.definition(invented_vault.LAYER)
        try:
            publisher.spatial.make_room(publisher.database, definition, invented_vault.PERIODS)
            engine = self.cluster.engine()
            with engine.connect() as connection:
                invented_vault.make_incidents(connection, definition)
            with owner.database.write() as session:
                invented_vault.make_people(owner, session, AreaIndex.open(session))
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
            engine.dispose()
        finally:
            publisher.close()
            owner.close()

    def publish(self) -> None:
        """Releases with the files that the agreements' rights ask for as of today."""
        owner = self.services(Part.OWNER)
        try:
            with owner.database.write() as session:
                invented_vault.make_releases(owner, session)
        finally:
            owner.close()


@contextmanager
def prepared_vault(root: Path, folder: Path) -> Iterator[Vault]:
    """Running as long as it is wanted; what is in ``folder`` is used again unless what it is made by has changed."""
    stamp, made_by = folder / "made-by", _stamp()
    vault = Vault(root, folder, Cluster(root, folder / "cluster"))
    there = stamp.exists() and stamp.read_text(encoding="ascii") == made_by
    if not there:
        vault.cluster.remove()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    with vault.cluster.running():
        if there:
            vault.server.command("init")  # what the roles may do is not in the stamp
        else:
            print(f"bench: making {invented_vault.INCIDENTS:,} incidents …", flush=True)
            began = time.monotonic()
            vault.make()
            stamp.write_text(made_by, encoding="ascii")
            print(f"bench: they took {time.monotonic() - began:.0f} s, and are kept in {folder}", flush=True)
        vault.publish()
        yield vault


def _stamp() -> str:
    digest = hashlib.sha256(newest_migration().encode())
    for source in _SOURCES:
        digest.update((_PACKAGE / source).read_bytes())
    return digest.hexdigest()
