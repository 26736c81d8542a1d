"""Ten thousand descriptions of places, placed: our ladder beside plain comparison with every name of the gazetteer.

The peers only name the likeliest place: they know no areas, no junctions, no homes, and never say that several fit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import polars as pl
import rapidfuzz
from rapidfuzz import fuzz, process

from ..shared.areas import BOUNDARIES_FILE
from ..sync_server.datasets.areas import load_supplied_areas
from ..sync_server.geocoding.gazetteer import Entry, read_entries
from ..sync_server.geocoding.places import Places, place_described
from ..sync_server.geocoding.wording import fold, key_of
from ..sync_server.schema import prepare_database
from ..sync_server.services import open_services
from ..sync_server.settings import Part, Settings
from .described_places import POINT_LEVELS, Told, describe
from .job import Outcome, Place
from .measuring import Contender, Kind, in_turns

TEXTS, FEW = 10_000, 500
MOST_SECONDS = 30.0


def measure(place: Place) -> Outcome:
    """The places are opened beforehand, as a load does once; the peers' indexes too."""
    told = describe(place.resources, TEXTS, 29)
    frame = pl.DataFrame({"location_description": [one.text for one in told], "site": [one.site for one in told]})
    places = _places(place.scratch / "server")
    supplied = place.resources / "gazetteer"
    entries = [*read_entries(supplied / "synthetic.csv.gz"), *read_entries(supplied / "stations.csv")]
    names = [key_of(entry.name) for entry in entries]
    texts = [key_of(one.text) for one in told]
    few, by_rapidfuzz = frame.head(FEW), f"rapidfuzz over all {len(names):,} names"
    with closing(_fts(names)) as index:
        whole = in_turns(
            f"Place {TEXTS:,} descriptions",
            [
                Contender(
                    "place_described", Kind.OURS, lambda folder: place_described(frame, places), aim=MOST_SECONDS
                ),
                Contender(
                    "SQLite FTS5 (trigrams), the likeliest name", Kind.PEER, lambda folder: _search(index, texts)
                ),
            ],
            place.scratch,
            note=_rightness(told, place_described(frame, places)),
        )
    part = in_turns(
        f"Place {FEW:,} descriptions",
        [
            Contender("place_described", Kind.OURS, lambda folder: place_described(few, places)),
            Contender(by_rapidfuzz, Kind.PEER, lambda folder: _likest(texts[:FEW], names), aim=1.0),
        ],
        place.scratch,
        note=_rightness_of_peer(told[:FEW], _likest(texts[:FEW], names), entries),
    )
    return Outcome([whole, part], versions={"rapidfuzz": rapidfuzz.__version__, "SQLite": sqlite3.sqlite_version})


def _places(folder: Path) -> Places:
    settings = Settings(data_dir=folder, database_url="", publisher_url="", owner_url="")
    services = open_services(settings, Part.OWNER)
    prepare_database(services.database, settings, services.definitions)
    with services.database.write() as session:
        load_supplied_areas(session, settings.resources_dir / BOUNDARIES_FILE)
    with services.database.read() as session:
        places = Places.open(services, session, "istv", synthetic=True)
    services.close()
    return places


def _fts(names: Sequence[str]) -> sqlite3.Connection:
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE name USING fts5(key, tokenize='trigram')")
    index.executemany("INSERT INTO name (key) VALUES (?)", [(name,) for name in names])
    return index


def _search(index: sqlite3.Connection, texts: Sequence[str]) -> list[object]:
    found: list[object] = []
    for text in texts:
        words = [word for word in fold(text).split() if len(word) > 2]
        query = " OR ".join(f'"{word}"' for word in words)
        statement = "SELECT rowid FROM name WHERE name MATCH ? ORDER BY rank LIMIT 1"
        found.append(index.execute(statement, (query,)).fetchone() if query else None)
    return found


def _likest(texts: Sequence[str], names: Sequence[str]) -> list[int | None]:
    found = [process.extractOne(text, names, scorer=fuzz.WRatio, score_cutoff=80) for text in texts]
    return [int(best[2]) if best else None for best in found]


def _rightness(told: Sequence[Told], ours: pl.DataFrame) -> str:
    rows = list(ours.select("easting", "northing", "precision_m", "confidence").iter_rows())
    pointed = [one.level in POINT_LEVELS for one in told]
    right = [
        meant and one.found_at(easting, northing, precision)
        for one, meant, (easting, northing, precision, _) in zip(told, pointed, rows, strict=True)
    ]
    sure = [good for good, row in zip(right, rows, strict=True) if row[0] is not None and row[3] > 80]
    return (
        f"Of the {sum(pointed):,} descriptions that allow a point, {sum(right) / sum(pointed):.1%} are found; of the "
        f"{len(sure):,} with a confidence over 80, {sure.count(False) / len(sure):.2%} are wrong. The peer names one "
        "name a text and no place."
    )


def _rightness_of_peer(told: Sequence[Told], found: Sequence[int | None], entries: Sequence[Entry]) -> str:
    pointed = sum(one.level in POINT_LEVELS for one in told)
    places = [None if index is None else entries[index] for index in found]
    right = sum(
        entry is not None and one.level in POINT_LEVELS and one.found_at(entry.easting, entry.northing, entry.extent_m)
        for one, entry in zip(told, places, strict=True)
    )
    return f"rapidfuzz alone (likeness of 80 or more) puts {right / pointed:.1%} right: it knows no postcodes or areas."
