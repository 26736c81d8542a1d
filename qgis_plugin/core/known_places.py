"""Places by the beginning of what they are called: postcodes, and the premises of the analyst's own list."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...shared.ring_answer import Place
from .analysis_error import AnalysisError
from .places import PlaceFinder
from .points import CancelledCheck, never_cancelled
from .premises import Premises, read_premises

MOST_OF_A_KIND = 8
_LIKE_A_POSTCODE = re.compile(r"\s*[A-Za-z]{1,2}\d")
_SHORTEST_NAME = 3


@dataclass(frozen=True)
class KnownPlace:
    """A place that was found: what to call it, what it is, and where; ``note`` warns where the point is coarse."""

    title: str
    kind: str  # "postcode" or "premises"
    place: Place
    reference: str = ""
    note: str = ""


_NO_LIST = AnalysisError(
    "No list of premises is chosen: choose one in Settings → Options → SafeStats; postcodes are found without it.",
    "premises",
)


@dataclass(frozen=True)
class Found:
    """What was found, and why no premises could be looked for; ``news`` is the same, but told a single time.

    Having no list is no news: many need none.
    """

    places: tuple[KnownPlace, ...]
    lacking: str = ""
    news: str = ""


class KnownPlaces:
    """Looks places up in the bundled postcodes and in the list of premises that ``listed`` names (or ``None``).

    Nothing is read before the first question, and the list again only once its file has changed, readable or not.
    Callable from any thread.
    """

    def __init__(self, finder: PlaceFinder, listed: Callable[[], Path | None]) -> None:
        self._finder = finder
        self._listed = listed
        self._alone = threading.Lock()
        self._read: tuple[Path, int, int] | None = None  # which list, and of when
        self._premises: tuple[Premises, ...] = ()
        self._trouble: AnalysisError | None = None  # why it could not be read
        self._told = ""

    def find(self, text: str, cancelled: CancelledCheck = never_cancelled) -> Found:
        """At most ``MOST_OF_A_KIND`` premises, then as many postcodes; raises ``Cancelled``.

        Premises are found by words of their name (the beginning of each) or by the beginning of their reference.
        Postcodes are found whether or not there is a list of premises that can be read.
        """
        found: list[KnownPlace] = []
        lacking = news = ""
        wanted = text.casefold().split()
        if len(text.strip()) >= _SHORTEST_NAME:
            try:
                premises = self._listed_premises(cancelled)
            except AnalysisError as error:
                premises, lacking = (), error.sentence
                news = self._news(error)
            for one in premises:
                if len(found) == MOST_OF_A_KIND:
                    break
                if _named(one, wanted):
                    found.append(KnownPlace(one.name, "premises", one.place, one.reference))
        if _LIKE_A_POSTCODE.match(text):
            for postcode in self._finder.suggest(text, MOST_OF_A_KIND):
                if cancelled():
                    break
                try:
                    place = self._finder.find(postcode)
                except AnalysisError:
                    continue  # it has no position good enough to go to
                found.append(KnownPlace(place.label, "postcode", place, note=place.warning))
        return Found(tuple(found), lacking, news)

    def _news(self, trouble: AnalysisError) -> str:
        with self._alone:
            if trouble is _NO_LIST or trouble.sentence == self._told:
                return ""
            self._told = trouble.sentence
            return trouble.sentence

    def _listed_premises(self, cancelled: CancelledCheck) -> tuple[Premises, ...]:
        path = self._listed()
        if path is None:
            raise _NO_LIST
        with self._alone:
            try:
                now = path.stat()
            except OSError as error:
                raise AnalysisError(
                    f"The list of premises {path} cannot be read ({error.strerror}): choose another in Settings → "
                    "Options → SafeStats.",
                    "premises",
                ) from error
            read = (path, now.st_mtime_ns, now.st_size)
            if read != self._read:
                self._premises, self._trouble = (), None
                try:
                    self._premises = read_premises(path, self._finder, cancelled).premises
                except AnalysisError as error:
                    self._trouble = error
                self._read = read
                self._told = ""
            if self._trouble is not None:
                raise self._trouble
            return self._premises


def _named(premises: Premises, wanted: list[str]) -> bool:
    words = re.split(r"[^\w']+", premises.name.casefold())
    if all(any(word.startswith(beginning) for word in words) for beginning in wanted):
        return True
    return len(wanted) == 1 and premises.reference.casefold().startswith(wanted[0])
