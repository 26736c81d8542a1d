"""What changes in an agreement or in a supplier's terms, as people at their desks meet it: at the next request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest
from fastapi.testclient import TestClient
from safestats.shared.manifest import Manifest
from safestats.sync_server.agreements import grants, service
from safestats.sync_server.agreements.details import Details
from safestats.sync_server.agreements.grants import GrantTerms
from safestats.sync_server.agreements.models import Agreement, Precision, Use
from safestats.sync_server.agreements.terms import load_terms
from safestats.sync_server.app import create_app
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.datasets.definitions import FieldGroup
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.models import Organisation, Role
from safestats.sync_server.identity.service import add_user, find_organisation
from safestats.sync_server.instants import london_today
from safestats.sync_server.publishing.service import build_missing, publish
from safestats.tests.server.agreements_rig import DETAILS, REMIT, days
from safestats.tests.server.sync_rig import CAMDEN, CITY, DATASET, PASSWORD, Rig, incidents
from sqlalchemy.orm import Session

GROUPS = (FieldGroup.CORE, FieldGroup.AREA, FieldGroup.LOCATION)
EVERYTHING = GrantTerms((CAMDEN, CITY, "unplaced"), GROUPS, Precision.POINT, officer_records=True)
TERMS = """
[terms]
dataset = "mps"
version = {version}
supplier = "Metropolitan Police Service"
fields = ["core", "area", "location"]
precision = "{precision}"
uses = ["view", "sync", "export", "publish"]
suppression_threshold = 5
from = 2024-01-01
"""


class Desk:
    """The server, and people of one organisation signed in on it."""

    def __init__(self, rig: Rig, client: httpx.Client, folder: Path) -> None:
        self.rig = rig
        self.client = client
        self.folder = folder
        self.analyst = self.sign_in("camden")

    def sign_in(self, username: str, purpose: str = "needs-assessment") -> dict[str, str]:
        pending = self.client.post("/v1/session", json={"username": username, "password": PASSWORD}).json()
        accepted = self.client.post(
            "/v1/session/accept",
            json={
                "conditions_version": pending["conditions"]["version"],
                "conditions_sha256": pending["conditions"]["sha256"],
                "purpose": purpose,
            },
            headers={"Authorization": f"Bearer {pending['token']}"},
        )
        return {"Authorization": f"Bearer {accepted.json()['token']}"}

    def manifest(self, who: dict[str, str] | None = None) -> httpx.Response:
        return self.client.get(f"/v1/layers/{DATASET}/manifest", headers=who or self.analyst)

    def layer(self, who: dict[str, str] | None = None) -> Manifest:
        answer = self.manifest(who)
        assert answer.status_code == 200, answer.text
        return Manifest.from_json(answer.json())

    def refusal(self, who: dict[str, str] | None = None) -> str:
        answer = self.manifest(who)
        assert answer.status_code == 403, answer.text
        return answer.json()["code"]

    def fetch(self, name: str) -> int:
        return self.client.get(f"/v1/layers/{DATASET}/artefacts/{name}", headers=self.analyst).status_code

    def work(self, work: Callable[..., object], *rest: object, reference: str = "DSA-1") -> None:
        with self.rig.services.database.write() as session:
            work(self.rig.services, session, COMMAND_LINE, service.find_agreement(session, reference), *rest)

    def sign_and_activate(self, reference: str) -> None:
        self.work(service.sign, "A. Director", reference=reference)
        build_missing(self.rig.services, DATASET)
        self.work(service.activate, reference=reference)

    def terms(self, version: int, precision: str) -> None:
        path = self.folder / "terms.toml"
        path.write_text(TERMS.format(version=version, precision=precision), encoding="utf-8")
        with self.rig.services.database.write() as session:
            assert load_terms(self.rig.services, session, COMMAND_LINE, path)

    def draft(self, organisation: Organisation, session: Session, reference: str, *asked: GrantTerms) -> Agreement:
        today = london_today()
        services = self.rig.services
        made = service.draft(
            services, session, COMMAND_LINE, reference, organisation, DATASET, today, today + days(30), DETAILS
        )
        for grant in asked:
            grants.add_grant(services, session, COMMAND_LINE, made, grant)
        return made


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Camden with an agreement on all three places, led through its whole life, published."""
    rig = Rig.make(tmp_path / "server", areas=True)
    rig.organisation("camden")
    with TestClient(create_app(rig.services.settings)) as client:
        made = Desk(rig, client, tmp_path)
        made.terms(1, "point")
        with rig.services.database.write() as session:
            camden = find_organisation(session, "camden")
            camden.remit = REMIT
            add_user(session, rig.services.passwords, "officer", camden, "O.", Role.LICENSING_OFFICER, PASSWORD)
            made.draft(camden, session, "DSA-1", EVERYTHING)
        made.work(service.sign, "A. Director")
        made.work(service.activate)
        rig.stage(*incidents())
        publish(rig.services, DATASET)
        yield made


