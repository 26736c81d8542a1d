"""Agreements: from draft to end, what is refused and why, areas resolved at signing, what is signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import shapely
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.agreements import documents, grants, service
from safestats.sync_server.agreements.details import ContactDetails, Details, PartyDetails, details_of
from safestats.sync_server.agreements.explain import Effect, Explanation, explained
from safestats.sync_server.agreements.grants import GrantTerms
from safestats.sync_server.agreements.models import (
    AgreementState,
    ContactRole,
    ControllerStatus,
    Precision,
    Use,
)
from safestats.sync_server.agreements.opened import Refusal
from safestats.sync_server.agreements.profiles import Profile, apply_profile
from safestats.sync_server.agreements.review import Standing, due_for_review, in_force, standing
from safestats.sync_server.agreements.scope import live_scopes, months_back
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.datasets.areas import AreaIndex, load_supplied_areas
from safestats.sync_server.datasets.definitions import FieldGroup
from safestats.sync_server.datasets.models import Area
from safestats.sync_server.datasets.service import ensure_incident_tables
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.models import Role, User
from safestats.sync_server.identity.service import add_organisation, add_user
from safestats.sync_server.instants import now
from safestats.sync_server.problems import Problem
from safestats.sync_server.publishing.models import Release, ReleaseState
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.agreements_rig import DETAILS, REMIT, Life, days, record_supplied_terms, rolled_back
from safestats.tests.server.engines import settings_for
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

TODAY = date(2026, 11, 22)
CAMDEN, CITY, WESTMINSTER = "E09000007", "E09000001", "E09000033"
ALL = (FieldGroup.CORE, FieldGroup.AREA, FieldGroup.LOCATION)
TERMS = GrantTerms((CAMDEN,), ALL, Precision.POINT)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    opened = open_services(settings_for(tmp_path_factory.mktemp("agreements")), Part.PUBLISHER)
    create_schema(opened.database)
    ensure_incident_tables(opened.database, opened.definitions)
    with opened.database.write() as session:
        load_supplied_areas(session, opened.settings.resources_dir / BOUNDARIES_FILE)
        camden = add_organisation(session, "camden", "Camden Council", "borough", REMIT, [CAMDEN])
        add_user(session, opened.passwords, "analyst", camden, "Ann", Role.ANALYST, "three random words")
        session.add(Release(dataset="mps", number=4, state=ReleaseState.PUBLISHED, staged_at=now(), periods=[]))
        record_supplied_terms(opened, session)
    yield opened
    opened.close()


@pytest.fixture
def life(services: Services) -> Iterator[Life]:
    with rolled_back(services, TODAY) as opened:
        yield opened


@pytest.fixture
def areas(services: Services) -> AreaIndex:
    return services.areas


def refused(life: Life, **question: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        life.ask(**question)  # type: ignore[arg-type]
    assert caught.value.document.code == caught.value.code
    assert caught.value.document.detail == caught.value.reason
    return caught.value


def last_event(services: Services) -> dict:
    return list(services.audit.events(1))[-1].body


def test_an_agreement_in_force_opens_its_scope(life: Life) -> None:
    life.in_force(TERMS)
    opened = life.ask()
    assert (opened.agreement, opened.until, opened.release) == ("DSA-1", TODAY, 4)
    assert (opened.geometry, opened.threshold, opened.terms_version) == ("point", 5, 1)


def test_each_refusal_has_its_code_and_sentence(life: Life) -> None:
    assert refused(life, dataset="nothing").document.status == 404
    assert refused(life).code == "no-agreement"
    agreement = life.draft(ends=TODAY + days(9))
    life.grant(agreement, TERMS)
    assert refused(life).code == "no-agreement"  # a draft is none
    life.sign(agreement)
    assert refused(life).code == "no-agreement"  # nor is one that is signed and not in force
    life.activate(agreement)
    assert life.ask().agreement == "DSA-1"

    early = refused(life, today=TODAY - days(1))
    assert early.code == "agreement-not-started" and "22 November 2026" in early.reason
    late = refused(life, today=TODAY + days(10))
    assert late.code == "agreement-ended" and "1 December 2026" in late.reason
    life.suspend(agreement)
    suspended = refused(life)
    assert suspended.code == "agreement-suspended"
    assert "is suspended (A breach is looked into). Ask the SafeStats team." in suspended.reason
    life.resume(agreement)
    assert life.ask().agreement == "DSA-1"
    life.end(agreement)
    today = refused(life)
    assert today.code == "agreement-ended" and "ended on 22 November 2026" in today.reason


def test_an_agreement_holds_through_its_last_day(life: Life) -> None:
    agreement = life.in_force(TERMS, ends=TODAY)
    assert life.ask(today=TODAY).until == TODAY
    assert refused(life, today=TODAY + days(1)).code == "agreement-ended"
    assert standing(agreement, TODAY) == Standing.ACTIVE
    assert standing(agreement, TODAY + days(1)) == Standing.EXPIRED
    assert standing(agreement, TODAY - days(1)) == Standing.NOT_STARTED


def test_another_use_and_an_unpublished_dataset_are_refused(life: Life) -> None:
    life.in_force(replace(TERMS, uses=frozenset({Use.VIEW})))
    assert refused(life).code == "use-not-granted"
    assert life.ask(use=Use.VIEW).use == Use.VIEW
    life.in_force(TERMS, reference="DSA-2", dataset="lfb")
    unpublished = refused(life, dataset="lfb")
    assert (unpublished.code, unpublished.document.status) == ("not-published", 404)


@pytest.mark.parametrize("role", list(Role))
def test_only_three_roles_are_given_data(life: Life, role: Role) -> None:
    life.in_force(replace(TERMS, officer_records=True))
    if role in (Role.ANALYST, Role.LICENSING_OFFICER, Role.ORGANISATION_ADMIN):
        assert life.ask(role=role).gives_rows
    else:
        assert refused(life, role=role).code == "role-without-data"


def test_a_licensing_officer_counts_unless_granted_more(life: Life) -> None:
    around = replace(TERMS, areas=(WESTMINSTER,), precision=Precision.GRID, grid_m=250, officer_records=True)
    agreement = life.in_force(TERMS, around)
    opened = life.ask(role=Role.LICENSING_OFFICER, use=Use.VIEW)
    assert [opened.gives(grant) for grant in opened.grants] == [False, True]
    assert [opened.counts(grant) for grant in opened.grants] == [True, True]
    # What officers pull is built too, beside what others pull.
    built = live_scopes(life.session, "mps", life.services.definitions, TODAY)
    assert [[scope.gives(grant) for grant in scope.grants] for scope in built] == [[True, True], [False, True]]
    assert built[1].fingerprint("2026-01") == life.ask(role=Role.LICENSING_OFFICER).fingerprint("2026-01")
    life.end(agreement)
    life.in_force(TERMS, reference="DSA-2")
    assert refused(life, role=Role.LICENSING_OFFICER).code == "aggregates-only"
    assert life.count(role=Role.LICENSING_OFFICER).gives_counts
    assert len(live_scopes(life.session, "mps", life.services.definitions, TODAY)) == 1


def test_aggregates_are_counted_and_never_shown(life: Life) -> None:
    life.in_force(replace(TERMS, precision=Precision.AGGREGATE, uses=frozenset({Use.VIEW})))
    told = refused(life, use=Use.VIEW)
    assert told.code == "aggregates-only" and "counts" in told.reason
    assert refused(life).code == "use-not-granted"  # counts are asked for online, not pulled
    counted = life.count()
    assert (counted.columns, counted.geometry, counted.gives_rows) == ((), "none", False)
    assert live_scopes(life.session, "mps", life.services.definitions, TODAY) == []


def test_an_agreement_with_purposes_is_for_these_alone(life: Life) -> None:
    agreement = life.draft(details=replace(DETAILS, purposes=("policy", "other")))
    life.grant(agreement, TERMS)
    life.sign(agreement)
    life.activate(agreement)
    assert life.ask(purpose="policy").gives_rows
    assert life.ask(purpose="other-17").gives_rows
    assert refused(life, purpose="research").code == "purpose-not-agreed"
    assert refused(life, purpose="otherwise").code == "purpose-not-agreed"
    for purpose in ("enforcement", "nonsense"):
        with pytest.raises(SafeStatsError, match="purpose"):
            life.draft("DSA-2", details=replace(DETAILS, purposes=(purpose,)))


def test_without_a_remit_there_is_no_agreement(life: Life) -> None:
    club = add_organisation(life.session, "club", "A Club")
    with pytest.raises(SafeStatsError, match="no remit"):
        life.draft(organisation=club)
    agreement = life.draft()
    life.grant(agreement, TERMS)
    life.sign(agreement)
    agreement.organisation.remit = " "
    with pytest.raises(SafeStatsError, match="no remit"):
        life.activate(agreement)
    assert agreement.state == AgreementState.SIGNED
    assert last_event(life.services)["outcome"] == "refused"


@pytest.mark.parametrize(
    ("starts", "ends"), [(date(202, 1, 1), TODAY), (date(9999, 6, 1), date.max), (TODAY, date.max)]
)
def test_dates_that_are_slips_of_the_pen_are_told(life: Life, starts: date, ends: date) -> None:
    with pytest.raises(SafeStatsError, match="between 2000 and 2199"):
        life.draft(starts=starts, ends=ends)


def test_one_active_agreement_an_organisation_and_dataset(life: Life) -> None:
    first = life.in_force(TERMS, ends=TODAY)
    second = life.draft("DSA-2", ends=TODAY + days(9))
    life.grant(second, TERMS)
    life.sign(second)
    with pytest.raises(SafeStatsError, match="DSA-1"):
        life.activate(second)
    # The one that has run out makes way.
    life.activate(second, TODAY + days(1))
    assert (first.state, second.state) == (AgreementState.ENDED, AgreementState.ACTIVE)
    first.state = AgreementState.ACTIVE
    with pytest.raises(IntegrityError):
        life.session.flush()


def test_only_what_is_signed_and_ready_comes_into_force(life: Life) -> None:
    agreement = life.draft(details=Details(), ends=TODAY + days(9))
    with pytest.raises(SafeStatsError, match="only a signed one"):
        life.activate(agreement)
    with pytest.raises(SafeStatsError, match="grants nothing yet; it names no lawful basis; it names no data protect"):
        life.sign(agreement)
    life.grant(agreement, TERMS)
    operational = ContactDetails(ContactRole.OPERATIONAL, "O. Fficer", "o@example.org")
    details = replace(DETAILS, contacts=(operational,))
    service.change(life.services, life.session, COMMAND_LINE, agreement, details)
    with pytest.raises(SafeStatsError, match="not ready: it names no data protection contact.$"):
        life.sign(agreement)
    service.change(life.services, life.session, COMMAND_LINE, agreement, DETAILS)
    life.sign(agreement)
    assert agreement.state == AgreementState.SIGNED and agreement.signed_on == TODAY
    life.activate(agreement)


def test_every_party_signs(life: Life) -> None:
    details = replace(DETAILS, controllers=(PartyDetails("Greater London Authority", ControllerStatus.JOINT),))
    agreement = life.draft(details=details)
    life.grant(agreement, TERMS)
    with pytest.raises(SafeStatsError, match="no party"):
        life.sign(agreement, "The Pub")
    life.sign(agreement)
    assert agreement.state == AgreementState.DRAFT
    with pytest.raises(SafeStatsError, match="only a signed one"):
        life.activate(agreement)
    life.sign(agreement, "Greater London Authority")
    assert agreement.state == AgreementState.SIGNED
    assert {(s.party, s.signed_by) for s in agreement.signatures} == {
        ("Camden Council", "A. Director"),
        ("Greater London Authority", "A. Director"),
    }


def test_a_change_voids_what_was_signed(life: Life) -> None:
    details = replace(DETAILS, controllers=(PartyDetails("Greater London Authority"),))
    agreement = life.draft(details=details)
    life.grant(agreement, TERMS)
    paper = life.sign(agreement)
    life.grant(agreement, replace(TERMS, areas=(CITY,)))
    assert agreement.signatures == [] and agreement.schedule == ""
    with pytest.raises(SafeStatsError, match="is not what DSA-1 says now"):
        life.sign(agreement, sha256=paper)
    assert life.sign(agreement) != paper
    life.sign(agreement, "Greater London Authority")
    for work in (
        lambda: life.grant(agreement, TERMS),
        lambda: grants.move_grant(life.services, life.session, COMMAND_LINE, agreement, 1, 2),
        lambda: grants.remove_grant(life.services, life.session, COMMAND_LINE, agreement, 1),
        lambda: service.change(life.services, life.session, COMMAND_LINE, agreement, DETAILS),
        lambda: life.sign(agreement),
    ):
        with pytest.raises(SafeStatsError, match="only a draft"):
            work()
    service.redraft(life.services, life.session, COMMAND_LINE, agreement)
    assert (agreement.state, agreement.signatures) == (AgreementState.DRAFT, [])


def test_what_is_activated_is_what_was_signed(life: Life) -> None:
    agreement = life.draft(ends=TODAY + days(9))
    life.grant(agreement, TERMS)
    life.sign(agreement)
    # Past the services, in the table itself.
    agreement.grants[0].precision, agreement.grants[0].grid_m = Precision.GRID, 250
    life.session.flush()
    with pytest.raises(SafeStatsError, match="is not what it says now"):
        life.activate(agreement)
    agreement.grants[0].precision, agreement.grants[0].grid_m = Precision.POINT, 0
    life.activate(agreement)


LEGAL = {
    ("draft", "sign"): "signed",
    ("draft", "end"): "ended",
    ("signed", "redraft"): "draft",
    ("signed", "activate"): "active",
    ("signed", "end"): "ended",
    ("active", "suspend"): "suspended",
    ("active", "end"): "ended",
    ("suspended", "resume"): "active",
    ("suspended", "end"): "ended",
}
ACTIONS = ("sign", "redraft", "activate", "suspend", "resume", "end")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", list(AgreementState))
def test_only_legal_moves_are_made_and_each_is_audited(life: Life, state: AgreementState, action: str) -> None:
    agreement = life.draft()
    life.grant(agreement, TERMS)
    way = {"draft": (), "signed": ("sign",), "active": ("sign", "activate")}
    way |= {"suspended": (*way["active"], "suspend"), "ended": (*way["active"], "end")}
    moves = {
        "sign": life.sign,
        "redraft": lambda a: service.redraft(life.services, life.session, COMMAND_LINE, a),
        "activate": life.activate,
        "suspend": life.suspend,
        "resume": life.resume,
        "end": life.end,
    }
    for step in way[state]:
        moves[step](agreement)
    assert agreement.state == state
    wanted = LEGAL.get((state, action))
    if wanted is None:
        with pytest.raises(SafeStatsError, match="DSA-1"):
            moves[action](agreement)
        assert agreement.state == state
        return
    moves[action](agreement)
    assert agreement.state == wanted
    written = last_event(life.services)
    assert (written["agreement"], written["organisation"], written["dataset"]) == ("DSA-1", "camden", "mps")
    assert written["actor"] == COMMAND_LINE and written["outcome"] == "ok"
    assert bool(written["reason"]) == (action in ("suspend", "end"))


def test_suspending_and_ending_need_a_reason(life: Life) -> None:
    agreement = life.in_force(TERMS)
    for move in (service.suspend, service.end):
        with pytest.raises(SafeStatsError, match="reason"):
            move(life.services, life.session, COMMAND_LINE, agreement, "  ")
    life.suspend(agreement)
    assert agreement.state_reason == "A breach is looked into."


def test_an_amendment_takes_the_place_of_the_old_one_in_one_step(life: Life) -> None:
    former = life.in_force(TERMS, replace(TERMS, areas=(CITY,)), ends=TODAY + days(9))
    successor = life.amend(former)
    assert (successor.reference, successor.version, successor.predecessor) == ("DSA-1.v2", 2, "DSA-1")
    assert successor.state == AgreementState.DRAFT and successor.signatures == []
    copied = [(g.position, g.precision, [a.code for a in g.areas], g.uses) for g in successor.grants]
    assert copied == [(g.position, g.precision, [a.code for a in g.areas], g.uses) for g in former.grants]
    assert life.ask().agreement == "DSA-1"
    grants.remove_grant(life.services, life.session, COMMAND_LINE, successor, 2)
    life.sign(successor)
    assert life.ask().agreement == "DSA-1" and len(life.ask().grants) == 2
    life.activate(successor)
    assert (former.state, former.ends) == (AgreementState.ENDED, TODAY)
    assert "DSA-1.v2" in former.state_reason
    assert life.ask().agreement == "DSA-1.v2" and len(life.ask().grants) == 1
    third = life.amend(successor)
    assert (third.reference, third.version) == ("DSA-1.v3", 3)
    with pytest.raises(SafeStatsError, match="only one that is active or suspended is amended"):
        life.amend(former)


def test_an_amendment_waits_for_its_first_day_and_its_like_are_refused(life: Life) -> None:
    former = life.in_force(TERMS, ends=TODAY + days(30))
    one, other = life.amend(former), service.amend(life.services, life.session, COMMAND_LINE, former, "DSA-X")
    later = TODAY + days(9)
    service.change(life.services, life.session, COMMAND_LINE, one, replace(DETAILS, review_on=None), later)
    for agreement in (one, other):
        life.sign(agreement)
    with pytest.raises(SafeStatsError, match="holds until then"):
        life.activate(one)
    life.activate(other)
    with pytest.raises(SafeStatsError, match="amend that one, or end it first"):
        life.activate(one)
    life.suspend(other)
    third = life.amend(other)
    life.sign(third)
    life.activate(third)
    assert (other.state, life.ask().agreement) == (AgreementState.ENDED, third.reference)


def test_live_scopes_are_those_in_force_and_those_that_will_be(life: Life) -> None:
    agreement = life.draft(ends=TODAY + days(9))
    life.grant(agreement, TERMS)
    assert live_scopes(life.session, "mps", life.services.definitions, TODAY) == []
    life.sign(agreement)
    assert len(live_scopes(life.session, "mps", life.services.definitions, TODAY)) == 1
    assert in_force(life.session, "mps", TODAY) == 0
    life.activate(agreement)
    assert (in_force(life.session, "mps", TODAY), in_force(life.session, "mps", TODAY + days(10))) == (1, 0)

    def live(day: date) -> list[str]:
        return [s.agreement for s in live_scopes(life.session, "mps", life.services.definitions, day)]

    assert live(TODAY) == live(TODAY - days(30)) == ["DSA-1"]
    assert live(TODAY + days(10)) == []
    life.suspend(agreement)
    assert live(TODAY) == []


def test_the_last_months_move_with_the_calendar(life: Life) -> None:
    life.in_force(replace(TERMS, last_months=12, from_month="2025-11"))
    opened = life.ask()
    assert opened.grants[0].from_month == "2025-12"
    assert opened.covers("2025-12") and opened.covers("2026-11") and not opened.covers("2025-11")
    assert not opened.covers("")
    assert [months_back("2026-01", n) for n in (0, 1, 12, 13)] == ["2026-01", "2025-12", "2025-01", "2024-12"]


def test_london_is_its_33_boroughs_and_names_nothing_else(areas: AreaIndex) -> None:
    codes = grants.resolve_areas(areas, ["london", "unplaced"])
    assert codes == (*(f"E090000{number:02}" for number in range(1, 34)), "unplaced")


def test_an_edge_is_the_lsoas_of_other_boroughs_within_reach(life: Life, areas: AreaIndex) -> None:
    codes = grants.resolve_areas(areas, [CITY], edge_m=1000)
    assert CITY in codes
    edge = set(codes) - {CITY}
    rows = life.session.execute(select(Area.code, Area.parent, Area.shape).where(Area.level == "lsoa")).all()
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
        (GrantTerms((CAMDEN,), ALL, Precision.AGGREGATE, uses=frozenset({Use.SYNC})), "online"),
        (GrantTerms((CAMDEN,), ALL, Precision.AGGREGATE, officer_records=True), "to nobody"),
        (replace(TERMS, edge_m=float("inf")), "km wide"),
        (replace(TERMS, edge_m=float("nan")), "km wide"),
        (replace(TERMS, last_months=10**23), "last months"),
        (replace(TERMS, to_month="２０２４-01"), "no month"),
    ],
)
def test_grants_that_do_not_fit_are_refused(life: Life, terms: GrantTerms, sentence: str) -> None:
    with pytest.raises(SafeStatsError, match=sentence):
        life.grant(life.draft(), terms)


def test_grants_are_put_moved_replaced_and_taken_out(life: Life) -> None:
    agreement = life.draft()

    def order() -> list[str]:
        life.session.expire(agreement, ["grants"])
        assert [grant.position for grant in agreement.grants] == list(range(1, len(agreement.grants) + 1))
        return [grant.areas[0].code for grant in agreement.grants]

    for position, area in ((None, CAMDEN), (None, CITY), (1, WESTMINSTER)):
        life.grant(agreement, replace(TERMS, areas=(area,)), position)
    assert order() == [WESTMINSTER, CAMDEN, CITY]
    grants.move_grant(life.services, life.session, COMMAND_LINE, agreement, 1, 3)
    assert order() == [CAMDEN, CITY, WESTMINSTER]
    grants.move_grant(life.services, life.session, COMMAND_LINE, agreement, 3, 2)
    assert order() == [CAMDEN, WESTMINSTER, CITY]
    other = replace(TERMS, areas=("unplaced",))
    grants.replace_grant(life.services, life.session, COMMAND_LINE, agreement, 2, other)
    assert order() == [CAMDEN, "unplaced", CITY]
    grants.remove_grant(life.services, life.session, COMMAND_LINE, agreement, 1)
    assert order() == ["unplaced", CITY]
    for work in (
        lambda: life.grant(agreement, TERMS, 4),
        lambda: grants.move_grant(life.services, life.session, COMMAND_LINE, agreement, 1, 3),
        lambda: grants.remove_grant(life.services, life.session, COMMAND_LINE, agreement, 0),
    ):
        with pytest.raises(SafeStatsError, match=r"no (position|grant)"):
            work()
    assert order() == ["unplaced", CITY]


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        (replace(DETAILS, review_on=TODAY + days(99)), "review"),
        (replace(DETAILS, controllers=(PartyDetails("Camden Council"),)), "twice"),
        (replace(DETAILS, controllers=(PartyDetails("A\x1b[2J"),)), "cannot be printed"),
        (replace(DETAILS, contacts=(ContactDetails(ContactRole.SECURITY, "S", "nowhere"),)), "e-mail"),
        (replace(DETAILS, contacts=(ContactDetails(ContactRole.SECURITY, " ", "s@example.org"),)), "name"),
    ],
)
def test_details_that_do_not_fit_are_refused(life: Life, details: Details, sentence: str) -> None:
    with pytest.raises(SafeStatsError, match=sentence):
        life.draft(ends=TODAY + days(9), details=details)


def test_details_change_in_part(life: Life) -> None:
    everything = Details(
        "A basis.",
        ("policy",),
        (PartyDetails("Greater London Authority"),),
        (ContactDetails(ContactRole.DATA_PROTECTION, "D. Officer", "dpo@example.org"),),
        TODAY + days(5),
        "Nothing.",
        "A year.",
        ControllerStatus.JOINT,
    )
    agreement = life.draft(details=everything, ends=TODAY + days(9))
    assert details_of(agreement) == everything
    service.change(life.services, life.session, COMMAND_LINE, agreement, replace(everything, retention="A month."))
    life.session.expire_all()
    assert details_of(agreement) == replace(everything, retention="A month.")


def test_profiles_are_what_organisations_usually_have(life: Life, areas: AreaIndex) -> None:
    agreement = life.draft()
    life.grant(agreement, replace(TERMS, areas=(CITY,)))

    def applied(profile: Profile) -> list[tuple[str, set[str]]]:
        apply_profile(life.services, life.session, COMMAND_LINE, agreement, profile, TODAY)
        return [(g.precision, {a.code for a in g.areas}) for g in agreement.grants]

    london = set(areas.boroughs)
    own, rest = applied(Profile.BOROUGH)
    assert own == (Precision.POINT, set(grants.resolve_areas(areas, [CAMDEN], 1000))) and len(own[1]) > 50
    assert rest == (Precision.AGGREGATE, london | {"unplaced"})
    assert applied(Profile.OWN_AREAS)[0] == (Precision.POINT, {CAMDEN})
    assert applied(Profile.PAN_LONDON) == [(Precision.POINT, london | {"unplaced", "outside"})]
    assert applied(Profile.AGGREGATES) == [(Precision.AGGREGATE, london | {"unplaced"})]
    assert agreement.grants[0].uses == {Use.VIEW}
    agreement.organisation.areas.clear()
    with pytest.raises(SafeStatsError, match="the register names none"):
        applied(Profile.BOROUGH)


def test_the_schedule_says_in_words_what_is_granted(life: Life) -> None:
    details = replace(DETAILS, purposes=("policy",), controllers=(PartyDetails("Greater London Authority"),))
    agreement = life.draft(ends=TODAY + days(9), details=details)
    life.grant(agreement, replace(TERMS, edge_m=1000, last_months=36, uses=frozenset({Use.VIEW, Use.SYNC})))
    life.grant(agreement, GrantTerms(("london",), ALL, Precision.AGGREGATE))
    made = service.schedule(life.services, life.session, agreement, TODAY)
    assert made == service.schedule(life.services, life.session, agreement, TODAY)
    text = " ".join(made.text.split())
    for words in (
        "Camden Council, independent controller",
        "Greater London Authority, independent controller",
        "From 22 November 2026 to 1 December 2026, both days included.",
        "Camden (E09000007); with",
        "of other boroughs within 1 km of it (annex, grant 1)",
        "the last 36 months, the current one included",
        "asking about them online and keeping a copy at the desk.",
        "Licensing officers: are given counts only.",
        "Where: all of London.",
        "no incident is shown: incidents are only counted",
        "Version 1, from 1 January 2016",
        "Data protection: D. Officer, dpo@example.org",
    ):
        assert words in text, words
    assert max(map(len, made.text.splitlines())) <= 100
    codes = {area.code for area in agreement.grants[0].areas if area.code.startswith("E01")}
    assert codes and codes <= set(made.text.split())


def test_a_signed_document_is_a_pdf_of_its_own_organisation(life: Life, services: Services) -> None:
    agreement = life.draft()
    for content, name in ((b"PK\x03\x04", "a.pdf"), (b"%PDF-" + bytes(20 * 1024 * 1024), "big.pdf")):
        with pytest.raises(SafeStatsError, match=name):
            documents.attach(services, life.session, COMMAND_LINE, agreement, content, name)
    paper = b"%PDF-1.7 signed"
    sha256 = documents.attach(services, life.session, COMMAND_LINE, agreement, paper, "../../signed.pdf")
    assert (agreement.document_sha256, agreement.document_name) == (sha256, "signed.pdf")
    path = services.settings.data_dir / "documents" / sha256
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    administrator = life.subject(Role.ORGANISATION_ADMIN)
    assert documents.document_for(services, administrator, agreement) == paper
    for stranger in (replace(administrator, organisation_id=99), life.subject(Role.ANALYST)):
        with pytest.raises(Problem) as caught:
            documents.document_for(services, stranger, agreement)
        assert caught.value.document.status == 403
    path.write_bytes(b"%PDF-1.7 forged")
    with pytest.raises(Problem, match="not the one that was attached"):
        documents.document_for(services, administrator, agreement)
    documents.attach(services, life.session, COMMAND_LINE, agreement, paper, "again.pdf")
    assert documents.document_of(services, agreement) == paper


@pytest.mark.parametrize(("left", "warning"), [(91, None), (90, 90), (31, 90), (30, 30), (1, 30), (0, 0), (-4, 0)])
def test_reviews_are_announced(life: Life, left: int, warning: int | None) -> None:
    agreement = life.in_force(TERMS, ends=TODAY + days(400))
    agreement.review_on = TODAY + days(left)
    life.session.flush()
    notices = due_for_review(life.session, TODAY)
    assert [(n.reference, n.days, n.warning) for n in notices] == (
        [] if warning is None else [("DSA-1", left, warning)]
    )
    assert all(f"{agreement.review_on:%-d %B %Y}." in notice.sentence for notice in notices)


def test_ends_are_announced_and_drafts_are_not(life: Life) -> None:
    agreement = life.in_force(TERMS, ends=TODAY + days(20))
    life.draft("DSA-2", dataset="lfb")
    agreement.review_on = None
    life.session.flush()
    (notice,) = due_for_review(life.session, TODAY)
    assert notice.ends and "ends in 20 days, on 12 December 2026" in notice.sentence


def told(life: Life, dataset: str = "mps", use: Use = Use.SYNC, role: Role = Role.ANALYST) -> Explanation:
    user = life.session.scalars(select(User)).one()
    user.role = role
    return explained(life.services, life.session, user, dataset, use, True, TODAY)


def test_a_person_is_told_what_they_see_and_why(life: Life) -> None:
    life.in_force(
        GrantTerms((CITY,), (FieldGroup.CORE,), Precision.AREA, uses=frozenset({Use.VIEW})),
        GrantTerms(("london",), ALL, Precision.GRID, grid_m=250, from_month="2025-01"),
    )
    explanation = told(life)
    text = "\n".join(explanation.lines)
    assert "Agreement DSA-1 is active until 2026-11-22" in text and "at release 4" in text
    assert "1. City of London; all months; fields core; no coordinates; to view — hides its rows" in text
    assert "2. all 33 boroughs; 2025-01 to the newest" in text and "250 m grid" in text
    assert "Geometry: point" in text and "easting" in text and "street" not in text
    assert [grant.effect for grant in explanation.grants] == [Effect.HIDDEN, Effect.RECORDS]
    assert [grant.rows for grant in explanation.grants] == [0, 0]
    assert [grant.effect for grant in told(life, use=Use.VIEW).grants] == [Effect.RECORDS, Effect.RECORDS]
    officer = told(life, role=Role.LICENSING_OFFICER, use=Use.VIEW)
    assert officer.refusal == "aggregates-only"
    assert "gives no records to licensing officers" in officer.grants[0].opens
    assert [grant.effect for grant in officer.grants] == [Effect.COUNTS, Effect.COUNTS]
    assert told(life, role=Role.PUBLISHER).refusal == "role-without-data"


def test_a_person_is_told_why_they_see_nothing(life: Life) -> None:
    assert told(life, "lfb").refusal == "no-agreement"
    assert told(life, "nothing").refusal == "unknown-dataset"
    agreement = life.in_force(TERMS)
    life.suspend(agreement)
    suspended = told(life)
    assert (suspended.refusal, suspended.standing) == ("agreement-suspended", Standing.SUSPENDED)
    user = life.session.scalars(select(User)).one()
    user.active = False
    assert told(life).refusal == "account-inactive"


def test_the_rows_behind_each_grant_are_counted(life: Life) -> None:
    from safestats.sync_server.datasets.incidents import incident_table
    from sqlalchemy import insert

    table = incident_table(life.services.definitions["mps"])
    row = {"content": "", "delivery_id": 0, "from_release": 4, "to_release": None, "period": "2026-01"}
    places = ((CAMDEN, "E01000842"), (CAMDEN, "E01000842"), (CITY, "E01000001"), (WESTMINSTER, "E01004734"))
    made = [
        {**row, "identity": str(n), "fid_point": n, "fid_grid": n, "fid_area": n, "borough_code": b, "area_code": a}
        for n, (b, a) in enumerate(places)
    ]
    life.session.execute(insert(table), made)
    life.in_force(TERMS, replace(TERMS, areas=("london",), precision=Precision.AGGREGATE))
    assert [grant.rows for grant in told(life).grants] == [2, 2]


def test_a_scope_takes_few_statements_however_many_grants(life: Life) -> None:
    agreement = life.draft()
    for code in (CAMDEN, CITY, WESTMINSTER, "unplaced", "outside"):
        life.grant(agreement, replace(TERMS, areas=(code,)))
    life.sign(agreement)
    life.activate(agreement)
    subject = life.subject()
    statements: list[str] = []
    life.session.expunge_all()  # as in a request
    engine = life.services.database.engine

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        from safestats.sync_server.agreements.scope import scope

        scope(life.session, subject, "mps", life.services.definitions, Use.SYNC, TODAY)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    # The agreement with its organisation and grants, their areas, the terms, the release.
    assert len(statements) == 4, statements
