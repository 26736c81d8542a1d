"""Sync over HTTP: each organisation gets exactly its rows and columns, and every pull leaves its trace."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi.testclient import TestClient
from safestats.shared.manifest import Manifest, slice_name
from safestats.sync_server.agreements.models import AgreementState
from safestats.sync_server.agreements.service import find_agreement
from safestats.sync_server.app import create_app
from safestats.sync_server.instants import LONDON, london_today
from safestats.sync_server.publishing.models import Artefact, Release, ReleaseState
from safestats.sync_server.publishing.service import build_missing, publish
from safestats.tests.server import sync_rig
from safestats.tests.server.engines import break_audit, environment
from safestats.tests.server.sync_rig import (
    CAMDEN,
    CITY,
    DATASET,
    PASSWORD,
    PLACES,
    Incident,
    Rig,
    incidents,
    open_geopackage,
)

ALL_COLUMNS = [
    "month",
    "borough_code",
    "borough",
    "lsoa_code",
    "easting",
    "northing",
    "location_method",
    "precision_m",
    "category",
    "street",
]
CAMDEN_COLUMNS = ["month", "borough_code", "borough", "lsoa_code", "category"]
GRID_M = 250


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Camden: its borough, areas only. City: its borough, snapped, from February. GLA: everything."""
    made = Rig.make(tmp_path / "server")
    for code in ("camden", "city", "gla", "tfl"):
        made.organisation(code)
    made.agree("camden", {"areas": (CAMDEN,), "groups": "core area", "precision": "area"})
    made.agree("city", {"areas": (CITY,), "precision": "grid", "grid_m": GRID_M, "from_month": "2025-02"})
    made.agree("gla", {"areas": (CAMDEN, CITY, "unplaced")})
    made.stage(*incidents())
    publish(made.services, DATASET)
    return made


@pytest.fixture
def api(rig: Rig) -> Iterator[TestClient]:
    with TestClient(create_app(rig.services.settings)) as client:
        yield client


def sign_in(client: httpx.Client, username: str) -> dict[str, str]:
    """The header of an active session."""
    pending = client.post("/v1/session", json={"username": username, "password": PASSWORD}).json()
    accepted = client.post(
        "/v1/session/accept",
        json={
            "conditions_version": pending["conditions"]["version"],
            "conditions_sha256": pending["conditions"]["sha256"],
            "purpose": "needs-assessment",
        },
        headers={"Authorization": f"Bearer {pending['token']}"},
    )
    return {"Authorization": f"Bearer {accepted.json()['token']}"}


def manifest_of(client: httpx.Client, who: dict[str, str]) -> Manifest:
    answer = client.get(f"/v1/layers/{DATASET}/manifest", headers=who)
    assert answer.status_code == 200, answer.text
    return Manifest.from_json(answer.json())


def fetch(client: httpx.Client, who: dict[str, str], name: str, **headers: str) -> httpx.Response:
    return client.get(f"/v1/layers/{DATASET}/artefacts/{name}", headers={**who, **headers})


def rows_of(database: sqlite3.Connection) -> list[dict]:
    database.row_factory = sqlite3.Row
    return [dict(row) for row in database.execute(f"SELECT * FROM {DATASET} ORDER BY fid")]


def audited(rig: Rig, event: str) -> list[dict]:
    return [e.body for e in rig.services.audit.events() if e.body["event"] == event]


def point(incident: Incident) -> tuple[int, int] | None:
    if not incident.borough:
        return None
    _, _, easting, northing = PLACES[incident.borough]
    return easting + incident.number, northing + incident.number


def snapped(incident: Incident) -> tuple[int, int]:
    easting, northing = point(incident) or (0, 0)
    return easting // GRID_M * GRID_M + GRID_M // 2, northing // GRID_M * GRID_M + GRID_M // 2


def read_point(blob: bytes | None) -> tuple[int, int] | None:
    return None if blob is None else tuple(int(value) for value in struct.unpack("<dd", blob[-16:]))


