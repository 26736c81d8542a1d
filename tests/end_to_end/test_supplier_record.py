"""From an ambulance's dispatch to an analyst's map: a record is posted, and is in the next update of a local copy."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from safestats.tests.end_to_end.conftest import today
from safestats.tests.end_to_end.test_updates import Office

GRANT = "--areas london,unplaced,outside --fields core,area,location --precision grid --grid-m 100"
HEADER = ("Incident ID", "Call Date", "Call Time", "Dispatch Description", "Easting (100m)", "Northing (100m)")
ENOUGH_SECONDS = 60


def call(number: int, day: date) -> dict[str, Any]:
    """A dispatch in Camden."""
    return dict(zip(HEADER, (f"las-{number}", day.isoformat(), f"{number % 24:02}:10", "Assault", 529050, 184050)))


@pytest.fixture
def ambulances(qgis_app, tmp_path: Path) -> Iterator[Office]:
    opened = Office(tmp_path, "las", GRANT)
    yield opened
    opened.close()


def key_of(office: Office) -> dict[str, str]:
    office.server.folder.run("org add las 'London Ambulance Service'")
    said = office.server.folder.command("key", "add", "cad", "--org", "las", "--dataset", "las")
    assert said.returncode == 0, said.stderr
    found = re.search(r"sk_\S+", said.stdout)
    assert found, said.stdout
    return {"Authorization": f"Bearer {found[0]}"}


def rows_of(office: Office) -> int:
    """Of the copy as it is now."""
    return office.steps[-1]["rows"]


def test_a_record_is_in_the_next_update_within_a_minute(ambulances: Office, tmp_path: Path) -> None:
    day = today()
    older = [call(number, day - timedelta(days=40)) for number in range(500)]
    file = tmp_path / "dispatches.csv"
    lines = [",".join(HEADER), *(",".join(map(str, record.values())) for record in older)]
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    ambulances.bring(file)
    assert rows_of(ambulances) == 500
    headers = {**key_of(ambulances), "Idempotency-Key": "dispatch-9000-v1"}
    address = f"{ambulances.server.url}/v1/supplier/records"

    begun = time.monotonic()
    answer = requests.post(address, json=[call(9000, day)], params={"wait": 20}, headers=headers, timeout=30)
    assert answer.status_code == 200 and answer.json()["published_at_once"], answer.text
    # A pull is held against another one: no publication may come between them.
    while ambulances.analyst.layers()[ambulances.dataset]["rows"] == 500:
        assert time.monotonic() - begun < ENOUGH_SECONDS
        time.sleep(0.2)
    ambulances.pull()
    assert rows_of(ambulances) == 501
    assert time.monotonic() - begun < ENOUGH_SECONDS
    print(f"{time.monotonic() - begun:.1f} s from the record to the copy")
    # Posted once more it is the same receipt, and nothing comes of it.
    again = requests.post(address, json=[call(9000, day)], headers=headers, timeout=30).json()
    assert again["again"] and again["receipt"] == answer.json()["receipt"]
    ambulances.pull()
    assert rows_of(ambulances) == 501
