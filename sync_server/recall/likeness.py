"""By what a recalled incident is known again where it comes under another spelling of its id, another id, or none."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition
from ..datasets.erasing import columns_of_versions
from ..keys import Keys

LIKE = "like:"
_WHEN = frozenset(("month", "occurred_on", "occurred_time", "hour"))


def canonical(text: str) -> str:
    """Letters and digits alone, of one case and one shape: what no spelling of an id changes."""
    shaped = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(filter(str.isalnum, shaped))


def telling_fields(definition: DatasetDefinition) -> tuple[str, ...]:
    """The stable fields; where they say only when it was, what and where it was, too: at one minute there are many."""
    stable = definition.identity.stable
    if not set(stable) <= _WHEN:
        return stable
    return tuple(dict.fromkeys((*stable, definition.category_field, "easting", "northing")))


@dataclass(frozen=True)
class Likenesses:
    """Keyed marks of what incidents of a dataset have beside their id, as they are stored."""

    keys: Keys
    definition: DatasetDefinition

    @property
    def columns(self) -> tuple[str, ...]:
        """What ``marks`` takes of each row."""
        return ("period", *telling_fields(self.definition))

    def marks(self, rows: Iterable[Sequence[Any]]) -> list[str]:
        """The mark of each row; "" where half of it or more is not known, for that is like too many others."""
        texts = [[str(row[0]), *("" if value is None else canonical(str(value)) for value in row[1:])] for row in rows]
        told = [2 * sum(map(bool, text[1:])) > len(text) - 1 for text in texts]
        made = self.keys.identities((self.definition.code, "recalled-like", *text) for text in texts)
        return [LIKE + mark if tells else "" for mark, tells in zip(made, told, strict=True)]

    def of_held(
        self, session: Session, identities: Sequence[str], only_standing: bool = False
    ) -> Iterator[tuple[str, str]]:
        """Identity and mark of each version that is held of these incidents; or only of those that nothing ended."""
        rows = list(columns_of_versions(session, self.definition, identities, self.columns, only_standing))
        marks = self.marks(row[1:] for row in rows)
        yield from ((row[0], mark) for row, mark in zip(rows, marks, strict=True) if mark)
