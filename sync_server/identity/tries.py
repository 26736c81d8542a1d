"""How often somebody may try to sign in. Where the counting fails, nobody may."""

from __future__ import annotations

import logging

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, Storage
from limits.strategies import MovingWindowRateLimiter

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 300
TRIES_AS_A_USER = 10
FAILURES_FROM_AN_ADDRESS = 100


class SignInTries:
    """Counts tries by user name and address, and failures by address, over five minutes."""

    def __init__(
        self,
        storage: Storage | None = None,
        as_a_user: int = TRIES_AS_A_USER,
        from_an_address: int = FAILURES_FROM_AN_ADDRESS,
    ) -> None:
        self._limiter = MovingWindowRateLimiter(storage or MemoryStorage())
        self._user = RateLimitItemPerSecond(as_a_user, WINDOW_SECONDS, "user")
        self._address = RateLimitItemPerSecond(from_an_address, WINDOW_SECONDS, "address")
        self.window_seconds = WINDOW_SECONDS

    def permit(self, username: str, address: str) -> bool:
        """Count a try; whether it may go on to the password."""
        try:
            # A whole network may share an address: only its failures count.
            if not self._limiter.test(self._address, address):
                return False
            return self._limiter.hit(self._user, username, address)
        except Exception:
            logger.exception("Sign-in tries cannot be counted: refusing")
            return False

    def failed(self, address: str) -> None:
        """Count a failure from the address."""
        try:
            self._limiter.hit(self._address, address)
        except Exception:
            logger.exception("A failed sign-in could not be counted")

    def succeeded(self, username: str, address: str) -> None:
        """Forget the person's tries from the address."""
        try:
            self._limiter.clear(self._user, username, address)
        except Exception:
            logger.exception("Sign-in tries could not be cleared")