def expected(organisation: str) -> list[dict]:
    """What the agreement shows, said again without the server's code; without feature ids."""
    rows = []
    for i in incidents():
        borough, lsoa, _, _ = PLACES.get(i.borough, (None, None, None, None))
        row = {
            "month": i.month or None,
            "borough_code": i.borough or None,
            "borough": borough,
            "lsoa_code": lsoa,
            "category": i.category,
        }
        if organisation == "camden" and i.borough == CAMDEN:
            rows.append(row)
        if organisation == "city" and i.borough == CITY and i.month >= "2025-02":
            place = snapped(i)
            row |= {"geom": place, "easting": place[0], "northing": place[1]}
            row |= {"location_method": "grid", "precision_m": GRID_M, "street": i.street}
            rows.append(row)
        if organisation == "gla":
            place = point(i)
            row |= {"geom": place, "easting": place and place[0], "northing": place and place[1]}
            method, precision = ("supplied", 10) if place else (None, None)
            row |= {"location_method": method, "precision_m": precision, "street": i.street}
            rows.append(row)
    return rows


def comparable(rows: list[dict]) -> list[tuple]:
    return sorted(tuple(sorted((k, str(v)) for k, v in row.items() if k != "fid")) for row in rows)


@pytest.mark.parametrize(
    ("organisation", "columns", "geometry"),
    [("camden", CAMDEN_COLUMNS, "none"), ("city", ALL_COLUMNS, "point"), ("gla", ALL_COLUMNS, "point")],
)
def test_exactly_the_rows_and_columns_of_the_agreement(
    rig: Rig, api: TestClient, tmp_path: Path, organisation: str, columns: list[str], geometry: str
) -> None:
    who = sign_in(api, organisation)
    manifest = manifest_of(api, who)
    assert [column.name for column in manifest.columns] == columns
    assert manifest.geometry == geometry
    assert manifest.snapshot is not None
    whole = rows_of(open_geopackage(fetch(api, who, manifest.snapshot.name).content, tmp_path))
    by_slice = []
    for part in manifest.slices:
        content = fetch(api, who, part.name).content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (part.size, part.sha256)
        rows = rows_of(open_geopackage(content, tmp_path))
        assert len(rows) == part.rows
        assert all(part.fid_from <= row["fid"] <= part.fid_to for row in rows)
        assert {row["month"] or "" for row in rows} <= {part.period}
        by_slice += rows
    assert whole == sorted(by_slice, key=lambda row: row["fid"])
    geometry_column = ["geom"] if geometry == "point" else []
    for row in whole:
        assert list(row) == ["fid", *geometry_column, *columns]
        if geometry_column:
            row["geom"] = read_point(row["geom"])
    assert comparable(whole) == comparable(expected(organisation))
    assert manifest.rows == len(whole) == manifest.snapshot.rows
    assert manifest.snapshot.slices == tuple(part.name for part in manifest.slices)


def test_a_slice_is_named_by_its_rows(rig: Rig, api: TestClient, tmp_path: Path) -> None:
    for organisation in ("camden", "city", "gla"):
        who = sign_in(api, organisation)
        manifest = manifest_of(api, who)
        names = [column.name for column in manifest.columns]
        for part in manifest.slices:
            rows = rows_of(open_geopackage(fetch(api, who, part.name).content, tmp_path))
            header = {
                "dataset": manifest.dataset,
                "definition_version": manifest.definition_version,
                "fingerprint": part.fingerprint,
                "period": part.period,
                "columns": names,
            }
            canonical = [
                (row["fid"], *(read_point(row.get("geom")) or (None, None)), *(row[name] for name in names))
                for row in rows
            ]
            assert slice_name(header, canonical) == part.name


def test_what_is_not_granted_is_not_in_the_bytes(rig: Rig, api: TestClient) -> None:
    who = sign_in(api, "camden")
    manifest = manifest_of(api, who)
    everything = b""
    for name in [part.name for part in manifest.slices] + [manifest.snapshot.name]:
        packed = fetch(api, who, name).content
        everything += gzip.decompress(packed)
    assert b"burglary" in everything and CAMDEN.encode() in everything
    for hidden in (b"street", b"Hidden Lane", b"easting", b"northing", b"supplied", CITY.encode(), b"drugs"):
        assert hidden not in everything, hidden


