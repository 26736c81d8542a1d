"""What a load tells: every row counted once, by what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass
class DeliveryReport:
    """The receipt of one load. ``release`` is the one that it was staged for, ``None`` if nothing changed."""

    dataset: str
    site: str = ""  # of a supplier with several
    files: list[dict[str, Any]] = field(default_factory=list)
    months: list[str] = field(default_factory=list)
    synthetic: bool = False
    additions: bool = False  # records as they happen: it is the whole of nothing
    area_edition: str = ""
    identity_within: str = ""  # where the supplier's id names one incident
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    duplicates: int = 0
    left: Counter[str] = field(default_factory=Counter)  # rows of other datasets, by dataset
    areas: Counter[str] = field(default_factory=Counter)  # accepted rows by how their area was found
    other_borough: int = 0  # accepted rows placed in another borough than the supplier names
    dropped: Counter[str] = field(default_factory=Counter)  # values that are not agreed
    blanked: Counter[str] = field(default_factory=Counter)  # identifying values taken out of texts, by kind and header
    unmapped: Counter[str] = field(default_factory=Counter)  # values in no code list, by field
    unmapped_values: dict[str, dict[str, int]] = field(default_factory=dict)  # those that are nobody's own words
    stacked: int = 0  # accepted rows at a point with nine others or more
    withdrawn_for_good: int = 0  # rows that were withdrawn once and are never to come back
    mappings: dict[str, int] = field(default_factory=dict)  # files read, by the mapping that they were read by
    returns: list[list[str]] = field(default_factory=list)  # [site, month] that the delivery is the whole of
    quality: dict[str, Any] = field(default_factory=dict)  # how good it was, where it was measured
    notes: list[str] = field(default_factory=list)
    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    release: int | None = None

    @property
    def rows_in(self) -> int:
        """Accepted, rejected, duplicates, left and withdrawn for good together."""
        return self.accepted + self.rejected.total() + self.duplicates + self.left.total() + self.withdrawn_for_good

    @classmethod
    def of_json(cls, document: dict[str, Any]) -> DeliveryReport:
        """The report that ``to_json`` wrote; what it did not know then is as it is unless told."""
        given = {member.name: document[member.name] for member in fields(cls) if member.name in document}
        counted = {name: Counter(value) for name, value in given.items() if isinstance(getattr(_EMPTY, name), Counter)}
        return cls(**{**given, **counted})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        values = {member.name: getattr(self, member.name) for member in fields(self)}
        plain = {name: dict(value) if isinstance(value, Counter) else value for name, value in values.items()}
        return {**plain, "rows_in": self.rows_in}


_EMPTY = DeliveryReport("")
