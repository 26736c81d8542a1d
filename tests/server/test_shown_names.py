"""Names of files and sheets: a person's is told nowhere and stored nowhere, a delivery's own stays."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest import saved_mappings
from safestats.sync_server.ingest.drafts import MappingDraft
from safestats.sync_server.ingest.mappings import read_mappings
from safestats.sync_server.ingest.service import load
from safestats.sync_server.ingest.source import SourceFile
from safestats.sync_server.screening.check import check
from safestats.sync_server.screening.names import refuse_identifying_names, shown_file, shown_sheet
from safestats.sync_server.services import Services
from safestats.sync_server.uploads import service
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import STREET_HEADER, api_entry, open_prepared, rejected, street_csv, street_row
from safestats.tests.server.stored_bytes import holding

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

MAPPINGS = Path(__file__).resolve().parents[2] / "resources" / "mappings"
PLANTED = ("Zbigniew", "943 476 5919", "9434765919", "Kowalczyk")
ISTV = (
    "Arrival Date and Time",
    "Assault Date and Time",
    "Assault Method",
    "Assault Location Type",
    "Location Description",
)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = settings_for(tmp_path / "server")
    opened = open_prepared(settings)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "name",
    [
        "synthetic-R1H12-2025-03.xlsx",
        "2025-03-metropolitan-street.csv",
        "20250301.csv",
        "2025-03-05 to 2025-04-04.csv",
        "nil-return-2026-03.csv",
        "April return.xlsx",
        "istv_return_final_v2.xlsx",
        "Queen Elizabeth Hospital March 2025.xlsx",
        "Chelsea and Westminster.xlsx",
        "records.json",
        "folder/2025-03.csv",
    ],
)
def test_a_deliverys_name_stays(name: str) -> None:
    assert shown_file(name, 7) == name
    refuse_identifying_names([name])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Amelia Kowalczyk.csv", "file 7.csv"),
        ("amelia_kowalczyk.csv", "file 7.csv"),
        ("AmeliaKowalczyk.csv", "file 7.csv"),
        ("kowalczyk-amelia-2025-03.xlsx", "file 7 2025-03.xlsx"),
        ("synthetic Amelia Kowalczyk.json", "file 7 synthetic.json"),
        ("9434765919.csv", "file 7.csv"),
        ("return9434765919.csv", "file 7.csv"),
        ("Amelia Kowalczyk/2025-03.csv", "file 7 2025-03.csv"),
        ("943_476_5919", "file 7"),
        ("a\nb.csv", "a_b.csv"),
    ],
)
def test_a_persons_is_a_number_with_what_a_load_needs(name: str, shown: str) -> None:
    assert shown_file(name, 7) == shown == shown_file(shown, 7)


def test_sheets_and_what_is_certain() -> None:
    assert shown_sheet("March 2025", 2) == "March 2025" and shown_sheet("ISTV return", 2) == "ISTV return"
    assert shown_sheet("Zbigniew NHS 943 476 5919", 2) == "sheet 2"
    with pytest.raises(SafeStatsError, match="own name") as caught:
        refuse_identifying_names(["fine.csv", "NHS_943*476*5919.csv"])
    assert "943" not in str(caught.value)


def workbook(path: Path, *titles: str) -> Path:
    made = Workbook()
    made.remove(made.active)  # type: ignore[arg-type]
    for title in titles:
        sheet = made.create_sheet(title)
        sheet.append(ISTV)
        sheet.append(("05/03/2025 23:40", "05/03/2025 22:30", "fists", "Public house", "High Street, Camden"))
        sheet.append(("77/03/2025 23:40", "77/03/2025 22:30", "fists", "Public house", "High Street, Camden"))
        sheet.append(("Total", "", "", "", ""))
    made.save(path)
    return path


def zipped(path: Path, **members: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_names_reach_nothing_that_is_stored_or_said(services: Services, tmp_path: Path) -> None:
    bad = street_row("a", force="colp", month="2023-13")
    good = street_row("b", force="colp")
    member = "\r\n".join((STREET_HEADER, good, bad)) + "\r\n"
    said = []

    def loads(dataset: str, path: Path, **options: str) -> None:
        said.extend(check(services, dataset, [SourceFile.read(path)], **options).sentences())
        try:
            said.append(repr(load(services, dataset, [path], today=date(2026, 1, 1), **options).to_json()))
        except SafeStatsError as error:
            said.append(str(error))

    loads("istv", workbook(tmp_path / "RJ122-2025-03.xlsx", "Zbigniew NHS 943 476 5919"), site="RJ122")
    loads("colp", street_csv(tmp_path / "Zbigniew Kowalczyk 9434765919.csv", good, bad))
    loads("colp", zipped(tmp_path / "a.zip", **{"Amelia Kowalczyk.csv": member.replace("2023-05", "2023-06")}))
    entries = json.dumps([api_entry(1), api_entry(2, month="2017-13")])
    loads("mps", zipped(tmp_path / "b.zip", **{"Amelia NHS 943 476 5919.json": entries}))
    loads("mps", zipped(tmp_path / "c.zip", **{"Amelia NHS 943 476 5919.json": "[{"}))
    inner = io.BytesIO(zipped(tmp_path / "inner.zip", x="y").read_bytes())
    loads("mps", zipped(tmp_path / "d.zip", **{"Amelia NHS 943 476 5919.zip": inner.getvalue()}))

    files = {row.file for row in rejected(services)}
    assert {"RJ122-2025-03.xlsx/sheet 1", "file 1.csv", "a.zip/file 1.csv", "b.zip/file 1.json"} <= files
    assert any("another zip file, “file 1.zip”" in line for line in said)
    assert any("c.zip: file 1.json is cut off" in line for line in said)
    for text in PLANTED:
        assert not any(text in line for line in said), text
        assert not holding(services, text), text


def test_a_name_that_is_certain_is_refused_whichever_door(services: Services, tmp_path: Path) -> None:
    path = street_csv(tmp_path / "NHS 943 476 5919.csv", street_row("a"))
    with pytest.raises(SafeStatsError, match="own name"):
        load(services, "colp", [path])
    data = path.read_bytes()
    with pytest.raises(SafeStatsError, match="own name"):
        service.receive(services, COMMAND_LINE, "colp", [(path.name, io.BytesIO(data))])
    number = service.receive(services, COMMAND_LINE, "colp", [("2023\u202e-05.csv", io.BytesIO(data))])
    with services.database.read() as session:
        assert service.standing(session, number).files == ("2023_-05.csv",)
    number = service.receive(
        services, COMMAND_LINE, "colp", [("a.csv", io.BytesIO(data)), ("Amelia_Kowalczyk.csv", io.BytesIO(data))]
    )
    with services.database.read() as session:
        assert service.standing(session, number).files == ("a.csv", "file 2.csv")


@pytest.mark.parametrize(
    ("dataset", "site"),
    [
        ("istv", "ZZ-NOWHERE"),
        ("istv", "Amelia Kowalczyk"),
        ("las", "943 476 5919"),
        ("las", "9434765919"),
        ("las", "Zbigniew\nZZ"),
    ],
)
def test_the_site_of_a_mapping_is_a_code_and_nothing_else(services: Services, dataset: str, site: str) -> None:
    base = next(one.code for one in read_mappings(MAPPINGS, services.definitions) if dataset in one.datasets)
    document = MappingDraft(dataset, "", base).document()
    with pytest.raises(SafeStatsError, match="[Tt]his site|A site is a code") as caught:
        saved_mappings.save(services, COMMAND_LINE, "hospital", dataset, site, document)
    assert site not in str(caught.value) and not holding(services, site)
    # What is fit goes on to the next question.
    with pytest.raises(SafeStatsError, match="no organisation"):
        saved_mappings.save(services, COMMAND_LINE, "none", dataset, "RJ122", document)
