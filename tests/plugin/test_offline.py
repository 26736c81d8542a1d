"""Copies that are closed while nobody is signed in, and unlocked without the server; several servers, and room."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from qgis.PyQt.QtWidgets import QWidget
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.desk_session import DeskSession, SessionState
from safestats.qgis_plugin.core.errors import DeskError, LocalCopyTrouble, PurposeHeld, SessionEnded, SignInRefused
from safestats.qgis_plugin.core.events import EventKind
from safestats.qgis_plugin.core.local_store import LocalCopy
from safestats.qgis_plugin.core.offline import OfflineSession, kept_requests, may_unlock
from safestats.qgis_plugin.core.saved_projects import is_stand_in
from safestats.qgis_plugin.core.settings import DEFAULT_SERVER, DeskSettings
from safestats.qgis_plugin.core.transport import Transport
from safestats.qgis_plugin.gui.conditions_page import ConditionsPage
from safestats.qgis_plugin.gui.layers_dock import LayersDock
from safestats.qgis_plugin.gui.options_page import OptionsPage
from safestats.qgis_plugin.gui.sign_in_flow import SignInFlow
from safestats.qgis_plugin.gui.sign_in_pages import PasswordPage
from safestats.qgis_plugin.gui.storage_dialog import StorageDialog
from safestats.tests.network_part import RunningPart

WAIT_MS = 120_000
WRONG = "not the passphrase"


def from_now(span: timedelta) -> str:
    return (datetime.now(timezone.utc) + span).isoformat()


@pytest.fixture
def line(live_server) -> Iterator[RunningPart]:
    """A line to the server, which can be cut."""
    with RunningPart("line", "--to", urlsplit(live_server.url).port) as line:
        yield line


@pytest.fixture
def address(line: RunningPart) -> str:
    """The server's address by that line."""
    return f"http://127.0.0.1:{line.port}"


def cut(line: RunningPart) -> None:
    line.__exit__()


@pytest.fixture
def pull(desk: Desk, sign_in, qtbot) -> Callable[[str], LocalCopy]:
    def act(server: str, username: str = "erin") -> LocalCopy:
        sign_in(server, username)
        ended: list[Any] = []
        desk.pull("colp", "colp", ended.append, ended.append)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
        assert not isinstance(ended[0], DeskError), ended[0]
        return ended[0].copy

    return act


@pytest.fixture
def unlock(desk: Desk, address: str, live_server, qtbot) -> Callable[..., Any]:
    """What unlocking comes to: a session that waits for the conditions, or the trouble."""

    def act(password: str = live_server.password) -> Any:
        ended: list[Any] = []
        desk.steps.unlock(address, "Erin ", password, ended.append, ended.append)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
        return ended[0]

    return act


@pytest.fixture
def accept(desk: Desk, live_server, qtbot) -> Callable[[], None]:
    def act() -> None:
        ended: list[Any] = []
        desk.steps.accept(live_server.purpose, "", ended.append, ended.append)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
        assert isinstance(ended[0], DeskSession), ended[0]

    return act


@pytest.fixture
def publish(live_server) -> Iterator[Callable[..., None]]:
    """Publishes, and afterwards what other tests expect."""
    yield live_server.publish
    live_server.publish(("2025-08", 300, 1), ("2025-09", 200, 2))


def sign_out(desk: Desk, qtbot) -> None:
    ended: list[bool] = []
    desk.sign_out(lambda: ended.append(True))
    qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)


# ---------------------------------------------------------------- a saved project


def test_a_saved_project_opens_its_layers_once_somebody_is_signed_in(
    desk: Desk, pull, sign_in, live_server, tmp_path: Path, qtbot
) -> None:
    copy = pull(live_server.url)
    layer = desk.open_layer("colp")
    layer.setOpacity(0.25)
    layer.setSubsetString("\"category\" = 'Drugs'")
    assert desk.project.write(str(tmp_path / "p.qgz"))
    desk.project.clear()
    sign_out(desk, qtbot)

    told: list[str] = []
    desk.told.connect(told.append)
    assert desk.project.read(str(tmp_path / "p.qgz"))
    (closed,) = desk.project.mapLayers().values()
    assert is_stand_in(closed) and closed.isValid() and list(closed.getFeatures()) == []
    assert desk.layers() == [] and told == [f"{closed.name()}: closed until you sign in."]
    assert copy.path.is_file()

    sign_in(live_server.url, "erin", accept=False)
    assert is_stand_in(closed)  # the conditions come first
    sign_in(live_server.url, "erin")
    qtbot.waitUntil(lambda: not is_stand_in(closed), timeout=WAIT_MS)
    assert desk.layers() == [closed] and layers.shown_path(closed) == copy.path
    assert closed.opacity() == 0.25
    assert {feature["category"] for feature in closed.getFeatures()} == {"Drugs"}

    def noted() -> bool:
        return any(event["filter"].get("project") for event in live_server.events("layer.opened"))

    qtbot.waitUntil(noted, timeout=WAIT_MS)


