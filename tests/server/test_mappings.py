"""Mappings saved for a supplier's site: versions, audit, loading by them, and the console's page."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.datasets.definitions import DefinitionError
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest import saved_mappings
from safestats.sync_server.ingest.codes import CodeMap
from safestats.sync_server.ingest.drafts import MappingDraft
from safestats.sync_server.ingest.mappings import DateOrder, parse_mapping, read_mappings
from safestats.sync_server.ingest.raw_tables import RawTable
from safestats.sync_server.ingest.recognition import assigned, choose, suggestions
from safestats.sync_server.ingest.service import load
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import Console

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

ROWS = (
    "Seen,Happened,Done with,Scene\n03/05/2025,03/05/2025,fists,Oxford Street\n"
    "03/06/2025,03/05/2025,zap,Oxford Street\n"
)
DRAFT = MappingDraft(
    "istv",
    "RJ122",
    "istv-return",
    date_order=DateOrder.MDY,
    columns={"arrived_on": "Seen", "occurred_on": "Happened", "method": "Done with"},
    codes={"method": {"zap": "other", 'a "quoted" one': "blunt"}},
)


@pytest.fixture
def console(quick_settings: Settings) -> Iterator[Console]:
    console_rig.make_server(quick_settings)
    with console_rig.running(quick_settings) as running:
        yield running


def test_a_draft_and_its_document_say_the_same(console: Console) -> None:
    services: Services = console.services
    assert MappingDraft.of(DRAFT.document(), "istv", "RJ122") == DRAFT
    assert MappingDraft.of("[mapping]\ncode = 3", "istv", "RJ122") is None
    with services.database.read() as session:
        assert saved_mappings.find(session, "hospital", "istv", "RJ122") is None
    assert saved_mappings.save(services, COMMAND_LINE, "hospital", "istv", "RJ122", DRAFT.document()) == 1
    assert saved_mappings.save(services, COMMAND_LINE, "hospital", "istv", "RJ122", DRAFT.document()) == 1
    assert saved_mappings.save(services, COMMAND_LINE, "hospital", "istv", "RJ122", DRAFT.document() + "# more\n") == 2
    with services.database.read() as session:
        found = saved_mappings.find(session, "hospital", "istv", "RJ122")
        assert found is not None and found.version == 2
        assert saved_mappings.find(session, "camden", "istv", "RJ122") is None
        mapping = saved_mappings.mapping_for(services, session, None, "istv", "RJ122")
    assert mapping is not None and mapping.date_order == DateOrder.MDY
    saved = [event for event in console.events() if event["event"] == "mapping.save"]
    assert [event["filter"] for event in saved] == [{"site": "RJ122", "version": 1}, {"site": "RJ122", "version": 2}]
    with pytest.raises(SafeStatsError, match="“pavement” is no field of istv"):
        saved_mappings.save(
            services, COMMAND_LINE, "hospital", "istv", "RJ122", DRAFT.document().replace("arrived_on", "pavement")
        )


def test_a_file_is_loaded_by_the_mapping_of_its_site(console: Console, tmp_path: Path) -> None:
    services = open_services(console.services.settings, Part.PUBLISHER)
    file = tmp_path / "synthetic-2025-03.csv"
    file.write_text(ROWS)
    with pytest.raises(SafeStatsError, match="has no column"):
        load(services, "istv", [file], site="RJ122", today=date(2026, 1, 1))
    saved_mappings.save(services, COMMAND_LINE, "hospital", "istv", "RJ122", DRAFT.document())
    report = load(services, "istv", [file], site="RJ122", today=date(2026, 1, 1))
    assert report.accepted == 2 and not report.unmapped and report.returns == [["RJ122", "2025-03"]]
    with pytest.raises(SafeStatsError, match="has no column"):
        load(services, "istv", [file], site="X2", today=date(2026, 1, 1))


def test_headers_are_found_by_wildcards_and_likeness_is_only_put_to_people(console: Console) -> None:
    services: Services = console.services
    mappings = read_mappings(services.settings.resources_dir / "mappings", services.definitions)
    istv = next(one for one in mappings if one.code == "istv-return")
    table = RawTable.from_rows("a.csv", ["ED Arrival (Date)", "Date of Assault", "Weapon used by them"], [])
    assert assigned(table, istv) == {"arrived_on": 0, "occurred_on": 1, "method": 2}
    table = RawTable.from_rows("a.csv", ["Date of Assault", "Asault Methd"], [["1", "2"]])
    with pytest.raises(SafeStatsError, match="if its column “Asault Methd” is meant, save a mapping"):
        choose(table, "istv", [istv], mappings)
    assert suggestions(table, istv) == {1: "method"}


def test_of_several_patterns_the_first_that_fits() -> None:
    codes = CodeMap.of({"*bottle*": "glass-bottle", "*punch*": "body-part", "01": "sharp", "blunt": ["bat", "a stick"]})
    assert codes.find("punched, then a BOTTLE") == "glass-bottle" and codes.find("1") == "sharp"
    assert codes.find("A-Stick") == "blunt" and codes.find("nothing") is None


def test_a_publisher_edits_a_mapping_beside_the_first_rows(console: Console) -> None:
    visitor = console.as_("gla.publisher")
    page = visitor.get("/console/mappings/edit?organisation=hospital&dataset=istv&site=RJ122")
    assert page.status == 200
    # Nothing leads to what must be there: the page asks, and shows no row yet.
    upload = {"file": ("synthetic-2025-03.csv", ROWS.encode(), "text/csv")}
    page = visitor.send(page, "/console/mappings/edit", files=upload, act="preview")
    assert "No column leads to" in page.text and "The first rows" not in page.text
    chosen = {"target_0": "arrived_on", "target_1": "occurred_on", "target_2": "method", "date_order": "mdy"}
    page = visitor.send(page, "/console/mappings/edit", act="preview", **chosen)
    assert "The first rows" in page.text and "2025-03-05" in page.text and "Values in no code list" in page.text
    page = visitor.send(page, "/console/mappings/edit", act="save", **chosen, code_0="other", date_order_="")
    assert page.path == "/console/mappings", page.text
    with console.services.database.read() as session:
        saved = saved_mappings.find(session, "hospital", "istv", "RJ122")
    assert saved is not None
    draft = MappingDraft.of(saved.document, "istv", "RJ122")
    assert draft is not None and draft.codes == {"method": {"zap": "other"}}
    assert draft.columns == DRAFT.columns and draft.date_order == DateOrder.MDY


def test_a_preview_shows_nothing_that_nobody_may_have(console: Console) -> None:
    visitor = console.as_("gla.publisher")
    page = visitor.get("/console/mappings/edit?organisation=hospital&dataset=istv&site=RJ122")
    text = "Arrival Date,Assault Date,Assault Method,NHS Number\n13/03/2025,13/03/2025,fist,9434765919\n"
    page = visitor.send(page, "/console/mappings/edit", files={"file": ("a.csv", text.encode(), "text/csv")})
    assert "9434765919" not in page.text and re.search("NHS Number.*tells who somebody is", page.text)


INCLUDES = """[mapping]
code = "x"
title = "x"
datasets = ["istv"]
based_on = "istv-return"
include = [{path}]
"""


def test_what_is_typed_stays_what_it_is(console: Console, tmp_path: Path) -> None:
    secret = tmp_path / "keys.toml"
    secret.write_text('[codes.method]\n"the secret" = "other"\n')
    typed = f'method]\n[mapping.more]\ninclude = ["{secret}"]\n[codes.x'
    draft = MappingDraft("istv", "RJ122", "istv-return", codes={typed: {'a" = "b"\n[place]': "other"}})
    document = tomllib.loads(draft.document())
    assert document["codes"] == {typed: {'a" = "b"\n[place]': "other"}} and set(document) == {"mapping", "codes"}
    assert MappingDraft.of(draft.document(), "istv", "RJ122") == draft
    with pytest.raises(SafeStatsError, match="which has a code list, is no field of istv"):
        saved_mappings.save(console.services, COMMAND_LINE, "hospital", "istv", "RJ122", draft.document())
    visitor = console.as_("gla.publisher")
    page = visitor.get("/console/mappings/edit?organisation=hospital&dataset=istv&site=RJ122")
    upload = {"file": ("synthetic-2025-03.csv", ROWS.encode(), "text/csv")}
    page = visitor.send(page, "/console/mappings/edit", files=upload, act="preview")
    chosen = {"target_0": "arrived_on", "target_1": "occurred_on", "target_2": "method"}
    for name in (typed, f'method]\n[mapping]\ninclude=["{secret}"]\n#', "nowhere"):
        answer = visitor.send(
            page, "/console/mappings/edit", act="save", coded_0=name, value_0="zap", code_0="other", **chosen
        )
        assert "is no field of istv" in answer.text and "the secret" not in answer.text
    with console.services.database.read() as session:
        assert saved_mappings.find(session, "hospital", "istv", "RJ122") is None


def test_a_saved_mapping_includes_no_file(console: Console, tmp_path: Path) -> None:
    services: Services = console.services
    folder = services.settings.resources_dir / "mappings"
    for path in ("codes/istv.toml", "/etc/hostname", "../quality.toml", "/nowhere/at-all.toml"):
        document = INCLUDES.format(path=json.dumps(path))
        with pytest.raises(SafeStatsError, match="only those may that come with SafeStats"):
            saved_mappings.save(services, COMMAND_LINE, "hospital", "istv", "RJ122", document)
    # And what comes with SafeStats includes what is beside it, and tells no path.
    bases = read_mappings(folder, services.definitions)
    for path in ("/etc/hostname", "../quality.toml", "missing.toml"):
        with pytest.raises(DefinitionError) as refused:
            parse_mapping(INCLUDES.format(path=json.dumps(path)), "x.toml", folder, bases)
        assert "/" not in str(refused.value) and "quality.toml" not in str(refused.value)
