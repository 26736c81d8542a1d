"""Dates and times as people and programs write them. What a text does not say is not guessed.

"05/03/2026" has two readings until a whole file has been looked at; "Fri night" is no date without another one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
_OFFSET = re.compile(r"(?<=\d) ?(?:z|([+-])(\d\d):?(\d\d)?)$")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_MONTH_NAMES = re.compile(
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAYS = {name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
_WEEKDAY = r"(mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?s?"
_NOTHING_KNOWN = re.compile(
    r"|\?+|-+|\.+|n/?a|n/?k|nil|none|null|unk|unknown.*|not? .*|tbc|refus.*|declin.*|unsure|uncertain|"
    r"(can.?t|cannot|could not|couldn.?t|does ?n.?t|don.?t|did ?n.?t|unable) .*|pt (unsure|unaware|cannot).*"
)
_VAGUE_TIME = re.compile(
    r"((early|late|mid|during|in|at|the|this|that|last|over|some ?time|around|about|approx\w*|~|c\.?)[ -]*)*"
    r"(mornings?|am|pm|afternoons?|evenings?|eve|nights?|night[- ]?time|overnight|day ?time|day|weekend|hours|"
    r"closing time|after work|after school|lunch ?time|tea ?time|dusk|dawn|early|late|earlier|recent(ly)?)"
    r"([ -]*(hours|time|on))*"
)
_ABOUT = re.compile(
    r"^(approx\w*|about|around|circa|ca?\.?|roughly|at|@|~|est\w*)[ .:]*(?=\d|noon|mid)|"
    r"[ (]*(approx\w*|ish|hrs?|hours|h|\?)\)?$"
)
_CLOCK = re.compile(r"(\d{1,2})[:.h ](\d{2})(?:[:.](\d{2})(?:[.,]\d+)?)?[ ]?([ap])?\.?(?:m\.?)?")
_HOUR = re.compile(r"(\d{1,2})[ ]?([ap])\.?m\.?")
_DIGITS = re.compile(r"(\d{3,4})(\d\d)?")
_FRACTION = re.compile(r"0?\.\d+|0|1\.0")
_RANGE = re.compile(r"\D*\d.*(-|–|to|and|or|/).*\d.*|.*(after|before|between|since|from|past|until|till).*")
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ t,]+(.*))?")
_NUMBERS = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4}|\d{2})(?:[ t,]+(.*))?")
_DAY_FIRST = re.compile(
    rf"(\d{{1,2}})(?:st|nd|rd|th)?[-/ .]*(?:of )?({_MONTH_NAMES.pattern})[-/ ,.]*(\d{{4}}|'?\d{{2}})(?:[ t,]+(.*))?"
)
_MONTH_FIRST = re.compile(rf"({_MONTH_NAMES.pattern})[-/ .]*(\d{{1,2}})(?:st|nd|rd|th)?[ ,-]+(\d{{4}})(?:[ t,]+(.*))?")
_COMPACT = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)(?:[ t]?(\d{4,6}))?")
_SERIAL = re.compile(r"(\d{5})(\.\d+)?")
_SERIALS = (20_000, 80_000)  # 1954 to 2119
_SERIAL_ZERO = date(1899, 12, 30)
_BY_WEEKDAY = re.compile(rf"(?:on |last |this |early |late )*{_WEEKDAY}\b[ ,.-]*(.*)")
_RELATIVE = {
    "today": 0,
    "last night": -1,
    "same day": 0,
    "this morning": 0,
    "same date": 0,
    "yesterday": -1,
    "day before": -1,
}
_LONGEST = 60  # a date and a time are shorter
_LATEST_TWO_DIGITS = 68
_SECONDS = 86_400


@dataclass(frozen=True)
class Clock:
    """A time of day as far as a text tells it."""

    time: time | None = None
    vague: bool = False  # it says that or how little is known
    wrong: bool = False  # a time that does not exist
    night: bool = False


@dataclass(frozen=True)
class Moment:
    """A day, and perhaps a time, as far as a text tells them.

    ``day`` and ``other`` are both readings of a numeric date: the day first, and the month first; where only one of
    them exists the file's order may be learnt from it.
    """

    day: date | None = None  # the day first, or the only reading
    other: date | None = None  # the month first; ``None`` where nothing is open
    numeric: bool = False  # read from three numbers, the year last
    serial: bool = False
    weekday: int | None = None  # 0: Monday; no date
    shift: int | None = None  # days from another date of the row
    clock: Clock = Clock()
    vague: bool = False
    wrong: bool = False


def read_moment(text: str) -> Moment:
    """What a text in a column of dates says."""
    words = " ".join(text.casefold().split()).strip(" ,;")
    if len(words) > _LONGEST:
        return Moment(wrong=True)
    if _NOTHING_KNOWN.fullmatch(words):
        return Moment(vague=True)
    stripped = re.sub(rf"^{_WEEKDAY}[ ,.]+(?=\d|{_MONTH_NAMES.pattern}[ .-]*\d)", "", words)
    for pattern, reader in _READERS:
        match = pattern.fullmatch(stripped)
        if match:
            return reader(match)
    if words in _RELATIVE:
        return Moment(shift=_RELATIVE[words])
    clock = read_clock(words)
    if clock.time is not None and not _FRACTION.fullmatch(words):
        return Moment(clock=clock)
    match = _BY_WEEKDAY.fullmatch(words)
    if match:
        return Moment(weekday=_WEEKDAYS[match[1][:3]], clock=read_clock(match[2]) if match[2] else Clock(vague=True))
    if not any(letter.isdigit() for letter in words):
        return Moment(vague=True)
    return Moment(wrong=True)


def read_clock(text: str) -> Clock:
    """What a text in a column of times says."""
    words = " ".join(text.casefold().split()).strip(" ,;")
    if len(words) > _LONGEST:
        return Clock(wrong=True)
    if _NOTHING_KNOWN.fullmatch(words):
        return Clock(vague=True)
    bare = _ABOUT.sub("", _ABOUT.sub("", words)).strip(" ,;.")
    if bare in ("noon", "midday", "12 noon", "mid-day", "mid day"):
        return Clock(time(12))
    if bare in ("midnight", "mid-night", "12 midnight"):
        return Clock(time(0))
    night = "night" in words or "evening" in words
    if _VAGUE_TIME.fullmatch(words):
        return Clock(vague=True, night=night)
    if match := re.fullmatch(r"(?:1899-12-3[01]|1900-01-0[01]|\d{4}-\d\d-\d\d)[ t]+(.+)", bare):
        return read_clock(match[1])
    if match := _FRACTION.fullmatch(bare):
        seconds = round(float(bare) * _SECONDS) % _SECONDS
        return Clock(time(seconds // 3600, seconds // 60 % 60, seconds % 60))
    if match := _HOUR.fullmatch(bare):
        return _clock(int(match[1]), 0, 0, match[2])
    if match := _CLOCK.fullmatch(bare):
        return _clock(int(match[1]), int(match[2]), int(match[3] or 0), match[4])
    if match := _DIGITS.fullmatch(bare):
        return _clock(int(match[1]) // 100, int(match[1]) % 100, int(match[2] or 0), None)
    if not any(letter.isdigit() for letter in bare) or _RANGE.fullmatch(bare):
        return Clock(vague=True, night=night)
    return Clock(wrong=True)


def months_in(text: str) -> list[str]:
    """The months ("2026-03") that a file's name or a title names, each once."""
    words = text.casefold()
    months = list(re.finditer(_YEAR_MONTH, words))
    found = [(match.start(), match[1], match[2]) for match in months]
    # Of "R1K04-2025-02" the year belongs to what follows it.
    taken = [match.span(1) for match in months]
    found += [
        (match.start(), match[2], match[1]) for match in re.finditer(_MONTH_YEAR, words) if match.span(2) not in taken
    ]
    for match in re.finditer(rf"(?<![a-z]){_MONTH_NAMES.pattern}[ _.'-]*((?:20)?\d\d)(?!\d)", words):
        year = match[2] if len(match[2]) == 4 else f"20{match[2]}"
        found.append((match.start(), year, f"{_MONTHS[match[1][:3]]:02d}"))
    for match in re.finditer(rf"(?<!\d)(20\d\d)[ _.-]*{_MONTH_NAMES.pattern}(?![a-z])", words):
        found.append((match.start(), match[1], f"{_MONTHS[match[2][:3]]:02d}"))
    return list(dict.fromkeys(f"{year}-{month}" for _, year, month in sorted(found)))


