"""What stops a table, what is blanked in its text, and what is left alone."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest
from safestats.sync_server.datasets.definitions import DatasetDefinition, read_definition
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest.raw_tables import RawTable
from safestats.sync_server.screening.headers import Identifier, identifying_header
from safestats.sync_server.screening.numbers import is_nhs_number
from safestats.sync_server.screening.tables import Screened, screen_table
from safestats.sync_server.screening.values import blanked

pytestmark = pytest.mark.engineless

DATASETS = Path(__file__).resolve().parents[2] / "resources" / "datasets"
AGREED = ("Arrival", "Method", "Location", "Reference")


@cache
def definition(code: str = "istv") -> DatasetDefinition:
    return read_definition(DATASETS / f"{code}.toml")


def nhs_numbers(count: int, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    made: list[str] = []
    while len(made) < count:
        stem = f"{draw.randrange(4_000_000_00, 7_999_999_99)}"
        made += [stem + str(check) for check in range(10) if is_nhs_number(stem + str(check))]
    return made


def table(header: Sequence[str], rows: Sequence[Sequence[str]], **more: str) -> RawTable:
    return RawTable.from_rows("return.csv", header, rows, **more)


def column(header: str, values: Sequence[str], agreed: bool = False) -> Screened:
    known = (*AGREED, header) if agreed else AGREED
    return screen_table(table(["Arrival", header], [["2025-03-01", value] for value in values]), known, definition())


def stopped(header: str, values: Sequence[str], agreed: bool = False) -> str:
    """The sentence with which a file with that column stops; it and the traceback hold none of the values."""
    with pytest.raises(SafeStatsError) as caught:
        column(header, values, agreed)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    for value in values:
        assert len(value) < 4 or value not in told
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (header, kind)
        for kind, headers in {
            Identifier.NAME: "Surname;Forename(s);First Name;FIRST_NAME;firstName;Pt Name;Patient's name;"
            "Name of victim;Victim Full Name;Next of Kin;GP Name;Name;Initials",
            Identifier.BIRTH: "DoB;D.O.B.;D O B;Date of Birth;date_of_birth;Patient DOB;patientDob;Birth date;Born",
            Identifier.NHS_NUMBER: "NHS No;NHS Number;nhs_number;NHSNo.;NHS no of patient;CHI number",
            Identifier.PHONE: "Phone;Tel No;Telephone;Home Tel;Mobile;Mobile No.;Contact number",
            Identifier.EMAIL: "Email;E-mail;E-mail address;EMAIL_ADDRESS;Patient e-mail",
            Identifier.NI_NUMBER: "NI Number;N.I. No;NINO;National Insurance number",
            Identifier.ADDRESS: "Home Address;Patient Postcode;Address Line 1;Address;Postcode of usual address;"
            "Residence",
            Identifier.PATIENT_NUMBER: "MRN;Patient ID;Hospital Number",
        }.items()
        for header in headers.split(";")
    ],
)
def test_headers_in_many_spellings_stop_a_file(header: str, kind: Identifier) -> None:
    assert identifying_header(header) is kind
    assert f"the column “{header}” ({kind})" in stopped(header, ["", "", ""])


@pytest.mark.parametrize(
    "header",
    [
        "Station name",
        "Borough name",
        "ward_name",
        "LSOA name",
        "NHS site code",
        "Hospital name",
        "Site code",
        "Postcode_full",
        "Location of assault",
        "Address of incident",
        "Incident Postcode",
        "DateAndTimeMobile",
        "AddressQualifier",
        "Arrival Date",
        "Attendance number",
        "Crime ID",
        "Naptan_Atco",
        "PumpOrder",
        "Street",
        "Local authority name",
        "ProperCase",
        "DeployedFromStation_Name",
        "Age",
        "Ethnicity",
    ],
)
def test_headers_of_places_and_references_do_not(header: str) -> None:
    assert identifying_header(header) is None


def test_a_weak_header_is_taken_where_a_mapping_expects_it_and_a_strong_one_never() -> None:
    assert column("Name", ["Tower Bridge", "Oval", "Bank"], agreed=True).table.header == ("Arrival", "Name")
    assert "Surname" in stopped("Surname", ["Bank", "Oval"], agreed=True)


def test_all_columns_that_stop_a_file_are_named_at_once() -> None:
    raw = table(["Arrival", "DOB", "NHS No", "Age"], [["2025-03-01", "01/02/1990", "x", "35"]])
    with pytest.raises(SafeStatsError, match="DOB.*dates of birth.* and .*NHS No.*tell who somebody is"):
        screen_table(raw, AGREED, definition())


@pytest.mark.parametrize("agreed", [False, True])
def test_columns_of_identifying_values_stop_a_file_whatever_their_header(agreed: bool) -> None:
    draw = random.Random(5)
    births = [date(1950, 1, 1) + timedelta(days=draw.randrange(22_000)) for _ in range(80)]
    given = ["Mary", "John", "Fatima", "Mohammed", "Priya", "Kwame", "Agnieszka", "Olu", "Susan", "Ahmed"]
    family = ["Smith", "Khan", "Okafor", "Patel", "Kowalski", "Jones", "Begum", "Mensah", "Nguyen", "O'Brien"]
    people = [f"{one} {other}" for one in given for other in family]
    columns = {
        "NHS numbers": nhs_numbers(40),
        "NHS numbers ": [f"{n[:3]} {n[3:6]} {n[6:]}" for n in nhs_numbers(40)],
        "dates of birth": [f"{day:%d/%m/%Y}" for day in births],
        "dates of birth ": [day.isoformat() for day in births],
        "dates of birth  ": [f"{day:%d-%b-%Y}" for day in births],
        "people's names": people,
        "people's names ": [name.upper() for name in people],
        "people's names  ": [", ".join(reversed(name.split())) for name in people],
        "people's names   ": [name.split()[1] for name in people],
        "people's names    ": [f"{name[0]}. {name.split()[1]}" for name in people],
        "telephone numbers": [f"077009{n:05d}" for n in range(50)],
        "telephone numbers ": [f"+44 20 7946 0{n:03d}" for n in range(50)],
        "e-mail addresses": [f"someone{n}@example.org" for n in range(50)],
        "National Insurance numbers": [f"AB{n:06d}C" for n in range(100000, 100050)],
    }
    for kind, values in columns.items():
        assert f"the column “Field 7” ({kind.strip()})" in stopped("Field 7", values, agreed), kind


def test_home_addresses_in_a_column_that_is_not_agreed_stop_a_file() -> None:
    assert "home addresses" in stopped("Field 7", [f"{n} Elm Grove, London SE15 5DF" for n in range(1, 30)])


def test_one_certain_value_in_a_column_that_is_not_agreed_stops_a_file() -> None:
    plain = [f"punched near exit {n}" for n in range(500)]
    for value in ("dob 01/02/1990", "NHS no 943 476 5919", "ring 07700 900123", "j.bloggs@example.org", "AB123456C"):
        assert "the column “Notes”" in stopped("Notes", [*plain, value])


def test_a_column_of_other_ten_digit_numbers_is_left_alone() -> None:
    draw = random.Random(2)
    references = [str(draw.randrange(10**9, 10**10)) for _ in range(5000)]
    for agreed in (False, True):
        screened = column("Ref", references, agreed)
        assert not screened.blanked
    running = [str(n) for n in range(5870073936, 5870083936)]
    assert column("Ref", running, agreed=True).table.column(1).to_list() == running


def test_nhs_numbers_among_other_numbers_are_noticed_by_their_share() -> None:
    draw = random.Random(2)
    mixed = [str(draw.randrange(10**9, 10**10)) for _ in range(1000)] + nhs_numbers(500)
    assert "NHS numbers" in stopped("Ref", mixed, agreed=True)


def test_dates_of_incidents_are_no_births() -> None:
    for first, days in ((date(2015, 1, 1), 4300), (date(2025, 3, 1), 31), (date(2009, 1, 1), 4500)):
        values = [(first + timedelta(days=n * days // 400)).isoformat() for n in range(400)]
        assert not column("Other date", values).blanked
        assert column("When", values, agreed=True).table.column(1).to_list() == values


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Patient NHS 9434765919 punched", "Patient NHS punched"),
        ("NHS9434765919", "NHS"),
        ("hit (943-476-5919) in face", "hit ( ) in face"),
        ("９４３４７６５９１９", ""),
        ("9434\u200b765919 kicked", "kicked"),
        ("dob 01/02/1990, punched", "dob , punched"),
        ("D.O.B: 1st Feb 1990", "D.O.B:"),
        ("born 3 March 1988 in Leeds", "born in Leeds"),
        ("male (12/03/1987) bottled", "male ( ) bottled"),
        ("attacked by John Smith in pub", "attacked by in pub"),
        ("MR O'BRIEN HIT HIM", "HIT HIM"),
        ("seen by Dr Patel", "seen by"),
        ("pt name: Zbyszek Wq", "pt name:"),
        ("call 07700 900123 now", "call now"),
        ("tel 020 7946 0958", "tel"),
        ("+44 (0)20 7946 0958", ""),
        ("write to j.bloggs@nhs.example.org", "write to"),
        ("NI AB 12 34 56 C", "NI"),
        ("lives at 14 Elm Grove, SE15 5DF", "lives at"),
        ("home address: Flat 3, 14 Elm Grove, London SE15 5DF", "home address:"),
        ("MRN 1234567 fell", "MRN fell"),
        ("14 Elm Grove, Peckham SE15 5DF", "Elm Grove, Peckham SE15 5DF"),
    ],
)
def test_values_inside_text_are_blanked(text: str, left: str) -> None:
    screened = column("Location", [text, *(f"outside exit {n}" for n in range(5))], agreed=True)
    assert screened.table.column(1)[0] == left
    assert screened.blanked.total() == 1
    assert len(screened.table) == 6
    assert text not in repr(screened) and text not in repr(screened.table)


@pytest.mark.parametrize(
    "text",
    """On or near George Street|King's Cross St Pancras (Station)|Mr Fogg's Tavern, Covent Garden|The Prince Albert|
    outside 23 High Street, Camden|St Thomas' Hospital|Charlie Chaplin Walk|Elizabeth Fry Close|Dr Johnson's House|
    Victoria Park gates|TQ 30650 80540|530650, 180540|51.5074, -0.1278|004430-11012017|2017-01-01 00:04:27|
    Stop 490000266G|JACK RUSSELL DOG|The George and Dragon, NW1 5AB|Near miss with bus|Grant Road / Clapham Junction|
    Primrose Hill|ROYAL ALBERT HALL|Lawrence Hill|Fri night 2am|01/02/2025 23:10|Rose and Crown|Lidl, Dean Street|
    Beech Dr Bromley|E01000863|Route 25 towards Ilford|Job 12345|
    Duke of York's Headquarters""".replace("\n    ", "").split("|"),
)
def test_places_and_references_are_left_as_they_are(text: str) -> None:
    assert blanked(text) == (text, {})


