"""The installation's secret keys, and what is made with them: identities and feature ids.

A keyed hash tells nobody without the key which supplier's id stands behind a feature, and a part of it for each
precision keeps a snapped copy from being joined to an exact one by its feature ids.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..shared.manifest import FID_KEY_BITS

PRECISIONS = ("point", "grid", "area")

_NAMES = ("identity", *(f"fid_{precision}" for precision in PRECISIONS))
_KEY_BYTES = 32
IDENTITY_BYTES = 20
_FID_HASH_BYTES = 8
_EPOCH = date(1970, 1, 1).toordinal()
_MASK = (1 << FID_KEY_BITS) - 1


class KeysError(RuntimeError):
    """The key file cannot be used; the message says what to do."""


def day_number(occurred_on: date | None) -> int:
    """Days since 1970-01-01, 0 for undated rows: the upper part of a feature id."""
    return 0 if occurred_on is None else occurred_on.toordinal() - _EPOCH


def date_of_day(number: int) -> date:
    """The date that ``day_number`` gave the number for."""
    return date.fromordinal(_EPOCH + number)


def feature_id_range(first: date | None, last: date | None) -> tuple[int, int]:
    """The lowest and the highest feature id (inclusive) of the days from ``first`` to ``last``."""
    return day_number(first) << FID_KEY_BITS, day_number(last) << FID_KEY_BITS | _MASK


@dataclass(frozen=True, repr=False)
class Keys:
    """Secret bytes by purpose. Never shown: it has no ``repr`` of its own."""

    secrets_by_name: dict[str, bytes]

    @classmethod
    def open(cls, path: Path) -> Keys:
        """The keys in the file at ``path``, made at random (file mode 0600) if there is none."""
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            return cls._make(path)
        try:
            stored = {name: bytes.fromhex(value) for name, value in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise KeysError(f"The key file {path} cannot be read: restore it from the backup.") from error
        missing = [name for name in _NAMES if len(stored.get(name, b"")) != _KEY_BYTES]
        if missing:
            raise KeysError(f"The key file {path} lacks the key “{missing[0]}”: restore the file from the backup.")
        return cls(stored)

    @classmethod
    def _make(cls, path: Path) -> Keys:
        made = {name: secrets.token_bytes(_KEY_BYTES) for name in _NAMES}
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL: two first starts at once must not each go on with keys of their own.
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls.open(path)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump({name: value.hex() for name, value in made.items()}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        return cls(made)

    def identity(self, parts: Sequence[str]) -> str:
        """The keyed hash (40 hexadecimal digits) of the parts by which a row is known again."""
        return self.identities([parts])[0]

    def identities(self, rows: Iterable[Sequence[str]]) -> list[str]:
        """``identity`` of many rows."""
        # Lengths, so that no two different lists of parts give the same bytes.
        made = self.identity_digests("".join(f"{len(part)}:{part}" for part in parts).encode() for parts in rows)
        return [made[at : at + IDENTITY_BYTES].hex() for at in range(0, len(made), IDENTITY_BYTES)]

    def identity_digests(self, texts: Iterable[bytes]) -> bytes:
        """``identity`` of many rows, each in ``IDENTITY_BYTES``, one behind the other. A row's parts stand in a text
        already: each one's length in letters, a colon, and itself."""
        return digests(hashlib.blake2b(key=self.secrets_by_name["identity"], digest_size=IDENTITY_BYTES), texts)

    @property
    def cell_secret(self) -> bytes:
        """The secret of the record keys by which counts are perturbed (``shared.cell_key``)."""
        # Of the identities' key, by a purpose of its own: installations keep the file of keys that they have.
        return hashlib.blake2b(key=self.secrets_by_name["identity"], person=b"cell keys").digest()

    def feature_id(self, precision: str, identity: str, occurred_on: date | None, attempt: int = 0) -> int:
        """The feature id of an incident at one of ``PRECISIONS``: its day above ``FID_KEY_BITS`` bits of hash.

        ``attempt`` counts how often the id had to be made anew because another incident had it.
        """
        days = np.array([day_number(occurred_on)], np.int64)
        return int(self.feature_ids([identity.encode()], days, attempt)[precision][0])

    def feature_ids(
        self, identities: Iterable[bytes], days: NDArray[np.int64], attempt: int = 0
    ) -> dict[str, NDArray[np.int64]]:
        """``feature_id`` of many incidents by precision, ``days`` being the numbers of theirs; the identities are
        encoded.

        One hash gives the ids of all precisions: without the keys none of its parts tells anything of the others.
        """
        keys = b"".join(self.secrets_by_name[f"fid_{precision}"] for precision in PRECISIONS)
        key = hashlib.blake2b(keys, digest_size=hashlib.blake2b.MAX_KEY_SIZE).digest()
        start = hashlib.blake2b(key=key, digest_size=_FID_HASH_BYTES * len(PRECISIONS))
        if attempt:
            identities = (identity + f"#{attempt}".encode() for identity in identities)
        hashed = np.frombuffer(digests(start, identities), ">u8").reshape(-1, len(PRECISIONS)).astype(np.int64)
        ids = (days << FID_KEY_BITS)[:, np.newaxis] | (hashed & _MASK)
        return {precision: ids[:, at] for at, precision in enumerate(PRECISIONS)}


def digests(start: hashlib.blake2b, texts: Iterable[bytes]) -> bytes:
    """The hashes of the texts, one behind the other; ``start`` has the key, and how long they are."""
    made = []
    for text in texts:
        digest = start.copy()
        digest.update(text)
        made.append(digest.digest())
    return b"".join(made)