def test_another_organisations_file_is_as_unknown_as_no_file(rig: Rig, api: TestClient) -> None:
    camden, gla = sign_in(api, "camden"), sign_in(api, "gla")
    theirs = manifest_of(api, gla)
    mine = {part.name for part in manifest_of(api, camden).slices}
    unknown = fetch(api, camden, "0" * 64)
    assert unknown.status_code == 404
    assert unknown.json()["code"] == "not-found"
    for name in [theirs.snapshot.name, *(part.name for part in theirs.slices)]:
        assert name not in mine
        refused = fetch(api, camden, name)
        assert (refused.status_code, refused.content) == (404, unknown.content)
        assert set(refused.headers) == set(unknown.headers)
    reasons = {event["reason"] for event in audited(rig, "layer.pull") if event["outcome"] == "refused"}
    assert reasons == {"not-found"}


def test_feature_ids_of_two_precisions_have_nothing_in_common(rig: Rig, api: TestClient, tmp_path: Path) -> None:
    ids = []
    for organisation in ("camden", "city", "gla"):
        who = sign_in(api, organisation)
        packed = fetch(api, who, manifest_of(api, who).snapshot.name).content
        ids.append({row["fid"] for row in rows_of(open_geopackage(packed, tmp_path))})
    assert not any(a & b for a, b in itertools.combinations(ids, 2))


def test_without_agreement_it_is_refused_with_the_reason(rig: Rig, api: TestClient) -> None:
    who = sign_in(api, "tfl")
    for path in ("manifest", f"artefacts/{'0' * 64}"):
        answer = api.get(f"/v1/layers/{DATASET}/{path}", headers=who)
        assert (answer.status_code, answer.json()["code"]) == (403, "no-agreement")
    assert api.get("/v1/layers/trams/manifest", headers=who).json()["code"] == "unknown-dataset"
    refused = [(event["event"], event["reason"]) for event in audited(rig, "layer.manifest")]
    assert refused == [("layer.manifest", "no-agreement"), ("layer.manifest", "unknown-dataset")]


def test_a_suspended_agreement_is_refused_at_once(rig: Rig, api: TestClient) -> None:
    who = sign_in(api, "gla")
    manifest = manifest_of(api, who)
    rig.set_state("DSA-3", AgreementState.SUSPENDED)
    refused = fetch(api, who, manifest.snapshot.name)
    assert (refused.status_code, refused.json()["code"]) == (403, "agreement-suspended")


def test_the_list_tells_what_is_open_and_why_not(rig: Rig, api: TestClient) -> None:
    answer = api.get("/v1/layers", headers=sign_in(api, "camden"))
    assert answer.headers["cache-control"] == "no-store"
    layers = {layer["dataset"]: layer for layer in answer.json()["layers"]}
    assert set(layers) == set(rig.services.definitions)
    mine = layers[DATASET]
    assert mine["permitted"] and not mine["preparing"]
    assert (mine["rows"], mine["newest"], mine["agreement"]) == (5, "2025-02", "DSA-1")
    assert (mine["geometry"], mine["precision"]) == ("none", "areas only, no points")
    assert mine["fields"] == ["Month", "Borough code", "Borough", "LSOA code", mine["fields"][-1]]
    assert mine["synthetic"] and mine["size"] > 0
    shown = manifest_of(api, sign_in(api, "camden"))
    assert (mine["release"], mine["published_at"], mine["fingerprint"]) == (1, shown.published_at, shown.fingerprint)
    assert shown.published_at and shown.fingerprint
    refused = layers["lfb"]
    assert not refused["permitted"] and refused["reason_code"] == "no-agreement"
    assert "no agreement" in refused["reason"] and refused["rows"] == 0
    assert (refused["release"], refused["published_at"], refused["fingerprint"]) == (0, "", "")
    assert audited(rig, "layers.list")[0]["filter"] == {"permitted": [DATASET]}


