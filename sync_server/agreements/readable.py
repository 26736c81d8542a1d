"""The one SELECT through which anybody reads incidents.

Callers filter, sort, count and join on its columns only, so what is hidden cannot show anywhere.
"""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    Table,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from ..datasets.incidents import incident_table
from ..spatial.backend import backend_of
from .models import Precision
from .scope import GrantProfile, Scope

_FID = {Precision.POINT: "fid_point", Precision.GRID: "fid_grid", Precision.AREA: "fid_area"}


def open_rows(session: Session, scope: Scope) -> None:
    """Let the session's transaction reach the rows of the scope: whoever reads ``readable`` calls this first.

    PostgreSQL's row-level security admits no row without it. It is the net: ``readable`` decides what is seen.
    """
    areas = {code for grant in scope.grants for code in grant.areas}
    backend_of(session.get_bind().dialect).admit(session, scope.definition.code, areas, scope.release)


def readable(scope: Scope, period: str | None = None) -> Select:
    """Rows that the scope shows (of one month; "" = the undated ones; ``None`` = all), precision applied.

    Columns: ``fid``; ``x`` and ``y`` in metres of EPSG:27700, or null, where the scope has points; then those
    of ``scope.columns``, null in rows whose grant does not show them. In no order.
    """
    table = incident_table(scope.definition)
    parts: list[Select] = []
    earlier: list[ColumnElement[bool]] = []
    for grant in scope.grants:
        if period is not None and not grant.covers(period):
            continue
        covered = _covered(table, grant)
        if scope.gives(grant):
            seen = and_(_live(table, scope, period), covered, *(not_(other) for other in earlier))
            parts.append(select(*_columns(table, scope, grant)).where(seen))
        earlier.append(covered)
    if not parts:
        empty = GrantProfile((), (), Precision.AREA, 0, "", "", frozenset())
        parts.append(select(*_columns(table, scope, empty)).where(false()))
    return select(union_all(*parts).subquery("readable"))


def _live(table: Table, scope: Scope, period: str | None) -> ColumnElement[bool]:
    conditions = [
        table.c.from_release <= scope.release,
        or_(table.c.to_release.is_(None), table.c.to_release > scope.release),
    ]
    if period is not None:
        conditions.append(table.c.period == period)
    return and_(*conditions)


def _covered(table: Table, grant: GrantProfile) -> ColumnElement[bool]:
    """True or false, never null: its negation must not lose rows."""
    conditions = [or_(table.c.area_code.in_(grant.areas), func.coalesce(table.c.borough_code, "").in_(grant.areas))]
    if grant.from_month:
        conditions.append(table.c.period >= grant.from_month)
    if grant.to_month:
        conditions.append(and_(table.c.period <= grant.to_month, table.c.period != ""))
    return and_(*conditions)


def _columns(table: Table, scope: Scope, grant: GrantProfile) -> list[ColumnElement]:
    shown = {field.name for field in grant.fields(scope.definition)}
    columns: list[ColumnElement] = [table.c[_FID[grant.shown_precision]].label("fid")]
    if scope.geometry == "point":
        places = grant.shown_precision != Precision.AREA
        for label, name in (("x", "easting"), ("y", "northing")):
            columns.append((_seen(table, grant, name) if places else _nothing(Integer())).label(label))
    for field in scope.columns:
        column = table.c[field.name]
        value = _seen(table, grant, field.name) if field.name in shown else _nothing(column.type)
        columns.append(value.label(field.name))
    return columns


def _nothing(kind: TypeEngine) -> ColumnElement:
    return cast(null(), kind)


def _seen(table: Table, grant: GrantProfile, name: str) -> ColumnElement:
    """The column as the grant's precision shows it."""
    column = table.c[name]
    placed = table.c.easting.is_not(None)
    if grant.shown_precision == Precision.GRID:
        cell = grant.grid_m
        if name in ("easting", "northing"):
            # "%" keeps the sign of the dividend: the second one makes it a floor for negative values too.
            return column - (column % cell + cell) % cell + cell // 2
        if name == "precision_m":
            return case((and_(placed, func.coalesce(column, 0) < cell), cell), else_=column)
        if name == "location_method":
            return case((placed, literal("grid", String)), else_=column)
    if grant.shown_precision == Precision.AREA:
        if name == "precision_m":
            return _nothing(column.type)
        if name == "location_method":
            return case((placed, literal("area", String)), else_=column)
    return column
