"""The suppliers' programs: what they send is loaded once, told row by row, and seen by nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Response
from safestats.sync_server.identity.models import Role, UserSite
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.publishing.jobs import Jobs
from safestats.sync_server.supplies.models import Receipt
from safestats.tests.server.engines import settings_for
from safestats.tests.server.identity_rig import active_session, add_person, code
from safestats.tests.server.ingest_rig import held, publish_now
from safestats.tests.server.supplies_rig import (
    LAS_HEADER,
    LONDON_HOSPITAL,
    NHS_NUMBER,
    WHIPPS,
    Doors,
    adds_up,
    csv_of,
    doors_on,
    istv_csv,
    las_csv,
    las_record,
)
from safestats.tests.server.trust_rig import Server
from sqlalchemy import delete, select

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with doors_on(settings_for(tmp_path / "server")) as made:
        yield made


def problem(answer: Response) -> tuple[int, str]:
    return code(answer)


def deliveries(doors: Doors) -> int:
    with doors.publisher.database.read() as session:
        return len(session.scalars(select(Delivery)).all())


def test_a_file_waits_is_loaded_and_leaves_a_receipt(doors: Doors) -> None:
    sent = doors.send(las_csv(1, 2, 3))
    assert sent.status_code == 202 and sent.headers["Retry-After"]
    told = sent.json()
    assert (told["state"], told["standing"], told["files"][0]["name"]) == ("waiting", "not-loaded", "2026-03.csv")
    assert sent.headers["Location"] == f"/v1/supplier/deliveries/{told['receipt']}"
    (kept,) = doors.waiting
    assert kept.stat().st_mode & 0o777 == 0o600
    receipt = doors.loaded(sent)
    assert (receipt["state"], receipt["standing"], receipt["accepted"]) == ("accepted", "staged", 3)
    assert adds_up(receipt) and receipt["months"] == ["2026-03"] and receipt["release"] == 1
    assert doors.waiting == [] and len(held(doors.publisher, "las")) == 3
    publish_now(doors.publisher, "las")
    assert doors.receipt(receipt["receipt"])["standing"] == "published"
    events = [event["event"] for event in doors.console.events()]
    assert events.count("supply.receive") == events.count("supply.end") == 1 and "dataset.load" in events


def test_several_files_are_one_supply_and_a_file_does_not_publish_itself(doors: Doors) -> None:
    files = [("file", ("a.csv", las_csv(1))), ("file", ("b.csv", las_csv(2, Call_Date="20/04/2026")))]
    receipt = doors.loaded(doors.post("files", doors.key(), files=files))
    assert receipt["accepted"] == 2 and receipt["months"] == ["2026-03", "2026-04"]
    assert not receipt["published_at_once"] and Jobs(doors.publisher.database).newest(9) == []


def test_rows_with_trouble_are_told_by_their_place_and_never_by_what_they_hold(doors: Doors) -> None:
    rows = [
        las_record(1),
        las_record(2, Call_Date="31/02/2026"),
        las_record(1),
        las_record(4, Dispatch_Description="Xylophone"),
    ]
    receipt = doors.loaded(doors.send(csv_of(LAS_HEADER, rows)))
    assert adds_up(receipt) and receipt["rows_in"] == 4 and receipt["duplicates"] == 1
    assert [(row["line"], row["outcome"]) for row in receipt["errors"]] == [
        (2, "duplicate"),
        (3, "rejected"),
        (5, "rejected"),
    ]
    assert all(row["reason"] and row["index"] is None for row in receipt["errors"])
    assert "31/02" not in str(receipt) and "Xylophone" not in str(receipt) and "las-0" not in str(receipt)


def test_the_same_key_and_content_is_loaded_once(doors: Doors) -> None:
    first = doors.send(las_csv(1), key="march-1")
    again = doors.send(las_csv(1), key="march-1")
    assert (first.json()["receipt"], again.json()["again"]) == (again.json()["receipt"], True)
    assert len(doors.waiting) == 1 and doors.load_all() == 1
    after = doors.send(las_csv(1), key="march-1")
    assert after.status_code == 200 and after.json()["again"] and after.json()["accepted"] == 1
    assert doors.load_all() == 0 and deliveries(doors) == 1 and doors.waiting == []
    assert problem(doors.send(las_csv(2), key="march-1")) == (422, "key-used")
    assert problem(doors.send(las_csv(1), key="a key")) == (422, "unfit-key")
    # Another's key of the same name is another key.
    assert not doors.send(las_csv(9), key="march-1", headers=doors.key(organisation="camden")).json()["again"]
    with doors.publisher.database.read() as session:
        assert all("march" not in str(vars(receipt)) for receipt in session.scalars(select(Receipt)))


def test_a_key_is_forgotten_after_its_time(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from safestats.sync_server.instants import now
    from safestats.sync_server.supplies import receiving

    doors.loaded(doors.send(las_csv(1), key="march"))
    monkeypatch.setattr(receiving, "now", lambda: now() + timedelta(days=31))
    later = doors.send(las_csv(1), key="march").json()
    assert not later["again"] and doors.load_all() == 1
    receipt = doors.receipt(later["receipt"])
    assert receipt["release"] is None and (receipt["accepted"], deliveries(doors)) == (1, 1)  # nothing changed


def test_two_at_once_with_one_key_are_one_load(doors: Doors) -> None:
    answers: list[Response] = []
    start = threading.Barrier(6)

    def send() -> None:
        start.wait()
        answers.append(doors.send(las_csv(*range(40)), key="once", params={"wait": 20}))

    doors.key()
    threads = [threading.Thread(target=send) for _ in range(6)]
    with doors.working():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [answer.status_code for answer in answers] == [200] * 6, [answer.text for answer in answers]
    assert len({answer.json()["receipt"] for answer in answers}) == 1
    assert sorted(answer.json()["again"] for answer in answers) == [False] + [True] * 5
    assert deliveries(doors) == 1 and doors.waiting == [] and len(held(doors.publisher, "las")) == 40


def test_records_are_added_corrected_and_published_and_withdraw_nothing(doors: Doors) -> None:
    doors.loaded(doors.send(las_csv(*range(20))))
    publish_now(doors.publisher, "las")
    records = [las_record(100), las_record(3, Gender="M"), las_record(101, Call_Date="no date")]
    receipt = doors.loaded(doors.post("records", doors.key(), json=records))
    assert adds_up(receipt) and (receipt["accepted"], receipt["rejected"]) == (2, 1)
    assert [(row["index"], row["outcome"]) for row in receipt["errors"]] == [(2, "rejected")]
    assert len(held(doors.publisher, "las")) == 21 and receipt["published_at_once"]
    (job,) = Jobs(doors.publisher.database).newest(9)
    assert (job.dataset, job.kind, job.state) == ("las", "publish", "waiting")
    with doors.publisher.database.read() as session:
        newest = session.scalars(select(Delivery).order_by(Delivery.delivery_id.desc())).first()
    assert newest and newest.report["additions"] and newest.report["withdrawn"] == 0
    # The month's file is the whole of the month all the same.
    whole = doors.loaded(doors.send(las_csv(*range(20), 100)))
    assert whole["standing"] == "staged" and len(held(doors.publisher, "las")) == 21


def test_a_file_that_waits_to_be_looked_at_is_not_published_by_a_record(doors: Doors) -> None:
    doors.loaded(doors.send(las_csv(1, 2)))
    receipt = doors.loaded(doors.post("records", doors.key(), json=[las_record(3)]))
    assert not receipt["published_at_once"] and receipt["standing"] == "staged"
    assert Jobs(doors.publisher.database).newest(9) == []


def test_a_hospitals_records_withdraw_nothing_of_its_return(doors: Doors) -> None:
    headers = doors.key("istv", LONDON_HOSPITAL)
    first = doors.loaded(doors.send(istv_csv("Camden High Street", "Brixton station"), headers=headers), headers)
    assert first["accepted"] == 2
    record = {
        "Arrival Date and Time": "2026-03-21 23:10",
        "Assault Date and Time": "2026-03-21 22:00",
        "Assault Method": "Knife",
        "Assault Location Type": "Street",
        "Location Description": "Mare Street",
    }
    receipt = doors.loaded(doors.post("records", headers, json=[record]), headers)
    assert (receipt["accepted"], receipt["rejected"]) == (1, 0) and len(held(doors.publisher, "istv")) == 3
    assert not receipt["published_at_once"]


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"[]", b"not json", b"[{}" + b",{}" * 1000 + b"]"])
def test_what_is_no_list_of_records_is_refused(doors: Doors, body: bytes) -> None:
    headers = {**doors.key(), "Content-Type": "application/json"}
    assert problem(doors.post("records", headers, content=body)) == (422, "unfit-records")
    assert doors.waiting == []


def test_a_record_is_answered_with_its_errors_while_a_worker_lives(doors: Doors) -> None:
    with doors.working():
        answer = doors.post("records", doors.key(), json=[las_record(1), {"Incident ID": "x"}], params={"wait": 20})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["accepted"], [row["index"] for row in told["errors"]]) == (1, [1])


def test_a_record_is_published_within_a_minute(doors: Doors) -> None:
    began = time.monotonic()
    with doors.working():
        told = doors.post("records", doors.key(), json=[las_record(1)], params={"wait": 20}).json()
        assert told["published_at_once"]
        while doors.receipt(told["receipt"])["standing"] != "published":
            assert time.monotonic() - began < 60
            time.sleep(0.1)


def test_no_incidents_are_a_return_too(doors: Doors) -> None:
    royal, whipps = doors.key("istv", LONDON_HOSPITAL), doors.key("istv", WHIPPS)
    for headers in (royal, whipps):
        receipt = doors.loaded(doors.post("zero-returns", headers, json={"month": "2026-03"}), headers)
        assert (receipt["state"], receipt["rows_in"], receipt["month"]) == ("accepted", 0, "2026-03")
    with doors.publisher.database.read() as session:
        told = [(delivery.site, delivery.report["returns"]) for delivery in session.scalars(select(Delivery))]
    assert told == [(site, [[site, "2026-03"]]) for site in (LONDON_HOSPITAL, WHIPPS)]
    assert problem(doors.post("zero-returns", royal, json={"month": "2199-03"})) == (422, "invalid-request")
    assert problem(doors.post("zero-returns", royal, json={"month": "2099-03"})) == (422, "unfit-month")
    # What is held of the month is not wiped out by a slip.
    doors.loaded(doors.send(istv_csv(*["Camden High Street"] * 6, month="2026-04"), headers=royal), royal)
    slip = doors.loaded(doors.post("zero-returns", royal, json={"month": "2026-04"}), royal)
    assert slip["state"] == "refused" and "fifth" in slip["refusal"] and len(held(doors.publisher, "istv")) == 6


def test_others_receipts_and_supplies_are_not_there(doors: Doors) -> None:
    royal, whipps = doors.key("istv", LONDON_HOSPITAL), doors.key("istv", WHIPPS)
    number = doors.send(istv_csv("Mare Street"), headers=royal).json()["receipt"]
    there = doors.client.get(f"/v1/supplier/deliveries/{number}", headers=whipps)
    none = doors.client.get("/v1/supplier/deliveries/2222-2222-2222", headers=whipps)
    assert problem(there) == (404, "no-such-receipt") and there.json() == none.json()
    for query in ({"site": LONDON_HOSPITAL}, {"dataset": "las"}, {"dataset": "no-such"}):
        assert problem(doors.send(istv_csv("x"), headers=whipps, params=query)) == (404, "no-such-supply")
        assert problem(doors.post("records", whipps, json=[{}], params=query)) == (404, "no-such-supply")
    listed = doors.client.get("/v1/supplier/deliveries", headers=whipps).json()
    assert listed == {"deliveries": [], "receipts": []}
    assert [
        line["receipt"] for line in doors.client.get("/v1/supplier/deliveries", headers=royal).json()["receipts"]
    ] == [number]
    assert number not in str([event for event in doors.console.events() if event["outcome"] == "refused"])


def test_nobody_sends_without_a_key_and_no_other_role_does(doors: Doors) -> None:
    data = {"files": [("file", ("a.csv", las_csv(1)))]}
    assert problem(doors.post("files", {}, **data)) == (401, "not-signed-in")
    assert problem(doors.post("files", {"Authorization": "Bearer sk_wrong"}, **data)) == (401, "key-not-valid")
    server = Server(doors.console.app, doors.console.services, doors.client)
    add_person(server, "ann", Role.ANALYST)
    assert problem(doors.post("files", active_session(server, "ann"), **data)) == (403, "role-not-permitted")
    add_person(server, "sue", Role.SUPPLIER, "hospital", sites=(("las", ""), ("istv", WHIPPS)))
    sue = active_session(server, "sue")
    assert problem(doors.post("files", sue, **data)) == (422, "which-supply")
    assert doors.post("files", sue, params={"dataset": "las"}, **data).status_code == 202


def test_a_person_without_a_site_has_nothing(doors: Doors) -> None:
    number = doors.send(las_csv(1)).json()["receipt"]
    server = Server(doors.console.app, doors.console.services, doors.client)
    add_person(server, "una", Role.SUPPLIER, "hospital", sites=(("las", ""),))
    with doors.publisher.database.write() as session:
        session.execute(delete(UserSite).where(UserSite.dataset == "las"))  # no service leaves an account so
    una = active_session(server, "una")
    for path in ("deliveries", f"deliveries/{number}"):
        assert doors.client.get(f"/v1/supplier/{path}", headers=una).status_code == 404
    assert problem(doors.send(las_csv(2), headers=una)) == (404, "no-such-supply")


@pytest.mark.parametrize("door", ["file", "name", "records", "check"])
def test_an_nhs_number_is_refused_and_comes_to_rest_nowhere(doors: Doors, door: str) -> None:
    row = {**las_record(1), "NHS Number": NHS_NUMBER}
    data = csv_of((*LAS_HEADER, "NHS Number"), [row])
    if door == "file":
        receipt = doors.loaded(doors.send(data))
        assert receipt["state"] == "refused" and "NHS Number" in receipt["refusal"] and receipt["rows_in"] == 0
    elif door == "name":
        assert problem(doors.send(las_csv(1), name=f"{NHS_NUMBER}.csv")) == (422, "unfit-file")
    elif door == "records":
        assert doors.loaded(doors.post("records", doors.key(), json=[row]))["state"] == "refused"
    else:
        told = doors.post("check", doors.key(), files=[("file", ("a.csv", data))]).json()
        assert not told["taken"] and "NHS Number" in told["refusal"]
    assert doors.waiting == [] and held(doors.publisher, "las") == []
    for path in doors.folder.rglob("*"):
        if path.is_file():
            assert not any(form in path.read_bytes() for form in (NHS_NUMBER.encode(), b"9434765919")), path
    assert NHS_NUMBER not in str(doors.console.events())
    with doors.publisher.database.read() as session:
        assert NHS_NUMBER not in str([vars(receipt) for receipt in session.scalars(select(Receipt))])


def test_checking_keeps_nothing(doors: Doors) -> None:
    answer = doors.post("check", doors.key(), files=[("file", ("2026-03.csv", las_csv(1, 2)))])
    assert answer.status_code == 200, answer.text
    assert (answer.json()["taken"], answer.json()["accepted"]) == (True, 2)
    assert doors.waiting == [] and deliveries(doors) == 0 and doors.load_all() == 0
    assert doors.client.get("/v1/supplier/deliveries", headers=doors.key()).json()["receipts"] == []


def test_what_is_too_large_too_many_or_empty_is_refused(tmp_path: Path) -> None:
    with doors_on(settings_for(tmp_path / "server", supply_megabytes=1)) as doors:
        big = las_csv(1) + b" " * 1_000_000
        assert problem(doors.send(big)) == (422, "unfit-file")
        assert problem(doors.send(big * 3))[0] == 413
        assert problem(doors.send(b"")) == (422, "unfit-file")
        assert problem(doors.post("files", doors.key(), data={"file": "no file"})) == (422, "unfit-file")
        many = [("file", (f"{number}.csv", b"x")) for number in range(21)]
        assert doors.post("files", doors.key(), files=many).status_code in (400, 422)
        assert doors.waiting == []
