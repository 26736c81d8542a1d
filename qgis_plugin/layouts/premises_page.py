"""One premises of a list on one page: drawn straight to PDF, since a list has thousands.

An operational page: exact counts, marked as such. A page for the public is made one by one, by the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from qgis.core import QgsGeometry
from qgis.PyQt.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QPointF, QRectF, QSizeF, Qt
from qgis.PyQt.QtGui import (
    QColor,
    QFont,
    QPageLayout,
    QPageSize,
    QPainter,
    QPdfWriter,
    QPen,
    QPolygonF,
    QTextDocument,
    QTextOption,
)

from ...shared.ring_answer import AnswerRow, DatasetAnswer, RingAnswer
from ...shared.windows import month_words
from ..core.coverage import Coverage
from ..core.premises import Premises
from ..core.proximity import PlaceSearch
from .base_map import POSTCODE_ATTRIBUTION
from .page_frame import boundary_attribution, joined
from .sheet import day, tr

_DPI = 300
_WIDTH, _HEIGHT, _MARGIN = 210.0, 297.0, 14.0  # mm
_MAP = 74.0
_PIXELS = 100  # of type as it is drawn
_SCALE = 10.0  # units of a document to the millimetre
_INK, _FAINT, _LINE, _BAR = "#1f2933", "#667380", "#1c3d5a", "#4a6f8a"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST_ROWS = 30
_MOST_CHARTS = 3
_TALLEST_CHART = 26.0  # mm


class PremisesPages:
    """Draws the page of a premises and its answer; ``marking`` stands at its top, ``land`` on its map."""

    def __init__(self, land: Coverage, marking: str) -> None:
        self._land, self._marking = land, marking
        self._geography = (boundary_attribution(), POSTCODE_ATTRIBUTION)

    def __call__(self, premises: Premises, found: PlaceSearch) -> bytes:
        """The page as PDF, A4."""
        content = QByteArray()
        buffer = QBuffer(content)
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        writer = QPdfWriter(buffer)
        writer.setPageLayout(
            QPageLayout(QPageSize(QPageSize.PageSizeId.A4), QPageLayout.Orientation.Portrait, QMarginsF(0, 0, 0, 0))
        )
        writer.setResolution(_DPI)
        writer.setTitle(f"{premises.name}: {found.answer.title}")
        writer.setCreator("SafeStats")
        painter = QPainter(writer)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(_DPI / 25.4, _DPI / 25.4)
        self._draw(painter, premises, found)
        painter.end()
        buffer.close()
        return bytes(content)

    def _draw(self, painter: QPainter, premises: Premises, found: PlaceSearch) -> None:
        answer = found.answer
        full = _WIDTH - 2 * _MARGIN
        top = _words(painter, _MARGIN, 8, full, f"<span style='color:#8a1c1c'><b>{escape(self._marking)}</b></span>", 8)
        top = _words(painter, _MARGIN, top + 1.5, full, _heading(premises, answer), 9.5)
        right = _MARGIN + _MAP + 6
        self._map(painter, QRectF(_MARGIN, top + 3, _MAP, _MAP), found)
        beside, width = top + 3, _WIDTH - _MARGIN - right
        largest = sorted(answer.datasets, key=_outer, reverse=True)
        for part in [part for part in largest if part.hours is not None][:1]:
            beside = _week(painter, QRectF(right, beside, width, 30), part, answer) + 3
        charts = largest[:_MOST_CHARTS]
        tall = min((top + 3 + _MAP - beside) / len(charts), _TALLEST_CHART)
        for part in charts:
            beside = _trend(painter, QRectF(right, beside, width, tall - 2), part, answer) + 2
        top = _words(painter, _MARGIN, top + _MAP + 6, full, _table(answer), 7.5)
        notes_top = top + 3
        _fitted(painter, QRectF(_MARGIN, notes_top, full, _HEIGHT - 10 - notes_top), _notes(answer, self._geography))

    def _map(self, painter: QPainter, frame: QRectF, found: PlaceSearch) -> None:
        """The rings to scale, on the land; nothing else is known without a service that would learn the place."""
        outer = found.radii[-1] * 1.12
        place, scale = found.place, frame.width() / (2 * outer)

        def at(x: float, y: float) -> QPointF:
            return QPointF(
                frame.center().x() + (x - place.easting) * scale, frame.center().y() - (y - place.northing) * scale
            )

        painter.save()
        painter.setClipRect(frame)
        painter.fillRect(frame, QColor("#dfe7ec"))
        box = found.rings[-1].boundingBox().buffered(outer)
        painter.setPen(QPen(QColor("#9aa5af"), 0.2))
        painter.setBrush(QColor("#f7f6f2"))
        for shape in _polygons(self._land.geometry.intersection(QgsGeometry.fromRect(box))):
            painter.drawPolygon(QPolygonF([at(x, y) for x, y in shape]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(_LINE), 0.45))
        for radius in found.radii:
            painter.drawEllipse(frame.center(), radius * scale, radius * scale)
        for away in (QPointF(2, 0), QPointF(0, 2)):
            painter.drawLine(frame.center() - away, frame.center() + away)
        for radius in found.radii:
            label = QRectF(frame.center().x() - 10, frame.center().y() - radius * scale - 4, 20, 4)
            _line(painter, label, f"{radius} m", 6.5, colour=_LINE, align=Qt.AlignmentFlag.AlignHCenter)
        painter.restore()
        painter.setPen(QPen(QColor(_FAINT), 0.2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(frame)


def _polygons(shape: QgsGeometry) -> list[list[tuple[float, float]]]:
    parts = shape.asMultiPolygon() if shape.isMultipart() else [shape.asPolygon()]
    return [[(point.x(), point.y()) for point in part[0]] for part in parts if part]


def _outer(part: DatasetAnswer) -> int:
    return part.rows[0].figures[-1].count or 0


def _heading(premises: Premises, answer: RingAnswer) -> str:
    place = answer.place
    who = ", ".join(part for part in (premises.reference, place.label, place.borough) if part and part != premises.name)
    before = f", {answer.compared_words}" if answer.compared_words else ""
    return (
        f"<span style='font-size:x-large'><b>{escape(premises.name or place.label)}</b></span><br>{escape(who)}<br>"
        f"<b>{escape(answer.now.label)}</b>{escape(before)}. {escape(answer.preset)}. {escape(place.accuracy)} "
        f"{escape(place.warning)} {escape(answer.boundary_note)}"
    )


def _table(answer: RingAnswer) -> str:
    head = [tr("Incidents within"), *(f"{radius} m" for radius in answer.radii), tr("before"), tr("change")]
    head += [tr("95 % interval"), tr("per km²"), tr("postcodes with fewer")]
    lines = [_cells(head, "th")]
    rows = [row for part in answer.datasets for row in part.rows]
    totals = [row for row in rows if row.category is None]
    room = max(_MOST_ROWS - len(totals), 0)
    largest = sorted((row for row in rows if row.category is not None), key=lambda r: -(r.figures[-1].count or 0))
    kept = {id(row) for row in largest[:room]}
    for row in rows:
        if row.category is None:
            lines.append(_cells(_row(row), "th"))
        elif id(row) in kept:
            lines.append(_cells(_row(row), "td"))
    left = len(largest) - len(kept)
    if left:
        lines.append(f"<tr><td>{escape(tr('{n} smaller categories are in the workbook').format(n=left))}</td></tr>")
    outer = tr("Before, change, rate and rank are of the widest ring; each distance includes the shorter ones.")
    return f"<table width='100%' cellspacing='0' cellpadding='1'>{''.join(lines)}</table>{escape(outer)}"


def _row(row: AnswerRow) -> list[str]:
    outer = row.figures[-1]
    label = row.label
    if row.category is None:
        label = f"{row.title}, {row.band.words}"
    changed = outer.change
    cells = [label, *(f"{figure.count:,}" for figure in row.figures)]
    cells.append("–" if outer.before is None else f"{outer.before:,}")
    if changed is None or changed.ratio is None:
        cells += ["–", "–"]
    elif outer.too_few:
        cells += [tr("too few"), "–"]
    else:
        cells += [
            _percent(changed.ratio),
            tr("{low} to {high}").format(low=_percent(changed.low), high=_percent(changed.high)),
        ]
    cells.append("–" if outer.rate_per_km2 is None else f"{outer.rate_per_km2:,.0f}")
    cells.append("–" if outer.share_below is None else f"{int(outer.share_below)} %")
    return cells


def _percent(ratio: float) -> str:
    percent = round(100 * (ratio - 1))
    return f"{percent:+,}%".replace("-", "−") if percent else "0%"


def _cells(words: Sequence[str], kind: str) -> str:
    first, *others = words
    style = " style='background:#e8edf1'" if kind == "th" else ""
    cells = "".join(f"<{kind} align='right'{style}>{escape(word)}</{kind}>" for word in others)
    return f"<tr><{kind} align='left'{style}>{escape(first)}</{kind}>{cells}</tr>"


def _notes(answer: RingAnswer, geography: Sequence[str]) -> str:
    lines = [tr("Datasets are not added up: several services may each record the same event."), *answer.notes]
    for part in answer.datasets:
        lines += [_ranked(row, answer) for row in part.totals() if row.figures[-1].sentence]
        newest = tr("data to {month}").format(month=month_words(part.newest))
        lines.append(f"{part.title} ({newest}): {' '.join((*part.notes, *part.caveats))}")
    if answer.synthetic:
        lines.insert(0, tr("Some of these data are synthetic: invented for demonstration."))
    said = "".join(f"<p style='margin:0 0 2px 0'>{escape(line)}</p>" for line in lines)
    source = joined(*answer.attributions, *geography)
    made = tr("Made by SafeStats on {day}.").format(day=day(answer.answered_on))
    return f"{said}<p style='margin:0;color:{_FAINT}'>{escape(source)} {escape(made)}</p>"


def _ranked(row: AnswerRow, answer: RingAnswer) -> str:
    return tr("{dataset}, {hours}: within {radius} m {sentence}.").format(
        dataset=row.title, hours=row.band.words, radius=answer.radii[-1], sentence=row.figures[-1].sentence
    )


def _week(painter: QPainter, frame: QRectF, part: DatasetAnswer, answer: RingAnswer) -> float:
    """Hour by weekday as shades; returns where it ends."""
    title = tr("{dataset}, hour by weekday within {radius} m").format(dataset=part.title, radius=answer.radii[-1])
    _line(painter, QRectF(frame.left(), frame.top(), frame.width(), 4), title, 7.5, bold=True)
    table = part.hours or ()
    most = max((n or 0 for row in table for n in row), default=0) or 1
    left, top = frame.left() + 8, frame.top() + 5
    cell = QSizeF((frame.right() - left) / 24, 3.1)
    for number, row in enumerate(table):
        y = top + number * cell.height()
        _line(painter, QRectF(frame.left(), y, 8, cell.height()), _DAYS[number], 6)
        for hour, count in enumerate(row):
            shade = QColor(_BAR)
            shade.setAlphaF(0.06 + 0.94 * (count or 0) / most)
            painter.fillRect(QRectF(left + hour * cell.width(), y, cell.width() - 0.15, cell.height() - 0.15), shade)
    bottom = top + 7 * cell.height()
    for hour in (0, 6, 12, 18):
        _line(painter, QRectF(left + hour * cell.width(), bottom, 10, 3), f"{hour:02d}", 6, colour=_FAINT)
    most_words = tr("darkest: {n}").format(n=f"{most:,}")
    _line(
        painter,
        QRectF(frame.right() - 30, bottom, 30, 3),
        most_words,
        6,
        colour=_FAINT,
        align=Qt.AlignmentFlag.AlignRight,
    )
    return bottom + 3


def _trend(painter: QPainter, frame: QRectF, part: DatasetAnswer, answer: RingAnswer) -> float:
    """A bar a month; returns where it ends."""
    title = tr("{dataset}, by month within {radius} m").format(dataset=part.title, radius=answer.radii[-1])
    _line(painter, QRectF(frame.left(), frame.top(), frame.width(), 4), title, 7.5, bold=True)
    counts = [count or 0 for count in part.trend]
    most = max(counts, default=0) or 1
    top, bottom = frame.top() + 4.5, frame.bottom() - 3.2
    width = frame.width() / max(len(counts), 1)
    for number, count in enumerate(counts):
        if part.trend[number] is not None:
            tall = (bottom - top) * count / most
            bar = QRectF(frame.left() + number * width, bottom - tall, width * 0.75, tall)
            painter.fillRect(bar, QColor(_BAR))
    painter.setPen(QPen(QColor(_FAINT), 0.15))
    painter.drawLine(QPointF(frame.left(), bottom), QPointF(frame.right(), bottom))
    foot = QRectF(frame.left(), bottom, frame.width(), 3)
    _line(painter, foot, month_words(answer.trend.first), 6, colour=_FAINT)
    ends = tr("{month}; highest: {n}").format(month=month_words(answer.trend.last), n=f"{most:,}")
    _line(painter, foot, ends, 6, colour=_FAINT, align=Qt.AlignmentFlag.AlignRight)
    return frame.bottom()


def _font(pixels: int, bold: bool = False) -> QFont:
    font = QFont("Open Sans")
    font.setStyleHint(QFont.StyleHint.SansSerif)
    font.setPixelSize(pixels)
    font.setBold(bold)
    return font


def _number(flag: Any) -> int:
    """A flag of Qt's as a number: a painter takes two kinds of flags as one, and those of Qt 6 are no numbers."""
    return int(getattr(flag, "value", flag))


