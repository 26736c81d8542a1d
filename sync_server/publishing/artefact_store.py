"""The folder of published files. A file appears whole under its name, or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from .geopackage import Packed, pack, write_geopackage

_PART = "part-"
_SUFFIX = ".gpkg.gz"


@dataclass(frozen=True)
class ArtefactStore:
    """Files by artefact name in ``folder``, readable by the server's own user only."""

    folder: Path

    def path(self, name: str) -> Path:
        """Where the file of that name is, or would be."""
        return self.folder / f"{name}{_SUFFIX}"

    def holds(self, name: str) -> bool:
        """Whether the file is there."""
        return self.path(name).is_file()

    def names(self) -> set[str]:
        """The names of all files."""
        return {path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"*{_SUFFIX}")}

    @contextmanager
    def building(self) -> Iterator[None]:
        """Builders take turns: a second one, in whichever process, waits here. Leftovers of a killed one go."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "building.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for part in self.folder.glob(f"{_PART}*"):
                shutil.rmtree(part)
            yield

    def write(self, name: str, layer: str, rows: pa.Table, geometry: str, *, spatial_index: bool) -> Packed:
        """Make the file of ``rows`` and put it in its place, flushed to the disk."""
        with tempfile.TemporaryDirectory(prefix=_PART, dir=self.folder) as folder:
            plain, packed = Path(folder) / "layer.gpkg", Path(folder) / "layer.gpkg.gz"
            write_geopackage(plain, layer, rows, geometry, spatial_index=spatial_index)
            facts = pack(plain, packed)
            packed.chmod(0o600)
            packed.replace(self.path(name))
        return facts

    def remove(self, name: str) -> None:
        """Remove the file, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def flush(self) -> None:
        """Make sure that the files' names are on the disk too; call it before recording them."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
