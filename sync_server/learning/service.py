"""Writing, approving and withdrawing case studies: somebody else of the SafeStats team lets one be read."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload

from ..audit.log import EventType
from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from ..identity.authority import authorise
from ..identity.models import Organisation, User
from ..identity.permissions import Permission, permitted
from ..identity.subject import Subject
from ..instants import now
from ..services import Services
from .models import CaseStudy, Stage, StudyState

LONGEST_TITLE = 150
LONGEST_TEXT = 5_000
_LARGEST_ID = 2**31 - 1  # PostgreSQL’s
_GONE = "There is no such case study, or it is not yours to change."
# From what to what a decision leads.
_DECIDED = {
    StudyState.SHOWN: (StudyState.WAITING,),
    StudyState.RETURNED: (StudyState.WAITING,),
    StudyState.WITHDRAWN: (StudyState.WAITING, StudyState.SHOWN, StudyState.RETURNED),
}


@dataclass(frozen=True)
class Text:
    """A case study as its author typed it."""

    title: str
    problem: str
    datasets: Sequence[str]
    stage: str
    method: str
    result: str


def shown(session: Session) -> Sequence[CaseStudy]:
    """Those that everybody may read, the newest first."""
    return _those(session, CaseStudy.state == StudyState.SHOWN)


def waiting(session: Session) -> Sequence[CaseStudy]:
    """Those that wait for the team's decision, the newest first."""
    return _those(session, CaseStudy.state == StudyState.WAITING)


def count_waiting(session: Session, subject: Subject) -> int:
    """How many wait that the subject could decide on: another's."""
    mine = CaseStudy.author_id == subject.user_id
    waits = select(func.count()).where(CaseStudy.state == StudyState.WAITING, ~mine)
    return session.scalar(waits) or 0


def written_by(session: Session, subject: Subject) -> Sequence[CaseStudy]:
    """The subject's own, whatever has become of them, the newest first."""
    return _those(session, CaseStudy.author_id == subject.user_id)


def find(session: Session, subject: Subject, study_id: int) -> CaseStudy | None:
    """A case study that the subject may read: one that is shown, one's own; the team reads every one."""
    found = _those(session, CaseStudy.id == study_id) if 0 < study_id <= _LARGEST_ID else ()
    decides = Permission.APPROVE_CASE_STUDIES in permitted(subject.role)
    for study in found:
        if study.state == StudyState.SHOWN or study.author_id == subject.user_id or decides:
            return study
    return None


def may_change(subject: Subject, study: CaseStudy) -> bool:
    """Its author, as long as nobody else reads it."""
    writes = Permission.WRITE_CASE_STUDIES in permitted(subject.role)
    return writes and study.author_id == subject.user_id and study.state != StudyState.SHOWN


def may_decide(subject: Subject, study: CaseStudy) -> bool:
    """Somebody else of the team, as long as it waits."""
    decides = Permission.APPROVE_CASE_STUDIES in permitted(subject.role)
    return decides and study.author_id != subject.user_id and study.state == StudyState.WAITING


def may_withdraw(subject: Subject, study: CaseStudy) -> bool:
    """Its author and the team."""
    writes = study.author_id == subject.user_id and Permission.WRITE_CASE_STUDIES in permitted(subject.role)
    decides = Permission.APPROVE_CASE_STUDIES in permitted(subject.role)
    return (writes or decides) and study.state in _DECIDED[StudyState.WITHDRAWN]


def write(services: Services, actor: str, text: Text, study_id: int | None = None) -> CaseStudy:
    """Send a case study in, or one's own anew; it waits for the team's decision, and is audited.

    Raises ``SafeStatsError`` where something of it is missing or too long, or it is read by others already.
    """
    text = _checked(services.definitions, text)
    with services.database.write() as session:
        author = _author(session, actor)
        if study_id is None:
            study = CaseStudy(organisation_id=author.organisation_id, author_id=author.id, version=0)
            session.add(study)
        else:
            study = _locked(session, study_id)
            if study.author_id != author.id:
                raise SafeStatsError(_GONE)
            if study.state == StudyState.SHOWN:
                raise SafeStatsError("The case study is shown to others: withdraw it before you change it.")
        study.title, study.problem, study.datasets = text.title, text.problem, list(text.datasets)
        study.stage, study.method, study.result = text.stage, text.method, text.result
        study.state, study.version, study.sent_at = StudyState.WAITING, study.version + 1, now()
        study.decided_by, study.decided_at, study.reason = None, None, ""
        session.flush()
        _record(services, session, EventType.CASE_STUDY_WRITTEN, actor, study)
    return study


