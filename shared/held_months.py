"""Which months data hold, so that what never came is not told as zero.

Data of one supplier hold every month from their first to their newest. Of data that sites return, such as hospitals,
the register of returns tells: an incident of a month may come with the return of another.
"""

from __future__ import annotations

from dataclasses import dataclass

from .windows import Window, month_number

_MOST_NAMED = 4


@dataclass(frozen=True)
class HeldMonths:
    """``first`` to ``newest``; of these only the ``returned``, where that is not empty."""

    first: str
    newest: str
    returned: tuple[str, ...] = ()

    @classmethod
    def of(cls, first: str, newest: str, returned: tuple[str, ...] = ()) -> HeldMonths:
        """The months of rows from ``first`` to ``newest``, or those of ``returned``, where a register tells them."""
        if not returned:
            return cls(first, newest)
        return cls(min(returned), max(returned), tuple(sorted(returned)))

    def holds(self, month: str) -> bool:
        """Whether a month without incidents had none."""
        return self.first <= month <= self.newest and (not self.returned or month in self.returned)

    def any_of(self, window: Window) -> bool:
        """Whether any month of the window is held."""
        return any(map(self.holds, window.months))

    def compares(self, now: Window, before: Window) -> bool:
        """Whether the two can be compared: what was returned is compared where every month of both was."""
        if not self.returned:
            return self.first <= before.first
        return all(map(self.holds, (*before.months, *now.months)))

    def gap_words(self, window: Window) -> str:
        """A sentence on the months of the window that are not held; empty where all are."""
        missing = [month for month in window.months if not self.holds(month)]
        if not missing:
            return ""
        if not self.returned:
            held = Window(self.first, self.newest)
            return f"Held for {held.label} only: other months of the period are missing from the counts."
        runs = _runs(missing)
        words = ", ".join(run.label for run in runs)
        if len(runs) > _MOST_NAMED:
            words = f"{len(missing)} of the {len(window.months)} months"
        return f"Nothing was returned for {words}: what happened then is missing from the counts, it is not zero."

    def none_words(self, window: Window) -> str:
        """“it holds January 2024 to December 2024, nothing of January 2025 to December 2025”."""
        return f"it holds {Window(self.first, self.newest).label}, nothing of {window.label}"


def _runs(months: list[str]) -> list[Window]:
    runs: list[Window] = []
    for month in months:
        if runs and month_number(month) == month_number(runs[-1].last) + 1:
            runs[-1] = Window(runs[-1].first, month)
        else:
            runs.append(Window(month, month))
    return runs
