"""Incidents withdrawn for good: gone from tables, files and everybody's sight, and never loaded again."""

from __future__ import annotations

import csv
import io
import itertools
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.geocoding.models import PlaceReview, PlaceWaiting
from safestats.sync_server.identity.service import find_user
from safestats.sync_server.identity.subject import Subject
from safestats.sync_server.ingest.commands import receipt
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.instants import now
from safestats.sync_server.problems import Problem
from safestats.sync_server.publishing.jobs import Jobs
from safestats.sync_server.publishing.models import Artefact, JobKind, JobState, Release
from safestats.sync_server.publishing.rollback import discard_staged, stage_rollback
from safestats.sync_server.publishing.service import publish
from safestats.sync_server.recall.choosing import Named, read_list
from safestats.sync_server.recall.heeding import refuse_unheeded
from safestats.sync_server.recall.models import NeverLoad, Recall, RecallState
from safestats.sync_server.recall.never_load import ALIKE, Marks, is_mark, never_load
from safestats.sync_server.recall.planning import plan
from safestats.sync_server.recall.reports import as_csv, report
from safestats.sync_server.recall.service import again, recall
from safestats.sync_server.recall.watching import see_to_recalls
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part
from safestats.sync_server.sync import service as sync
from safestats.sync_server.uploads.incoming import Incoming
from safestats.sync_server.uploads.models import Upload
from safestats.tests.server.engines import ON_POSTGIS, copied
from safestats.tests.server.ingest_rig import held, publish_now, rejected, releases
from safestats.tests.server.jobs_rig import Commands
from safestats.tests.server.recall_rig import GONE, SECRET, RecallRig, gone, rows
from safestats.tests.server.stored_bytes import holding, renew_write_ahead_log
from safestats.tests.server.sync_rig import CITY
from sqlalchemy import select

REASON = "A court order of the ninth of November."
ONE = Named(incidents=(GONE,))

pytestmark = pytest.mark.timeout(600)  # of a busy machine


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> RecallRig:
    rig = RecallRig.published(tmp_path_factory.mktemp("published") / "server")
    rig.services.close()
    return rig


@pytest.fixture
def rig(published: RecallRig, tmp_path: Path) -> RecallRig:
    """A server of its own with two releases."""
    settings = copied(published.services.settings, tmp_path / "server")
    return RecallRig(open_services(settings, Part.PUBLISHER), _references=itertools.count(2))


def subject(rig: RecallRig, name: str = "camden", session_id: str = "session-1") -> Subject:
    with rig.services.database.read() as session:
        user = find_user(session, name)
        return Subject(
            user.id, name, user.organisation_id, name, user.role, session_id, "needs-assessment", "conditions"
        )


def manifest(rig: RecallRig, who: Subject):
    with rig.services.database.read() as session:
        return sync.manifest(rig.services, session, who, "mps")


def pull(rig: RecallRig, who: Subject, ends: bool = True) -> list[str]:
    """What a desk does; the names of the files."""
    told, number = manifest(rig, who), uuid4()
    files = [told.snapshot, *told.slices]
    with rig.services.database.read() as session:
        for file in files:
            found, path, intent = sync.artefact_file(rig.services, session, who, "mps", file.name, number)
            assert path.stat().st_size == found.size
    if ends:
        rig.services.audit.outcome(intent, completed=True, part="whole")
    return [file.name for file in files]


def test_every_version_goes_and_a_new_release_shows_the_rest(rig: RecallRig) -> None:
    services = rig.services
    told = plan(services, "mps", ONE)
    assert (told.extent.incidents, told.extent.versions, told.extent.months) == (1, 2, {"2023-05": 2})
    assert told.extent.agreements == {"DSA-1": True} and told.extent.first_release == 1
    before = held(services, "mps")
    done = recall(services, "mps", ONE, REASON)
    assert done.state == RecallState.DONE and done.release == 3
    assert releases(services, "mps") == [(1, "published"), (2, "published"), (3, "published")]
    after = held(services, "mps")
    assert {row.row_id for row in after} < {row.row_id for row in before} and len(after) == len(before) - 1
    assert after == held(services, "mps", 3)
    assert not any(GONE in str(row.content) for row in rejected(services))
    (bad,) = rejected(services)
    assert bad.line and bad.reason and bad.content == {}
    events = [event.body for event in services.audit.events() if event.body["event"].startswith("recall.")]
    assert [event["event"] for event in events] == ["recall.ask", "recall.done"]
    assert events[0]["rows"] == 2 and events[0]["filter"]["months"] == ["2023-05"]
    assert REASON not in str(events) and GONE not in str(events)
    with pytest.raises(SafeStatsError, match="nothing of that"):
        recall(services, "mps", ONE, REASON)


