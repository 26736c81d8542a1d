"""What happened around a place: incidents counted in rings, per dataset and category.

A ring holds every incident at a distance ≤ its radius, so the counts are cumulative. Datasets are never added up:
police, ambulance and fire record the same event each in their own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from qgis.core import QgsGeometry

from .periods import Period

DEFAULT_RADII = (100, 250, 500)
SMALL_NUMBER = 10  # below this a change says little and is greyed


@dataclass(frozen=True)
class Place:
    """The centre of a search in whole metres of EPSG:27700.

    ``label`` is the postcode, or “Point 530000, 180000”; ``accuracy`` says in a sentence what the point stands for;
    ``borough`` is empty outside London.
    """

    label: str
    easting: int
    northing: int
    accuracy: str
    postcode: str = ""
    borough: str = ""
    warning: str = ""


@dataclass(frozen=True)
class RingCounts:
    """Cumulative counts of one category (or of a whole dataset), one per radius, now and in the period before.

    ``previous`` is ``None`` where the period before is not held.
    """

    label: str
    counts: tuple[int, ...]
    previous: tuple[int, ...] | None

    def change(self, ring: int) -> float | None:
        """The change in ring number ``ring`` against the period before, as a ratio (0.1 = up 10 %)."""
        if self.previous is None or not self.previous[ring]:
            return None
        return self.counts[ring] / self.previous[ring] - 1

    def change_is_weak(self, ring: int) -> bool:
        """Whether either figure is below ``SMALL_NUMBER``, so that the change says little."""
        return self.previous is None or min(self.counts[ring], self.previous[ring]) < SMALL_NUMBER


@dataclass(frozen=True)
class DatasetRings:
    """One dataset's part of a search.

    ``rows`` are the categories, largest first, ``total`` all of them; ``unplaced`` counts rows of the period without
    a place, anywhere in the layer, which no ring can count (``None``: not known); ``largest_stack`` is the greatest number of
    incidents on one and the same point within the outer ring; ``snapped`` says that points were moved to shared map
    points; ``hours`` is 7 rows (Monday first) of 24 counts in the outer ring where the data tell the hour.
    """

    layer_id: str
    dataset: str
    title: str
    rows: tuple[RingCounts, ...]
    total: RingCounts
    period: Period | None
    previous_period: Period | None
    unplaced: int | None
    largest_stack: int
    snapped: bool
    caveats: tuple[str, ...]
    attribution: str
    synthetic: bool
    newest_month: str
    hours: tuple[tuple[int, ...], ...] | None
    unknown_hour: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProximityResult:
    """A finished search: ``rings`` are circles in EPSG:27700, ``areas_km2`` their areas, one per radius."""

    place: Place
    radii: tuple[int, ...]
    areas_km2: tuple[float, ...]
    rings: tuple[QgsGeometry, ...]
    period: Period | None
    band: str  # the words for the hours counted, empty for all
    datasets: tuple[DatasetRings, ...]
    searched_on: date

    @property
    def title(self) -> str:
        """“Incidents around SE1 2AA, January 2025 to December 2025”."""
        period = f", {self.period.label}" if self.period else ""
        return f"Incidents around {self.place.label}{period}"

    @property
    def synthetic(self) -> bool:
        """Whether any of the datasets is synthetic."""
        return any(dataset.synthetic for dataset in self.datasets)

    def per_km2(self, count: int, ring: int) -> float:
        """Incidents per km² of the whole circle of ring number ``ring``."""
        return count / self.areas_km2[ring]
