"""OpenID providers for tests: a real one in a process of its own, and one that can be made to lie."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT_ID = "safestats"


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


@contextmanager
def provider_process(*people: dict[str, Any]) -> Iterator[str]:
    """The issuer of a provider that knows the people, each by its claims."""
    port = _free_port()
    words = [word for person in people for word in ("--user-claims", json.dumps(person))]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-p", str(port), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    issuer = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None and time.monotonic() < deadline, "The provider does not start."
                time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


def sign_in_there(authorisation_url: str, subject: str) -> dict[str, str]:
    """What the provider gives the browser for the callback once the person has signed in."""
    answer = httpx.post(authorisation_url, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


@cache
def _key(_whose: str) -> RSAKey:
    """A key of each, for making one takes long."""
    return RSAKey.generate_key(2048, {"kid": "one"}, private=True)


class LyingProvider:
    """A provider that checks PKCE and the client's secret, and signs whatever ``claims`` makes of honest claims."""

    def __init__(self) -> None:
        self.key = _key("its own")
        self.shown_keys = KeySet([self.key])
        self.claims: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.secret = ""
        self.document: dict[str, Any] = {}
        self.issuer = ""
        self.seen: dict[str, str] = {}  # of the authorisation request
        self.form: dict[str, str] = {}  # of the token request

    def authorise(self, authorisation_url: str, code: str = "the-code") -> dict[str, str]:
        """As ``sign_in_there``."""
        self.seen = {name: values[0] for name, values in parse_qs(urlsplit(authorisation_url).query).items()}
        return {"code": code, "state": self.seen["state"]}

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    def signed_by_another(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, _key("another's"))

    def signed_by_the_public_key(self, claims: dict[str, Any]) -> str:
        public = OctKey.import_key(self.key.as_pem(private=False))
        return jwt.encode({"alg": "HS256", "kid": "one"}, claims, public, algorithms=["HS256"])

    def unsigned(self, claims: dict[str, Any]) -> str:
        parts = [{"alg": "none"}, claims]
        return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        self.form = form
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if challenge.decode().rstrip("=") != self.seen["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        expected = "Basic " + base64.b64encode(f"{CLIENT_ID}:{self.secret}".encode()).decode() if self.secret else ""
        if authorization != expected or form["redirect_uri"] != self.seen["redirect_uri"]:
            return 401, {"error": "invalid_client"}
        at = int(time.time())
        honest = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "subject-1",
            "exp": at + 300,
            "iat": at,
            "nonce": self.seen["nonce"],
            "email": "Ann@camden.gov.uk",
            "email_verified": True,
        }
        id_token = self.sign(self.claims(honest))
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": id_token}

    @contextmanager
    def serve(self) -> Iterator[LyingProvider]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/jwks":
                    self._answer(200, provider.shown_keys.as_dict(private=False))
                else:
                    self._answer(200, provider.document)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._answer(*provider.token(form, self.headers.get("Authorization", "")))

            def _answer(self, status: int, document: Any) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            self.issuer = f"http://127.0.0.1:{http.server_port}"
            self.document = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorise",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
            }
            thread = threading.Thread(target=http.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                http.shutdown()
                thread.join()
