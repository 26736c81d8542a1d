"""The server's folder, its keys, its disk, and how it is reached."""

from __future__ import annotations

import ipaddress
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ..datasets.definitions import DefinitionError, read_definitions
from ..keys import Keys, KeysError
from ..publishing.worker_lock import worker_lives
from ..settings import Settings
from .findings import Finding, fail, ok, warn

_LITTLE_BYTES = 5 << 30
_LEAST_BYTES = 500 << 20


def look_at_folder(settings: Settings) -> Iterator[Finding]:
    """The folder, what is in it, and who else may read it."""
    folder = settings.data_dir
    if not folder.is_dir():
        yield fail("folder", f"{folder} is not there", "run “safestats init”, or name the folder in SAFESTATS_DATA_DIR")
        return
    yield from _private(folder, "folder", f"chmod 700 {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        yield fail("folder", f"{folder} cannot be written to", "run this as the user who runs the server")
    yield from _keys(settings.keys_path)
    artefacts = settings.artefacts_dir
    if not artefacts.exists():
        yield ok("published files", f"{artefacts} will be made with the first release")
    elif not os.access(artefacts, os.R_OK | os.W_OK | os.X_OK):
        yield fail(
            "published files", f"{artefacts} cannot be written to", f"chown it to the server's user: {artefacts}"
        )
    else:
        yield from _private(artefacts, "published files", f"chmod 700 {artefacts}")


def _keys(path: Path) -> Iterator[Finding]:
    if not path.is_file():
        yield fail("keys", f"{path} is missing", "restore it from its backup: other keys would make every incident new")
        return
    try:
        Keys.open(path)
    except (KeysError, OSError) as error:
        yield fail("keys", f"{path} cannot be used ({error})", "restore it from its backup")
        return
    yield from _private(path, "keys", f"chmod 600 {path}")


def _private(path: Path, subject: str, advice: str) -> Iterator[Finding]:
    status = path.stat()
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield fail(subject, f"others than its owner have rights on {path} ({stat.filemode(status.st_mode)})", advice)
    elif status.st_uid != os.geteuid():
        yield warn(subject, f"{path} belongs to another user", "run “safestats” and “serve” as one system user")
    else:
        yield ok(subject, f"{path} is its owner's alone")


def look_at_disk(settings: Settings) -> Iterator[Finding]:
    """Room for what is loaded and published."""
    folder = next(
        (path for path in (settings.data_dir, *settings.data_dir.resolve().parents) if path.is_dir()), Path("/")
    )
    free = shutil.disk_usage(folder).free
    told = f"{free / (1 << 30):,.1f} GB free for {settings.data_dir}"
    if free < _LEAST_BYTES:
        yield fail("disk", told, "free some space: a server that cannot write its audit gives out nothing")
    elif free < _LITTLE_BYTES:
        yield warn("disk", told, "free some space before the next delivery: a release is built beside the old one")
    else:
        yield ok("disk", told)


def look_at_definitions(settings: Settings) -> Iterator[Finding]:
    """What the datasets are declared to be."""
    try:
        definitions = read_definitions(settings.resources_dir / "datasets")
    except (DefinitionError, OSError) as error:
        yield fail("datasets", str(error), "put the definition right, or set SAFESTATS_RESOURCES_DIR")
        return
    if definitions:
        yield ok("datasets", f"{len(definitions)} are declared: {', '.join(definitions)}")
    else:
        yield fail("datasets", f"{settings.resources_dir} declares none", "set SAFESTATS_RESOURCES_DIR")


def look_at_serving(settings: Settings) -> Iterator[Finding]:
    """Who can reach it, and whether somebody publishes."""
    try:
        loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        loopback = settings.host == "localhost"
    if loopback:
        yield ok("address", f"{settings.host}, port {settings.port}: this machine only")
    else:
        yield warn(
            "address",
            f"{settings.host}, port {settings.port}: other machines too",
            "give “safestats serve” a --certificate and its --key, or put a proxy with TLS before it: "
            "the plugin refuses plain http",
        )
    if settings.data_dir.is_dir() and worker_lives(settings.data_dir):
        yield ok("worker", "a publishing worker lives")
    else:
        yield warn("worker", "no publishing worker lives", "run “safestats serve” or “safestats worker”")
