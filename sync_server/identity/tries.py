"""How often somebody may try to prove who they are. Where the counting fails, nobody may.

Nobody can lock another out: what is counted is a person *at an address*, and failures by address, so that the right
password gets in from anywhere else. From an address where the person has worked before it gets in even when the
address is full of others' failures. A flood from many addresses slows down those whom nobody knows, no others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, Storage
from limits.strategies import MovingWindowRateLimiter

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 300
TRIES_AS_A_USER = 10
TRIES_WHERE_KNOWN = 30
FAILURES_FROM_AN_ADDRESS = 100
FAILURES_IN_ALL = 1000
_HOUR = 3600
CODES_AN_HOUR = 20
CODES_AN_HOUR_IN_ALL = 60
RESETS_AN_HOUR = 20
STARTS_FROM_AN_ADDRESS = 60
# When the server is flooded, strangers go through one by one, and this slowly.
SLOW_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 5


class SignInTries:
    """Counts tries by user name and address, and failures by address and in all, over five minutes."""

    def __init__(
        self,
        storage: Storage | None = None,
        as_a_user: int = TRIES_AS_A_USER,
        from_an_address: int = FAILURES_FROM_AN_ADDRESS,
        in_all: int = FAILURES_IN_ALL,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limiter = MovingWindowRateLimiter(storage or MemoryStorage())
        self._user = RateLimitItemPerSecond(as_a_user, WINDOW_SECONDS, "user")
        self._known = RateLimitItemPerSecond(max(as_a_user, TRIES_WHERE_KNOWN), WINDOW_SECONDS, "known")
        self._address = RateLimitItemPerSecond(from_an_address, WINDOW_SECONDS, "address")
        self._all = RateLimitItemPerSecond(in_all, WINDOW_SECONDS, "all")
        self._code = RateLimitItemPerSecond(CODES_AN_HOUR, _HOUR, "code")
        self._codes = RateLimitItemPerSecond(CODES_AN_HOUR_IN_ALL, _HOUR, "codes")
        self._reset = RateLimitItemPerSecond(RESETS_AN_HOUR, _HOUR, "reset")
        self._start = RateLimitItemPerSecond(STARTS_FROM_AN_ADDRESS, WINDOW_SECONDS, "start")
        self._sleep = sleep
        self._slow_lane = threading.Lock()
        self.window_seconds = WINDOW_SECONDS

    def permit(self, username: str, address: str, known: bool = False) -> bool:
        """Count a try; whether it may go on to the password. ``known``: the person has worked there before."""

        def asked() -> bool:
            # A whole network may share an address: only its failures count.
            if known:
                return self._limiter.hit(self._known, username, address)
            if not self._limiter.test(self._address, address):
                return False
            return self._limiter.hit(self._user, username, address) and self._waited()

        return self._asked(asked)

    def failed(self, address: str) -> None:
        """Count a failure from the address."""
        try:
            self._limiter.hit(self._address, address)
            self._limiter.hit(self._all)
        except Exception:
            logger.exception("A failed sign-in could not be counted")

    def succeeded(self, username: str, address: str) -> None:
        """Forget the person's tries from the address."""
        try:
            self._limiter.clear(self._user, username, address)
            self._limiter.clear(self._known, username, address)
        except Exception:
            logger.exception("Sign-in tries could not be cleared")

    def permit_code(self, user_id: str, address: str, known: bool = False) -> bool:
        """Count a try at a second factor; whether it may be checked."""

        def asked() -> bool:
            if not self._limiter.hit(self._code, user_id, address):
                return False
            # Who has the password and many addresses must not try all codes; where the person works, they go on.
            return known or self._limiter.hit(self._codes, user_id)

        return self._asked(asked)

    def permit_reset(self, address: str) -> bool:
        """Count a request for a reset; whether a mail may be sent for it."""
        return self._asked(lambda: self._limiter.hit(self._reset, address))

    def permit_start(self, address: str) -> bool:
        """Count a sign-in begun at an organisation; whether its provider may be asked."""
        return self._asked(lambda: self._limiter.hit(self._start, address))

    def _waited(self) -> bool:
        """Wait for one's turn when there are too many failures everywhere; whether it came."""
        if self._limiter.test(self._all):
            return True
        if not self._slow_lane.acquire(timeout=_LONGEST_WAIT_SECONDS):
            return False
        try:
            self._sleep(SLOW_SECONDS)
        finally:
            self._slow_lane.release()
        return True

    def _asked(self, question: Callable[[], bool]) -> bool:
        try:
            return question()
        except Exception:
            logger.exception("Tries cannot be counted: refusing")
            return False
