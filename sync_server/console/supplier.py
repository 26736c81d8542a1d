"""Supplies: a supplier's own deliveries, and the keys of suppliers' machines."""

from __future__ import annotations

from fastapi import Response

from ..identity import machine_keys, supplies
from ..identity.models import MachineKey, Role
from ..identity.permissions import Permission
from ..instants import now
from .agreements import dataset_options, organisation_options, title_of
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

router = console_router()


@router.get("/supplies")
def supplies_page(visit: MemberDep) -> Response:
    """For a supplier its deliveries and keys; for the team and auditors every key."""
    visit.require(Permission.SEE_SUPPLIES)
    if visit.who.role == Role.SUPPLIER:
        return _own_page(visit)
    return _keys_page(visit, Form(defaults={"days": str(machine_keys.DAYS_UNLESS_TOLD)}))


def _own_page(visit: Visit) -> Response:
    supplier = supplies.of_subject(visit.who)
    with visit.services.database.read() as session:
        delivered = supplies.deliveries(visit.services, session, supplier)
        keys = [key for key in machine_keys.keys(session) if _is_own(visit, key)]
    return visit.page(
        "supplies_own.html",
        sites=[(title_of(visit, dataset), site) for dataset, site in supplier.sites],
        titles={dataset: title_of(visit, dataset) for dataset, _ in supplier.sites},
        deliveries=delivered,
        keys=keys,
        standings={key.id: _standing(key) for key in keys},
    )


def _is_own(visit: Visit, key: MachineKey) -> bool:
    return key.organisation_id == visit.who.organisation_id and (key.dataset, key.site) in visit.who.sites


def _standing(key: MachineKey) -> str:
    if key.revoked_at is not None:
        return "ended"
    return "active" if key.expires_at > now() else "expired"


def _keys_page(visit: Visit, form: Form) -> Response:
    with visit.services.database.read() as session:
        keys = machine_keys.keys(session)
        return visit.page(
            "supplies.html",
            form=form,
            keys=keys,
            titles={key.dataset: title_of(visit, key.dataset) for key in keys},
            standings={key.id: _standing(key) for key in keys},
            organisations=organisation_options(session),
            datasets=dataset_options(visit),
        )


@router.post("/supplies/keys")
def add_key(visit: MemberDep, form: PostedDep) -> Response:
    """Make a key for one site of a dataset; it is shown this once."""
    visit.require(Permission.MANAGE_KEYS)
    name = form.required("name", "Name the machine.")
    organisation = form.required("organisation", "Choose the supplier’s organisation.")
    dataset = form.required("dataset", "Choose the dataset.")
    days = form.text("days")
    if not days.isdecimal():
        form.errors["days"] = "Give the number of days."
    if not form.errors:
        with form.telling():
            made = machine_keys.add_key(
                visit.services, visit.who.user_id, name, organisation, dataset, form.text("site"), int(days[:6])
            )
            return visit.page("key_made.html", key=made.key, entry=made.entry)
    return _keys_page(visit, form)


@router.get("/supplies/keys/{prefix}/revoke")
def ask_revoke(prefix: str, visit: MemberDep) -> Response:
    """Whether to revoke it."""
    visit.require(Permission.MANAGE_KEYS)
    key = _found(visit, prefix)
    return visit.page(
        "confirm.html",
        question=f"Revoke the key {key.prefix}…?",
        consequences=(
            f"{key.name}, {key.organisation.name}, {title_of(visit, key.dataset)} {key.site}.",
            "The machine is refused from its next request on. A revoked key stays revoked.",
        ),
        action=f"/console/supplies/keys/{prefix}/revoke",
        back="/console/supplies",
        verb="Revoke it",
        danger=True,
        carried={},
        reason="",
    )


@router.post("/supplies/keys/{prefix}/revoke")
def revoke(prefix: str, visit: MemberDep, form: PostedDep) -> Response:
    """Revoke it."""
    visit.require(Permission.MANAGE_KEYS)
    _found(visit, prefix)
    machine_keys.revoke_key(visit.services, visit.who.user_id, prefix)
    return visit.go("/supplies", f"The key {prefix}… is revoked.")


def _found(visit: Visit, prefix: str) -> MachineKey:
    with visit.services.database.read() as session:
        for key in machine_keys.keys(session):
            if key.prefix == prefix:
                return key
    raise gone()
