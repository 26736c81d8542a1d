"""Charts as SVG: attributes only, no style and no script, so that pages may hold them. Each says what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import shapely
from markupsafe import Markup

INK, SOFT, LINE, ACCENT, PALE = "#1b2733", "#52606d", "#cbd4dc", "#14506e", "#eef3f6"
# From few to many: dark on white and told apart in grey, too.
CLASSES = ("#e3edf3", "#b4cfdd", "#7aaac4", "#3d7fa3", "#14506e")
HATCH = (
    '<defs><pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<path d="M0 6L6 0" stroke="{ink}" stroke-width="1"/></pattern></defs>'
)


@dataclass(frozen=True)
class Bar:
    """One bar; ``value`` is ``None`` where there is none. ``mark`` is said instead of the value.

    ``partial``: it is only some of what there was.
    """

    label: str
    value: int | None
    mark: str = ""
    under: str = ""
    emphatic: bool = False
    partial: bool = False


def month_bars(bars: Sequence[Bar], title: str, name: str, height: int = 190, mean: float | None = None) -> Markup:
    """Upright bars, a month each, hatched where partial; a month without a value is a hatched box with its mark in
    words, or nothing."""
    width, left, top = 680, 8, 22
    bottom = 40 if any(bar.under for bar in bars) else 22
    most = max([bar.value or 0 for bar in bars] + [mean or 0, 1])
    step = (width - 2 * left) / max(1, len(bars))
    floor = height - bottom
    parts = [begin(width, height, title), HATCH.format(name=name, ink=SOFT)]
    for at, bar in enumerate(bars):
        x, wide = left + at * step + step * 0.14, step * 0.72
        middle = x + wide / 2
        if bar.value is None and not bar.mark:
            parts.append(label_at(middle, floor - 6, "–", size=11, fill=SOFT))
        elif bar.value is None:
            parts.append(
                f'<rect x="{x:.1f}" y="{top + 18}" width="{wide:.1f}" height="{floor - top - 18}" fill="url(#{name})" '
                f'stroke="{SOFT}" stroke-dasharray="3 2"/>'
            )
            parts.append(label_at(middle, top + 12, bar.mark, size=10, weight=600))
        else:
            tall = (floor - top) * bar.value / most
            fill = f"url(#{name})" if bar.partial else ACCENT if bar.emphatic else CLASSES[2]
            edge = f' stroke="{SOFT}" stroke-dasharray="3 2"' if bar.partial else ""
            parts.append(
                f'<rect x="{x:.1f}" y="{floor - tall:.1f}" width="{wide:.1f}" height="{max(tall, 0.8):.1f}" '
                f'fill="{fill}"{edge}/>'
            )
            inside = tall > 20 and not bar.partial
            ink = "#ffffff" if inside and bar.emphatic else INK
            shown = bar.mark or f"{bar.value:,}"
            parts.append(label_at(middle, floor - (7 if inside else tall + 5), shown, size=11, weight=600, fill=ink))
        parts.append(label_at(middle, floor + 14, bar.label, size=10))
        if bar.under:
            parts.append(label_at(middle, floor + 28, bar.under, size=10, fill=SOFT))
    if mean is not None:
        y = floor - (floor - top) * mean / most
        parts.append(
            f'<path d="M{left} {y:.1f}H{width - left}" stroke="{INK}" stroke-width="1.2" stroke-dasharray="6 4"/>'
        )
    parts.append(f'<path d="M{left} {floor}H{width - left}" stroke="{SOFT}"/></svg>')
    return Markup("".join(parts))


def level_bars(bars: Sequence[Bar], title: str, width: int, label_width: int) -> Markup:
    """Lying bars with their labels; a masked value is told by its mark alone."""
    row = 21
    most = max([bar.value or 0 for bar in bars] + [1])
    room = width - label_width - 62
    parts = [begin(width, row * len(bars) + 4, title)]
    for at, bar in enumerate(bars):
        y = at * row
        parts.append(label_at(label_width - 8, y + 15, bar.label, size=12, anchor="end"))
        long = room * (bar.value or 0) / most
        parts.append(f'<rect x="{label_width}" y="{y + 3}" width="{max(long, 0.8):.1f}" height="15" fill="{ACCENT}"/>')
        shown = bar.mark or f"{bar.value or 0:,}"
        parts.append(label_at(label_width + long + 6, y + 15, shown, size=12, anchor="start", weight=600))
    return Markup("".join([*parts, "</svg>"]))


def hour_grid(days: Sequence[str], cells: Sequence[Sequence[int | None]], title: str, name: str) -> Markup:
    """Seven rows of 24 cells, the darker the more; a hatched cell is masked, a white one none."""
    left, top, wide, tall = 86, 18, 24.5, 21
    width, height = int(left + 24 * wide + 4), top + tall * len(days) + 4
    most = max([value for row in cells for value in row if value] + [1])
    parts = [begin(width, height, title), HATCH.format(name=name, ink=SOFT)]
    for hour in range(24):
        parts.append(label_at(left + (hour + 0.5) * wide, top - 6, f"{hour:02d}", size=10, fill=SOFT))
    for at, (day, row) in enumerate(zip(days, cells, strict=True)):
        y = top + at * tall
        parts.append(label_at(left - 8, y + 15, day, size=12, anchor="end"))
        for hour, value in enumerate(row):
            x = left + hour * wide
            fill = f"url(#{name})" if value is None else "#ffffff" if value == 0 else shade(value, most)
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{wide}" height="{tall}" fill="{fill}" stroke="#ffffff"/>'
                if value
                else f'<rect x="{x:.1f}" y="{y}" width="{wide}" height="{tall}" fill="{fill}" stroke="{LINE}"/>'
            )
            if value:
                dark = fill in CLASSES[3:]
                parts.append(label_at(x + wide / 2, y + 15, f"{value}", size=10, fill="#ffffff" if dark else INK))
    return Markup("".join([*parts, "</svg>"]))


@dataclass(frozen=True)
class ClassRange:
    """A class of a map: from and to, both included."""

    first: int
    last: int
    colour: str


def class_ranges(values: Sequence[int], most_classes: int = len(CLASSES)) -> list[ClassRange]:
    """Classes of about equal membership between round numbers, of the values above zero."""
    found = sorted(value for value in values if value > 0)
    if not found:
        return []
    edges: list[int] = []
    for number in range(1, most_classes):
        edge = found[min(len(found) - 1, len(found) * number // most_classes)]
        if edge > found[0] and edge not in edges:
            edges.append(edge)
    firsts = [found[0], *edges]
    lasts = [*(edge - 1 for edge in edges), found[-1]]
    colours = CLASSES[len(CLASSES) - len(firsts) :]
    return [ClassRange(*each) for each in zip(firsts, lasts, colours, strict=True)]


def area_map(
    shapes: Mapping[str, shapely.Geometry],
    names: Mapping[str, str],
    values: Mapping[str, int | None],
    title: str,
    name: str,
    outlined: str = "",
    width: int = 680,
    scale_km: int = 10,
) -> Markup:
    """Areas shaded by class; hatched where masked, white where none or unknown. ``outlined`` has a heavy edge."""
    west, south, east, north = shapely.total_bounds(list(shapes.values()))
    scale = (width - 8) / (east - west)
    height = int((north - south) * scale) + 8
    classes = class_ranges([value for value in values.values() if value])
    parts = [begin(width, height, title), HATCH.format(name=name, ink=SOFT)]
    order = sorted(shapes, key=lambda code: code == outlined)
    for code in order:
        value = values.get(code, 0)
        fill = f"url(#{name})" if value is None else "#ffffff" if not value else _class_of(value, classes)
        edge, line = (INK, 2.2) if code == outlined else (SOFT, 0.7)
        path = "".join(_ring(ring, west, north, scale) for ring in _rings(shapes[code]))
        parts.append(
            f'<path d="{path}" fill="{fill}" fill-rule="evenodd" stroke="{edge}" stroke-width="{line}">'
            f"<title>{escape(names.get(code, code))}</title></path>"
        )
    # A scale, and north up.
    long = 1000 * scale_km * scale
    parts.append(
        f'<path d="M8 {height - 10}v-5h{long:.1f}v5" fill="none" stroke="{INK}"/>'
        + label_at(8 + long / 2, height - 19, f"{scale_km} km", size=11)
        + f'<path d="M{width - 22} 34l7 -20l7 20l-7 -5z" fill="{INK}"/>'
        + label_at(width - 15, 48, "N", size=12, weight=600)
    )
    return Markup("".join([*parts, "</svg>"]))


def swatch(colour: str, name: str = "") -> Markup:
    """A legend's box: of a colour, or hatched."""
    fill = f"url(#{name})" if name else colour
    pattern = HATCH.format(name=name, ink=SOFT) if name else ""
    return Markup(
        f'<svg class="quality-swatch" width="18" height="12" viewBox="0 0 18 12" aria-hidden="true" focusable="false">'
        f'{pattern}<rect x="0.5" y="0.5" width="17" height="11" fill="{fill}" stroke="{SOFT}"/></svg>'
    )


def _class_of(value: int, classes: Sequence[ClassRange]) -> str:
    return next((one.colour for one in classes if one.first <= value <= one.last), CLASSES[-1])


def shade(value: int, most: int) -> str:
    return CLASSES[min(len(CLASSES) - 1, len(CLASSES) * (value - 1) // most)]


def _rings(shape: shapely.Geometry) -> list[shapely.Geometry]:
    found = []
    for polygon in shapely.get_parts(shape):
        found += [shapely.get_exterior_ring(polygon), *shapely.get_rings(polygon)[1:]]
    return found


def _ring(ring: shapely.Geometry, west: float, north: float, scale: float) -> str:
    points = shapely.get_coordinates(ring)[:-1]
    told = [f"{4 + (x - west) * scale:.1f} {4 + (north - y) * scale:.1f}" for x, y in points]
    return f"M{'L'.join(told)}Z"


def begin(width: int, height: int, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}" focusable="false">'
    )


def label_at(
    x: float, y: float, text: str, size: int = 11, anchor: str = "middle", weight: int = 400, fill: str = INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill}">{escape(text)}</text>'
    )
