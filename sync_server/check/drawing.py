"""Maps and charts as SVG: attributes only, no style and no script, so that pages and PDFs may hold them."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape

import shapely
from markupsafe import Markup

from ...shared.held_months import HeldMonths
from ...shared.ring_answer import DatasetAnswer, Place
from ...shared.windows import Window, month_words
from .ground import Ground

INK, SOFT, LINE, PAPER = "#1b2733", "#52606d", "#b9c4cd", "#ffffff"
LAND, WATER, ACCENT = "#f3f1ea", "#c9dfee", "#14506e"
# From few to many: told apart in grey, too.
CLASSES = ("#e3edf3", "#b4cfdd", "#7aaac4", "#3d7fa3", "#14506e")
RING_COLOURS = ("#7a1f1f", "#a3361f", "#c2571a")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NAMED_WITHIN_M = 12_000
_LSOAS_WITHIN_M = 2_500
_DOTS_WITHIN_M = 800
_LABELS_WITHIN_M = 300
TREND_UNITS = 530


@dataclass(frozen=True)
class View:
    """A square of ground, ``half`` metres to each side of its middle, drawn ``size`` units wide."""

    easting: int
    northing: int
    half: float
    size: int

    @property
    def box(self) -> shapely.Geometry:
        """The ground that it shows."""
        return shapely.box(
            self.easting - self.half, self.northing - self.half, self.easting + self.half, self.northing + self.half
        )

    @property
    def scale(self) -> float:
        """Units a metre."""
        return self.size / (2 * self.half)

    def at(self, easting: float, northing: float) -> tuple[float, float]:
        """Where a point is drawn."""
        return (
            (easting - self.easting + self.half) * self.scale,
            (self.northing + self.half - northing) * self.scale,
        )

    def place(self, x: float, y: float) -> tuple[int, int]:
        """The point, in whole metres, that is drawn there."""
        return (
            round(self.easting - self.half + x / self.scale),
            round(self.northing + self.half - y / self.scale),
        )


def place_map(
    ground: Ground, view: View, title: str, place: Place | None = None, radii: tuple[int, ...] = ()
) -> Markup:
    """The ground with, where they are given, the place and its rings."""
    box = view.box
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {view.size} {view.size}" role="img" '
        f'aria-label="{escape(title, quote=True)}" focusable="false" '
        'font-family="Open Sans, Noto Sans, Liberation Sans, sans-serif">',
        f'<rect width="{view.size}" height="{view.size}" fill="{PAPER}"/>',
    ]
    near = {code: shape for code, shape in ground.outlines.items() if shapely.intersects(shape, box)}
    if view.half <= _LSOAS_WITHIN_M:
        for shape in ground.lsoas_in(box):
            parts.append(_path(view, shape, fill=LAND, stroke=LINE, width=0.6))
        for shape in near.values():
            parts.append(_path(view, shape, fill="none", stroke=SOFT, width=1.6))
    else:
        for shape in near.values():
            parts.append(_path(view, shape, fill=LAND, stroke=SOFT, width=0.9))
    river = shapely.intersection(ground.river, shapely.buffer(box, view.half / 20))
    if not river.is_empty:
        parts.append(_path(view, river, fill=WATER, stroke="#8fb4cc", width=0.6))
    if view.half <= _DOTS_WITHIN_M:
        parts += _postcodes(ground, view, place)
    if view.half > _LABELS_WITHIN_M:
        parts += _names(ground, view, near, place)
    if place is not None:
        parts += _rings(view, place, radii)
    parts += _furniture(view)
    return Markup("".join([*parts, "</svg>"]))


def as_picture(svg: Markup) -> str:
    """The SVG as an address that an image may have."""
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode('ascii')}"


def _names(ground: Ground, view: View, shapes: dict[str, shapely.Geometry], place: Place | None) -> list[str]:
    found = []
    pin = None if place is None else view.at(place.easting, place.northing)
    for code, shape in shapes.items():
        seen = shapely.intersection(shape, view.box)
        if seen.is_empty or seen.area < (0.006 if view.half > _NAMED_WITHIN_M else 0.04) * view.box.area:
            continue
        at = shapely.point_on_surface(seen)
        x, y = view.at(at.x, at.y)
        words = ground.borough_name(code)
        size = 7 if view.half > _NAMED_WITHIN_M else 11
        reach = len(words) * size * 0.3
        x = min(max(x, reach + 2), view.size - reach - 2)
        if pin is not None and abs(x - pin[0]) < reach + 12 and abs(y - pin[1]) < 30:
            y = view.size - 40  # not over the pin
        found.append(_text(x, y, words, size=size, fill=SOFT, halo=True))
    return found


def _postcodes(ground: Ground, view: View, place: Place | None) -> list[str]:
    found: list[str] = []
    taken: list[tuple[float, float]] = []
    labelled = view.half <= _LABELS_WITHIN_M
    for easting, northing, name in ground.postcodes_in(view.box):
        x, y = view.at(easting, northing)
        found.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.6" fill="{SOFT}"/>')
        free = all(abs(x - ox) > 46 or abs(y - oy) > 12 for ox, oy in taken)
        here = place is not None and name == place.postcode
        if labelled and free and not here and 24 < x < view.size - 24 and 14 < y < view.size - 24:
            taken.append((x, y))
            found.append(_text(x, y - 4, name, size=9, fill=SOFT, halo=True))
    return found


def _rings(view: View, place: Place, radii: tuple[int, ...]) -> list[str]:
    x, y = view.at(place.easting, place.northing)
    found = []
    for number, radius in sorted(enumerate(radii), key=lambda one: -one[1]):
        colour = RING_COLOURS[min(number, len(RING_COLOURS) - 1)]
        found.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius * view.scale:.1f}" fill="{colour}" fill-opacity="0.06" '
            f'stroke="{colour}" stroke-width="1.8"/>'
        )
    for number, radius in enumerate(radii):
        colour = RING_COLOURS[min(number, len(RING_COLOURS) - 1)]
        found.append(_text(x, y - radius * view.scale - 3, f"{radius} m", size=11, weight=600, fill=colour, halo=True))
    found.append(
        f'<path d="M{x:.1f} {y:.1f}l-7 -14a8 8 0 1 1 14 0z" fill="{INK}" stroke="{PAPER}" stroke-width="1"/>'
        f'<circle cx="{x:.1f}" cy="{y - 16:.1f}" r="2.6" fill="{PAPER}"/>'
    )
    return found


def _furniture(view: View) -> list[str]:
    wanted = view.half / 2
    step = 10 ** (len(str(int(wanted))) - 1)
    length = max(one * step for one in (1, 2, 5) if one * step <= wanted)
    long, floor = length * view.scale, view.size - 8
    told = f"{length // 1000} km" if length >= 1000 else f"{length} m"
    wide = view.size - 16
    return [
        f'<rect x="4" y="{floor - 22}" width="{long + 16:.1f}" height="26" fill="{PAPER}" fill-opacity="0.85"/>',
        f'<path d="M10 {floor - 5}v5h{long:.1f}v-5" fill="none" stroke="{INK}" stroke-width="1.2"/>',
        _text(10 + long / 2, floor - 9, told, size=10),
        f'<path d="M{wide} 24l6 -17l6 17l-6 -4z" fill="{INK}"/>',
        _text(wide + 6, 34, "N", size=10, weight=600),
        f'<rect x="0.5" y="0.5" width="{view.size - 1}" height="{view.size - 1}" fill="none" stroke="{SOFT}"/>',
    ]


def _path(view: View, shape: shapely.Geometry, fill: str, stroke: str, width: float) -> str:
    seen = shapely.clip_by_rect(shape, *shapely.buffer(view.box, view.half / 20).bounds)
    told = []
    for polygon in shapely.get_parts(seen):
        if polygon.geom_type != "Polygon":
            continue
        for ring in (polygon.exterior, *polygon.interiors):
            points = (view.at(x, y) for x, y in shapely.get_coordinates(ring)[:-1])
            told.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    if not told:
        return ""
    return f'<path d="{"".join(told)}" fill="{fill}" fill-rule="evenodd" stroke="{stroke}" stroke-width="{width}"/>'


# ---------------------------------------------------------------------- charts


def week_chart(dataset: DatasetAnswer, marked: str = "") -> Markup:
    """The week by hours, the darker the more; in the blocks that the answer has. Empty where hours are not told."""
    if dataset.hours is None:
        return Markup("")
    step, left, top, tall = dataset.hour_step, 74, 16, 17
    wide = 19.0
    blocks = [[dataset.hours[group[0]][hour] for hour in range(0, 24, step)] for group in dataset.weekdays]
    most = max([value for row in blocks for value in row if value] + [1])
    names = [_days(group) for group in dataset.weekdays]
    told = "; ".join(f"{name} {_peak(row, step, marked)}" for name, row in zip(names, blocks, strict=True))
    title = f"{dataset.title} by hour and weekday, the busiest hours: {told}."
    height = top + tall * len(blocks) + 4
    parts = [_begin(int(left + 24 * wide + 4), height, title)]
    for hour in range(0, 24, max(step, 2)):
        parts.append(_text(left + hour * wide, top - 5, f"{hour:02d}", size=9, fill=SOFT, anchor="start"))
    for at, (name, row) in enumerate(zip(names, blocks, strict=True)):
        y = top + at * tall
        parts.append(_text(left - 6, y + 12, name, size=10, anchor="end"))
        for number, value in enumerate(row):
            x = left + number * step * wide
            shade = PAPER if not value else CLASSES[min(4, 5 * (value - 1) // most)]
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{wide * step:.1f}" height="{tall}" fill="{shade}" stroke="{LINE}" '
                'stroke-width="0.6"/>'
            )
            if value or value is None:
                ink = PAPER if shade in CLASSES[3:] else INK
                words = marked if value is None else f"{value}"
                parts.append(_text(x + wide * step / 2, y + 12, words, size=9, fill=ink))
    return Markup("".join([*parts, "</svg>"]))


def trend_chart(
    dataset: DatasetAnswer, window: Window, held: HeldMonths, marked: str = "", width: int = TREND_UNITS
) -> Markup:
    """The months as bars, in the blocks that the answer has; ``marked`` where one that is held is withheld.

    Empty where no month is told.
    """
    if all(count is None for count in dataset.trend):
        return Markup("")
    months, step = window.months, dataset.trend_step
    starts = range(0, len(months), step)
    blocks = [dataset.trend[at] for at in starts]
    marks = [marked if all(map(held.holds, months[at : at + step])) else "" for at in starts]
    most = max([value for value in blocks if value] + [1])
    height, left, floor, top = 112, 30, 92, 8
    wide = (width - left - 4) / len(months)
    unit = "month" if step == 1 else f"{step} months"
    told = "; ".join(
        f"{_span(months, at, step)} {_block(value, mark)}"
        for at, value, mark in zip(starts, blocks, marks, strict=True)
    )
    parts = [_begin(width, height, f"{dataset.title}, incidents by {unit}: {told}.")]
    for share in (0.5, 1.0):
        y = floor - (floor - top) * share
        parts.append(f'<path d="M{left} {y:.1f}H{width - 4}" stroke="{LINE}" stroke-width="0.6"/>')
        parts.append(_text(left - 4, y + 3, f"{most * share:,.0f}", size=9, anchor="end", fill=SOFT))
    for at, value, mark in zip(starts, blocks, marks, strict=True):
        x = left + at * wide
        newest = at >= len(months) - 12
        if value is None:
            parts.append(_text(x + wide * step / 2, floor - 4, mark or "–", size=8, fill=SOFT))
            continue
        high = (floor - top) * value / most
        parts.append(
            f'<rect x="{x + 0.8:.1f}" y="{floor - high:.1f}" width="{wide * step - 1.6:.1f}" '
            f'height="{max(high, 0.6):.1f}" fill="{ACCENT if newest else CLASSES[2]}"/>'
        )
    for at in range(0, len(months), 6):
        name, year = month_words(months[at]).split()
        parts.append(_text(left + at * wide, height - 7, f"{name[:3]} {year}", size=9, anchor="start", fill=SOFT))
    parts.append(f'<path d="M{left} {floor}H{width - 4}" stroke="{SOFT}"/></svg>')
    return Markup("".join(parts))


def _days(group: tuple[int, ...]) -> str:
    if len(group) == len(WEEKDAYS):
        return "Every day"
    return WEEKDAYS[group[0]] if len(group) == 1 else f"{WEEKDAYS[group[0]]} to {WEEKDAYS[group[-1]]}"


def _peak(row: list[int | None], step: int, marked: str) -> str:
    known = [(value, at) for at, value in enumerate(row) if value]
    if not known:
        return "none" if all(value == 0 for value in row) else marked or "not told"
    value, at = max(known)
    return f"{at * step:02d} to {at * step + step:02d} ({value:,})"


def _span(months: tuple[str, ...], at: int, step: int) -> str:
    first = month_words(months[at])
    return first if step == 1 else f"{first} to {month_words(months[at + step - 1])}"


def _block(value: int | None, marked: str) -> str:
    return marked or "not held" if value is None else f"{value:,}"


def _begin(width: int, height: int, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}" focusable="false" '
        'font-family="Open Sans, Noto Sans, Liberation Sans, sans-serif">'
    )


def _text(
    x: float,
    y: float,
    text: str,
    size: int = 11,
    anchor: str = "middle",
    weight: int = 400,
    fill: str = INK,
    halo: bool = False,
) -> str:
    words = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}"'
    behind = (
        f'<text {words} fill="none" stroke="{PAPER}" stroke-width="2.6" stroke-linejoin="round" aria-hidden="true">'
        f"{escape(text)}</text>"
        if halo
        else ""
    )
    return f'{behind}<text {words} fill="{fill}">{escape(text)}</text>'
