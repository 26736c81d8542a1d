"""The ways to one server, with a proxy or without: found once, in a thread, and tried in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .errors import ProxyTrouble
from .network import ProxySearch

FIND_TIMEOUT_S = 15


class ProxyWays:
    """For requests that several tasks make at once. ``host`` is what the sentences call the server."""

    def __init__(self, search: ProxySearch, host: str) -> None:
        self._search = search
        self._host = host
        self._alone = threading.Lock()
        self._left: tuple[str, ...] = ()

    @property
    def by_system(self) -> bool:
        """Whether the computer's own settings say which proxy leads to the server."""
        return self._search.by_system

    def current(self) -> str:
        """The proxy's URL to use now, empty for none; call it in a thread.

        Raises ``ProxyTrouble`` where the computer does not find out in time which one that is.
        """
        with self._alone:
            if not self._left:
                self._left = self._found()
            return self._left[0]

    def give_up(self, way: str) -> bool:
        """``way`` leads nowhere: whether there is another. Where there is none, the next request searches anew."""
        with self._alone:
            if self._left and self._left[0] == way:
                self._left = self._left[1:]
            return bool(self._left)

    def _found(self) -> tuple[str, ...]:
        if not self._search.by_system:
            return self._search.find()
        # A question to the system cannot be stopped: it is left alone when it takes too long.
        answers: list[tuple[str, ...]] = []
        asking = threading.Thread(target=_keep(self._search.find, answers), name="safestats-proxy", daemon=True)
        asking.start()
        asking.join(FIND_TIMEOUT_S)
        if not answers:
            raise ProxyTrouble(
                f"This computer could not find out in {FIND_TIMEOUT_S} seconds which proxy leads to {self._host}. "
                "The configuration file of your network (PAC) does not answer: check your network connection, or "
                "choose a proxy in Settings → Options → Network. If it stays, ask your IT team.",
                "proxy-search",
            )
        return answers[0]


def _keep(find: Callable[[], tuple[str, ...]], answers: list[tuple[str, ...]]) -> Callable[[], None]:
    return lambda: answers.append(find())
