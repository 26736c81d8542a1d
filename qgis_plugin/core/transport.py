"""The way to the server: HTTPS by requests, with the proxy and the certificate authorities that QGIS knows.

Certificates are always verified. Plain http is for a server on this machine only. The token lives in memory
only. Redirects are not followed: a token goes nowhere that the user did not name.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import requests
from qgis.core import QgsApplication, QgsNetworkAccessManager
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtNetwork import QNetworkProxy, QNetworkProxyQuery
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from ...shared.problems import ProblemDocument
from .errors import (
    AddressTrouble,
    Cancelled,
    CertificateTrouble,
    DeskError,
    ProxyTrouble,
    ServerTrouble,
    ServerUnreachable,
    from_problem,
)

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_BLOCK_BYTES = 256 * 1024
_CANCEL_POLL_S = 0.2


class Network(Protocol):
    """What the machine's network asks of a connection."""

    def proxy(self, url: str) -> str:
        """The proxy's URL for ``url``; empty where there is none."""

    def trusted_authorities(self) -> str:
        """The trusted certificate authorities as PEM; empty for the system's own."""


class QgisNetwork:
    """Proxy and authorities as set in QGIS's options. Asked on the GUI thread, where QGIS keeps them."""

    def proxy(self, url: str) -> str:
        """The proxy that QGIS would use for ``url``."""
        factory = QgsNetworkAccessManager.instance().proxyFactory()
        proxies = factory.queryProxy(QNetworkProxyQuery(QUrl(url))) if factory is not None else []
        schemes = {QNetworkProxy.ProxyType.HttpProxy: "http", QNetworkProxy.ProxyType.Socks5Proxy: "socks5h"}
        for proxy in proxies:
            if proxy.type() == QNetworkProxy.ProxyType.NoProxy:
                return ""
            if proxy.type() in schemes and proxy.hostName():
                user = quote(proxy.user(), safe="")
                secret = f"{user}:{quote(proxy.password(), safe='')}@" if user else ""
                return f"{schemes[proxy.type()]}://{secret}{proxy.hostName()}:{proxy.port()}"
        return ""

    def trusted_authorities(self) -> str:
        """The authorities that QGIS trusts: the system's and those added in its authentication options."""
        manager = QgsApplication.authManager()
        if manager.isDisabled():
            return ""
        return bytes(manager.trustedCaCertsPemText()).decode("ascii", "replace")


def server_address(text: str) -> str:
    """The base URL in what a user typed, without a slash at its end; raises ``AddressTrouble``."""
    text = text.strip().rstrip("/")
    if not text:
        raise AddressTrouble("The server's address is empty. Enter the one that the SafeStats team gave you.")
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressTrouble(
            f"“{text}” is no server address ({error}). It should look like https://safestats.example.org."
        ) from error
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
        raise AddressTrouble(f"“{text}” is no server address. It should look like https://safestats.example.org.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise AddressTrouble(
            f"“{text}” is not encrypted, so your password could be read on the way. Use https:// (plain "
            "http:// is for a server on this machine only)."
        )
    return text


