"""Case studies: read by everybody who is signed in, written by analysts, approved by somebody else of the team."""

from __future__ import annotations

from fastapi import Response

from ..identity.permissions import Permission
from ..learning import service
from ..learning.models import Stage, StudyState
from .choices import dataset_options, title_of
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

_VERBS = {"approve": StudyState.SHOWN, "return": StudyState.RETURNED, "withdraw": StudyState.WITHDRAWN}
_DONE = {
    StudyState.SHOWN: "It is approved: everybody who signs in can read it.",
    StudyState.RETURNED: "It is returned to its author with your reason.",
    StudyState.WITHDRAWN: "It is withdrawn: nobody but its author and the SafeStats team can read it.",
}
_STAGES = [
    (Stage.SCANNING, "Scanning: what the problem is"),
    (Stage.ANALYSIS, "Analysis: why it happens"),
    (Stage.RESPONSE, "Response: what was done"),
    (Stage.ASSESSMENT, "Assessment: whether it helped"),
]

router = console_router()


@router.get("/case-studies")
def case_studies(visit: MemberDep) -> Response:
    """Those that are shown; one's own; for the team, those that wait."""
    with visit.services.database.read() as session:
        return visit.page(
            "case_studies.html",
            shown=service.shown(session),
            own=service.written_by(session, visit.who) if visit.may(Permission.WRITE_CASE_STUDIES) else (),
            waiting=service.waiting(session) if visit.may(Permission.APPROVE_CASE_STUDIES) else (),
            title_of=lambda dataset: title_of(visit, dataset),
        )


@router.get("/case-studies/new")
def new(visit: MemberDep) -> Response:
    """The empty form."""
    visit.require(Permission.WRITE_CASE_STUDIES)
    return _form_page(visit, Form(), None)


@router.post("/case-studies/new")
def send_in(visit: MemberDep, form: PostedDep) -> Response:
    """Send one in."""
    visit.require(Permission.WRITE_CASE_STUDIES)
    return _sent(visit, form, None)


@router.get("/case-studies/{study_id}")
def case_study(study_id: int, visit: MemberDep) -> Response:
    """One, with what may be done with it."""
    return _page(visit, study_id, Form())


@router.get("/case-studies/{study_id}/change")
def change(study_id: int, visit: MemberDep) -> Response:
    """The form, filled with what is written."""
    visit.require(Permission.WRITE_CASE_STUDIES)
    with visit.services.database.read() as session:
        study = service.find(session, visit.who, study_id)
    if study is None or not service.may_change(visit.who, study):
        raise gone()
    defaults = {
        "title": study.title,
        "problem": study.problem,
        "datasets": " ".join(study.datasets),
        "stage": study.stage,
        "method": study.method,
        "result": study.result,
    }
    return _form_page(visit, Form(defaults=defaults), study_id)


@router.post("/case-studies/{study_id}/change")
def send_in_anew(study_id: int, visit: MemberDep, form: PostedDep) -> Response:
    """Send one's own in anew."""
    visit.require(Permission.WRITE_CASE_STUDIES)
    with visit.services.database.read() as session:
        study = service.find(session, visit.who, study_id)
    if study is None or study.author_id != visit.who.user_id:
        raise gone()
    return _sent(visit, form, study_id)


@router.post("/case-studies/{study_id}/{verb}")
def decide(study_id: int, verb: str, visit: MemberDep, form: PostedDep) -> Response:
    """Approve, return or withdraw it, as it was read."""
    with visit.services.database.read() as session:
        study = service.find(session, visit.who, study_id)
    if study is None or verb not in _VERBS:
        raise gone()
    read = form.text("version")
    with form.telling():
        state = _VERBS[verb]
        version = int(read) if read.isdecimal() and len(read) < 10 else 0
        service.decide(visit.services, visit.who.user_id, study_id, state, version=version, reason=form.text("reason"))
        return visit.go(f"/case-studies/{study_id}", _DONE[state])
    return _page(visit, study_id, form)


def _sent(visit: Visit, form: Form, study_id: int | None) -> Response:
    form.required("title", "Give the case study a title.")
    form.required("problem", "Tell the problem.")
    form.required("method", "Tell the method.")
    form.required("result", "Tell the result.")
    form.required("stage", "Choose the stage that it tells of.")
    if not form.all("datasets"):
        form.errors["datasets"] = "Choose the datasets that were used."
    if not form.ticked("checked"):
        form.errors["checked"] = "Look through your text once more, then tick the box."
    if not form.errors:
        text = service.Text(
            title=form.text("title"),
            problem=form.text("problem"),
            datasets=form.all("datasets"),
            stage=form.text("stage"),
            method=form.text("method"),
            result=form.text("result"),
        )
        with form.telling():
            study = service.write(visit.services, visit.who.user_id, text, study_id)
            return visit.go(f"/case-studies/{study.id}", "It is sent in, and waits for the SafeStats team.")
    return _form_page(visit, form, study_id)


def _form_page(visit: Visit, form: Form, study_id: int | None) -> Response:
    return visit.page(
        "case_study_form.html",
        form=form,
        study_id=study_id,
        datasets=dataset_options(visit),
        stages=_STAGES,
        threshold=max(one.suppression_threshold for one in visit.services.definitions.values()),
        longest_title=service.LONGEST_TITLE,
        longest_text=service.LONGEST_TEXT,
    )


def _page(visit: Visit, study_id: int, form: Form) -> Response:
    with visit.services.database.read() as session:
        study = service.find(session, visit.who, study_id)
        if study is None:
            raise gone()
        return visit.page(
            "case_study.html",
            form=form,
            study=study,
            stage=dict(_STAGES)[Stage(study.stage)],
            datasets=[title_of(visit, dataset) for dataset in study.datasets],
            may_change=service.may_change(visit.who, study),
            may_decide=service.may_decide(visit.who, study),
            may_withdraw=service.may_withdraw(visit.who, study),
        )
