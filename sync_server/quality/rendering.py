"""Cards and packs as page (HTML), as a part of a page of the console, and as document (PDF)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from ...shared.disclosure import SMALLEST_BASE
from ..instants import LONDON
from ..oversight.periods import month_in_words
from ..oversight.rendering import stylesheet as report_style
from ..page_templates import templates_in
from ..printing import printed
from .card import Card
from .charts import Bar, area_map, class_ranges, hour_grid, level_bars, month_bars, swatch
from .counting import WEEKDAYS
from .pack import Line, Pack, by_code
from .register import SiteMonth, Standing
from .standards import Level

TEMPLATES = Path(__file__).parent / "templates"
_MARKS = {Standing.MISSING: "missing", Standing.AWAITED: "not due", Standing.TAKEN_BACK: "taken back"}
_HALF = (190, 480)  # of a page's width: room for labels, and all of it


def card_body(card: Card) -> Markup:
    """The card alone, to be set into a page that has both style sheets; no style or script is in it."""
    return _body("card.html", card=card, chart=_trend_of(card))


def card_html(card: Card) -> str:
    """A whole page, with its style in it and nothing to be fetched."""
    return _page(card.title, month_in_words(card.month), card_body(card))


def card_pdf(card: Card) -> bytes:
    """A4, tagged, with page numbers."""
    return printed(card_html(card))


def pack_body(pack: Pack) -> Markup:
    """As ``card_body``, a pack of London or of a borough."""
    if pack.borough:
        return _body("borough.html", pack=pack, **_borough_charts(pack))
    return _body("pack.html", pack=pack, **_pack_charts(pack))


def pack_html(pack: Pack) -> str:
    """As ``card_html``."""
    return _page(pack.title, month_in_words(pack.month), pack_body(pack))


def pack_pdf(pack: Pack) -> bytes:
    """As ``card_pdf``."""
    return printed(pack_html(pack))


def stylesheet() -> str:
    """What cards and packs need beside the reports' style."""
    return (TEMPLATES / "quality.css").read_text(encoding="utf-8")


def percent(share: float | None) -> str:
    """A share as people read it."""
    if share is None:
        return "–"
    told = f"{100 * share:.0f}"
    # What is not all and not none is never told as such.
    if told == "100" and share < 1:
        return "over 99\N{NO-BREAK SPACE}%"
    if told == "0" and share > 0:
        return "under 1\N{NO-BREAK SPACE}%"
    return f"{told}\N{NO-BREAK SPACE}%"


def changed(share: float | None) -> str:
    """A change with its sign."""
    if share is None:
        return "–"
    number = round(100 * share)
    sign = "+" if number > 0 else "\N{MINUS SIGN}" if number < 0 else "±"
    return f"{sign}{abs(number)}\N{NO-BREAK SPACE}%"


def short_month(month: str) -> str:
    """``Nov 26``."""
    words = month_in_words(month)
    return f"{words[:3]} {month[2:4]}"


def bar_of(one: SiteMonth, emphatic: bool) -> Bar:
    """A month of a site as a bar: what did not come is no zero."""
    if one.measure is None:
        return Bar(short_month(one.month), None, _MARKS.get(one.standing, ""))
    return Bar(short_month(one.month), one.measure.accepted, emphatic=emphatic)


def _trend_of(card: Card) -> Markup:
    bars = [bar_of(one, one.month == card.month) for one in card.trend]
    told = "; ".join(f"{month_in_words(one.month)} {_rows_told(one)}" for one in card.trend)
    mean = card.now.rating.change.mean if card.now.rating else None
    return month_bars(bars, f"Rows taken by month: {told}.", "missing-months", height=170, mean=mean)


def _rows_told(one: SiteMonth) -> str:
    return one.word.lower() if one.measure is None else f"{one.measure.accepted:,}"


