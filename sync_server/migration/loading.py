"""Loads the files of a plan, batch by batch, each batch as one delivery; a file with trouble is set aside.

A batch that cannot be taken is taken file by file, so that the rest of it is loaded. Whether a run was broken off or
not, and however large the batches are, the same rows stand in the end: a load is all or nothing, and the same file
again changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from ..datasets.definitions import DefinitionError
from ..errors import SafeStatsError
from ..ingest.models import Delivery
from ..ingest.report import DeliveryReport
from ..ingest.service import load
from ..problems import Problem
from ..progress import ReportsProgress
from ..services import Services
from .files import BYTES_A_MB, PlanFile, batches, files_of
from .ledger import Ledger, Taken
from .models import StepKind, StepState
from .pace import Pace
from .plan import LoadSection, Plan

Tells = Callable[[str], None]
# The server's own trouble, not a file's: it ends the run, and what is done stays done.
_OUR_OWN = (OperationalError, InterfaceError, OSError, Problem, DefinitionError, MemoryError)


@dataclass
class LoadTotals:
    """What the loads of a run came to."""

    batches: int = 0
    files: int = 0
    rows: int = 0
    set_aside: list[str] = field(default_factory=list)
    known: int = 0  # files that were loaded before


@dataclass(frozen=True)
class Waiting:
    """A section's files in their ``order``; those to be loaded, how many are already, those that cannot be read."""

    order: list[PlanFile]
    files: list[Taken]
    known: int
    unreadable: list[tuple[PlanFile, str]]


def waiting_in(plan: Plan, section: LoadSection, ledger: Ledger, progress: ReportsProgress) -> Waiting:
    """Look at every file of a section: what it holds, not what it is called, tells whether it was loaded."""
    loaded = ledger.loaded()
    order = files_of(plan, section)
    waiting: list[Taken] = []
    unreadable: list[tuple[PlanFile, str]] = []
    step = f"Looking at files of {section.dataset} ({section.number})"
    for number, file in enumerate(order):
        progress(step, number, len(order))
        try:
            digest = file.digest()
        except SafeStatsError as error:
            unreadable.append((file, str(error)))
            continue
        if loaded.get((file.dataset, file.site, file.name)) != digest:
            waiting.append(Taken(file, digest))
    progress(step, len(order), len(order))
    return Waiting(order, waiting, len(order) - len(waiting) - len(unreadable), unreadable)


