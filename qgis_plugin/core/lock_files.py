"""Lock files that a dead process leaves nobody shut out of."""

from __future__ import annotations

import time

from qgis.PyQt.QtCore import QLockFile

_WRITTEN_S = 0.1


def try_lock(lock: QLockFile) -> bool:
    """Take the lock unless a process that lives holds it, however long.

    A holder that was killed before it could write into the file who it is would be respected by Qt for ever.
    """
    lock.setStaleLockTime(0)  # work under it may take long; it is stale only when its process is gone
    if lock.tryLock(0):
        return True
    if lock.error() != QLockFile.LockError.LockFailedError or lock.getLockInfo()[0]:
        return False
    time.sleep(_WRITTEN_S)  # the holder may live, and be about to write it
    return not lock.getLockInfo()[0] and lock.removeStaleLockFile() and lock.tryLock(0)
