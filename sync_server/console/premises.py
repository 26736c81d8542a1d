"""Lists of premises: a CSV sent, its progress followed, a workbook and reports fetched."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response
from fastapi.responses import FileResponse

from ..check import batches
from ..check.premises import MOST_PREMISES
from ..check.report import ReportKind
from ..identity.permissions import Permission
from ..publishing.worker_lock import worker_lives
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

FOLLOW_SECONDS = 3
MOST_REJECTED = 200
_KINDS = (
    (ReportKind.PUBLIC, "Public: small counts withheld, for an agenda"),
    (ReportKind.OPERATIONAL, "Operational: as counted, for your own file or exempt session"),
)

Number = Annotated[int, Path(ge=1, lt=2**31)]

router = console_router()


@router.get("/check/premises")
def premises(visit: MemberDep) -> Response:
    """A form for a list, and one's own lists."""
    visit.require(Permission.USE_DATA)
    return _form_page(visit, Form(defaults={"preset": visit.services.presets[0].name, "kind": ReportKind.PUBLIC}))


@router.post("/check/premises")
def send(visit: MemberDep, form: PostedDep) -> Response:
    """Read the list, and leave it to the worker."""
    visit.require(Permission.USE_DATA)
    presets = {preset.name: preset for preset in visit.services.presets}
    name, content = form.upload("list")
    if not name:
        form.errors["list"] = "Choose the file."
    if form.text("preset") not in presets:
        form.errors["preset"] = "Choose what to count."
    if form.text("kind") not in list(ReportKind):
        form.errors["kind"] = "Choose for whom it is."
    if not form.errors:
        with form.telling("list"):
            number = batches.request_batch(
                visit.services,
                visit.who,
                name,
                content,
                presets[form.text("preset")],
                ReportKind(form.text("kind")),
                form.ticked("reports"),
            )
            return visit.go(f"/check/premises/{number}")
    return _form_page(visit, form)


@router.get("/check/premises/{number}")
def batch(visit: MemberDep, number: Number) -> Response:
    """How far a list is; loads itself again until it has ended."""
    visit.require(Permission.USE_DATA)
    with visit.services.database.read() as session:
        found = batches.find_batch(visit.services, session, visit.who, number)
    answer = visit.page(
        "check_batch.html",
        batch=found,
        rejected=found.rejected[:MOST_REJECTED],
        seconds=FOLLOW_SECONDS,
        worker_lives=worker_lives(visit.services.settings.data_dir),
        workbook=batches.WORKBOOK,
        reports=batches.REPORTS,
    )
    if found.under_way:
        answer.headers["Refresh"] = str(FOLLOW_SECONDS)
    return answer


@router.post("/check/premises/{number}/cancel")
def cancel(visit: MemberDep, number: Number, form: PostedDep) -> Response:
    """End it."""
    visit.require(Permission.USE_DATA)
    batches.cancel_batch(visit.services, visit.who, number)
    return visit.go(f"/check/premises/{number}")


@router.get("/check/premises/{number}/{name}")
def file(visit: MemberDep, number: Number, name: str) -> Response:
    """A file of one's own list."""
    visit.require(Permission.USE_DATA)
    if name not in (batches.WORKBOOK, batches.REPORTS):
        raise gone()
    with visit.services.database.read() as session:
        path = batches.file_of(visit.services, session, visit.who, number, name)
    return FileResponse(path, filename=f"safestats-{name}", headers={"Cache-Control": "no-store"})


def _form_page(visit: Visit, form: Form) -> Response:
    with visit.services.database.read() as session:
        own = batches.batches_of(visit.services, session, visit.who)
        points = batches.may_give_points(visit.services, session, visit.who)
    return visit.page(
        "check_premises.html",
        form=form,
        presets=[(preset.name, preset.title) for preset in visit.services.presets],
        kinds=_KINDS,
        batches=own,
        points=points,
        most=MOST_PREMISES,
    )
