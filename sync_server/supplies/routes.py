"""What suppliers send and ask for, with a machine key or a session."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ..answers import problems
from ..dependencies import ReadDep, ServicesDep, TokenDep
from ..identity import supplies
from ..identity.refusals import path_of
from ..problems import Problem
from ..publishing.worker_lock import worker_lives
from ..services import Services
from . import receipts
from .checking import check_files
from .models import Door, Kind, Receipt, State
from .receiving import MOST_FILES, MOST_KEY, Received, Sent, receive, receive_zero_return
from .schemas import (
    CheckAnswer,
    DeliveriesAnswer,
    DeliveryAnswer,
    ReceiptAnswer,
    ReceiptLine,
    SupplierAnswer,
    SupplyAnswer,
    ZeroReturn,
)

# Where a request may be as large as the settings say.
SUPPLY_DOORS = frozenset({"/v1/supplier/files", "/v1/supplier/check", "/console/supplies/send"})
MOST_RECORDS = 1000
_LOOK_SECONDS = 0.2
_RETRY_SECONDS = 5

router = APIRouter(prefix="/v1/supplier", tags=["supplier"], responses=problems(401, 403, 404))

_FILES = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                            "maxItems": MOST_FILES,
                        }
                    },
                }
            }
        },
    }
}
_RECORDS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "items": {"type": "object"},
                    "minItems": 1,
                    "maxItems": MOST_RECORDS,
                    "description": "Records, their members named as the columns of the supplier's file.",
                }
            }
        },
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"model": ReceiptAnswer, "description": "It waits or is being loaded: ask for its receipt."},
    **problems(413),
}


def _supplier(request: Request, services: ServicesDep, token: TokenDep) -> supplies.Supplier:
    return supplies.supplier_of(services, token, path_of(request))


SupplierDep = Annotated[supplies.Supplier, Depends(_supplier)]
Wanted = tuple[str, str]


def _wanted(
    services: ServicesDep,
    asking: SupplierDep,
    dataset: Annotated[str | None, Query(max_length=32, description="Only who delivers several must say.")] = None,
    site: Annotated[str | None, Query(max_length=64)] = None,
) -> Wanted:
    """The dataset and site that are meant."""
    found = [
        pair for pair in asking.sites if (dataset is None or pair[0] == dataset) and (site is None or pair[1] == site)
    ]
    if not found:
        supplies.refuse_others(services, asking, dataset or "", site or "")
    if len(found) > 1:
        detail = "You deliver several datasets or sites: say which is meant, with ?dataset=…&site=…"
        raise Problem(422, "which-supply", "Say which dataset and site", detail)
    return found[0]


WantedDep = Annotated[Wanted, Depends(_wanted)]
KeyHeader = Annotated[
    str | None,
    Header(max_length=MOST_KEY, description="The same key with the same content is loaded once, for 30 days."),
]
Wait = Annotated[int, Query(ge=0, le=20, description="So many seconds the answer waits for the load to end.")]
Number = Annotated[str, Path(max_length=16)]


@router.get("")
def supplier(services: ServicesDep, asking: SupplierDep) -> SupplierAnswer:
    """Who asks, and which datasets and sites are its own."""
    return SupplierAnswer(
        organisation=asking.organisation_name,
        supplies=[
            SupplyAnswer(dataset=dataset, title=services.definitions[dataset].title, site=site)
            for dataset, site in asking.sites
            if dataset in services.definitions
        ],
    )


@router.post("/files", openapi_extra=_FILES, responses=_ANSWERS)
async def send_files(
    request: Request,
    response: Response,
    services: ServicesDep,
    asking: SupplierDep,
    wanted: WantedDep,
    idempotency_key: KeyHeader = None,
    wait: Wait = 10,
) -> ReceiptAnswer:
    """Send files, as `multipart/form-data`; the answer is their receipt."""
    async with _sent(request) as files:
        received = await run_in_threadpool(
            receive, services, asking, Door.API, *wanted, files, Kind.FILES, key=idempotency_key
        )
    return await _answer(services, response, received, wait)


@router.post("/records", openapi_extra=_RECORDS, responses=_ANSWERS)
async def send_records(
    request: Request,
    response: Response,
    services: ServicesDep,
    asking: SupplierDep,
    wanted: WantedDep,
    idempotency_key: KeyHeader = None,
    synthetic: Annotated[bool, Query(description="The incidents are made up.")] = False,
    wait: Wait = 10,
) -> ReceiptAnswer:
    """Send records as they happen, a JSON list: added to what is held, or corrections of it. They withdraw nothing."""
    body = await request.body()
    _refuse_unfit_records(body)
    sent = [Sent("records.json", io.BytesIO(body))]
    received = await run_in_threadpool(
        receive, services, asking, Door.API, *wanted, sent, Kind.RECORDS, key=idempotency_key, synthetic=synthetic
    )
    return await _answer(services, response, received, wait)


@router.post("/zero-returns", responses=_ANSWERS)
async def send_zero_return(
    body: ZeroReturn,
    response: Response,
    services: ServicesDep,
    asking: SupplierDep,
    wanted: WantedDep,
    idempotency_key: KeyHeader = None,
    wait: Wait = 10,
) -> ReceiptAnswer:
    """Tell that there was no incident in a month."""
    received = await run_in_threadpool(
        receive_zero_return, services, asking, Door.API, *wanted, body.month, key=idempotency_key
    )
    return await _answer(services, response, received, wait)


@router.post("/check", openapi_extra=_FILES, responses=problems(413))
async def check(request: Request, services: ServicesDep, asking: SupplierDep, wanted: WantedDep) -> CheckAnswer:
    """What a load would make of files. Nothing of them is kept; what is held is not compared."""
    async with _sent(request) as files:
        report = await run_in_threadpool(check_files, services, asking, *wanted, files)
    return CheckAnswer(**report.to_json())


@router.get("/deliveries")
def deliveries(
    services: ServicesDep,
    session: ReadDep,
    asking: SupplierDep,
    dataset: Annotated[str | None, Query(max_length=32)] = None,
    site: Annotated[str | None, Query(max_length=64)] = None,
) -> DeliveriesAnswer:
    """The supplier's own deliveries and receipts, at most 200 of each, the newest first."""
    delivered = supplies.deliveries(services, session, asking, dataset, site)
    sites = tuple(pair for pair in asking.sites if dataset in (None, pair[0]) and site in (None, pair[1]))
    return DeliveriesAnswer(
        deliveries=[DeliveryAnswer.model_validate(one) for one in delivered],
        receipts=[ReceiptLine.model_validate(one) for one in receipts.newest(session, replace(asking, sites=sites))],
    )


