"""The house style of one's own organisation: how its printed pages look, and its base map."""

from __future__ import annotations

from base64 import b64encode

from fastapi import Response

from ..house_style import service
from ..house_style.service import FORMATS, MOST_LOGO_BYTES, Look, MapService
from ..identity.permissions import Permission
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit

router = console_router()


@router.get("/house-style")
def house_style(visit: MemberDep) -> Response:
    """The form, filled with what is set."""
    visit.require(Permission.SET_HOUSE_STYLE)
    with visit.services.database.read() as session:
        style = service.find(session, visit.who.organisation_id)
    if style is None:
        return _form_page(visit, Form())
    defaults = {
        "colour": style.colour,
        "font": style.font,
        "logo_words": style.logo_words,
        "map_address": style.map_address,
        "map_layer": style.map_layer,
        "map_matrix_set": style.map_matrix_set,
        "map_format": style.map_format,
        "map_attribution": style.map_attribution,
    }
    return _form_page(visit, Form(defaults=defaults))


def _form_page(visit: Visit, form: Form) -> Response:
    with visit.services.database.read() as session:
        style = service.find(session, visit.who.organisation_id)
        logo = b64encode(style.logo).decode("ascii") if style is not None else ""
        words = style.logo_words if style is not None else ""
    return visit.page(
        "house_style.html",
        form=form,
        logo=logo,
        logo_words=words or "The organisation’s logo",
        formats=[(one, one.removeprefix("image/").upper()) for one in FORMATS],
        most_bytes=MOST_LOGO_BYTES,
    )


@router.post("/house-style")
def set_house_style(visit: MemberDep, form: PostedDep) -> Response:
    """Set it."""
    visit.require(Permission.SET_HOUSE_STYLE)
    _name, logo = form.upload("logo")
    look = Look(
        colour=form.text("colour"),
        font=form.text("font"),
        logo_words=form.text("logo_words"),
        map=MapService(
            address=form.text("map_address"),
            layer=form.text("map_layer"),
            matrix_set=form.text("map_matrix_set"),
            format=form.text("map_format"),
            attribution=form.text("map_attribution"),
        ),
    )
    with form.telling():
        changed = service.set_style(
            visit.services,
            visit.who.user_id,
            visit.who.organisation_id,
            look,
            logo or None,
            without_logo=form.ticked("without_logo"),
        )
        notice = "It is set. Desks take it with the next page that is made." if changed else "Nothing was different."
        return visit.go("/house-style", notice)
    return _form_page(visit, form)
