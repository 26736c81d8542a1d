"""The week by hours and the year by days, as tables of shades."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from math import ceil

from qgis.PyQt.QtCore import QRectF

from ....shared.disclosure import ROUNDING
from ...core.cautions import many_at_midnight
from ...core.time_answer import TimeAnswer
from ...core.time_patterns import Count, Week
from ..drawing import Anchor
from ..items import PAPER, RULE
from ..sheet import number, tr
from ..typography import INK, QUIET
from ..week_chart import LIGHT_FROM, SHADES, WITHHELD, class_of, classes, ranges
from .pieces import GAP, Page, draw_key

_SHORT_MONTHS = "JFMAMJJASOND"


def draw_week(page: Page, made: TimeAnswer) -> None:
    week = made.week
    if week is None:
        return
    drawing, size, row = page.drawing, page.size, page.row
    unit = ROUNDING if made.public else 1
    highest = classes([ceil(count or 0) for day in week.cells for count in day], unit)
    page.bottom_row()
    left = max(drawing.width_of(days_words(days), size) for days in week.days) + GAP
    step = (drawing.width - left) / 24
    high = min((page.bottom - page.top - row) / len(week.days), step * week.step * 2.2, row * 3.6)
    room = drawing.width_of(_hours(24 - week.step, week.step), size * 0.9) * 1.3
    every = next(one for one in (1, 2, 3, 4, 24) if room <= step * week.step * one or one == 24)
    for hour in range(0, 24, week.step):
        middle = left + (hour + week.step / 2) * step
        words = _hours(hour, week.step)
        if hour % (every * week.step) == 0:
            drawing.words(middle, page.top + row / 2, words, size * 0.9, QUIET, anchor=Anchor.MIDDLE)
    top = page.top + row
    shown = [cell_words(count, week) for days in week.days for count in week.cells[days[0]][:: week.step]]
    fitting = max((drawing.width_of(words, size * 0.85) for words in shown), default=0) <= step * week.step * 0.94
    for place, days in enumerate(week.days):
        y = top + place * high
        drawing.words(0, y + high / 2, days_words(days), size)
        for hour in range(0, 24, week.step):
            count = week.cells[days[0]][hour]
            rect = QRectF(left + hour * step, y, step * week.step, high).adjusted(0.1, 0.1, -0.1, -0.1)
            tip = f"{days_words(days)} {span_words(hour, week.step)}: {cell_words(count, week)}"
            if count is None:
                drawing.box(rect, PAPER, RULE, tip=tip)
                drawing.words(rect.center().x(), rect.center().y(), WITHHELD, size * 0.85, anchor=Anchor.MIDDLE)
                continue
            shade = class_of(ceil(count), highest)
            drawing.box(rect, SHADES[shade], tip=tip)
            if fitting:
                ink = PAPER if shade >= LIGHT_FROM else INK
                centre = rect.center()
                drawing.words(centre.x(), centre.y(), cell_words(count, week), size * 0.85, ink, anchor=Anchor.MIDDLE)
    draw_shades(page, top + high * len(week.days) + row * 0.8, left, ranges(highest, unit), [])


def cell_words(count: Count, week: Week) -> str:
    if count is None:
        return WITHHELD
    if not week.weighted:
        return number(int(count))
    return f"{count:.1f}" if 0 < count < 10 else number(round(count))


def days_words(days: Sequence[int]) -> str:
    names = (tr("Mon"), tr("Tue"), tr("Wed"), tr("Thu"), tr("Fri"), tr("Sat"), tr("Sun"))
    return names[days[0]] if len(days) == 1 else f"{names[days[0]]}–{names[days[-1]]}"


def _hours(first: int, step: int) -> str:
    return f"{first}" if step == 1 else f"{first}–{first + step - 1}"


def span_words(first: int, step: int) -> str:
    return f"{first:02d}:00–{first + step - 1:02d}:59"


def week_notes(made: TimeAnswer) -> list[str]:
    week = made.week
    if week is None:
        return []
    told = []
    if not (made.public or week.weighted):  # exact counts, and hours as they were recorded
        by_hour = [sum(day[hour] or 0 for day in week.cells) for hour in range(24)]
        told += filter(None, [many_at_midnight(by_hour)])
    if week.weighted:
        told.append(
            tr(
                "Weighted (aoristic): {n} of {all} incidents whose hour is not known exactly are spread evenly over "
                "the time in which they happened."
            ).format(n=number(week.spread), all=number(week.counted or 0))
        )
        if week.unknown:
            told.append(tr("{n} have no known day and are left out.").format(n=number(week.unknown)))
    elif week.unknown:
        words = tr("{n} without a known day and hour are left out.")
        told.append((tr("About ") if made.public else "") + words.format(n=number(week.unknown)))
    return told


def draw_calendar(page: Page, made: TimeAnswer) -> None:
    calendar = made.calendar
    if calendar is None:
        return
    drawing, size, row = page.drawing, page.size, page.row
    counts = [count for count in calendar.counts if count is not None]
    highest = classes(counts, 1)
    page.bottom_row()
    last = calendar.first + timedelta(days=len(calendar.counts) - 1)
    years = range(calendar.first.year, last.year + 1)
    left = drawing.width_of(tr("Mon"), size * 0.8) + GAP
    cell = min((drawing.width - left) / 54, ((page.bottom - page.top) / len(years) - row * 2.4) / 7)
    tall = cell * 7 + row * 2.4
    for place, year in enumerate(years):
        top = page.top + place * tall
        drawing.words(0, top + row * 0.4, str(year), size, bold=True)
        grid = top + row * 1.9
        for weekday in (0, 2, 4, 6) if cell * 2 >= row * 0.62 else (0, 6):
            middle = grid + (weekday + 0.5) * cell
            drawing.words(0, middle, days_words([weekday]), size * 0.8, QUIET)
        offset = date(year, 1, 1).weekday()
        for month in range(1, 13):
            first = date(year, month, 1)
            week = ((first - date(year, 1, 1)).days + offset) // 7
            here = _SHORT_MONTHS[month - 1] if cell * 4 < row * 1.6 else first.strftime("%b")
            drawing.words(
                left + (week + (0.5 if first.weekday() else 0)) * cell, top + row * 1.3, here, size * 0.8, QUIET
            )
        day = max(calendar.first, date(year, 1, 1))
        while day <= min(last, date(year, 12, 31)):
            count = calendar.counts[(day - calendar.first).days]
            week = ((day - date(year, 1, 1)).days + offset) // 7
            rect = QRectF(left + week * cell, grid + day.weekday() * cell, cell, cell)
            gap = min(0.15, cell * 0.06)
            rect.adjust(gap, gap, -gap, -gap)
            name = f"{days_words([day.weekday()])} {day.day} {day:%B %Y}"
            if count is None:
                drawing.box(rect, PAPER, RULE, hatched=True, tip=tr("{day}: not delivered").format(day=name))
            else:
                drawing.box(rect, SHADES[class_of(count, highest)], tip=f"{name}: {number(count)}")
            day += timedelta(days=1)
    missing = [tr("not delivered")] if None in calendar.counts else []
    draw_shades(page, page.top + tall * len(years) + row * 0.5, left, ranges(highest, 1), missing)


def calendar_notes(made: TimeAnswer) -> list[str]:
    calendar = made.calendar
    if calendar is None or not calendar.dayless:
        return []
    return [tr("{n} are known to the month only and are on no day.").format(n=number(calendar.dayless))]


def years_of(made: TimeAnswer) -> int:
    if made.calendar is None:
        return 1
    last = made.calendar.first + timedelta(days=len(made.calendar.counts) - 1)
    return last.year - made.calendar.first.year + 1


def draw_shades(page: Page, y: float, left: float, told: Sequence[tuple[int, int]], hatched: Sequence[str]) -> None:
    """The key of the shades, each with the counts that it stands for."""
    entries = [
        (shade, number(low) if low == high else f"{number(low)}–{number(high)}", False)
        for shade, (low, high) in zip(SHADES, told)
    ]
    draw_key(page, y, [*entries, *((PAPER, words, True) for words in hatched)], left, RULE)
