"""A comparison for people and programs: a CSV, a page, and lines for the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ..instants import LONDON, now
from ..oversight.document import Cell, Column, Document, Figure, Section
from ..oversight.rendering import render_document
from .comparing import Compared, LeftOut, MonthCompared, PlaceCompared, Verdict
from .old_counts import WHOLE

_MOST_SHOWN = 20
_HEAD = [
    "dataset",
    "month",
    "borough",
    "name",
    "old",
    "new",
    "difference",
    "rejected",
    "duplicates",
    "left",
    "withdrawn_for_good",
    "unexplained",
    "verdict",
]
_TOTALS = (
    Column("Dataset"),
    Column("Months", True),
    Column("Old", True),
    Column("New", True),
    Column("Difference", True),
    Column("Rejected", True),
    Column("Duplicates", True),
    Column("Left to others", True),
    Column("Unexplained", True),
)
_MONTHS = (Column("Month"), *_TOTALS[2:], Column("Verdict"))
_DROPPED = (Column("Dataset"), Column("What"), Column("Values", True))
_PLACES = (Column("Month"), Column("Borough"), *_TOTALS[2:5], Column("Verdict"))


def to_csv(compared: Compared) -> str:
    """A line for each month (borough “all”) and each borough of a month, whatever its verdict."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_HEAD)
    for month in compared.months:
        left_out = month.left_out
        writer.writerow(
            [month.dataset, month.month, WHOLE, "", month.old, month.new, month.difference]
            + [left_out.rejected, left_out.duplicates, left_out.left, left_out.withdrawn_for_good]
            + [month.unexplained, month.verdict]
        )
        for place in compared.places:
            if (place.dataset, place.month) == (month.dataset, month.month):
                writer.writerow(
                    [place.dataset, place.month, place.place, place.name, place.old, place.new, place.difference]
                    + [""] * 5
                    + [place.verdict]
                )
    return out.getvalue()


def to_html(compared: Compared) -> str:
    """A whole page: totals, months, and the boroughs that differ."""
    return render_document(document_of(compared))


def lines(compared: Compared) -> list[str]:
    """The totals of each dataset, and the first of what is beyond the tolerance."""
    told = []
    for dataset, months in _by_dataset(compared.months).items():
        whole = _sum(months)
        told.append(
            f"{dataset}: {len(months)} months, old {_old(months):,}, new {_new(months):,}, difference "
            f"{_new(months) - _old(months):+,}; not taken: {whole.rejected:,} rejected, {whole.duplicates:,} "
            f"duplicates, {whole.left:,} left to others, {whole.withdrawn_for_good:,} withdrawn for good; unexplained "
            f"{sum(month.unexplained for month in months):,}."
        )
        told += [
            f"  {number:,} values were dropped: {what}." for what, number in compared.dropped.get(dataset, {}).items()
        ]
    if compared.missing:
        shown = ", ".join(f"{month.dataset} {month.month}" for month in compared.missing[:_MOST_SHOWN])
        told.append(f"{len(compared.missing)} months are missing: {shown}{_more(len(compared.missing))}.")
    others = [one for one in compared.beyond if one.verdict != Verdict.MISSING]
    told += [f"  {_where(one)}: old {one.old:,}, new {one.new:,}." for one in others[:_MOST_SHOWN]]
    if not compared.beyond:
        told.append("Every difference is within the tolerance or explained by what the loads did not take.")
    else:
        told.append(f"{len(compared.beyond)} figures are beyond the tolerance{_more(len(others))}.")
    return told


def document_of(compared: Compared) -> Document:
    """The comparison as a document."""
    totals: list[Sequence[Cell]] = []
    for dataset, months in _by_dataset(compared.months).items():
        old, new = _old(months), _new(months)
        unexplained = sum(month.unexplained for month in months)
        totals.append([dataset, len(months), old, new, new - old, *_left(_sum(months)), unexplained])
    note = "Unexplained is the sum over the months: what is too many in one does not make up for another."
    sections = [Section("By dataset", _TOTALS, totals, note=note)]
    for dataset, months in _by_dataset(compared.months).items():
        rows: list[Sequence[Cell]] = [
            [m.month, m.old, m.new, m.difference, *_left(m.left_out), m.unexplained, m.verdict] for m in months
        ]
        sections.append(Section(f"{dataset}, by month", _MONTHS, rows))
        places = [p for p in compared.places if p.dataset == dataset and p.verdict != Verdict.SAME]
        sections.append(
            Section(
                f"{dataset}, boroughs that differ",
                _PLACES,
                [[p.month, p.name, p.old, p.new, p.difference, p.verdict] for p in places],
                empty="Every borough of every month has the same count, or the former portal did not count by borough.",
            )
        )
    dropped: list[Sequence[Cell]] = [
        [dataset, what, number] for dataset, values in compared.dropped.items() for what, number in values.items()
    ]
    note = "They are no rows: the rows were kept without them, for they are not agreed."
    sections.append(Section("Values dropped", _DROPPED, dropped, note=note))
    named = sorted({month.month for month in compared.months})
    comparison = compared.comparison
    counted = ", ".join(comparison.counted) or "nothing of it"
    return Document(
        title=f"Old against new counts: {compared.plan}",
        period=(f"{named[0]} to {named[-1]}" if named else "no month") + ", OFFICIAL-SENSITIVE",
        synthetic=compared.synthetic,
        figures=[
            Figure(_old(compared.months), "rows in the former portal"),
            Figure(_new(compared.months), "rows here"),
            Figure(len(compared.missing), "months missing"),
            Figure(len(compared.beyond), "figures beyond tolerance"),
        ],
        sections=sections,
        basis=[
            "OFFICIAL-SENSITIVE: true counts, small ones too. For the SafeStats team.",
            f"Tolerance: {comparison.tolerance_percent:g} % of the old count or {comparison.tolerance_rows} rows, "
            "whichever is more.",
            f"The former portal is taken to have counted, of what the loads did not take: {counted}.",
            "New counts are of all rows held, those staged for the next release with them; of a dataset of counts they "
            "are sums.",
            "Rejected rows and duplicates that tell no month count with the newest month of their file; rows left to "
            "other datasets with the newest month of their delivery.",
            "Boroughs are those of the loaded boundaries; by another set rows near a border lie elsewhere.",
        ],
        made=f"{now().astimezone(LONDON):%-d %B %Y, %H:%M}",
    )


def _left(left_out: LeftOut) -> list[int]:
    return [left_out.rejected, left_out.duplicates, left_out.left]


def _where(one: MonthCompared | PlaceCompared) -> str:
    return f"{one.dataset} {one.month}" + (f" {one.name}" if isinstance(one, PlaceCompared) else "")


def _more(number: int) -> str:
    return f"; the page and the CSV have all, {number - _MOST_SHOWN} more" if number > _MOST_SHOWN else ""


def _by_dataset(months: Iterable[MonthCompared]) -> dict[str, list[MonthCompared]]:
    found: dict[str, list[MonthCompared]] = {}
    for month in months:
        found.setdefault(month.dataset, []).append(month)
    return found


def _sum(months: Iterable[MonthCompared]) -> LeftOut:
    total = LeftOut()
    for month in months:
        total += month.left_out
    return total


def _old(months: Iterable[MonthCompared]) -> int:
    return sum(month.old for month in months)


def _new(months: Iterable[MonthCompared]) -> int:
    return sum(month.new for month in months)
