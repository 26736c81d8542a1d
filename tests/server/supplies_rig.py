"""Suppliers with keys, what they send, and somebody who loads it as the worker does."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response
from safestats.sync_server.app import create_app
from safestats.sync_server.identity import machine_keys
from safestats.sync_server.publishing.worker import work
from safestats.sync_server.publishing.worker_lock import sole_worker
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.sync_server.supplies.loading import load_next
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import Console

LAS_HEADER = (
    "Incident ID", "Call Date", "Call Time", "Dispatch Code", "Dispatch Description", "Illness", "Age", "Gender",
    "LSOA", "Ward", "Easting (100m)", "Northing (100m)", "Vehicles Sent",
)  # fmt: skip
ISTV_HEADER = (
    "Arrival Date and Time", "Assault Date and Time", "Assault Method", "Assault Location Type", "Location Description",
)  # fmt: skip
LONDON_HOSPITAL, WHIPPS = "R1H12", "R1HKH"
NHS_NUMBER = "943 476 5919"


def las_record(number: int, **changes: Any) -> dict[str, Any]:
    """A dispatch in Camden on 20 March 2026."""
    record = {
        "Incident ID": f"las-{number:05}",
        "Call Date": "20/03/2026",
        "Call Time": f"{number % 24:02}:{number % 60:02}:00",
        "Dispatch Code": "04B01",
        "Dispatch Description": "Assault",
        "Illness": "Trauma, assault",
        "Age": "31",
        "Gender": "F",
        "LSOA": "",
        "Ward": "",
        "Easting (100m)": 529050,
        "Northing (100m)": 184050,
        "Vehicles Sent": 1,
    }
    return record | {name.replace("_", " "): value for name, value in changes.items()}


def csv_of(header: tuple[str, ...], rows: list[dict[str, Any]] | list[tuple[Any, ...]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    for row in rows:
        writer.writerow([row.get(name, "") for name in header] if isinstance(row, dict) else row)
    return text.getvalue().encode()


def las_csv(*numbers: int, **changes: Any) -> bytes:
    return csv_of(LAS_HEADER, [las_record(number, **changes) for number in numbers])


def istv_csv(*places: str, month: str = "2026-03") -> bytes:
    year, number = month.split("-")
    rows: list[tuple[Any, ...]] = [
        (f"{day:02}/{number}/{year} 23:40", f"{day:02}/{number}/{year} 22:30", "fists", "Public house", place)
        for day, place in enumerate(places, 13)
    ]
    return csv_of(ISTV_HEADER, rows)


@dataclass
class Doors:
    """The application as suppliers reach it, and the publisher's services, which load."""

    console: Console
    client: TestClient
    publisher: Services
    _keys: dict[tuple[str, str, str], str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.publisher.settings.data_dir

    @property
    def waiting(self) -> list[Path]:
        """Every file in the folder of incoming ones."""
        return [path for path in self.publisher.settings.incoming_dir.rglob("*") if path.is_file()]

    def key(self, dataset: str = "las", site: str = "", organisation: str = "hospital") -> dict[str, str]:
        """The header that a machine sends."""
        of = (dataset, site, organisation)
        if of not in self._keys:
            made = machine_keys.add_key(self.publisher, "command-line", "Loader", organisation, dataset, site)
            self._keys[of] = made.key
        return {"Authorization": f"Bearer {self._keys[of]}"}

    def post(self, path: str, headers: dict[str, str], key: str | None = None, **sent: Any) -> Response:
        more = {"Idempotency-Key": key} if key else {}
        query = {"wait": 0, **sent.pop("params", {})}
        return self.client.post(f"/v1/supplier/{path}", headers={**headers, **more}, params=query, **sent)

    def send(self, data: bytes, name: str = "2026-03.csv", headers: dict | None = None, **more: Any) -> Response:
        return self.post("files", headers or self.key(), files=[("file", (name, data))], **more)

    def receipt(self, number: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        answer = self.client.get(f"/v1/supplier/deliveries/{number}", headers=headers or self.key())
        assert answer.status_code == 200, answer.text
        return answer.json()

    def load_all(self) -> int:
        """Load what waits, as the worker does; how many supplies that was."""
        loaded = 0
        while load_next(self.publisher):
            loaded += 1
        return loaded

    def loaded(self, answer: Response, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """The receipt of what was sent, when it is through."""
        assert answer.status_code == 202, answer.text
        self.load_all()
        return self.receipt(answer.json()["receipt"], headers)

    @contextmanager
    def working(self) -> Iterator[None]:
        """A worker that goes on meanwhile."""
        services = open_services(self.publisher.settings, Part.PUBLISHER)
        ended = threading.Event()
        thread = threading.Thread(target=work, args=(services, lambda: not ended.is_set()))
        with sole_worker(self.folder):
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join(60)
                services.close()


@contextmanager
def doors_on(settings: Settings) -> Iterator[Doors]:
    """The application on a server's folder that is made for it."""
    console_rig.make_server(settings)
    publisher = open_services(settings, Part.PUBLISHER)
    app = create_app(settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Doors(Console(app, app.state.services), client, publisher)
    publisher.close()


def adds_up(receipt: dict[str, Any]) -> bool:
    parts = ("accepted", "rejected", "duplicates", "left", "withdrawn_for_good")
    return receipt["rows_in"] == sum(receipt[part] for part in parts)
