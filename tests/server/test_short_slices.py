"""Slices of days: one record costs a small slice, and a month that closes keeps its rows under one name."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from safestats.sync_server.agreements.opened import GrantProfile
from safestats.sync_server.agreements.scope import live_scopes
from safestats.sync_server.datasets.definitions import Publish
from safestats.sync_server.datasets.periods import month_of, open_months, period_of_day, period_range
from safestats.sync_server.keys import day_number
from safestats.sync_server.publishing.rollback import stage_rollback
from safestats.sync_server.publishing.service import PublishReport, build_missing, lacks_files, publish
from safestats.sync_server.publishing.slices import slice_keys
from safestats.sync_server.sync.layer import Layer, published_layer
from safestats.tests.server.sync_rig import CAMDEN, CITY, DATASET, Incident, Rig, open_geopackage

GLA = {"areas": (CAMDEN, CITY, "unplaced")}
TODAY = date(2026, 11, 20)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A server whose dataset publishes at once; the agreement has an old month, an open one and undated rows."""
    made = Rig.make(tmp_path / "server")
    definition = replace(made.services.definitions[DATASET], publish=Publish.AT_ONCE, date_precision="day")
    made.services = replace(made.services, definitions={**made.services.definitions, DATASET: definition})
    made.organisation("gla")
    made.agree("gla", GLA)
    made.stage(
        Incident(1, CAMDEN, "2026-09", day=30),
        Incident(2, CAMDEN, "2026-09", day=1),
        Incident(3, CITY, "2026-11", day=2),
        Incident(4, CAMDEN, "2026-11", day=2),
        Incident(5, CAMDEN, "2026-11", day=19),
        Incident(6, CAMDEN, ""),
    )
    return made


def published(rig: Rig, today: date = TODAY) -> PublishReport:
    return publish(rig.services, DATASET, today=today)


def layer(rig: Rig) -> Layer:
    with rig.services.database.read() as session:
        (scope,) = live_scopes(session, DATASET, rig.services.definitions, TODAY)
        return published_layer(session, scope)


def periods(rig: Rig) -> dict[str, str]:
    """The names of the layer's slices, by period."""
    return {key.period: file.name for key, file in layer(rig).slices}


def rows_of(rig: Rig, name: str, folder: Path) -> set[int]:
    connection = open_geopackage(rig.store.path(name).read_bytes(), folder)
    try:
        return {fid for (fid,) in connection.execute(f"SELECT fid FROM {DATASET}")}
    finally:
        connection.close()


def test_only_newest_days_of_what_publishes_at_once_are_slices(rig: Rig) -> None:
    definition = rig.services.definitions[DATASET]
    months = ["", "2026-09", "2026-10", "2026-11"]
    assert open_months(definition, months, date(2026, 11, 7)) == ["2026-10", "2026-11"]
    assert open_months(definition, months, date(2026, 11, 8)) == ["2026-11"]
    assert open_months(definition, ["2025-12"], date(2026, 1, 7)) == ["2025-12"]
    for other in (replace(definition, publish=Publish.BY_HAND), replace(definition, date_precision="month")):
        assert open_months(other, months, TODAY) == []


def test_a_days_range_of_ids_lies_in_its_months(rig: Rig) -> None:
    first, last = period_range("2026-11-20")
    low, high = period_range("2026-11")
    assert low < first < last < high
    assert period_range("2026-11-01")[0] == low and period_range("2026-11-30")[1] == high
    assert period_range("2026-11-21")[0] == last + 1
    assert period_of_day(day_number(date(2026, 11, 20))) == "2026-11-20"


@pytest.mark.parametrize(
    ("first", "last", "covered"),
    [("", "", True), ("2026-11", "", True), ("", "2026-11", True), ("2026-12", "", False), ("", "2026-10", False)],
)
def test_a_grant_covers_a_day_as_it_does_its_month(rig: Rig, first: str, last: str, covered: bool) -> None:
    with rig.services.database.read() as session:
        (scope,) = live_scopes(session, DATASET, rig.services.definitions, TODAY)
    (grant,) = scope.grants
    bounded: GrantProfile = replace(grant, from_month=first, to_month=last)
    for day in ("2026-11-01", "2026-11-30"):
        assert bounded.covers(day) == bounded.covers("2026-11") == covered
    of_it = replace(scope, grants=(bounded,))
    assert of_it.fingerprint("2026-11-20") == of_it.fingerprint("2026-11")
    assert len(slice_keys(of_it, ["2026-11-20"])) == covered


