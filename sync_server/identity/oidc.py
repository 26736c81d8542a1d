"""Signing in at one's organisation: OpenID Connect, authorisation code flow with PKCE, state and nonce.

The desk (or the console) asks to start and keeps a handle. The browser goes to the organisation's provider and comes
back here; what it brings is proved, and the person is told a one-time code (or the browser takes it to the desk's
loopback port). Only handle and code together open a session: a callback that somebody was lured to opens nothing,
and an address that was seen over a shoulder neither.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote_plus, urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..database import PERSONS_PATIENCE_MS
from ..instants import now
from ..problems import Problem
from ..services import Services
from .models import Channel, OidcAttempt, Organisation, User
from .secret_box import SecretBox
from .sessions import Opened, open_session
from .signing_in import UNKNOWN, check_account, refused, too_many_tries
from .tokens import digest, new_token

if TYPE_CHECKING:
    from joserfc.jwk import KeySetSerialization

LIFE = timedelta(minutes=10)
CALLBACK = "/v1/session/oidc/callback"
_TIMEOUT_SECONDS = 10
_LONGEST_SECONDS = 20
_LONGEST_ANSWER = 200_000
# Signed by the provider's private key: never “none”, never by a secret that both know.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_JSON = {"Accept": "application/json"}
_CLOCK_SLACK_SECONDS = 60
_MOST_FAILURES = 5
_CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_CODE_LETTERS = 10  # 49 bits, five tries, ten minutes


@dataclass(frozen=True)
class Started:
    """Where the browser goes, and the secret to finish with."""

    authorisation_url: str
    handle: str


@dataclass(frozen=True)
class Returned:
    """The browser is back: show the code, or, where the desk listens, go to its loopback address.

    Without a code the desk is told there that it need not wait.
    """

    code: str
    loopback_url: str | None


def start(
    services: Services,
    organisation_code: str,
    address: str,
    loopback_port: int | None = None,
    channel: Channel = Channel.DESK,
) -> Started:
    """Begin a sign-in; raises ``Problem`` where the organisation has no sign-in of its own or its provider is away."""
    if not services.sign_in_tries.permit_start(address):
        raise too_many_tries()
    with services.database.read() as session:
        organisation = session.scalar(select(Organisation).where(Organisation.code == organisation_code))
    if organisation is None or not organisation.active or not organisation.oidc_issuer:
        raise Problem(
            404,
            "no-single-sign-on",
            "No such sign-in",
            "There is no sign-in of this organisation here: sign in with your user name and password.",
        )
    provider = _provider(organisation.oidc_issuer)
    handle, state, nonce, verifier = new_token(), new_token(), new_token(), secrets.token_urlsafe(48)
    at = now()
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        session.execute(delete(OidcAttempt).where(OidcAttempt.expires_at < at))
        session.add(
            OidcAttempt(
                handle_hash=digest(handle),
                state_hash=digest(state),
                organisation_id=organisation.id,
                nonce=nonce,
                verifier=SecretBox(services.keys).seal(verifier, digest(state)),
                loopback_port=loopback_port,
                channel=channel,
                expires_at=at + LIFE,
            )
        )
    query = {
        "response_type": "code",
        "client_id": organisation.oidc_client_id,
        "redirect_uri": services.settings.address + CALLBACK,
        "scope": "openid email",
        "state": state,
        "nonce": nonce,
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }
    endpoint = provider["authorization_endpoint"]
    return Started(endpoint + ("&" if "?" in endpoint else "?") + urlencode(query), handle)


def take_back(services: Services, query: Mapping[str, str], address: str) -> Returned:
    """Prove what the browser brought from the provider, and find whose account it is; raises ``Problem``.

    Whatever does not fit gives the same answer; the audit holds the reason. A desk that listens is told of a refusal.
    """
    state = query.get("state", "")
    with services.database.read() as session:
        # Only who brings a state that was given out may queue for the one writer.
        if _waiting_attempt(session, state) is None:
            raise _refuse(services, None, address, "state")
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        attempt = _waiting_attempt(session, state)
        if attempt is None:
            raise _refuse(services, None, address, "state")
        # A state is good for one return, whatever comes of it.
        attempt.failures = 1
        organisation = session.get_one(Organisation, attempt.organisation_id)
    try:
        code = _code_of(services, organisation, attempt, query, address)
    except Problem:
        if attempt.loopback_port is None:
            raise
        return Returned("", _desk_address(attempt.loopback_port, refused="1"))
    loopback = None if attempt.loopback_port is None else _desk_address(attempt.loopback_port, code=code)
    return Returned(f"{code[:5]}-{code[5:]}", loopback)


def _desk_address(port: int, **query: str) -> str:
    return f"http://127.0.0.1:{port}/?{urlencode(query)}"


def _code_of(
    services: Services, organisation: Organisation, attempt: OidcAttempt, query: Mapping[str, str], address: str
) -> str:
    """The code for the account of whom the provider vouches for; raises ``Problem``."""
    if not query.get("code") or query.get("iss", organisation.oidc_issuer) != organisation.oidc_issuer:
        raise _refuse(services, None, address, "provider-refused")
    try:
        claims = _claims(services, organisation, attempt, query["code"])
    except (JoseError, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise _refuse(services, None, address, f"id-token: {type(error).__name__}") from error
    code = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LETTERS))
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        waiting = session.get_one(OidcAttempt, attempt.handle_hash)
        user = _account(session, organisation, claims)
        if user is None:
            raise _refuse(services, None, address, "no-account")
        if not user.active or not user.organisation.active:
            raise _refuse(services, user, address, "account-inactive")
        user.oidc_subject = claims["sub"]
        waiting.user_id, waiting.code_hash, waiting.failures = user.id, digest(code), 0
    return code


def finish(
    services: Services, handle: str, code: str, address: str, client: str = "", channel: Channel = Channel.DESK
) -> Opened:
    """A session for the handle and the code; raises ``Problem`` 401 ``wrong-code``. Five wrong ones end the attempt."""
    wrong = Problem(401, "wrong-code", "Wrong code", "The code is wrong or too old: begin the sign-in again.")
    with services.database.read() as session:
        if _open_attempt(session, handle, channel) is None:
            raise wrong
    typed = "".join(letter for letter in code.upper() if letter.isalnum())
    opened = None
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        attempt = _open_attempt(session, handle, channel)
        if attempt is None:
            raise wrong
        user = session.get_one(User, attempt.user_id)
        used = session.execute(
            update(OidcAttempt)
            .where(
                OidcAttempt.handle_hash == attempt.handle_hash,
                OidcAttempt.code_hash == digest(typed),
                OidcAttempt.used_at.is_(None),
            )
            .values(used_at=now())
        )
        if used.rowcount == 1:  # type: ignore[attr-defined]
            check_account(services, user, address)
            opened = open_session(session, services.settings, user, address, client, channel)
            session.flush()
            services.audit.record(
                EventType.SIGN_IN,
                actor=user.id,
                organisation=user.organisation.code,
                session=opened.sign_in.id,
                filter={"channel": channel, "method": "openid-connect"},
            )
        else:
            attempt.failures += 1
    if opened is None:
        raise refused(services, user, address, wrong)
    return opened


def _challenge(verifier: str) -> str:
    """RFC 7636: what the provider is told of the verifier beforehand."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _waiting_attempt(session: Session, state: str) -> OidcAttempt | None:
    """The attempt whose browser has not come back."""
    return session.scalar(
        select(OidcAttempt).where(
            OidcAttempt.state_hash == digest(state),
            OidcAttempt.user_id.is_(None),
            OidcAttempt.failures == 0,
            OidcAttempt.expires_at > now(),
        )
    )


