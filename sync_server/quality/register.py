"""The register of what was expected: which site owed which month, and what came. What is missing is never a zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition
from ..geocoding.hospitals import hospitals_file, read_hospitals
from ..services import Services
from .measuring import ReturnMeasure
from .models import MeasuredReturn
from .rating import Rating, rate
from .standards import Level, Standards


class Standing(StrEnum):
    """What became of a site's month."""

    RECEIVED = "received"
    ZERO = "zero"  # the site said that there was nothing
    MISSING = "missing"  # it is past its due day, and nothing came
    AWAITED = "awaited"  # it is not due yet
    NOT_EXPECTED = "not-expected"


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
    """A site's month. ``days_late`` is ``None`` where nothing tells: see ``Register``."""

    site: Site
    month: str
    standing: Standing
    due: date | None = None
    received_on: date | None = None
    days_late: int | None = None
    measure: ReturnMeasure | None = None
    rating: Rating | None = None

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
            Standing.NOT_EXPECTED: "Not expected",
        }[self.standing]


@dataclass(frozen=True)
class Register:
    """The months of a dataset, site by site.

    ``began`` is the day on which its first delivery was received here: what was due before that day is a
    back-catalogue, of which nothing tells whether it had been on time.
    """

    definition: DatasetDefinition
    sites: Sequence[Site]
    months: Sequence[str]
    began: date | None
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


@dataclass(frozen=True)
class _Came:
    received_on: date  # first
    measure: ReturnMeasure


def read_register(
    services: Services, session: Session, definition: DatasetDefinition, months: Sequence[str], today: date
) -> Register:
    """The register of the months, which follow each other; ratings look at the months before them, too."""
    standards = Standards.read(services.settings.resources_dir)
    dataset = definition.code
    before = [earlier(months[0], number) for number in range(standards.history_months, 0, -1)]
    wanted = [*before, *months]
    came = _came(
        session.scalars(
            select(MeasuredReturn)
            .where(MeasuredReturn.dataset == dataset, MeasuredReturn.month.in_(wanted))
            .order_by(MeasuredReturn.delivery_id, MeasuredReturn.measured_return_id)
        )
    )
    of_dataset = MeasuredReturn.dataset == dataset
    began = session.scalar(select(func.min(MeasuredReturn.received_on)).where(of_dataset))
    first = session.scalar(select(func.min(MeasuredReturn.month)).where(of_dataset)) or ""
    sites = sites_of(services, session, definition, first)
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
            cells[site.code, month] = _cell(
                definition, site, month, came.get((site.code, month)), expected, began, former, standards, today
            )
    return Register(definition, sites, list(months), began, cells)


def sites_of(services: Services, session: Session, definition: DatasetDefinition, first: str) -> list[Site]:
    """Who is expected to deliver, by name, and whoever did without being in the register."""
    if not definition.sites:
        return [Site("", definition.supplier, first)]
    firsts = (
        select(MeasuredReturn.site, func.min(MeasuredReturn.month).label("month"))
        .where(MeasuredReturn.dataset == definition.code)
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
    """The day by which the month's return is due; ``None`` where nothing says."""
    if not definition.due_day:
        return None
    return date.fromisoformat(f"{later(month, definition.due_months)}-{definition.due_day:02d}")


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
    came: _Came | None,
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
        return SiteMonth(site, month, standing, due)
    judged = due is not None and expected and began is not None and due >= began
    days_late = max(0, (came.received_on - due).days) if judged and due is not None else None
    rating = rate(came.measure, days_late, former, standards)
    standing = Standing.ZERO if came.measure.zero else Standing.RECEIVED
    return SiteMonth(site, month, standing, due, came.received_on, days_late, came.measure, rating)
