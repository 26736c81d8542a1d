"""Old counts against new, by dataset, month and borough, and how much of a difference the loads explain.

Rows are counted by ``ingest.comparison``, which gives numbers and nothing else, staged rows with the published ones.
What a load did not take is what its delivery says of the month. A difference is

- *explained* where the former portal counted what the load rejected, or took for a duplicate, and no more is missing;
- *beyond* where more is missing than that and the tolerance, or where more is here than the former portal had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from ..ingest.comparison import counts_by_place
from ..ingest.models import Delivery
from ..ingest.report import DeliveryReport
from ..publishing.models import Release
from ..services import Services
from .old_counts import NOWHERE, WHOLE, read_old_counts
from .plan import Comparison, NotTaken, Plan, PlanError


class Verdict(StrEnum):
    """What is to be said of a difference."""

    SAME = "the same"
    WITHIN = "within tolerance"
    EXPLAINED = "explained"
    BEYOND = "beyond tolerance"
    MISSING = "month missing"


PASSED = (Verdict.SAME, Verdict.WITHIN, Verdict.EXPLAINED)


@dataclass(frozen=True)
class LeftOut:
    """Rows that loads did not take, of a month or of a dataset."""

    rejected: int = 0
    duplicates: int = 0
    left: int = 0
    withdrawn_for_good: int = 0

    def __add__(self, other: LeftOut) -> LeftOut:
        return LeftOut(
            self.rejected + other.rejected,
            self.duplicates + other.duplicates,
            self.left + other.left,
            self.withdrawn_for_good + other.withdrawn_for_good,
        )

    def counted(self, kinds: Iterable[NotTaken]) -> int:
        """Those that the former portal counted; what was withdrawn for good it may have counted in any case."""
        return self.withdrawn_for_good + sum(int(getattr(self, kind)) for kind in kinds)


@dataclass(frozen=True)
class MonthCompared:
    """A dataset's month. ``unexplained`` rows are missing (or too many) when what was left out is taken off."""

    dataset: str
    month: str
    old: int
    new: int
    left_out: LeftOut
    unexplained: int
    verdict: Verdict

    @property
    def difference(self) -> int:
        """New less old."""
        return self.new - self.old


@dataclass(frozen=True)
class PlaceCompared:
    """A borough (by code; “unplaced”, “outside”) of a month."""

    dataset: str
    month: str
    place: str
    name: str
    old: int
    new: int
    verdict: Verdict

    @property
    def difference(self) -> int:
        """New less old."""
        return self.new - self.old


@dataclass(frozen=True)
class Compared:
    """All of it: by dataset and month, and, where the former portal counted so, by borough."""

    plan: str
    comparison: Comparison
    months: list[MonthCompared]
    places: list[PlaceCompared]
    dropped: dict[str, dict[str, int]]  # values that were not kept, by dataset and what they were
    synthetic: bool

    @property
    def beyond(self) -> list[MonthCompared | PlaceCompared]:
        """What is neither the same, nor within the tolerance, nor explained."""
        months = [month for month in self.months if month.verdict not in PASSED]
        return [*months, *(place for place in self.places if place.verdict not in PASSED)]

    @property
    def missing(self) -> list[MonthCompared]:
        """Months that the former portal had and of which nothing is here."""
        return [month for month in self.months if month.verdict == Verdict.MISSING]


def compare(services: Services, actor: str, plan: Plan) -> Compared:
    """Compare what is held with the plan's old counts; audited, for it counts rows of all organisations' boroughs.

    Raises ``PlanError`` where the counts cannot be read, ``SafeStatsError`` where the plan names none.
    """
    comparison = plan.comparison
    if comparison is None:
        raise SafeStatsError(f"{plan.path.name} names no old counts: add [compare] with “old_counts”.")
    mistakes: list[str] = []
    old = read_old_counts(services, comparison, mistakes)
    if mistakes:
        raise PlanError(mistakes)
    datasets = sorted({dataset for dataset, _, _ in old} | set(plan.datasets))
    services.audit.record(EventType.MIGRATION_COMPARED, actor=actor, filter={"plan": plan.name, "datasets": datasets})
    months: list[MonthCompared] = []
    places: list[PlaceCompared] = []
    dropped: dict[str, dict[str, int]] = {}
    synthetic = False
    with services.database.read() as session:
        for dataset in datasets:
            theirs = {(month, place): count for (code, month, place), count in old.items() if code == dataset}
            deliveries = _deliveries(session, dataset)
            span = _span(comparison, theirs, deliveries)
            left_out = _left_out(deliveries)
            ours = _held(session, services.definitions[dataset], span, deliveries, "outside" in _places(theirs))
            for month in _months(theirs, ours, span):
                whole, parts = _month(
                    services, comparison, dataset, month, theirs, ours, left_out.get(month, LeftOut())
                )
                months.append(whole)
                places += parts
            dropped[dataset] = _dropped(deliveries)
            synthetic = synthetic or any(delivery.synthetic for delivery in deliveries)
    return Compared(plan.name, comparison, months, places, dropped, synthetic)


