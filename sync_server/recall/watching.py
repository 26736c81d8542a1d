"""What is seen to without anybody asking: recalls that were broken off or that a restored database does not heed,
and what has become too old."""

from __future__ import annotations

import logging

from sqlalchemy.exc import OperationalError

from ..audit.events import WORKER
from ..errors import SafeStatsError
from ..progress import ReportsProgress, silent
from ..services import Services
from . import service

logger = logging.getLogger(__name__)


def see_to_recalls(services: Services, progress: ReportsProgress = silent) -> None:
    """Finish recalls and take out what is too old. What cannot be done now is logged, and tried the next time."""
    try:
        with services.database.read() as session:
            waiting = service.open_recalls(services, session)
        if waiting:
            service.again(services, progress)
        for dataset in services.definitions:
            service.retain(services, dataset, progress, WORKER)
    except (SafeStatsError, OperationalError, OSError) as error:
        logger.error("A recall waits: %s", error)
