"""How many visible rows have each value of a property."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func
from sqlalchemy.orm import Session

from ..agreements.scope import Scope, Subject
from ..audit.log import EventType
from ..problems import Problem
from ..services import Services
from .asking import Question, declared_only
from .schemas import FacetAnswer, FacetsAnswer
from .visible import BadValue, VisibleRows, json_value, parse_months

_MOST_VALUES = 200
_NAMED = ("by", "from_month", "to_month")


def count_facets(
    services: Services, session: Session, subject: Subject, dataset: str, parameters: Sequence[tuple[str, str]]
) -> FacetsAnswer:
    """Counts by the property ``by``, of rows that have the values asked for; audited. Raises ``Problem``."""
    told = declared_only(services.definitions.get(dataset), parameters, _NAMED)
    question = Question(services, subject, EventType.FACETS_READ, dataset, told)
    permitted = question.permitted(session)
    try:
        answer = _count(session, permitted, parameters)
    except Problem as problem:
        raise question.refused(problem) from None
    question.answered(permitted, answer.rows)
    return answer


def _count(session: Session, permitted: Scope, parameters: Sequence[tuple[str, str]]) -> FacetsAnswer:
    given = dict(parameters)
    if len(given) != len(parameters):
        raise BadValue("A parameter", "each is given once")
    if "by" not in given:
        raise BadValue("by", "name the property to count by")
    rows = VisibleRows(session, permitted)
    by = rows.column(given["by"])
    conditions = rows.equal({name: value for name, value in given.items() if name not in _NAMED})
    conditions.append(rows.within_months(*parse_months(given.get("from_month", ""), given.get("to_month", ""))))
    counted = rows.select(by.label("value"), func.count().label("number")).where(*conditions).group_by(by)
    found = session.execute(counted.order_by(func.count().desc(), by.asc().nulls_last())).all()
    listed = found[:_MOST_VALUES]
    field = rows.fields[given["by"]]
    return FacetsAnswer(
        dataset=permitted.definition.code,
        release=permitted.release,
        by=field.name,
        rows=sum(row.number for row in found),
        facets=[FacetAnswer(value=json_value(field, row.value), rows=row.number) for row in listed],
        others=sum(row.number for row in found[_MOST_VALUES:]),
    )
