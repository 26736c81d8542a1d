"""The desk itself: what every dock, dialog and layout shares, passed to each of them as ``desk``.

A dock reads ``desk.signed_in``, listens to the signals, starts work with ``desk.run`` and notes what it did
with ``desk.record``. Nothing here waits for the network on the GUI thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from qgis.core import QgsApplication, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QObject, pyqtSignal

from . import layers
from .copy_watch import CopyWatch, Home
from .desk_session import DeskSession, SessionState
from .errors import (
    AgreementRefused,
    Cancelled,
    ConditionsNotAccepted,
    DeskError,
    LocalCopyTrouble,
    ServerTrouble,
    SessionEnded,
)
from .events import EventKind, EventQueue
from .house_styles import HouseRules, HouseStyles
from .housekeeping import Housekeeper
from .local_store import AccountStore, Holding, LocalCopy, LocalStore
from .needed import needed
from .offline import OfflineSession
from .project_copies import ProjectCopies
from .pull import PullResult, ask_months, pull_in_turn
from .pull_period import MonthOffered, PullPeriod
from .session_steps import SessionSteps
from .settings import DeskSettings
from .shown_copies import ShownCopies
from .standing import ends_the_right, entry_of
from .tasks import DeskTask
from .transport import Network, Transport, never
from .uses import Use, require_use

# QGIS runs as many tasks at once as there are processors. Ours mostly wait for the network, so a few pulls would hold
# up everybody else's on a small machine.
_TASKS_AT_ONCE = 8
# An answer that is not understood may come from a server that was changed since the sign-in.
_MAY_BE_ANOTHER_VERSION = {"unreadable", "not-safestats", "not-found"}
# What the server answers an active session once new conditions are in force.
_NEW_CONDITIONS = {"conditions-changed", "conditions-not-accepted"}


class Desk(QObject):
    """The server connection, the session, the local copies, the queue of events and the settings.

    ``session_changed()``: opened, a step on, active, for another purpose, asked to accept new conditions, ended.
    ``layer_opened(QgsVectorLayer)``: a local copy was opened in the project, or an open one renewed.
    ``copies_changed(str)``: the local copy of that dataset is new, renewed or gone.
    ``layers_listed()``: what may be pulled was asked, and which copies there are is known.
    ``told(str)``: a sentence about layers in the project that nobody asked for just now.
    """

    session_changed = pyqtSignal()
    layer_opened = pyqtSignal(QgsVectorLayer)
    copies_changed = pyqtSignal(str)
    told = pyqtSignal(str)
    layers_listed = pyqtSignal()

    def __init__(
        self,
        settings: DeskSettings,
        store: LocalStore,
        network: Network,
        plugin_version: str,
        project: QgsProject,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = settings
        self.store = store
        self.network = network
        self.plugin_version = plugin_version
        self.project = project
        self.session: DeskSession | None = None
        self.steps = SessionSteps(self)
        self.events = EventQueue(store.events_path)
        self.house_styles = HouseStyles(store.root)
        self._listed: dict[Home, dict[str, Any]] = {}  # what the server last said of each dataset
        self._running: set[DeskTask] = set()
        self._housekeeper = Housekeeper(self)
        self.shown_copies = ShownCopies(self._housekeeper, self)
        self._watch = CopyWatch(store, self._housekeeper, self)
        self._shown = ProjectCopies(
            project, store, self._watch, self.shown_copies, self._housekeeper, self.is_unlocked, self
        )
        self._shown.layer_opened.connect(self.layer_opened)
        self._shown.opened_again.connect(self._record_opened)
        self._shown.changed_elsewhere.connect(self._copy_changed_elsewhere)
        self._shown.told.connect(self.told)
        self.session_changed.connect(self._open_waiting)
        threads = QgsApplication.taskManager().threadPool()
        self._former_threads = threads.maxThreadCount()
        threads.setMaxThreadCount(max(_TASKS_AT_ONCE, self._former_threads))

    # ------------------------------------------------------------------ what the docks ask

    @property
    def signed_in(self) -> bool:
        """Whether there is a session whose conditions have been accepted."""
        return self.session is not None and self.session.state is SessionState.ACTIVE

    @property
    def offline(self) -> bool:
        """Whether the local copies are unlocked without the server."""
        return self.session is not None and self.session.state is SessionState.OFFLINE

    def is_unlocked(self, account: str) -> bool:
        """Whether the copies of the account with this key may be opened: somebody is signed in there, or offline."""
        return (self.signed_in or self.offline) and account == self._account_key()

    @property
    def transport(self) -> Transport:
        """The way to the server: ``desk.transport.get_json("/v1/…")``, in a task only.

        Raises ``SessionEnded`` where nobody is signed in, ``ConditionsNotAccepted`` where there are new conditions.
        """
        if self.session is not None and self.session.state is SessionState.PENDING:
            raise ConditionsNotAccepted(
                "The conditions of use wait for your acceptance: read and accept them first.", "conditions-changed"
            )
        if self.offline:
            raise SessionEnded("You are working offline: sign in first, then try again.", "not-signed-in")
        if self.session is None or not self.signed_in:
            raise SessionEnded("You are not signed in. Sign in first, then try again.", "not-signed-in")
        return self.session.transport

    @property
    def copies(self) -> AccountStore | None:
        """The local copies of the user who is signed in, or works offline; else ``None``."""
        if self.session is None or not (self.signed_in or self.offline):
            return None
        return self.store.account(self.session.transport.base_url, self.session.user.username)

    def copy(self, dataset: str) -> LocalCopy | None:
        """The signed-in user's local copy, lapsed or not, as known here: no file is read."""
        return self._watch.known.get((self._account_key(), dataset))

    def known_copies(self) -> list[LocalCopy]:
        """The signed-in user's local copies, lapsed or not, by title, as known here: no file is read."""
        if not (self.signed_in or self.offline):
            return []
        key = self._account_key()
        found = [copy for (account, _), copy in self._watch.known.items() if account == key and copy is not None]
        return sorted(found, key=lambda copy: copy.manifest.title)

    def listed(self) -> list[dict[str, Any]]:
        """What the server last said of each dataset (see ``GET /v1/layers``); nothing before it was asked."""
        key = self._account_key()
        return [entry for (account, _dataset), entry in self._listed.items() if account == key]

    def layers(self) -> list[QgsVectorLayer]:
        """The SafeStats layers open in the project; ``core.layers.facts(layer)`` tells what each is."""
        return layers.open_layers(self.project)

    def run(
        self,
        description: str,
        work: Callable[[DeskTask], Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[DeskError], None] | None = None,
    ) -> DeskTask:
        """Run ``work(task)`` in a thread; ``done(result)`` or ``failed(error)`` follow on the GUI thread.

        ``failed`` also gets ``Cancelled``. A session that turns out to be over is noted before ``failed`` is
        called.
        """

        session = self.session

        def ended(error: DeskError) -> None:
            self._running.discard(task)
            # Another session may have begun since, and several tasks hear of the same end.
            if session is not None and session is self.session:
                self._heed(session, error)
            if failed is not None:
                failed(error)

        def succeeded(result: Any) -> None:
            self._running.discard(task)
            if done is not None:
                done(result)

        task = DeskTask(description, work, succeeded, ended)
        self._running.add(task)  # QGIS does not keep the Python half of a task alive
        QgsApplication.taskManager().addTask(task)
        return task

    def record(self, kind: EventKind, dataset: str, filters: dict[str, Any], rows: int | None) -> None:
        """Note for the audit what was done with a dataset: in a file now, sent when there is a server.

        ``filters`` is plain JSON (for a search: postcode district or cell, radii, months; never personal data).
        """
        self.events.hold(self._account_key(), kind, dataset, self._told_of(filters), rows)

        def noted(trouble: str) -> None:
            if trouble:
                self.told.emit(trouble)
            elif self.signed_in:
                session = self.session
                self.run("Sending notes of use", lambda task: self._send_events(session, task.isCanceled))

        # Written off the GUI thread: the file is flushed to the disk, which may be busy with a pull.
        self._housekeeper.do(self._write_notes, noted)

    @property
    def house_rules(self) -> HouseRules:
        """The house style of the account's organisation, as the server last told it."""
        return self.house_styles.kept(self._account_key())

    def ask_house_rules(self, done: Callable[[HouseRules], None]) -> None:
        """Ask for it anew where somebody is signed in; without an answer, what is kept stays."""
        if self.signed_in:
            transport, account = self.transport, self._account_key()
            self.run(
                "Asking for the house style",
                lambda task: self.house_styles.ask(transport, account, task.isCanceled),
                done,
            )

    def note_leaving(self, kind: EventKind, uses: Sequence[tuple[str, dict[str, Any], int | None]]) -> None:
        """Note, on the disk before this returns, what is about to leave: (dataset, filters, rows) for each dataset.

        Raises ``LocalCopyTrouble`` where that cannot be, and what ``require_right`` raises: then nothing may leave.
        """
        for dataset, _filters, _rows in uses:
            self.require_right(dataset)
        try:
            told = [(dataset, self._told_of(filters), rows) for dataset, filters, rows in uses]
            self.events.record_all(self._account_key(), kind, told)
        except OSError as error:
            raise LocalCopyTrouble(
                self.tr(
                    "Nothing was exported, because its note for the audit could not be written to {folder} ({error}). "
                    "Make room or give yourself access there, then export again."
                ).format(folder=self.store.events_path.parent, error=error.strerror or error),
                "note-unwritable",
            ) from error
        if self.signed_in:
            session = self.session
            self.run("Sending notes of use", lambda task: self._send_events(session, task.isCanceled))

    # ------------------------------------------------------------------ what the sign-in and layers docks do

    def adopt(self, session: DeskSession) -> None:
        """The session that was just opened is the desk's; who opened it is remembered for the next time."""
        self.session = session
        self.settings.remember(session.transport.base_url, session.user.username)
        self.session_changed.emit()

    def decline(self, done: Callable[[], None]) -> DeskTask:
        """Decline the conditions: the session ends here at once, and on the server as soon as it hears.

        Layers that were opened under former conditions are closed.
        """
        self._shown.close_all()
        return self._leave("Declining the conditions of use", lambda session: session.decline(), done)

    def sign_out(self, done: Callable[[], None]) -> DeskTask:
        """End the session and close its layers; local copies stay, within their validity.

        The last notes of use go with it; where the server does not take them, they wait for the next sign-in.
        """
        self._shown.close_all()

        def leave(session: DeskSession) -> None:
            self.settle()
            if not isinstance(session, OfflineSession):
                with suppress(DeskError):
                    self._send_events(session, never)
            session.sign_out()

        return self._leave("Signing out of SafeStats", leave, done)

    def list_layers(
        self, done: Callable[[list[dict[str, Any]]], None], failed: Callable[[DeskError], None]
    ) -> DeskTask:
        """Ask what may be pulled and what not; ``done`` gets the server's list (see ``GET /v1/layers``).

        ``copy`` knows the local copies of all of them then. Offline the list is that of the copies that are here.
        """
        if not self.offline:
            _ = self.transport  # raises where nobody is signed in
        session, copies, key = self.session, self.copies, self._account_key()

        def work(task: DeskTask) -> tuple[list[dict[str, Any]], dict[str, LocalCopy | None]]:
            if isinstance(session, OfflineSession):
                here = {dataset: copies.copy(dataset) for dataset in copies.datasets()}
                return [entry_of(copy) for copy in here.values() if copy is not None], here
            entries = session.layers(cancelled=task.isCanceled)
            return entries, {entry["dataset"]: _copy_of(copies, entry) for entry in entries}

        def listed(found: tuple[list[dict[str, Any]], dict[str, LocalCopy | None]]) -> None:
            entries, here = found
            self._listed.update({(key, entry["dataset"]): entry for entry in entries})
            for dataset, copy in here.items():
                self._watch.watch((key, dataset), copy)
            self.layers_listed.emit()
            done(entries)

        return self.run("Asking what your agreements permit", work, listed, failed)

    def ask_months(
        self, dataset: str, done: Callable[[tuple[MonthOffered, ...]], None], failed: Callable[[DeskError], None]
    ) -> DeskTask:
        """Ask which months of ``dataset`` there are to choose from."""
        transport = self.transport
        return self.run(
            "Asking which months there are", lambda task: ask_months(transport, dataset, task.isCanceled), done, failed
        )

    def pull(
        self,
        dataset: str,
        title: str,
        done: Callable[[PullResult], None],
        failed: Callable[[DeskError], None],
        period: PullPeriod | None = None,
    ) -> DeskTask:
        """Make or renew the local copy of ``dataset``; layers that are open then show the new one.

        ``period``: the months to hold; without one those of the copy that is here, or all.
        Where another QGIS pulls it, this one waits. Where there is no right to the layer any more, the copy goes.
        """
        transport, key = self.transport, self._account_key()
        copies, session = needed(self.copies, "account"), needed(self.session, "session")
        uses = _uses(self._listed.get((key, dataset)))
        waiting = self.tr("Another QGIS on this computer is pulling this layer: waiting for it")

        def work(task: DeskTask) -> PullResult:
            self._send_events(session, task.isCanceled)
            try:
                result = pull_in_turn(transport, copies, dataset, task.report, task.isCanceled, period, waiting)
            except ServerTrouble as trouble:
                if trouble.code in _MAY_BE_ANOTHER_VERSION:
                    session.check_version(cancelled=task.isCanceled)
                raise
            copy = copies.note_uses(dataset, uses) if uses is not None else None
            return replace(result, copy=copy) if copy is not None else result

        def pulled(result: PullResult) -> None:
            self._shown.renewed((key, dataset), result.copy)
            self.copies_changed.emit(dataset)
            done(result)

        def refused(error: DeskError) -> None:
            if ends_the_right(error):
                self.give_up(dataset)
            failed(error)

        return self.run(f"Pulling {title}", work, pulled, refused)

    def give_up(self, dataset: str) -> bool:
        """Take the signed-in user's layer out of the project and delete the copy; whether there was any."""
        copies, key = self.copies, self._account_key()
        if copies is None:
            return False
        had = self.copy(dataset) is not None
        if self._shown.close(key, [dataset]) or had:
            self.shown_copies.remove(copies, dataset)
            self.copies_changed.emit(dataset)
            return True
        return False

    def give_up_account(self, server: str, username: str) -> list[str]:
        """Close the layers of an account and delete its copies: its right to all of them is over. Their datasets."""
        key = self.store.account_key(server, username)
        copies = self.store.account_of_key(key)
        given_up = copies.datasets()
        self._housekeeper.do(copies.drop_pass)
        self._shown.close(key, given_up)
        for dataset in given_up:
            self.shown_copies.remove(copies, dataset)
            self.copies_changed.emit(dataset)
        return given_up

    def ask_holdings(self, done: Callable[[list[Holding]], None], failed: Callable[[DeskError], None]) -> DeskTask:
        """Look what all accounts have on this computer."""
        return self.run("Looking at the local copies", lambda _task: self.store.holdings(), done, failed)

    def remove_copy(self, account: str, dataset: str) -> None:
        """Take the layer of a copy out of the project and delete the copy, whoever's it is on this computer."""
        copies = self.store.account_of_key(account)
        self._shown.close(account, [dataset])
        self.shown_copies.remove(copies, dataset)
        if account == self._account_key():
            self.copies_changed.emit(dataset)

    def after_housekeeping(self, act: Callable[[], None]) -> None:
        """Call ``act`` once the small work on files that was asked for so far is done."""
        self._housekeeper.do(lambda: None, lambda _result: act())

    def account_words(self, account: str) -> tuple[str, str] | None:
        """Server and user name of the account with this key, where the settings remember them."""
        for server in self.settings.servers:
            username = self.settings.username_at(server)
            if username and self.store.account_key(server, username) == account:
                return server, username
        return None

    def close_account(self, server: str, username: str) -> None:
        """The account was closed: what there is of it goes, which is told."""
        if self.give_up_account(server, username):
            self.told.emit(
                self.tr(
                    "The account {username} is inactive: its layers were closed and its local copies deleted."
                ).format(username=username)
            )

    def require_right(self, dataset: str, title: str = "") -> None:
        """Raise where what was made of ``dataset`` may neither be shown nor leave: its copy is locked, or gone.

        ``SessionEnded`` while nobody is signed in or works offline, ``LocalCopyTrouble`` where this account has no
        copy of it. What comes of layers that are none of ours is their owners' own business.
        """
        copies = [copy for (_account, name), copy in self._watch.known.items() if name == dataset]
        if not copies:
            return
        told = title or next((copy.manifest.title for copy in copies if copy is not None), dataset)
        if not (self.signed_in or self.offline):
            raise SessionEnded(
                self.tr(
                    "You are not signed in, so nothing made of {title} may be shown or saved. Sign in, then make it "
                    "again."
                ).format(title=told),
                "not-signed-in",
            )
        if self.copy(dataset) is None:
            raise LocalCopyTrouble(
                self.tr(
                    "You have no local copy of {title} any more, so nothing made of it may be shown or saved. Pull the "
                    "layer, then make it again."
                ).format(title=told),
                "no-copy",
            )

    def has_right(self, datasets: Iterable[str]) -> bool:
        """Whether ``require_right`` lets what was made of all of these be shown."""
        try:
            for dataset in datasets:
                self.require_right(dataset)
        except DeskError:
            return False
        return True

    def require_use(self, dataset: str, title: str, use: Use) -> None:
        """Raise ``AgreementRefused`` where the agreement on ``dataset`` does not grant ``use``, as last told.

        First it raises what ``require_right`` raises.
        """
        self.require_right(dataset, title)
        key = self._account_key()
        entry, copy = self._listed.get((key, dataset)), self.copy(dataset)
        if entry is not None and not entry["permitted"]:
            raise AgreementRefused(entry["reason"], str(entry.get("reason_code", "")))
        require_use(_uses(entry) or (copy.uses if copy is not None else None), use, title)

    def remove_lapsed(self, now: datetime) -> None:
        """Delete, off the GUI thread, the copies whose time is over and what former sessions left."""
        self._housekeeper.do(lambda: self.store.remove_lapsed(now))

    def open_layer(self, dataset: str) -> QgsVectorLayer:
        """Open the local copy in the project (or find it there); raises ``LocalCopyTrouble``."""
        copies = self.copies
        if copies is None:
            raise SessionEnded("You are not signed in. Sign in first, then open the layer.", "not-signed-in")
        copy = copies.valid_copy(dataset)
        layer = self._shown.open((self._account_key(), dataset), copy)
        self.record(EventKind.LAYER_OPENED, dataset, {"release": copy.manifest.release}, copy.manifest.rows)
        self.layer_opened.emit(layer)
        return layer

    def settle(self) -> None:
        """Wait until notes of use and other small work on files are on the disk: for programs, never for a window."""
        self._housekeeper.do(self._write_notes)  # what could not be written before
        self._housekeeper.settle()

    def close(self) -> None:
        """Stop everything that runs; the plugin calls this when it is unloaded."""
        for task in list(self._running):
            task.abandon()
        self._running.clear()
        self._shown.shut()
        self._housekeeper.do(self._write_notes)
        self._housekeeper.close()
        QgsApplication.taskManager().threadPool().setMaxThreadCount(self._former_threads)

    # ------------------------------------------------------------------ inside

    def _heed(self, session: DeskSession, error: DeskError) -> None:
        """Note what an answer says of the session itself."""
        if isinstance(error, SessionEnded) and session.state is not SessionState.ENDED:
            session.end()
        elif error.code in _NEW_CONDITIONS and session.state is SessionState.ACTIVE:
            session.state = SessionState.PENDING
        else:
            return
        self.session_changed.emit()

    def pending(self) -> DeskSession:
        """The session, whatever its state; raises ``SessionEnded`` where there is none."""
        if self.session is None:
            raise SessionEnded("You are not signed in. Sign in first, then try again.", "not-signed-in")
        return self.session

    def _leave(self, description: str, leave: Callable[[DeskSession], None], done: Callable[[], None]) -> DeskTask:
        session = self.pending()
        self.session = None
        self.session_changed.emit()

        def failed(error: DeskError) -> None:
            # The token is forgotten here in any case; an unreachable server lets the session run out by itself.
            if not isinstance(error, Cancelled):
                done()

        return self.run(description, lambda _task: leave(session), lambda _result: done(), failed)

    def _told_of(self, filters: dict[str, Any]) -> dict[str, Any]:
        """``filters`` with what the server cannot know of a session of which it has not heard."""
        if isinstance(self.session, OfflineSession):
            return {**filters, **self.session.circumstances()}
        return filters

    def _account_key(self) -> str:
        if self.session is not None:
            return self.store.account_key(self.session.transport.base_url, self.session.user.username)
        return self.store.account_key(self.settings.server, self.settings.username)

    def _write_notes(self) -> str:
        """Put the notes of use that are held on the disk; a sentence where that cannot be done now."""
        try:
            self.events.write_held()
        except LocalCopyTrouble as trouble:
            return trouble.sentence
        except OSError as error:
            return self.tr("A note of use could not be written to {folder}: {error}. It is tried again.").format(
                folder=self.store.events_path.parent, error=error.strerror or error
            )
        return ""

    def _send_events(self, session: DeskSession | None, cancelled: Callable[[], bool]) -> int:
        if session is None or isinstance(session, OfflineSession):
            return 0
        key = self.store.account_key(session.transport.base_url, session.user.username)
        return self.events.send(key, session.transport, cancelled)

    def _open_waiting(self) -> None:
        """Somebody may just have unlocked an account: what a project had of its copies stood closed so far."""
        self._shown.open_waiting(self._account_key())

    def _record_opened(self, copy: LocalCopy) -> None:
        told = {"release": copy.manifest.release, "project": True}
        self.record(EventKind.LAYER_OPENED, copy.manifest.dataset, told, copy.manifest.rows)

    def _copy_changed_elsewhere(self, account: str, dataset: str) -> None:
        if account == self._account_key():
            self.copies_changed.emit(dataset)


def _copy_of(copies: AccountStore, entry: dict[str, Any]) -> LocalCopy | None:
    with suppress(LocalCopyTrouble):  # a name that cannot be a folder's has no copy
        uses = _uses(entry)
        return copies.copy(entry["dataset"]) if uses is None else copies.note_uses(entry["dataset"], uses)
    return None


def _uses(entry: dict[str, Any] | None) -> tuple[str, ...] | None:
    """What the agreement grants by an entry of ``GET /v1/layers``; ``None`` where it does not say."""
    if entry is None or not isinstance(entry.get("uses"), list):
        return None
    return tuple(str(use) for use in entry["uses"])
