"""Proving the audit: the chain of events, the chain of seals, their signatures, and what was exported before."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .canonical import START, link
from .events import EventType
from .seals import FolderContent, Seal, as_line, seal_digest
from .signing import PublicKey
from .store import ALL, COPIED, AuditStore, Criteria, StoredEvent, StoredSeal

_UNSIGNED = "does not bear the signature of the key {}"
_HEAD = re.compile(r"(\d+) ([0-9a-f]{64}) ")


@dataclass(frozen=True)
class VerifyResult:
    """Whether the audit holds, and what was proved.

    ``first_bad`` is the number of the first event that is altered, missing or moved, ``first_bad_seal`` that of the
    first such seal. Up to event ``sealed_until`` the events are sealed; ``unsealed`` come after it, the first of
    them recorded at ``unsealed_since``.
    """

    ok: bool
    events: int
    first_bad: int | None
    message: str
    first_bad_seal: int | None = None
    seals: int = 0
    sealed_until: int = 0
    unsealed: int = 0
    unsealed_since: str = ""


@dataclass
class _Findings:
    event: int | None = None
    seal: int | None = None
    sentences: list[str] = field(default_factory=list)

    def of_event(self, number: int, trouble: str) -> None:
        """Note the first event in trouble; what follows from it is not told."""
        if self.event is None:
            self.event = number
            self.sentences.insert(0, f"Event {number} {trouble}.")

    def of_seal(self, number: int, trouble: str) -> None:
        """Note the first seal in trouble."""
        if self.seal is None:
            self.seal = number
            self.sentences.append(f"Seal {number} {trouble}.")


def verify(
    store: AuditStore,
    exported: FolderContent,
    keys: Mapping[str, PublicKey],
    heads: Mapping[int, str],
) -> VerifyResult:
    """Walk all of it; ``exported`` is to be read before, so that what is recorded meanwhile does no harm.

    ``keys`` are those that the verifier trusts; a key that an event under a trusted seal announces is trusted too,
    and an older seal that a proved one names by its digest needs no key. ``heads`` are number → hash, as exported
    by versions without seals.
    """
    found = _Findings(sentences=list(exported.trouble))
    stored = {seal.number: seal for seal in store.seals()}
    for name, line in exported.torn:
        if not any(as_line(seal).startswith(line) for seal in stored.values()):
            found.sentences.append(f"The last line of {name} is no seal.")
    trusted = dict(keys)

    def is_proved(seal: Seal) -> bool:
        return _is_proved(seal, stored, exported.seals, trusted)

    seals = list(_chain_of_seals(stored, exported.seals, trusted, found))
    by_last = {seal.last: seal for seal in seals}
    proved = 0

    previous, expected, count = START, 1, 0
    unsealed_since = ""
    announced: dict[str, PublicKey] = {}
    for event in store.events():
        if not count and (floor := _archived_until(store, event.number)) in by_last:
            previous, expected = by_last[floor].head, floor + 1
            proved = max((s.number for s in seals if s.last <= floor and is_proved(s)), default=0)
        trouble = _trouble(event, previous, expected)
        if trouble is None and heads.get(event.number, event.hash) != event.hash:
            trouble = "is not the one whose head was exported: the chain was written anew"
        if trouble is not None:
            found.of_event(expected, trouble)
            break
        previous, expected, count = event.hash, event.number + 1, count + 1
        if event.event == EventType.AUDIT_KEY:
            key = PublicKey.of_hex(json.loads(event.body)["filter"]["public_key"])
            announced[key.id] = key
        sealed = by_last.get(event.number)
        if sealed is None:
            if seals and event.number > seals[-1].last or not seals:
                unsealed_since = unsealed_since or event.at
            continue
        if sealed.key in trusted and not is_proved(sealed):
            found.of_seal(sealed.number, _UNSIGNED.format(sealed.key))
            break
        if sealed.head != event.hash:
            found.of_event(
                sealed.first,
                f"or one after it, up to {sealed.last}, is not what seal {sealed.number} was made of: "
                "the chain was written anew",
            )
            break
        if is_proved(sealed):
            proved = sealed.number
            trusted.update(announced)
            announced.clear()
    else:
        _judge_the_end(found, expected - 1, seals, heads)
    last = expected - 1
    for seal in seals:
        if seal.number > proved and found.event is None:
            found.of_seal(seal.number, f"is signed with the key {seal.key}, which is not among the given public keys")
    sealed_until = seals[-1].last if seals else 0
    unsealed = max(0, last - sealed_until)
    ok = not found.sentences
    message = (
        _told(count, last, seals, unsealed, unsealed_since, bool(exported.seals or heads))
        if ok
        else " ".join(found.sentences)
    )
    return VerifyResult(ok, count, found.event, message, found.seal, len(seals), sealed_until, unsealed, unsealed_since)


def read_heads(path: Path) -> dict[int, str]:
    """Number → hash, as versions without seals exported them. Of a number that stands there twice, the first counts."""
    heads: dict[int, str] = {}
    if path.exists():
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            if (head := _HEAD.match(line)) is not None:
                heads.setdefault(int(head[1]), head[2])
    return heads


def _chain_of_seals(
    stored: Mapping[int, StoredSeal],
    exported: Mapping[int, StoredSeal],
    trusted: Mapping[str, PublicKey],
    found: _Findings,
) -> Iterator[Seal]:
    """The seals that hold together from the first on, up to the first that does not."""
    previous: StoredSeal | None = None
    last = 0
    for number in range(1, max([*stored, *exported], default=0) + 1):
        candidate = exported.get(number, stored.get(number))
        if number not in stored:
            found.of_seal(number, "is missing" + (", but was exported" if number in exported else ""))
        elif number in exported and exported[number] != stored[number]:
            found.of_seal(number, "is not the one that was exported")
        if candidate is None:
            return
        try:
            seal = Seal.read(candidate)
        except ValueError as error:
            found.of_seal(number, str(error))
            return
        bound = START if previous is None else seal_digest(previous)
        if seal.number != number or seal.previous != bound or seal.first != last + 1:
            found.of_seal(number, "does not follow the seal before it")
            return
        if seal.count != seal.last - seal.first + 1 or seal.count < 1:
            found.of_seal(number, "does not count its events rightly")
            return
        if seal.key in trusted and not _is_proved(seal, stored, exported, trusted):
            found.of_seal(number, _UNSIGNED.format(seal.key))
            return
        previous, last = candidate, seal.last
        yield seal
    for number in stored:
        if number < 1:
            found.of_seal(number, "is no seal")


def _trouble(event: StoredEvent, previous: str, expected: int) -> str | None:
    if event.number != expected:
        return "is missing"
    try:
        members = json.loads(event.body)
        own_number = members["number"]
    except (ValueError, KeyError, TypeError):
        return "is altered"
    if link(previous, event.body) == event.hash:
        copied = all(str(members.get(name, "")) == getattr(event, name) for name in COPIED)
        return None if own_number == event.number and members["once"] == event.once and copied else "is altered"
    if own_number != event.number:
        return f"is out of place: what stands there was recorded as event {own_number}"
    return "is altered"


def _is_proved(
    seal: Seal, stored: Mapping[int, StoredSeal], exported: Mapping[int, StoredSeal], trusted: Mapping[str, PublicKey]
) -> bool:
    kept = [seals[seal.number] for seals in (stored, exported) if seal.number in seals]
    key = trusted.get(seal.key)
    return key is not None and all(key.proves(one.body, one.signature) for one in kept)


def _archived_until(store: AuditStore, first: int) -> int:
    """The last event before ``first`` that retention took, as the chain itself tells; 0: it took none."""
    retired = store.search(Criteria(event=EventType.AUDIT_RETENTION), None, ALL)
    until = [json.loads(event.body)["filter"]["until"] for event in retired]
    return max((number for number in until if number < first), default=0)


def _judge_the_end(found: _Findings, last: int, seals: list[Seal], heads: Mapping[int, str]) -> None:
    if seals and seals[-1].last > last:
        held = next(seal for seal in seals if seal.last > last)
        found.of_event(last + 1, f"is missing: the chain ends at {last}, but seal {held.number} reaches to {held.last}")
    elif (newest := max(heads, default=0)) > last:
        found.of_event(last + 1, f"is missing: the chain ends at {last}, but the head of event {newest} was exported")


def _told(count: int, last: int, seals: list[Seal], unsealed: int, unsealed_since: str, compared: bool) -> str:
    sentences = [f"All {count} events are in place and unaltered."]
    if last > count:
        sentences.append(f"Events 1 to {last - count} were archived; their seals are in place.")
    if seals:
        newest = seals[-1]
        sentences.append(f"Up to event {newest.last} they are sealed (seal {newest.number} of {newest.at}).")
    if unsealed:
        sentences.append(
            f"The newest {unsealed}, since {unsealed_since}, are not sealed yet: their removal could not be noticed."
        )
    if not compared:
        sentences.append(
            "No exported seals were compared with: had the end been cut off together with its seals, it would not show."
        )
    return " ".join(sentences)
