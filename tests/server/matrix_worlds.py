"""Worlds for the matrix: who there is, what was agreed, what rows there are, and what changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st
from safestats.sync_server.instants import london_today
from safestats.tests.server.oracle import COARSENESS, Agreement, Column, Dataset, Grant, Person, Row, State, Terms

TODAY = london_today()
POSTCODE, EASTING, NORTHING = "WC1H 0AA", 529838, 182109


def month_before(count: int) -> str:
    """The month so many before this one."""
    year, month = divmod(TODAY.year * 12 + TODAY.month - 1 - count, 12)
    return f"{year:04d}-{month + 1:02d}"


MONTHS = [month_before(4), month_before(3), month_before(2)]
FULL = Dataset(
    "full",
    (
        Column("category", "core"),
        Column("occurred_on", "core", "date"),
        Column("note", "core"),
        Column("street", "place"),
        Column("flagged", "place", "boolean"),
        Column("age_band", "demographic"),
        Column("score", "demographic", "integer"),
        Column("weight", "demographic", "real"),
    ),
)
# Only months, another code list, and a suppression threshold of its own.
PLAIN = Dataset("plain", (Column("kind", "core"), Column("street", "place")), threshold=8)
DATASETS = (FULL, PLAIN)
CATEGORY = {"full": "category", "plain": "kind"}
LABELS = ("Burglary", "Robbery", "Drugs")
BOROUGHS = {"E09000007": "Camden", "E09000001": "City of London"}
LSOAS = {"E01000842": "E09000007", "E01000850": "E09000007", "E01000001": "E09000001"}
AREAS = [*BOROUGHS, *LSOAS, "unplaced", "outside"]
GROUPS = ("core", "area", "location", "place", "demographic")
USES = ("view", "sync", "export", "publish")
ORGANISATIONS = {"camden": "borough", "met": "police"}
PURPOSES = ("needs-assessment", "research", "other")
# On, just inside and just outside rings of 100, 250 and 500 m, and far away.
OFFSETS = [(0, 0), (60, 80), (100, 0), (101, 0), (-150, 200), (0, -251), (300, -400), (353, 355), (4000, 100)]
MARK = "\u00a7"


@dataclass(frozen=True)
class Change:
    """Something that happens; ``alters`` the rights, or brings a release: ``stage``, ``publish`` or ``rollback``."""

    name: str
    alters: Callable[[State], State] | None = None
    dataset: str = ""
    to: int = 0


@dataclass(frozen=True)
class World:
    """``planned``: what each release of a dataset will hold, in order. ``sync``: whether files are looked at, too."""

    start: State
    people: tuple[Person, ...]
    planned: dict[str, tuple[frozenset[int], ...]]
    changes: tuple[Change, ...]
    sync: bool


def one_in(count: int) -> st.SearchStrategy[bool]:
    return st.integers(1, count).map(lambda drawn: drawn == count)


def some(values: Any, least: int = 0) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(list(values)), min_size=least)


def made_up_row(number: int, month: str = "") -> Row:
    """A row of the full dataset, one a little south-east of the other."""
    month = month or MONTHS[2]
    values = {column.name: None for column in FULL.columns} | {
        "month": month,
        "borough_code": "E09000007",
        "borough": "Camden",
        "lsoa_code": "E01000842",
        "easting": EASTING + number,
        "northing": NORTHING - 7 * number,
        "category": "Burglary",
        "occurred_on": date.fromisoformat(f"{month}-05"),
        "note": f"note {number}",
        "flagged": number % 2,
        "weight": 0.5,
    }
    fids = {how: 10**17 + place * 10**12 + number for place, how in enumerate(("point", "grid", "area"))}
    return Row(number, values, fids, frozenset({"E09000007", "E01000842"}))


@st.composite
def rows(draw: st.DrawFn, dataset: Dataset) -> tuple[Row, ...]:
    made = []
    for number in range(draw(st.integers(0, 8))):
        area = draw(st.sampled_from([*LSOAS, *LSOAS, "unplaced", "outside"]))
        month = draw(st.sampled_from([*MONTHS, ""]))
        placed = area != "unplaced"
        east, north = draw(st.sampled_from(OFFSETS)) if placed else (0, 0)
        borough = LSOAS.get(area)
        mark = f"{MARK}{dataset.code}-{number}"
        values: dict[str, Any] = {
            "month": month or None,
            "borough_code": borough,
            "borough": BOROUGHS[borough] if borough else None,
            "lsoa_code": area if borough else None,
            "easting": EASTING + east if placed else None,
            "northing": NORTHING + north if placed else None,
            "location_method": draw(st.sampled_from(["supplied", "nearest"])) if placed else None,
            "precision_m": draw(st.sampled_from([10, 100, 400, None])) if placed else None,
        }
        own: dict[str, Any] = {
            "category": draw(st.sampled_from([*LABELS, None])),
            "kind": draw(st.sampled_from([*LABELS, None])),
            "occurred_on": date.fromisoformat(f"{month}-{draw(st.integers(1, 28)):02d}") if month else None,
            "note": f"{mark}-note",
            "street": f"{mark}-street",
            "flagged": draw(st.sampled_from([1, 0, None])),
            "age_band": draw(st.sampled_from([f"{mark}-age", None])),
            "score": draw(st.sampled_from([-7, 0, 12, None])),
            "weight": draw(st.sampled_from([-0.5, 2.25, None])),
        }
        values |= {column.name: own[column.name] for column in dataset.own}
        first = 100_000_000_000_000_000 + (10**13 if dataset is PLAIN else 0) + number * 10**6
        fids = {how: first + 111_000_000_000 * place for place, how in enumerate(("point", "grid", "area"), 1)}
        made.append(Row(number, values, fids, frozenset(filter(None, (area, borough)))))
    return tuple(made)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    precision = draw(st.sampled_from(COARSENESS))
    first = draw(st.sampled_from(["", "", "", MONTHS[1]]))
    return Grant(
        areas=draw(some(AREAS, 1) | st.just(frozenset(AREAS))),
        groups=draw(some(GROUPS) | st.just(frozenset(GROUPS))) | ({"core"} if draw(st.integers(0, 9)) else set()),
        precision=precision,
        grid_m=draw(st.sampled_from([50, 75, 250])) if precision == "grid" else 0,
        from_month=first,
        to_month=draw(st.sampled_from(["", "", "", MONTHS[1]])),
        uses=draw(st.sampled_from([frozenset(USES), frozenset({"view", "sync"})]) | some(USES, 1)),
        officer_records=draw(st.booleans()),
        rolling=bool(first) and draw(st.booleans()),
    )


_DATES = [(-30, 300), (-30, 300), (-30, 300), (-30, 0), (0, 30), (-90, -1), (1, 90)]


@st.composite
def agreements(draw: st.DrawFn, organisation: str, dataset: str) -> tuple[Agreement, ...]:
    made = []
    states = draw(
        st.sampled_from(
            [["active"]] * 6
            + [[], ["suspended"], ["ended"], ["draft"], ["signed"], ["active", "suspended"], ["ended", "active"]]
        )
    )
    for number, state in enumerate(states):
        starts, ends = draw(st.sampled_from(_DATES))
        made.append(
            Agreement(
                reference=f"DSA-{organisation}-{dataset}-{number}",
                organisation=organisation,
                dataset=dataset,
                state=state,
                starts=TODAY + timedelta(starts),
                ends=TODAY + timedelta(ends),
                purposes=draw(st.sampled_from([frozenset(), frozenset(), frozenset(PURPOSES)]) | some(PURPOSES, 1)),
                grants=tuple(draw(st.lists(grants(), min_size=1, max_size=3))),
            )
        )
    return tuple(made)


@st.composite
def terms(draw: st.DrawFn, dataset: str, version: int) -> Terms:
    starts, ends = draw(st.sampled_from([(-90, None)] * 5 + [(-9, 9), (-9, 0), (0, None), (-9, -1), (1, None)]))
    precision = draw(st.sampled_from(["point", "point", *COARSENESS]))
    return Terms(
        dataset=dataset,
        version=version,
        groups=draw(st.just(frozenset(GROUPS)) | some(GROUPS)) | {"core"},
        precision=precision,
        grid_m=draw(st.sampled_from([75, 250])) if precision == "grid" else 0,
        uses=draw(st.just(frozenset(USES)) | some(USES, 1)),
        recipients=draw(
            st.sampled_from([frozenset()] * 4 + [frozenset({code}) for code in ("police", "camden", "nhs")])
        ),
        threshold=draw(st.sampled_from([0, 3, 8])),
        keep_from=draw(st.sampled_from(["", "", "", MONTHS[1]])),
        starts=TODAY + timedelta(starts),
        ends=None if ends is None else TODAY + timedelta(ends),
    )


@st.composite
def people(draw: st.DrawFn) -> Person:
    organisation = draw(st.sampled_from(list(ORGANISATIONS)))
    role = draw(
        st.sampled_from(
            ["analyst"] * 12
            + ["licensing-officer"] * 6
            + ["organisation-admin"] * 2
            + ["auditor", "supplier", "publisher", "system-admin"]
        )
    )
    name = f"{organisation}.{role}.{draw(st.integers(1, 99))}"
    return Person(
        name, organisation, ORGANISATIONS[organisation], role, draw(st.sampled_from([*PURPOSES[:2], "other-7"]))
    )


@st.composite
def changes(draw: st.DrawFn, start: State, planned: dict[str, tuple[frozenset[int], ...]]) -> tuple[Change, ...]:
    found: list[Change] = []
    coming = {dataset.code: len(start.contents[dataset.code]) for dataset in DATASETS}
    staged: set[str] = set()
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["state", "dates", "grants", "terms", "stage", "publish", "rollback"]))
        code = draw(st.sampled_from([dataset.code for dataset in DATASETS]))
        if name in ("state", "dates", "grants") and start.agreements:
            which = draw(st.sampled_from([agreement.reference for agreement in start.agreements]))
            new: dict[str, Any] = {}
            if name == "state":
                new = {"state": draw(st.sampled_from(["suspended", "ended", "signed"]))}
            elif name == "dates":
                starts, ends = draw(st.sampled_from(_DATES))
                new = {"starts": TODAY + timedelta(starts), "ends": TODAY + timedelta(ends)}
            else:
                new = {"grants": tuple(draw(st.lists(grants(), min_size=1, max_size=3)))}
            found.append(Change(name, _agreement_changed(which, new)))
        elif name == "terms":
            found.append(Change(name, _terms_added(draw(terms(code, 10 + len(found))))))
        elif name == "stage" and coming[code] < len(planned[code]) and code not in staged:
            staged.add(code)
            found.append(Change(name, dataset=code))
        elif name == "publish" and coming[code] < len(planned[code]):
            coming[code] += 1
            staged.discard(code)
            found.append(Change(name, dataset=code))
        elif name == "rollback" and coming[code] >= 2 and code not in staged and coming[code] == len(planned[code]):
            found.append(Change(name, dataset=code, to=draw(st.integers(1, coming[code] - 1))))
            break  # numbers are of no use to what was planned
    return tuple(found)


def _agreement_changed(reference: str, new: dict[str, Any]) -> Callable[[State], State]:
    return lambda state: replace(
        state, agreements=tuple(replace(a, **new) if a.reference == reference else a for a in state.agreements)
    )


def _terms_added(added: Terms) -> Callable[[State], State]:
    return lambda state: replace(state, terms=(*state.terms, added))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any world that the server's own checks would let come about, and some that they would not."""
    held = {dataset.code: draw(rows(dataset)) for dataset in DATASETS}
    planned, published = {}, {}
    for code, theirs in held.items():
        numbers = [row.number for row in theirs]
        earlier = draw(st.lists(some(numbers) if numbers else st.just(frozenset()), max_size=2))
        planned[code] = (*earlier, frozenset(numbers))
        published[code] = draw(st.integers(0 if draw(one_in(10)) else 1, len(planned[code])))
    agreed = [
        agreement
        for organisation in ORGANISATIONS
        for dataset in DATASETS
        for agreement in draw(agreements(organisation, dataset.code))
    ]
    told = [
        draw(terms(dataset.code, version)) for dataset in DATASETS for version in range(1, draw(st.integers(0, 2)) + 1)
    ]
    start = State(
        datasets=DATASETS,
        rows=held,
        contents={code: planned[code][: published[code]] for code in planned},
        agreements=tuple(agreed),
        terms=tuple(told),
        today=TODAY,
    )
    persons = tuple(draw(st.lists(people(), min_size=1, max_size=2, unique_by=lambda person: person.name)))
    return World(start, persons, planned, draw(changes(start, planned)), draw(one_in(4)))
