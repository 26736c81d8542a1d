"""How old a plugin may be that speaks to this server: an older one is told so in a sentence, with what to do.

Every request of the plugin names its version (``X-SafeStats-Client: qgis/0.1.0``). Other programs name none and are
held to the version of the interface alone.
"""

from __future__ import annotations

import re

from fastapi import Request

from ..problems import Problem

OLDEST_CLIENT = "0.1.0"
# Whoever is too old may still ask what the server is, to say so in its own words.
_OPEN_TO_ALL = frozenset({"/v1/about", "/v1/health"})
_NAMED = re.compile(r"qgis/(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")


async def require_client_of_age(request: Request) -> None:
    """Raises ``Problem`` 426 for a plugin that is older than ``OLDEST_CLIENT``."""
    named = _NAMED.match(request.headers.get("x-safestats-client", ""))
    if named is None or request.url.path in _OPEN_TO_ALL:
        return
    version = ".".join(part or "0" for part in named.groups())
    if _parts(version) < _parts(OLDEST_CLIENT):
        raise Problem(
            426,
            "client-too-old",
            "The plugin is too old",
            f"Your SafeStats plugin is version {version} and this server needs {OLDEST_CLIENT} or newer: update it in "
            "QGIS under Plugins → Manage and Install Plugins → Upgradeable, or ask your IT department.",
            oldest_client=OLDEST_CLIENT,
        )


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
