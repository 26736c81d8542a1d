"""Another supplier and a county outside London, by files alone: a definition, a mapping, terms, boundaries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from fastapi.testclient import TestClient
from safestats.sync_server.agreements.models import Agreement, AgreementState, Grant, GrantArea
from safestats.sync_server.agreements.terms import load_terms, supplied_terms
from safestats.sync_server.app import create_app
from safestats.sync_server.datasets.areas import load_areas
from safestats.sync_server.datasets.models import AreaLevel
from safestats.sync_server.identity.commands import publish_supplied_conditions
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import add_organisation, add_user
from safestats.sync_server.ingest.service import load
from safestats.sync_server.instants import london_today
from safestats.sync_server.publishing.service import publish
from safestats.sync_server.schema import prepare_database
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import PACKAGE_ROOT, Part, Settings
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import held
from safestats.tests.server.trust_rig import PASSWORD, USERNAME, Server

DEFINITION = """
[dataset]
code = "herts_ambulance"
version = 1
title = "Hertfordshire ambulance dispatches"
supplier = "East of England Ambulance Service NHS Trust"
description = "Ambulances sent to assaults and other calls in Hertfordshire."
geometry = "points"
date_precision = "minute"
category_field = "category"
delivery = "replaces"
outside = "reject"
undated = "reject"
attribution = "Source: East of England Ambulance Service NHS Trust."
cadence = "monthly"
suppression_threshold = 8
retention_months = 60
colour = "#225588"
caveats = ["A ring of 50 m around a premises is no evidence: places are rounded."]
assumptions = ["All of it is made up for a test."]

[identity]
id = "job"
within = "dataset"
stable = ["occurred_on", "occurred_time"]

[[fields]]
name = "occurred_on"
alias = "Date"
type = "date"
group = "core"
required = true

[[fields]]
name = "occurred_time"
alias = "Time"
type = "text"
group = "core"

[[fields]]
name = "hour"
alias = "Hour"
type = "integer"
group = "core"

[[fields]]
name = "category"
alias = "Category"
type = "text"
group = "core"
required = true
[fields.codes]
assault = "Assault"
fall = "Fall"

[[fields]]
name = "age_band"
alias = "Age"
type = "text"
group = "demographic"
[fields.codes]
under-18 = "Under 18"
adult = "18 and over"
[fields.bands]
under-18 = [0, 17]
adult = [18, 130]
"""
MAPPING = """
[mapping]
code = "herts-ambulance-csv"
title = "Hertfordshire ambulance CSV"
datasets = ["herts_ambulance"]

[place]
kind = "grid"
method = "rounded"
precision_m = 100

[[columns]]
to = "job"
headers = ["Job"]
required = true

[[columns]]
to = "occurred_on"
headers = ["On"]
parse = "date"
required = true

[[columns]]
to = "occurred_time"
headers = ["At"]
parse = "time"

[[columns]]
to = "category"
headers = ["What"]
required = true

[[columns]]
to = "age_band"
headers = ["Years"]

[[columns]]
to = "easting"
headers = ["E"]

[[columns]]
to = "northing"
headers = ["N"]

[codes.category]
assault = ["ASLT"]
"""
TERMS = """
[terms]
dataset = "herts_ambulance"
version = 1
supplier = "East of England Ambulance Service NHS Trust"
fields = ["core", "area", "location"]
precision = "point"
uses = ["view", "sync"]
recipients = ["county-council"]
suppression_threshold = 8
from = 2020-01-01
"""
# The county is north of London here: four squares of 5 km, beside London's own areas.
COUNTY = "E10000015"
WEST, SOUTH, SIDE = 520_000, 205_000, 5_000
ROWS = """Job,On,At,What,Years,E,N
J1,03/05/2025,23:10,ASLT,34,521050,206050
J2,04/05/2025,01:20,Fall,81,526050,211050
J3,05/05/2025,,ASLT,12,526150,206150
J4,25/05/2025,12:00,Fall,50,529850,182150
J5,26/05/2025,12:00,Fall,50,600050,300050
J6,27/05/2025,12:00,Arrest,50,521050,206050
"""


def write_boundaries(folder: Path, level: str) -> Path:
    """London's areas of a level, and the county's."""
    meta, table = pyogrio.read_arrow(PACKAGE_ROOT / "resources" / "boundaries" / "london-lsoa-2011.gpkg", layer=level)
    shapes = list(shapely.from_wkb(table.column(meta["geometry_name"] or "wkb_geometry").to_pylist()))
    codes, names = table["code"].to_pylist(), table["name"].to_pylist()
    parents = table["borough_code"].to_pylist() if level == "lsoa" else [""] * len(codes)
    squares = [
        shapely.box(WEST + column * SIDE, SOUTH + row * SIDE, WEST + (column + 1) * SIDE, SOUTH + (row + 1) * SIDE)
        for row in range(2)
        for column in range(2)
    ]
    if level == "lsoa":
        shapes += squares
        codes += [f"E0109900{number}" for number in range(4)]
        names += [f"Hertfordshire 00{number}" for number in range(4)]
        parents += [COUNTY] * 4
    else:
        shapes.append(shapely.union_all(squares))
        codes.append(COUNTY)
        names.append("Hertfordshire")
        parents.append("")
    path = folder / f"{level}.gpkg"
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(_several(shape)) for shape in shapes], dtype=object),
        [np.array(values, dtype=object) for values in (codes, names, parents)],
        ["code", "name", "parent"],
        crs="EPSG:27700",
        geometry_type="MultiPolygon",
    )
    return path


def _several(shape: shapely.Geometry) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([shape]) if shape.geom_type == "Polygon" else shape


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The supplied resources, and three files more."""
    resources = tmp_path / "resources"
    resources.mkdir()
    for path in (PACKAGE_ROOT / "resources").iterdir():
        if path.name in ("datasets", "mappings", "terms"):
            (resources / path.name).mkdir()
            for one in path.iterdir():
                (resources / path.name / one.name).symlink_to(one)
        else:
            (resources / path.name).symlink_to(path)
    for folder, text in (("datasets", DEFINITION), ("mappings", MAPPING), ("terms", TERMS)):
        (resources / folder / "herts_ambulance.toml").write_text(text, encoding="utf-8")
    return settings_for(tmp_path / "server", resources_dir=resources)


