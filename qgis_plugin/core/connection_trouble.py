"""What keeps a request from its answer, in words: each kind of trouble has its own, and a code."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
from collections.abc import Iterator

import requests

from .errors import CertificateTrouble, DeskError, ProxyTrouble, ServerTrouble, ServerUnreachable
from .exchange import StalledError
from .network import place_of
from .proxy_tunnel import TunnelRefusedError

_NO_WAY = {
    getattr(errno, name)
    for name in ("ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EADDRNOTAVAIL")
    if hasattr(errno, name)
}
# OpenSSL's numbers for what is wrong with a certificate.
_EXPIRED, _NOT_YET_VALID = 10, 9
_SIGNED_BY_NOBODY = {18, 19}
# What a proxy answers that wants somebody to sign in, and one that gets no answer itself.
_SIGN_IN = "407"
_NO_ANSWER = {"502", "503", "504"}
_PROXY_SAYS = {
    "proxy-unknown": "there is none of that name",
    "proxy-down": "it does not answer",
    "proxy-no-way": "it cannot reach the server",
    "proxy-refuses": "it refuses the connection",
    "proxy-scheme": "it asks for a kind of sign-in that QGIS does not know",
}
_NAMELESS = "it asks for a user name and password, and QGIS has none for it"
_REFUSED = "it refuses the user name and password that QGIS has for it"


def trouble_with(error: Exception, base_url: str, host: str, proxy: str = "") -> DeskError:
    """The trouble that ``error``, raised by a request to ``base_url`` by way of ``proxy``, stands for."""
    causes = list(_causes(error))
    tunnel = next((cause for cause in causes if isinstance(cause, TunnelRefusedError)), None)
    if tunnel is not None:
        return _proxy_words(tunnel.code, host, proxy, _listed(tunnel.schemes))
    # requests' ProxyError and SSLError are kinds of its ConnectionError: the order matters.
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        return _proxy_trouble(str(error), causes, host, proxy)
    if isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in str(error):
        return ProxyTrouble(
            "QGIS is set to a SOCKS proxy, which this installation cannot use (PySocks is missing). Choose an HTTP "
            "proxy in Settings → Options → Network, or ask your IT team.",
            "proxy-kind",
        )
    tls = next((cause for cause in causes if isinstance(cause, (ssl.SSLError, ssl.CertificateError))), None)
    if tls is not None or isinstance(error, requests.exceptions.SSLError):
        return _tls_trouble(str(error), tls, host)
    if isinstance(error, (StalledError, requests.Timeout)) or any(isinstance(c, socket.timeout) for c in causes):
        return ServerUnreachable(
            f"The server at {host} did not answer in time. Check your network connection, then try again.",
            "server-slow",
        )
    for cause in causes:
        words = _line_trouble(cause, base_url, host)
        if words is not None:
            return words
    return ServerUnreachable(
        f"No server answers at {base_url}. Check the address and your network connection; if both are right, the "
        "server may be down: tell the SafeStats team."
    )


def without_system_proxy(trouble: ServerUnreachable) -> ServerUnreachable:
    """``trouble`` of a direct connection, made because the computer's own settings name no proxy."""
    return ServerUnreachable(
        f"{trouble.sentence} QGIS uses the proxy settings of this computer, which name no proxy for this address: if "
        "your network has one, its configuration file (PAC) may be out of reach; ask your IT team.",
        trouble.code,
    )


