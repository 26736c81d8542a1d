"""Organisations: the register, one of them, adding and changing."""

from __future__ import annotations

import re

from fastapi import Response
from sqlalchemy.orm import Session

from ..errors import SafeStatsError
from ..identity import organisations as work
from ..identity.models import Organisation
from ..identity.permissions import Permission
from ..identity.service import find_organisation, organisations
from .agreements import entries_for
from .forms import Form, PostedDep
from .paging import page_of
from .people import people_for
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

router = console_router()


@router.get("/organisations")
def list_organisations(visit: MemberDep, name: str = "", after: str = "") -> Response:
    """Every organisation, by code."""
    visit.require(Permission.SEE_ORGANISATIONS)
    form = Form(defaults={"name": name})
    wanted = name.casefold()
    with visit.services.database.read() as session:
        matching = [o for o in organisations(session) if wanted in o.code or wanted in o.name.casefold()]
    shown = page_of(matching, lambda o: o.code, after, "/console/organisations", form.defaults)
    return visit.page("organisations.html", form=form, organisations=shown.rows, next=shown.next, first=shown.first)


def _found(visit: Visit, session: Session, code: str) -> Organisation:
    visit.require(Permission.SEE_ORGANISATIONS)
    try:
        return find_organisation(session, code)
    except SafeStatsError:
        raise gone() from None


@router.get("/organisations/new")
def new_page(visit: MemberDep) -> Response:
    """The form of a new one."""
    return _form_page(visit, Form())


def _form_page(visit: Visit, form: Form, changing: Organisation | None = None) -> Response:
    visit.require(Permission.MANAGE_ORGANISATIONS)
    return visit.page("organisation_form.html", form=form, changing=changing)


@router.post("/organisations/new")
def add(visit: MemberDep, form: PostedDep) -> Response:
    """Add it."""
    visit.require(Permission.MANAGE_ORGANISATIONS)
    code = form.required("code", "Give the organisation a code.")
    name = form.required("name", "Name the organisation.")
    if not form.errors:
        with form.telling():
            work.add(
                visit.services,
                visit.who.user_id,
                code,
                name,
                kind=form.text("kind"),
                remit=form.text("remit"),
                areas=_areas(form),
            )
            return visit.go(f"/organisations/{code}", f"{name} is added.")
    return _form_page(visit, form)


def _areas(form: Form) -> list[str]:
    return [code for code in re.split(r"[\s,]+", form.text("areas")) if code]


@router.get("/organisations/{code}")
def organisation_page(code: str, visit: MemberDep) -> Response:
    """One organisation: what it may hold, its agreements and people."""
    with visit.services.database.read() as session:
        organisation = _found(visit, session, code)
        boroughs = visit.services.areas.boroughs
        return visit.page(
            "organisation.html",
            organisation=organisation,
            areas=[boroughs.get(area.code, area.code) for area in organisation.areas],
            agreements=entries_for(visit, session, organisation.id) if visit.may(Permission.SEE_AGREEMENTS) else [],
            people=people_for(visit, session, organisation.id) if visit.may(Permission.SEE_PEOPLE) else None,
            show_organisation=False,
        )


@router.get("/organisations/{code}/change")
def change_page(code: str, visit: MemberDep) -> Response:
    """The form of one that there is."""
    visit.require(Permission.MANAGE_ORGANISATIONS)
    with visit.services.database.read() as session:
        organisation = _found(visit, session, code)
    defaults = {
        "name": organisation.name,
        "kind": organisation.kind,
        "remit": organisation.remit,
        "areas": " ".join(area.code for area in organisation.areas),
    }
    return _form_page(visit, Form(defaults=defaults), organisation)


@router.post("/organisations/{code}/change")
def change(code: str, visit: MemberDep, form: PostedDep) -> Response:
    """Change it."""
    visit.require(Permission.MANAGE_ORGANISATIONS)
    with visit.services.database.read() as session:
        organisation = _found(visit, session, code)
    name = form.required("name", "Name the organisation.")
    if not form.errors:
        with form.telling():
            changed = work.amend(
                visit.services,
                visit.who.user_id,
                code,
                name=name,
                kind=form.text("kind"),
                remit=form.text("remit"),
                areas=_areas(form),
            )
            return visit.go(f"/organisations/{code}", "It is changed." if changed else "Nothing was different.")
    return _form_page(visit, form, organisation)


@router.get("/organisations/{code}/{verb}")
def ask(code: str, verb: str, visit: MemberDep) -> Response:
    """Whether to close it, or open it again."""
    visit.require(Permission.MANAGE_ORGANISATIONS)
    if verb not in ("close", "open"):
        raise gone()
    with visit.services.database.read() as session:
        organisation = _found(visit, session, code)
    closing = verb == "close"
    return visit.page(
        "confirm.html",
        question=f"Close {organisation.name}?" if closing else f"Open {organisation.name} again?",
        consequences=(
            ("Its people’s sessions end at once and none of them can sign in.", "It can be opened again.")
            if closing
            else ("Its people can sign in again.",)
        ),
        action=f"/console/organisations/{code}/{verb}",
        back=f"/console/organisations/{code}",
        verb="Close it" if closing else "Open it",
        danger=closing,
        carried={},
        reason="",
    )


@router.post("/organisations/{code}/{verb}")
def take(code: str, verb: str, visit: MemberDep, form: PostedDep) -> Response:
    """Close it, or open it again."""
    visit.require(Permission.MANAGE_ORGANISATIONS)
    if verb not in ("close", "open"):
        raise gone()
    with visit.services.database.read() as session:
        _found(visit, session, code)
    organisation = work.set_active(visit.services, visit.who.user_id, code, verb == "open")
    word = "open" if organisation.active else "closed"
    return visit.go(f"/organisations/{code}", f"{organisation.name} is {word}.")
