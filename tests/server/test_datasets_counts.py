"""A dataset of counts: stored, synced as a layer without geometry, summed online, never placed and never 0 for “*”."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from httpx import Response
from safestats.sync_server.agreements.models import Agreement, AgreementState, Grant, GrantArea
from safestats.sync_server.agreements.terms import read_terms
from safestats.sync_server.datasets.definitions import read_definitions
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.datasets.service import ensure_incident_tables
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.service import find_organisation
from safestats.sync_server.instants import london_today, now
from safestats.sync_server.publishing.models import Release, ReleaseState
from safestats.sync_server.publishing.service import publish
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.sync_rig import open_geopackage
from safestats.tests.server.trust_rig import Server
from sqlalchemy import insert

MONTHS = ("2025-03", "2025-06")
BOROUGHS = {"E09000007": "Camden", "E09000001": "City of London"}
GROUPS = ("Opiate", "Alcohol only")
# By month, borough, measure and group. The City's are small, and withheld.
COUNTS = {
    (month, code, measure, group): None if code == "E09000001" else 100 * at + 7
    for at, (month, code, measure, group) in enumerate(
        itertools.product(MONTHS, BOROUGHS, ("In treatment", "New to treatment"), GROUPS), start=1
    )
}


def stage(services: Services) -> None:
    definition = services.definitions["ndtms"]
    ensure_incident_tables(services.database, {"ndtms": definition})
    services.spatial.make_room(services.database, definition, set(MONTHS))
    with services.database.write() as session:
        session.add(Release(dataset="ndtms", number=1, state=ReleaseState.STAGED, staged_at=now(), synthetic=True))
        session.flush()
        for (month, code, measure, group), number in COUNTS.items():
            identity = "|".join((month, code, measure, group))
            day = date.fromisoformat(f"{month}-01")
            row = {
                "identity": identity,
                "content": "",
                "delivery_id": 0,
                "from_release": 1,
                **{f"fid_{p}": services.keys.feature_id(p, identity, day) for p in ("point", "grid", "area")},
                "period": month,
                "month": month,
                "area_code": code,
                "borough_code": code,
                "borough": BOROUGHS[code],
                "measure": measure,
                "substance": group,
                "count": number,
                "withheld": int(number is None),
            }
            session.execute(insert(incident_table(definition)), [row])


@pytest.fixture
def headers(server: Server) -> Iterator[dict[str, str]]:
    """An analyst of Camden's session; the agreement says more than counts can give."""
    services = open_services(server.services.settings, Part.PUBLISHER)
    stage(services)
    today = london_today()
    with services.database.write() as session:
        grant = Grant(
            position=1,
            groups="core area location place",
            precision="point",
            may_view=True,
            may_sync=True,
            areas=[GrantArea(code=code) for code in BOROUGHS],
        )
        session.add(
            Agreement(
                reference="DSA-N",
                organisation_id=find_organisation(session, "camden").id,
                dataset="ndtms",
                starts=today,
                ends=today + timedelta(days=9),
                state=AgreementState.ACTIVE,
                grants=[grant],
            )
        )
    publish(services, "ndtms")
    yield server.active()
    services.close()


def facets(server: Server, headers: dict[str, str], **asked: str) -> Response:
    return server.client.get("/v1/layers/ndtms/facets", params=asked, headers=headers)


def test_a_layer_without_geometry_comes_whole(server: Server, headers: dict[str, str], tmp_path: Path) -> None:
    manifest = server.client.get("/v1/layers/ndtms/manifest", headers=headers).json()
    names = [column["name"] for column in manifest["columns"]]
    assert manifest["geometry"] == "none" and manifest["rows"] == len(COUNTS)
    assert not {"easting", "northing", "precision_m", "location_method", "lsoa_code"} & set(names)
    assert any(text.startswith("Assumed: ") for text in manifest["caveats"])
    file = server.client.get(f"/v1/layers/ndtms/artefacts/{manifest['snapshot']['name']}", headers=headers)
    with open_geopackage(file.content, tmp_path) as opened:
        held = opened.execute("SELECT month, borough_code, measure, substance, count, withheld FROM ndtms").fetchall()
        (kind,) = opened.execute("SELECT data_type FROM gpkg_contents").fetchone()
    assert {tuple(row[:4]): row[4] for row in held} == COUNTS and kind == "attributes"
    # What the supplier withheld is unknown, and says so.
    assert all((row[4] is None) == bool(row[5]) for row in held) and 0 not in {row[4] for row in held}


