"""What ``readable`` selects as the application, under row-level security, beside the same rows by bare SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Select, func, select

from ..sync_server.agreements.models import Precision
from ..sync_server.agreements.opened import GrantProfile, Scope
from ..sync_server.agreements.readable import Bounds, open_rows, readable
from ..sync_server.agreements.scope import live_scopes
from ..sync_server.database import Database
from ..sync_server.instants import london_today
from ..sync_server.services import Services
from ..sync_server.settings import Part
from .invented_vault import INCIDENTS, LAYER, PERIODS, RELEASE
from .measuring import Contender, Kind, Measure, in_turns
from .prepared_vault import Vault

_ROUNDS = 7
_MONTH = PERIODS[-20]
_MONTHS = 36
_RADIUS_M = 500
_AIM = 1.1
_LIVE = f"from_release <= {RELEASE} AND (to_release IS NULL OR to_release > {RELEASE})"
_NOTE = (
    "Ours is one request's whole work in the database: a connection of the pool, what the transaction may see, "
    "the statement made of the scope, its rows. The bare SQL, one text on an open connection, asks for the same "
    "rows under a role to whom no policy applies."
)


@dataclass(frozen=True)
class _Question:
    """``times``: so often in a round, where once is too short to be timed."""

    job: str
    scope: Scope
    ours: Select[Any]
    bare: str
    times: int


def readable_measures(vault: Vault, scratch: Path) -> list[Measure]:
    """Raises ``RuntimeError`` where the two do not find the same rows."""
    services = vault.services(Part.APPLICATION)
    superuser = Database.connect(vault.cluster.url)
    try:
        with services.database.read() as session:
            scopes = live_scopes(session, LAYER, services.definitions, london_today())
        records = next(scope for scope in scopes if not _all_shown(scope))
        gridded = next(scope for scope in scopes if any(g.precision == Precision.GRID for g in scope.grants))
        with psycopg.connect(vault.cluster.conninfo, autocommit=True) as connection:
            place = connection.execute(_PLACE, [list(records.grants[0].areas), _MONTH]).fetchall()[0]
            return [
                _measured(services, superuser, connection, question, scratch)
                for question in _questions(services, records, gridded, place)
            ]
    finally:
        services.close()
        superuser.engine.dispose()


# Somewhere in the middle of what happened in the areas.
_PLACE = f"""
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY easting), percentile_disc(0.5) WITHIN GROUP (ORDER BY northing)
FROM incident_{LAYER} WHERE borough_code = ANY(%s) AND period = %s
"""


def _all_shown(scope: Scope) -> bool:
    return all(scope.gives(grant) for grant in scope.grants)


def _questions(services: Services, records: Scope, gridded: Scope, place: tuple[int, int]) -> list[_Question]:
    first = PERIODS[-_MONTHS]
    bounded = replace(records, grants=tuple(replace(grant, from_month=first) for grant in records.grants))
    own = records.grants[0]
    return [
        _Question(
            "Rows of a month of one borough and its edge",
            records,
            readable(records, _MONTH),
            _bare_rows(records, f"period = '{_MONTH}' AND {_in(own)}"),
            times=10,
        ),
        _Question(
            f"Rows of {_MONTHS} months of one borough and its edge",
            bounded,
            readable(bounded),
            _bare_rows(records, f"period >= '{first}' AND {_in(own)}"),
            times=1,
        ),
        _Question(
            f"How many within {_RADIUS_M} m of a place in ten years, own borough and its edge",
            records,
            _count(services, records, place),
            f"SELECT count(*) FROM incident_{LAYER} WHERE {_around(place)} AND {_in(own)} AND {_LIVE}",
            times=10,
        ),
        _Question(
            "The same where the rest of London shows on a grid",
            gridded,
            _count(services, gridded, place),
            _bare_gridded(gridded, place),
            times=10,
        ),
    ]


def _count(services: Services, scope: Scope, place: tuple[int, int]) -> Select[Any]:
    shown = readable(scope, within=Bounds.around(*place, _RADIUS_M)).subquery()
    near = services.spatial.within(shown.c.x, shown.c.y, *place, _RADIUS_M)
    return select(func.count()).select_from(shown).where(near)


def _bare_rows(scope: Scope, which: str) -> str:
    columns = ", ".join(["fid_point", "easting", "northing", *(field.name for field in scope.columns)])
    return f"SELECT {columns} FROM incident_{LAYER} WHERE {which} AND {_LIVE}"


def _bare_gridded(scope: Scope, place: tuple[int, int]) -> str:
    """The exact rows of the first grant, and of the second those whose square's middle is near enough."""
    own, rest = scope.grants
    cell = rest.grid_m
    middle = ", ".join(f"{name} - {name} % {cell} + {cell // 2} AS {name}" for name in ("easting", "northing"))
    wider = _box(place, _RADIUS_M + cell)
    return (
        f"SELECT (SELECT count(*) FROM incident_{LAYER} WHERE {_in(own)} AND {_around(place)} AND {_LIVE}) + "
        f"(SELECT count(*) FROM (SELECT {middle} FROM incident_{LAYER} "
        f"WHERE {_in(rest)} AND NOT {_in(own)} AND {wider} AND {_LIVE}) AS snapped WHERE {_around(place)})"
    )


def _in(grant: GrantProfile) -> str:
    boroughs = [code for code in grant.areas if code.startswith("E09")]
    others = [code for code in grant.areas if code not in boroughs]
    either = [
        f"{column} IN ({', '.join(map(repr, codes))})"
        for column, codes in (("borough_code", boroughs), ("area_code", others))
        if codes
    ]
    return f"({' OR '.join(either)})"


def _around(place: tuple[int, int]) -> str:
    x, y = place
    circle = f"(easting - {x})::bigint ^ 2 + (northing - {y})::bigint ^ 2 <= {_RADIUS_M**2}"
    return f"{_box(place, _RADIUS_M)} AND {circle}"


def _box(place: tuple[int, int], reach: int) -> str:
    x, y = place
    return f"easting BETWEEN {x - reach} AND {x + reach} AND northing BETWEEN {y - reach} AND {y + reach}"


def _measured(
    services: Services, superuser: Database, connection: psycopg.Connection[Any], question: _Question, scratch: Path
) -> Measure:
    def ours() -> Sequence[Any]:
        with services.database.read() as session:
            open_rows(session, question.scope)
            return session.execute(question.ours).all()

    def unguarded() -> Sequence[Any]:
        with superuser.read() as session:
            return session.execute(question.ours).all()

    def bare() -> Sequence[Any]:
        return connection.execute(question.bare).fetchall()

    found, expected = sorted(ours(), key=repr), sorted(bare(), key=repr)
    if found != expected or not found:
        raise RuntimeError(f"{question.job}: {len(found):,} rows, not the {len(expected):,} of the bare SQL.")
    rows = f"{len(found):,} rows" if len(found) > 1 else f"{found[0][0]:,}"

    def often(act: Callable[[], Sequence[Any]]) -> Callable[[Path], None]:
        def repeated(_folder: Path) -> None:
            for _ in range(question.times):
                act()

        return repeated

    times = f", {question.times} times" if question.times > 1 else ""
    return in_turns(
        f"{question.job}{times}: {rows} of {INCIDENTS:,}",
        [
            Contender("agreements.readable", Kind.OURS, often(ours)),
            Contender("the same without row-level security", Kind.PART, often(unguarded)),
            Contender("bare SQL, no row-level security", Kind.LIMIT, often(bare), aim=_AIM),
        ],
        scratch,
        _ROUNDS,
        note=_NOTE,
    )
