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
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import ON_POSTGIS, databases_of_a_test, settings_for
from safestats.tests.server.trust_rig import PASSWORD, USERNAME, Server


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of what only the other engine has."""
    others = [item for item in items if item.get_closest_marker("embedded" if ON_POSTGIS else "postgis")]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


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
    services = open_services(quick_settings, Part.PUBLISHER)
    create_schema(services.database)
    with services.database.write() as session:
        publish_supplied_conditions(session, services.audit, quick_settings.resources_dir / "conditions")
        camden = add_organisation(session, "camden", "London Borough of Camden")
        add_user(session, services.passwords, USERNAME, camden, "An Analyst", Role.ANALYST, PASSWORD)
    services.close()
    app = create_app(quick_settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Server(app, app.state.services, client)
