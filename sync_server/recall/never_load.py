"""What is never loaded again: asked for by every load, before anything of a delivery is kept.

The list holds keyed identities, and keyed marks of suppliers' ids: the identity of a row whose id several rows of a
month bear hangs on their other fields, but the id stays. Without the installation's keys neither tells anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition, Within
from ..keys import Keys
from ..services import Services
from .models import NeverLoad, Recall

_MARK = "id:"


def never_load(session: Session, dataset: str) -> set[str]:
    """The keyed identities and marks of the dataset that are never to be loaded again."""
    listed = (
        select(NeverLoad.identity)
        .join(Recall, Recall.recall_id == NeverLoad.recall_id)
        .where(NeverLoad.dataset == dataset, Recall.may_return.is_(False))
    )
    return set(session.scalars(listed))


@dataclass(frozen=True)
class Marks:
    """Keyed marks of the supplier's ids of a dataset, each known again where its id names one incident."""

    keys: Keys
    dataset: str
    everywhere: bool  # an id names one incident of the whole dataset, not of a month

    @classmethod
    def of(cls, keys: Keys, definition: DatasetDefinition) -> Marks:
        """Those of the definition."""
        return cls(keys, definition.code, definition.identity.within == Within.DATASET)

    def in_months(self, ids_and_months: Iterable[tuple[str, str]]) -> list[str]:
        """The marks of ids in their months."""
        parts = ((self.dataset, "" if self.everywhere else month, "recalled", name) for name, month in ids_and_months)
        return [_MARK + mark for mark in self.keys.identities(parts)]

    def anywhere(self, ids: Iterable[str]) -> list[str]:
        """The marks of ids whatever the month: of texts in which no month can be read."""
        return [_MARK + mark for mark in self.keys.identities((self.dataset, "", "recalled", name) for name in ids)]


def withhold(
    services: Services, session: Session, definition: DatasetDefinition, rows: pl.DataFrame
) -> tuple[pl.DataFrame, int]:
    """The delivered rows (``identity``, ``supplier_id``, ``period``) that may be taken, and how many may not."""
    listed = never_load(session, definition.code)
    if not listed or rows.is_empty():
        return rows, 0
    taken = pl.Series(rows.get_column("identity")).is_in(list(listed)).not_()
    if any(map(is_mark, listed)):
        named = rows.select("supplier_id", "period").with_row_index().drop_nulls("supplier_id")
        marks = Marks.of(services.keys, definition).in_months(named.select("supplier_id", "period").iter_rows())
        refused = {index for index, mark in zip(named.get_column("index"), marks, strict=True) if mark in listed}
        taken = taken & pl.Series([index not in refused for index in range(len(rows))], dtype=pl.Boolean)
    kept = rows.filter(taken)
    return kept, len(rows) - len(kept)


def washed(
    services: Services,
    session: Session,
    definition: DatasetDefinition,
    contents: list[dict[str, str]],
) -> list[dict[str, str]]:
    """What may be kept of rejected rows: nothing of those that bear the id of a recalled incident."""
    listed = never_load(session, definition.code)
    if not contents or not any(map(is_mark, listed)):
        return contents
    recalled = ids_listed(services.keys, definition, contents, listed)
    id_field = definition.identity.id_field or ""
    return [{} if content.get(id_field) in recalled else content for content in contents]


def ids_listed(
    keys: Keys, definition: DatasetDefinition, contents: Iterable[Mapping[str, str]], listed: Collection[str]
) -> set[str]:
    """The supplier's ids in the contents of rejected rows that the list marks, in whatever month."""
    id_field = definition.identity.id_field
    if not id_field:
        return set()
    ids = sorted({content[id_field] for content in contents if content.get(id_field)})
    marks = Marks.of(keys, definition).anywhere(ids)
    return {name for name, mark in zip(ids, marks, strict=True) if mark in listed}


def is_mark(listed: str) -> bool:
    """Whether an entry is the mark of a supplier's id, not an identity."""
    return listed.startswith(_MARK)
