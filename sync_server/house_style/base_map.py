"""The base map that desks fetch: OS Open Zoomstack, cut to where incidents are, in one GeoPackage of a few layers.

The source is Ordnance Survey's own GeoPackage of Great Britain, in British National Grid, with a layer a theme.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from ...shared.manifest import CHUNK_BYTES
from ..errors import SafeStatsError

# Layer → columns that are kept. The first group must be there: without it the file is another product.
_NEEDED = {"names": ("name1", "type"), "roads_national": ("type", "name", "number"), "surfacewater": ("type",)}
_TAKEN_WHERE_THERE = {
    "roads_regional": ("type", "name", "number"),
    "roads_local": ("type", "name"),
    "rail": ("type",),
    "railway_stations": ("type", "name"),
    "greenspace": ("type",),
    "woodland": ("type",),
    "local_buildings": (),
}
_NATIONAL_GRID = "EPSG:27700"
ATTRIBUTION = "Contains OS data © Crown copyright and database right {year}."

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class HeldBaseMap:
    """The base map that there is: what it is called, and the file's size and digests (whole, and each 8 MB)."""

    title: str
    size: int
    sha256: str
    chunks: tuple[str, ...]


def held(path: Path) -> HeldBaseMap | None:
    """The base map at ``path``; None where there is none."""
    try:
        told = json.loads(_description(path).read_text(encoding="utf-8"))
        if path.stat().st_size != told["size"]:
            return None
        return HeldBaseMap(**{**told, "chunks": tuple(told["chunks"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load(
    source: Path, target: Path, box: Box, edition: str, year: int, tell: Callable[[str, int], None]
) -> HeldBaseMap:
    """Cut Zoomstack to ``box`` (west, south, east, north in metres) and put it at ``target`` in one step.

    ``tell`` hears of each layer and how many features it has. Raises ``SafeStatsError`` where the source is no
    Zoomstack or holds nothing there; what was at ``target`` stays then.
    """
    layers = _layers(source)
    part = target.with_name(f".part-{target.name}")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part.unlink(missing_ok=True)
    try:
        taken = 0
        for name, columns in {**_NEEDED, **_TAKEN_WHERE_THERE}.items():
            if name in layers:
                number = _copy(source, part, name, columns, box)
                taken += number
                tell(name, number)
        if not taken:
            raise SafeStatsError(f"{source} holds nothing where incidents are: is it the file of Great Britain?")
        title = f"OS Open Zoomstack, {edition}"
        _describe(part, title, ATTRIBUTION.format(year=year))
        found = _measured(part, title)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        # The description last: until it fits, there is no base map.
        part.replace(target)
        _description(target).write_text(json.dumps(asdict(found)), encoding="utf-8")
    except (DataSourceError, DataLayerError) as error:
        raise SafeStatsError(f"{source} cannot be read: {error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return found


def _layers(source: Path) -> set[str]:
    try:
        names = {str(name) for name, _kind in pyogrio.list_layers(source)}
        for name, columns in _NEEDED.items():
            if name not in names:
                raise SafeStatsError(f"{source} has no layer “{name}”: it is not OS Open Zoomstack as a GeoPackage.")
            info = pyogrio.read_info(source, layer=name)
            lacking = [column for column in columns if column not in info["fields"]]
            if lacking:
                raise SafeStatsError(
                    f"{source}: the layer “{name}” has no column “{lacking[0]}”: it is not OS Open Zoomstack."
                )
            if info["crs"] != _NATIONAL_GRID:
                raise SafeStatsError(f"{source} is not in British National Grid: take the GeoPackage, not the tiles.")
    except DataSourceError as error:
        raise SafeStatsError(f"{source} cannot be read: choose the GeoPackage of OS Open Zoomstack.") from error
    return names


def _copy(source: Path, target: Path, name: str, columns: tuple[str, ...], box: Box) -> int:
    there = set(pyogrio.read_info(source, layer=name)["fields"])
    kept = [column for column in columns if column in there]
    meta, table = pyogrio.raw.read_arrow(source, layer=name, columns=kept, bbox=box)
    pyogrio.raw.write_arrow(
        table,
        target,
        layer=name,
        driver="GPKG",
        geometry_name=meta["geometry_name"] or "wkb_geometry",
        geometry_type=meta["geometry_type"],
        crs=_NATIONAL_GRID,
        append=target.exists(),
        layer_options={"GEOMETRY_NAME": "geom"},
    )
    return int(table.num_rows)


def _describe(path: Path, title: str, attribution: str) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE edition (title TEXT NOT NULL, attribution TEXT NOT NULL)")
        file.execute("INSERT INTO edition VALUES (?, ?)", (title, attribution))


def _measured(path: Path, title: str) -> HeldBaseMap:
    whole, chunks = hashlib.sha256(), []
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            whole.update(chunk)
            chunks.append(hashlib.sha256(chunk).hexdigest())
    return HeldBaseMap(title, path.stat().st_size, whole.hexdigest(), tuple(chunks))


def _description(path: Path) -> Path:
    return path.with_suffix(".json")
