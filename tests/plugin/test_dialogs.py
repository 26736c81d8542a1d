"""The sign-in and conditions dialogs, against a real server, with keys and clicks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qgis.PyQt.QtCore import QObject, Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QPixmap
from qgis.PyQt.QtWidgets import QLabel, QWidget
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.gui.conditions_page import ConditionsPage
from safestats.qgis_plugin.gui.sign_in_dialog import SignInDialog
from safestats.qgis_plugin.gui.sign_in_flow import SignInFlow

WAIT_MS = 120_000


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
    assert (dialog.page.server.text(), dialog.page.username.text()) == (live_server.url, "ada")
    qtbot.keyClicks(dialog.page.password, live_server.password)
    password = dialog.page.password
    qtbot.keyClick(password, Qt.Key.Key_Return)
    assert not dialog.busy.isHidden()  # it shows that it works, and the window is not frozen
    assert not dialog.action_button.isEnabled()
    qtbot.waitUntil(lambda: isinstance(dialog.page, ConditionsPage), timeout=WAIT_MS)
    assert desk.session is not None and not desk.signed_in  # the conditions come next, in the same window
    assert dialog.isVisible() and dialog.busy.isHidden()
    assert live_server.password not in everything_stored(desk)
    assert "ada" in everything_stored(desk)


def test_a_wrong_password_is_told_in_the_dialog(dialog: SignInDialog, desk: Desk, qtbot) -> None:
    dialog.page.password.setText("not it")
    dialog.action_button.click()
    qtbot.waitUntil(lambda: bool(dialog.strip.text), timeout=WAIT_MS)
    assert "password" in dialog.strip.text
    assert dialog.isVisible() and dialog.action_button.isEnabled() and dialog.busy.isHidden()
    assert dialog.page.password.text() == ""
    assert desk.session is None


def test_a_server_that_is_down_is_told_in_the_dialog(dialog: SignInDialog, qtbot) -> None:
    dialog.page.server.setText("http://127.0.0.1:9")
    dialog.page.password.setText("x")
    dialog.action_button.click()
    qtbot.waitUntil(lambda: bool(dialog.strip.text), timeout=WAIT_MS)
    assert "No server answers at http://127.0.0.1:9" in dialog.strip.text


def test_what_is_missing_or_unsafe_is_told_without_asking_the_server(dialog: SignInDialog) -> None:
    dialog.action_button.click()
    assert "Enter server, user name and password" in dialog.strip.text
    dialog.page.server.setText("http://safestats.example.org")
    dialog.page.password.setText("x")
    dialog.action_button.click()
    assert "not encrypted" in dialog.strip.text
    assert dialog.action_button.isEnabled()


# ---------------------------------------------------------------- conditions


@pytest.fixture
def conditions(desk: Desk, live_server, sign_in, qtbot) -> SignInDialog:
    """The conditions, shown to ada."""
    sign_in(live_server.url, "ada", accept=False)
    dialog = SignInDialog(desk)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def choose(dialog: SignInDialog, code: str) -> None:
    next(button for button, purpose in dialog.page.chooser._purposes.items() if purpose.code == code).click()


def test_nothing_is_chosen_beforehand_and_the_text_is_whole(conditions: SignInDialog) -> None:
    assert conditions.page.purpose is None
    assert not conditions.page.agreed.isChecked()
    assert not conditions.action_button.isEnabled()
    shown = conditions.page.text.toPlainText()
    for line in conditions._desk.session.conditions.text.splitlines():
        words = line.strip("#-* 0123456789.").split("**")[0].strip()
        assert words[:40] in shown.replace("\n", " ") or not words


def test_accept_needs_both_the_tick_and_a_purpose(conditions: SignInDialog, live_server) -> None:
    choose(conditions, live_server.purpose)
    assert not conditions.action_button.isEnabled()
    conditions.page.agreed.click()
    assert conditions.action_button.isEnabled()
    conditions.page.agreed.click()
    assert not conditions.action_button.isEnabled()


def test_a_purpose_that_is_refused_tells_where_to_ask(conditions: SignInDialog, live_server) -> None:
    conditions.page.agreed.click()
    choose(conditions, "enforcement")
    assert "Ask the police" in conditions.page.chooser.advice.text
    assert not conditions.action_button.isEnabled()
    choose(conditions, live_server.purpose)
    assert conditions.page.chooser.advice.text == ""
    assert conditions.action_button.isEnabled()


def test_accepting_makes_the_session_active(conditions: SignInDialog, desk: Desk, live_server, qtbot) -> None:
    conditions.page.agreed.click()
    choose(conditions, live_server.purpose)
    with qtbot.waitSignal(conditions.accepted, timeout=WAIT_MS):
        conditions.action_button.click()
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
    flow.dialog.page.password.setText(live_server.password)
    flow.dialog.action_button.click()
    qtbot.waitUntil(lambda: isinstance(flow.dialog.page, ConditionsPage), timeout=WAIT_MS)
    transport = desk.session.transport
    with qtbot.waitSignal(flow.declined) as told:
        qtbot.keyClick(flow.dialog, Qt.Key.Key_Escape)
    assert "You declined the conditions of use" in told.args[0]
    assert desk.session is None and flow.dialog is None
    qtbot.waitUntil(lambda: "Authorization" not in transport._http.headers, timeout=WAIT_MS)


def test_closing_while_signing_in_leaves_nobody_signed_in(dialog: SignInDialog, desk: Desk, live_server, qtbot) -> None:
    dialog.page.password.setText(live_server.password)
    dialog.action_button.click()
    dialog.reject()
    qtbot.waitUntil(lambda: not desk._running, timeout=WAIT_MS)
    assert not desk.signed_in and dialog.strip.text == ""


def test_conditions_of_a_server_open_no_picture_and_no_file(
    conditions: SignInDialog, desk: Desk, qtbot, tmp_path, monkeypatch
) -> None:
    picture = tmp_path / "picture.png"
    QPixmap(8, 8).save(str(picture))
    session = desk.session
    text = f"![told]({picture.as_uri()}) <img src='{picture.as_uri()}'>\n\n[more]({picture.as_uri()})"
    session.conditions = replace(session.conditions, text=text)
    session.user = replace(session.user, display_name=f"<img src='{picture.as_uri()}'>")
    dialog = SignInDialog(desk)
    qtbot.addWidget(dialog)
    dialog.show()
    assert "<img src=" in dialog.page.text.toPlainText()
    assert dialog.page.text.loadResource(2, QUrl.fromLocalFile(str(picture))) is None
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    dialog.page.text.anchorClicked.emit(QUrl.fromLocalFile(str(picture)))
    dialog.page.text.anchorClicked.emit(QUrl("https://safestats.example.org/"))
    assert [address.scheme() for address in opened] == ["https"]
    named = [label for label in dialog.findChildren(QLabel) if "<img" in label.text()]
    assert named and all(label.textFormat() == Qt.TextFormat.PlainText for label in named)


def test_tab_leads_through_the_sign_in_of_somebody_who_is_known(dialog: SignInDialog) -> None:
    page = dialog.page
    assert dialog.focusWidget() is page.password
    met = []
    for _ in range(6):
        dialog.focusNextChild()
        met.append(dialog.focusWidget())
    in_order = [page.other_button, dialog.action_button, dialog.refusal_button, page.servers, page.username]
    assert met == [*in_order, page.password]
