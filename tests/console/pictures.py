"""Renews the console's pictures in docs/images, from synthetic data:  python -m safestats.tests.console.pictures

Names after it choose single ones, such as ``uploads upload``.
"""

from __future__ import annotations

import csv
import io
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
from safestats.sync_server.identity.models import UserSite
from safestats.sync_server.identity.organisations import REGISTER_FILE, load_register, read_register
from safestats.sync_server.identity.service import find_organisation, find_user
from safestats.sync_server.identity.supplies import Supplier
from safestats.sync_server.ingest import saved_mappings
from safestats.sync_server.ingest.drafts import MappingDraft
from safestats.sync_server.ingest.mappings import DateOrder
from safestats.sync_server.ingest.service import load
from safestats.sync_server.instants import london_today
from safestats.sync_server.oversight.periods import months_until
from safestats.sync_server.quality.register import due_day, last_whole_month
from safestats.sync_server.recall.reports import recalls
from safestats.sync_server.sample.hospitals import make_hospitals
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.sync_server.supplies.loading import load_receipt
from safestats.sync_server.supplies.models import Door
from safestats.sync_server.supplies.receiving import Sent, receive
from safestats.tests.console.browser_rig import Person, chromium, served
from safestats.tests.server import console_rig
from safestats.tests.server.supplies_rig import LONDON_HOSPITAL

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
CLERK = "hospital.clerk"
LATE = "RAS01"
MONTHS = 4
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
    "mappings": "/mappings",
    "places": "/places",
    "place": "/places/1",
    "quality": "/quality?dataset=istv",
    "card": "/quality/card?dataset=istv&site={site}&month={month}",
    "recalls": "/recall",
    "recall": "/recall/{recall}",
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
    with Path(files[0]).open(encoding="utf-8", newline="") as file:
        withdrawn = next(row["Crime ID"] for row in csv.DictReader(file) if row["Crime ID"])
    reason = "The force has withdrawn the record, and asked that nobody keep it."
    run("recall", "colp", "--incident", withdrawn, "--reason", reason, "--yes")
    run("load", "colp", files[-1])


def load_hospitals(services: Services, folder: Path) -> None:
    """Some months of all hospitals, on time but for one that is late and one that sent nothing; what a supplier's
    clerk sent on the page; and a hospital's own mapping."""
    last = last_whole_month(london_today())
    months = [month for month in months_until(last, MONTHS) if month[:4] == last[:4]]
    resources = services.settings.resources_dir
    make_hospitals(folder, resources, int(last[:4]), [int(month[5:]) for month in months])
    definition = services.definition("istv")
    for month in months:
        due = due_day(definition, month)
        for site in sorted(path.name for path in (folder / "istv").iterdir()):
            file = next((folder / "istv" / site).glob(f"*-{month}.*"), None)
            if file is None or due is None or (month, site) == (last, LONDON_HOSPITAL):
                continue
            load(services, "istv", [file], site=site, received_on=due + timedelta(6 if site == LATE else -3))
    with services.database.write() as session:
        clerk = find_user(session, CLERK)
        session.add_all(UserSite(user_id=clerk.id, dataset="istv", site=site) for site in (LONDON_HOSPITAL,))
    supplier = Supplier(clerk.id, "hospital", "St Nowhere’s Hospital", (("istv", LONDON_HOSPITAL),))
    sent = next((folder / "istv" / LONDON_HOSPITAL).glob(f"*-{last}.*"), None)
    files = [sent.read_bytes(), b"Arrival Date,Patient Name\n01/03/2026,\n"] if sent else []
    for number, data in enumerate(files):
        name = f"synthetic-{last}{Path(sent).suffix if sent and not number else '.csv'}"
        received = receive(
            services, supplier, Door.PAGE, "istv", LONDON_HOSPITAL, [Sent(name, io.BytesIO(data))], synthetic=True
        )
        load_receipt(services, received.receipt.receipt_id)
    draft = MappingDraft("istv", LATE, based_on="istv-return", date_order=DateOrder.DMY)
    saved_mappings.save(services, COMMAND_LINE, "hospital", "istv", LATE, draft.document())


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


def take_mapping(person: Person, folder: Path, wanted: set[str]) -> None:
    """The mapping of a hospital, beside the first rows of its file."""
    file = sorted((folder / "istv" / LATE).iterdir())[0]
    page = person.open(f"/console/mappings/edit?organisation=hospital&dataset=istv&site={LATE}")
    page.locator("input[type=file]").set_input_files(file)
    person.press("Preview")
    _take(person, "mapping", wanted)


def take_supplier(person: Person, wanted: set[str]) -> None:
    """What a supplier's clerk sees, on a screen and on a telephone."""
    person.sign_in(CLERK)
    _take(person, "overview-supplier", wanted)
    person.open("/console/supplies")
    _take(person, "supplies-own", wanted)
    person.page.get_by_role("table").first.locator("tbody tr a").last.click()
    person.page.wait_for_load_state()
    _take(person, "receipt", wanted)


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
        services = open_services(settings, Part.PUBLISHER)
        load_hospitals(services, settings.data_dir / "hospitals")
        with services.database.read() as session:
            recall = recalls(session)[0].recall_id
        services.close()
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
            month = last_whole_month(london_today())
            for name, path in PAGES.items():
                person.open(f"/console{path.format(upload=upload, recall=recall, site=LATE, month=month)}")
                _take(person, name, wanted)
            take_mapping(person, settings.data_dir / "hospitals", wanted)
            take_supplier(browsers.person(), wanted)
            publisher = browsers.person()
            publisher.sign_in("gla.publisher")
            publisher.open("/console/packs")
            _take(publisher, "packs", wanted)


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
