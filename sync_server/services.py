"""What the parts of the server work with, built once and passed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..shared.postcodes import POSTCODES_FILE, PostcodeIndex
from ..shared.presets import PRESETS_FILE, Preset, read_presets
from .audit.log import AuditLog
from .audit.opening import open_audit
from .database import Database
from .datasets.definitions import DatasetDefinition, read_definitions
from .errors import SafeStatsError
from .identity.passwords import Passwords
from .identity.purposes import Purpose, read_purposes
from .keys import Keys
from .one_at_a_time import OneAtATime
from .settings import Part, Settings
from .spatial.backend import SpatialBackend, backend_of

if TYPE_CHECKING:
    from .check.ground import Ground
    from .datasets.areas import AreaIndex
    from .geocoding.gazetteer import Gazetteer
    from .identity.tries import SignInTries
    from .mail.sending import Mailer
    from .supplies.turns import CheckTurns


@dataclass(frozen=True)
class Services:
    """One of each; nothing of it is module-level."""

    settings: Settings
    database: Database
    audit: AuditLog
    keys: Keys
    definitions: Mapping[str, DatasetDefinition]
    purposes: tuple[Purpose, ...]
    passwords: Passwords
    long_counts: OneAtATime = field(default_factory=OneAtATime)  # of boroughs: a year of London's rows each

    @cached_property
    def spatial(self) -> SpatialBackend:
        """What the database's engine does in its own way."""
        return backend_of(self.database.engine.dialect)

    def definition(self, dataset: str) -> DatasetDefinition:
        """The dataset's definition; raises ``SafeStatsError`` where there is none."""
        found = self.definitions.get(dataset)
        if found is None:
            raise SafeStatsError(
                f"There is no dataset “{dataset}”: the declared ones are {', '.join(self.definitions)}."
            )
        return found

    @cached_property
    def areas(self) -> AreaIndex:
        """The areas as they were when first asked for; raises ``SafeStatsError`` where none are loaded."""
        from .datasets.areas import AreaIndex  # geometry libraries, which most commands need not wait for

        with self.database.read() as session:
            return AreaIndex.open(session)

    @cached_property
    def made_up_places(self) -> Gazetteer:
        """The gazetteer of synthetic deliveries: unlike a real delivery's, nothing changes it while the server runs."""
        from .geocoding.boroughs import Boroughs  # tables in memory, which few commands need
        from .geocoding.gazetteer import read_made_up

        return read_made_up(self.settings.resources_dir, Boroughs(self.areas))

    @cached_property
    def sign_in_tries(self) -> SignInTries:
        """The count of tries to sign in, of this process."""
        from .identity.tries import SignInTries  # only the web's part signs people in

        return SignInTries()

    @cached_property
    def check_turns(self) -> CheckTurns:
        """The count of checks of suppliers' files that go on in this process."""
        from .supplies.turns import CheckTurns  # only the web's part checks for suppliers

        return CheckTurns()

    @cached_property
    def mailer(self) -> Mailer:
        """The way of mails out of the server."""
        from .mail.sending import mailer_of  # few commands send any

        return mailer_of(self.settings)

    @cached_property
    def postcodes(self) -> PostcodeIndex:
        """The postcodes of the places covered, read when first asked for."""
        return PostcodeIndex.load(self.settings.resources_dir / POSTCODES_FILE)

    @cached_property
    def ground(self) -> Ground:
        """Boroughs, land, river and postcodes, to place and draw with."""
        from .check.ground import Ground  # geometry libraries, which most commands need not wait for

        return Ground(self.areas, self.postcodes, self.settings.resources_dir)

    @cached_property
    def presets(self) -> tuple[Preset, ...]:
        """The fixed ways to ask around a place."""
        return read_presets(self.settings.resources_dir / PRESETS_FILE)

    def close(self) -> None:
        """Export the audit's head and let go of the files."""
        self.audit.close()
        self.database.engine.dispose()


def open_services(settings: Settings, as_: Part = Part.APPLICATION) -> Services:
    """The services on the folder of ``settings``, whose files are made where they are missing.

    On PostgreSQL they work under the role of the part; raises ``SafeStatsError`` where its address is not set.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Services(
        settings=settings,
        database=open_database(settings, as_),
        audit=open_audit(settings, "" if settings.embedded else settings.url(as_)),
        keys=Keys.open(settings.keys_path),
        definitions=read_definitions(settings.resources_dir / "datasets"),
        purposes=read_purposes(settings.resources_dir / "purposes.toml"),
        passwords=Passwords(settings.password_rounds, settings.password_memory_kib),
    )


def open_database(settings: Settings, as_: Part) -> Database:
    """The database that the settings name; raises ``SafeStatsError`` where the part's address is not set."""
    if settings.embedded:
        return Database.open(settings.database_path)
    url = settings.url(as_)
    if not url:
        name = {Part.APPLICATION: "DATABASE", Part.PUBLISHER: "PUBLISHER", Part.OWNER: "OWNER"}[as_]
        raise SafeStatsError(
            f"SAFESTATS_{name}_URL is not set, and this works with PostgreSQL as the {as_}: "
            "set it to that role's address."
        )
    return Database.connect(url)
