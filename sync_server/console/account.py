"""One's own account: sessions, password, second factor."""

from __future__ import annotations

from fastapi import BackgroundTasks, Response

from ..identity import links, own_password, second_factor, sessions
from ..identity.models import Channel
from ..identity.purpose_choice import purposes_for
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep, found_session
from .visits import Visit

router = console_router()


@router.get("/account")
def account(visit: MemberDep) -> Response:
    """The account."""
    return _account_page(visit, Form())


def _account_page(visit: Visit, form: Form) -> Response:
    services, who = visit.services, visit.who
    person = found_session(visit).sign_in.user
    with services.database.read() as session:
        own = sessions.own_sessions(session, who.user_id, services.settings)
        titles = {purpose.code: purpose.title for purpose in purposes_for(session, services.purposes, person)}
    return visit.page(
        "account.html",
        form=form,
        person=person,
        sessions=own,
        purpose=titles.get(who.purpose, who.purpose),
    )


@router.post("/account/sessions/{session_id}/end")
def end_session(session_id: str, visit: MemberDep, form: PostedDep) -> Response:
    """End one of the sessions."""
    sessions.end_one(visit.services, visit.who.user_id, session_id)
    return visit.go("/account", "The session has ended.")


@router.post("/account/sessions/end-others")
def end_others(visit: MemberDep, form: PostedDep) -> Response:
    """End all sessions but this one."""
    count = sessions.end_others(visit.services, visit.who.user_id, visit.who.session_id)
    return visit.go("/account", f"{count} other {'session has' if count == 1 else 'sessions have'} ended.")


@router.post("/account/password")
def change_password(visit: MemberDep, form: PostedDep) -> Response:
    """Change the password by the present one; the person signs in with the new one."""
    form.required("current_password", "Enter your present password.")
    form.required("password", "Choose a new password.")
    if not form.errors and form.secret("password") != form.secret("password_again"):
        form.errors["password_again"] = "The two new passwords are not the same."
    if not form.errors:
        with form.telling("current_password"):
            own_password.change_own_password(
                visit.services,
                visit.who.user_id,
                visit.address,
                form.secret("current_password"),
                form.secret("password"),
            )
            return visit.signed_out("/sign-in")
    return _account_page(visit, form)


@router.post("/account/password-link")
def password_link(visit: MemberDep, form: PostedDep, later: BackgroundTasks) -> Response:
    """Mail oneself a link to choose a new password."""
    later.add_task(links.request_reset, visit.services, visit.who.username, visit.address)
    return visit.go("/account", f"The link to choose a new password {visit.services.mailer.whereabouts}.")


@router.get("/account/second-factor")
def second_factor_page(visit: MemberDep) -> Response:
    """Set one up of one's own accord."""
    return visit.page("enrolment_begin.html", own_choice=True)


@router.post("/account/recovery-codes")
def renew_recovery_codes(visit: MemberDep, form: PostedDep) -> Response:
    """New recovery codes, shown this once."""
    code = form.required("code", "Enter the code that your authenticator app shows now.")
    if not form.errors:
        with form.telling("code"):
            codes = second_factor.renew_recovery_codes(visit.services, visit.token, code, Channel.CONSOLE)
            return visit.page("recovery_codes.html", codes=codes, onward="/console/account")
    return _account_page(visit, form)
