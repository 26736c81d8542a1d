"""What a pack tells of the numbers that were released, and why it tells no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...shared.change import RateChange, change
from ...shared.disclosure import SMALLEST_BASE
from ...shared.windows import YEAR
from ..quality.register import CAME, Register
from .counting import Counts
from .model import (
    NOTHING_HELD,
    PART,
    CategoryLine,
    Mode,
    Told,
)
from .release import Released


def came(register: Register, month: str) -> bool:
    return register.counted(month, *CAME) > 0


def changed_by(now: Told, before: Told | None, mode: Mode) -> RateChange | None:
    """The change of a year; in public from published counts, and none on a small base."""
    if before is None or now.count is None or before.count is None:
        return None
    if mode is Mode.PUBLIC and before.count < SMALLEST_BASE:
        return None
    return change(now.count, before.count)


def no_change(compared: bool, changed: RateChange | None, released: Released) -> str:
    if changed is not None:
        return ""
    if released.before is None or not compared:
        return "no change is told: the twelve months before, or these, are not held in full"
    return f"no change is told: fewer than {SMALLEST_BASE} to compare with"


def categories_told(released: Released, compared: bool, mode: Mode) -> list[CategoryLine]:
    total, running, known = released.now.count, 0, True
    lines = []
    for label, told, before in released.categories:
        running, known = running + (told.count or 0), known and told.count is not None
        share = None if told.count is None or not total else told.count / total
        lines.append(
            CategoryLine(
                label=label,
                now=told,
                share=share,
                # Published parts are rounded: they may come to a little more than their total.
                cumulative=min(running / total, 1.0) if known and total else None,
                before=before or NOTHING_HELD,
                change=changed_by(told, before, mode) if compared else None,
            )
        )
    return lines


def in_blocks(by_month: Mapping[str, Told], step: int) -> dict[str, Told]:
    """A block's count beside its newest month, and its other months as parts of that."""
    if step == 1:
        return dict(by_month)
    shown = {}
    for at, (month, told) in enumerate(reversed(list(by_month.items()))):
        part = told is not NOTHING_HELD and at % step
        shown[month] = Told(None, PART) if part else replace(told, months=step) if told.count is not None else told
    return dict(reversed(list(shown.items())))


def rolling(by_month: Mapping[str, Told], step: int) -> dict[str, int]:
    """Sums of twelve months by the last of them, of what is shown: where all of them are told."""
    months, counts = list(by_month), [told.count for told in by_month.values()]
    found = {}
    for end in range(len(months), YEAR - 1, -step):
        known = [count for count in counts[end - YEAR : end : step] if count is not None]
        if None not in counts[end - YEAR : end]:
            found[months[end - 1]] = sum(known)
    return dict(sorted(found.items()))


def no_week(counts: Counts, released: Released) -> str:
    if not counts.has_hours:
        return "The data do not tell the day of the week and the hour."
    return "" if released.week else "Too few to be told by weekday and hour."


def no_map(counts: Counts, released: Released) -> str:
    if not counts.by_lsoa:
        return "The agreement does not show LSOAs, or nothing happened."
    return "" if any(told.count for code, told in released.by_lsoa.items() if code) else "Too few to be told by LSOA."
