"""Uploads: files sent to be loaded, how far they are, what became of each row, what publishing would change.

Files of several sites that are sent at once are a load each, summed up on a page of theirs.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request, Response

from ...shared.uploads import UNDER_WAY, UploadState
from ..identity.permissions import Permission
from ..publishing.worker_lock import worker_lives
from ..supplies.sites import known_sites
from ..uploads import service
from ..uploads.preview import preview_of
from ..uploads.recognising import KnownBy
from ..uploads.staged import staged_deliveries
from .choices import dataset_options, title_of
from .forms import Form, PostedDep, read_posted
from .routes import console_router
from .signed_in import MemberDep
from .sites import sites_to_choose
from .visits import Visit, gone, with_query

MOST_UPLOADS = 30
MOST_LINES = 100
FOLLOW_SECONDS = 3
_KINDS = (("", "As the files’ names tell"), ("real", "Real incidents"), ("synthetic", "Made-up incidents"))
_SYNTHETIC = {"real": False, "synthetic": True}
_KNOWN_BY = {
    KnownBy.NAME: "by the file’s name",
    KnownBy.TITLE: "by a title in the file",
    KnownBy.COLUMN: "by its column of sites",
    KnownBy.MAPPING: "by the mapping saved for it",
}

Number = Annotated[int, Path(ge=1, lt=2**31)]

router = console_router()


async def _files(request: Request, visit: MemberDep) -> Form:
    """Read once it is known that the sender may send them."""
    visit.require(Permission.MANAGE_RELEASES)
    return await read_posted(request, service.MOST_FILES)


FilesDep = Annotated[Form, Depends(_files)]


@router.get("/uploads")
def uploads(visit: MemberDep, dataset: str = "") -> Response:
    """A form for files, and the newest uploads."""
    visit.require(Permission.MANAGE_RELEASES)
    return _form_page(visit, Form(defaults={"dataset": dataset}))


@router.post("/uploads")
def send(visit: MemberDep, form: FilesDep) -> Response:
    """Keep the files and ask for the job that loads them."""
    dataset = form.required("dataset", "Choose the dataset.")
    files = form.uploads("files")
    if not files:
        form.errors["files"] = "Choose at least one file."
    if dataset and dataset not in visit.services.definitions:
        raise gone()
    if not form.errors:
        services, actor, site = visit.services, visit.who.user_id, form.text("site")
        synthetic, accepted = _SYNTHETIC.get(form.text("kind")), form.ticked("accept_withdrawals")
        with form.telling("files"):
            if services.definitions[dataset].sites and not site:
                number = service.receive_each(
                    services, actor, dataset, files, synthetic=synthetic, accept_withdrawals=accepted
                )
                return visit.go(f"/uploads/together/{number}?follow=yes")
            number = service.receive(
                services, actor, dataset, files, site=site, synthetic=synthetic, accept_withdrawals=accepted
            )
            return visit.go(f"/uploads/{number}?follow=yes")
    return _form_page(visit, form)


@router.get("/uploads/{number}")
def upload_page(visit: MemberDep, number: Number, follow: str = "") -> Response:
    """How an upload stands; followed, the page loads itself again until nothing is under way."""
    visit.require(Permission.MANAGE_RELEASES)
    with visit.services.database.read() as session:
        upload = service.standing(session, number)
        lines = service.rejected_lines(session, upload, MOST_LINES)
        preview = preview_of(session, upload.comparison) if upload.comparison else None
        staged = staged_deliveries(session, upload.dataset, upload.release or 0) if upload.others else []
    under_way = upload.state in UNDER_WAY
    answer = visit.page(
        "upload.html",
        upload=upload,
        title=title_of(visit, upload.dataset),
        report=upload.report,
        lines=lines,
        preview=preview,
        others=[one for one in staged if one.delivery != upload.delivery],
        undated=sum(after for month, _, _, after in upload.comparison or () if not month),
        under_way=under_way,
        following=under_way and follow == "yes",
        seconds=FOLLOW_SECONDS,
        worker_lives=worker_lives(visit.services.settings.data_dir),
        states=UploadState,
        mapping_page=with_query("/console/mappings", {"dataset": upload.dataset, "site": upload.site}),
    )
    if under_way and follow == "yes":
        answer.headers["Refresh"] = str(FOLLOW_SECONDS)
    return answer


@router.get("/uploads/together/{number}")
def together_page(visit: MemberDep, number: Number, follow: str = "") -> Response:
    """How the files stand that were sent together, each a load of its own."""
    visit.require(Permission.MANAGE_RELEASES)
    with visit.services.database.read() as session:
        uploads = service.batch_of(session, number)
        dataset = uploads[0].dataset
        sites = known_sites(visit.services, session, visit.services.definitions[dataset])
    under_way = any(upload.state in UNDER_WAY for upload in uploads)
    answer = visit.page(
        "uploads_together.html",
        number=number,
        uploads=uploads,
        dataset=dataset,
        title=title_of(visit, dataset),
        sites=sites,
        known_by=_KNOWN_BY,
        ended=sum(upload.state not in UNDER_WAY for upload in uploads),
        accepted=sum(upload.report["accepted"] for upload in uploads if upload.report),
        rejected=sum(sum(upload.report["rejected"].values()) for upload in uploads if upload.report),
        failed=sum(upload.state == UploadState.FAILED for upload in uploads),
        staged=[upload.release for upload in uploads if upload.state == UploadState.STAGED],
        under_way=under_way,
        following=under_way and follow == "yes",
        seconds=FOLLOW_SECONDS,
        worker_lives=worker_lives(visit.services.settings.data_dir),
    )
    if under_way and follow == "yes":
        answer.headers["Refresh"] = str(FOLLOW_SECONDS)
    return answer


@router.post("/uploads/{number}/publish")
def publish(visit: MemberDep, number: Number, form: PostedDep) -> Response:
    """Ask for the job that makes it visible."""
    visit.require(Permission.MANAGE_RELEASES)
    service.publish(visit.services, visit.who.user_id, number)
    return visit.go(f"/uploads/{number}?follow=yes")


@router.get("/uploads/{number}/discard")
def ask_discard(visit: MemberDep, number: Number) -> Response:
    """Whether to drop it."""
    visit.require(Permission.MANAGE_RELEASES)
    with visit.services.database.read() as session:
        upload = service.standing(session, number)
    consequences = ["What is staged and the record of its delivery are removed. What is visible stays as it is."]
    if upload.others:
        consequences.append(
            f"{upload.others} other deliveries are staged for the same release: they are dropped with it."
        )
    return visit.page(
        "confirm.html",
        question=f"Drop upload {number} of {title_of(visit, upload.dataset)}?",
        consequences=consequences,
        action=f"/console/uploads/{number}/discard",
        back=f"/console/uploads/{number}",
        verb="Drop it",
        danger=True,
        carried={},
        reason="",
    )


@router.post("/uploads/{number}/discard")
def discard(visit: MemberDep, number: Number, form: PostedDep) -> Response:
    """Cancel the load, or ask for the job that drops what it staged."""
    visit.require(Permission.MANAGE_RELEASES)
    service.discard(visit.services, visit.who.user_id, number, with_others=True)
    return visit.go(f"/uploads/{number}?follow=yes")


def _form_page(visit: Visit, form: Form) -> Response:
    with visit.services.database.read() as session:
        newest = service.newest(session, MOST_UPLOADS)
        sites = sites_to_choose(visit, session, form.shown("site"))
    return visit.page(
        "uploads.html",
        form=form,
        datasets=dataset_options(visit),
        sites=sites,
        kinds=_KINDS,
        uploads=newest,
        titles={upload.dataset: title_of(visit, upload.dataset) for upload in newest},
        most_files=service.MOST_FILES,
        most_bytes=service.MOST_BYTES,
    )
