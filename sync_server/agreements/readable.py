"""The one SELECT through which anybody reads incidents.

Callers filter, sort, count and join on its columns only, so what is hidden cannot show anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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

from ..datasets.definitions import FieldGroup
from ..datasets.incidents import incident_table
from ..datasets.periods import is_day, month_of, period_range
from ..spatial.backend import backend_of
from .models import Precision
from .opened import GrantProfile, Scope

_FID = {Precision.POINT: "fid_point", Precision.GRID: "fid_grid", Precision.AREA: "fid_area"}
_NOTHING = GrantProfile((), (), Precision.AREA, 0, "", "", frozenset())


@dataclass(frozen=True)
class Bounds:
    """A rectangle in whole metres of EPSG:27700, edges included."""

    west: int
    south: int
    east: int
    north: int

    @classmethod
    def around(cls, easting: int, northing: int, reach_m: int) -> Bounds:
        """The square around a place."""
        return cls(easting - reach_m, northing - reach_m, easting + reach_m, northing + reach_m)


def open_rows(session: Session, scope: Scope) -> None:
    """Let the session's transaction reach the rows of the scope: whoever reads ``readable`` calls this first.

    PostgreSQL's row-level security admits no row without it. It is the net: ``readable`` decides what is seen.
    """
    areas = {code for grant in scope.grants for code in grant.areas}
    backend_of(session.get_bind().dialect).admit(session, scope.definition.code, areas, scope.release)


def readable(
    scope: Scope,
    period: str | None = None,
    within: Bounds | None = None,
    months: tuple[str, str] | None = None,
) -> Select:
    """Rows that the scope shows (of a month or day; "" = the undated ones; ``None`` = all), precision applied.

    ``within``: only those that show a place in there. The same as asking for it by ``x`` and ``y``, but an index of
    the places serves where these show on a grid, too. ``months``: only those of the first of them to the last; years
    without any are not searched.

    Columns: ``fid``; ``x`` and ``y`` in metres of EPSG:27700, or null, where the scope has points; then those
    of ``scope.columns``, null in rows whose grant does not show them. In no order.
    """
    table = incident_table(scope.definition)
    parts = [
        select(*_columns(table, scope, grant)).where(
            seen, *_shown_within(table, grant, within), *([table.c.period.between(*months)] if months else [])
        )
        for grant, seen in _shares(table, scope, period)
        if scope.gives(grant)
    ]
    if not parts:
        parts.append(select(*_columns(table, scope, _NOTHING)).where(false()))
    return select(union_all(*parts).subquery("readable"))


def countable(scope: Scope, within: Bounds | None = None, beside: Sequence[str] = ()) -> Select:
    """Rows that may be counted for the scope's use: those that it shows, and those of its aggregate grants.

    Columns: ``month``, ``borough_code``, ``category`` (null where the grant does not have their fields), ``x`` and
    ``y`` in metres, and ``aggregate``: 1 where the row itself is never shown, so that only fixed questions may count
    it and small counts are masked. Its place is as exact as terms and role allow for
    counting, the supplier's own mostly: never give out ``x`` and ``y``. In no order.

    ``within``: only those that count as lying in there. ``beside``: further columns, of declared fields (null where
    the grant does not have theirs) or ``identity``, which tells an incident from others and is never given out.
    """
    table = incident_table(scope.definition)
    parts = [
        select(*_counted_columns(table, scope, grant, beside)).where(
            seen, *_shown_within(table, _as_counted(grant), within)
        )
        for grant, seen in _shares(table, scope, None)
        if scope.counts(grant)
    ]
    if not parts:
        parts.append(select(*_counted_columns(table, scope, _NOTHING, beside)).where(false()))
    return select(union_all(*parts).subquery("countable"))


def rows_by_grant(scope: Scope) -> Select:
    """``position`` (from 1) and ``rows``: how many rows each grant covers first, whether it shows them or not."""
    table = incident_table(scope.definition)
    whens = [(_covered(table, grant), number) for number, grant in enumerate(scope.grants, start=1)]
    first = case(*whens, else_=0) if whens else literal(0)
    shares = select(first.label("position")).where(_live(table, scope, None)).subquery("shares")
    return select(shares.c.position, func.count().label("rows")).where(shares.c.position > 0).group_by("position")


def _shares(table: Table, scope: Scope, period: str | None) -> Iterator[tuple[GrantProfile, ColumnElement[bool]]]:
    """Each grant with the condition of the rows that it covers and none before it does."""
    earlier: list[ColumnElement[bool]] = []
    for grant in scope.grants:
        if period is not None and not grant.covers(period):
            continue
        covered = _covered(table, grant)
        yield grant, and_(_live(table, scope, period), covered, *(not_(other) for other in earlier))
        earlier.append(covered)


def _live(table: Table, scope: Scope, period: str | None) -> ColumnElement[bool]:
    conditions = [
        table.c.from_release <= scope.release,
        or_(table.c.to_release.is_(None), table.c.to_release > scope.release),
    ]
    if period is not None:
        conditions.append(table.c.period == month_of(period))
        if is_day(period):
            # The day of a row is that of its feature ids, which is the same at each precision.
            conditions.append(table.c.fid_point.between(*period_range(period)))
    return and_(*conditions)


def _covered(table: Table, grant: GrantProfile) -> ColumnElement[bool]:
    """True or false, never null: its negation must not lose rows."""
    # Not "coalesce": under row-level security it would keep PostgreSQL from using an index.
    in_borough = and_(table.c.borough_code.is_not(None), table.c.borough_code.in_(grant.areas))
    conditions = [or_(table.c.area_code.in_(grant.areas), in_borough)]
    if grant.from_month:
        conditions.append(table.c.period >= grant.from_month)
    if grant.to_month:
        conditions.append(and_(table.c.period <= grant.to_month, table.c.period != ""))
    return and_(*conditions)


def _shown_within(table: Table, grant: GrantProfile, bounds: Bounds | None) -> list[ColumnElement[bool]]:
    """Conditions on the exact place that hold just where the one that is shown lies within the bounds."""
    if bounds is None:
        return []
    if grant.shown_precision == Precision.AREA:
        return [false()]
    cell = grant.grid_m if grant.shown_precision == Precision.GRID else 1
    conditions: list[ColumnElement[bool]] = []
    for name, least, most in (("easting", bounds.west, bounds.east), ("northing", bounds.south, bounds.north)):
        # The first and the last cell whose middle lies within.
        first, last = -((cell // 2 - least) // cell), (most - cell // 2) // cell
        conditions.append(table.c[name].between(first * cell, last * cell + cell - 1))
    return conditions


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


def _as_counted(grant: GrantProfile) -> GrantProfile:
    """The grant as if it showed its rows where they count as lying."""
    precision, grid_m = grant.counted_place
    return replace(grant, precision=precision, grid_m=grid_m)


def _counted_columns(
    table: Table, scope: Scope, grant: GrantProfile, beside: Sequence[str] = ()
) -> list[ColumnElement]:
    aggregate = grant.precision == Precision.AGGREGATE
    category = scope.definition.category_field
    at = _as_counted(grant)
    placed = at.shown_precision != Precision.AREA
    columns: list[ColumnElement] = [table.c.month.label("month")]
    area = FieldGroup.AREA in grant.groups
    columns.append((table.c.borough_code if area else _nothing(table.c.borough_code.type)).label("borough_code"))
    known = scope.definition.field(category).group in grant.groups
    columns.append((table.c[category] if known else _nothing(table.c[category].type)).label("category"))
    for label, name in (("x", "easting"), ("y", "northing")):
        columns.append((_seen(table, at, name) if placed else _nothing(Integer())).label(label))
    columns.append(literal(int(aggregate), Integer()).label("aggregate"))
    for name in beside:
        open_to_all = name == "identity" or scope.definition.field(name).group in grant.groups
        columns.append((table.c[name] if open_to_all else _nothing(table.c[name].type)).label(name))
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
