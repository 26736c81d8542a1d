"""Templates and static files of the console, read once for each application."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from fastapi import Request, Response

from ..instants import LONDON
from ..oversight.rendering import TEMPLATES as REPORTS
from ..page_templates import templates_in
from ..quality.rendering import TEMPLATES as CARDS
from .prose import prose

HERE = Path(__file__).parent
TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class StaticFile:
    """A file and the address that changes with its content."""

    address: str
    content: bytes
    media_type: str


class Site:
    """Renders pages; ``statics`` are the static files by their hashed names."""

    def __init__(self, resources: Path) -> None:
        styles = [HERE / "static" / "console.css", REPORTS / "report.css", CARDS / "quality.css"]
        files = [*styles, resources / "icons" / "safestats.svg"]
        self.statics = {file.address: file for file in map(_static, files)}
        by_name = {path.name: f"/console/static/{address}" for path, address in zip(files, self.statics, strict=True)}
        self.templates = templates_in(HERE / "templates")
        self.templates.globals["static"] = by_name.__getitem__
        self.templates.filters.update(day=day, moment=moment, number=number, prose=prose, slug=slug, words=words)

    def render(self, template: str, context: dict[str, object]) -> str:
        """The page as HTML."""
        return self.templates.get_template(template).render(context)

    def static(self, address: str) -> Response | None:
        """The file of that hashed name, to be kept for good by the browser."""
        file = self.statics.get(address)
        if file is None:
            return None
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(file.content, media_type=file.media_type, headers=headers)


def site_of(request: Request) -> Site:
    """The application's."""
    site: Site = request.app.state.console
    return site


def day(value: date | datetime | None) -> str:
    """``22 November 2026`` in London; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        value = value.astimezone(LONDON)
    return f"{value:%-d %B %Y}"


def moment(value: datetime | str | None) -> str:
    """``22 Nov 2026, 09:31`` in London; a dash for none."""
    if not value:
        return "–"
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return f"{value.astimezone(LONDON):%-d %b %Y, %H:%M}"


def number(value: int | None) -> str:
    """With commas; a dash for none."""
    return "–" if value is None else f"{value:,}"


def words(code: str) -> str:
    """A code such as ``licensing-officer`` as words, the first with a capital."""
    return code.replace("-", " ").replace("_", " ").replace(".", ": ").capitalize()


def slug(reference: str) -> str:
    """An agreement's reference as one step of an address; ``reference_of`` reads it."""
    return reference.replace("/", "~")


def reference_of(step: str) -> str:
    """The reference that ``slug`` made the step of."""
    return step.replace("~", "/")


def _static(path: Path) -> StaticFile:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    return StaticFile(f"{path.stem}.{digest}{path.suffix}", content, TYPES[path.suffix])
