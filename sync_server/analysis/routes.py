"""Looking up a postcode, so that a place can be searched around."""

from __future__ import annotations

from fastapi import APIRouter

from ..dependencies import ServicesDep, SubjectDep
from . import service
from .schemas import PostcodeAnswer

router = APIRouter(prefix="/v1", tags=["analysis"])


@router.get("/postcodes/{postcode}")
def postcode(postcode: str, services: ServicesDep, subject: SubjectDep) -> PostcodeAnswer:
    """Where a postcode is and how well that is known."""
    return service.find_postcode(services, subject, postcode)
