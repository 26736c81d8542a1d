"""A server process with people of every role, and Chromium before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from safestats.sync_server.settings import Settings
from safestats.tests.console.browser_rig import CHROMIUM, Browsers, chromium, served
from safestats.tests.server import console_rig
from safestats.tests.server.engines import settings_for


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a server that runs, on a folder of its own."""
    settings = settings_for(tmp_path_factory.mktemp("console") / "server")
    console_rig.make_server(settings)
    with served(settings) as running:
        yield running


@pytest.fixture(scope="module")
def browsers(live: Settings) -> Iterator[Browsers]:
    """Chromium, in which each person has a profile of their own."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: scripts/setup.sh installs it")
    with chromium(live.address) as running:
        yield running
