"""What is asked around a place, and what an answer comes to: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...shared.held_months import HeldMonths
from ...shared.presets import Preset
from ...shared.ring_answer import Place, RingAnswer
from ...shared.rings import FIXED_RADII, AnyBand

MOST_RADII = 5
LARGEST_RADIUS = 5_000


@dataclass(frozen=True)
class Question:
    """What is asked around a place.

    ``bands`` are of one's own choice, in place of the preset's; ``datasets`` narrows to these codes.
    """

    place: Place
    preset: Preset
    radii: tuple[int, ...] = FIXED_RADII
    bands: tuple[AnyBand, ...] = ()
    datasets: tuple[str, ...] = ()

    @property
    def asked_bands(self) -> tuple[AnyBand, ...]:
        """The bands to count in."""
        return self.bands or self.preset.bands

    @property
    def fixed(self) -> bool:
        """Whether it is one of the questions that everybody may ask."""
        return bool(self.place.postcode) and self.radii == FIXED_RADII and not self.bands

    def told(self) -> dict[str, object]:
        """As the audit keeps it."""
        at: dict[str, object] = {"easting": self.place.easting, "northing": self.place.northing}
        if self.place.postcode:
            at = {"postcode": self.place.postcode}
        bands = [band.words for band in self.bands]
        return {**at, "radii": list(self.radii), "preset": self.preset.name, **({"bands": bands} if bands else {})}


@dataclass(frozen=True)
class Answered:
    """An answer, the agreement of each dataset in it, and which of them are perturbed counts."""

    answer: RingAnswer
    agreements: dict[str, str]
    held: dict[str, HeldMonths]
    counted: frozenset[int] = field(default_factory=frozenset)  # positions in the answer's datasets

    def settled(self) -> Answered:
        """As it is told, once nothing more is taken away: without rate and rank of totals below one of their parts."""
        datasets = tuple(one.without_odd_totals() for one in self.answer.datasets)
        return replace(self, answer=replace(self.answer, datasets=datasets))
