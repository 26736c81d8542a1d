"""What somebody asks of a collection's items, read from the parameters of the address."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ..analysis.places import Region
from ..analysis.visible import BadValue, Days, parse_day
from ..instants import LONDON
from .crs import Crs, parse_bbox, parse_crs
from .paging import SortKey, parse_sort

DEFAULT_LIMIT = 100
LARGEST_PAGE = 5_000
_OPEN = ("", "..")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)
_NAMED = ("bbox", "bbox-crs", "crs", "cursor", "datetime", "f", "limit", "sortby")


@dataclass(frozen=True)
class ItemsQuery:
    """``regions`` and ``days`` are ``None`` where they were not asked for."""

    crs: Crs
    limit: int
    cursor: str
    regions: list[Region] | None
    days: Days | None
    equal: dict[str, str]
    sort: tuple[SortKey, ...]
    text: tuple[tuple[str, str], ...]  # as it came, but for the cursor


def parse_items(parameters: Iterable[tuple[str, str]]) -> ItemsQuery:
    """The question; raises ``BadValue``. Whether the layer has the properties is the layer's to say."""
    pairs = list(parameters)
    given = dict(pairs)
    if len(given) != len(pairs):
        raise BadValue("A parameter", "each is given once")
    _parse_format(given.get("f"))
    box_crs = parse_crs(given.get("bbox-crs"), "bbox-crs")
    return ItemsQuery(
        crs=parse_crs(given.get("crs"), "crs"),
        limit=_parse_limit(given.get("limit")),
        cursor=given.get("cursor", ""),
        regions=parse_bbox(given["bbox"], box_crs) if "bbox" in given else None,
        days=parse_days(given["datetime"]) if "datetime" in given else None,
        equal={name: value for name, value in given.items() if name not in _NAMED},
        sort=parse_sort(given["sortby"]) if "sortby" in given else (),
        text=tuple(sorted((name, value) for name, value in given.items() if name != "cursor")),
    )


def parse_days(text: str) -> Days:
    """A day, an instant, or two of them with a slash between, ``..`` where open; raises ``BadValue``."""
    parts = text.split("/")
    if len(parts) == 1:
        day = _london_day(parts[0])
        return Days(day, day)
    if len(parts) != 2:
        raise BadValue("datetime", "a day or an instant, or two with a slash between")
    first, last = (None if part in _OPEN else _london_day(part) for part in parts)
    if first is not None and last is not None and first > last:
        raise BadValue("datetime", "its end lies before its beginning")
    return Days(first, last)


def _london_day(text: str) -> date:
    if not _INSTANT.fullmatch(text):
        return parse_day(text)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC).astimezone(LONDON).date()
    except (ValueError, OverflowError):
        raise BadValue("datetime", "there is no such instant") from None


def _parse_limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not _DIGITS.fullmatch(text) or int(text) < 1:
        raise BadValue("limit", "a whole number, at least 1")
    return min(int(text), LARGEST_PAGE)


def _parse_format(text: str | None) -> None:
    if text not in (None, "json", "geojson"):
        raise BadValue("f", "json")
