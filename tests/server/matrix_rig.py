"""One server for all worlds of the matrix: what a world holds is written into its tables, past its services."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from safestats.sync_server.agreements import models as agreed
from safestats.sync_server.database import Base
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.identity.conditions import publish_conditions
from safestats.sync_server.identity.models import Organisation, SignIn, SignInState, User
from safestats.sync_server.instants import now
from safestats.sync_server.publishing.models import Release, ReleaseState
from safestats.sync_server.publishing.rollback import stage_rollback
from safestats.sync_server.schema import prepare_database
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import PACKAGE_ROOT, Part
from safestats.tests.server.engines import settings_for
from safestats.tests.server.matrix_worlds import CATEGORY, LABELS, ORGANISATIONS, Change, World, month_before
from safestats.tests.server.oracle import Agreement, Dataset, Person, Row, State, Terms
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

CONDITIONS = "matrix"
_KEPT = ("alembic_version", "conditions_of_use")


def write_resources(folder: Path, datasets: Iterable[Dataset]) -> Path:
    """The supplied resources with these datasets instead of the supplied ones."""
    folder.mkdir()
    for path in (PACKAGE_ROOT / "resources").iterdir():
        if path.name not in ("datasets", "mappings", "terms"):
            (folder / path.name).symlink_to(path)
    for name in ("datasets", "mappings", "terms"):
        (folder / name).mkdir()
    for dataset in datasets:
        (folder / "datasets" / f"{dataset.code}.toml").write_text(_definition(dataset), encoding="utf-8")
    return folder


def _definition(dataset: Dataset) -> str:
    category = CATEGORY[dataset.code]
    lines = [
        "[dataset]",
        f'code = "{dataset.code}"',
        "version = 1",
        f'title = "The {dataset.code} dataset"',
        'supplier = "A supplier"',
        'description = "Made up."',
        'date_precision = "day"',
        f'category_field = "{category}"',
        'delivery = "upserts"',
        'outside = "keep"',
        'undated = "keep"',
        'attribution = "Nobody"',
        'cadence = "never"',
        f"suppression_threshold = {dataset.threshold}",
        'colour = "#000000"',
        "[identity]",
        f'stable = ["{category}"]',
        'within = "month"',
    ]
    for column in dataset.own:
        lines += ["[[fields]]", f'name = "{column.name}"', f'alias = "{column.name.title()}"']
        lines += [f'type = "{column.kind}"', f'group = "{column.group}"']
        if column.name == category:
            lines += ["[fields.codes]", *(f'{label.lower()} = "{label}"' for label in LABELS)]
    return "\n".join(lines) + "\n"


@dataclass
class Caller:
    """A person's session; keeps every byte that it was sent."""

    client: TestClient
    person: Person
    token: str
    sent: list[bytes] = field(default_factory=list)

    def get(self, address: str, **parameters: Any) -> Response:
        return self._kept(
            self.client.get(address, params=parameters or None, headers={"Authorization": f"Bearer {self.token}"})
        )

    def post(self, address: str, body: dict[str, Any]) -> Response:
        return self._kept(self.client.post(address, json=body, headers={"Authorization": f"Bearer {self.token}"}))

    def _kept(self, response: Response) -> Response:
        assert response.status_code < 500 or response.json()["code"] == "layer-preparing", response.text
        self.sent.append(response.content)
        self.sent.append(str(response.headers).encode())
        return response