def test_no_byte_of_it_is_left(rig: RecallRig, tmp_path: Path) -> None:
    services = rig.services
    stand_in = rig.load(tmp_path / "2023-07.csv", *rows("2023-07", gone("2023-07", street=f"On or near {SECRET}")))
    assert stand_in.added == 9
    before = holding(services, SECRET)
    assert any("(gzip)" in where for where in before) and any("safestats" in w or "table" in w for w in before)
    assert holding(services, GONE)
    recall(services, "mps", ONE, REASON)
    assert not holding(services, SECRET, log=False)
    assert not holding(services, GONE, log=False)
    if ON_POSTGIS:
        # docs/recall.md: what an administrator does about the write-ahead log, which no role of ours may.
        assert holding(services, SECRET)
        renew_write_ahead_log(services)
        assert not holding(services, SECRET) and not holding(services, GONE)


def test_desks_lose_it_at_the_next_sync_and_files_are_refused_at_once(rig: RecallRig) -> None:
    who = subject(rig)
    old = manifest(rig, who)
    names = pull(rig, who)
    recall(rig.services, "mps", ONE, REASON)
    new = manifest(rig, who)
    assert (new.release, new.rows) == (3, old.rows - 1)
    changed = {s.name for s in old.slices} ^ {s.name for s in new.slices}
    assert {s.period for m in (old, new) for s in m.slices if s.name in changed} == {"2023-05"}
    gone_names = set(names) - {new.snapshot.name, *(s.name for s in new.slices)}
    assert len(gone_names) == 2  # the month's slice, and the whole layer
    with rig.services.database.read() as session:
        for name in gone_names:
            with pytest.raises(Problem) as refused:
                sync.artefact_file(rig.services, session, who, "mps", name, uuid4())
            assert refused.value.document.status == 404
            assert not rig.store.path(name).exists()
    assert rig.store.names() == {new.snapshot.name, *(s.name for s in new.slices)} | _others(rig, new)


def _others(rig: RecallRig, told) -> set[str]:
    """Files of other scopes and of months without rows, all recorded."""
    with rig.services.database.read() as session:
        return set(session.scalars(select(Artefact.name))) - {told.snapshot.name, *(s.name for s in told.slices)}


def test_what_was_recalled_is_never_loaded_again(rig: RecallRig, tmp_path: Path) -> None:
    services = rig.services
    recall(services, "mps", ONE, REASON)
    with services.database.read() as session:
        # Its identity; the marks of its id in its month and anywhere, as spelled and not; two versions' likenesses.
        assert len(never_load(session, "mps")) == 7
    # Alone, beside another row of the same id, rejected, and torn.
    file = rows("2023-05", gone(category="Robbery"), gone(street="On or near Other Street"), gone("2023-13"))
    told = rig.load(tmp_path / "2023-05.csv", *file)
    assert told.withdrawn_for_good == 2 and told.accepted == 8
    assert told.rows_in == len(file) == told.accepted + told.withdrawn_for_good + told.rejected.total()
    assert any("withdrawn for good" in line for line in receipt(told))
    rig.load(tmp_path / "2023-05-more.csv", *rows("2023-05", gone(), count=9))
    publish_now(services, "mps")
    assert not holding(services, SECRET, log=False) and not holding(services, GONE, log=False)
    with services.database.read() as session:
        newest = session.scalars(select(Delivery).order_by(Delivery.delivery_id.desc())).first()
    assert newest is not None and newest.report["withdrawn_for_good"] == 1
    assert newest.rows_in == 10 and newest.accepted == 9


