"""A server with some months of three hospitals: one that misses a month and sends a zero return, one that is late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from safestats.sync_server.agreements import profiles, service
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.identity.service import find_organisation
from safestats.sync_server.ingest.report import DeliveryReport
from safestats.sync_server.ingest.service import load
from safestats.sync_server.instants import london_today
from safestats.sync_server.sample import hospitals
from safestats.sync_server.sample.hospital_styles import STYLES
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import PACKAGE_ROOT, Part, Settings
from safestats.tests.server import console_rig

EALING, HILLINGDON, CROYDON = "R1K04", "RAS01", "RJ611"
SITES = (EALING, HILLINGDON, CROYDON)
MONTHS = range(1, 10)
LAST = "2025-09"
TODAY = date(2025, 10, 25)  # the last month is over and was due
LATE = 9
ROWS = 30
THRESHOLD = 8


@contextmanager
def some_hospitals() -> Iterator[None]:
    """The generator makes those of the three."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hospitals, "STYLES", tuple(style for style in STYLES if style.code in SITES))
        yield


def make_returns(folder: Path) -> None:
    """The months' workbooks, and in ``folder/jump`` a last month three times as large."""
    resources = PACKAGE_ROOT / "resources"
    with some_hospitals():
        hospitals.make_hospitals(folder, resources, 2025, list(MONTHS), rows_a_month=ROWS)
        hospitals.make_hospitals(folder / "jump", resources, 2025, [MONTHS[-1]], seed=2, rows_a_month=3 * ROWS)


def make_server(settings: Settings) -> Services:
    """Organisations, people and terms as the console's tests have them; open for loading."""
    console_rig.make_server(settings)
    return open_services(settings, Part.PUBLISHER)


def due(month: int) -> date:
    """The day on which the month's return is due."""
    return date(2025 + month // 12, month % 12 + 1, 15)


def load_returns(services: Services, folder: Path) -> dict[tuple[str, str], DeliveryReport]:
    """Everything, received on the due day; of the last month Hillingdon's is late and Croydon's too large."""
    reports = {}
    for month in MONTHS:
        for site in SITES:
            last = month == MONTHS[-1]
            home = folder / "jump" if last and site == CROYDON else folder
            file = next((home / "istv" / site).glob(f"*-2025-{month:02d}.*"), None)
            if file is None:
                continue
            late = timedelta(days=LATE if last and site == HILLINGDON else 0)
            reports[site, f"2025-{month:02d}"] = load(
                services, "istv", [file], site=site, today=TODAY, received_on=due(month) + late
            )
    return reports


def agree(services: Services, organisation: str, profile: profiles.Profile) -> str:
    """An agreement on the hospitals' data in force; its reference."""
    reference, today = f"DSA-{organisation.upper()}-ISTV", london_today()
    with services.database.write() as session:
        home = find_organisation(session, organisation)
        until = today + timedelta(days=300)
        agreement = service.draft(
            services, session, COMMAND_LINE, reference, home, "istv", today, until, console_rig.DETAILS
        )
        profiles.apply_profile(services, session, COMMAND_LINE, agreement, profile)
        service.sign(services, session, COMMAND_LINE, agreement, "A. Director")
        service.activate(services, session, COMMAND_LINE, agreement)
    return reference
