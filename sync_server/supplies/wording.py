"""The readers' sentences are told to the team, about a supplier; here they are told to the supplier."""

from __future__ import annotations

_SAID_TO_THE_TEAM = (
    ("ask the supplier to ", ""),
    ("ask the supplier for ", "send "),
    ("ask for it ", "send it "),
    ("ask the supplier", "ask the SafeStats team"),
)


def to_the_supplier(sentence: str) -> str:
    """The sentence as its supplier is to read it."""
    for said, instead in _SAID_TO_THE_TEAM:
        sentence = sentence.replace(said, instead)
    return sentence