RECORDS = {"areas": (CAMDEN,)}
OTHERS = {"areas": (CITY,)}
ALL_USES = {"may_export": True, "may_publish": True}


@pytest.mark.parametrize(
    ("grants", "told"),
    [
        ([RECORDS | ALL_USES], ["view", "sync", "export", "publish"]),
        ([RECORDS | ALL_USES, OTHERS], ["view", "sync"]),
        ([RECORDS, OTHERS | ALL_USES], ["view", "sync"]),
        ([RECORDS | ALL_USES, OTHERS | {"may_export": True}], ["view", "sync", "export"]),
        ([RECORDS | ALL_USES, OTHERS | ALL_USES], ["view", "sync", "export", "publish"]),
        # What gives the copy no rows neither adds nor takes away.
        ([RECORDS | ALL_USES, OTHERS | {"precision": "aggregate"}], ["view", "sync", "export", "publish"]),
        ([RECORDS, OTHERS | ALL_USES | {"precision": "aggregate"}], ["view", "sync"]),
        ([RECORDS | ALL_USES, OTHERS | {"may_sync": False}], ["view", "sync", "export", "publish"]),
        ([RECORDS, OTHERS | ALL_USES | {"may_sync": False}], ["view", "sync"]),
        ([RECORDS | ALL_USES | {"may_sync": False}], ["view"]),
    ],
)
def test_a_copy_is_for_what_every_grant_of_it_permits(
    rig: Rig, api: TestClient, grants: list[dict], told: list[str]
) -> None:
    rig.agree("tfl", *grants)
    layers = api.get("/v1/layers", headers=sign_in(api, "tfl")).json()["layers"]
    assert next(layer["uses"] for layer in layers if layer["dataset"] == DATASET) == told


def test_until_its_files_are_built_a_layer_is_being_prepared(rig: Rig, api: TestClient) -> None:
    rig.agree("tfl", {"areas": (CITY,)})
    who = sign_in(api, "tfl")
    answer = api.get(f"/v1/layers/{DATASET}/manifest", headers=who)
    assert (answer.status_code, answer.json()["code"]) == (503, "layer-preparing")
    layer = next(x for x in api.get("/v1/layers", headers=who).json()["layers"] if x["dataset"] == DATASET)
    assert layer["permitted"] and layer["preparing"] and layer["rows"] == 0
    build_missing(rig.services, DATASET)
    assert manifest_of(api, who).rows == 3


def test_months_are_offered_while_the_whole_layer_is_still_being_put_together(rig: Rig, api: TestClient) -> None:
    who = sign_in(api, "gla")
    whole = manifest_of(api, who)
    with rig.services.database.write() as session:
        session.delete(session.get_one(Artefact, whole.snapshot.name))
    months = manifest_of(api, who)
    assert months.snapshot is None and months.slices == whole.slices and months.rows == whole.rows
    layer = next(x for x in api.get("/v1/layers", headers=who).json()["layers"] if x["dataset"] == DATASET)
    assert not layer["preparing"] and layer["size"] == sum(part.size for part in months.slices)
    assert fetch(api, who, whole.snapshot.name).status_code == 404
    assert fetch(api, who, months.slices[0].name).status_code == 200
    build_missing(rig.services, DATASET)
    assert manifest_of(api, who).snapshot == whole.snapshot


def test_staged_rows_show_to_nobody(rig: Rig, api: TestClient) -> None:
    who = sign_in(api, "gla")
    before = manifest_of(api, who)
    rig.stage(Incident(90, CAMDEN, "2025-03"), withdrawn=(1,))
    build_missing(rig.services, DATASET)
    staged = manifest_of(api, who)
    assert (staged.release, staged.slices, staged.snapshot) == (1, before.slices, before.snapshot)
    publish(rig.services, DATASET)
    after = manifest_of(api, who)
    assert (after.release, after.rows, after.newest_period) == (2, before.rows, "2025-03")
    kept = {part.name for part in before.slices} & {part.name for part in after.slices}
    assert {part.period for part in after.slices if part.name in kept} == {"", "2025-02"}
    # What the old manifest alone named is gone for this session.
    assert fetch(api, who, before.snapshot.name).status_code == 404


