"""Taking a release back, and dropping one that was never published."""

from __future__ import annotations

from pathlib import Path

import pytest
from safestats.shared.manifest import Manifest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.service import find_user
from safestats.sync_server.identity.subject import Subject
from safestats.sync_server.publishing.models import Release
from safestats.sync_server.publishing.rollback import discard_staged, stage_rollback
from safestats.sync_server.publishing.service import build_missing, publish
from safestats.sync_server.sync import service as sync
from safestats.tests.server.ingest_rig import held, load_street, street_row
from safestats.tests.server.sync_rig import CAMDEN, CITY, DATASET, Incident, Rig, incidents
from sqlalchemy import select, text


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Release 1: eleven rows. Release 2: one withdrawn, one changed, one new, and a month of its own."""
    made = Rig.make(tmp_path / "server", areas=True)
    made.organisation("gla")
    made.agree("gla", {"areas": (CAMDEN, CITY, "unplaced")})
    made.stage(*incidents())
    publish(made.services, DATASET)
    made.stage(withdrawn=(2, 5))
    made.stage(Incident(5, CAMDEN, "2025-02", "drugs"), Incident(20, CITY, "2025-02"), Incident(21, CITY, "2025-03"))
    return made


def definition(rig: Rig):
    return rig.services.definitions[DATASET]


def manifest(rig: Rig) -> Manifest:
    with rig.services.database.read() as session:
        user = find_user(session, "gla")
        subject = Subject(user.id, "gla", user.organisation_id, "gla", user.role, "session", "needs-assessment", "test")
        return sync.manifest(rig.services, session, subject, DATASET)


def comparable(shown: Manifest) -> dict:
    return {k: v for k, v in shown.to_json().items() if k not in ("release", "published_at", "valid_until")}


def table(rig: Rig) -> list[tuple]:
    with rig.services.database.read() as session:
        names = "row_id, identity, from_release, to_release, category, fid_point, ST_AsBinary(geometry)"
        return [tuple(row) for row in session.execute(text(f"SELECT {names} FROM incident_{DATASET} ORDER BY row_id"))]


def bytes_of(rig: Rig) -> dict[str, bytes]:
    return {name: rig.store.path(name).read_bytes() for name in rig.store.names()}


def test_a_rollback_shows_the_old_layer_under_a_new_number(rig: Rig) -> None:
    first, files = manifest(rig), bytes_of(rig)
    publish(rig.services, DATASET)
    second = manifest(rig)
    assert comparable(first) != comparable(second)
    staged = stage_rollback(rig.services, definition(rig))
    assert (staged.number, staged.target, staged.restored, staged.closed) == (3, 1, 2, 3)
    assert manifest(rig).release == 2, "before it is published nobody sees it"
    assert publish(rig.services, DATASET).slices_built == 0, "the files of release 1 are still there"
    third = manifest(rig)
    assert third.release == 3 and comparable(third) == comparable(first)
    # And back again: release 2 is as good a target as any.
    assert stage_rollback(rig.services, definition(rig)).target == 2
    publish(rig.services, DATASET)
    assert comparable(manifest(rig)) == comparable(second)
    stage_rollback(rig.services, definition(rig), 1)
    for name in files:
        rig.store.remove(name)
    publish(rig.services, DATASET)
    assert comparable(manifest(rig)) == comparable(first)
    assert {name: rig.store.path(name).read_bytes() for name in files} == files, "the same rows, the same bytes"
    events = [e.body for e in rig.services.audit.events() if e.body["event"] == "dataset.rollback"]
    assert [e["filter"] for e in events] == [{"release": n, "to": to} for n, to in ((3, 1), (4, 2), (5, 1))]


def test_rows_come_back_as_new_versions_of_the_same_incident(rig: Rig) -> None:
    publish(rig.services, DATASET)
    before = table(rig)
    stage_rollback(rig.services, definition(rig))
    after = table(rig)
    old = {row[0]: row for row in before}
    for row in after:
        if row[0] in old:  # nothing of a published version changes but its end
            assert (*row[:3], *row[4:]) == (*old[row[0]][:3], *old[row[0]][4:])
    back = [row for row in after if row[0] not in old]
    assert sorted((row[1], row[2], row[3], row[4]) for row in back) == [
        ("2", 3, None, "burglary"),
        ("5", 3, None, "burglary"),
    ]
    for row in back:
        twin = next(old_row for old_row in before if (old_row[1], old_row[4]) == (row[1], row[4]))
        assert row[5:] == twin[5:], "feature id and place are those that it had"


def test_what_cannot_be_taken_back_is_refused_in_a_sentence(rig: Rig) -> None:
    def refusal(target: int | None = None) -> str:
        before = table(rig)
        with pytest.raises(SafeStatsError) as trouble:
            stage_rollback(rig.services, definition(rig), target)
        assert table(rig) == before
        return str(trouble.value)

    assert "safestats discard mps" in refusal() and "safestats publish mps" in refusal()
    discard_staged(rig.services, definition(rig))
    assert "first of mps" in refusal()
    assert "visible one already" in refusal(1)
    assert "no release 7" in refusal(7)
    assert "no release -1" in refusal(-1)
    with pytest.raises(SafeStatsError, match="Nothing of btp has been published"):
        stage_rollback(rig.services, rig.services.definitions["btp"])


def test_what_is_discarded_was_never_there(rig: Rig) -> None:
    shown = manifest(rig)
    dropped = discard_staged(rig.services, definition(rig))
    assert (dropped.number, dropped.removed, dropped.reopened) == (2, 3, 2)
    assert {row[2] for row in table(rig)} == {1} and {row[3] for row in table(rig)} == {None}
    with rig.services.database.read() as session:
        assert session.scalars(select(Release.number)).all() == [1]
    assert not build_missing(rig.services, DATASET).slices_built
    assert comparable(manifest(rig)) == comparable(shown)
    with pytest.raises(SafeStatsError, match="Nothing is staged for mps"):
        discard_staged(rig.services, definition(rig))
    # Other rows under the same number: slices that were built for the dropped ones are no part of it.
    rig.live = incidents()
    rig.stage(Incident(30, CITY, "2025-03"))
    publish(rig.services, DATASET)
    assert manifest(rig).rows == 12


def test_slices_of_a_discarded_release_are_not_taken_for_those_of_its_successor(rig: Rig) -> None:
    def break_off(step: str, done: int, _total: int) -> None:
        if "months" in step and done == 2:
            raise SafeStatsError("Enough.")

    with pytest.raises(SafeStatsError, match="Enough"):
        publish(rig.services, DATASET, break_off)
    discard_staged(rig.services, definition(rig))
    rig.stage(Incident(31, CITY, "2025-02", "drugs"))
    publish(rig.services, DATASET)
    assert manifest(rig).rows == 12 and manifest(rig).newest_period == "2025-02"


def test_a_delivery_is_loaded_as_ever_after_a_rollback(rig: Rig, tmp_path: Path) -> None:
    months = {"month": "2025-01"}
    first = [street_row("a" * 64, **months), street_row("b" * 64, **months)]
    second = [street_row("a" * 64, **months, category="Robbery"), street_row("c" * 64, **months)]
    load_street(rig.services, tmp_path / "1.csv", *first)
    publish(rig.services, "colp")
    load_street(rig.services, tmp_path / "2.csv", *second, accept_withdrawals=True)
    publish(rig.services, "colp")
    contents = {n: sorted((row.content, row.fid_point) for row in held(rig.services, "colp", n)) for n in (1, 2)}
    stage_rollback(rig.services, rig.services.definitions["colp"])
    publish(rig.services, "colp")
    assert sorted((row.content, row.fid_point) for row in held(rig.services, "colp", 3)) == contents[1]
    same = load_street(rig.services, tmp_path / "1.csv", *first)
    assert (same.added, same.changed, same.withdrawn, same.unchanged) == (0, 0, 0, 2)
    again = load_street(rig.services, tmp_path / "2.csv", *second, accept_withdrawals=True)
    assert again.withdrawn == 1 and again.unchanged == 0
    publish(rig.services, "colp")
    assert sorted((row.content, row.fid_point) for row in held(rig.services, "colp", 4)) == contents[2]


def test_nothing_is_loaded_into_a_rollback_that_waits(rig: Rig, tmp_path: Path) -> None:
    rows = [street_row("a" * 64, month="2025-01"), street_row("b" * 64, month="2025-01")]
    load_street(rig.services, tmp_path / "1.csv", rows[0])
    publish(rig.services, "colp")
    load_street(rig.services, tmp_path / "2.csv", *rows)
    publish(rig.services, "colp")
    stage_rollback(rig.services, rig.services.definitions["colp"])
    before = held(rig.services, "colp", 3)
    with pytest.raises(SafeStatsError, match="a rollback to release 1, waits to be published"):
        load_street(rig.services, tmp_path / "3.csv", *rows, street_row("c" * 64, month="2025-01"))
    assert held(rig.services, "colp", 3) == before
    discard_staged(rig.services, rig.services.definitions["colp"])
    load_street(rig.services, tmp_path / "3.csv", *rows, street_row("c" * 64, month="2025-01"))
