"""Suppliers' formats are declared: mapping documents lead from a file's columns to targets.

A target is a declared field of the dataset, one of its free texts, the id by which the supplier knows the row, or one
of ``TARGETS``. Those of ``resources/mappings`` come with the project; the team saves others for single sites.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..datasets.definitions import DatasetDefinition, DefinitionError
from .codes import CodeMap
from .headers import header_key, matches

TARGETS = frozenset(
    ("month", "occurred_on", "occurred_time", "arrived_on", "arrived_time", "site", "return_month")
    + ("longitude", "latitude", "easting", "northing", "easting_rounded", "northing_rounded")
    + ("supplier_lsoa", "supplier_borough", "location_description", "location_postcode")
)


class PlaceKind(StrEnum):
    """How a row says where it was."""

    LONLAT = "lonlat"  # WGS84 degrees
    GRID = "grid"  # metres of EPSG:27700, exact or rounded
    DESCRIBED = "described"  # words, which the geocoder places
    AREA = "area"  # a borough at most


class Parse(StrEnum):
    """What a column's text must be."""

    TEXT = "text"
    MONTH = "month"
    DATE = "date"  # a day, with or without its time
    TIME = "time"
    INSTANT = "instant"  # a date and time, in UTC unless it bears an offset; London's time is kept
    INTEGER = "integer"


class DateOrder(StrEnum):
    """Which comes first in 05/03/2026. Auto: the file's own rows tell."""

    AUTO = "auto"
    DMY = "dmy"
    MDY = "mdy"


@dataclass(frozen=True)
class Source:
    """One target and the headers under which it comes, which may hold "*". ``empty`` are texts that mean nothing."""

    target: str
    headers: tuple[str, ...]
    parse: Parse = Parse.TEXT
    required: bool = False
    strip_prefix: str = ""
    empty: tuple[str, ...] = ()
    or_headers: tuple[str, ...] = ()  # taken where none of the others is there and nobody else's header is
    in_own_words: bool = False  # values that no code list has are counted and never shown


@dataclass(frozen=True)
class Placing:
    """How rows are placed, and what ``location_method`` and ``precision_m`` say of it."""

    kind: PlaceKind
    method: str = ""
    precision_m: int = 0
    rounded_method: str = ""
    rounded_precision_m: int = 0


@dataclass(frozen=True)
class OtherFile:
    """Another file of the supplier's, known by its headers, that is not taken; ``instead`` says what is."""

    title: str
    headers: tuple[str, ...]
    instead: str


@dataclass(frozen=True)
class Mapping:
    """One supplier's format."""

    code: str
    title: str
    datasets: tuple[str, ...]
    sources: tuple[Source, ...]
    placing: Placing
    owner_headers: tuple[str, ...] = ()  # the column that says whose row it is; () where a file has one owner
    owners: Lookup[str, str] = field(default_factory=dict)  # what stands there → dataset
    drop: Lookup[str, tuple[str, ...]] = field(default_factory=dict)  # what is not agreed → its headers
    ignore: tuple[str, ...] = ()
    nowhere: tuple[str, ...] = ()  # of a site's own: headers that lead nowhere, whatever its base says of them
    others: tuple[OtherFile, ...] = ()
    sheet: str = ""  # the only one to be read; "": all that have the headers
    header_row: int = 0  # counted from 1; 0: found by its headers
    date_order: DateOrder = DateOrder.AUTO
    month_only: bool = False  # days stand for their months
    in_words: bool = False  # dates and times are what people said: what cannot be read is unknown, not wrong
    codes: Lookup[str, CodeMap] = field(default_factory=dict)  # field → what suppliers write → code
    constants: Lookup[str, str] = field(default_factory=dict)  # target → what all rows have

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header that the mapping knows, be it taken, dropped or ignored."""
        taken = (header for source in self.sources for header in (*source.headers, *source.or_headers))
        dropped = (header for headers in self.drop.values() for header in headers)
        return (*taken, *self.owner_headers, *dropped, *self.ignore)

    def knows(self, header: str) -> bool:
        """Whether a file's header is one of them."""
        key = header_key(header)
        return any(matches(key, header_key(pattern)) for pattern in self.headers)

    def source(self, target: str) -> Source | None:
        """The source of a target."""
        return next((source for source in self.sources if source.target == target), None)


def read_mappings(folder: Path, definitions: Lookup[str, DatasetDefinition]) -> list[Mapping]:
    """All mappings of a folder and the folders in it; raises ``DefinitionError`` where one does not fit its datasets.

    Files that have no ``[mapping]`` are code lists, which mappings include.
    """
    mappings = []
    for path in sorted(folder.rglob("*.toml")):
        document = path.read_text(encoding="utf-8")
        if "[mapping]" not in document.splitlines():
            continue
        mapping = parse_mapping(document, path.name, folder)
        for code in mapping.datasets:
            if code in definitions:
                check_mapping(mapping, definitions[code], path.name)
        mappings.append(mapping)
    return mappings


def parse_mapping(document: str, name: str, folder: Path | None = None, bases: Iterable[Mapping] = ()) -> Mapping:
    """The mapping in a TOML document that is called ``name`` in ``DefinitionError``.

    ``folder`` holds the code lists that it includes: without one, as where somebody saves or sends a mapping, it may
    include none. ``bases`` holds the mapping that it may be based on.
    """
    try:
        return _mapping(tomllib.loads(document), folder, {base.code: base for base in bases})
    except OSError as error:
        # Its own words name a path of this machine.
        raise DefinitionError(f"{name}: a code list that this mapping includes cannot be read.") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DefinitionError(f"{name}: this mapping cannot be read: {error}.") from error


