"""A report as a page of its own has no accessibility trouble that axe-core knows of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from safestats.sync_server.audit.events import EventType
from safestats.sync_server.instants import now
from safestats.sync_server.oversight.periods import months_until
from safestats.sync_server.oversight.rendering import render_html
from safestats.sync_server.oversight.report import oversight
from safestats.sync_server.oversight.supplier import supplier_use
from safestats.tests.server.trust_rig import Server

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

CHROMIUM = shutil.which("chromium")


@pytest.mark.embedded
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed.")
def test_pages_are_accessible(server: Server, tmp_path: Path) -> None:
    for organisation in ("camden", "brent"):
        server.services.audit.record(
            EventType.LAYER_PULL, actor="a1", organisation=organisation, dataset="mps", purpose="policy", rows=9
        )
    months = months_until(f"{now():%Y-%m}", 3)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, report in (
            ("oversight", oversight(server.services, months)),
            ("supplier", supplier_use(server.services, "mps", months)),
        ):
            path = tmp_path / f"{name}.html"
            path.write_text(render_html(report), encoding="utf-8")
            page = browser.new_page()
            page.goto(path.as_uri())
            assert page.locator("table").count() >= 3
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
        browser.close()
