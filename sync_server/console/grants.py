"""The ordered grants of a draft: added, from a profile or one by one, moved and removed."""

from __future__ import annotations

from fastapi import Response
from sqlalchemy.orm import Session

from ..agreements import grants as work
from ..agreements.ceiling import precision_in_words
from ..agreements.models import Agreement, Precision, Use
from ..agreements.profiles import Profile, apply_profile
from ..agreements.terms import ceiling_on
from ..datasets.definitions import FieldGroup
from ..identity.permissions import Permission
from ..instants import london_today
from .agreements import changed, found
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

PROFILES = {
    Profile.BOROUGH: "Borough: records of its own areas and 1 km around them, counts of the rest of London",
    Profile.OWN_AREAS: "Own areas: records of its own areas, counts of the rest of London",
    Profile.PAN_LONDON: "All of London: records",
    Profile.AGGREGATES: "Counts only: all of London, no records",
}
PRECISIONS = {
    Precision.POINT: "Points as supplied",
    Precision.GRID: "Points snapped to a grid",
    Precision.AREA: "No coordinates: areas only",
    Precision.AGGREGATE: "Counts only, no records",
}
USES = {
    Use.VIEW: "View: ask online",
    Use.SYNC: "Sync: keep a copy at the desk",
    Use.EXPORT: "Export: write into files",
    Use.PUBLISH: "Publish: maps and figures",
}

router = console_router()


@router.get("/agreements/{step}/grants/new")
def new_page(step: str, visit: MemberDep) -> Response:
    """The form of a grant."""
    defaults = {"groups": "core area", "precision": Precision.AREA, "uses": "view sync", "grid_m": "250"}
    return _new_page(visit, step, Form(defaults=defaults))


def _new_page(visit: Visit, step: str, form: Form) -> Response:
    visit.require(Permission.MANAGE_AGREEMENTS)
    with visit.services.database.read() as session:
        agreement = found(visit, session, step)
        ceiling = ceiling_on(session, agreement.dataset, london_today())
        permitted = ceiling.groups if ceiling else tuple(FieldGroup)
        return visit.page(
            "grant_new.html",
            form=form,
            agreement=agreement,
            ceiling=ceiling,
            ceiling_precision=precision_in_words(ceiling.precision, ceiling.grid_m) if ceiling else "",
            ceiling_uses=[use.value for use in Use if ceiling and use in ceiling.uses],
            boroughs=sorted(visit.services.areas.boroughs.items(), key=lambda borough: borough[1]),
            groups=[(group.value, group.value.capitalize()) for group in FieldGroup if group in permitted],
            precisions=[(precision.value, text) for precision, text in PRECISIONS.items()],
            uses=[(use.value, text) for use, text in USES.items()],
        )


@router.get("/agreements/{step}/grants/profile")
def profile_page(step: str, visit: MemberDep) -> Response:
    """The profiles to choose from."""
    return _profile_page(visit, step, Form())


def _profile_page(visit: Visit, step: str, form: Form) -> Response:
    visit.require(Permission.MANAGE_AGREEMENTS)
    with visit.services.database.read() as session:
        agreement = found(visit, session, step)
        profiles = [(profile.value, text) for profile, text in PROFILES.items()]
        return visit.page("grant_profile.html", form=form, agreement=agreement, profiles=profiles)


@router.post("/agreements/{step}/grants/profile")
def use_profile(step: str, visit: MemberDep, form: PostedDep) -> Response:
    """Replace the grants by a profile's."""
    visit.require(Permission.MANAGE_AGREEMENTS)
    chosen = form.text("profile")
    if chosen not in list(Profile):
        form.errors["profile"] = "Choose a profile."
        return _profile_page(visit, step, form)

    def apply(session: Session, agreement: Agreement) -> None:
        apply_profile(visit.services, session, visit.who.user_id, agreement, Profile(chosen))

    with form.telling("profile"):
        changed(visit, step, apply)
        return visit.go(f"/agreements/{step}", "The grants are those of the profile.")
    return _profile_page(visit, step, form)


@router.post("/agreements/{step}/grants")
def add(step: str, visit: MemberDep, form: PostedDep) -> Response:
    """Add a grant after the others."""
    visit.require(Permission.MANAGE_AGREEMENTS)
    terms = _terms(form)
    if terms is not None:
        wanted = terms

        def put(session: Session, agreement: Agreement) -> None:
            work.add_grant(visit.services, session, visit.who.user_id, agreement, wanted)

        with form.telling():
            changed(visit, step, put)
            return visit.go(f"/agreements/{step}", "The grant is added.")
    return _new_page(visit, step, form)


@router.post("/agreements/{step}/grants/{position}/{verb}")
def arrange(step: str, position: int, verb: str, visit: MemberDep, form: PostedDep) -> Response:
    """Move a grant one up, or remove it."""
    if verb not in ("up", "remove"):
        raise gone()

    def move(session: Session, agreement: Agreement) -> None:
        actor = visit.who.user_id
        if verb == "up":
            work.move_grant(visit.services, session, actor, agreement, position, position - 1)
        else:
            work.remove_grant(visit.services, session, actor, agreement, position)

    changed(visit, step, move)
    return visit.go(f"/agreements/{step}", "The grant is moved." if verb == "up" else "The grant is removed.")


def _terms(form: Form) -> work.GrantTerms | None:
    """The grant as asked for; ``None``, with its troubles noted, where a field makes no sense."""
    areas = form.required("areas", "Name the areas.").replace(",", " ").split()
    groups = [FieldGroup(name) for name in form.all("groups") if name in list(FieldGroup)]
    uses = [Use(name) for name in form.all("uses") if name in list(Use)]
    if not groups:
        form.errors["groups"] = "Tick the fields that are granted."
    if not uses:
        form.errors["uses"] = "Tick what may be done with the rows."
    if form.text("precision") not in list(Precision):
        form.errors["precision"] = "Choose how exactly places show."
    edge_km = _number(form, "edge_km", "The edge is a number of kilometres, such as 1 or 0.5.")
    grid_m = _number(form, "grid_m", "The cell is a whole number of metres.")
    last_months = _number(form, "last_months", "The last months are a whole number.")
    if form.errors:
        return None
    return work.GrantTerms(
        areas=tuple(areas),
        groups=tuple(groups),
        precision=Precision(form.text("precision")),
        grid_m=int(grid_m),
        edge_m=edge_km * 1000,
        from_month=form.text("from_month"),
        to_month=form.text("to_month"),
        last_months=int(last_months),
        uses=frozenset(uses),
        officer_records=form.ticked("officer_records"),
    )


def _number(form: Form, name: str, sentence: str) -> float:
    text = form.text(name) or "0"
    try:
        value = float(text) if name == "edge_km" else int(text)
    except ValueError:
        form.errors[name] = sentence
        return 0
    return value if value == value and abs(value) < 1e9 else 0
