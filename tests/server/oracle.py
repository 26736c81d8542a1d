"""What everybody should be answered, from the rules and nothing else: no code of the server is asked.

The rules: an active agreement within its dates opens a dataset to its organisation's analysts, licensing officers and
administrators, for its purposes. A row is seen through the first grant that covers it; one that does not permit the use
hides it. The supplier's terms clip every grant. Officers only count, unless a grant gives them records.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

WORKING = ("analyst", "licensing-officer", "organisation-admin")
COARSENESS = ("point", "grid", "area", "aggregate")
PLACES = ("easting", "northing")


@dataclass(frozen=True)
class Column:
    name: str
    group: str
    kind: str = "text"


BUILT_IN = (
    Column("month", "core"),
    Column("borough_code", "area"),
    Column("borough", "area"),
    Column("lsoa_code", "area"),
    Column("easting", "location", "integer"),
    Column("northing", "location", "integer"),
    Column("location_method", "location"),
    Column("precision_m", "location", "integer"),
)


@dataclass(frozen=True)
class Dataset:
    code: str
    own: tuple[Column, ...]
    threshold: int = 5

    @property
    def columns(self) -> tuple[Column, ...]:
        return BUILT_IN + self.own


@dataclass(frozen=True)
class Row:
    """``values`` are all columns as held; ``fids`` by precision; ``place`` are the codes that grants may name."""

    number: int
    values: dict[str, Any]
    fids: dict[str, int]
    place: frozenset[str]

    @property
    def month(self) -> str:
        return self.values["month"] or ""


@dataclass(frozen=True)
class Grant:
    areas: frozenset[str]
    groups: frozenset[str]
    precision: str
    grid_m: int = 0
    from_month: str = ""
    to_month: str = ""
    uses: frozenset[str] = frozenset({"view", "sync"})
    officer_records: bool = False
    rolling: bool = False  # agreed as “the last months”, which begin with ``from_month`` today
    counted: str = "point"  # where rows that are only counted count as lying
    counted_m: int = 0

    def only_counted(self) -> Grant:
        if self.precision == "aggregate":
            return self
        return replace(self, precision="aggregate", counted=self.precision, counted_m=self.grid_m)


@dataclass(frozen=True)
class Agreement:
    reference: str
    organisation: str
    dataset: str
    state: str
    starts: date
    ends: date
    purposes: frozenset[str]
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class Terms:
    dataset: str
    version: int
    groups: frozenset[str]
    precision: str
    grid_m: int
    uses: frozenset[str]
    recipients: frozenset[str]
    threshold: int
    keep_from: str  # the oldest month that may be given; "" = all
    starts: date
    ends: date | None


@dataclass(frozen=True)
class Person:
    name: str
    organisation: str
    kind: str
    role: str
    purpose: str


@dataclass(frozen=True)
class State:
    """A world at one moment. ``contents``: the row numbers of each published release of a dataset, in order."""

    datasets: tuple[Dataset, ...]
    rows: dict[str, tuple[Row, ...]]
    contents: dict[str, tuple[frozenset[int], ...]]
    agreements: tuple[Agreement, ...]
    terms: tuple[Terms, ...]
    today: date

    def dataset(self, code: str) -> Dataset:
        return next(dataset for dataset in self.datasets if dataset.code == code)


@dataclass(frozen=True)
class Refused:
    code: str


@dataclass(frozen=True)
class Opened:
    """What an agreement holds for a person: the grants that count, in order."""

    dataset: Dataset
    grants: tuple[Grant, ...]
    rows: tuple[Row, ...]
    threshold: int
    release: int
    reference: str
    until: date

    def seen(self, use: str) -> list[dict[str, Any]]:
        """The rows that are shown for the use: ``fid``, ``x``, ``y`` and every column of the layer."""
        return [show(self, grant, row, use) for grant, row in self.shares(use) if grant.precision != "aggregate"]

    def counted(self) -> list[Row]:
        """The rows that are only counted."""
        return [row for grant, row in self.shares("view") if grant.precision == "aggregate"]

    def counting_grant(self, row: Row) -> Grant:
        return next(grant for grant in self.grants if covers(grant, row))

    def shares(self, use: str) -> list[tuple[Grant, Row]]:
        found = []
        for row in self.rows:
            first = next((grant for grant in self.grants if covers(grant, row)), None)
            if first is not None and use in first.uses:
                found.append((first, row))
        return found

    def giving(self, use: str) -> list[Grant]:
        return [grant for grant in self.grants if use in grant.uses and grant.precision != "aggregate"]

    def told(self, use: str) -> bool:
        """Whether the desk is told of the use: what it keeps itself, only where no grant of the copy lacks it."""
        if use in ("view", "sync"):
            return bool(self.giving(use))
        lacking = [grant for grant in self.giving("sync") if use not in grant.uses]
        return bool(self.giving("sync")) and not lacking

    def counting(self) -> list[Grant]:
        return [grant for grant in self.grants if "view" in grant.uses and grant.precision == "aggregate"]

    def columns(self, use: str) -> list[Column]:
        return [c for c in self.dataset.columns if any(c in columns_of(g, self.dataset) for g in self.giving(use))]

    def placed(self, use: str) -> bool:
        return any(kind(grant) in ("point", "grid") for grant in self.giving(use))


def opened(state: State, person: Person, code: str) -> Opened | Refused:
    if code not in {dataset.code for dataset in state.datasets}:
        return Refused("unknown-dataset")
    if person.role not in WORKING:
        return Refused("role-without-data")
    agreement = in_force(state, person, code)
    if isinstance(agreement, Refused):
        return agreement
    # Words of one's own that were approved count as “other”.
    purpose = "other" if person.purpose.startswith("other-") else person.purpose
    if agreement.purposes and purpose not in agreement.purposes:
        return Refused("purpose-not-agreed")
    grants = agreement.grants
    threshold, until = state.dataset(code).threshold, agreement.ends
    if person.role == "licensing-officer":
        grants = tuple(g if g.officer_records else g.only_counted() for g in grants)
    terms = counting_terms(state, code)
    if terms is not None:
        if state.today < terms.starts or (terms.ends is not None and terms.ends < state.today):
            return Refused("terms-not-in-force")
        if terms.recipients and not terms.recipients & {person.organisation, person.kind}:
            return Refused("not-a-recipient")
        grants = tuple(clipped(grant, terms) for grant in grants)
        threshold = max(threshold, terms.threshold)
        until = min(until, terms.ends or until)
    releases = state.contents[code]
    live = releases[-1] if releases else frozenset()
    rows = tuple(row for row in state.rows[code] if row.number in live)
    return Opened(state.dataset(code), grants, rows, threshold, len(releases), agreement.reference, until)


def asked(state: State, person: Person, code: str, use: str, *, counts: bool = False) -> Opened | Refused:
    """What is open for a use: rows, or with ``counts`` rows or counts."""
    found = opened(state, person, code)
    if isinstance(found, Refused):
        return found
    if not found.giving(use) and not (counts and found.counting()):
        only_counts = any(use in g.uses and g.precision == "aggregate" for g in found.grants)
        return Refused("aggregates-only" if only_counts and not counts else "use-not-granted")
    return found if found.release else Refused("not-published")


def in_force(state: State, person: Person, code: str) -> Agreement | Refused:
    theirs = [
        a for a in state.agreements if (a.organisation, a.dataset) == (person.organisation, code) and a.state != "draft"
    ]
    for agreement in theirs:
        if agreement.state == "active" and agreement.starts <= state.today <= agreement.ends:
            return agreement
    if any(a.state == "suspended" for a in theirs):
        return Refused("agreement-suspended")
    if any(a.state == "active" and a.starts > state.today for a in theirs):
        return Refused("agreement-not-started")
    if any(a.state != "signed" for a in theirs):
        return Refused("agreement-ended")
    return Refused("no-agreement")


def counting_terms(state: State, code: str) -> Terms | None:
    versions = sorted((t for t in state.terms if t.dataset == code), key=lambda t: t.version)
    started = [t for t in versions if t.starts <= state.today]
    if started:
        return started[-1]
    return min(versions, key=lambda t: t.starts) if versions else None


def clipped(grant: Grant, terms: Terms) -> Grant:
    if terms.precision == "aggregate":
        grant = grant.only_counted()
    elif grant.precision == "aggregate":
        # Nobody counts more closely than the supplier lets anybody see.
        counted = max(grant.counted, terms.precision, key=COARSENESS.index)
        cells = [m for p, m in ((grant.counted, grant.counted_m), (terms.precision, terms.grid_m)) if p == "grid"]
        grant = replace(grant, counted=counted, counted_m=max(cells, default=0))
    precision = max(grant.precision, terms.precision, key=COARSENESS.index)
    cells = [g for p, g in ((grant.precision, grant.grid_m), (terms.precision, terms.grid_m)) if p == "grid"]
    return replace(
        grant,
        groups=grant.groups & terms.groups,
        precision=precision,
        grid_m=max(cells, default=0),
        from_month=max(grant.from_month, terms.keep_from),
        uses=grant.uses & terms.uses,
    )


def covers(grant: Grant, row: Row) -> bool:
    if not grant.areas & row.place:
        return False
    if not row.month:
        return not grant.from_month and not grant.to_month
    return grant.from_month <= row.month and (not grant.to_month or row.month <= grant.to_month)


def kind(grant: Grant) -> str:
    """The precision that shows."""
    return grant.precision if "location" in grant.groups or grant.precision == "aggregate" else "area"


def columns_of(grant: Grant, dataset: Dataset) -> list[Column]:
    hidden = PLACES if kind(grant) == "area" else ()
    return [column for column in dataset.columns if column.group in grant.groups and column.name not in hidden]


def show(opened: Opened, grant: Grant, row: Row, use: str) -> dict[str, Any]:
    values = dict(row.values)
    how = kind(grant)
    placed = values["easting"] is not None
    if how == "grid" and placed:
        for name in PLACES:
            values[name] = math.floor(values[name] / grant.grid_m) * grant.grid_m + grant.grid_m // 2
        values["precision_m"] = max(values["precision_m"] or 0, grant.grid_m)
        values["location_method"] = "grid"
    if how == "area":
        values["precision_m"] = None
        values["location_method"] = "area" if placed else values["location_method"]
    theirs = columns_of(grant, opened.dataset)
    shown = {c.name: values[c.name] if c in theirs else None for c in opened.columns(use)}
    at = (None, None) if how == "area" else (values["easting"], values["northing"])
    return {"fid": row.fids[how], "x": at[0], "y": at[1], **shown}


def counted_at(grant: Grant, row: Row) -> tuple[int, int] | None:
    """Where a row counts as lying that is only counted."""
    x, y = row.values["easting"], row.values["northing"]
    if x is None or "location" not in grant.groups or grant.counted == "area":
        return None
    if grant.counted == "grid":
        cell = grant.counted_m
        return math.floor(x / cell) * cell + cell // 2, math.floor(y / cell) * cell + cell // 2
    return x, y


def masked(count: int, threshold: int) -> int | None:
    """A published count: small ones withheld, others to the nearest five."""
    if count == 0:
        return 0
    return None if count < threshold else max(5, 5 * math.floor(count / 5 + 0.5))


def perturbed(numbers: Iterable[int], threshold: int, secret: bytes) -> int:
    """What is answered of the incidents of these numbers: weights and record keys added up, then looked up."""
    weight = key = 0
    for number in numbers:
        digest = hashlib.blake2b(str(number).encode(), key=secret, digest_size=2).digest()
        key += digest[0]
        weight += {0: 0, 1: 1, 2: 1, 3: 2}[digest[1] % 4]
    chance, least = key % 256 / 256, 5 * max(math.ceil(threshold / 5), 1)
    low, high = (0, least) if weight < least else (weight - weight % 5, weight - weight % 5 + 5)
    # As many of the 256 keys go up as come nearest to the share of the way.
    return high if chance < round((weight - low) * 256 / (high - low)) / 256 else low
