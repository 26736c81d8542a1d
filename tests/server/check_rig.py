"""A server on which people of the City may check places, with real deliveries of the City's police and the Brigade."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from safestats.sync_server.agreements import grants, service
from safestats.sync_server.agreements.grants import GrantTerms
from safestats.sync_server.agreements.models import Precision, Use
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.datasets.definitions import FieldGroup, layer_fields
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import add_organisation, add_user, find_organisation, find_user
from safestats.sync_server.identity.subject import Subject
from safestats.sync_server.ingest.service import load
from safestats.sync_server.instants import london_today
from safestats.sync_server.ranks.building import build_ranks
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server import console_rig
from safestats.tests.server.ingest_rig import REAL, publish_now

CITY_CODE = "E09000001"
CITY_FILES = sorted((REAL / "police_city_of_london").glob("*.csv"))
FIRE_FILES = sorted((REAL / "lfb").glob("2017-*.csv"))
ALL_USES = frozenset(Use)
THE_CITY = (CITY_CODE, "unplaced", "outside")
# A postcode of the City, well inside it.
CHEAPSIDE = "EC2V 6AA"
# Like all others of the console's rig, but of the City of London.
PEOPLE = {
    "city.officer": Role.LICENSING_OFFICER,
    "city.records": Role.LICENSING_OFFICER,
    "city.analyst": Role.ANALYST,
    "city.admin": Role.ORGANISATION_ADMIN,
    "barnet.officer": Role.LICENSING_OFFICER,
}


def make_server(settings: Settings, datasets: dict[str, Sequence[Path]]) -> None:
    """The console's people, and the City's: officers who only count, officers with records, an analyst; Barnet's has
    no agreement. ``datasets`` are loaded and published, and places ranked."""
    console_rig.make_server(settings)
    services = open_services(settings, Part.PUBLISHER)
    homes = {"city.records": "city-records", "barnet.officer": "barnet"}
    with services.database.write() as session:
        made = {}
        for code, name in (
            ("city", "City of London Corporation"),
            ("city-records", "City of London Licensing"),
            ("barnet", "London Borough of Barnet"),
        ):
            made[code] = add_organisation(session, code, name, "borough", console_rig.REMIT, [CITY_CODE])
        for username, role in PEOPLE.items():
            shown = username.replace(".", " ").title()
            home = made[homes.get(username, "city")]
            add_user(
                session,
                services.passwords,
                username,
                home,
                shown,
                role,
                console_rig.PASSWORD,
                f"{username}@example.org",
            )
    for dataset in datasets:
        agree(services, f"CITY-{dataset.upper()}", "city", dataset)
        agree(services, f"RECORDS-{dataset.upper()}", "city-records", dataset, officer_records=True)
    for dataset, files in datasets.items():
        load(services, dataset, list(files))
        publish_now(services, dataset)
    build_ranks(services, london_today())
    services.close()


def agree(
    services: Services,
    reference: str,
    organisation: str,
    dataset: str,
    *,
    areas: tuple[str, ...] = THE_CITY,
    uses: frozenset[Use] = ALL_USES,
    officer_records: bool = False,
    precision: Precision = Precision.POINT,
    grid_m: int = 0,
) -> None:
    """An agreement in force on all fields; on points, unless told otherwise."""
    today = london_today()
    groups = {field.group for field in layer_fields(services.definitions[dataset])}
    asked = GrantTerms(
        areas,
        tuple(group for group in FieldGroup if group in groups),
        precision,
        grid_m,
        uses=uses,
        officer_records=officer_records,
    )
    with services.database.write() as session:
        home = find_organisation(session, organisation)
        until = today + timedelta(days=300)
        agreement = service.draft(
            services, session, COMMAND_LINE, reference, home, dataset, today, until, console_rig.DETAILS
        )
        grants.add_grant(services, session, COMMAND_LINE, agreement, asked)
        service.sign(services, session, COMMAND_LINE, agreement, "A. Director")
        service.activate(services, session, COMMAND_LINE, agreement)


def subject_of(services: Services, username: str) -> Subject:
    """The person, as if at work."""
    with services.database.read() as session:
        user = find_user(session, username)
        return Subject(
            user.id,
            user.username,
            user.organisation_id,
            user.organisation.code,
            Role(user.role),
            "s",
            "policy",
            "1",
            user.organisation.name,
        )
