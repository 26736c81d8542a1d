"""What a later delivery changes: corrected dates, resent, cut and empty files, undated rows, lifeboats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from safestats.shared.manifest import FID_KEY_BITS, UNDATED
from safestats.sync_server.agreements.models import Precision, Use
from safestats.sync_server.agreements.opened import GrantProfile, Scope
from safestats.sync_server.agreements.readable import readable
from safestats.sync_server.datasets.definitions import FieldGroup, Within
from safestats.sync_server.datasets.incidents import rows_by_period
from safestats.sync_server.datasets.periods import period_range
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest.service import load
from safestats.sync_server.keys import day_number
from safestats.sync_server.publishing.models import Release
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import copied, settings_for
from safestats.tests.server.ingest_rig import (
    REAL,
    deliveries,
    held,
    load_street,
    open_prepared,
    publish_now,
    rejected,
    releases,
    street_csv,
    street_row,
)
from sqlalchemy import Row

LFB_HEADER = (
    "IncidentNumber,DateOfCall,TimeOfCall,IncidentGroup,StopCodeDescription,SpecialServiceType,PropertyCategory,"
    "PropertyType,Easting_m,Northing_m,Easting_rounded,Northing_rounded,NumPumpsAttending"
)
RNLI_HEADER = "X_dest,Y_dest,AIC,CasualtyCategory,CasualtyTypeFull,OutcomeOfService,Activity,DateOfLaunch,Station"
# On the Thames at Waterloo Bridge, where no area is; off Margate.
THAMES = "-0.11700,51.50900"
MARGATE = "1.38000,51.42000"


@pytest.fixture(scope="module")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_for(tmp_path_factory.mktemp("empty") / "server")
    services = open_prepared(settings)
    services.close()
    return settings


@pytest.fixture
def services(empty_server: Settings, tmp_path: Path) -> Iterator[Services]:
    services = open_services(copied(empty_server, tmp_path / "server"), Part.PUBLISHER)
    yield services
    services.close()


def call(number: str, day: str, group: str = "Fire", time: str = "10:00:00") -> str:
    return f"{number},{day},{time},{group},Primary Fire,,Dwelling,House,,,528950,184050,1"


def calls(path: Path, *rows: str) -> list[Path]:
    return [street_csv(path, *rows, header=LFB_HEADER)]


def launch(at: str, place: str = THAMES, category: str = "PEOPLE", station: str = "tower") -> str:
    return f"{place},Other,{category},Other,Rendered assistance,Unknown,{at},{station}"


def launches(path: Path, *rows: str) -> list[Path]:
    return [street_csv(path, *rows, header=RNLI_HEADER)]


def pan_london(services: Services, dataset: str, release: int, from_month: str = "") -> Scope:
    areas = (*services.areas.boroughs, "outside", "unplaced")
    grant = GrantProfile(areas, tuple(FieldGroup), Precision.POINT, 0, from_month, "", frozenset({Use.SYNC}))
    return Scope(services.definitions[dataset], (grant,), "A", date(2099, 1, 1), release)


def shown(services: Services, scope: Scope, period: str | None) -> list[Row]:
    with services.database.read() as session:
        return list(session.execute(readable(scope, period)))


def days_of_ids(rows: list[Row]) -> set[int]:
    return {row.fid_point >> FID_KEY_BITS for row in rows}


def test_a_corrected_date_moves_the_incident_to_its_month(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "lfb.csv"
    load(services, "lfb", calls(path, call("1", "2023-01-31"), call("2", "2023-01-15")))
    publish_now(services, "lfb")
    before = {row.period: row for row in held(services, "lfb") if row.occurred_on.day == 31}
    report = load(services, "lfb", calls(path, call("1", "2023-02-01")))
    assert (report.added, report.changed, report.withdrawn) == (0, 1, 0)
    rows = held(services, "lfb")
    assert sorted(row.period for row in rows) == ["2023-01", "2023-02"]
    moved = next(row for row in rows if row.period == "2023-02")
    assert moved.identity == before["2023-01"].identity and moved.from_release == 2
    for name in ("fid_point", "fid_grid", "fid_area"):
        assert getattr(moved, name) >> FID_KEY_BITS == day_number(date(2023, 2, 1))
    low, high = period_range("2023-02")
    assert low <= moved.fid_point <= high
    # Published as it was: the first release still has it in January.
    assert [row.period for row in held(services, "lfb", 1)] == ["2023-01", "2023-01"]


def test_a_corrected_day_of_the_same_month_has_a_new_id_and_back_again_the_old_one(
    services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "lfb.csv"
    first = []
    for day in ("2023-01-30", "2023-01-31", "2023-01-30"):
        load(services, "lfb", calls(path, call("1", day)))
        publish_now(services, "lfb")
        (row,) = held(services, "lfb")
        assert row.fid_point >> FID_KEY_BITS == day_number(date.fromisoformat(day))
        first.append(row.fid_point)
    assert first[0] == first[2] != first[1]
    assert [number for number, _ in releases(services, "lfb")] == [1, 2, 3]


def test_a_move_that_was_staged_and_is_taken_back_leaves_nothing(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "lfb.csv"
    load(services, "lfb", calls(path, call("1", "2023-01-31")))
    publish_now(services, "lfb")
    published = held(services, "lfb")
    load(services, "lfb", calls(path, call("1", "2023-03-01")))
    load(services, "lfb", calls(path, call("1", "2023-01-31")))
    assert held(services, "lfb") == published == held(services, "lfb", 2)


def test_of_a_number_twice_in_one_delivery_the_last_holds(services: Services, tmp_path: Path) -> None:
    january = calls(tmp_path / "01.csv", call("1", "2023-01-31"), call("1", "2023-01-31"), call("2", "2023-01-01"))
    february = calls(tmp_path / "02.csv", call("1", "2023-02-01"))
    report = load(services, "lfb", january + february)
    assert (report.accepted, report.duplicates) == (2, 2)
    assert sorted(str(row.occurred_on) for row in held(services, "lfb")) == ["2023-01-01", "2023-02-01"]
    assert [(row.line, row.reason) for row in rejected(services)] == [
        (2, "an incident that a later row of this delivery corrects"),
        (3, "an incident that a later row of this delivery corrects"),
    ]


def test_a_police_id_in_another_month_is_another_incident(services: Services, tmp_path: Path) -> None:
    load_street(services, tmp_path / "05.csv", street_row("a"))
    report = load_street(services, tmp_path / "06.csv", street_row("a", month="2023-06"))
    assert (report.added, report.changed) == (1, 0) and len(held(services, "colp")) == 2


def test_what_was_known_within_the_month_is_not_taken_for_new(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "lfb.csv"
    lfb = services.definitions["lfb"]
    by_month = replace(lfb, identity=replace(lfb.identity, within=Within.MONTH))
    earlier = replace(services, definitions={**services.definitions, "lfb": by_month})
    load(earlier, "lfb", calls(path, call("1", "2023-01-31")))
    with pytest.raises(SafeStatsError, match="known again within the month, and is now declared to know them within"):
        load(services, "lfb", calls(path, call("1", "2023-01-31")))


def test_cut_and_empty_files_of_a_dataset_that_adds_withdraw_nothing(services: Services, tmp_path: Path) -> None:
    rows = [call(str(number), "2023-01-02") for number in range(5)]
    load(services, "lfb", calls(tmp_path / "a.csv", *rows))
    before = held(services, "lfb")
    cut = street_csv(tmp_path / "cut.csv", *rows, header=LFB_HEADER)
    cut.write_text(cut.read_text(encoding="utf-8")[:-100], encoding="utf-8")
    report = load(services, "lfb", [cut])
    assert (report.withdrawn, report.changed, report.added) == (0, 0, 0) and report.rejected.total() == 1
    report = load(services, "lfb", calls(tmp_path / "2023-01-empty.csv"))
    assert report.withdrawn == 0 and held(services, "lfb") == before


def test_a_delivery_that_replaces_several_months_at_once(services: Services, tmp_path: Path) -> None:
    def month(name: str, *ids: str) -> Path:
        return street_csv(tmp_path / f"{name}.csv", *(street_row(one, month=name) for one in ids))

    load(services, "colp", [month("2023-05", *"abcdefgh"), month("2023-06", *"abcdefgh"), month("2023-07", *"ab")])
    publish_now(services, "colp")
    report = load(services, "colp", [month("2023-05", *"abcdefg"), month("2023-06", *"bcdefghi")])
    assert (report.withdrawn, report.added, report.unchanged) == (2, 1, 14)
    with services.database.read() as session:
        counts = {row.period: row.rows for row in session.execute(rows_by_period(services.definitions["colp"], 2))}
    assert counts == {"2023-05": 7, "2023-06": 8, "2023-07": 2}
    # One cut month stops the whole delivery.
    before = held(services, "colp")
    with pytest.raises(SafeStatsError, match="lacks 4 of the 8 incidents that colp holds for 2023-06"):
        load(services, "colp", [month("2023-05", *"abcdefgh"), month("2023-06", *"bcde")])
    assert held(services, "colp") == before


def test_several_months_in_one_file(services: Services, tmp_path: Path) -> None:
    both = [street_row(one, month=month) for month in ("2023-05", "2023-06") for one in "abcdef"]
    load_street(services, tmp_path / "both.csv", *both)
    report = load_street(services, tmp_path / "both.csv", *both[1:])
    assert (report.withdrawn, report.unchanged) == (1, 11)


def test_the_same_content_under_another_name_in_a_later_delivery(services: Services, tmp_path: Path) -> None:
    rows = [street_row(force="btp")] * 3
    load_street(services, tmp_path / "2023-05.csv", *rows, dataset="btp")
    publish_now(services, "btp")
    before = held(services, "btp")
    report = load_street(services, tmp_path / "2023-05 (1).csv", *rows, dataset="btp")
    assert (report.unchanged, report.release) == (3, None)
    assert held(services, "btp") == before and len(deliveries(services)) == 1
    assert releases(services, "btp") == [(1, "published")]


def test_undated_rows_are_kept_in_a_slice_of_their_own(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "lfb.csv"
    report = load(services, "lfb", calls(path, call("1", ""), call("2", "", time=""), call("3", "2023-01-02")))
    assert (report.accepted, report.months) == (3, ["2023-01"])
    undated = [row for row in held(services, "lfb") if row.period == UNDATED]
    assert {(row.month, row.occurred_on, row.weekday) for row in undated} == {(None, None, None)}
    assert sorted((row.occurred_time or "", row.hour) for row in undated) == [("", None), ("10:00", 10)]
    assert days_of_ids(undated) == {0} and len({row.fid_point for row in undated}) == 2
    publish_now(services, "lfb")
    with services.database.read() as session:
        assert session.get_one(Release, ("lfb", 1)).periods == [UNDATED, "2023-01"]
    everything = pan_london(services, "lfb", 1)
    assert everything.covers(UNDATED) and len(shown(services, everything, None)) == 3
    low, high = period_range(UNDATED)
    ids = [row.fid for row in shown(services, everything, UNDATED)]
    assert len(ids) == 2 and all(low <= fid <= high for fid in ids)
    # Whoever may see some months only has no undated rows.
    bounded = pan_london(services, "lfb", 1, from_month="2020-01")
    assert not bounded.covers(UNDATED) and shown(services, bounded, UNDATED) == []
    assert [row.month for row in shown(services, bounded, None)] == ["2023-01"]
    # Once its date is known, the incident is there once, in its month.
    report = load(services, "lfb", calls(path, call("1", "2023-01-05")))
    assert report.changed == 1
    assert sorted(row.period for row in held(services, "lfb")) == [UNDATED, "2023-01", "2023-01"]


def test_a_dataset_that_keeps_no_undated_rows_rejects_them(services: Services, tmp_path: Path) -> None:
    load(services, "rnli", launches(tmp_path / "r.csv", launch(""), launch("2020-01-02 10:00:00+00:00")))
    assert [row.reason for row in rejected(services)] == ["no date"] and len(held(services, "rnli")) == 1


def test_launches_are_in_londons_time(services: Services, tmp_path: Path) -> None:
    times = {
        "2020-01-01 01:00:00+00:00": ("2020-01-01", 1),
        "2020-06-01 23:00:00+00:00": ("2020-06-02", 0),  # summer time
        "2020-06-30 23:00:00+00:00": ("2020-07-01", 0),
        "2020/02/03 04:05:06+00": ("2020-02-03", 4),
        "2020-03-29T01:00:00.000Z": ("2020-03-29", 2),  # the hour that London's clocks leap over
        "2020-04-05 12:00:00": ("2020-04-05", 13),  # without an offset it is UTC
        "2020-05-06 12:00:00+02:00": ("2020-05-06", 11),
        "2020-02-07": ("2020-02-07", None),
    }
    wrong = [launch("2020-02-30 10:00:00+00:00"), launch("soon")]
    load(services, "rnli", launches(tmp_path / "r.csv", *map(launch, times), *wrong))
    found = sorted((str(row.occurred_on), row.hour) for row in held(services, "rnli"))
    assert found == sorted(times.values())
    assert [row.reason for row in rejected(services)] == ["a date that does not exist"] * 2


def test_a_launch_has_the_nearest_area_and_says_so(services: Services, tmp_path: Path) -> None:
    at = "2020-01-02 10:00:00+00:00"
    rows = [launch(at), launch(at, "-0.128,51.515"), launch(at, MARGATE), launch(at, "-9.05,53.27")]
    report = load(services, "rnli", launches(tmp_path / "r.csv", *rows))
    water, land = sorted(held(services, "rnli"), key=lambda row: row.area_method)
    assert (water.area_method, water.location_method) == ("Nearest to a place on the water", "reported")
    assert land.area_method == "The place lies in it"
    assert water.lsoa_code and water.borough in {"Westminster", "Lambeth"}
    assert report.rejected == {"outside London": 1, "outside Great Britain": 1}


def test_equal_launches_stay_and_a_resent_file_changes_what_differs(services: Services, tmp_path: Path) -> None:
    at = "2020-01-02 10:00:00+00:00"
    load(services, "rnli", launches(tmp_path / "a.csv", launch(at), launch(at), launch("2020-01-03 10:00:00+00:00")))
    publish_now(services, "rnli")
    again = launches(tmp_path / "b.csv", launch(at), launch(at, category="LEISURE"))
    report = load(services, "rnli", again)
    assert (report.unchanged, report.changed, report.added, report.withdrawn) == (1, 1, 0, 0)
    assert len(held(services, "rnli")) == 3


def test_launches_under_the_rnlis_own_headers(services: Services, tmp_path: Path) -> None:
    header = (
        "X,Y,OBJECTID,ROSNumber,AIC,CasualtyCategory,CasualtyTypeFull,OutcomeOfService,Activity,"
        "LifeboatStationNameProper,LifeboatClass,Date_of_Launch,Time_of_Launch"
    )
    row = f"{THAMES},1,{{}},Other,PEOPLE,Other,Stood Down,Unknown,Tower,E Class,{{}},{{}}"

    def own(*rows: tuple[str, str, str]) -> list[Path]:
        return [street_csv(tmp_path / "own.csv", *(row.format(*values) for values in rows), header=header)]

    report = load(services, "rnli", own(("7", "2020/06/30 00:00:00+00", "23:45"), ("8", "2020/01/02 00:00:00+00", "x")))
    (one,) = held(services, "rnli")
    assert (str(one.occurred_on), one.hour, one.station) == ("2020-07-01", 0, "Tower")
    assert report.notes == ["own.csv has columns that are not agreed, which were dropped: “LifeboatClass”."]
    assert [entry.reason for entry in rejected(services)] == ["a time that does not exist"]
    # With a number a launch is one launch, whatever is corrected.
    assert load(services, "rnli", own(("7", "2020/05/30 00:00:00+00", "12:00"))).changed == 1
    assert [row.period for row in held(services, "rnli")] == ["2020-05"]


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real files are not in {REAL}")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("animal_rescues.csv", "holds the Brigade's animal rescues.*load the incident records CSV"),
        ("LFB Mobilisation data.csv", "holds the Brigade's mobilisations.*load the incident records CSV"),
    ],
)
def test_the_brigades_other_files_are_refused_with_what_to_load(services: Services, name: str, sentence: str) -> None:
    with pytest.raises(SafeStatsError, match=sentence) as raised:
        load(services, "lfb", [REAL / "lfb" / name])
    assert str(raised.value).startswith(name) and deliveries(services) == []
