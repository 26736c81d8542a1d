"""Which words are somebody's name. A station's, street's, pub's or hospital's name is no person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_LISTS = Path(__file__).parent / "lists"
_TITLES = frozenset(
    [
        "mr",
        "mrs",
        "miss",
        "ms",
        "mx",
        "dr",
        "prof",
        "professor",
        "rev",
        "reverend",
        "sgt",
        "sergeant",
        "insp",
        "inspector",
        "cllr",
        "wpc",
        "pcso",
    ]
)
# Two letters that mean other things as well: only before a name that is known.
_SHORT_TITLES = frozenset(("pc", "dc", "ds", "di", "con"))
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# What follows them is another matter.
_JOINING = frozenset(
    ("in", "at", "on", "by", "near", "outside", "inside", "and", "or", "the", "a", "an", "with", "from", "of", "to")
    + ("was", "is", "had", "has", "who", "opp", "opposite")
)
_LONGEST_NAME = 4
_POSSESSIVE = re.compile(r"['’]s$")


@cache
def word_list(name: str) -> frozenset[str]:
    """The words of one of the lists that ship with the screening."""
    lines = (_LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


@cache
def _not_persons() -> re.Pattern[str]:
    lines = (_LISTS / "not_persons.txt").read_text(encoding="utf-8").splitlines()
    phrases = sorted((line for line in lines if line and not line.startswith("#")), key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, phrases)) + r")\b", re.IGNORECASE)


def names_in(text: str) -> Iterator[tuple[int, int]]:
    """Where somebody's name stands in a text: behind a title, or a known given name before a known surname."""
    words = [(m.start(), m.end(), m.group()) for m in _WORD.finditer(text)]
    if len(words) < 2:
        return
    allowed = [m.span() for m in _not_persons().finditer(text)]
    mixed = any(letter.islower() for letter in text) and any(letter.isupper() for letter in text)
    at = 0
    while at < len(words):
        last = _after_title(words, at, text, mixed) or _pair(words, at, text, mixed)
        if last is None:
            at += 1
            continue
        start, end = words[at][0], words[last][1]
        if not any(start < there[1] and end > there[0] for there in allowed):
            yield start, end
        at = last + 1


def _after_title(words: list[tuple[int, int, str]], at: int, text: str, mixed: bool) -> int | None:
    """The last word of a name that a title at ``at`` begins."""
    title = words[at][2].casefold()
    short = title in _SHORT_TITLES
    if title not in _TITLES and not short:
        return None
    if title == "dr" and at and _near(text, words[at - 1], words[at]) and words[at - 1][2][:1].isupper():
        return None  # “Beech Dr” is a street
    last = None
    for following in range(at + 1, min(at + 1 + _LONGEST_NAME, len(words))):
        if not _near(text, words[following - 1], words[following]):
            break
        word = _POSSESSIVE.sub("", words[following][2])
        folded = word.casefold()
        known = folded in word_list("given_names") or folded in word_list("surnames")
        if folded in word_list("places") and not (known and last is None):
            break
        capital = word[0].isupper() and (mixed or title in ("mr", "mrs", "dr", "prof"))
        alone = last is not None and not mixed  # all in capitals: whether it still is the name is not to be seen
        if not known and (short or alone or not capital or (len(word) == 1 and following + 1 == len(words))):
            break
        last = following
        if _POSSESSIVE.search(words[following][2]):
            break
    if last is None or _is_place(words, last, text):
        return None
    return last


def _pair(words: list[tuple[int, int, str]], at: int, text: str, mixed: bool) -> int | None:
    """The last word of “given name (middle name) surname” that begins at ``at``."""
    given = words[at][2].casefold()
    if given not in word_list("given_names"):
        return None
    if at and _near(text, words[at - 1], words[at]) and words[at - 1][2].casefold() in ("st", "saint", "sir", "the"):
        return None
    for following in (at + 1, at + 2):
        if following >= len(words) or not _near(text, words[following - 1], words[following]):
            return None
        word = _POSSESSIVE.sub("", words[following][2])
        folded = word.casefold()
        if is_surname(word) and folded not in word_list("places") and _written_as_name(words[at][2], word, mixed):
            usual = given in word_list("words") and folded in word_list("words")
            if not usual and not _is_place(words, following, text):
                return following
        if folded not in word_list("given_names") and not (len(word) == 1 and word.isupper()):
            return None
    return None


def is_surname(word: str) -> bool:
    """Whether a word, or a part of a double name, is a known surname."""
    plain = re.sub(r"['’]", "", word.casefold())
    return any(part in word_list("surnames") for part in (plain, *plain.split("-")))


def _written_as_name(given: str, surname: str, mixed: bool) -> bool:
    if given[0].isupper() and surname[0].isupper():
        return True
    # Small letters: neither may be a usual word.
    ordinary = word_list("words")
    return given.casefold() not in ordinary and surname.casefold() not in ordinary


def _near(text: str, one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    """Whether nothing but spaces and a dot stands between two words."""
    between = text[one[1] : other[0]]
    return len(between) <= 3 and not between.strip(" .\t\u00a0")


def _is_place(words: list[tuple[int, int, str]], last: int, text: str) -> bool:
    """Whether the next word or two make a place of it: “Elizabeth Fry Close”."""
    for following in (last + 1, last + 2):
        if following >= len(words) or not _near(text, words[following - 1], words[following]):
            return False
        word = words[following][2].casefold()
        if word in word_list("places"):
            return True
        if word in _JOINING:
            return False  # “John Smith in pub”
    return False


def is_like_a_person(text: str) -> bool:
    """Whether a whole cell is written like somebody's name: “Mary Osei-Bonsu”, “OSEI, Mary”, “M. Osei”."""
    words = [match.group() for match in _WORD.finditer(text)]
    if not 2 <= len(words) <= _LONGEST_NAME or re.search(r"[\d/&()@]", text):
        return False
    folded = [_POSSESSIVE.sub("", word.casefold()) for word in words]
    places = word_list("places")
    if any(word in places and word not in word_list("surnames") for word in folded) or folded[-1] in places:
        return False
    if folded[0] in _TITLES:
        return True
    if "," in text:
        before = text.split(",")[0].split()
        return 1 <= len(before) <= 2 and folded[len(before) % len(folded)] in word_list("given_names")
    if len(folded[0]) == 1 or len(folded[-1]) == 1:
        return is_surname(folded[-1] if len(folded[0]) == 1 else folded[0])
    return folded[0] in word_list("given_names") or (is_surname(folded[0]) and folded[-1] in word_list("given_names"))


def is_in_the_form_of_a_name(text: str) -> bool:
    """Whether a whole cell is two to four words with capitals, none of which is a place's."""
    words = [match.group() for match in _WORD.finditer(text)]
    if not 2 <= len(words) <= _LONGEST_NAME or re.search(r"[\d/&()@:]", text):
        return False
    return all(word[0].isupper() for word in words) and not any(
        _POSSESSIVE.sub("", word.casefold()) in word_list("places") for word in words
    )
