"""Several hospitals' workbooks in one form: each a load of its own, and no file is taken for another hospital's."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from safestats.shared.uploads import UploadState
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest import saved_mappings
from safestats.sync_server.ingest.drafts import MappingDraft
from safestats.sync_server.problems import Problem
from safestats.sync_server.uploads import service
from safestats.sync_server.uploads.recognising import KnownBy, site_of_name
from safestats.sync_server.uploads.service import UploadStanding
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import held
from safestats.tests.server.supplies_rig import ISTV_HEADER, LONDON_HOSPITAL, WHIPPS, csv_of, istv_csv
from safestats.tests.server.test_upload_console import send
from safestats.tests.server.upload_rig import Uploads, running

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

ROYAL_FREE, EALING = "RAL01", "R1K04"
PLACES = ["Mare Street"] * 3


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    with running(settings_for(tmp_path / "server")) as found:
        yield found


def workbook(title: str, *places: str) -> bytes:
    """A return under a title row."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([title])
    sheet.append(list(ISTV_HEADER))
    for day, place in enumerate(places, 13):
        sheet.append([f"{day:02}/03/2026 23:40", f"{day:02}/03/2026 22:30", "fists", "Public house", place])
    saved = BytesIO()
    book.save(saved)
    return saved.getvalue()


def with_column(*sites: str) -> bytes:
    rows = [(site, "13/03/2026 23:40", "13/03/2026 22:30", "fists", "Public house", "Mare Street") for site in sites]
    return csv_of(("Site Code", *ISTV_HEADER), rows)


def own_words() -> bytes:
    """What only a saved mapping can read."""
    return istv_csv(*PLACES).replace(b"Assault Method", b"Weaponry employed").replace(b"Arrival Date", b"Came in")


def mapping_of(uploads: Uploads, site: str) -> None:
    columns = {"arrived_on": "Came in and Time", "method": "Weaponry employed"}
    draft = MappingDraft("istv", site, "istv-return", columns=columns)
    saved_mappings.save(uploads.services, "command-line", "hospital", "istv", site, draft.document())


def sent(uploads: Uploads, *files: tuple[str, bytes]) -> list[UploadStanding]:
    """What came of files sent together, in their order."""
    streams = [(name, BytesIO(data)) for name, data in files]
    number = service.receive_each(uploads.services, uploads.publisher, "istv", streams)
    uploads.work()
    with uploads.services.database.read() as session:
        return service.batch_of(session, number)


def test_each_file_is_a_load_of_its_hospital_and_the_others_go_on(uploads: Uploads) -> None:
    mapping_of(uploads, EALING)
    visitor = uploads.console.as_("gla.publisher")
    page = send(
        visitor,
        ("RLH-2026-03.csv", istv_csv(*PLACES)),
        ("2026-03 return.xlsx", workbook("Whipps Cross University Hospital: ISTV", *PLACES)),
        ("return.csv", istv_csv(*PLACES)),
        ("with-sites.csv", with_column(ROYAL_FREE, ROYAL_FREE)),
        ("own-words.csv", own_words()),
        dataset="istv",
    )
    assert page.status == 200 and page.path.startswith("/console/uploads/together/")
    assert "0 of 5 have ended" in page.text and page.response.headers["Refresh"] == "3"
    uploads.work()
    page = visitor.get(page.path + "?follow=yes")
    assert "Refresh" not in page.response.headers
    assert "All have ended: 11 rows accepted, 0 rejected; 1 file was not loaded." in page.text
    for told in (
        "RLH-2026-03.csv The Royal London Hospital (R1H12) by the file’s name Staged 3 3 0",
        "2026-03 return.xlsx Whipps Cross University Hospital (R1HKH) by a title in the file Staged 3 3 0",
        "return.csv not recognised Failed – – –",
        "with-sites.csv Royal Free Hospital (RAL01) by its column of sites Staged 2 2 0",
        "own-words.csv Ealing Hospital (R1K04) by the mapping saved for it Staged 3 3 0",
        "return.csv was not recognised: neither its name",
    ):
        assert told in page.text, told
    assert "/console/releases/istv" in page.links
    rows = held(uploads.worker, "istv")
    assert {row.site for row in rows} == {LONDON_HOSPITAL, WHIPPS, ROYAL_FREE, EALING} and len(rows) == 11
    assert not uploads.waiting
    one = next(link for link in page.links if link.rpartition("/")[2].isdecimal() and "together" not in link)
    assert page.path in visitor.get(one).links
    # The one that was not recognised, with its hospital chosen.
    again = send(visitor, ("return.csv", istv_csv(*PLACES)), dataset="istv", site="RAL26")
    uploads.work()
    assert "Staged" in visitor.get(again.path).text


