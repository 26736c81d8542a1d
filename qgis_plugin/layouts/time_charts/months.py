"""Month by month: the sum of 12 months as it moves, and two years beside one another."""

from __future__ import annotations

from datetime import date

from qgis.PyQt.QtCore import QRectF

from ....shared.change import RateChange
from ....shared.windows import month_words
from ...core.time_answer import TimeAnswer
from ..drawing import Anchor
from ..items import PAPER, RULE
from ..sheet import number, tr
from ..trend_chart import BEFORE, NOW
from ..typography import INK, QUIET
from .pieces import GAP, LINE, Page, ceiling, draw_axis, draw_key, least_of, open_bar


def draw_rolling(page: Page, made: TimeAnswer) -> None:
    months = made.months
    drawing, row = page.drawing, page.row
    key = page.bottom_row()
    years_row = page.bottom - row
    middle = page.top + (years_row - page.top) * 0.52
    sums = [month.year_sum for month in months if month.year_sum is not None]
    counts = [month.count for month in months if month.count is not None]
    top_axis, low_axis = ceiling(max(sums, default=1)), ceiling(max([*counts, *least_of(made)], default=1))
    left = max(drawing.width_of(number(top), page.size * 0.9) for top in (top_axis, low_axis)) + GAP
    above = QRectF(left, page.top + row * 0.5, drawing.width - left, middle - page.top - row)
    below = QRectF(left, middle + row * 0.5, drawing.width - left, years_row - middle - row * 0.5)
    step = below.width() / max(len(months), 1)
    draw_axis(page, above, top_axis)
    draw_axis(page, below, low_axis)
    runs: list[list[tuple[float, float]]] = [[]]
    for place, month in enumerate(months):
        x = left + place * step
        name = month_words(month.month)
        bar = QRectF(x + step * 0.12, below.top(), step * 0.76, below.height())
        if month.mark:
            open_bar(page, bar, made.masking / low_axis, f"{name}: {month.mark}")
        elif month.count is None:
            tip = tr("{month}: not delivered").format(month=name)
            drawing.box(bar, PAPER, hatched=True, tip=tip)
            drawing.box(QRectF(bar.x(), above.top(), bar.width(), above.height()), PAPER, hatched=True, tip=tip)
        else:
            high = below.height() * month.count / low_axis
            partial = tr(" so far") if month.partial else ""
            place_of = QRectF(bar.x(), below.bottom() - high, bar.width(), high)
            fill, line = (PAPER, NOW) if month.partial else (NOW if made.period.covers(month.month) else BEFORE, "")
            drawing.box(place_of, fill, line, tip=f"{name}: {number(month.count)}{partial}")
        if month.year_sum is None:
            runs.append([])
        else:
            y = above.bottom() - above.height() * month.year_sum / top_axis
            runs[-1].append((x + step / 2, y))
        if month.month.endswith("-01") or not place:
            room = min(step * (13 - int(month.month[5:])), drawing.width - x)
            if room >= drawing.width_of("2025", page.size * 0.9):
                drawing.words(x, years_row + row * 0.5, month.month[:4], page.size * 0.9, QUIET)
            drawing.line([(x, below.bottom()), (x, below.bottom() + row * 0.25)], RULE)
    for run in runs:
        drawing.line(run, LINE, 0.6)
    by_place = {round(x, 6): y for run in runs for x, y in run}
    for place, month in enumerate(months):
        x = left + (place + 0.5) * step
        if round(x, 6) in by_place:
            tip = tr("12 months to {month}: {n}").format(month=month_words(month.month), n=number(month.year_sum or 0))
            drawing.dot(x, by_place[round(x, 6)], min(0.55, step * 0.3), LINE, tip)
    entries = [(LINE, tr("12 months to it"), False), (NOW, tr("month of the period"), False)]
    if any(not made.period.covers(month.month) for month in months):
        entries.append((BEFORE, tr("before"), False))
    if any(month.count is None and not month.mark for month in months):
        entries.append((PAPER, tr("not delivered"), True))
    draw_key(page, key, entries)