def test_counts_are_summed_and_what_is_withheld_is_no_nought(server: Server, headers: dict[str, str]) -> None:
    asked = {"from_month": "2025-06", "to_month": "2025-06", "measure": "In treatment"}
    answer = facets(server, headers, by="borough", **asked).json()
    camden = sum(COUNTS["2025-06", "E09000007", "In treatment", group] for group in GROUPS)
    assert answer["facets"] == [
        {"value": "Camden", "rows": camden, "withheld": 0},
        {"value": "City of London", "rows": None, "withheld": 2},
    ]
    assert (answer["rows"], answer["withheld"], answer["others"], answer["counted"]) == (camden, 2, 0, "people")
    by_group = facets(server, headers, by="substance", **asked).json()
    assert {facet["withheld"] for facet in by_group["facets"]} == {1}
    assert sum(facet["rows"] for facet in by_group["facets"]) == camden
    event = next(e for e in reversed(server.events()) if e["event"] == "facets.read")
    assert event["dataset"] == "ndtms" and event["rows"] == camden


def test_counts_of_the_same_people_are_never_added(server: Server, headers: dict[str, str]) -> None:
    for asked, missing in (
        ({"by": "borough"}, "“Month” and “Measure”"),
        ({"by": "borough", "measure": "In treatment"}, "“Month”"),
        ({"by": "borough", "month": "2025-03"}, "“Measure”"),
        ({"by": "month"}, "“Measure”"),
        ({"by": "borough", "measure": "In treatment", "from_month": "2025-03", "to_month": "2025-06"}, "“Month”"),
    ):
        answer = facets(server, headers, **asked)
        assert (answer.status_code, answer.json()["code"]) == (400, "counts-not-alike"), asked
        assert f"where {missing} differ" in answer.json()["detail"]
    # Side by side, without a sum.
    months = facets(server, headers, by="month", measure="In treatment").json()
    assert [facet["value"] for facet in months["facets"]] == ["2025-06", "2025-03"]
    assert months["rows"] is None and months["withheld"] == 4


def test_nothing_of_counts_is_near_a_place(server: Server, headers: dict[str, str]) -> None:
    near = {"dataset": "ndtms", "postcode": "NW1 8NH"}
    answer = server.client.post("/v1/proximity", json=near, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "counts-lie-nowhere")
    assert "not incidents" in answer.json()["detail"]
    assert server.events()[-1]["reason"] == "counts-lie-nowhere"
    items = "/v1/ogc/collections/ndtms/items"
    boxed = server.client.get(items, params={"bbox": "-0.2,51.5,-0.1,51.6"}, headers=headers)
    assert (boxed.status_code, boxed.json()["code"]) == (400, "counts-lie-nowhere")
    page = server.client.get(items, params={"month": "2025-03", "measure": "In treatment"}, headers=headers).json()
    assert page["numberMatched"] == 4 and all(feature["geometry"] is None for feature in page["features"])
    assert {feature["properties"]["count"] for feature in page["features"]} == {107, 207, None}
    document = server.client.get("/v1/ogc/collections/ndtms", headers=headers).json()
    assert "spatial" not in document.get("extent", {})


def test_terms_cannot_give_places_to_counts(tmp_path: Path) -> None:
    resources = Settings().resources_dir
    text = (resources / "terms" / "ndtms.toml").read_text(encoding="utf-8")
    path = tmp_path / "ndtms.toml"
    path.write_text(text.replace('["core", "area"]', '["core", "area", "location"]'), encoding="utf-8")
    with pytest.raises(SafeStatsError, match=r"ndtms.toml: ndtms holds counts by area: its terms cannot permit locat"):
        read_terms(path, read_definitions(resources / "datasets"))