@router.get("/deliveries/{number}")
def delivery(number: Number, services: ServicesDep, session: ReadDep, asking: SupplierDep) -> ReceiptAnswer:
    """A receipt: how far it is, what became of its rows, and why."""
    found = receipts.find_receipt(services, session, asking, number)
    return ReceiptAnswer(**receipts.described(session, found, services.definitions))


@asynccontextmanager
async def _sent(request: Request) -> AsyncIterator[list[Sent]]:
    """The files of a form. It is read when it is known who sends it, never before."""
    async with request.form(max_files=MOST_FILES, max_fields=MOST_FILES, max_part_size=10_000) as form:
        yield [
            Sent(part.filename, part.file)
            for part in form.getlist("file")
            if isinstance(part, UploadFile) and part.filename
        ]


def _refuse_unfit_records(body: bytes) -> None:
    try:
        records = json.loads(body)
    except (ValueError, RecursionError):
        records = None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise Problem(422, "unfit-records", "No list of records", "Send a JSON list of objects, one for each record.")
    if not 1 <= len(records) <= MOST_RECORDS:
        detail = f"Send 1 to {MOST_RECORDS:,} records at once, and more as a file."
        raise Problem(422, "unfit-records", "None or too many records", detail)


async def _answer(services: Services, response: Response, received: Received, wait: int) -> ReceiptAnswer:
    """The receipt as it is when its load has ended, or the waiting has: none where nobody loads."""
    until = time.monotonic() + (wait if worker_lives(services.settings.data_dir) else 0)
    number = received.receipt.receipt_id
    still_open, told = await run_in_threadpool(_read, services, number)
    while still_open and time.monotonic() < until:
        await asyncio.sleep(_LOOK_SECONDS)
        still_open, told = await run_in_threadpool(_read, services, number)
    told["again"] = received.again
    if told["state"] == State.REFUSED:
        raise Problem(422, "supply-refused", "Nothing of this was taken", told["refusal"], receipt=told)
    response.headers["Location"] = f"{router.prefix}/deliveries/{told['receipt']}"
    if still_open:
        response.status_code = 202
        response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return ReceiptAnswer(**told)


def _read(services: Services, number: int) -> tuple[bool, dict[str, Any]]:
    with services.database.read() as session:
        receipt = session.get_one(Receipt, number)
        return receipt.open, receipts.described(session, receipt, services.definitions)
