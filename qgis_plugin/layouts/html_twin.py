"""A page's accessible twin: the same words as HTML, its maps as pictures with a text alternative, its tables as tables.

QGIS cannot tag a PDF. The twin is made of the page itself, so that it says what the page says and nothing more.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape

from qgis.core import (
    QgsFeedback,
    QgsLayout,
    QgsLayoutExporter,
    QgsLayoutFrame,
    QgsLayoutItem,
    QgsLayoutItemLabel,
    QgsLayoutItemManualTable,
    QgsLayoutItemMap,
    QgsLayoutItemPicture,
    QgsPrintLayout,
    QgsTableCell,
)
from qgis.PyQt.QtCore import QBuffer, QIODevice

from ...shared.furniture import FurnitureItem
from ...shared.pictures import clean_png
from .checks import mode_of, unseen
from .sheet import ALTERNATIVE_PROPERTY, tr

TABLES_PROPERTY = "safestats/tables"
_MAP_DPI = 150
_FOOT = (
    FurnitureItem.SOURCE,
    FurnitureItem.EXTRACT_DATE,
    FurnitureItem.COUNTS,
    FurnitureItem.SMALL_NUMBERS,
    FurnitureItem.DISCLAIMER,
    FurnitureItem.AUTHOR,
)
_STYLE = (
    "body{font:1rem/1.5 sans-serif;color:#1f2933;max-width:60rem;margin:0 auto;padding:1rem}"
    "img{max-width:100%;height:auto;border:1px solid #9aa5b1}figure{margin:1rem 0}"
    ".marking{text-align:center;font-weight:bold}.synthetic{background:#ffd75e;text-align:center;font-weight:bold}"
    ".scroll{overflow-x:auto}table{border-collapse:collapse}"
    "caption{text-align:left;font-weight:bold;padding:.5rem 0}th,td{border:1px solid #9aa5b1;padding:.25rem .5rem}"
    "th{text-align:left;background:#e9edf1}td.n{text-align:right}"
)


@dataclass(frozen=True)
class TwinTable:
    """A table that the twin shows in place of a drawing: the first column names the row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def attach_table(layout: QgsLayout, table: TwinTable) -> None:
    """Keep a table for the page's twin: what a map or chart shows, as words and figures that may be published."""
    layout.setCustomProperty(TABLES_PROPERTY, json.dumps([*map(asdict, attached_tables(layout)), asdict(table)]))


def attached_tables(layout: QgsLayout) -> list[TwinTable]:
    """The tables that were attached, in their order."""
    kept = json.loads(str(layout.customProperty(TABLES_PROPERTY, "[]")))
    return [TwinTable(one["caption"], tuple(one["head"]), tuple(map(tuple, one["rows"]))) for one in kept]


def describe(item: QgsLayoutItem, words: str) -> None:
    """Give a map, chart or picture the words that stand for it where it cannot be seen."""
    item.setCustomProperty(ALTERNATIVE_PROPERTY, words)


def twin_of(layout: QgsPrintLayout, feedback: QgsFeedback | None = None) -> str:
    """The page as one HTML file without scripts, links or anything to be fetched; an atlas as a section a page.

    ``feedback`` hears how far it is; cancelled, what is made is of no use.
    """
    atlas = layout.atlas()
    sections = []
    if atlas.enabled():
        atlas.first()
        for number in range(atlas.count()):
            if feedback is not None:
                feedback.setProgress(100 * number / atlas.count())
                if feedback.isCanceled():
                    break
            atlas.seekTo(number)
            atlas.refreshCurrentFeature()
            sections.append(_section(layout, "h2"))
        atlas.first()
        head = f"<h1>{escape(layout.name())}</h1>"
    else:
        head = ""
        sections.append(_section(layout, "h1"))
    marking = f'<p class="marking">{escape(mode_of(layout).marking)}</p>'
    tables = "".join(map(_attached, attached_tables(layout)))
    foot = _footer(layout)
    return (
        '<!DOCTYPE html>\n<html lang="en-GB"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(layout.name())}</title><style>{_STYLE}</style></head>\n<body>"
        f"<header>{marking}</header>\n<main>{head}{''.join(sections)}{tables}</main>\n"
        f"<footer>{foot}{marking}</footer></body></html>\n"
    )


