"""The organisation's house style and base map: asked of the server at sign-in, kept for the time without it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...shared.manifest import Artefact
from ...shared.pictures import clean_png
from .base_source import FILE_NAME, BaseSource, service, zoomstack_file
from .download import Download
from .errors import LocalCopyTrouble
from .needed import needed
from .replacing import put_in_place, write_in_place
from .transport import Cancel, Transport, never

_FOLDER = "house-style"
_MOST_LOGO_BYTES = 500_000


@dataclass(frozen=True)
class HouseRules:
    """What the server tells: empty texts stand for the plugin's own. ``logo_words`` stand for a logo that is missing.

    ``logo_told``: there is a logo, whether or not it could be kept here. ``base_map`` may be fetched.
    """

    organisation: str = ""
    colour: str = ""
    font: str = ""
    logo: Path | None = None
    logo_told: bool = False
    logo_words: str = ""
    service: BaseSource | None = None
    base_map: Artefact | None = None
    base_map_title: str = ""


class HouseStyles:
    """What is kept of the house style of each account, in a folder beside the local copies."""

    def __init__(self, root: Path) -> None:
        self._folder = root / _FOLDER

    @property
    def base_map_path(self) -> Path:
        """Where the base map is kept, for all accounts: it is open data."""
        return self._folder / FILE_NAME

    def ask(self, transport: Transport, account: str, cancelled: Cancel = never) -> HouseRules:
        """Ask the server and keep its answer; for a task. An answer that cannot be kept is still the answer."""
        told = transport.get_json("/v1/house-style", cancelled=cancelled)
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._keep(self._folder / f"{account}.png", _logo_of(told))
            self._keep(self._folder / f"{account}.json", json.dumps({**told, "logo": bool(told.get("logo"))}).encode())
        return self._rules(told, account)

    def kept(self, account: str) -> HouseRules:
        """What the server last told; nothing where it never did."""
        try:
            told = json.loads((self._folder / f"{account}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return HouseRules()
        return self._rules(told, account)

    def fetch_base_map(
        self, transport: Transport, rules: HouseRules, progress: Callable[[int], None], cancelled: Cancel = never
    ) -> BaseSource:
        """The base map that the server offers, put in its place in one step; for a task. Raises ``DeskError``."""
        announced, target = needed(rules.base_map, "base map"), self.base_map_path
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = target.with_name(f"{announced.sha256[:16]}.part")
            part.touch(mode=0o600)
            Download(transport, "/v1/base-map", announced, lambda _bytes: None, progress, cancelled).fetch(part)
            put_in_place(part, target)
        except OSError as error:
            raise LocalCopyTrouble(
                f"The base map cannot be kept in {target.parent} ({error.strerror or error}). Make room or give "
                "yourself access there, then try again.",
                "base-map-unwritable",
            ) from error
        found = zoomstack_file(target)
        if found is None:
            raise LocalCopyTrouble("What the server sent is no base map. Tell the SafeStats team.", "base-map-wrong")
        return found

    @staticmethod
    def _keep(path: Path, content: bytes) -> None:
        write_in_place(path, content)

    def _rules(self, told: dict[str, Any], account: str) -> HouseRules:
        logo = self._folder / f"{account}.png"
        has_logo = bool(told.get("logo"))
        offered = told.get("base_map") or {}
        own = told.get("map_service") or {}
        try:
            base_map = Artefact(FILE_NAME, int(offered["size"]), str(offered["sha256"]), tuple(offered["chunks"]))
        except (KeyError, TypeError, ValueError):
            base_map = None
        names = ("address", "layer", "matrix_set", "format", "attribution")
        parts = [str(own.get(name, "")) for name in names]
        organisation = str(told.get("organisation", ""))
        return HouseRules(
            organisation=organisation,
            colour=str(told.get("colour", "")),
            font=str(told.get("font", "")),
            logo=logo if has_logo and logo.is_file() and logo.stat().st_size else None,
            logo_told=has_logo,
            logo_words=str(told.get("logo_words", "")) or organisation,
            service=service(*parts[:4], f"Map service of {organisation}", parts[4]) if parts[0] else None,
            base_map=base_map,
            base_map_title=str(offered.get("title", "")),
        )


def _logo_of(told: dict[str, Any]) -> bytes:
    """The logo, or nothing where it is none that can be drawn."""
    try:
        content = b64decode(str(told.get("logo", "")), validate=True)
        return clean_png(content) if 0 < len(content) <= _MOST_LOGO_BYTES else b""
    except ValueError:
        return b""
