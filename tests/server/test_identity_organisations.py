"""The register of organisations, and changes to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity import organisations
from safestats.sync_server.identity.models import Organisation
from safestats.sync_server.identity.organisations import Entry, load_register, read_register
from safestats.sync_server.identity.service import find_organisation
from safestats.tests.server.trust_rig import Server
from sqlalchemy import select

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

REGISTER = Path(__file__).resolve().parents[2] / "resources" / "organisations.toml"


def test_the_register_has_the_38_organisations_and_their_areas() -> None:
    entries = read_register(REGISTER)
    by_code = {entry.code: entry for entry in entries}
    assert len(entries) == len(by_code) == 38
    local = [entry for entry in entries if entry.kind == "local-authority"]
    # 31 entries of boroughs (two of which are one organisation) and the City: 33 areas, each served once.
    assert len(local) == 32
    areas = [area for entry in local for area in entry.areas]
    assert sorted(areas) == [f"E090000{number:02d}" for number in range(1, 34)]
    assert by_code["richmond-and-wandsworth"].areas == ("E09000027", "E09000032")
    assert by_code["city"].areas == ("E09000001",) and by_code["hertfordshire"].areas == ("E10000015",)
    others = {"hertfordshire", "gla", "home-office", "mopac", "mps", "tfl"}
    assert {entry.code for entry in entries if entry.kind != "local-authority"} == others
    assert all("Crime and Disorder Act 1998" in entry.remit for entry in entries)
    # The metropolitan police district is London without the City.
    assert set(by_code["gla"].areas) - set(by_code["mps"].areas) == {"E09000001"}
    assert by_code["mopac"].areas == by_code["mps"].areas and by_code["home-office"].areas == ()


def test_loading_it_reports_what_changed_and_again_nothing(server: Server) -> None:
    entries = read_register(REGISTER)
    told = load_register(server.services, "command-line", entries)
    assert "camden: changed kind, remit, areas" in told  # it was there before, without
    assert len(told) == 38 and "hackney: added London Borough of Hackney" in told
    before = len(server.events())
    assert load_register(server.services, "command-line", entries) == []
    assert len(server.events()) == before
    # Amended by hand, it is put right and told.
    organisations.amend(server.services, "command-line", "camden", areas=["E09000008"])
    assert load_register(server.services, "command-line", entries) == ["camden: changed areas"]
    with server.services.database.read() as session:
        camden = find_organisation(session, "camden")
        assert [area.code for area in camden.areas] == ["E09000007"] and "section 17" in camden.remit


def test_an_organisation_is_known_by_its_name_too(server: Server) -> None:
    """Those who were added under a code of one's own are not added again."""
    organisations.add(server.services, "command-line", "hack", "London Borough of Hackney")
    told = load_register(server.services, "command-line", read_register(REGISTER))
    assert "hack: changed kind, remit, areas" in told and not any("hackney" in line for line in told)
    with server.services.database.read() as session:
        assert len(session.scalars(select(Organisation)).all()) == 38


@pytest.mark.parametrize(
    "text, words",
    [
        ("organisations = 7", "no register"),
        ("[[organisations]]\ncode = 'a'", "no register"),
        ("[[organisations", "no register"),
        ("[[organisations]]\ncode='a'\nname='A'\nkind=''\nareas=[]\nremit=''\n" * 2, "twice"),
    ],
)
def test_a_register_that_cannot_be_read_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "register.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SafeStatsError, match=words):
        read_register(path)


def test_a_register_with_an_unfit_entry_changes_nothing(server: Server) -> None:
    entries = [Entry("new", "New", "", (), ""), Entry("other", "Other", "", ("E9",), "")]
    with pytest.raises(SafeStatsError, match="no area code"):
        load_register(server.services, "command-line", entries)
    with server.services.database.read() as session:
        assert session.scalars(select(Organisation.code)).all() == ["camden"]


def test_amending_tells_what_changed(server: Server) -> None:
    services = server.services
    assert organisations.amend(services, "command-line", "camden", remit="Its duty.", areas=["E09000007"]) == [
        "remit",
        "areas",
    ]
    assert organisations.amend(services, "command-line", "camden", remit="Its duty.") == []
    organisations.add(services, "command-line", "gla", "Greater London Authority")
    with pytest.raises(SafeStatsError, match="has the name"):
        organisations.amend(services, "command-line", "gla", name="London Borough of Camden")
    with pytest.raises(SafeStatsError, match="needs a name"):
        organisations.amend(services, "command-line", "gla", name="  ")
    changed = [e for e in server.events() if e["event"] == "organisation.change"]
    assert [e["filter"] for e in changed] == [{"changed": ["remit", "areas"]}]
