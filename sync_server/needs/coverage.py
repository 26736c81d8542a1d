"""Which boroughs and months an agreement opens whole: a pack never shows part of a borough as if it were all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..agreements.opened import GrantProfile, Scope
from ..datasets.areas import AreaIndex


class Coverage:
    """What of each borough a scope shows."""

    def __init__(self, permitted: Scope, areas: AreaIndex) -> None:
        self._permitted = permitted
        self._lsoas: dict[str, set[str]] = {code: set() for code in areas.boroughs}
        for code, lsoa in areas.lsoas.items():
            self._lsoas.setdefault(lsoa.borough_code, set()).add(code)
        self._known: dict[tuple[int, ...], Mapping[str, GrantProfile]] = {}

    def shown(self, borough: str, months: Iterable[str]) -> list[str]:
        """The months of which every row of the borough is shown for the scope's use."""
        return [month for month in months if self._all(borough, month)]

    def _all(self, borough: str, month: str) -> bool:
        first = self._first_grants(month)
        whole = first.get(borough)
        own = [first.get(code, whole) for code in self._lsoas[borough]] or [whole]
        return all(grant is not None and self._permitted.gives(grant) for grant in own)

    def _first_grants(self, month: str) -> Mapping[str, GrantProfile]:
        """By area the grant through which its rows of the month are seen: the first that covers them."""
        covering = tuple(at for at, grant in enumerate(self._permitted.grants) if grant.covers(month))
        if covering not in self._known:
            first: dict[str, GrantProfile] = {}
            for at in covering:
                grant = self._permitted.grants[at]
                for code in grant.areas:
                    first.setdefault(code, grant)
                    for lsoa in self._lsoas.get(code, ()):
                        first.setdefault(lsoa, grant)
            self._known[covering] = first
        return self._known[covering]
