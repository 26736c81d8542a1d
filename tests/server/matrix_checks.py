"""Every form of question, put to the server by a person and compared with what the oracle says."""

from __future__ import annotations

import gzip
import json
import math
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from safestats.shared.windows import Window
from safestats.sync_server.publishing.service import build_missing
from safestats.tests.server.matrix_rig import Caller, MatrixRig
from safestats.tests.server.matrix_worlds import CATEGORY, EASTING, MARK, MONTHS, NORTHING, POSTCODE, USES
from safestats.tests.server.oracle import (
    WORKING,
    Column,
    Opened,
    Refused,
    State,
    asked,
    counted_at,
    masked,
    opened,
    perturbed,
)

GRID = "http://www.opengis.net/def/crs/EPSG/0/27700"
RADII = [100, 250, 500]
_NOT_FOUND = {"unknown-dataset", "not-published"}


def check_everything(
    rig: MatrixRig, state: State, caller: Caller, *, turn: int, files: bool, all_datasets: bool
) -> None:
    """All questions about all datasets, or about one of them; ``turn`` varies them."""
    caller.sent.clear()
    if caller.person.role not in WORKING:
        check_no_data(state, caller)
        return
    check_layers(state, caller)
    check_collections(state, caller)
    looked_at = state.datasets if all_datasets else (state.datasets[turn % len(state.datasets)],)
    for dataset in looked_at:
        check_dataset(rig, state, caller, dataset.code, turn)
        if files:
            build_missing(rig.publisher, dataset.code)
            check_files(state, caller, dataset.code)
    check_nothing_hidden_was_sent(state, caller)


def check_no_data(state: State, caller: Caller) -> None:
    """Whoever has no business with data gets one and the same answer to everything."""
    answers = [caller.get("/v1/layers"), caller.get("/v1/ogc"), caller.get("/v1/ogc/collections")]
    for code in (*(dataset.code for dataset in state.datasets), "nowhere"):
        place = f"/v1/ogc/collections/{code}"
        answers += [caller.get(place + part) for part in ("", "/queryables", "/items", "/items/1")]
        answers += [caller.get(f"/v1/layers/{code}/{part}") for part in ("manifest", "facets?by=month", "artefacts/a")]
        answers.append(caller.post("/v1/proximity", {"dataset": code, "postcode": POSTCODE}))
    for answer in answers:
        refused(answer, "role-not-permitted")
        assert answer.content == answers[0].content


def check_layers(state: State, caller: Caller) -> None:
    listed = caller.get("/v1/layers")
    assert listed.status_code == 200, listed.text
    answers = {layer["dataset"]: layer for layer in listed.json()["layers"]}
    assert set(answers) == {dataset.code for dataset in state.datasets}
    for code, answer in answers.items():
        held, permitted = opened(state, caller.person, code), asked(state, caller.person, code, "sync")
        assert answer["permitted"] == isinstance(permitted, Opened)
        assert answer["reason_code"] == (permitted.code if isinstance(permitted, Refused) else "")
        assert answer["uses"] == [use for use in USES if isinstance(held, Opened) and held.told(use)]
        assert answer["aggregate"] == (isinstance(held, Opened) and bool(held.counting()))
        if isinstance(permitted, Opened):
            assert answer["fields"] == [_alias(column) for column in permitted.columns("sync")]
        else:
            assert (answer["rows"], answer["newest"], answer["fields"], answer["release"]) == (0, "", [], 0)


def check_collections(state: State, caller: Caller) -> None:
    shown = caller.get("/v1/ogc/collections").json()["collections"]
    visible = [d.code for d in state.datasets if isinstance(asked(state, caller.person, d.code, "view"), Opened)]
    assert [collection["id"] for collection in shown] == sorted(visible)
    for collection in shown:
        assert caller.get(f"/v1/ogc/collections/{collection['id']}").json() == collection


