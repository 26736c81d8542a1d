"""The needs-assessment pack of a borough, read through agreements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy.orm import Session

from ...shared.change import RateChange, change
from ...shared.disclosure import SMALLEST_BASE, published_count, small_mark
from ...shared.windows import YEAR
from ..agreements.models import Use
from ..agreements.scope import Refusal, Scope, Subject, scope
from ..analysis.visible import VisibleRows
from ..datasets.areas import AreaIndex
from ..datasets.definitions import DatasetDefinition, Geometry
from ..errors import SafeStatsError
from ..identity.purposes import Purpose
from ..instants import london_today, now
from ..problems import Problem
from ..publishing.models import Release
from ..quality.packs import borough_code_of
from ..quality.readers import reader_of
from ..quality.register import CAME, Register, read_register
from ..services import Services
from .counting import AREA_FIELD, Counts, Months, can_tell, count_borough, months_of
from .coverage import Coverage
from .declared import Declared, read_declared
from .denominators import Divisor, base_of
from .model import (
    NOTHING_HELD,
    PART,
    AreaLine,
    CategoryLine,
    LeftOut,
    Mode,
    NeedsPack,
    NumberLine,
    Numbers,
    Service,
    Told,
)
from .models import Kind, Level
from .release import Exact, Released, exact_release, public_release

_SIMPLIFIED_M = 15
_LONDON = "London"
_NO_AGREEMENT = "no-agreement"


@dataclass(frozen=True)
class Question:
    """Which pack. ``borough`` is a code or a name; ``organisation`` whose agreements open it.

    ``purpose`` is told on the command line alone: a person has that of the session.
    """

    borough: str
    mode: Mode
    organisation: str
    purpose: str = ""


def reader_for(services: Services, session: Session, asking: Subject | None, question: Question) -> Subject:
    """In whose place the pack is read, and for what purpose; raises ``Problem`` or ``SafeStatsError``."""
    reader = reader_of(services, session, asking, question.organisation)
    if reader is asking:
        return reader
    wanted = question.purpose or read_declared(services.settings.resources_dir).purpose
    known = {one.code: one for one in services.purposes}
    if wanted not in known or not known[wanted].allowed or known[wanted].held:
        open_ones = ", ".join(code for code, one in known.items() if one.allowed and not one.held)
        advice = known[wanted].advice if wanted in known and known[wanted].advice else ""
        raise SafeStatsError(f"“{wanted[:40]}” is no purpose of a pack: name one of {open_ones}. {advice}".strip())
    return replace(reader, purpose=wanted)


def needs_pack(
    services: Services, session: Session, reader: Subject, question: Question, today: date | None = None
) -> NeedsPack:
    """The pack of a borough, of all datasets whose agreements open it whole; ``reader`` as ``reader_for`` has it.

    Raises ``Problem`` 403 where none does, and ``SafeStatsError`` where there is no such borough.
    """
    making = _Making(services, session, reader, question, today or london_today())
    areas, code = services.areas, making.borough
    services_told: list[Service] = []
    numbers: list[Numbers] = []
    left_out: list[LeftOut] = []
    for definition in services.definitions.values():
        try:
            if definition.geometry == Geometry.COUNTS:
                numbers.append(making.numbers(definition))
            else:
                services_told.append(making.service(definition))
        except Problem as problem:
            left_out.append(LeftOut(definition.code, definition.title, problem.document.detail, problem.document.code))
    if not services_told and not numbers:
        raise making.nothing_open(left_out)
    parts: list[Service | Numbers] = [*services_told, *numbers]
    lsoas = [lsoa for lsoa, one in areas.lsoas.items() if one.borough_code == code]
    return NeedsPack(
        mode=question.mode,
        borough=areas.boroughs[code],
        borough_code=code,
        organisation=reader.organisation_name or reader.organisation,
        purpose=_purpose_in_words(services.purposes, reader.purpose),
        services=services_told,
        numbers=numbers,
        left_out=left_out,
        overlaps=making.declared.among([part.definition.code for part in parts]),
        divisors=making.divisors,
        few_residents=making.declared.few_residents,
        shapes=areas.lsoa_shapes(lsoas, _SIMPLIFIED_M),
        edition=areas.edition,
        attribution=list(dict.fromkeys([*(part.definition.attribution for part in parts), areas.attribution])),
        made=now(),
    )


def require_open(
    services: Services, session: Session, reader: Subject, question: Question, today: date | None = None
) -> None:
    """Raises what ``needs_pack`` would raise for want of rights, without counting anything."""
    making = _Making(services, session, reader, question, today or london_today())
    left_out = []
    for definition in services.definitions.values():
        try:
            making.opened(definition)
            return
        except Problem as problem:
            left_out.append(LeftOut(definition.code, definition.title, problem.document.detail, problem.document.code))
    raise making.nothing_open(left_out)


def require_still_open(
    services: Services, session: Session, reader: Subject, question: Question, agreements: Mapping[str, str]
) -> None:
    """Raises ``Problem`` where a dataset is not open for the pack any more, or by another than its agreement.

    ``agreements``, by dataset: those that opened what the pack was made of.
    """
    making = _Making(services, session, reader, question, london_today())
    for dataset, agreement in agreements.items():
        definition = services.definitions.get(dataset)
        if definition is None or making.opened(definition).permitted.agreement != agreement:
            of = definition.title if definition else dataset
            raise _changed_since(f"The agreement on {of} has changed since the pack was made")
    if not agreements:
        raise _changed_since("It is not known any more under which agreements the pack was made")


def _changed_since(what: str) -> Problem:
    return Problem(403, "agreement-changed", "The agreement has changed", f"{what}: have it made again.")


@dataclass(frozen=True)
class _Opened:
    """A dataset that the agreement opens for the pack: of ``months`` those of which it shows all of the borough."""

    permitted: Scope
    coverage: Coverage
    months: Months
    shown: frozenset[str]


class _Making:
    """The making of one pack: the parts of the datasets, one by one."""

    def __init__(self, services: Services, session: Session, reader: Subject, question: Question, today: date) -> None:
        areas = services.areas
        borough = borough_code_of(areas, question.borough)
        self._services = services
        self._session = session
        self._reader = reader
        self._mode = question.mode
        self._areas: AreaIndex = areas
        self._borough = self.borough = borough
        self._today = today
        self.declared: Declared = read_declared(services.settings.resources_dir)
        bases = {kind: base_of(session, kind, Level.BOROUGH) for kind in Kind}
        self.divisors: dict[Kind, Divisor] = {kind: base for kind, base in bases.items() if base}
        self._of_lsoas = base_of(session, Kind.RESIDENTS, Level.LSOA)
        near = areas.near([borough], 1)
        self._peers = {areas.lsoas[lsoa].borough_code for lsoa in near} - {borough}

    def opened(self, definition: DatasetDefinition) -> _Opened:
        """What the agreement opens of a dataset; raises ``Problem`` where that is not all of the borough's year."""
        permitted = scope(
            self._session, self._reader, definition.code, self._services.definitions, self._mode.use, self._today
        )
        if not can_tell(permitted):
            reason = f"Agreement {permitted.agreement} does not show in which borough and month rows lie."
            raise Refusal("field-not-granted", reason)
        months = months_of(self._session, permitted, self._today)
        if months is None:
            raise Refusal("not-published", "It has no dated rows.")
        coverage = Coverage(permitted, self._areas)
        needed = [max(months.held)] if definition.geometry == Geometry.COUNTS else months.now.months
        shown = frozenset(coverage.shown(self._borough, {*months.trend.months, *needed}))
        if not shown.issuperset(needed):
            words = "published" if self._mode.use is Use.PUBLISH else "exported"
            raise Refusal(
                "pack-not-covered",
                f"Agreement {permitted.agreement} does not open all records of {self._areas.boroughs[self._borough]} "
                f"in the period to be {words}.",
            )
        return _Opened(permitted, coverage, months, shown)

    def nothing_open(self, left_out: Sequence[LeftOut]) -> Problem:
        """The refusal where no dataset is open, with the reason of each."""
        home = self._reader.organisation_name or self._reader.organisation
        reasons = " ".join(f"{one.title}: {one.why}" for one in left_out if one.reason != _NO_AGREEMENT)
        if any(one.reason == _NO_AGREEMENT for one in left_out):
            reasons = f"{reasons} There is no agreement on any other dataset: ask the SafeStats team.".strip()
        return Problem(
            403,
            "pack-not-covered",
            "This pack is not open to you",
            f"No agreement of {home} opens a dataset of {self._areas.boroughs[self._borough]} for this pack. {reasons}",
        )

    def service(self, definition: DatasetDefinition) -> Service:
        """The part of a dataset of incidents; raises ``Problem`` where the agreement does not open it."""
        found = self.opened(definition)
        permitted, coverage, months, opened = found.permitted, found.coverage, found.months, found.shown
        counts = count_borough(self._session, permitted, months, self._borough)
        register = self._register(definition, months)
        held = months.held & opened
        if register is not None:
            held = frozenset(month for month in months.trend.months if month in opened and _came(register, month))
        of_before = counts.before if held.issuperset(months.before.months) else None
        exact = self._exact(months, counts, held, of_before)
        released = self._released(permitted, definition, exact)
        enough = register is None or register.whole(*months.now.months)
        whole = enough and held.issuperset(months.now.months)
        compared = whole and (register is None or register.whole(*months.before.months))
        changed = _changed(released.now, released.before, self._mode) if compared else None
        by_month = {
            month: told if told is not None and month in held else NOTHING_HELD
            for month, told in zip(months.trend.months, released.by_month, strict=True)
        }
        boroughs, london, no_comparison = self._comparison(permitted, coverage, months, counts, released.now, whole)
        release = self._session.get_one(Release, (definition.code, permitted.release))
        published = release.published_at
        return Service(
            definition=definition,
            agreement=permitted.agreement,
            release=permitted.release,
            published_on=published.date() if published else None,
            threshold=permitted.threshold,
            synthetic=release.synthetic,
            now_window=months.now,
            before_window=months.before,
            held=len(held & set(months.now.months)),
            now=released.now,
            before=released.before or NOTHING_HELD,
            change=changed,
            no_change=_no_change(compared, changed, released),
            returns=register.returns(*months.now.months) if register else None,
            whole=whole,
            months=_in_blocks(by_month, released.step),
            partial=frozenset(month for month in held if register is not None and not register.whole(month)),
            rolling=_rolling(by_month, released.step) if register is None else {},
            categories=_categories(released, compared, self._mode),
            week=released.week,
            no_week=_no_week(counts, released),
            lsoas=self._lsoas(counts, released),
            no_lsoa=released.by_lsoa.get("", NOTHING_HELD),
            no_map=_no_map(counts, released),
            boroughs=boroughs,
            london=london,
            no_comparison=no_comparison,
            places=released.places,
            rows=counts.of_now,
        )

    def numbers(self, definition: DatasetDefinition) -> Numbers:
        """The part of a dataset of counts: its newest month's, and those of a year before; raises ``Problem``."""
        found_open = self.opened(definition)
        permitted, counting = found_open.permitted, definition.counting
        assert counting is not None  # of counts
        release = self._session.get_one(Release, (definition.code, permitted.release))
        month = max(found_open.months.held)
        before = f"{int(month[:4]) - 1}{month[4:]}"
        rows = VisibleRows(self._session, permitted)
        (apart,) = (name for name in counting.unlike if name != "month")
        names = ("month", apart, definition.category_field, counting.field, counting.withheld)
        asked = rows.select(*(rows.column(name) for name in names)).where(
            rows.column(AREA_FIELD) == self._borough, rows.column("month").in_([month, before])
        )
        found: dict[tuple[str, str], dict[str, Told]] = {}
        for of_month, measure, category, number, withheld in self._session.execute(asked):
            told = (
                Told(None, "withheld by the supplier") if withheld or number is None else self._one(permitted, number)
            )
            found.setdefault((str(measure), str(category)), {})[of_month] = told
        return Numbers(
            definition=definition,
            agreement=permitted.agreement,
            release=permitted.release,
            threshold=permitted.threshold,
            synthetic=release.synthetic,
            month=month,
            month_before=before,
            lines=[
                NumberLine(measure, category, of.get(month, NOTHING_HELD), of.get(before, NOTHING_HELD))
                for (measure, category), of in sorted(found.items())
            ],
            rows=sum(len(of) for of in found.values()),
        )

    def _register(self, definition: DatasetDefinition, months: Months) -> Register | None:
        """The returns of the months, where several sites deliver."""
        if not definition.sites:
            return None
        wanted = months.trend.months
        return read_register(self._services, self._session, definition, wanted, self._today, visible_only=True)

    def _exact(
        self, months: Months, counts: Counts, held: Collection[str], of_before: Mapping[str, int] | None
    ) -> Exact:
        # What the year lacks is nothing of its total: published charts are measured against that.
        by_month = [
            counts.by_month.get(month, 0) if month in held or months.now.covers(month) else None
            for month in months.trend.months
        ]
        by_lsoa: dict[str, int] = {}
        if counts.by_lsoa:
            own = sorted(lsoa for lsoa, one in self._areas.lsoas.items() if one.borough_code == self._borough)
            by_lsoa = {lsoa: counts.by_lsoa.get(lsoa, 0) for lsoa in own}
            # What lies in no LSOA of the borough has a borough alone.
            by_lsoa[""] = counts.of_now - sum(by_lsoa.values())
        places = None
        if counts.unplaced is not None and counts.coarse is not None:
            places = (counts.of_now - counts.coarse - counts.unplaced, counts.coarse, counts.unplaced)
        return Exact(by_month, counts.now, of_before, by_lsoa, counts.by_hour if counts.has_hours else None, places)

    def _released(self, permitted: Scope, definition: DatasetDefinition, exact: Exact) -> Released:
        if self._mode is Mode.OPERATIONAL:
            return exact_release(exact)
        codes = definition.field(definition.category_field).codes
        sensitive = {codes[code] for code in definition.sensitive.get(definition.category_field, ())}
        return public_release(exact, permitted.threshold, sensitive)

    def _one(self, permitted: Scope, count: int) -> Told:
        """A count that stands alone."""
        if self._mode is Mode.OPERATIONAL:
            return Told(count)
        largest = max(permitted.threshold, 1) - 1
        shown = published_count(count, largest)
        return Told(shown, "" if shown is not None else small_mark(largest))

    def _comparison(
        self, permitted: Scope, coverage: Coverage, months: Months, counts: Counts, own: Told, whole: bool
    ) -> tuple[list[AreaLine], AreaLine | None, str]:
        """The boroughs that are open whole, these together, and why there is no more."""
        wanted = months.now.months
        lines = []
        for code, name in sorted(self._areas.boroughs.items(), key=lambda one: one[1]):
            if code == self._borough:
                lines.append(self._area_line(code, name, own, whole))
            elif coverage.shown(code, wanted) == list(wanted):
                count = self._one(permitted, counts.boroughs.get(code, 0))
                lines.append(self._area_line(code, name, count, whole))
        if len(lines) == 1:
            return (
                lines,
                None,
                (
                    f"Agreement {permitted.agreement} opens no other borough’s records for this use: there is no "
                    "comparison with London."
                ),
            )
        told = [line for line in lines if line.count.count is not None]
        total = Told(sum(line.count.count or 0 for line in told))
        missing = len(self._areas.boroughs) - len(told)
        name = (
            _LONDON
            if not missing
            else f"{_LONDON} but for {missing} {'borough that is' if missing == 1 else 'boroughs that are'} not told"
        )
        rates = self._rates([line.code for line in told], total) if whole else {}
        return lines, AreaLine("", name, total, rates), ""

    def _area_line(self, code: str, name: str, count: Told, whole: bool) -> AreaLine:
        residents = self.divisors[Kind.RESIDENTS].of([code]) if Kind.RESIDENTS in self.divisors else None
        return AreaLine(
            code=code,
            name=name,
            count=count,
            rates=self._rates([code], count) if whole else {},
            own=code == self._borough,
            peer=code in self._peers,
            few_residents=residents is not None and residents < self.declared.few_residents,
        )

    def _rates(self, codes: Sequence[str], count: Told) -> dict[Kind, float]:
        """Of a count by what there is to divide it by."""
        if count.count is None:
            return {}
        found = {kind: divisor.of(codes) for kind, divisor in self.divisors.items()}
        return {kind: count.count * kind.per / number for kind, number in found.items() if number}

    def _lsoas(self, counts: Counts, released: Released) -> list[AreaLine]:
        """The LSOAs, most incidents first; those withheld before those with none."""
        lines = []
        for code, told in released.by_lsoa.items():
            if not code:
                continue
            residents = self._of_lsoas.of([code]) if self._of_lsoas else None
            rates = {}
            if told.count is not None and residents:
                rates[Kind.RESIDENTS] = told.count * Kind.RESIDENTS.per / residents
            lines.append(AreaLine(code, self._areas.lsoas[code].name, told, rates))
        return sorted(lines, key=lambda line: (-(0.5 if line.count.count is None else line.count.count), line.name))