_YEAR_MONTH = r"(?<!\d)((?:19|20)\d\d)[-_/.]?(0[1-9]|1[0-2])(?!\d)(?!-\d{4})"
_MONTH_YEAR = r"(?<!\d)(?:\d{1,2}[/.-])?(0[1-9]|1[0-2])[-_/.]((?:19|20)\d\d)(?!\d)"


def _clock(hour: int, minute: int, second: int, half: str | None) -> Clock:
    if half and not 1 <= hour <= 12:
        half = None  # "23:10 pm" says it twice
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return Clock(wrong=True)
    return Clock(time(hour, minute, second))


def _rest(text: str | None) -> Clock:
    return read_clock(text) if text and text.strip() else Clock()


def _day(year: str, month: int, day: int) -> date | None:
    number = int(year.lstrip("'"))
    if number < 100:
        number += 2000 if number <= _LATEST_TWO_DIGITS else 1900
    try:
        return date(number, month, day)
    except ValueError:
        return None


def _only(day: date | None, rest: str | None) -> Moment:
    return Moment(day=day, wrong=day is None, clock=_rest(rest))


def _iso(match: re.Match[str]) -> Moment:
    moment = _only(_day(match[1], int(match[2]), int(match[3])), _OFFSET.sub("", match[4] or ""))
    offset = _OFFSET.search(match[4] or "")
    if offset is None or moment.day is None or moment.clock.time is None:
        return moment
    # An offset tells the instant; London's time is kept.
    away = timedelta(hours=int(offset[2] or 0), minutes=int(offset[3] or 0)) * (-1 if offset[1] == "-" else 1)
    instant = datetime.combine(moment.day, moment.clock.time, timezone(away)).astimezone(LONDON)
    return Moment(instant.date(), clock=Clock(instant.time()))