OTHER_SPELLINGS = ("GONE-1", "gone-1.", "gone\u20101", " gone\u200b-1", "ｇｏｎｅ－１", "gone 1")


def test_no_other_spelling_of_its_id_brings_it_back(rig: RecallRig, tmp_path: Path) -> None:
    services = rig.services
    recall(services, "mps", ONE, REASON)
    for at, spelled in enumerate(OTHER_SPELLINGS):
        # Whatever else was changed about it.
        row = gone(street="On or near Else").replace(GONE, spelled)
        told = rig.load(tmp_path / f"2023-05-{at}.csv", *rows("2023-05", row, row.replace("2023-05", "2023-13")))
        assert (told.withdrawn_for_good, told.accepted) == (1, 8), spelled
        assert not any(bad.content for bad in rejected(services)), spelled
    assert rig.load(tmp_path / "2023-05.csv", *rows("2023-05", gone().replace(GONE, "gone-12"))).rejected.total() == 1
    other = gone(street="On or near Else").replace(GONE, "gone-12")
    assert rig.load(tmp_path / "2023-05.csv", *rows("2023-05", other)).added == 1


def test_its_content_does_not_come_back_under_another_id_or_none(rig: RecallRig, tmp_path: Path) -> None:
    services = rig.services
    twin = gone(street=f"On or near {SECRET}").replace(GONE, "twin")
    rig.load(tmp_path / "twin.csv", *rows("2023-05", gone(category="Robbery"), twin))
    publish_now(services, "mps")
    recall(services, "mps", ONE, REASON)
    attempts = [
        gone().replace(GONE, "another"),
        gone(category="Robbery").replace(GONE, ""),
        gone(street=f"On or near {SECRET.upper()}.").replace(GONE, ""),
        gone(category="Robbery").replace(GONE, "2023-05-3"),  # of an incident that is held, and was another
    ]
    # An equal one that was held beside it stays, and can be sent again.
    told = rig.load(tmp_path / "2023-05.csv", *rows("2023-05", twin, *attempts[:3]))
    assert (told.accepted, told.withdrawn_for_good, told.unchanged) == (9, 0, 9)
    assert told.rejected == {ALIKE: 3} and told.rows_in == 12
    assert [(bad.reason, bad.content) for bad in rejected(services)[-3:]] == [(ALIKE, {})] * 3
    changed = [row for row in rows("2023-05", twin) if not row.startswith("2023-05-3")]
    assert rig.load(tmp_path / "2023-05.csv", *changed, attempts[3]).rejected == {ALIKE: 1}
    # In another month, and with another street, it is another incident.
    others = [gone("2023-06").replace(GONE, "o"), gone("2023-06", street="On or near Else").replace(GONE, "p")]
    assert rig.load(tmp_path / "2023-06.csv", *rows("2023-06", *others)).added == 2


def test_a_list_of_before_still_holds(rig: RecallRig, tmp_path: Path) -> None:
    services = rig.services
    recall(services, "mps", ONE, REASON)
    # Lists once had identities and the marks of ids as they were written.
    exact = Marks.of(services.keys, services.definitions["mps"])
    kept = set(exact.in_months([(GONE, "2023-05")])[:1] + exact.anywhere([GONE])[:1])
    with services.database.write() as session:
        for entry in session.scalars(select(NeverLoad)):
            if is_mark(entry.identity) and entry.identity not in kept:
                session.delete(entry)
    with services.database.read() as session:
        assert len(never_load(session, "mps")) == 3
    told = rig.load(tmp_path / "2023-05.csv", *rows("2023-05", gone(), gone(street="On or near Else")))
    assert told.withdrawn_for_good == 2 and told.accepted == 8


