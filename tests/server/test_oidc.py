"""Signing in at one's organisation, against a real provider and one that lies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import Response
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity import organisations, people
from safestats.sync_server.identity.models import OidcAttempt, Organisation, Role, User
from safestats.sync_server.identity.oidc import LIFE
from safestats.tests.server.identity_rig import add_home, add_person, clock, code, enrol, post
from safestats.tests.server.oidc_rig import CLIENT_ID, LyingProvider, provider_process, sign_in_there
from safestats.tests.server.trust_rig import Server, bearer
from sqlalchemy import select

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

__all__ = ["clock"]

ANN = {"sub": "ann-there", "email": "Ann@camden.gov.uk", "email_verified": True}
UNVERIFIED = {"sub": "ben-there", "email": "ben@camden.gov.uk", "email_verified": False}
GERT = {"sub": "gert-there", "email": "gert@gla.gov.uk", "email_verified": True}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with provider_process(ANN, UNVERIFIED, GERT) as address:
        yield address


@pytest.fixture
def ann(server: Server) -> User:
    return add_person(server, "ann", Role.ANALYST, email="ann@camden.gov.uk", password=None)


@pytest.fixture
def provider(server: Server, ann: User) -> Iterator[LyingProvider]:
    with LyingProvider().serve() as lying:
        organisations.set_oidc(server.services, "command-line", "camden", lying.issuer, CLIENT_ID)
        yield lying


def start(server: Server, organisation: str = "camden", **more: int) -> tuple[str, str]:
    answer = post(server, "/session/oidc/start", {"organisation": organisation, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["authorisation_url"], answer.json()["handle"]


def come_back(server: Server, query: dict[str, str]) -> Response:
    return server.client.get("/v1/session/oidc/callback", params=query, follow_redirects=False)


def shown(page: Response) -> str:
    assert page.status_code == 200, page.text
    found = re.search(r"<strong>([A-Z0-9-]+)</strong>", page.text)
    assert found
    return found[1]


def finish(server: Server, handle: str, typed: str) -> Response:
    return post(server, "/session/oidc/finish", {"handle": handle, "code": typed, "client": "desk"})


def test_with_a_real_provider_and_a_typed_code(server: Server, ann: User, issuer: str) -> None:
    organisations.set_oidc(server.services, "command-line", "camden", issuer, CLIENT_ID, "a secret")
    url, handle = start(server)
    query = parse_qs(urlsplit(url).query)
    assert query["code_challenge_method"] == ["S256"] and query["redirect_uri"][0].endswith("/session/oidc/callback")
    assert handle not in url
    page = come_back(server, sign_in_there(url, "ann-there"))
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"
    typed = shown(page)
    # The handle alone opens nothing, nor does the code.
    assert code(finish(server, handle, "AAAAA-AAAAA")) == (401, "wrong-code")
    assert code(finish(server, "somebody else's handle", typed)) == (401, "wrong-code")
    answer = finish(server, handle, typed.lower().replace("-", " "))
    assert answer.status_code == 201 and answer.json()["state"] == "pending"
    headers = bearer(server.accept(answer.json()).json()["token"])
    assert server.client.get("/v1/layers", headers=headers).status_code == 200
    assert code(finish(server, handle, typed)) == (401, "wrong-code")  # once
    told = [e for e in server.events() if e["event"] == "session.sign-in"]
    assert told[-1]["filter"]["method"] == "openid-connect" and told[-1]["actor"] == ann.id
    assert typed not in str(told) and "ann@" not in str(told).casefold()


def test_the_browser_takes_the_code_to_the_desks_loopback_port(server: Server, ann: User, issuer: str) -> None:
    organisations.set_oidc(server.services, "command-line", "camden", issuer, CLIENT_ID, "a secret")
    url, handle = start(server, loopback_port=51234)
    answer = come_back(server, sign_in_there(url, "ann-there"))
    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    assert (target.scheme, target.netloc, target.path) == ("http", "127.0.0.1:51234", "/")
    typed = parse_qs(target.query)["code"][0]
    assert finish(server, handle, typed).status_code == 201
    assert post(server, "/session/oidc/start", {"organisation": "camden", "loopback_port": 22}).status_code == 422


def test_who_denies_there_is_not_signed_in_here(server: Server, ann: User, issuer: str) -> None:
    organisations.set_oidc(server.services, "command-line", "camden", issuer, CLIENT_ID, "a secret")
    url, _ = start(server)
    state = parse_qs(urlsplit(url).query)["state"][0]
    refused = come_back(server, {"error": "access_denied", "state": state})
    assert code(refused) == (403, "single-sign-on-refused")


def test_a_desk_that_listens_is_told_of_the_refusal_and_of_nothing_else(server: Server, ann: User, issuer: str) -> None:
    organisations.set_oidc(server.services, "command-line", "camden", issuer, CLIENT_ID, "a secret")
    url, _ = start(server, loopback_port=51234)
    state = parse_qs(urlsplit(url).query)["state"][0]
    refused = come_back(server, {"error": "access_denied", "state": state})
    assert (refused.status_code, refused.headers["location"]) == (303, "http://127.0.0.1:51234/?refused=1")
    assert server.events()[-1]["reason"] == "provider-refused"
    # A state is good for one return.
    assert code(come_back(server, {"error": "access_denied", "state": state})) == (403, "single-sign-on-refused")


@pytest.mark.parametrize("subject", ["ben-there", "gert-there", "nobody@example.org"])
def test_only_a_verified_address_of_an_account_of_that_organisation_gets_in(
    server: Server, ann: User, issuer: str, subject: str
) -> None:
    add_home(server, "gla", "Greater London Authority")
    add_person(server, "ben", Role.ANALYST, email="ben@camden.gov.uk")
    add_person(server, "gert", Role.ANALYST, "gla", email="gert@gla.gov.uk")
    organisations.set_oidc(server.services, "command-line", "camden", issuer, CLIENT_ID, "a secret")
    url, _ = start(server)
    refused = come_back(server, sign_in_there(url, subject))
    assert code(refused) == (403, "single-sign-on-refused")
    assert server.events()[-1]["reason"] == "no-account"
    assert "example.org" not in str(server.events())


def test_once_linked_the_subject_counts_and_not_the_address(server: Server, ann: User, provider: LyingProvider) -> None:
    url, handle = start(server)
    assert finish(server, handle, shown(come_back(server, provider.authorise(url)))).status_code == 201
    # The same person with another address there.
    provider.claims = lambda honest: {**honest, "email": "ann.new@camden.gov.uk", "email_verified": False}
    url, handle = start(server)
    answer = finish(server, handle, shown(come_back(server, provider.authorise(url))))
    assert answer.json()["user"]["username"] == "ann"
    # Somebody else who was given the address.
    provider.claims = lambda honest: {**honest, "sub": "subject-2"}
    url, _ = start(server)
    assert code(come_back(server, provider.authorise(url))) == (403, "single-sign-on-refused")


def test_a_confidential_client_shows_its_secret_which_is_kept_sealed(
    server: Server, ann: User, provider: LyingProvider
) -> None:
    provider.secret = "very+secret"
    organisations.set_oidc(server.services, "command-line", "camden", provider.issuer, CLIENT_ID, "very+secret")
    with server.services.database.read() as session:
        kept = session.scalars(select(Organisation).where(Organisation.code == "camden")).one().oidc_client_secret
    assert kept and "very" not in kept and "very" not in str(server.events())
    url, handle = start(server)
    provider.secret = "very%2Bsecret"  # as forms are encoded: RFC 6749, 2.3.1
    assert finish(server, handle, shown(come_back(server, provider.authorise(url)))).status_code == 201


_LIES: dict[str, Callable[[dict], dict]] = {
    "issuer": lambda honest: {**honest, "iss": "http://127.0.0.1:1"},
    "audience": lambda honest: {**honest, "aud": "another"},
    "audiences": lambda honest: {**honest, "aud": [CLIENT_ID, "another"]},
    "party": lambda honest: {**honest, "azp": "another"},
    "expired": lambda honest: {**honest, "exp": honest["iat"] - 120},
    "of the future": lambda honest: {**honest, "iat": honest["iat"] + 3600},
    "nonce": lambda honest: {**honest, "nonce": "another"},
    "no nonce": lambda honest: {name: value for name, value in honest.items() if name != "nonce"},
    "no expiry": lambda honest: {name: value for name, value in honest.items() if name != "exp"},
    "no subject": lambda honest: {name: value for name, value in honest.items() if name != "sub"},
    "empty subject": lambda honest: {**honest, "sub": ""},
    "a number": lambda honest: {**honest, "sub": 7},
}


@pytest.mark.parametrize("lie", _LIES)
def test_a_token_that_lies_is_refused(server: Server, provider: LyingProvider, lie: str) -> None:
    provider.claims = _LIES[lie]
    url, handle = start(server)
    assert code(come_back(server, provider.authorise(url))) == (403, "single-sign-on-refused")
    assert server.events()[-1]["reason"].startswith("id-token")
    assert code(finish(server, handle, "AAAAA-AAAAA")) == (401, "wrong-code")


@pytest.mark.parametrize("signer", ["signed_by_another", "signed_by_the_public_key", "unsigned"])
def test_a_token_signed_otherwise_is_refused(server: Server, provider: LyingProvider, signer: str) -> None:
    provider.sign = getattr(provider, signer)
    url, _ = start(server)
    assert code(come_back(server, provider.authorise(url))) == (403, "single-sign-on-refused")
    assert server.events()[-1]["reason"].startswith("id-token")


def test_an_honest_token_gets_in_or_the_refusals_would_prove_nothing(server: Server, provider: LyingProvider) -> None:
    url, handle = start(server)
    assert finish(server, handle, shown(come_back(server, provider.authorise(url)))).status_code == 201
    assert "client_secret" not in provider.form and provider.form["client_id"] == CLIENT_ID


def test_a_state_is_good_once_and_only_ours(server: Server, provider: LyingProvider) -> None:
    url, _ = start(server)
    query = provider.authorise(url)
    assert code(come_back(server, {**query, "state": "made up"})) == (403, "single-sign-on-refused")
    assert code(come_back(server, {"code": "x"})) == (403, "single-sign-on-refused")
    assert come_back(server, query).status_code == 200
    assert code(come_back(server, query)) == (403, "single-sign-on-refused")
    # One that failed is spent as well.
    url, _ = start(server)
    query = provider.authorise(url)
    provider.claims = _LIES["nonce"]
    assert code(come_back(server, query)) == (403, "single-sign-on-refused")
    provider.claims = dict
    assert code(come_back(server, query)) == (403, "single-sign-on-refused")


def test_a_state_that_is_not_ours_waits_for_no_writer(server: Server) -> None:
    with server.services.database.write():
        assert code(come_back(server, {"state": "made-up", "code": "x"})) == (403, "single-sign-on-refused")


def test_a_return_for_another_provider_is_refused(server: Server, provider: LyingProvider) -> None:
    url, _ = start(server)
    answer = come_back(server, {**provider.authorise(url), "iss": "https://login.example.org"})
    assert code(answer) == (403, "single-sign-on-refused")


def test_an_attempt_grows_old_and_wrong_codes_end_it(
    server: Server, provider: LyingProvider, clock: Callable[[timedelta], None]
) -> None:
    url, handle = start(server)
    typed = shown(come_back(server, provider.authorise(url)))
    for _ in range(5):
        assert code(finish(server, handle, "AAAAA-AAAAA")) == (401, "wrong-code")
    assert code(finish(server, handle, typed)) == (401, "wrong-code")
    url, handle = start(server)
    typed = shown(come_back(server, provider.authorise(url)))
    clock(LIFE + timedelta(seconds=1))
    assert code(finish(server, handle, typed)) == (401, "wrong-code")
    clock(timedelta(0))
    assert finish(server, handle, typed).status_code == 201


def test_two_finishes_race_and_one_gets_a_session(server: Server, provider: LyingProvider) -> None:
    url, handle = start(server)
    typed, together = shown(come_back(server, provider.authorise(url))), Barrier(3)

    def race(_number: int) -> int:
        together.wait()
        return finish(server, handle, typed).status_code

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(race, range(3))) == [201, 401, 401]


def test_a_closed_account_does_not_get_in(server: Server, provider: LyingProvider, ann: User) -> None:
    url, handle = start(server)
    typed = shown(come_back(server, provider.authorise(url)))
    people.close_account(server.services, "command-line", ann.id)
    assert code(finish(server, handle, typed)) == (403, "account-inactive")
    url, _ = start(server)
    assert code(come_back(server, provider.authorise(url))) == (403, "single-sign-on-refused")


def test_a_second_factor_is_asked_all_the_same(server: Server, provider: LyingProvider, ann: User) -> None:
    people.change_role(server.services, "command-line", ann.id, Role.AUDITOR)
    url, handle = start(server)
    answer = finish(server, handle, shown(come_back(server, provider.authorise(url))))
    assert answer.json()["state"] == "enrolment"
    enrol(server, answer.json()["token"])
    url, handle = start(server)
    answer = finish(server, handle, shown(come_back(server, provider.authorise(url))))
    assert answer.json()["state"] == "second-factor" and answer.json()["conditions"] is None


def test_who_signs_in_there_only_has_no_password_here(server: Server, provider: LyingProvider) -> None:
    bob = add_person(server, "bob", Role.ANALYST, email="bob@camden.gov.uk")
    assert server.sign_in("bob").status_code == 201
    people.amend(server.services, "command-line", bob.id, sso_only=True)
    assert code(server.sign_in("bob")) == (403, "single-sign-on-only")
    assert code(server.sign_in("bob", "something else")) == (401, "wrong-password")
    # Without a sign-in of its own the organisation's people have their passwords again.
    organisations.set_oidc(server.services, "command-line", "camden", "", "")
    assert server.sign_in("bob").status_code == 201
    with pytest.raises(SafeStatsError, match="no sign-in of its own"):
        people.amend(server.services, "command-line", bob.id, sso_only=True)


def test_an_organisation_without_a_sign_in_of_its_own(server: Server) -> None:
    for name in ("camden", "nowhere"):
        answer = post(server, "/session/oidc/start", {"organisation": name})
        assert code(answer) == (404, "no-single-sign-on")


def test_a_provider_that_is_away_or_another_is_told(server: Server, provider: LyingProvider) -> None:
    provider.document["issuer"] = "http://127.0.0.1:1"
    assert code(post(server, "/session/oidc/start", {"organisation": "camden"})) == (502, "provider-unavailable")
    provider.document = {"issuer": provider.issuer, "authorization_endpoint": "javascript:alert(1)"}
    assert code(post(server, "/session/oidc/start", {"organisation": "camden"})) == (502, "provider-unavailable")
    organisations.set_oidc(server.services, "command-line", "camden", "http://127.0.0.1:1", CLIENT_ID)
    assert code(post(server, "/session/oidc/start", {"organisation": "camden"})) == (502, "provider-unavailable")


@pytest.mark.parametrize("issuer_address", ["http://login.example.org", "ftp://x", "login.example.org"])
def test_a_provider_is_asked_over_https(server: Server, issuer_address: str) -> None:
    with pytest.raises(SafeStatsError, match="https://"):
        organisations.set_oidc(server.services, "command-line", "camden", issuer_address, CLIENT_ID)


def test_old_attempts_are_swept(server: Server, provider: LyingProvider, clock: Callable[[timedelta], None]) -> None:
    start(server)
    clock(2 * LIFE)
    start(server)
    with server.services.database.read() as session:
        assert len(session.scalars(select(OidcAttempt)).all()) == 1
