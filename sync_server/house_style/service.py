"""Setting and reading the house style: checked so that nothing in it can do harm on a desk or send it elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from ...shared.pictures import clean_png, png_size
from ..audit.log import EventType
from ..errors import SafeStatsError
from ..identity.authority import authorise
from ..identity.models import Organisation
from ..identity.permissions import Permission
from ..instants import now
from ..services import Services
from .models import HouseStyle

MOST_LOGO_BYTES = 150_000
MOST_LOGO_PIXELS = 2_000
FORMATS = ("image/png", "image/jpeg")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_FONT = re.compile(r"[\w][\w .&'-]{0,99}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Told to everybody who opens a page: where tiles of these are asked for shows what is being looked at.
_THIRD_PARTIES = (
    "openstreetmap.org",
    "google.com",
    "googleapis.com",
    "virtualearth.net",
    "bing.com",
    "mapbox.com",
    "arcgisonline.com",
    "stadiamaps.com",
    "maptiler.com",
    "thunderforest.com",
    "cartocdn.com",
)


@dataclass(frozen=True)
class MapService:
    """A tile service (WMTS) of the organisation's own; an empty address stands for none."""

    address: str = ""
    layer: str = ""
    matrix_set: str = ""
    format: str = ""
    attribution: str = ""


@dataclass(frozen=True)
class Look:
    """What a page takes from its organisation, but for the logo; what is empty is as the plugin has it."""

    colour: str = ""
    font: str = ""
    logo_words: str = ""
    map: MapService = MapService()


def find(session: Session, organisation_id: int) -> HouseStyle | None:
    """The organisation's, if it has set one."""
    return session.get(HouseStyle, organisation_id)


def set_style(
    services: Services, actor: str, organisation_id: int, look: Look, logo: bytes | None, without_logo: bool = False
) -> list[str]:
    """Set the organisation's house style; the names of what is different. A new ``logo`` takes the place of the old.

    Raises ``SafeStatsError`` where something of it is no colour, font, PNG or service of one's own.
    """
    look = _checked(look)
    picture = b"" if without_logo else None if logo is None else _checked_logo(logo)
    with services.database.write() as session:
        authorise(session, actor, Permission.SET_HOUSE_STYLE, organisation_id)
        organisation = session.get_one(Organisation, organisation_id)
        style = find(session, organisation_id)
        if style is None:
            style = HouseStyle(organisation_id=organisation_id, changed_at=now())
            session.add(style)
            style.logo = b""
        wanted = {
            "colour": look.colour,
            "font": look.font,
            "logo_words": look.logo_words,
            "map_address": look.map.address,
            "map_layer": look.map.layer,
            "map_matrix_set": look.map.matrix_set,
            "map_format": look.map.format,
            "map_attribution": look.map.attribution,
        }
        if picture is not None:
            wanted["logo"] = picture  # type: ignore[assignment]
        changed = [name for name, value in wanted.items() if (getattr(style, name) or type(value)()) != value]
        for name, value in wanted.items():
            setattr(style, name, value)
        if changed:
            style.changed_at = now()
            services.audit.record(
                EventType.ORGANISATION_CHANGED,
                actor=actor,
                organisation=organisation.code,
                filter={"changed": [f"house style: {name}" for name in changed]},
            )
    return changed


def _checked(look: Look) -> Look:
    colour = look.colour.strip().casefold()
    if colour and not _COLOUR.fullmatch(colour):
        raise SafeStatsError("A colour is written as # and six digits or letters a to f, such as #1f639b.")
    font = look.font.strip()
    if font and not _FONT.fullmatch(font):
        raise SafeStatsError("A font is named as its family, such as Open Sans.")
    words = look.logo_words.strip()
    if len(words) > 200:
        raise SafeStatsError("The words for the logo have at most 200 characters.")
    return Look(colour, font, words, _checked_map(look.map))


def _checked_map(service: MapService) -> MapService:
    parts = [part.strip() for part in (service.address, service.layer, service.matrix_set, service.attribution)]
    address, layer, matrix_set, attribution = parts
    if not address:
        return MapService()
    try:
        url = urlsplit(address)
        host = (url.hostname or "").casefold()
    except ValueError:
        host, url = "", urlsplit("")
    if not host or url.username or url.fragment or not (url.scheme == "https" or _is_here(url.scheme, host)):
        raise SafeStatsError("The map service's address begins with https:// and holds no user name.")
    if any(host == other or host.endswith(f".{other}") for other in _THIRD_PARTIES):
        raise SafeStatsError(
            f"{host} is no service of your organisation's own: whoever runs it would see what people look at."
        )
    if not (layer and matrix_set and attribution):
        raise SafeStatsError("A map service needs its layer, its tile matrix set and the attribution to be printed.")
    if any(mark in text for mark in "&?#\r\n" for text in (layer, matrix_set)):
        raise SafeStatsError("The names of layer and tile matrix set are written as the service's capabilities do.")
    if any(len(text) > most for text, most in zip(parts, (500, 200, 200, 500), strict=True)):
        raise SafeStatsError("The map service's address or one of its names is too long.")
    chosen = service.format.strip() or FORMATS[0]
    if chosen not in FORMATS:
        raise SafeStatsError(f"A map service's pictures are {' or '.join(FORMATS)}.")
    return MapService(address, layer, matrix_set, chosen, attribution)


def _is_here(scheme: str, host: str) -> bool:
    return scheme == "http" and host in _LOOPBACK


def _checked_logo(content: bytes) -> bytes:
    if len(content) > MOST_LOGO_BYTES:
        raise SafeStatsError(f"The logo has {len(content):,} bytes, of {MOST_LOGO_BYTES:,} that it may have.")
    try:
        width, height = png_size(content)
        cleaned = clean_png(content)
    except ValueError as error:
        raise SafeStatsError(f"The logo cannot be used ({error}): save it as a PNG and choose it again.") from error
    if not 0 < width <= MOST_LOGO_PIXELS or not 0 < height <= MOST_LOGO_PIXELS:
        raise SafeStatsError(f"The logo is {width} by {height} pixels, of {MOST_LOGO_PIXELS} that it may be.")
    return cleaned
