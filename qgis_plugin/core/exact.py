"""A parameter of a run that is told in full to colleagues, and otherwise to everybody."""

from __future__ import annotations


class Exact(tuple[str, str]):
    """A parameter whose value is not for everybody, as of exact counts; ``public`` is what of it is, where any is."""

    public: str

    @classmethod
    def of(cls, words: str, value: str, public: str = "") -> Exact:
        """The words, the value, and what of it may be printed for everybody."""
        made = cls((words, value))
        made.public = public
        return made
