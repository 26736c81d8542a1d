"""A report as a document: key figures and tables, the same for page, CSV and PDF."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ..instants import LONDON
from .periods import month_in_words, period_in_words, so_far
from .publishing_times import Publication
from .report import DORMANT_DAYS, Basis, Names, OversightReport
from .supplier import SupplierUse
from .usage import Usage

Cell = str | int | date | timedelta | None


@dataclass(frozen=True)
class Figure:
    """One number that everybody looks for."""

    value: int
    label: str
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    numeric: bool = False
    unit: str = ""  # of its numbers where they are written for programs


@dataclass(frozen=True)
class Section:
    """A heading, a sentence, a table. ``empty`` is said where the table has no row; ``total`` is its last line.

    ``charted`` is the index of the column that is drawn as bars too.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    empty: str = "None."
    total: Sequence[Cell] | None = None
    charted: int | None = None


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    period: str
    synthetic: bool
    figures: Sequence[Figure]
    sections: Sequence[Section]
    basis: Sequence[str] = field(default_factory=list)
    made: str = ""


_USAGE = tuple(
    Column(title, True)
    for title in ("Pulls", "Rows pulled", "Online questions", "Rows read online", "Exports", "Refusals")
)
_PEOPLE = (Column("Organisations", True), Column("People", True), Column("Sign-ins", True))
_AGREEMENT = (Column("Agreement"), Column("Organisation"), Column("Dataset"))


def document_of(report: OversightReport | SupplierUse) -> Document:
    """The document of a report."""
    return _oversight(report) if isinstance(report, OversightReport) else _supplier(report)


def _oversight(report: OversightReport) -> Document:
    names, total, adoption = report.names, report.total, report.adoption
    failed = f"{_counted(total.failed_sign_ins, 'sign-in')} failed in the period."
    return Document(
        title="SafeStats oversight report",
        period=_period(report.months, report.basis),
        synthetic=report.synthetic,
        figures=[
            _figure(
                total.organisations,
                "organisation",
                "signed in",
                f"{adoption.organisations_active:,} of the {adoption.organisations:,} registered today",
            ),
            _figure(
                total.users,
                "person",
                "signed in",
                f"{adoption.users_active:,} of the {adoption.users:,} who may use data today",
                plural="people",
            ),
            _figure(total.rows, "row", "pulled", f"in {_counted(total.pulls, 'pull')}"),
            _figure(total.exports, "page", "exported"),
            _figure(total.refusals, "request", "refused"),
        ],
        sections=[
            _months(
                report.by_month,
                total,
                report.basis,
                _PEOPLE,
                lambda use: (use.organisations, use.users, use.sign_ins),
                "Organisations and people that signed in, in whatever role; each once in a month, and once in all.",
            ),
            _held_purposes(report),
            _decisions(report),
            _reviews(report),
            _dormant(report),
            _late(report),
            _published(report.publications, names),
            _adoption(report),
            Section(
                "By organisation",
                [Column("Organisation"), *_PEOPLE[1:], *_USAGE],
                [
                    [_name(names.organisations, code), use.users, use.sign_ins, *_usage(use)]
                    for code, use in report.by_organisation.items()
                ],
                empty="Nobody signed in.",
            ),
            _by("By dataset", "Dataset", report.by_dataset, lambda code: _name(names.datasets, code)),
            _by("By purpose", "Purpose", report.by_purpose, names.purpose),
            _refusals(report.refusals),
        ],
        basis=_basis(report.basis, failed),
        made=_instant(report.basis.made_at),
    )


