"""The steps by which a session opens, and what a person changes about it while working: in tasks, for the dialogs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .desk_session import DeskSession, OwnSession, SessionState
from .errors import Cancelled, DeskError
from .local_store import AccountStore
from .offline import OfflineSession, keep_pass, may_unlock, put_requests
from .password_proof import PasswordProof
from .tasks import DeskTask
from .transport import Cancel, Transport, server_address

if TYPE_CHECKING:
    from .desk import Desk

Done = Callable[[DeskSession], None]
Failed = Callable[[DeskError], None]


class SessionSteps:
    """What ``desk.steps`` offers. Each step ends, on the GUI thread, in ``done`` or ``failed``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def sign_in(self, server: str, username: str, password: str, done: Done, failed: Failed) -> DeskTask:
        """Open a session; its state says which step comes next."""
        desk = self._desk
        session = DeskSession(Transport(server, desk.network, desk.plugin_version))

        def refused(error: DeskError) -> None:
            if error.code == "account-inactive":
                desk.close_account(session.transport.base_url, username.strip().casefold())
            failed(error)

        def work(cancelled: Cancel) -> None:
            session.sign_in(username, password, cancelled=cancelled)
            session.proof = PasswordProof.of(password)

        return self._open(session, work, done, refused)

    def may_unlock(self, server: str, username: str) -> bool:
        """Whether the copies of that account can be unlocked without the server; a small file is read."""
        try:
            return may_unlock(self._copies(server_address(server), username), datetime.now(timezone.utc))
        except DeskError:
            return False

    def unlock(self, server: str, username: str, password: str, done: Done, failed: Failed) -> DeskTask:
        """Unlock the local copies without the server: the session is pending then, and ``OFFLINE`` once accepted."""
        desk = self._desk
        transport = Transport(server, desk.network, desk.plugin_version)
        session = OfflineSession(transport, self._copies(transport.base_url, username))
        return self._open(
            session, lambda _cancelled: session.unlock(password, datetime.now(timezone.utc)), done, failed
        )

    def prove_second_factor(self, code: str, done: Done, failed: Failed) -> DeskTask:
        """Go on with the code of the person's device, or a recovery code."""
        session = self._desk.pending()
        return self._change(
            "Checking the code", lambda cancelled: session.prove_second_factor(code, cancelled=cancelled), done, failed
        )

    def begin_in_browser(
        self, server: str, organisation: str, port: int | None, done: Callable[[DeskSession, str], None], failed: Failed
    ) -> DeskTask:
        """Begin to sign in with an organisation: ``done`` gets a session to finish, and the browser's address.

        ``port``: that of the ``LoopbackListener``; without one the browser shows a code to type.
        """
        desk = self._desk
        session = DeskSession(Transport(server, desk.network, desk.plugin_version))

        def begun(url: str) -> None:
            desk.settings.server = session.transport.base_url
            desk.settings.remember_organisation(session.transport.base_url, organisation)
            done(session, url)

        return desk.run(
            "Asking your organisation for a sign-in",
            lambda task: session.begin_in_browser(organisation, port, cancelled=task.isCanceled),
            begun,
            failed,
        )

    def finish_in_browser(self, session: DeskSession, code: str, done: Done, failed: Failed) -> DeskTask:
        """Go on with the one-time code that the browser brought or showed."""
        return self._open(session, lambda cancelled: session.finish_in_browser(code, cancelled=cancelled), done, failed)

    def accept(self, purpose: str, detail: str, done: Done, failed: Failed) -> DeskTask:
        """Accept the conditions shown, for ``purpose`` (a code); the session is active afterwards."""
        session = self._desk.pending()
        put: list[str] = []

        def work(cancelled: Cancel) -> None:
            session.accept(purpose, detail, cancelled=cancelled)
            if session.state is SessionState.ACTIVE:
                # Whoever cannot unlock the copies later has no offline work, which is no reason to refuse this.
                with suppress(OSError, DeskError):
                    copies = self._copies(session.transport.base_url, session.user.username)
                    put.extend(put_requests(session, copies, cancelled))
                    keep_pass(session, copies, datetime.now(timezone.utc))

        def accepted(opened: DeskSession) -> None:
            done(opened)
            for words in put:
                self._desk.told.emit(f"Your purpose “{words}” of your work offline was put to the SafeStats team.")

        return self._change("Accepting the conditions of use", work, accepted, failed)

    def read_conditions(self, done: Done, failed: Failed) -> DeskTask:
        """Ask for new conditions: the session is pending, as the server has it already."""
        session = self._desk.pending()
        return self._change(
            "Asking for the conditions of use",
            lambda cancelled: session.read_conditions(cancelled=cancelled),
            done,
            failed,
        )

    def ask_purposes(self, done: Done, failed: Failed) -> DeskTask:
        """Ask for the purposes to choose from now."""
        session = self._desk.pending()
        return self._desk.run(
            "Asking for the purposes",
            lambda task: session.ask_purposes(cancelled=task.isCanceled),
            lambda _result: done(session),
            failed,
        )

    def change_purpose(self, purpose: str, detail: str, done: Done, failed: Failed) -> DeskTask:
        """Go on for another purpose; what may be pulled is asked for anew."""
        session = self._desk.pending()
        return self._change(
            "Changing the purpose",
            lambda cancelled: session.change_purpose(purpose, detail, cancelled=cancelled),
            done,
            failed,
        )

    def own_sessions(self, done: Callable[[list[OwnSession]], None], failed: Failed) -> DeskTask:
        """Ask where the person is signed in."""
        session = self._desk.pending()
        return self._desk.run(
            "Asking where you are signed in",
            lambda task: session.own_sessions(cancelled=task.isCanceled),
            done,
            failed,
        )

    def end_sessions(self, id_: str | None, done: Callable[[], None], failed: Failed) -> DeskTask:
        """End one of the person's other sessions, or (``None``) all of them."""
        session = self._desk.pending()

        def work(task: DeskTask) -> None:
            if id_ is None:
                session.end_others(cancelled=task.isCanceled)
            else:
                session.end_one(id_, cancelled=task.isCanceled)

        return self._desk.run("Ending sessions", work, lambda _result: done(), failed)

    # ------------------------------------------------------------------ inside

    def _copies(self, address: str, username: str) -> AccountStore:
        return self._desk.store.account(address, username.strip().casefold())

    def _open(self, session: DeskSession, work: Callable[[Cancel], None], done: Done, failed: Failed) -> DeskTask:
        def opened(task: DeskTask) -> None:
            work(task.isCanceled)
            if task.isCanceled():
                session.sign_out()
                raise Cancelled

        def adopted(_result: Any) -> None:
            self._desk.adopt(session)
            done(session)

        return self._desk.run("Signing in to SafeStats", opened, adopted, failed)

    def _change(self, description: str, work: Callable[[Cancel], None], done: Done, failed: Failed) -> DeskTask:
        session = self._desk.pending()

        def changed(_result: Any) -> None:
            self._desk.session_changed.emit()
            done(session)

        return self._desk.run(description, lambda task: work(task.isCanceled), changed, failed)
