"""Tampering: whatever is done to events, seals or exported files, ``verify`` names the first that is not right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safestats.sync_server.audit.canonical import START, canonical, link
from safestats.sync_server.audit.seals import Seal, SealFolder, as_line, seal_digest
from safestats.sync_server.audit.signing import PublicKey
from safestats.sync_server.audit.store import StoredEvent, StoredSeal
from safestats.sync_server.audit.verification import VerifyResult
from safestats.tests.server.audit_rig import AuditRig

SEALED, UNSEALED = 10, 3  # the seals reach to 4, 7 and 10
EVENTS = SEALED + UNSEALED
quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@dataclass
class World:
    """An audit with three seals, exported, and three events that are not sealed."""

    rig: AuditRig
    events: list[StoredEvent]
    seals: list[StoredSeal]

    def verify(
        self, events: list[StoredEvent] | None = None, seals: list[StoredSeal] | None = None, folder: Path | None = None
    ) -> VerifyResult:
        """What is found where these stand in the place of what was recorded."""
        self.rig.overwrite(self.events if events is None else events, self.seals if seals is None else seals)
        return self.rig.log.verify(SealFolder(folder) if folder else None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    rig = AuditRig(tmp_path_factory.mktemp("tampering") / "server")
    for events in (3, 3, 3):  # and one that announces the key
        rig.record(events)
        rig.log.seal()
    rig.record(UNSEALED)
    events, seals = rig.stored()
    assert [Seal.read(seal).last for seal in seals] == [4, 7, SEALED] and len(events) == EVENTS
    yield World(rig, events, seals)
    rig.close()


def chained(events: list[StoredEvent]) -> list[StoredEvent]:
    """The events with hashes that fit: what a forger who knows the rules would make."""
    result, previous = [], START
    for event in events:
        previous = link(previous, event.body)
        result.append(replace(event, hash=previous))
    return result


def changed(text: str, position: int, letter: str) -> str:
    """The text with another letter somewhere."""
    position %= len(text)
    return text[:position] + letter + text[position + 1 :]


numbers = st.integers(1, EVENTS)
letters = st.sampled_from('0aZ"{},: é')
places = st.integers(0, 2000)


def test_untouched_it_holds_and_the_unsealed_window_is_told(world: World) -> None:
    result = world.verify()
    assert (result.ok, result.events, result.seals, result.sealed_until) == (True, EVENTS, 3, SEALED)
    assert (result.unsealed, result.unsealed_since) == (UNSEALED, world.events[SEALED].at)
    assert result.message.startswith("All 13 events are in place and unaltered. Up to event 10 they are sealed")
    assert "The newest 3, since" in result.message


@quick
@given(numbers, st.sampled_from([f.name for f in fields(StoredEvent) if f.name != "number"]), places, letters)
def test_any_altered_byte_of_an_event(world: World, number: int, column: str, place: int, letter: str) -> None:
    event = world.events[number - 1]
    was = getattr(event, column)
    now = changed(was, place, letter) if was else letter
    if now == was:
        return
    events = [*world.events]
    events[number - 1] = replace(event, **{column: now})
    result = world.verify(events)
    assert (result.ok, result.first_bad) == (False, number)
    assert f"Event {number} " in result.message


@quick
@given(numbers, places, letters)
def test_a_chain_written_anew_is_named_by_its_batch(world: World, number: int, place: int, letter: str) -> None:
    """Where the forger makes the hashes anew too, the seal tells; what is not sealed yet is at his mercy."""
    events = [*world.events]
    event = events[number - 1]
    body = canonical({**json.loads(event.body), "reason": f"{place}{letter}"})
    events[number - 1] = replace(event, body=body)
    result = world.verify(chained(events))
    if number > SEALED:
        assert result.ok and result.unsealed == UNSEALED
        return
    first = max(first for first in (1, 5, 8) if first <= number)
    assert (result.ok, result.first_bad) == (False, first)
    assert "the chain was written anew" in result.message


@quick
@given(numbers, st.booleans())
def test_a_deleted_event(world: World, number: int, forged: bool) -> None:
    events = [event for event in world.events if event.number != number]
    if number == EVENTS:
        return  # the newest, and not sealed: see the tail
    result = world.verify(chained(events) if forged else events)
    assert (result.ok, result.first_bad) == (False, number)
    assert "missing" in result.message


@quick
@given(numbers, numbers)
def test_two_events_swapped(world: World, one: int, other: int) -> None:
    if one == other:
        return
    events = [*world.events]
    first, second = world.events[one - 1], world.events[other - 1]
    events[one - 1], events[other - 1] = replace(second, number=one), replace(first, number=other)
    result = world.verify(events)
    assert (result.ok, result.first_bad) == (False, min(one, other))
    assert "out of place" in result.message


@quick
@given(st.integers(1, EVENTS), st.integers(1, EVENTS))
def test_an_inserted_event(world: World, at: int, copied: int) -> None:
    moved = [replace(event, number=event.number + 1) for event in world.events[at - 1 :]]
    forged = replace(world.events[copied - 1], number=at, once=None)
    result = world.verify([*world.events[: at - 1], forged, *moved])
    if forged == world.events[at - 1]:  # it is the original that stands one further on
        assert (result.ok, result.first_bad) == (False, at + 1)
    else:
        assert (result.ok, result.first_bad) == (False, at)


@quick
@given(st.integers(0, EVENTS), st.booleans())
def test_a_tail_cut_off(world: World, left: int, with_seals: bool) -> None:
    seals = [seal for seal in world.seals if Seal.read(seal).last <= left or not with_seals]
    result = world.verify(world.events[:left], seals)
    if left < SEALED:
        assert (result.ok, result.first_bad) == (False, left + 1)
        assert f"Event {left + 1} is missing" in result.message
    else:
        assert result.ok and result.unsealed == left - SEALED


@quick
@given(st.integers(0, 2), st.sampled_from(["body", "signature"]), places, letters)
def test_any_altered_byte_of_a_seal(world: World, index: int, column: str, place: int, letter: str) -> None:
    was = getattr(world.seals[index], column)
    if (now := changed(was, place, letter)) == was:
        return
    seals = [*world.seals]
    seals[index] = replace(seals[index], **{column: now})
    for folder in (None, world.rig.settings.data_dir / "no exported seals"):
        result = world.verify(seals=seals, folder=folder)
        assert not result.ok
        assert result.first_bad_seal is not None and result.first_bad_seal <= index + 2
        if folder is None:
            assert result.first_bad_seal == index + 1


@quick
@given(st.integers(0, 2), st.booleans())
def test_a_removed_seal(world: World, index: int, exported: bool) -> None:
    folder = None if exported else world.rig.settings.data_dir / "no exported seals"
    result = world.verify(seals=[seal for i, seal in enumerate(world.seals) if i != index], folder=folder)
    if not exported and index == 2:
        assert result.ok and result.unsealed == EVENTS - 7  # what was not carried off can be undone
    else:
        assert (result.ok, result.first_bad_seal) == (False, index + 1)
        assert f"Seal {index + 1} is missing" in result.message


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("exported", [True, False])
def test_a_seal_forged_with_another_key(world: World, index: int, exported: bool) -> None:
    """The whole chain from there on written anew and sealed, by who has everything but the key."""
    key = Ed25519PrivateKey.generate()
    seals, previous = [*world.seals[:index]], START if index == 0 else seal_digest(world.seals[index - 1])
    for seal in world.seals[index:]:
        forged = replace(Seal.read(seal), previous=previous, key=PublicKey(key.public_key()).id)
        seals.append(StoredSeal(forged.number, forged.text, key.sign(forged.text.encode()).hex()))
        previous = seal_digest(seals[-1])
    result = world.verify(seals=seals, folder=None if exported else world.rig.settings.data_dir / "none")
    assert (result.ok, result.first_bad_seal) == (False, index + 1)
    # And under the name of the right key.
    named = replace(Seal.read(seals[index]), key=Seal.read(world.seals[0]).key)
    under = StoredSeal(named.number, named.text, key.sign(named.text.encode()).hex())
    result = world.verify(seals=[*world.seals[:index], under], folder=world.rig.settings.data_dir / "none")
    assert (result.ok, result.first_bad_seal) == (False, index + 1)


@quick
@given(st.integers(0, 2), places, letters)
def test_any_altered_byte_of_an_exported_file(world: World, index: int, place: int, letter: str) -> None:
    folder = world.rig.settings.audit_seals_dir
    altered = folder.with_name("altered")
    shutil.rmtree(altered, ignore_errors=True)
    shutil.copytree(folder, altered)
    (file,) = altered.glob("seals-*.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines()
    if (line := changed(lines[index], place, letter)) == lines[index]:
        return
    lines[index] = line
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert not world.verify(folder=altered).ok


def test_a_line_cut_off_by_a_crash_is_no_tampering(world: World, tmp_path: Path) -> None:
    folder = SealFolder(tmp_path)
    file = tmp_path / "seals-000000.jsonl"
    whole = [as_line(seal) for seal in world.seals]
    file.write_text(whole[0] + whole[1][:40])
    assert world.verify(folder=tmp_path).ok
    assert folder.newest() == 1
    folder.add(world.seals[1:], [])
    assert folder.read().seals == {seal.number: seal for seal in world.seals}
    assert world.verify(folder=tmp_path).ok


@pytest.mark.parametrize(("kept", "seals"), [(slice(0), 3), (slice(0), 0), (slice(3, None), 3)])
def test_everything_or_the_beginning_gone(world: World, kept: slice, seals: int) -> None:
    result = world.verify(world.events[kept], world.seals[:seals])
    assert (result.ok, result.first_bad) == (False, 1)
    assert "Event 1 is missing" in result.message
