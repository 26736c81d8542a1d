"""A server on a folder of its own with hand-made incidents and agreements: for tests of publishing and sync."""

from __future__ import annotations

import gzip
import itertools
import sqlite3
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from safestats.sync_server.agreements.models import Agreement, AgreementState, Grant, GrantArea
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.identity.conditions import publish_conditions
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import add_organisation, add_user, find_organisation
from safestats.sync_server.instants import now
from safestats.sync_server.publishing.artefact_store import ArtefactStore
from safestats.sync_server.publishing.models import Release, ReleaseState
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import give_areas
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

DATASET = "mps"
PASSWORD = "correct horse battery staple"
CAMDEN, CITY = "E09000007", "E09000001"
PLACES = {
    CAMDEN: ("Camden", "E01000842", 529000, 184000),
    CITY: ("City of London", "E01000001", 532400, 181600),
}
ALL_GROUPS = "core area location place"


@dataclass(frozen=True)
class Incident:
    """One row as the tests see it; ``borough`` "" is unplaced."""

    number: int
    borough: str
    month: str
    category: str = "burglary"
    day: int = 1

    @property
    def street(self) -> str:
        return f"On or near Hidden Lane {self.number}"


@dataclass
class Rig:
    """Services and what was put into them."""

    services: Services
    live: list[Incident] = field(default_factory=list)
    _references: itertools.count = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def make(cls, folder: Path, *, areas: bool = False) -> Rig:
        settings = settings_for(folder)
        if areas:
            give_areas(settings)
        return cls.on(settings)

    @classmethod
    def on(cls, settings: Settings) -> Rig:
        """On a server that has its tables."""
        services = open_services(settings, Part.PUBLISHER)
        with services.database.write() as session:
            publish_conditions(session, "test", "Be good.")
        return cls(services)

    @property
    def store(self) -> ArtefactStore:
        return ArtefactStore(self.services.settings.artefacts_dir)

    def stage(self, *added: Incident, withdrawn: tuple[int, ...] = ()) -> int:
        """Stage rows as a load does; returns the number of the staged release."""
        definition = self.services.definitions[DATASET]
        table = incident_table(definition)
        self.services.spatial.make_room(self.services.database, definition, {incident.month for incident in added})
        with self.services.database.write() as session:
            releases = session.scalars(select(Release).where(Release.dataset == DATASET)).all()
            staged = next((r for r in releases if r.state == ReleaseState.STAGED), None)
            if staged is None:
                staged = Release(dataset=DATASET, number=len(releases) + 1, state=ReleaseState.STAGED, synthetic=True)
                session.add(staged)
            staged.staged_at = now()
            if added:
                session.execute(insert(table), [self._row(incident, staged.number) for incident in added])
            session.execute(
                update(table)
                .where(table.c.identity.in_([str(number) for number in withdrawn]), table.c.to_release.is_(None))
                .values(to_release=staged.number)
            )
            number = staged.number
        self.live = [incident for incident in self.live if incident.number not in withdrawn] + list(added)
        return number

    def _row(self, incident: Incident, release: int) -> dict:
        day = date.fromisoformat(f"{incident.month}-{incident.day:02d}") if incident.month else None
        keys, identity = self.services.keys, str(incident.number)
        borough, lsoa, easting, northing = PLACES.get(incident.borough, (None, None, None, None))
        return {
            "identity": identity,
            "content": "",
            "delivery_id": 0,
            "from_release": release,
            "to_release": None,
            **{f"fid_{p}": keys.feature_id(p, identity, day) for p in ("point", "grid", "area")},
            "period": incident.month,
            "area_code": lsoa or "unplaced",
            "month": incident.month or None,
            "borough_code": incident.borough or None,
            "borough": borough,
            "lsoa_code": lsoa,
            "easting": easting and easting + incident.number,
            "northing": northing and northing + incident.number,
            "location_method": "supplied" if easting else None,
            "precision_m": 10 if easting else None,
            "category": incident.category,
            "street": incident.street,
        }

    def organisation(self, code: str) -> None:
        """An organisation with one analyst of the same name."""
        with self.services.database.write() as session:
            organisation = add_organisation(session, code, code.title())
            passwords = self.services.passwords
            add_user(session, passwords, code, organisation, code.title(), Role.ANALYST, PASSWORD)

    def agree(
        self,
        organisation: str,
        *grants: dict,
        starts: date | None = None,
        ends: date | None = None,
    ) -> str:
        """An active agreement; a grant is given by its columns and ``areas``. Returns its reference."""
        today = now().date()
        reference = f"DSA-{next(self._references)}"
        with self.services.database.write() as session:
            session.add(
                Agreement(
                    reference=reference,
                    organisation_id=_organisation_id(session, organisation),
                    dataset=DATASET,
                    starts=starts or today - timedelta(days=1),
                    ends=ends or today + timedelta(days=365),
                    state=AgreementState.ACTIVE,
                    grants=[_grant(position, **terms) for position, terms in enumerate(grants, 1)],
                )
            )
        return reference

    def set_state(self, reference: str, state: AgreementState) -> None:
        with self.services.database.write() as session:
            session.execute(update(Agreement).where(Agreement.reference == reference).values(state=state))


def _organisation_id(session: Session, code: str) -> int:
    return find_organisation(session, code).id


def _grant(position: int, areas: tuple[str, ...], **terms: object) -> Grant:
    defaults = {"groups": ALL_GROUPS, "precision": "point", "may_view": True, "may_sync": True}
    grant = Grant(position=position, areas=[GrantArea(code=code) for code in areas])
    for name, value in {**defaults, **terms}.items():
        setattr(grant, name, value)
    return grant


def open_geopackage(packed: bytes, folder: Path) -> sqlite3.Connection:
    """The GeoPackage inside a file as sent, as SQLite reads it."""
    path = folder / f"opened-{len(list(folder.iterdir()))}.gpkg"
    path.write_bytes(gzip.decompress(packed))
    return sqlite3.connect(path)


def incidents() -> list[Incident]:
    """Eleven rows: two boroughs over two months, unplaced and undated ones."""
    rows = [
        Incident(number, borough, month)
        for number, (month, borough) in enumerate(
            itertools.product(("2025-01", "2025-02"), (CAMDEN, CAMDEN, CITY, "")), start=1
        )
    ]
    return [*rows, Incident(9, CAMDEN, ""), Incident(10, "", ""), Incident(11, CITY, "2025-02", "drugs")]