def test_a_restored_backup_loses_it_again_before_anybody_sees_it(
    published: RecallRig, rig: RecallRig, tmp_path: Path
) -> None:
    done = recall(rig.services, "mps", ONE, REASON)
    listed = rig.services.settings.never_load_path
    assert SECRET not in listed.read_text() and GONE not in listed.read_text() and listed.stat().st_mode & 0o77 == 0
    restored = copied(published.services.settings, tmp_path / "restored")
    shutil.copy(listed, restored.never_load_path)
    services = open_services(restored, Part.PUBLISHER)
    old = RecallRig(services)
    assert holding(services, SECRET, log=False)
    for forbidden in (
        lambda: publish(services, "mps"),
        lambda: old.load(tmp_path / "2023-05.csv", *rows("2023-05", gone())),
        lambda: plan(services, "mps", ONE),
    ):
        with pytest.raises(SafeStatsError, match="recall --again"):
            forbidden()
    see_to_recalls(services)  # what “safestats serve” does first, and every worker
    assert not holding(services, SECRET, log=False) and not holding(services, GONE, log=False)
    with services.database.read() as session:
        refuse_unheeded(services, session)
        (entry,) = session.scalars(select(Recall))
        assert len(never_load(session, "mps")) == 7
    assert (entry.recall_id, entry.release, entry.reason) == (done.recall_id, 3, REASON)
    assert old.load(tmp_path / "2023-05.csv", *rows("2023-05", gone())).withdrawn_for_good == 1
    assert again(services) == []
    services.close()


def test_release_numbers_only_grow_through_a_restore(published: RecallRig, rig: RecallRig, tmp_path: Path) -> None:
    rig.load(tmp_path / "2023-07.csv", *rows("2023-07"))
    publish_now(rig.services, "mps")
    assert recall(rig.services, "mps", ONE, REASON).release == 4
    restored = copied(published.services.settings, tmp_path / "restored")
    shutil.copy(rig.services.settings.never_load_path, restored.never_load_path)
    services = open_services(restored, Part.PUBLISHER)
    again(services)
    assert releases(services, "mps") == [(1, "published"), (2, "published"), (4, "published")]
    services.close()


def test_what_is_staged_goes_too_and_comes_after(rig: RecallRig, tmp_path: Path) -> None:
    services = rig.services
    rig.load(tmp_path / "2023-05.csv", *rows("2023-05", gone(category="Drugs"), count=10))
    rig.load(tmp_path / "2023-07.csv", *rows("2023-07", count=3))
    assert releases(services, "mps")[-1] == (3, "staged")
    assert plan(services, "mps", ONE).extent.staged == 1
    assert recall(services, "mps", ONE, REASON).release == 3
    assert releases(services, "mps")[-2:] == [(3, "published"), (4, "staged")]
    assert len(held(services, "mps", 3)) == 24
    with services.database.read() as session:
        deliveries = session.scalars(select(Delivery).where(Delivery.release == 4)).all()
    assert [delivery.report["release"] for delivery in deliveries] == [4, 4]
    publish_now(services, "mps")
    assert releases(services, "mps")[-1] == (4, "published") and len(held(services, "mps", 4)) == 29
    assert manifest(rig, subject(rig)).rows == 29
    assert not holding(services, SECRET, log=False)


def test_what_was_only_staged_leaves_no_release(tmp_path: Path) -> None:
    rig = RecallRig.empty(tmp_path / "server")
    rig.load(tmp_path / "2023-05.csv", *rows("2023-05", gone()))
    done = recall(rig.services, "mps", ONE, REASON)
    assert (done.release, done.first_release, done.agreements) == (0, 0, {"DSA-1": True})
    assert releases(rig.services, "mps") == [(1, "staged")]
    publish_now(rig.services, "mps")
    assert len(held(rig.services, "mps", 1)) == 8
    assert discard_or_none(rig) is None


def discard_or_none(rig: RecallRig) -> object:
    try:
        return discard_staged(rig.services, rig.services.definitions["mps"])
    except SafeStatsError:
        return None