def check_dataset(rig: MatrixRig, state: State, caller: Caller, code: str, turn: int) -> None:
    permitted = asked(state, caller.person, code, "view")
    place = f"/v1/ogc/collections/{code}"
    addresses = [
        place,
        f"{place}/queryables",
        f"{place}/items",
        f"{place}/items/1",
        f"/v1/layers/{code}/facets?by=month",
    ]
    if isinstance(permitted, Refused):
        for address in addresses:
            refused(caller.get(address), permitted.code)
    else:
        seen = permitted.seen("view")
        columns = permitted.columns("view")
        check_collection(caller.get(place).json(), permitted, seen)
        assert list(caller.get(f"{place}/queryables").json()["properties"]) == [column.name for column in columns]
        check_items(caller, place, permitted, seen, columns, turn)
        check_single_items(state, caller, place, permitted, seen, turn)
        check_facets(caller, code, columns, seen, turn)
        check_names(caller, code, permitted, columns, turn)
    check_proximity(rig, state, caller, code, turn)
    synced = asked(state, caller.person, code, "sync")
    if isinstance(synced, Refused):
        refused(caller.get(f"/v1/layers/{code}/manifest"), synced.code)
        refused(caller.get(f"/v1/layers/{code}/artefacts/{'0' * 64}"), synced.code)


