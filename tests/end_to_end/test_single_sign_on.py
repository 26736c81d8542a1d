"""Signing in with one's organisation: a real provider, a real server, and the desk's window with its open port."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from qgis.PyQt.QtGui import QDesktopServices
from safestats.qgis_plugin.core.loopback import LoopbackListener
from safestats.qgis_plugin.gui.conditions_page import ConditionsPage
from safestats.qgis_plugin.gui.sign_in_dialog import SignInDialog
from safestats.qgis_plugin.gui.sign_in_pages import OrganisationPage, PasswordPage
from safestats.tests.commands import organisation
from safestats.tests.end_to_end.rig import ROOT, START_SECONDS, Analyst, LiveServer, ServerFolder, free_port, wait_until

PROVIDER = ROOT / ".venvs" / "server" / "bin" / "oidc-provider-mock"
KIM = {"sub": "kim", "email": "kim@camden.example.org", "email_verified": True}
STRANGER = {"sub": "eve", "email": "eve@elsewhere.example.org", "email_verified": True}


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The organisation's provider, which knows Kim and somebody without an account here."""
    port = free_port()
    people = [word for person in (KIM, STRANGER) for word in ("--user-claims", json.dumps(person))]
    process = subprocess.Popen(
        [PROVIDER, "--port", str(port), *people], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    issuer = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=1):
                break
            time.sleep(0.05)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def server(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Camden's people sign in at the provider."""
    folder = ServerFolder(tmp_path_factory.mktemp("office") / "server").initialise()
    live = LiveServer(folder)
    folder.settings["SAFESTATS_PUBLIC_ADDRESS"] = live.url
    folder.run(
        organisation("camden", "London Borough of Camden"),
        f"user add kim --org camden --email {KIM['email']} --password-stdin",
        f"org sign-in camden --issuer {provider} --client-id safestats --secret-stdin",
    )
    live.start()
    yield live
    live.stop()


@pytest.fixture
def page(qgis_app, server: LiveServer, tmp_path: Path, qtbot) -> Iterator[OrganisationPage]:
    """The page of the organisation, in its window, on an analyst's desk."""
    analyst = Analyst(tmp_path, server.url, "kim")
    analyst.desk.settings.server = server.url
    dialog = SignInDialog(analyst.desk)
    qtbot.addWidget(dialog)
    dialog.show()
    assert isinstance(dialog.page, PasswordPage)
    dialog.page.other_button.click()
    assert isinstance(dialog.page, OrganisationPage)
    yield dialog.page
    dialog.reject()
    analyst.leave()


class Browser:
    """What the system's browser does with an address that it is asked to open, in a thread of its own."""

    def __init__(self, person: dict[str, object], follow: bool) -> None:
        self._person = person
        self._follow = follow
        self.loopback = ""  # where it was sent in the end
        self.status = 0

    def open(self, address) -> bool:
        threading.Thread(target=self._visit, args=(address.toString(address.FullyEncoded),), daemon=True).start()
        return True

    def _visit(self, address: str) -> None:
        session = requests.Session()
        session.trust_env = False
        answer = session.post(address, data={"sub": self._person["sub"]}, allow_redirects=False, timeout=20)
        answer = session.get(answer.headers["Location"], allow_redirects=False, timeout=20)
        self.loopback, self.status = answer.headers.get("Location", ""), answer.status_code
        if self._follow and self.loopback:
            self.status = session.get(self.loopback, timeout=20).status_code


@pytest.fixture
def browser(monkeypatch) -> Callable[..., Browser]:
    def act(person: dict[str, object] = KIM, follow: bool = True) -> Browser:
        made = Browser(person, follow)
        monkeypatch.setattr(QDesktopServices, "openUrl", made.open)
        return made

    return act


def begin(page: OrganisationPage, code: str = "camden") -> SignInDialog:
    dialog = page.window()
    page.organisation.setText(code)
    dialog.action_button.click()
    return dialog


def test_the_browser_brings_the_code_and_the_window_goes_on(page: OrganisationPage, browser, server) -> None:
    visit = browser()
    listener, desk = page.listener, page._desk
    dialog = begin(page, " CAMDEN ")
    wait_until(lambda: isinstance(dialog.page, ConditionsPage))
    wait_until(lambda: visit.status == 200)  # the browser shows a page, not an error
    assert desk.session.user.username == "kim" and not listener.listening
    assert desk.settings.organisation(server.url) == "camden"  # next time it stands there already
    assert desk.settings.organisation("https://elsewhere.example.org") == ""


def test_a_code_may_be_typed_instead(page: OrganisationPage, browser) -> None:
    visit = browser(follow=False)
    dialog = begin(page)
    wait_until(lambda: bool(visit.loopback))
    assert page.in_browser and page.code.isVisible() and not page.organisation.isVisible()
    dialog.action_button.click()
    assert "If it shows a code, type it here" in dialog.strip.text
    code = visit.loopback.split("code=")[1]
    page.code.setText(f" {code[:5]} {code[5:].lower()}")
    dialog.action_button.click()
    wait_until(lambda: isinstance(dialog.page, ConditionsPage))


def test_another_code_opens_nothing_and_is_told(page: OrganisationPage, browser) -> None:
    visit = browser(follow=False)
    dialog = begin(page)
    wait_until(lambda: bool(visit.loopback))
    address = visit.loopback.split("?")[0]
    answers: list[int] = []

    def ask(url: str) -> None:
        def work() -> None:
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    answers.append(answer.status)
            except urllib.error.HTTPError as error:
                answers.append(error.code)

        threading.Thread(target=work, daemon=True).start()
        count = len(answers)
        wait_until(lambda: len(answers) > count)

    for other in ("favicon.ico", "?code=", "?code=a%20b", "?code=AAAAA&code=BBBBB", "x?code=AAAAABBBBB"):
        ask(address + other)
    assert answers == [404] * 5 and page.listener.listening
    ask(f"{address}?code=AAAAABBBBB")  # a page or program of somebody else
    wait_until(lambda: "begin the sign-in again" in dialog.strip.text)
    assert page._desk.session is None and not page.in_browser and not page.listener.listening


def test_a_person_without_an_account_is_refused_and_the_window_says_so(page: OrganisationPage, browser) -> None:
    visit = browser(STRANGER)
    dialog = begin(page)
    wait_until(lambda: "did not lead to an account" in dialog.strip.text)
    wait_until(lambda: visit.status == 200)  # the browser's page says so too
    assert visit.loopback.endswith("/?refused=1")
    assert not page.in_browser and not page.listener.listening and page._desk.session is None
    assert page.organisation.isVisible()  # to begin again


def test_closing_the_window_closes_the_port(page: OrganisationPage, browser) -> None:
    visit = browser(follow=False)
    dialog = begin(page)
    wait_until(lambda: bool(visit.loopback))
    assert page.listener.listening
    dialog.reject()
    assert not page.listener.listening


def test_waiting_has_an_end(page: OrganisationPage, browser) -> None:
    browser(follow=False)
    page.listener.patience.setInterval(1500)
    dialog = begin(page)
    wait_until(lambda: "Nothing came from the browser" in dialog.strip.text)
    assert not page.in_browser and not page.listener.listening and page.organisation.isVisible()


def test_an_organisation_without_a_sign_in_of_its_own_is_told(page: OrganisationPage, browser) -> None:
    browser()
    dialog = begin(page, "nobody")
    wait_until(lambda: "no sign-in of this organisation" in dialog.strip.text)
    assert not page.listener.listening and dialog.action_button.isEnabled()
    page.other_button.click()
    assert isinstance(dialog.page, PasswordPage)


def test_an_unsafe_address_of_a_provider_is_not_opened(page: OrganisationPage, browser, monkeypatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url) or True)
    dialog = page.window()
    for address in ("file:///etc/passwd", "http://provider.example.org/authorise", "javascript:alert(1)"):
        page._begun(page._desk.session, address)
        assert "not safe to open" in dialog.strip.text and not page.in_browser
    assert opened == []


def test_the_port_is_open_to_this_machine_alone(qgis_app) -> None:
    listener = LoopbackListener()
    listener.listen()
    assert listener._server.serverAddress().toString() == "127.0.0.1"
    listener.close()
