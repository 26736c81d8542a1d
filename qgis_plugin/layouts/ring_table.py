"""The table of a report around a place: a row a dataset and category, for each ring what is told of it, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from qgis.PyQt.QtCore import QRectF

from ...shared.change import RateChange, change
from ...shared.ring_answer import AnswerRow, DatasetAnswer, RingAnswer, RingFigure
from ...shared.rings import Band
from .items import INK, SHADE, Cell, table
from .sheet import Sheet, number, tr
from .typography import QUIET, text_format, text_width

NOTHING = "–"
COARSE = "†"
WEAK = "#727d87"
MOST_RINGS_IN_FULL = 3
SIZES = (7, 6.75, 6.5, 6.25, 6, 5.75, 5.5, 5.25, 5)
LABEL_SHARE = 0.2  # of the width, at least
MARGIN = 0.7
RING_GAP, LEAST_RING_GAP = 1.6, 0.4
POINTS_PER_MM = 1.75  # type size for a row's height
_OVER, _UNDER, _POSTCODES = "more than around ", "fewer than around ", " postcodes in "


class Kind(Enum):
    """What a column tells of a ring."""

    COUNT = "count"
    CHANGE = "change"
    RATE = "rate"
    RANK = "rank"


@dataclass(frozen=True)
class Column:
    """A column of the table: of ring number ``ring``, ``words`` at its head."""

    ring: int
    kind: Kind
    words: str


@dataclass(frozen=True)
class Line:
    """A printed row. ``cells`` as the columns; ``weak`` the numbers of those that rest on small counts."""

    label: str
    cells: tuple[str, ...]
    weak: frozenset[int] = frozenset()
    total: bool = False


@dataclass(frozen=True)
class RingTable:
    """What is printed; ``hidden`` is how many rows there was no room for."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    hidden: int

    def holds(self, sign: str) -> bool:
        """Whether the sign stands in it."""
        return any(sign in cell for line in self.lines for cell in line.cells)

    @property
    def totals(self) -> list[Line]:
        """Those of the datasets."""
        return [line for line in self.lines if line.total]

    @property
    def weak(self) -> bool:
        """Whether anything in it is grey."""
        return any(line.weak for line in self.lines)


def ring_table(answer: RingAnswer, room: int) -> RingTable:
    """The answer in at most ``room`` rows: all incidents of every dataset first of all, then the largest categories.

    What there is no room for is put together as “Other”; in public it is left out, for nothing that was withheld can
    be added up.
    """
    columns = columns_of(answer)
    blocks = [(part, total, _categories(part, total)) for part in answer.datasets for total in part.totals()]
    # A dataset's first time of day goes before any other's second.
    order = [(part.totals().index(total), number) for number, (part, total, _) in enumerate(blocks)]
    kept = sorted(number for _, number in sorted(order)[:room])
    hidden = sum(1 + len(rows) for number, (_, _, rows) in enumerate(blocks) if number not in kept)
    blocks = [blocks[number] for number in kept]
    sizes = [[row.figures[-1].count or 0 for row in rows] for _, _, rows in blocks]
    shares = share_rows(sizes, room - len(blocks))
    lines = []
    for (part, total, rows), share in zip(blocks, shares):
        lines.append(_line(_total_label(part, total), total, columns, part.coarse, is_total=True))
        shown = rows[:share] if answer.public else together(rows, share)
        lines += [_line(row.label, row, columns) for row in shown]
        if answer.public or (rows and not shown):
            hidden += len(rows) - len(shown)
    return RingTable(columns, tuple(lines), hidden)


def columns_of(answer: RingAnswer) -> tuple[Column, ...]:
    """Counts and changes of every ring; rates and ranks of all where they are few, else of the outermost."""
    last, figures = len(answer.radii) - 1, [figure for row in answer.rows for figure in row.figures]
    ranked, compared = any(figure.sentence for figure in figures), any(figure.change for figure in figures)
    made = []
    for ring, radius in enumerate(answer.radii):
        made.append(Column(ring, Kind.COUNT, tr("≤ {radius} m").format(radius=number(radius))))
        if compared:
            made.append(Column(ring, Kind.CHANGE, tr("change")))
        if len(answer.radii) <= MOST_RINGS_IN_FULL or ring == last:
            made.append(Column(ring, Kind.RATE, tr("per km²")))
            if ranked:
                made.append(Column(ring, Kind.RANK, tr("postcodes")))
    return tuple(made)


