"""Identifying values inside a text: where they stand, and the text without them.

Every pattern is bounded, so that the time grows with the text's length and no faster.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .headers import Identifier
from .numbers import is_nhs_number
from .persons import names_in

_SEP = r"[ \t\-\u2010-\u2015\u2212_./\u00b7]"
# What stands between the groups of an NHS number as it is usually written, but elsewhere between two numbers.
_ANY_SEP = r"[ \t\-\u2010-\u2015\u2212_./\u00b7\u2022,*:;|\\~+#=&'’]"
_ROUNDS = 4
_OLDEST_BIRTH, _LATEST_BIRTH = 1900, 2004  # of a date that nothing announces; the platform's incidents are younger

# What pandas writes of a column with gaps ends in “.0”; a spreadsheet may write thousands apart.
_TEN = re.compile(r"(?<!\d)(?:(\d{10})(?:\.0{1,6}(?!\d))?|\d(?:[,'’]\d{3}){3}(?:\.0{1,6}(?!\d))?)(?!\d)")
_EXPONENT = re.compile(r"(?<![\d.])(\d{1,10})(?:\.(\d{1,12}))?[eE]\+?0?(\d)(?!\d)")
_GROUPED = re.compile(
    rf"(?<!\d)(?:\d{{3}}{_ANY_SEP}{{1,3}}\d{{3}}{_ANY_SEP}{{1,3}}\d{{4}}"
    rf"|\d{{3}}{_ANY_SEP}{{1,3}}\d{{4}}{_ANY_SEP}{{1,3}}\d{{3}}"
    rf"|\d{{4}}{_ANY_SEP}{{1,3}}\d{{3}}{_ANY_SEP}{{1,3}}\d{{3}}|\d{{3}}{_SEP}{{1,3}}\d{{7}}|\d{{6}}{_SEP}{{1,3}}\d{{4}}"
    rf"|\d(?:{_ANY_SEP}\d){{9}})(?!\d)"
)
_LABELLED_NHS = re.compile(
    rf"n\.?h\.?s\.?{_ANY_SEP}{{0,3}}(?:number|num|no|nr|id|ref)?[^\w]{{0,4}}(?:is |was )?"
    rf"(\d(?:{_ANY_SEP}{{0,3}}\d){{8,10}})(?!\d)",
    re.IGNORECASE,
)
_PATIENT = re.compile(
    r"\b(?:mrn|(?:hospital|hosp|patient|pt|unit)[ ._-]{0,2}(?:number|num|no|id))\b[^\w]{0,4}([a-z]{0,3}\d{4,10})(?!\d)",
    re.IGNORECASE,
)
# Behind “00” no hyphen: a fire brigade's numbers (004430-11012017) are no telephone's.
_PHONE_ABROAD = re.compile(
    r"(?<![\d+])(?:\+[ \-.]{0,2}44[ \-.()]{0,3}(?:0[ \-.)]{0,2})?[1-9](?:[ \-.()/]{0,2}\d){8,9}"
    r"|00 ?44[ .()]{0,3}(?:0[ .)]{0,2})?[1-9](?:[ .()]{0,2}\d){8,9})(?!\d)"
)
_PHONE = re.compile(r"(?<!\d)\(?0[1-35789]\d{1,4}\)?(?:[ \-.]{0,2}\d{3,8}){1,3}(?!\d)")
_MOBILE = re.compile(r"(?<!\d)\(?07(?:[ \-.()]{0,2}\d){9}(?!\d)")
_LABELLED_PHONE = re.compile(
    r"\b(?:tel|telephone|phone|mob|mobile)\b[ .]{0,2}(?:number|no)?[^\w+(]{0,4}(\d(?:[ \-.()]{0,2}\d){6,11})(?!\d)",
    re.IGNORECASE,
)
_NI = re.compile(
    r"(?<![A-Za-z0-9])(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ \-]?\d{2}[ \-]?\d{2}[ \-]?\d{2}"
    r"[ \-]?[A-D](?![A-Za-z0-9])",
    re.IGNORECASE,
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]{0,6}"
_DATE = (
    r"(?:\d{1,2}(?:st|nd|rd|th)?[ ./\-]{1,3}(?:\d{1,2}|" + _MONTH + r")[ ./,\-]{1,3}(?:\d{4}|\d{2})"
    r"|\d{4}[ ./\-]\d{1,2}[ ./\-]\d{1,2}|" + _MONTH + r" {1,2}\d{1,2}(?:st|nd|rd|th)?,? {1,2}\d{4}|\d{8}|\d{6})"
)
_LABELLED_BIRTH = re.compile(
    r"(?<![a-z])(?:d ?\.? ?o ?\.? ?b\b\.?|date of birth|birth ?date|birthday|born(?: on)?)[^\w]{0,5}(?:is |was |on )?("
    + _DATE
    + r")(?!\d)",
    re.IGNORECASE,
)
_FULL_DATE = re.compile(
    r"(?<![\d/.\-])(?:\d{1,2}[/.\-]\d{1,2}[/.\-](?P<late>\d{4})|(?P<early>\d{4})[/.\-]\d{1,2}[/.\-]\d{1,2}"
    r"|\d{1,2}(?:st|nd|rd|th)? {1,2}" + _MONTH + r",? {1,2}(?P<word>\d{4}))(?!\d)",
    re.IGNORECASE,
)
_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? {0,2}\d[A-Z]{2}(?![A-Z0-9])"
_STREET = (
    r"(?:street|str|st|road|rd|lane|ln|avenue|ave|close|cl|drive|dr|way|grove|gr|gardens|gdns|garden|terrace|terr|court|ct"
    r"|crescent|cres|place|pl|square|sq|hill|mews|walk|park|row|rise|view|vale|mount|green|house|mansions|estate|parade"
    r"|villas|path|gate|broadway|wharf|point|heights|lodge|tower|towers|quay|circus|embankment|yard|cottages|field|fields)"
)
_FLAT = r"(?:flat|apartment|apt|maisonette|studio|room|bedsit)\.? {0,2}(?:no\.? {0,2})?\d{1,4}[a-z]?"
_NUMBER = r"\d{1,4}[a-z]?(?: ?[-\u2013/] ?\d{1,4}[a-z]?)?"
_STREET_NAME = r"(?:[^\W\d_][\w'’.\-]{0,24} {1,2}){1,4}" + _STREET + r"\b"
_TO_POSTCODE = r"[^\d\n]{0,60}" + _POSTCODE
_HOME = re.compile(
    r"(?<![a-z])(?:home address|patient'?s? address|pt'?s? address|own address|h/a|live[sd]? (?:at|in)|living (?:at|in)"
    r"|resid(?:es|ing|ed|ent) (?:at|in|of)|(?:home |patient |pt )?(?:address|addr)(?: is)?|home postcode"
    r"|home(?=[ :=\-(,]{1,3}\d))"
    r"[ \t]{0,2}[:=\-\u2013(,]?[ \t]{0,2}(?P<home>(?:" + _FLAT + r"[,; ]{1,3})?" + _NUMBER + r"[,;]? {1,3}"
    r"(?:[^\W\d_][\w'’.\-]{0,24}[ ,;]{1,3}){0,4}?(?:"
    + _STREET
    + r"\b)(?:"
    + _TO_POSTCODE
    + r")?|"
    + _FLAT
    + r"(?:"
    + _TO_POSTCODE
    + r")?|"
    + _POSTCODE
    + r")",
    re.IGNORECASE,
)
_FLAT_ADDRESS = re.compile(
    r"(?<![a-z])" + _FLAT + r"(?:[,; ]{1,3}" + _NUMBER + r"(?=[,;]? {1,3}[^\W\d_]))?", re.IGNORECASE
)
_FULL_ADDRESS = re.compile(
    r"(?<![\w.])(?P<number>" + _NUMBER + r")[,;]? {1,3}" + _STREET_NAME + _TO_POSTCODE, re.IGNORECASE
)
_NAME_LABEL = re.compile(
    r"\b(?:(?:patient|pt|victim|suspect|assailant|offender|attacker|driver|friend|partner|witness)"
    r"(?:['’]?s)?[ _]{1,2}name"
    r"|n\.?o\.?k|next of kin|full name|surname|forename|first name)\b(?: is| was)?[^\w]{1,4}"
    r"([^\W\d_][\w'’\-]{1,24}(?: {1,2}[A-Z][\w'’\-]{1,24}){0,2})",
    re.IGNORECASE,
)
_BEFORE_AT, _LONGEST_BEFORE_AT = "._+%'-", 64
_AFTER_AT = re.compile(r"[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,5}")


@dataclass(frozen=True)
class Found:
    """Where an identifying value stands. Not ``certain`` is what might also be something else."""

    kind: Identifier
    start: int
    end: int
    certain: bool = True


def normal(text: str) -> str:
    """A text as it is looked at: full-width figures are figures, what has no width is gone."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text)
    letters = []
    for letter in plain:
        if unicodedata.category(letter) in ("Cf", "Mn") and not letter.isalnum():
            continue
        digit = unicodedata.digit(letter, None) if letter.isdigit() else None
        letters.append(letter if digit is None else str(digit))
    return "".join(letters)


