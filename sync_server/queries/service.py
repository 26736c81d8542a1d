"""Keeping, sharing and opening queries.

Whether somebody may know what a query asks is decided anew each time, by that person's own rights of the day: a query
may name categories, places and hours that only those who hold the rows should connect with anything.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import shapely
from pydantic import ValidationError
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ..agreements.opened import Refusal, Scope
from ..agreements.scope import scope
from ..audit.log import EventType, Outcome
from ..datasets.definitions import DatasetDefinition
from ..identity.models import User
from ..identity.permissions import Permission, permitted
from ..identity.subject import Subject
from ..instants import now
from ..problems import Problem
from ..services import Services
from .models import SavedQuery
from .schemas import Definition, OpenedQuery, QueryAnswer, QueryRequest

MOST_OWN = 200
_EVERY_DAY = 7
_GRID = (0, 0, 700_000, 1_300_000)  # where the National Grid's coordinates lie, in metres
_HOUR, _DAY = "hour", "occurred_on"
_OF_AREAS = {"boroughs": "borough_code", "borough": "borough_code", "lsoas": "lsoa_code", "lsoa": "lsoa_code"}
_OF_SHAPES = ("wards", "ward", "shape")


def listed(services: Services, session: Session, subject: Subject) -> list[QueryAnswer]:
    """The subject's own queries and those shared in the organisation, by name; those without one are last."""
    found = session.execute(
        select(SavedQuery, User)
        .join(User, User.id == SavedQuery.user_id)
        .where(
            SavedQuery.organisation_id == subject.organisation_id,
            or_(SavedQuery.user_id == subject.user_id, SavedQuery.shared),
        )
    ).all()
    rights = _Rights(services, session, subject)
    answers = [_answer(rights, query, owner) for query, owner in found]
    return sorted(answers, key=lambda one: (not one.name, one.name.casefold(), one.title, one.id))


def opened(services: Services, session: Session, subject: Subject, query_id: str) -> OpenedQuery:
    """What a query asks; audited. Raises ``Problem`` where the subject has no such query or may not run it."""
    query = _find(session, subject, query_id)
    owner = session.get_one(User, query.user_id)
    rights = _Rights(services, session, subject)
    refusal = rights.refusal(_kept(query))
    services.audit.record(
        EventType.QUERY_OPENED,
        **subject.audited,
        dataset=query.dataset,
        filter={"query": query.id},
        **({"outcome": Outcome.REFUSED, "reason": refusal.code} if refusal else {}),
    )
    if refusal is not None:
        raise refusal
    return OpenedQuery(query=_answer(rights, query, owner), definition=Definition.model_validate(query.definition))


def save(services: Services, subject: Subject, body: QueryRequest, query_id: str = "") -> QueryAnswer:
    """Keep a query, or put it in the place of one's own; audited, refused or not. Raises ``Problem``, among others
    where the subject could not run it."""
    definition = body.definition
    told = {"query": query_id, "shared": body.shared}
    dataset = definition.dataset if definition.dataset in services.definitions else ""
    with (
        _refusals_audited(services, EventType.QUERY_SAVED, subject, dataset, told),
        services.database.write() as session,
    ):
        _check_values(services.definitions.get(definition.dataset), definition)
        rights = _Rights(services, session, subject)
        refusal = rights.refusal(definition)
        if refusal is not None:
            raise refusal
        if query_id:
            query = _find(session, subject, query_id, own=True)
        else:
            _require_room(session, subject)
            query = SavedQuery(
                id=secrets.token_hex(16), organisation_id=subject.organisation_id, user_id=subject.user_id
            )
            session.add(query)
        query.name, query.dataset, query.shared = body.name, definition.dataset, body.shared
        query.definition, query.changed_at = definition.model_dump(), now()
        session.flush()
        services.audit.record(
            EventType.QUERY_SAVED,
            **subject.audited,
            dataset=query.dataset,
            filter={"query": query.id, "shared": query.shared},
        )
        owner = session.get_one(User, query.user_id)
        return _answer(rights, query, owner)


