"""Whether a folder may hold incidents: on this computer's own disk, and for its user alone."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from qgis.PyQt.QtCore import QStorageInfo

from .errors import LocalCopyTrouble

_REMOTE_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb",
    "smb2",
    "smb3",
    "smbfs",
    "afpfs",
    "webdav",
    "davfs",
    "fuse.sshfs",
}
_CLOUD_FOLDERS = re.compile(
    r"^(onedrive\b.*|dropbox\b.*|google ?drive|my drive|icloud ?drive|nextcloud|owncloud|box sync)$", re.I
)


def refuse_remote(root: Path) -> None:
    """Raise ``LocalCopyTrouble`` where ``root`` is on a network drive or in a folder that a cloud copies."""
    cloud = next((part for part in root.parts if _CLOUD_FOLDERS.match(part)), "")
    existing = next(path for path in (root, *root.parents) if path.exists())
    file_system = bytes(QStorageInfo(str(existing)).fileSystemType()).decode("ascii", "replace").lower()
    if cloud or file_system in _REMOTE_FILE_SYSTEMS or str(root).startswith("\\\\"):
        raise LocalCopyTrouble(
            f"Local copies may not be kept in {root}, which is "
            f"{'copied to a cloud' if cloud else 'on a network drive'}. Set the folder of local copies "
            "(safestats/local_root in QGIS's advanced settings) to one on this machine.",
            "unsafe-folder",
        )


def is_private(folder: Path) -> bool:
    """Whether the folder is a real one, this user's, and nobody else may write in it."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return False
    # Windows has neither owners as numbers nor these bits; a profile's folder there is its user's.
    return os.name == "nt" or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
