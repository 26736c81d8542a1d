"""The key that signs seals: Ed25519, its private half in a file of its own, outside the database and its backups."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ..errors import SafeStatsError

_ID_DIGITS = 16


class AuditKeyError(SafeStatsError):
    """The key that signs seals is missing or cannot be used."""


@dataclass(frozen=True)
class PublicKey:
    """What proves a seal. ``id`` is the beginning of the SHA-256 of its 32 bytes."""

    key: Ed25519PublicKey

    @property
    def raw(self) -> bytes:
        """Its 32 bytes."""
        return self.key.public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def id(self) -> str:
        """By which a seal names it."""
        return hashlib.sha256(self.raw).hexdigest()[:_ID_DIGITS]

    @property
    def pem(self) -> bytes:
        """As a file."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @classmethod
    def of_hex(cls, digits: str) -> PublicKey:
        """The key of 64 hexadecimal digits; raises ``ValueError``."""
        return cls(Ed25519PublicKey.from_public_bytes(bytes.fromhex(digits)))

    def proves(self, text: str, signature: str) -> bool:
        """Whether the signature (in small hexadecimal digits) is of this text and this key."""
        try:
            given = bytes.fromhex(signature)
            self.key.verify(given, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return given.hex() == signature


def read_public_keys(paths: Iterable[Path]) -> dict[str, PublicKey]:
    """The public keys of PEM files, or of folders of them, by id; raises ``AuditKeyError``."""
    keys = {}
    for path in paths:
        for file in sorted(path.glob("*.pem")) if path.is_dir() else [path]:
            try:
                key = load_pem_public_key(file.read_bytes())
            except (OSError, ValueError) as error:
                raise AuditKeyError(f"{file} cannot be read as a public key in PEM form: name another file.") from error
            if not isinstance(key, Ed25519PublicKey):
                raise AuditKeyError(f"{file} is no Ed25519 key: name the file that “safestats audit keys” exported.")
            public = PublicKey(key)
            keys[public.id] = public
    return keys


@dataclass(frozen=True)
class Keyring:
    """The private key in the file ``path``, and every public key there ever was in the folder ``public_dir``."""

    path: Path
    public_dir: Path

    def make(self) -> PublicKey | None:
        """Make the private key, unless another process just has; None: it was there."""
        key = Ed25519PrivateKey.generate()
        public = PublicKey(key.public_key())
        self._publish(public)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = _write_aside(self.path, key)
        try:
            # A link, unlike a rename, never takes the place of a key that seals were signed by.
            os.link(written, self.path)
        except FileExistsError:
            (self.public_dir / f"{public.id}.pem").unlink()
            return None
        finally:
            written.unlink()
        return public

    def exists(self) -> bool:
        """Whether there is a private key."""
        return self.path.exists()

    def private(self) -> Ed25519PrivateKey:
        """The private key; raises ``AuditKeyError``."""
        try:
            key = load_pem_private_key(self.path.read_bytes(), password=None)
        except FileNotFoundError as error:
            raise AuditKeyError(
                f"The key that signs the audit's seals, {self.path}, is missing: "
                "put it back, or go on with a new one by “safestats audit keys --rotate”."
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise AuditKeyError(
                f"The key that signs the audit's seals, {self.path}, cannot be read: put the right file back."
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise AuditKeyError(f"{self.path} is no Ed25519 private key: put the right file back.")
        return key

    def public(self) -> PublicKey:
        """The public half of the private key; raises ``AuditKeyError``."""
        return PublicKey(self.private().public_key())

    def public_keys(self) -> dict[str, PublicKey]:
        """Every public key there ever was, by id."""
        return read_public_keys([self.public_dir]) if self.public_dir.is_dir() else {}

    def prepare(self) -> tuple[PublicKey, Path]:
        """A new key that waits in a file beside the private one, for ``take_over``."""
        key = Ed25519PrivateKey.generate()
        public = PublicKey(key.public_key())
        self._publish(public)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return public, _write_aside(self.path, key)

    def take_over(self, waiting: Path) -> None:
        """From now on the waiting key signs; the former private key is gone."""
        waiting.replace(self.path)

    def _publish(self, public: PublicKey) -> None:
        self.public_dir.mkdir(parents=True, exist_ok=True)
        (self.public_dir / f"{public.id}.pem").write_bytes(public.pem)


def _write_aside(path: Path, key: Ed25519PrivateKey) -> Path:
    aside = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    return aside
