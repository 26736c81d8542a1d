"""What is never loaded again: asked for by every load, before anything of a delivery is kept.

The list holds keyed identities; keyed marks of suppliers' ids, as they were written and by their letters and digits
alone, for the identity of a row whose id several rows of a month bear hangs on their other fields, but the id stays;
and keyed marks of what an incident has beside its id. Without the installation's keys none of them tells anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition, Within
from ..keys import Keys
from ..services import Services
from .likeness import LIKE, Likenesses, canonical
from .models import NeverLoad, Recall

ALIKE = "like an incident that was withdrawn for good"
_MARK = "id:"
_SPELLED, _CANONICAL = "recalled", "recalled-canonical"


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
        """The marks of ids in their months, of their spelling and of their letters and digits."""
        return self._both([(name, "" if self.everywhere else month) for name, month in ids_and_months])

    def anywhere(self, ids: Iterable[str]) -> list[str]:
        """The marks of ids whatever the month: of texts in which no month can be read."""
        return self._both([(name, "") for name in ids])

    def listed_in_months(self, ids_and_months: Iterable[tuple[str, str]], listed: Collection[str]) -> list[bool]:
        """Whether the list marks each id in its month, however it is spelled."""
        return self._listed([(name, "" if self.everywhere else month) for name, month in ids_and_months], listed)

    def listed_anywhere(self, ids: Iterable[str], listed: Collection[str]) -> list[bool]:
        """Whether the list marks each id in whatever month, however it is spelled."""
        return self._listed([(name, "") for name in ids], listed)

    def _both(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        return [*self._spelled(pairs), *filter(None, self._canonical(pairs))]

    def _listed(self, pairs: Sequence[tuple[str, str]], listed: Collection[str]) -> list[bool]:
        marks = zip(self._spelled(pairs), self._canonical(pairs), strict=True)
        return [spelled in listed or shaped in listed for spelled, shaped in marks]

    def _spelled(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        made = self.keys.identities((self.dataset, month, _SPELLED, name) for name, month in pairs)
        return [_MARK + mark for mark in made]

    def _canonical(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Those of ids without a letter or digit are empty."""
        shaped = [canonical(name) for name, _ in pairs]
        made = self.keys.identities(
            (self.dataset, month, _CANONICAL, name) for name, (_, month) in zip(shaped, pairs, strict=True)
        )
        return [_MARK + mark if name else "" for name, mark in zip(shaped, made, strict=True)]


@dataclass(frozen=True)
class Withheld:
    """What may be taken of a delivery; how many rows may not, and file and line of those that are only ``alike``."""

    rows: pl.DataFrame
    number: int = 0
    alike: Sequence[tuple[str, int]] = ()


def withhold(services: Services, session: Session, definition: DatasetDefinition, rows: pl.DataFrame) -> Withheld:
    """The delivered rows (``identity``, ``supplier_id``, ``period`` and the stored fields) that may be taken.

    What bears a recalled incident's identity or id may not. What has its fields under another id, or none, may not
    either, unless it is an incident that is held, and had those fields, beside the one that was recalled.
    """
    listed = never_load(session, definition.code)
    if not listed or rows.is_empty():
        return Withheld(rows)
    taken = pl.Series(rows.get_column("identity")).is_in(list(listed)).not_()
    if any(map(_is_mark_of_id, listed)):
        named = rows.select("supplier_id", "period").with_row_index().drop_nulls("supplier_id")
        pairs = named.select("supplier_id", "period").iter_rows()
        marked = Marks.of(services.keys, definition).listed_in_months(pairs, listed)
        refused = {index for index, bears in zip(named.get_column("index"), marked, strict=True) if bears}
        taken = taken & pl.Series([index not in refused for index in range(len(rows))], dtype=pl.Boolean)
    kept = rows.filter(taken)
    number = len(rows) - len(kept)
    alike = _alike(services, session, definition, kept, listed)
    if not alike:
        return Withheld(kept, number)
    apart = pl.Series([at in alike for at in range(len(kept))], dtype=pl.Boolean)
    places = kept.filter(apart).select("file", "line").iter_rows()
    return Withheld(kept.filter(~apart), number, [(file, line) for file, line in places])


def _alike(
    services: Services, session: Session, definition: DatasetDefinition, rows: pl.DataFrame, listed: Collection[str]
) -> set[int]:
    """The positions of rows that have a recalled incident's fields, and are not held with them."""
    if not any(entry.startswith(LIKE) for entry in listed):
        return set()
    recalled = select(Recall.months).where(Recall.dataset == definition.code, Recall.may_return.is_(False))
    months = {month for each in session.scalars(recalled) for month in each}
    likenesses = Likenesses(services.keys, definition)
    asked = rows.with_row_index("_at").filter(pl.col("period").is_in(list(months)))
    marks = likenesses.marks(asked.select(likenesses.columns).iter_rows())
    found = [
        (at, identity, mark)
        for (at, identity), mark in zip(asked.select("_at", "identity").iter_rows(), marks, strict=True)
        if mark in listed
    ]
    held = set(likenesses.of_held(session, [identity for _, identity, _ in found], only_standing=True))
    return {at for at, identity, mark in found if (identity, mark) not in held}


def washed(
    services: Services,
    session: Session,
    definition: DatasetDefinition,
    contents: list[dict[str, str]],
) -> list[dict[str, str]]:
    """What may be kept of rejected rows: nothing of those that bear the id of a recalled incident."""
    listed = never_load(session, definition.code)
    if not contents or not any(map(_is_mark_of_id, listed)):
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
    marked = Marks.of(keys, definition).listed_anywhere(ids, listed)
    return {name for name, bears in zip(ids, marked, strict=True) if bears}


def is_mark(listed: str) -> bool:
    """Whether an entry is the mark of a supplier's id or of a likeness, not an identity."""
    return _is_mark_of_id(listed) or listed.startswith(LIKE)


def _is_mark_of_id(listed: str) -> bool:
    return listed.startswith(_MARK)
