"""A server with people of every role, and somebody at a browser who fills in the console's forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pyotp
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.agreements import grants, service, terms
from safestats.sync_server.agreements.details import ContactDetails, Details
from safestats.sync_server.agreements.grants import GrantTerms
from safestats.sync_server.agreements.models import ContactRole, Precision
from safestats.sync_server.app import create_app
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.datasets.definitions import FieldGroup
from safestats.sync_server.datasets.service import ensure_incident_tables
from safestats.sync_server.identity.commands import publish_supplied_conditions
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.permissions import NEEDS_SECOND_FACTOR
from safestats.sync_server.identity.service import add_organisation, add_user
from safestats.sync_server.instants import london_today
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import fill

PASSWORD = "three random words"
REMIT = "Section 17 of the Crime and Disorder Act 1998: a local authority."
CAMDEN, HACKNEY = "E09000007", "E09000012"
# User name → role, organisation. Each role once, and an administrator and analyst of another organisation.
PEOPLE = {
    "gla.publisher": (Role.PUBLISHER, "gla"),
    "gla.admin": (Role.SYSTEM_ADMIN, "gla"),
    "gla.auditor": (Role.AUDITOR, "gla"),
    "hospital.clerk": (Role.SUPPLIER, "hospital"),
    "camden.admin": (Role.ORGANISATION_ADMIN, "camden"),
    "camden.analyst": (Role.ANALYST, "camden"),
    "camden.officer": (Role.LICENSING_OFFICER, "camden"),
    "hackney.admin": (Role.ORGANISATION_ADMIN, "hackney"),
    "hackney.analyst": (Role.ANALYST, "hackney"),
}
DETAILS = Details(
    lawful_basis="Public task: section 17 of the Crime and Disorder Act 1998.",
    contacts=(ContactDetails(ContactRole.DATA_PROTECTION, "D. Officer", "dpo@example.org"),),
)


def make_server(settings: Settings) -> None:
    """Organisations, people of every role, the suppliers' terms, and an agreement in force of Camden and of Hackney."""
    fill(settings, _make)


def _make(settings: Settings) -> None:
    services = open_services(settings, Part.PUBLISHER)
    create_schema(services.database)
    ensure_incident_tables(services.database, services.definitions)
    resources = settings.resources_dir
    with services.database.write() as session:
        load_supplied_areas(session, resources / BOUNDARIES_FILE)
        publish_supplied_conditions(session, services.audit, resources / "conditions")
        homes = {
            "gla": add_organisation(session, "gla", "Greater London Authority", "regional", REMIT),
            "camden": add_organisation(session, "camden", "London Borough of Camden", "borough", REMIT, [CAMDEN]),
            "hackney": add_organisation(session, "hackney", "London Borough of Hackney", "borough", REMIT, [HACKNEY]),
            "hospital": add_organisation(session, "hospital", "St Nowhere’s Hospital"),
        }
        for name, (role, organisation) in PEOPLE.items():
            sites = [("rnli", "tower")] if role == Role.SUPPLIER else []
            shown = name.replace(".", " ").title()
            email = f"{name}@example.org"
            add_user(session, services.passwords, name, homes[organisation], shown, role, PASSWORD, email, sites)
        for path in terms.supplied_terms(services):
            terms.load_terms(services, session, COMMAND_LINE, path)
    for code, area in (("camden", CAMDEN), ("hackney", HACKNEY)):
        agree(services, f"DSA-{code.upper()}-BTP", code, "btp", area)
    services.close()


def agree(services: Services, reference: str, organisation: str, dataset: str, area: str) -> None:
    """An agreement in force for a year, of records of one area."""
    from safestats.sync_server.identity.service import find_organisation

    today = london_today()
    with services.database.write() as session:
        home = find_organisation(session, organisation)
        until = today + timedelta(days=300)
        agreement = service.draft(services, session, COMMAND_LINE, reference, home, dataset, today, until, DETAILS)
        asked = GrantTerms((area,), (FieldGroup.CORE, FieldGroup.AREA), Precision.AREA)
        grants.add_grant(services, session, COMMAND_LINE, agreement, asked)
        service.sign(services, session, COMMAND_LINE, agreement, "A. Director")
        service.activate(services, session, COMMAND_LINE, agreement)


