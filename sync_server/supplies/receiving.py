"""Takes in what suppliers send: keeps it for the worker to load, and gives a receipt. Nothing here looks at a cell."""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ..audit.log import EventType, Outcome
from ..database import PERSONS_PATIENCE_MS
from ..errors import SafeStatsError
from ..identity.supplies import Supplier, refuse_others
from ..ingest.models import Delivery
from ..instants import LONDON, now
from ..problems import Problem
from ..screening.names import refuse_identifying_names, shown_file
from ..services import Services
from ..settings import Settings
from ..uploads.incoming import Incoming, IncomingFile, fit_name
from .models import OPEN_STATES, Door, Kind, Receipt, State

MOST_FILES = 20
MOST_WAITING = 50  # of one dataset and site
MOST_KEY = 200
FOLDER = "supplies"  # within that of incoming files
_LEFTOVER_SECONDS = 600  # far longer than from a file's first byte on the disk to its receipt
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # without what is taken for something else
_MONTH = re.compile(r"20\d\d-(?:0[1-9]|1[0-2])")
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Sent:
    """A file as it comes: its sender's name for it, and its bytes."""

    name: str
    stream: BinaryIO


@dataclass(frozen=True)
class Received:
    """A receipt; ``again`` tells that it is that of an earlier request of the same key."""

    receipt: Receipt
    again: bool = False


def receive(
    services: Services,
    supplier: Supplier,
    door: Door,
    dataset: str,
    site: str,
    files: Sequence[Sent],
    kind: Kind = Kind.FILES,
    *,
    key: str | None = None,
    synthetic: bool | None = None,
    month: str = "",
) -> Received:
    """Keep files until they are loaded, and give their receipt.

    With the ``key`` of an earlier request and the same content nothing is kept and the receipt is that request's.
    Raises ``Problem``: 404 for what is not the supplier's own, 422 for a key of another content and where a file is
    empty, too large or named for somebody, 429 where too much waits.
    """
    refuse_others(services, supplier, dataset, site)
    digest = _digest_of_key(key)
    try:
        kept = _keep(services.settings, files)
    except SafeStatsError as error:
        _record_refusal(services, supplier, door, dataset, site, kind, "unfit-file")
        raise Problem(422, "unfit-file", "The file cannot be taken", str(error)) from error
    incoming = incoming_of(services.settings)
    try:
        received = _with_receipt(services, supplier, door, dataset, site, kept, kind, digest, synthetic, month)
    except BaseException:
        _forget(incoming, kept)
        raise
    if received.again:
        _forget(incoming, kept)
    return received


def receive_zero_return(
    services: Services, supplier: Supplier, door: Door, dataset: str, site: str, month: str, key: str | None = None
) -> Received:
    """Take in that there was no incident in a month; raises ``Problem`` as ``receive``, and 422 for an unfit month."""
    refuse_others(services, supplier, dataset, site)
    current = f"{now().astimezone(LONDON):%Y-%m}"
    if not _MONTH.fullmatch(month):
        raise Problem(422, "unfit-month", "No month", "Give the month as 2026-09.")
    if month >= current:
        detail = f"{month} has not ended: send a return of no incidents when it has."
        raise Problem(422, "unfit-month", "The month has not ended", detail)
    # It names the site, so that two hospitals' returns are not one file.
    text = f"Nil return of {dataset}{f' by {site}' if site else ''} for {month}\n"
    sent = Sent(f"nil-return-{month}.csv", io.BytesIO(text.encode()))
    with services.database.read() as session:
        held = session.scalar(
            select(Delivery.synthetic).where(Delivery.dataset == dataset).order_by(Delivery.delivery_id.desc()).limit(1)
        )
    return receive(
        services, supplier, door, dataset, site, [sent], Kind.ZERO_RETURN, key=key, synthetic=bool(held), month=month
    )


def incoming_of(settings: Settings) -> Incoming:
    """Where suppliers' files wait."""
    return Incoming(settings.incoming_dir / FOLDER)


def kept_files(receipt: Receipt) -> list[IncomingFile]:
    """The files of a receipt, as they are kept until they are loaded."""
    return [IncomingFile.from_json(file) for file in receipt.files if file["token"]]


def tidy(services: Services) -> int:
    """Delete files that no receipt waits for, which a crash left behind; how many went."""
    with services.database.read() as session:
        waiting = session.scalars(select(Receipt).where(Receipt.state.in_(OPEN_STATES))).all()
    named = {file.token for receipt in waiting for file in kept_files(receipt)}
    return incoming_of(services.settings).tidy(named, _LEFTOVER_SECONDS)


