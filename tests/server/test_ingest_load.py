"""Loading: what is counted, kept, staged, replaced and refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from safestats.sync_server.audit.log import AuditUnavailable
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest.service import load
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import break_audit, copied, settings_for
from safestats.tests.server.ingest_rig import (
    BRIGHTON,
    STREET_HEADER,
    api_entry,
    api_zip,
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


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "2023-05-street.csv"


def test_a_row_becomes_an_incident(services: Services, file: Path) -> None:
    report = load_street(services, file, street_row("a", outcome="Local resolution"))
    (row,) = held(services, "colp")
    assert (row.month, row.period, row.category, row.street) == ("2023-05", "2023-05", "Burglary", "High Street")
    assert (row.easting, row.northing) == (528984, 183981)  # by OSTN15
    assert (row.lsoa_code, row.area_code, row.borough) == ("E01000863", "E01000863", "Camden")
    assert (row.location_method, row.precision_m) == ("snapped", 150)
    assert len(row.identity) == 40
    assert len({row.fid_point, row.fid_grid, row.fid_area}) == 3
    assert report.dropped == {"outcomes of investigations": 1}
    assert releases(services, "colp") == [(1, "staged")]


def test_a_suppliers_code_counts_before_the_point(services: Services, file: Path) -> None:
    report = load_street(
        services, file, street_row("a", lsoa="E01000001"), street_row("b", lsoa="E01999999"), street_row("c")
    )
    assert [row.lsoa_code for row in held(services, "colp")].count("E01000001") == 1
    assert report.areas == {"code": 1, "point": 2}


def test_rows_without_a_place_are_held_unplaced(services: Services, file: Path) -> None:
    load_street(services, file, street_row("a", place=("", ""), street="No Location"))
    (row,) = held(services, "colp")
    assert (row.area_code, row.easting, row.street, row.geometry) == ("unplaced", None, None, None)
    assert (row.location_method, row.precision_m) == ("none", None)


def test_impossible_rows_are_kept_apart_with_line_and_reason(services: Services, file: Path) -> None:
    report = load_street(
        services,
        file,
        street_row("ok"),
        street_row("p0", place=("0", "0")),
        street_row("p1", place=("51.5", "-0.1")),
        street_row("p2", place=("x", "51.5")),
        street_row("d1", month="2023-13"),
        street_row("d2", month="2199-01"),
        street_row("d3", month=""),
        street_row("c1", category="Time travel"),
        street_row("c2", category=""),
    )
    reasons = {row.line: row.reason for row in rejected(services)}
    assert reasons == {
        3: "an impossible place",
        4: "an impossible place",
        5: "an impossible place",
        6: "a date that does not exist",
        7: "a date in the future",
        8: "no date",
        9: "category in no code list",
        10: "no category",
    }
    assert report.rows_in == 9 and report.accepted == 1 and report.rejected.total() == 8
    assert rejected(services)[0].content["supplier_id"] == "p0"


def test_what_is_screened_is_in_no_rejected_row(services: Services, file: Path) -> None:
    load_street(services, file, street_row("a", category="?", outcome="Suspect charged"))
    assert "Suspect" not in str(rejected(services)[0].content)


def test_railway_rows_outside_london_are_rejected_and_others_left(services: Services, file: Path) -> None:
    report = load_street(
        services,
        file,
        street_row(force="btp"),
        street_row(force="btp", place=BRIGHTON),
        street_row(force="mps"),
        dataset="btp",
    )
    assert (report.accepted, report.rejected, report.left) == (1, {"outside London": 1}, {"mps": 1})


def test_a_force_keeps_its_incidents_outside_london(services: Services, file: Path) -> None:
    load_street(services, file, street_row("a", place=BRIGHTON))
    assert held(services, "colp")[0].area_code == "outside"


def test_equal_rows_without_id_are_all_held(services: Services, file: Path) -> None:
    report = load_street(services, file, *[street_row(force="btp")] * 5, dataset="btp")
    assert (report.accepted, report.duplicates) == (5, 0)
    assert len({row.identity for row in held(services, "btp")}) == 5


def test_one_id_with_different_contents_is_several_incidents(services: Services, file: Path) -> None:
    report = load_street(
        services, file, street_row("x"), street_row("x", category="Drugs"), street_row("x", outcome="Other")
    )
    assert (report.accepted, report.duplicates) == (2, 1)
    assert [(row.fate, row.line) for row in rejected(services)] == [("duplicate", 4)]


def test_a_border_double_does_not_change_an_identity(services: Services, tmp_path: Path) -> None:
    twice = api_zip(tmp_path / "2017-03.zip", one=[api_entry(7)], two=[api_entry(7), api_entry(8, kind="BTP")])
    report = load(services, "mps", [twice])
    assert (report.accepted, report.duplicates, report.left) == (1, 1, {"btp": 1})
    once = load(services, "mps", [api_zip(tmp_path / "again.zip", one=[api_entry(7)])])
    assert (once.unchanged, once.added, once.release) == (1, 0, None)


def test_the_two_forms_of_a_category_are_one(services: Services, tmp_path: Path) -> None:
    load(services, "mps", [api_zip(tmp_path / "a.zip", x=[api_entry(1, category="violent-crime")])])
    form = street_row("2", month="2017-04", category="Violence and sexual offences", force="mps")
    load_street(services, tmp_path / "b.csv", form, dataset="mps")
    assert {row.category for row in held(services, "mps")} == {"Violence and sexual offences"}


def test_the_same_file_again_changes_nothing(services: Services, file: Path) -> None:
    load_street(services, file, street_row("a"), street_row(), street_row(), street_row("b", category="?"))
    publish_now(services, "colp")
    before = (held(services, "colp"), len(deliveries(services)), len(rejected(services)))
    again = load(services, "colp", [file])
    assert (again.unchanged, again.added, again.changed, again.withdrawn, again.release) == (3, 0, 0, 0, None)
    assert (held(services, "colp"), len(deliveries(services)), len(rejected(services))) == before
    assert releases(services, "colp") == [(1, "published")]


def test_a_correction_leaves_the_published_release_as_it_was(services: Services, file: Path) -> None:
    known = [street_row(name) for name in "abcdefgh"]
    load_street(services, file, *known)
    publish_now(services, "colp")
    report = load_street(services, file, street_row("a", category="Drugs"), *known[2:], street_row("new"))
    assert (report.added, report.changed, report.withdrawn, report.unchanged) == (1, 1, 1, 6)
    assert len(held(services, "colp", 1)) == 8 and {r.category for r in held(services, "colp", 1)} == {"Burglary"}
    assert len(held(services, "colp", 2)) == 8
    assert sorted(r.category for r in held(services, "colp", 2))[-1] == "Drugs"
    fids = {row.identity: row.fid_point for row in held(services, "colp", 1)}
    assert all(fids.get(row.identity, row.fid_point) == row.fid_point for row in held(services, "colp", 2))


def test_staged_rows_are_replaced_and_what_ended_comes_back(services: Services, file: Path) -> None:
    known = [street_row(name) for name in "abcdefgh"]
    load_street(services, file, *known)
    publish_now(services, "colp")
    published = held(services, "colp", 1)
    load_street(services, file, street_row("a", category="Drugs"), *known[2:])
    load_street(services, file, street_row("a", category="Robbery"), *known[2:])
    assert [r.category for r in held(services, "colp", 2) if r.from_release == 2] == ["Robbery"]
    load_street(services, file, *known)
    assert held(services, "colp") == published == held(services, "colp", 1)


def test_a_delivery_that_would_withdraw_much_is_refused_whole(services: Services, file: Path) -> None:
    load_street(services, file, *(street_row(str(number)) for number in range(10)))
    before = held(services, "colp")
    few = [street_row(str(number)) for number in range(7)]
    with pytest.raises(SafeStatsError, match=r"lacks 3 of the 10 incidents that colp holds for 2023-05"):
        load_street(services, file, *few)
    assert held(services, "colp") == before
    report = load_street(services, file, *few, accept_withdrawals=True)
    assert report.withdrawn == 3 and len(held(services, "colp")) == 7


def test_other_months_are_not_touched(services: Services, file: Path) -> None:
    load_street(services, file, street_row("a"))
    load_street(services, file, street_row("b", month="2023-06"))
    assert {row.month for row in held(services, "colp")} == {"2023-05", "2023-06"}


def test_a_return_of_no_incidents_withdraws_only_when_told(services: Services, file: Path) -> None:
    assert load(services, "colp", [street_csv(file)]).notes == [
        "2023-05-street.csv has no rows: a return of no incidents in 2023-05."
    ]
    load_street(services, file, street_row("a"))
    with pytest.raises(SafeStatsError, match="lacks 1 of the 1"):
        load(services, "colp", [street_csv(file)])
    load(services, "colp", [street_csv(file)], accept_withdrawals=True)
    assert held(services, "colp") == []


def test_the_same_bytes_twice_in_one_load_are_taken_once(services: Services, tmp_path: Path) -> None:
    one = street_csv(tmp_path / "2023-05.csv", street_row(force="btp"))
    two = street_csv(tmp_path / "2023-05 (1).csv", street_row(force="btp"))
    report = load(services, "btp", [one, two])
    assert report.accepted == 1
    assert report.notes == ["2023-05 (1).csv is the same file as 2023-05.csv: it was taken once."]


def test_two_files_of_one_month_are_refused(services: Services, tmp_path: Path) -> None:
    one = street_csv(tmp_path / "one.csv", street_row(force="btp"))
    two = street_csv(tmp_path / "two.csv", street_row(force="btp", category="Drugs"))
    with pytest.raises(SafeStatsError, match="one.csv and two.csv both hold btp for 2023-05"):
        load(services, "btp", [one, two])


def test_synthetic_and_real_never_meet(services: Services, tmp_path: Path) -> None:
    made_up = street_csv(tmp_path / "synthetic-2023-05.csv", street_row("s"))
    real = street_csv(tmp_path / "2023-06.csv", street_row("r", month="2023-06"))
    with pytest.raises(SafeStatsError, match="never loaded together"):
        load(services, "colp", [made_up, real])
    assert load(services, "colp", [made_up]).synthetic
    with pytest.raises(SafeStatsError, match="colp holds synthetic incidents and this delivery is real"):
        load(services, "colp", [real])


def test_a_dataset_that_is_not_there(services: Services, file: Path) -> None:
    with pytest.raises(
        SafeStatsError, match="There is no dataset “nhs”: the declared ones are btp, colp, istv, las, lfb"
    ):
        load(services, "nhs", [file])


def test_clashing_feature_ids_are_hashed_anew(services: Services, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = type(services.keys).feature_ids

    def clash(self, identities, days, attempt=0):
        ids = made(self, identities, days, attempt)
        return ids if attempt else {**ids, "point": [5] * len(identities)}

    monkeypatch.setattr(type(services.keys), "feature_ids", clash)
    load_street(services, file, *(street_row(name) for name in "abc"))
    rows = held(services, "colp")
    assert len({row.fid_point for row in rows}) == 3 and 5 in {row.fid_point for row in rows}
    assert len({fid for row in rows for fid in (row.fid_grid, row.fid_area)}) == 6


LFB_HEADER = (
    "IncidentNumber,DateOfCall,TimeOfCall,IncidentGroup,StopCodeDescription,SpecialServiceType,PropertyCategory,"
    "PropertyType,Postcode_full,UPRN,Easting_m,Northing_m,Easting_rounded,Northing_rounded,NumPumpsAttending"
)


def lfb_csv(path: Path, *rows: str) -> Path:
    return street_csv(path, *rows, header=LFB_HEADER)


def test_fire_brigade_rows(services: Services, tmp_path: Path) -> None:
    load(
        services,
        "lfb",
        [
            lfb_csv(
                tmp_path / "lfb.csv",
                "1,01 Jan 2023,23:59:58,Fire,Primary Fire,,Dwelling,House ,,1,,,528950,184050,2.0",
                "2,2023-01-02,00:00:01,False Alarm,AFA,NULL,Outdoor,Lake ,NW1 8NH,,528913.0,183946.0,528950,183950,",
                "3,2023-01-03,25:00:00,Fire,Primary Fire,,Dwelling,House ,,,,,528950,184050,1",
                "4,2023-02-30,12:00:00,Fire,Primary Fire,,Dwelling,House ,,,,,528950,184050,1",
                "5,2023-01-04,12:00:00,Fire,Primary Fire,,Dwelling,House ,,,,,0,0,1",
            )
        ],
    )
    one, two = sorted(held(services, "lfb"), key=lambda row: row.occurred_on)
    assert (one.occurred_on, one.occurred_time, one.hour, one.weekday) == (date(2023, 1, 1), "23:59", 23, "Sunday")
    assert (one.location_method, one.precision_m, one.pumps) == ("rounded", 100, 2)
    assert (two.location_method, two.precision_m, two.easting) == ("exact", 1, 528913)
    assert (two.special_service, two.property_type, two.stop_code) == (None, "Lake", "AFA")
    day = (date(2023, 1, 1) - date(1970, 1, 1)).days
    assert one.fid_point >> 46 == day
    assert [row.reason for row in rejected(services)] == [
        "a time that does not exist",
        "a date that does not exist",
        "an impossible place",
    ]


def test_fire_brigade_rows_that_are_absent_stay(services: Services, tmp_path: Path) -> None:
    row = "{},2023-01-02,10:00:00,{},Primary Fire,,Dwelling,House,,,,,528950,184050,1"
    load(services, "lfb", [lfb_csv(tmp_path / "a.csv", row.format(1, "Fire"), row.format(2, "Fire"))])
    report = load(services, "lfb", [lfb_csv(tmp_path / "b.csv", row.format(2, "False Alarm"))])
    assert (report.changed, report.withdrawn) == (1, 0)
    assert sorted(row.incident_group for row in held(services, "lfb")) == ["False Alarm", "Fire"]


BAD_FILES = [
    (b"", "is empty: ask the supplier"),
    (b"\r\n \r\n", "is empty: ask the supplier"),
    (b"Month;Latitude\r\n2023-05;51\r\n", "has no column “Crime ID”|has no column"),
    (STREET_HEADER.replace("Crime type,", "").encode(), "has no column “Crime type”"),
    (STREET_HEADER.replace("Context", "Month").encode(), "has the column “Month” twice"),
    ((STREET_HEADER + ",Victim name\r\n").encode(), "has the column “Victim name” .*, which tells who somebody is"),
    (LFB_HEADER.encode(), "holds London Fire Brigade incident records CSV.*load it as lfb"),
    (b"PK\x03\x04 no archive", "is a damaged zip file"),
    (b"a\0b", "is no text"),
]


@pytest.mark.parametrize(("content", "sentence"), BAD_FILES)
def test_a_file_that_cannot_be_loaded_says_why(services: Services, file: Path, content: bytes, sentence: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SafeStatsError, match=sentence) as raised:
        load(services, "colp", [file])
    assert file.name in str(raised.value) and "\n" not in str(raised.value)
    assert deliveries(services) == [] and releases(services, "colp") == []


def test_another_forces_file(services: Services, file: Path) -> None:
    with pytest.raises(SafeStatsError, match="holds no row of City of London Police: load it as btp"):
        load_street(services, file, street_row(force="btp"))


def test_a_missing_file(services: Services, tmp_path: Path) -> None:
    with pytest.raises(SafeStatsError, match="nothing.csv cannot be read: No such file"):
        load(services, "colp", [tmp_path / "nothing.csv"])


def test_rows_that_are_torn(services: Services, file: Path) -> None:
    whole = street_row("a")
    file.write_text("\r\n".join([STREET_HEADER, whole, whole + ",more", street_row("b")[:70]]), newline="")
    report = load(services, "colp", [file])
    assert report.accepted == 1 and report.rejected == {"too long": 1, "cut off": 1}
    long, short = rejected(services)
    assert (long.line, long.reason) == (3, "too long: 13 columns, not 12")
    assert (short.line, short.reason) == (4, "cut off: 6 of 12 columns")
    # Nothing of it is kept: what was cut may stand under any header.
    assert short.content == long.content == {}


def test_a_quotation_mark_that_does_not_close(services: Services, file: Path) -> None:
    file.write_text("\r\n".join([STREET_HEADER, street_row("a"), '"b,2023-05,City']), newline="")
    assert load(services, "colp", [file]).rejected == {"quotation marks that do not close": 1}


def test_windows_text_is_read_and_told(services: Services, file: Path) -> None:
    file.write_bytes("\r\n".join([STREET_HEADER, street_row("a", street="On or near Café")]).encode("cp1252"))
    report = load(services, "colp", [file])
    assert held(services, "colp")[0].street == "Café"
    assert report.notes == ["2023-05-street.csv is not UTF-8; it was read as Windows-1252."]


def test_an_extra_column_is_dropped_and_told(services: Services, file: Path) -> None:
    report = load(services, "colp", [street_csv(file, street_row("a") + ",9", header=STREET_HEADER + ",Weather")])
    assert report.notes == ["2023-05-street.csv has columns that are not agreed, which were dropped: “Weather”."]


def test_a_byte_order_mark_and_other_spellings(services: Services, file: Path) -> None:
    header = "\ufeff" + STREET_HEADER.replace("Crime ID", "crime_id").replace("LSOA code", "LSOACode")
    assert load(services, "colp", [street_csv(file, street_row("a"), header=header)]).accepted == 1


def test_zip_files_that_are_wrong(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "2017-03.zip"
    api_zip(path, a="[{", b=[api_entry(1)])
    with pytest.raises(SafeStatsError, match="2017-03.zip: a.json is cut off or no JSON"):
        load(services, "mps", [path])
    api_zip(path, a='{"error": "busy"}')
    with pytest.raises(SafeStatsError, match="a.json holds no list of incidents"):
        load(services, "mps", [path])
    api_zip(path, a="", b="[]", c=[api_entry(1)])
    report = load(services, "mps", [path])
    assert report.accepted == 1
    assert report.notes == ["2017-03.zip: 1 file(s) without a single byte were taken as empty lists: a.json."]
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"burglary")] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(SafeStatsError, match="2017-03.zip is a damaged zip file"):
        load(services, "mps", [path])


def test_what_cannot_be_audited_is_not_loaded(services: Services, file: Path) -> None:
    break_audit(services.settings)
    with pytest.raises(AuditUnavailable):
        load_street(services, file, street_row("a"))
    assert held(services, "colp") == [] and releases(services, "colp") == []


def test_a_zip_file_that_tells_who_somebody_is_or_holds_no_text(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "2017-03.zip"
    api_zip(path, a=[api_entry(1) | {"Victim_Name": "A. B."}])
    with pytest.raises(SafeStatsError, match="has the column “Victim_Name” .*, which tells who somebody is"):
        load(services, "mps", [path])
    api_zip(path, a=[api_entry(1) | {"context": "\ud800"}])
    with pytest.raises(SafeStatsError, match="a.json is cut off or no JSON"):
        load(services, "mps", [path])
