"""Rows to GeoPackage files as sent: the same rows give the same bytes.

Rows are an Arrow table of ``rows_schema``: ``fid``, in a layer of points ``x`` and ``y`` (EPSG:27700 metres,
null where nothing is placed), then the layer's columns.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyogrio

from ...shared.manifest import CHUNK_BYTES, FID_COLUMN, GEOMETRY_COLUMN, SRID
from ..datasets.definitions import Field, FieldType

POINT = "point"
NO_GEOMETRY = "none"

# Measured on 300,000 rows with their R-tree (61 MB): level 1 takes 0.6 s and gives 21.8 MB, level 5 takes 1.0 s
# and gives 19.9 MB, level 6 takes 2.0 s and gives 19.6 MB, level 9 takes 6.1 s and gives 19.4 MB.
GZIP_LEVEL = 5
_READ_BYTES = 1024 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # a gzip header with neither name nor time

_ARROW_TYPES = {
    FieldType.TEXT: pa.string(),
    FieldType.INTEGER: pa.int64(),
    FieldType.REAL: pa.float64(),
    FieldType.DATE: pa.date32(),
    FieldType.BOOLEAN: pa.bool_(),
}


@dataclass(frozen=True)
class Packed:
    """A gzip'd file: ``size``, ``sha256`` and ``chunks`` (of 8 MB) prove its bytes, ``file_…`` the content."""

    size: int
    sha256: str
    chunks: tuple[str, ...]
    file_size: int
    file_sha256: str


def rows_schema(columns: Sequence[Field], geometry: str) -> pa.Schema:
    """The Arrow schema of a layer's rows: explicit, so that a table without rows has its types too."""
    coordinates = [("x", pa.int64()), ("y", pa.int64())] if geometry == POINT else []
    return pa.schema(
        [pa.field(FID_COLUMN, pa.int64(), nullable=False), *(pa.field(*column) for column in coordinates)]
        + [pa.field(column.name, _ARROW_TYPES[column.type]) for column in columns]
    )


def write_geopackage(path: Path, layer: str, rows: pa.Table, geometry: str, *, spatial_index: bool) -> None:
    """Write a GeoPackage 1.3 with the one table ``layer``; ``path`` must not exist.

    ``rows`` are ordered by ``fid``. Rows without coordinates have a null geometry; a layer without geometry is
    an attributes table. Raises ``pyogrio.errors.DataSourceError`` where the file cannot be written.
    """
    if path.exists():
        raise FileExistsError(f"{path.name} is there already: a published file is never written twice.")
    placed = geometry == POINT
    layer_options = {"FID": FID_COLUMN}
    if placed:
        rows = rows.drop_columns(["x", "y"]).append_column(GEOMETRY_COLUMN, _points(rows["x"], rows["y"]))
        layer_options |= {"GEOMETRY_NAME": GEOMETRY_COLUMN, "SPATIAL_INDEX": "YES" if spatial_index else "NO"}
    with _reproducible_gdal():
        pyogrio.write_arrow(
            rows,
            path,
            layer=layer,
            driver="GPKG",
            geometry_name=GEOMETRY_COLUMN if placed else None,
            geometry_type="Point" if placed else None,
            crs=f"EPSG:{SRID}" if placed else None,
            dataset_options={"VERSION": "1.3", "ADD_GPKG_OGR_CONTENTS": "YES"},
            layer_options=layer_options,
        )


def pack(source: Path, target: Path) -> Packed:
    """Gzip ``source`` into ``target``, flushed to the disk; says what came out."""
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    content = hashlib.sha256()
    sent = _ChunkedDigest()
    with source.open("rb") as reading, target.open("wb") as writing:
        while block := reading.read(_READ_BYTES):
            content.update(block)
            _write(writing, sent, compressor.compress(block))
        _write(writing, sent, compressor.flush())
        writing.flush()
        os.fsync(writing.fileno())
    return Packed(sent.size, sent.whole, sent.chunks, source.stat().st_size, content.hexdigest())


def _write(writing: BinaryIO, sent: _ChunkedDigest, block: bytes) -> None:
    writing.write(block)
    sent.update(block)


class _ChunkedDigest:
    """SHA-256 of the whole and of each ``CHUNK_BYTES``."""

    def __init__(self) -> None:
        self.size = 0
        self._whole = hashlib.sha256()
        self._chunk = hashlib.sha256()
        self._chunks: list[str] = []

    def update(self, block: bytes) -> None:
        self._whole.update(block)
        while block:
            room = CHUNK_BYTES - self.size % CHUNK_BYTES
            self._chunk.update(block[:room])
            self.size += len(block[:room])
            block = block[room:]
            if self.size % CHUNK_BYTES == 0:
                self._chunks.append(self._chunk.hexdigest())
                self._chunk = hashlib.sha256()

    @property
    def whole(self) -> str:
        return self._whole.hexdigest()

    @property
    def chunks(self) -> tuple[str, ...]:
        rest = [self._chunk.hexdigest()] if self.size % CHUNK_BYTES else []
        return tuple(self._chunks + rest)


def _points(eastings: pa.ChunkedArray, northings: pa.ChunkedArray) -> pa.Array:
    """Little-endian WKB points; null where a coordinate is."""
    x, y = (column.combine_chunks() for column in (eastings, northings))
    placed = x.is_valid().to_numpy(zero_copy_only=False) & y.is_valid().to_numpy(zero_copy_only=False)
    wkb = np.zeros(len(x), dtype=[("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])
    wkb["order"] = 1
    wkb["type"] = 1
    wkb["x"] = x.fill_null(0).to_numpy(zero_copy_only=False)
    wkb["y"] = y.fill_null(0).to_numpy(zero_copy_only=False)
    validity = pa.py_buffer(np.packbits(placed, bitorder="little").tobytes())
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(wkb.itemsize), len(x), [validity, pa.py_buffer(wkb.tobytes())]
    )
    return fixed.cast(pa.binary())


@contextmanager
def _reproducible_gdal() -> Iterator[None]:
    # The file is made aside and flushed when it is packed: SQLite need not wait for the disk.
    options = {"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z", "OGR_SQLITE_SYNCHRONOUS": "OFF"}
    before = {name: pyogrio.get_gdal_config_option(name) for name in options}
    pyogrio.set_gdal_config_options(options)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)
