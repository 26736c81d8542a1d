"""Whether a password withstands guessing."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import SafeStatsError

SHORTEST = 12
LONGEST = 128
ENOUGH = 3  # of zxcvbn's 0 to 4: more than 10^8 guesses
# What is looked at: matching takes long for long texts, and more letters make no password weaker.
_LOOKED_AT = 64


class WeakPasswordError(SafeStatsError):
    """The password would be guessed; the sentence says what to do."""


def check_strength(password: str, about: Iterable[str] = ()) -> None:
    """Raises ``WeakPasswordError`` unless the password is long and hard to guess for who knows ``about`` its owner."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise WeakPasswordError(f"A password has {SHORTEST} to {LONGEST} characters.")
    from zxcvbn import zxcvbn  # its word lists take a while to read

    words = [
        word.casefold() for phrase in about for word in [phrase, *phrase.replace("@", " ").replace(".", " ").split()]
    ]
    result = zxcvbn(password[:_LOOKED_AT], user_inputs=[word for word in words if len(word) > 2], max_length=_LOOKED_AT)
    if result["score"] < ENOUGH:
        raise WeakPasswordError(
            "This password would be guessed soon: take four or more words that have nothing to do with you, with each "
            "other or with this service."
        )
