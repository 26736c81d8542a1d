"""What QGIS knows of the machine's network: proxies, by its options or the system's, and trusted authorities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

from qgis.core import QgsApplication, QgsNetworkAccessManager, QgsSettings
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtNetwork import QNetworkProxy, QNetworkProxyFactory, QNetworkProxyQuery

DIRECT = ""  # the way without a proxy
_HTTP_PORT = 80
_SCHEMES = {
    QNetworkProxy.ProxyType.HttpProxy: "http",
    QNetworkProxy.ProxyType.HttpCachingProxy: "http",
    QNetworkProxy.ProxyType.Socks5Proxy: "socks5h",
}

Place = tuple[str, int]
_Login = tuple[str, str]


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
        logins = _logins(fallback, by_system)

        def find() -> tuple[str, ...]:
            for factory in factories:
                proxies = factory.queryProxy(query)
                if proxies:
                    return _ways(proxies, logins)
            if excluded:
                return (DIRECT,)
            if by_system:
                return _ways(QNetworkProxyFactory.systemProxyForQuery(query), logins)
            return _ways([fallback], logins)

        return ProxySearch(find, by_system or bool(factories))

    def trusted_authorities(self) -> str:
        """The authorities that QGIS trusts: the system's and those added in its authentication options."""
        manager = QgsApplication.authManager()
        if manager.isDisabled():
            return ""
        return bytes(manager.trustedCaCertsPemText()).decode("ascii", "replace")


def place_of(address: str) -> Place:
    """Host and port in a proxy's URL, or in “proxy.example.org:8080”; no host where it is none."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        return (parts.hostname or "").lower(), parts.port or _HTTP_PORT
    except ValueError:
        return "", 0


def _logins(options: QNetworkProxy, by_system: bool) -> dict[Place, _Login]:
    """User names and passwords on the network page of QGIS's options, by the proxies that they were entered for.

    Where the system says which proxy to take, anybody may have said it who is heard on the line (WPAD). So there QGIS's
    own proxy does not count, which is whatever the system named first, but what was entered.
    """
    settings, manager = QgsSettings(), QgsApplication.authManager()
    chosen = "" if manager.isDisabled() else str(settings.value("proxy/authcfg", "") or "")
    entered = options
    if by_system:
        texts = [str(settings.value(f"proxy/proxy{name}", "") or "") for name in ("Host", "User", "Password", "Port")]
        port = int(texts[3]) if texts[3].isdecimal() else 0
        entered = QNetworkProxy(QNetworkProxy.ProxyType.HttpProxy, texts[0], port, texts[1], texts[2])
        if chosen:
            done, signed = manager.updateNetworkProxy(entered, chosen)
            entered = signed if done else entered
    places = {(entered.hostName().lower(), entered.port())}
    if chosen:
        configuration = manager.availableAuthMethodConfigs().get(chosen)
        places.add(place_of(configuration.uri() if configuration else ""))
    return {place: (entered.user(), entered.password()) for place in places if place[0] and entered.user()}


def _ways(proxies: Iterable[QNetworkProxy], logins: Mapping[Place, _Login]) -> tuple[str, ...]:
    """URLs of the proxies that can be used; those that come without a user name get what was entered for them."""
    ways: list[str] = []
    for proxy in proxies:
        host, port = proxy.hostName(), proxy.port()
        if proxy.type() in _SCHEMES and host:
            nobody = ("", "")
            login = (proxy.user(), proxy.password()) if proxy.user() else logins.get((host.lower(), port), nobody)
            user, password = (quote(text, safe="") for text in login)
            secret = f"{user}:{password}@" if user else ""
            ways.append(f"{_SCHEMES[proxy.type()]}://{secret}{f'[{host}]' if ':' in host else host}:{port}")
        else:
            ways.append(DIRECT)
            break  # what would come after the direct way is not tried
    return tuple(ways) or (DIRECT,)
