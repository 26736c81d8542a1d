"""Passwords: hashed with Argon2id, checked in the same time whether or not the user exists."""

from __future__ import annotations

import secrets
import threading

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from ..errors import SafeStatsError

SHORTEST = 12
LONGEST = 128
# Each takes the memory of its cost, and anybody may try to sign in: the others wait for their turn.
CHECKS_AT_ONCE = 4


class Passwords:
    """Hashes at a cost of ``rounds`` passes over ``memory_kib`` KiB."""

    def __init__(self, rounds: int, memory_kib: int) -> None:
        self._hash = PasswordHash((Argon2Hasher(time_cost=rounds, memory_cost=memory_kib, parallelism=1),))
        self._turns = threading.BoundedSemaphore(CHECKS_AT_ONCE)
        self._nobody = self._hash.hash(secrets.token_hex())

    def hash(self, password: str) -> str:
        """The password's hash; raises ``SafeStatsError`` where it is too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise SafeStatsError(f"A password has {SHORTEST} to {LONGEST} characters.")
        return self._hash.hash(password)

    def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Whether the password is right, and a new hash where the stored one was made at another cost.

        Without a stored hash (no such user) it works as long as with one, and says no.
        """
        with self._turns:
            right, renewed = self._hash.verify_and_update(password, stored or self._nobody)
        return right and stored is not None, renewed if right and stored is not None else None
