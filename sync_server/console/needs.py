"""Needs-assessment packs: asking for one, seeing how far it is, fetching its files."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from ..identity.permissions import Permission, sees_all
from ..identity.service import organisations
from ..needs import requests
from ..needs.model import Mode
from ..needs.models import RequestState
from ..needs.question import Question
from ..needs.routes import attached
from ..quality.readers import areas_of
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit

_MODES = [
    (str(Mode.PUBLIC), "To be published: small counts withheld, others rounded"),
    (str(Mode.OPERATIONAL), "Operational: true counts, OFFICIAL-SENSITIVE"),
]

router = console_router()


@router.get("/needs")
def needs_page(visit: MemberDep) -> Response:
    """Which pack to make, and those that were made."""
    visit.require(Permission.MAKE_PACKS)
    return _page(visit, Form(defaults={"borough": _own_borough(visit), "mode": str(Mode.PUBLIC)}))


@router.post("/needs")
def ask_for_pack(visit: MemberDep, form: PostedDep) -> Response:
    """Have it made."""
    visit.require(Permission.MAKE_PACKS)
    home = form.text("organisation") if sees_all(visit.who.role) else visit.who.organisation
    mode, borough = form.text("mode"), form.text("borough")
    if mode not in set(Mode):
        form.errors["mode"] = "Choose whom the pack is for."
    if borough not in visit.services.areas.boroughs:
        form.errors["borough"] = "Choose the borough."
    if not home:
        form.errors["organisation"] = "Choose the organisation that the pack is for."
    if not form.errors:
        with form.telling():
            token = requests.ask(visit.services, visit.who, Question(borough, Mode(mode), home))
            return visit.go(f"/needs/{token}")
    return _page(visit, form)


@router.get("/needs/{token}")
def pack_page(visit: MemberDep, token: str) -> Response:
    """How far a pack is, and its files."""
    visit.require(Permission.MAKE_PACKS)
    return visit.page("needs_pack.html", pack=requests.find(visit.services, visit.who, token), **_words(visit))


@router.get("/needs/{token}/{name}")
def pack_file(visit: MemberDep, token: str, name: str) -> Response:
    """A file of a pack."""
    visit.require(Permission.MAKE_PACKS)
    return attached(requests.read_file(visit.services, visit.who, token, name), name)


def _page(visit: Visit, form: Form) -> Response:
    own = _own_borough(visit)
    boroughs = sorted(visit.services.areas.boroughs.items(), key=lambda one: (one[0] != own, one[1]))
    with visit.services.database.read() as session:
        homes = [(one.code, one.name) for one in organisations(session) if one.active]
    return visit.page(
        "needs.html",
        form=form,
        boroughs=boroughs,
        modes=_MODES,
        organisations=homes if sees_all(visit.who.role) else [],
        packs=requests.newest(visit.services, visit.who),
        **_words(visit),
    )


def _words(visit: Visit) -> dict[str, Any]:
    return {
        "borough_names": visit.services.areas.boroughs,
        "states": {
            RequestState.WAITING: "is being made",
            RequestState.RUNNING: "is being made",
            RequestState.DONE: "is ready",
            RequestState.FAILED: "could not be made",
        },
    }


def _own_borough(visit: Visit) -> str:
    with visit.services.database.read() as session:
        own = next((areas_of(one) for one in organisations(session) if one.code == visit.who.organisation), [])
    return own[0] if own and own[0] in visit.services.areas.boroughs else ""
