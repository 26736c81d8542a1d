"""The plugin's zip that the server hands out, and what its ``metadata.txt`` says of it."""

from __future__ import annotations

import zipfile
from configparser import ConfigParser
from configparser import Error as MalformedMetadata
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from ..errors import SafeStatsError

_LARGEST_METADATA = 100_000
_FOLDER = "safestats"
# QGIS's name of a member of its list → ours in metadata.txt, for those that are text.
_TOLD = {
    "description": "description",
    "about": "about",
    "qgis_minimum_version": "qgisMinimumVersion",
    "qgis_maximum_version": "qgisMaximumVersion",
    "homepage": "homepage",
    "tracker": "tracker",
    "repository": "repository",
    "author_name": "author",
    "author_email": "email",
    "category": "category",
    "tags": "tags",
    "changelog": "changelog",
    "experimental": "experimental",
    "deprecated": "deprecated",
    "server": "server",
}


class NoPlugin(SafeStatsError):  # noqa: N818 - it is a fact, not a fault
    """There is no zip, or it is none of the plugin."""


@dataclass(frozen=True)
class PluginPackage:
    """A zip of the plugin: its version, when it was put there, and the fields of its ``metadata.txt``."""

    path: Path
    version: str
    placed_at: datetime
    fields: dict[str, str]

    @property
    def file_name(self) -> str:
        """What it is called when it is fetched. QGIS takes what stands before the first dot for the plugin's folder."""
        return f"{_FOLDER}.{self.version}.zip"


def read_package(path: Path) -> PluginPackage:
    """The package at ``path``; raises ``NoPlugin``. It is read again once the file has changed."""
    try:
        found = path.stat()
    except OSError as error:
        raise NoPlugin(f"There is no plugin at {path}: copy safestats.zip there.") from error
    return _read(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, changed_ns: int, _size: int) -> PluginPackage:
    try:
        with zipfile.ZipFile(path) as package:
            entry = package.getinfo(f"{_FOLDER}/metadata.txt")
            if entry.file_size > _LARGEST_METADATA:
                raise NoPlugin(f"{path} is no zip of the plugin: its metadata.txt is far too long.")
            text = package.read(entry).decode("utf-8")
        metadata = ConfigParser(interpolation=None)
        metadata.optionxform = str  # type: ignore[assignment,method-assign]
        metadata.read_string(text)
        fields = dict(metadata["general"])
        version = fields["version"]
        name = fields["name"]
    except (OSError, zipfile.BadZipFile, KeyError, UnicodeDecodeError, MalformedMetadata) as error:
        raise NoPlugin(f"{path} is no zip of the plugin ({error}): build it with “make package”.") from error
    if name != "SafeStats" or not all(part.isalnum() for part in version.split(".")):
        raise NoPlugin(f"{path} is the zip of another plugin, or of no version ({name} {version}).")
    return PluginPackage(path, version, datetime.fromtimestamp(changed_ns / 1e9, UTC), fields)


def repository_list(package: PluginPackage, address: str) -> bytes:
    """The list of plugins that QGIS reads (XML), with the one of ``package``; ``address`` is the server's."""
    root = ElementTree.Element("plugins")
    plugin = ElementTree.SubElement(
        root, "pyqgis_plugin", name=package.fields["name"], version=package.version, plugin_id=_FOLDER
    )

    def tell(name: str, text: str) -> None:
        ElementTree.SubElement(plugin, name).text = text

    for name, ours in _TOLD.items():
        if ours in package.fields:
            tell(name, package.fields[ours])
    placed = package.placed_at.isoformat(timespec="seconds")
    tell("version", package.version)
    tell("file_name", package.file_name)
    tell("download_url", f"{address}/plugins/{package.file_name}")
    tell("create_date", placed)
    tell("update_date", placed)
    tell("trusted", "True")
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
