"""Lets a page leave the house: only complete, only in the mode that it was made for, and never without its note.

Files are drawn where nobody looks for them, hashed, noted for the audit on the disk, and only then given their names.
In publication mode maps are drawn as pictures: what lies below another layer or beyond the frame is not in the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsFeedback,
    QgsLayoutExporter,
    QgsLayoutRenderContext,
    QgsPrintLayout,
    QgsProjectMetadata,
)

from ...shared.pictures import clean_png, clean_svg
from ..core.errors import Cancelled, DeskError
from ..core.replacing import delete, put_in_place
from .checks import ExportRefused, FurnitureMissing, author_of, check, maps_of, missing_furniture, mode_of
from .html_twin import twin_of
from .sheet import Mode, tr

__all__ = ["ExportFailed", "ExportRefused", "Format", "FurnitureMissing", "Leaving", "check", "export", "leave"]
__all__ += ["missing_furniture"]

PNG_DPI = 300
_OPAQUE_BUT_A_PICTURE = 0.9999  # what is see-through by ever so little, QGIS draws as a picture


class Format(str, Enum):
    """A file format that may be asked for; the value is the suffix."""

    PDF = "pdf"
    PNG = "png"
    SVG = "svg"


TWIN = "html"


class ExportFailed(DeskError):  # noqa: N818 - beside ExportRefused
    """The file could not be written."""

    code = "export-failed"


@dataclass(frozen=True)
class Leaving:
    """A file that is about to get its name: suffix, SHA-256 of its bytes, and their number."""

    format: str
    sha256: str
    size: int


Note = Callable[[Sequence[Leaving]], None]
Progress = Callable[[float], bool]  # hears how much of 100 is drawn; whether to go on


def no_progress(_percent: float) -> bool:
    """The default of ``progress``."""
    return True


def export(layout: QgsPrintLayout, path: Path, note: Note) -> Path:
    """``leave`` for one file, whose suffix names the format; in publication its HTML twin goes with it."""
    try:
        file_format = Format(path.suffix.lower().lstrip("."))
    except ValueError:
        raise ExportFailed(f"“{path.name}” is no PDF, PNG or SVG: give it one of these endings.", "format") from None
    return leave(layout, path.parent, path.stem, [file_format], note)[0]


def leave(
    layout: QgsPrintLayout,
    folder: Path,
    stem: str,
    formats: Sequence[Format],
    note: Note,
    progress: Progress = no_progress,
) -> list[Path]:
    """Write the page into ``folder`` in each format: PDF and SVG as vectors, PNG at 300 dots per inch.

    For everybody's eyes, there is an accessible HTML twin beside them, the last of the paths. ``note`` gets what
    leaves, all at once, when it is ready and nothing of it has a name yet; what it raises keeps everything here.

    Nothing is written, and what was there stays, where ``check`` refuses, the writing fails (``ExportFailed``) or
    ``progress`` stops it (``Cancelled``).
    """
    check(layout)
    suffixes = [file_format.value for file_format in formats]
    if mode_of(layout) is Mode.PUBLICATION:
        suffixes.append(TWIN)
    targets = [folder / f"{stem}.{suffix}" for suffix in suffixes]
    parts: list[Path] = []
    try:
        parts.extend(_parts(folder, targets))
        with tempfile.TemporaryDirectory(prefix="safestats-") as private:
            drawn = [Path(private) / f"page.{suffix}" for suffix in suffixes]
            _draw(layout, drawn, progress)
            note([_leaving(path) for path in drawn])
            for path, part in zip(drawn, parts):
                _copy(path, part)
        for part, target in zip(parts, targets):
            put_in_place(part, target)
    except OSError as error:
        raise ExportFailed(
            tr("{name} cannot be written to {folder} ({error}). Choose another folder.").format(
                name=targets[0].name, folder=folder, error=error.strerror or error
            )
        ) from error
    finally:
        for part in parts:
            delete(part)
    return targets


def _parts(folder: Path, targets: Sequence[Path]) -> Iterator[Path]:
    """An empty file for each, so that a folder that takes none is known before anything is drawn or noted."""
    for target in targets:
        handle, name = tempfile.mkstemp(prefix=".", suffix=f".part{target.suffix}", dir=folder)
        os.close(handle)
        yield Path(name)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as drawn, target.open("wb") as file:
        shutil.copyfileobj(drawn, file)
        file.flush()
        os.fsync(file.fileno())


def _leaving(path: Path) -> Leaving:
    content = path.read_bytes()
    return Leaving(path.suffix.lstrip("."), hashlib.sha256(content).hexdigest(), len(content))


def _draw(layout: QgsPrintLayout, paths: Sequence[Path], progress: Progress) -> None:
    public = mode_of(layout) is Mode.PUBLICATION
    with _described(layout), _flattened(layout) if public else contextlib.nullcontext():
        for number, path in enumerate(paths):
            feedback = QgsFeedback()

            def heard(percent: float, number: int = number, feedback: QgsFeedback = feedback) -> None:
                if not progress((number * 100 + percent) / len(paths)):
                    feedback.cancel()

            feedback.progressChanged.connect(heard)
            heard(0)
            if path.suffix == f".{TWIN}":
                path.write_text(twin_of(layout, feedback), encoding="utf-8")
                result = QgsLayoutExporter.ExportResult.Success
            else:
                result = _WRITERS[Format(path.suffix.lstrip("."))](layout, str(path), public, feedback)
            if feedback.isCanceled():
                raise Cancelled
            if result != QgsLayoutExporter.ExportResult.Success or not path.exists() or not path.stat().st_size:
                raise ExportFailed(
                    tr("The {format} could not be drawn (reason: {reason}). Try again, or leave it out.").format(
                        format=path.suffix.lstrip(".").upper(), reason=int(result)
                    )
                )


@contextlib.contextmanager
def _flattened(layout: QgsPrintLayout) -> Iterator[None]:
    """The maps as pictures for as long as it lasts."""
    former = [(item, item.itemOpacity()) for item in maps_of(layout)]
    for item, opacity in former:
        item.setItemOpacity(min(opacity, _OPAQUE_BUT_A_PICTURE))
    try:
        yield
    finally:
        for item, opacity in former:
            item.setItemOpacity(opacity)


@contextlib.contextmanager
def _described(layout: QgsPrintLayout) -> Iterator[None]:
    """Title and author for the file's metadata, which QGIS takes from the project; the project's own come back."""
    project = layout.project()
    own, changed = project.metadata(), project.isDirty()
    metadata = QgsProjectMetadata()
    metadata.setTitle(layout.name())
    metadata.setAuthor(author_of(layout))
    project.setMetadata(metadata)
    try:
        yield
    finally:
        project.setMetadata(own)
        project.setDirty(changed)


def _pdf(layout: QgsPrintLayout, path: str, public: bool, feedback: QgsFeedback) -> QgsLayoutExporter.ExportResult:
    settings = QgsLayoutExporter.PdfExportSettings()
    settings.textRenderFormat = Qgis.TextRenderFormat.AlwaysText
    settings.forceVectorOutput = not public
    settings.flags = QgsLayoutRenderContext.Flag.FlagLosslessImageRendering
    settings.exportMetadata = True  # the title, by which a screen reader announces the file
    settings.appendGeoreference = False
    settings.writeGeoPdf = False
    if layout.atlas().enabled():
        result, _error = QgsLayoutExporter.exportToPdf(layout.atlas(), path, settings, feedback)
        layout.atlas().first()
        return result
    return QgsLayoutExporter(layout).exportToPdf(path, settings)


def _png(layout: QgsPrintLayout, path: str, public: bool, _feedback: QgsFeedback) -> QgsLayoutExporter.ExportResult:
    settings = QgsLayoutExporter.ImageExportSettings()
    settings.dpi = PNG_DPI
    settings.generateWorldFile = False
    settings.exportMetadata = not public
    result = QgsLayoutExporter(layout).exportToImage(path, settings)
    if public and result == QgsLayoutExporter.ExportResult.Success:
        file = Path(path)
        file.write_bytes(clean_png(file.read_bytes()))
    return result


def _svg(layout: QgsPrintLayout, path: str, public: bool, _feedback: QgsFeedback) -> QgsLayoutExporter.ExportResult:
    settings = QgsLayoutExporter.SvgExportSettings()
    settings.textRenderFormat = Qgis.TextRenderFormat.AlwaysOutlines  # the reader's machine may lack the fonts
    settings.forceVectorOutput = not public
    settings.exportMetadata = not public
    settings.exportAsLayers = False
    result = QgsLayoutExporter(layout).exportToSvg(path, settings)
    if public and result == QgsLayoutExporter.ExportResult.Success:
        file = Path(path)
        file.write_text(clean_svg(file.read_text(encoding="utf-8")), encoding="utf-8")
    return result


_WRITERS: dict[Format, Callable[[QgsPrintLayout, str, bool, QgsFeedback], QgsLayoutExporter.ExportResult]] = {
    Format.PDF: _pdf,
    Format.PNG: _png,
    Format.SVG: _svg,
}
