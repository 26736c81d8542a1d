"""An analyst's desk as the benchmarks need it: signed in by the plugin's own code, and once past it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from ...qgis_plugin.core.desk_session import DeskSession
from ...qgis_plugin.core.network import QgisNetwork
from ...qgis_plugin.core.transport import Cancel, Transport, never

PURPOSE = "needs-assessment"
_VERSION = "0.1.0"


@dataclass(frozen=True)
class Account:
    """Who signs in, and where."""

    url: str
    user: str
    password: str

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> Account:
        """As told by the benchmark's command line."""
        return cls(arguments["url"], arguments["user"], arguments["password"])

    def sign_in(self, transport: Transport) -> Transport:
        """The transport, with a session whose conditions are accepted."""
        session = DeskSession(transport)
        session.sign_in(self.user, self.password)
        session.accept(PURPOSE)
        return transport

    def transport(self) -> Transport:
        """A transport to the server, signed in."""
        return self.sign_in(Transport(self.url, QgisNetwork(), _VERSION))

    def transport_without_whole_layers(self) -> Transport:
        """The same to a server that has not made its whole-layer files yet: every manifest lacks its snapshot."""
        return self.sign_in(_MonthsOnly(self.url, QgisNetwork(), _VERSION))

    def bare_headers(self) -> dict[str, str]:
        """What a request past the plugin's code has to carry: the token of a session of its own."""
        credentials = {"username": self.user, "password": self.password}
        pending = requests.post(f"{self.url}/v1/session", json=credentials, timeout=60).json()
        accepted = {
            "conditions_version": pending["conditions"]["version"],
            "conditions_sha256": pending["conditions"]["sha256"],
            "purpose": PURPOSE,
        }
        headers = {"Authorization": f"Bearer {pending['token']}"}
        answer = requests.post(f"{self.url}/v1/session/accept", json=accepted, headers=headers, timeout=60)
        return {"Authorization": f"Bearer {answer.json()['token']}"}


class _MonthsOnly(Transport):
    def get_json(self, path: str, cancelled: Cancel = never) -> dict[str, Any]:
        document = super().get_json(path, cancelled=cancelled)
        if path.endswith("/manifest"):
            document["snapshot"] = None
        return document
