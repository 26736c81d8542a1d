"""The way to the server: HTTPS by requests, with the proxy and the certificate authorities that QGIS knows.

Certificates are always verified. Plain http is for a server on this machine only. The token lives in memory
only. Redirects are not followed: a token goes nowhere that the user did not name.
"""

from __future__ import annotations

import http.cookiejar
import ipaddress
import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ...shared.problems import ProblemDocument
from .connection_trouble import refused_login, trouble_with, without_system_proxy
from .errors import (
    AddressTrouble,
    CertificateTrouble,
    DeskError,
    ProxyTrouble,
    ServerTrouble,
    ServerUnreachable,
    from_problem,
)
from .exchange import Exchange, StalledError
from .multipart import MultipartForm
from .network import DIRECT, Network, ProxySearch
from .proxy_ways import ProxyWays
from .trusting_adapter import TrustingAdapter

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_SLOWEST_UPLOAD_BYTES_S = 20_000  # a file may take so long beside the time-out
_LARGEST_DOCUMENT = 64 * 1024 * 1024
_BUSY = {429, 502, 503, 504}
_LARGEST_PORT = 65_535
_HTTPS_PORT = 443
_SIGN_IN_TO_THE_NETWORK = 511
# What is wrong with a proxy that another one may not have.
_THIS_PROXY = {"proxy-down", "proxy-unknown", "proxy-kind"}

Cancel = Callable[[], bool]


def never() -> bool:
    """For those whom nobody can cancel."""
    return False


def server_address(text: str) -> str:
    """The base URL in what a user typed, without a slash at its end; raises ``AddressTrouble``."""
    text = text.strip().rstrip("/")
    if not text:
        raise AddressTrouble("The server's address is empty. Enter the one that the SafeStats team gave you.")
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressTrouble(
            f"“{text}” is no server address: {_flaw(text)}. It should look like https://safestats.example.org."
        ) from error
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
        raise AddressTrouble(f"“{text}” is no server address. It should look like https://safestats.example.org.")
    if parts.scheme == "http" and not is_loopback(host):
        raise AddressTrouble(
            f"“{text}” is not encrypted, so your password could be read on the way. Use https:// (plain "
            "http:// is for a server on this machine only)."
        )
    return text


def _flaw(text: str) -> str:
    """What is wrong in an address that cannot be taken apart, in words."""
    host = text.split("://", 1)[-1].split("/", 1)[0].rpartition("@")[2]
    colon, port = host.rpartition("]")[2].partition(":")[1:]
    if host.count("[") == host.count("]") and colon and not (port.isdecimal() and int(port) <= _LARGEST_PORT):
        return "what follows the colon must be a port, a number from 0 to 65535"
    if "[" in host or "]" in host:
        return "what stands in square brackets is no IPv6 address"
    return "it holds characters that no address has"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Stream:
    """A download under way: ``blocks`` are the bytes from the offset ``start`` on."""

    start: int
    blocks: Iterator[bytes]


