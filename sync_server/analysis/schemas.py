"""What the analysis routes take and give."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, model_validator

MONTH_PATTERN = r"^[12][0-9]{3}-(0[1-9]|1[0-2])$"
MOST_RADII = 6
WIDEST_M = 5_000

Month = Annotated[str, StringConstraints(pattern=MONTH_PATTERN)]
Radius = Annotated[int, Field(ge=1, le=WIDEST_M, strict=True)]


class PostcodeAnswer(BaseModel):
    """A postcode's place: metres of EPSG:27700, how well it is known, and the areas of ``edition`` it lies in."""

    postcode: str
    easting: int
    northing: int
    quality: int
    quality_text: str
    lsoa_code: str
    borough_code: str
    borough: str
    edition: str


class FacetAnswer(BaseModel):
    """How many visible rows have a value; ``null`` counts those that do not show one.

    In a dataset of counts ``rows`` is the sum of the counts that are known, ``null`` where none is, and ``withheld``
    tells how many of them the supplier withheld because they are small: they are unknown, not 0.
    """

    value: Any
    rows: int | None
    withheld: int = 0


class FacetsAnswer(BaseModel):
    """Counts by a property, the largest first; ``others`` are rows of values that are not listed.

    ``counted`` names what is counted: incidents, or what the counts of the dataset are of. In a dataset of counts
    ``rows`` and ``others`` are ``null`` where the listed counts may be of the same people, or none is known.
    """

    dataset: str
    release: int
    by: str
    counted: str
    rows: int | None
    withheld: int = 0
    facets: list[FacetAnswer]
    others: int | None


class ProximityRequest(BaseModel):
    """Around what, in a postcode's or a place's words; ``radii`` in metres, months both included."""

    dataset: str = Field(max_length=32)
    postcode: str | None = Field(default=None, max_length=16)
    easting: int | None = Field(default=None, ge=0, le=700_000, strict=True)
    northing: int | None = Field(default=None, ge=0, le=1_300_000, strict=True)
    radii: list[Radius] = Field(default=[100, 250, 500], min_length=1, max_length=MOST_RADII)
    from_month: Month | None = None
    to_month: Month | None = None
    by: str | None = Field(default=None, max_length=64)

    @model_validator(mode="after")
    def _one_place(self) -> ProximityRequest:
        place = (self.easting is not None, self.northing is not None)
        if place not in ((True, True), (False, False)) or (self.postcode is None) != place[0]:
            raise ValueError("give a postcode, or an easting and a northing")
        if self.from_month and self.to_month and self.from_month > self.to_month:
            raise ValueError("the months end before they begin")
        return self


class PlaceAnswer(BaseModel):
    """The middle of the rings; ``warning`` where it is coarse against them."""

    postcode: str
    easting: int
    northing: int
    warning: str


class RingAnswer(BaseModel):
    """Rows at most ``radius_m`` away; ``coarse`` of them have a place that is known less exactly than that."""

    radius_m: int
    rows: int
    coarse: int


class RingsByValue(BaseModel):
    """Rows of one value in each ring, inner first."""

    value: Any
    rows: list[int]


class MonthAnswer(BaseModel):
    """Rows of a month; "" are those that show no month."""

    month: str
    rows: int


class ExactCounts(BaseModel):
    """Counts of the rows that the agreement shows. ``unplaced`` rows lie in no ring: they show no place."""

    rings: list[RingAnswer]
    by: str
    table: list[RingsByValue]
    unplaced: list[MonthAnswer]


class RoundedRing(BaseModel):
    """A ring's perturbed count."""

    radius_m: int
    rows: int


class RoundedBand(BaseModel):
    """A band of the day, in words, and its perturbed counts."""

    band: str
    rings: list[RoundedRing]


class RoundedValue(BaseModel):
    """A category's perturbed count in the outermost ring."""

    value: Any
    rows: int


class BoroughCounts(BaseModel):
    """Perturbed counts of a whole borough, or of London (whose ``code`` is its name): all, and by category."""

    code: str
    name: str
    rows: int
    table: list[RoundedValue]


class BoroughsAnswer(BaseModel):
    """Counts of a fixed year, perturbed: they do not add up, and 0 may be a few.

    A category that is not in a table has 0, which may be a few, too.

    ``boroughs`` are those of which everything may be counted; ``london`` is there where these are all of them. ``by``
    is the property of the tables, empty where the agreement does not let it be told.
    """

    dataset: str
    title: str
    release: int
    agreement: str
    from_month: str
    to_month: str
    rounding: int
    fewer_than: int
    by: str
    boroughs: list[BoroughCounts]
    london: BoroughCounts | None
    caveats: list[str]
    attribution: str


class RoundedMonth(BaseModel):
    """A month's count, rounded; ``null`` where it is small or nothing."""

    month: str
    rows: int | None


class RoundedCounts(BaseModel):
    """Counts of rows that are only counted, never shown: perturbed, in multiples of ``rounding``.

    No count but 0 is below ``fewer_than``, and 0 may be a few. They are of the months from ``from_month`` to
    ``to_month``, whatever the exact counts beside them are of, and do not add up.
    """

    rounding: int
    fewer_than: int
    from_month: str
    to_month: str
    rings: list[RoundedRing]
    by: str
    table: list[RoundedValue]
    bands: list[RoundedBand]
    unplaced: list[RoundedMonth]


class ProximityAnswer(BaseModel):
    """Counts around a place: ``exact`` of rows that are shown, ``rounded`` of others; each where there are such."""

    dataset: str
    title: str
    release: int
    agreement: str
    place: PlaceAnswer
    from_month: str
    to_month: str
    exact: ExactCounts | None
    rounded: RoundedCounts | None
    notes: list[str]
    caveats: list[str]
    attribution: str
