"""The loaded areas over the interface: open data, the same for everybody, so that reading them is not audited."""

from __future__ import annotations

from base64 import b64encode

from fastapi import APIRouter
from sqlalchemy import select

from ..answers import problems
from ..dependencies import PersonDep, ReadDep
from ..problems import Problem
from .models import Area, AreaEdition, AreaLevel
from .schemas import AreaAnswer, AreasAnswer

router = APIRouter(prefix="/v1/areas", tags=["areas"], responses=problems(401, 403, 404))


@router.get("/{level}")
def areas(level: AreaLevel, session: ReadDep, _person: PersonDep) -> AreasAnswer:
    """The areas of a level, with their shapes as they were loaded: counts follow these borders, not drawn ones."""
    found = session.scalars(select(Area).filter_by(level=level).order_by(Area.code)).all()
    if not found:
        raise Problem(
            404,
            "no-areas",
            "No such areas",
            f"The server has no areas of the level “{level}”: the SafeStats team loads them "
            f"(“safestats areas load … --level {level}”).",
        )
    edition = session.get_one(AreaEdition, found[0].edition)
    return AreasAnswer(
        level=level,
        edition=edition.code,
        title=edition.title,
        attribution=edition.attribution,
        areas=[
            AreaAnswer(
                code=area.code,
                name=area.name,
                borough=area.parent or "",
                shape=b64encode(area.shape).decode("ascii"),
            )
            for area in found
        ],
    )
