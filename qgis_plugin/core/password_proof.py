"""What proves a password without being it."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

_COST = {"n": 2**16, "r": 8, "p": 1}
_MEMORY = 160 * 1024 * 1024


@dataclass(frozen=True)
class PasswordProof:
    """A salted, slow digest of a password (scrypt), in hexadecimal."""

    salt: str
    digest: str

    @classmethod
    def of(cls, password: str) -> PasswordProof:
        """A new one; takes a part of a second."""
        salt = os.urandom(16)
        return cls(salt.hex(), _digest(password, salt))

    def fits(self, password: str) -> bool:
        """Whether ``password`` is the one."""
        return hmac.compare_digest(self.digest, _digest(password, bytes.fromhex(self.salt)))


def _digest(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode(), salt=salt, maxmem=_MEMORY, dklen=32, **_COST).hex()