class Transport:
    """Requests to one server. Make it on the GUI thread, use it in tasks, in several at once if need be.

    Every method raises ``DeskError``, and ``Cancelled`` within a second of ``cancelled()`` turning true, whatever
    the call waits for: the name, the connection, the encryption, the headers or the body.
    """

    def __init__(self, address: str, network: Network, plugin_version: str) -> None:
        self.base_url = server_address(address)
        parts = urlsplit(self.base_url)
        self.host, self._name, self._port = parts.netloc, parts.hostname or "", parts.port or _HTTPS_PORT
        self._http = requests.Session()
        # Tasks share the session, so nothing in it changes while one is at work: cookies are not kept, and the
        # headers are exchanged as a whole.
        self._http.trust_env = False
        self._http.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._http.headers.update({"X-SafeStats-Client": f"qgis/{plugin_version}", "Accept-Encoding": "identity"})
        self._trusting = TrustingAdapter(_context(network.trusted_authorities()))
        self._http.mount("https://", self._trusting)
        here = is_loopback(self._name)
        search = ProxySearch(lambda: (DIRECT,)) if here else network.proxy_search(self.base_url)
        self._ways = ProxyWays(search, self.host)

    def use_token(self, token: str) -> None:
        """Send ``token`` with every request from now on; empty forgets it."""
        headers = self._http.headers.copy()
        headers.pop("Authorization", None)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http.headers = headers

    def get_json(self, path: str, *, cancelled: Cancel = never) -> dict[str, Any]:
        """The JSON object at ``path``."""
        return self._json("GET", path, cancelled)

    def post_json(self, path: str, body: dict[str, Any], *, cancelled: Cancel = never) -> dict[str, Any]:
        """Post a JSON object; the answer's JSON object, empty where the answer has no body."""
        return self._json("POST", path, cancelled, json=body)

    def post_form(self, path: str, form: MultipartForm, *, cancelled: Cancel = never) -> dict[str, Any]:
        """Post a form with a file; the answer's JSON object."""
        extra_s = len(form) / _SLOWEST_UPLOAD_BYTES_S
        headers = {"Content-Type": form.content_type}
        return self._json("POST", path, cancelled, extra_s=extra_s, headers=headers, data=form)

    def delete(self, path: str, *, cancelled: Cancel = never) -> None:
        """Delete what is at ``path``."""
        with self._exchange("DELETE", path, cancelled):
            pass

    @contextmanager
    def download(self, path: str, offset: int, cancelled: Cancel = never) -> Iterator[Stream]:
        """The bytes at ``path`` from ``offset`` on (from 0 where the server will not resume).

        A time-out counts the time in which (next to) nothing comes, never how long the transfer takes.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._exchange("GET", path, cancelled, headers=headers) as (response, exchange):
            start = 0
            if response.status_code == requests.codes.partial_content:
                start = offset
                if not re.match(rf"bytes {offset}-", response.headers.get("Content-Range", f"bytes {offset}-")):
                    raise self.broken_off()  # another range than the one asked for
            yield Stream(start, self._blocks(exchange))

    def _blocks(self, exchange: Exchange) -> Iterator[bytes]:
        try:
            yield from exchange.blocks()
        except (StalledError, ReadTimeoutError) as error:
            raise self._stalled() from error
        except (HTTPError, OSError) as error:
            raise self.broken_off() from error

    def broken_off(self) -> ServerUnreachable:
        """The connection broke while data were on their way."""
        return ServerUnreachable(
            f"The connection to {self.host} broke off during the download. What has arrived is kept: pull "
            "again to go on from there.",
            "connection-broken",
        )

    def _stalled(self) -> ServerUnreachable:
        return ServerUnreachable(
            f"The server at {self.host} stopped sending in the middle. What has arrived is kept: check your network "
            "connection, then pull again to go on from there.",
            "server-slow",
        )

    @contextmanager
    def _exchange(
        self, method: str, path: str, cancelled: Cancel, extra_s: float = 0, **options: Any
    ) -> Iterator[tuple[requests.Response, Exchange]]:
        way = DIRECT

        def send() -> requests.Response:
            nonlocal way
            way = self._ways.current()
            signed = self._trusting.signs_in(way)
            try:
                try:
                    return request()
                except requests.exceptions.ProxyError as error:
                    if signed or not refused_login(error) or not self._trusting.sign_in(way, self._name, self._port):
                        raise
                    signed = True
                return request()
            except requests.exceptions.ProxyError as error:
                if signed and refused_login(error):
                    self._trusting.forget(way)
                raise

        def request() -> requests.Response:
            return self._http.request(
                method,
                self.base_url + path,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                allow_redirects=False,
                stream=True,
                proxies={"http": way, "https": way} if way else {},
                **options,
            )

        sent = self._http.headers.get("Authorization")
        exchange = Exchange(send, cancelled, READ_TIMEOUT_S + extra_s)
        try:
            while True:
                try:
                    response = self._head(exchange, lambda: way)
                    break
                except ProxyTrouble as trouble:
                    if trouble.code not in _THIS_PROXY or not self._ways.give_up(way):
                        raise
                    exchange.leave()
                    exchange = Exchange(send, cancelled, READ_TIMEOUT_S + extra_s)
            renewed = sent != self._http.headers.get("Authorization")
            if response.status_code == requests.codes.unauthorized and renewed and "data" not in options:
                # The token was renewed while the request was on its way: the new one has not been refused.
                exchange.leave()
                exchange = Exchange(send, cancelled, READ_TIMEOUT_S)
                response = self._head(exchange, lambda: way)
            if response.is_redirect:
                raise self._sent_on(response.headers["Location"], path)
            if response.status_code >= requests.codes.bad_request:
                raise self._refusal(response.status_code, self._document(response, exchange))
            yield response, exchange
        finally:
            exchange.leave()

    def _head(self, exchange: Exchange, way: Callable[[], str]) -> requests.Response:
        try:
            return exchange.head()
        except (StalledError, requests.RequestException, HTTPError, OSError, ValueError) as error:
            trouble = trouble_with(error, self.base_url, self.host, way())
            if isinstance(trouble, ServerUnreachable) and self._ways.by_system and not way():
                self._ways.give_up(DIRECT)  # another network may have been joined by the next request
                trouble = without_system_proxy(trouble)
            raise trouble from error

    def _json(self, method: str, path: str, cancelled: Cancel, **options: Any) -> dict[str, Any]:
        with self._exchange(method, path, cancelled, **options) as (response, exchange):
            if response.status_code == requests.codes.no_content:
                return {}
            document = self._document(response, exchange)
        if not isinstance(document, dict):
            raise ServerTrouble(
                f"What answers at {self.base_url} is not a SafeStats server. Check the address.",
                "not-safestats",
            )
        return document

    def _document(self, response: requests.Response, exchange: Exchange) -> Any:
        """The JSON in the body; ``None`` where it holds none."""
        body = bytearray()
        try:
            for block in exchange.blocks():
                body += block
                if len(body) > _LARGEST_DOCUMENT:
                    return None
        except (StalledError, ReadTimeoutError) as error:
            raise trouble_with(StalledError(), self.base_url, self.host) from error
        except (HTTPError, OSError) as error:
            raise self._cut_short() from error
        announced = response.headers.get("Content-Length", "")
        if announced.isdigit() and len(body) < int(announced) and "Content-Encoding" not in response.headers:
            raise self._cut_short()
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return None

    def _cut_short(self) -> ServerUnreachable:
        return ServerUnreachable(
            f"The connection to {self.host} broke off in the middle of an answer. Check your network connection, then "
            "try again.",
            "connection-broken",
        )

    def _sent_on(self, target: str, path: str) -> ServerTrouble:
        address = target.split("?")[0]
        wanted = path.split("?")[0]
        if address.startswith("/") or address.rstrip("/").endswith(wanted.rstrip("/")):
            return ServerTrouble(
                f"{self.host} sends you on to {target}. If that is right, enter it as the server's address.",
                "redirected",
            )
        return self._captive(f"{self.host} sends you on to {target}")

    def _captive(self, what: str) -> ServerTrouble:
        return ServerTrouble(
            f"{what}, which is no SafeStats server: this may be the sign-in page of the network that you are in (a "
            "hotel, a train, a guest network). Sign in there with a web browser, then try again.",
            "captive-portal",
        )

    def _refusal(self, status: int, document: Any) -> DeskError:
        try:
            return from_problem(ProblemDocument.from_json(document))
        except (ValueError, KeyError, TypeError):
            pass  # it is not the server's own word
        if status == _SIGN_IN_TO_THE_NETWORK:
            return self._captive(f"What answers at {self.base_url} asks for a sign-in to the network")
        if status in _BUSY:
            return ServerTrouble(
                f"The server at {self.host} is busy or being restarted (status {status}). Try again in a few minutes; "
                "if it stays, tell the SafeStats team.",
                "server-busy",
            )
        if status >= requests.codes.internal_server_error:
            return ServerTrouble(
                f"The server at {self.host} has trouble of its own (status {status}). Try again in a few minutes; if "
                "it stays, tell the SafeStats team."
            )
        return ServerTrouble(
            f"What answers at {self.base_url} is not a SafeStats server (status {status}). Check the address.",
            "not-safestats",
        )


def _context(authorities: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=authorities or None)
    except ssl.SSLError as error:
        raise CertificateTrouble(
            f"The certificate authorities that QGIS trusts cannot be read ({error.reason}). Check those that were "
            "added in Settings → Options → Authentication.",
            "authorities-unreadable",
        ) from error
    # urllib3 then compares the name with the certificate itself; the context cannot do so for an IP address.
    context.check_hostname = False
    return context
