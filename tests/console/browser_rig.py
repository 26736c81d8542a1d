"""A server process on a folder of its own, and people at real browsers before it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyotp
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from safestats.sync_server.settings import Settings
from safestats.tests.server.console_rig import PASSWORD

CHROMIUM = Path("/usr/bin/chromium")
START_SECONDS = 40
WIDTH, HEIGHT = 1280, 900


@contextmanager
def served(settings: Settings) -> Iterator[Settings]:
    """``safestats serve`` on the folder, with its worker; yields the settings with the port that it listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = settings.model_copy(update={"port": port})
    variables = {
        "DATA_DIR": settings.data_dir,
        "PORT": port,
        "PASSWORD_ROUNDS": settings.password_rounds,
        "PASSWORD_MEMORY_KIB": settings.password_memory_kib,
        "DATABASE_URL": settings.database_url,
        "PUBLISHER_URL": settings.publisher_url,
        "OWNER_URL": settings.owner_url,
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**kept, **{f"SAFESTATS_{name}": str(value) for name, value in variables.items()}}
    log = settings.data_dir / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "safestats.sync_server.cli", "serve"], stdout=output, stderr=output, env=environment
        )
    try:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"{settings.address}/v1/health", timeout=1):
                break
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        else:
            raise AssertionError(f"the server did not answer: {log.read_text(encoding='utf-8')}")
        yield settings
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class Person:
    """Somebody at a browser of their own. ``secret`` is in their authenticator app, once they have one."""

    page: Page
    address: str
    secret: str = ""
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: message.type == "error" and self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, path: str) -> Page:
        """Go to a page."""
        self.page.goto(self.address + path)
        return self.page

    def fill(self, **typed: str) -> None:
        """Type into fields by their ids."""
        for name, text in typed.items():
            self.page.locator(f"#{name}").fill(text)

    def press(self, name: str) -> None:
        """Press a button, or follow a link that looks like one."""
        button = self.page.get_by_role("button", name=name, exact=True)
        (button if button.count() else self.page.get_by_role("link", name=name, exact=True)).click()
        self.page.wait_for_load_state()

    def code(self) -> str:
        """What the authenticator app shows; waits for a code that was not used yet."""
        return pyotp.TOTP(self.secret).now()

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        """Through every step that the account asks for."""
        self.open("/console/sign-in")
        self.fill(username=username, password=password)
        self.press("Sign in")
        if self.page.url.endswith("/second-factor"):
            self.fill(code=self.code())
            self.press("Go on")
        elif self.page.url.endswith("/enrolment"):
            self.press("Begin")
            self.secret = self.page.locator("dl code").inner_text()
            self.fill(code=self.code())
            self.press("Confirm")
            self.press("I have kept them: go on")
        self.accept()

    def accept(self) -> None:
        """Accept the conditions of use, with a purpose."""
        self.page.locator("input[name=purpose][value=needs-assessment]").check()
        self.press("Accept the conditions and go on")
        assert "/console/conditions" not in self.page.url, self.page.locator("main").inner_text()


@dataclass
class Browsers:
    """Chromium, in which each person has a profile of their own."""

    browser: Browser
    address: str
    contexts: list[BrowserContext] = field(default_factory=list)

    def person(self, **options: object) -> Person:
        """Somebody new."""
        size = {"width": WIDTH, "height": HEIGHT}
        context = self.browser.new_context(viewport=size, locale="en-GB", timezone_id="Europe/London", **options)  # type: ignore[arg-type]
        context.set_default_timeout(30_000)
        self.contexts.append(context)
        return Person(context.new_page(), self.address)


@contextmanager
def chromium(address: str) -> Iterator[Browsers]:
    """Chromium before a server."""
    playwright: Playwright
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not run as root; what it is shown here is ours.
        arguments = ["--lang=en-GB", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield Browsers(browser, address)
        finally:
            browser.close()
