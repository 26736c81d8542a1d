"""Passwords: hashed with Argon2id, checked in the same time whether or not the user exists."""

from __future__ import annotations

import secrets
import threading
from base64 import b64encode

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from .strength import check_strength

# Each takes the memory of its cost, and anybody may try to sign in: the others wait for their turn.
CHECKS_AT_ONCE = 4


class Passwords:
    """Hashes at a cost of ``rounds`` passes over ``memory_kib`` KiB."""

    def __init__(self, rounds: int, memory_kib: int) -> None:
        self._hash = PasswordHash((Argon2Hasher(time_cost=rounds, memory_cost=memory_kib, parallelism=1),))
        self._turns = threading.BoundedSemaphore(CHECKS_AT_ONCE)
        # A hash of no password at the same cost: to make a real one would cost every command its start.
        salt, tag = (b64encode(secrets.token_bytes(length)).decode().rstrip("=") for length in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={rounds},p=1${salt}${tag}"

    def hash(self, password: str, about: tuple[str, ...] = ()) -> str:
        """The password's hash; raises ``WeakPasswordError`` where it is easy to guess for who knows its owner.

        ``about`` are the owner's names, as people know them.
        """
        check_strength(password, about)
        with self._turns:
            return self._hash.hash(password)

    def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Whether the password is right, and a new hash where the stored one was made at another cost.

        Without a stored hash (no such user, or an invitation not taken up) it works as long as with one, and says no.
        """
        with self._turns:
            right, renewed = self._hash.verify_and_update(password, stored or self._nobody)
        return right and bool(stored), renewed if right and stored else None
