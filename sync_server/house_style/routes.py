"""What the desk asks for before it makes pages."""

from __future__ import annotations

from base64 import b64encode

from fastapi import APIRouter
from fastapi.responses import FileResponse

from ..answers import problems
from ..dependencies import PersonDep, ReadDep, ServicesDep
from ..identity.models import Organisation
from ..problems import Problem
from . import base_map, service
from .schemas import BaseMapAnswer, HouseStyleAnswer, MapServiceAnswer

router = APIRouter(prefix="/v1", tags=["house-style"], responses=problems(401, 403, 404))


@router.get("/house-style")
def house_style(services: ServicesDep, session: ReadDep, person: PersonDep) -> HouseStyleAnswer:
    """The house style of the person's organisation, and the base map that the server has."""
    organisation = session.get_one(Organisation, person.organisation_id)
    held = base_map.held(services.settings.base_map_path)
    answer = HouseStyleAnswer(
        organisation=organisation.name,
        base_map=None
        if held is None
        else BaseMapAnswer(title=held.title, size=held.size, sha256=held.sha256, chunks=list(held.chunks)),
    )
    style = service.find(session, person.organisation_id)
    if style is None:
        return answer
    answer.colour, answer.font, answer.logo_words = style.colour, style.font, style.logo_words
    answer.logo = b64encode(style.logo).decode("ascii")
    if style.map_address:
        answer.map_service = MapServiceAnswer(
            address=style.map_address,
            layer=style.map_layer,
            matrix_set=style.map_matrix_set,
            format=style.map_format,
            attribution=style.map_attribution,
        )
    return answer


@router.get("/base-map", response_class=FileResponse)
def base_map_file(services: ServicesDep, _person: PersonDep) -> FileResponse:
    """The base map, whole or by range. It holds open data only, so that fetching it is not audited."""
    held = base_map.held(services.settings.base_map_path)
    if held is None:
        raise Problem(404, "no-base-map", "No base map", "The server has no base map: pages are drawn on boundaries.")
    path = services.settings.base_map_path
    headers = {"ETag": f'"{held.sha256}"'}
    return FileResponse(path, media_type="application/geopackage+sqlite3", headers=headers, stat_result=path.stat())
