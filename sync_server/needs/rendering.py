"""A pack as a page (HTML), which is its accessible form, and as a document (PDF)."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from ...shared.change import RateChange
from ...shared.windows import month_number, month_words
from ..instants import LONDON
from ..oversight.rendering import stylesheet as report_style
from ..page_templates import templates_in
from ..printing import printed
from ..quality.charts import area_map, class_ranges, swatch
from ..quality.rendering import changed, percent
from ..quality.rendering import stylesheet as quality_style
from . import tables
from .charts import pareto_chart, rate_bars, rolling_chart, trend_chart, week_grid
from .declared import Overlap
from .model import NOT_HELD, NeedsPack, Service, Told
from .models import Kind
from .tables import Cell, Column, Shown

TEMPLATES = Path(__file__).parent / "templates"
_QUALITY_TEMPLATES = Path(__file__).parents[1] / "quality" / "templates"
_LSOAS_LISTED = 10
_MAP_WIDTH = 480


def pack_html(pack: NeedsPack) -> str:
    """A whole page, with its style in it and nothing to be fetched."""
    style = Markup(report_style() + quality_style() + (TEMPLATES / "needs.css").read_text(encoding="utf-8"))
    period = _period(pack)
    titles = {part.definition.code: part.definition.title for part in pack.parts}

    def titles_of(overlap: Overlap) -> str:
        return ", ".join(titles[code] for code in overlap.datasets if code in titles)

    body = (
        _environment()
        .get_template("needs.html")
        .render(
            pack=pack,
            period=period,
            titles=titles_of,
            overview=tables.overview(pack),
            beside=tables.beside(pack),
            quality=tables.quality(pack),
            denominators=tables.denominators(pack),
            numbers=[
                (table, one.definition.cautions) for table, one in zip(tables.numbers(pack), pack.numbers, strict=True)
            ],
            parts=[_part(pack, one) for one in pack.services],
            basis=tables.basis(pack),
            agreements=[
                f"{part.definition.title}: agreement {part.agreement}, release {part.release}" for part in pack.parts
            ],
        )
    )
    title = f"{pack.title}: {pack.borough}"
    return _environment().get_template("page.html").render(title=title, period=period, body=Markup(body), style=style)


def pack_pdf(pack: NeedsPack) -> bytes:
    """A4, tagged, with page numbers and the marking on every page."""
    return printed(pack_html(pack))


def _part(pack: NeedsPack, one: Service) -> dict[str, Any]:
    code, title = one.definition.code, f"{one.definition.title} in {pack.borough}"
    counts = {line.code: line.count.count for line in one.lsoas}
    names = {line.code: f"{line.name}: {line.count.words}" for line in one.lsoas}
    rated = [(line, line.rates[Kind.RESIDENTS]) for line in one.boroughs if Kind.RESIDENTS in line.rates]
    rated.sort(key=lambda pair: (-pair[1], pair[0].name))
    london = one.london.rates.get(Kind.RESIDENTS) if one.london else None
    many = any(told.count is not None for told in one.months.values())
    compared = bool(rated) and not one.no_comparison
    return {
        "service": one,
        "nothing": all(told.count == 0 for told in one.months.values()),
        "lacking": any(told.mark == NOT_HELD for told in one.months.values()),
        "withheld": any(told.count is None and told.mark.startswith(("<", "*")) for told in one.months.values()),
        "step": max(told.months for told in one.months.values()),
        "trend": trend_chart(one.months, one.partial, f"{title} by month", f"trend-{code}") if many else "",
        "rolling": rolling_chart(one.rolling, list(one.months), f"{title}, sums of twelve months")
        if len(one.rolling) > 1
        else "",
        "categories": tables.categories(one),
        "pareto": pareto_chart(one.categories, f"{title} by category", f"pareto-{code}") if one.categories else "",
        "week": week_grid(one.week, f"{title} by weekday and hour", f"week-{code}") if one.week else "",
        "map": ""
        if one.no_map
        else area_map(
            pack.shapes,
            names,
            counts,
            f"{title}, a map by LSOA; the workbook has its table",
            f"map-{code}",
            width=_MAP_WIDTH,
            scale_km=1,
        ),
        "classes": class_ranges([count for count in counts.values() if count]),
        "lsoas": tables.lsoas(pack, one, _LSOAS_LISTED) if not one.no_map else None,
        "boroughs": tables.comparison(pack, one, near=True),
        "rates": rate_bars(rated, london, f"{one.definition.title} by borough", "per 1,000 residents")
        if compared
        else "",
        "edition": pack.divisors[Kind.RESIDENTS].edition if Kind.RESIDENTS in pack.divisors else "",
        "few": any(line.few_residents for line, _ in rated),
    }


def _period(pack: NeedsPack) -> str:
    """From the first month of the pack's years to the last."""
    if not pack.services:
        return month_words(max(one.month for one in pack.numbers))
    first = min((one.now_window.first for one in pack.services), key=month_number)
    last = max((one.now_window.last for one in pack.services), key=month_number)
    return f"{month_words(first)} to {month_words(last)}"


def cell(value: Cell, column: Column) -> str:
    """A table's cell for people."""
    if value is None:
        return "–"
    if isinstance(value, Told):
        return value.words
    if isinstance(value, float):
        if column.shown is Shown.RATE:
            return f"{value:,.1f}"
        return changed(value) if column.title in ("Change", "at least", "at most") else percent(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _ratio(change: RateChange) -> str:
    return "–" if change.ratio is None else changed(change.ratio - 1)


def _bounds(change: RateChange) -> str:
    high = "any" if math.isinf(change.high) else changed(change.high - 1)
    certain = "" if change.certain else "; it may be chance"
    few = "; few incidents" if change.weak else ""
    return f"{changed(change.low - 1)} to {high}{certain}{few}"


def _is_weak(row: list[Cell]) -> bool:
    """Whether a line's change rests on few incidents, and is greyed."""
    counts = [value.count for value in row if isinstance(value, Told)]
    return any(count is None or count < 10 for count in counts)


@cache
def _environment() -> Environment:
    environment = templates_in(TEMPLATES, _QUALITY_TEMPLATES)
    environment.filters.update(
        cell=cell,
        ratio=_ratio,
        bounds=_bounds,
        number=lambda value: f"{value:,}",
        moment=lambda value: f"{value.astimezone(LONDON):%-d %B %Y, %H:%M}",
    )
    environment.globals.update(swatch=swatch, weak=_is_weak)
    return environment
