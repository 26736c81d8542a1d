"""Tables of ranks: the distributions of a borough, kept, found again, and what is lacking."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...shared.presets import Exclusion
from ...shared.ranks import Distribution
from ...shared.rings import Band
from ...shared.windows import Window
from .models import RankTable

_PLACES_LACKING = ""  # as a borough: the table tells how many rows have no place


@dataclass(frozen=True)
class RankQuestion:
    """What a table is of: rows of a release, as rights of that digest count them, in the months of a window."""

    dataset: str
    release: int
    rights: str
    window: Window
    band: Band
    leave_out: Exclusion

    def key(self, borough: str) -> dict[str, Any]:
        """The columns by which the table of a borough is found."""
        return {
            "dataset": self.dataset,
            "release": self.release,
            "rights": self.rights,
            "borough": borough,
            "first": self.window.first,
            "last": self.window.last,
            "band": self.band.name,
            "left_out": ",".join(sorted((*self.leave_out.categories, *self.leave_out.flags))),
        }


@dataclass(frozen=True)
class Ranks:
    """A borough's: how often each count occurs among its postcodes, by category (``None``: all) and radius."""

    postcodes: int
    distributions: Mapping[tuple[str | None, int], Distribution]

    def of(self, category: str | None, radius: int) -> Distribution:
        """That of a category and ring; one that never occurs in the borough is 0 everywhere."""
        return self.distributions.get((category, radius)) or Distribution((0,), (self.postcodes,))

    def packed(self) -> bytes:
        """As ``RankTable.content``."""
        rows = [[category, radius, one.counts, one.postcodes] for (category, radius), one in self.distributions.items()]
        return _packed({"postcodes": self.postcodes, "distributions": rows})

    @classmethod
    def unpacked(cls, content: bytes) -> Ranks:
        """What was packed."""
        document = _unpacked(content)
        return cls(
            document["postcodes"],
            {
                (category, radius): Distribution(tuple(c), tuple(p))
                for category, radius, c, p in document["distributions"]
            },
        )


def find_ranks(session: Session, question: RankQuestion, borough: str) -> Ranks | None:
    """The borough's table; ``None`` where it is still to be made."""
    content = session.scalar(select(RankTable.content).filter_by(**question.key(borough)))
    return None if content is None else Ranks.unpacked(content)


def find_unplaced(session: Session, question: RankQuestion) -> int | None:
    """How many rows of the window, anywhere, have no place; ``None`` where it is still to be counted."""
    content = session.scalar(select(RankTable.content).filter_by(**question.key(_PLACES_LACKING)))
    return None if content is None else int(_unpacked(content)["unplaced"])


def has_table(session: Session, question: RankQuestion, borough: str = _PLACES_LACKING) -> bool:
    """Whether the table was made."""
    return session.scalar(select(RankTable.rank_table_id).filter_by(**question.key(borough))) is not None


def unplaced_content(number: int) -> bytes:
    """As ``RankTable.content``, of how many rows have no place."""
    return _packed({"unplaced": number})


def _packed(document: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode())


def _unpacked(content: bytes) -> Any:
    return json.loads(zlib.decompress(content))
