"""What a person may sync: the list of layers, a layer's manifest, its files."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...shared import manifest as contract
from ...shared.areas import OUTSIDE, UNPLACED
from ..agreements.models import Precision, Use
from ..agreements.opened import Refusal, Scope
from ..agreements.review import agreements_in_force
from ..agreements.scope import opened_scope, scope
from ..audit.log import EventType, Outcome
from ..datasets.periods import period_range
from ..identity.subject import Subject
from ..ingest.models import Delivery
from ..instants import end_of_day, iso, london_today, now
from ..problems import Problem
from ..publishing.artefact_store import ArtefactStore
from ..publishing.slices import SliceKey, in_snapshot
from ..quality.register import returned_months
from ..services import Services
from .layer import Layer, LayerPreparing, PublishedFile, published_layer
from .schemas import ClientEvent, EventKind, LayerAnswer

_A_SENTENCE = 300  # characters


def layers(services: Services, session: Session, subject: Subject) -> list[LayerAnswer]:
    """Every declared dataset: what of it the subject may sync, or why not."""
    answers = [_layer_answer(services, session, subject, code) for code in services.definitions]
    permitted = [answer.dataset for answer in answers if answer.permitted]
    _audit(services, subject, EventType.LAYERS_LISTED, filter={"permitted": permitted})
    return answers


def manifest(services: Services, session: Session, subject: Subject, dataset: str) -> contract.Manifest:
    """What a client needs to make or update its copy of the layer; raises ``Problem`` where it may not."""
    layer = _audited_layer(services, session, subject, dataset, EventType.LAYER_MANIFEST, {})
    _audit(
        services,
        subject,
        EventType.LAYER_MANIFEST,
        layer.scope,
        filter={"release": layer.release.number},
        rows=layer.rows,
    )
    return _manifest(session, layer, timedelta(days=services.settings.lease_days))


def artefact_file(
    services: Services, session: Session, subject: Subject, dataset: str, name: str, pull: UUID | None
) -> tuple[PublishedFile, Path, int]:
    """A file that the subject may have now, and the number of the audit's event that tells of it, which is recorded
    once for a pull, else each time.

    Raises ``Problem``: 404 for any name that is not in the layer's current manifest.
    """
    wanted = {"artefact": name, **({} if pull is None else {"pull": str(pull)})}
    layer = _audited_layer(services, session, subject, dataset, EventType.LAYER_PULL, wanted)
    found = layer.artefact(name)
    if found is None:
        problem = Problem(
            404,
            "not-found",
            "Not found",
            "There is no such file in this layer now: ask for its manifest again.",
        )
        _audit_refusal(services, subject, EventType.LAYER_PULL, dataset, wanted, problem)
        raise problem
    path = ArtefactStore(services.settings.artefacts_dir).path(name)
    if not path.is_file() or path.stat().st_size != found.size:
        raise LayerPreparing(layer.scope)  # gone or damaged: the worker makes it anew
    release = layer.release.number
    intent = _audit(
        services,
        subject,
        EventType.LAYER_PULL,
        layer.scope,
        filter={"release": release, **(wanted if pull is None else {"pull": str(pull)})},
        rows=found.rows if pull is None else layer.rows,
        once=None if pull is None else _once_a_pull(subject, layer, pull),
    )
    return found, path, intent


def _once_a_pull(subject: Subject, layer: Layer, pull: UUID) -> str:
    """Rights or a purpose that change while the session lasts make it another pull."""
    rights = f"{layer.scope.agreement}:{layer.release.number}:{layer.fingerprint}"
    return f"pull:{subject.session_id}:{rights}:{subject.purpose}:{pull}"


def record_events(services: Services, subject: Subject, events: list[ClientEvent]) -> int:
    """Audit what a desk reports that it did; returns how many events were not there already.

    The agreement is the one in force when the report arrives: what held at the desk's time is not known here.
    """
    with services.database.read() as session:
        agreements = agreements_in_force(session, subject.organisation_id, london_today())
    return sum(
        services.audit.record(
            EventType(event.kind),
            **subject.audited,
            agreement=agreements.get(event.dataset, ""),
            dataset=event.dataset,
            filter=_of_refused(event.filter) if event.kind == EventKind.NOTE_REFUSED else event.filter,
            rows=event.rows,
            once=f"event:{subject.user_id}:{event.id}",
            reported_at=iso(event.at),
        )
        for event in events
    )


def _of_refused(told: dict[str, Any]) -> dict[str, str]:
    """What is kept of a refused note: anybody may send any text as one, so of each a sentence's length, in one line."""
    kept = {}
    for name in ("note", "why"):
        text = "".join(one if one.isprintable() else " " for one in str(told.get(name, "")))
        kept[name] = text if len(text) <= _A_SENTENCE else text[: _A_SENTENCE - 1] + "…"
    return kept


