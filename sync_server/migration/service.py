"""Follows a plan: organisations, people, terms, agreements, files, release. What is done is not done again."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from ..audit.log import EventType
from ..errors import SafeStatsError
from ..identity.models import Organisation
from ..identity.organisations import Entry
from ..progress import ReportsProgress, silent
from ..services import Services
from .agreements import PaperAgreement, move_agreements, move_terms, read_agreements
from .agreements_ahead import troubles_ahead
from .files import batches, mistakes_in
from .ledger import Ledger
from .loading import Loader, Tells, size_in_words, waiting_in
from .models import StepKind
from .old_counts import read_old_counts
from .organisations import digest_of, move_organisations, read_organisations
from .people import PeopleTotals, Person, invite_people, move_people, read_people
from .plan import Plan, PlanError, Publishing
from .publication import publish_loaded

_LOCK = "migrate.lock"


@dataclass(frozen=True)
class Lists:
    """What the lists of a plan hold, checked."""

    organisations: list[Entry]
    people: list[Person]
    agreements: list[PaperAgreement]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: ``set_aside`` counts what is to be looked at; run again it is tried again."""

    set_aside: int
    rows: int
    files: int


class StoppedError(BaseException):
    """Somebody stopped the run: no file's trouble, so nothing that sets files aside catches it."""


def check(services: Services, plan: Plan) -> Lists:
    """The plan's lists; raises ``PlanError`` with every mistake in them and in the plan, before anything is done."""
    mistakes: list[str] = []
    for section in plan.loads:
        where = f"{plan.path.name}, [[load]] number {section.number}"
        definition = services.definitions.get(section.dataset)
        if definition is None:
            known = ", ".join(sorted(services.definitions))
            mistakes.append(f"{where}, “dataset”: there is no dataset “{section.dataset}”; there are: {known}.")
    mistakes += mistakes_in(plan)
    with services.database.read() as session:
        codes = set(session.scalars(select(Organisation.code)))
    organisations = read_organisations(services, plan.organisations, mistakes) if plan.organisations else []
    codes |= {entry.code for entry in organisations}
    for section in plan.loads:
        if section.organisation is not None and section.organisation not in codes:
            mistakes.append(
                f"{plan.path.name}, [[load]] number {section.number}, “organisation”: there is no organisation "
                f"“{section.organisation}”."
            )
    people = read_people(services, plan, codes, mistakes)
    agreements = read_agreements(services, plan.agreements, codes, mistakes)
    if plan.comparison is not None:
        read_old_counts(services, plan.comparison, mistakes)
    if mistakes:
        raise PlanError(mistakes)
    return Lists(organisations, people, agreements)


def dry_run(services: Services, plan: Plan, tell: Tells, progress: ReportsProgress = silent) -> int:
    """Check the plan and tell what a run would do; nothing is changed. How much would be set aside, as far as can be
    told without reading rows. Raises ``PlanError``, ``SafeStatsError``."""
    lists = check(services, plan)
    ledger = Ledger(services.database, plan.name)
    done = ledger.done(StepKind.ORGANISATION)
    waiting = sum(done.get(entry.code) != digest_of(entry) for entry in lists.organisations)
    tell(f"Organisations: {waiting} of {len(lists.organisations)} to be taken over.")
    tell(f"People: {len(lists.people)} in the list; who has no account yet gets one, without an invitation.")
    drafted = ledger.done(StepKind.AGREEMENT)
    new = [one for one in lists.agreements if drafted.get(one.reference) != one.digest]
    unsigned = sum(not one.signatures for one in new)
    tell(
        f"Agreements: {len(new)} of {len(lists.agreements)} to be drafted, {unsigned} of them without a signature; "
        + ("signed ones come into force." if plan.activate else "none comes into force by this.")
    )
    ahead = troubles_ahead(services, plan.terms, lists.organisations, new)
    for line in ahead:
        tell(f"  {line}")
    set_aside = len(ahead)
    total = 0
    for section in plan.loads:
        found = waiting_in(plan, section, ledger, progress)
        files = [taken.file for taken in found.files]
        parts = list(batches(files, plan.batch_mb))
        total += len(files)
        tell(
            f"{section.dataset} ([[load]] number {section.number}): {len(files)} files, {size_in_words(files)} "
            f"unpacked, in {len(parts)} batch(es); {found.known} are loaded already."
        )
        for batch in parts:
            tell(f"  {batch[0].name}" + (f" … {batch[-1].name} ({len(batch)} files)" if len(batch) > 1 else ""))
        for _file, sentence in found.unreadable:
            tell(f"  {sentence}")
        set_aside += len(found.unreadable)
    when = {
        Publishing.END: "Each dataset is published once, at the end.",
        Publishing.SECTIONS: "Each dataset is published after each of its [[load]] sections.",
        Publishing.NO: "Nothing is published.",
    }
    tell(f"{total} files in all. {when[plan.publish]} This was a dry run: nothing was changed.")
    return set_aside