def rolling_notes(made: TimeAnswer) -> list[str]:
    told = []
    partial = [month.month for month in made.months if month.partial]
    if partial:
        told.append(
            tr("{month} is not over in the data: an open bar, in no sum.").format(month=month_words(partial[0]))
        )
    if any(month.year_sum is None for month in made.months):
        told.append(tr("There is no sum where one of its 12 months is not held in full or not told."))
    return told


def draw_years(page: Page, made: TimeAnswer) -> None:
    years = made.years
    if years is None:
        return
    drawing, row = page.drawing, page.row
    page.paragraph(_change_words(made), INK)
    top = page.top + row * 0.2
    key = page.bottom_row()
    names_row = page.bottom - row
    counts = [count for _, *pair in years.months for count in pair if count is not None]
    axis = ceiling(max([*counts, *least_of(made)], default=1))
    left = drawing.width_of(number(axis), page.size * 0.9) + GAP
    plot = QRectF(left, top + row * 0.4, drawing.width - left, names_row - top - row * 0.4)
    draw_axis(page, plot, axis)
    step = plot.width() / max(len(years.months), 1)
    for place, (month, now, before) in enumerate(years.months):
        marks = years.marks[place] if years.marks else ("", "")
        former = f"{int(month[:4]) - 1}{month[4:]}"
        for side, count, name, mark, fill in (
            (0, before, former, marks[1], BEFORE),
            (1, now, month, marks[0], NOW),
        ):
            bar = QRectF(plot.left() + place * step + step * (0.1 + 0.4 * side), plot.top(), step * 0.4, plot.height())
            words = month_words(name)
            if mark:
                open_bar(page, bar, made.masking / axis, f"{words}: {mark}")
            elif count is None:
                drawing.box(bar, PAPER, hatched=True, tip=tr("{month}: not delivered").format(month=words))
            else:
                high = plot.height() * count / axis
                shape = QRectF(bar.x(), plot.bottom() - high, bar.width(), high)
                drawing.box(shape, fill, tip=f"{words}: {number(count)}")
        name = date(int(month[:4]), int(month[5:]), 1).strftime("%b")
        if drawing.width_of(name, page.size * 0.9) > step:
            name = name[0]
        centre = plot.left() + (place + 0.5) * step
        drawing.words(centre, names_row + row * 0.5, name, page.size * 0.9, QUIET, anchor=Anchor.MIDDLE)
    entries = [(BEFORE, tr("the year before"), False), (NOW, tr("12 months to {m}").format(m=_last(made)), False)]
    if any(
        count is None and not (years.marks and years.marks[place][side])
        for place, (_, *pair) in enumerate(years.months)
        for side, count in enumerate(pair)
    ):
        entries.append((PAPER, tr("not held in full"), True))
    draw_key(page, key, entries)


def _last(made: TimeAnswer) -> str:
    return month_words(made.period.last)


def _change_words(made: TimeAnswer) -> str:
    years = made.years
    if years is None or years.now is None or years.before is None:
        return tr("No change is given: some of the months are withheld.") if made.public else ""
    words = tr("{now} against {before}").format(now=number(years.now), before=number(years.before))
    change = years.change
    if change is None or change.ratio is None:
        return f"{words}."
    if made.public:
        return f"{words}: {_percent(change.ratio)}."
    return tr("{words}: {change} (95 % interval {low} to {high}{surely}).").format(
        words=words,
        change=_percent(change.ratio),
        low=_percent(change.low),
        high=_percent(change.high),
        surely="" if change.certain else tr(": there may be no change"),
    )


def _percent(ratio: float) -> str:
    percent = 100 * (ratio - 1)
    return f"{percent:+.1f} %".replace("-", "−") if abs(percent) < 10 else f"{percent:+.0f} %".replace("-", "−")


def years_notes(made: TimeAnswer) -> list[str]:
    years = made.years
    if years is None:
        return []
    told = []
    if 0 < years.pairs < len(years.months):
        told.append(tr("Totals and change are of the {n} months that both years hold in full.").format(n=years.pairs))
    if isinstance(years.change, RateChange) and years.change.weak:
        told.append(tr("A change between counts below 10 says little."))
    return told
