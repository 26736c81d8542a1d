"""Suppliers' formats are declared: ``resources/mappings/*.toml`` lead from a file's columns to targets.

A target is a declared field of the dataset, the id by which the supplier knows the row, or one of ``TARGETS``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..datasets.definitions import DatasetDefinition, DefinitionError

TARGETS = frozenset(
    ("month", "occurred_time", "longitude", "latitude", "easting", "northing", "easting_rounded", "northing_rounded")
    + ("supplier_lsoa", "supplier_borough")
)


class FileFormat(StrEnum):
    """How a file is read."""

    CSV = "csv"
    JSON_ZIP = "json-zip"


class PlaceKind(StrEnum):
    """How a row says where it was."""

    LONLAT = "lonlat"  # WGS84 degrees
    GRID = "grid"  # metres of EPSG:27700, exact or rounded


class Parse(StrEnum):
    """What a column's text must be."""

    TEXT = "text"
    MONTH = "month"
    DATE = "date"
    TIME = "time"
    INSTANT = "instant"  # a date and time, in UTC unless it bears an offset; London's time is kept
    INTEGER = "integer"


@dataclass(frozen=True)
class Source:
    """One target and the headers under which it comes. ``empty`` are texts that mean nothing."""

    target: str
    headers: tuple[str, ...]
    parse: Parse
    required: bool
    strip_prefix: str
    empty: tuple[str, ...]


@dataclass(frozen=True)
class Placing:
    """How rows are placed, and what ``location_method`` and ``precision_m`` say of it."""

    kind: PlaceKind
    method: str
    precision_m: int
    rounded_method: str
    rounded_precision_m: int


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
    format: FileFormat
    datasets: tuple[str, ...]
    sources: tuple[Source, ...]
    placing: Placing
    owner_headers: tuple[str, ...]  # the column that says whose row it is; () where a file has one owner
    owners: dict[str, str]  # what stands there → dataset
    drop: dict[str, tuple[str, ...]]  # what is not agreed → its headers
    ignore: tuple[str, ...]
    others: tuple[OtherFile, ...]


def header_key(header: str) -> str:
    """Headers are compared without regard to case, spaces, underscores and a byte order mark."""
    return re.sub(r"[\s_\ufeff]", "", header).casefold()


def read_mappings(folder: Path, definitions: dict[str, DatasetDefinition]) -> list[Mapping]:
    """All mappings of a folder; raises ``DefinitionError`` where one does not fit its datasets."""
    mappings = []
    for path in sorted(folder.glob("*.toml")):
        mapping = parse_mapping(path.read_text(encoding="utf-8"), path.name)
        for code in mapping.datasets:
            if code in definitions:
                check_mapping(mapping, definitions[code], path.name)
        mappings.append(mapping)
    return mappings


def parse_mapping(document: str, name: str) -> Mapping:
    """The mapping in a TOML document that is called ``name`` in ``DefinitionError``."""
    try:
        return _mapping(tomllib.loads(document))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise DefinitionError(f"{name}: this mapping cannot be read: {error}.") from error


def check_mapping(mapping: Mapping, definition: DatasetDefinition, name: str) -> None:
    """Raises ``DefinitionError`` where the mapping, called ``name``, does not fit the dataset."""
    allowed = TARGETS | {field.name for field in definition.fields} | {definition.identity.id_field}
    for source in mapping.sources:
        if source.target not in allowed:
            raise DefinitionError(f"{name}: “{source.target}” is no field of {definition.code}.")
    wanted = "month" if definition.date_precision == "month" else "occurred_on"
    if wanted not in {source.target for source in mapping.sources}:
        raise DefinitionError(f"{name}: nothing gives “{wanted}” for {definition.code}.")


def _mapping(document: dict[str, Any]) -> Mapping:
    head, place, owner = document["mapping"], document["place"], document.get("owner", {})
    everywhere = tuple(head.get("empty", ()))
    return Mapping(
        code=head["code"],
        title=head["title"],
        format=FileFormat(head["format"]),
        datasets=tuple(head["datasets"]),
        sources=tuple(_source(entry, everywhere) for entry in document["columns"]),
        placing=Placing(
            PlaceKind(place["kind"]),
            place["method"],
            int(place["precision_m"]),
            place.get("rounded_method", place["method"]),
            int(place.get("rounded_precision_m", place["precision_m"])),
        ),
        owner_headers=tuple(owner.get("headers", ())),
        owners={name: dataset for dataset, names in owner.get("values", {}).items() for name in names},
        drop={what: tuple(headers) for what, headers in document.get("drop", {}).items()},
        ignore=tuple(document.get("ignore", {}).get("headers", ())),
        others=tuple(
            OtherFile(entry["title"], tuple(entry["headers"]), entry["instead"])
            for entry in document.get("other_files", ())
        ),
    )


def _source(entry: dict[str, Any], empty: Iterable[str]) -> Source:
    return Source(
        target=entry["to"],
        headers=tuple(entry["headers"]),
        parse=Parse(entry.get("parse", "text")),
        required=bool(entry.get("required", False)),
        strip_prefix=entry.get("strip_prefix", ""),
        empty=(*empty, *entry.get("empty", ())),
    )
