"""What QGIS knows of the machine's network: proxies, by its options or the system's, and trusted authorities."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from qgis.core import QgsApplication, QgsNetworkAccessManager
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtNetwork import QNetworkProxy, QNetworkProxyFactory, QNetworkProxyQuery

DIRECT = ""  # the way without a proxy
_SCHEMES = {
    QNetworkProxy.ProxyType.HttpProxy: "http",
    QNetworkProxy.ProxyType.HttpCachingProxy: "http",
    QNetworkProxy.ProxyType.Socks5Proxy: "socks5h",
}


@dataclass(frozen=True)
class ProxySearch:
    """``find()`` gives the proxies' URLs for an address, the best first; ``DIRECT`` stands for none.

    Where ``by_system`` is true, the computer's own settings are asked. These may have to fetch a configuration file
    (PAC) from the network first, so ``find`` may take long: call it in a thread.
    """

    find: Callable[[], tuple[str, ...]]
    by_system: bool = False


class Network(Protocol):
    """What the machine's network asks of a connection."""

    def proxy_search(self, url: str) -> ProxySearch:
        """How to find the proxies for ``url``. Asked on the GUI thread."""

    def trusted_authorities(self) -> str:
        """The trusted certificate authorities as PEM; empty for the system's own."""


class QgisNetwork:
    """Proxies and authorities as set in QGIS's options. Asked on the GUI thread, where QGIS keeps them."""

    def proxy_search(self, url: str) -> ProxySearch:
        """The proxies that QGIS would use for ``url``: those of its options, or the system's where these say so."""
        manager, query = QgsNetworkAccessManager.instance(), QNetworkProxyQuery(QUrl(url))
        fallback = manager.fallbackProxy()
        # What another plugin or an organisation's start-up script has put before QGIS's own settings.
        factories = manager.proxyFactories()
        excluded = any(one.strip() and url.startswith(one) for one in (*manager.excludeList(), *manager.noProxyList()))
        by_system = manager.useSystemProxy()

        def find() -> tuple[str, ...]:
            for factory in factories:
                proxies = factory.queryProxy(query)
                if proxies:
                    return _ways(proxies, fallback)
            if excluded:
                return (DIRECT,)
            if by_system:
                return _ways(QNetworkProxyFactory.systemProxyForQuery(query), fallback)
            return _ways([fallback], fallback)

        return ProxySearch(find, by_system or bool(factories))

    def trusted_authorities(self) -> str:
        """The authorities that QGIS trusts: the system's and those added in its authentication options."""
        manager = QgsApplication.authManager()
        if manager.isDisabled():
            return ""
        return bytes(manager.trustedCaCertsPemText()).decode("ascii", "replace")


def _ways(proxies: Iterable[QNetworkProxy], options: QNetworkProxy) -> tuple[str, ...]:
    """URLs of the proxies that can be used; those that come without a user name get that of QGIS's options."""
    ways: list[str] = []
    for proxy in proxies:
        if proxy.type() in _SCHEMES and proxy.hostName():
            signed = proxy if proxy.user() else options
            user = quote(signed.user(), safe="")
            secret = f"{user}:{quote(signed.password(), safe='')}@" if user else ""
            ways.append(f"{_SCHEMES[proxy.type()]}://{secret}{proxy.hostName()}:{proxy.port()}")
        else:
            ways.append(DIRECT)
            break  # what would come after the direct way is not tried
    return tuple(ways) or (DIRECT,)
