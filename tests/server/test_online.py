"""Questions answered online: what the matrix does not ask."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from convertbng.cutil import convert_bng
from safestats.sync_server.analysis.visible import BadValue
from safestats.sync_server.ogc.crs import Crs, extent_of, parse_bbox, to_lonlat
from safestats.sync_server.ogc.query import parse_days
from safestats.tests.server.engines import ON_POSTGIS
from safestats.tests.server.matrix_rig import Caller, MatrixRig
from safestats.tests.server.matrix_worlds import (
    AREAS,
    DATASETS,
    FULL,
    GROUPS,
    MONTHS,
    PLAIN,
    POSTCODE,
    TODAY,
    USES,
    World,
    made_up_row,
)
from safestats.tests.server.oracle import Agreement, Grant, Person, State
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

ROWS = 30
ITEMS = "/v1/ogc/collections/full/items"
ANALYST = Person("camden.analyst", "camden", "borough", "analyst", "research")


def world(**changes: object) -> World:
    """Camden sees all of one dataset, whose rows lie in a line."""
    grant = replace(Grant(frozenset(AREAS), frozenset(GROUPS), "point", uses=frozenset(USES)), **changes)
    agreement = Agreement("DSA-1", "camden", "full", "active", TODAY, TODAY + timedelta(9), frozenset(), (grant,))
    rows = tuple(made_up_row(number) for number in range(ROWS))
    content = frozenset(row.number for row in rows)
    start = State(
        datasets=DATASETS,
        rows={FULL.code: rows, PLAIN.code: ()},
        contents={FULL.code: (content,), PLAIN.code: ()},
        agreements=(agreement,),
        terms=(),
        today=TODAY,
    )
    return World(start, (ANALYST,), {FULL.code: (content, content - {3}), PLAIN.code: ()}, (), sync=False)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixRig]:
    made = MatrixRig(tmp_path_factory.mktemp("online"), DATASETS)
    yield made
    made.close()


@pytest.fixture
def analyst(rig: MatrixRig) -> Caller:
    rig.begin(world())
    return rig.callers(world())[0]


def test_a_page_begun_before_a_release_ends_with_it(rig: MatrixRig) -> None:
    what = world()
    state = rig.begin(what)
    (caller,) = rig.callers(what)
    first = caller.get(ITEMS, limit=5).json()
    (following,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
    assert caller.get(following).status_code == 200
    rig._stage(state, FULL.code, what.planned[FULL.code][1])
    rig._publish(state, FULL.code)
    answer = caller.get(following)
    assert (answer.status_code, answer.json()["code"]) == (409, "release-changed")
    assert caller.get(ITEMS).json()["numberMatched"] == ROWS - 1


@pytest.mark.parametrize("cursor", ["x", "W10", "bnVsbA", "WyJhIiwxLDIsW10sM10", "é", "W" * 5000, "W1tbW1tb"])
def test_a_cursor_of_ones_own_is_refused(analyst: Caller, cursor: str) -> None:
    assert analyst.get(ITEMS, cursor=cursor).json()["code"] == "invalid-value"


def test_a_cursor_is_good_for_its_question_only(analyst: Caller) -> None:
    page = analyst.get(ITEMS, limit=5, sortby="-note").json()
    (following,) = [link["href"] for link in page["links"] if link["rel"] == "next"]
    assert analyst.get(following).status_code == 200
    assert analyst.get(following.replace("sortby=-note", "sortby=note")).status_code == 400


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "many"},
        {"bbox": "1,2,3"},
        {"bbox": "1,5,2,4"},
        {"bbox": "nan,1,2,3"},
        {"crs": "EPSG:27700"},
        {"datetime": "2025-13-01"},
        {"datetime": "2025-02-30"},
        {"datetime": "2025-02-01/2025-01-01"},
        {"datetime": "20250101"},
        {"sortby": ""},
        {"sortby": "note,note"},
        {"f": "html"},
        {"score": "99999999999"},
        {"score": "１"},
        {"weight": "nan"},
        {"flagged": "1"},
        {"occurred_on": "20250101"},
        {"note": "x" * 300},
    ],
)
def test_values_that_cannot_be_are_told(analyst: Caller, parameters: dict[str, str]) -> None:
    answer = analyst.get(ITEMS, **parameters)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-value")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("2025-01-05", "2025-01-05", "2025-01-05"),
        ("2025-01-05/..", "2025-01-05", "None"),
        ("/2025-01-05", "None", "2025-01-05"),
        # Half past eleven at night in summer's UTC is the next day in London.
        ("2025-07-01T23:30:00Z/2025-07-02T00:00:00+01:00", "2025-07-02", "2025-07-02"),
    ],
)
def test_days_are_londons(asked: str, first: str, last: str) -> None:
    days = parse_days(asked)
    assert (str(days.first), str(days.last)) == (first, last)


def test_an_instant_before_the_first_is_told() -> None:
    with pytest.raises(BadValue):
        parse_days("0001-01-01T00:00:00+23:59")


def test_a_box_of_degrees_holds_what_lies_in_it(analyst: Caller) -> None:
    features = analyst.get(ITEMS).json()["features"]
    places = np.array([feature["geometry"]["coordinates"] for feature in features])
    grid = np.array(
        [f["geometry"]["coordinates"] for f in analyst.get(ITEMS, crs=Crs.NATIONAL_GRID.value).json()["features"]]
    )
    assert np.allclose(np.column_stack(convert_bng(places[:, 0].copy(), places[:, 1].copy())), grid, atol=0.02)
    order = np.sort(places[:, 0])
    for low, high in itertools.combinations((0, 7, 15, 28), 2):
        # Between two places, which lie a metre apart.
        west, east = (order[low] + order[low + 1]) / 2, (order[high] + order[high + 1]) / 2
        inside = int(((places[:, 0] > west) & (places[:, 0] < east)).sum())
        found = analyst.get(ITEMS, bbox=f"{west},51,{east},52").json()["numberMatched"]
        assert abs(found - inside) <= 1
    assert analyst.get(ITEMS, bbox="-180,-90,180,90").json()["numberMatched"] == ROWS
    assert analyst.get(ITEMS, bbox="170,-90,-170,90").json()["numberMatched"] == 0
    assert analyst.get(ITEMS, bbox="-1,50,0,1,52,9").json()["numberMatched"] == ROWS


def test_edges_of_degrees_are_met_within_half_a_metre() -> None:
    (region,) = parse_bbox("-0.5,51.3,0.3,51.7", Crs.CRS84)
    assert len(region.edges) == 4
    for edge in region.edges:
        for share in np.linspace(0.05, 0.95, 10):
            lon = (-0.5 if edge.lower else 0.3) if edge.of_eastings else -0.5 + share * 0.8
            lat = 51.3 + share * 0.4 if edge.of_eastings else (51.3 if edge.lower else 51.7)
            east, north = (float(part[0]) for part in convert_bng(np.array([lon]), np.array([lat])))
            along, bounded = (north, east) if edge.of_eastings else (east, north)
            limit = np.polyval(edge.coefficients, (along - edge.origin) / edge.scale)
            assert abs(limit - bounded) < 0.5


def test_an_extent_surrounds_its_corners() -> None:
    west, south, east, north = extent_of(503_000, 155_000, 562_000, 201_000)
    corners = to_lonlat([503_000, 562_000, 503_000, 562_000], [155_000, 155_000, 201_000, 201_000])
    assert west <= corners[:, 0].min() and east >= corners[:, 0].max()
    assert south <= corners[:, 1].min() and north >= corners[:, 1].max()


def test_places_beyond_the_grids_shifts_have_degrees() -> None:
    ((longitude, latitude),) = to_lonlat([-100_000], [-50_000])
    assert math.isfinite(longitude) and math.isfinite(latitude)


def test_each_question_is_audited_with_what_was_asked(rig: MatrixRig, analyst: Caller) -> None:
    analyst.get(ITEMS, note="note 3", limit=7)
    analyst.get(ITEMS, secret="Jane Doe")
    analyst.get("/v1/layers/full/facets", by="month", note="note 4")
    analyst.post("/v1/proximity", {"dataset": "full", "postcode": POSTCODE})
    analyst.get(f"{ITEMS}/77")
    analyst.get("/v1/ogc/collections/Jane Doe/items")
    events = [event.body for event in rig.app.state.services.audit.events(last=6)]
    told = [(e["event"], e["dataset"], e["outcome"], e["reason"], e["rows"]) for e in events]
    assert told == [
        ("items.read", "full", "ok", "", 1),
        ("items.read", "full", "refused", "unknown-property", None),
        ("facets.read", "full", "ok", "", 1),
        ("proximity.count", "full", "ok", "", ROWS),
        ("items.read", "full", "refused", "not-found", None),
        ("items.read", "", "refused", "unknown-dataset", None),
    ]
    assert events[0]["filter"] == {"note": "note 3", "limit": "7"}
    assert "Jane" not in str(events)


def test_whoever_only_counts_asks_fixed_questions(rig: MatrixRig) -> None:
    what = world(precision="aggregate")
    rig.begin(what)
    (caller,) = rig.callers(what)
    fixed = {"dataset": "full", "postcode": POSTCODE}
    told = caller.post("/v1/proximity", fixed).json()["rounded"]
    assert told["to_month"] == MONTHS[2] and told["rings"][2]["rows"] % 5 == 0
    window = {"from_month": told["from_month"], "to_month": told["to_month"]}
    assert caller.post("/v1/proximity", fixed | window).json()["rounded"] == told
    for other in (
        {"radii": [100, 101]},
        {"by": "month"},
        {"by": "nothing"},
        {"from_month": told["from_month"]},
        window | {"from_month": MONTHS[2]},
        {"from_month": MONTHS[0], "to_month": MONTHS[2]},
    ):
        answer = caller.post("/v1/proximity", fixed | other).json()
        assert answer["code"] == "question-not-permitted", other
        assert f"over {window['from_month']} to {window['to_month']} or " in answer["detail"]
    assert caller.get(ITEMS).json()["code"] == "aggregates-only"
    (layer,) = [each for each in caller.get("/v1/layers").json()["layers"] if each["dataset"] == "full"]
    assert (layer["permitted"], layer["uses"], layer["aggregate"]) == (False, [], True)


def test_rings_narrower_than_the_grid_say_so(rig: MatrixRig) -> None:
    what = world(precision="grid", grid_m=250)
    what = replace(what, people=(Person("camden.officer", "camden", "borough", "licensing-officer", "research"),))
    rig.begin(what)
    (caller,) = rig.callers(what)
    answer = caller.post("/v1/proximity", {"dataset": "full", "postcode": POSTCODE}).json()
    (note,) = answer["notes"]
    assert "250 m squares: within 100 metres" in note and "0 does not mean" in note
    wide = caller.post("/v1/proximity", {"dataset": "full", "postcode": POSTCODE, "radii": [250, 500]}).json()
    assert wide["notes"] == []


def test_a_ring_is_told_alike_whichever_others_are_asked_for(rig: MatrixRig) -> None:
    what = world(precision="aggregate")
    rig.begin(what)
    (caller,) = rig.callers(what)
    body = {"dataset": "full", "postcode": POSTCODE}
    every = {ring["radius_m"]: ring for ring in caller.post("/v1/proximity", body).json()["rounded"]["rings"]}
    assert list(every) == [100, 250, 500]
    for radii in ([250], [500], [100, 500]):
        rings = caller.post("/v1/proximity", body | {"radii": radii}).json()["rounded"]["rings"]
        assert rings == [every[radius] for radius in radii]


def test_the_number_of_statements_tells_nothing_of_the_rows(rig: MatrixRig) -> None:
    """As many statements for thirty hidden rows as for none: what is hidden is never looked at row by row."""
    from sqlalchemy import event

    counts = []
    for areas in (frozenset(AREAS), frozenset({"outside"})):
        what = world(areas=areas)
        rig.begin(what)
        (caller,) = rig.callers(what)
        engine = rig.app.state.services.database.engine
        statements: list[str] = []
        listener = lambda _c, _k, statement, *_rest: statements.append(statement)  # noqa: B023, E731
        event.listen(engine, "before_cursor_execute", listener)
        caller.get(ITEMS)
        caller.get("/v1/layers/full/facets", by="note")
        event.remove(engine, "before_cursor_execute", listener)
        counts.append(len(statements))
    assert counts[0] == counts[1]


@pytest.mark.skipif(not ON_POSTGIS, reason="the embedded database knows no roles")
def test_the_application_reads_no_rows_past_the_rights(rig: MatrixRig) -> None:
    rig.begin(world())
    database = rig.app.state.services.database
    with rig.owner.database.read() as session:
        partitions = session.scalars(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'incident_full'::regclass")
        ).all()
    assert partitions
    for partition in partitions:
        with database.read() as session, pytest.raises(DBAPIError, match="permission denied"):
            session.execute(text(f"SELECT count(*) FROM {partition}"))
    with database.read() as session:
        try:
            held = session.scalar(text("SELECT count(*) FROM incident_full"))
        except DBAPIError:
            held = 0
    assert held == 0
    for statement in ("DELETE FROM incident_full", "UPDATE incident_full SET easting = 0", "TRUNCATE incident_full"):
        with pytest.raises(DBAPIError, match="permission denied"), database.write() as session:
            session.execute(text(statement))