def _section(layout: QgsLayout, heading: str) -> str:
    items = [
        item for item in reversed(layout.items()) if isinstance(item, QgsLayoutItem) and unseen(layout, item) is None
    ]
    named = {item.id(): item for item in items if isinstance(item, QgsLayoutItemLabel)}
    told = {item.value for item in FurnitureItem}
    out = []
    if title := _words(named.get(FurnitureItem.TITLE.value)):
        out.append(f"<{heading}>{title}</{heading}>")
    if label := _words(named.get(FurnitureItem.SYNTHETIC_LABEL.value)):
        out.append(f'<p class="synthetic">{label}</p>')
    below = f"h{int(heading[1]) + 1}"
    for item in items:
        if isinstance(item, QgsLayoutItemMap) or (
            isinstance(item, QgsLayoutItemPicture) and item.customProperty(ALTERNATIVE_PROPERTY)
        ):
            out.append(_figure(layout, item))
        elif isinstance(item, QgsLayoutFrame):
            out.append(_frame(item, named))
        elif isinstance(item, QgsLayoutItemLabel) and item.id() not in told and (words := _words(item)):
            out.append(f"<{below}>{words}</{below}>" if item.id().endswith("_heading") else f"<p>{words}</p>")
    return f"<section>{''.join(out)}</section>\n"


def _words(label: QgsLayoutItemLabel | None) -> str:
    """A label's words in one line: where it breaks them is a matter of paper."""
    return escape(" ".join(label.currentText().split())) if label is not None else ""


def _footer(layout: QgsLayout) -> str:
    labels = {
        item.id(): item
        for item in layout.items()
        if isinstance(item, QgsLayoutItemLabel) and unseen(layout, item) is None
    }
    pairs = [(item.words, _words(labels.get(item.value))) for item in _FOOT]
    return f"<dl>{''.join(f'<dt>{escape(_capital(name))}</dt><dd>{words}</dd>' for name, words in pairs if words)}</dl>"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _figure(layout: QgsLayout, item: QgsLayoutItem) -> str:
    words = str(item.customProperty(ALTERNATIVE_PROPERTY, "")) or tr("A map; the table below says what it shows.")
    region = item.mapRectToScene(item.rect())
    image = QgsLayoutExporter(layout).renderRegionToImage(region, dpi=_MAP_DPI)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    data = base64.b64encode(clean_png(bytes(buffer.data()))).decode("ascii")
    return f'<figure><img alt="{escape(words, quote=True)}" src="data:image/png;base64,{data}"></figure>'


def _frame(item: QgsLayoutFrame, labels: dict[str, QgsLayoutItemLabel]) -> str:
    """A printed table that has words; one of colours alone is a drawing, whose table is attached."""
    table = item.multiFrame()
    if not isinstance(table, QgsLayoutItemManualTable):
        return ""
    rows = [[_cell_words(cell) for cell in row] for row in table.tableContents()]
    if len(rows) < 2 or sum(any(row[1:]) for row in rows) < 2:
        return ""
    return _table("", tuple(rows[0]), tuple(map(tuple, rows[1:])))


def _cell_words(cell: QgsTableCell) -> str:
    content = cell.content()
    return content if isinstance(content, str) else ""


def _attached(table: TwinTable) -> str:
    return _table(table.caption, table.head, table.rows)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(words)}</th>' for words in head)
    lines = []
    for row in rows:
        first, rest = row[0] if row else "", row[1:]
        cells = "".join(f'<td class="n">{escape(words)}</td>' for words in rest)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    name = escape(caption or (head[0] if head else ""), quote=True)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}"><table>{said}'
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
