"""A layer pulled into an empty folder by the plugin's own code, and the same bytes fetched and unpacked, no more."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import requests

from ...qgis_plugin.core.desk_session import DeskSession
from ...qgis_plugin.core.local_store import LocalStore
from ...qgis_plugin.core.pull import pull_layer
from ...qgis_plugin.core.transport import QgisNetwork, Transport
from ...shared.manifest import Manifest
from ..measuring import Contender, Kind, Measure, copy_to_disk, flush, in_turns
from .application import answer

_PURPOSE = "problem-solving"


def measure(arguments: dict[str, Any]) -> list[Measure]:
    """One measure: from the request to a copy that is proved, in its place and on the disk."""
    url, dataset, scratch = arguments["url"], arguments["dataset"], Path(arguments["scratch"])
    transport = Transport(url, QgisNetwork(), "0.1.0")
    session = DeskSession(transport)
    session.sign_in(arguments["user"], arguments["password"])
    session.accept(_PURPOSE)
    manifest = Manifest.from_json(transport.get_json(f"/v1/layers/{dataset}/manifest"))
    snapshot = manifest.snapshot
    if snapshot is None:
        raise RuntimeError(f"The server offers no snapshot of {dataset}.")
    address = f"{url}/v1/layers/{dataset}/artefacts/{snapshot.name}"
    headers = {"Authorization": f"Bearer {_token(url, arguments)}"}

    def pull(folder: Path) -> None:
        account = LocalStore(folder / "copies").account(url, arguments["user"])
        result = pull_layer(transport, account, dataset, lambda *_: None, lambda: False)
        if result.downloaded != snapshot.size:
            raise RuntimeError(f"The pull took another way: {result.downloaded} bytes, not {snapshot.size}.")

    def fetch(folder: Path) -> None:
        received = requests.get(address, headers=headers, timeout=60)
        received.raise_for_status()
        target = folder / "bare.gpkg"
        target.write_bytes(gzip.decompress(received.content))
        flush(target)

    finished = scratch / "finished.gpkg"
    content = requests.get(address, headers=headers, timeout=60).content
    finished.write_bytes(gzip.decompress(content))
    return [
        in_turns(
            f"First pull over loopback, {manifest.rows:,} rows, {snapshot.size / 1e6:.1f} MB sent, "
            f"{snapshot.file_size / 1e6:.0f} MB unpacked",
            [
                Contender("core.pull.pull_layer", Kind.OURS, pull),
                Contender("transfer, gunzip, on the disk", Kind.LIMIT, fetch),
                Contender(
                    "copying the finished file, on the disk",
                    Kind.LIMIT,
                    lambda folder: copy_to_disk(finished, folder / "copy"),
                ),
            ],
            scratch,
            rounds=5,
            note="Ours also asks for the manifest, checks each digest and proves rows, columns, index and pages.",
        )
    ]


def _token(url: str, arguments: dict[str, Any]) -> str:
    """Of a session of its own, asked for without the plugin."""
    credentials = {"username": arguments["user"], "password": arguments["password"]}
    pending = requests.post(f"{url}/v1/session", json=credentials, timeout=60).json()
    accepted = {
        "conditions_version": pending["conditions"]["version"],
        "conditions_sha256": pending["conditions"]["sha256"],
        "purpose": _PURPOSE,
    }
    headers = {"Authorization": f"Bearer {pending['token']}"}
    return requests.post(f"{url}/v1/session/accept", json=accepted, headers=headers, timeout=60).json()["token"]


if __name__ == "__main__":
    answer(measure)
