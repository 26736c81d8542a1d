"""Releases: what is visible and staged of each dataset, what each changed, publishing, cancelling and taking back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from ..identity.permissions import Permission
from ..instants import london_today
from ..publishing.comparing import comparison
from ..publishing.comparing_tables import changes_of
from ..publishing.jobs import Jobs
from ..publishing.models import OPEN_STATES, JobKind
from ..publishing.releases import find_release, releases_of
from ..publishing.standing import dataset_standing
from ..publishing.worker_lock import worker_lives
from ..uploads.loading import forget_ended
from ..uploads.staged import staged_deliveries
from .forms import PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

MOST_JOBS = 20
MOST_RELEASES = 50

# A release's number, as the database can hold it.
Number = Annotated[int, Path(ge=1, lt=2**31)]

router = console_router()


@router.get("/releases")
def releases(visit: MemberDep) -> Response:
    """Every dataset, and the newest jobs."""
    visit.require(Permission.SEE_RELEASES)
    services, today = visit.services, london_today()
    jobs = Jobs(services.database).newest(MOST_JOBS)
    with services.database.read() as session:
        datasets = [dataset_standing(services, session, dataset, today) for dataset in sorted(services.definitions)]
    return visit.page(
        "releases.html",
        datasets=datasets,
        jobs=jobs,
        open_states=OPEN_STATES,
        worker_lives=worker_lives(visit.services.settings.data_dir),
    )


@router.get("/releases/{dataset}")
def dataset_page(dataset: str, visit: MemberDep) -> Response:
    """One dataset: how it stands, its releases, and what may be done."""
    visit.require(Permission.SEE_RELEASES)
    return _dataset_page(visit, dataset)


@router.get("/releases/{dataset}/changes/{number}")
def changes(dataset: str, number: Number, visit: MemberDep, month: str = "") -> Response:
    """What one release changes against the published one before it: counts that the team alone may see."""
    _managed(visit, dataset)
    with visit.services.database.read() as session:
        release = find_release(session, dataset, number)
        if release is None:
            raise gone()
        found = comparison(session, dataset, number)
        told = changes_of(session, found, month) if found is not None else None
    return visit.page(
        "release_changes.html",
        definition=visit.services.definitions[dataset],
        release=release,
        changes=told,
        address=f"/console/releases/{dataset}/changes/{number}",
        worker_lives=worker_lives(visit.services.settings.data_dir),
    )


@router.post("/releases/{dataset}/publish")
def publish(dataset: str, visit: MemberDep, form: PostedDep) -> Response:
    """Ask for a job that makes the staged release visible."""
    _managed(visit, dataset)
    number = Jobs(visit.services.database).request(dataset, JobKind.PUBLISH, visit.who.user_id)
    return visit.go(f"/releases/{dataset}", f"Job {number} publishes it. This page tells how far it is.")


@router.post("/releases/{dataset}/cancel")
def cancel(dataset: str, visit: MemberDep, form: PostedDep) -> Response:
    """Ask the dataset's jobs to end."""
    _managed(visit, dataset)
    numbers = Jobs(visit.services.database).cancel(dataset)
    forget_ended(visit.services)
    notice = "Its job is asked to end; what is staged stays staged." if numbers else "There was nothing to cancel."
    return visit.go(f"/releases/{dataset}", notice)


@router.get("/releases/{dataset}/discard")
def ask_discard(dataset: str, visit: MemberDep) -> Response:
    """Whether to drop what is staged."""
    return _confirm_discard(visit, dataset)


@router.post("/releases/{dataset}/discard")
def discard(dataset: str, visit: MemberDep, form: PostedDep) -> Response:
    """Ask for a job that drops what is staged."""
    _managed(visit, dataset)
    number = Jobs(visit.services.database).request(dataset, JobKind.DISCARD, visit.who.user_id)
    return visit.go(f"/releases/{dataset}", f"Job {number} drops it. This page tells how far it is.")


@router.get("/releases/{dataset}/rollback/{target}")
def ask_rollback(dataset: str, target: Number, visit: MemberDep) -> Response:
    """Whether to go back to an old release."""
    return _confirm_rollback(visit, dataset, target)


@router.post("/releases/{dataset}/rollback/{target}")
def rollback(dataset: str, target: Number, visit: MemberDep, form: PostedDep) -> Response:
    """Ask for a job that publishes the content of an old release anew."""
    _managed(visit, dataset)
    number = Jobs(visit.services.database).request(dataset, JobKind.ROLLBACK, visit.who.user_id, target)
    return visit.go(f"/releases/{dataset}", f"Job {number} goes back to release {target}: see below how far it is.")


def _managed(visit: Visit, dataset: str) -> None:
    visit.require(Permission.MANAGE_RELEASES)
    if dataset not in visit.services.definitions:
        raise gone()


def _dataset_page(visit: Visit, dataset: str) -> Response:
    if dataset not in visit.services.definitions:
        raise gone()
    with visit.services.database.read() as session:
        status = dataset_standing(visit.services, session, dataset, london_today())
        releases = releases_of(session, dataset, MOST_RELEASES)
        managed = status.staged and visit.may(Permission.MANAGE_RELEASES)
        deliveries = staged_deliveries(session, dataset, status.staged) if managed else []
        found = comparison(session, dataset, status.staged) if managed else None
        changes = changes_of(session, found) if found is not None else None
    jobs = [job for job in Jobs(visit.services.database).newest(MOST_JOBS) if job.dataset == dataset]
    return visit.page(
        "release.html",
        dataset_status=status,
        definition=visit.services.definitions[dataset],
        releases=releases,
        deliveries=deliveries,
        changes=changes,
        jobs=jobs,
        open_states=OPEN_STATES,
        worker_lives=worker_lives(visit.services.settings.data_dir),
    )


def _confirm_discard(visit: Visit, dataset: str) -> Response:
    _managed(visit, dataset)
    title = visit.services.definitions[dataset].title
    return visit.page(
        "confirm.html",
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


def _confirm_rollback(visit: Visit, dataset: str, target: int) -> Response:
    _managed(visit, dataset)
    title = visit.services.definitions[dataset].title
    return visit.page(
        "confirm.html",
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
