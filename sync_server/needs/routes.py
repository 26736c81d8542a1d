"""Needs-assessment packs over the interface: ask, look, fetch."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from ..answers import problems
from ..dependencies import ServicesDep, SubjectDep
from ..errors import SafeStatsError
from ..problems import Problem
from . import requests
from .making import Format
from .question import Question
from .schemas import PackAnswer, PackRequest

MEDIA = {
    Format.HTML: "text/html; charset=utf-8",
    Format.PDF: "application/pdf",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_Token = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]

router = APIRouter(prefix="/v1/needs-packs", tags=["needs"], responses=problems(401, 403, 404))


@router.post("", status_code=202)
def ask(body: PackRequest, services: ServicesDep, subject: SubjectDep) -> PackAnswer:
    """Have a pack made: for the purpose of the session, under the agreements of one's organisation."""
    try:
        token = requests.ask(services, subject, Question(body.borough, body.mode, subject.organisation))
    except SafeStatsError as error:
        raise Problem(422, "invalid-request", "The request is not valid", str(error)) from error
    return PackAnswer.of(requests.find(services, subject, token))


@router.get("/{token}")
def state(token: _Token, services: ServicesDep, subject: SubjectDep) -> PackAnswer:
    """How far a pack of one's own is."""
    return PackAnswer.of(requests.find(services, subject, token))


@router.get(
    "/{token}/{name}",
    response_class=Response,
    responses={200: {"description": "The file", "content": {kind.partition(";")[0]: {} for kind in MEDIA.values()}}},
)
def file(
    token: _Token, name: Annotated[str, Path(max_length=120)], services: ServicesDep, subject: SubjectDep
) -> Response:
    """A file of a pack that is done, for as long as the agreements open it, a day at most."""
    return attached(requests.read_file(services, subject, token, name), name)


def attached(content: bytes, name: str) -> Response:
    """A file to be kept, under its name."""
    media = MEDIA[Format(name.rpartition(".")[2])]
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, media_type=media, headers=headers)
