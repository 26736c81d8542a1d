"""Takes out of picture files what nobody sees: who made them, when, with what, and whatever else was tucked in."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What a PNG needs to be drawn, its size on paper included.
_DRAWN = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"pHYs", b"sRGB", b"gAMA"}
_UNDRAWN_SVG = re.compile(r"<!--.*?-->|<metadata\b.*?</metadata>|<desc\b.*?</desc>|<title\b.*?</title>", re.DOTALL)


def clean_png(content: bytes) -> bytes:
    """The picture without its texts, times, colour profile and other side chunks; raises ``ValueError``."""
    return _SIGNATURE + b"".join(_chunk(kind, body) for kind, body in png_chunks(content) if kind in _DRAWN)


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, each with its kind; raises ``ValueError`` where it is none, or damaged."""
    if not content.startswith(_SIGNATURE):
        raise ValueError("this is no PNG")
    at = len(_SIGNATURE)
    while at < len(content):
        if at + 8 > len(content):
            raise ValueError("the PNG is cut off")
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + length]
        if len(body) < length or content[at + 8 + length : at + 12 + length] != struct.pack(
            ">I", zlib.crc32(kind + body)
        ):
            raise ValueError("the PNG is damaged")
        yield kind, body
        at += 12 + length
        if kind == b"IEND":
            return  # what follows belongs to no picture
    raise ValueError("the PNG is cut off")


def png_size(content: bytes) -> tuple[int, int]:
    """Width and height in pixels; raises ``ValueError`` where it is no sound PNG."""
    kind, body = next(iter(list(png_chunks(content))))
    if kind != b"IHDR" or len(body) != 13:
        raise ValueError("the PNG does not begin as one")
    width, height = struct.unpack(">II", body[:8])
    return width, height


def clean_svg(content: str) -> str:
    """The drawing without comments, metadata, and the titles and descriptions of the program that wrote it."""
    return _UNDRAWN_SVG.sub("", content)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