class MatrixRig:
    """The server; ``owner`` and ``publisher`` are what works behind it."""

    def __init__(self, folder: Path, datasets: tuple[Dataset, ...]) -> None:
        resources = write_resources(folder / "resources", datasets)
        settings = settings_for(folder / "server", resources_dir=resources)
        self.owner = open_services(settings, Part.OWNER)
        prepare_database(self.owner.database, settings, self.owner.definitions)
        self.publisher: Services = open_services(settings, Part.PUBLISHER)
        with self.publisher.database.write() as session:
            publish_conditions(session, CONDITIONS, "Be good.")
        # What the application may: of a server that is asked nothing over HTTP.
        self.application = open_services(settings, Part.APPLICATION)
        self._settings = settings
        self._tables = {code: incident_table(definition) for code, definition in self.publisher.definitions.items()}
        self._staged: dict[str, frozenset[int]] = {}

    @cached_property
    def app(self) -> FastAPI:
        """The web application."""
        from safestats.sync_server.app import create_app  # with it comes all that makes pages

        return create_app(self._settings)

    @cached_property
    def client(self) -> TestClient:
        """One event loop for all requests."""
        return TestClient(self.app).__enter__()

    def begin(self, world: World) -> State:
        """Forget the former world and set up this one; returns its first state."""
        self._staged.clear()
        with self.publisher.database.write() as session:
            for table in self._tables.values():
                session.execute(delete(table))
        # The publisher takes no supplier's terms away.
        with self.owner.database.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                if table.name not in _KEPT and not table.name.startswith("audit"):
                    session.execute(delete(table))
            for number, (code, kind) in enumerate(ORGANISATIONS.items(), start=1):
                session.add(Organisation(id=number, code=code, name=code.title(), kind=kind, remit="crime"))
            session.flush()
            for person in world.people:
                session.add(_account(person))
            session.flush()
            for person in world.people:
                session.add(new_session(person, _token(person)))
            self._write_rights(session, world.start)
        state = replace(world.start, contents=dict.fromkeys(world.start.contents, ()))
        for code, contents in world.start.contents.items():
            for content in contents:
                self._stage(state, code, content)
                state = self._publish(state, code)
        return state

    def callers(self, world: World) -> list[Caller]:
        """A session for each person."""
        return [Caller(self.client, person, _token(person)) for person in world.people]

    def apply(self, world: World, state: State, change: Change) -> State:
        """Let the change happen; returns the state after it."""
        if change.alters is not None:
            state = change.alters(state)
            with self.owner.database.write() as session:
                self._write_rights(session, state)
            return state
        code = change.dataset
        if change.name == "rollback":
            content = state.contents[code][change.to - 1]
            stage_rollback(self.publisher, self.publisher.definitions[code], change.to)
            self._staged[code] = content
            return self._publish(state, code)
        if code not in self._staged:
            self._stage(state, code, world.planned[code][len(state.contents[code])])
        return state if change.name == "stage" else self._publish(state, code)

    def _stage(self, state: State, code: str, content: frozenset[int]) -> None:
        """Put the rows of the next release in as a load does."""
        number = len(state.contents[code]) + 1
        before = state.contents[code][-1] if state.contents[code] else frozenset()
        table, definition = self._tables[code], self.publisher.definitions[code]
        new = [row for row in state.rows[code] if row.number in content - before]
        self.publisher.spatial.make_room(self.publisher.database, definition, {row.month for row in new})
        with self.publisher.database.write() as session:
            session.add(
                Release(dataset=code, number=number, state=ReleaseState.STAGED, staged_at=now(), synthetic=True)
            )
            session.flush()
            if new:
                kinds = {c.name: _KINDS[c.type.python_type] for c in table.columns if c.name not in _MADE_BY_THE_ENGINE}
                frame = pl.DataFrame([_held(row, number) for row in new], schema=kinds)
                self.publisher.spatial.store(session, definition, frame, lambda _done: None)
            gone = [str(number) for number in before - content]
            session.execute(
                update(table).where(table.c.identity.in_(gone), table.c.to_release.is_(None)).values(to_release=number)
            )
        self._staged[code] = content

    def _publish(self, state: State, code: str) -> State:
        content = self._staged.pop(code)
        number = len(state.contents[code]) + 1
        with self.publisher.database.write() as session:
            release = session.get_one(Release, (code, number))
            release.state = ReleaseState.PUBLISHED
            release.published_at = now()
            release.periods = sorted({row.month for row in state.rows[code] if row.number in content})
        return replace(state, contents={**state.contents, code: (*state.contents[code], content)})

    def _write_rights(self, session: Session, state: State) -> None:
        for model in (agreed.GrantArea, agreed.Grant, agreed.Agreement, agreed.SupplierTerms):
            session.execute(delete(model))
        organisations = {o.code: o.id for o in session.scalars(select(Organisation))}
        for agreement in state.agreements:
            session.add(_agreement(agreement, organisations[agreement.organisation]))
        for terms in state.terms:
            session.add(_terms(terms))

    def close(self) -> None:
        """Let go of everything."""
        if "client" in self.__dict__:
            self.client.__exit__(None, None, None)
        for services in (self.application, self.publisher, self.owner):
            services.close()


