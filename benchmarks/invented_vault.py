"""Ten million invented incidents of the Met's in PostgreSQL, and everybody who has an agreement on them.

As loading, signing and publishing leave the tables, but written straight into them: published files are holes of the
size that their rows tell, for a manifest is made of the rows alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.orm import Session

from ..shared.manifest import CHUNK_BYTES, FID_KEY_BITS, SRID
from ..sync_server.agreements.ceiling import Ceiling
from ..sync_server.agreements.grants import resolve_areas
from ..sync_server.agreements.models import Agreement, AgreementState, Grant, GrantArea, Precision, Use
from ..sync_server.agreements.opened import Scope
from ..sync_server.agreements.scope import live_scopes
from ..sync_server.agreements.terms import ceiling_on, load_terms, supplied_terms
from ..sync_server.audit.log import COMMAND_LINE
from ..sync_server.datasets.areas import OUTSIDE, UNPLACED, AreaIndex
from ..sync_server.datasets.definitions import DatasetDefinition, FieldGroup, layer_fields
from ..sync_server.identity.conditions import current_conditions
from ..sync_server.identity.models import Organisation, OrganisationArea, Role, SignIn, SignInState, User
from ..sync_server.identity.tokens import digest
from ..sync_server.instants import london_today, now
from ..sync_server.publishing.artefact_store import ArtefactStore
from ..sync_server.publishing.models import Artefact, ArtefactKind, LayerSlice, Release, ReleaseState
from ..sync_server.publishing.slices import SliceKey, slice_keys, snapshot_name
from ..sync_server.services import Services

LAYER = "mps"
INCIDENTS = 10_000_000
YEARS = range(2016, 2026)
PERIODS = tuple(f"{year}-{month:02}" for year in YEARS for month in range(1, 13))
ORGANISATIONS = 40
USERS = 400
RELEASE = 2  # the visible one: its rows are those of the first and what was corrected since
EDGE_M = 1000
GRID_M = 250
LONDON = "london"
_ENDED_OF = 50  # one row version in so many ended with the first release
_PAN_LONDON = ("mopac", "gla", "tfl", "lfb", "las", "nhs-london", "london-councils")
_BYTES_A_ROW = 42  # of a slice as sent

# A place in each LSOA, in an order that says nothing of where it is.
_LSOAS = """
CREATE TEMPORARY TABLE lsoa AS
SELECT
    row_number() OVER (ORDER BY md5(lsoa.code)) - 1 AS number, lsoa.code, lsoa.parent AS borough_code,
    borough.name AS borough, CAST(ST_X(place) AS integer) AS x, CAST(ST_Y(place) AS integer) AS y
FROM area AS lsoa
JOIN area AS borough ON borough.code = lsoa.parent AND borough.level = 'borough'
CROSS JOIN LATERAL ST_PointOnSurface(ST_GeomFromWKB(lsoa.shape)) AS place
WHERE lsoa.level = 'lsoa'
"""
# Those that belong to no constraint.
_INDEXES = """
SELECT indexname, replace(indexdef, ' ON ONLY ', ' ON ') AS made FROM pg_indexes
WHERE tablename = :table AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
_INCIDENTS = """
INSERT INTO {table} (
    identity, content, delivery_id, from_release, to_release, fid_point, fid_grid, fid_area, period, area_code, month,
    borough_code, borough, lsoa_code, easting, northing, location_method, precision_m, category, street, geometry
)
SELECT
    md5(n::text) || substr(md5('identity' || n), 1, 8), md5('a' || n) || md5('b' || n), 1,
    CASE WHEN chance % {ended_of} = 1 THEN 2 ELSE 1 END, CASE WHEN chance % {ended_of} = 0 THEN 2 END,
    {day} << {bits} | one & {mask}, {day} << {bits} | two & {mask}, {day} << {bits} | three & {mask},
    :period, CASE WHEN placed THEN code ELSE '{unplaced}' END, :period,
    CASE WHEN placed THEN borough_code END, CASE WHEN placed THEN borough END, CASE WHEN placed THEN code END,
    CASE WHEN placed THEN easting END, CASE WHEN placed THEN northing END,
    CASE WHEN placed THEN 'supplied' ELSE 'none' END, CASE WHEN placed THEN 50 END,
    (CAST(:categories AS text[]))[1 + chance % :kinds], 'On or near Street ' || chance % 20000,
    CASE WHEN placed THEN ST_SetSRID(ST_MakePoint(easting, northing), {srid}) END
FROM (
    SELECT *, x + (one % 250)::integer AS easting, y + (two % 250)::integer AS northing, chance % 97 > 0 AS placed
    FROM (
        SELECT n, {hash}(n, 1) & {positive} AS chance, {hash}(n, 2) AS one, {hash}(n, 3) AS two, {hash}(n, 4) AS three
        FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
    ) AS drawn
    JOIN lsoa ON lsoa.number = (three & {positive}) % :lsoas
) AS incident
ORDER BY placed, code, n
"""


