"""Renews the console's pictures in docs/images, from synthetic data:  python -m safestats.tests.console.pictures

Names after it choose single ones, such as ``uploads upload``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from safestats.sync_server.agreements import grants, service
from safestats.sync_server.agreements.grants import GrantTerms
from safestats.sync_server.agreements.models import Precision
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.datasets.definitions import FieldGroup
from safestats.sync_server.identity.organisations import REGISTER_FILE, load_register, read_register
from safestats.sync_server.identity.service import find_organisation
from safestats.sync_server.instants import london_today
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.console.browser_rig import Person, chromium, served
from safestats.tests.server import console_rig

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
PAGES = {
    "overview": "",
    "organisations": "/organisations",
    "organisation": "/organisations/camden",
    "people": "/people",
    "invite": "/people/invite",
    "agreements": "/agreements",
    "agreement": "/agreements/DSA-CAMDEN-BTP",
    "schedule": "/agreements/DSA-CAMDEN-BTP/schedule",
    "grant": "/agreements/DSA-CAMDEN-RNLI/grants/new",
    "sign": "/agreements/DSA-CAMDEN-RNLI/sign",
    "suspend": "/agreements/DSA-CAMDEN-BTP/suspend",
    "explain": "/agreements/DSA-CAMDEN-BTP/explain?username=camden.analyst",
    "terms": "/terms",
    "conditions-new": "/conditions-of-use/new",
    "purposes": "/purposes",
    "releases": "/releases",
    "release": "/releases/colp",
    "uploads": "/uploads",
    "upload": "/uploads/{upload}",
    "supplies": "/supplies",
    "audit": "/audit",
    "event": "/audit/events/15",
    "seals": "/audit/seals",
    "oversight": "/oversight",
    "usage": "/usage?organisation=camden",
    "account": "/account",
}


def furnish(services: Services) -> None:
    """The whole register, and agreements near their end, expired, suspended and in draft."""
    today = london_today()
    load_register(services, COMMAND_LINE, read_register(services.settings.resources_dir / REGISTER_FILE))
    kinds = (("mps", 20), ("colp", 400), ("lfb", 0), ("rnli", 300))
    for dataset, days in kinds:
        with services.database.write() as session:
            home = find_organisation(session, "camden")
            reference = f"DSA-CAMDEN-{dataset.upper()}"
            until = today + timedelta(days=days)
            agreement = service.draft(
                services, session, COMMAND_LINE, reference, home, dataset, today, until, console_rig.DETAILS
            )
            asked = GrantTerms((console_rig.CAMDEN,), (FieldGroup.CORE, FieldGroup.AREA), Precision.AREA, edge_m=1000)
            grants.add_grant(services, session, COMMAND_LINE, agreement, asked)
            if dataset == "rnli":
                continue
            service.sign(services, session, COMMAND_LINE, agreement, "A. Director, Chief Executive")
            service.activate(services, session, COMMAND_LINE, agreement)
            if dataset == "colp":
                service.suspend(services, session, COMMAND_LINE, agreement, "A laptop was lost; the police were told.")


def load_sample(settings: Settings) -> None:
    """Synthetic months of the City, all but the last published; the last is staged."""
    environment = {**os.environ, "SAFESTATS_DATA_DIR": str(settings.data_dir)}
    sample = settings.data_dir / "sample"

    def run(*words: str) -> None:
        command = [str(Path(".venvs/server/bin/safestats").resolve()), *words]
        subprocess.run(command, env=environment, check=True, capture_output=True)

    run("sample-data", str(sample), "--scale", "0.1")
    files = sorted(str(path) for path in (sample / "colp").iterdir())
    run("load", "colp", *files[:-1])
    run("publish", "colp")
    run("load", "colp", files[-1])


def upload_sample(person: Person, sample: Path) -> str:
    """Send the transport police's year, with a few rows that cannot be taken; the upload's number."""
    files = sorted((sample / "btp").iterdir())
    last = files[-1].read_text(encoding="utf-8").splitlines()
    spoilt = [line.replace("Robbery", "Hold-up").replace("Drugs", "") for line in last]
    files[-1].write_text("\n".join(spoilt) + "\n", encoding="utf-8")
    page = person.open("/console/uploads")
    page.locator("#dataset").select_option("btp")
    page.locator("#files").set_input_files(files)
    person.press("Load")
    page.get_by_role("button", name="Publish release").wait_for()
    return page.url.partition("?")[0].rpartition("/")[2]


def main() -> None:
    """Renew them all, or those that are named."""
    wanted = set(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder) / "server", password_rounds=1, password_memory_kib=64)
        console_rig.make_server(settings)
        services = open_services(settings, Part.PUBLISHER)
        furnish(services)
        services.close()
        load_sample(settings)
        with served(settings) as live, chromium(live.address) as browsers:
            person = browsers.person()
            person.open("/console/sign-in")
            _take(person, "sign-in", wanted)
            person.fill(username="gla.admin", password=console_rig.PASSWORD)
            person.press("Sign in")
            person.press("Begin")
            _take(person, "second-factor", wanted)
            person.secret = person.page.locator("dl code").inner_text()
            person.fill(code=person.code())
            person.press("Confirm")
            person.press("I have kept them: go on")
            _take(person, "conditions", wanted)
            person.accept()
            upload = upload_sample(person, settings.data_dir / "sample")
            for name, path in PAGES.items():
                person.open(f"/console{path.format(upload=upload)}")
                _take(person, name, wanted)


def _take(person: Person, name: str, wanted: set[str]) -> None:
    if wanted and name not in wanted:
        return
    path = IMAGES / f"console-{name}.png"
    height = min(1700, int(person.page.evaluate("document.documentElement.scrollHeight")))
    person.page.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": height})
    # A page has few colours: 48 of them tell no difference and take a third of the room.
    few_colours = ["-strip", "+dither", "-colors", "48", "-define", "png:format=png8"]
    subprocess.run(["mogrify", *few_colours, str(path)], check=True)


if __name__ == "__main__":
    main()
