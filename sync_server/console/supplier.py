"""Supplies: what a supplier sends and has received, its receipts and feedback; and the keys of suppliers' machines."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Path, Request, Response

from ..errors import SafeStatsError
from ..identity import machine_keys, supplies
from ..identity.models import MachineKey, Role
from ..identity.permissions import Permission
from ..ingest.mappings import read_mappings
from ..instants import LONDON, now
from ..oversight.periods import month_in_words
from ..problems import Problem
from ..publishing.worker_lock import worker_lives
from ..quality.card import feedback_card
from ..quality.measuring import months_of
from ..quality.register import earlier
from ..quality.rendering import card_body
from ..screening.check import CheckReport
from ..screening.workbook import template_workbook
from ..supplies import receipts
from ..supplies.checking import check_files
from ..supplies.models import Door, Kind
from ..supplies.receiving import MOST_FILES, Sent, receive, receive_zero_return
from .choices import dataset_options, organisation_options, title_of
from .forms import Form, PostedDep, read_posted
from .routes import console_router
from .signed_in import MemberDep
from .sites import sites_to_choose
from .visits import Visit, gone

FOLLOW_SECONDS = 3
MOST_RECEIPTS = 50
MOST_ROWS = 200
_MONTHS_BACK = 24
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

router = console_router()


async def _files(request: Request, visit: MemberDep) -> Form:
    """Read once it is known that the sender may send them."""
    visit.require(Permission.SEND_SUPPLIES)
    return await read_posted(request, MOST_FILES)


FilesDep = Annotated[Form, Depends(_files)]
Number = Annotated[str, Path(max_length=16)]


@router.get("/supplies")
def supplies_page(visit: MemberDep) -> Response:
    """For a supplier what it sends and sent; for the team and auditors every receipt and key."""
    visit.require(Permission.SEE_SUPPLIES)
    if visit.who.role == Role.SUPPLIER:
        return _own_page(visit, Form())
    return _keys_page(visit, Form(defaults={"days": str(machine_keys.DAYS_UNLESS_TOLD)}))


def _own_page(visit: Visit, form: Form, checked: CheckReport | None = None) -> Response:
    supplier = supplies.of_subject(visit.who)
    with visit.services.database.read() as session:
        delivered = receipts.without_receipt(session, supplies.deliveries(visit.services, session, supplier))
        keys = [key for key in machine_keys.keys(session) if _is_own(visit, key)]
        sent = receipts.newest(session, supplier, MOST_RECEIPTS)
    own = [pair for pair in supplier.sites if pair[0] in visit.services.definitions]
    return visit.page(
        "supplies_own.html",
        form=form,
        checked=checked,
        own=[(_value_of(*pair), _name_of(visit, *pair)) for pair in own],
        datasets=[(code, title_of(visit, code)) for code in dict.fromkeys(dataset for dataset, _ in own)],
        months=_months(),
        titles={dataset: title_of(visit, dataset) for dataset, _ in supplier.sites},
        receipts=sent,
        deliveries=delivered,
        keys=keys,
        standings={key.id: _standing(key) for key in keys},
        most_files=MOST_FILES,
        megabytes=visit.services.settings.supply_megabytes,
    )


@router.post("/supplies/send")
def send(visit: MemberDep, form: FilesDep) -> Response:
    """Send files, or have them checked and keep nothing."""
    supplier = supplies.of_subject(visit.who)
    files = [Sent(name, stream) for name, stream in form.uploads("files")]
    if not files:
        form.errors["files"] = "Choose at least one file."
    dataset, site = _chosen(visit, supplier, form, "supply")
    if not form.errors:
        with form.telling("files"):
            if form.text("act") == "check":
                checked = check_files(visit.services, supplier, dataset, site, files)
                return _own_page(visit, Form(), checked)
            received = receive(visit.services, supplier, Door.PAGE, dataset, site, files)
            return visit.go(f"/supplies/receipts/{received.receipt.number}?follow=yes")
    return _own_page(visit, form)


@router.post("/supplies/zero-return")
def zero_return(visit: MemberDep, form: PostedDep) -> Response:
    """Tell that there was no incident in a month."""
    visit.require(Permission.SEND_SUPPLIES)
    supplier = supplies.of_subject(visit.who)
    month = form.required("month", "Choose the month.")
    dataset, site = _chosen(visit, supplier, form, "zero_supply")
    if not form.errors:
        with form.telling("month"):
            received = receive_zero_return(visit.services, supplier, Door.PAGE, dataset, site, month)
            return visit.go(f"/supplies/receipts/{received.receipt.number}?follow=yes")
    return _own_page(visit, form)


@router.get("/supplies/receipts/{number}")
def receipt_page(number: Number, visit: MemberDep, follow: str = "") -> Response:
    """A receipt; followed, the page loads itself again until it is through."""
    visit.require(Permission.SEE_SUPPLIES)
    with visit.services.database.read() as session:
        if visit.who.role == Role.SUPPLIER:
            receipt = receipts.find_receipt(visit.services, session, supplies.of_subject(visit.who), number)
        else:
            receipt = receipts.receipt_of(session, number)
        standing = receipts.standing_of(session, receipt, visit.services.definitions)
        months = months_of(session, receipt.delivery_id)
    following = receipt.open and follow == "yes"
    answer = visit.page(
        "receipt.html",
        receipt=receipt,
        title=title_of(visit, receipt.dataset),
        standing_of_rows=standing,
        standings=receipts.Standing,
        kinds=Kind,
        report=receipt.report,
        rows=receipt.rows[:MOST_ROWS],
        untold=max(0, receipt.rejected + receipt.duplicates - MOST_ROWS),
        months=[(month, month_in_words(month)) for month in months if _MONTH.fullmatch(month)],
        following=following,
        seconds=FOLLOW_SECONDS,
        worker_lives=worker_lives(visit.services.settings.data_dir),
    )
    if following:
        answer.headers["Refresh"] = str(FOLLOW_SECONDS)
    return answer


@router.get("/supplies/feedback")
def feedback(visit: MemberDep, dataset: str = "", site: str = "", month: str = "") -> Response:
    """How good a month of the supplier's own was."""
    visit.require(Permission.SEND_SUPPLIES)
    supplier = supplies.of_subject(visit.who)
    if not _MONTH.fullmatch(month):
        raise gone()
    with visit.services.database.read() as session:
        supplies.deliveries(visit.services, session, supplier, dataset, site)  # its own, and audited
        try:
            card = feedback_card(visit.services, session, dataset, site, month)
        except (SafeStatsError, Problem):
            card = None
    return visit.page(
        "feedback.html",
        card=None if card is None else card_body(card),
        name=_name_of(visit, dataset, site),
        month=month_in_words(month),
    )