def _supplier(report: SupplierUse) -> Document:
    names, total = report.names, report.total
    return Document(
        title=f"Use of data. Supplier: {report.supplier}",
        period=_period(report.months, report.basis),
        synthetic=report.synthetic,
        figures=[
            _figure(len(report.by_organisation), "organisation", "asked for the data"),
            _figure(total.pulls, "pull"),
            _figure(total.rows, "row", "pulled"),
            _figure(total.exports, "page", "exported"),
            _figure(total.refusals, "request", "refused"),
        ],
        sections=[
            Section(
                "Who used the data, and for what",
                [Column("Organisation"), Column("Purposes"), *_USAGE],
                [
                    [
                        _name(names.organisations, code),
                        "; ".join(dict.fromkeys(names.purpose(one) for one in report.purposes_of.get(code, ()))),
                        *_usage(use),
                    ]
                    for code, use in report.by_organisation.items()
                ],
                "Organisations, never persons. Every purpose was chosen by somebody before they could ask.",
                "Nobody asked for these data.",
                ["All", "", *_usage(total)],
            ),
            _by("By purpose", "Purpose", report.by_purpose, names.purpose),
            _by("By dataset", "Dataset", report.by_dataset, lambda code: _name(names.datasets, code)),
            _months(report.by_month, total, report.basis, (), lambda _use: ()),
            _refusals(report.refusals),
            _published(report.publications, names),
        ],
        basis=_basis(report.basis),
        made=_instant(report.basis.made_at),
    )


def _held_purposes(report: OversightReport) -> Section:
    return Section(
        "Decisions asked for",
        [Column("Request"), Column("Organisation"), Column("Asked on")],
        [
            [one.number, _name(report.names.organisations, one.organisation), one.requested_on]
            for one in report.held_purposes
        ],
        "Purposes in people's own words, held until they are approved or refused.",
        "Nothing waits for a decision.",
    )


def _decisions(report: OversightReport) -> Section:
    return Section(
        "Decisions of the Steering Group in force",
        [Column("Reference"), Column("Purpose"), Column("For"), Column("Decided on"), Column("Until")],
        [
            [
                one.reference,
                report.names.purpose(one.purpose),
                _name(report.names.organisations, one.organisation) or "every organisation",
                one.decided_on,
                one.valid_until,
            ]
            for one in report.decisions
        ],
        "Leave to use data for a purpose that is refused otherwise.",
        "None is recorded.",
    )


def _reviews(report: OversightReport) -> Section:
    return Section(
        "Agreements near review or end",
        [*_AGREEMENT, Column("What"), Column("On"), Column("Days left", True)],
        [
            [
                one.reference,
                _name(report.names.organisations, one.organisation),
                _name(report.names.datasets, one.dataset),
                "ends" if one.ends else "review",
                one.due_on,
                one.days,
            ]
            for one in report.reviews
        ],
        "Due within 90 days, or overdue: the days left are then negative.",
        "No agreement is due within 90 days.",
    )


def _dormant(report: OversightReport) -> Section:
    return Section(
        "Dormant agreements",
        [*_AGREEMENT, Column("In force since"), Column("Last used")],
        [
            [
                one.reference,
                _name(report.names.organisations, one.organisation),
                _name(report.names.datasets, one.dataset),
                one.in_force_since,
                one.last_use or "not since the audit begins",
            ]
            for one in report.dormant
        ],
        f"In force, and unused for more than {DORMANT_DAYS} days.",
        "Every agreement in force was used, or is new.",
    )


def _late(report: OversightReport) -> Section:
    return Section(
        "Late suppliers",
        [
            Column("Dataset"),
            Column("Supplier"),
            Column("Delivers"),
            Column("Last delivery"),
            Column("Days overdue", True),
        ],
        [
            [
                _name(report.names.datasets, one.dataset),
                one.supplier,
                one.cadence,
                one.last or "none yet",
                one.days if one.due else None,
            ]
            for one in report.late
        ],
        "By the cadence that the dataset declares, with a quarter of it as grace.",
        "Every dataset was delivered when it was due.",
    )


def _adoption(report: OversightReport) -> Section:
    adoption = report.adoption
    return Section(
        "Adoption",
        [Column("Of"), Column("Authorised", True), Column("With an agreement", True), Column("Signed in", True)],
        [
            ["Organisations", adoption.organisations, adoption.with_agreement, adoption.organisations_active],
            ["People who may use data", adoption.users, None, adoption.users_active],
        ],
        "Authorised, and with an agreement in force, as of today; signed in during the period.",
    )


