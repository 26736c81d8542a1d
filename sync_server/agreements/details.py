"""What an agreement says beside its grants: purposes, parties, contacts, review; checked, and written into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from ..errors import SafeStatsError
from .models import Agreement, Contact, ContactRole, ControllerStatus, Party

if TYPE_CHECKING:
    from ..services import Services

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_REVIEW_AFTER = timedelta(days=365)
_FIRST_YEAR, _LAST_YEAR = 2000, 2199  # beyond lies a slip of the pen


@dataclass(frozen=True)
class PartyDetails:
    """A controller beside the organisation."""

    name: str
    status: ControllerStatus = ControllerStatus.INDEPENDENT


@dataclass(frozen=True)
class ContactDetails:
    """Whom to ask."""

    role: ContactRole
    name: str
    email: str


@dataclass(frozen=True)
class Details:
    """What an agreement says beside its grants. No ``purposes``: any that the conditions of use permit.

    ``status`` is the organisation's own; without ``review_on`` the review is a year after the start.
    """

    lawful_basis: str = ""
    purposes: tuple[str, ...] = ()
    controllers: tuple[PartyDetails, ...] = ()
    contacts: tuple[ContactDetails, ...] = ()
    review_on: date | None = None
    onward_sharing: str = ""
    retention: str = ""
    status: ControllerStatus = ControllerStatus.INDEPENDENT


def details_of(agreement: Agreement) -> Details:
    """The details as they are, to be changed in part."""
    return Details(
        lawful_basis=agreement.lawful_basis,
        purposes=tuple(agreement.purposes.split()),
        controllers=tuple(PartyDetails(p.name, ControllerStatus(p.status)) for p in agreement.parties[1:]),
        contacts=tuple(ContactDetails(ContactRole(c.role), c.name, c.email) for c in agreement.contacts),
        review_on=agreement.review_on,
        onward_sharing=agreement.onward_sharing,
        retention=agreement.retention,
        status=ControllerStatus(agreement.parties[0].status) if agreement.parties else ControllerStatus.INDEPENDENT,
    )


def write_details(
    services: Services,
    agreement: Agreement,
    details: Details,
    starts: date,
    ends: date,
    session: Session | None = None,
) -> None:
    """Write checked details and dates into the agreement; ``session`` where it is stored already.

    Raises ``SafeStatsError`` for what may not stand in one.
    """
    if ends < starts:
        raise SafeStatsError(f"The agreement would end ({ends}) before it starts ({starts}).")
    if starts.year < _FIRST_YEAR or ends.year > _LAST_YEAR:
        raise SafeStatsError(f"An agreement starts and ends between {_FIRST_YEAR} and {_LAST_YEAR}: check its dates.")
    known = {purpose.code: purpose for purpose in services.purposes}
    for code in details.purposes:
        if code not in known:
            raise SafeStatsError(f"There is no purpose “{code}”; there are: {', '.join(known)}.")
        if not (known[code].allowed or known[code].by_decision):
            raise SafeStatsError(f"“{known[code].title}” is not a purpose of SafeStats: no agreement can be for it.")
    review_on = details.review_on or min(ends, starts + _REVIEW_AFTER)
    if not starts <= review_on <= ends:
        raise SafeStatsError(f"The review ({review_on}) is not between the first day ({starts}) and the last ({ends}).")
    parties = [
        PartyDetails(agreement.organisation.name, details.status),
        *(PartyDetails(one_line(party.name, "A controller's name"), party.status) for party in details.controllers),
    ]
    if len({party.name for party in parties}) != len(parties):
        raise SafeStatsError("A party is named twice; the organisation itself is a party already.")
    contacts = [
        Contact(role=contact.role, name=one_line(contact.name, "A contact's name"), email=_email(contact.email))
        for contact in details.contacts
    ]
    agreement.starts, agreement.ends, agreement.review_on = starts, ends, review_on
    agreement.lawful_basis = _prose(details.lawful_basis)
    agreement.purposes = " ".join(dict.fromkeys(details.purposes))
    agreement.onward_sharing = _prose(details.onward_sharing)
    agreement.retention = _prose(details.retention)
    agreement.contacts[:] = contacts
    agreement.parties.clear()
    if session is not None:
        session.flush()  # a name is there once
    agreement.parties[:] = [
        Party(position=number, name=party.name, status=party.status) for number, party in enumerate(parties, start=1)
    ]


def one_line(text: str, what: str) -> str:
    """The text in one printable line; raises ``SafeStatsError`` that names ``what`` it is."""
    text = " ".join(text.split())
    if not text or not text.isprintable():
        raise SafeStatsError(f"{what} is missing or holds characters that cannot be printed.")
    return text


def _prose(text: str) -> str:
    """Several lines at most, without control characters: it is printed on terminals and in the schedule."""
    lines = (" ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text.strip()):
        raise SafeStatsError(f"“{text}” is no e-mail address.")
    return text.strip()
