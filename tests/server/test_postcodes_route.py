"""Looking up a postcode over HTTP."""

from __future__ import annotations

import pytest
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part
from safestats.tests.server.trust_rig import Server

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines


@pytest.fixture
def placed(server: Server) -> Server:
    settings = server.services.settings
    database = open_database(settings, Part.PUBLISHER)
    with database.write() as session:
        load_supplied_areas(session, settings.resources_dir / BOUNDARIES_FILE)
    database.engine.dispose()
    return server


def test_a_postcode_in_any_spelling_is_one_place(placed: Server) -> None:
    headers = placed.active()
    answers = [
        placed.client.get(f"/v1/postcodes/{text}", headers=headers) for text in ("e16 1ze", "E161ZE", " e16-1zE")
    ]
    assert [a.status_code for a in answers] == [200, 200, 200]
    place = answers[0].json()
    assert all(a.json() == place for a in answers)
    # City Hall, at the Royal Docks.
    assert (place["postcode"], place["borough"], place["borough_code"]) == ("E16 1ZE", "Newham", "E09000025")
    assert abs(place["easting"] - 540021) < 50 and abs(place["northing"] - 180656) < 50
    assert (place["edition"], place["lsoa_code"]) == ("lsoa-2011", "E01033574")
    assert placed.events()[-1]["filter"] == {"postcode": "E16 1ZE"}


NO_PLACE = [
    ("SE1", 422, "postcode-partial"),
    ("SE1 2", 422, "postcode-partial"),
    ("Fred Bloggs", 422, "postcode-malformed"),
    ("SE1 2QV", 422, "postcode-malformed"),
    ("EH1 1YZ", 404, "postcode-outside"),
    ("SE1 2AA", 404, "postcode-unknown"),
]


def test_other_postcodes_have_their_sentence(placed: Server) -> None:
    headers = placed.active()
    for text, status, code in NO_PLACE:
        answer = placed.client.get(f"/v1/postcodes/{text}", headers=headers)
        document = answer.json()
        assert (answer.status_code, document["code"]) == (status, code), text
        assert document["detail"][-1] in ".?", text
        last = placed.events()[-1]
        assert (last["outcome"], last["reason"], last["filter"]) == ("refused", code, {}), text


def test_confused_letters_are_suggested(placed: Server) -> None:
    answer = placed.client.get("/v1/postcodes/SEI 2AD", headers=placed.active())
    assert answer.json()["suggestions"] == ["SE1 2AD"]
