"""What the analysis routes give."""

from __future__ import annotations

from pydantic import BaseModel


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
