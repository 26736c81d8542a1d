"""Whether a password withstands guessing."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import SafeStatsError

SHORTEST = 12
LONGEST = 128
ENOUGH = 3  # of zxcvbn's 0 to 4: more than 10^8 guesses
# What is looked at: matching takes long for long texts, and more letters make no password weaker.
_LOOKED_AT = 64
_SHORTEST_WORD = 3
# Characters of a password that are not of its owner's names.
_OF_ITS_OWN = 8


class WeakPasswordError(SafeStatsError):
    """The password would be guessed; the sentence says what to do."""


def check_strength(password: str, about: Iterable[str] = ()) -> None:
    """Raises ``WeakPasswordError`` unless the password is long and hard to guess for who knows ``about`` its owner."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise WeakPasswordError(f"A password has {SHORTEST} to {LONGEST} characters.")
    from zxcvbn import zxcvbn  # its word lists take a while to read

    words = _words(about)
    result = zxcvbn(password[:_LOOKED_AT], user_inputs=words, max_length=_LOOKED_AT)
    if result["score"] < ENOUGH or len(_without(password, words)) < _OF_ITS_OWN:
        raise WeakPasswordError(
            "This password would be guessed soon: take four or more words that have nothing to do with you, with each "
            "other or with this service."
        )


def _words(about: Iterable[str]) -> list[str]:
    """The names, and the words of which they are made."""
    found = {word for name in about for word in [name.casefold(), *re.split(r"[^\w]+", name.casefold())]}
    return sorted((word for word in found if len(word) >= _SHORTEST_WORD), key=len, reverse=True)


def _without(password: str, words: list[str]) -> str:
    rest = password.casefold()
    for word in words:
        rest = rest.replace(word, "")
    return rest
