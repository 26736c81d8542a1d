"""The register of what was expected: which site owed which month, and what came. What is missing is never a zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, func, not_, select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition
from ..geocoding.hospitals import hospitals_file, read_hospitals
from ..ingest.models import Delivery
from ..publishing.taken_back import taken_back, waiting
from ..services import Services
from .measuring import Part, ReturnMeasure
from .models import MeasuredReturn
from .rating import Rating, rate
from .standards import Level, Standards


class Standing(StrEnum):
    """What became of a site's month."""

    RECEIVED = "received"
    ZERO = "zero"  # the site said that there was nothing
    MISSING = "missing"  # it is past its due day, and nothing came
    AWAITED = "awaited"  # it is not due yet
    TAKEN_BACK = "taken-back"  # it came, and a rollback took it back
    UNPUBLISHED = "unpublished"  # it came and is staged: in a register of what is visible alone
    NOT_EXPECTED = "not-expected"


CAME = (Standing.RECEIVED, Standing.ZERO)
ABSENT = (Standing.MISSING, Standing.AWAITED, Standing.TAKEN_BACK, Standing.UNPUBLISHED)


@dataclass(frozen=True)
class Site:
    """Who delivers; ``code`` is "" where the supplier has no sites. ``since`` and ``until`` bound its part in it."""

    code: str
    name: str
    since: str = ""  # months
    until: str = ""

    def takes_part(self, month: str) -> bool:
        """Whether its return of the month is expected at all."""
        return self.since <= month and (not self.until or month <= self.until)


@dataclass(frozen=True)
class SiteMonth:
    """A site's month. ``days_late`` is ``None`` where nothing tells: see ``Register``. ``expected``: it was owed."""

    site: Site
    month: str
    standing: Standing
    due: date | None = None
    received_on: date | None = None
    days_late: int | None = None
    measure: ReturnMeasure | None = None
    rating: Rating | None = None
    expected: bool = False

    @property
    def level(self) -> Level:
        """Its colour; a month that did not come has none."""
        return self.rating.level if self.rating else Level.UNRATED

    @property
    def word(self) -> str:
        """What stands beside the colour."""
        if self.standing == Standing.RECEIVED:
            return self.level.word
        return {
            Standing.ZERO: "Zero return",
            Standing.MISSING: "Missing",
            Standing.AWAITED: "Not due yet",
            Standing.TAKEN_BACK: "Taken back",
            Standing.UNPUBLISHED: "Not published yet",
            Standing.NOT_EXPECTED: "Not expected",
        }[self.standing]


@dataclass(frozen=True)
class Register:
    """The months of a dataset, site by site.

    ``began`` is the day on which its first delivery was received here: what was due before that day is a
    back-catalogue, of which nothing tells whether it had been on time. ``first`` is the first month that is owed, ""
    where nothing came: see ``first_month``. Of a month that is ``whole``, ``least_returns`` of all returns came.
    """

    definition: DatasetDefinition
    sites: Sequence[Site]
    months: Sequence[str]
    began: date | None
    first: str
    least_returns: float
    cells: Mapping[tuple[str, str], SiteMonth]

    def at(self, site: str, month: str) -> SiteMonth:
        """The site's month; raises ``KeyError`` for a site or month that is not in the register."""
        return self.cells[site, month]

    def of_month(self, month: str) -> list[SiteMonth]:
        """All sites' month, in the order of the sites."""
        return [self.cells[site.code, month] for site in self.sites]

    def of_site(self, site: str) -> list[SiteMonth]:
        """All months of a site, in order."""
        return [self.cells[site, month] for month in self.months]

    def counted(self, month: str, *standings: Standing) -> int:
        """How many sites' month stands so."""
        return sum(one.standing in standings for one in self.of_month(month))

    def returns(self, *months: str) -> Part:
        """How many returns of these months came, of those that were expected; none are before the first month."""
        owed = [month for month in months if self.first and month >= self.first]
        came = sum(self.counted(month, *CAME) for month in owed)
        return Part(came, came + sum(self.counted(month, *ABSENT) for month in owed))

    def whole(self, *months: str) -> bool:
        """Whether so many of their returns came that the rows tell how many incidents there were."""
        share = self.returns(*months).share
        return share is not None and share >= self.least_returns