def _is_loopback(host: str) -> bool:
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
    """Requests to one server. Make it on the GUI thread, use it in tasks; every method raises ``DeskError``."""

    def __init__(self, address: str, network: Network, plugin_version: str) -> None:
        self.base_url = server_address(address)
        self.host = urlsplit(self.base_url).netloc
        self._timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers.update({"X-SafeStats-Client": f"qgis/{plugin_version}", "Accept-Encoding": "identity"})
        self._http.mount("https://", _TrustingAdapter(_context(network.trusted_authorities())))
        if not _is_loopback(urlsplit(self.base_url).hostname or ""):
            proxy = network.proxy(self.base_url)
            self._http.proxies = {"http": proxy, "https": proxy} if proxy else {}

    def use_token(self, token: str) -> None:
        """Send ``token`` with every request from now on; empty forgets it."""
        if token:
            self._http.headers["Authorization"] = f"Bearer {token}"
        else:
            self._http.headers.pop("Authorization", None)

    def get_json(self, path: str) -> dict[str, Any]:
        """The JSON object at ``path``."""
        return self._json(self._send("GET", path))

    def post_json(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post a JSON object; the answer's JSON object, empty where the answer has no body."""
        return self._json(self._send("POST", path, json=body))

    def delete(self, path: str) -> None:
        """Delete what is at ``path``."""
        self._send("DELETE", path).close()

    @contextmanager
    def download(self, path: str, offset: int, cancelled: Callable[[], bool]) -> Iterator[Stream]:
        """The bytes at ``path`` from ``offset`` on (from 0 where the server will not resume).

        Raises ``Cancelled`` within a second of ``cancelled()`` turning true, even when no bytes arrive.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        response = self._send("GET", path, headers=headers, stream=True)
        start = offset if response.status_code == requests.codes.partial_content else 0
        with response, _interrupting(response, cancelled):
            yield Stream(start, self._blocks(response, cancelled))

    def _blocks(self, response: requests.Response, cancelled: Callable[[], bool]) -> Iterator[bytes]:
        try:
            for block in response.raw.stream(_BLOCK_BYTES, decode_content=False):
                if cancelled():
                    raise Cancelled
                yield block
        except (HTTPError, OSError) as error:
            if cancelled():
                raise Cancelled from error
            raise self.broken_off() from error
        if cancelled():
            raise Cancelled

    def broken_off(self) -> ServerUnreachable:
        """The connection broke while data were on their way."""
        return ServerUnreachable(
            f"The connection to {self.host} broke off during the download. What has arrived is kept: pull "
            "again to go on from there.",
            "connection-broken",
        )

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            response = self._http.request(
                method, self.base_url + path, timeout=self._timeout, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            raise self._trouble(error) from error
        if response.is_redirect:
            target = response.headers["Location"]
            raise ServerTrouble(
                f"{self.host} sends you on to {target}. If that is right, enter it as the server's address.",
                "redirected",
            )
        if response.status_code >= requests.codes.bad_request:
            with response:
                raise self._refusal(response)
        return response

    def _json(self, response: requests.Response) -> dict[str, Any]:
        if response.status_code == requests.codes.no_content:
            return {}
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ServerTrouble(
                f"What answers at {self.base_url} is not a SafeStats server. Check the address.",
                "not-safestats",
            )
        return document

    def _refusal(self, response: requests.Response) -> DeskError:
        try:
            return from_problem(ProblemDocument.from_json(response.json()))
        except (ValueError, KeyError, TypeError, requests.RequestException):
            pass
        if response.status_code >= requests.codes.internal_server_error:
            return ServerTrouble(
                f"The server at {self.host} has trouble of its own (status {response.status_code}). Try again "
                "in a few minutes; if it stays, tell the SafeStats team."
            )
        return ServerTrouble(
            f"What answers at {self.base_url} is not a SafeStats server (status {response.status_code}). Check "
            "the address.",
            "not-safestats",
        )

    def _trouble(self, error: requests.RequestException) -> DeskError:
        words = str(error)
        # ProxyError and SSLError are kinds of ConnectionError: the order matters.
        if isinstance(error, requests.exceptions.ProxyError):
            if "407" in words:
                what = "it asks for a user name and password"
            elif "Tunnel connection failed" in words:
                what = "it refuses the connection"
            else:
                what = "it does not answer"
            return ProxyTrouble(
                f"Your network's proxy stands between QGIS and {self.host}: {what}. Check Settings → Options → "
                "Network in QGIS, or ask your IT team to let this address through."
            )
        if isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in words:
            return ProxyTrouble(
                "QGIS is set to a SOCKS proxy, which this installation cannot use (PySocks is missing). Choose "
                "an HTTP proxy in Settings → Options → Network, or ask your IT team."
            )
        if isinstance(error, requests.exceptions.SSLError):
            return CertificateTrouble(self._certificate_words(words))
        if isinstance(error, requests.Timeout):
            return ServerUnreachable(
                f"The server at {self.host} did not answer in time. Check your network connection, then try again.",
                "server-slow",
            )
        return ServerUnreachable(
            f"No server answers at {self.base_url}. Check the address and your network connection; if both are "
            "right, the server may be down: tell the SafeStats team."
        )

    def _certificate_words(self, words: str) -> str:
        if "WRONG_VERSION_NUMBER" in words or "wrong version number" in words:
            return f"{self.host} does not speak https at this port. Check the server's address."
        if "expired" in words:
            why = "it has expired"
        elif "match" in words:
            why = "it was issued for another name"
        elif "self" in words and "signed" in words:
            why = "nobody that QGIS trusts has signed it"
        else:
            why = "QGIS does not trust who issued it"
        return (
            f"The certificate of {self.host} was refused: {why}. Nothing was sent. If your organisation has "
            "its own certificate authority, add it in Settings → Options → Authentication; otherwise tell the "
            "SafeStats team."
        )


class _TrustingAdapter(HTTPAdapter):
    """Verifies against the authorities of one context, and against nothing else."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # requests would add its own bundle of authorities here; the context already says whom to trust.
        conn.cert_reqs = "CERT_REQUIRED"


def _context(authorities: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authorities or None)
    # urllib3 then compares the name with the certificate itself; the context cannot do so for an IP address.
    context.check_hostname = False
    return context


@contextmanager
def _interrupting(response: requests.Response, cancelled: Callable[[], bool]) -> Iterator[None]:
    """While inside, shut the connection down once ``cancelled()``: a waiting read returns at once."""
    finished = threading.Event()
    connection = response.raw.connection
    wire = getattr(connection, "sock", None)

    def watch() -> None:
        while not finished.wait(_CANCEL_POLL_S):
            if cancelled():
                with suppress(OSError):  # it is closed already
                    wire.shutdown(socket.SHUT_RDWR)
                return

    if wire is not None:
        threading.Thread(target=watch, name="safestats-cancel", daemon=True).start()
    try:
        yield
    finally:
        finished.set()
