"""Days on which something goes wrong: the agreement ends, the server dies, the conditions are declined. And what
the audit holds of all of it afterwards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from qgis.core import QgsCoordinateReferenceSystem, QgsProject
from qgis.gui import QgsMapCanvas
from safestats.qgis_plugin.core.errors import (
    AgreementRefused,
    ConditionsNotAccepted,
    DeskError,
    ServerUnreachable,
    SessionEnded,
)
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.pull import PullKind
from safestats.qgis_plugin.core.transport import Transport
from safestats.qgis_plugin.gui.proximity_dock import ProximityDock
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog
from safestats.tests.end_to_end.conftest import reference, yesterday
from safestats.tests.end_to_end.oracle import RIGHTS, permitted
from safestats.tests.end_to_end.rig import (
    PURPOSE,
    Analyst,
    Line,
    LiveServer,
    ServerFolder,
    copy_of,
    loading,
    thinned,
    wait_until,
)

POSTCODE = "NW1 8QP"
CUT_AFTER_BYTES = 25_000


@pytest.fixture(scope="module")
def server(sample_folder: ServerFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The sample, served; each test has an analyst or a dataset of its own."""
    live = LiveServer(copy_of(sample_folder, tmp_path_factory.mktemp("bad") / "server"))
    live.start()
    yield live
    live.stop()


@pytest.fixture
def line(server: LiveServer) -> Iterator[Line]:
    """The way to the server, which can break."""
    line = Line(server)
    yield line
    line.close()


@pytest.fixture
def arrive(qgis_app, server: LiveServer, tmp_path: Path) -> Iterator:
    """Makes analysts; they leave at the end."""
    analysts: list[Analyst] = []

    def come(username: str, url: str = "", project: QgsProject | None = None) -> Analyst:
        folder = tmp_path / f"desk-{len(analysts)}"
        folder.mkdir()
        analysts.append(Analyst(folder, url or server.url, username, project))
        return analysts[-1]

    yield come
    for analyst in analysts:
        analyst.leave()