@dataclass(frozen=True)
class _Came:
    received_on: date  # first
    measure: ReturnMeasure


@dataclass(frozen=True)
class _Aside:
    """A return that came and does not count: ``standing`` tells why."""

    received_on: date
    standing: Standing


def read_register(
    services: Services,
    session: Session,
    definition: DatasetDefinition,
    months: Sequence[str],
    today: date,
    visible_only: bool = False,
) -> Register:
    """The register of the months, which follow each other; ratings look at the months before them, too.

    What a rollback took back does not count. What is staged does, unless ``visible_only``.
    """
    standards = Standards.read(services.settings.resources_dir)
    dataset = definition.code
    before = [earlier(months[0], number) for number in range(standards.history_months, 0, -1)]
    wanted = [*before, *months]
    of_dataset, gone = MeasuredReturn.dataset == dataset, taken_back(session, dataset)
    held_back = waiting(session, dataset)
    rows = session.execute(
        select(MeasuredReturn, gone.label("back"), held_back.label("staged"))
        .join(Delivery, Delivery.delivery_id == MeasuredReturn.delivery_id)
        .where(of_dataset, MeasuredReturn.month.in_(wanted))
        .order_by(MeasuredReturn.delivery_id, MeasuredReturn.measured_return_id)
    ).all()
    came = _came(one for one, back, staged in rows if not back and not (staged and visible_only))
    aside = {
        (one.site, one.month): _Aside(one.received_on, Standing.TAKEN_BACK if back else Standing.UNPUBLISHED)
        for one, back, staged in rows
        if back or (staged and visible_only)
    }
    began = session.scalar(select(func.min(MeasuredReturn.received_on)).where(of_dataset))
    first = first_month(session, dataset, gone)
    sites = sites_of(services, session, definition, first, gone)
    cells: dict[tuple[str, str], SiteMonth] = {}
    for site in sites:
        for month in months:
            at = wanted.index(month)
            former = [
                one.measure.accepted
                for earlier_month in wanted[at - standards.history_months : at]
                if (one := came.get((site.code, earlier_month)))
            ]
            expected = bool(first) and first <= month and site.takes_part(month)
            key = site.code, month
            cells[key] = _cell(
                definition, site, month, came.get(key) or aside.get(key), expected, began, former, standards, today
            )
    return Register(definition, sites, list(months), began, first, standards.least_returns, cells)


def returned_months(session: Session, definition: DatasetDefinition) -> tuple[str, ...]:
    """The months of which any site's return came and is visible, in order; empty where no sites return the dataset.

    Not those of the rows: an incident of a month comes late with the return of another.
    """
    if not definition.sites:
        return ()
    of_dataset = MeasuredReturn.dataset == definition.code
    seen = not_(taken_back(session, definition.code)), not_(waiting(session, definition.code))
    asked = (
        select(MeasuredReturn.month)
        .join(Delivery, Delivery.delivery_id == MeasuredReturn.delivery_id)
        .where(of_dataset, *seen)
        .distinct()
    )
    return tuple(sorted(session.scalars(asked)))


def first_month(session: Session, dataset: str, gone: ColumnElement[bool]) -> str:
    """The first month that is owed: that for which more than half as many sites sent as for the fullest month.

    So a single old return makes nobody owe the months since. "" where nothing came.
    """
    sent = (
        select(MeasuredReturn.month, func.count(MeasuredReturn.site.distinct()))
        .join(Delivery, Delivery.delivery_id == MeasuredReturn.delivery_id)
        .where(MeasuredReturn.dataset == dataset, not_(gone))
        .group_by(MeasuredReturn.month)
    )
    by_month = {row[0]: row[1] for row in session.execute(sent)}
    fullest = max(by_month.values(), default=0)
    return min((month for month, number in by_month.items() if 2 * number > fullest), default="")


