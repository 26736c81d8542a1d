"""Writing a layer's snapshot: ours beside the library's plain call, and beside copying the finished file."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyogrio

from ..sync_server.publishing.geopackage import GZIP_LEVEL, POINT, pack, write_geopackage
from .incidents import LAYER, met_rows
from .job import MANY_ROWS, Outcome, Place
from .measuring import Contender, Kind, copy_to_disk, flush, in_turns
from .peers import with_geometry, write_layer


def measure(place: Place) -> Outcome:
    """The GeoPackage with its index, then the file as it is sent."""
    rows = met_rows(MANY_ROWS, place.resources)
    finished = place.scratch / "finished.gpkg"
    write_geopackage(finished, LAYER, rows, POINT, spatial_index=True)
    plain_rows = with_geometry(rows)

    def ours(folder: Path) -> None:
        write_geopackage(folder / "ours.gpkg", LAYER, rows, POINT, spatial_index=True)
        flush(folder / "ours.gpkg")

    def plain(folder: Path) -> None:
        write_layer(plain_rows, folder / "plain.gpkg", LAYER)

    def in_one_go(folder: Path) -> None:
        packed = folder / "plain.gpkg.gz"
        packed.write_bytes(gzip.compress(finished.read_bytes(), GZIP_LEVEL))
        flush(packed)

    megabytes = finished.stat().st_size / 1e6
    layer = f"{MANY_ROWS:,} rows, {len(rows.column_names)} columns, {megabytes:.0f} MB"
    copying = Contender(
        "copying the finished file, on the disk", Kind.LIMIT, lambda folder: copy_to_disk(finished, folder / "copy")
    )
    return Outcome(
        measures=[
            in_turns(
                f"A snapshot as GeoPackage with its R-tree, on the disk, {layer}",
                [
                    Contender("publishing.write_geopackage", Kind.OURS, ours),
                    Contender("pyogrio.write_arrow", Kind.PEER, plain, aim=1.2),
                    copying,
                ],
                place.scratch,
                warm_up=False,
                note="pyogrio is given its points as WKB; ours makes them of the coordinates.",
            ),
            in_turns(
                f"The snapshot as sent: gzip and digests, on the disk, {megabytes:.0f} MB",
                [
                    Contender("publishing.pack", Kind.OURS, lambda folder: pack(finished, folder / "ours.gz")),
                    Contender(f"gzip.compress at level {GZIP_LEVEL}, no digest", Kind.PEER, in_one_go),
                    copying,
                ],
                place.scratch,
                warm_up=False,
            ),
        ],
        versions={"GDAL (server)": pyogrio.__gdal_version_string__, "pyogrio": pyogrio.__version__},
    )
