"""Setting and reading the house style: checked so that nothing in it can do harm on a desk or send it elsewhere."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from ...shared.pictures import check_png, clean_png, png_size
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
# Of letters, as DNS has them: whatever else a resolver takes for an address (127.1, 0x7f.1) ends in a number.
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?")
_GOOGLE = re.compile(r"(?:.*\.)?google(?:\.[a-z]{2,3}){1,2}")
# Told to everybody who opens a page: where tiles of these are asked for shows what is being looked at.
_THIRD_PARTIES = (
    "openstreetmap.org",
    "openstreetmap.de",
    "openstreetmap.fr",
    "osm.org",
    "opentopomap.org",
    "geofabrik.de",
    "googleapis.com",
    "googleusercontent.com",
    "gstatic.com",
    "ggpht.com",
    "atlas.microsoft.com",
    "here.com",
    "hereapi.com",
    "tomtom.com",
    "arcgis.com",
    "jawg.io",
    "stamen.com",
    "cartodb.com",
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
    host = _host_of(address)
    if _GOOGLE.fullmatch(host) or any(host == other or host.endswith(f".{other}") for other in _THIRD_PARTIES):
        raise SafeStatsError(
            f"{host} is no service of your organisation's own: whoever runs it would see what people look at."
        )
    if not (layer and matrix_set and attribution):
        raise SafeStatsError("A map service needs its layer, its tile matrix set and the attribution to be printed.")
    if any(mark in text for mark in "&?#" for text in (layer, matrix_set)):
        raise SafeStatsError("The names of layer and tile matrix set are written as the service's capabilities do.")
    if any(unicodedata.category(mark).startswith("C") for text in parts for mark in text):
        raise SafeStatsError("The map service's names and attribution are one line each, of characters that print.")
    if any(len(text) > most for text, most in zip(parts, (500, 200, 200, 500), strict=True)):
        raise SafeStatsError("The map service's address or one of its names is too long.")
    chosen = service.format.strip() or FORMATS[0]
    if chosen not in FORMATS:
        raise SafeStatsError(f"A map service's pictures are {' or '.join(FORMATS)}.")
    return MapService(address, layer, matrix_set, chosen, attribution)


def _host_of(address: str) -> str:
    """In lower case, without the dot that may end it; raises ``SafeStatsError`` where it may not be asked for tiles."""
    form = SafeStatsError("The map service's address begins with https:// and holds no user name.")
    if any(mark.isspace() or not mark.isprintable() or mark == "\\" for mark in address):
        raise SafeStatsError("The map service's address holds a space or a character that does not print.")
    try:
        url = urlsplit(address)
        host = (url.hostname or "").rstrip(".").encode("idna").decode("ascii").casefold()
        _ = url.port  # raises where it is no number
    except ValueError as error:
        raise form from error
    if not host or "@" in url.netloc or url.fragment or url.scheme != "https":
        raise form
    try:
        ordinary = ip_address(host).is_global
    except ValueError:
        ordinary = bool(_HOST.fullmatch(host)) and host.rpartition(".")[2] not in ("localhost", "localdomain")
    if not ordinary:
        raise SafeStatsError("The map service's address names this computer or a private network: name it by its host.")
    return host


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
    try:
        check_png(content)
    except ValueError as error:
        raise SafeStatsError(f"The logo cannot be used ({error}): save it as a PNG and choose it again.") from error
    return cleaned