def _month(
    services: Services,
    comparison: Comparison,
    dataset: str,
    month: str,
    theirs: Mapping[tuple[str, str], int],
    ours: Mapping[tuple[str, str], int],
    left_out: LeftOut,
) -> tuple[MonthCompared, list[PlaceCompared]]:
    theirs_here = {place: count for (one, place), count in theirs.items() if one == month}
    ours_here = {place: count for (one, place), count in ours.items() if one == month}
    old, new = sum(theirs_here.values()), sum(ours_here.values())
    explained = left_out.counted(comparison.counted)
    unexplained = max(0, old - new - explained) if new <= old else new - old
    if old and not new:
        verdict = Verdict.MISSING
    else:
        verdict = _verdict(comparison, old, new, unexplained)
    whole = MonthCompared(dataset, month, old, new, left_out, unexplained, verdict)
    if WHOLE in theirs_here or not theirs_here or verdict == Verdict.MISSING:
        return whole, []
    parts = []
    for place in sorted({*theirs_here, *ours_here}):
        was, now = theirs_here.get(place, 0), ours_here.get(place, 0)
        # Where a row that was not taken lies is not known: it may have been in any one of them.
        rest = max(0, was - now - explained) if now <= was else now - was
        name = services.areas.boroughs.get(place, place)
        parts.append(PlaceCompared(dataset, month, place, name, was, now, _verdict(comparison, was, now, rest)))
    return whole, parts


def _verdict(comparison: Comparison, old: int, new: int, unexplained: int) -> Verdict:
    allowed = max(comparison.tolerance_rows, comparison.tolerance_percent * old / 100)
    if old == new:
        return Verdict.SAME
    if abs(new - old) <= allowed:
        return Verdict.WITHIN
    return Verdict.EXPLAINED if unexplained <= allowed else Verdict.BEYOND


def _deliveries(session: Session, dataset: str) -> Sequence[Delivery]:
    return session.scalars(select(Delivery).where(Delivery.dataset == dataset).order_by(Delivery.delivery_id)).all()


def _span(
    comparison: Comparison, theirs: Mapping[tuple[str, str], int], deliveries: Sequence[Delivery]
) -> tuple[str, str]:
    """The first and the last month that are compared."""
    told = [month for month, _ in theirs] or [
        m for one in deliveries for m in DeliveryReport.of_json(one.report).months
    ]
    return comparison.first or min(told, default=""), comparison.last or max(told, default="")


def _held(
    session: Session,
    definition: DatasetDefinition,
    span: tuple[str, str],
    deliveries: Sequence[Delivery],
    outside_apart: bool,
) -> dict[tuple[str, str], int]:
    """(month, place) → rows that are held, staged ones with the others.

    What lies outside counts as unplaced where the former portal did not tell the two apart.
    """
    newest = session.scalar(select(func.max(Release.number)).where(Release.dataset == definition.code)) or 0
    held: dict[tuple[str, str], int] = {}
    if not deliveries or not newest:
        return held
    for month, place, _, count in counts_by_place(session, definition, _between(*span), 0, newest):
        known = NOWHERE[0] if place in NOWHERE and not (outside_apart and place == "outside") else place
        held[month, known] = held.get((month, known), 0) + count
    return held


def _left_out(deliveries: Sequence[Delivery]) -> dict[str, LeftOut]:
    """What loads did not take, by month: as the newest delivery of each site's month says, or all that add to it.

    Rows that tell no month count with the newest month of their file, rows of others with that of their delivery.
    """
    found: dict[tuple[str, str], LeftOut] = {}
    for delivery in deliveries:
        report = DeliveryReport.of_json(delivery.report)
        returns = report.quality.get("returns", [])
        newest = max((str(one["month"]) for one in returns), default="")
        others = LeftOut(left=report.left.total(), withdrawn_for_good=report.withdrawn_for_good)
        for one in returns:
            key = (str(one["site"]), str(one["month"]))
            here = LeftOut(sum(one["rejected"].values()), one["duplicates"])
            if key[1] == newest:
                here, others = here + others, LeftOut()
            found[key] = found.get(key, LeftOut()) + here if one["addition"] else here
    months: dict[str, LeftOut] = {}
    for (_site, month), here in found.items():
        months[month] = months.get(month, LeftOut()) + here
    return months


def _dropped(deliveries: Sequence[Delivery]) -> dict[str, int]:
    total: dict[str, int] = {}
    for delivery in deliveries:
        for what, number in DeliveryReport.of_json(delivery.report).dropped.items():
            total[what] = total.get(what, 0) + number
    return {what: number for what, number in total.items() if number}


def _places(counts: Mapping[tuple[str, str], int]) -> set[str]:
    return {place for _, place in counts}


def _months(
    theirs: Mapping[tuple[str, str], int], ours: Mapping[tuple[str, str], int], span: tuple[str, str]
) -> list[str]:
    """The months that either has, in their order."""
    return sorted({month for month, _ in (*theirs, *ours) if span[0] <= month <= span[1]})


def _between(first: str, last: str) -> list[str]:
    """Every month from the one to the other, both included."""
    if not first or not last:
        return []
    begin, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [f"{index // 12:04d}-{index % 12 + 1:02d}" for index in range(begin, end + 1)]
