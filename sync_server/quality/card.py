"""A supplier's feedback: what came of a site's month, what could not be used and why, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition, layer_fields
from ..errors import SafeStatsError
from ..ingest.models import Delivery
from ..instants import london_today, now
from ..oversight.periods import month_in_words
from ..problems import Problem
from ..services import Services
from .measuring import Part
from .models import MeasuredReturn
from .rating import Judged
from .register import Site, SiteMonth, Standing, due_day, earlier, later, read_register
from .standards import Level, Measure, Standards

CHART_MONTHS = 13
# Places from the finest: what a card lists them by where the dataset does not know levels.
_HOW = {"none": "No place"}


@dataclass(frozen=True)
class Compared:
    """A measure of this month beside the mean of the former ones, ``months`` of which had it."""

    judged: Judged
    former: float | None
    months: int


@dataclass(frozen=True)
class Card:
    """All that is told of a site's month; only counts are in it."""

    definition: DatasetDefinition
    site: Site
    month: str
    now: SiteMonth
    trend: Sequence[SiteMonth]  # up to and with this month
    compared: Sequence[Compared]
    places: Sequence[tuple[str, Part]]
    unusable: Sequence[tuple[str, int]]
    unmapped: Sequence[tuple[str, str, int]]  # field, value, how often
    steps: Sequence[str]
    standards: Standards
    synthetic: bool
    made: datetime

    @property
    def title(self) -> str:
        """Whose card it is."""
        return f"Feedback on data quality. {self.site.name}"

    @property
    def verdict(self) -> str:
        """What became of the month, in a sentence or two."""
        return _verdict(self.now, self.standards)


def feedback_card(
    services: Services, session: Session, dataset: str, site: str, month: str, today: date | None = None
) -> Card:
    """The card of a site ("" where the supplier has none) and a month (``2026-10``); whoever asks has been let in.

    Raises ``Problem`` 404 where the dataset has no such site, ``SafeStatsError`` where there is no such month.
    """
    today = today or london_today()
    definition = services.definition(dataset)
    if month > f"{today:%Y-%m}":
        raise SafeStatsError(f"{month_in_words(month)} has not begun: name a month that is over.")
    standards = Standards.read(services.settings.resources_dir)
    months = [earlier(month, number) for number in range(CHART_MONTHS - 1, -1, -1)]
    register = read_register(services, session, definition, months, today)
    found = next((one for one in register.sites if one.code == site), None)
    if found is None:
        raise Problem(404, "no-such-site", "No such site", f"Nobody delivers {definition.title} under that code.")
    trend = register.of_site(site)
    here = trend[-1]
    measure = here.measure
    return Card(
        definition=definition,
        site=found,
        month=month,
        now=here,
        trend=trend,
        compared=_compared(here, trend[:-1]),
        places=_places(definition, here),
        unusable=list(measure.rejected.items()) if measure else [],
        unmapped=_unmapped(definition, here),
        steps=_steps(definition, here, standards, today),
        standards=standards,
        synthetic=_synthetic(session, dataset, site, month),
        made=now(),
    )


def _verdict(here: SiteMonth, standards: Standards) -> str:
    month = month_in_words(here.month)
    if here.standing == Standing.MISSING:
        due = f"{here.due:%-d %B %Y}" if here.due else ""
        return f"The return of {month} was due on {due} and has not come. It is missing: it is not counted as none."
    if here.standing == Standing.AWAITED:
        return f"The return of {month} is due by {here.due:%-d %B %Y} and has not come yet."
    if here.standing == Standing.TAKEN_BACK:
        return (
            f"The return of {month} was received on {here.received_on:%-d %B %Y}, and the SafeStats team has taken it "
            "back since: it counts nowhere, and is not counted as none."
        )
    if here.standing == Standing.NOT_EXPECTED:
        return f"No return of {month} is expected, and none came."
    came = f"received on {here.received_on:%-d %B %Y}{_punctual(here)}"
    if here.standing == Standing.ZERO:
        change = here.rating.change if here.rating else None
        doubt = ""
        if change and change.level in (Level.AMBER, Level.RED) and change.mean is not None:
            doubt = f" The months before had {change.mean:,.0f} on average: please say whether this is right."
        return f"A zero return of {month}, {came}: there was nothing to report.{doubt}"
    reasons = here.rating.reasons if here.rating else ()
    if here.level == Level.UNRATED:
        return f"{month}, {came}. With fewer than {standards.least_rows} rows no share is rated."
    listed = f" What keeps it from being good: {'; '.join(reason.lower() for reason in reasons)}." if reasons else ""
    return f"{month}, {came}.{listed}"