def kept_names(names: Sequence[str]) -> list[str]:
    """Under which names files are kept and told: those that may show somebody are “file 1.csv”.

    Raises ``SafeStatsError`` where one certainly tells who somebody is, or there are none or too many files.
    """
    if not names:
        raise SafeStatsError("No file was sent: choose at least one.")
    if len(names) > MOST_FILES:
        raise SafeStatsError(f"These are more than {MOST_FILES} files: send them in several goes, or in a zip file.")
    fit = [fit_name(name) for name in names]
    refuse_identifying_names(fit)
    return [shown_file(name, number) for number, name in enumerate(fit, start=1)]


def _keep(settings: Settings, files: Sequence[Sent]) -> list[IncomingFile]:
    names = kept_names([file.name for file in files])
    incoming, most = incoming_of(settings), settings.supply_megabytes * 1_000_000
    kept: list[IncomingFile] = []
    try:
        for file, name in zip(files, names, strict=True):
            kept.append(incoming.keep(file.stream, name, most))
    except BaseException:
        _forget(incoming, kept)
        raise
    return kept


def _forget(incoming: Incoming, files: Sequence[IncomingFile]) -> None:
    for file in files:
        incoming.forget(file.token)


def _digest_of_key(key: str | None) -> str | None:
    """The key itself is not kept: somebody may have put anything into it."""
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        detail = f"An Idempotency-Key has 1 to {MOST_KEY} letters, digits and signs, without blanks."
        raise Problem(422, "unfit-key", "No Idempotency-Key", detail)
    return hashlib.sha256(key.encode()).hexdigest()


def _with_receipt(
    services: Services,
    supplier: Supplier,
    door: Door,
    dataset: str,
    site: str,
    files: Sequence[IncomingFile],
    kind: Kind,
    key: str | None,
    synthetic: bool | None,
    month: str,
) -> Received:
    content = _digest_of(kind, files, synthetic, month)
    # Writers go one after the other: of two requests with one key the second finds the first one's receipt.
    with services.database.write(PERSONS_PATIENCE_MS) as session:
        if key is not None:
            _forget_old_keys(session, services.settings)
            earlier = session.scalar(
                select(Receipt).where(
                    Receipt.organisation == supplier.organisation,
                    Receipt.dataset == dataset,
                    Receipt.site == site,
                    Receipt.idempotency == key,
                )
            )
            if earlier is not None and earlier.sha256 == content:
                return Received(earlier, again=True)
            if earlier is not None:
                raise Problem(
                    422,
                    "key-used",
                    "This key was used for something else",
                    f"The Idempotency-Key came before with another content, as receipt {earlier.number}: use a new key "
                    "for what is new.",
                )
        of_site = (Receipt.dataset == dataset, Receipt.site == site, Receipt.state.in_(OPEN_STATES))
        if (session.scalar(select(func.count()).where(*of_site)) or 0) >= MOST_WAITING:
            raise Problem(
                429,
                "too-many-waiting",
                "Too much is waiting",
                f"{MOST_WAITING} of your supplies wait to be loaded: send the next when some of them are through.",
                retry_after=60,
            )
        receipt = Receipt(
            number=_new_number(),
            organisation=supplier.organisation,
            dataset=dataset,
            site=site,
            door=door,
            kind=kind,
            actor=supplier.actor,
            state=State.WAITING,
            received_at=now(),
            files=[file.to_json() for file in files],
            size=sum(file.size for file in files),
            sha256=content,
            idempotency=key,
            month=month,
            synthetic=synthetic,
            report={},
            rows=[],
        )
        session.add(receipt)
        session.flush()
        services.audit.record(
            EventType.SUPPLY_RECEIVED,
            actor=supplier.actor,
            organisation=supplier.organisation,
            dataset=dataset,
            filter={"receipt": receipt.number, "door": str(door), "kind": str(kind), "site": site},
            session=supplier.session_id,
        )
    return Received(receipt)


def _forget_old_keys(session: Session, settings: Settings) -> None:
    old = now() - timedelta(days=settings.idempotency_days)
    kept = (Receipt.idempotency.is_not(None), Receipt.received_at < old)
    session.execute(update(Receipt).where(*kept).values(idempotency=None))


def _digest_of(kind: Kind, files: Sequence[IncomingFile], synthetic: bool | None, month: str) -> str:
    said = [str(kind), str(synthetic), month, *(f"{file.name}\0{file.sha256}" for file in files)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _new_number() -> str:
    """Twelve letters and digits in threes; it tells nothing of how many there are."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    return "-".join(letters[at : at + 4] for at in range(0, 12, 4))


def _record_refusal(
    services: Services, supplier: Supplier, door: Door, dataset: str, site: str, kind: Kind, reason: str
) -> None:
    services.audit.record(
        EventType.SUPPLY_RECEIVED,
        actor=supplier.actor,
        organisation=supplier.organisation,
        dataset=dataset,
        filter={"door": str(door), "kind": str(kind), "site": site},
        outcome=Outcome.REFUSED,
        reason=reason,
        session=supplier.session_id,
    )
