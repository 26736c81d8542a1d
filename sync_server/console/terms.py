"""The suppliers' terms, in their versions: the ceiling of every grant on their datasets."""

from __future__ import annotations

from fastapi import Response

from ..agreements.ceiling import precision_in_words
from ..agreements.models import Precision
from ..agreements.terms import datasets_without_terms, terms_of
from ..identity.permissions import Permission
from ..instants import london_today
from .choices import title_of
from .routes import console_router
from .signed_in import MemberDep

router = console_router()


@router.get("/terms")
def terms(visit: MemberDep) -> Response:
    """Every recorded version, the newest of each dataset first."""
    visit.require(Permission.SEE_ORGANISATIONS)
    with visit.services.database.read() as session:
        versions = sorted(terms_of(session), key=lambda terms: (terms.dataset, -terms.version))
        missing = [title_of(visit, dataset) for dataset in datasets_without_terms(session, visit.services.definitions)]
    return visit.page(
        "terms.html",
        versions=versions,
        missing=missing,
        today=london_today(),
        titles={terms.dataset: title_of(visit, terms.dataset) for terms in versions},
        exactness={terms.id: precision_in_words(Precision(terms.precision), terms.grid_m) for terms in versions},
    )
