"""Charts of the pack as SVG, beside those of the monthly packs: attributes only, each says what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ...shared.windows import month_words
from ..quality.charts import ACCENT, CLASSES, HATCH, INK, LINE, SOFT, begin, label_at
from .model import NOT_HELD, PART, AreaLine, CategoryLine, Told, Week

WIDTH = 680
_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def trend_chart(months: Mapping[str, Told], partial: frozenset[str], title: str, name: str) -> Markup:
    """36 months as bars, a block of several as one wide bar; hatched where withheld or of some returns alone.

    A month that is not held is an empty place with a dash.
    """
    height, left, top, floor = 150, 44, 10, 122
    step = (WIDTH - left - 6) / max(1, len(months))
    most = _round_up(max([told.count or 0 for told in months.values()] + [1]))
    parts = [begin(WIDTH, height, f"{title}: {_told(months)}"), HATCH.format(name=name, ink=SOFT)]
    for share in (0, 0.5, 1):
        y = floor - (floor - top) * share
        parts.append(f'<path d="M{left} {y:.1f}H{WIDTH - 6}" stroke="{LINE}"/>')
        parts.append(label_at(left - 6, y + 4, f"{most * share:,.0f}", size=10, anchor="end", fill=SOFT))
    for at, (month, told) in enumerate(months.items()):
        right = left + (at + 1) * step
        wide = step * told.months - step * 0.18
        if told.count is not None:
            tall = (floor - top) * told.count / most
            fill = f"url(#{name})" if month in partial else CLASSES[3]
            parts.append(_bar(right - step * 0.09 - wide, floor - tall, wide, max(tall, 0.6), fill))
        elif told.mark.startswith(("<", "*")):
            parts.append(_bar(right - step * 0.09 - wide, floor - 8, wide, 8, f"url(#{name})"))
        elif told.mark != PART:
            parts.append(label_at(right - step / 2, floor - 3, "–", size=10, fill=SOFT))
        if month.endswith(("-01", "-07")) or at == 0:
            parts.append(label_at(right - step / 2, floor + 14, _short(month), size=10))
    parts.append(f'<path d="M{left} {floor}H{WIDTH - 6}" stroke="{SOFT}"/></svg>')
    return Markup("".join(parts))


def rolling_chart(rolling: Mapping[str, int], months: Sequence[str], title: str) -> Markup:
    """Sums of twelve months as a line, a dot at each; the axis begins at zero."""
    height, left, top, floor = 120, 44, 10, 94
    step = (WIDTH - left - 6) / max(1, len(months))
    most = _round_up(max([*rolling.values(), 1]))
    told = "; ".join(f"to {month_words(month)} {count:,}" for month, count in rolling.items())
    parts = [begin(WIDTH, height, f"{title}: {told}")]
    for share in (0, 0.5, 1):
        y = floor - (floor - top) * share
        parts.append(f'<path d="M{left} {y:.1f}H{WIDTH - 6}" stroke="{LINE}"/>')
        parts.append(label_at(left - 6, y + 4, f"{most * share:,.0f}", size=10, anchor="end", fill=SOFT))
    places = []
    for at, month in enumerate(months):
        x = left + (at + 0.5) * step
        if month in rolling:
            places.append((x, floor - (floor - top) * rolling[month] / most))
        if month.endswith(("-01", "-07")) or at == 0:
            parts.append(label_at(x, floor + 14, _short(month), size=10))
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    parts.append(f'<path d="M{line}" fill="none" stroke="{ACCENT}" stroke-width="2"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{ACCENT}"/>' for x, y in places]
    return Markup("".join([*parts, "</svg>"]))


def pareto_chart(lines: Sequence[CategoryLine], title: str, name: str) -> Markup:
    """Lying bars, the most frequent first, each with its count and, in the margin, the share of it and all above."""
    row, label_width = 18, 200
    most = max([line.now.count or 0 for line in lines] + [1])
    room = WIDTH - label_width - 130
    told = "; ".join(f"{line.label} {line.now.words}" for line in lines)
    parts = [begin(WIDTH, row * len(lines) + 18, f"{title}: {told}"), HATCH.format(name=name, ink=SOFT)]
    parts.append(label_at(WIDTH - 4, 12, "of all, so far", size=10, anchor="end", fill=SOFT))
    for at, line in enumerate(lines):
        y = 16 + at * row
        parts.append(label_at(label_width - 8, y + 13, line.label, size=11, anchor="end"))
        long = room * (line.now.count or 0) / most
        fill = ACCENT if line.now.count is not None else f"url(#{name})"
        parts.append(_bar(label_width, y + 2, max(long, 10 if line.now.count is None else 0.8), 13, fill))
        end = label_width + max(long, 10 if line.now.count is None else 0)
        parts.append(label_at(end + 6, y + 13, line.now.words, size=11, anchor="start", weight=600))
        if line.cumulative is not None:
            parts.append(label_at(WIDTH - 4, y + 13, f"{100 * line.cumulative:.0f} %", size=11, anchor="end"))
    return Markup("".join([*parts, "</svg>"]))


def week_grid(week: Week, title: str, name: str) -> Markup:
    """Weekdays by hours in blocks, the darker the more; hatched where withheld, white where none."""
    left, top, tall = 86, 18, 22
    wide = (WIDTH - left - 4) / len(week.cells[0])
    most = max([told.count for row in week.cells for told in row if told.count] + [1])
    spoken = "; ".join(
        f"{_days(days)} {', '.join(f'{_hours(at, week.step)} {told.words}' for at, told in enumerate(row))}"
        for days, row in zip(week.days, week.cells, strict=True)
    )
    height = top + tall * len(week.cells) + 4
    parts = [begin(WIDTH, height, f"{title}: {spoken}"), HATCH.format(name=name, ink=SOFT)]
    for at in range(len(week.cells[0])):
        parts.append(label_at(left + (at + 0.5) * wide, top - 6, _hours(at, week.step), size=10, fill=SOFT))
    for at, (days, row) in enumerate(zip(week.days, week.cells, strict=True)):
        y = top + at * tall
        parts.append(label_at(left - 8, y + 15, _days(days), size=11, anchor="end"))
        for number, told in enumerate(row):
            x = left + number * wide
            shade = 0 if not told.count else min(len(CLASSES) - 1, len(CLASSES) * (told.count - 1) // most)
            fill = f"url(#{name})" if told.count is None else "#ffffff" if not told.count else CLASSES[shade]
            parts.append(_bar(x, y, wide, tall, fill, LINE))
            if told.count:
                ink = "#ffffff" if shade > 2 else INK
                parts.append(label_at(x + wide / 2, y + 15, f"{told.count:,}", size=10, fill=ink))
    return Markup("".join([*parts, "</svg>"]))


def rate_bars(lines: Sequence[tuple[AreaLine, float]], london: float | None, title: str, unit: str) -> Markup:
    """Boroughs by their rate, highest first: the own one dark, those that border it middling; London as a line."""
    row, label_width = 12, 170
    most = max([rate for _, rate in lines] + [london or 0, 1e-9])
    room = WIDTH - label_width - 60
    told = "; ".join(f"{line.name} {rate:.1f}" for line, rate in lines)
    spoken = f"{title}, {unit}: {told}" + (f"; London {london:.1f}" if london is not None else "")
    height = row * len(lines) + 22
    line_at = label_width + room * (london or 0) / most
    parts = [begin(WIDTH, height, spoken)]
    for at, (line, rate) in enumerate(lines):
        y, weight = 18 + at * row, 700 if line.own else 400
        mark = " †" if line.few_residents else ""
        parts.append(label_at(label_width - 8, y + 9.5, line.name + mark, size=10, anchor="end", weight=weight))
        fill = ACCENT if line.own else CLASSES[2] if line.peer else CLASSES[1]
        parts.append(_bar(label_width, y + 1, max(room * rate / most, 0.8), row - 3, fill))
        end = label_width + room * rate / most
        # Not on the line.
        place = max(end, line_at) if end > line_at - 26 else end
        parts.append(label_at(place + 5, y + 9.5, f"{rate:.1f}", size=10, anchor="start"))
    if london is not None:
        x = line_at
        parts.append(f'<path d="M{x:.1f} 14V{height}" stroke="{INK}" stroke-width="1.2" stroke-dasharray="5 3"/>')
        parts.append(label_at(x, 10, f"London {london:.1f}", size=10, weight=600))
    return Markup("".join([*parts, "</svg>"]))


def _bar(x: float, y: float, wide: float, tall: float, fill: str, edge: str = "") -> str:
    stroke = f' stroke="{edge}"' if edge else f' stroke="{SOFT}" stroke-width="0.6"' if fill.startswith("url") else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{fill}"{stroke}/>'


def _round_up(value: int) -> int:
    """The next round number: 1, 2, 4, 5, 6 or 8 times a power of ten."""
    power = 10 ** (len(str(value)) - 1)
    return next(number * power for number in (1, 2, 4, 5, 6, 8, 10) if number * power >= value)


def _told(months: Mapping[str, Told]) -> str:
    return "; ".join(
        f"{month_words(month)} {'not held' if told.mark == NOT_HELD else told.words}"
        for month, told in months.items()
        if told.mark != PART
    )


def _short(month: str) -> str:
    return f"{month_words(month)[:3]} {month[2:4]}"


def _days(days: Sequence[int]) -> str:
    return _DAY_NAMES[days[0]] if len(days) == 1 else f"{_DAY_NAMES[days[0]]}–{_DAY_NAMES[days[-1]]}"


def _hours(at: int, step: int) -> str:
    first = at * step
    return f"{first:02d}" if step == 1 else f"{first:02d}–{first + step - 1:02d}"
