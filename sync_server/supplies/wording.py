"""The readers' sentences are told to the team, about a supplier; here they are told to the supplier."""

from __future__ import annotations

_SAID_TO_THE_TEAM = (
    (
        "save a mapping for this site (console: Mappings), or ask the supplier for a file that has them",
        "send a file that has them, or tell the SafeStats team what yours are called",
    ),
    ("save a mapping for this site that says so (console: Mappings), or ask the supplier", "tell the SafeStats team"),
    (
        "load it into another server folder",
        "say so if what you send is made up (“synthetic” in the file's name, or ?synthetic=true), or ask the SafeStats "
        "team where it belongs",
    ),
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
