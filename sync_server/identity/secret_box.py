"""Secrets that the server must read again (of second factors and single sign-on), encrypted at rest.

The key comes of the installation's key file, not of the database: a copy of the database alone opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import SafeStatsError
from ..keys import Keys

_NONCE_BYTES = 12


class SecretBox:
    """Seals text for an owner: what was sealed for one cannot be opened as another's."""

    def __init__(self, keys: Keys) -> None:
        root = keys.secrets_by_name["identity"]
        # Keys of their own, of which the one they come from cannot be told.
        self._cipher = AESGCM(_derived(root, b"safestats sealed secrets"))
        self._codes = _derived(root, b"safestats recovery codes")

    def seal(self, text: str, owner: str) -> str:
        """The text, encrypted (AES-256-GCM)."""
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), owner.encode())).decode()

    def open(self, sealed: str, owner: str) -> str:
        """The text; raises ``SafeStatsError`` where the key file is not the one that it was sealed under."""
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode()).decode()
        except InvalidTag as error:
            raise SafeStatsError(
                "A stored secret cannot be opened with the keys of this installation: restore keys.json."
            ) from error

    def code_hash(self, owner: str, code: str) -> str:
        """A keyed hash of a short code: without the key nobody finds the code by trying."""
        return hmac.new(self._codes, f"{owner}:{code}".encode(), hashlib.sha256).hexdigest()


def _derived(root: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(root)
