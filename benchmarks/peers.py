"""Other programs' work, in a process of the server's environment that does one request after another.

The desk's Python has an older GDAL of its own and cannot load a second one. A request is one line of JSON on standard
input: ``{"do": NAME, …arguments}``; its answer is one line on standard output: ``{"answer": …}`` or ``{"error": …}``.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
import shapely
from pygeodiff import GeoDiff

from ..shared.manifest import FID_COLUMN, GEOMETRY_COLUMN, SRID
from .measuring import flush


def with_geometry(rows: pa.Table) -> pa.Table:
    """Rows with coordinates ``x`` and ``y`` as pyogrio wants them: points as WKB in a column of their own."""
    placed = rows["x"].is_valid().to_numpy()
    points = shapely.points(rows["x"].fill_null(0).to_numpy(), rows["y"].fill_null(0).to_numpy())
    wkb = pa.array(shapely.to_wkb(points), pa.binary(), mask=~placed)
    return rows.drop_columns(["x", "y"]).append_column(GEOMETRY_COLUMN, wkb)


def read_layer(path: Path, layer: str) -> pa.Table:
    """All rows of a layer of points, feature ids and WKB included."""
    facts, rows = pyogrio.read_arrow(path, layer=layer, return_fids=True)
    names = {facts["geometry_name"] or "wkb_geometry": GEOMETRY_COLUMN, facts["fid_column"] or "OGC_FID": FID_COLUMN}
    return rows.rename_columns([names.get(name, name) for name in rows.column_names])


def write_layer(rows: pa.Table, path: Path, layer: str) -> None:
    """A GeoPackage with spatial index by pyogrio's plain call, on the disk."""
    pyogrio.write_arrow(
        rows,
        path,
        layer=layer,
        driver="GPKG",
        geometry_name=GEOMETRY_COLUMN,
        geometry_type="Point",
        crs=f"EPSG:{SRID}",
        layer_options={"FID": FID_COLUMN, "SPATIAL_INDEX": "YES"},
    )
    flush(path)


class Peers:
    """What may be asked for; the rows that ``read`` left are those that ``write`` writes."""

    def __init__(self) -> None:
        self._rows: pa.Table | None = None
        self._geodiff = GeoDiff()

    def read(self, source: str, layer: str) -> int:
        """Read a layer into memory; how many rows it has."""
        self._rows = read_layer(Path(source), layer)
        return self._rows.num_rows

    def write(self, target: str, layer: str) -> None:
        """Write the rows as a GeoPackage with spatial index, on the disk, by pyogrio."""
        if self._rows is None:
            raise ValueError("nothing has been read")
        write_layer(self._rows, Path(target), layer)

    def make_changeset(self, before: str, after: str, changeset: str) -> int:
        """The difference of two GeoPackages by pygeodiff; how many rows differ."""
        self._geodiff.create_changeset(before, after, changeset)
        return self._geodiff.changes_count(changeset)

    def apply_changeset(self, before: str, changeset: str, target: str) -> None:
        """Copy a GeoPackage and bring the copy up to date by pygeodiff, on the disk."""
        shutil.copyfile(before, target)
        self._geodiff.apply_changeset(target, changeset)
        flush(Path(target))

    def versions(self) -> dict[str, str]:
        """Of the programs behind all this."""
        return {
            "GDAL (server)": pyogrio.__gdal_version_string__,
            "pyogrio": pyogrio.__version__,
            "pygeodiff": self._geodiff.version(),
        }


def main() -> None:
    """Answer until standard input ends."""
    peers = Peers()
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        act: Callable[..., Any] = getattr(peers, request.pop("do"))
        try:
            answer = {"answer": act(**request)}
        except Exception as error:  # whoever asked has to hear of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
