"""Where a request comes from, as far as limits are concerned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

UNKNOWN = "unknown"
_IPV6_PREFIX = 64  # one customer's line: its owner has 2^64 addresses to try from


def client_network(peer: str, forwarded: Sequence[str], proxies: Iterable[IPv4Network | IPv6Network]) -> str:
    """The IPv4 address, or the /64 of the IPv6 address, of the client.

    ``forwarded`` are the values of X-Forwarded-For; they are believed as far as trusted proxies wrote them: the
    nearest address that is no proxy is the client's, whatever it claims to speak for.
    """
    trusted = tuple(proxies)
    hops = [part.strip() for value in forwarded for part in value.split(",")] + [peer]
    for index in range(len(hops) - 1, -1, -1):
        network = _network(hops[index])
        if network == UNKNOWN:
            # What a proxy could not name is counted as the proxy's.
            return _network(hops[index + 1]) if index + 1 < len(hops) else UNKNOWN
        address = ip_address(hops[index])
        address = getattr(address, "ipv4_mapped", None) or address
        if index == 0 or not any(address in proxy for proxy in trusted):
            return network
    return UNKNOWN


def _network(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)
