"""The schedule of an agreement: what is to be signed, in plain English, made from what is recorded and nothing else.

The same agreement gives the same text, so that its SHA-256 shows whether what was signed is what is in force.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ..datasets.definitions import DatasetDefinition, FieldGroup, layer_fields
from .ceiling import Ceiling, coarser, precision_in_words
from .models import Agreement, ContactRole, Grant, Precision, Use

if TYPE_CHECKING:
    from ..datasets.areas import AreaIndex
    from ..identity.purposes import Purpose

_WIDTH = 100
_USES = {
    Use.VIEW: "asking about them online",
    Use.SYNC: "keeping a copy at the desk",
    Use.EXPORT: "writing them into files of one's own",
    Use.PUBLISH: "publishing maps and figures made of them",
}
_PLACES = {
    "unplaced": "incidents without a known place",
    "outside": "incidents outside the area that the platform covers",
    "london": "all of London",
}
_CONTACTS = {
    ContactRole.DATA_PROTECTION: "Data protection",
    ContactRole.OPERATIONAL: "Day-to-day",
    ContactRole.SECURITY: "Security",
}


@dataclass(frozen=True)
class Schedule:
    """The text and the SHA-256 of its UTF-8 bytes."""

    text: str
    sha256: str


def schedule_of(
    agreement: Agreement,
    definition: DatasetDefinition,
    areas: AreaIndex,
    ceiling: Ceiling | None,
    purposes: Sequence[Purpose],
) -> Schedule:
    """What the agreement, as it stands, asks the parties to sign."""
    amends = f", amends {agreement.predecessor}" if agreement.predecessor else ""
    lines = [
        f"SCHEDULE OF ACCESS — agreement {agreement.reference} (version {agreement.version}{amends})",
        "",
        "1. Parties",
        *(f"   - {party.name}, {party.status} controller" for party in agreement.parties),
        "",
        "2. Data",
        *_wrapped(f"{definition.title} (“{definition.code}”), supplied by {definition.supplier}."),
        *_wrapped(f"The data are given to {agreement.organisation.name}."),
        "",
        "3. Duration",
        *_wrapped(f"From {_day(agreement.starts)} to {_day(agreement.ends)}, both days included."),
        *(_wrapped(f"To be reviewed by {_day(agreement.review_on)}.") if agreement.review_on else []),
        "",
        "4. Lawful basis and purposes",
        *_wrapped(agreement.lawful_basis or "No lawful basis is stated."),
        *_purposes(agreement, purposes),
        "",
        "5. What may be seen",
        *_wrapped(
            "An incident is seen through the first of the following grants that covers its place and month. What that "
            "grant does not permit, no later grant permits. What no grant covers is not seen."
        ),
    ]
    for number, grant in enumerate(agreement.grants, start=1):
        lines += ["", *_grant(number, grant, definition, areas)]
    lines += ["", "6. The supplier's terms", *_ceiling(ceiling, definition)]
    lines += [
        "",
        "7. Keeping and passing on",
        *_wrapped(f"Retention: {agreement.retention or 'no longer than the agreement lasts.'}"),
        *_wrapped(f"Onward sharing: {agreement.onward_sharing or 'none.'}"),
        "",
        "8. Contacts",
        *(f"   - {_CONTACTS[ContactRole(c.role)]}: {c.name}, {c.email}" for c in agreement.contacts),
    ]
    if annex := _annex(agreement.grants, areas):
        lines += ["", f"ANNEX — small areas (LSOA, edition {areas.edition})", *annex]
    text = "\n".join(lines) + "\n"
    return Schedule(text, hashlib.sha256(text.encode()).hexdigest())


def _grant(number: int, grant: Grant, definition: DatasetDefinition, areas: AreaIndex) -> list[str]:
    codes = [area.code for area in grant.areas]
    lines = [f"   Grant {number}"]
    rows = [
        ("Where", _where(number, grant, codes, areas)),
        ("When", _when(grant)),
        ("What", _what(grant, definition)),
        ("How exactly", _how(grant)),
        ("For", _list([_USES[use] for use in Use if use in grant.uses]) + "."),
    ]
    if grant.precision != Precision.AGGREGATE:
        officers = "see these records as others do" if grant.officer_records else "are given counts only"
        rows.append(("Licensing officers", f"{officers}."))
    for label, words in rows:
        lines += _wrapped(f"{label}: {words}", indent="      ")
    return lines


def _where(number: int, grant: Grant, codes: Sequence[str], areas: AreaIndex) -> str:
    lsoas = [code for code in codes if code in areas.lsoas]
    named = grant.named_areas.split() or [code for code in codes if code not in lsoas]
    places = [_PLACES.get(code) or f"{areas.boroughs[code]} ({code})" for code in named if code not in areas.lsoas]
    edge = [code for code in lsoas if code not in named]
    if own := len(lsoas) - len(edge):
        places.append(f"{_number(own, 'small area')} (annex, grant {number})")
    words = _list(places)
    if edge:
        reach = f"within {grant.edge_m / 1000:g} km of it" if grant.edge_m else "beside it"
        words += f"; with {_number(len(edge), 'small area')} of other boroughs {reach} (annex, grant {number})"
    return f"{words}."


def _when(grant: Grant) -> str:
    bounds = []
    if grant.from_month:
        bounds.append(f"from {grant.from_month}")
    if grant.to_month:
        bounds.append(f"to {grant.to_month}")
    if grant.last_months:
        bounds.append(f"the last {_number(grant.last_months, 'month')}, the current one included")
    return f"{', '.join(bounds)}." if bounds else "every month that is held."


def _what(grant: Grant, definition: DatasetDefinition) -> str:
    groups = grant.groups.split()
    parts = []
    for group in FieldGroup:
        if names := [field.alias for field in layer_fields(definition) if field.group == group and group in groups]:
            parts.append(f"{group} ({', '.join(names)})")
    return f"the fields {_list(parts)}."


def _how(grant: Grant) -> str:
    return {
        Precision.POINT: "places as the supplier gives them.",
        Precision.GRID: f"places as the middle of a square of {grant.grid_m} m.",
        Precision.AREA: "no coordinates.",
        Precision.AGGREGATE: "no incident is shown: incidents are only counted, and small counts are masked.",
    }[Precision(grant.precision)]


def _ceiling(ceiling: Ceiling | None, definition: DatasetDefinition) -> list[str]:
    if ceiling is None:
        return _wrapped("None are recorded: this agreement cannot be signed yet.")
    until = f" to {_day(ceiling.ends)}" if ceiling.ends else ""
    precision = precision_in_words(*coarser((Precision.POINT, 0), (ceiling.precision, ceiling.grid_m)))
    lines = _wrapped(
        f"Version {ceiling.version}, from {_day(ceiling.starts)}{until} (SHA-256 {ceiling.sha256}). They are a "
        "ceiling: where they are or become narrower than a grant, they hold."
    )
    lines += _wrapped(f"Fields at most: {', '.join(ceiling.groups)}. Exactness at most: {precision}.")
    lines += _wrapped(f"Uses at most: {', '.join(use for use in Use if use in ceiling.uses)}.")
    threshold = max(ceiling.suppression_threshold, definition.suppression_threshold)
    lines += _wrapped(f"Counts below {threshold} are masked before they are published.")
    if ceiling.retention_months:
        months = _number(ceiling.retention_months, "month")
        lines += _wrapped(f"Only the last {months}, the current one included, can be read.")
    return lines


def _purposes(agreement: Agreement, purposes: Sequence[Purpose]) -> list[str]:
    codes = agreement.purposes.split()
    if not codes:
        return _wrapped("Any purpose that the conditions of use permit.")
    titles = {purpose.code: purpose.title for purpose in purposes}
    return [f"   - {titles.get(code, code)}" for code in codes]


def _annex(grants: Iterable[Grant], areas: AreaIndex) -> list[str]:
    lines = []
    for number, grant in enumerate(grants, start=1):
        if codes := sorted(area.code for area in grant.areas if area.code in areas.lsoas):
            lines += [f"   Grant {number}:", *_wrapped(" ".join(codes), indent="      ")]
    return lines


def _wrapped(text: str, indent: str = "   ") -> list[str]:
    wrapped = []
    for paragraph in text.splitlines() or [""]:
        wrapped += textwrap.wrap(
            paragraph, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
        )
    return wrapped


def _list(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _day(day: date) -> str:
    return f"{day:%-d %B %Y}"
