"""The categories by how many there are, and boroughs by how many for their residents."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import QRectF

from ...core.time_answer import TimeAnswer
from ...core.time_patterns import BoroughRate
from ..drawing import Anchor
from ..items import PAPER, RULE
from ..sheet import number, tr
from ..trend_chart import BEFORE, EARLIER, NOW
from ..typography import QUIET
from .pieces import GAP, LINE, Page, draw_key


def draw_pareto(page: Page, made: TimeAnswer) -> None:
    lines = made.categories
    drawing, size = page.drawing, page.size
    key = page.bottom_row()
    names = min(max((drawing.width_of(line.label, size) for line in lines), default=0) + GAP, drawing.width * 0.38)
    figures = [
        drawing.width_of(words, size) + 1.5 * GAP
        for words in (
            max((count_words(line.count, line.mark) for line in lines), key=len, default=""),
            max(["100 %", *(share_words(line.share) for line in lines)], key=len),
            max(["100 %", *(share_words(line.cumulative) for line in lines)], key=len),
        )
    ]
    plot = QRectF(names, page.top, drawing.width - names - sum(figures) - GAP, page.bottom - page.top - page.row)
    high = min(plot.height() / max(len(lines), 1), page.row * 1.8)
    rights = [plot.right() + GAP + sum(figures[: place + 1]) for place in range(3)]
    for x, words in zip(rights, (tr("n"), tr("%"), tr("sum"))):
        drawing.words(x, page.top + page.row / 2, words, size * 0.9, QUIET, anchor=Anchor.END)
    top = page.top + page.row
    bottom = top + high * len(lines)
    for share in (0, 50, 80, 100):
        x = plot.left() + plot.width() * share / 100
        drawing.line([(x, top), (x, bottom)], RULE, 0.15, dashed=share == 80)
        words = f"{share} %" if share == 100 else f"{share}"
        drawing.words(x, top - page.row / 2, words, size * 0.85, QUIET, anchor=Anchor.MIDDLE)
    points = []
    for place, line in enumerate(lines):
        y = top + place * high
        drawing.words(0, y + high / 2, line.label, size, room=names - GAP)
        for x, words in zip(
            rights, (count_words(line.count, line.mark), share_words(line.share), share_words(line.cumulative))
        ):
            drawing.words(x, y + high / 2, words, size, anchor=Anchor.END)
        tip = f"{line.label}: {count_words(line.count, line.mark)}, {share_words(line.share)}"
        long = plot.width() * (line.share or 0)
        drawing.box(QRectF(plot.left(), y + high * 0.18, long, high * 0.64), NOW, tip=tip)
        if line.cumulative is not None:
            points.append((plot.left() + plot.width() * line.cumulative, y + high / 2))
    drawing.line(points, LINE, 0.5)
    for place, (x, y) in enumerate(points):
        drawing.dot(
            x,
            y,
            0.6,
            LINE,
            tr("the first {n}: {share}").format(n=place + 1, share=share_words(_cumulative(made)[place])),
        )
    draw_key(page, key, [(NOW, tr("share of incidents"), False), (LINE, tr("it and those above"), False)])


def _cumulative(made: TimeAnswer) -> list[float]:
    return [line.cumulative for line in made.categories if line.cumulative is not None]


def pareto_notes(made: TimeAnswer) -> list[str]:
    told = []
    reached = [place for place, line in enumerate(made.categories, 1) if (line.cumulative or 0) >= 0.8]
    if reached and len(made.categories) > 1:
        words = tr("{n} of {all} lines make up 80 % or more.")
        told.append(words.format(n=reached[0], all=len(made.categories)))
    if any(line.mark for line in made.categories):
        told.append(tr("Shares are of what is shown."))
    return told


def count_words(count: int | None, mark: str) -> str:
    return mark if count is None else number(count)


def share_words(share: float | None) -> str:
    """“12 %”; of little, “under 1 %”: none but nothing is 0."""
    if share is None:
        return ""
    return tr("under 1 %") if 0 < share < 0.005 else f"{100 * share:.0f} %"


def draw_peers(page: Page, made: TimeAnswer) -> None:
    compared = made.peers
    if compared is None:
        return
    drawing, size = page.drawing, page.size
    lines = compared.lines
    entries = [(EARLIER, tr("borough"), False)]
    if any(line.own for line in lines):
        entries = [(NOW, tr("own"), False), (BEFORE, tr("borders it"), False), (EARLIER, tr("others"), False)]
    together = compared.together
    if together is not None and compared.rated:
        entries.append((LINE, tr("{name}: {rate}").format(name=together.name, rate=rate_words(together)), False))
    key = page.bottom_row()
    values = [_value(line, compared.rated) for line in lines]
    most = _longest(lines, values)
    names = max(drawing.width_of(line.name, size, line.own) for line in lines) + GAP
    names = min(names, drawing.width * 0.44)
    figures = max(drawing.width_of(_figure(line, compared.rated), size) for line in lines) + 2 * GAP
    row = min((page.bottom - page.top) / len(lines), page.row * 1.5)
    plot = QRectF(names, page.top, drawing.width - names - figures, row * len(lines))
    for place, (line, value) in enumerate(zip(lines, values)):
        y = page.top + place * row
        fill = NOW if line.own else BEFORE if line.peer else EARLIER
        drawing.words(0, y + row / 2, line.name, size, bold=line.own, room=names - GAP)
        long = plot.width() * min((value or 0) / most, 1.0)
        tip = f"{line.name}: {_figure(line, compared.rated)}"
        if compared.rated and line.residents:
            tip += tr(" ({n} incidents, {residents} residents)").format(
                n=count_words(line.count, line.mark), residents=number(line.residents)
            )
        bar = QRectF(plot.left(), y + row * 0.14, long, row * 0.72)
        drawing.box(bar, fill, tip=tip)
        if (value or 0) > most:  # a bar that goes on beyond the paper
            for cut in (2.4, 3.4):
                x = plot.right() - cut
                drawing.line([(x - 0.4, bar.bottom()), (x + 0.4, bar.top())], PAPER, 0.5)
        drawing.words(drawing.width, y + row / 2, _figure(line, compared.rated), size, anchor=Anchor.END)
    if together is not None and compared.rated and together.rate is not None:
        x = plot.left() + plot.width() * together.rate / most
        drawing.line([(x, plot.top()), (x, plot.bottom())], LINE, 0.4, dashed=True)
    draw_key(page, key, entries)


def _longest(lines: Sequence[BoroughRate], values: Sequence[float | None]) -> float:
    """The value of a whole bar: a borough with few residents would make all others look alike."""
    usual = [value for line, value in zip(lines, values) if value is not None and not line.few_residents]
    return max(usual or [value for value in values if value is not None], default=1) or 1


def _value(line: BoroughRate, rated: bool) -> float | None:
    return line.rate if rated else line.count


def rate_words(line: BoroughRate) -> str:
    if line.rate is None:
        return ""
    return f"{line.rate:.1f}" if line.rate >= 10 else f"{line.rate:.2f}"


def _figure(line: BoroughRate, rated: bool) -> str:
    if line.mark:
        return line.mark
    if not rated:
        return number(line.count or 0)
    if line.rate is None:
        return tr("{n} (no rate)").format(n=number(line.count or 0))
    return rate_words(line) + ("†" if line.few_residents else "")


def peers_notes(made: TimeAnswer) -> list[str]:
    compared = made.peers
    if compared is None:
        return []
    if compared.rated:
        told = [
            tr("Incidents in {months} months per 1,000 residents ({edition}; {source}).").format(
                months=made.period.months, edition=compared.edition, source=compared.source.rstrip(".")
            )
        ]
        flagged = [line.name for line in compared.lines if line.few_residents]
        if flagged:
            told.append(
                tr(
                    "†: under {n} residents ({names}); the rate is of those who live there, not of those who come."
                ).format(n=number(compared.few_residents), names=", ".join(flagged))
            )
    else:
        told = [
            tr("Counts, no rates: the server tells no number of residents. Large boroughs have more of everything.")
        ]
    if made.selected:
        told.append(tr("Of the layer's filter, not of the selection."))
    if compared.partly:
        told.append(tr("Left out, held in part: {names}.").format(names=_few(compared.partly)))
    if compared.none_held:
        told.append(tr("Left out, nothing held: {names}.").format(names=_few(compared.none_held)))
    if compared.elsewhere:
        told.append(tr("{n} incidents lie in none of these.").format(n=number(compared.elsewhere)))
    return told


def _few(names: Sequence[str]) -> str:
    if len(names) <= 4:
        return ", ".join(names)
    return tr("{names} and {n} more").format(names=", ".join(names[:3]), n=len(names) - 3)
