"""A server with a million invented incidents of the Met's, and changes to them, straight into its tables.

As a load leaves them, but without a delivery to read: what is published and pulled is all the server's own work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..sync_server.datasets.definitions import read_definitions
from ..sync_server.datasets.incidents import incident_table
from ..sync_server.instants import now
from ..sync_server.keys import PRECISIONS, feature_id_range
from ..sync_server.publishing.models import Release, ReleaseState
from ..sync_server.services import open_services
from ..sync_server.settings import Settings
from .incidents import LAYER, SEED, met_rows
from .invented_changes import ADDED, CHANGED, MOVED, UPDATED, WITHDRAWN
from .programs import Server

_TABLE = f"incident_{LAYER}"
_MOVED_BY_M = 25
_RENEWED = ("row_id", "from_release", "street", "easting", "northing")


@dataclass
class InventedReleases:
    """Each call stages one release; publishing it is up to the command. A row's identity is its number as text."""

    server: Server
    columns: list[str]  # of the table of incidents
    rows: pa.Table
    fids: NDArray[np.int64]
    months: NDArray[np.str_]
    live: NDArray[np.bool_]
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(SEED + 2))

    @classmethod
    def begin(cls, server: Server, number: int) -> InventedReleases:
        """So many rows over twelve months, staged as the first release of a server that has none."""
        settings = Settings(data_dir=server.folder)
        rows = met_rows(number, settings.resources_dir)
        definition = read_definitions(settings.resources_dir / "datasets")[LAYER]
        made = cls(
            server,
            incident_table(definition).columns.keys(),
            rows,
            rows["fid"].to_numpy(),
            rows["month"].to_numpy(zero_copy_only=False).astype(str),
            np.ones(rows.num_rows, dtype=bool),
        )
        with made._staging() as (session, release):
            made._insert(session, release, np.arange(rows.num_rows), made.fids, made.months, first=0)
        return made

    def change_one_month(self) -> None:
        """The usual changes, all of them in one month: a correction."""
        self._change(self.months == np.unique(self.months)[5])

    def change_all_months(self) -> None:
        """The usual changes, scattered over every month."""
        self._change(np.ones(len(self.months), dtype=bool))

    def add_a_month(self) -> None:
        """A month after the others, with as many rows as otherwise change."""
        first, last = feature_id_range(date(2026, 1, 1), date(2026, 1, 31))
        fids = np.unique(self.random.integers(first, last, 2 * CHANGED))
        with self._staging() as (session, release):
            self._add(session, release, self.random.permutation(fids)[:CHANGED], np.full(CHANGED, "2026-01"))

    def _change(self, among: NDArray[np.bool_]) -> None:
        chosen = self.random.permutation(np.flatnonzero(among & self.live))[: UPDATED + WITHDRAWN]
        updated, withdrawn = chosen[:UPDATED], chosen[UPDATED:]
        # New rows lie among the others, as the hash in a feature id makes them: beside a row, in its month.
        beside = self.random.permutation(np.flatnonzero(among & self.live))[: 2 * ADDED]
        free = beside[~np.isin(self.fids[beside] + 1, self.fids)][:ADDED]
        with self._staging() as (session, release):
            self._add(session, release, self.fids[free] + 1, self.months[free])
            self._update(session, release, updated)
            self._end(session, release, withdrawn)
        self.live[withdrawn] = False

    def _add(self, session: Session, release: int, fids: NDArray[np.int64], months: NDArray[np.str_]) -> None:
        like = self.random.integers(0, self.rows.num_rows, len(fids))
        self._insert(session, release, like, fids, months, first=len(self.live))
        self.fids = np.concatenate([self.fids, fids])
        self.months = np.concatenate([self.months, months])
        self.live = np.concatenate([self.live, np.ones(len(fids), dtype=bool)])

    def _insert(
        self,
        session: Session,
        release: int,
        like: NDArray[np.int64],
        fids: NDArray[np.int64],
        months: NDArray[np.str_],
        first: int,
    ) -> None:
        """Rows with the values of those at ``like``, but with feature ids, months and numbers of their own."""
        taken = [name for name in self.rows.column_names if name not in ("fid", "x", "y", "month")]
        values: dict[str, Sequence[Any]] = {
            "identity": [str(first + number) for number in range(len(like))],
            "content": [""] * len(like),
            "delivery_id": [0] * len(like),
            "from_release": [release] * len(like),
            **{f"fid_{precision}": fids.tolist() for precision in PRECISIONS},
            "period": months.tolist(),
            "month": months.tolist(),
            **{name: self.rows[name].take(pa.array(like)).to_pylist() for name in taken},
        }
        values["area_code"] = [code or "unplaced" for code in values["lsoa_code"]]
        marks = ", ".join("?" * len(values))
        session.connection().exec_driver_sql(
            f"INSERT INTO {_TABLE} ({', '.join(values)}) VALUES ({marks})", list(zip(*values.values(), strict=True))
        )

    def _update(self, session: Session, release: int, rows: NDArray[np.int64]) -> None:
        """Another street for each; the first ``MOVED`` of them move too."""
        kept = [name for name in self.columns if name not in _RENEWED]
        session.connection().exec_driver_sql(
            f"INSERT INTO {_TABLE} (from_release, street, easting, northing, {', '.join(kept)}) "
            f"SELECT ?, ?, easting + ?, northing + ?, {', '.join(kept)} FROM {_TABLE} "
            "WHERE identity = ? AND to_release IS NULL",
            [
                (release, f"On or near Renamed Street {number}", by, by, str(row))
                for number, row in enumerate(rows.tolist())
                for by in [_MOVED_BY_M if number < MOVED else 0]
            ],
        )
        self._end(session, release, rows)

    def _end(self, session: Session, release: int, rows: NDArray[np.int64]) -> None:
        session.connection().exec_driver_sql(
            f"UPDATE {_TABLE} SET to_release = ? WHERE identity = ? AND to_release IS NULL AND from_release < ?",
            [(release, str(row), release) for row in rows.tolist()],
        )

    @contextmanager
    def _staging(self) -> Iterator[tuple[Session, int]]:
        """A write in which a release is staged; its number."""
        services = open_services(Settings(data_dir=self.server.folder))
        try:
            with services.database.write() as session:
                numbers = session.scalars(select(Release.number).where(Release.dataset == LAYER)).all()
                number = max(numbers, default=0) + 1
                session.add(
                    Release(dataset=LAYER, number=number, state=ReleaseState.STAGED, synthetic=True, staged_at=now())
                )
                session.flush()
                yield session, number
        finally:
            services.close()
