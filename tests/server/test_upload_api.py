"""The publishers' interface: who may, what is taken, what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from httpx import Response
from safestats.sync_server.identity.models import SignInState
from safestats.sync_server.ingest import saved_mappings
from safestats.sync_server.ingest.saved_mappings import LAYERS
from safestats.sync_server.uploads import service
from safestats.sync_server.uploads.models import Upload
from safestats.tests.server.console_rig import Visitor
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import held, rejected
from safestats.tests.server.upload_rig import UPLOADS, Uploads, month, running

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

LAYER = (
    b"when,what,road,easting,northing\r\n"
    b"2023-05,Burglary,High Street,528984,183981\r\n"
    b"2023-05,break-in,Low Street,529000,184000\r\n"
    b"2023-05,Sorcery,Low Street,529000,184000\r\n"
    b"2023-05,Robbery,Low Street,-9,9\r\n"
)
MAPPING = {
    "columns": {
        "month": "when",
        "category": "what",
        "street": "road",
        "easting": "easting",
        "northing": "northing",
    },
    "codes": {"category": {"break-in": "burglary"}},
    "precision_m": 25,
}


@pytest.fixture
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    with databases_of_a_test(), running(settings_for(tmp_path_factory.mktemp("api") / "server")) as found:
        yield found


class Desk:
    """Somebody’s requests."""

    def __init__(self, uploads: Uploads, username: str, state: SignInState = SignInState.ACTIVE) -> None:
        self.client = Visitor(uploads.console.app).client
        self.client.headers["Authorization"] = f"Bearer {uploads.token(username, state)}"

    def get(self, path: str) -> Response:
        return self.client.get(path)

    def send(self, *files: tuple[str, bytes], **data: str) -> Response:
        sent = [("files", (name, content)) for name, content in files]
        return self.client.post(UPLOADS, data=data, files=sent)


def code(answer: Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def test_a_layer_is_sent_reported_and_published(uploads: Uploads) -> None:
    desk = Desk(uploads, "gla.publisher")
    offered = {one["dataset"]: one for one in desk.get("/v1/publishing/datasets").json()["datasets"]}
    targets = {one["name"]: one for one in offered["colp"]["targets"]}
    assert (targets["month"]["kind"], targets["month"]["required"]) == ("month", True)
    assert targets["category"]["codes"]["burglary"] == "Burglary" and "longitude" not in targets
    assert offered["colp"]["replaces"] and offered["colp"]["mapping"] is None
    assert not offered["ndtms"]["points"] and offered["istv"]["described"] and offered["istv"]["sites"]

    sent = desk.send(("layer.csv", LAYER), dataset="colp", mapping=json.dumps(MAPPING))
    assert sent.status_code == 202, sent.text
    assert sent.json()["state"] == "waiting"
    path = f"{UPLOADS}/{sent.json()['id']}"
    uploads.work()
    answer = desk.get(path).json()
    assert (answer["state"], answer["release"], answer["others_staged"]) == ("staged", 1, 0)
    report = answer["report"]
    assert (report["rows_in"], report["accepted"], report["rejected"]) == (4, 2, 2)
    assert [(one["line"], one["reason"]) for one in report["errors"]] == [
        (4, "category in no code list"),
        (5, "an impossible place"),
    ]
    rows = held(uploads.worker, "colp")
    assert {(row.category, row.easting, row.precision_m, row.location_method) for row in rows} == {
        ("Burglary", 528984, 25, "reported"),
        ("Burglary", 529000, 25, "reported"),
    }
    # The choices come back, from the same store as any saved mapping, and no supplier's file is read by them.
    offered = {one["dataset"]: one for one in desk.get("/v1/publishing/datasets").json()["datasets"]}
    assert offered["colp"]["mapping"] == MAPPING
    with uploads.services.database.read() as session:
        assert saved_mappings.find(session, "gla", "colp", LAYERS) is not None
        assert saved_mappings.mapping_for(uploads.services, session, None, "colp", "") is None

    assert desk.client.post(f"{path}/publish").json()["state"] == "publishing"
    uploads.work()
    assert desk.get(path).json()["state"] == "published"
    assert code(desk.client.post(f"{path}/publish")) == (409, "not-possible")
    assert code(desk.client.delete(path)) == (409, "not-possible")
    events = {event["event"] for event in uploads.console.events()}
    assert {"upload.receive", "mapping.save", "dataset.load", "dataset.publish"} <= events


def test_a_layer_that_names_people_is_refused_by_its_column(uploads: Uploads) -> None:
    desk = Desk(uploads, "gla.publisher")
    named = LAYER.replace(b"road", b"Victim name")
    mapping = {**MAPPING, "columns": {**MAPPING["columns"], "street": "Victim name"}}
    sent = desk.send(("layer.csv", named), dataset="colp", mapping=json.dumps(mapping)).json()
    uploads.work()
    answer = desk.get(f"{UPLOADS}/{sent['id']}").json()
    assert answer["state"] == "failed" and "Victim name" in answer["message"] and answer["report"] is None
    assert "High Street" not in json.dumps(answer) and not rejected(uploads.worker)
    with uploads.services.database.read() as session:
        assert saved_mappings.find(session, "gla", "colp", LAYERS) is None
        assert session.get_one(Upload, sent["id"]).mapping == ""


def test_dropped_again(uploads: Uploads) -> None:
    desk = Desk(uploads, "gla.admin")
    sent = desk.send(("2023-05.csv", month("2023-05", 2)), dataset="colp").json()
    uploads.work()
    path = f"{UPLOADS}/{sent['id']}"
    assert desk.client.delete(path).json()["state"] == "discarding"
    uploads.work()
    assert desk.get(path).json()["state"] == "discarded"


@pytest.mark.parametrize(
    ("data", "file", "expected"),
    [
        ({"dataset": "nothing"}, True, (404, "no-such-dataset")),
        ({"dataset": "colp"}, False, (422, "not-loadable")),
        ({}, True, (404, "no-such-dataset")),
        ({"dataset": "colp", "synthetic": "perhaps"}, True, (422, "invalid-request")),
        ({"dataset": "colp", "site": "a\0b"}, True, (422, "invalid-request")),
        ({"dataset": "colp", "mapping": "{"}, True, (422, "not-loadable")),
        ({"dataset": "colp", "mapping": '{"columns":{"month":"a"}}'}, True, (422, "not-loadable")),
        ({"dataset": "colp", "mapping": '{"columns":{"soul":"a"}}'}, True, (422, "not-loadable")),
    ],
)
def test_what_cannot_be_taken(uploads: Uploads, data: dict, file: bool, expected: tuple[int, str]) -> None:
    desk = Desk(uploads, "gla.publisher")
    assert code(desk.send(*([("a.csv", b"x")] if file else []), **data)) == expected
    assert not uploads.waiting


def test_too_much_is_refused_by_its_length(uploads: Uploads) -> None:
    desk = Desk(uploads, "gla.publisher")
    answer = desk.client.post(UPLOADS, content=b"x", headers={"Content-Length": str(service.MOST_BYTES * 2)})
    assert code(answer) == (413, "too-long")


def test_there_is_nothing_for_others(uploads: Uploads) -> None:
    number = uploads.receive(("2023-05.csv", month("2023-05", 1)))
    asked = (("GET", f"{UPLOADS}/{number}"), ("POST", f"{UPLOADS}/{number}/publish"), ("DELETE", f"{UPLOADS}/{number}"))
    for username in ("gla.auditor", "hospital.clerk", "camden.admin", "camden.analyst", "camden.officer"):
        desk = Desk(uploads, username)
        for method, path in (*asked, ("GET", "/v1/publishing/datasets")):
            assert code(desk.client.request(method, path)) == (403, "role-not-permitted")
        assert code(desk.send(("a.csv", b"x"), dataset="colp")) == (403, "role-not-permitted")
    pending = Desk(uploads, "gla.publisher", SignInState.PENDING)
    assert code(pending.send(("a.csv", b"x"), dataset="colp")) == (403, "conditions-not-accepted")
    nobody = Visitor(uploads.console.app).client
    assert code(nobody.post(UPLOADS, files={"files": ("a.csv", b"x")})) == (401, "not-signed-in")
    assert code(Desk(uploads, "gla.publisher").get(f"{UPLOADS}/{number + 1}")) == (404, "no-such-upload")
    assert len(uploads.waiting) == 1