def refused(response: Any, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (404 if code in _NOT_FOUND else 403, code)
    assert response.headers["content-type"] == "application/problem+json"


def check_collection(document: dict[str, Any], permitted: Opened, seen: list[dict[str, Any]]) -> None:
    extent = document.get("extent", {})
    placed = [(row["x"], row["y"]) for row in seen if row["x"] is not None]
    assert ("spatial" in extent) == bool(placed)
    if placed:
        (west, south, east, north) = extent["spatial"]["bbox"][0]
        # A degree of latitude is 111 km, one of longitude here 69 km.
        wide, high = ((max(p[i] for p in placed) - min(p[i] for p in placed)) for i in (0, 1))
        assert abs((north - south) * 111_260 - high) < 10 + (wide + high) * 0.05
        assert abs((east - west) * 69_450 - wide) < 10 + (wide + high) * 0.05
    days = [row.get("occurred_on") for row in seen if row.get("occurred_on")]
    months = [row.get("month") for row in seen if row.get("month")]
    if days:
        (first, last) = extent["temporal"]["interval"][0]
        assert (first[:10], last[:10]) == (str(min(days)), str(max(days)))
    elif months:
        (first, last) = extent["temporal"]["interval"][0]
        assert first[:7] == min(months) and last[:7] > max(months)
    else:
        assert "temporal" not in extent


def check_items(
    caller: Caller, place: str, permitted: Opened, seen: list[dict[str, Any]], columns: list[Column], turn: int
) -> None:
    """The whole list, then a filtered and sorted one in pages of two."""
    whole = caller.get(f"{place}/items", limit=5000, crs=GRID).json()
    assert (whole["numberMatched"], whole["numberReturned"]) == (len(seen), len(seen))
    assert Counter(map(_feature, whole["features"])) == Counter(_row(row, columns) for row in seen)
    for parameters, kept in questions(seen, columns, turn):
        answer = caller.get(f"{place}/items", limit=2, crs=GRID, **parameters)
        assert answer.status_code == 200, (parameters, answer.text)
        features, pages = [], 0
        while True:
            page = answer.json()
            features += page["features"]
            assert (page["numberMatched"], page["numberReturned"]) == (len(kept), len(page["features"])), parameters
            following = [link["href"] for link in page["links"] if link["rel"] == "next"]
            pages += 1
            if not following:
                break
            answer = caller.get(following[0])
        assert pages == max(1, math.ceil(len(kept) / 2))
        assert Counter(map(_feature, features)) == Counter(_row(row, columns) for row in kept), parameters
        if "sortby" in parameters:
            expected = in_order(kept, parameters["sortby"], {column.name: column for column in columns})
            assert [feature["id"] for feature in features] == [str(row["fid"]) for row in expected], parameters


def questions(
    seen: list[dict[str, Any]], columns: list[Column], turn: int
) -> Iterable[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Parameters, and the rows that match them."""
    for offset, column in enumerate(columns):
        if (turn + offset) % 5 == 0:
            # A value that is seen, or else one that is not there.
            value = next((row[column.name] for row in seen if row[column.name] is not None), _absent(column))
            yield {column.name: _told(column, value)}, [row for row in seen if row[column.name] == value]
    box = (EASTING - 100, NORTHING - 251, EASTING + 101, NORTHING + 200)
    inside = [
        row for row in seen if row["x"] is not None and box[0] <= row["x"] <= box[2] and box[1] <= row["y"] <= box[3]
    ]
    yield {"bbox": ",".join(map(str, box)), "bbox-crs": GRID}, inside
    first, last = date.fromisoformat(f"{MONTHS[0]}-10"), date.fromisoformat(f"{MONTHS[1]}-20")
    yield {"datetime": f"{first}/{last}"}, [row for row in seen if _between(row, first, last)]
    names = [column.name for column in columns]
    if names:
        one, other = names[turn % len(names)], names[(turn * 3 + 1) % len(names)]
        yield {"sortby": f"-{one},{other}" if one != other else f"-{one}"}, seen
        yield {"sortby": f"+{one}"}, seen


def _between(row: dict[str, Any], first: date, last: date) -> bool:
    if row.get("occurred_on") is not None:
        return first <= row["occurred_on"] <= last
    return row.get("month") is not None and f"{first:%Y-%m}" <= row["month"] <= f"{last:%Y-%m}"


def in_order(rows: list[dict[str, Any]], sortby: str, columns: dict[str, Column]) -> list[dict[str, Any]]:
    ordered = sorted(rows, key=lambda row: row["fid"])
    for key in reversed(sortby.split(",")):
        name = key.lstrip("+-")
        there = sorted(
            (row for row in ordered if row[name] is not None), key=lambda row: row[name], reverse=key[0] == "-"
        )
        if key[0] == "-":  # ``reverse`` keeps equal ones in their order
            there = sorted((row for row in ordered if row[name] is not None), key=lambda row: row[name], reverse=True)
        ordered = there + [row for row in ordered if row[name] is None]
    return ordered


def check_single_items(
    state: State, caller: Caller, place: str, permitted: Opened, seen: list[dict[str, Any]], turn: int
) -> None:
    """What is visible is found under its own id; under any other id of any row nothing is, as if it were absent."""
    absent = caller.get(f"{place}/items/12345")
    assert absent.status_code == 404
    visible = {row["fid"] for row in seen}
    ids = [fid for row in state.rows[permitted.dataset.code] for fid in row.fids.values()]
    for index, fid in enumerate(ids):
        if (index + turn) % 5:
            continue
        answer = caller.get(f"{place}/items/{fid}", crs=GRID)
        if fid in visible:
            expected = next(row for row in seen if row["fid"] == fid)
            assert _feature(answer.json()) == _row(expected, permitted.columns("view"))
        else:
            assert (answer.status_code, answer.content) == (404, absent.content)


def check_facets(caller: Caller, code: str, columns: list[Column], seen: list[dict[str, Any]], turn: int) -> None:
    for offset, column in enumerate(columns):
        if (turn + offset) % 4:
            continue
        answer = caller.get(f"/v1/layers/{code}/facets", by=column.name).json()
        told = {_key(facet["value"]): facet["rows"] for facet in answer["facets"]}
        assert told == Counter(_key(_json(column, row[column.name])) for row in seen), column.name
        assert answer["rows"] == len(seen)
        numbers = [facet["rows"] for facet in answer["facets"]]
        assert numbers == sorted(numbers, reverse=True)
    if any(column.name == "month" for column in columns):
        bounded = caller.get(f"/v1/layers/{code}/facets", by="month", from_month=MONTHS[1]).json()
        assert bounded["rows"] == sum(1 for row in seen if row["month"] and row["month"] >= MONTHS[1])


def check_names(caller: Caller, code: str, permitted: Opened, columns: list[Column], turn: int) -> None:
    """A hidden name and one that is nowhere get the same answer, byte for byte."""
    visible = {column.name for column in columns}
    hidden = [column.name for column in permitted.dataset.columns if column.name not in visible]
    items, facets = f"/v1/ogc/collections/{code}/items", f"/v1/layers/{code}/facets"
    absent = "zzz_nowhere"
    inner = [
        "fid_point",
        "fid_area",
        "identity",
        "row_id",
        "geometry",
        "from_release",
        "area_code",
        "period",
        "x",
        "fid",
    ]
    ways = (
        lambda name: caller.get(items, **{name: "x"}),
        lambda name: caller.get(items, **{name: "12", "limit": 1}),
        lambda name: caller.get(items, sortby=name),
        lambda name: caller.get(items, sortby=f"-{name}"),
        lambda name: caller.get(facets, by=name),
        lambda name: caller.get(facets, by=name, from_month=MONTHS[0]),
        lambda name: caller.post(
            "/v1/proximity", {"dataset": code, "easting": EASTING, "northing": NORTHING, "by": name}
        ),
    )
    for ask in (ways[turn % len(ways)], ways[(turn + 3) % len(ways)]):
        expected = ask(absent)
        assert expected.status_code == 400 and expected.json()["code"] == "unknown-property", expected.text
        names = [inner[turn % len(inner)], *(hidden[turn % len(hidden) :][:1] if hidden else [])]
        for name in names:
            answer = ask(name)
            assert (answer.status_code, answer.content) == (expected.status_code, expected.content), name


def check_proximity(rig: MatrixRig, state: State, caller: Caller, code: str, turn: int) -> None:
    permitted = asked(state, caller.person, code, "view", counts=True)
    fixed = {"dataset": code, "postcode": POSTCODE, "radii": RADII}
    free = {"dataset": code, "easting": EASTING + 1, "northing": NORTHING, "radii": [99, 251]}
    now, before = fixed_years(state, code)
    spans: list[dict[str, str]] = [{}, {"from_month": MONTHS[1]}, {"from_month": MONTHS[0], "to_month": MONTHS[1]}]
    bounds = [*spans, now or {}, before or {}][turn % 5]
    window = now if not bounds else bounds if bounds in (now, before) else None
    if isinstance(permitted, Refused):
        refused(caller.post("/v1/proximity", {**fixed, **bounds}), permitted.code)
        refused(caller.post("/v1/proximity", {**free, **bounds}), permitted.code)
        return
    category = CATEGORY[code]
    exact = bool(permitted.giving("view"))
    named = category in [column.name for column in permitted.columns("view")]
    for body, centre in ((fixed, (EASTING, NORTHING)), (free, (EASTING + 1, NORTHING))):
        answer = caller.post("/v1/proximity", {**body, **bounds})
        if not exact and (body is free or not window):
            refused(answer, "question-not-permitted")
            continue
        if exact and not named:  # a grant without core fields shows no category to count by
            assert answer.status_code == 400
            continue
        assert answer.status_code == 200, answer.text
        told = answer.json()
        if exact:
            check_exact(told["exact"], permitted, category, centre, body["radii"], bounds)
        else:
            assert told["exact"] is None
        if permitted.counting() and body is fixed and window:
            check_rounded(told["rounded"], permitted, category, window, rig.application.keys.cell_secret)
        else:
            assert told["rounded"] is None


def fixed_years(state: State, code: str) -> tuple[dict[str, str], dict[str, str]] | tuple[None, None]:
    """The year that ends with the newest month held, all of which are over, and the one before it."""
    held = state.contents[code][-1] if state.contents[code] else ()
    months = [row.month for row in state.rows[code] if row.number in held and row.month]
    if not months:
        return None, None
    year, month = map(int, max(months).split("-"))
    ends = [f"{year - back:04d}-{month:02d}" for back in (0, 1, 2)]
    begins = [f"{year - back - (month < 12):04d}-{month % 12 + 1:02d}" for back in (0, 1)]
    return tuple({"from_month": begin, "to_month": end} for begin, end in zip(begins, ends, strict=False))  # type: ignore[return-value]


def _in_months(month: str | None, bounds: dict[str, str]) -> bool:
    if not bounds:
        return True
    return bool(month) and bounds.get("from_month", "") <= str(month) <= bounds.get("to_month", "9")


def check_exact(
    told: dict[str, Any],
    permitted: Opened,
    category: str,
    centre: tuple[int, int],
    radii: list[int],
    bounds: dict[str, str],
) -> None:
    seen = [row for row in permitted.seen("view") if _in_months(row.get("month"), bounds)]
    near = {
        radius: [
            row
            for row in seen
            if row["x"] is not None and (row["x"] - centre[0]) ** 2 + (row["y"] - centre[1]) ** 2 <= radius**2
        ]
        for radius in radii
    }
    assert told["rings"] == [
        {"radius_m": r, "rows": len(near[r]), "coarse": sum((row.get("precision_m") or 0) > r for row in near[r])}
        for r in radii
    ]
    table = {row["value"]: row["rows"] for row in told["table"]}
    assert table == {
        value: [sum(row[category] == value for row in near[r]) for r in radii]
        for value in {row[category] for row in near[radii[-1]]}
    }
    without = Counter(row.get("month") or "" for row in seen if row["x"] is None)
    assert {entry["month"]: entry["rows"] for entry in told["unplaced"]} == without


def check_rounded(
    told: dict[str, Any], permitted: Opened, category: str, window: dict[str, str], secret: bytes
) -> None:
    counted = [row for row in permitted.counted() if _in_months(row.values["month"], window)]
    places = [(row, counted_at(permitted.counting_grant(row), row)) for row in counted]
    without = [row for row, place in places if place is None]
    near = {
        radius: [
            row
            for row, place in places
            if place is not None and (place[0] - EASTING) ** 2 + (place[1] - NORTHING) ** 2 <= radius**2
        ]
        for radius in RADII
    }
    threshold = permitted.threshold
    assert {"from_month": told["from_month"], "to_month": told["to_month"]} == window
    assert [ring["rows"] for ring in told["rings"]] == [
        perturbed([row.number for row in near[radius]], threshold, secret) for radius in RADII
    ]
    values: dict[str | None, list[int]] = {}
    for row in near[RADII[-1]]:
        known = "core" in permitted.counting_grant(row).groups
        values.setdefault(row.values[category] if known else None, []).append(row.number)
    counts = {value: perturbed(numbers, threshold, secret) for value, numbers in values.items()}
    assert {entry["value"]: entry["rows"] for entry in told["table"]} == {v: n for v, n in counts.items() if n}
    assert [entry["rows"] for entry in told["table"]] == sorted((n for n in counts.values() if n), reverse=True)
    assert told["bands"] == []  # these datasets tell no hour
    months = Counter(row.values["month"] or "" for row in without)
    assert {entry["month"]: entry["rows"] for entry in told["unplaced"]} == {
        # Every month is there, and nothing is told as a few are.
        month: masked(months[month], threshold) or None
        for month in Window(window["from_month"], window["to_month"]).months
    }


def check_files(state: State, caller: Caller, code: str) -> None:
    """The manifest, each of its slices, and the snapshot."""
    permitted = asked(state, caller.person, code, "sync")
    if isinstance(permitted, Refused):
        return
    seen = permitted.seen("sync")
    columns = permitted.columns("sync")
    manifest = caller.get(f"/v1/layers/{code}/manifest").json()
    assert (manifest["rows"], manifest["release"]) == (len(seen), permitted.release)
    assert [column["name"] for column in manifest["columns"]] == [column.name for column in columns]
    assert manifest["geometry"] == ("point" if permitted.placed("sync") else "none")
    periods = Counter(_period(state, permitted, row) for row in seen)
    assert {part["period"]: part["rows"] for part in manifest["slices"]} == periods
    for part in manifest["slices"]:
        expected = [row for row in seen if _period(state, permitted, row) == part["period"]]
        check_file(caller, code, part["name"], expected, columns)
    check_file(caller, code, manifest["snapshot"]["name"], seen, columns)
    absent = caller.get(f"/v1/layers/{code}/artefacts/{'0' * 64}")
    assert absent.status_code == 404


def _period(state: State, permitted: Opened, shown: dict[str, Any]) -> str:
    return next(row.month for row in state.rows[permitted.dataset.code] if shown["fid"] in row.fids.values())


def check_file(caller: Caller, code: str, name: str, expected: list[dict[str, Any]], columns: list[Column]) -> None:
    packed = caller.get(f"/v1/layers/{code}/artefacts/{name}")
    assert packed.status_code == 200, packed.text
    content = gzip.decompress(packed.content)
    caller.sent[-2] = content
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.gpkg"
        path.write_bytes(content)
        opened_file = sqlite3.connect(path)
        opened_file.row_factory = sqlite3.Row
        held = [dict(row) for row in opened_file.execute(f'SELECT * FROM "{code}"')]
        opened_file.close()
    wanted = [{"fid": row["fid"], **{c.name: _json(c, row[c.name]) for c in columns}} for row in expected]
    for row in held:
        place = row.pop("geom", None)
        shown = next((row_ for row_ in expected if row_["fid"] == row["fid"]), None)
        assert shown is not None and (place is not None) == (shown["x"] is not None)
    assert sorted(map(_sortable, held)) == sorted(map(_sortable, wanted))


def _sortable(row: dict[str, Any]) -> str:
    return json.dumps({name: (int(v) if isinstance(v, bool) else v) for name, v in row.items()}, sort_keys=True)


def check_nothing_hidden_was_sent(state: State, caller: Caller) -> None:
    """No marked value, exact place or feature id that is not the caller's is in any byte of any answer."""
    everything = b"\n".join(caller.sent).decode("utf-8", "replace")
    for dataset in state.datasets:
        seen: list[dict[str, Any]] = []
        for use in ("view", "sync"):
            permitted = asked(state, caller.person, dataset.code, use)
            if isinstance(permitted, Opened):
                seen += permitted.seen(use)
        values = {value for row in seen for value in row.values() if isinstance(value, str)}
        fids = {row["fid"] for row in seen}
        for row in state.rows[dataset.code]:
            for value in row.values.values():
                if isinstance(value, str) and value.startswith(MARK):
                    assert value in values or value not in everything, value
            for fid in row.fids.values():
                assert fid in fids or f'"{fid}"' not in everything, fid


def _alias(column: Column) -> str:
    built_in = {
        "month": "Month",
        "borough_code": "Borough code",
        "borough": "Borough",
        "lsoa_code": "LSOA code",
        "easting": "Easting",
        "northing": "Northing",
        "location_method": "How it was placed",
        "precision_m": "Precision of the place",
    }
    return built_in.get(column.name, column.name.title())


def _absent(column: Column) -> Any:
    return {"integer": 99, "real": 99.5, "boolean": 1, "date": date(1999, 1, 1)}.get(column.kind, "nothing of the sort")


def _told(column: Column, value: Any) -> str:
    if column.kind == "boolean":
        return "true" if value else "false"
    return str(value)


def _json(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.kind == "boolean":
        return bool(value)
    return str(value) if column.kind == "date" else value


def _key(value: Any) -> str:
    return json.dumps(value)


def _row(row: dict[str, Any], columns: list[Column]) -> str:
    place = None if row["x"] is None else [row["x"], row["y"]]
    return _key([str(row["fid"]), place, {column.name: _json(column, row[column.name]) for column in columns}])


def _feature(feature: dict[str, Any]) -> str:
    geometry = feature["geometry"]
    return _key([feature["id"], geometry and geometry["coordinates"], feature["properties"]])