def sites_of(
    services: Services, session: Session, definition: DatasetDefinition, first: str, gone: ColumnElement[bool]
) -> list[Site]:
    """Who is expected to deliver, by name, and whoever did without being in the register."""
    if not definition.sites:
        return [Site("", definition.supplier, first)]
    firsts = (
        select(MeasuredReturn.site, func.min(MeasuredReturn.month).label("month"))
        .join(Delivery, Delivery.delivery_id == MeasuredReturn.delivery_id)
        .where(MeasuredReturn.dataset == definition.code, not_(gone))
        .group_by(MeasuredReturn.site)
    )
    delivered = {row.site: row.month for row in session.execute(firsts)}
    sites: dict[str, Site] = {}
    if definition.register:
        settings = services.settings
        for hospital in read_hospitals(hospitals_file(settings.data_dir, settings.resources_dir)).values():
            since = f"{hospital.since:%Y-%m}" if hospital.since else ""
            until = f"{hospital.until:%Y-%m}" if hospital.until else ""
            sites[hospital.code] = Site(hospital.code, hospital.name, max(since, first), until)
    for code, month in delivered.items():
        # Whoever is in no register was never expected; where there is none, from its first month on.
        unlisted = Site(code, code or definition.supplier, month, "0" if definition.register else "")
        sites.setdefault(code, unlisted)
    return sorted(sites.values(), key=lambda site: (site.name, site.code))


def due_day(definition: DatasetDefinition, month: str) -> date | None:
    """The day by which the month's return is due; ``None`` where nothing says, and for months within a quarter."""
    if not definition.due_day or last_period(definition, month) != month:
        return None
    return date.fromisoformat(f"{later(month, definition.due_months)}-{definition.due_day:02d}")


def last_period(definition: DatasetDefinition, month: str) -> str:
    """The newest month, up to the one that is told, with which a period ends that the supplier returns."""
    return earlier(month, int(month[5:]) % definition.due_every)


def earlier(month: str, number: int) -> str:
    """The month so many before."""
    return later(month, -number)


def later(month: str, number: int) -> str:
    """The month so many after."""
    year, of_year = (int(part) for part in month.split("-"))
    index = year * 12 + of_year - 1 + number
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def last_whole_month(today: date) -> str:
    """The newest month that is over."""
    return f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"


def _came(returns: Iterable[MeasuredReturn]) -> dict[tuple[str, str], _Came]:
    """What came of each site and month, oldest delivery first: what is the whole of a month takes the place of what
    was there, what adds to it is added."""
    found: dict[tuple[str, str], _Came] = {}
    for one in returns:
        measure = ReturnMeasure.from_json(one.measures)
        before = found.get((one.site, one.month))
        if before is None:
            found[one.site, one.month] = _Came(one.received_on, measure)
            continue
        whole = before.measure + measure if measure.addition else measure
        found[one.site, one.month] = _Came(min(before.received_on, one.received_on), whole)
    return found


def _cell(
    definition: DatasetDefinition,
    site: Site,
    month: str,
    came: _Came | _Aside | None,
    expected: bool,
    began: date | None,
    former: Sequence[int],
    standards: Standards,
    today: date,
) -> SiteMonth:
    due = due_day(definition, month)
    if came is None:
        if not expected or due is None:
            standing = Standing.NOT_EXPECTED
        else:
            standing = Standing.MISSING if due < today else Standing.AWAITED
        return SiteMonth(site, month, standing, due, expected=expected)
    if isinstance(came, _Aside):
        standing = came.standing if expected else Standing.NOT_EXPECTED
        return SiteMonth(site, month, standing, due, came.received_on if expected else None, expected=expected)
    judged = due is not None and expected and began is not None and due >= began
    days_late = max(0, (came.received_on - due).days) if judged and due is not None else None
    rating = rate(came.measure, days_late, former, standards)
    standing = Standing.ZERO if came.measure.zero else Standing.RECEIVED
    return SiteMonth(site, month, standing, due, came.received_on, days_late, came.measure, rating, expected)
