"""What publishers do from a desk: send a layer to be loaded, follow it, publish or drop it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile

from ..answers import problems
from ..datasets.definitions import DatasetDefinition, DefinitionError, Geometry
from ..datasets.definitions import Delivery as DeliveryMode
from ..dependencies import ReadDep, ServicesDep, TokenDep
from ..errors import SafeStatsError
from ..identity.permissions import Permission, require
from ..identity.refusals import audited_refusals, path_of
from ..identity.sessions import find_session, subject_at_work, subject_of
from ..identity.subject import Subject
from ..ingest import saved_mappings
from ..ingest.mappings import Mapping, check_mapping, read_mappings
from ..ingest.models import Delivery
from ..instants import iso
from ..problems import Problem
from ..services import Services
from . import service
from .layer_mapping import LayerMapping, described, targets_of
from .schemas import (
    CellAnswer,
    LayerMappingBody,
    PublishableAnswer,
    PublishablesAnswer,
    RejectedLineAnswer,
    ReportAnswer,
    TargetAnswer,
    UploadAnswer,
)

UPLOADS = "/v1/publishing/uploads"
_FORM_BYTES = 1_000_000  # beside the files
_MOST_FIELDS = 20

router = APIRouter(prefix="/v1/publishing", tags=["publishing"], responses=problems(401, 403, 404, 409))


def longest_body(path: str) -> int | None:
    """How many bytes a request to the address may have, where that is more than usual."""
    return service.MOST_BYTES + _FORM_BYTES if path == UPLOADS else None


def _publisher(request: Request, services: ServicesDep, token: TokenDep) -> Subject:
    with services.database.read() as session:
        found = find_session(session, token, services.settings)
        with audited_refusals(services.audit, path_of(request), subject_of(found.sign_in)):
            subject = subject_at_work(services.database, session, found, services.settings)
            require(subject, Permission.MANAGE_RELEASES)
            return subject


PublisherDep = Annotated[Subject, Depends(_publisher)]
Number = Annotated[int, Path(ge=1, lt=2**31)]


async def _sent(request: Request, _who: PublisherDep) -> FormData:
    """Read once it is known who sends it."""
    return await request.form(max_files=service.MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=_FORM_BYTES)


SentDep = Annotated[FormData, Depends(_sent)]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["dataset", "files"],
                    "properties": {
                        "dataset": {"type": "string"},
                        "site": {"type": "string"},
                        "synthetic": {"type": "string", "enum": ["true", "false"]},
                        "accept_withdrawals": {"type": "string", "enum": ["true", "false"]},
                        "mapping": {"type": "string", "description": "JSON: columns, codes, precision_m."},
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                }
            }
        },
    }
}


@router.get("/datasets")
def datasets(services: ServicesDep, session: ReadDep, who: PublisherDep) -> PublishablesAnswer:
    """What may be published to, and what a layer’s columns may lead to."""
    supplied = _supplied(services)
    return PublishablesAnswer(
        datasets=[_publishable(session, who, one, supplied) for one in services.definitions.values()]
    )


@router.post("/uploads", status_code=202, openapi_extra=_BODY)
def upload(services: ServicesDep, who: PublisherDep, sent: SentDep) -> UploadAnswer:
    """Keep the files and ask for the job that loads them. With a ``mapping``, their columns lead where that says."""
    files = [(one.filename or "file", one.file) for one in sent.getlist("files") if isinstance(one, UploadFile)]
    dataset, site = _text(sent, "dataset", 32), _text(sent, "site", 64)
    if dataset not in services.definitions:
        raise Problem(404, "no-such-dataset", "No such dataset", "There is no dataset of that name.")
    try:
        document = _document(services, services.definitions[dataset], _text(sent, "mapping", _FORM_BYTES))
        number = service.receive(
            services,
            who.user_id,
            dataset,
            files,
            site=site,
            synthetic=_choice(sent, "synthetic"),
            accept_withdrawals=bool(_choice(sent, "accept_withdrawals")),
            mapping=document,
        )
    except SafeStatsError as error:
        raise Problem(422, "not-loadable", "This cannot be loaded", str(error)) from error
    with services.database.read() as session:
        return _answer(session, number)


@router.get("/uploads/{number}")
def look(session: ReadDep, who: PublisherDep, number: Number) -> UploadAnswer:
    """How it stands: the state, how far it is, and once it is loaded the report."""
    return _answer(session, number)


@router.post("/uploads/{number}/publish", status_code=202)
def publish(services: ServicesDep, who: PublisherDep, number: Number) -> UploadAnswer:
    """Ask for the job that makes it visible."""
    service.publish(services, who.user_id, number)
    with services.database.read() as session:
        return _answer(session, number)


@router.delete("/uploads/{number}", status_code=202)
def discard(services: ServicesDep, who: PublisherDep, number: Number) -> UploadAnswer:
    """Cancel the load, or drop what it staged."""
    service.discard(services, who.user_id, number)
    with services.database.read() as session:
        return _answer(session, number)


def _document(services: Services, definition: DatasetDefinition, mapping: str) -> str:
    """The mapping’s document; "" where none was sent. It is saved once the files have passed the screening."""
    if not mapping:
        return ""
    try:
        body = LayerMappingBody.model_validate_json(mapping)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "It"
        raise SafeStatsError(f"The mapping cannot be read: {where} is not as it should be.") from error
    chosen = LayerMapping(body.columns, body.codes, body.precision_m)
    supplied = _supplied(services)
    document = chosen.document(definition, targets_of(definition, _of(definition, supplied)))
    try:
        check_mapping(saved_mappings.parsed(services, document, "The mapping", supplied), definition, "The mapping")
    except DefinitionError as error:
        raise SafeStatsError(str(error)) from error
    return document


def _supplied(services: Services) -> list[Mapping]:
    return read_mappings(services.settings.resources_dir / "mappings", services.definitions)


def _of(definition: DatasetDefinition, supplied: list[Mapping]) -> list[Mapping]:
    return [one for one in supplied if definition.code in one.datasets]


def _publishable(
    session: Session, who: Subject, definition: DatasetDefinition, supplied: list[Mapping]
) -> PublishableAnswer:
    own = _of(definition, supplied)
    saved = saved_mappings.find(session, who.organisation, definition.code, saved_mappings.LAYERS)
    chosen = LayerMapping.of(saved.document) if saved is not None else None
    return PublishableAnswer(
        dataset=definition.code,
        title=definition.title,
        supplier=definition.supplier,
        sites=definition.sites,
        replaces=definition.delivery != DeliveryMode.UPSERTS,
        points=definition.geometry == Geometry.POINTS,
        described=described(own),
        synthetic=session.scalar(
            select(Delivery.synthetic)
            .where(Delivery.dataset == definition.code)
            .order_by(Delivery.delivery_id.desc())
            .limit(1)
        ),
        targets=[
            TargetAnswer(
                name=one.name,
                title=one.title,
                kind=one.kind,
                required=one.required,
                codes=dict(one.codes),
                headers=list(one.headers),
            )
            for one in targets_of(definition, own)
        ],
        mapping=None
        if chosen is None
        else LayerMappingBody(
            columns=dict(chosen.columns),
            codes={name: dict(codes) for name, codes in chosen.codes.items()},
            precision_m=chosen.precision_m,
        ),
    )


def _answer(session: Session, number: int) -> UploadAnswer:
    upload = service.standing(session, number)
    report = None
    if upload.report is not None:
        told = upload.report
        unmapped = {
            name: told.get("unmapped_values", {}).get(name, {}) or {"": count}
            for name, count in told["unmapped"].items()
        }
        errors = [
            RejectedLineAnswer(file=one.file, line=one.line, reason=one.reason)
            for one in service.rejected_lines(session, upload)
        ]
        rejected, left = Counter(told["rejected"]).total(), Counter(told["left"]).total()
        own = {"rejected": rejected, "left": left, "reasons": told["rejected"], "unmapped": unmapped, "errors": errors}
        report = ReportAnswer.model_validate({**told, **own})
    return UploadAnswer(
        id=upload.number,
        dataset=upload.dataset,
        site=upload.site,
        files=list(upload.files),
        state=upload.state,
        message=upload.message,
        step=upload.step,
        done=upload.done,
        total=upload.total,
        asked_at=iso(upload.asked_at),
        release=upload.release,
        others_staged=upload.others,
        report=report,
        comparison=None
        if upload.comparison is None
        else [CellAnswer(month=m, place=p, before=b, after=a) for m, p, b, a in upload.comparison],
    )


def _text(sent: FormData, name: str, longest: int) -> str:
    """A field of the form without blanks around it; "" where it is missing. Raises ``Problem`` 422."""
    value = sent.get(name, "")
    if not isinstance(value, str) or len(value) > longest or not value.isprintable() and name != "mapping":
        raise Problem(422, "invalid-request", "The request is not valid", f"{name}: this is no text that fits.")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in json.dumps(value, ensure_ascii=False)):
        raise Problem(422, "invalid-request", "The request is not valid", f"{name}: a character of it is none.")
    return value.strip()


def _choice(sent: FormData, name: str) -> bool | None:
    value = _text(sent, name, 5)
    if value not in ("", "true", "false"):
        raise Problem(422, "invalid-request", "The request is not valid", f"{name}: it is true or false.")
    return None if not value else value == "true"