def _came(register: Register, month: str) -> bool:
    return register.counted(month, *CAME) > 0


def _changed(now: Told, before: Told | None, mode: Mode) -> RateChange | None:
    """The change of a year; in public from published counts, and none on a small base."""
    if before is None or now.count is None or before.count is None:
        return None
    if mode is Mode.PUBLIC and before.count < SMALLEST_BASE:
        return None
    return change(now.count, before.count)


def _no_change(compared: bool, changed: RateChange | None, released: Released) -> str:
    if changed is not None:
        return ""
    if released.before is None or not compared:
        return "no change is told: the twelve months before, or these, are not held in full"
    return f"no change is told: fewer than {SMALLEST_BASE} to compare with"


def _categories(released: Released, compared: bool, mode: Mode) -> list[CategoryLine]:
    total, running, known = released.now.count, 0, True
    lines = []
    for label, told, before in released.categories:
        running, known = running + (told.count or 0), known and told.count is not None
        share = None if told.count is None or not total else told.count / total
        lines.append(
            CategoryLine(
                label=label,
                now=told,
                share=share,
                # Published parts are rounded: they may come to a little more than their total.
                cumulative=min(running / total, 1.0) if known and total else None,
                before=before or NOTHING_HELD,
                change=_changed(told, before, mode) if compared else None,
            )
        )
    return lines


