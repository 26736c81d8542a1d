"""Postcodes found for whoever may ask, and audited; nothing of incidents."""

from __future__ import annotations

from ...shared.postcodes import (
    PostcodeError,
    PostcodeNotCovered,
    PostcodePlace,
    PostcodeWithoutPlace,
    UnknownPostcode,
)
from ..audit.log import EventType, Outcome
from ..identity.subject import Subject
from ..problems import Problem
from ..services import Services
from .schemas import PostcodeAnswer


def find_postcode(services: Services, subject: Subject, text: str) -> PostcodeAnswer:
    """Where the postcode is, in the loaded areas; audited. Raises ``Problem``, which says what to type instead."""
    try:
        place = find_place(services, text)
    except Problem as problem:
        # What was typed may be anything, a name even: it is not kept.
        _audit(services, subject, {}, problem.document.code)
        raise
    areas = services.areas
    (lsoa_code,) = areas.assign([place.easting], [place.northing]).codes
    borough_code = areas.lsoas[lsoa_code].borough_code if lsoa_code else ""
    _audit(services, subject, {"postcode": str(place.postcode)})
    return PostcodeAnswer(
        postcode=str(place.postcode),
        easting=place.easting,
        northing=place.northing,
        quality=place.quality,
        quality_text=place.quality_text,
        lsoa_code=lsoa_code,
        borough_code=borough_code,
        borough=areas.boroughs.get(borough_code, ""),
        edition=areas.edition,
    )


def find_place(services: Services, text: str) -> PostcodePlace:
    """The postcode's place; raises ``Problem``, which says what to type instead."""
    try:
        return services.postcodes.find(text)
    except PostcodeError as error:
        absent = isinstance(error, UnknownPostcode | PostcodeNotCovered | PostcodeWithoutPlace)
        raise Problem(
            404 if absent else 422,
            error.code,
            "No place to search around",
            str(error),
            suggestions=list(error.suggestions),
        ) from error


def _audit(services: Services, subject: Subject, searched: dict[str, str], refused: str = "") -> None:
    services.audit.record(
        EventType.POSTCODE_LOOKUP,
        **subject.audited,
        filter=searched,
        outcome=Outcome.REFUSED if refused else Outcome.OK,
        reason=refused,
    )