def decide(
    services: Services, actor: str, study_id: int, state: StudyState, *, version: int, reason: str = ""
) -> CaseStudy:
    """Show a case study that waits, return it to its author, or withdraw it from whoever reads it; audited.

    ``version`` is what was read: raises ``SafeStatsError`` where it was changed since, where its author would decide
    on it, where it is past that decision, or where the reason for a return or a withdrawal is missing.
    """
    reason = plain(reason)
    if state != StudyState.SHOWN and not reason:
        raise SafeStatsError("Give the reason: the author will ask.")
    if len(reason) > LONGEST_TEXT:
        raise SafeStatsError(f"The reason has {len(reason):,} characters, of {LONGEST_TEXT:,} that it may have.")
    with services.database.write() as session:
        study = _locked(session, study_id)
        own = study.author_id == actor
        withdrawn = state == StudyState.WITHDRAWN
        authorise(
            session,
            actor,
            Permission.WRITE_CASE_STUDIES if own and withdrawn else Permission.APPROVE_CASE_STUDIES,
        )
        if own and not withdrawn:
            raise SafeStatsError("Nobody decides on their own case study: ask a colleague.")
        if study.state not in _DECIDED[state]:
            raise SafeStatsError(f"The case study is {study.state} already: look at it again.")
        if study.version != version:
            raise SafeStatsError("The author has changed the case study since you read it: read it again.")
        study.state, study.decided_by, study.decided_at, study.reason = state, actor, now(), reason
        _record(services, session, EventType.CASE_STUDY_DECIDED, actor, study)
    return study


def digest(study: CaseStudy) -> str:
    """SHA-256 of all that the case study says, in hexadecimal digits."""
    said = [study.title, study.problem, study.datasets, study.stage, study.method, study.result]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()


def plain(text: str) -> str:
    """The text without what does not print: line ends stay, as ``\\n``; a tab is a blank."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join(mark for mark in lines if mark == "\n" or unicodedata.category(mark)[0] != "C").strip()


def _those(session: Session, condition: ColumnElement[bool]) -> Sequence[CaseStudy]:
    found = select(CaseStudy).where(condition)
    loaded = found.options(joinedload(CaseStudy.organisation), joinedload(CaseStudy.author))
    return session.scalars(loaded.order_by(CaseStudy.sent_at.desc(), CaseStudy.id.desc())).all()


def _author(session: Session, actor: str) -> User:
    user = authorise(session, actor, Permission.WRITE_CASE_STUDIES)
    if user is None:
        raise SafeStatsError("A case study has an author: write it in the console.")
    return user


def _locked(session: Session, study_id: int) -> CaseStudy:
    """For this transaction alone, so that two decisions come one after the other."""
    study = session.get(CaseStudy, study_id, with_for_update=True)
    if study is None:
        raise SafeStatsError(_GONE)
    return study


def _checked(definitions: Mapping[str, DatasetDefinition], text: Text) -> Text:
    title = " ".join(plain(text.title).split())
    if not title:
        raise SafeStatsError("Give the case study a title.")
    if len(title) > LONGEST_TITLE:
        raise SafeStatsError(f"The title has {len(title):,} characters, of {LONGEST_TITLE} that it may have.")
    if text.stage not in list(Stage):
        raise SafeStatsError("Choose the stage that the case study tells of.")
    unknown = [code for code in text.datasets if code not in definitions]
    if unknown or not text.datasets:
        raise SafeStatsError("Choose the datasets that were used.")
    parts = {"problem": plain(text.problem), "method": plain(text.method), "result": plain(text.result)}
    for name, part in parts.items():
        if not part:
            raise SafeStatsError(f"Tell the {name}.")
        if len(part) > LONGEST_TEXT:
            raise SafeStatsError(f"The {name} has {len(part):,} characters, of {LONGEST_TEXT:,} that it may have.")
    datasets = tuple(code for code in definitions if code in text.datasets)
    return Text(title, parts["problem"], datasets, text.stage, parts["method"], parts["result"])


def _record(services: Services, session: Session, event: EventType, actor: str, study: CaseStudy) -> None:
    organisation = session.get_one(Organisation, study.organisation_id)
    services.audit.record(
        event,
        actor=actor,
        organisation=organisation.code,
        filter={"study": study.id, "version": study.version, "state": study.state, "sha256": digest(study)},
    )