def remove(services: Services, subject: Subject, query_id: str) -> None:
    """Delete one of the subject's own; for who manages the organisation's people also a shared one whose author left.

    Audited, refused or not. Raises ``Problem`` where there is none.
    """
    with (
        _refusals_audited(services, EventType.QUERY_REMOVED, subject, "", {"query": query_id}),
        services.database.write() as session,
    ):
        query = _find(session, subject, query_id)
        owner = session.get_one(User, query.user_id)
        if not _may_remove(subject, query, owner):
            raise _not_own()
        services.audit.record(
            EventType.QUERY_REMOVED,
            **subject.audited,
            dataset=query.dataset,
            filter={"query": query.id, **({} if owner.id == subject.user_id else {"owner": owner.id})},
        )
        session.delete(query)


@contextmanager
def _refusals_audited(
    services: Services, event: EventType, subject: Subject, dataset: str, told: dict[str, object]
) -> Iterator[None]:
    """Records the ``Problem`` with which the block refuses the subject, and passes it on."""
    try:
        yield
    except Problem as problem:
        services.audit.record(
            event,
            **subject.audited,
            dataset=dataset,
            filter=told,
            outcome=Outcome.REFUSED,
            reason=problem.document.code,
        )
        raise


def _find(session: Session, subject: Subject, query_id: str, *, own: bool = False) -> SavedQuery:
    query = session.get(SavedQuery, query_id)
    mine = query is not None and query.user_id == subject.user_id
    if query is None or query.organisation_id != subject.organisation_id or not (mine or query.shared):
        raise Problem(404, "no-query", "No such query", "There is no saved query of that number: it may be deleted.")
    if own and not mine:
        raise _not_own()
    return query


def _not_own() -> Problem:
    return Problem(
        403, "not-own-query", "Not yours", "The query is a colleague's: save it under a name of your own instead."
    )


def _may_remove(subject: Subject, query: SavedQuery, owner: User) -> bool:
    """Nobody else's while they are at work in the organisation: they can be asked."""
    if owner.id == subject.user_id:
        return True
    left = not owner.active or owner.organisation_id != query.organisation_id
    return left and Permission.MANAGE_PEOPLE in permitted(subject.role)


def _require_room(session: Session, subject: Subject) -> None:
    held = session.scalar(select(func.count()).select_from(SavedQuery).filter_by(user_id=subject.user_id))
    if (held or 0) >= MOST_OWN:
        raise Problem(
            422, "too-many-queries", "Too many queries", f"You keep {MOST_OWN} queries already: delete some first."
        )


class _Rights:
    """What one person may run today; each dataset is looked up once."""

    def __init__(self, services: Services, session: Session, subject: Subject) -> None:
        self.subject = subject
        self._session, self._definitions = session, services.definitions
        self._scopes: dict[str, Scope | Refusal] = {}

    def title(self, dataset: str) -> str:
        """The dataset in words."""
        definition = self._definitions.get(dataset)
        return definition.title if definition else dataset

    def refusal(self, asked: Definition | None) -> Refusal | None:
        """Why the subject cannot run it: nobody can read it, no rows of the dataset, or not its columns."""
        if asked is None:
            reason = "It was kept in a form that is no longer read: delete it, and save it anew."
            return Refusal("query-unreadable", reason)
        opened_to = self._scope(asked.dataset)
        if isinstance(opened_to, Refusal):
            return opened_to
        if _columns(opened_to.definition, asked) <= {field.name for field in opened_to.columns}:
            return None
        return Refusal(
            "columns-not-shown",
            f"It asks of columns of {opened_to.definition.title} that agreement {opened_to.agreement} does not show to "
            "you: ask the SafeStats team if your work needs them.",
        )

    def _scope(self, dataset: str) -> Scope | Refusal:
        if dataset not in self._scopes:
            try:
                self._scopes[dataset] = scope(self._session, self.subject, dataset, self._definitions)
            except Refusal as refusal:
                self._scopes[dataset] = refusal
        return self._scopes[dataset]


