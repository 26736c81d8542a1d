"""A licensing officer's check around a place where ten million incidents are held, on PostgreSQL with PostGIS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from ..shared.ring_answer import RingAnswer
from ..shared.rings import FIXED_RADII
from ..shared.windows import Window
from ..sync_server.check.answering import answer_around
from ..sync_server.check.places import place_at
from ..sync_server.check.question import Question
from ..sync_server.identity.models import Role
from ..sync_server.identity.subject import Subject
from ..sync_server.instants import london_today
from ..sync_server.ranks.building import build_ranks
from ..sync_server.services import Services
from ..sync_server.settings import Part
from .invented_vault import INCIDENTS, LAYER, RELEASE, sign_in_everybody
from .job import Outcome, Place
from .measuring import Contender, Kind, in_turns
from .prepared_vault import Vault, prepared_vault

_ROUNDS = 7
_CHECKS = 10  # in a round: one is too short to be timed
_AIM_S = 0.2 * _CHECKS
_ORGANISATION, _BOROUGH = "csp-e09000007", "E09000007"
_LIVE = f"from_release <= {RELEASE} AND (to_release IS NULL OR to_release > {RELEASE})"


def measure(place: Place) -> Outcome:
    """Whole answers as the application gives them, audited; beside counts of the same rings by bare SQL."""
    with prepared_vault(place.root, place.scratch.parent / "vault") as vault:
        engine = vault.cluster.engine()
        try:
            with (
                _alone(engine),
                _served(vault) as services,
                psycopg.connect(vault.cluster.conninfo, autocommit=True) as connection,
            ):
                return _measured(place.scratch, vault, services, connection)
        finally:
            engine.dispose()


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """One agreement in force: ranking places for forty takes long, and alters no answer of this one."""
    others = (
        "UPDATE agreement SET state = :state WHERE state = :former AND NOT (dataset = :dataset AND organisation_id = "
        "(SELECT id FROM organisation WHERE code = :code))"
    )
    told = {"dataset": LAYER, "code": _ORGANISATION}
    with engine.begin() as connection:
        connection.execute(text(others), {**told, "state": "suspended", "former": "active"})
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text(others), {**told, "state": "active", "former": "suspended"})


@contextmanager
def _served(vault: Vault) -> Iterator[Services]:
    publisher = vault.services(Part.PUBLISHER)
    try:
        began = time.monotonic()
        made = build_ranks(publisher, london_today())
        print(f"bench: {made:,} tables of ranks took {time.monotonic() - began:.0f} s", flush=True)
        with publisher.database.write() as session:
            sign_in_everybody(session)
    finally:
        publisher.close()
    services = vault.services(Part.APPLICATION)
    try:
        yield services
    finally:
        services.close()


def _measured(scratch: Path, vault: Vault, services: Services, connection: psycopg.Connection[Any]) -> Outcome:
    subject = _somebody(connection)
    places = connection.execute(_PLACES, [_BOROUGH, _CHECKS]).fetchall()
    preset = services.presets[0]
    questions = [Question(place_at(services, x, y), preset) for x, y in places]

    def check(question: Question) -> RingAnswer:
        with services.database.read() as session:
            return answer_around(services, session, subject, question).answer

    first = check(questions[0])
    expected = _counts(connection, _BY_BOX, places[0], first.now)
    found = [figure.count for row in first.datasets[0].totals()[:1] for figure in row.figures]
    if found != expected or not all(found):
        raise RuntimeError(f"A check counts {found}, bare SQL {expected}.")
    ranked = sum(figure.share_below is not None for one in first.datasets for row in one.rows for figure in row.figures)

    def often(act: Callable[[int], object]) -> Callable[[Path], None]:
        return lambda _folder: [act(number) for number in range(_CHECKS)] and None

    return Outcome(
        [
            in_turns(
                f"{_CHECKS} checks of places in one borough, {INCIDENTS:,} incidents held",
                [
                    Contender("check.answer_around", Kind.OURS, often(lambda n: check(questions[n])), aim=_AIM_S),
                    Contender(
                        "SQL with ST_DWithin: three rings, one year, by category",
                        Kind.PEER,
                        often(lambda n: _counts(connection, _BY_DISTANCE, places[n], first.now)),
                    ),
                    Contender(
                        "SQL on the index of the coordinates: the same",
                        Kind.LIMIT,
                        often(lambda n: _counts(connection, _BY_BOX, places[n], first.now)),
                    ),
                ],
                scratch,
                _ROUNDS,
                note=(
                    "Ours finds agreement, grants and terms, reads three years under row-level security, counts each "
                    "category in three rings, in two years and by month, cuts the rings by the land held, tells "
                    f"{ranked} ranks of tables made at publishing, and has all in the audit, on the disk."
                ),
            )
        ],
        versions={"incidents": f"{INCIDENTS:,}"},
    )


# Where people are: at incidents, spread over the borough.
_PLACES = f"""
SELECT easting, northing FROM incident_{LAYER}
WHERE borough_code = %s AND period = '2025-06' AND easting IS NOT NULL ORDER BY identity LIMIT %s
"""
_RINGS = ", ".join(f"count(*) FILTER (WHERE {{within_{radius}}})" for radius in FIXED_RADII)
_FROM = f"FROM incident_{LAYER} WHERE {_LIVE} AND period BETWEEN %(first)s AND %(last)s"
_WIDEST = max(FIXED_RADII)
_SQUARED = "(easting - %(x)s)::bigint ^ 2 + (northing - %(y)s)::bigint ^ 2 <= {squared}"
_BOX = (
    f"easting BETWEEN %(x)s - {_WIDEST} AND %(x)s + {_WIDEST} AND "
    f"northing BETWEEN %(y)s - {_WIDEST} AND %(y)s + {_WIDEST}"
)
_POINT = "ST_SetSRID(ST_MakePoint(%(x)s, %(y)s), 27700)"
_BY_BOX = "SELECT category, {rings} {source} AND {where} GROUP BY category".format(
    rings=_RINGS.format(**{f"within_{radius}": _SQUARED.format(squared=radius**2) for radius in FIXED_RADII}),
    source=_FROM,
    where=_BOX,
)
_BY_DISTANCE = "SELECT category, {rings} {source} AND {where} GROUP BY category".format(
    rings=_RINGS.format(**{f"within_{radius}": f"ST_DWithin(geometry, {_POINT}, {radius})" for radius in FIXED_RADII}),
    source=_FROM,
    where=f"ST_DWithin(geometry, {_POINT}, {_WIDEST})",
)


def _counts(connection: psycopg.Connection[Any], query: str, place: tuple[int, int], window: Window) -> list[int]:
    """All categories together, ring by ring."""
    told = {"x": place[0], "y": place[1], "first": window.first, "last": window.last}
    rows = connection.execute(query, told).fetchall()
    return [sum(row[1 + ring] for row in rows) for ring in range(len(FIXED_RADII))]


def _somebody(connection: psycopg.Connection[Any]) -> Subject:
    """An analyst of the organisation, in the session that was made for them."""
    query = (
        "SELECT person.id, username, organisation_id, code, name FROM user_account AS person "
        "JOIN organisation ON organisation.id = organisation_id WHERE code = %s ORDER BY username LIMIT 1"
    )
    user, username, organisation, code, name = connection.execute(query, [_ORGANISATION]).fetchall()[0]
    return Subject(user, username, organisation, code, Role.ANALYST, user, "needs-assessment", "1", name)
