"""How many visible rows have each value of a property; in a dataset of counts, what these come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, case, func
from sqlalchemy.orm import Session

from ..agreements.opened import Scope
from ..audit.log import EventType
from ..datasets.definitions import Counting, layer_fields
from ..identity.subject import Subject
from ..problems import Problem
from ..services import Services
from .asking import Question, declared_only
from .schemas import FacetAnswer, FacetsAnswer
from .visible import BadValue, CountsNotAlike, VisibleRows, json_value, parse_months

INCIDENTS = "incidents"
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
    question.answered(permitted, answer.rows or 0)
    return answer


def _count(session: Session, permitted: Scope, parameters: Sequence[tuple[str, str]]) -> FacetsAnswer:
    given = dict(parameters)
    if len(given) != len(parameters):
        raise BadValue("A parameter", "each is given once")
    if "by" not in given:
        raise BadValue("by", "name the property to count by")
    rows = VisibleRows(session, permitted)
    by = rows.column(given["by"])
    equal = {name: value for name, value in given.items() if name not in _NAMED}
    months = parse_months(given.get("from_month", ""), given.get("to_month", ""))
    conditions = [*rows.equal(equal), rows.within_months(*months)]
    counting = permitted.definition.counting
    if counting is not None:
        fixed = {*equal, *(("month",) if months[0] and months[0] == months[1] else ())}
        return _sum(session, permitted, rows, counting, given["by"], fixed, conditions)
    counted = rows.select(by.label("value"), func.count().label("number")).where(*conditions).group_by(by)
    found = session.execute(counted.order_by(func.count().desc(), by.asc().nulls_last())).all()
    listed = found[:_MOST_VALUES]
    field = rows.fields[given["by"]]
    return FacetsAnswer(
        dataset=permitted.definition.code,
        release=permitted.release,
        by=field.name,
        counted=INCIDENTS,
        rows=sum(row.number for row in found),
        facets=[FacetAnswer(value=json_value(field, row.value), rows=row.number) for row in listed],
        others=sum(row.number for row in found[_MOST_VALUES:]),
    )


def _sum(
    session: Session,
    permitted: Scope,
    rows: VisibleRows,
    counting: Counting,
    name: str,
    fixed: set[str],
    conditions: Sequence[ColumnElement[bool]],
) -> FacetsAnswer:
    """The sums of counts by a property; raises ``CountsNotAlike`` where they may be of the same people."""
    by, field = rows.column(name), rows.fields[name]
    if apart := [other for other in counting.unlike if other not in fixed and other != name]:
        aliases = {declared.name: declared.alias for declared in layer_fields(permitted.definition)}
        raise CountsNotAlike(permitted.definition.title, [aliases[other] for other in apart])
    number = func.sum(rows.column(counting.field))
    withheld = func.sum(case((rows.column(counting.withheld) == 1, 1), else_=0))
    wanted = rows.select(by.label("value"), number.label("number"), withheld.label("withheld"))
    summed = wanted.where(*conditions).group_by(by).order_by(number.desc().nulls_last(), by.asc().nulls_last())
    found = session.execute(summed).all()
    # Values of what must not be added up stand beside each other, without a sum.
    addable = name in fixed or name not in counting.unlike
    listed, rest = found[:_MOST_VALUES], found[_MOST_VALUES:]
    return FacetsAnswer(
        dataset=permitted.definition.code,
        release=permitted.release,
        by=name,
        counted=rows.fields[counting.field].alias.lower(),
        rows=_total(found) if addable else None,
        withheld=sum(int(row.withheld) for row in found),
        facets=[
            FacetAnswer(
                value=json_value(field, row.value),
                rows=None if row.number is None else int(row.number),
                withheld=int(row.withheld),
            )
            for row in listed
        ],
        others=(_total(rest) if addable else None) if rest else 0,
    )


def _total(found: Sequence[Row[Any]]) -> int | None:
    """Of what is known; ``None`` where nothing is."""
    known = [int(row.number) for row in found if row.number is not None]
    return sum(known) if known or not found else None
