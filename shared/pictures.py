"""Takes out of picture files what nobody sees: who made them, when, with what, and whatever else was tucked in."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What a PNG needs to be drawn, its size on paper included.
_DRAWN = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"pHYs", b"sRGB", b"gAMA"}
_NO_DRAWING = "the PNG cannot be drawn"
# Samples of a pixel and the bits that each may have, by the kind of colour; 3 is a palette's.
_SAMPLES = {0: (1, (1, 2, 4, 8, 16)), 2: (3, (8, 16)), 3: (1, (1, 2, 4, 8)), 4: (2, (8, 16)), 6: (4, (8, 16))}
_PALETTE = 3
# Of an interlaced picture's seven passes: the first column and row, and the steps to the next.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
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


def check_png(content: bytes) -> None:
    """Raises ``ValueError`` where a PNG holds other than the rows that its header tells.

    No more than these rows is unpacked: look at ``png_size`` first.
    """
    width, height = png_size(content)
    chunks = list(png_chunks(content))
    depth, colour, packing, filtering, interlaced = chunks[0][1][8:]
    samples, depths = _SAMPLES.get(colour, (0, ()))
    if not width or not height or depth not in depths or packing or filtering or interlaced > 1:
        raise ValueError(_NO_DRAWING)
    kinds = [kind for kind, _ in chunks]
    palettes = [body for kind, body in chunks if kind == b"PLTE"]
    drawn = [at for at, kind in enumerate(kinds) if kind == b"IDAT"]
    if not drawn or drawn[-1] - drawn[0] + 1 != len(drawn) or kinds.count(b"IHDR") != 1:
        raise ValueError(_NO_DRAWING)
    if len(palettes) > 1 or (colour == _PALETTE and not palettes) or (palettes and colour in (0, 4)):
        raise ValueError(_NO_DRAWING)
    if palettes and (len(palettes[0]) % 3 or not 3 <= len(palettes[0]) <= 3 * min(256, 2**depth)):
        raise ValueError(_NO_DRAWING)
    if palettes and kinds.index(b"PLTE") > drawn[0]:
        raise ValueError(_NO_DRAWING)
    rows = list(_rows(width, height, samples * depth, bool(interlaced)))
    whole = sum(rows)
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"), whole + 1)
    except zlib.error as error:
        raise ValueError(_NO_DRAWING) from error
    if len(unpacked) != whole or not unpacking.eof or unpacking.unused_data:
        raise ValueError("the PNG holds more or less than its size tells")
    at = 0
    for row in rows:
        if unpacked[at] > 4:  # the kinds of filter
            raise ValueError(_NO_DRAWING)
        at += row


def _rows(width: int, height: int, bits: int, interlaced: bool) -> Iterator[int]:
    """The bytes of each row as it is packed, its filter's included."""
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns = (width - left + across - 1) // across
        for _ in range((height - top + down - 1) // down if columns > 0 else 0):
            yield 1 + (columns * bits + 7) // 8


def clean_svg(content: str) -> str:
    """The drawing without comments, metadata, and the titles and descriptions of the program that wrote it."""
    return _UNDRAWN_SVG.sub("", content)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