def _audited_layer(
    services: Services,
    session: Session,
    subject: Subject,
    dataset: str,
    event: EventType,
    wanted: dict[str, Any],
) -> Layer:
    """The subject's layer of the dataset; a refusal is audited."""
    try:
        return published_layer(session, scope(session, subject, dataset, services.definitions))
    except Refusal as refusal:
        _audit_refusal(services, subject, event, dataset, wanted, refusal)
        raise


def _audit_refusal(
    services: Services,
    subject: Subject,
    event: EventType,
    dataset: str,
    wanted: dict[str, Any],
    problem: Problem,
) -> None:
    services.audit.record(
        event,
        **subject.audited,
        # What was typed may be anything: only declared names are kept.
        dataset=dataset if dataset in services.definitions else "",
        filter=wanted,
        outcome=Outcome.REFUSED,
        reason=problem.document.code,
    )


def _audit(
    services: Services,
    subject: Subject,
    event: EventType,
    permitted: Scope | None = None,
    *,
    filter: dict[str, Any],
    rows: int | None = None,
    once: str | None = None,
) -> int:
    return services.audit.intent(
        event,
        **subject.audited,
        agreement=permitted.agreement if permitted else "",
        dataset=permitted.definition.code if permitted else "",
        filter=filter,
        rows=rows,
        once=once,
    )


def _manifest(session: Session, layer: Layer, lease: timedelta) -> contract.Manifest:
    permitted, release, definition = layer.scope, layer.release, layer.scope.definition
    months = layer.months
    return contract.Manifest(
        dataset=definition.code,
        title=definition.title,
        layer_name=definition.code,
        definition_version=definition.version,
        release=release.number,
        published_at=iso(release.published_at) if release.published_at else "",
        fingerprint=layer.fingerprint,
        rights=permitted.rights,
        geometry=permitted.geometry,
        columns=tuple(contract.Column(f.name, f.alias, f.type.value, f.unit) for f in permitted.columns),
        rows=layer.rows,
        first_period=months[0] if months else "",
        newest_period=months[-1] if months else "",
        slices=tuple(_slice(key, artefact) for key, artefact in layer.slices),
        snapshot=_snapshot(layer),
        attribution=definition.attribution,
        caveats=definition.cautions,
        synthetic=release.synthetic,
        agreement=permitted.agreement,
        agreement_until=permitted.until.isoformat(),
        valid_until=iso(min(now() + lease, end_of_day(permitted.until))),
        area_edition=_area_edition(session, layer),
        colour=definition.colour,
        category_field=definition.category_field,
        areas=_areas(permitted, months[-1] if months else ""),
        threshold=permitted.threshold,
        sensitive=definition.sensitive_categories,
        returned=_returned(session, permitted),
        sensitive_by_column=_sensitive_by_column(permitted),
    )


def _sensitive_by_column(permitted: Scope) -> dict[str, tuple[str, ...]]:
    """The sensitive values of the columns that are in the layer."""
    shown = {column.name for column in permitted.columns}
    return {name: values for name, values in permitted.definition.sensitive_by_column.items() if name in shown}


def _returned(session: Session, permitted: Scope) -> tuple[str, ...]:
    """Of what the sites returned the months that are open, so that the desk tells a gap from a zero."""
    shown = [grant for grant in permitted.grants if permitted.gives(grant)]
    returned = returned_months(session, permitted.definition)
    return tuple(month for month in returned if any(grant.covers(month) for grant in shown))