def _open_attempt(session: Session, handle: str, channel: Channel) -> OidcAttempt | None:
    return session.scalar(
        select(OidcAttempt).where(
            OidcAttempt.handle_hash == digest(handle),
            OidcAttempt.channel == channel,
            OidcAttempt.user_id.is_not(None),
            OidcAttempt.used_at.is_(None),
            OidcAttempt.failures < _MOST_FAILURES,
            OidcAttempt.expires_at > now(),
        )
    )


def _account(session: Session, organisation: Organisation, claims: Mapping[str, Any]) -> User | None:
    """The organisation's account of the person: by subject once linked, before that by verified e-mail address."""
    here = User.organisation_id == organisation.id
    linked = session.scalar(select(User).where(here, User.oidc_subject == claims["sub"]))
    if linked is not None:
        return linked
    if claims.get("email_verified") is not True or not isinstance(claims.get("email"), str):
        return None
    found = session.scalar(select(User).where(here, User.email == claims["email"].strip().casefold()))
    # An account that is linked to somebody else stays theirs: addresses are given to new people.
    return found if found is not None and not found.oidc_subject else None


def _claims(services: Services, organisation: Organisation, attempt: OidcAttempt, code: str) -> dict[str, Any]:
    """The proved claims of the ID token that the provider gives for the code."""
    provider = _provider(organisation.oidc_issuer)
    box = SecretBox(services.keys)
    secret = organisation.oidc_client_secret
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": box.open(attempt.verifier, attempt.state_hash),
        "redirect_uri": services.settings.address + CALLBACK,
    }
    credentials: tuple[str | bytes, str | bytes] | None = None
    if secret:
        # RFC 6749, 2.3.1: both are encoded as forms are.
        opened = box.open(secret, f"oidc:{organisation.id}")
        credentials = (quote_plus(organisation.oidc_client_id), quote_plus(opened))
    else:
        form["client_id"] = organisation.oidc_client_id
    with httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False, auth=credentials) as client:
        answer = _document(client, "POST", provider["token_endpoint"], form)
    keys = KeySet.import_key_set(cast("KeySetSerialization", _fetch(provider["jwks_uri"])))
    token = jwt.decode(answer["id_token"], keys, algorithms=_ALGORITHMS)
    audience = organisation.oidc_client_id
    jwt.JWTClaimsRegistry(
        now=int(now().timestamp()),
        leeway=_CLOCK_SLACK_SECONDS,
        iss={"essential": True, "value": organisation.oidc_issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": attempt.nonce},
    ).validate(token.claims)
    claims = dict(token.claims)
    if claims["aud"] not in (audience, [audience]) or claims.get("azp", audience) != audience:
        raise ValueError("The ID token is for others as well.")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise ValueError("The ID token names nobody.")
    return claims


def _provider(issuer: str) -> dict[str, Any]:
    """The provider's own description; raises ``Problem`` 502 where it cannot be had or is of another."""
    try:
        document = _fetch(issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document["issuer"] != issuer:
            raise ValueError("It is of another issuer.")
        for member in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(document[member], str) or not document[member].startswith(_schemes(issuer)):
                raise ValueError(f"{member} is no address.")
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise Problem(
            502,
            "provider-unavailable",
            "Your organisation's sign-in is not available",
            "Your organisation's sign-in does not answer as it should: try again later, or tell your administrator.",
        ) from error
    return document


def _schemes(issuer: str) -> tuple[str, ...]:
    return ("http://", "https://") if issuer.startswith("http://") else ("https://",)


def _fetch(address: str) -> dict[str, Any]:
    with httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False) as client:
        return _document(client, "GET", address)


def _document(client: httpx.Client, method: str, address: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    until = time.monotonic() + _LONGEST_SECONDS
    content = b""
    with client.stream(method, address, data=form, headers=_JSON) as answer:
        answer.raise_for_status()
        for part in answer.iter_bytes():
            content += part
            if len(content) > _LONGEST_ANSWER or time.monotonic() > until:
                raise ValueError("The answer is too long, or takes too long.")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("The answer is no document.")
    return document


def _refuse(services: Services, user: User | None, address: str, reason: str) -> Problem:
    services.audit.record(
        EventType.SIGN_IN,
        actor=user.id if user else UNKNOWN,
        organisation=user.organisation.code if user else "",
        filter={"address": address, "method": "openid-connect"},
        outcome="refused",
        reason=reason,
        once=f"openid-connect:{reason}:{address}:{int(now().timestamp()) // services.sign_in_tries.window_seconds}",
    )
    return Problem(
        403,
        "single-sign-on-refused",
        "Not signed in",
        "This sign-in cannot be used here: begin again, and if that does not help, ask your administrator whether your "
        "account has your e-mail address.",
    )