def share_rows(sizes: Sequence[Sequence[int]], room: int) -> list[int]:
    """How many rows each part gets of ``room``; ``sizes`` are the counts of its categories, the largest first.

    The largest categories of all parts come first. One row of several says no more than their total: a part gets two
    or none.
    """
    shares = [0] * len(sizes)
    while True:
        best, largest, rows = None, -1, 0
        for place, (part, share) in enumerate(zip(sizes, shares)):
            added = min(2, len(part)) if not share else 1
            if share == len(part) or added > room - sum(shares):
                continue
            # The last row holds what the others do not, so one more row tells the category before it.
            size = part[max(share - 1, 0)]
            if size > largest:
                best, largest, rows = place, size, added
        if best is None:
            return shares
        shares[best] += rows


def together(rows: Sequence[AnswerRow], room: int) -> list[AnswerRow]:
    """The first rows, and the rest of the dataset's put together as the last of ``room``; none where that is 1."""
    if len(rows) <= room:
        return list(rows)
    if room < 2:
        return []
    kept, rest = rows[: room - 1], rows[room - 1 :]
    figures = tuple(map(_summed, zip(*(row.figures for row in rest))))
    label = tr("Other ({n} categories)").format(n=len(rest))
    return [*kept, replace(rest[0], label=label, figures=figures)]


def figure_words(figure: RingFigure, kind: Kind) -> str:
    """What is printed of a ring's figure."""
    if kind is Kind.COUNT:
        return (figure.mark or NOTHING) if figure.count is None else number(figure.count)
    if kind is Kind.CHANGE:
        return change_words(figure.change)
    if kind is Kind.RATE:
        return rate_words(figure.rate_per_km2)
    return short_rank(figure.sentence)


def change_words(found: RateChange | None) -> str:
    """“+12 % (−3 to +29)”, with the interval that holds the true change 95 times in 100."""
    if found is None:
        return NOTHING
    if found.ratio is None:
        return tr("none before") if found.low > 0 else NOTHING
    high = tr("any") if math.isinf(found.high) else _percent(found.high)
    return tr("{ratio} % ({low} to {high})").format(ratio=_percent(found.ratio), low=_percent(found.low), high=high)


def rate_words(rate: float | None) -> str:
    """“39”, or “3.9” where it is below ten."""
    if rate is None:
        return NOTHING
    return f"{rate:,.0f}" if rate >= 10 or not rate else f"{rate:,.1f}"


def short_rank(sentence: str) -> str:
    """“over 9 in 10” for “more than around 9 in 10 postcodes in Camden”."""
    if not sentence:
        return NOTHING
    share = sentence.split(_POSTCODES, 1)[0]
    if share.startswith(_OVER):
        return tr("over {share}").format(share=share[len(_OVER) :])
    if share.startswith(_UNDER):
        return tr("under {share}").format(share=share[len(_UNDER) :])
    return tr("as most")


def type_size(sheet: Sheet, made: RingTable, width: float, row_height: float) -> float:
    """The largest of ``SIZES`` at which the rows are high enough, and every figure and dataset is told in full."""
    fitting = [size for size in SIZES if size * sheet.pt(1)[0] <= row_height * POINTS_PER_MM] or [SIZES[-1]]

    def fits(size: float) -> bool:
        labels = max(_label_width(sheet, made.totals, size), width * LABEL_SHARE)
        return sum(_widths(sheet, made, size)) + labels <= width

    return next(filter(fits, fitting), fitting[-1])


