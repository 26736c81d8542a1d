"""The folder of published files. A file appears whole under its name, or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from .geopackage import Packed, merge_geopackages, nothing, pack, unpack, write_geopackage

_PART = "part-"
_WAIT_SECONDS = 0.2
_SUFFIX = ".gpkg.gz"


class DamagedFileError(Exception):
    """A file of the folder is not what was written there; its ``name``."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The file of {name} is damaged.")
        self.name = name


@dataclass(frozen=True)
class ArtefactStore:
    """Files by artefact name in ``folder``, readable by the server's own user only."""

    folder: Path

    def path(self, name: str) -> Path:
        """Where the file of that name is, or would be."""
        return self.folder / f"{name}{_SUFFIX}"

    def holds(self, name: str, size: int) -> bool:
        """Whether the file is there, as long as it was made."""
        try:
            return self.path(name).stat().st_size == size
        except OSError:
            return False

    def names(self) -> set[str]:
        """The names of all files."""
        return {path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"*{_SUFFIX}")}

    @contextmanager
    def building(self, between: Callable[[], None] = nothing) -> Iterator[None]:
        """Builders take turns: a second one, in whichever process, waits here. Leftovers of a killed one go.

        ``between`` is called while waiting; what it raises ends the wait.
        """
        with self._lock() as lock:
            while not _locked(lock):
                between()
                time.sleep(_WAIT_SECONDS)
            self._clear()
            yield

    @contextmanager
    def building_now(self) -> Iterator[bool]:
        """As ``building``, without waiting: False tells that another one builds."""
        with self._lock() as lock:
            mine = _locked(lock)
            if mine:
                self._clear()
            yield mine

    def write(
        self, name: str, layer: str, rows: pa.Table, geometry: str, between: Callable[[], None] = nothing
    ) -> Packed:
        """Make the file of a slice's ``rows`` and put it in its place, on the disk when this returns."""
        with self._part() as folder:
            plain = folder / "layer.gpkg"
            write_geopackage(plain, layer, rows, geometry, spatial_index=False, between=between)
            return self._put(name, plain, between)

    def write_merged(
        self,
        name: str,
        layer: str,
        slices: Mapping[str, str],
        schema: pa.Schema,
        geometry: str,
        between: Callable[[], None] = nothing,
    ) -> tuple[Packed, int]:
        """Make the file that holds the ``slices`` (name → SHA-256 of the content) in their order, with its R-tree.

        Returns its facts and its rows. Raises ``DamagedFileError`` where a slice is not what was written.
        """
        with self._part() as folder:
            plain = folder / "layer.gpkg"
            rows = merge_geopackages(plain, layer, self._unpacked(slices, folder), schema, geometry, between=between)
            return self._put(name, plain, between), rows

    def remove(self, name: str) -> None:
        """Remove the file, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def _unpacked(self, slices: Mapping[str, str], folder: Path) -> Iterator[Path]:
        """The slices one after the other as plain GeoPackages, each gone when the next one comes."""
        plain = folder / "slice.gpkg"
        for name, sha256 in slices.items():
            try:
                whole = unpack(self.path(name), plain) == sha256
            except (OSError, EOFError, zlib.error):
                whole = False
            if not whole:
                raise DamagedFileError(name)
            yield plain
            plain.unlink()

    def _put(self, name: str, plain: Path, between: Callable[[], None]) -> Packed:
        packed = plain.with_suffix(".gz")
        facts = pack(plain, packed, between)
        packed.chmod(0o600)
        packed.replace(self.path(name))
        # The name is on the disk before anybody records it.
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return facts

    @contextmanager
    def _part(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix=_PART, dir=self.folder) as folder:
            yield Path(folder)

    @contextmanager
    def _lock(self) -> Iterator[IO[str]]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "building.lock").open("w") as lock:
            yield lock

    def _clear(self) -> None:
        for part in self.folder.glob(f"{_PART}*"):
            shutil.rmtree(part)


def _locked(lock: IO[str]) -> bool:
    """Whether the lock is ours now; it goes with the file's closing, or with its process."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