def check_mapping(mapping: Mapping, definition: DatasetDefinition, name: str) -> None:
    """Raises ``DefinitionError`` where the mapping, called ``name``, does not fit the dataset."""
    fields = {field.name: field for field in definition.fields}
    allowed = {*TARGETS, *fields, *definition.free_text} | {definition.identity.id_field}
    if definition.counting is not None:
        allowed |= {definition.counting.field}
    for target in (*(source.target for source in mapping.sources), *mapping.constants):
        if target not in allowed:
            raise DefinitionError(f"{name}: “{target}” is no field of {definition.code}.")
    for coded, codes in mapping.codes.items():
        if coded not in fields:
            raise DefinitionError(f"{name}: “{coded}”, which has a code list, is no field of {definition.code}.")
        for code in codes.codes:
            if fields[coded].codes and code not in fields[coded].codes:
                raise DefinitionError(f"{name}: “{code}” is no code of “{coded}”.")
    wanted = {"month"} if definition.date_precision == "month" else {"occurred_on"}
    given = {source.target for source in mapping.sources} | set(mapping.constants)
    if not wanted & given:
        raise DefinitionError(f"{name}: nothing gives “{min(wanted)}” for {definition.code}.")


def _mapping(document: dict[str, Any], folder: Path | None, bases: dict[str, Mapping]) -> Mapping:
    head, owner = document["mapping"], document.get("owner", {})
    everywhere = tuple(head.get("empty", ()))
    based_on = head.get("based_on", "")
    if based_on and based_on not in bases:
        raise ValueError(f"there is no mapping “{based_on}” that it could be based on")
    base = bases.get(based_on)
    sources = tuple(_source(entry, everywhere) for entry in document.get("columns", ()))
    codes = _codes(document, folder)
    settings = {
        "code": head["code"],
        "title": head["title"],
        "datasets": tuple(head["datasets"]),
        "sheet": head.get("sheet", base.sheet if base else ""),
        "header_row": int(head.get("header_row", base.header_row if base else 0)),
        "date_order": DateOrder(head.get("date_order", base.date_order if base else DateOrder.AUTO)),
        "month_only": bool(head.get("month_only", base.month_only if base else False)),
        "in_words": bool(head.get("in_words", base.in_words if base else False)),
        "constants": {**(base.constants if base else {}), **document.get("constants", {})},
    }
    ignored = tuple(document.get("ignore", {}).get("headers", ()))
    if base is not None:
        return replace(
            base,
            **settings,
            sources=_merged(base, sources),
            codes=_joined(codes, base.codes),
            ignore=(*ignored, *base.ignore),
            nowhere=ignored,
        )
    return Mapping(
        **settings,
        sources=sources,
        codes=codes,
        placing=_placing(document["place"]),
        owner_headers=tuple(owner.get("headers", ())),
        owners={name: dataset for dataset, names in owner.get("values", {}).items() for name in names},
        drop={what: tuple(headers) for what, headers in document.get("drop", {}).items()},
        ignore=ignored,
        others=tuple(
            OtherFile(entry["title"], tuple(entry["headers"]), entry["instead"])
            for entry in document.get("other_files", ())
        ),
    )


def _placing(place: dict[str, Any]) -> Placing:
    method, precision = place.get("method", ""), int(place.get("precision_m", 0))
    return Placing(
        PlaceKind(place["kind"]),
        method,
        precision,
        place.get("rounded_method", method),
        int(place.get("rounded_precision_m", precision)),
    )


def _source(entry: dict[str, Any], empty: Iterable[str]) -> Source:
    return Source(
        target=entry["to"],
        headers=tuple(entry["headers"]),
        parse=Parse(entry.get("parse", "text")),
        required=bool(entry.get("required", False)),
        strip_prefix=entry.get("strip_prefix", ""),
        empty=(*empty, *entry.get("empty", ())),
        or_headers=tuple(entry.get("or_headers", ())),
        in_own_words=bool(entry.get("in_own_words", False)),
    )


def _merged(base: Mapping, sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """The base's sources, in which a site's own headers come first; a header that the site uses for one target is
    taken from the others."""
    own = {source.target: source for source in sources}
    claimed = {header_key(header): source.target for source in sources for header in source.headers}
    merged = []
    for source in base.sources:
        told = own.pop(source.target, None)
        kept = [header for header in source.headers if claimed.get(header_key(header), source.target) == source.target]
        headers = (*(told.headers if told else ()), *kept)
        merged.append(replace(source, headers=tuple(dict.fromkeys(headers))))
    return (*merged, *own.values())


def _codes(document: dict[str, Any], folder: Path | None) -> dict[str, CodeMap]:
    """The document's own code lists first, then those that it includes."""
    lists = [document.get("codes", {})]
    for name in document.get("mapping", {}).get("include", ()):
        if folder is None:
            raise ValueError("it includes code lists, which only those may that come with SafeStats: base it on one")
        home = folder.resolve()
        path = (home / name).resolve()
        if not path.is_relative_to(home):
            raise ValueError("it includes what is not in the mappings’ folder")
        lists.append(tomllib.loads(path.read_text(encoding="utf-8")).get("codes", {}))
    codes: dict[str, CodeMap] = {}
    for each in lists:
        codes = _joined(
            codes, {name: CodeMap.of(entries) for name, entries in each.items() if isinstance(entries, dict)}
        )
    return codes


def _joined(first: Lookup[str, CodeMap], then: Lookup[str, CodeMap]) -> dict[str, CodeMap]:
    joined = dict(then)
    for name, codes in first.items():
        joined[name] = codes.before(then[name]) if name in then else codes
    return joined
