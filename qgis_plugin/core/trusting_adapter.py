"""How requests connects here: one context says whom to trust, and Qt opens the way where a proxy asks for it."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from .network import Place, place_of
from .proxy_tunnel import BASIC, TunnelRefusedError, open_tunnel, qt_knows, schemes_asked_for

_TUNNEL_TIMEOUT_S = 20  # a proxy may have to ask somebody else who signs in


class TrustingAdapter(HTTPAdapter):
    """Verifies against the authorities of one context, and against nothing else.

    No HTTP proxy sees the password of its URL before it has said by what it wants somebody to sign in.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._alone = threading.Lock()
        # What is known of the proxies that want somebody to sign in.
        self._by_qt: dict[Place, _TunnelledPools] = {}
        self._by_basic: set[Place] = set()
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        place = place_of(proxy)
        if place in self._by_qt:
            return self._by_qt[place]
        # By SOCKS the proxy says by what to sign in before anybody does.
        named = place in self._by_basic or not proxy.lower().startswith("http")
        return super().proxy_manager_for(proxy if named else _nameless(proxy), **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # requests would add its own bundle of authorities here; the context already says whom to trust.
        conn.cert_reqs = "CERT_REQUIRED"

    def signs_in(self, proxy: str) -> bool:
        """Whether requests by way of ``proxy`` sign in to it by now."""
        place = place_of(proxy)
        return place in self._by_basic or place in self._by_qt

    def sign_in(self, proxy: str, host: str, port: int) -> bool:
        """After a refusal (407) of a request without a name: whether those by way of ``proxy`` sign in from now on.

        By Basic only where it offers nothing better that Qt can do. Raises ``TunnelRefusedError`` where it offers
        nothing that anybody here can do. It takes as long as the proxy's answer: call it in a thread.
        """
        place = place_of(proxy)
        if self.signs_in(proxy):
            return True  # another request has seen to it meanwhile
        schemes = schemes_asked_for(proxy, host, port)
        known_by_qt, known_by_all = qt_knows(schemes), BASIC in map(str.lower, schemes)
        nobody = "@" not in proxy
        if not known_by_qt and not known_by_all and (schemes or not nobody):
            raise TunnelRefusedError("proxy-scheme", schemes)
        with self._alone:
            if known_by_qt and place not in self._by_qt:
                self._by_qt[place] = _TunnelledPools(proxy, schemes, self._context)
            elif not known_by_qt and not nobody:
                self._by_basic.add(place)
        return self.signs_in(proxy)

    def forget(self, proxy: str) -> None:
        """``proxy`` refuses the password: the next request asks it anew, without one."""
        with self._alone:
            self._by_basic.discard(place_of(proxy))


def _nameless(proxy: str) -> str:
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


class _TunnelledPools(PoolManager):
    """Connections that are direct ones for urllib3, over sockets that lead through the proxy."""

    def __init__(self, proxy: str, schemes: tuple[str, ...], context: ssl.SSLContext) -> None:
        class Connection(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                # urllib3 keeps the name as it is to be looked up here, which the proxy does instead.
                found = open_tunnel(proxy, self.host.rstrip("."), self.port or 443, schemes, _TUNNEL_TIMEOUT_S)
                found.settimeout(self.timeout if isinstance(self.timeout, (int, float)) else None)
                return found

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        super().__init__(ssl_context=context)
        self.pool_classes_by_scheme = {"https": Pool}
