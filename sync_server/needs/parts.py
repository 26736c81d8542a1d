"""The parts of a pack: one dataset after the other, each as far as its agreement opens it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from ...shared.disclosure import published_count, small_mark
from ..agreements.models import Use
from ..agreements.opened import Refusal, Scope
from ..agreements.scope import scope
from ..analysis.visible import VisibleRows
from ..datasets.areas import AreaIndex, borough_code_of
from ..datasets.definitions import DatasetDefinition, Geometry
from ..identity.subject import Subject
from ..problems import Problem
from ..publishing.models import Release
from ..quality.register import Register, read_register
from ..services import Services
from .counting import AREA_FIELD, Counts, Months, can_tell, count_borough, months_of
from .coverage import Coverage
from .declared import Declared, read_declared
from .denominators import Divisor, base_of
from .model import NOTHING_HELD, AreaLine, LeftOut, Mode, NumberLine, Numbers, Service, Told
from .models import Kind, Level
from .question import Question
from .release import Exact, Released, exact_release, public_release
from .telling import came, categories_told, changed_by, in_blocks, no_change, no_map, no_week, rolling

_LONDON = "London"
_NO_AGREEMENT = "no-agreement"


@dataclass(frozen=True)
class _Opened:
    """A dataset that the agreement opens for the pack: of ``months`` those of which it shows all of the borough."""

    permitted: Scope
    coverage: Coverage
    months: Months
    shown: frozenset[str]


class PackParts:
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
        self.lsoa_residents = base_of(session, Kind.RESIDENTS, Level.LSOA)
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
            held = frozenset(month for month in months.trend.months if month in opened and came(register, month))
        of_before = counts.before if held.issuperset(months.before.months) else None
        exact = self._exact(months, counts, held, of_before)
        released = self._released(permitted, definition, exact)
        enough = register is None or register.whole(*months.now.months)
        whole = enough and held.issuperset(months.now.months)
        compared = whole and (register is None or register.whole(*months.before.months))
        changed = changed_by(released.now, released.before, self._mode) if compared else None
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
            no_change=no_change(compared, changed, released),
            returns=register.returns(*months.now.months) if register else None,
            whole=whole,
            months=in_blocks(by_month, released.step),
            partial=frozenset(month for month in held if register is not None and not register.whole(month)),
            rolling=rolling(by_month, released.step) if register is None else {},
            categories=categories_told(released, compared, self._mode),
            week=released.week,
            no_week=no_week(counts, released),
            lsoas=self._lsoas(counts, released),
            no_lsoa=released.by_lsoa.get("", NOTHING_HELD),
            no_map=no_map(counts, released),
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
            residents = self.lsoa_residents.of([code]) if self.lsoa_residents else None
            rates = {}
            if told.count is not None and residents:
                rates[Kind.RESIDENTS] = told.count * Kind.RESIDENTS.per / residents
            lines.append(AreaLine(code, self._areas.lsoas[code].name, told, rates))
        return sorted(lines, key=lambda line: (-(0.5 if line.count.count is None else line.count.count), line.name))