def _line_trouble(cause: BaseException, base_url: str, host: str) -> DeskError | None:
    if isinstance(cause, socket.gaierror):
        if cause.errno == socket.EAI_AGAIN:
            return _no_network(host)
        return ServerUnreachable(
            f"There is no server called {host}, or your network does not know it. Check the server's address and "
            "whether you need your organisation's network or VPN.",
            "unknown-host",
        )
    if isinstance(cause, ConnectionRefusedError):
        return ServerUnreachable(
            f"No server answers at {base_url}: the connection was refused. Check the address; if it is right, the "
            "server may be down: tell the SafeStats team.",
            "connection-refused",
        )
    # RemoteDisconnected is also an http.client.BadStatusLine: the order matters.
    if isinstance(cause, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return ServerUnreachable(
            f"The connection to {host} was cut before the server answered. Try again; if it stays, something on the "
            "way (a firewall, a proxy) may cut it: ask your IT team.",
            "connection-cut",
        )
    if isinstance(cause, (http.client.HTTPException, requests.exceptions.InvalidHeader)):
        return ServerTrouble(
            f"What answers at {base_url} does not speak HTTP as a SafeStats server does. Check the address, its port "
            "and whether it begins with https://.",
            "not-http",
        )
    if isinstance(cause, OSError) and cause.errno in _NO_WAY:
        return _no_network(host)
    return None


def _no_network(host: str) -> ServerUnreachable:
    return ServerUnreachable(
        f"There is no way to {host} from this computer now. Check that it is connected to a network (and to your "
        "organisation's VPN, if you need one), then try again.",
        "no-network",
    )


def refused_login(error: requests.exceptions.ProxyError) -> bool:
    """Whether the proxy wants somebody to sign in, or somebody else."""
    return _tunnel_status(str(error)) == _SIGN_IN


def _tunnel_status(words: str) -> str:
    status = re.search(r"Tunnel connection failed: (\d+)", words)
    return status[1] if status else ""


def _proxy_trouble(words: str, causes: list[BaseException], host: str, proxy: str) -> ProxyTrouble:
    status = _tunnel_status(words)
    if not status:
        unknown = any(isinstance(cause, socket.gaierror) for cause in causes)
        return _proxy_words("proxy-unknown" if unknown else "proxy-down", host, proxy)
    if status == _SIGN_IN:
        return _proxy_words("proxy-password", host, proxy)
    return _proxy_words("proxy-no-way" if status in _NO_ANSWER else "proxy-refuses", host, proxy, f"status {status}")


def _proxy_words(code: str, host: str, proxy: str, detail: str = "") -> ProxyTrouble:
    what = _PROXY_SAYS.get(code, _REFUSED if "@" in proxy else _NAMELESS)
    if detail:
        what = f"{what} ({detail})"
    if what.startswith(_NAMELESS):
        place = ":".join(map(str, place_of(proxy)))
        return ProxyTrouble(
            f"Your network's proxy {place} stands between QGIS and {host}: {what}. Enter them in Settings → Options → "
            "Network in QGIS, with this host and port, or ask your IT team to let this address through.",
            code,
        )
    return ProxyTrouble(
        f"Your network's proxy stands between QGIS and {host}: {what}. Check Settings → Options → Network in QGIS, or "
        "ask your IT team to let this address through.",
        code,
    )


def _listed(schemes: tuple[str, ...]) -> str:
    return f"it wants {' or '.join(schemes)}" if schemes else ""


def _tls_trouble(words: str, cause: BaseException | None, host: str) -> CertificateTrouble:
    if "wrong version number" in words.lower().replace("_", " "):
        return CertificateTrouble(f"{host} does not speak https at this port. Check the server's address.", "not-https")
    if "certificate required" in words.lower().replace("_", " "):
        return CertificateTrouble(
            f"{host} lets in only computers with a certificate of their own (a client certificate), which SafeStats "
            "does not send. Ask your IT team for an address that needs none.",
            "client-certificate",
        )
    number = getattr(cause, "verify_code", None)
    if number == _EXPIRED:
        why, code = "it has expired", "certificate-expired"
    elif number == _NOT_YET_VALID:
        why, code = "it is not valid yet, or the clock of this computer is wrong", "certificate-not-yet-valid"
    elif "match" in words:
        why, code = "it was issued for another name", "certificate-name"
    elif number in _SIGNED_BY_NOBODY:
        why, code = "nobody that QGIS trusts has signed it", "certificate-authority"
    elif number is not None:
        why, code = "QGIS does not trust who issued it", "certificate-authority"
    else:
        return CertificateTrouble(
            f"QGIS and {host} could not agree on an encrypted connection. Nothing was sent. Something on the way (a "
            "firewall, a proxy) may break it, the server may want a certificate of this computer's (a client "
            "certificate, which SafeStats does not send), or one of the two is too old: ask your IT team.",
            "tls",
        )
    return CertificateTrouble(
        f"The certificate of {host} was refused: {why}. Nothing was sent. If your organisation has its own certificate "
        "authority (many have, whose proxy looks into encrypted connections), add it in Settings → Options → "
        "Authentication; otherwise tell the SafeStats team. An exception that was saved in QGIS is not used here.",
        code,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that lies beneath it: requests and urllib3 wrap in several ways."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        beneath = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        waiting.extend(one for one in beneath if isinstance(one, BaseException))