def identifiers_in(text: str) -> list[Found]:
    """All that is found in a text that is ``normal``, by where it starts."""
    found = [
        *_emails(text),
        *_nhs_numbers(text),
        *_phones(text),
        *(Found(Identifier.NI_NUMBER, *match.span()) for match in _NI.finditer(text)),
        *(Found(Identifier.PATIENT_NUMBER, *match.span(1)) for match in _PATIENT.finditer(text)),
        *_births(text),
        *_addresses(text),
        *(Found(Identifier.NAME, *match.span(1)) for match in _NAME_LABEL.finditer(text)),
        *(Found(Identifier.NAME, start, end, certain=False) for start, end in names_in(text)),
    ]
    return sorted(found, key=lambda one: (one.start, one.end))


def blanked(text: str) -> tuple[str, Counter[Identifier]]:
    """The text without its identifying values, and how many of each kind there were; unchanged if there were none."""
    counts: Counter[Identifier] = Counter()
    left = text
    for _ in range(_ROUNDS):
        plain = normal(left)
        found = identifiers_in(plain)
        if not found:
            return left, counts
        left = _without(plain, found, counts)
    # What keeps coming up anew is not worth its risk.
    return ("" if identifiers_in(normal(left)) else left), counts


def _without(text: str, found: list[Found], counts: Counter[Identifier]) -> str:
    parts, done = [], 0
    for one in found:
        if one.start >= done:
            counts[one.kind] += 1
        if one.start > done:
            parts.append(text[done : one.start])
        done = max(done, one.end)
    parts.append(text[done:])
    return " ".join(" ".join(parts).split())


