"""Lock files that a dead process leaves nobody shut out of."""

from __future__ import annotations

import time

from qgis.PyQt.QtCore import QLockFile

_TAKEN_S = 0.1


def try_lock(lock: QLockFile) -> bool:
    """Take the lock unless a process that lives holds it, however long.

    A holder that was killed before it had written out who it is would be respected by Qt for ever. But whoever lives
    also holds the file itself, by the system's own lock, and then it cannot be removed.
    """
    lock.setStaleLockTime(0)  # work under it may take long; it is stale only when its process is gone
    if lock.tryLock(0):
        return True
    if lock.error() != QLockFile.LockError.LockFailedError:
        return False
    time.sleep(_TAKEN_S)  # between making the file and holding it there is a moment
    lock.removeStaleLockFile()
    return lock.tryLock(0)
