"""Roles, what they may, and what administrators may do with whose account."""

from __future__ import annotations

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity import conditions, decisions, machine_keys, organisations, people
from safestats.sync_server.identity.models import Role, User
from safestats.sync_server.identity.permissions import (
    INVITABLE,
    NEEDS_SECOND_FACTOR,
    Permission,
    permitted,
    require,
    require_organisation,
)
from safestats.sync_server.problems import Problem
from safestats.tests.server.identity_rig import active_session, add_home, add_person, code, mails
from safestats.tests.server.trust_rig import USERNAME, Server, subject_of_token
from sqlalchemy import select

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

DATA_ROUTES = ("/v1/layers", "/v1/layers/mps/manifest", "/v1/layers/mps/artefacts/x", "/v1/postcodes/SE1")
WITH_DATA = {Role.ANALYST, Role.LICENSING_OFFICER, Role.ORGANISATION_ADMIN}


def user_of(server: Server, username: str) -> User:
    with server.services.database.read() as session:
        return session.scalars(select(User).where(User.username == username)).one()


def refused(problem: pytest.ExceptionInfo[Problem]) -> tuple[int, str]:
    return problem.value.document.status, problem.value.document.code


def invite(server: Server, actor: str, role: Role, organisation: str = "camden", username: str = "nina") -> User:
    return people.invite(
        server.services,
        actor,
        username=username,
        organisation=organisation,
        role=role,
        email=f"{username}@example.gov.uk",
        sites=[("mps", "")] if role == Role.SUPPLIER else (),
    ).user


@pytest.mark.parametrize("role", Role)
def test_incident_data_are_for_those_who_work_with_them(server: Server, role: Role) -> None:
    add_person(server, "rob", role, sites=(("mps", ""),) if role == Role.SUPPLIER else ())
    headers = active_session(server, "rob")
    for path in DATA_ROUTES:
        answer = server.client.get(path, headers=headers)
        if role in WITH_DATA:
            assert "role-not-permitted" not in answer.text, path
        else:
            assert code(answer) == (403, "role-not-permitted"), path
    assert server.client.get("/v1/sessions", headers=headers).status_code == 200


def test_every_role_has_its_permissions_and_no_other() -> None:
    assert {role for role in Role if Permission.USE_DATA in permitted(role)} == WITH_DATA
    # Who only looks cannot change anything.
    assert not {p for p in permitted(Role.AUDITOR) if p.split("-")[0] in ("manage", "invite", "publish", "decide")}
    assert permitted(Role.SUPPLIER) == {Permission.SEE_SUPPLIES, Permission.SEND_SUPPLIES}
    assert permitted(Role.ANALYST) == {Permission.USE_DATA, Permission.MAKE_PACKS, Permission.WRITE_CASE_STUDIES}
    assert permitted(Role.LICENSING_OFFICER) == {Permission.USE_DATA}
    # Who changes what others see, everywhere, proves twice who they are.
    everywhere = {
        r for r in Role if Permission.MANAGE_AGREEMENTS in permitted(r) or Permission.READ_AUDIT in permitted(r)
    }
    assert everywhere == NEEDS_SECOND_FACTOR


def test_an_administrator_sees_and_manages_its_own_organisation_only(server: Server) -> None:
    add_home(server, "gla", "Greater London Authority")
    add_person(server, "olga", Role.ORGANISATION_ADMIN)
    other = add_person(server, "gert", Role.ANALYST, "gla")
    headers = active_session(server, "olga")
    token = headers["Authorization"].split()[1]
    olga = subject_of_token(server, token)
    require_organisation(olga, Permission.SEE_PEOPLE, olga.organisation_id)
    with pytest.raises(Problem) as problem:
        require_organisation(olga, Permission.SEE_PEOPLE, other.organisation_id)
    assert refused(problem) == (403, "role-not-permitted")
    with pytest.raises(Problem):
        require(olga, Permission.READ_AUDIT)

    services = server.services
    for act in (
        lambda: invite(server, olga.user_id, Role.ANALYST, "gla"),
        lambda: people.close_account(services, olga.user_id, other.id),
        lambda: people.change_role(services, olga.user_id, other.id, Role.LICENSING_OFFICER),
        lambda: people.amend(services, olga.user_id, other.id, email="mine@example.org"),
        lambda: people.end_sessions(services, olga.user_id, other.id),
        lambda: people.reopen_account(services, olga.user_id, other.id),
        lambda: people.close_account(services, olga.user_id, "there is no such account"),
        lambda: organisations.add(services, olga.user_id, "new", "New"),
        lambda: organisations.set_active(services, olga.user_id, "gla", False),
        lambda: conditions.publish(services, olga.user_id, "2027-01", "Be better."),
        lambda: machine_keys.add_key(services, olga.user_id, "mine", "camden", "mps"),
        lambda: decisions.decide_purpose(services, olga.user_id, 1, True),
    ):
        with pytest.raises(Problem) as problem:
            act()
        assert refused(problem) == (403, "role-not-permitted")
    assert mails(server) == []
    assert user_of(server, "gert").active


