"""The needs-assessment pack of a borough, read through agreements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sqlalchemy.orm import Session

from ..datasets.definitions import Geometry
from ..identity.subject import Subject
from ..instants import london_today, now
from ..problems import Problem
from ..services import Services
from .model import LeftOut, NeedsPack, Numbers, Service
from .parts import PackParts
from .question import Question, purpose_in_words

_SIMPLIFIED_M = 15


def needs_pack(
    services: Services, session: Session, reader: Subject, question: Question, today: date | None = None
) -> NeedsPack:
    """The pack of a borough, of all datasets whose agreements open it whole; ``reader`` as ``reader_for`` has it.

    Raises ``Problem`` 403 where none does, and ``SafeStatsError`` where there is no such borough.
    """
    making = PackParts(services, session, reader, question, today or london_today())
    areas, code = services.areas, making.borough
    services_told: list[Service] = []
    numbers: list[Numbers] = []
    left_out: list[LeftOut] = []
    for definition in services.definitions.values():
        try:
            if definition.geometry == Geometry.COUNTS:
                numbers.append(making.numbers(definition))
            else:
                services_told.append(making.service(definition))
        except Problem as problem:
            left_out.append(LeftOut(definition.code, definition.title, problem.document.detail, problem.document.code))
    if not services_told and not numbers:
        raise making.nothing_open(left_out)
    parts: list[Service | Numbers] = [*services_told, *numbers]
    lsoas = [lsoa for lsoa, one in areas.lsoas.items() if one.borough_code == code]
    return NeedsPack(
        mode=question.mode,
        borough=areas.boroughs[code],
        borough_code=code,
        organisation=reader.organisation_name or reader.organisation,
        purpose=purpose_in_words(services.purposes, reader.purpose),
        services=services_told,
        numbers=numbers,
        left_out=left_out,
        overlaps=making.declared.among([part.definition.code for part in parts]),
        divisors=making.divisors,
        lsoa_residents=making.lsoa_residents,
        few_residents=making.declared.few_residents,
        shapes=areas.lsoa_shapes(lsoas, _SIMPLIFIED_M),
        edition=areas.edition,
        attribution=list(dict.fromkeys([*(part.definition.attribution for part in parts), areas.attribution])),
        made=now(),
    )


def require_open(
    services: Services, session: Session, reader: Subject, question: Question, today: date | None = None
) -> None:
    """Raises what ``needs_pack`` would raise for want of rights, without counting anything."""
    making = PackParts(services, session, reader, question, today or london_today())
    left_out = []
    for definition in services.definitions.values():
        try:
            making.opened(definition)
            return
        except Problem as problem:
            left_out.append(LeftOut(definition.code, definition.title, problem.document.detail, problem.document.code))
    raise making.nothing_open(left_out)


def require_still_open(
    services: Services, session: Session, reader: Subject, question: Question, agreements: Mapping[str, str]
) -> None:
    """Raises ``Problem`` where a dataset is not open for the pack any more, or by another than its agreement.

    ``agreements``, by dataset: those that opened what the pack was made of.
    """
    making = PackParts(services, session, reader, question, london_today())
    for dataset, agreement in agreements.items():
        definition = services.definitions.get(dataset)
        if definition is None or making.opened(definition).permitted.agreement != agreement:
            of = definition.title if definition else dataset
            raise _changed_since(f"The agreement on {of} has changed since the pack was made")
    if not agreements:
        raise _changed_since("It is not known any more under which agreements the pack was made")


def _changed_since(what: str) -> Problem:
    return Problem(403, "agreement-changed", "The agreement has changed", f"{what}: have it made again.")
