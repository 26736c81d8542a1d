"""The supplier's terms as the ceiling of every grant: what exceeds them, and what they leave of a grant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from ..datasets.definitions import FieldGroup
from .models import Precision, Use
from .months import months_back
from .opened import GrantProfile

_FROM_FINE_TO_COARSE = tuple(Precision)


@dataclass(frozen=True)
class Ceiling:
    """One version of a supplier's terms. ``recipients`` are kinds or codes of organisations; none: any."""

    dataset: str
    version: int
    groups: tuple[FieldGroup, ...]
    precision: Precision
    grid_m: int
    uses: frozenset[Use]
    recipients: tuple[str, ...]
    suppression_threshold: int
    retention_months: int
    starts: date
    ends: date | None
    sha256: str

    def in_force(self, today: date) -> bool:
        """Whether the terms have started and not run out."""
        return self.starts <= today and (self.ends is None or today <= self.ends)

    def admits(self, code: str, kind: str) -> bool:
        """Whether an organisation of that code and kind may be given anything."""
        return not self.recipients or code in self.recipients or (bool(kind) and kind in self.recipients)

    def clip(self, grant: GrantProfile, today: date) -> GrantProfile:
        """What is left of the grant under these terms. It covers the same rows or fewer, and shows no more of them."""
        finest = (self.precision, self.grid_m)
        if self.precision == Precision.AGGREGATE:
            grant = grant.only_counted()
        elif grant.precision == Precision.AGGREGATE:
            counted, counted_m = coarser((grant.counted, grant.counted_m), finest)
            grant = replace(grant, counted=counted, counted_m=counted_m)
        precision, grid_m = coarser((grant.precision, grant.grid_m), finest)
        from_month = grant.from_month
        if self.retention_months:
            # The current month is the last of those kept.
            from_month = max(from_month, months_back(f"{today:%Y-%m}", self.retention_months - 1))
        return replace(
            grant,
            groups=tuple(group for group in grant.groups if group in self.groups),
            precision=precision,
            grid_m=grid_m,
            from_month=from_month,
            uses=grant.uses & self.uses,
        )

    def excess(
        self,
        groups: Iterable[FieldGroup],
        precision: Precision,
        grid_m: int,
        uses: Iterable[Use],
        last_months: int,
    ) -> list[str]:
        """In what a grant goes beyond these terms, in words; nothing where it does not."""
        found = []
        if fields := [group for group in groups if group not in self.groups]:
            found.append(f"the fields “{', '.join(fields)}” (permitted: {', '.join(self.groups)})")
        if coarser((precision, grid_m), (self.precision, self.grid_m)) != (precision, _cell(precision, grid_m)):
            finest = precision_in_words(self.precision, self.grid_m)
            found.append(f"{precision_in_words(precision, grid_m)} (the finest permitted: {finest})")
        if beyond := [use for use in Use if use in uses and use not in self.uses]:
            permitted = ", ".join(use for use in Use if use in self.uses)
            found.append(f"the use “{', '.join(beyond)}” (permitted: {permitted})")
        if self.retention_months and last_months > self.retention_months:
            found.append(f"the last {last_months} months (readable are {self.retention_months})")
        return found


def coarser(one: tuple[Precision, int], other: tuple[Precision, int]) -> tuple[Precision, int]:
    """The coarser of two precisions, each with the cell of its grid in metres (0 where it has none)."""
    precision = max(one[0], other[0], key=_FROM_FINE_TO_COARSE.index)
    return precision, max(_cell(*one), _cell(*other)) if precision == Precision.GRID else 0


def precision_in_words(precision: Precision, grid_m: int) -> str:
    """How exactly places show, for people."""
    return {
        Precision.POINT: "points as supplied",
        Precision.GRID: f"points snapped to a {grid_m} m grid",
        Precision.AREA: "no coordinates",
        Precision.AGGREGATE: "counts only, no rows",
    }[precision]


def _cell(precision: Precision, grid_m: int) -> int:
    return grid_m if precision == Precision.GRID else 0
