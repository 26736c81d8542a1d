"""Releases: what is visible and staged of each dataset, the jobs, publishing, cancelling and taking back."""

from __future__ import annotations

from fastapi import Response

from ..identity.permissions import Permission
from ..instants import london_today
from ..publishing.jobs import Jobs
from ..publishing.models import OPEN_STATES, JobKind
from ..publishing.releases import releases_of
from ..publishing.rollback import discard_staged, stage_rollback
from ..publishing.status import dataset_statuses
from ..publishing.worker_lock import worker_lives
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

MOST_JOBS = 20
MOST_RELEASES = 50

router = console_router()


@router.get("/releases")
def releases(visit: MemberDep) -> Response:
    """Every dataset, and the newest jobs."""
    visit.require(Permission.SEE_RELEASES)
    jobs = Jobs(visit.services.database).newest(MOST_JOBS)
    return visit.page(
        "releases.html",
        datasets=dataset_statuses(visit.services, london_today()),
        jobs=jobs,
        open_states=OPEN_STATES,
        worker_lives=worker_lives(visit.services.settings.data_dir),
    )


@router.get("/releases/{dataset}")
def dataset_page(dataset: str, visit: MemberDep) -> Response:
    """One dataset: how it stands, its releases, and what may be done."""
    visit.require(Permission.SEE_RELEASES)
    return _dataset_page(visit, dataset, Form())


@router.post("/releases/{dataset}/publish")
def publish(dataset: str, visit: MemberDep, form: PostedDep) -> Response:
    """Ask for a job that makes the staged release visible."""
    _managed(visit, dataset)
    number = Jobs(visit.services.database).request(dataset, JobKind.PUBLISH)
    return visit.go(f"/releases/{dataset}", f"Job {number} publishes it. This page tells how far it is.")


@router.post("/releases/{dataset}/cancel")
def cancel(dataset: str, visit: MemberDep, form: PostedDep) -> Response:
    """Ask the dataset's jobs to end."""
    _managed(visit, dataset)
    numbers = Jobs(visit.services.database).cancel(dataset)
    notice = "Its job is asked to end; what is staged stays staged." if numbers else "There was nothing to cancel."
    return visit.go(f"/releases/{dataset}", notice)


@router.get("/releases/{dataset}/discard")
def ask_discard(dataset: str, visit: MemberDep) -> Response:
    """Whether to drop what is staged."""
    return _confirm_discard(visit, dataset, Form())


@router.post("/releases/{dataset}/discard")
def discard(dataset: str, visit: MemberDep, form: PostedDep) -> Response:
    """Drop what is staged."""
    _managed(visit, dataset)
    with form.telling():
        dropped = discard_staged(visit.services, visit.services.definition(dataset))
        return visit.go(
            f"/releases/{dataset}",
            f"What was staged for release {dropped.number} is dropped: {dropped.removed:,} new rows.",
        )
    return _confirm_discard(visit, dataset, form)


@router.get("/releases/{dataset}/rollback/{target}")
def ask_rollback(dataset: str, target: int, visit: MemberDep) -> Response:
    """Whether to go back to an old release."""
    return _confirm_rollback(visit, dataset, target, Form())


@router.post("/releases/{dataset}/rollback/{target}")
def rollback(dataset: str, target: int, visit: MemberDep, form: PostedDep) -> Response:
    """Stage the content of an old release and ask for it to be published."""
    _managed(visit, dataset)
    with form.telling():
        staged = stage_rollback(visit.services, visit.services.definition(dataset), target)
        number = Jobs(visit.services.database).request(dataset, JobKind.PUBLISH)
        return visit.go(
            f"/releases/{dataset}",
            f"Release {staged.number} is to hold what release {staged.target} held: job {number} publishes it.",
        )
    return _confirm_rollback(visit, dataset, target, form)


def _managed(visit: Visit, dataset: str) -> None:
    visit.require(Permission.MANAGE_RELEASES)
    if dataset not in visit.services.definitions:
        raise gone()


def _dataset_page(visit: Visit, dataset: str, form: Form) -> Response:
    if dataset not in visit.services.definitions:
        raise gone()
    status = next(s for s in dataset_statuses(visit.services, london_today()) if s.dataset == dataset)
    with visit.services.database.read() as session:
        releases = releases_of(session, dataset, MOST_RELEASES)
    jobs = [job for job in Jobs(visit.services.database).newest(MOST_JOBS) if job.dataset == dataset]
    return visit.page(
        "release.html",
        form=form,
        dataset_status=status,
        definition=visit.services.definitions[dataset],
        releases=releases,
        jobs=jobs,
        open_states=OPEN_STATES,
        worker_lives=worker_lives(visit.services.settings.data_dir),
    )


def _confirm_discard(visit: Visit, dataset: str, form: Form) -> Response:
    _managed(visit, dataset)
    title = visit.services.definitions[dataset].title
    return visit.page(
        "confirm.html",
        form=form,
        question=f"Drop what is staged of {title}?",
        consequences=(
            "The staged rows and the records of their deliveries are removed. What is visible stays as it is.",
        ),
        action=f"/console/releases/{dataset}/discard",
        back=f"/console/releases/{dataset}",
        verb="Drop it",
        danger=True,
        carried={},
        reason="",
    )


def _confirm_rollback(visit: Visit, dataset: str, target: int, form: Form) -> Response:
    _managed(visit, dataset)
    title = visit.services.definitions[dataset].title
    return visit.page(
        "confirm.html",
        form=form,
        question=f"Take {title} back to release {target}?",
        consequences=(
            f"A new release is published with the content of release {target}. "
            "Rows that came later leave every local copy at its next update.",
            "Nothing is lost: a later release can be gone back to in the same way.",
        ),
        action=f"/console/releases/{dataset}/rollback/{target}",
        back=f"/console/releases/{dataset}",
        verb=f"Go back to release {target}",
        danger=True,
        carried={},
        reason="",
    )