class Loader:
    """Loads sections of a plan; ``totals`` grows."""

    def __init__(
        self, services: Services, actor: str, plan: Plan, ledger: Ledger, tell: Tells, progress: ReportsProgress
    ) -> None:
        self.totals = LoadTotals()
        self._services = services
        self._actor = actor
        self._plan = plan
        self._ledger = ledger
        self._tell = tell
        self._progress = progress
        self._loaded = ledger.loaded()
        self._waiting = {section.number: self._look(section) for section in plan.loads}
        self._pace = Pace(sum(taken.file.unpacked for found in self._waiting.values() for taken in found.files))

    def run(self, section: LoadSection) -> None:
        """Load what the section's files bring that is not here yet."""
        digests = {taken.file: taken.sha256 for taken in self._waiting[section.number].files}
        for batch in batches(digests, self._plan.batch_mb):
            taken = [Taken(file, digests[file]) for file in batch]
            if not self._take(section, taken) and len(taken) > 1:
                self._tell(f"{_label(taken)}: taken file by file, for one of them cannot be taken.")
                for one in taken:
                    self._take(section, [one])

    def _look(self, section: LoadSection) -> Waiting:
        found = waiting_in(self._plan, section, self._ledger, self._progress)
        self.totals.known += found.known
        for file, sentence in found.unreadable:
            self._set_aside(Taken(file, ""), sentence, 0.0)
        return found

    def _take(self, section: LoadSection, batch: list[Taken]) -> bool:
        """Load the files as one delivery; whether they could be taken. One alone that cannot is set aside."""
        began = time.monotonic()
        size = sum(taken.file.unpacked for taken in batch)
        late = self._after_others(section, batch)

        def write_down(session: Session, report: DeliveryReport) -> None:
            kept, seconds = _kept(report, section), time.monotonic() - began
            told = " ".join(filter(None, (_sentence(report), late)))
            self._ledger.record_in(session, StepKind.LOAD, _label(batch), StepState.DONE, told, kept, seconds, batch)

        written = False

        def recorded(session: Session, delivery_id: int) -> None:
            # With the rows or not at all: a run that is killed at any moment is taken up without a batch twice.
            nonlocal written
            written = True
            write_down(session, DeliveryReport.of_json(session.get_one(Delivery, delivery_id).report))

        try:
            report = load(
                self._services,
                section.dataset,
                [taken.file.path for taken in batch],
                self._progress,
                section.synthetic,
                section.accept_withdrawals,
                site=batch[0].file.site,
                actor=self._actor,
                organisation=section.organisation,
                recorded=recorded,
            )
        except _OUR_OWN:
            raise
        except Exception as error:
            # What is no sentence may hold a value of the file: only its kind is told.
            told = str(error) if isinstance(error, SafeStatsError) else _unforeseen(batch, error)
            if len(batch) == 1:
                self._set_aside(batch[0], told, time.monotonic() - began)
                self._pace.add(size, 0)
            return False
        if not written:
            # No delivery was kept: an empty file, or one that came in another way before.
            with self._services.database.write() as session:
                write_down(session, report)
        self._pace.add(size, report.rows_in)
        self.totals.batches += 1
        self.totals.files += len(batch)
        self.totals.rows += report.rows_in
        rate = report.rows_in / max(time.monotonic() - began, 1e-9)
        told = " ".join(filter(None, (_sentence(report), late)))
        self._tell(f"{_label(batch)}: {told} {rate:,.0f} rows a second. [{self._pace.sentence()}]")
        return True

    def _set_aside(self, taken: Taken, sentence: str, seconds: float) -> None:
        self._ledger.record(
            StepKind.LOAD, _label([taken]), StepState.SET_ASIDE, sentence, seconds=seconds, files=[taken]
        )
        self.totals.set_aside.append(f"{_label([taken])}: {sentence}")
        self._tell(f"{_label([taken])}: SET ASIDE. {sentence}")

    def _after_others(self, section: LoadSection, batch: list[Taken]) -> str:
        """A word where files that come later in the plan's order were loaded in an earlier run."""
        order = self._waiting[section.number].order
        later = order[order.index(batch[-1].file) + 1 :]
        known = sum((file.dataset, file.site, file.name) in self._loaded for file in later)
        if not known:
            return ""
        return (
            f"It came after {known} file(s) that follow it in the plan: of an incident that both tell of, this one "
            "holds."
        )


def _label(batch: list[Taken]) -> str:
    first, last = batch[0].file, batch[-1].file
    of = f"{first.dataset}/{first.site}" if first.site else first.dataset
    return f"{of}: {first.name}" + (f" … {last.name} ({len(batch)} files)" if len(batch) > 1 else "")


def _unforeseen(batch: list[Taken], error: Exception) -> str:
    return (
        f"{batch[0].file.name} could not be read ({type(error).__name__}): export it anew from the former portal, or "
        "look at it with “safestats check”."
    )


def _sentence(report: DeliveryReport) -> str:
    months = f"{report.months[0]} to {report.months[-1]}, " if report.months else ""
    parts = [f"{months}{report.rows_in:,} rows: {report.accepted:,} accepted"]
    counts = {
        "rejected": report.rejected.total(),
        "duplicates": report.duplicates,
        "left": report.left.total(),
        "withdrawn for good": report.withdrawn_for_good,
    }
    parts += [f"{number:,} {what}" for what, number in counts.items() if number]
    if report.withdrawn:
        parts.append(f"{report.withdrawn:,} that were held withdrawn")
    return ", ".join(parts) + "."


def _kept(report: DeliveryReport, section: LoadSection) -> dict[str, object]:
    """What is kept of the receipt; the delivery has the whole."""
    names = ("months", "accepted", "rejected", "duplicates", "left", "dropped", "blanked", "areas", "rows_in", "notes")
    whole = report.to_json()
    return {"dataset": section.dataset, "section": section.number, **{name: whole[name] for name in names}}


def size_in_words(files: list[PlanFile]) -> str:
    """How much the files hold."""
    return f"{sum(file.unpacked for file in files) / BYTES_A_MB:,.1f} MB"
