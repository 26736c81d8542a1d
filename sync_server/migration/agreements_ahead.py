"""What a run would set aside of terms and agreements, told by a dry run. Nothing is drafted or recorded for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..agreements.grants import check_grants
from ..agreements.models import Agreement, SupplierTerms
from ..agreements.profiles import profile_grants
from ..agreements.service import check_remit
from ..agreements.terms import ceiling_among, read_terms, terms_of
from ..errors import SafeStatsError
from ..identity.models import Organisation
from ..identity.organisations import Entry
from ..identity.service import find_organisation
from ..instants import london_today
from ..services import Services
from .agreements import PaperAgreement


def troubles_ahead(
    services: Services,
    terms_files: Sequence[Path],
    entries: Iterable[Entry],
    agreements: Iterable[PaperAgreement],
    today: date | None = None,
) -> list[str]:
    """A sentence for each file of terms and each agreement that a run would set aside, as the plan and the server are
    now: grants beyond the terms that will count then, areas that there are not, organisations without a remit."""
    today = today or london_today()
    told: list[str] = []
    listed = {entry.code: entry for entry in entries}
    with services.database.read() as session:
        versions = {dataset: list(terms_of(session, dataset)) for dataset in services.definitions}
        for path in terms_files:
            try:
                _add(versions, read_terms(path, services.definitions), path)
            except SafeStatsError as error:
                told.append(f"{path.name}: would be set aside. {error}")
        for paper in agreements:
            held = session.scalar(select(Agreement.id).where(Agreement.reference == paper.reference))
            if held is not None or paper.ends < today:
                continue  # stays as it is, or is left out
            try:
                _check(services, session, paper, listed.get(paper.organisation), versions[paper.dataset], today)
            except SafeStatsError as error:
                told.append(f"{paper.reference}: would be set aside. {error}")
    return told


def _add(versions: dict[str, list[SupplierTerms]], terms: SupplierTerms, path: Path) -> None:
    """The terms beside those that are recorded, as a load would; raises ``SafeStatsError`` where it would not."""
    known = versions[terms.dataset]
    if any((one.version, one.sha256) == (terms.version, terms.sha256) for one in known):
        return
    if known and terms.version <= known[-1].version:
        raise SafeStatsError(
            f"Version {known[-1].version} of the terms on “{terms.dataset}” counts already: give changed terms a "
            "higher version."
        )
    known.append(terms)


def _check(
    services: Services,
    session: Session,
    paper: PaperAgreement,
    entry: Entry | None,
    versions: Sequence[SupplierTerms],
    today: date,
) -> None:
    """Raises ``SafeStatsError`` where the agreement could not be drafted with its grants."""
    ceiling = ceiling_among(versions, today)
    own: tuple[str, ...]
    if entry is not None:
        organisation = Organisation(code=entry.code, name=entry.name, kind=entry.kind, remit=entry.remit)
        own = tuple(entry.areas)
    else:
        there = find_organisation(session, paper.organisation)
        # One of its own, for the session must not take the draft for something to keep.
        organisation = Organisation(code=there.code, name=there.name, kind=there.kind, remit=there.remit)
        own = tuple(area.code for area in there.areas)
    check_remit(organisation)
    draft = Agreement(reference=paper.reference, organisation=organisation, dataset=paper.dataset)
    wanted = list(paper.grants)
    if paper.profile is not None:
        wanted = profile_grants(paper.profile, own, services.definition(paper.dataset), ceiling)
    check_grants(services.areas, ceiling, draft, wanted)
