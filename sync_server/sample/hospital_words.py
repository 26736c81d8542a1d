"""How receptions put things: moments, methods and kinds of places in words, and what a reader can know of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from numpy.random import Generator

from .hospital_styles import Moments, Words

Cell = str | float | date | time | datetime
_LONDON = ZoneInfo("Europe/London")
_EXCEL_EPOCH = datetime(1899, 12, 30)
_JOINED = (Moments.JOINED_CELL, Moments.SERIAL, Moments.UK_JOINED, Moments.US_JOINED, Moments.UTC)
_UNKNOWN = ("unknown", "Unknown", "not known", "n/k", "?", "")

METHOD_WORDS: dict[str, tuple[str, ...]] = {
    "body-part": ("punched", "Fists", "kicked", "fist", "punched in face", "head butt", "slapped", "pushed", "bitten"),
    "blunt": ("baseball bat", "hammer", "bat", "stick", "iron bar", "blunt object"),
    "sharp": ("knife", "stabbed", "Knife", "kitchen knife", "machete", "knife wound"),
    "glass-bottle": ("bottle", "glass", "broken bottle", "Glassed", "bottle to head"),
    "firearm": ("gun", "gunshot", "air rifle", "GSW"),
    "dog": ("dog bite", "dog", "bitten by dog"),
    "corrosive": ("acid", "ammonia", "acid attack", "corrosive substance"),
    "other": ("hit by car", "hot water", "pepper spray", "other"),
    "unknown": ("unknown", "not known", "n/k", "", "can't remember"),
}
METHOD_LABELS = {
    "body-part": "Body part",
    "blunt": "Blunt object",
    "sharp": "Sharp object",
    "glass-bottle": "Glass/bottle",
    "firearm": "Firearm",
    "dog": "Dog",
    "corrosive": "Corrosive substance",
    "other": "Other",
    "unknown": "Not known",
}
METHOD_TERMS = {
    "body-part": "Assault by unarmed fight or brawl",
    "blunt": "Assault by blunt object",
    "sharp": "Assault by cutting and stabbing instrument",
    "glass-bottle": "Assault by broken glass",
    "firearm": "Assault by firearm",
    "dog": "Assault by dog",
    "corrosive": "Assault by corrosive substance",
    "other": "Assault by other means",
    "unknown": "Assault",
}
# As in resources/mappings/codes/istv.toml, which says that these numbers are assumed.
METHOD_CODES = dict(zip(METHOD_WORDS, ("01", "02", "03", "04", "05", "06", "07", "98", "99"), strict=True))
TYPE_WORDS: dict[str, tuple[str, ...]] = {
    "street": ("street", "Street", "road", "outside", "in the street"),
    "pub-club": ("pub", "nightclub", "bar", "club", "Pub/Club"),
    "home": ("home", "Home", "own home", "flat", "house"),
    "transport": ("bus", "train", "tube", "bus stop", "on bus"),
    "school": ("school", "college", "School"),
    "workplace": ("work", "workplace", "at work"),
    "park": ("park", "Park", "open space"),
    "shop": ("shop", "supermarket", "takeaway"),
    "other": ("other", "Other"),
    "unknown": ("unknown", "n/k", ""),
}
TYPE_LABELS = {
    "street": "Street/public place",
    "pub-club": "Licensed premises",
    "home": "Home",
    "transport": "Public transport",
    "school": "School/college",
    "workplace": "Workplace",
    "park": "Park/open space",
    "shop": "Shop/restaurant",
    "other": "Other",
    "unknown": "Not known",
}
TYPE_CODES = {
    "home": "01",
    "street": "02",
    "pub-club": "03",
    "school": "04",
    "workplace": "05",
    "transport": "06",
    "park": "07",
    "shop": "08",
    "other": "98",
    "unknown": "99",
}


@dataclass(frozen=True)
class Told:
    """The cells of a moment (date, time; or both in the first), and what they allow to know."""

    cells: tuple[Cell, Cell]
    day: date | None
    at: time | None


def tell_method(code: str, words: Words, random: Generator) -> str:
    """The method as this hospital writes it."""
    return _tell(code, words, random, METHOD_WORDS, METHOD_LABELS, METHOD_CODES, METHOD_TERMS)


def tell_type(code: str, words: Words, random: Generator) -> str:
    """The kind of place as this hospital writes it."""
    return _tell(code, words, random, TYPE_WORDS, TYPE_LABELS, TYPE_CODES, TYPE_LABELS)


def tell_moment(moment: datetime, form: Moments) -> Told:
    """A moment (London's time) as it should be written."""
    day, at = moment.date(), moment.time()
    first: Cell
    second: Cell = ""
    if form == Moments.CELLS:
        first, second = day, at
    elif form == Moments.JOINED_CELL:
        first = moment
    elif form == Moments.SERIAL:
        first = round((moment - _EXCEL_EPOCH) / timedelta(days=1), 6)
    elif form == Moments.UTC:
        first = f"{moment.replace(tzinfo=_LONDON).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    elif form == Moments.US_JOINED:
        first = f"{moment:%m/%d/%Y %I:%M %p}"
    elif form == Moments.UK_JOINED:
        first = f"{moment:%d/%m/%Y %H:%M}"
    elif form == Moments.UK_SHORT:
        first, second = f"{day.day}/{day.month}/{day:%y}", f"{moment:%H%M}"
    elif form == Moments.LONG:
        first, second = f"{day.day} {moment:%b %Y}", f"{int(f'{moment:%I}')}.{moment:%M%p}".lower()
    elif form == Moments.ISO:
        first, second = f"{day:%Y-%m-%d}", f"{moment:%H:%M}"
    else:
        first, second = f"{moment:%d/%m/%Y}", f"{moment:%H:%M}"
    return Told((first, second), day, at)


def tell_vaguely(moment: datetime, arrived: datetime, form: Moments, apart: bool, random: Generator) -> Told:
    """A moment as a patient who does not quite know tells it. ``apart``: the time has a column of its own."""
    day, hour = moment.date(), moment.hour
    evening = 18 <= hour <= 23
    choice = random.random()
    if choice < 0.25 and evening and (arrived.date() - day).days in range(1, 6):
        return Told((f"{moment:%a} night", ""), day, None)
    if choice < 0.40 and evening and (arrived.date() - day).days == 1:
        return Told(("last night", ""), day, None)
    clock = f"{(hour - 1) % 12 + 1}{'am' if hour < 12 else 'pm'}"
    if choice < 0.50 and not apart and arrived - moment < timedelta(hours=22):
        return Told((clock, ""), day, time(hour))
    if choice < 0.80 and apart:
        known = tell_moment(moment, form).cells[0]
        if random.random() < 0.5:
            return Told((known, f"{'approx ' if random.random() < 0.4 else ''}{clock}"), day, time(hour))
        return Told((known, str(random.choice(["unknown", "night", "", "n/k"]))), day, None)
    return Told((str(random.choice(_UNKNOWN)), ""), None, None)


def is_joined(form: Moments) -> bool:
    """Whether date and time are one cell."""
    return form in _JOINED


def _tell(
    code: str,
    words: Words,
    random: Generator,
    texts: dict[str, tuple[str, ...]],
    labels: dict[str, str],
    codes: dict[str, str],
    terms: dict[str, str],
) -> str:
    if words == Words.TEXT:
        return str(random.choice(texts[code]))
    return {Words.CODE: codes, Words.TERM: terms, Words.LABEL: labels}[words][code]