def _kept(query: SavedQuery) -> Definition | None:
    """What the query asks; ``None`` where it was kept in a form that is refused by now."""
    try:
        return Definition.model_validate(query.definition)
    except ValidationError:
        return None


def _answer(rights: _Rights, query: SavedQuery, owner: User) -> QueryAnswer:
    mine = query.user_id == rights.subject.user_id
    refusal = rights.refusal(_kept(query))
    return QueryAnswer(
        id=query.id,
        name=query.name if mine or refusal is None else "",
        dataset=query.dataset,
        title=rights.title(query.dataset),
        owner=owner.display_name or owner.username,
        own=mine,
        removable=_may_remove(rights.subject, query, owner),
        shared=query.shared,
        changed_at=query.changed_at.isoformat(),
        reason=refusal.reason if refusal else "",
        reason_code=refusal.code if refusal else "",
    )


def _columns(definition: DatasetDefinition, asked: Definition) -> set[str]:
    """The columns without which the query cannot be answered."""
    needed = {_OF_AREAS[name] for name in (asked.within, asked.by) if name in _OF_AREAS}
    if asked.within in _OF_SHAPES or asked.by in _OF_SHAPES:
        needed |= {"easting", "northing"}
    if asked.categories:
        needed.add(definition.category_field)
    if asked.refined_by:
        needed.add(asked.refined_by)
    if asked.hours is not None:
        needed |= {_HOUR, _DAY} if len(set(asked.hours.days)) < _EVERY_DAY else {_HOUR}
    if asked.from_day or asked.to_day:
        needed.add(_DAY)
    if asked.from_month or asked.to_month:
        needed.add("month")
    return needed


def _check_values(definition: DatasetDefinition | None, asked: Definition) -> None:
    """Values are those of the code lists: a query is no place to write something else down."""
    if definition is None:
        return  # the scope says so
    names = [definition.category_field, *([asked.refined_by] if asked.refined_by else [])]
    lists = []
    for name in names:
        try:
            lists.append(set(definition.field(name).codes.values()))
        except KeyError:
            raise _invalid(f"{definition.title} has no column “{name}”") from None
    for path in asked.categories:
        if len(path) > len(lists):
            raise _invalid("a category has a second value, and no column that refines it is named")
        for value, known in zip(path, lists, strict=False):
            if known and value and value not in known:
                raise _invalid(f"“{value[:40]}” is no value of {definition.title}")
    if bool(asked.from_month) != bool(asked.to_month) or asked.from_month > asked.to_month:
        raise _invalid("a period has a first and a last month, in this order")
    _check_days(asked)
    if bool(asked.codes) != (asked.within in ("boroughs", "wards", "lsoas")):
        raise _invalid("codes are given for boroughs, wards and LSOAs, and for these alone")
    if bool(asked.shape) != (asked.within == "shape"):
        raise _invalid("a shape is given where the query asks within a shape, and there alone")
    if asked.shape and not _is_area(asked.shape):
        raise _invalid("its shape is no polygon on the National Grid (EPSG:27700)")


def _check_days(asked: Definition) -> None:
    days = asked.from_day, asked.to_day
    if not any(days):
        return
    try:
        first, last = map(date.fromisoformat, days)
    except ValueError:
        raise _invalid("days are a first and a last one, as 2025-03-09") from None
    if first > last or (asked.from_month, asked.to_month) != (days[0][:7], days[1][:7]):
        raise _invalid("days come in their order, and its months are those that they are of")


def _is_area(wkt: str) -> bool:
    try:
        shape = shapely.from_wkt(wkt)
    except shapely.errors.ShapelyError:
        return False
    return shape.area > 0 and bool(shapely.box(*_GRID).contains(shape.envelope))


def _invalid(what: str) -> Problem:
    return Problem(422, "invalid-request", "The request is not valid", f"The query cannot be kept: {what}.")
