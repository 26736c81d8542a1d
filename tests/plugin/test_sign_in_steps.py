"""Signing in by steps, other purposes, new conditions, own sessions: real server, real windows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta

import pytest
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QLineEdit, QWidget
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.desk_session import DeskSession, SessionState, client_name
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.transport import Transport
from safestats.qgis_plugin.gui.conditions_page import ConditionsPage
from safestats.qgis_plugin.gui.layers_dock import LayersDock
from safestats.qgis_plugin.gui.purpose_chooser import PurposeChooser
from safestats.qgis_plugin.gui.purpose_dialog import PurposeDialog
from safestats.qgis_plugin.gui.sessions_dialog import SessionsDialog
from safestats.qgis_plugin.gui.sign_in_dialog import SignInDialog
from safestats.qgis_plugin.gui.sign_in_flow import SignInFlow
from safestats.qgis_plugin.gui.sign_in_pages import CodePage, EnrolmentPage, PasswordPage

WAIT_MS = 120_000
STEP_S = 30
NUMBERS = itertools.count(1)
OWN_WORDS = "Where ambulances are needed on hot days, for the heat plan"


def code_of(secret: str, ahead: int = 0) -> str:
    """The time-based code (RFC 6238) of a secret, for now or ``ahead`` steps later."""
    step = int(time.time()) // STEP_S + ahead
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


@pytest.fixture
def enrolled(qgis_app, live_server) -> tuple[str, str, list[str]]:
    """Somebody with a second factor: user name, secret, recovery codes. The code of now is used up."""
    name = f"factor{next(NUMBERS)}"
    live_server.run(f"user add {name} --org camden --password-stdin")
    session = DeskSession(Transport(live_server.url, QgisNetwork(), "0.1.0"))
    session.sign_in(name, live_server.password)
    secret = session.transport.post_json("/v1/session/enrolment", {})["secret"]
    answer = session.transport.post_json("/v1/session/enrolment/confirm", {"code": code_of(secret)})
    return name, secret, answer["recovery_codes"]


@pytest.fixture
def flow(desk: Desk, live_server, qtbot) -> Iterator[SignInFlow]:
    window = QWidget()
    qtbot.addWidget(window)
    desk.settings.server = live_server.url
    flow = SignInFlow(desk, window)
    yield flow
    flow.close()


def enter_password(flow: SignInFlow, live_server, username: str, qtbot) -> SignInDialog:
    """To the page after the password."""
    flow.start()
    dialog = flow.dialog
    assert dialog is not None and isinstance(dialog.page, PasswordPage)
    dialog.page.username.setText(username)
    dialog.page.password.setText(live_server.password)
    dialog.action_button.click()
    qtbot.waitUntil(lambda: not isinstance(dialog.page, PasswordPage), timeout=WAIT_MS)
    return dialog


def choose(chooser: PurposeChooser, code: str) -> None:
    next(button for button, purpose in chooser._purposes.items() if purpose.code == code).click()


def accept(dialog: SignInDialog, live_server, qtbot) -> None:
    qtbot.waitUntil(lambda: isinstance(dialog.page, ConditionsPage), timeout=WAIT_MS)
    page = dialog.page
    choose(page.chooser, live_server.purpose)
    page.agreed.click()
    with qtbot.waitSignal(dialog.accepted, timeout=WAIT_MS):
        dialog.action_button.click()


# ---------------------------------------------------------------- second factor


def test_a_code_is_asked_for_and_blanks_in_it_do_not_matter(
    flow: SignInFlow, enrolled, desk, live_server, qtbot
) -> None:
    name, secret, _codes = enrolled
    dialog = enter_password(flow, live_server, name, qtbot)
    assert isinstance(dialog.page, CodePage) and not desk.signed_in
    dialog.action_button.click()
    assert "Enter the code" in dialog.strip.text
    dialog.page.code.setText("000 000" if code_of(secret, 1) != "000000" else "111 111")
    dialog.action_button.click()
    qtbot.waitUntil(lambda: "code is wrong" in dialog.strip.text, timeout=WAIT_MS)
    assert dialog.page.code.text() == ""
    code = code_of(secret, 1)
    qtbot.keyClicks(dialog.page.code, f"{code[:3]} {code[3:]} ")
    qtbot.keyClick(dialog.page.code, Qt.Key.Key_Return)
    accept(dialog, live_server, qtbot)
    assert desk.signed_in and flow.dialog is None
    stored = desk.settings._settings
    assert code not in str([stored.value(key) for key in stored.allKeys()])


def test_a_code_counts_once_and_a_recovery_code_opens_too(flow: SignInFlow, enrolled, desk, live_server, qtbot) -> None:
    name, secret, codes = enrolled
    dialog = enter_password(flow, live_server, name, qtbot)
    dialog.page.code.setText(code_of(secret, -1))  # not later than the one of the enrolment
    dialog.action_button.click()
    qtbot.waitUntil(lambda: "used already" in dialog.strip.text, timeout=WAIT_MS)
    dialog.page.code.setText(codes[0])
    dialog.action_button.click()
    accept(dialog, live_server, qtbot)
    assert desk.session.user.username == name


def test_leaving_at_the_code_leaves_nobody_half_signed_in(flow: SignInFlow, enrolled, desk, live_server, qtbot) -> None:
    dialog = enter_password(flow, live_server, enrolled[0], qtbot)
    transport = desk.session.transport
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert flow.dialog is None and desk.session is None
    qtbot.waitUntil(lambda: "Authorization" not in transport._http.headers, timeout=WAIT_MS)


def test_a_session_that_ends_at_the_code_begins_anew(flow: SignInFlow, enrolled, desk, live_server, qtbot) -> None:
    name, secret, _codes = enrolled
    dialog = enter_password(flow, live_server, name, qtbot)
    desk.session.transport.delete("/v1/session")
    dialog.page.code.setText(code_of(secret, 1))
    dialog.action_button.click()
    qtbot.waitUntil(lambda: isinstance(dialog.page, PasswordPage), timeout=WAIT_MS)
    assert dialog.strip.text and not desk.signed_in


def test_a_role_that_must_enrol_is_sent_to_the_console(
    flow: SignInFlow, desk: Desk, live_server, qtbot, monkeypatch
) -> None:
    name = f"publisher{next(NUMBERS)}"
    live_server.run(f"user add {name} --org camden --role publisher --password-stdin")
    dialog = enter_password(flow, live_server, name, qtbot)
    assert isinstance(dialog.page, EnrolmentPage) and not dialog.action_button.isVisible()
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()) or True)
    dialog.page.open_button.click()
    assert opened == [f"{live_server.url}/console"]
    dialog.refusal_button.click()
    assert flow.dialog is None and desk.session is None


def test_every_field_of_the_pages_has_a_name(flow: SignInFlow, enrolled, live_server, qtbot) -> None:
    dialog = enter_password(flow, live_server, enrolled[0], qtbot)
    assert all(field.accessibleName() for field in dialog.page.findChildren(QLineEdit))
    assert dialog.action_button.isDefault()


# ---------------------------------------------------------------- purposes


@pytest.fixture
def dock(desk: Desk, qgis_iface, qtbot) -> LayersDock:
    dock = LayersDock(desk, qgis_iface)
    qtbot.addWidget(dock)
    dock.show()
    return dock


@pytest.fixture
def purposes(desk: Desk, dock: LayersDock, live_server, sign_in, qtbot) -> Callable[[], PurposeDialog]:
    """ada is signed in; opens the window that changes her purpose, once it has asked for the purposes."""
    sign_in(live_server.url, "ada")

    def act() -> PurposeDialog:
        dialog = PurposeDialog(desk)
        qtbot.addWidget(dialog)
        dialog.show()
        qtbot.waitUntil(lambda: dialog._task is None, timeout=WAIT_MS)
        return dialog

    return act


def test_the_purpose_changes_without_signing_out(purposes, dock: LayersDock, desk: Desk, live_server, qtbot) -> None:
    dialog = purposes()
    token = desk.session.transport._http.headers["Authorization"]
    assert dialog.chooser.purpose is None and not dialog.change_button.isEnabled()
    assert "Needs assessment" in dialog.now.text()
    choose(dialog.chooser, "violence-reduction")
    with qtbot.waitSignal(dialog.accepted, timeout=WAIT_MS):
        dialog.change_button.click()
    assert dock.purpose.text() == "Purpose: Violence reduction"
    assert desk.session.transport._http.headers["Authorization"] == token
    assert live_server.events("session.purpose")[-1]["purpose"] == "violence-reduction"


def test_a_refused_purpose_shows_where_to_ask(purposes) -> None:
    dialog = purposes()
    choose(dialog.chooser, "prosecution")
    assert "police" in dialog.chooser.advice.text.lower() and not dialog.change_button.isEnabled()


def test_own_words_are_held_and_offered_once_approved(purposes, desk: Desk, live_server, dock, qtbot) -> None:
    dialog = purposes()
    choose(dialog.chooser, "other")
    assert dialog.chooser.detail_edit.isVisible() and not dialog.change_button.isEnabled()
    dialog.chooser.detail_edit.setText(OWN_WORDS)
    dialog.change_button.click()
    qtbot.waitUntil(lambda: bool(dialog.strip.text), timeout=WAIT_MS)
    assert "passed to the SafeStats team" in dialog.strip.text
    assert dock.purpose.text() == "Purpose: Needs assessment"
    dialog.reject()
    with closing(sqlite3.connect(live_server.folder / "safestats.sqlite", timeout=20)) as database, database:
        until = (date.today() + timedelta(days=90)).isoformat()
        database.execute("UPDATE purpose_request SET state = 'approved', valid_until = ?", (until,))
    dialog = purposes()
    (own,) = [purpose for purpose in dialog.chooser._purposes.values() if purpose.code.startswith("other-")]
    assert own.description == OWN_WORDS
    choose(dialog.chooser, own.code)
    assert not dialog.chooser.detail_edit.isVisible()
    with qtbot.waitSignal(dialog.accepted, timeout=WAIT_MS):
        dialog.change_button.click()
    assert desk.session.purpose == own


# ---------------------------------------------------------------- new conditions


@pytest.fixture
def new_conditions(live_server, tmp_path) -> Callable[[], str]:
    """Puts another version of the conditions in force; its first line."""

    def act() -> str:
        version = f"2027-{next(NUMBERS):02}"
        text = tmp_path / f"{version}.md"
        text.write_text(f"# Conditions {version}\n\nFor prevention only.\n", encoding="utf-8")
        live_server.run(f"conditions publish {text} --version {version}")
        return f"Conditions {version}"

    return act


def test_new_conditions_in_the_middle_of_a_pull_are_accepted_and_the_pull_goes_on(
    flow: SignInFlow, dock: LayersDock, desk: Desk, live_server, sign_in, new_conditions, qtbot
) -> None:
    dock.sign_in_requested.connect(flow.start)
    session = sign_in(live_server.url, "ada")
    qtbot.waitUntil(lambda: bool(dock.cards), timeout=WAIT_MS)
    card = dock.cards["colp"]
    title = new_conditions()
    card.pull_button.click()
    qtbot.waitUntil(lambda: flow.dialog is not None, timeout=WAIT_MS)
    assert isinstance(flow.dialog.page, ConditionsPage)  # no password
    assert title in flow.dialog.page.text.toPlainText()
    assert "conditions of use have changed" in flow.dialog.page.heading
    assert dock.cards["colp"] is card and "accept them and the pull goes on" in card.strip.text
    assert desk.session is session and session.state is SessionState.PENDING
    accept(flow.dialog, live_server, qtbot)
    qtbot.waitUntil(lambda: not card.pulling and desk.copy("colp") is not None, timeout=WAIT_MS)
    assert card.strip.text.startswith("Pulled ")
    assert desk.session is session and dock.strip.text == "" and not dock.again_button.isVisible()


def test_new_conditions_that_are_declined_end_the_session_and_close_its_layers(
    flow: SignInFlow, dock: LayersDock, desk: Desk, live_server, sign_in, new_conditions, qtbot
) -> None:
    dock.sign_in_requested.connect(flow.start)
    flow.declined.connect(dock.tell)
    session = sign_in(live_server.url, "ada")
    qtbot.waitUntil(lambda: bool(dock.cards), timeout=WAIT_MS)
    dock.cards["colp"].pull_button.click()
    qtbot.waitUntil(lambda: desk.copy("colp") is not None, timeout=WAIT_MS)
    dock.cards["colp"].open_button.click()
    new_conditions()
    dock.refresh()
    qtbot.waitUntil(lambda: flow.dialog is not None, timeout=WAIT_MS)
    qtbot.keyClick(flow.dialog, Qt.Key.Key_Escape)
    assert desk.session is None and desk.layers() == []
    assert "You declined the conditions" in dock.signed_out_strip.text
    qtbot.waitUntil(lambda: session.state is SessionState.ENDED, timeout=WAIT_MS)


def test_conditions_that_change_while_they_are_read_are_shown_anew(
    flow: SignInFlow, desk: Desk, live_server, new_conditions, qtbot
) -> None:
    dialog = enter_password(flow, live_server, "ada", qtbot)
    title = new_conditions()
    choose(dialog.page.chooser, live_server.purpose)
    dialog.page.agreed.click()
    dialog.action_button.click()
    qtbot.waitUntil(lambda: title in dialog.page.text.toPlainText(), timeout=WAIT_MS)
    assert not dialog.page.agreed.isChecked()
    accept(dialog, live_server, qtbot)
    assert desk.signed_in


# ---------------------------------------------------------------- own sessions


def test_sessions_are_listed_by_program_and_ended(desk: Desk, live_server, sign_in, qtbot) -> None:
    sign_in(live_server.url, "carol")
    elsewhere = [live_server.connect("carol") for _ in range(3)]
    dialog = SessionsDialog(desk)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: dialog.list.topLevelItemCount() >= 4, timeout=WAIT_MS)
    before = dialog.list.topLevelItemCount()
    lines = [dialog.list.topLevelItem(row) for row in range(before)]
    assert lines[0].text(0) == f"{client_name()} (this one)" and client_name().startswith("QGIS 3.")
    assert {line.text(0) for line in lines[1:]} == {client_name()} and lines[0].text(1) == "127.0.0.1"
    dialog.list.setCurrentItem(lines[0])
    assert not dialog.end_button.isEnabled()
    dialog.list.setCurrentItem(lines[1])
    dialog.end_button.click()
    qtbot.waitUntil(lambda: dialog.list.topLevelItemCount() == before - 1, timeout=WAIT_MS)
    dialog.others_button.click()
    qtbot.waitUntil(lambda: dialog.list.topLevelItemCount() == 1, timeout=WAIT_MS)
    assert not dialog.others_button.isEnabled() and desk.signed_in
    for transport in elsewhere:
        with pytest.raises(Exception, match="session has ended"):
            transport.get_json("/v1/layers")
