"""Signing in to the console, step by step, and out of it."""

from __future__ import annotations

from fastapi import BackgroundTasks, Response

from ..audit.log import EventType
from ..identity import links, second_factor, sessions, signing_in
from ..identity.conditions import current_conditions
from ..identity.models import Channel, SignInState
from ..identity.purpose_choice import purposes_for
from .forms import Form, PostedDep
from .qr import qr_code
from .routes import console_router
from .signed_in import StepDep
from .visits import GuestDep, Visit, gone, local_address, with_query

router = console_router()


@router.get("/sign-in")
def sign_in_page(visit: GuestDep, next: str = "", ended: str = "", set: str = "") -> Response:
    """The form for user name and password; says why one is here again."""
    return visit.page("sign_in.html", next=next, ended=bool(ended), set=bool(set))


@router.post("/sign-in")
def sign_in(visit: GuestDep, form: PostedDep) -> Response:
    """A session, and its next step."""
    username = form.required("username", "Enter your user name.")
    password = form.secret("password")
    if not password:
        form.errors["password"] = "Enter your password."
    if not form.errors:
        with form.telling("username"):
            opened = signing_in.sign_in(
                visit.services, username, password, visit.address, visit.browser, Channel.CONSOLE
            )
            return visit.signed_in(opened.token, with_query("/conditions", {"next": form.text("next")}))
    return visit.page("sign_in.html", form=form, next=form.text("next"), ended=False, set=False)


@router.get("/second-factor")
def second_factor_page(visit: StepDep, next: str = "") -> Response:
    """The form for the code."""
    return visit.page("second_factor.html", next=next)


@router.post("/second-factor")
def pass_second_factor(visit: StepDep, form: PostedDep) -> Response:
    """The session, under a new cookie, at its next step."""
    code = form.required("code", "Enter the code.")
    if not form.errors:
        with form.telling("code"):
            opened = second_factor.pass_second_factor(visit.services, visit.token, code, visit.address, Channel.CONSOLE)
            return visit.signed_in(opened.token, with_query("/conditions", {"next": form.text("next")}))
    return visit.page("second_factor.html", form=form, next=form.text("next"))


@router.get("/enrolment")
def enrolment_page(visit: StepDep) -> Response:
    """What a second factor is, before one is made."""
    return visit.page("enrolment_begin.html", own_choice=False)


@router.post("/enrolment/begin")
def begin_enrolment(visit: StepDep, form: PostedDep) -> Response:
    """A secret for the authenticator."""
    enrolment = second_factor.begin_enrolment(visit.services, visit.token, Channel.CONSOLE)
    return _enrolment_page(visit, Form(), enrolment.secret, enrolment.otpauth_uri)


def _own_uri(form: Form) -> str:
    """The authenticator's address as this page sent it before; nothing else becomes a link."""
    uri = form.text("uri")
    if not uri.startswith("otpauth://"):
        raise gone()
    return uri


def _enrolment_page(visit: Visit, form: Form, secret: str, uri: str) -> Response:
    return visit.page("enrolment.html", form=form, secret=secret, uri=uri, picture=qr_code(uri))


@router.post("/enrolment/confirm")
def confirm_enrolment(visit: StepDep, form: PostedDep) -> Response:
    """The second factor counts from now on; the recovery codes are shown this once."""
    code = form.required("code", "Enter the six digits that the app shows.")
    if not form.errors:
        with form.telling("code"):
            enrolled = second_factor.confirm_enrolment(visit.services, visit.token, code, Channel.CONSOLE)
            working = enrolled.opened.sign_in.state == SignInState.ACTIVE
            onward = "/console/account" if working else "/console/conditions"
            answer = visit.page("recovery_codes.html", codes=enrolled.recovery_codes, onward=onward)
            visit.set_session(answer, enrolled.opened.token)
            return answer
    return _enrolment_page(visit, form, form.text("secret"), _own_uri(form))


@router.get("/link/{token}")
def link_page(token: str, visit: GuestDep) -> Response:
    """Where the link of an invitation or a reset leads."""
    with visit.services.database.read() as session:
        links.find(session, token)
    return visit.page("link.html", token=token)


@router.post("/link/{token}")
def redeem(token: str, visit: GuestDep, form: PostedDep) -> Response:
    """Set the password by the link."""
    password = new_password(form)
    if not form.errors:
        with form.telling("password"):
            links.redeem(visit.services, token, password)
            return visit.signed_out("/sign-in?set=1")
    return visit.page("link.html", form=form, token=token)


def new_password(form: Form) -> str:
    """The password that was typed twice; notes the trouble where it was not."""
    password = form.secret("password")
    if not password:
        form.errors["password"] = "Enter a password."
    elif password != form.secret("password_again"):
        form.errors["password_again"] = "The two passwords differ: enter the same twice."
    return password


@router.get("/forgotten")
def forgotten_page(visit: GuestDep) -> Response:
    """The form to ask for a link."""
    return visit.page("forgotten.html", asked=False)


@router.post("/forgotten")
def forgotten(visit: GuestDep, form: PostedDep, later: BackgroundTasks) -> Response:
    """Mail a link if there is such an account. The answer is the same, and as quick, if there is none."""
    username = form.required("username", "Enter your user name.")
    if form.errors:
        return visit.page("forgotten.html", form=form, asked=False)
    later.add_task(links.request_reset, visit.services, username, visit.address)
    return visit.page("forgotten.html", asked=True, whereabouts=visit.services.mailer.whereabouts)


@router.get("/conditions")
def conditions_page(visit: StepDep, next: str = "") -> Response:
    """The conditions of use and the purposes."""
    return _conditions_page(visit, Form(), next)


@router.post("/conditions")
def accept(visit: StepDep, form: PostedDep) -> Response:
    """Accept them, with a purpose: the session is active under a new cookie."""
    with form.telling("purpose"):
        opened = sessions.accept(
            visit.services,
            visit.token,
            form.text("version"),
            form.text("sha256"),
            form.text("purpose"),
            form.text("purpose_detail"),
            Channel.CONSOLE,
        )
        return visit.signed_in(opened.token, local_address(form.text("next")))
    return _conditions_page(visit, form, form.text("next"))


def _conditions_page(visit: Visit, form: Form, onward: str) -> Response:
    assert visit.found is not None
    with visit.services.database.read() as session:
        conditions = current_conditions(session)
        purposes = purposes_for(session, visit.services.purposes, visit.found.sign_in.user)
    return visit.page("conditions.html", form=form, conditions=conditions, purposes=purposes, next=onward)


@router.post("/decline")
def decline(visit: StepDep, form: PostedDep) -> Response:
    """End the session: the conditions were declined."""
    sessions.end(visit.services, visit.token, EventType.CONDITIONS_DECLINED, Channel.CONSOLE)
    return visit.signed_out("/sign-in")


@router.post("/sign-out")
def sign_out(visit: StepDep, form: PostedDep) -> Response:
    """End the session."""
    sessions.end(visit.services, visit.token, EventType.SIGN_OUT, Channel.CONSOLE)
    return visit.signed_out("/sign-in")
