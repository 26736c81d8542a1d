"""Mappings that the team has saved for a supplier's site: versioned, audited; the newest counts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..datasets.definitions import DatasetDefinition, DefinitionError
from ..errors import SafeStatsError
from ..geocoding.hospitals import hospitals_file, read_hospitals
from ..identity.models import Organisation
from ..instants import now
from ..screening.names import harmless
from ..services import Services
from .mappings import Mapping, check_mapping, parse_mapping, read_mappings
from .models import SavedMapping

LAYERS = "layers of QGIS"  # under it mappings of layers are saved: no supplier's file is read by one
_SITE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def find(
    session: Session, organisation: str | None, dataset: str, site: str, version: int | None = None
) -> SavedMapping | None:
    """The newest mapping saved for (organisation's code, dataset, site), or a certain version of it; without an
    organisation, for whichever supplies that dataset and site."""
    query = select(SavedMapping).where(SavedMapping.dataset == dataset, SavedMapping.site == site)
    if organisation is not None:
        query = query.join(Organisation).where(Organisation.code == organisation)
    if version is not None:
        query = query.where(SavedMapping.version == version)
    return session.scalar(query.order_by(SavedMapping.made_at.desc(), SavedMapping.version.desc()).limit(1))


def mapping_for(
    services: Services,
    session: Session,
    organisation: str | None,
    dataset: str,
    site: str,
    mappings: Sequence[Mapping] | None = None,
) -> Mapping | None:
    """What the saved mapping of (organisation, dataset, site) declares, ``None`` where there is none; that of the
    whole dataset (site "") holds for sites without one of their own."""
    saved = find(session, organisation, dataset, site)
    if saved is None and site:
        saved = find(session, organisation, dataset, "")
    return None if saved is None else parsed(services, saved.document, _name(dataset, saved.site), mappings)


def parsed(services: Services, document: str, name: str, mappings: Sequence[Mapping] | None = None) -> Mapping:
    """The mapping in a document, with what it is based on; raises ``DefinitionError``, also where it includes files."""
    folder = services.settings.resources_dir / "mappings"
    bases = read_mappings(folder, services.definitions) if mappings is None else mappings
    return parse_mapping(document, name, bases=bases)


def _name(dataset: str, site: str) -> str:
    return f"The mapping for {dataset} {site}".strip()


def versions(session: Session, dataset: str | None = None) -> list[SavedMapping]:
    """Every saved mapping, by organisation, dataset and site, the newest first."""
    query = select(SavedMapping).join(Organisation)
    if dataset is not None:
        query = query.where(SavedMapping.dataset == dataset)
    order = (Organisation.code, SavedMapping.dataset, SavedMapping.site, SavedMapping.version.desc())
    return list(session.scalars(query.order_by(*order)))


def _refuse_strange_site(services: Services, definition: DatasetDefinition, site: str) -> None:
    """Raises ``SafeStatsError`` where a site is no code: it is kept, also in the audit, and may be anything typed."""
    if site in ("", LAYERS):
        return
    if definition.sites:
        settings = services.settings
        if site not in read_hospitals(hospitals_file(settings.data_dir, settings.resources_dir)):
            raise SafeStatsError(
                f"This site is no hospital of the register, and {definition.title} has no other sites: choose a code "
                "of the register."
            )
    elif not _SITE.fullmatch(site) or not harmless(site):
        raise SafeStatsError("A site is a code of letters, digits, dots, hyphens and underscores: give the site’s own.")


def save(services: Services, actor: str, organisation: str, dataset: str, site: str, document: str) -> int:
    """Keep a mapping's TOML as the newest version for (organisation's code, dataset, site); returns the version.

    Raises ``SafeStatsError`` where the document does not fit the dataset, or the site is no code.
    The same document again is no new version.
    """
    definition = services.definition(dataset)
    name = _name(dataset, site)
    try:
        check_mapping(parsed(services, document, name), definition, name)
    except DefinitionError as error:
        raise SafeStatsError(str(error)) from error
    _refuse_strange_site(services, definition, site)
    with services.database.write() as session:
        owner = session.scalar(select(Organisation).where(Organisation.code == organisation))
        if owner is None:
            raise SafeStatsError(f"There is no organisation “{organisation}”.")
        last = find(session, organisation, dataset, site)
        if last is not None and last.document == document:
            return last.version
        highest = session.scalar(
            select(func.max(SavedMapping.version)).where(
                SavedMapping.organisation_id == owner.id, SavedMapping.dataset == dataset, SavedMapping.site == site
            )
        )
        version = (highest or 0) + 1
        session.add(
            SavedMapping(
                organisation_id=owner.id,
                dataset=dataset,
                site=site,
                version=version,
                document=document,
                made_by=actor,
                made_at=now(),
            )
        )
        session.flush()
        services.audit.record(
            EventType.MAPPING_SAVED,
            actor=actor,
            organisation=organisation,
            dataset=dataset,
            filter={"site": site, "version": version},
        )
    return version
