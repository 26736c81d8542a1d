"""Names of files and sheets, which may bear a person's: what they are called before people and in what is stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import SafeStatsError
from ..ingest.moments import months_in
from .headers import identifying_header
from .persons import is_like_a_person
from .values import identifiers_in, normal

_LONGEST_ENDING = 5
_SYNTHETIC_MARK = "synthetic"  # made-up files bear it, and are never loaded beside real ones
_JOINTS = re.compile(r"[\W_]+")
_HUMPS = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")
# Months and deliveries' words, some of which are given names too: “April return” is nobody.
_USUAL = re.compile(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|returns?|reports?|data|sheet|export|final|draft|copy|new|old|incidents?|assaults?"
    r"|table|summary|list|file|files|month|monthly|total|totals|and|of|the|at|for|to|team|hospital|borough|street|synthetic|istv|csv|xlsx?)\b",
    re.IGNORECASE,
)


def harmless(text: str) -> bool:
    """Whether a header or a title shows nobody: nothing in it is an identifying value, certain or not."""
    plain = normal(text)
    return not identifiers_in(plain) and (identifying_header(plain) is not None or not is_like_a_person(plain))


def shown_sheet(title: str, number: int) -> str:
    """A sheet's title, or “sheet 2” where it shows somebody; ``number`` counts from 1."""
    return _printable(title) if _shows_nobody(title) else " ".join((f"sheet {number}", *months_in(title)))


def shown_file(name: str, number: int = 1) -> str:
    """A file's name, or “file 2.csv” where it shows somebody.

    Then only what a load needs stays of it: its ending, the months that it names, and that it is synthetic. ``number``
    counts from 1 within the delivery or the zip file.
    """
    stem, dot, ending = name.rpartition(".")
    if not dot or not ending.isascii() or not ending.isalnum() or len(ending) > _LONGEST_ENDING:
        stem, ending = name, ""
    if _shows_nobody(stem) and _shows_nobody(name):
        return _printable(name)
    marks = [_SYNTHETIC_MARK] if _SYNTHETIC_MARK in name.casefold() else []
    return " ".join((f"file {number}", *marks, *months_in(name))) + (f".{ending}" if ending else "")


def shown_folder(name: str) -> str:
    """A folder's name, or “a folder” where it shows somebody."""
    return _printable(name) if _shows_nobody(name) else "a folder"


def refuse_identifying_names(names: Iterable[str]) -> None:
    """Raises ``SafeStatsError`` where a file's own name certainly tells who somebody is."""
    for name in names:
        if any(one.certain for form in _forms(name) for one in identifiers_in(form)):
            raise SafeStatsError(
                "A file's own name tells who somebody is: nothing of it was kept; send it under another name."
            )


def _forms(text: str) -> tuple[str, str, str]:
    """As it is, without underscores, and with a space wherever a word may begin: names of files have none."""
    plain = normal(text)
    return plain, plain.replace("_", " "), _JOINTS.sub(" ", _HUMPS.sub(" ", plain))


def _shows_nobody(text: str) -> bool:
    forms = _forms(text)
    if any(identifiers_in(form) for form in forms):
        return False
    for part in re.split(r"[/\\]", forms[0]):  # the folders of a zip file's member
        plain = _JOINTS.sub(" ", _HUMPS.sub(" ", part))
        letters = " ".join(_USUAL.sub("\n", re.sub(r"\d+", " ", plain)).split(" "))
        if any(is_like_a_person(" ".join(some.split())) for some in letters.split("\n")):
            return False
    return True


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "_" for letter in text)
