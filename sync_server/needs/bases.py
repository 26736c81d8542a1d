"""The denominators over the interface: what desks divide counts by, each with its edition."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from ..answers import problems
from ..dependencies import PersonDep, ReadDep, ServicesDep
from .declared import read_declared
from .denominators import base_of
from .models import Kind, Level

router = APIRouter(prefix="/v1", tags=["denominators"], responses=problems(401, 403))


class BaseAnswer(BaseModel):
    """The newest edition of a kind at a level: numbers by area code; a rate is told per so many (``per``)."""

    kind: str
    words: str
    per: int
    level: str
    edition: str
    source: str
    values: dict[str, int]


class BasesAnswer(BaseModel):
    """All that is loaded. A borough of fewer residents than ``few_residents`` is flagged beside its rates."""

    few_residents: int
    bases: list[BaseAnswer]


@router.get("/denominators")
def denominators(services: ServicesDep, session: ReadDep, _person: PersonDep) -> BasesAnswer:
    """What counts may be divided by; none of it is about incidents, so that reading it is not audited."""
    found = [(level, base_of(session, kind, level)) for kind in Kind for level in Level]
    return BasesAnswer(
        few_residents=read_declared(services.settings.resources_dir).few_residents,
        bases=[
            BaseAnswer(
                kind=base.kind,
                words=base.kind.words,
                per=base.kind.per,
                level=level,
                edition=base.edition,
                source=base.source,
                values=dict(base.values),
            )
            for level, base in found
            if base is not None
        ],
    )