def test_another_person_s_layers_stay_closed(desk: Desk, pull, sign_in, live_server, tmp_path: Path, qtbot) -> None:
    pull(live_server.url)
    desk.open_layer("colp")
    assert desk.project.write(str(tmp_path / "p.qgz"))
    desk.project.clear()
    sign_out(desk, qtbot)
    sign_in(live_server.url, "carol")
    assert desk.project.read(str(tmp_path / "p.qgz"))
    (closed,) = desk.project.mapLayers().values()
    qtbot.wait(300)
    assert is_stand_in(closed) and desk.layers() == []


# ---------------------------------------------------------------- without the server


def test_the_copies_are_unlocked_while_the_server_is_out_of_reach(
    desk: Desk, pull, line, address: str, unlock, accept, live_server, sign_in, qtbot
) -> None:
    copy = pull(address)
    sign_out(desk, qtbot)
    cut(line)
    session = unlock()
    assert isinstance(session, OfflineSession) and session.state is SessionState.PENDING
    assert session.conditions.text and session.user.display_name and not desk.offline
    assert desk.copies is None
    accept()
    assert desk.offline and not desk.signed_in and session.state is SessionState.OFFLINE
    layer = desk.open_layer("colp")
    assert layers.shown_path(layer) == copy.path
    with pytest.raises(SessionEnded, match="working offline"):
        _ = desk.transport
    desk.record(EventKind.HOTSPOT_RUN, "colp", {"cell": 100}, 5)
    desk.settle()
    waiting = desk.events.waiting(desk._account_key())
    circumstances = {"offline": True, "purpose": live_server.purpose, "conditions": session.conditions.version}
    assert [event["kind"] for event in waiting] == ["layer.opened", "hotspot.run"]
    assert all(circumstances.items() <= event["filter"].items() for event in waiting)
    assert waiting[1]["filter"]["cell"] == 100
    sign_out(desk, qtbot)
    assert desk.layers() == [] and not desk.offline


def test_what_was_done_offline_is_told_before_new_data_come(
    desk: Desk, pull, line, address: str, unlock, accept, live_server, qtbot
) -> None:
    pull(address)
    sign_out(desk, qtbot)
    unlock()
    accept()
    desk.record(EventKind.HOTSPOT_RUN, "colp", {"unusual": 4711}, 5)
    sign_out(desk, qtbot)
    pull(address)
    told = [event for event in live_server.events("hotspot.run") if event["filter"].get("unusual") == 4711]
    assert len(told) == 1 and told[0]["filter"]["offline"] is True


def test_a_purpose_in_one_s_own_words_is_kept_offline_and_put_to_the_team(
    desk: Desk, pull, line, address: str, unlock, accept, live_server, qtbot
) -> None:
    pull(address)
    sign_out(desk, qtbot)
    unlock()
    told: list[str] = []
    desk.told.connect(told.append)

    def ask(words: str) -> DeskError:
        ended: list[Any] = []
        desk.steps.accept("other", words, ended.append, ended.append)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
        return ended[0]

    assert ask("too short").code == "purpose-detail-missing"
    for _twice in range(2):
        held = ask("Where to plant  trees beside the canal (offline)")
        assert isinstance(held, PurposeHeld) and "when you sign in" in held.sentence
    assert not desk.offline and desk.layers() == []  # nothing opens for it
    accept()
    assert desk.offline
    requests = len(live_server.events("purpose.request"))
    sign_out(desk, qtbot)
    assert kept_requests(desk.steps._copies(address, "erin")) == ["Where to plant trees beside the canal (offline)"]
    pull(address)
    assert len(live_server.events("purpose.request")) == requests + 1
    (sentence,) = told
    assert "“Where to plant trees beside the canal (offline)”" in sentence and "put to the SafeStats team" in sentence
    assert desk.session.purpose.code == live_server.purpose and desk.signed_in  # the session goes on for its own
    assert kept_requests(desk.steps._copies(address, "erin")) == []
    sign_out(desk, qtbot)
    pull(address)
    assert len(live_server.events("purpose.request")) == requests + 1