def test_what_points_to_two_hospitals_is_nobodys(uploads: Uploads) -> None:
    name_and_title, two_mappings, name_and_column, twice = (
        ("RLH march.xlsx", workbook("Whipps Cross", *PLACES)),
        ("own.csv", own_words()),
        ("NUH.csv", with_column(ROYAL_FREE)),
        ("RFH.csv", with_column(ROYAL_FREE, ROYAL_FREE)),
    )
    mapping_of(uploads, EALING)
    mapping_of(uploads, WHIPPS)
    again = ("RFH again.csv", with_column(*[ROYAL_FREE] * 3))
    found = sent(uploads, name_and_title, two_mappings, name_and_column, twice, again)
    assert [one.state for one in found] == [UploadState.FAILED] * 3 + [UploadState.STAGED, UploadState.FAILED]
    for one, sites in zip(found, ("R1H12, R1HKH", "R1HKH, R1K04", "R1HNH, RAL01"), strict=False):
        assert f"point to several hospitals ({sites})" in one.message
    assert "RFH.csv and RFH again.csv were sent together and both hold the return of RAL01 for 2026-03" in (
        found[4].message
    )
    assert len(held(uploads.worker, "istv")) == 2


def test_a_mapping_tells_nothing_where_any_hospitals_form_fits(uploads: Uploads) -> None:
    draft = MappingDraft("istv", EALING, "istv-return", columns={"method": "Weaponry employed"})
    saved_mappings.save(uploads.services, "command-line", "hospital", "istv", EALING, draft.document())
    (plain,) = sent(uploads, ("return.csv", istv_csv(*PLACES)))
    assert plain.state == UploadState.FAILED and plain.recognised is None and "not recognised" in plain.message


def test_unknown_codes_in_a_column_are_no_hospitals(uploads: Uploads) -> None:
    (strange,) = sent(uploads, ("return.csv", with_column("Jo Bloggs")))
    assert strange.state == UploadState.FAILED and "Bloggs" not in strange.message
    (several,) = sent(uploads, ("return.csv", with_column(ROYAL_FREE, WHIPPS)))
    assert (several.state, several.site, several.recognised) == (UploadState.STAGED, "", KnownBy.COLUMN)
    assert several.report is not None and sorted(several.report["returns"]) == [
        [WHIPPS, "2026-03"],
        [ROYAL_FREE, "2026-03"],
    ]


def test_names_of_files(uploads: Uploads) -> None:
    for name, site in (
        ("R1H12-2026-03.xlsx", LONDON_HOSPITAL),
        ("the_royal_london_march.xlsx", LONDON_HOSPITAL),
        ("St. Thomas' ED data.csv", "RJ122"),
        ("West Middlesex Hospital.csv", "RQM91"),
        ("R1H12 and R1HKH.xlsx", ""),
        ("London hospitals.xlsx", ""),
        ("march.xlsx", ""),
    ):
        assert site_of_name(uploads.services, name) == site, name


def test_only_publishers_and_only_where_there_are_sites(uploads: Uploads) -> None:
    file = [("a.csv", BytesIO(b"x"))]
    with pytest.raises(Problem):
        service.receive_each(uploads.services, uploads.id_of("gla.auditor"), "istv", file)
    with pytest.raises(SafeStatsError, match="has no sites"):
        service.receive_each(uploads.services, uploads.publisher, "colp", file)
    with pytest.raises(SafeStatsError, match="No file was chosen"):
        service.receive_each(uploads.services, uploads.publisher, "istv", [])
    with pytest.raises(SafeStatsError, match="is empty"):
        service.receive_each(uploads.services, uploads.publisher, "istv", [*file, ("b.csv", BytesIO())])
    assert not uploads.waiting
    assert uploads.console.as_("gla.publisher").get("/console/uploads/together/1").status == 404
    assert uploads.console.as_("gla.auditor").get("/console/uploads/together/1").status == 403
