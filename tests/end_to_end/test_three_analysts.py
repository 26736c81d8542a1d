"""Camden, the City and the GLA sign in at their desks and get exactly what each one's agreements open."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsVectorLayer
from qgis.PyQt.QtCore import QDate, Qt, QVariant
from safestats.qgis_plugin.core.errors import AgreementRefused
from safestats.qgis_plugin.core.pull import PullKind, PullResult
from safestats.tests.end_to_end.conftest import reference
from safestats.tests.end_to_end.oracle import CAMDEN, CITY, RIGHTS, Right, edge, expected, permitted, published
from safestats.tests.end_to_end.rig import DATASETS, Analyst, LiveServer, ServerFolder, copy_of

ORGANISATIONS = ("camden", "city", "gla")
PRECISION = {"point": "points as supplied", "grid": "the middle of 250 m squares", "area": "areas only, no points"}
each_right = pytest.mark.parametrize("right", RIGHTS, ids=str)


@dataclass
class Day:
    """What three analysts had on their desks: by organisation and dataset, and what they were told."""

    folder: ServerFolder
    analysts: dict[str, Analyst]
    answers: dict[str, dict[str, dict[str, Any]]]
    pulls: dict[tuple[str, str], PullResult]
    layers: dict[tuple[str, str], QgsVectorLayer]
    refusals: dict[tuple[str, str], AgreementRefused]

    def layer(self, right: Right) -> QgsVectorLayer:
        return self.layers[right.organisation, right.dataset]

    def pull(self, right: Right) -> PullResult:
        return self.pulls[right.organisation, right.dataset]

    def file(self, right: Right) -> Path:
        return self.pull(right).copy.path


@pytest.fixture(scope="module", params=["sample", "real"])
def day(request: pytest.FixtureRequest, qgis_app, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """Each analyst signs in, accepts, tries to pull every dataset, and opens what came."""
    root = tmp_path_factory.mktemp(request.param)
    folder = copy_of(request.getfixturevalue(f"{request.param}_folder"), root / "server")
    server = LiveServer(folder)
    server.start()
    made = Day(folder, {}, {}, {}, {}, {})
    try:
        for organisation in ORGANISATIONS:
            desk = root / organisation
            desk.mkdir()
            analyst = Analyst(desk, server.url, f"{organisation}.analyst").begin()
            made.analysts[organisation] = analyst
            made.answers[organisation] = analyst.layers()
            for dataset in DATASETS:
                try:
                    made.pulls[organisation, dataset] = analyst.pull(dataset)
                except AgreementRefused as refusal:
                    made.refusals[organisation, dataset] = refusal
                else:
                    made.layers[organisation, dataset] = analyst.open(dataset)
        yield made
    finally:
        for analyst in made.analysts.values():
            analyst.leave()
        server.stop()


def plain(value: Any) -> Any:
    """A value of a QGIS feature as Python has it; dates as ISO text."""
    if isinstance(value, QVariant) and value.isNull():
        return None
    return value.toString(Qt.DateFormat.ISODate) if isinstance(value, QDate) else value


def place_of(blob: bytes | None) -> tuple[int, ...]:
    """Easting and northing of a GeoPackage's point; nothing for none."""
    if blob is None:
        return ()
    assert blob[:2] == b"GP" and not blob[3] & 0x10, "no GeoPackage geometry, or an empty one"
    assert struct.unpack_from("<i", blob, 4) == (27700,)
    start = 8 + (0, 32, 48, 48, 64)[blob[3] >> 1 & 7]
    order, kind, east, north = struct.unpack_from("<BIdd", blob, start)
    assert (order, kind, len(blob)) == (1, 1, start + 21)
    assert east == int(east) and north == int(north)
    return int(east), int(north)


