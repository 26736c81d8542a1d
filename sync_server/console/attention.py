"""The work of the month, as far as it is somebody's: what is missing, waits, failed or was refused. Counts only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition
from ..geocoding.review import count_waiting
from ..identity import supplies
from ..identity.permissions import Permission
from ..instants import now
from ..oversight.periods import month_in_words
from ..publishing.jobs import failed_loads
from ..publishing.releases import staged_releases
from ..quality.register import Standing, due_day, earlier, last_period, last_whole_month, read_register
from ..supplies import receipts
from .choices import title_of
from .site import day
from .visits import Visit, with_query

_RECENT = timedelta(days=7)


@dataclass(frozen=True)
class Attention:
    """Something to look at: a word for how urgent it is, a sentence, and where."""

    word: str
    kind: str
    sentence: str
    address: str


def team_work(visit: Visit, session: Session, today: date) -> Iterator[Attention]:
    """What those who look after the releases have to do."""
    if visit.may(Permission.REVIEW_PLACES):
        texts, rows = count_waiting(session)
        if texts:
            sentence = f"{_counted(texts, 'description')} of places {_verb(texts, 'waits', 'wait')} for a decision."
            yield Attention("Places", "warn", sentence, "/console/places")
        if rows:
            sentence = f"{_counted(rows, 'row')} {_verb(rows, 'was', 'were')} decided on, to be placed anew."
            yield Attention("Places", "warn", sentence, "/console/places")
    if visit.may(Permission.SEE_QUALITY):
        yield from _missing_returns(visit, session, today)
    if visit.may(Permission.SEE_RELEASES):
        for release in staged_releases(session):
            sentence = f"{title_of(visit, release.dataset)}: release {release.number} is staged and not published."
            yield Attention("Staged", "warn", sentence, f"/console/releases/{release.dataset}")
    if visit.may(Permission.MANAGE_RELEASES):
        yield from _failed_loads(visit, session)
    if visit.may(Permission.SEE_SUPPLIES):
        for dataset, number in receipts.refused_since(session, now() - _RECENT):
            supplies_ = _counted(number, "supply", "supplies")
            sentence = f"{title_of(visit, dataset)}: {supplies_} refused in the last 7 days."
            yield Attention("Refused", "bad", sentence, "/console/supplies")


def supplier_work(visit: Visit, session: Session, today: date) -> Iterator[Attention]:
    """What a supplier's person has to send, or to send again."""
    supplier = supplies.of_subject(visit.who)
    definitions = visit.services.definitions
    for dataset in dict.fromkeys(dataset for dataset, _ in supplier.sites if dataset in definitions):
        definition = definitions[dataset]
        due = _newest_due(definition, today)
        if due is None:
            continue
        months = list(dict.fromkeys((due, last_period(definition, last_whole_month(today)))))
        register = read_register(visit.services, session, definition, _through(*months), today)
        known = {site.code for site in register.sites}
        for site in (site for own, site in supplier.sites if own == dataset and site in known):
            name = f"{title_of(visit, dataset)}, site {site}" if site else title_of(visit, dataset)
            for one in (register.at(site, month) for month in months):
                what = f"{name}: the return of {month_in_words(one.month)}"
                if one.standing == Standing.MISSING:
                    yield Attention("Missing", "bad", f"{what} was due on {day(one.due)}.", "/console/supplies")
                elif one.standing == Standing.AWAITED:
                    yield Attention("Due", "warn", f"{what} is due by {day(one.due)}.", "/console/supplies")
    for dataset, number in receipts.refused_since(session, now() - _RECENT, supplier):
        sent = _counted(number, "supply", "supplies")
        sentence = f"{title_of(visit, dataset)}: {sent} of yours refused in the last 7 days: see why."
        yield Attention("Refused", "bad", sentence, "/console/supplies")


def _missing_returns(visit: Visit, session: Session, today: date) -> Iterator[Attention]:
    for dataset, definition in visit.services.definitions.items():
        month = _newest_due(definition, today)
        if month is None:
            continue
        register = read_register(visit.services, session, definition, [month], today)
        missing = register.counted(month, Standing.MISSING)
        if missing:
            returns = _counted(missing, "return")
            sentence = (
                f"{title_of(visit, dataset)}: {returns} of {month_in_words(month)} missing, "
                f"due on {day(due_day(definition, month))}."
            )
            yield Attention("Missing", "bad", sentence, with_query("/console/quality", {"dataset": dataset}))


def _failed_loads(visit: Visit, session: Session) -> Iterator[Attention]:
    for dataset, number, newest in failed_loads(session, now() - _RECENT):
        sentence = f"{title_of(visit, dataset)}: {_counted(number, 'upload')} failed in the last 7 days."
        yield Attention("Failed", "bad", sentence, f"/console/uploads/{newest}" if number == 1 else "/console/uploads")


def _newest_due(definition: DatasetDefinition, today: date) -> str | None:
    """The newest month whose return is past its due day; ``None`` where nothing says when it is due."""
    month = last_period(definition, last_whole_month(today))
    while (due := due_day(definition, month)) is not None:
        if due < today:
            return month
        month = earlier(month, definition.due_every)
    return None


def _through(first: str, last: str = "") -> list[str]:
    """Every month from the first to the last."""
    months = [last or first]
    while months[0] > first:
        months.insert(0, earlier(months[0], 1))
    return months


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _verb(number: int, one: str, several: str) -> str:
    return one if number == 1 else several
