"""What the server says of itself to anybody who asks."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select

from ..shared.manifest import API_VERSION
from .clients.oldest import OLDEST_CLIENT
from .dependencies import ReadDep, ServicesDep
from .publishing.models import Release, ReleaseState

VERSION = "0.1.0"

router = APIRouter(prefix="/v1", tags=["server"])


class AboutAnswer(BaseModel):
    """The server's name and versions; ``synthetic`` where some published data are not real.

    ``oldest_client`` is the oldest version of the plugin that it speaks to.
    """

    name: str
    version: str
    api_version: int
    synthetic: bool
    lease_days: int
    oldest_client: str


class HealthAnswer(BaseModel):
    """``ok``, or there is no answer."""

    status: str


@router.get("/about")
def about(services: ServicesDep, session: ReadDep) -> AboutAnswer:
    """Who answers here."""
    synthetic = session.scalar(
        select(Release.dataset).where(Release.state == ReleaseState.PUBLISHED, Release.synthetic.is_(True)).limit(1)
    )
    return AboutAnswer(
        name="SafeStats",
        version=VERSION,
        api_version=API_VERSION,
        synthetic=synthetic is not None,
        lease_days=services.settings.lease_days,
        oldest_client=OLDEST_CLIENT,
    )


@router.get("/health")
def health(session: ReadDep) -> HealthAnswer:
    """Whether the server and its database answer."""
    session.execute(select(1))
    return HealthAnswer(status="ok")
