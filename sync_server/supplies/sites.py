"""The sites of suppliers that are known: by the registers, by accounts and keys, and by what was delivered."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition
from ..geocoding.hospitals import hospitals_file, read_hospitals
from ..identity.models import MachineKey, UserSite
from ..quality.models import MeasuredReturn
from ..services import Services


def known_sites(services: Services, session: Session, definition: DatasetDefinition) -> dict[str, str]:
    """The sites of a dataset of several, those with a name first and by it; "" where no register tells a name."""
    names: dict[str, str] = {}
    if definition.register:
        settings = services.settings
        hospitals = read_hospitals(hospitals_file(settings.data_dir, settings.resources_dir))
        names = {hospital.code: hospital.name for hospital in hospitals.values()}
    for table in (UserSite, MachineKey, MeasuredReturn):
        found = select(table.site).where(table.dataset == definition.code, table.site != "").distinct()
        for site in session.scalars(found):
            names.setdefault(site, "")
    return dict(sorted(names.items(), key=lambda one: (not one[1], one[1], one[0])))
