"""Writes that wait for their turn without holding anybody up, themselves included."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ..database import Database, is_busy

_PATIENCE_MS = 400
_PAUSE_SECONDS = 0.1

Result = TypeVar("Result")


def in_a_write(
    database: Database, work: Callable[[Session], Result], between: Callable[[], None], dataset: str = ""
) -> Result:
    """What ``work`` returns in a write of its own (of the dataset), committed; waits for a load as long as it takes.

    ``between`` is called while waiting; what it raises ends the wait.
    """
    while True:
        between()
        begun = False
        try:
            with database.write(_PATIENCE_MS, dataset=dataset) as session:
                session.connection()
                begun = True
                return work(session)
        except OperationalError as error:
            if begun or not is_busy(error):
                raise
        time.sleep(_PAUSE_SECONDS)
