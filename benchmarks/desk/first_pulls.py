"""A layer pulled into an empty folder and opened in QGIS, beside the bare bytes and other writers of the same rows."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from osgeo import gdal
from qgis.core import QgsProject

from ...qgis_plugin.core import layers
from ...qgis_plugin.core.local_store import LocalStore
from ...qgis_plugin.core.pull import pull_layer
from ...qgis_plugin.core.transport import Transport
from ...shared.manifest import Artefact, Manifest
from ..measuring import Contender, Kind, Measure, copy_to_disk, flush, in_turns
from .application import answer
from .client import Account
from .peers import Peers

_ROUNDS = 3
_AIM_OF_LIMIT = 1.5
_AIM_OF_PEER = 0.5


def measure(arguments: dict[str, Any]) -> list[Measure]:
    """Two measures: with the whole-layer file that the server keeps ready, and by months where it is not ready."""
    account, dataset, scratch = Account.of(arguments), arguments["dataset"], Path(arguments["scratch"])
    transport = account.transport()
    by_months = account.transport_without_whole_layers()
    manifest = Manifest.from_json(transport.get_json(f"/v1/layers/{dataset}/manifest"))
    if manifest.snapshot is None:
        raise RuntimeError(f"The server offers no snapshot of {dataset}.")
    headers = account.bare_headers()

    def bare(artefacts: list[Artefact]) -> Callable[[Path], None]:
        def fetch(folder: Path) -> None:
            for artefact in artefacts:
                address = f"{account.url}/v1/layers/{dataset}/artefacts/{artefact.name}"
                received = requests.get(address, headers=headers, timeout=60)
                received.raise_for_status()
                target = folder / f"{artefact.name}.gpkg"
                target.write_bytes(gzip.decompress(received.content))
                flush(target)

        return fetch

    def pull(way: Transport, size: int) -> Callable[[Path], None]:
        def to_layer(folder: Path) -> None:
            store = LocalStore(folder / "copies").account(account.url, account.user)
            result = pull_layer(way, store, dataset, lambda *_: None, lambda: False)
            project = QgsProject()
            layer = layers.open_copy(project, result.copy)
            counted = layer.featureCount()
            project.clear()
            if result.downloaded != size or counted != manifest.rows:
                raise RuntimeError(f"{result.downloaded} bytes came, not {size}; {counted} rows, not {manifest.rows}.")

        return to_layer

    finished = scratch / "finished.gpkg"
    bare([manifest.snapshot])(scratch)
    (scratch / f"{manifest.snapshot.name}.gpkg").rename(finished)
    months = list(manifest.slices)
    size_by_months = sum(month.size for month in months)
    with Peers(arguments["peers"]) as peers:
        if peers.ask("read", source=finished, layer=manifest.layer_name) != manifest.rows:
            raise RuntimeError("The peer read another number of rows.")

        def writing(aim: float | None = None) -> Contender:
            return Contender(
                "pyogrio writing the same rows with index, on the disk",
                Kind.PEER,
                lambda folder: peers.ask("write", target=folder / "peer.gpkg", layer=manifest.layer_name),
                aim=aim,
            )

        copying = Contender(
            "copying the finished file, on the disk",
            Kind.LIMIT,
            lambda folder: copy_to_disk(finished, folder / "copy"),
        )
        rewriting = Contender(
            "QGIS's own GDAL rewriting the file with index, on the disk",
            Kind.PEER,
            lambda folder: _rewrite(finished, folder / "rewritten.gpkg"),
        )
        what = f"{arguments['year']} of the Met's, {manifest.rows:,} rows"
        unpacked = f"{manifest.snapshot.file_size / 1e6:.0f} MB unpacked"
        return [
            in_turns(
                f"From the request to a layer in QGIS: {what}, as a whole-layer file of "
                f"{manifest.snapshot.size / 1e6:.1f} MB ({unpacked})",
                [
                    Contender("core.pull, core.layers", Kind.OURS, pull(transport, manifest.snapshot.size)),
                    Contender(
                        "transfer, gunzip, on the disk", Kind.LIMIT, bare([manifest.snapshot]), aim=_AIM_OF_LIMIT
                    ),
                    writing(_AIM_OF_PEER),
                    rewriting,
                    copying,
                ],
                scratch,
                _ROUNDS,
                warm_up=False,
                note="Ours also asks for the manifest, checks each digest, proves rows, columns and index, and opens "
                "the layer. The writers have the rows already: no transfer.",
            ),
            in_turns(
                f"The same before the whole-layer file is ready: {len(months)} months of {size_by_months / 1e6:.1f} MB",
                [
                    Contender("core.pull, core.layers", Kind.OURS, pull(by_months, size_by_months)),
                    Contender("transfer, gunzip, on the disk", Kind.LIMIT, bare(months)),
                    writing(),
                    copying,
                ],
                scratch,
                _ROUNDS,
                warm_up=False,
                note="Ours also puts the months together, indexes them and proves each month's rows by its digest.",
            ),
        ]


def _rewrite(source: Path, target: Path) -> None:
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        gdal.VectorTranslate(str(target), str(source), format="GPKG")
    finally:
        gdal.PopErrorHandler()
    flush(target)


if __name__ == "__main__":
    answer(measure)