def test_nothing_is_compared_with_nothing(day: Day) -> None:
    for right in RIGHTS:
        assert len(expected(day.folder, right)) == len(permitted(day.folder, right)) > 0, right
    for organisation, borough in (("camden", CAMDEN), ("city", CITY)):
        right = next(r for r in RIGHTS if (r.organisation, r.dataset) == (organisation, "mps"))
        own = {row["borough_code"] for row in permitted(day.folder, right)}
        assert len(own) > 1, "no incident lies in the edge"
        assert borough in edge_boroughs(day, borough)
        assert len(permitted(day.folder, right)) < len(published(day.folder, "mps"))
    # There is a past and a future that nobody may see.
    assert len(published(day.folder, "colp")) < len(day.folder.query("SELECT row_id FROM incident_colp"))
    assert day.folder.query("SELECT row_id FROM incident_colp WHERE to_release = 2")
    assert day.folder.query("SELECT row_id FROM incident_colp WHERE to_release = 3")


def edge_boroughs(day: Day, borough: str) -> set[str]:
    near = edge(borough)
    return {row["borough_code"] for row in published(day.folder, "mps") if row["lsoa_code"] in near} | {borough}


@each_right
def test_the_layer_in_qgis_holds_exactly_the_permitted_rows_and_columns(day: Day, right: Right) -> None:
    layer = day.layer(right)
    assert layer.isValid() and layer.readOnly()
    assert layer.fields().names() == ["fid", *right.columns]
    assert layer.isSpatial() is (right.precision != "area")
    assert not layer.subsetString()
    found = {}
    for feature in layer.getFeatures():
        point = feature.geometry()
        place = () if point.isNull() else (point.asPoint().x(), point.asPoint().y())
        fid, *values = (plain(value) for value in feature.attributes())
        assert fid == feature.id()
        found[fid] = (place, tuple(values))
    assert found == expected(day.folder, right)


@each_right
def test_the_file_on_disk_holds_exactly_the_permitted_rows_and_columns(day: Day, right: Right) -> None:
    with closing(sqlite3.connect(f"file:{day.file(right)}?mode=ro", uri=True)) as database:
        own = {
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            if not name.startswith(("gpkg_", "sqlite_", "rtree_"))
        }
        names = [row[1] for row in database.execute(f"PRAGMA table_info({right.dataset})")]
        rows = database.execute(f"SELECT * FROM {right.dataset}").fetchall()
    assert own == {right.dataset}
    geometry = ["geom"] if right.precision != "area" else []
    assert [name for name in names if name != "geom"] == ["fid", *right.columns]
    assert [name for name in names if name == "geom"] == geometry
    found = {}
    for row in rows:
        values = dict(zip(names, row))
        found[values["fid"]] = (place_of(values.get("geom")), tuple(values[name] for name in right.columns))
    assert found == expected(day.folder, right)
    assert len(rows) == len(found)


@each_right
def test_every_count_is_the_number_of_permitted_rows(day: Day, right: Right) -> None:
    number = len(permitted(day.folder, right))
    manifest = day.pull(right).copy.manifest
    answer = day.answers[right.organisation][right.dataset]
    assert day.pull(right).kind is PullKind.WHOLE
    assert day.layer(right).featureCount() == number
    assert manifest.rows == sum(month.rows for month in manifest.slices) == manifest.snapshot.rows == number
    assert answer["rows"] == number
    with closing(sqlite3.connect(day.file(right))) as database:
        ((contents,),) = database.execute("SELECT feature_count FROM gpkg_ogr_contents").fetchall()
    assert contents == number

    assert tuple(column.name for column in manifest.columns) == right.columns
    assert answer["fields"] == [column.alias for column in manifest.columns]
    assert (answer["permitted"], answer["reason"]) == (True, "")
    assert answer["precision"] == PRECISION[right.precision]
    assert answer["agreement"] == manifest.agreement == reference(right.organisation, right.dataset)
    assert answer["geometry"] == manifest.geometry == ("none" if right.precision == "area" else "point")
    newest = max(row["period"] for row in published(day.folder, right.dataset))
    assert answer["newest"] == manifest.newest_period == newest


