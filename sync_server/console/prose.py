"""Texts written in a little Markdown, as HTML: headings, paragraphs, lists, strong words. Everything else is text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

_HEADING = re.compile(r"(#{1,4}) +(.+)")
_BULLET = re.compile(r"(?:[-*]|\d+\.) +(.+)")
_STRONG = re.compile(r"\*\*(.+?)\*\*")


def prose(text: str, top: int = 2) -> Markup:
    """The text with its highest heading as ``<h{top}>``; no markup of its own survives."""
    return Markup("\n").join(_blocks(text, top))


def _blocks(text: str, top: int) -> Iterator[Markup]:
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        lines = block.split("\n")
        if (heading := _HEADING.fullmatch(lines[0])) is not None:
            level = min(6, top + len(heading[1]) - 1)
            yield Markup(f"<h{level}>{_inline(heading[2])}</h{level}>")
            lines = lines[1:]
        if not any(lines):
            continue
        if _BULLET.match(lines[0]):
            yield Markup("<ul>{}</ul>").format(
                Markup("").join(Markup("<li>{}</li>").format(_inline(item)) for item in _items(lines))
            )
        else:
            yield Markup("<p>{}</p>").format(_inline(" ".join(lines)))


def _items(lines: list[str]) -> list[str]:
    items: list[str] = []
    for line in lines:
        bullet = _BULLET.match(line)
        if bullet is not None:
            items.append(bullet[1])
        else:
            items[-1] += f" {line.strip()}"
    return items


def _inline(text: str) -> Markup:
    return Markup(_STRONG.sub(r"<strong>\1</strong>", str(escape(text))))