@pytest.mark.parametrize("role", Role)
def test_an_administrator_invites_into_three_roles(server: Server, role: Role) -> None:
    olga = add_person(server, "olga", Role.ORGANISATION_ADMIN)
    if role in INVITABLE:
        assert invite(server, olga.id, role).organisation.code == "camden"
        return
    with pytest.raises(Problem) as problem:
        invite(server, olga.id, role)
    assert refused(problem) == (403, "role-not-permitted")
    # Nor by way of a role that it may give.
    with pytest.raises(Problem) as problem:
        people.change_role(server.services, olga.id, user_of(server, USERNAME).id, role)
    assert refused(problem) == (403, "role-not-permitted")


def test_an_administrator_has_no_say_over_the_team_in_its_own_organisation(server: Server) -> None:
    olga = add_person(server, "olga", Role.ORGANISATION_ADMIN)
    sam = add_person(server, "sam", Role.SYSTEM_ADMIN)
    for act in (
        lambda: people.close_account(server.services, olga.id, sam.id),
        lambda: people.change_role(server.services, olga.id, sam.id, Role.ANALYST),
        lambda: people.amend(server.services, olga.id, sam.id, email="olga@example.org"),
    ):
        with pytest.raises(Problem) as problem:
            act()
        assert refused(problem) == (403, "role-not-permitted")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.PUBLISHER, Role.AUDITOR, Role.SUPPLIER])
def test_others_manage_nobody(server: Server, role: Role) -> None:
    actor = add_person(server, "rob", role, sites=(("mps", ""),) if role == Role.SUPPLIER else ())
    for act in (
        lambda: invite(server, actor.id, Role.ANALYST),
        lambda: people.close_account(server.services, actor.id, user_of(server, USERNAME).id),
    ):
        with pytest.raises(Problem) as problem:
            act()
        assert refused(problem) == (403, "role-not-permitted")


def test_an_actor_who_was_closed_meanwhile_may_nothing(server: Server) -> None:
    sam = add_person(server, "sam", Role.SYSTEM_ADMIN)
    people.close_account(server.services, "command-line", sam.id)
    with pytest.raises(Problem):
        invite(server, sam.id, Role.ANALYST)


def test_a_changed_role_takes_effect_at_once(server: Server) -> None:
    sam = add_person(server, "sam", Role.SYSTEM_ADMIN)
    headers = server.active()
    analyst = user_of(server, USERNAME)
    people.change_role(server.services, sam.id, analyst.id, Role.SUPPLIER, [("mps", "")])
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")
    headers = server.active()
    assert code(server.client.get("/v1/layers", headers=headers)) == (403, "role-not-permitted")
    event = [e for e in server.events() if e["event"] == "user.change"][-1]
    assert event["actor"] == sam.id and event["filter"]["before"] == "analyst"


def test_a_role_that_was_changed_in_the_database_counts_with_the_next_request(server: Server) -> None:
    headers = server.active()
    with server.services.database.write() as session:
        session.scalars(select(User).where(User.username == USERNAME)).one().role = Role.AUDITOR
    assert code(server.client.get("/v1/layers", headers=headers)) == (403, "role-not-permitted")


def test_nobody_changes_their_own_account(server: Server) -> None:
    sam = add_person(server, "sam", Role.SYSTEM_ADMIN)
    for act in (
        lambda: people.close_account(server.services, sam.id, sam.id),
        lambda: people.change_role(server.services, sam.id, sam.id, Role.ANALYST),
    ):
        with pytest.raises(Problem) as problem:
            act()
        assert refused(problem) == (409, "own-account")


def test_a_closed_account_can_be_opened_again_and_signs_in_anew(server: Server) -> None:
    headers = server.active()
    analyst = user_of(server, USERNAME)
    people.close_account(server.services, "command-line", analyst.id)
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")
    people.reopen_account(server.services, "command-line", analyst.id)
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")
    assert server.sign_in().status_code == 201


def test_a_supplier_is_bound_to_declared_datasets(server: Server) -> None:
    with pytest.raises(SafeStatsError, match="needs its dataset and site"):
        add_person(server, "sue", Role.SUPPLIER)
    with pytest.raises(SafeStatsError, match="Only a supplier"):
        add_person(server, "ann", Role.ANALYST, sites=(("mps", ""),))
    with pytest.raises(SafeStatsError, match="There is no dataset"):
        people.change_role(
            server.services, "command-line", user_of(server, USERNAME).id, Role.SUPPLIER, [("made-up", "")]
        )


def test_what_cannot_be_audited_is_not_done(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_words: object, **_more: object) -> bool:
        raise OSError("disk full")

    analyst = user_of(server, USERNAME)
    monkeypatch.setattr(type(server.services.audit), "record", broken)
    with pytest.raises(OSError):
        people.close_account(server.services, "command-line", analyst.id)
    with pytest.raises(OSError):
        invite(server, "command-line", Role.ANALYST)
    assert user_of(server, USERNAME).active
    with server.services.database.read() as session:
        assert session.scalar(select(User).where(User.username == "nina")) is None