def test_what_is_not_agreed_is_dropped_and_counted() -> None:
    raw = table(["Arrival", "Age", "Ethnicity", ""], [["2025-03-01", "35", "A", ""], ["2025-03-02", "", "B", "x"]])
    screened = screen_table(raw, AGREED, definition())
    assert screened.table.header == ("Arrival",)
    assert screened.dropped == {"the column “Age”": 1, "the column “Ethnicity”": 2, "column 4": 1}


def test_headers_with_wildcards_are_agreed() -> None:
    screened = screen_table(table(["Pump Hours (2025)"], [["1"]]), ["Pump Hours*"], definition())
    assert screened.table.header == ("Pump Hours (2025)",)


def test_a_file_without_a_header_row_shows_nobody() -> None:
    people = ["Mary Okafor", "9434765919", "x"]
    screened = screen_table(table(["Arrival", *people[2:], ""], [["2025-03-01", "1", ""]]), AGREED, definition())
    assert "the column “x”" in screened.dropped
    raw = table(people, [["Ann Smith", "1234", "y"], ["Ben Jones", "1235", "z"], ["Carl Khan", "1236", "z"]])
    with pytest.raises(SafeStatsError) as caught:
        screen_table(raw, AGREED, definition())
    assert "column 1 (people's names)" in str(caught.value) and "Okafor" not in str(caught.value)
    unnamed = screen_table(table(people[1:], [["a", "b"]]), AGREED, definition())
    assert list(unnamed.dropped) == ["column 1", "the column “x”"]