def _months(
    by_month: Mapping[str, Usage],
    total: Usage,
    basis: Basis,
    before: Sequence[Column],
    figures_before: Callable[[Usage], Sequence[int]],
    note: str = "",
) -> Section:
    several = len(by_month) > 1
    made_on = _made_on(basis)
    return Section(
        "By month",
        [Column("Month"), *before, *_USAGE],
        [
            [month_in_words(month) + so_far(month, made_on), *figures_before(use), *_usage(use)]
            for month, use in by_month.items()
        ],
        note,
        total=["All", *figures_before(total), *_usage(total)] if several else None,
        charted=len(before) + 2 if several else None,
    )


def _usage(use: Usage) -> tuple[int, ...]:
    return (use.pulls, use.rows, use.questions, use.rows_online, use.exports, use.refusals)


def _by(title: str, of: str, groups: Mapping[str, Usage], name: Callable[[str], str]) -> Section:
    return Section(
        title,
        [Column(of), *_USAGE],
        [[name(code), *_usage(use)] for code, use in groups.items()],
        empty="No data were used.",
    )


def _refusals(reasons: Mapping[str, int]) -> Section:
    return Section(
        "Refusals",
        [Column("Reason"), Column("Requests", True)],
        [[_REASONS.get(reason, reason.replace("-", " ").capitalize()), count] for reason, count in reasons.items()],
        "Requests for data, purposes, rights or pages that were refused; sign-ins that failed are not among them.",
        "Nothing was refused.",
    )


def _published(releases: Sequence[Publication], names: Names) -> Section:
    return Section(
        "Time to publish",
        [Column("Dataset"), Column("Release"), Column("Received"), Column("Visible"), Column("Took", True, "minutes")],
        [
            [_name(names.datasets, one.dataset), one.release, _day(one.received), _day(one.visible), one.took]
            for one in releases
        ],
        "From the first load of what a release holds until people could see it.",
        "Nothing was published.",
    )


def _basis(basis: Basis, *further: str) -> list[str]:
    sentences = []
    if basis.events:
        sealed = min(basis.sealed_until, basis.last)
        sentences.append(
            f"The figures of use are counted from {_counted(basis.events, 'event')} of the audit, number "
            f"{basis.first:,} to {basis.last:,}, and can be counted again from them; "
            + (f"up to event {sealed:,} they are sealed." if sealed >= basis.first else "none of them is sealed yet.")
        )
    else:
        sentences.append("The audit holds no event of this period.")
    if basis.kept_since:
        since = datetime.fromisoformat(basis.kept_since).astimezone(LONDON)
        sentences.append(f"The oldest event that is kept here is of {_words(since.date())}.")
    sentences += further
    sentences.append("Exports, and what else is done on a desk, are reported by the desk. Months are London's.")
    return sentences


# How the reasons that are met most read to people; others read as their code.
_REASONS = {
    "no-agreement": "No agreement in force on the dataset",
    "agreement-suspended": "The agreement was suspended",
    "agreement-expired": "The agreement had expired",
    "purpose-refused": "A purpose that SafeStats does not serve",
    "purpose-held": "A purpose in own words, passed to the SafeStats team",
    "purpose-not-agreed": "A purpose that the agreement does not name",
    "role-not-permitted": "The account's role does not permit it",
    "too-many-requests": "Too many requests in a minute",
    "conditions-changed": "New conditions of use were not accepted yet",
    "conditions-not-accepted": "The conditions of use were not accepted yet",
    "form-not-ours": "A form that did not come from the console, or was out of date",
    "not-found": "A file that is not in the layer now",
}


def _counted(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def _figure(value: int, one: str, did: str = "", note: str = "", plural: str = "") -> Figure:
    what = one if value == 1 else plural or f"{one}s"
    return Figure(value, f"{what} {did}".rstrip(), note)


def _made_on(basis: Basis) -> date:
    return basis.made_at.astimezone(LONDON).date()


def _period(months: Sequence[str], basis: Basis) -> str:
    return period_in_words(months) + so_far(max(months), _made_on(basis))


def _name(names: Mapping[str, str], code: str) -> str:
    return names.get(code, code)


def _day(at: datetime | None) -> date | None:
    return None if at is None else at.astimezone(LONDON).date()


def _instant(at: datetime) -> str:
    local = at.astimezone(LONDON)
    return f"{_words(local.date())}, {local:%H:%M}"


def _words(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
