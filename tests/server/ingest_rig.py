"""Small deliveries in the suppliers' formats, and a look at what a load leaves behind."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.ingest.models import Delivery, RejectedRow
from safestats.sync_server.ingest.report import DeliveryReport
from safestats.sync_server.ingest.service import load
from safestats.sync_server.publishing.models import Release
from safestats.sync_server.publishing.service import publish
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import fill
from sqlalchemy import Row, select

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"

STREET_HEADER = (
    "Crime ID,Month,Reported by,Falls within,Longitude,Latitude,Location,LSOA code,LSOA name,"
    "Crime type,Last outcome category,Context"
)
FORCES = {"mps": "Metropolitan Police Service", "colp": "City of London Police", "btp": "British Transport Police"}
# In Camden (E01000863 by the point), and in Brighton.
CAMDEN = ("-0.141500", "51.540000")
BRIGHTON = ("-0.141000", "50.829000")


def open_prepared(settings: Settings) -> Services:
    """The publisher's services of a server that has its tables and London's boundaries, and nothing else."""
    give_areas(settings)
    return open_services(settings, Part.PUBLISHER)


def give_areas(settings: Settings) -> None:
    """Let a server that nobody has opened have London's boundaries."""
    fill(settings, _load_areas)


def _load_areas(settings: Settings) -> None:
    services = open_services(settings, Part.PUBLISHER)
    with services.database.write() as session:
        load_supplied_areas(session, settings.resources_dir / BOUNDARIES_FILE)
    services.close()


def street_row(
    name: str = "",
    *,
    month: str = "2023-05",
    place: tuple[str, str] = CAMDEN,
    lsoa: str = "",
    category: str = "Burglary",
    street: str = "On or near High Street",
    outcome: str = "",
    force: str = "colp",
) -> str:
    owner = FORCES[force]
    return f"{name},{month},{owner},{owner},{place[0]},{place[1]},{street},{lsoa},,{category},{outcome},"


def street_csv(path: Path, *rows: str, header: str = STREET_HEADER, end: str = "\r\n") -> Path:
    path.write_text(end.join([header, *rows]) + end, encoding="utf-8", newline="")
    return path


def api_entry(name: int | str, *, category: str = "burglary", kind: str = "Force", month: str = "2017-03") -> dict:
    return {
        "category": category,
        "location_type": kind,
        "location": {
            "latitude": CAMDEN[1],
            "longitude": CAMDEN[0],
            "street": {"id": 1, "name": "On or near High Street"},
        },
        "context": "",
        "outcome_status": {"category": "Under investigation", "date": "2017-04"},
        "persistent_id": "",
        "id": name,
        "location_subtype": "",
        "month": month,
    }


def api_zip(path: Path, **members: list[dict] | str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, entries in members.items():
            archive.writestr(f"{name}.json", entries if isinstance(entries, str) else json.dumps(entries))
    return path


def load_street(services: Services, path: Path, *rows: str, dataset: str = "colp", **options: bool) -> DeliveryReport:
    """Load rows as one street CSV at ``path``."""
    return load(services, dataset, [street_csv(path, *rows)], **options)


def held(services: Services, dataset: str, release: int | None = None) -> list[Row]:
    """The rows of a release; unless told, those that stand once everything staged is published."""
    table = incident_table(services.definitions[dataset])
    query = select(table).order_by(table.c.row_id)
    if release is None:
        query = query.where(table.c.to_release.is_(None))
    else:
        open_then = table.c.to_release.is_(None) | (table.c.to_release > release)
        query = query.where(table.c.from_release <= release, open_then)
    with services.database.read() as session:
        return list(session.execute(query))


def rejected(services: Services) -> list[RejectedRow]:
    with services.database.read() as session:
        return list(session.scalars(select(RejectedRow).order_by(RejectedRow.rejected_row_id)))


def deliveries(services: Services) -> list[Delivery]:
    with services.database.read() as session:
        return list(session.scalars(select(Delivery)))


def releases(services: Services, dataset: str) -> list[tuple[int, str]]:
    with services.database.read() as session:
        found = session.scalars(select(Release).where(Release.dataset == dataset).order_by(Release.number))
        return [(release.number, str(release.state)) for release in found]


def publish_now(services: Services, dataset: str) -> None:
    publish(services, dataset, lambda step, done, total: None)