def test_ten_wrong_passwords_are_the_last(desk: Desk, pull, address: str, unlock, live_server, qtbot) -> None:
    pull(address)
    sign_out(desk, qtbot)
    for _ in range(10):
        trouble = unlock(WRONG)
        assert isinstance(trouble, SignInRefused) and trouble.code == "wrong-password"
    assert unlock().code == "too-many-tries"
    pull(address)  # a sign-in at the server gives new tries
    sign_out(desk, qtbot)
    assert unlock().state is SessionState.PENDING


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("until", -timedelta(minutes=1), "offline-lapsed"),
        ("seen", timedelta(days=2), "clock-behind"),
        ("tries", "many", "no-offline"),
        ("version", 7, "no-offline"),
    ],
)
def test_a_lease_that_is_over_a_clock_set_back_and_a_damaged_pass_are_told(
    desk: Desk, pull, address: str, unlock, qtbot, member: str, value: object, code: str
) -> None:
    pull(address)
    copies = desk.copies
    sign_out(desk, qtbot)
    document = json.loads(copies.read_pass())
    assert from_now(timedelta(days=13)) < document["until"] <= from_now(timedelta(days=14))
    value = from_now(value) if isinstance(value, timedelta) else value
    copies.keep_pass(json.dumps({**document, member: value}).encode())
    trouble = unlock()
    assert isinstance(trouble, LocalCopyTrouble) and trouble.code == code
    assert may_unlock(copies, datetime.now(timezone.utc)) is (code == "clock-behind")


def test_many_small_steps_back_of_the_clock_do_not_add_up(desk: Desk, pull, address: str, live_server, qtbot) -> None:
    pull(address)
    copies = desk.copies
    sign_out(desk, qtbot)
    transport = Transport(address, desk.network, desk.plugin_version)
    step, seen = timedelta(minutes=50), datetime.fromisoformat(json.loads(copies.read_pass())["seen"])
    OfflineSession(transport, copies).unlock(live_server.password, seen - step)
    with pytest.raises(LocalCopyTrouble, match="behind"):
        OfflineSession(transport, copies).unlock(live_server.password, seen - 2 * step)


def test_the_password_itself_is_nowhere(desk: Desk, pull, address: str, live_server) -> None:
    pull(address)
    for path in desk.store.root.rglob("*"):
        if path.is_file():
            assert live_server.password.encode() not in path.read_bytes(), path


def test_without_a_copy_there_is_nothing_to_unlock(desk: Desk, sign_in, address: str) -> None:
    sign_in(address, "erin")
    assert not desk.steps.may_unlock(address, "erin")
    assert not desk.steps.may_unlock("no address at all:", "erin")


def test_an_account_that_lost_its_right_cannot_be_unlocked(desk: Desk, pull, address: str, unlock, qtbot) -> None:
    pull(address)
    desk.give_up_account(address, "erin")
    desk.settle()
    sign_out(desk, qtbot)
    assert unlock().code == "no-offline"


# ---------------------------------------------------------------- the windows


@pytest.fixture
def dock(desk: Desk, qgis_iface, qtbot) -> LayersDock:
    dock = LayersDock(desk, qgis_iface)
    qtbot.addWidget(dock)
    dock.resize(420, 640)
    dock.show()
    return dock


def test_the_sign_in_window_offers_offline_work_and_the_dock_shows_it(
    desk: Desk, dock: LayersDock, pull, line, address: str, live_server, qtbot
) -> None:
    pull(address)
    sign_out(desk, qtbot)
    cut(line)
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    flow = SignInFlow(desk, window)
    flow.start()
    dialog = flow.dialog
    page = dialog.page
    assert isinstance(page, PasswordPage) and page.offline_button.isHidden()
    assert page.server.text() == address and page.username.text() == "erin"
    page.password.setText(live_server.password)
    dialog.action_button.click()
    qtbot.waitUntil(lambda: bool(dialog.strip.text), timeout=WAIT_MS)
    assert "No server answers" in dialog.strip.text and not page.offline_button.isHidden()
    page.offline_button.click()
    qtbot.waitUntil(lambda: isinstance(dialog.page, ConditionsPage), timeout=WAIT_MS)
    conditions = dialog.page
    conditions.agreed.setChecked(True)
    chooser = conditions.chooser
    next(button for button, one in chooser._purposes.items() if one.code == live_server.purpose).click()
    dialog.action_button.click()
    qtbot.waitUntil(lambda: desk.offline, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: bool(dock.cards), timeout=WAIT_MS)
    card = dock.cards["colp"]
    assert "working offline" in dock.offline_strip.text and not dock.again_button.isHidden()
    assert card.open_button.isEnabled() and not card.pull_button.isEnabled()
    assert dock.refresh_button.isHidden() and dock.purpose_button.isHidden()
    card.open_button.click()
    assert len(desk.layers()) == 1
    flow.close()


# ---------------------------------------------------------------- several servers, and room


