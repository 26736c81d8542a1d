"""Projects saved with local copies: they open with the copies in force, and without them while nobody is signed in.

QGIS asks for each path that it reads in a project file. The path of a local copy tells its account and dataset,
absolute or relative, whatever the folder it was in when the project was saved.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from osgeo import gdal, ogr, osr
from qgis.core import QgsMapLayer, QgsPathResolver, QgsProviderRegistry

from ...shared.manifest import GEOMETRY_COLUMN, SRID
from .local_store import STATE, LocalCopy, LocalStore

_COPY = re.compile(
    r"(?:^|.*[/\\])(?P<account>[0-9a-f]{16})[/\\](?P<dataset>[a-z][a-z0-9_]{0,63})[/\\]"
    r"(?P=dataset)-r\d+-[0-9a-f]{8}\.gpkg(?P<rest>\|.*)?"
)
_STAND_INS = "/vsimem/safestats"


class SavedProjects:
    """While ``installed``, paths of former copies in project files lead to the valid copy of the same account.

    Where there is none they lead to an empty layer in memory, which keeps the layer's place and style until the
    next pull and shows nothing. The same for the copies of an account that ``unlocked(key)`` says is locked.
    """

    def __init__(self, store: LocalStore, unlocked: Callable[[str], bool]) -> None:
        self._store = store
        self._unlocked = unlocked
        self._installed = ""
        self._read: dict[Path, tuple[int, LocalCopy | None]] = {}

    def install(self) -> None:
        """From now on."""
        self._installed = QgsPathResolver.setPathPreprocessor(self.redirected)

    def remove(self) -> None:
        """No more."""
        if self._installed:
            QgsPathResolver.removePathPreprocessor(self._installed)
            self._installed = ""

    def redirected(self, path: str) -> str:
        """The path of the copy in force, or of an empty layer; any path but a local copy's as it is."""
        found = _COPY.fullmatch(path)
        if found is None:
            return path
        account, dataset, rest = found["account"], found["dataset"], found["rest"] or ""
        copy = self.copy(account, dataset)
        if copy is not None and self._unlocked(account) and not copy.lapsed(datetime.now(timezone.utc)):
            return f"{copy.path}{rest}"
        return f"{_stand_in(account, dataset)}{rest}"

    def copy(self, account: str, dataset: str) -> LocalCopy | None:
        """The copy that is here, read once for each state that it is in: QGIS asks several times for a path."""
        state = self._store.root / account / dataset / STATE
        try:
            written = state.stat().st_mtime_ns
        except OSError:
            return None
        known = self._read.get(state)
        if known is None or known[0] != written or (known[1] is not None and not known[1].path.is_file()):
            known = self._read[state] = written, self._store.account_of_key(account).copy(dataset)
        return known[1]


def is_stand_in(layer: QgsMapLayer) -> bool:
    """Whether the layer stands, empty, for a local copy that is no longer here."""
    return layer.source().startswith(f"{_STAND_INS}/")


def is_copy(path: str) -> bool:
    """Whether a path, absolute or relative, is that of a local copy or of what stands for one."""
    return _COPY.fullmatch(path) is not None


def home(layer: QgsMapLayer) -> tuple[str, str] | None:
    """The account's key and the dataset that the layer's path tells; ``None`` for any but a local copy."""
    path = QgsProviderRegistry.instance().decodeUri("ogr", layer.source()).get("path") or ""
    found = _COPY.fullmatch(path)
    return (found["account"], found["dataset"]) if found else None


def _stand_in(account: str, dataset: str) -> str:
    # Named as a copy is, so that a project saved with it finds the copy again once there is one.
    path = f"{_STAND_INS}/{account}/{dataset}/{dataset}-r0-00000000.gpkg"
    if gdal.VSIStatL(path) is None:
        grid = osr.SpatialReference()
        grid.ImportFromEPSG(SRID)
        source = ogr.GetDriverByName("GPKG").CreateDataSource(path)
        source.CreateLayer(dataset, grid, ogr.wkbPoint, [f"GEOMETRY_NAME={GEOMETRY_COLUMN}"])
        source = None  # closes it
    return path
