"""Marks beside the local copies that a QGIS shows, so that another QGIS does not delete them under it."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path

from qgis.PyQt.QtCore import QLockFile

from .lock_files import try_lock
from .replacing import delete

MARK_SUFFIX = ".shown"


class InUse:
    """The marks of one desk. A mark is a lock file with the process's number: it counts while the process lives."""

    def __init__(self) -> None:
        self._own = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._marks: dict[Path, QLockFile] = {}
        self._alone = threading.Lock()

    def show(self, paths: set[Path]) -> None:
        """Mark exactly ``paths``: new ones are marked, the others freed. It writes files, so call it in a thread."""
        with self._alone:
            for path in set(self._marks) - paths:
                self._marks.pop(path).unlock()
            for path in paths - set(self._marks):
                mark = QLockFile(str(path.with_name(f"{path.name}.{self._own}{MARK_SUFFIX}")))
                if path.parent.is_dir() and try_lock(mark):
                    self._marks[path] = mark


def is_in_use(path: Path) -> bool:
    """Whether a process that lives has marked ``path``. What dead processes left is cleared away."""
    shown = False
    for file in path.parent.glob(f"{path.name}.*{MARK_SUFFIX}"):
        mark = QLockFile(str(file))
        if try_lock(mark):
            mark.unlock()
            delete(file)
        else:
            shown = True
    return shown
