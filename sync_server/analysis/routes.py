"""Questions that the server answers itself: a postcode's place, counts by property, counts around a place."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from ..answers import problems
from ..dependencies import ReadDep, ServicesDep, SubjectDep
from . import borough_counts, service
from . import facets as facet_counts
from . import proximity as proximity_counts
from .parameters import FACETS_PARAMETERS
from .schemas import BoroughsAnswer, FacetsAnswer, Month, PostcodeAnswer, ProximityAnswer, ProximityRequest

router = APIRouter(prefix="/v1", tags=["analysis"], responses=problems(401, 403, 404))


@router.get("/postcodes/{postcode}")
def postcode(
    postcode: Annotated[str, Path(max_length=64)], services: ServicesDep, subject: SubjectDep
) -> PostcodeAnswer:
    """Where a postcode is and how well that is known."""
    return service.find_postcode(services, subject, postcode)


@router.get("/layers/{dataset}/facets", responses=problems(400), openapi_extra={"parameters": FACETS_PARAMETERS})
def facets(
    dataset: Annotated[str, Path(max_length=32)],
    request: Request,
    services: ServicesDep,
    session: ReadDep,
    subject: SubjectDep,
) -> FacetsAnswer:
    """How many of the visible rows have each value of a property."""
    return facet_counts.count_facets(services, session, subject, dataset, request.query_params.multi_items())


@router.get("/layers/{dataset}/boroughs")
def boroughs(
    dataset: Annotated[str, Path(max_length=32)],
    services: ServicesDep,
    session: ReadDep,
    subject: SubjectDep,
    from_month: Month | None = None,
    to_month: Month | None = None,
) -> BoroughsAnswer:
    """Perturbed counts of whole boroughs and of London in a fixed year, for who may count there."""
    return borough_counts.count_boroughs(services, session, subject, dataset, from_month, to_month)


@router.post("/proximity", responses=problems(400))
def proximity(body: ProximityRequest, services: ServicesDep, session: ReadDep, subject: SubjectDep) -> ProximityAnswer:
    """Counts around a postcode or a place, by ring and category."""
    return proximity_counts.count_around(services, session, subject, body)
