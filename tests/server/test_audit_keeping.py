"""Seals, keys, exports, retention and searches: what keeps an audit worth something over years."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from safestats.sync_server.audit import log
from safestats.sync_server.audit.archive import check_archive
from safestats.sync_server.audit.canonical import digest
from safestats.sync_server.audit.events import EventType, Outcome
from safestats.sync_server.audit.export import export_events
from safestats.sync_server.audit.retention import retire
from safestats.sync_server.audit.sealing import AuditBrokenError, sealed_regularly
from safestats.sync_server.audit.seals import Seal, SealFolder
from safestats.sync_server.audit.search import AuditScope, Page, search
from safestats.sync_server.audit.signing import AuditKeyError, read_public_keys
from safestats.sync_server.audit.store import Criteria
from safestats.sync_server.doctor.findings import State
from safestats.sync_server.doctor.store import look_at_seals
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.instants import now
from safestats.sync_server.settings import Part
from safestats.tests.server.audit_rig import AuditRig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[AuditRig]:
    made = AuditRig(tmp_path / "server")
    yield made
    made.close()


def kinds(rig: AuditRig) -> list[str]:
    return [event.body["event"] for event in rig.log.events()]


# Sealing


def test_a_worker_seals_at_once_regularly_and_at_its_end(rig: AuditRig) -> None:
    rig.record(2)
    with sealed_regularly(rig.log, every_seconds=0.05):
        deadline = time.monotonic() + 20
        while rig.log.verify().unsealed and time.monotonic() < deadline:
            time.sleep(0.02)
        rig.record(1)
        while rig.log.verify().unsealed and time.monotonic() < deadline:
            time.sleep(0.02)
        result = rig.log.verify()
        assert (result.ok, result.unsealed, result.seals) == (True, 0, 2)
    rig.record(1)
    with sealed_regularly(rig.log, every_seconds=3600):
        pass
    assert rig.log.verify().unsealed == 0
    assert SealFolder(rig.settings.audit_seals_dir).newest() == 3


def test_an_audit_without_events_gets_neither_key_nor_seal(rig: AuditRig) -> None:
    assert rig.log.seal() == 0
    assert not rig.settings.audit_key_path.exists()


def test_the_private_key_is_the_owners_alone_and_not_beside_the_seals(rig: AuditRig) -> None:
    rig.record(1)
    rig.log.seal()
    assert rig.settings.audit_key_path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in rig.settings.data_dir.iterdir() if "audit-signing-key." in path.name] == []
    there = {path.name for path in rig.settings.audit_seals_dir.iterdir()}
    (key,) = rig.log.sealing.keyring.public_keys()
    assert there == {"seals-000000.jsonl", f"{key}.pem"}


def test_nothing_is_sealed_that_was_tampered_with(rig: AuditRig) -> None:
    rig.record(2)
    rig.log.seal()
    rig.record(3)
    events, seals = rig.stored()
    events[4] = replace(events[4], hash="0" * 64)
    rig.overwrite(events, seals)
    with pytest.raises(AuditBrokenError, match="event 5 is missing or altered"):
        rig.log.seal()


def test_seals_wait_for_a_folder_that_is_away(rig: AuditRig) -> None:
    folder = rig.settings.audit_seals_dir
    folder.parent.mkdir(exist_ok=True)
    folder.write_bytes(b"")  # a file where the folder is to be: as if it were not mounted
    rig.record(2)
    with pytest.raises(OSError):
        rig.log.seal()
    assert rig.log.verify().unsealed == 0  # sealed all the same
    folder.unlink()
    rig.record(1)
    rig.log.seal()
    assert sorted(SealFolder(folder).read().seals) == [1, 2]


# Keys


def test_another_key_and_a_lost_key(rig: AuditRig) -> None:
    rig.record(2)
    rig.log.seal()
    first = rig.log.sealing.keyring.public()
    second = rig.log.rotate_key("command-line")
    rig.record(1)
    rig.log.seal()
    used = [Seal.read(seal).key for seal in rig.stored()[1]]
    assert used == [first.id, first.id, second.id]
    for trusted in ({first.id: first}, {second.id: second}, None):
        result = rig.log.verify(keys=trusted)
        assert result.ok, result.message
    rig.settings.audit_key_path.unlink()
    rig.record(1)
    with pytest.raises(AuditKeyError, match="is missing: put it back"):
        rig.log.seal()
    third = rig.log.rotate_key("command-line")
    assert rig.log.verify(keys={third.id: third}).ok
    result = rig.log.verify(keys={second.id: second})
    assert (result.ok, result.first_bad_seal) == (False, 4)
    assert f"signed with the key {third.id}, which is not among the given public keys" in result.message


def test_the_public_key_of_somebody_else_proves_nothing(rig: AuditRig, tmp_path: Path) -> None:
    rig.record(2)
    rig.log.seal()
    other = AuditRig(tmp_path / "other")
    other.record(1)
    other.log.seal()
    result = rig.log.verify(keys=read_public_keys([other.settings.data_dir / "audit-public-keys"]))
    assert (result.ok, result.first_bad_seal) == (False, 1)
    other.close()
    (tmp_path / "no-key.pem").write_text("x")
    with pytest.raises(AuditKeyError, match=r"no-key\.pem cannot be read as a public key"):
        read_public_keys([tmp_path / "no-key.pem"])


def test_the_doctor_sees_what_is_not_sealed_not_exported_or_without_key(
    rig: AuditRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> tuple[State, str]:
        (finding,) = look_at_seals(rig.settings)
        return finding.state, finding.told

    assert found()[0] == State.OK
    monkeypatch.setattr(log, "now", lambda: now() - timedelta(minutes=6))
    rig.record(1)
    monkeypatch.undo()
    assert found()[0] == State.WARN and "is not sealed" in found()[1]
    rig.log.seal()
    assert found() == (State.OK, f"1 made, and exported to {rig.settings.audit_seals_dir}")
    shutil.rmtree(rig.settings.audit_seals_dir)
    assert found() == (State.WARN, f"of 1 seals only 0 reached {rig.settings.audit_seals_dir}")
    rig.settings.audit_key_path.unlink()
    assert found()[0] == State.FAIL


# Exports and archives


def test_an_export_proves_itself_and_shows_what_was_altered(rig: AuditRig, tmp_path: Path) -> None:
    rig.record(4)
    contents = export_events(rig.log, tmp_path / "export", "command-line")
    keys = read_public_keys([tmp_path / "export"])
    assert check_archive(tmp_path / "export", keys) == contents
    assert (contents.first, contents.last, contents.events, contents.seals) == (1, 5, 5, 1)
    assert kinds(rig)[-1] == "audit.export"
    later = export_events(rig.log, tmp_path / "later", "command-line", after=5)
    assert check_archive(tmp_path / "later", keys) == later and later.first == 6
    with pytest.raises(SafeStatsError, match="is there already"):
        export_events(rig.log, tmp_path / "later", "command-line")
    for name in ("events.jsonl", "seals.jsonl", "contents.json"):
        damaged = tmp_path / f"damaged-{name}"
        shutil.copytree(tmp_path / "export", damaged)
        text = (damaged / name).read_text(encoding="utf-8")
        (damaged / name).write_text(text.replace("1", "2", 1), encoding="utf-8")
        with pytest.raises(ValueError, match=name.partition(".")[0]):
            check_archive(damaged, keys)


def test_old_batches_are_archived_then_removed_and_the_rest_still_proves(rig: AuditRig, tmp_path: Path) -> None:
    for _ in range(3):
        rig.record(3)
        rig.log.seal()
    rig.record(2)
    assert retire(rig.log, 6, now(), tmp_path, "command-line") is None
    owner = rig.open(Part.OWNER)
    retired = retire(rig.log, 6, now() + timedelta(days=200), tmp_path / "archive", "a9", owner.store.remove)
    assert retired is not None
    # The newest batch, which the two unsealed events have become, stays.
    assert (retired.contents.first, retired.contents.last, retired.removed) == (1, 10, 10)
    result = rig.log.verify()
    assert (result.ok, result.events, result.unsealed) == (True, 3, 0), result.message
    assert "Events 1 to 10 were archived" in result.message
    told = next(event.body for event in rig.log.events() if event.body["event"] == "audit.retention")
    assert told["filter"]["until"] == 10 and told["actor"] == "a9"
    assert told["filter"]["sha256"] == digest((retired.folder / "contents.json").read_text())
    assert check_archive(retired.folder, rig.log.sealing.keyring.public_keys()) == retired.contents

    # It goes on, and can be done again.
    rig.record(3)
    rig.log.seal()
    again = retire(rig.log, 6, now() + timedelta(days=400), tmp_path / "archive", "a9", owner.store.remove)
    assert again is not None and again.contents.first == 11
    assert rig.log.verify().ok
    assert check_archive(again.folder, rig.log.sealing.keyring.public_keys()) == again.contents

    # What no retention took is missed.
    events, seals = rig.stored()
    rig.overwrite(events[2:], seals)
    result = rig.log.verify()
    assert (result.ok, result.first_bad) == (False, events[0].number)
    assert "is missing" in result.message
    rig.overwrite(events, seals)
    assert rig.log.verify().ok
    owner.store.close()


def test_a_tampered_audit_is_not_archived(rig: AuditRig, tmp_path: Path) -> None:
    for _ in range(2):
        rig.record(3)
        rig.log.seal()
    events, seals = rig.stored()
    events[2] = replace(events[2], body=events[2].body.replace("mps", "lfb"))
    rig.overwrite(events, seals)
    with pytest.raises(SafeStatsError, match="Nothing is archived.*Event 3 is altered"):
        retire(rig.log, 6, now() + timedelta(days=400), tmp_path / "archive", "a9")
    assert not (tmp_path / "archive").exists()
    with pytest.raises(SafeStatsError, match="SAFESTATS_AUDIT_KEEP_MONTHS"):
        retire(rig.log, 0, now(), tmp_path, "a9")


# Searching


@pytest.fixture
def used(rig: AuditRig) -> AuditRig:
    for organisation, dataset in (("camden", "mps"), ("camden", "lfb"), ("brent", "mps")):
        for outcome in (Outcome.OK, Outcome.REFUSED):
            rig.log.record(
                EventType.LAYER_PULL, actor=f"{organisation}-1", organisation=organisation, dataset=dataset,
                outcome=outcome, filter={"text": "100 %_é \"quoted\""},
            )  # fmt: skip
    rig.log.record(EventType.SIGN_IN, actor="brent-1", organisation="brent")
    return rig


@pytest.mark.parametrize(
    ("criteria", "numbers"),
    [
        (Criteria(), [7, 6, 5, 4, 3, 2, 1]),
        (Criteria(actor="brent-1"), [7, 6, 5]),
        (Criteria(organisation="camden", dataset="mps"), [2, 1]),
        (Criteria(event="layer.pull", outcome="refused"), [6, 4, 2]),
        (Criteria(text='%_é "QUOTED"', organisation="brent"), [6, 5]),
        (Criteria(text="100_"), []),
        (Criteria(until="2020"), []),
        (Criteria(since="2020", until="2999", event="session.sign-in"), [7]),
    ],
)
def test_criteria(used: AuditRig, criteria: Criteria, numbers: list[int]) -> None:
    found = search(used.log, AuditScope.everything(), criteria, Page())
    assert [event.number for event in found.events] == numbers


def test_pages_meet_without_gap_and_each_is_recorded(used: AuditRig) -> None:
    page: Page | None = Page(size=3)
    numbers = []
    while page is not None:
        found = search(used.log, AuditScope("team-1"), Criteria(event="layer.pull"), page)
        numbers.append([event.number for event in found.events])
        page = found.next
    assert numbers == [[6, 5, 4], [3, 2, 1]]
    # Whoever begins at a number of their own leaves a trace as well.
    told = [event.body["filter"] for event in used.log.events() if event.body["event"] == "audit.search"]
    asked = {"criteria": {"event": "layer.pull"}}
    assert told == [asked, {**asked, "before": 4}]


def test_an_administrator_sees_the_own_organisation_alone(used: AuditRig) -> None:
    scope = AuditScope("brent-1", organisation="brent")
    assert {e.body["organisation"] for e in search(used.log, scope, Criteria(), Page()).events} == {"brent"}
    assert search(used.log, scope, Criteria(organisation="camden"), Page()).events == []
    assert search(used.log, scope, Criteria(actor="camden-1"), Page()).events == []


def test_what_is_kept_beside_the_body_is_what_it_says(used: AuditRig) -> None:
    for event in used.log.store.events():
        members = json.loads(event.body)
        assert (event.at, event.event, event.actor) == (members["at"], members["event"], members["actor"])