def test_the_manifest_says_where_from_and_until_when(rig: Rig, api: TestClient) -> None:
    definition = rig.services.definitions[DATASET]
    manifest = manifest_of(api, sign_in(api, "gla"))
    assert (manifest.first_period, manifest.newest_period) == ("2025-01", "2025-02")
    assert [part.period for part in manifest.slices] == ["", "2025-01", "2025-02"]
    assert (manifest.attribution, manifest.caveats) == (definition.attribution, definition.cautions)
    assert manifest.synthetic
    lease = datetime.fromisoformat(manifest.valid_until) - datetime.now(UTC)
    assert timedelta(days=13, hours=23) < lease <= timedelta(days=14)


def test_a_copy_is_not_valid_beyond_the_agreement(rig: Rig, api: TestClient) -> None:
    today = london_today()
    rig.agree("tfl", {"areas": (CITY,)}, ends=today)
    build_missing(rig.services, DATASET)
    manifest = manifest_of(api, sign_in(api, "tfl"))
    assert manifest.agreement_until == today.isoformat()
    until = datetime.fromisoformat(manifest.valid_until)
    assert until - datetime.now(UTC) <= timedelta(days=1)
    assert until.astimezone(LONDON).replace(tzinfo=None) == datetime.combine(
        today + timedelta(days=1), datetime.min.time()
    )


def test_the_last_months_move_with_the_calendar(rig: Rig, api: TestClient) -> None:
    this_month = f"{london_today():%Y-%m}"
    rig.agree("tfl", {"areas": (CITY,), "last_months": 1})
    rig.stage(Incident(95, CITY, this_month))
    publish(rig.services, DATASET)
    manifest = manifest_of(api, sign_in(api, "tfl"))
    assert [part.period for part in manifest.slices] == [this_month]
    assert manifest.rows == 1


def test_a_layer_without_rows_can_be_pulled(rig: Rig, api: TestClient, tmp_path: Path) -> None:
    rig.agree("tfl", {"areas": ("outside",)})
    build_missing(rig.services, DATASET)
    who = sign_in(api, "tfl")
    manifest = manifest_of(api, who)
    assert manifest.rows == 0
    assert rows_of(open_geopackage(fetch(api, who, manifest.snapshot.name).content, tmp_path)) == []


@pytest.mark.parametrize(
    ("dataset", "guarded", "of_the_category"),
    [
        ("lfb", {"special_service": ("Suicide/attempts",)}, ()),
        ("rnli", {"casualty": ("Person in distress",)}, ()),
        (
            "las",
            {"category": ("Sexual assault", "Overdose or poisoning", "Mental health")},
            ("Sexual assault", "Overdose or poisoning", "Mental health"),
        ),
    ],
)
def test_the_manifest_names_guarded_values_of_every_column(
    rig: Rig, api: TestClient, monkeypatch, dataset: str, guarded: dict, of_the_category: tuple
) -> None:
    monkeypatch.setattr(sync_rig, "DATASET", dataset)
    rig.agree("gla", {"areas": (CAMDEN,)})
    with rig.services.database.write() as session:
        staged = {"state": ReleaseState.STAGED, "staged_at": datetime.now(UTC), "synthetic": True}
        session.add(Release(dataset=dataset, number=1, **staged))
    publish(rig.services, dataset)
    found = api.get(f"/v1/layers/{dataset}/manifest", headers=sign_in(api, "gla"))
    manifest = Manifest.from_json(found.json())
    assert {name: manifest.sensitive_by_column[name] for name in guarded} == guarded == manifest.sensitive_by_column
    assert set(guarded) <= {column.name for column in manifest.columns}
    assert manifest.sensitive == of_the_category
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
    # Of a server or a copy from before there were any, and of one that is not what it should be.
    earlier = {name: value for name, value in found.json().items() if name != "sensitive_by_column"}
    assert Manifest.from_json(earlier).sensitive_by_column == {}
    for wrong in ([], {"casualty": "x"}, {"casualty": [1]}):
        with pytest.raises(TypeError):
            Manifest.from_json({**found.json(), "sensitive_by_column": wrong})


