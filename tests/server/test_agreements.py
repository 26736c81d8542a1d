"""Agreements: from draft to end, what is refused and why, areas resolved at signing, what a person is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.agreements import service
from safestats.sync_server.agreements.models import Agreement, AgreementState, Precision, Use
from safestats.sync_server.agreements.scope import Refusal, Scope, Subject, live_scopes, months_back, scope
from safestats.sync_server.agreements.service import GrantTerms
from safestats.sync_server.database import Database
from safestats.sync_server.datasets.areas import AreaIndex, load_supplied_areas
from safestats.sync_server.datasets.definitions import FieldGroup, read_definitions
from safestats.sync_server.datasets.models import Area
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.models import Role, User
from safestats.sync_server.identity.passwords import Passwords
from safestats.sync_server.identity.service import add_organisation, add_user
from safestats.sync_server.instants import now
from safestats.sync_server.publishing.models import Release, ReleaseState
from safestats.sync_server.schema import create_schema
from safestats.sync_server.settings import Settings
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

RESOURCES = Settings().resources_dir
DEFINITIONS = read_definitions(RESOURCES / "datasets")
TODAY = date(2026, 11, 22)
CAMDEN, CITY, WESTMINSTER = "E09000007", "E09000001", "E09000033"
ALL = (FieldGroup.CORE, FieldGroup.AREA, FieldGroup.LOCATION)
TERMS = GrantTerms((CAMDEN,), ALL, Precision.POINT)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agreements") / "template.sqlite"
    database = Database.open(path)
    create_schema(database)
    with database.write() as session:
        load_supplied_areas(session, RESOURCES / BOUNDARIES_FILE)
        organisation = add_organisation(session, "camden", "Camden Council")
        add_user(session, Passwords(1, 64), "analyst", organisation, "Ann", Role.ANALYST, "three random words")
        session.add(Release(dataset="mps", number=4, state=ReleaseState.PUBLISHED, staged_at=now(), periods=[]))
    database.engine.dispose()
    return path


@pytest.fixture
def session(template: Path) -> Iterator[Session]:
    database = Database.open(template)
    with database.read() as opened:
        yield opened
    database.engine.dispose()


@pytest.fixture
def areas(session: Session) -> AreaIndex:
    return AreaIndex.open(session)


def subject(session: Session) -> Subject:
    user = session.scalars(select(User)).one()
    return Subject(user.id, "analyst", user.organisation_id, "camden", user.role, "s", "needs-assessment", "1")


def draft(
    session: Session, reference: str = "DSA-1", starts: date = TODAY, ends: date = TODAY, dataset: str = "mps"
) -> Agreement:
    organisation = session.scalars(select(User)).one().organisation
    return service.add_agreement(session, DEFINITIONS, reference, organisation, dataset, starts, ends)


def signed(
    session: Session, areas: AreaIndex, *terms: GrantTerms, reference: str = "DSA-1", ends: date = TODAY
) -> Agreement:
    agreement = draft(session, reference, ends=ends)
    for grant in terms or (TERMS,):
        service.add_grant(session, areas, agreement, grant)
    service.activate(session, agreement, TODAY)
    session.flush()
    return agreement


def ask(session: Session, dataset: str = "mps", use: Use = Use.SYNC, today: date = TODAY) -> Scope:
    return scope(session, subject(session), dataset, DEFINITIONS, use, today)


def refused(session: Session, **question: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ask(session, **question)  # type: ignore[arg-type]
    assert caught.value.document.code == caught.value.code
    assert caught.value.document.detail == caught.value.reason
    return caught.value


def test_an_agreement_in_force_opens_its_scope(session: Session, areas: AreaIndex) -> None:
    signed(session, areas, ends=TODAY)
    opened = ask(session)
    assert (opened.agreement, opened.until, opened.release) == ("DSA-1", TODAY, 4)
    assert opened.geometry == "point"


def test_each_refusal_has_its_code_and_sentence(session: Session, areas: AreaIndex) -> None:
    assert refused(session, dataset="nothing").document.status == 404
    assert refused(session).code == "no-agreement"
    agreement = draft(session, ends=TODAY + timedelta(days=9))
    service.add_grant(session, areas, agreement, TERMS)
    assert refused(session).code == "no-agreement"  # a draft is none
    service.activate(session, agreement, TODAY)
    assert ask(session).agreement == "DSA-1"

    early = refused(session, today=TODAY - timedelta(days=1))
    assert early.code == "agreement-not-started" and "22 November 2026" in early.reason
    late = refused(session, today=TODAY + timedelta(days=10))
    assert late.code == "agreement-ended" and "1 December 2026" in late.reason
    service.suspend(agreement)
    assert refused(session).code == "agreement-suspended"
    service.activate(session, agreement, TODAY)
    assert ask(session).agreement == "DSA-1"
    service.end_agreement(agreement, TODAY)
    today = refused(session)
    assert today.code == "agreement-ended" and "ended on 22 November 2026" in today.reason


def test_an_agreement_holds_through_its_last_day(session: Session, areas: AreaIndex) -> None:
    signed(session, areas, ends=TODAY)
    assert ask(session, today=TODAY).until == TODAY
    assert refused(session, today=TODAY + timedelta(days=1)).code == "agreement-ended"


def test_another_use_and_an_unpublished_dataset_are_refused(session: Session, areas: AreaIndex) -> None:
    signed(session, areas, GrantTerms((CAMDEN,), ALL, Precision.POINT, uses=frozenset({Use.VIEW})))
    assert refused(session).code == "use-not-granted"
    assert ask(session, use=Use.VIEW).use == Use.VIEW
    agreement = draft(session, "DSA-2", dataset="lfb")
    service.add_grant(session, areas, agreement, TERMS)
    service.activate(session, agreement, TODAY)
    unpublished = refused(session, dataset="lfb")
    assert (unpublished.code, unpublished.document.status) == ("not-published", 404)


def test_one_active_agreement_an_organisation_and_dataset(session: Session, areas: AreaIndex) -> None:
    first = signed(session, areas, ends=TODAY)
    second = draft(session, "DSA-2", ends=TODAY + timedelta(days=9))
    service.add_grant(session, areas, second, TERMS)
    with pytest.raises(SafeStatsError, match="DSA-1"):
        service.activate(session, second, TODAY)
    # The one that has run out makes way.
    service.activate(session, second, TODAY + timedelta(days=1))
    assert (first.state, second.state) == (AgreementState.ENDED, AgreementState.ACTIVE)
    session.flush()
    first.state = AgreementState.ACTIVE
    with pytest.raises(IntegrityError):
        session.flush()


def test_live_scopes_are_those_in_force_and_those_that_will_be(session: Session, areas: AreaIndex) -> None:
    agreement = signed(session, areas, ends=TODAY + timedelta(days=9))

    def live(day: date) -> list[str]:
        return [s.agreement for s in live_scopes(session, "mps", DEFINITIONS, day)]

    assert live(TODAY) == live(TODAY - timedelta(days=30)) == ["DSA-1"]
    assert live(TODAY + timedelta(days=10)) == []
    service.suspend(agreement)
    assert live(TODAY) == []


def test_the_last_months_move_with_the_calendar(session: Session, areas: AreaIndex) -> None:
    signed(session, areas, GrantTerms((CAMDEN,), ALL, Precision.POINT, last_months=12, from_month="2025-11"))
    opened = ask(session)
    assert opened.grants[0].from_month == "2025-12"
    assert opened.covers("2025-12") and opened.covers("2026-11") and not opened.covers("2025-11")
    assert not opened.covers("")
    assert [months_back("2026-01", n) for n in (0, 1, 12, 13)] == ["2026-01", "2025-12", "2025-01", "2024-12"]


def test_london_is_its_33_boroughs_and_names_nothing_else(areas: AreaIndex) -> None:
    codes = service.resolve_areas(areas, ["london", "unplaced"])
    assert codes == (*(f"E090000{number:02}" for number in range(1, 34)), "unplaced")


def test_an_edge_is_the_lsoas_of_other_boroughs_within_reach(session: Session, areas: AreaIndex) -> None:
    codes = service.resolve_areas(areas, [CITY], edge_m=1000)
    assert CITY in codes
    edge = set(codes) - {CITY}
    rows = session.execute(select(Area.code, Area.parent, Area.shape).where(Area.level == "lsoa")).all()
    shapes = shapely.from_wkb([row.shape for row in rows])
    city = shapely.union_all(shapes[[row.parent == CITY for row in rows]])
    distances = shapely.distance(shapes, city)
    near = {row.code for row, metres in zip(rows, distances, strict=True) if metres <= 1000}
    assert edge == near - {row.code for row in rows if row.parent == CITY}
    assert len(edge) > 20 and np.max(distances) > 10_000


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        (GrantTerms(("E09000099",), ALL, Precision.POINT), "no area of the loaded edition"),
        (GrantTerms((), ALL, Precision.POINT), "at least one area"),
        (GrantTerms((CAMDEN,), (FieldGroup.AREA,), Precision.AREA), "core fields"),
        (GrantTerms((CAMDEN,), ALL, Precision.GRID, grid_m=1), "cell of 10"),
        (GrantTerms((CAMDEN,), (FieldGroup.CORE,), Precision.POINT), "location fields"),
        (GrantTerms((CAMDEN,), ALL, Precision.POINT, from_month="2026-13"), "no month"),
        (GrantTerms((CAMDEN,), ALL, Precision.POINT, from_month="2026-05", to_month="2026-04"), "before"),
        (GrantTerms((CAMDEN,), ALL, Precision.POINT, uses=frozenset()), "at least one use"),
    ],
)
def test_terms_that_do_not_fit_are_refused(
    session: Session, areas: AreaIndex, terms: GrantTerms, sentence: str
) -> None:
    with pytest.raises(SafeStatsError, match=sentence):
        service.add_grant(session, areas, draft(session), terms)


def test_what_is_signed_does_not_change(session: Session, areas: AreaIndex) -> None:
    agreement = signed(session, areas)
    with pytest.raises(SafeStatsError, match="only a draft"):
        service.add_grant(session, areas, agreement, TERMS)
    with pytest.raises(SafeStatsError, match="grants nothing"):
        service.activate(session, draft(session, "DSA-2"), TODAY)


def test_a_person_is_told_what_they_see_and_why(session: Session, areas: AreaIndex) -> None:
    signed(
        session,
        areas,
        GrantTerms((CITY,), (FieldGroup.CORE,), Precision.AREA, uses=frozenset({Use.VIEW})),
        GrantTerms(("london",), ALL, Precision.GRID, grid_m=250, from_month="2025-01"),
    )
    user = session.scalars(select(User)).one()
    told = service.explain(session, user, "mps", DEFINITIONS, areas, Use.SYNC, TODAY)
    text = "\n".join(told.lines)
    assert "may sync" in text and "DSA-1 until 2026-11-22, at release 4" in text
    assert "1. City of London; all months; fields core; no coordinates; to view — hides its rows" in text
    assert "2. all 33 boroughs; 2025-01 to the newest" in text and "250 m grid" in text
    assert "Geometry: point" in text and "easting" in text and "street" not in text
    told = service.explain(session, user, "lfb", DEFINITIONS, areas, Use.SYNC, TODAY)
    assert told.refusal is not None and "no-agreement" in told.lines[0]
    user.active = False
    told = service.explain(session, user, "mps", DEFINITIONS, areas, Use.SYNC, TODAY)
    assert "cannot sign in" in told.lines[0]


@pytest.mark.parametrize(
    "terms",
    [
        {"edge_m": float("inf")},
        {"edge_m": float("nan")},
        {"last_months": 10**23},
        {"to_month": "２０２４-01"},
    ],
)
def test_terms_beyond_sense_are_refused(session: Session, areas: AreaIndex, terms: dict) -> None:
    with pytest.raises(SafeStatsError):
        service.add_grant(session, areas, draft(session, "DSA-1"), replace(TERMS, **terms))