def _pack_trend(pack: Pack, height: int) -> Markup:
    """The trend; under each month how many of the expected returns came."""
    bars, told = [], []
    for one in pack.trend:
        under = f"{one.came}/{one.expected}" if one.expected else f"{one.came} came" if one.came else ""
        emphatic = one.month == pack.month
        words = pack.publisher.words(one.count)
        if not one.open:
            # Not in the agreement, or nothing came of the whole month.
            mark = "missing" if one.expected and not one.came else ""
            bars.append(Bar(short_month(one.month), None, mark, under))
            told.append(f"{month_in_words(one.month)} {mark or 'not open'}")
            continue
        if not one.whole and one.count == 0:
            # Of few returns none tells nothing of the month.
            bars.append(Bar(short_month(one.month), None, "unknown", under))
            told.append(f"{month_in_words(one.month)} not known")
            continue
        mark = words if one.count is None else ""
        bars.append(Bar(short_month(one.month), one.count or 0, mark, under, emphatic, partial=not one.whole))
        told.append(f"{month_in_words(one.month)} {words}{'' if one.whole else ', of some returns alone'}")
    return month_bars(bars, f"Incidents by month: {'; '.join(told)}.", "trend-missing", height)


def _line_bars(pack: Pack, lines: Sequence[Line], title: str, label_width: int, width: int) -> Markup:
    bars = [
        Bar(line.label, line.count or 0, pack.publisher.words(None) if line.count is None else "") for line in lines
    ]
    told = "; ".join(f"{line.label} {pack.publisher.words(line.count)}" for line in lines)
    return level_bars(bars, f"{title}: {told}.", width, label_width)


def _pack_charts(pack: Pack) -> dict[str, Any]:
    counts = by_code(pack.boroughs)
    return {
        "trend": _pack_trend(pack, 190),
        "categories": _line_bars(pack, pack.categories, pack.category, *_HALF),
        "kinds": _line_bars(pack, pack.kinds, pack.kind, *_HALF) if pack.kinds else "",
        "hours": hour_grid(WEEKDAYS, pack.hours, f"{pack.title}, by weekday and hour", "masked-hours")
        if pack.hours
        else "",
        "map": area_map(pack.shapes, pack.names, counts, f"{pack.title}: {_map_told(pack)}", "masked-boroughs"),
        "classes": class_ranges([count for count in counts.values() if count]),
        "thirds": _thirds(pack.boroughs),
        "changes": any(line.change is not None for line in pack.boroughs),
        "smallest_base": SMALLEST_BASE,
    }


def _borough_charts(pack: Pack) -> dict[str, Any]:
    return {
        "trend": _pack_trend(pack, 132),
        "categories": _line_bars(pack, pack.categories, pack.category, *_HALF),
        "kinds": _line_bars(pack, pack.kinds, pack.kind, *_HALF) if pack.kinds else "",
        "weekdays": _line_bars(pack, pack.weekdays, "By weekday", *_HALF) if pack.weekdays else "",
        "bands": _line_bars(pack, pack.bands, "By time of day", *_HALF) if pack.bands else "",
        "sites": _line_bars(pack, pack.sites, "Where people were treated", 240, 480) if pack.sites else "",
        "map": area_map(
            pack.shapes, pack.names, {}, f"Where {pack.borough} lies in London", "none", pack.borough_code, 260
        ),
    }


def _map_told(pack: Pack) -> str:
    return "; ".join(f"{line.label} {pack.publisher.words(line.count)}" for line in pack.boroughs)


def _thirds(lines: Sequence[Line]) -> list[Sequence[Line]]:
    """Three columns of about equal length, read downwards."""
    step = -(-len(lines) // 3)
    return [lines[at : at + step] for at in range(0, len(lines), step)] if lines else []


def _body(template: str, **context: Any) -> Markup:
    return Markup(_environment().get_template(template).render(**context))


def _page(title: str, period: str, body: Markup) -> str:
    style = Markup(report_style() + stylesheet())
    return _environment().get_template("page.html").render(title=title, period=period, body=body, style=style)


@cache
def _environment() -> Environment:
    environment = templates_in(TEMPLATES)
    environment.filters.update(
        percent=percent,
        changed=changed,
        month=month_in_words,
        short_month=short_month,
        day=lambda value: "–" if value is None else f"{value:%-d %b %Y}",
        moment=lambda value: f"{value.astimezone(LONDON):%-d %B %Y, %H:%M}",
        number=lambda value: "–" if value is None else f"{value:,}",
    )
    environment.globals.update(Level=Level, Standing=Standing, swatch=swatch)
    return environment