def _punctual(here: SiteMonth) -> str:
    """What follows the day on which it came."""
    if here.days_late:
        return f", {here.days_late} day{'s' if here.days_late > 1 else ''} late"
    if here.days_late == 0:
        return ", on time"
    if here.due is None:
        return "; no day is agreed by which it is due"
    if not here.expected:
        return "; it was not owed, so that it is neither late nor on time"
    return (
        f"; it was due on {here.due:%-d %B %Y}, before anything of this dataset was received here, so that it is "
        "neither late nor on time"
    )


def _compared(here: SiteMonth, former: Sequence[SiteMonth]) -> list[Compared]:
    if here.rating is None:
        return []
    found = []
    for judged in here.rating.judged:
        parts = [
            part
            for one in former
            if one.measure and (part := one.measure.parts.get(judged.standard.measure)) and part.of
        ]
        whole = sum(part.of for part in parts)
        share = sum(part.count for part in parts) / whole if whole else None
        found.append(Compared(judged, share, len(parts)))
    return found


def _places(definition: DatasetDefinition, here: SiteMonth) -> list[tuple[str, Part]]:
    """Rows by level of the place, the finest first; by how they were placed where there are no levels."""
    if here.measure is None:
        return []
    levels = next((field.codes for field in definition.fields if field.name == "geo_level"), {})
    number = here.measure.accepted
    if levels:
        counted = here.measure.levels
        return [(label, Part(counted[label], number)) for label in levels.values() if counted.get(label)]
    return [
        (_HOW.get(name, name.replace("-", " ").capitalize()), Part(count, number))
        for name, count in here.measure.methods.items()
    ]


def _unmapped(definition: DatasetDefinition, here: SiteMonth) -> list[tuple[str, str, int]]:
    aliases = {field.name: field.alias for field in layer_fields(definition)}
    if here.measure is None:
        return []
    return [
        (aliases.get(name, name), value, count)
        for name, values in here.measure.unmapped.items()
        for value, count in values.items()
    ]


def _steps(definition: DatasetDefinition, here: SiteMonth, standards: Standards, today: date) -> list[str]:
    """What to do next, the weightiest first."""
    month = month_in_words(here.month)
    if here.standing == Standing.MISSING:
        return [
            f"Send the return of {month} now. Where there was nothing to report, send a zero return: who sends nothing "
            "is shown as missing, here and in the monthly packs.",
            *_next_due(definition, here, today),
        ]
    if here.standing == Standing.TAKEN_BACK:
        again = f"Send the return of {month} again, put right: the SafeStats team can tell you why it was taken back."
        return [again, *_next_due(definition, here, today)]
    if here.standing in (Standing.AWAITED, Standing.NOT_EXPECTED):
        return _next_due(definition, here, today)
    steps: list[str] = []
    rating, measure = here.rating, here.measure
    assert rating is not None and measure is not None
    if rating.punctuality in (Level.AMBER, Level.RED):
        steps.append(standards.punctuality.advice)
    by_weight = sorted(rating.judged, key=lambda one: (one.level != Level.RED, not one.standard.key))
    steps += [one.standard.advice for one in by_weight if one.level in (Level.AMBER, Level.RED)]
    if rating.change.level in (Level.AMBER, Level.RED):
        steps.append(standards.measures[Measure.CHANGE].advice)
    if measure.dropped:
        columns = ", ".join(measure.dropped)
        steps.append(f"Leave out what nobody may send: {columns}. It was not kept.")
    if measure.blanked:
        number = sum(measure.blanked.values())
        steps.append(
            f"Keep names, numbers and addresses of people out of free text: {number:,} "
            f"value{'s were' if number > 1 else ' was'} blanked at the door."
        )
    if not steps and measure.accepted:
        steps.append("Nothing needs to be changed. Thank you.")
    return [*steps, *_next_due(definition, here, today)]


def _next_due(definition: DatasetDefinition, here: SiteMonth, today: date) -> list[str]:
    month = here.month
    for _ in range(CHART_MONTHS):
        due = due_day(definition, month)
        if due is not None and due >= today and (here.measure is None or month > here.month):
            return [f"Send the return of {month_in_words(month)} by {due:%-d %B %Y}."]
        month = later(month, 1)
    return []


def _synthetic(session: Session, dataset: str, site: str, month: str) -> bool:
    """Whether what came was made up; where nothing came, whether the dataset is."""
    of_month = (
        select(Delivery.synthetic)
        .join(MeasuredReturn, MeasuredReturn.delivery_id == Delivery.delivery_id)
        .where(MeasuredReturn.dataset == dataset, MeasuredReturn.site == site, MeasuredReturn.month == month)
        .order_by(Delivery.delivery_id.desc())
        .limit(1)
    )
    found = session.scalar(of_month)
    return is_synthetic(session, dataset) if found is None else bool(found)


def is_synthetic(session: Session, dataset: str) -> bool:
    """Whether the dataset's newest delivery was made up."""
    newest = select(Delivery.synthetic).where(Delivery.dataset == dataset).order_by(Delivery.delivery_id.desc())
    return bool(session.scalar(newest.limit(1)))
