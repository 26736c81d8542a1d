"""What the server offers of a layer, and how rows and files are proved: the contract of sync.

A *slice* is the rows of one dataset, one period and one set of rights, named by the digest of its canonical
rows. A *snapshot* is a layer in one GeoPackage with its R-tree, and the list of slices that it holds: all of them,
but for the newest days of a layer that is published as things happen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

API_VERSION = 1
CHUNK_BYTES = 8 * 1024 * 1024
UNDATED = ""  # the period of rows without a date
GEOMETRY_COLUMN = "geom"
FID_COLUMN = "fid"
SRID = 27700

# A feature id is the day number (days since 1970-01-01; 0 for undated rows) above FID_KEY_BITS bits of keyed
# hash, so the rows of a month are one range of ids and gaps count nothing.
FID_KEY_BITS = 46


@dataclass(frozen=True)
class Column:
    """A column of a layer. ``type`` is one of text, integer, real, date, boolean."""

    name: str
    alias: str
    type: str
    unit: str = ""


@dataclass(frozen=True)
class Artefact:
    """A file to download: its name, size in bytes as sent, SHA-256, and SHA-256 of each 8 MB of it."""

    name: str
    size: int
    sha256: str
    chunks: tuple[str, ...]


@dataclass(frozen=True)
class Slice(Artefact):
    """The rows of one period (``YYYY-MM``, ``YYYY-MM-DD`` or ``UNDATED``): a gzip'd GeoPackage without R-tree.

    ``fid_from`` and ``fid_to`` (inclusive) bound the feature ids of the period. ``fingerprint`` stands for the
    rights that apply to it; it is in the header that ``slice_name`` proves.
    """

    period: str = UNDATED
    fingerprint: str = ""
    rows: int = 0
    fid_from: int = 0
    fid_to: int = 0
    file_size: int = 0  # of the GeoPackage inside, and its SHA-256
    file_sha256: str = ""


@dataclass(frozen=True)
class Snapshot(Artefact):
    """A gzip'd GeoPackage with R-tree, and the names of the slices that it holds: the layer's, but for newest days."""

    rows: int = 0
    slices: tuple[str, ...] = ()
    file_size: int = 0
    file_sha256: str = ""


@dataclass(frozen=True)
class Manifest:
    """Everything that a client needs to make or update its local copy of one layer.

    ``fingerprint`` changes when the rights do, ``release`` when the data do. ``valid_until`` is an instant
    (UTC), ``agreement_until`` the last day (London's) of the agreement.
    """

    dataset: str
    title: str
    layer_name: str
    definition_version: int
    release: int
    published_at: str
    fingerprint: str
    geometry: str  # "point", or "none" where the agreement grants no coordinates
    columns: tuple[Column, ...]
    rows: int
    first_period: str
    newest_period: str
    slices: tuple[Slice, ...]
    snapshot: Snapshot | None
    attribution: str
    caveats: tuple[str, ...]
    synthetic: bool
    agreement: str
    agreement_until: str
    valid_until: str
    area_edition: str
    colour: str
    category_field: str
    api_version: int = API_VERSION
    rights: str = ""  # a digest of the rights whatever the months; known while files are being made, too
    # Codes (of LSOAs or boroughs) of the areas whose rows are held today; empty where they are not bounded.
    areas: tuple[str, ...] = ()
    # For what is published of the layer: smaller counts are withheld, and these categories have no row of their own.
    threshold: int = 0
    sensitive: tuple[str, ...] = ()
    # Of a layer that several sites return: the months of which any return came. Empty for all others.
    returned: tuple[str, ...] = ()
    # By column, the category's among them: the values, as rows hold them, that have no line of their own published.
    sensitive_by_column: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def newest_day(self) -> str:
        """The newest day published as things happen (``YYYY-MM-DD``), empty where all is published by the month."""
        return max((part.period for part in self.slices if len(part.period) == len("2026-01-31")), default="")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        # Not "asdict": it copies every value of hundreds of slices.
        return {
            **vars(self),
            "columns": [dict(vars(column)) for column in self.columns],
            "slices": [dict(vars(slice_)) for slice_ in self.slices],
            "snapshot": dict(vars(self.snapshot)) if self.snapshot else None,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Manifest:
        """Read a manifest; unknown members are ignored.

        Missing ones, and those of another type, raise ``KeyError``, ``TypeError`` or ``ValueError``.
        """
        known = {name: document[name] for name in cls.__dataclass_fields__ if name in document}
        known["columns"] = tuple(_known(Column, c) for c in document["columns"])
        known["slices"] = tuple(_artefact(Slice, s) for s in document["slices"])
        snapshot = document.get("snapshot")
        known["snapshot"] = _artefact(Snapshot, snapshot) if snapshot else None
        known["caveats"] = tuple(document["caveats"])
        for name in ("areas", "sensitive", "returned"):
            known[name] = tuple(document.get(name, ()))
        known["sensitive_by_column"] = _by_column(document.get("sensitive_by_column", {}))
        return _checked(cls, known)


def _by_column(document: Any) -> dict[str, tuple[str, ...]]:
    """The guarded values of every column; raises ``TypeError`` where they are not lists of texts."""
    if type(document) is not dict:
        raise TypeError("“sensitive_by_column” is no object")
    for values in document.values():
        if type(values) not in (list, tuple) or not all(type(value) is str for value in values):
            raise TypeError("“sensitive_by_column” holds more than texts")
    return {column: tuple(values) for column, values in document.items()}


def _known(cls: Any, document: dict[str, Any]) -> Any:
    return _checked(cls, {name: document[name] for name in cls.__dataclass_fields__ if name in document})


_PLAIN = {"str": str, "int": int, "bool": bool}
_GREATEST = 2**63 - 1  # what SQLite can count


def _checked(cls: Any, members: dict[str, Any]) -> Any:
    """An instance of ``cls``; raises ``TypeError`` or ``ValueError`` where a member is not what it should be."""
    for name, value in members.items():
        kind = str(cls.__dataclass_fields__[name].type)
        if kind in _PLAIN and type(value) is not _PLAIN[kind]:
            raise TypeError(f"“{name}” is no {kind}")
        if kind == "tuple[str, ...]" and not all(type(one) is str for one in value):
            raise TypeError(f"“{name}” holds more than texts")
        if kind == "int" and not 0 <= value <= _GREATEST:
            raise ValueError(f"“{name}” is out of range")
    return cls(**members)


def _artefact(cls: Any, document: dict[str, Any]) -> Any:
    document = {**document, "chunks": tuple(document["chunks"])}
    if "slices" in document:
        document["slices"] = tuple(document["slices"])
    return _known(cls, document)


_ENCODE_ROW = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # made once: rows are many


def canonical_row(values: Sequence[Any]) -> bytes:
    """One row as bytes: JSON without spaces, values in column order, ended by a line feed."""
    return _ENCODE_ROW(list(values)).encode() + b"\n"


def slice_name(header: dict[str, Any], rows: Iterable[Sequence[Any]]) -> str:
    """SHA-256, in hexadecimal, of the header and the rows in the order of their feature ids.

    The header holds dataset, definition version, fingerprint, period and columns. A row is ``fid``, easting
    and northing as integers (or two ``None``), then the columns' values in order: dates as ISO text, booleans
    as true and false.
    """
    digest = slice_digest(header)
    for row in rows:
        digest.update(canonical_row(row))
    return digest.hexdigest()


def slice_digest(header: dict[str, Any]) -> Any:
    """The SHA-256 (as of ``hashlib``) of a slice's header, to be updated with its canonical rows."""
    return hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n")
