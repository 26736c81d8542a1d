"""Events and their seals as files: an export for somebody, or the archive from which events may be removed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from .canonical import canonical, link
from .seals import Seal, as_line, seal_of_line
from .signing import Keyring, PublicKey
from .store import StoredEvent, StoredSeal

EVENTS_FILE, SEALS_FILE, CONTENTS_FILE = "events.jsonl", "seals.jsonl", "contents.json"


@dataclass(frozen=True)
class Contents:
    """What the files hold: ``events`` from ``first`` (whose predecessor has the hash ``previous``) to ``last``."""

    first: int
    last: int
    events: int
    previous: str
    seals: int
    events_sha256: str
    seals_sha256: str
    key: str

    @property
    def text(self) -> str:
        """What is signed."""
        return canonical(asdict(self))


def write_archive(
    folder: Path, events: Iterable[StoredEvent], seals: Iterable[StoredSeal], previous: str, keyring: Keyring
) -> Contents:
    """Write the files, durably, into a folder that is made for them; raises ``OSError``, also where it exists.

    An event is a line of its own bytes: number, hash and body, so that anybody can hash them again.
    """
    folder.mkdir(parents=True)
    numbers: list[int] = []

    def event_lines() -> Iterable[str]:
        for event in events:
            numbers[:] = [*numbers[:1], event.number] if numbers else [event.number, event.number]
            yield canonical({"number": event.number, "hash": event.hash, "body": event.body}) + "\n"

    count, events_sha256 = _write(folder / EVENTS_FILE, event_lines())
    seal_count, seals_sha256 = _write(folder / SEALS_FILE, (as_line(seal) for seal in seals))
    private = keyring.private()
    contents = Contents(
        first=numbers[0] if numbers else 0,
        last=numbers[1] if numbers else 0,
        events=count,
        previous=previous,
        seals=seal_count,
        events_sha256=events_sha256,
        seals_sha256=seals_sha256,
        key=PublicKey(private.public_key()).id,
    )
    signature = private.sign(contents.text.encode()).hex()
    _write(folder / CONTENTS_FILE, [json.dumps({**asdict(contents), "signature": signature}, indent=1) + "\n"])
    for key in keyring.public_keys().values():
        (folder / f"{key.id}.pem").write_bytes(key.pem)
    return contents


def check_archive(folder: Path, keys: dict[str, PublicKey]) -> Contents:
    """Prove an archive by itself: signature, digests, chain, seals. Raises ``ValueError``, which names the trouble."""
    try:
        members = json.loads((folder / CONTENTS_FILE).read_text(encoding="utf-8"))
        signature = members.pop("signature")
        contents = Contents(**members)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{folder / CONTENTS_FILE} is missing or damaged") from error
    key = keys.get(contents.key)
    if key is None:
        raise ValueError(f"{folder} is signed with the key {contents.key}, which is not among the given public keys")
    if not key.proves(contents.text, signature):
        raise ValueError(f"{folder / CONTENTS_FILE} does not bear the signature of the key {contents.key}")
    heads = {}
    for name, expected in ((EVENTS_FILE, contents.events_sha256), (SEALS_FILE, contents.seals_sha256)):
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise ValueError(f"{folder / name} is not the file that was signed for")
    previous, number = contents.previous, contents.first
    with (folder / EVENTS_FILE).open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            event = json.loads(line)
            previous = link(previous, event["body"])
            if (event["number"], event["hash"]) != (number, previous):
                raise ValueError(f"Event {number} of {folder} is altered or missing")
            heads[number] = previous
            number += 1
    for line in (folder / SEALS_FILE).read_text(encoding="utf-8").splitlines():
        stored = seal_of_line(line)
        seal = Seal.read(stored) if stored else None
        if stored is None or seal is None or heads.get(seal.last, seal.head) != seal.head:
            raise ValueError(f"A seal of {folder} does not fit its events")
        if seal.key in keys and not keys[seal.key].proves(stored.body, stored.signature):
            raise ValueError(f"Seal {seal.number} of {folder} does not bear the signature of the key {seal.key}")
    return contents


def _write(path: Path, lines: Iterable[str]) -> tuple[int, str]:
    """How many lines, and the SHA-256 of the file."""
    sha256, count = hashlib.sha256(), 0
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        for line in lines:
            encoded = line.encode()
            sha256.update(encoded)
            file.write(encoded)
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return count, sha256.hexdigest()