def _numbers(match: re.Match[str]) -> Moment:
    first, second = int(match[1]), int(match[2])
    by_day, by_month = _day(match[3], second, first), _day(match[3], first, second)
    clock = _rest(match[4])
    if by_day is None and by_month is None:
        return Moment(wrong=True, clock=clock)
    return Moment(by_day, by_month, numeric=True, clock=clock)


def _day_first(match: re.Match[str]) -> Moment:
    return _only(_day(match[4], _MONTHS[match[2][:3]], int(match[1])), match[5])


def _month_first(match: re.Match[str]) -> Moment:
    return _only(_day(match[4], _MONTHS[match[1][:3]], int(match[3])), match[5])


def _compact(match: re.Match[str]) -> Moment:
    return _only(_day(match[1], int(match[2]), int(match[3])), match[4])


def _serial(match: re.Match[str]) -> Moment:
    number = int(match[1])
    if not _SERIALS[0] <= number < _SERIALS[1]:
        return Moment(wrong=True)
    seconds = round(float(match[2] or 0) * _SECONDS)
    instant = datetime.combine(_SERIAL_ZERO, time()) + timedelta(days=number, seconds=seconds)
    clock = Clock(instant.time()) if match[2] else Clock()
    return Moment(instant.date(), serial=True, clock=clock)


_READERS = (
    (_ISO, _iso),
    (_NUMBERS, _numbers),
    (_DAY_FIRST, _day_first),
    (_MONTH_FIRST, _month_first),
    (_COMPACT, _compact),
    (_SERIAL, _serial),
)
