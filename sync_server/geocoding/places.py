"""Places a column of descriptions: every text once, then joined to its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
from sqlalchemy.orm import Session

from ...shared.postcodes import PostcodeError, PostcodeIndex
from ..datasets.areas import AreaIndex
from ..services import Services
from .levels import NOWHERE, Candidate, GeoLevel, LocationMethod, Placed

# The columns that are read, where the frame has them; all texts.
DESCRIPTION = "location_description"
POSTCODE = "location_postcode"
LOCATION_TYPE = "location_type"
SITE = "site"
_READ = (DESCRIPTION, POSTCODE, LOCATION_TYPE, SITE)

_MADE: dict[str, pl.DataType] = {
    "easting": pl.Int64(),
    "northing": pl.Int64(),
    "location_method": pl.String(),
    "precision_m": pl.Int64(),
    "geo_level": pl.String(),
    "confidence": pl.Int64(),
    "matched_text": pl.String(),
    "place_borough": pl.String(),
    "place_key": pl.String(),
    "ambiguous": pl.List(pl.String),
}
_FULL_POSTCODE = re.compile(r"\b([A-Z]{1,2}[0-9][0-9A-Z]?) ?([0-9][ABD-HJLNP-UW-Z]{2})\b")


@dataclass(frozen=True)
class Described:
    """What a row says of its place; empty where it says nothing."""

    text: str = ""
    postcode: str = ""
    location_type: str = ""
    site: str = ""


class Places:
    """All that texts are placed by."""

    def __init__(self, codes: PostcodeIndex, areas: AreaIndex) -> None:
        self._postcodes = codes
        self._areas = areas

    @classmethod
    def open(cls, services: Services, session: Session, dataset: str) -> Places:
        """The gazetteer of the server's folder, the hospitals, and the decisions on the dataset's texts."""
        return cls(services.postcodes, services.areas)

    def place(self, described: Described) -> Placed:
        """Where it was."""
        found = _FULL_POSTCODE.search(f"{described.postcode} {described.text}".upper())
        if found is None:
            return NOWHERE
        try:
            place = self._postcodes.find(found[0])
        except PostcodeError:
            return NOWHERE
        borough = self._areas.lsoas[place.lsoa].borough_code if place.lsoa in self._areas.lsoas else ""
        candidate = Candidate(GeoLevel.POSTCODE, str(place.postcode), place.easting, place.northing, 50, borough, 97)
        return Placed.at(candidate, LocationMethod.POSTCODE)


def place_described(frame: pl.DataFrame, places: Places) -> pl.DataFrame:
    """The frame with ``easting``, ``northing``, ``location_method``, ``precision_m``, ``geo_level``, ``confidence``
    (0 to 100), ``matched_text``, ``place_borough`` (code; also where there is no point), ``place_key`` (the
    normalised text, only where somebody must look at it) and ``ambiguous`` (the candidates, each as JSON text;
    null where nobody need look).

    It reads ``location_description``, ``location_postcode``, ``location_type`` and ``site`` where they are there.
    ``geo_level`` “home” means a residence: it has no point.
    """
    asked = frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None, pl.String)).cast(pl.String).fill_null("").alias(name)
        for name in _READ
    )
    distinct = asked.unique(maintain_order=True)
    rows = [_row(*(places.place(described), described)) for described in _described(distinct)]
    made = pl.DataFrame(rows, schema=_MADE, orient="row")
    joined = asked.join(
        pl.concat([distinct, made], how="horizontal"), on=list(_READ), how="left", maintain_order="left"
    )
    return frame.with_columns(joined.select(list(_MADE)))


def _described(distinct: pl.DataFrame) -> Iterable[Described]:
    return (Described(*row) for row in distinct.iter_rows())


def _row(placed: Placed, described: Described) -> tuple[object, ...]:
    return (
        placed.easting,
        placed.northing,
        str(placed.method),
        placed.precision_m,
        str(placed.level),
        placed.confidence,
        placed.matched_text,
        placed.borough_code,
        described.text.casefold()[:200] if placed.unclear else None,
        [json.dumps(candidate.to_json()) for candidate in placed.candidates] if placed.unclear else None,
    )
