"""A dataset's counts by category and ring as rows of words: exact, or by the disclosure rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...shared.disclosure import (
    PublishedCount,
    published_change,
    published_count,
    published_rings,
    published_table,
    published_words,
)
from ..core.proximity import DatasetRings, RingCounts
from .sheet import Mode, number, tr

NOTHING = "–"
WITHHELD = "*"  # masked only because a small count could be worked out from it


@dataclass(frozen=True)
class Row:
    """A row of the printed table; ``weak`` where the change rests on small counts."""

    label: str
    counts: tuple[str, ...]
    per_km2: str
    before: str
    change: str
    weak: bool = False
    total: bool = False


def ring_table(dataset: DatasetRings, areas_km2: Sequence[float], room: int, mode: Mode) -> list[Row]:
    """The categories in at most ``room`` rows, the smallest put together, and their total as the last row."""
    rows = grouped(dataset.rows, room)
    total = RingCounts(tr("All incidents"), dataset.total.counts, dataset.total.previous)
    if mode is Mode.PUBLICATION:
        return _published(rows, total, areas_km2[-1])
    return [_exact(row, areas_km2[-1], row is total) for row in (*rows, total)]


def grouped(rows: Sequence[RingCounts], room: int) -> list[RingCounts]:
    """The first categories, and the rest put together, in at most ``room`` rows."""
    if len(rows) <= room:
        return list(rows)
    kept, rest = rows[: room - 1], rows[room - 1 :]
    counts = tuple(map(sum, zip(*(row.counts for row in rest))))
    before = [row.previous for row in rest if row.previous is not None]
    previous = tuple(map(sum, zip(*before))) if len(before) == len(rest) else None
    return [*kept, RingCounts(tr("Other ({n} categories)").format(n=len(rest)), counts, previous)]


def _exact(row: RingCounts, area_km2: float, total: bool) -> Row:
    return Row(
        label=row.label,
        counts=tuple(number(count) for count in row.counts),
        per_km2=_rate(row.counts[-1], area_km2),
        before=NOTHING if row.previous is None else number(row.previous[-1]),
        change=_change(row.change(-1)),
        weak=row.change_is_weak(-1),
        total=total,
    )


def _published(rows: Sequence[RingCounts], total: RingCounts, area_km2: float) -> list[Row]:
    """Masked, rounded and safe against subtraction: between rings, and between categories and their total."""
    compared = total.previous is not None and all(row.previous is not None for row in rows)
    exact = [_columns(row, compared) for row in (*rows, total)]
    safe = published_table(exact[:-1])
    columns = [*safe.rows, safe.totals] if rows else [tuple(published_count(count) for count in exact[-1])]
    made = []
    for row, counts, against_totals in zip((*rows, total), exact, columns):
        against_rings = [*published_rings(row.counts), published_count(counts[-1])][: len(counts)]
        cells = [None if b is None else a for a, b in zip(against_rings, against_totals)]
        words = [_words(count, cell) for count, cell in zip(counts, cells)]
        outer = cells[len(row.counts) - 1]
        made.append(
            Row(
                label=row.label,
                counts=tuple(words[: len(row.counts)]),
                per_km2=NOTHING if outer is None else _rate(outer, area_km2),
                before=words[-1] if compared else NOTHING,
                change=_change(published_change(outer, cells[-1]) if compared else None),
                total=row is total,
            )
        )
    return made


def _columns(row: RingCounts, compared: bool) -> tuple[int, ...]:
    return (*row.counts, row.previous[-1]) if compared and row.previous is not None else row.counts


def _words(exact: int, cell: PublishedCount) -> str:
    return WITHHELD if cell is None and published_count(exact) is not None else published_words(cell)


def _rate(count: int, area_km2: float) -> str:
    rate = count / area_km2
    return f"{rate:,.0f}" if rate >= 10 or not rate else f"{rate:,.1f}"


def _change(ratio: float | None) -> str:
    return NOTHING if ratio is None else f"{ratio * 100:+,.0f} %".replace("-", "−")
