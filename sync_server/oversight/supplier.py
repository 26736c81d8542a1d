"""What became of one supplier's data: who used them, for what, how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from ..services import Services
from .periods import month_of
from .publishing_times import Publication, publications
from .report import Basis, Names, basis_of, is_synthetic, period_events, refusals_by_reason
from .usage import Usage, is_use, usage_by, usage_of


@dataclass(frozen=True)
class SupplierUse:
    """The use of a supplier's ``datasets`` in ``months``."""

    supplier: str
    datasets: tuple[str, ...]
    months: tuple[str, ...]
    basis: Basis
    synthetic: bool
    total: Usage
    by_month: Mapping[str, Usage]
    by_dataset: Mapping[str, Usage]
    by_organisation: Mapping[str, Usage]
    purposes_of: Mapping[str, tuple[str, ...]]  # of an organisation
    by_purpose: Mapping[str, Usage]
    refusals: Mapping[str, int]
    publications: Sequence[Publication]
    names: Names


def supplier_use(services: Services, supplier: str, months: Sequence[str]) -> SupplierUse:
    """The report on a supplier, told by its name or by the code of a dataset of its.

    Raises ``SafeStatsError`` where there is no such supplier, ``AuditUnavailable`` where the audit cannot be read.
    """
    name, datasets = _datasets_of(services.definitions, supplier)
    everything = [event for dataset in datasets for event in period_events(services.audit, months, dataset)]
    events = [event for event in sorted(everything, key=lambda event: event.number) if is_use(event)]
    by_month = usage_by(events, lambda event: month_of(event.body["at"]))
    purposes: dict[str, set[str]] = {}
    for event in events:
        if event.body["purpose"]:
            purposes.setdefault(event.body["organisation"], set()).add(event.body["purpose"])
    with services.database.read() as session:
        return SupplierUse(
            supplier=name,
            datasets=datasets,
            months=tuple(sorted(months)),
            basis=basis_of(services.audit, events),
            synthetic=is_synthetic(session, datasets),
            total=usage_of(events),
            by_month={month: by_month.get(month, usage_of([])) for month in sorted(months)},
            by_dataset=usage_by(events, lambda event: event.body["dataset"]),
            by_organisation=usage_by(events, lambda event: event.body["organisation"]),
            purposes_of={code: tuple(sorted(found)) for code, found in purposes.items()},
            by_purpose=usage_by(events, lambda event: event.body["purpose"]),
            refusals=refusals_by_reason(events),
            publications=[one for one in publications(services.audit, months) if one.dataset in datasets],
            names=Names.read(session, services.definitions, services.purposes),
        )


def _datasets_of(definitions: Mapping[str, DatasetDefinition], supplier: str) -> tuple[str, tuple[str, ...]]:
    wanted = definitions[supplier].supplier if supplier in definitions else supplier
    found = tuple(code for code, definition in definitions.items() if definition.supplier == wanted)
    if not found:
        known = ", ".join(sorted({f"{d.supplier} ({code})" for code, d in definitions.items()}))
        raise SafeStatsError(f"There is no supplier “{supplier}”: the suppliers are {known}.")
    return wanted, found