def _line(
    painter: QPainter,
    rect: QRectF,
    text: str,
    points: float,
    bold: bool = False,
    colour: str = _INK,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
) -> None:
    # The page is in millimetres: type is drawn large and scaled down.
    scale = points * 25.4 / 72 / _PIXELS
    painter.save()
    painter.translate(rect.topLeft())
    painter.scale(scale, scale)
    painter.setFont(_font(_PIXELS, bold))
    painter.setPen(QColor(colour))
    room = QRectF(0, 0, rect.width() / scale, rect.height() / scale)
    painter.drawText(
        room, _number(align) | _number(Qt.AlignmentFlag.AlignVCenter) | _number(Qt.TextFlag.TextDontClip), text
    )
    painter.restore()


def _document(html: str, width: float, points: float) -> QTextDocument:
    document = QTextDocument()
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WordWrap)
    document.setDefaultTextOption(option)
    document.setDocumentMargin(0)
    document.setDefaultFont(_font(round(points * 25.4 / 72 * _SCALE)))
    document.setDefaultStyleSheet(f"body {{ color: {_INK}; }}")
    document.setHtml(f"<body>{html}</body>")
    document.setTextWidth(width * _SCALE)
    return document


def _words(painter: QPainter, left: float, top: float, width: float, html: str, points: float) -> float:
    """Draw the words; returns where they end."""
    document = _document(html, width, points)
    painter.save()
    painter.translate(left, top)
    painter.scale(1 / _SCALE, 1 / _SCALE)
    document.drawContents(painter)
    painter.restore()
    return top + document.size().height() / _SCALE


def _fitted(painter: QPainter, room: QRectF, html: str) -> None:
    """The words as large as the room allows."""
    for points in (7.5, 7, 6.5, 6, 5.5, 5):
        if _document(html, room.width(), points).size().height() / _SCALE <= room.height():
            break
    _words(painter, room.left(), room.top(), room.width(), html, points)