def test_a_release_is_everything_that_it_brought(rig: RecallRig, tmp_path: Path) -> None:
    services = rig.services
    rig.load(tmp_path / "2023-07.csv", *rows("2023-07"))
    rig.load(tmp_path / "2023-06.csv", *rows("2023-06", count=10))
    publish_now(services, "mps")
    told = plan(services, "mps", Named(release=3))
    assert (told.extent.incidents, told.extent.versions, list(told.extent.months)) == (10, 10, ["2023-06", "2023-07"])
    done = recall(services, "mps", Named(release=3), REASON, may_return=True)
    assert done.release == 4
    assert [part.period for part in manifest(rig, subject(rig)).slices] == ["2023-04", "2023-05", "2023-06"]
    assert len(held(services, "mps")) == 25
    # They may return; and where they are withdrawn once more, for good, they may not.
    assert rig.load(tmp_path / "2023-07-again.csv", *rows("2023-07")).added == 8
    publish_now(services, "mps")
    recall(services, "mps", Named(release=5), REASON)
    assert rig.load(tmp_path / "2023-07-third.csv", *rows("2023-07")).withdrawn_for_good == 8


def test_a_release_that_changed_incidents_takes_their_former_versions_too(rig: RecallRig) -> None:
    assert plan(rig.services, "mps", Named(release=2)).extent.versions == 2
    recall(rig.services, "mps", Named(release=2), REASON)
    assert len(held(rig.services, "mps")) == 24 and not holding(rig.services, SECRET, log=False)


def test_a_rollback_brought_nothing_of_its_own(rig: RecallRig) -> None:
    stage_rollback(rig.services, rig.services.definitions["mps"], 1)
    publish_now(rig.services, "mps")
    with pytest.raises(SafeStatsError, match="rollback to release 1"):
        recall(rig.services, "mps", Named(release=3), REASON)
    recall(rig.services, "mps", ONE, REASON)
    with rig.services.database.read() as session:
        assert session.get(Release, ("mps", 4)) is not None
    # Going back to a release that had it brings the rest of it.
    stage_rollback(rig.services, rig.services.definitions["mps"], 1)
    publish_now(rig.services, "mps")
    assert len(held(rig.services, "mps")) == 24


def test_several_rows_of_one_id_and_other_ways_to_name_a_row(rig: RecallRig, tmp_path: Path) -> None:
    services = rig.services
    same = [gone("2023-07"), gone("2023-07", category="Robbery"), gone("2023-07", street="On or near Else")]
    rig.load(tmp_path / "2023-07.csv", *rows("2023-07", *same))
    publish_now(services, "mps")
    told = plan(services, "mps", ONE)
    assert told.extent.incidents == 4 and told.extent.months == {"2023-05": 2, "2023-07": 3}
    row = next(row for row in held(services, "mps") if SECRET in row.street and row.period == "2023-05")
    for named in (Named(features=(row.fid_point,)), Named(features=(row.fid_area,)), Named(identities=(row.identity,))):
        assert plan(services, "mps", named).chosen.identities == [row.identity]
    other = plan(services, "mps", Named(incidents=(GONE, "unheard-of"), features=(7,)))
    assert other.chosen.unknown == ["7", "unheard-of"] and other.extent.incidents == 4
    (tmp_path / "list.csv").write_text(f"{GONE},x\r\n\r\nunheard-of\r\n{GONE}\r\n", encoding="utf-8")
    assert read_list(tmp_path / "list.csv") == (GONE, "unheard-of")
    recall(services, "mps", Named(identities=(row.identity,)), REASON)
    assert not any(GONE in str(bad.content) for bad in rejected(services))
    recall(services, "mps", ONE, REASON)
    assert not holding(services, SECRET, log=False)


