"""How long incidents are kept: what is too old goes for good, and is not loaded again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.ingest.service import load
from safestats.sync_server.instants import now
from safestats.sync_server.recall.models import Recall, RecallKind
from safestats.sync_server.recall.never_load import never_load
from safestats.sync_server.recall.planning import retention_plan
from safestats.sync_server.recall.retained import first_kept_month
from safestats.sync_server.recall.service import retain
from safestats.sync_server.recall.watching import see_to_recalls
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import copied
from safestats.tests.server.ingest_rig import held, rejected, releases, street_csv
from safestats.tests.server.jobs_rig import Commands
from safestats.tests.server.recall_rig import SECRET, RecallRig, gone, rows
from safestats.tests.server.stored_bytes import holding
from sqlalchemy import select, update

TODAY = date(2024, 6, 3)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    rig = RecallRig.published(tmp_path_factory.mktemp("published") / "server", count=4)
    rig.services.close()
    return rig.services.settings


@pytest.fixture
def rig(published: Settings, tmp_path: Path) -> RecallRig:
    """Three months, of which twelve back from June 2024 keeps the last; the row that goes is in the middle one."""
    return RecallRig(open_services(copied(published, tmp_path / "server"), Part.PUBLISHER))


def keeping(services: Services, months: int) -> Services:
    """The services, with a definition that keeps so many months."""
    definitions = {**services.definitions, "mps": replace(services.definitions["mps"], retention_months=months)}
    return replace(services, definitions=definitions)


def test_the_first_month_that_is_kept(rig: RecallRig) -> None:
    definition = rig.services.definitions["mps"]
    for months, first in ((12, "2023-06"), (1, "2024-05"), (180, "2009-06"), (0, "")):
        assert first_kept_month(replace(definition, retention_months=months), TODAY) == first


def test_what_is_too_old_goes_for_good(rig: RecallRig) -> None:
    services = keeping(rig.services, 12)
    assert holding(services, SECRET)
    first, extent = retention_plan(services, "mps", TODAY)
    assert first == "2023-06" and extent.versions == 10 and list(extent.months) == ["2023-04", "2023-05"]
    done = retain(services, "mps", today=TODAY)
    assert done is not None and (done.kind, done.release, done.before_month) == (RecallKind.RETENTION, 3, "2023-06")
    assert releases(services, "mps")[-1] == (3, "published") and len(held(services, "mps", 3)) == 4
    assert not holding(services, SECRET, log=False)
    assert {path.name for path in services.settings.artefacts_dir.glob("*.gz")} == {
        f"{name}.gpkg.gz" for name in rig.store.names()
    }
    # No list keeps it away: the months themselves are refused.
    with services.database.read() as session:
        assert not never_load(session, "mps") and not services.settings.never_load_path.exists()
    assert retain(services, "mps", today=TODAY) is None
    kinds = [event.body["event"] for event in services.audit.events()]
    assert kinds.count("recall.ask") == kinds.count("recall.done") == 1


def test_a_load_refuses_what_is_too_old(rig: RecallRig, tmp_path: Path) -> None:
    services = keeping(rig.services, 12)
    file = street_csv(tmp_path / "2023-05-street.csv", *rows("2023-05", gone(), count=2), *rows("2023-07", count=3))
    told = load(services, "mps", [file], today=TODAY)
    assert told.rejected == {"older than the 12 months that are kept": 3} and told.accepted == 3
    assert told.rows_in == 6 and told.added == 3
    # What is held of those months goes by retention alone: a file that is refused withdraws nothing.
    assert told.withdrawn == 0
    kept = [row for row in rejected(services) if "older" in row.reason]
    assert len(kept) == 3 and not any(row.content for row in kept)


def test_undated_rows_are_as_old_as_their_delivery(rig: RecallRig) -> None:
    services = keeping(rig.services, 12)
    from safestats.sync_server.datasets.incidents import incident_table

    table = incident_table(services.definitions["mps"])
    with services.database.write(dataset="mps") as session:
        newest = session.scalars(select(Delivery).order_by(Delivery.delivery_id.desc())).first()
        assert newest is not None
        chosen = session.scalars(select(table.c.row_id).where(table.c.delivery_id == newest.delivery_id)).all()
        session.execute(update(table).where(table.c.row_id.in_(chosen)).values(period=""))
    assert "" not in retention_plan(services, "mps", TODAY)[1].months
    with services.database.write() as session:
        session.execute(update(Delivery).values(loaded_at=now() - timedelta(days=4000)))
    assert retention_plan(services, "mps", TODAY)[1].months[""] == len(chosen)


def test_the_worker_and_the_command_see_to_it(rig: RecallRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = keeping(rig.services, 12)
    see_to_recalls(services)  # by today’s date all of 2023 is too old
    assert held(services, "mps") == []
    with services.database.read() as session:
        (entry,) = session.scalars(select(Recall))
    assert (entry.asked_by, entry.incidents) == ("worker", 13)
    shown = Commands(rig).here("retention", "--dry-run")
    assert "mps: kept from" in shown and "0 versions of rows are older" in shown
    assert "lfb: kept from" in Commands(rig).here("retention", "lfb")