def draw(sheet: Sheet, made: RingTable, rect: QRectF, row_height: float) -> float:
    """The table at the top of ``rect``; where it ends, in mm."""
    size = type_size(sheet, made, rect.width(), row_height)
    figures = _closer(sheet, made, rect.width(), size)
    # What is left over is for the words; where that is much, the columns take their part of it.
    labels = max(_label_width(sheet, made.lines, size), rect.width() * LABEL_SHARE)
    spare = max(rect.width() - sum(figures) - labels, 0.0) / len(figures)
    figures = [width + spare for width in figures]
    head = [Cell(tr("Incidents"), bold=True, fill=SHADE)]
    for column in made.columns:
        counts = column.kind is Kind.COUNT
        head.append(Cell(column.words, bold=counts, fill=SHADE, right=True, colour=INK if counts else QUIET))
    rows = [head]
    for line in made.lines:
        fill = SHADE if line.total else ""
        cells = [Cell(line.label, bold=line.total, fill=fill)]
        for position, (column, words) in enumerate(zip(made.columns, line.cells)):
            bold = line.total and column.kind is Kind.COUNT
            cells.append(Cell(words, bold, WEAK if position in line.weak else INK, fill, right=True))
        rows.append(cells)
    widths = [rect.width() - sum(figures), *figures]
    table(sheet, "ring_table", (rect.left(), rect.top()), widths, row_height, rows, size, margin=MARGIN)
    return rect.top() + row_height * len(rows)


def _widths(sheet: Sheet, made: RingTable, size: float) -> list[float]:
    bold = text_format(sheet.pt(size)[0], bold=True, font_family=sheet.font)
    plain = text_format(sheet.pt(size)[0], font_family=sheet.font)
    widths = []
    for position, column in enumerate(made.columns):
        style = bold if column.kind is Kind.COUNT else plain
        words = [column.words, *(line.cells[position] for line in made.lines)]
        apart = sheet.mm(RING_GAP) if column.kind is Kind.COUNT else 0.0
        widths.append(max(text_width(one, style) for one in set(words)) / 0.98 + 2 * sheet.mm(MARGIN) + 0.1 + apart)
    return widths


def _closer(sheet: Sheet, made: RingTable, width: float, size: float) -> list[float]:
    """The widths of the figures; the rings closer to one another where a dataset's name needs the room."""
    figures = _widths(sheet, made, size)
    lacking = max(sum(figures) + _label_width(sheet, made.totals, size) - width, 0.0)
    rings = sum(column.kind is Kind.COUNT for column in made.columns)
    less = min(lacking / max(rings, 1), sheet.mm(RING_GAP - LEAST_RING_GAP))
    return [one - less if column.kind is Kind.COUNT else one for one, column in zip(figures, made.columns)]


def _label_width(sheet: Sheet, lines: Sequence[Line], size: float) -> float:
    style = text_format(sheet.pt(size)[0], bold=True, font_family=sheet.font)
    return max((text_width(line.label, style) for line in lines), default=0.0) / 0.98 + 2 * sheet.mm(MARGIN) + 0.1


def _categories(part: DatasetAnswer, total: AnswerRow) -> list[AnswerRow]:
    return [row for row in part.by_category() if row.band == total.band]


def _total_label(part: DatasetAnswer, total: AnswerRow) -> str:
    if len(part.totals()) == 1 and total.band is Band.ALL:
        return part.title
    return tr("{dataset}, {hours}").format(dataset=part.title, hours=total.band.words)


def _line(
    label: str,
    row: AnswerRow,
    columns: Sequence[Column],
    coarse: Sequence[int | None] = (),
    is_total: bool = False,
) -> Line:
    cells, weak = [], set()
    for position, column in enumerate(columns):
        figure = row.figures[column.ring]
        words = figure_words(figure, column.kind)
        # A withheld number of coarse places is a number of them.
        flagged = is_total and column.ring < len(coarse) and coarse[column.ring] != 0 and figure.count != 0
        if column.kind is Kind.COUNT and flagged:
            words = f"{COARSE} {words}"
        if column.kind is Kind.CHANGE and figure.change is not None and figure.change.weak:
            weak.add(position)
        cells.append(words)
    return Line(label, tuple(cells), frozenset(weak), is_total)


def _summed(figures: Sequence[RingFigure]) -> RingFigure:
    """Several categories of one dataset within one ring."""
    count = sum(figure.count or 0 for figure in figures)
    held = [figure.before for figure in figures if figure.before is not None]
    before = sum(held) if len(held) == len(figures) else None
    covered = figures[0].covered_km2
    return RingFigure(
        radius_m=figures[0].radius_m,
        count=count,
        before=before,
        change=None if before is None else change(count, before),
        rate_per_km2=count / covered if covered > 0 else None,
        covered_km2=covered,
    )


def _percent(ratio: float) -> str:
    words = f"{(ratio - 1) * 100:+,.0f}"
    return "0" if words[1:] == "0" else words.replace("-", "−")