def run(
    services: Services,
    actor: str,
    plan: Plan,
    tell: Tells,
    progress: ReportsProgress = silent,
    interrupted: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Do what of the plan is not done. Raises ``PlanError`` before anything is done, where the plan is wrong.

    Once ``interrupted`` says so it raises ``StoppedError``: the batch at hand leaves nothing, the rest is kept.
    """
    lists = check(services, plan)
    ledger = Ledger(services.database, plan.name)
    with _alone(services.settings.data_dir):
        services.audit.record(EventType.MIGRATION_RUN, actor=actor, filter={"plan": plan.name, "sha256": plan.sha256})
        set_aside = _move_rights(services, actor, plan, ledger, lists, tell)
        loader = Loader(services, actor, plan, ledger, tell, _stopping(progress, interrupted))
        for section in plan.loads:
            loader.run(section)
            if plan.publish == Publishing.SECTIONS:
                set_aside += publish_loaded(services, actor, ledger, [section.dataset], tell, progress, interrupted)
        if plan.publish == Publishing.END:
            set_aside += publish_loaded(services, actor, ledger, plan.datasets, tell, progress, interrupted)
        if interrupted():
            raise StoppedError
    totals = loader.totals
    tell(
        f"{totals.files} files with {totals.rows:,} rows were loaded in {totals.batches} batch(es), {totals.known} "
        f"files were loaded before, {len(totals.set_aside)} were set aside."
    )
    return Outcome(set_aside + len(totals.set_aside), totals.rows, totals.files)


def invite(services: Services, actor: str, plan: Plan, tell: Tells, organisation: str | None = None) -> PeopleTotals:
    """Mail the invitations of the plan's people that were not mailed yet, of one organisation or of all."""
    mistakes: list[str] = []
    with services.database.read() as session:
        codes = set(session.scalars(select(Organisation.code)))
    if organisation is not None and organisation not in codes:
        mistakes.append(f"There is no organisation “{organisation}”: see “safestats org list”.")
    people = read_people(services, plan, codes, mistakes)
    if mistakes:
        raise PlanError(mistakes)
    with _alone(services.settings.data_dir):
        return invite_people(services, actor, Ledger(services.database, plan.name), people, tell, organisation)


def _move_rights(services: Services, actor: str, plan: Plan, ledger: Ledger, lists: Lists, tell: Tells) -> int:
    """Organisations, people, terms and agreements; how many were set aside."""
    if lists.organisations:
        now, before = move_organisations(services, actor, ledger, lists.organisations, tell)
        tell(f"Organisations: {now} taken over, {before} were before.")
    set_aside = 0
    if lists.people:
        people = move_people(services, actor, ledger, lists.people, tell)
        set_aside += people.set_aside
        tell(
            f"People: {people.added} accounts made, {people.known} were here, {people.set_aside} set aside. Nobody was "
            "mailed: “safestats migrate invite” does it."
        )
    ledger.try_again(StepKind.TERMS)
    set_aside += move_terms(services, actor, ledger, plan.terms, tell)
    if lists.agreements:
        moved = move_agreements(services, actor, ledger, lists.agreements, plan.activate, tell)
        set_aside += moved.set_aside
        tell(
            f"Agreements: {moved.in_force} in force, {moved.signed} signed, {moved.drafted} drafted, {moved.ended} had "
            f"ended, {moved.known} were here, {moved.set_aside} set aside."
        )
    return set_aside


def _stopping(progress: ReportsProgress, interrupted: Callable[[], bool]) -> ReportsProgress:
    """The progress, which breaks off what is being done once it was interrupted."""

    def report(step: str, done: int, total: int) -> None:
        progress(step, done, total)
        if interrupted():
            raise StoppedError

    return report


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only one that moves something into the server; raises ``SafeStatsError`` where another is."""
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SafeStatsError(
                "Another “safestats migrate” is at work on this server: wait until it is through."
            ) from error
        yield