@dataclass(frozen=True)
class Person:
    """Somebody in an active session."""

    id: str
    token: str


def make_incidents(connection: Connection, definition: DatasetDefinition) -> None:
    """Fill the incident table month by month, each in the order in which a load leaves it; then ANALYZE.

    Its indexes are away meanwhile: keeping them takes most of the time.
    """
    table = f"incident_{definition.code}"
    indexes = connection.execute(text(_INDEXES), {"table": table}).all()
    for name, _made in indexes:
        connection.execute(text(f"DROP INDEX {name}"))
    lsoas = connection.execute(text(_LSOAS)).rowcount
    connection.execute(text("ANALYZE lsoa"))
    statement = text(
        _INCIDENTS.format(
            table=table,
            ended_of=_ENDED_OF,
            day="CAST(:day AS bigint)",
            bits=FID_KEY_BITS,
            mask=(1 << FID_KEY_BITS) - 1,
            positive=(1 << 63) - 1,
            unplaced=UNPLACED,
            hash="hashint8extended",
            srid=SRID,
        )
    )
    categories = list(definition.field(definition.category_field).codes)
    # Beside those that count there are the ended ones.
    every = INCIDENTS * _ENDED_OF // (_ENDED_OF - 1)
    for number, period in enumerate(PERIODS):
        values = {
            "first": every * number // len(PERIODS),
            "last": every * (number + 1) // len(PERIODS) - 1,
            "period": period,
            "day": (date.fromisoformat(f"{period}-01") - date(1970, 1, 1)).days,
            "lsoas": lsoas,
            "categories": categories,
            "kinds": len(categories),
        }
        connection.execute(statement, values)
        connection.commit()
    for _name, made in indexes:
        connection.exec_driver_sql(made)
        connection.commit()
    connection.execute(text(f"ANALYZE {table}"))
    connection.commit()


