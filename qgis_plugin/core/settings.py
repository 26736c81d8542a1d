"""What the desk remembers between sessions: never a password, never a token."""

from __future__ import annotations

import json
import os
from pathlib import Path

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QStandardPaths

_SECTION = "safestats"
LOCAL_ROOT_VARIABLE = "SAFESTATS_LOCAL_ROOT"
DEFAULT_SERVER = "http://127.0.0.1:8520"


class DeskSettings:
    """Server address, last user name and the folder of local copies, kept in the user's QGIS profile."""

    def __init__(self, settings: QgsSettings) -> None:
        self._settings = settings

    @property
    def server(self) -> str:
        """The server's address."""
        return self._text("server") or DEFAULT_SERVER

    @server.setter
    def server(self, address: str) -> None:
        self._settings.setValue(f"{_SECTION}/server", address)

    @property
    def docks_arranged(self) -> bool:
        """Whether the docks have been put in their places once."""
        return bool(self._settings.value(f"{_SECTION}/docks_arranged", False, type=bool))

    @docks_arranged.setter
    def docks_arranged(self, arranged: bool) -> None:
        self._settings.setValue(f"{_SECTION}/docks_arranged", arranged)

    @property
    def username(self) -> str:
        """Who signed in last; empty where nobody has."""
        return self._text("username")

    @username.setter
    def username(self, username: str) -> None:
        self._settings.setValue(f"{_SECTION}/username", username)

    def organisation(self, server: str) -> str:
        """The code of the organisation by which somebody last signed in at ``server``; empty where nobody has."""
        return str(self._organisations().get(server, ""))

    def remember_organisation(self, server: str, code: str) -> None:
        """Keep the code for the next sign-in at ``server``."""
        self._settings.setValue(f"{_SECTION}/organisations", json.dumps({**self._organisations(), server: code}))

    @property
    def local_root(self) -> Path:
        """The folder of local copies: the environment's, the profile's, or one that does not roam."""
        chosen = os.environ.get(LOCAL_ROOT_VARIABLE) or self._text("local_root")
        if chosen:
            return Path(chosen)
        # On Windows this is AppData/Local, which does not roam.
        location = QStandardPaths.StandardLocation.GenericDataLocation
        return Path(QStandardPaths.writableLocation(location)) / "SafeStats"

    def _organisations(self) -> dict[str, str]:
        try:
            found = json.loads(self._text("organisations") or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _text(self, name: str) -> str:
        return str(self._settings.value(f"{_SECTION}/{name}", "", type=str))
