"""Zip files, opened within bounds: so many members, so large, so much larger than they are packed."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from ..errors import SafeStatsError
from ..screening.names import shown_file

LARGEST_UNPACKED = 500_000_000  # a month of the largest supplier is 28 MB
_MOST_MEMBERS = 5_000
_LARGEST_RATIO = 200  # text packs to a tenth, hardly to a hundredth
_SMALL = 10_000_000  # whatever its ratio, harmless
_XLSX_PART = "xl/workbook.xml"
_MARK = b"PK\x03\x04"
_EMPTY_MARK = b"PK\x05\x06"


def is_packed(data: bytes) -> bool:
    """Whether the bytes are a zip file, or a workbook, which is one."""
    return data.startswith((_MARK, _EMPTY_MARK))


def is_xlsx(data: bytes) -> bool:
    """Whether a packed file is a workbook."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {name.casefold() for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    return _XLSX_PART in names or ("[content_types].xml" in names and any(name.startswith("xl/") for name in names))


def check_bounds(name: str, data: bytes, what: str = "zip file") -> None:
    """Raises ``SafeStatsError`` where a packed file would unpack to more than a delivery can be, or is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check(name, archive.infolist(), what)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise SafeStatsError(f"{name} is a damaged {what}: ask for it again.") from error


def members(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """(name to show, bytes) of each member of a zip file, by name; folders and what systems add are left out."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check(name, archive.infolist(), "zip file")
            left = LARGEST_UNPACKED
            for at, member in enumerate(sorted(archive.infolist(), key=lambda info: info.filename), start=1):
                if member.is_dir() or _is_clutter(member.filename):
                    continue
                if member.flag_bits & 1:
                    raise SafeStatsError(
                        f"{name} is locked with a password: ask the supplier for it without one, in a protected way."
                    )
                with archive.open(member) as opened:
                    content = opened.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise _too_large(name, LARGEST_UNPACKED, "zip file")
                shown = shown_file(member.filename, at)
                if is_packed(content) and not is_xlsx(content):
                    raise SafeStatsError(f"{name} holds another zip file, “{shown}”: ask for the files themselves.")
                yield shown, content
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SafeStatsError(f"{name} is a damaged zip file: ask for it again.") from error


def _check(name: str, infos: list[zipfile.ZipInfo], what: str) -> None:
    if len(infos) > _MOST_MEMBERS:
        raise SafeStatsError(
            f"{name} holds {len(infos):,} files, more than {_MOST_MEMBERS:,}: ask for fewer at a time."
        )
    unpacked = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if unpacked > LARGEST_UNPACKED:
        raise _too_large(name, unpacked, what)
    if unpacked > _SMALL and unpacked > _LARGEST_RATIO * max(packed, 1):
        raise SafeStatsError(
            f"{name} unpacks to {unpacked / max(packed, 1):,.0f} times its size, which no delivery does: it was not "
            f"opened; ask the supplier what it is."
        )


def _too_large(name: str, unpacked: int, what: str) -> SafeStatsError:
    return SafeStatsError(
        f"{name} unpacks to {unpacked / 1e6:,.0f} MB, more than the {LARGEST_UNPACKED / 1e6:,.0f} that a {what} "
        "of a month can be: ask for smaller files."
    )


def _is_clutter(member: str) -> bool:
    path = PurePosixPath(member)
    return "__MACOSX" in path.parts or path.name.startswith(".") or path.name.casefold() in ("thumbs.db", "desktop.ini")
