"""Quality: what came of every site's month, feedback cards, and monthly packs."""

from __future__ import annotations

import re

from fastapi import Response

from ..audit.events import EventType
from ..errors import SafeStatsError
from ..identity.permissions import Permission, sees_all
from ..identity.service import organisations
from ..instants import london_today
from ..oversight.periods import month_in_words, months_until
from ..quality import rendering
from ..quality.card import Card, feedback_card
from ..quality.packs import monthly_pack
from ..quality.readers import areas_of
from ..quality.register import Standing, last_whole_month, read_register
from .choices import dataset_options, title_of
from .forms import Form
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone, with_query

COUNTS = (6, 13)
_MONTHS_BACK = 36
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)
_LONDON = "london"
_MEDIA = {"pdf": "application/pdf", "html": "text/html; charset=utf-8"}

router = console_router()


@router.get("/quality")
def quality_page(visit: MemberDep, dataset: str = "", month: str = "", months: int = COUNTS[0]) -> Response:
    """Sites and months of a dataset, each with its standing."""
    visit.require(Permission.SEE_QUALITY)
    dataset = dataset or _first(visit)
    _known(visit, dataset)
    month = month or last_whole_month(london_today())
    if not _MONTH.fullmatch(month) or months not in COUNTS:
        raise gone()
    definition = visit.services.definition(dataset)
    with visit.services.database.read() as session:
        register = read_register(visit.services, session, definition, months_until(month, months), london_today())
    shown = [
        site
        for site in register.sites
        if any(one.standing != Standing.NOT_EXPECTED for one in register.of_site(site.code))
    ]
    return visit.page(
        "quality.html",
        form=Form(defaults={"dataset": dataset, "month": month, "months": str(months)}),
        definition=definition,
        register=register,
        sites=shown,
        datasets=_options(visit),
        month_options=_month_options(),
        count_options=[(count, f"{count} months") for count in COUNTS],
        short_month=rendering.short_month,
        title=title_of(visit, dataset),
        not_expected=Standing.NOT_EXPECTED,
        missing=register.counted(month, Standing.MISSING),
        month_in_words=month_in_words(month),
    )


@router.get("/quality/card")
def card_page(visit: MemberDep, dataset: str = "", site: str = "", month: str = "") -> Response:
    """A feedback card as a page."""
    card = _card(visit, dataset, site, month, "page")
    query = with_query("", {"dataset": dataset, "site": site, "month": month})
    back = with_query("/console/quality", {"dataset": dataset, "month": month})
    return visit.page(
        "quality_card.html",
        card=card,
        body=rendering.card_body(card),
        query=query,
        back=back,
        month_in_words=month_in_words(month),
    )


@router.get("/quality/card.{ending}")
def card_file(visit: MemberDep, ending: str, dataset: str = "", site: str = "", month: str = "") -> Response:
    """A feedback card to be sent on."""
    if ending not in _MEDIA:
        raise gone()
    card = _card(visit, dataset, site, month, ending)
    content = rendering.card_pdf(card) if ending == "pdf" else rendering.card_html(card).encode()
    return _attached(content, f"feedback-{dataset}-{site or 'all'}-{month}", ending)


def _card(visit: Visit, dataset: str, site: str, month: str, form: str) -> Card:
    visit.require(Permission.SEE_QUALITY)
    _known(visit, dataset)
    if not _MONTH.fullmatch(month) or month > f"{london_today():%Y-%m}":
        raise gone()
    with visit.services.database.read() as session:
        card = feedback_card(visit.services, session, dataset, site, month)
    visit.services.audit.record(
        EventType.CARD_MADE,
        actor=visit.who.user_id,
        organisation=visit.who.organisation,
        dataset=dataset,
        filter={"site": site, "month": month, "format": form},
        session=visit.who.session_id,
    )
    return card


@router.get("/packs")
def packs_page(visit: MemberDep) -> Response:
    """Which pack to make."""
    visit.require(Permission.MAKE_PACKS)
    return _packs_page(visit, Form(defaults=_pack_defaults(visit)))


@router.get("/packs/make")
def make_pack(
    visit: MemberDep,
    dataset: str = "",
    month: str = "",
    area: str = "",
    organisation: str = "",
    ending: str = "pdf",
) -> Response:
    """The pack, under the agreement of the organisation that it is for."""
    visit.require(Permission.MAKE_PACKS)
    home = organisation if sees_all(visit.who.role) else visit.who.organisation
    typed = {"dataset": dataset, "month": month, "area": area, "organisation": home, "ending": ending}
    form = Form(defaults={**_pack_defaults(visit), **typed})
    if not home:
        form.errors["organisation"] = "Choose the organisation that the pack is for."
        return _packs_page(visit, form)
    _known(visit, dataset)
    if not _MONTH.fullmatch(month) or ending not in _MEDIA:
        raise gone()
    try:
        borough = "" if area == _LONDON else area
        pack = monthly_pack(visit.services, visit.who, dataset, month, home, ending, borough)
    except SafeStatsError as error:
        form.errors[""] = str(error)
        return _packs_page(visit, form)
    content = rendering.pack_pdf(pack) if ending == "pdf" else rendering.pack_html(pack).encode()
    where = re.sub(r"[^a-z0-9]+", "-", (pack.borough or "London").casefold())
    return _attached(content, f"pack-{dataset}-{where}-{month}", ending)


def _packs_page(visit: Visit, form: Form) -> Response:
    with visit.services.database.read() as session:
        homes = [(one.code, one.name) for one in organisations(session) if one.active]
        own = next((areas_of(one) for one in organisations(session) if one.code == visit.who.organisation), [])
    boroughs = sorted(visit.services.areas.boroughs.items(), key=lambda one: one[1])
    boroughs.sort(key=lambda one: one[0] not in own)
    return visit.page(
        "packs.html",
        form=form,
        datasets=_options(visit),
        month_options=_month_options(),
        areas=[(_LONDON, "All London (monthly pack)"), *boroughs],
        organisations=homes if sees_all(visit.who.role) else [],
        endings=[("pdf", "PDF"), ("html", "HTML")],
    )


def _pack_defaults(visit: Visit) -> dict[str, str]:
    with visit.services.database.read() as session:
        own = next((areas_of(one) for one in organisations(session) if one.code == visit.who.organisation), [])
    return {
        "dataset": _first(visit),
        "month": last_whole_month(london_today()),
        "area": own[0] if len(own) == 1 else _LONDON,
        "organisation": "",
        "ending": "pdf",
    }


def _first(visit: Visit) -> str:
    """A dataset of several sites before others."""
    definitions = visit.services.definitions
    return next((code for code, one in definitions.items() if one.sites), next(iter(definitions), ""))


def _known(visit: Visit, dataset: str) -> None:
    if dataset not in visit.services.definitions:
        raise gone()


def _options(visit: Visit) -> list[tuple[str, str]]:
    return list(dataset_options(visit))


def _month_options() -> list[tuple[str, str]]:
    last = last_whole_month(london_today())
    return [(month, month_in_words(month)) for month in reversed(months_until(last, _MONTHS_BACK))]


def _attached(content: bytes, name: str, ending: str) -> Response:
    safe = re.sub(r"[^A-Za-z0-9-]+", "-", name)
    headers = {"Content-Disposition": f'attachment; filename="safestats-{safe}.{ending}"'}
    return Response(content, media_type=_MEDIA[ending], headers=headers)
