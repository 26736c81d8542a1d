"""The layers that may be synced, their manifests and files, and what desks report of their use."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse

from ..answers import problems
from ..audit.sending import AuditedFileResponse
from ..dependencies import ReadDep, ServicesDep, SubjectDep
from . import service
from .schemas import EventsAnswer, EventsRequest, LayersAnswer

router = APIRouter(prefix="/v1", tags=["sync"], responses=problems(401, 403, 404))


@router.get("/layers")
def layers(services: ServicesDep, session: ReadDep, subject: SubjectDep) -> LayersAnswer:
    """Every declared dataset: what of it the subject may sync, or why not."""
    return LayersAnswer(layers=service.layers(services, session, subject))


@router.get("/layers/{dataset}/manifest")
def manifest(dataset: str, services: ServicesDep, session: ReadDep, subject: SubjectDep) -> dict[str, Any]:
    """The manifest of the subject's layer (``shared.manifest.Manifest``)."""
    return service.manifest(services, session, subject, dataset).to_json()


@router.get("/layers/{dataset}/artefacts/{name}", response_class=FileResponse)
def artefact(
    dataset: str,
    name: Annotated[str, Path(max_length=64)],
    services: ServicesDep,
    session: ReadDep,
    subject: SubjectDep,
    pull: Annotated[UUID | None, Query(description="Ties the requests of one pull to one audit event.")] = None,
) -> FileResponse:
    """A file of the layer, whole or by range: the gzip is the content, not its encoding."""
    found, path, intent = service.artefact_file(services, session, subject, dataset, name, pull)
    headers = {"ETag": f'"{found.sha256}"'}

    def ended(completed: bool, sent: int) -> None:
        services.audit.outcome(intent, completed=completed, part=found.name, bytes=sent, rows=found.rows)

    return AuditedFileResponse(
        path, media_type="application/gzip", headers=headers, stat_result=path.stat(), ended=ended
    )


@router.post("/events", status_code=202)
def events(body: EventsRequest, services: ServicesDep, subject: SubjectDep) -> EventsAnswer:
    """Take what a desk did into the audit, as reported by the client; an event sent again is accepted once."""
    return EventsAnswer(accepted=service.record_events(services, subject, body.events))
