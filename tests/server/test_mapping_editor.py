"""The console's page of a mapping: what is chosen stays, what makes no sense is told, and old versions come back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest import saved_mappings
from safestats.sync_server.ingest.drafts import MappingDraft
from safestats.sync_server.ingest.mappings import read_mappings
from safestats.sync_server.ingest.raw_tables import RawTable
from safestats.sync_server.ingest.recognition import assigned, choose, columns_of
from safestats.sync_server.settings import Settings
from safestats.sync_server.supplies.wording import to_the_supplier
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import Console, Page

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

SITE = "R1H12"
EDIT = "/console/mappings/edit"
HEADER = "Arrival Date,Assault Date,Weapon Used,Assault Location Type,How it was"
ROWS = f"{HEADER}\n14/05/2025,14/05/2025,Knife,Pub,Fist\n15/05/2025,14/05/2025,Fist,Street,Knife\n"


@pytest.fixture
def console(quick_settings: Settings) -> Iterator[Console]:
    console_rig.make_server(quick_settings)
    with console_rig.running(quick_settings) as running:
        yield running


def test_all_missing_columns_are_named_with_what_to_do(console: Console) -> None:
    services = console.services
    mappings = read_mappings(services.settings.resources_dir / "mappings", services.definitions)
    istv = next(one for one in mappings if one.code == "istv-return")
    table = RawTable.from_rows("new.csv", ["Seen", "Happened", "Done with"], [["1", "2", "3"]])
    with pytest.raises(SafeStatsError) as told:
        choose(table, "istv", [istv], mappings)
    sentence = str(told.value)
    assert "has no columns “Assault Date and Time” and “Assault Method”" in sentence
    assert "save a mapping for this site (console: Mappings), or ask the supplier" in sentence
    assert "which ISTV" not in sentence
    to_them = to_the_supplier(sentence)
    assert "console" not in to_them and "tell the SafeStats team what yours are called" in to_them


def test_a_header_that_leads_nowhere_does_so_though_the_base_knows_it(console: Console) -> None:
    services = console.services
    draft = MappingDraft("istv", SITE, "istv-return", columns={"method": "How"}, nowhere=("Weapon used",))
    assert MappingDraft.of(draft.document(), "istv", SITE) == draft
    mapping = saved_mappings.parsed(services, draft.document(), "This mapping")
    table = RawTable.from_rows("a.csv", ["Assault Date", "WEAPON USED", "How"], [["1", "2", "3"]])
    assert assigned(table, mapping) == {"occurred_on": 0, "method": 2}
    assert columns_of(table, mapping).strange == []


def begun(console: Console, rows: str = ROWS) -> Page:
    """The page with the first rows of a file, by the mapping that comes with SafeStats."""
    visitor = console.as_("gla.publisher")
    page = visitor.get(f"{EDIT}?organisation=hospital&dataset=istv&site={SITE}")
    upload = {"file": ("synthetic-2025-05.csv", rows.encode(), "text/csv")}
    return visitor.send(page, EDIT, files=upload, act="preview")


def chosen(page: Page) -> dict[int, str]:
    """Column → the target that its list shows as chosen."""
    lists = re.findall(r'<select name="target_(\d+)".*?</select>', page.response.text, re.DOTALL)
    texts = re.findall(r'<select name="target_\d+".*?</select>', page.response.text, re.DOTALL)
    found = [re.search(r'<option value="(\w*)" selected', text) for text in texts]
    return {int(at): match[1] if match else "" for at, match in zip(lists, found, strict=True)}


def posted(targets: dict[int, str]) -> dict[str, str]:
    return {f"target_{at}": target for at, target in targets.items()}


def saved(console: Console) -> list[MappingDraft | None]:
    """The drafts of all versions, the newest first."""
    with console.services.database.read() as session:
        found = saved_mappings.versions(session, "istv")
    return [MappingDraft.of(one.document, "istv", SITE) for one in found]


def test_nowhere_stays_chosen_and_is_saved(console: Console) -> None:
    page = begun(console)
    visitor, first = console.as_("gla.publisher"), chosen(page)
    assert first[2] == "method"
    page = visitor.send(page, EDIT, act="preview", **posted({**first, 2: ""}))
    assert chosen(page)[2] == "" and "No column leads to Method (Assault Method)" in page.text
    assert "A file without it is refused" in page.text
    # Another column leads there instead.
    page = visitor.send(page, EDIT, act="preview", **posted({**first, 2: "", 4: "method"}))
    assert chosen(page) == {**first, 2: "", 4: "method"} and "The first rows" in page.text
    page = visitor.send(page, EDIT, act="save", **posted(chosen(page)))
    assert "Version 1 is saved" in page.text
    (draft,) = saved(console)
    assert draft is not None and draft.nowhere == ("Weapon Used",) and draft.columns == {"method": "How it was"}
    # It is so when the page is opened again, and saving it as it is changes nothing.
    page = begun(console)
    assert chosen(page) == {**first, 2: "", 4: "method"}
    page = visitor.send(page, EDIT, act="save", **posted(chosen(page)))
    assert "Nothing is changed: version 1 says the same" in page.text and len(saved(console)) == 1


def test_what_was_chosen_twice_is_told_and_stays(console: Console) -> None:
    page = begun(console)
    twice = {**chosen(page), 4: "method"}
    page = console.as_("gla.publisher").send(page, EDIT, act="save", **posted(twice))
    assert "Two columns lead to Method (Assault Method)" in page.text and chosen(page) == twice and not saved(console)


def test_values_that_make_no_sense_are_told_for_each_column(console: Console) -> None:
    page = begun(console)
    assert "in no code list" not in page.text and "Knife or sharp object" in page.text
    swapped = {**chosen(page), 2: "location_type", 3: "method"}
    page = console.as_("gla.publisher").send(page, EDIT, act="preview", **posted(swapped))
    assert re.search("2 values of Method .Assault Method. are in no code list: “(Pub|Street)”, “", page.text)
    assert re.search("2 values of Kind of place .* are in no code list: “(Knife|Fist)”, “", page.text)


def test_the_first_rows_say_what_is_wrong_first_and_only_what_is_mapped(console: Console) -> None:
    page = begun(console, ROWS.replace("14/05/2025,Knife", "14/05/2095,Knife"))
    table = page.response.text[page.response.text.index("The first rows as they would be taken") :]
    headers = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table[: table.index("</thead>")])
    assert headers == [
        "Line",
        "What is wrong",
        "Date of arrival",
        "Date of the assault",
        "Method",
        "Kind of place",
        "Borough",
    ]
    # A row that is not taken is shown as it was written.
    assert "A date in the future" in table and "14/05/2095" in table
    assert "Street or other public place" in table and "body-part" not in table


def test_an_earlier_version_is_used_again(console: Console) -> None:
    visitor = console.as_("gla.publisher")
    one, two = (MappingDraft("istv", SITE, "istv-return", columns={"method": how}) for how in ("How", "With what"))
    for draft in (one, two):
        saved_mappings.save(console.services, "command-line", "hospital", "istv", SITE, draft.document())
    page = visitor.get(f"{EDIT}?organisation=hospital&dataset=istv&site={SITE}")
    page = visitor.send(page, "/console/mappings/again")
    assert "Version 3 is saved" in page.text and saved(console) == [one, two, one]
    page = visitor.get(f"/console/mappings?dataset=istv&site={SITE}")
    assert f'value="{SITE}"' in page.response.text and '<option value="istv" selected' in page.response.text
