"""Removes queries that nobody can open or delete any more: the private ones of people who have left."""

from __future__ import annotations

from sqlalchemy import and_, exists, or_, select

from ..audit.log import WORKER, EventType
from ..identity.models import Organisation, SignIn, User
from ..services import Services
from .models import SavedQuery


def forget_queries(services: Services) -> int:
    """Remove what people kept for themselves alone and left behind, audited one by one; returns how many went.

    They go from a closed account when its last sign-in is forgotten: until then it may be opened again. From an
    organisation that the person left for another one they go at once.
    """
    closed = and_(User.active.is_(False), ~exists().where(SignIn.user_id == User.id))
    left = or_(closed, User.organisation_id != SavedQuery.organisation_id)
    with services.database.write() as session:
        found = session.execute(
            select(SavedQuery, Organisation.code)
            .join(User, User.id == SavedQuery.user_id)
            .join(Organisation, Organisation.id == SavedQuery.organisation_id)
            .where(SavedQuery.shared.is_(False), left)
        ).all()
        for query, organisation in found:
            services.audit.record(
                EventType.QUERY_REMOVED,
                actor=WORKER,
                organisation=organisation,
                dataset=query.dataset,
                filter={"query": query.id, "owner": query.user_id},
            )
            session.delete(query)
    return len(found)