_KINDS: dict[type, Any] = {int: pl.Int64, str: pl.String, float: pl.Float64, date: pl.Date}
_MADE_BY_THE_ENGINE = ("row_id", "to_release", "geometry")


def _held(row: Row, release: int) -> dict[str, Any]:
    return {
        "identity": str(row.number),
        "content": "",
        "delivery_id": 0,
        "from_release": release,
        **{f"fid_{precision}": fid for precision, fid in row.fids.items()},
        "period": row.month,
        "area_code": row.values["lsoa_code"] or ("outside" if row.values["easting"] is not None else "unplaced"),
        **row.values,
    }


def _token(person: Person) -> str:
    return f"token-of-{person.name}"


def _account(person: Person) -> User:
    organisation = list(ORGANISATIONS).index(person.organisation) + 1
    return User(
        id=hashlib.md5(person.name.encode()).hexdigest(),
        username=person.name,
        display_name=person.name,
        organisation_id=organisation,
        role=person.role,
        password_hash="",
    )


def new_session(person: Person, token: str, state: SignInState = SignInState.ACTIVE) -> SignIn:
    """A session of the person under the token."""
    at = now()
    active = state == SignInState.ACTIVE
    return SignIn(
        id=hashlib.md5(token.encode()).hexdigest(),
        token_hash=hashlib.sha256(token.encode()).hexdigest(),
        user_id=hashlib.md5(person.name.encode()).hexdigest(),
        state=state,
        conditions_version=CONDITIONS if active else "",
        conditions_sha256=hashlib.sha256(b"Be good.").hexdigest() if active else "",
        purpose=person.purpose if active else "",
        created_at=at,
        accepted_at=at if active else None,
        last_used_at=at,
        expires_at=at + timedelta(hours=6),
    )


def _agreement(agreement: Agreement, organisation: int) -> agreed.Agreement:
    return agreed.Agreement(
        reference=agreement.reference,
        organisation_id=organisation,
        dataset=agreement.dataset,
        starts=agreement.starts,
        ends=agreement.ends,
        state=agreement.state,
        purposes=" ".join(sorted(agreement.purposes)),
        grants=[
            agreed.Grant(
                position=position,
                groups=" ".join(sorted(grant.groups)),
                precision=grant.precision,
                grid_m=grant.grid_m,
                from_month="" if grant.rolling else grant.from_month,
                last_months=_months_since(grant.from_month) if grant.rolling else 0,
                to_month=grant.to_month,
                officer_records=grant.officer_records,
                areas=[agreed.GrantArea(code=code) for code in sorted(grant.areas)],
                **{f"may_{use}": use in grant.uses for use in ("view", "sync", "export", "publish")},
            )
            for position, grant in enumerate(agreement.grants, start=1)
        ],
    )


def _months_since(month: str) -> int:
    """How many months there are from this one on to the present, both counted; 0 for no month."""
    return next((count for count in range(1, 9) if month_before(count - 1) == month), 0)


def _terms(terms: Terms) -> agreed.SupplierTerms:
    return agreed.SupplierTerms(
        dataset=terms.dataset,
        version=terms.version,
        supplier="A supplier",
        groups=" ".join(sorted(terms.groups)),
        precision=terms.precision,
        grid_m=terms.grid_m,
        uses=" ".join(sorted(terms.uses)),
        recipients=" ".join(sorted(terms.recipients)),
        suppression_threshold=terms.threshold,
        retention_months=_months_since(terms.keep_from),
        starts=terms.starts,
        ends=terms.ends,
        note="",
        sha256="",
        loaded_by="",
        loaded_at=now(),
    )
