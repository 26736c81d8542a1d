"""A server on a folder of its own, with one organisation and one analyst."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from safestats.sync_server.app import create_app
from safestats.sync_server.identity.commands import publish_supplied_conditions
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import add_organisation, add_user
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server import engines
from safestats.tests.server.engines import ON_POSTGIS, databases_of_a_test, fill, settings_for
from safestats.tests.server.trust_rig import PASSWORD, USERNAME, Server


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of what only the other engine has, and on PostGIS those that work with neither."""
    others = ("embedded", "engineless") if ON_POSTGIS else ("postgis",)
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in others)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Fail a test that is left out on PostGIS as if it worked with no database, and asks for one."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("engineless"):
            patch.setattr(engines, "_quick", _refuse)
        return (yield)


def _refuse(*_: object, **__: object) -> None:
    pytest.fail("This test asks for a database: without its mark “engineless” it is run on both engines.")


@pytest.fixture(autouse=True)
def _databases() -> Iterator[None]:
    with databases_of_a_test():
        yield


@pytest.fixture
def quick_settings(tmp_path: Path) -> Settings:
    """A folder of its own, and passwords that are hashed fast."""
    return settings_for(tmp_path / "server")


@pytest.fixture
def server(quick_settings: Settings) -> Iterator[Server]:
    fill(quick_settings, _add_an_analyst)
    app = create_app(quick_settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Server(app, app.state.services, client)


def _add_an_analyst(settings: Settings) -> None:
    services = open_services(settings, Part.PUBLISHER)
    with services.database.write() as session:
        publish_supplied_conditions(session, services.audit, settings.resources_dir / "conditions")
        camden = add_organisation(session, "camden", "London Borough of Camden")
        add_user(session, services.passwords, USERNAME, camden, "An Analyst", Role.ANALYST, PASSWORD)
    services.close()
