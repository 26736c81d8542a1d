"""Rates: counts divided by residents or others of a named edition; without a denominator there is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from qgis.PyQt.QtCore import QCoreApplication

from ....shared.disclosure import SMALLEST_BASE
from ..errors import ServerTrouble
from .area_sets import AreaSets, Held
from .counting import Counted
from .elsewhere import NOTHING, Elsewhere, can_be_asked, how_to_ask
from .selection import By, Selection, Within


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


@dataclass(frozen=True)
class Base:
    """What counts of a level are divided by; a rate is told per so many (``per``)."""

    kind: str
    words: str
    per: int
    by: By
    edition: str
    source: str
    values: Mapping[str, int] = field(hash=False)

    @property
    def title(self) -> str:
        """“per 1,000 residents (mid-2023)”."""
        return _tr("per {per:,} {words} ({edition})").format(per=self.per, words=self.words, edition=self.edition)

    def rate(self, count: int, codes: Collection[str]) -> float | None:
        """Per ``per``; ``None`` where one of the areas has no number, or all have none."""
        numbers = [self.values.get(code) for code in codes]
        if not numbers or None in numbers or not sum(numbers):
            return None
        return self.per * count / sum(numbers)


@dataclass(frozen=True)
class Bases:
    """All denominators that the server has loaded."""

    few_residents: int = 0
    bases: tuple[Base, ...] = ()

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Bases:
        """Those of ``GET /v1/denominators``; raises ``ServerTrouble`` where they cannot be read."""
        try:
            levels = {by.value for by in By}
            found = tuple(
                Base(
                    str(one["kind"]), str(one["words"]), int(one["per"]), By(one["level"]), str(one["edition"]),
                    str(one["source"]), {str(code): int(value) for code, value in one["values"].items()},
                )
                for one in answer["bases"]
                if one["level"] in levels
            )  # fmt: skip
            return cls(int(answer["few_residents"]), found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServerTrouble(
                "The server told its denominators in a way that cannot be read: update the plugin."
            ) from error

    def of(self, by: By) -> tuple[Base, ...]:
        """Those of a level."""
        return tuple(base for base in self.bases if base.by is by)

    def caution(self, base: Base, code: str, count: int) -> str:
        """Why a rate says little; empty where nothing speaks against it."""
        if base.by is By.BOROUGH and base.kind == "residents" and base.values.get(code, 0) < self.few_residents:
            return _tr("few residents: visitors, not residents, make its numbers")
        if count < SMALLEST_BASE:
            return _tr("fewer than {number} incidents: the rate may be chance").format(number=SMALLEST_BASE)
        return ""


class Beside(Enum):
    """What a line of a comparison is."""

    CHOSEN = "chosen"
    LONDON = "London"
    PEER = "peer"


@dataclass(frozen=True)
class Compared:
    """A borough, or all of London, beside those that were asked for; ``count`` is ``None`` where nobody tells it.

    ``about``: it is the server's, perturbed, not the copy's. Where one borough is not held, London is told without it,
    and named so.
    """

    beside: Beside
    name: str
    count: int | None
    rate: float | None
    caution: str
    about: bool = False


def boroughs_of(asked: Selection, sets: AreaSets) -> tuple[str, ...]:
    """The boroughs that the question is of, to be put beside others; none where it is of a shape or of all."""
    if asked.within is Within.BOROUGHS:
        return asked.codes
    known = sets.known(By.WARD) if asked.within is Within.WARDS else None
    if known is not None:
        return tuple(sorted({known.places[code].borough for code in asked.codes if code in known.places}))
    if asked.within is Within.LSOAS:
        lsoas = sets.boundaries.lsoas
        return tuple(sorted({lsoas[code].parent for code in asked.codes if code in lsoas}))
    return ()


def compare(
    counted: Counted,
    chosen: Sequence[str],
    base: Base | None,
    bases: Bases,
    sets: AreaSets,
    elsewhere: Elsewhere = NOTHING,
) -> tuple[Compared, ...]:
    """The chosen boroughs, London as a whole, then the boroughs that border the chosen ones.

    Each is told where the copy holds all of it, else as the server answers it; the counts are of the same question in
    each.
    """
    areas = sets.get(By.BOROUGH, None)
    peers = sets.neighbours(chosen) if chosen else frozenset()
    altered = _tr(
        "the server's answer, altered by a few so that nobody can be known; your copy does not hold it in full"
    )
    asking = "" if elsewhere is not NOTHING or can_be_asked(counted.asked) else how_to_ask()
    why = f"; {elsewhere.why or asking}" if elsewhere.why or asking else ""

    def line(beside: Beside, code: str) -> Compared:
        number = counted.boroughs.get(code, 0) if counted.boroughs_held[code] is Held.WHOLE else None
        if number is None and code in elsewhere.counts and code not in counted.uncovered:
            number = elsewhere.counts[code]
            rate = base.rate(number, [code]) if base is not None else None
            flagged = bases.caution(base, code, number) if base is not None and rate is not None else ""
            caution = f"{flagged}; {altered}" if flagged else altered
            return Compared(beside, areas.places[code].name, number, rate, caution, about=True)
        rate = base.rate(number, [code]) if base is not None and number is not None else None
        caution = bases.caution(base, code, number) if base is not None and rate is not None else ""
        if code in counted.uncovered:
            caution = _tr(
                "the layer has no incident there at any time, or a few strays: it does not cover this borough"
            )
        elif number is None:
            part = counted.boroughs_held[code] is Held.PART
            caution = (_tr("only in part in your copy") if part else _tr("not in your copy")) + why
        return Compared(beside, areas.places[code].name, number, rate, caution)

    missing = [code for code, held in counted.boroughs_held.items() if held is not Held.WHOLE]
    if missing and elsewhere.london is not None and not counted.uncovered:
        rate = base.rate(elsewhere.london, list(areas.places)) if base is not None else None
        london = Compared(Beside.LONDON, _tr("London"), elsewhere.london, rate, altered, about=True)
    elif len(missing) > 1:
        words = _tr("your copy does not hold {missing} of {number} boroughs in full")
        words = words.format(missing=len(missing), number=len(areas.places)) + ("" if counted.uncovered else why)
        london = Compared(Beside.LONDON, _tr("London"), None, None, words)
    else:
        whole = [code for code in areas.places if code not in missing]
        number = sum(counted.boroughs.get(code, 0) for code in whole)
        rate = base.rate(number, whole) if base is not None else None
        lacking = base is not None and rate is None
        words = _tr("{edition} does not name all boroughs").format(edition=base.edition) if lacking else ""
        name = _tr("London")
        if missing:
            name = _tr("London without {borough}").format(borough=areas.places[missing[0]].name)
        london = Compared(Beside.LONDON, name, number, rate, words)
    known = [code for code in chosen if code in areas.places]
    return (
        *(line(Beside.CHOSEN, code) for code in known),
        london,
        *(line(Beside.PEER, code) for code in areas.places if code in peers),
    )
