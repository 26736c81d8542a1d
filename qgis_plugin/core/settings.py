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
        """The server's address: the last one used, else the first that IT has set for all."""
        return self._text("server") or self.servers[0]

    @server.setter
    def server(self, address: str) -> None:
        self._settings.setValue(f"{_SECTION}/server", address)

    @property
    def servers(self) -> list[str]:
        """The addresses to choose from, the last one used first; those that IT has set for all are among them."""
        return self._known_servers() or [DEFAULT_SERVER]

    def remember(self, server: str, username: str) -> None:
        """Somebody has signed in there: both are offered first the next time."""
        self._settings.setValue(f"{_SECTION}/servers", list(dict.fromkeys((server, *self._known_servers()))))
        self._settings.setValue(f"{_SECTION}/usernames", json.dumps({**self._mapping("usernames"), server: username}))
        self.server, self.username = server, username

    def forget_server(self, server: str) -> None:
        """Offer ``server`` no more; its local copies stay until they lapse."""
        self._settings.setValue(f"{_SECTION}/servers", [one for one in self._known_servers() if one != server])
        usernames = {name: user for name, user in self._mapping("usernames").items() if name != server}
        self._settings.setValue(f"{_SECTION}/usernames", json.dumps(usernames))
        if self._text("server") == server:
            self.server = next((one for one in self._known_servers() if one != server), "")

    def username_at(self, server: str) -> str:
        """Who last signed in at ``server``; empty where nobody has."""
        return str(self._mapping("usernames").get(server, self.username if server == self.server else ""))

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

    @property
    def premises_list(self) -> Path | None:
        """The list of premises (CSV) in which QGIS's locator bar looks; ``None`` where none was chosen."""
        chosen = self._text("premises_list")
        return Path(chosen) if chosen else None

    @premises_list.setter
    def premises_list(self, path: Path | None) -> None:
        self._settings.setValue(f"{_SECTION}/premises_list", str(path) if path else "")

    def organisation(self, server: str) -> str:
        """The code of the organisation by which somebody last signed in at ``server``; empty where nobody has."""
        return str(self._mapping("organisations").get(server, ""))

    def remember_organisation(self, server: str, code: str) -> None:
        """Keep the code for the next sign-in at ``server``."""
        codes = {**self._mapping("organisations"), server: code}
        self._settings.setValue(f"{_SECTION}/organisations", json.dumps(codes))

    @property
    def local_root(self) -> Path:
        """The folder of local copies: the environment's, the profile's, or one that does not roam."""
        chosen = os.environ.get(LOCAL_ROOT_VARIABLE) or self._text("local_root")
        if chosen:
            return Path(chosen)
        return self.default_local_root

    @property
    def chosen_local_root(self) -> str:
        """The folder that was chosen in the profile; empty for the usual one."""
        return self._text("local_root")

    @chosen_local_root.setter
    def chosen_local_root(self, folder: str) -> None:
        self._settings.setValue(f"{_SECTION}/local_root", folder)

    @property
    def default_local_root(self) -> Path:
        """The folder of local copies where none was chosen."""
        # On Windows this is AppData/Local, which does not roam.
        location = QStandardPaths.StandardLocation.GenericDataLocation
        return Path(QStandardPaths.writableLocation(location)) / "SafeStats"

    def _known_servers(self) -> list[str]:
        named = self._settings.value(f"{_SECTION}/servers", [])
        named = [named] if isinstance(named, str) else list(named or [])
        found = (address.strip() for address in (self._text("server"), *named))
        return list(dict.fromkeys(address for address in found if address))

    def _mapping(self, name: str) -> dict[str, str]:
        """What is kept for each server under ``name``."""
        try:
            found = json.loads(self._text(name) or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _text(self, name: str) -> str:
        return str(self._settings.value(f"{_SECTION}/{name}", "", type=str))