def test_each_row_is_in_one_slice_and_the_snapshot_has_no_newest_day(rig: Rig, tmp_path: Path) -> None:
    report = published(rig)
    assert (report.slices_built, report.snapshots_built) == (4, 1)
    found = layer(rig)
    assert [key.period for key, _ in found.slices] == ["", "2026-09", "2026-11-02", "2026-11-19"]
    assert found.months == ["2026-09", "2026-11"] and found.rows == 6
    fids = [rows_of(rig, file.name, tmp_path) for _, file in found.slices]
    assert [len(rows) for rows in fids] == [1, 2, 2, 1] and len(set.union(*fids)) == 6
    for (key, _), rows in zip(found.slices, fids, strict=True):
        low, high = period_range(key.period)
        assert all(low <= fid <= high for fid in rows)
    assert found.snapshot is not None and found.snapshot.rows == 3
    assert rows_of(rig, found.snapshot.name, tmp_path) == fids[0] | fids[1]
    assert found.size == found.snapshot.size + sum(file.size for key, file in found.slices if "-11-" in key.period)


def test_a_record_costs_one_small_slice(rig: Rig, tmp_path: Path) -> None:
    published(rig)
    before, snapshot = periods(rig), layer(rig).snapshot
    rig.stage(Incident(7, CAMDEN, "2026-11", day=19))
    report = published(rig)
    assert report.published and (report.slices_built, report.snapshots_built) == (1, 0)
    after = periods(rig)
    assert {period for period in after if after[period] != before.get(period)} == {"2026-11-19"}
    assert layer(rig).snapshot == snapshot
    assert len(rows_of(rig, after["2026-11-19"], tmp_path)) == 2

    rig.stage(Incident(8, CAMDEN, "2026-11", day=20))
    assert published(rig).slices_built == 1 and set(periods(rig)) == {*after, "2026-11-20"}
    rig.stage(withdrawn=(8,))
    assert published(rig).slices_built == 0 and periods(rig) == after


def test_a_late_record_of_a_closed_month_makes_its_slice_and_the_snapshot_anew(rig: Rig) -> None:
    published(rig)
    before = periods(rig)
    rig.stage(Incident(7, CAMDEN, "2026-09", day=14))
    report = published(rig)
    assert (report.slices_built, report.snapshots_built) == (1, 1)
    after = periods(rig)
    assert {period for period in after if after[period] != before[period]} == {"2026-09"}


def test_a_month_closes_a_week_after_its_end_with_the_same_rows(rig: Rig, tmp_path: Path) -> None:
    published(rig)
    days = {period: name for period, name in periods(rig).items() if month_of(period) == "2026-11"}
    before = set.union(*(rows_of(rig, name, tmp_path) for name in days.values()))
    # Nobody publishes anything: what people see stays as it is.
    assert not published(rig, date(2026, 12, 20)).published and set(days) < set(periods(rig))
    rig.stage(Incident(7, CAMDEN, "2026-12", day=7))
    published(rig, date(2026, 12, 7))
    assert set(days) < set(periods(rig))
    rig.stage(Incident(8, CAMDEN, "2026-12", day=8))
    report = published(rig, date(2026, 12, 8))
    assert (report.slices_built, report.snapshots_built) == (2, 1)
    after = periods(rig)
    assert list(after) == ["", "2026-09", "2026-11", "2026-12-07", "2026-12-08"]
    assert rows_of(rig, after["2026-11"], tmp_path) == before


def test_the_same_days_have_the_same_names_and_bytes(rig: Rig) -> None:
    published(rig)
    before = {name: rig.store.path(name).read_bytes() for name in rig.store.names()}
    for name in before:
        rig.store.remove(name)
    assert lacks_files(rig.services, DATASET, TODAY)
    report = build_missing(rig.services, DATASET, today=date(2026, 12, 20))
    assert not report.published and report.slices_built == 4
    assert {name: rig.store.path(name).read_bytes() for name in rig.store.names()} == before


def test_a_rollback_brings_the_days_back(rig: Rig) -> None:
    published(rig)
    before = periods(rig)
    rig.stage(Incident(7, CAMDEN, "2026-11", day=19), Incident(8, CAMDEN, "2026-11", day=20), withdrawn=(3,))
    published(rig)
    assert set(periods(rig)) - set(before) == {"2026-11-20"}
    stage_rollback(rig.services, rig.services.definitions[DATASET])
    assert published(rig).release == 3 and periods(rig) == before


def test_a_dataset_that_publishes_by_hand_again_has_months(rig: Rig) -> None:
    published(rig)
    definitions = dict(rig.services.definitions)
    definitions[DATASET] = replace(definitions[DATASET], publish=Publish.BY_HAND)
    rig.services = replace(rig.services, definitions=definitions)
    rig.stage(Incident(7, CAMDEN, "2026-09", day=3))
    published(rig)
    assert list(periods(rig)) == ["", "2026-09", "2026-11"]
