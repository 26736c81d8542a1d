"""Places a column of descriptions: every text once, then joined to its rows."""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl
from sqlalchemy.orm import Session

from ...shared.postcodes import POSTCODES_FILE
from ..services import Services
from . import store
from .boroughs import Boroughs
from .gazetteer import GAZETTEER_FOLDER, Gazetteer, read_entries, read_supplied_postcodes
from .hospitals import hospitals_file, read_hospitals
from .ladder import Ladder
from .levels import HOME, Placed
from .review import decisions_of
from .wording import LONGEST_KEY, plain
from .written_postcodes import Described

__all__ = ["Described", "Places", "place_described"]

# The columns that are read, where the frame has them; all texts.
_READ = ("location_description", "location_postcode", "location_type", "site")
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


class Places:
    """All that texts are placed by: the ladder, and what was decided on texts before."""

    def __init__(self, ladder: Ladder, decisions: Mapping[tuple[str, str], Placed]) -> None:
        """``decisions`` are by site ("" for every site) and normalised text."""
        self._ladder = ladder
        self._decisions = decisions

    @classmethod
    def open(cls, services: Services, session: Session, dataset: str, *, synthetic: bool) -> Places:
        """The gazetteer, the hospitals, and the decisions on the dataset's texts.

        A synthetic delivery is placed by the streets and venues that are made up and come with the project, a real
        one by those of the server's folder: what is real is never put at a place that does not exist.
        """
        settings = services.settings
        hospitals = read_hospitals(hospitals_file(settings.data_dir, settings.resources_dir))
        boroughs = Boroughs(services.areas)
        ladder = Ladder(open_gazetteer(services, boroughs, synthetic=synthetic), hospitals, boroughs)
        return cls(ladder, decisions_of(session, dataset))

    def place(self, described: Described) -> Placed:
        """Where it was. A residence has no place, whatever was decided."""
        placed = self._ladder.place(described)
        if placed == HOME:
            return placed
        text = review_key(described)
        decided = self._decisions.get((described.site, text)) or self._decisions.get(("", text))
        return decided or placed


def open_gazetteer(services: Services, boroughs: Boroughs, *, synthetic: bool) -> Gazetteer:
    """The gazetteer of a synthetic or of a real delivery."""
    if synthetic:
        return services.made_up_places
    supplied = services.settings.resources_dir / GAZETTEER_FOLDER
    postcodes = [read_supplied_postcodes(services.settings.resources_dir / POSTCODES_FILE, boroughs)]
    loaded = store.read_all(services.settings.data_dir, boroughs)
    entries = loaded.entries_with(read_entries(supplied / "stations.csv"))
    return Gazetteer.build(entries, [*loaded.postcodes, *postcodes], boroughs, supplied)


def review_key(described: Described) -> str:
    """The text as it is asked about and decided on: all that the row says of its place, normalised."""
    return plain(f"{described.text}, {described.postcode}" if described.postcode else described.text)[:LONGEST_KEY]


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
    described = [Described(*row) for row in distinct.iter_rows()]
    made = pl.DataFrame([_row(one, places.place(one)) for one in described], schema=_MADE, orient="row")
    joined = asked.join(
        pl.concat([distinct, made], how="horizontal"), on=list(_READ), how="left", maintain_order="left"
    )
    return frame.with_columns(joined.select(list(_MADE)))


def _row(described: Described, placed: Placed) -> tuple[object, ...]:
    return (
        placed.easting,
        placed.northing,
        str(placed.method),
        placed.precision_m,
        str(placed.level),
        placed.confidence,
        placed.matched_text,
        placed.borough_code,
        review_key(described) if placed.unclear else None,
        [json.dumps(candidate.to_json()) for candidate in placed.candidates] if placed.unclear else None,
    )
