"""Reports as page (HTML), table (CSV) and document (PDF)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from ..page_templates import templates_in
from ..printing import printed
from .document import Cell, Column, Document, Section, document_of
from .report import OversightReport
from .supplier import SupplierUse

TEMPLATES = Path(__file__).parent / "templates"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render_html(report: OversightReport | SupplierUse) -> str:
    """A whole page, with its style in it and nothing to be fetched."""
    return render_document(document_of(report))


def render_document(document: Document) -> str:
    """As ``render_html``, of any document."""
    return _environment().get_template("page.html").render(document=document)


def render_body(report: OversightReport | SupplierUse) -> Markup:
    """The report alone, to be set into another page that has ``stylesheet()``; no style or script is in it."""
    return Markup(_environment().get_template("body.html").render(document=document_of(report)))


def stylesheet() -> str:
    """The style of ``render_body``, on screen and on paper."""
    return (TEMPLATES / "report.css").read_text(encoding="utf-8")


def render_csv(report: OversightReport | SupplierUse) -> str:
    """The tables one after another, each under a line with its title, as spreadsheets read it."""
    document = document_of(report)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([document.title])
    writer.writerow([document.period])
    if document.synthetic:
        writer.writerow(["Synthetic data"])
    for section in document.sections:
        writer.writerow([])
        writer.writerow([section.title])
        writer.writerow([f"{c.title} ({c.unit})" if c.unit else c.title for c in section.columns])
        for row in section.rows:
            writer.writerow([_plain(cell) for cell in row])
        if section.total is not None:
            writer.writerow([_plain(cell) for cell in section.total])
    writer.writerow([])
    for sentence in (*document.basis, f"Made on {document.made}."):
        writer.writerow([sentence])
    return out.getvalue()


def render_pdf(report: OversightReport | SupplierUse) -> bytes:
    """A4, tagged, with page numbers; fonts are the machine's."""
    return printed(render_html(report))


def _environment() -> Environment:
    environment = templates_in(TEMPLATES)
    environment.filters["shown"] = _shown
    environment.globals.update(style=lambda: Markup(stylesheet()), bars=_bars, is_number=_is_number)
    return environment


def _is_number(column: Column) -> bool:
    return column.numeric


def _shown(cell: Cell) -> str:
    """A cell for people."""
    if cell is None:
        return "–"
    if isinstance(cell, int):
        return f"{cell:,}".replace("-", "\N{MINUS SIGN}")
    if isinstance(cell, timedelta):
        return _duration(cell)
    if isinstance(cell, date):
        return f"{cell.day}\N{NO-BREAK SPACE}{cell:%b}\N{NO-BREAK SPACE}{cell:%Y}"
    return cell


def _duration(took: timedelta) -> str:
    hours = took.total_seconds() / 3600
    if hours < 1:
        return f"{max(1, round(hours * 60))}\N{NO-BREAK SPACE}min"
    if hours < 48:
        return f"{round(hours)}\N{NO-BREAK SPACE}h"
    return f"{hours / 24:.1f}\N{NO-BREAK SPACE}days"


def _plain(cell: Cell) -> str | int:
    """A cell for programs; a text that a spreadsheet would take for a formula is told to be a text."""
    if cell is None:
        return ""
    if isinstance(cell, timedelta):
        return round(cell.total_seconds() / 60)
    if isinstance(cell, date):
        return cell.isoformat()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _bars(section: Section) -> Sequence[tuple[str, int, float]]:
    """Label, value, and the share (0 to 100) of the largest value, of the charted column."""
    assert section.charted is not None
    values = [(str(row[0]), row[section.charted]) for row in section.rows]
    numbers = [(label, value) for label, value in values if isinstance(value, int)]
    largest = max((value for _, value in numbers), default=0)
    return [(label, value, round(100 * value / largest, 2) if largest else 0.0) for label, value in numbers]
