"""Oversight: the Steering Group's report and each supplier's, as page, CSV and PDF; an organisation's own use."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastapi import Response

from ..audit.events import EventType
from ..audit.store import Criteria
from ..identity.permissions import Permission, sees_all
from ..instants import london_today
from ..oversight.periods import bounds, month_in_words, month_of, months_until, so_far
from ..oversight.rendering import render_body, render_csv, render_pdf
from ..oversight.report import OversightReport, oversight
from ..oversight.supplier import SupplierUse, supplier_use
from ..oversight.usage import events_that, usage_by, usage_of
from .choices import organisation_options
from .forms import Form
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone, with_query

COUNTS = (1, 3, 6, 12, 24)
_MONTHS_BACK = 24
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)

router = console_router()


@dataclass(frozen=True)
class Asked:
    """Which months a report is of, and of which supplier ("": the Steering Group's)."""

    month: str
    months: int
    supplier: str

    @property
    def query(self) -> str:
        """It as parameters of an address."""
        return with_query("", {"supplier": self.supplier, "month": self.month, "months": str(self.months)})


@router.get("/oversight")
def report_page(visit: MemberDep, month: str = "", months: int = 1, supplier: str = "") -> Response:
    """The report as a page."""
    asked = _asked(visit, month, months, supplier)
    return visit.page(
        "oversight.html",
        form=_form(asked),
        report=render_body(_made(visit, asked, "page")),
        query=asked.query,
        suppliers=sorted({(d.supplier, d.supplier) for d in visit.services.definitions.values()}),
        month_options=_month_options(),
        count_options=_count_options(),
    )


@router.get("/oversight/report.csv")
def report_csv(visit: MemberDep, month: str = "", months: int = 1, supplier: str = "") -> Response:
    """The report's tables, for spreadsheets."""
    asked = _asked(visit, month, months, supplier)
    content = render_csv(_made(visit, asked, "csv")).encode("utf-8-sig")
    return Response(content, media_type="text/csv; charset=utf-8", headers=_attached(asked, "csv"))


@router.get("/oversight/report.pdf")
def report_pdf(visit: MemberDep, month: str = "", months: int = 1, supplier: str = "") -> Response:
    """The report to print."""
    asked = _asked(visit, month, months, supplier)
    content = render_pdf(_made(visit, asked, "pdf"))
    return Response(content, media_type="application/pdf", headers=_attached(asked, "pdf"))


def _asked(visit: Visit, month: str, months: int, supplier: str) -> Asked:
    visit.require(Permission.READ_OVERSIGHT)
    month = month or f"{london_today():%Y-%m}"
    known = {definition.supplier for definition in visit.services.definitions.values()}
    if not _MONTH.fullmatch(month) or months not in COUNTS or supplier not in known | {""}:
        raise gone()
    return Asked(month, months, supplier)


def _made(visit: Visit, asked: Asked, form: str) -> OversightReport | SupplierUse:
    months = months_until(asked.month, asked.months)
    which = asked.supplier or "oversight"
    visit.services.audit.record(
        EventType.REPORT_MADE,
        actor=visit.who.user_id,
        organisation=visit.who.organisation,
        filter={"report": which, "months": months, "format": form},
        session=visit.who.session_id,
    )
    return supplier_use(visit.services, asked.supplier, months) if asked.supplier else oversight(visit.services, months)


def _attached(asked: Asked, ending: str) -> dict[str, str]:
    what = re.sub(r"[^a-z0-9]+", "-", (asked.supplier or "oversight").casefold()).strip("-")
    return {"Content-Disposition": f'attachment; filename="safestats-{what}-{asked.month}.{ending}"'}


def _form(asked: Asked) -> Form:
    return Form(defaults={"month": asked.month, "months": str(asked.months), "supplier": asked.supplier})


def _month_options() -> list[tuple[str, str]]:
    this = f"{london_today():%Y-%m}"
    return [(month, month_in_words(month)) for month in reversed(months_until(this, _MONTHS_BACK))]


def _count_options() -> list[tuple[int, str]]:
    return [(count, f"{count} months" if count > 1 else "1 month") for count in COUNTS]


@router.get("/usage")
def usage_page(visit: MemberDep, months: int = 12, organisation: str = "") -> Response:
    """What an organisation did with the data, by month and dataset, counted from the audit."""
    visit.require(Permission.SEE_USAGE)
    everywhere = sees_all(visit.who.role)
    if months not in COUNTS:
        raise gone()
    code = organisation if everywhere else visit.who.organisation
    today = london_today()
    wanted = months_until(f"{today:%Y-%m}", months)
    since, until = bounds(wanted)
    with visit.services.database.read() as session:
        options = organisation_options(session)
    names = dict(options)
    events = (
        list(events_that(visit.services.audit, Criteria(organisation=code, since=since, until=until))) if code else []
    )
    by_month = usage_by(events, lambda event: month_of(event.body["at"]))
    titles = {dataset: definition.title for dataset, definition in visit.services.definitions.items()}
    return visit.page(
        "usage.html",
        form=Form(defaults={"organisation": code, "months": str(months)}),
        name=names.get(code, ""),
        organisations=options if everywhere else [],
        count_options=_count_options(),
        months=[
            (month_in_words(month) + so_far(month, today), by_month.get(month, usage_of([])))
            for month in reversed(wanted)
        ],
        datasets=[
            (titles.get(dataset, dataset), use)
            for dataset, use in usage_by(events, lambda event: event.body["dataset"]).items()
        ],
    )