def make_people(services: Services, session: Session, areas: AreaIndex, organisations: int = ORGANISATIONS) -> None:
    """So many organisations, their people, and an agreement of each on each dataset, all in force."""
    for path in supplied_terms(services):
        load_terms(services, session, COMMAND_LINE, path)
    today, at = london_today(), now()
    ceilings = {dataset: ceiling_on(session, dataset, today) for dataset in services.definitions}
    for number, (code, boroughs) in enumerate(_organisations(areas, organisations)):
        organisation = Organisation(
            code=code,
            name=f"Organisation {code}",
            kind="csp",
            remit="An invented one, for a measurement.",
            areas=[OrganisationArea(code=borough) for borough in boroughs],
        )
        for dataset, definition in services.definitions.items():
            ceiling = ceilings[dataset]
            # Every other one is shown the rest of London on a grid; the others only count it.
            grants = list(_grants(areas, boroughs, definition, ceiling, rest_on_grid=number % 2 == 0))
            session.add(
                Agreement(
                    reference=f"DSA-{code}-{dataset}",
                    organisation=organisation,
                    dataset=dataset,
                    starts=today - timedelta(days=100),
                    ends=today + timedelta(days=600),
                    state=AgreementState.ACTIVE,
                    signed_on=today - timedelta(days=110),
                    state_since=at,
                    grants=grants,
                )
            )
        for person in range(USERS // ORGANISATIONS):
            session.add(
                User(
                    id=hashlib.md5(f"{code} {person}".encode(), usedforsecurity=False).hexdigest(),
                    username=f"{code}-{person}",
                    display_name=f"Analyst {person}",
                    organisation=organisation,
                    role=Role.ANALYST,
                    password_hash="",
                    created_at=at,
                )
            )
    session.flush()


def _organisations(areas: AreaIndex, number: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Codes, and the boroughs that each serves: all for those that serve all of London."""
    boroughs = sorted(areas.boroughs)
    ours = [(f"csp-{borough.lower()}", (borough,)) for borough in boroughs]
    ours += [(code, tuple(boroughs)) for code in _PAN_LONDON]
    return islice(ours, number)


def _grants(
    areas: AreaIndex,
    boroughs: Sequence[str],
    definition: DatasetDefinition,
    ceiling: Ceiling | None,
    *,
    rest_on_grid: bool,
) -> Iterator[Grant]:
    """Records of the own boroughs and of what lies within a kilometre; then the rest of London."""
    there = {field.group for field in layer_fields(definition)}
    groups = " ".join(group for group in FieldGroup if group in there and (not ceiling or group in ceiling.groups))
    everything = len(boroughs) == len(areas.boroughs)
    own = (*boroughs, UNPLACED, OUTSIDE) if everything else resolve_areas(areas, boroughs, EDGE_M)
    rest = resolve_areas(areas, (LONDON, UNPLACED))
    yield _grant(1, own, groups, Precision.POINT, 0, frozenset(Use))
    if everything:
        return
    if rest_on_grid:
        yield _grant(2, rest, groups, Precision.GRID, GRID_M, frozenset(Use))
    else:
        yield _grant(2, rest, groups, Precision.AGGREGATE, 0, frozenset({Use.VIEW}))


def _grant(
    position: int, codes: Sequence[str], groups: str, precision: Precision, grid_m: int, uses: frozenset[Use]
) -> Grant:
    return Grant(
        position=position,
        groups=groups,
        precision=precision,
        grid_m=grid_m,
        may_view=Use.VIEW in uses,
        may_sync=Use.SYNC in uses,
        may_export=Use.EXPORT in uses,
        may_publish=Use.PUBLISH in uses,
        areas=[GrantArea(code=code) for code in codes],
    )


def make_releases(services: Services, session: Session) -> None:
    """A visible release of each dataset, and the files of every set of rights on it; those that there were go."""
    for table in (LayerSlice, Artefact, Release):
        session.execute(delete(table))
    store, at = ArtefactStore(services.settings.artefacts_dir), now()
    store.folder.mkdir(parents=True, exist_ok=True)
    for dataset in services.definitions:
        for number in (1, RELEASE):
            session.add(
                Release(
                    dataset=dataset,
                    number=number,
                    state=ReleaseState.PUBLISHED,
                    synthetic=True,
                    staged_at=at,
                    published_at=at,
                    periods=list(PERIODS),
                )
            )
        session.flush()
        for artefact, key in _files(live_scopes(session, dataset, services.definitions, london_today())):
            session.add(artefact)
            if key is not None:
                session.add(
                    LayerSlice(
                        dataset=dataset,
                        release=RELEASE,
                        fingerprint=key.fingerprint,
                        period=key.period,
                        artefact=artefact.name,
                    )
                )
            with store.path(artefact.name).open("wb") as file:
                file.truncate(artefact.size)
        session.flush()


def _files(scopes: Sequence[Scope]) -> Iterator[tuple[Artefact, SliceKey | None]]:
    """Each file of the scopes' layers once: slices with their keys, then the snapshots."""
    made: set[str] = set()
    for scope in scopes:
        keys = slice_keys(scope, PERIODS)
        for key in keys:
            if (name := _name(scope, key)) not in made:
                made.add(name)
                yield _artefact(scope, name, ArtefactKind.SLICE, key.period), key
        whole = snapshot_name(scope, [_name(scope, key) for key in keys])
        if whole not in made:
            made.add(whole)
            yield _artefact(scope, whole, ArtefactKind.SNAPSHOT, None, len(keys)), None


def _name(scope: Scope, key: SliceKey) -> str:
    return hashlib.sha256(f"{scope.definition.code} {key.fingerprint} {key.period}".encode()).hexdigest()


def _artefact(scope: Scope, name: str, kind: ArtefactKind, period: str | None, months: int = 1) -> Artefact:
    rows = 2_000 * months * (1 + len(scope.grants))
    size = rows * _BYTES_A_ROW
    return Artefact(
        name=name,
        kind=kind,
        dataset=scope.definition.code,
        period=period,
        rows=rows,
        size=size,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        chunks=[hashlib.sha256(f"{name} {number}".encode()).hexdigest() for number in range(1 + size // CHUNK_BYTES)],
        file_size=4 * size,
        file_sha256=hashlib.sha256(f"{name} file".encode()).hexdigest(),
        created_at=now(),
    )


def sign_in_everybody(session: Session) -> list[Person]:
    """An active session for each person, instead of those that there were; one of each organisation after another."""
    session.execute(delete(SignIn))
    conditions, at = current_conditions(session), now()
    people = session.execute(select(User.id).order_by(func.right(User.username, 1), User.username)).scalars()
    signed_in = [Person(user_id, f"token of {user_id}") for user_id in people]
    for person in signed_in:
        session.add(
            SignIn(
                id=person.id,
                token_hash=digest(person.token),
                user_id=person.id,
                state=SignInState.ACTIVE,
                conditions_version=conditions.version,
                conditions_sha256=conditions.sha256,
                purpose="needs-assessment",
                created_at=at,
                accepted_at=at,
                last_used_at=at,
                expires_at=at + timedelta(hours=12),
            )
        )
    return signed_in