def test_titles_over_a_table_and_names_of_files_and_sheets_show_nobody() -> None:
    raw = table(["Arrival"], [["2025-03-01"]], above=("Made by Mrs Smith, 020 7946 0958",))
    assert screen_table(raw, AGREED, definition()).table.above == ("Made by ,",)
    named = RawTable.from_rows("NHS_943 476 5919.csv", ["Arrival"], [["2025-03-01"]])
    with pytest.raises(SafeStatsError, match="own name") as caught:
        screen_table(named, AGREED, definition())
    assert "943" not in str(caught.value)
    sheet = RawTable.from_rows("return.xlsx", ["DOB"], [["x"]], sheet="Mary Okafor")
    with pytest.raises(SafeStatsError, match="A sheet of return.xlsx has the column “DOB”"):
        screen_table(sheet, AGREED, definition())


def test_words_of_the_code_lists_are_no_persons() -> None:
    words = ["Angler from boat", "Body part", "Tower", "Chiswick", "Teddington"]
    assert column("Station", words, agreed=True).table.column(1).to_list() == words


def test_a_single_record_is_screened_as_well() -> None:
    assert column("Location", ["9434765919"], agreed=True).table.column(1).to_list() == [""]
    assert column("Reference", ["9434765919"], agreed=True).table.column(1).to_list() == ["9434765919"]
    assert "NHS numbers" in stopped("Other", ["9434765919"])
    assert "dates of birth" in stopped("Other", ["1987-03-04"])
    assert column("Method", ["fist, dob 1/2/90"], agreed=True).table.column(1).to_list() == ["fist, dob"]