def contents(path: Path) -> list[tuple]:
    """The rows of a local copy, in order."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        ((name,),) = database.execute("SELECT table_name FROM gpkg_contents").fetchall()
        return database.execute(f"SELECT * FROM {name} ORDER BY fid").fetchall()


def test_an_agreement_that_ends_while_signed_in_ends_the_next_pull(server: LiveServer, arrive) -> None:
    analyst = arrive("camden.analyst").begin()
    former = analyst.pull("btp").copy
    assert analyst.layers()["btp"]["permitted"]

    done = server.folder.command("agreement", "end", reference("camden", "btp"), "--reason", "No longer needed.")
    assert done.returncode == 0, done.stderr

    day = yesterday() + timedelta(days=1)
    sentence = (
        f"Agreement DSA-CAMDEN-BTP on British Transport Police incidents ended on {day:%-d %B %Y}. "
        "Ask the SafeStats team."
    )
    with pytest.raises(AgreementRefused) as refused:
        analyst.pull("btp")
    assert (refused.value.code, refused.value.sentence) == ("agreement-ended", sentence)
    assert analyst.layers()["btp"]["reason"] == sentence
    # A digest is no right: the file that the former manifest named is not given out either.
    assert former.manifest.snapshot is not None
    name = former.manifest.snapshot.name
    with (
        pytest.raises(AgreementRefused),
        analyst.desk.transport.download(f"/v1/layers/btp/artefacts/{name}", 0, lambda: False),
    ):
        pass
    # The other agreements stand; what this one had opened has left the desk.
    assert analyst.pull("colp").copy.manifest.rows > 0
    assert analyst.desk.copies.copy("btp") is None
    assert not former.path.exists()


def test_a_file_of_another_organisation_is_not_there(arrive) -> None:
    theirs = arrive("gla.analyst").begin().pull("colp").copy.manifest
    analyst = arrive("city.analyst").begin()
    assert theirs.snapshot is not None
    for artefact in (theirs.snapshot, theirs.slices[0]):
        with (
            pytest.raises(DeskError) as refused,
            analyst.desk.transport.download(f"/v1/layers/colp/artefacts/{artefact.name}", 0, lambda: False),
        ):
            pass
        assert refused.value.code == "not-found"


def test_a_server_killed_in_mid_download_leaves_the_former_copy(
    server: LiveServer, sample: Path, line: Line, arrive, tmp_path: Path
) -> None:
    analyst = arrive("gla.analyst", line.url).begin()
    former = analyst.pull("mps").copy
    rows = contents(former.path)
    layer = analyst.open("mps")

    delivery = sample / "mps" / "synthetic-2025-03.zip"
    server.folder.run(loading("mps", [thinned(delivery, tmp_path / "changed")]), "publish mps")
    line.cut_after(CUT_AFTER_BYTES, server.kill)
    with pytest.raises(ServerUnreachable) as broken:
        analyst.pull("mps")
    assert "broke off during the download" in broken.value.sentence
    assert "pull again" in broken.value.sentence
    assert analyst.desk.copies.copy("mps") == former
    assert contents(former.path) == rows
    assert layer.featureCount() == sum(1 for _ in layer.getFeatures()) == len(rows)

    with pytest.raises(ServerUnreachable) as gone:
        analyst.pull("mps")
    # The line is there, the server behind it is not.
    assert gone.value.code == "connection-cut"
    assert "was cut before the server answered. Try again" in gone.value.sentence

    line.mend()
    server.start()
    result = analyst.pull("mps")  # in the session that there was
    assert result.copy.manifest.release == former.manifest.release + 1
    assert result.copy.manifest.rows == len(contents(result.copy.path)) < len(rows)
    # The open layer shows the new copy, and the former one goes.
    assert layer.featureCount() == sum(1 for _ in layer.getFeatures()) == result.copy.manifest.rows
    wait_until(lambda: [path.name for path in result.copy.path.parent.glob("*.gpkg")] == [result.copy.path.name])
    assert analyst.pull("mps").kind is PullKind.UNCHANGED


def test_until_the_conditions_are_accepted_and_once_they_are_declined_nothing_works(server: LiveServer, arrive) -> None:
    analyst = arrive("city.analyst")
    session = analyst.sign_in()
    assert len(session.conditions.text) > 500
    doors = ("/v1/layers", "/v1/layers/colp/manifest", "/v1/postcodes/NW18QP")
    for door in doors:
        with pytest.raises(ConditionsNotAccepted) as pending:
            session.transport.get_json(door)
        assert pending.value.code == "conditions-not-accepted"
        assert "conditions" in pending.value.sentence.lower()
    stolen = Transport(server.url, QgisNetwork(), "0.1.0")
    stolen.use_token(session.transport._http.headers["Authorization"].removeprefix("Bearer "))

    analyst.decline()
    assert not analyst.desk.signed_in
    for step in (analyst.layers, lambda: analyst.pull("colp"), lambda: analyst.open("colp"), analyst.accept):
        with pytest.raises(SessionEnded) as ended:
            step()
        assert ended.value.sentence.startswith("You are not signed in.")
    # The token of the declined session opens nothing either, nor can it still be made to accept.
    for door in doors:
        with pytest.raises(SessionEnded):
            stolen.get_json(door)
    with pytest.raises(SessionEnded):
        stolen.post_json(
            "/v1/session/accept",
            {
                "conditions_version": session.conditions.version,
                "conditions_sha256": session.conditions.sha256,
                "purpose": PURPOSE,
            },
        )


def test_the_audit_holds_the_day(server: LiveServer, arrive, qtbot, qgis_new_project, tmp_path: Path) -> None:
    before = len(server.folder.events())
    analyst = arrive("camden.analyst", project=QgsProject.instance()).begin()
    analyst.layers()
    pulled = analyst.pull("mps").copy.manifest
    with pytest.raises(AgreementRefused):
        analyst.pull("lfb")
    analyst.open("mps")

    canvas = QgsMapCanvas()
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:27700"))
    qtbot.addWidget(canvas)
    dock = ProximityDock(analyst.desk, _Window(canvas))
    qtbot.addWidget(dock)
    wait_until(lambda: bool(dock.chosen_layers()))
    dock.place_edit.setText(POSTCODE)
    dock.start()
    wait_until(lambda: dock.result is not None)
    found = dock.result.answer.rows[0].figures[-1].count
    assert found > 0
    dialog = PublishDialog(analyst.desk, None, dock.result)
    qtbot.addWidget(dialog)
    dialog.author_edit.setText("C. Analyst")
    dialog.folder.setFilePath(str(tmp_path))
    dialog.redraw()
    (report,) = dialog.export()
    assert report.read_bytes().startswith(b"%PDF")
    dialog.close()
    dock.close_down()
    account = _account(analyst)
    analyst.sign_out()  # takes the last notes of use with it
    assert analyst.desk.events.waiting(account) == []

    other = arrive("city.analyst")
    other.sign_in()
    other.decline()

    everything = server.folder.events()[before:]
    sent = [event for event in everything if event["event"] == "delivery.end"]
    new = [event for event in everything if event not in sent]
    told = [(event["event"], event["dataset"], event["rows"], event["outcome"]) for event in new]
    steps = [
        ("session.sign-in", "", None, "ok"),
        ("session.accept", "", None, "ok"),
        ("layers.list", "", None, "ok"),
        ("layer.manifest", "mps", pulled.rows, "ok"),
        ("layer.pull", "mps", pulled.rows, "ok"),
        ("layer.manifest", "lfb", None, "refused"),
        ("layer.opened", "mps", pulled.rows, "ok"),
        ("proximity.search", "mps", found, "ok"),
        ("map.export", "mps", found, "ok"),
        ("session.sign-out", "", None, "ok"),
        ("session.sign-in", "", None, "ok"),
        ("session.decline", "", None, "ok"),
    ]
    assert sorted(map(str, told)) == sorted(map(str, steps))
    right = next(r for r in RIGHTS if str(r) == "camden-mps")
    assert pulled.rows == len(permitted(server.folder, right))
    at_work = [event for event in new if event["organisation"] == new[0]["organisation"]]
    assert len(at_work) == len(steps) - 2
    assert len({event["actor"] for event in at_work}) == 1
    assert "camden.analyst" not in str(new), "the audit names people by opaque ids"
    for event in at_work[1:]:
        assert (event["purpose"], event["conditions"].split()[0]) == (PURPOSE, "2026-11.2")
        assert event["session"] == at_work[1]["session"]
    by_kind = {(event["event"], event["dataset"]): event for event in new}
    pull = by_kind["layer.pull", "mps"]
    assert {(event["of"], event["outcome"], event["dataset"]) for event in sent} == {(pull["number"], "ok", "mps")}
    assert by_kind["layer.pull", "mps"]["agreement"] == reference("camden", "mps")
    assert by_kind["layer.manifest", "lfb"]["reason"] == "no-agreement"
    reported = {event["event"] for event in new if event.get("reported_at")}
    assert reported == {"layer.opened", "proximity.search", "map.export"}
    assert by_kind["proximity.search", "mps"]["filter"]["radii_m"] == [100, 250, 500]
    assert by_kind["map.export", "mps"]["filter"]["formats"] == ["pdf"]

    verified = server.folder.command("audit", "verify")
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.startswith(f"All {before + len(everything)} events are in place and unaltered.")


def test_an_altered_audit_is_found_out(server: LiveServer) -> None:
    server.stop()
    number = server.folder.query("SELECT number FROM event WHERE body LIKE '%layer.pull%'", file="audit.sqlite")[0]
    server.folder.query("DROP TRIGGER event_is_never_changed", file="audit.sqlite")
    server.folder.query(
        "UPDATE event SET body = replace(body, '\"rows\":', '\"rows\":1') WHERE number = ?",
        number["number"],
        file="audit.sqlite",
    )
    verified = server.folder.command("audit", "verify")
    assert verified.returncode == 1
    assert f"Event {number['number']} is altered" in verified.stderr


class _Window:
    """What the dock needs of QGIS's window: its map."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        self._canvas = canvas

    def mapCanvas(self) -> QgsMapCanvas:
        return self._canvas


def _account(analyst: Analyst) -> str:
    session = analyst.desk.session
    return analyst.desk.store.account_key(session.transport.base_url, session.user.username)
