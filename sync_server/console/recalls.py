"""Recalls: what was withdrawn for good, who held it, and who has not synced since."""

from __future__ import annotations

from fastapi import Response

from ..errors import SafeStatsError
from ..identity.permissions import Permission
from ..identity.service import users
from ..recall.reports import SINCE, RecallReport, as_csv, recalls, report, state_in_words
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

router = console_router()


@router.get("/recall")
def listed(visit: MemberDep) -> Response:
    """Every recall, the newest first."""
    visit.require(Permission.READ_AUDIT)
    with visit.services.database.read() as session:
        found = recalls(session)
    return visit.page("recalls.html", recalls=found, state_in_words=state_in_words)


@router.get("/recall/{recall_id}")
def one(recall_id: str, visit: MemberDep) -> Response:
    """One recall, and who held what went."""
    told = _report(visit, recall_id)
    with visit.services.database.read() as session:
        names = {user.id: user.username for user in users(session)}
    return visit.page("recall.html", report=told, names=names, since=SINCE, state=state_in_words(told.recall))


@router.get("/recall/{recall_id}/holders.csv")
def holders(recall_id: str, visit: MemberDep) -> Response:
    """Who held it, as CSV."""
    told = _report(visit, recall_id)
    name = f"recall-{told.recall.recall_id}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(as_csv(told.holders), media_type="text/csv; charset=utf-8", headers=headers)


def _report(visit: Visit, recall_id: str) -> RecallReport:
    visit.require(Permission.READ_AUDIT)
    try:
        return report(visit.services, recall_id, visit.who.user_id)
    except SafeStatsError as error:
        raise gone() from error