@pytest.fixture
def services(settings: Settings, tmp_path: Path) -> Iterator[Services]:
    owner = open_services(settings, Part.OWNER)
    prepare_database(owner.database, settings, owner.definitions)
    owner.close()
    opened = open_services(settings, Part.PUBLISHER)
    with opened.database.write() as session:
        for level, parent in ((AreaLevel.BOROUGH, None), (AreaLevel.LSOA, "parent")):
            path = write_boundaries(tmp_path, str(level))
            load_areas(session, path, level, "with-herts", code_field="code", name_field="name", parent_field=parent)
        for path in supplied_terms(opened):
            load_terms(opened, session, "test", path)
    yield opened
    opened.close()


def test_hertfordshires_ambulances_by_files_alone(services: Services, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "2025-05-herts.csv"
    file.write_text(ROWS, encoding="utf-8")
    report = load(services, "herts_ambulance", [file])
    assert (report.rows_in, report.accepted, sum(report.rejected.values())) == (6, 4, 2)
    rows = {row.occurred_on.day: row for row in held(services, "herts_ambulance")}
    assert {day: (row.borough, row.lsoa_code) for day, row in rows.items() if day < 20} == {
        3: ("Hertfordshire", "E01099000"),
        4: ("Hertfordshire", "E01099003"),
        5: ("Hertfordshire", "E01099001"),
    }
    assert rows[25].borough == "Camden"
    assert [rows[day].age_band for day in (3, 5)] == ["18 and over", "Under 18"]
    publish(services, "herts_ambulance")

    today = london_today()
    with services.database.write() as session:
        publish_supplied_conditions(session, services.audit, settings.resources_dir / "conditions")
        county = add_organisation(session, "hertfordshire", "Hertfordshire County Council", "county-council")
        add_user(session, services.passwords, USERNAME, county, "An Analyst", Role.ANALYST, PASSWORD)
        agreement = Agreement(
            reference="DSA-HERTS",
            organisation_id=county.id,
            dataset="herts_ambulance",
            starts=today,
            ends=today + timedelta(days=9),
            state=AgreementState.ACTIVE,
            grants=[
                Grant(
                    position=1,
                    groups="core area location demographic",
                    precision="point",
                    may_view=True,
                    may_sync=True,
                    areas=[GrantArea(code=COUNTY)],
                )
            ],
        )
        session.add(agreement)
    app = create_app(settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        headers = Server(app, app.state.services, client).active()
        page = client.get("/v1/ogc/collections/herts_ambulance/items", headers=headers).json()
        layers = {layer["dataset"]: layer for layer in client.get("/v1/layers", headers=headers).json()["layers"]}
        facets = client.get("/v1/layers/herts_ambulance/facets", params={"by": "borough"}, headers=headers).json()
    # Camden's row is not the county's, and ages are not in the supplier's terms.
    assert page["numberMatched"] == 3
    assert {feature["properties"]["lsoa_code"] for feature in page["features"]} == {
        "E01099000", "E01099001", "E01099003"
    }  # fmt: skip
    assert all("age_band" not in feature["properties"] for feature in page["features"])
    assert layers["herts_ambulance"]["permitted"] and layers["herts_ambulance"]["uses"] == ["view", "sync"]
    assert not layers["las"]["permitted"]
    assert facets["facets"] == [{"value": "Hertfordshire", "rows": 3, "withheld": 0}]