def test_who_held_it_and_who_has_synced_since(rig: RecallRig) -> None:
    services = rig.services
    for name, area in (("city", CITY), ("gla", CITY)):
        rig.organisation(name)
        rig.agree(name, {"areas": (area,)} if name == "city" else {"areas": (area, "E09000007")})
    publish_now(services, "mps")
    camden, city, gla = subject(rig), subject(rig, "city", "session-2"), subject(rig, "gla", "session-3")
    for who in (camden, city, gla):
        pull(rig, who)
    done = recall(services, "mps", ONE, REASON)
    told = report(services, done.recall_id)
    standing = {holder.organisation: (holder.shown, str(holder.since), holder.outstanding) for holder in told.holders}
    assert standing == {
        "camden": (True, "nothing", True),
        "gla": (True, "nothing", True),
        "city": (False, "nothing", False),
    }
    assert [holder.organisation for holder in told.holders] == ["camden", "gla", "city"] and told.outstanding == 2
    assert told.holders[0].sessions == ["session-1"] and told.holders[0].lapses > told.holders[0].last_at[:10]
    manifest(rig, camden)
    manifest(rig, city)
    pull(rig, gla)
    standing = {holder.organisation: str(holder.since) for holder in report(services, done.recall_id).holders}
    assert standing == {"camden": "manifest", "gla": "synced", "city": "synced"}
    pull(rig, camden, ends=False)
    told = report(services, done.recall_id)
    assert {str(holder.since) for holder in told.holders} == {"pull", "synced"} and told.outstanding == 1
    lines = list(csv.reader(io.StringIO(as_csv(told.holders))))
    assert lines[0][0] == "organisation" and len(lines) == 4
    assert [event.body["filter"] for event in services.audit.events() if event.body["event"] == "recall.read"] == [
        {"recall": done.recall_id}
    ] * 3


def test_uploads_that_wait_are_dropped_and_told(rig: RecallRig) -> None:
    services = rig.services
    incoming = Incoming(services.settings.incoming_dir)
    kept = incoming.keep(io.BytesIO("\r\n".join(rows("2023-05", gone())).encode()), "2023-05.csv", 10**6)
    number = Jobs(services.database).request("mps", JobKind.LOAD)
    with services.database.write() as session:
        session.add(Upload(job_id=number, dataset="mps", mapping="", files=[kept.to_json()]))
    assert holding(services, SECRET)
    recall(services, "mps", ONE, REASON)
    job = Jobs(services.database).get(number)
    assert job.state == JobState.CANCELLED and "send it again" in job.message
    assert not incoming.path(kept).exists() and not holding(services, SECRET, log=False)


def test_it_waits_for_no_review_any_more(rig: RecallRig) -> None:
    services = rig.services
    texts = (SECRET.casefold(), "plain street")
    with services.database.write() as session:
        for text, row in zip(
            texts, sorted(held(services, "mps"), key=lambda row: SECRET not in row.street), strict=False
        ):
            entry = PlaceReview(dataset="mps", site="", text=text, candidates=[], first_seen=now(), last_seen=now())
            session.add(entry)
            session.flush()
            session.add(PlaceWaiting(dataset="mps", identity=row.identity, review_id=entry.review_id))
    recall(services, "mps", ONE, REASON)
    with services.database.read() as session:
        assert session.scalars(select(PlaceReview.text)).all() == ["plain street"]
    assert not holding(services, SECRET, log=False)


def test_the_commands_show_ask_do_and_tell(rig: RecallRig) -> None:
    commands = Commands(rig)
    shown = commands.here("recall", "mps", "--incident", GONE, "--dry-run")
    assert "1 incidents in 2 versions" in shown and "2023-05 (2)" in shown and "never be loaded again" in shown
    refused = commands.start("recall", "mps", "--incident", GONE, "--yes")
    assert "Say why" in refused.communicate(timeout=60)[1]
    assert "is done; release 3 shows the rest" in commands.here(
        "recall", "mps", "--incident", GONE, "--reason", REASON, "--yes"
    )
    assert REASON in commands.here("recalls")
    with rig.services.database.read() as session:
        (entry,) = session.scalars(select(Recall))
    assert "0 of 0 people" in commands.here("recalls", entry.recall_id)
    assert "nothing to do" in commands.here("recall", "--again")
    assert "180" not in commands.here("retention", "mps", "--dry-run")


def test_two_wrong_ways_to_ask(rig: RecallRig) -> None:
    commands = Commands(rig)
    process = commands.start("recall", "mps")
    assert "Name a dataset" in process.communicate(timeout=60)[1] and process.returncode == 1
    for words in (["recall", "mps", "--release", "1", "--incident", GONE], ["recall"]):
        with pytest.raises(AssertionError, match="Name a dataset"):
            commands.here(*words)
    with pytest.raises(SafeStatsError, match="has no release 9"):
        plan(rig.services, "mps", Named(release=9))
    with pytest.raises(SafeStatsError, match="--feature"):
        plan(rig.services, "istv", Named(incidents=("x",)))