def _emails(text: str) -> Iterator[Found]:
    at = text.find("@")
    while at >= 0:
        start = at
        while (
            start and at - start < _LONGEST_BEFORE_AT and (text[start - 1].isalnum() or text[start - 1] in _BEFORE_AT)
        ):
            start -= 1
        after = _AFTER_AT.match(text, at + 1)
        if start < at and after:
            yield Found(Identifier.EMAIL, start, after.end())
        at = text.find("@", at + 1)


def _nhs_numbers(text: str) -> Iterator[Found]:
    for match in _LABELLED_NHS.finditer(text):
        yield Found(Identifier.NHS_NUMBER, *match.span(1))
    for match in _TEN.finditer(text):
        if is_nhs_number(re.sub(r"\D", "", match.group())[:10]):
            yield Found(Identifier.NHS_NUMBER, *match.span(), certain=False)
    for match in _EXPONENT.finditer(text):
        if is_nhs_number(_written_out(match)):
            yield Found(Identifier.NHS_NUMBER, *match.span(), certain=False)
    for match in _GROUPED.finditer(text):
        if is_nhs_number(re.sub(r"\D", "", match.group())):
            yield Found(Identifier.NHS_NUMBER, *match.span())


def _written_out(exponent: re.Match[str]) -> str:
    """The figures of “9.434765919E9”; "" where it is no whole number."""
    whole, fraction, power = exponent[1], (exponent[2] or "").rstrip("0"), int(exponent[3])
    if len(fraction) > power:
        return ""
    return (whole + fraction.ljust(power, "0")).lstrip("0")


def ten_figures(text: str) -> str:
    """The ten figures that a cell is as a number, "" where it is none of ten: “9434765919.0”, “9.434765919E9”."""
    plain = text.strip().removeprefix("+")
    if match := _EXPONENT.fullmatch(plain):
        figures = _written_out(match)
    else:
        match = _TEN.fullmatch(plain)
        figures = re.sub(r"\D", "", match.group())[:10] if match else ""
    return figures if len(figures) == 10 else ""


def _phones(text: str) -> Iterator[Found]:
    for pattern in (_PHONE_ABROAD, _MOBILE):
        for match in pattern.finditer(text):
            yield Found(Identifier.PHONE, *match.span())
    for match in _PHONE.finditer(text):
        if sum(letter.isdigit() for letter in match.group()) in (10, 11):
            # Ten or eleven figures in one piece may be a reference.
            apart = not match.group().isdigit()
            yield Found(Identifier.PHONE, *match.span(), certain=apart)
    for match in _LABELLED_PHONE.finditer(text):
        yield Found(Identifier.PHONE, *match.span(1))


def _births(text: str) -> Iterator[Found]:
    for match in _LABELLED_BIRTH.finditer(text):
        yield Found(Identifier.BIRTH, *match.span(1))
    for match in _FULL_DATE.finditer(text):
        year = int(match["late"] or match["early"] or match["word"])
        # A cell that is a date and no more is judged with its column.
        alone = not any(letter.isalpha() for letter in text[: match.start()] + text[match.end() :])
        if _OLDEST_BIRTH <= year <= _LATEST_BIRTH and not alone:
            yield Found(Identifier.BIRTH, *match.span(), certain=False)


def _addresses(text: str) -> Iterator[Found]:
    for match in _HOME.finditer(text):
        yield Found(Identifier.ADDRESS, *match.span("home"))
    for match in _FLAT_ADDRESS.finditer(text):
        yield Found(Identifier.ADDRESS, *match.span(), certain=False)
    for match in _FULL_ADDRESS.finditer(text):
        # The number is what leads to a door; the street and its postcode are a place.
        yield Found(Identifier.ADDRESS, *match.span("number"), certain=False)


def is_full_address(text: str) -> bool:
    """Whether a text has house number, street and full postcode."""
    return bool(_FULL_ADDRESS.search(text))