def _areas(permitted: Scope, newest: str) -> tuple[str, ...]:
    """The areas whose rows of the newest month are in the layer."""
    shown = [grant for grant in permitted.grants if permitted.gives(grant) and (not newest or grant.covers(newest))]
    return tuple(sorted({code for grant in shown for code in grant.areas} - {UNPLACED, OUTSIDE}))


def _slice(key: SliceKey, artefact: PublishedFile) -> contract.Slice:
    fid_from, fid_to = period_range(key.period)
    return contract.Slice(
        name=artefact.name,
        size=artefact.size,
        sha256=artefact.sha256,
        chunks=tuple(artefact.chunks),
        period=key.period,
        fingerprint=key.fingerprint,
        rows=artefact.rows,
        fid_from=fid_from,
        fid_to=fid_to,
        file_size=artefact.file_size,
        file_sha256=artefact.file_sha256,
    )


def _snapshot(layer: Layer) -> contract.Snapshot | None:
    found = layer.snapshot
    if found is None:
        return None
    return contract.Snapshot(
        name=found.name,
        size=found.size,
        sha256=found.sha256,
        chunks=tuple(found.chunks),
        rows=found.rows,
        slices=tuple(artefact.name for key, artefact in layer.slices if in_snapshot([key])),
        file_size=found.file_size,
        file_sha256=found.file_sha256,
    )


def _area_edition(session: Session, layer: Layer) -> str:
    """The edition of the areas to which the release's rows were assigned."""
    edition = session.scalar(
        select(Delivery.area_edition)
        .where(Delivery.dataset == layer.release.dataset, Delivery.release <= layer.release.number)
        .order_by(Delivery.delivery_id.desc())
        .limit(1)
    )
    return edition or ""


def _layer_answer(services: Services, session: Session, subject: Subject, dataset: str) -> LayerAnswer:
    definition = services.definitions[dataset]
    answer = LayerAnswer(
        dataset=dataset,
        title=definition.title,
        supplier=definition.supplier,
        description=definition.description,
        permitted=False,
    )
    try:
        opened = opened_scope(session, subject, dataset, services.definitions)
        answer = answer.model_copy(update=_uses(opened))
        permitted = scope(session, subject, dataset, services.definitions)
    except Refusal as refusal:
        return answer.model_copy(update={"reason": refusal.reason, "reason_code": refusal.code})
    answer = answer.model_copy(
        update={
            "permitted": True,
            "agreement": permitted.agreement,
            "agreement_until": permitted.until.isoformat(),
            "rights": permitted.rights,
            "geometry": permitted.geometry,
            "precision": _precision_in_words(permitted),
            "fields": [column.alias for column in permitted.columns],
        }
    )
    try:
        layer = published_layer(session, permitted)
    except LayerPreparing:
        return answer.model_copy(update={"preparing": True})
    return answer.model_copy(
        update={
            "rows": layer.rows,
            "size": layer.size,
            "newest": layer.months[-1] if layer.months else "",
            "release": layer.release.number,
            "published_at": iso(layer.release.published_at) if layer.release.published_at else "",
            "fingerprint": layer.fingerprint,
            "synthetic": layer.release.synthetic,
        }
    )


def _uses(opened: Scope) -> dict[str, Any]:
    """What may be done with rows, and whether rows that are never shown may be counted."""
    online = replace(opened, use=Use.VIEW)
    return {
        "uses": [use.value for use in opened.uses],
        "aggregate": any(online.counts(grant) and not online.gives(grant) for grant in online.grants),
    }


def _precision_in_words(permitted: Scope) -> str:
    """How exactly places show, for people: each way once, in the order of the grants."""
    words = {
        Precision.POINT: lambda grant: "points as supplied",
        Precision.GRID: lambda grant: f"the middle of {grant.grid_m} m squares",
        Precision.AREA: lambda grant: "areas only, no points",
    }
    ways = [words[g.shown_precision](g) for g in permitted.grants if permitted.gives(g)]
    return "; ".join(dict.fromkeys(ways))
