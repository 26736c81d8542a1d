"""What a saved query is made of: codes, months, days, values of code lists and a shape; no words but its name."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

_YEAR = "(199[0-9]|20[0-9]{2})"  # no \d in patterns: it takes the digits of every script
_Month = Annotated[str, StringConstraints(pattern=rf"^({_YEAR}-(0[1-9]|1[0-2]))?$")]
_Day = Annotated[str, StringConstraints(pattern=rf"^({_YEAR}-[0-9]{{2}}-[0-9]{{2}})?$")]
_AreaCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{8}$")]
_Column = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
_Value = Annotated[str, StringConstraints(max_length=120)]
_SHAPE = r"^((Multi)?Polygon ?\([-0-9., ()]+\))?$"


def _one_line(name: str) -> str:
    name = " ".join(name.split())
    if not name or any(unicodedata.category(mark)[0] == "C" for mark in name):
        raise ValueError("a name is one line of characters that print")
    return name


class Hours(BaseModel):
    """From ``first`` o'clock to the end of hour ``last``, through midnight or not, begun on ``days`` (0 = Monday)."""

    model_config = ConfigDict(extra="forbid")

    first: int = Field(ge=0, le=23)
    last: int = Field(ge=0, le=23)
    days: list[Annotated[int, Field(ge=0, le=6)]] = Field(min_length=1, max_length=7)


class Definition(BaseModel):
    """What is asked of one dataset.

    ``categories``: values of the dataset's category, each perhaps with one of the column ``refined_by``; none: all.
    ``codes`` are of the areas of ``within``; ``shape`` is a polygon in EPSG:27700 as WKT.
    """

    model_config = ConfigDict(extra="forbid")

    dataset: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    from_month: _Month = ""
    to_month: _Month = ""
    from_day: _Day = ""
    to_day: _Day = ""
    hours: Hours | None = None
    refined_by: _Column | Literal[""] = ""
    categories: list[Annotated[list[_Value], Field(min_length=1, max_length=2)]] = Field(default=[], max_length=300)
    within: Literal["all", "boroughs", "wards", "lsoas", "shape"] = "all"
    codes: list[_AreaCode] = Field(default=[], max_length=5000)
    shape: Annotated[str, StringConstraints(max_length=40_000, pattern=_SHAPE)] = ""
    by: Literal["borough", "ward", "lsoa", "whole"] = "borough"


class QueryRequest(BaseModel):
    """A query to be kept; ``shared``: with the people of one's organisation."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=100), AfterValidator(_one_line)]
    definition: Definition
    shared: bool = False


class QueryAnswer(BaseModel):
    """One query as its reader may see it.

    Where ``reason`` tells why the reader cannot run it, the name of somebody else's is empty: it may tell of what the
    reader may not see.
    """

    id: str
    name: str
    dataset: str
    title: str
    owner: str
    own: bool
    removable: bool  # it is the reader's own, or its author has left and the reader manages the organisation's people
    shared: bool
    changed_at: str
    reason: str = ""
    reason_code: str = ""


class QueriesAnswer(BaseModel):
    """One's own, and those that were shared with one's organisation, by name."""

    queries: list[QueryAnswer]


class OpenedQuery(BaseModel):
    """What a query asks, told to somebody who may run it."""

    query: QueryAnswer
    definition: Definition