def _in_blocks(by_month: Mapping[str, Told], step: int) -> dict[str, Told]:
    """A block's count beside its newest month, and its other months as parts of that."""
    if step == 1:
        return dict(by_month)
    shown = {}
    for at, (month, told) in enumerate(reversed(list(by_month.items()))):
        part = told is not NOTHING_HELD and at % step
        shown[month] = Told(None, PART) if part else replace(told, months=step) if told.count is not None else told
    return dict(reversed(list(shown.items())))


def _rolling(by_month: Mapping[str, Told], step: int) -> dict[str, int]:
    """Sums of twelve months by the last of them, of what is shown: where all of them are told."""
    months, counts = list(by_month), [told.count for told in by_month.values()]
    found = {}
    for end in range(len(months), YEAR - 1, -step):
        known = [count for count in counts[end - YEAR : end : step] if count is not None]
        if None not in counts[end - YEAR : end]:
            found[months[end - 1]] = sum(known)
    return dict(sorted(found.items()))


def _no_week(counts: Counts, released: Released) -> str:
    if not counts.has_hours:
        return "The data do not tell the day of the week and the hour."
    return "" if released.week else "Too few to be told by weekday and hour."


def _no_map(counts: Counts, released: Released) -> str:
    if not counts.by_lsoa:
        return "The agreement does not show LSOAs, or nothing happened."
    return "" if any(told.count for code, told in released.by_lsoa.items() if code) else "Too few to be told by LSOA."


def _purpose_in_words(purposes: Sequence[Purpose], code: str) -> str:
    known = {purpose.code: purpose.title for purpose in purposes}
    return known.get(code, code.replace("-", " ").capitalize())