def test_each_server_has_its_own_copies_and_is_offered_again(
    desk: Desk, settings: DeskSettings, pull, live_server, address: str, qtbot
) -> None:
    first = pull(live_server.url)
    sign_out(desk, qtbot)
    second = pull(address, "carol")
    assert first.path.parent.parent != second.path.parent.parent
    assert first.path.is_file() and second.path.is_file()
    assert settings.servers == [address, live_server.url]
    assert settings.username_at(live_server.url) == "erin" and settings.username_at(address) == "carol"

    page = PasswordPage(desk, settings.server)
    qtbot.addWidget(page)
    assert [page.servers.itemText(n) for n in range(2)] == [address, live_server.url]
    assert (page.server.text(), page.username.text()) == (address, "carol")
    page.servers.setCurrentIndex(1)
    page.servers.textActivated.emit(live_server.url)
    assert (page.server.text(), page.username.text()) == (live_server.url, "erin")

    options = OptionsPage(settings, "0.1.0", lambda: None)
    qtbot.addWidget(options)
    assert options.server.text() == address
    options.forget_button.click()
    assert options.server.text() == live_server.url and settings.servers == [address, live_server.url]
    options.apply()
    assert settings.servers == [live_server.url] and settings.username_at(address) == ""
    assert settings.server == live_server.url and second.path.is_file()


def test_servers_that_it_has_set_for_all_are_offered(settings: DeskSettings) -> None:
    assert settings.servers == [settings.server] == [DEFAULT_SERVER]
    settings._settings.setValue("safestats/servers", "https://one.example.org")
    assert settings.servers == [settings.server] == ["https://one.example.org"]
    settings._settings.setValue("safestats/servers", ["https://one.example.org", " ", "https://two.example.org"])
    assert settings.servers == ["https://one.example.org", "https://two.example.org"]
    settings.remember("https://two.example.org", "ada")
    assert settings.servers == ["https://two.example.org", "https://one.example.org"]


def test_the_window_of_local_copies_tells_what_they_take_and_removes_them(
    desk: Desk, pull, live_server, address: str, qtbot
) -> None:
    former = pull(live_server.url)
    sign_out(desk, qtbot)
    copy = pull(address, "carol")
    desk.open_layer("colp")
    window = StorageDialog(desk)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.table.rowCount() == 2, timeout=WAIT_MS)
    size = sum(path.stat().st_size for path in desk.store.root.glob("*/*/*"))
    told, unit, *_ = window.total.text().split()
    assert unit == "kB" and float(told) == pytest.approx(size / 1e3, abs=1)
    shown = [[window.table.item(row, column).text() for column in range(6)] for row in range(2)]
    assert {(row[2], row[3]) for row in shown} == {
        (urlsplit(address).netloc, "carol"),
        (urlsplit(live_server.url).netloc, "erin"),
    }
    assert not window.remove_button.isEnabled()
    for left, gone in ((1, former), (0, copy)):
        user = "erin" if gone is former else "carol"
        row = next(row for row in range(left + 1) if window.table.item(row, 3).text() == user)
        window.table.selectRow(row)
        window.remove_button.click()
        qtbot.waitUntil(lambda left=left: window.table.rowCount() == left, timeout=WAIT_MS)
        assert not gone.path.exists() and "removed" in window.strip.text
    assert desk.layers() == [] and desk.copy("colp") is None
    assert window.total.text() == "No local copies on this computer"


def test_a_card_removes_its_copy(desk: Desk, dock: LayersDock, pull, live_server, qtbot) -> None:
    copy = pull(live_server.url)
    qtbot.waitUntil(lambda: "colp" in dock.cards and dock.cards["colp"].has_copy, timeout=WAIT_MS)
    card = dock.cards["colp"]
    card.open_button.click()
    assert len(desk.layers()) == 1 and "here" in card.copy_line.text()
    card.removal_action.trigger()
    assert desk.layers() == [] and not card.has_copy and "removed from this computer" in card.strip.text
    qtbot.waitUntil(lambda: not copy.path.exists(), timeout=WAIT_MS)


def test_updating_all_says_what_it_brought(desk: Desk, dock: LayersDock, pull, live_server, publish, qtbot) -> None:
    publish(("2025-08", 300, 1), ("2025-09", 200, 2))  # whatever other tests left
    copy = pull(live_server.url)
    qtbot.waitUntil(lambda: "colp" in dock.cards and dock.cards["colp"].updatable, timeout=WAIT_MS)
    dock.update_all_button.click()
    qtbot.waitUntil(lambda: bool(dock.strip.text), timeout=WAIT_MS)
    assert dock.strip.text == "All layers were up to date."
    august = next(part.rows for part in copy.manifest.slices if part.period == "2025-08")
    publish(("2025-08", august + 7, 1), ("2025-09", 200, 2))
    dock.update_all_button.click()
    qtbot.waitUntil(lambda: dock.strip.text.startswith("1 layer updated"), timeout=WAIT_MS)
    assert dock.strip.text == "1 layer updated: 7 incidents added, 0 changed, 0 withdrawn."
