"""Rows to GeoPackage files as sent: the same rows give the same bytes.

Rows are an Arrow table of ``rows_schema``: ``fid``, in a layer of points ``x`` and ``y`` (EPSG:27700 metres,
null where nothing is placed), then the layer's columns. In a file (``file_schema``) a point is WKB and comes last.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
_BATCH_ROWS = 16_384
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_GZIP_HEADER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\x03"  # with neither name nor time
_WINDOW_BYTES = 32 * 1024
_PACKERS = 2

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


def file_schema(columns: Sequence[Field], geometry: str) -> pa.Schema:
    """The Arrow schema of a layer's file."""
    placed = [(GEOMETRY_COLUMN, pa.binary())] if geometry == POINT else []
    return pa.schema(
        [pa.field(FID_COLUMN, pa.int64(), nullable=False)]
        + [pa.field(column.name, _ARROW_TYPES[column.type]) for column in columns]
        + [pa.field(*column) for column in placed]
    )


def nothing() -> None:
    """Called between the pieces of a long write where nobody wants to know."""


def write_geopackage(
    path: Path,
    layer: str,
    rows: pa.Table,
    geometry: str,
    *,
    spatial_index: bool,
    between: Callable[[], None] = nothing,
) -> None:
    """Write a GeoPackage 1.3 with the one table ``layer``; ``path`` must not exist.

    ``rows`` are ordered by ``fid``. Rows without coordinates have a null geometry; a layer without geometry is
    an attributes table. ``between`` is called again and again; what it raises breaks the writing off. Raises
    ``pyogrio.errors.DataSourceError`` where the file cannot be written.
    """
    if geometry == POINT:
        rows = rows.drop_columns(["x", "y"]).append_column(GEOMETRY_COLUMN, _points(rows["x"], rows["y"]))
    batches = rows.to_batches(max_chunksize=_BATCH_ROWS)
    _write_batches(path, layer, rows.schema, batches, geometry, spatial_index, between)


def merge_geopackages(
    path: Path,
    layer: str,
    sources: Iterable[Path],
    schema: pa.Schema,
    geometry: str,
    *,
    between: Callable[[], None] = nothing,
) -> int:
    """Write the rows of the ``sources``, one after the other, into one GeoPackage with its R-tree; returns how many.

    The sources bear the same ``layer`` in the file ``schema``. The bytes are those that ``write_geopackage``
    gives for the same rows. No more than one batch of rows is held at a time.
    """
    written = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal written
        for source in sources:
            with pyogrio.open_arrow(
                source, layer=layer, use_pyarrow=True, batch_size=_BATCH_ROWS, return_fids=True
            ) as (_, reader):
                for batch in reader:
                    written += batch.num_rows
                    yield pa.RecordBatch.from_arrays(
                        [batch.column(field.name).cast(field.type) for field in schema], schema=schema
                    )

    _write_batches(path, layer, schema, batches(), geometry, True, between)
    return written


def _write_batches(
    path: Path,
    layer: str,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    geometry: str,
    spatial_index: bool,
    between: Callable[[], None],
) -> None:
    if path.exists():
        raise FileExistsError(f"{path.name} is there already: a published file is never written twice.")
    placed = geometry == POINT
    layer_options = {"FID": FID_COLUMN}
    if placed:
        layer_options |= {"GEOMETRY_NAME": GEOMETRY_COLUMN, "SPATIAL_INDEX": "YES" if spatial_index else "NO"}
    broken_off: list[BaseException] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                between()
                yield batch
        except BaseException as error:  # GDAL would tell of its text only
            broken_off.append(error)
            raise

    try:
        with _reproducible_gdal():
            pyogrio.write_arrow(
                pa.RecordBatchReader.from_batches(schema, watched()),
                path,
                layer=layer,
                driver="GPKG",
                geometry_name=GEOMETRY_COLUMN if placed else None,
                geometry_type="Point" if placed else None,
                crs=f"EPSG:{SRID}" if placed else None,
                dataset_options={"VERSION": "1.3", "ADD_GPKG_OGR_CONTENTS": "YES"},
                layer_options=layer_options,
            )
    except Exception:
        if broken_off:
            raise broken_off[0] from None
        raise
    _settle_counters(path)


def _settle_counters(path: Path) -> None:
    """Let SQLite's header not tell in how many transactions the rows came: the batches are no matter.

    The file change counter and the number for which the version is valid, which is to equal it.
    """
    with path.open("r+b") as file:
        for offset in (24, 92):
            file.seek(offset)
            file.write(struct.pack(">I", 1))


def pack(source: Path, target: Path, between: Callable[[], None] = nothing) -> Packed:
    """Gzip ``source`` into ``target``, flushed to the disk; says what came out.

    Blocks are deflated side by side, each with the end of the one before as its dictionary: the stream is one,
    and its bytes do not tell how many took part.
    """
    content = hashlib.sha256()
    sent = _ChunkedDigest()
    checksum, size = 0, source.stat().st_size
    with source.open("rb") as reading, target.open("wb") as writing, ThreadPoolExecutor(_PACKERS) as packers:
        _write(writing, sent, _GZIP_HEADER)
        waiting: deque[Future[bytes]] = deque()
        before, done = b"", 0
        while True:
            between()
            block = reading.read(_READ_BYTES)
            done += len(block)
            waiting.append(packers.submit(_deflate, block, before, done == size))
            before = block[-_WINDOW_BYTES:]
            checksum = zlib.crc32(block, checksum)
            content.update(block)
            while len(waiting) > _PACKERS:
                _write(writing, sent, waiting.popleft().result())
            if done == size:
                break
        for deflated in waiting:
            _write(writing, sent, deflated.result())
        _write(writing, sent, struct.pack("<II", checksum, size % 2**32))
        writing.flush()
        os.fsync(writing.fileno())
    return Packed(sent.size, sent.whole, sent.chunks, size, content.hexdigest())


def _deflate(block: bytes, before: bytes, last: bool) -> bytes:
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before)
    return compressor.compress(block) + compressor.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def unpack(source: Path, target: Path) -> str:
    """Write what ``source`` packs to ``target``; returns its SHA-256. Raises ``zlib.error``, ``EOFError``."""
    content = hashlib.sha256()
    expander = zlib.decompressobj(_GZIP_WINDOW)
    with source.open("rb") as reading, target.open("wb") as writing:
        while packed := reading.read(_READ_BYTES):
            block = expander.decompress(packed)
            content.update(block)
            writing.write(block)
    if not expander.eof:
        raise EOFError(f"{source.name} is cut off.")
    return content.hexdigest()


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