@router.get("/supplies/template/{dataset}.xlsx")
def template(dataset: str, visit: MemberDep) -> Response:
    """A workbook to fill in."""
    visit.require(Permission.SEND_SUPPLIES)
    definitions = visit.services.definitions
    if dataset not in definitions or dataset not in {own for own, _ in visit.who.sites}:
        raise gone()
    mappings = read_mappings(visit.services.settings.resources_dir / "mappings", definitions)
    return Response(
        template_workbook(definitions[dataset], mappings),
        media_type=_XLSX,
        headers={"Content-Disposition": f'attachment; filename="{dataset}-template.xlsx"'},
    )


def _chosen(visit: Visit, supplier: supplies.Supplier, form: Form, name: str) -> tuple[str, str]:
    """The dataset and site of the form's field, which an only site may leave out; notes its trouble where none is
    chosen, and raises ``Problem`` 404 where it is another's."""
    if len(supplier.sites) == 1 and not form.text(name):
        return supplier.sites[0]
    dataset, _, site = form.required(name, "Choose what it is of.").partition("/")
    if dataset:
        supplies.refuse_others(visit.services, supplier, dataset, site)
    return dataset, site


def _value_of(dataset: str, site: str) -> str:
    return f"{dataset}/{site}"


def _name_of(visit: Visit, dataset: str, site: str) -> str:
    title = title_of(visit, dataset)
    return f"{title}, site {site}" if site else title


def _months() -> list[tuple[str, str]]:
    current = f"{now().astimezone(LONDON):%Y-%m}"
    return [(month, month_in_words(month)) for month in (earlier(current, back) for back in range(1, _MONTHS_BACK + 1))]


def _is_own(visit: Visit, key: MachineKey) -> bool:
    return key.organisation_id == visit.who.organisation_id and (key.dataset, key.site) in visit.who.sites


def _standing(key: MachineKey) -> str:
    if key.revoked_at is not None:
        return "ended"
    return "active" if key.expires_at > now() else "expired"


def _keys_page(visit: Visit, form: Form) -> Response:
    with visit.services.database.read() as session:
        keys = machine_keys.keys(session)
        sent = receipts.newest(session, most=MOST_RECEIPTS)
        named = {key.dataset for key in keys} | {receipt.dataset for receipt in sent}
        return visit.page(
            "supplies.html",
            form=form,
            keys=keys,
            receipts=sent,
            titles={name: title_of(visit, name) for name in named},
            standings={key.id: _standing(key) for key in keys},
            organisations=organisation_options(session),
            datasets=dataset_options(visit),
            sites=sites_to_choose(visit, session, form.shown("site")),
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
