"""The console's page of a mapping: what is chosen stays, what makes no sense is told, and old versions come back."""

from __future__ import annotations

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
from safestats.tests.server.console_rig import Console


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
    draft = MappingDraft("istv", "X1", "istv-return", columns={"method": "How"}, nowhere=("Weapon used",))
    assert MappingDraft.of(draft.document(), "istv", "X1") == draft
    mapping = saved_mappings.parsed(services, draft.document(), "This mapping")
    table = RawTable.from_rows("a.csv", ["Assault Date", "WEAPON USED", "How"], [["1", "2", "3"]])
    assert assigned(table, mapping) == {"occurred_on": 0, "method": 2}
    assert columns_of(table, mapping).strange == []