def test_files_come_whole_or_by_range(rig: Rig, api: TestClient) -> None:
    who = sign_in(api, "gla")
    snapshot = manifest_of(api, who).snapshot
    whole = fetch(api, who, snapshot.name)
    etag = f'"{snapshot.sha256}"'
    assert whole.headers["content-type"] == "application/gzip"
    assert whole.headers["content-length"] == str(snapshot.size)
    assert (whole.headers["etag"], whole.headers["accept-ranges"]) == (etag, "bytes")
    assert whole.headers["cache-control"] == "no-store"
    assert "content-encoding" not in whole.headers
    rest = fetch(api, who, snapshot.name, Range="bytes=100-")
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    assert rest.headers["content-range"] == f"bytes 100-{snapshot.size - 1}/{snapshot.size}"
    same = fetch(api, who, snapshot.name, Range="bytes=100-", **{"If-Range": etag})
    assert (same.status_code, same.content) == (206, whole.content[100:])
    other = fetch(api, who, snapshot.name, Range="bytes=100-", **{"If-Range": f'"{"0" * 64}"'})
    assert (other.status_code, other.content) == (200, whole.content)
    beyond = fetch(api, who, snapshot.name, Range=f"bytes={snapshot.size}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{snapshot.size}")


def test_one_pull_is_one_intent(rig: Rig, api: TestClient) -> None:
    who = sign_in(api, "gla")
    manifest = manifest_of(api, who)
    pull = uuid4()
    for part in manifest.slices:
        path = f"/v1/layers/{DATASET}/artefacts/{part.name}"
        assert api.get(path, params={"pull": str(pull)}, headers=who).status_code == 200
    (intent,) = audited(rig, "layer.pull")
    assert intent["filter"] == {"release": 1, "pull": str(pull)}
    assert (intent["rows"], intent["agreement"], intent["purpose"]) == (11, "DSA-3", "needs-assessment")
    for part in manifest.slices[:2]:
        fetch(api, who, part.name)
    assert [event["filter"].get("artefact") for event in audited(rig, "layer.pull")[1:]] == [
        part.name for part in manifest.slices[:2]
    ]
    # A file that is not theirs is named, though it is asked for under the pull.
    api.get(f"/v1/layers/{DATASET}/artefacts/{'0' * 64}", params={"pull": str(pull)}, headers=who)
    assert audited(rig, "layer.pull").pop()["filter"] == {"artefact": "0" * 64, "pull": str(pull)}
    # Nobody else's pull of the same id hides behind it.
    city = sign_in(api, "city")
    name = manifest_of(api, city).slices[0].name
    api.get(f"/v1/layers/{DATASET}/artefacts/{name}", params={"pull": str(pull)}, headers=city)
    assert len(audited(rig, "layer.pull")) == 5
    # Nor does what another agreement opens hide behind an earlier intent.
    with rig.services.database.write() as session:
        find_agreement(session, "DSA-3").reference = "DSA-9"
    assert api.get(path, params={"pull": str(pull)}, headers=who).status_code == 200
    assert audited(rig, "layer.pull")[-1]["agreement"] == "DSA-9"
    # Nor what is pulled for another purpose.
    api.post("/v1/session/purpose", json={"purpose": "policy"}, headers=who)
    assert api.get(path, params={"pull": str(pull)}, headers=who).status_code == 200
    assert audited(rig, "layer.pull")[-1]["purpose"] == "policy"


def test_the_audit_keeps_no_name_of_a_dataset_that_there_is_not(rig: Rig, api: TestClient) -> None:
    assert api.get(f"/v1/layers/{'Jane Doe ' * 40}/manifest", headers=sign_in(api, "gla")).status_code == 404
    event = audited(rig, "layer.manifest")[-1]
    assert (event["dataset"], event["reason"]) == ("", "unknown-dataset")


