"""Tells a supplier what a load would make of files. Nothing of them is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..audit.log import EventType
from ..errors import SafeStatsError
from ..identity.supplies import Supplier, refuse_others
from ..ingest.source import SourceFile
from ..problems import Problem
from ..screening.check import CheckReport, check
from ..services import Services
from .receiving import Sent, kept_names
from .wording import to_the_supplier


def check_files(services: Services, supplier: Supplier, dataset: str, site: str, files: Sequence[Sent]) -> CheckReport:
    """What a load of the files would tell; raises ``Problem`` 404 for what is not the supplier's own, 422 for names,
    429 where enough checks go on.
    """
    refuse_others(services, supplier, dataset, site)
    try:
        names = kept_names([file.name for file in files])
    except SafeStatsError as error:
        raise Problem(422, "unfit-file", "The file cannot be taken", str(error)) from error
    with services.check_turns.turn():
        sources = [
            SourceFile.of(Path(name), file.stream.read(), number)
            for number, (name, file) in enumerate(zip(names, files, strict=True), start=1)
        ]
        report = check(services, dataset, sources, site, supplier.organisation or None)
    report.refusal = to_the_supplier(report.refusal)
    services.audit.record(
        EventType.SUPPLY_CHECKED,
        actor=supplier.actor,
        organisation=supplier.organisation,
        dataset=dataset,
        filter={"site": site, "taken": report.taken},
        session=supplier.session_id,
    )
    return report
