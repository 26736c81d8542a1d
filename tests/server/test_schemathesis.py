"""Requests made up from the interface's own description, by people of several roles: nothing fails, nothing is
answered that the description does not tell."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from safestats.sync_server.identity.models import SignInState
from safestats.tests.server.matrix_rig import MatrixRig, new_session
from safestats.tests.server.matrix_worlds import (
    AREAS,
    DATASETS,
    FULL,
    GROUPS,
    PLAIN,
    TODAY,
    USES,
    World,
    made_up_row,
)
from safestats.tests.server.oracle import Agreement, Grant, Person, State
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

QUICK_REQUESTS = 6  # to each operation
MANY_REQUESTS = 400
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ROLES = ("analyst", "licensing-officer", "publisher", "supplier")
NOBODY, PENDING = "nobody", "pending"


def _world() -> World:
    """Everybody is of one organisation; of one dataset all is shown, of the other nothing is published."""
    grant = Grant(frozenset(AREAS), frozenset(GROUPS), "point", uses=frozenset(USES))
    agreements = [
        Agreement(f"DSA-{d.code}", "camden", d.code, "active", TODAY, TODAY + timedelta(9), frozenset(), (grant,))
        for d in DATASETS
    ]
    rows = tuple(made_up_row(number) for number in range(12))
    content = (frozenset(row.number for row in rows),)
    start = State(
        datasets=DATASETS,
        rows={FULL.code: rows, PLAIN.code: ()},
        contents={FULL.code: content, PLAIN.code: ()},
        agreements=tuple(agreements),
        terms=(),
        today=TODAY,
    )
    people = tuple(Person(f"camden.{role}", "camden", "borough", role, "research") for role in ROLES)
    return World(start, people, {}, (), sync=False)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixRig]:
    made = MatrixRig(tmp_path_factory.mktemp("made-up-requests"), DATASETS)
    made.begin(_world())
    yield made
    made.close()


@pytest.fixture(scope="module")
def api(rig: MatrixRig) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_asgi("/v1/openapi.json", rig.app)


def send_requests(rig: MatrixRig, api: schemathesis.BaseSchema, count: int) -> None:
    """So many requests to each operation, fitting its description or not; tells of every operation that fails."""
    failures = {}
    for found in api.get_all_operations():
        operation = found.ok()
        fitting = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
        unfitting = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

        @settings(
            max_examples=count,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            phases=(Phase.generate,),
            report_multiple_bugs=False,
        )
        @given(case=fitting | unfitting, who=st.sampled_from((*ROLES, "analyst", NOBODY, PENDING)))
        def send(case: schemathesis.Case, who: str) -> None:
            ask(rig, case, who)

        try:
            send()
        except Unsatisfiable:
            pass  # nothing unfitting can be made of it
        except (Exception, BaseExceptionGroup) as error:
            failures[operation.label] = error
    assert not failures, "\n\n".join(f"{label}: {_told(error)}" for label, error in failures.items())


def _told(error: BaseException) -> str:
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return "\n".join([f"{type(error).__name__} {error}", *map(_told, inner)])[:3000]


def ask(rig: MatrixRig, case: schemathesis.Case, who: str) -> None:
    """Send the request in a new session of the role, for it may well end it."""
    headers = {}
    if who != NOBODY:
        person = next((p for p in _world().people if p.role == who), _world().people[0])
        token = secrets.token_urlsafe(16)
        state = SignInState.PENDING if who == PENDING else SignInState.ACTIVE
        with rig.publisher.database.write() as session:
            session.add(new_session(person, token, state))
        headers["Authorization"] = f"Bearer {token}"
    case.call_and_validate(headers=headers, checks=CHECKS)


def test_some_requests(rig: MatrixRig, api: schemathesis.BaseSchema) -> None:
    send_requests(rig, api, QUICK_REQUESTS)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_requests(rig: MatrixRig, api: schemathesis.BaseSchema) -> None:
    send_requests(rig, api, MANY_REQUESTS)