def test_no_audit_no_data(rig: Rig, api: TestClient) -> None:
    who = sign_in(api, "gla")
    name = manifest_of(api, who).slices[0].name
    break_audit(rig.services.settings)
    for answer in (fetch(api, who, name), api.get(f"/v1/layers/{DATASET}/manifest", headers=who)):
        assert (answer.status_code, answer.json()["code"]) == (503, "audit-unavailable")


def test_nothing_before_the_conditions_are_accepted(rig: Rig, api: TestClient) -> None:
    token = api.post("/v1/session", json={"username": "gla", "password": PASSWORD}).json()["token"]
    for path in ("layers", f"layers/{DATASET}/manifest", f"layers/{DATASET}/artefacts/{'0' * 64}"):
        answer = api.get(f"/v1/{path}", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "conditions-not-accepted")
        assert api.get(f"/v1/{path}").status_code == 401


def test_events_of_the_desk_are_taken_once(rig: Rig, api: TestClient) -> None:
    who = sign_in(api, "gla")
    event = {
        "id": str(uuid4()),
        "kind": "proximity.search",
        "at": "2026-01-05T10:00:00+00:00",
        "dataset": DATASET,
        "filter": {"postcode": "SE1 2AA", "radii": [100, 250]},
        "rows": 42,
    }
    other = {**event, "id": str(uuid4()), "kind": "map.export"}
    answer = api.post("/v1/events", json={"events": [event, other]}, headers=who)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    assert api.post("/v1/events", json={"events": [event]}, headers=who).json() == {"accepted": 0}
    (search,) = audited(rig, "proximity.search")
    assert (search["filter"], search["rows"]) == (event["filter"], 42)
    assert search["reported_at"] == "2026-01-05T10:00:00Z"
    assert len(audited(rig, "map.export")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "layer.pull"},
        {"id": "seven"},
        {"at": "2026-01-05T10:00:00"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": "9999-12-31T23:59:59-14:00"},
        {"filter": {"a": float("nan")}},
        {"filter": {"a": "half of a pair: \ud800"}},
        {"rows": -1},
        {"filter": {"text": "x" * 5000}},
    ],
)
def test_events_that_do_not_fit_are_refused(rig: Rig, api: TestClient, change: dict) -> None:
    event = {"id": str(uuid4()), "kind": "map.export", "at": "2026-01-05T10:00:00Z", "dataset": DATASET}
    body = json.dumps({"events": [event | change]})  # with what no strict client would send
    answer = api.post("/v1/events", content=body, headers=sign_in(api, "gla") | {"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert audited(rig, "map.export") == []


@pytest.fixture
def served(rig: Rig) -> Iterator[str]:
    """The address of a real server process on the rig's folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = environment(rig.services.settings) | {
        "SAFESTATS_PASSWORD_ROUNDS": "1",
        "SAFESTATS_PASSWORD_MEMORY_KIB": "64",
    }
    command = [sys.executable, "-m", "safestats.sync_server.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                httpx.get(f"{address}/v1/health")
                break
            except httpx.TransportError:
                assert process.poll() is None, process.stdout.read().decode()
                time.sleep(0.1)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def test_a_broken_download_is_resumed_over_real_http(rig: Rig, served: str) -> None:
    rig.stage(*(Incident(number, CAMDEN, "2025-04") for number in range(1000, 21_000)))
    publish(rig.services, DATASET)
    with httpx.Client(base_url=served) as client:
        who = sign_in(client, "gla")
        snapshot = manifest_of(client, who).snapshot
        path = f"/v1/layers/{DATASET}/artefacts/{snapshot.name}"
        assert snapshot.size > 300_000
        got = b""
        with client.stream("GET", path, headers=who) as answer:
            for block in answer.iter_raw(50_000):
                got += block
                if len(got) >= 100_000:
                    break
        resume = {**who, "Range": f"bytes={len(got)}-", "If-Range": answer.headers["etag"]}
        rest = client.get(path, headers=resume)
        assert rest.status_code == 206
        assert rest.headers["content-length"] == str(snapshot.size - len(got))
        assert hashlib.sha256(got + rest.content).hexdigest() == snapshot.sha256
        assert hashlib.sha256(client.get(path, headers=who).content).hexdigest() == snapshot.sha256