class _Reader(HTMLParser):
    """The forms of a page: action → names and values; its links, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.methods: dict[str, str] = {}
        self.links: list[str] = []
        self.text: list[str] = []
        self._form = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._form = values.get("action", "")
            self.forms.setdefault(self._form, {})
            self.methods[self._form] = values.get("method", "get")
        elif tag == "input" and values.get("type") == "hidden" and self._form:
            self.forms[self._form][values["name"]] = values.get("value", "")
        elif tag == "a" and "href" in values:
            self.links.append(values["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = ""

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@dataclass
class Page:
    """An answer, read."""

    response: Response
    forms: dict[str, dict[str, str]] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    text: str = ""

    @classmethod
    def read(cls, response: Response) -> Page:
        reader = _Reader()
        reader.feed(response.text)
        text = re.sub(r"\s+", " ", " ".join(reader.text))
        return cls(response, reader.forms, reader.methods, reader.links, text)

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def path(self) -> str:
        return urlsplit(str(self.response.url)).path


class Visitor:
    """Somebody at a browser, with cookies of their own."""

    def __init__(self, app: FastAPI, address: str = "https://console.test") -> None:
        self.client = TestClient(app, base_url=address, raise_server_exceptions=False)
        self.codes: tuple[str, ...] = ()
        self.secret = ""

    def get(self, path: str) -> Page:
        """The page, redirects followed."""
        return Page.read(self.client.get(path))

    def send(self, page: Page, action: str, files: dict | None = None, **typed: object) -> Page:
        """Send a form of the page, with what was typed into it."""
        data = {**page.forms[action], **typed}
        return Page.read(self.client.post(action, data=data, files=files, headers={"Sec-Fetch-Site": "same-origin"}))

    def sign_in(self, username: str, password: str = PASSWORD, purpose: str = "needs-assessment") -> Page:
        """Through every step that the account asks for; the first page."""
        page = self.get("/console/sign-in")
        page = self.send(page, "/console/sign-in", username=username, password=password)
        if page.path == "/console/enrolment":
            page = self.send(page, "/console/enrolment/begin")
            self.secret = page.forms["/console/enrolment/confirm"]["secret"]
            page = self.send(page, "/console/enrolment/confirm", code=pyotp.TOTP(self.secret).now())
            page = self.get("/console/conditions")
        return self.send(page, "/console/conditions", purpose=purpose)


@dataclass
class Console:
    """The application, its services, and visitors who have signed in, by user name."""

    app: FastAPI
    services: Services
    visitors: dict[str, Visitor] = field(default_factory=dict)

    def visitor(self) -> Visitor:
        """Somebody who has not signed in."""
        return Visitor(self.app)

    def as_(self, username: str) -> Visitor:
        """Somebody who has."""
        if username not in self.visitors:
            visitor = Visitor(self.app)
            page = visitor.sign_in(username)
            assert page.path == "/console", page.text
            self.visitors[username] = visitor
        return self.visitors[username]

    def events(self) -> list[dict]:
        """The audit's, oldest first."""
        return [event.body for event in self.services.audit.events()]


@contextmanager
def running(settings: Settings) -> Iterator[Console]:
    """The application on a folder that ``make_server`` made."""
    app = create_app(settings)
    with TestClient(app):
        yield Console(app, app.state.services)


def letters(folder: Path) -> list[str]:
    """The texts of the mails in an outbox, the oldest first."""
    import email
    import email.policy

    found = []
    for path in sorted(folder.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        found.append(message.get_content())
    return found


def link_of(letter: str) -> str:
    """The path of the link in a letter."""
    found = re.search(r"https?://\S+(/console/link/\S+)", letter)
    assert found, letter
    return found[1]


__all__ = ["NEEDS_SECOND_FACTOR", "PASSWORD", "PEOPLE", "Console", "Page", "Visitor", "letters", "link_of", "running"]
