"""Publishes what a plan has loaded: once, not month by month.

A release is the whole of a dataset. Publishing writes a file for each month and set of rights, and one of the whole
layer for each set of rights: 132 releases for 132 months would write the whole layer 132 times, the last of them 132
months long, and keep 132 lists of months. Nobody looks at a half-moved catalogue meanwhile; and while nothing is
published, a corrected file replaces rows instead of adding versions of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ..errors import SafeStatsError
from ..progress import ReportsProgress
from ..publishing.jobs import Jobs, refuse_failed
from ..publishing.models import JobKind, ReleaseState
from ..publishing.releases import newest_release
from ..services import Services
from .ledger import Ledger
from .loading import Tells
from .models import StepKind, StepState


def publish_loaded(
    services: Services,
    actor: str,
    ledger: Ledger,
    datasets: Iterable[str],
    tell: Tells,
    progress: ReportsProgress,
    interrupted: Callable[[], bool] = lambda: False,
) -> int:
    """Publish those of the datasets of which something is staged; how many could not be."""
    from ..publishing.worker import see_through  # Arrow and GDAL, for which a dry run need not wait

    failed = 0
    for dataset in datasets:
        with services.database.read() as session:
            if newest_release(session, dataset, ReleaseState.STAGED) is None:
                continue
        began = time.monotonic()
        number, joined = Jobs(services.database).join(dataset, JobKind.PUBLISH, actor)
        state = StepState.DONE
        try:
            job = see_through(services, number, progress, interrupted, joined=joined)
            refuse_failed(job)
            message = job.message
        except SafeStatsError as error:
            failed, state, message = failed + 1, StepState.SET_ASIDE, str(error)
        ledger.record(StepKind.PUBLISH, dataset, state, message, seconds=time.monotonic() - began)
        tell(message)
    return failed