@pytest.mark.parametrize(
    "disguise",
    [
        lambda n: f"{n}.0",
        lambda n: f"{n[0]}.{n[1:]}E9",
        lambda n: f"{n[0]}.{n[1:]}e+09",
        lambda n: f"{n[0]},{n[1:4]},{n[4:7]},{n[7:]}",
        lambda n: f"{n[:3]}, {n[3:6]}, {n[6:]}",
        lambda n: f"{n[:3]}*{n[3:6]}*{n[6:]}",
        lambda n: f"{n[:3]}:{n[3:6]}|{n[6:]}",
    ],
)
def test_nhs_numbers_in_disguise_are_what_plain_ones_are(disguise: Callable[[str], str]) -> None:
    written = [disguise(number) for number in nhs_numbers(40)]
    assert "NHS numbers" in stopped("Field", written)
    assert "NHS numbers" in stopped("Location", written, agreed=True)
    assert "NHS numbers" in stopped("Other", written[:1])
    text = [f"seen {written[0]} before", *(f"outside exit {n}" for n in range(5))]
    assert column("Location", text, agreed=True).table.column(1).to_list()[0] == "seen before"
    assert column("Location", [written[0], *text[1:]], agreed=True).table.column(1).to_list()[0] == ""


def test_numbers_that_are_no_nhs_numbers_stay() -> None:
    easting = [f"{number}.0" for number in range(531_000, 531_400)]
    degrees = [f"51.{number}" for number in range(5_000_000, 5_000_400)]
    pairs = [f"{number}.0, {number - 300_000}.0" for number in range(531_000, 531_400)]
    references = [f"{number}.0" for number in range(4_000_000_000, 4_000_000_400)]
    powers = [f"{number / 7:.6e}" for number in range(1_000_000_007, 1_000_000_400)]
    for values in (easting, degrees, pairs, references, powers):
        assert column("Reference", values, agreed=True).table.column(1).to_list() == values
        assert column("Field", values).dropped
