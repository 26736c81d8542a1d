"""The sign-in and conditions dialogs, against a real server, with keys and clicks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qgis.PyQt.QtCore import QObject, Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QPixmap
from qgis.PyQt.QtWidgets import QLabel, QWidget
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.gui.conditions_dialog import ConditionsDialog
from safestats.qgis_plugin.gui.sign_in_dialog import SignInDialog
from safestats.qgis_plugin.gui.sign_in_flow import SignInFlow

WAIT_MS = 20_000


@pytest.fixture
def dialog(desk: Desk, live_server, qtbot) -> SignInDialog:
    """Server and user name filled in, as after an earlier session."""
    desk.settings.server = live_server.url
    desk.settings.username = "ada"
    dialog = SignInDialog(desk)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def everything_stored(desk: Desk) -> str:
    stored = desk.settings._settings
    return str({key: stored.value(key) for key in stored.allKeys()})


def test_enter_signs_in_and_nothing_secret_is_kept(dialog: SignInDialog, desk: Desk, live_server, qtbot) -> None:
    assert (dialog.server.text(), dialog.username.text()) == (live_server.url, "ada")
    qtbot.keyClicks(dialog.password, live_server.password)
    with qtbot.waitSignal(dialog.accepted, timeout=WAIT_MS):
        qtbot.keyClick(dialog.password, Qt.Key.Key_Return)
        assert not dialog.busy.isHidden()  # it shows that it works, and the window is not frozen
        assert not dialog.sign_in.isEnabled()
    assert desk.session is not None and not desk.signed_in  # the conditions come next
    assert dialog.password.text() == ""
    assert live_server.password not in everything_stored(desk)
    assert "ada" in everything_stored(desk)


def test_a_wrong_password_is_told_in_the_dialog(dialog: SignInDialog, desk: Desk, qtbot) -> None:
    dialog.password.setText("not it")
    dialog.sign_in.click()
    qtbot.waitUntil(lambda: bool(dialog.strip.text), timeout=WAIT_MS)
    assert "password" in dialog.strip.text
    assert dialog.isVisible() and dialog.sign_in.isEnabled() and dialog.busy.isHidden()
    assert dialog.password.text() == ""
    assert desk.session is None


def test_a_server_that_is_down_is_told_in_the_dialog(dialog: SignInDialog, qtbot) -> None:
    dialog.server.setText("http://127.0.0.1:9")
    dialog.password.setText("x")
    dialog.sign_in.click()
    qtbot.waitUntil(lambda: bool(dialog.strip.text), timeout=WAIT_MS)
    assert "No server answers at http://127.0.0.1:9" in dialog.strip.text


def test_what_is_missing_or_unsafe_is_told_without_asking_the_server(dialog: SignInDialog) -> None:
    dialog.sign_in.click()
    assert "Enter server, user name and password" in dialog.strip.text
    dialog.server.setText("http://safestats.example.org")
    dialog.password.setText("x")
    dialog.sign_in.click()
    assert "not encrypted" in dialog.strip.text
    assert dialog.sign_in.isEnabled()


# ---------------------------------------------------------------- conditions


@pytest.fixture
def conditions(desk: Desk, live_server, sign_in, qtbot) -> ConditionsDialog:
    """The conditions, shown to ada."""
    dialog = ConditionsDialog(desk, sign_in(live_server.url, "ada", accept=False))
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def choose(dialog: ConditionsDialog, code: str) -> None:
    next(button for button, purpose in dialog._purposes.items() if purpose.code == code).click()


def test_nothing_is_chosen_beforehand_and_the_text_is_whole(conditions: ConditionsDialog) -> None:
    assert conditions.purpose is None
    assert not conditions.agreed.isChecked()
    assert not conditions.accept_button.isEnabled()
    shown = conditions.text.toPlainText()
    for line in conditions._session.conditions.text.splitlines():
        words = line.strip("#-* 0123456789.").split("**")[0].strip()
        assert words[:40] in shown.replace("\n", " ") or not words


def test_accept_needs_both_the_tick_and_a_purpose(conditions: ConditionsDialog, live_server) -> None:
    choose(conditions, live_server.purpose)
    assert not conditions.accept_button.isEnabled()
    conditions.agreed.click()
    assert conditions.accept_button.isEnabled()
    conditions.agreed.click()
    assert not conditions.accept_button.isEnabled()


def test_a_purpose_that_is_refused_tells_where_to_ask(conditions: ConditionsDialog, live_server) -> None:
    conditions.agreed.click()
    choose(conditions, "enforcement")
    assert "Ask the police" in conditions.advice.text
    assert not conditions.accept_button.isEnabled()
    choose(conditions, live_server.purpose)
    assert conditions.advice.text == ""
    assert conditions.accept_button.isEnabled()


def test_accepting_makes_the_session_active(conditions: ConditionsDialog, desk: Desk, live_server, qtbot) -> None:
    conditions.agreed.click()
    choose(conditions, live_server.purpose)
    with qtbot.waitSignal(conditions.accepted, timeout=WAIT_MS):
        conditions.accept_button.click()
    assert desk.signed_in
    assert desk.session.purpose.code == live_server.purpose


def test_declining_signs_out_with_a_sentence(desk: Desk, live_server, qtbot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    desk.settings.server = live_server.url
    desk.settings.username = "ada"
    flow = SignInFlow(desk, window)
    assert isinstance(flow, QObject)
    flow.start()
    flow.dialog.password.setText(live_server.password)
    flow.dialog.sign_in.click()
    qtbot.waitUntil(lambda: isinstance(flow.dialog, ConditionsDialog), timeout=WAIT_MS)
    transport = desk.session.transport
    with qtbot.waitSignal(flow.declined) as told:
        qtbot.keyClick(flow.dialog, Qt.Key.Key_Escape)
    assert "You declined the conditions of use" in told.args[0]
    assert desk.session is None and flow.dialog is None
    qtbot.waitUntil(lambda: "Authorization" not in transport._http.headers, timeout=WAIT_MS)


def test_closing_while_signing_in_leaves_nobody_signed_in(dialog: SignInDialog, desk: Desk, live_server, qtbot) -> None:
    dialog.password.setText(live_server.password)
    dialog.sign_in.click()
    dialog.reject()
    qtbot.waitUntil(lambda: not desk._running, timeout=WAIT_MS)
    assert not desk.signed_in and dialog.strip.text == ""


def test_conditions_of_a_server_open_no_picture_and_no_file(
    conditions: ConditionsDialog, desk: Desk, qtbot, tmp_path, monkeypatch
) -> None:
    picture = tmp_path / "picture.png"
    QPixmap(8, 8).save(str(picture))
    session = desk.session
    text = f"![told]({picture.as_uri()}) <img src='{picture.as_uri()}'>\n\n[more]({picture.as_uri()})"
    session.conditions = replace(session.conditions, text=text)
    session.user = replace(session.user, display_name=f"<img src='{picture.as_uri()}'>")
    dialog = ConditionsDialog(desk, session)
    qtbot.addWidget(dialog)
    dialog.show()
    assert "<img src=" in dialog.text.toPlainText()
    assert dialog.text.loadResource(2, QUrl.fromLocalFile(str(picture))) is None
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    dialog.text.anchorClicked.emit(QUrl.fromLocalFile(str(picture)))
    dialog.text.anchorClicked.emit(QUrl("https://safestats.example.org/"))
    assert [address.scheme() for address in opened] == ["https"]
    named = [label for label in dialog.findChildren(QLabel) if "<img" in label.text()]
    assert named and all(label.textFormat() == Qt.TextFormat.PlainText for label in named)
