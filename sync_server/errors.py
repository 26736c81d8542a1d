"""Trouble that a person at the command line can act on."""

from __future__ import annotations

import errno
from pathlib import Path


class SafeStatsError(Exception):
    """One sentence: what is wrong, where, what to do. The command line prints it and ends with status 1."""


def is_disk_full(error: BaseException) -> bool:
    """Whether it came of a disk without room, as the system, SQLite or GDAL tell it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "disk is full" in str(error)


def disk_full_sentence(folder: Path) -> str:
    """What to do about it."""
    return f"The disk of {folder} is full, and nothing was changed. Free some space there, then try again."
