"""What a run found, as a page of text: the answer, the values that were used, and small tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from ..core.analyses.analysis import Output, OutputKind

_MOST_ROWS, _MOST_COLUMNS = 40, 8
_CELL = "style='padding: 1px 10px 1px 0'"


def page(title: str, answer: str, parameters: Sequence[tuple[str, str]], outputs: Sequence[Output] = ()) -> str:
    """As HTML. A table of the findings follows where it is small; a link ``table:NAME`` opens any of them."""
    parts = [f"<p>{escape(title)}</p>"]
    if answer:
        parts.append(f"<p><b>{escape(answer)}</b></p>")
    for output in outputs:
        if output.kind is OutputKind.TABLE:
            parts.append(f"<p><a href='table:{escape(output.name)}'>{escape(output.title)}</a></p>")
            parts.extend(_small_table(output))
    rows = (f"<tr><td {_CELL}>{escape(words)}</td><td>{escape(value)}</td></tr>" for words, value in parameters)
    return "".join([*parts, f"<table>{''.join(rows)}</table>"])


def _small_table(output: Output) -> Iterator[str]:
    columns = list(output.columns.items())
    rows = len(columns[0][1]) if columns else 0
    if not 0 < rows <= _MOST_ROWS or len(columns) > _MOST_COLUMNS:
        return
    heads = (f"<td {_CELL}><i>{escape(output.words.get(name, name))}</i></td>" for name, _ in columns)
    yield f"<table><tr>{''.join(heads)}</tr>"
    for row in range(rows):
        cells = (
            f"<td {_CELL} align='{'left' if values.dtype.kind in 'OU' else 'right'}'>{escape(_words(values[row]))}</td>"
            for _, values in columns
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</table>"


def _words(value: object) -> str:
    if value is None or value != value:  # not a number, not a time
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{int(value):,}"
    if isinstance(value, (float, np.floating)):
        return f"{float(value):,.4g}" if abs(value) < 1000 else f"{float(value):,.0f}"
    return str(value)