@each_right
def test_the_bytes_of_the_file_hold_no_word_of_a_hidden_column(day: Day, right: Right) -> None:
    content = day.file(right).read_bytes()
    rows = permitted(day.folder, right)
    assert not [row["identity"] for row in rows[:500] if row["identity"].encode() in content]
    if right.dataset in ("lfb", "rnli"):
        return
    streets = set(sorted({row["street"] for row in rows if row["street"]})[:500])
    named = {street for street in streets if street.encode() in content}
    assert streets
    assert named == (streets if "street" in right.columns else set())
    if right.precision == "area":
        assert not [row["fid_point"] for row in rows if struct.pack(">q", row["fid_point"]) in content]
        assert b"rtree_" not in content.replace(b"gpkg_rtree_index", b"")


def test_without_an_agreement_or_after_its_end_the_reason_is_told(day: Day) -> None:
    ask = "Ask the SafeStats team."
    (agreed,) = day.folder.query("SELECT ends FROM agreement WHERE reference = ?", reference("city", "lfb"))
    ended = f"ended on {date.fromisoformat(agreed['ends']):%-d %B %Y}"
    sentences = {
        ("camden", "lfb"): (
            "no-agreement",
            f"Your organisation has no agreement on London Fire Brigade incidents. {ask}",
        ),
        ("camden", "rnli"): ("no-agreement", f"Your organisation has no agreement on RNLI lifeboat launches. {ask}"),
        ("city", "lfb"): (
            "agreement-ended",
            f"Agreement DSA-CITY-LFB on London Fire Brigade incidents {ended}. {ask}",
        ),
    }
    told = {who: (refusal.code, refusal.sentence) for who, refusal in day.refusals.items()}
    assert told == sentences
    for (organisation, dataset), (code, sentence) in sentences.items():
        answer = day.answers[organisation][dataset]
        assert (answer["permitted"], answer["reason_code"], answer["reason"]) == (False, code, sentence)
        # Nothing of what others may see shows: no number, no size, no month.
        assert (answer["rows"], answer["size"], answer["newest"], answer["fields"]) == (0, 0, "", [])
        copies = day.analysts[organisation].desk.copies
        assert copies.copy(dataset) is None
        assert not list((copies.folder / dataset).glob("*.gpkg*"))


def test_feature_ids_join_copies_of_one_precision_only(day: Day) -> None:
    fids = {
        (right.organisation, right.dataset): {feature.id() for feature in day.layer(right).getFeatures()}
        for right in RIGHTS
    }
    precisions = {(right.organisation, right.dataset): right.precision for right in RIGHTS}
    for dataset in ("mps", "colp", "btp"):
        assert fids["camden", dataset] <= fids["gla", dataset]
        for one in ORGANISATIONS:
            for other in ORGANISATIONS:
                if precisions[one, dataset] != precisions[other, dataset]:
                    assert not fids[one, dataset] & fids[other, dataset], (one, other, dataset)
    # The same incidents are in both of these all the same: it is the ids that keep them apart.
    shared = [
        {row["identity"] for row in permitted(day.folder, right)}
        for right in RIGHTS
        if (right.organisation, right.dataset) in (("camden", "mps"), ("city", "mps"))
    ]
    assert shared[0] & shared[1]


def test_snapped_points_are_middles_of_squares_and_move_no_further_than_half_a_diagonal(day: Day) -> None:
    right = next(r for r in RIGHTS if r.precision == "grid")
    exact = {row["fid_grid"]: row for row in permitted(day.folder, right)}
    for feature in day.layer(right).getFeatures():
        point, row = feature.geometry().asPoint(), exact[feature.id()]
        assert (point.x() % 250, point.y() % 250) == (125, 125)
        assert max(abs(point.x() - row["easting"]), abs(point.y() - row["northing"])) <= 125