def test_suspended_it_is_refused_at_once_and_resumed_it_is_as_before(desk: Desk) -> None:
    before = desk.layer()
    desk.work(service.suspend, "A breach is looked into.")
    assert desk.refusal() == "agreement-suspended"
    assert desk.fetch(before.slices[0].name) == 403
    desk.work(service.resume)
    assert desk.layer().slices == before.slices
    desk.work(service.end, "No longer needed.")
    assert desk.refusal() == "agreement-ended"


def test_an_amendment_with_the_same_rights_keeps_every_file(desk: Desk) -> None:
    before = desk.layer()
    desk.work(service.amend)
    assert (desk.layer().agreement, desk.layer().slices) == ("DSA-1", before.slices)
    desk.sign_and_activate("DSA-1.v2")
    after = desk.layer()
    assert (after.agreement, after.slices, after.fingerprint) == ("DSA-1.v2", before.slices, before.fingerprint)
    assert desk.fetch(before.slices[0].name) == 200


def test_an_amendment_with_fewer_rights_leaves_no_pause_and_no_old_file(desk: Desk) -> None:
    before = desk.layer()
    desk.work(service.amend)
    narrow = GrantTerms((CAMDEN,), GROUPS, Precision.AREA)
    desk.work(grants.replace_grant, 1, narrow, reference="DSA-1.v2")
    desk.sign_and_activate("DSA-1.v2")
    after = desk.layer()  # built when it was signed
    assert (after.agreement, after.geometry, before.geometry) == ("DSA-1.v2", "none", "point")
    assert after.rows == sum(incident.borough == CAMDEN for incident in incidents())
    assert after.areas == (CAMDEN,) and set(before.areas) > {CAMDEN}  # what rates are of
    assert not {piece.name for piece in after.slices} & {piece.name for piece in before.slices}
    assert {desk.fetch(piece.name) for piece in before.slices} == {404}


def test_tightened_terms_take_the_old_files_away_at_once(desk: Desk) -> None:
    before = desk.layer()
    assert before.geometry == "point"
    desk.terms(2, "area")
    # Until the coarser files are there, nobody has a layer; the finer ones are out of reach already.
    assert desk.manifest().json()["code"] == "layer-preparing"
    assert {desk.fetch(piece.name) for piece in before.slices} <= {404, 409, 503}
    build_missing(desk.rig.services, DATASET)
    after = desk.layer()
    assert (after.geometry, after.rows) == ("none", before.rows)
    assert "easting" not in [column.name for column in after.columns]
    assert {desk.fetch(piece.name) for piece in before.slices} == {404}
    desk.terms(3, "aggregate")
    assert desk.refusal() == "aggregates-only"


def test_a_licensing_officer_pulls_a_layer_of_their_own(desk: Desk) -> None:
    officer = desk.sign_in("officer", "licence-application")
    assert desk.layer(officer).rows == desk.layer().rows
    desk.work(service.amend)
    rest = GrantTerms((CITY, "unplaced"), GROUPS, Precision.POINT)
    own = GrantTerms((CAMDEN,), GROUPS, Precision.POINT, officer_records=True)
    desk.work(grants.replace_grant, 1, own, reference="DSA-1.v2")
    desk.work(grants.add_grant, rest, reference="DSA-1.v2")
    desk.sign_and_activate("DSA-1.v2")
    assert desk.layer().rows == len(incidents())
    assert desk.layer(officer).rows == sum(incident.borough == CAMDEN for incident in incidents())
    assert desk.layer(officer).fingerprint != desk.layer().fingerprint


def test_the_purpose_of_the_session_must_be_agreed(desk: Desk) -> None:
    desk.work(service.amend)
    details = Details(DETAILS.lawful_basis, ("policy",), contacts=DETAILS.contacts)
    desk.work(service.change, details, reference="DSA-1.v2")
    desk.sign_and_activate("DSA-1.v2")
    assert desk.refusal() == "purpose-not-agreed"
    assert desk.layer(desk.sign_in("camden", "policy")).agreement == "DSA-1.v2"


def test_view_without_sync_is_no_layer(desk: Desk) -> None:
    desk.work(service.amend)
    online = GrantTerms((CAMDEN,), GROUPS, Precision.POINT, uses=frozenset({Use.VIEW}))
    desk.work(grants.replace_grant, 1, online, reference="DSA-1.v2")
    desk.sign_and_activate("DSA-1.v2")
    assert desk.refusal() == "use-not-granted"


def test_of_two_who_activate_at_once_one_is_refused(desk: Desk) -> None:
    for reference in ("DSA-A", "DSA-B"):
        desk.work(service.amend, reference)
        desk.work(service.sign, "A. Director", reference=reference)
    both = Barrier(2)

    def activate(reference: str) -> str:
        with desk.rig.services.database.read() as session:
            service.find_agreement(session, reference)
        both.wait()
        try:
            desk.work(service.activate, reference=reference)
        except SafeStatsError as error:
            return str(error)
        return "in force"

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(activate, ("DSA-A", "DSA-B")))
    assert told.count("in force") == 1
    assert sum("amend that one, or end it first" in words for words in told) == 1
    assert desk.layer().agreement == ("DSA-A" if told[0] == "in force" else "DSA-B")
