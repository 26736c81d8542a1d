"""The desk itself: what every dock, dialog and layout shares, passed to each of them as ``desk``.

A dock reads ``desk.signed_in``, listens to the signals, starts work with ``desk.run`` and notes what it did
with ``desk.record``. Nothing here waits for the network on the GUI thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from qgis.core import QgsApplication, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QObject, pyqtSignal

from . import layers
from .desk_session import DeskSession, SessionState
from .errors import Cancelled, DeskError, LocalCopyTrouble, SessionEnded
from .events import EventKind, EventQueue
from .local_store import AccountStore, LocalStore
from .pull import PullResult, pull_layer
from .settings import DeskSettings
from .tasks import DeskTask
from .transport import Network, Transport


class Desk(QObject):
    """The server connection, the session, the local copies, the queue of events and the settings.

    ``session_changed()``: signed in, accepted, declined, signed out or ended.
    ``layer_opened(QgsVectorLayer)``: a local copy was opened in the project, or an open one renewed.
    ``copies_changed(str)``: the local copy of that dataset is new, renewed or gone.
    """

    session_changed = pyqtSignal()
    layer_opened = pyqtSignal(QgsVectorLayer)
    copies_changed = pyqtSignal(str)

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
        self.events = EventQueue(store.events_path)
        self._running: set[DeskTask] = set()

    # ------------------------------------------------------------------ what the docks ask

    @property
    def signed_in(self) -> bool:
        """Whether there is a session whose conditions have been accepted."""
        return self.session is not None and self.session.state is SessionState.ACTIVE

    @property
    def transport(self) -> Transport:
        """The way to the server: ``desk.transport.get_json("/v1/…")``, in a task only.

        Raises ``SessionEnded`` where nobody is signed in.
        """
        if self.session is None or not self.signed_in:
            raise SessionEnded("You are not signed in. Sign in first, then try again.", "not-signed-in")
        return self.session.transport

    @property
    def copies(self) -> AccountStore | None:
        """The local copies of the signed-in user, or ``None``."""
        if self.session is None or not self.signed_in:
            return None
        return self.store.account(self.session.transport.base_url, self.session.user.username)

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

        def ended(error: DeskError) -> None:
            self._running.discard(task)
            if isinstance(error, SessionEnded) and self.session is not None:
                self.session.end()
                self.session_changed.emit()
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
        """Note for the audit what was done with a dataset: in a file at once, sent when there is a server.

        ``filters`` is plain JSON (for a search: postcode district or cell, radii, months; never personal data).
        """
        self.events.record(self._account_key(), kind, dataset, filters, rows)
        if self.signed_in:
            self.run("Sending notes of use", lambda _task: self._send_events())

    # ------------------------------------------------------------------ what the sign-in and layers docks do

    def sign_in(
        self,
        server: str,
        username: str,
        password: str,
        done: Callable[[DeskSession], None],
        failed: Callable[[DeskError], None],
    ) -> DeskTask:
        """Open a session, pending until its conditions are accepted; ``done`` gets it."""
        transport = Transport(server, self.network, self.plugin_version)

        def work(task: DeskTask) -> DeskSession:
            session = DeskSession(transport)
            session.sign_in(username, password)
            if task.isCanceled():
                session.sign_out()
                raise Cancelled
            return session

        def signed_in(session: DeskSession) -> None:
            self.session = session
            self.settings.server = transport.base_url
            self.settings.username = session.user.username
            self.session_changed.emit()
            done(session)

        return self.run("Signing in to SafeStats", work, signed_in, failed)

    def accept(
        self, purpose: str, done: Callable[[DeskSession], None], failed: Callable[[DeskError], None]
    ) -> DeskTask:
        """Accept the conditions shown, for ``purpose`` (a code); the session is active afterwards."""
        session = self._pending()

        def accepted(_result: None) -> None:
            self.session_changed.emit()
            done(session)

        return self.run("Accepting the conditions of use", lambda _task: session.accept(purpose), accepted, failed)

    def decline(self, done: Callable[[], None]) -> DeskTask:
        """Decline the conditions: the session ends here at once, and on the server as soon as it hears."""
        return self._leave("Declining the conditions of use", DeskSession.decline, done)

    def sign_out(self, done: Callable[[], None]) -> DeskTask:
        """End the session and close its layers; local copies stay, within their validity."""
        layers.close_layers(self.project)
        return self._leave("Signing out of SafeStats", DeskSession.sign_out, done)

    def list_layers(
        self, done: Callable[[list[dict[str, Any]]], None], failed: Callable[[DeskError], None]
    ) -> DeskTask:
        """Ask what may be pulled and what not; ``done`` gets the server's list (see ``GET /v1/layers``)."""
        transport = self.transport
        return self.run(
            "Asking what your agreements permit",
            lambda _task: transport.get_json("/v1/layers")["layers"],
            done,
            failed,
        )

    def pull(
        self, dataset: str, title: str, done: Callable[[PullResult], None], failed: Callable[[DeskError], None]
    ) -> DeskTask:
        """Make or renew the local copy of ``dataset``; layers that are open then show the new one."""
        transport, copies = self.transport, self.copies
        assert copies is not None

        def work(task: DeskTask) -> PullResult:
            self._send_events()
            return pull_layer(transport, copies, dataset, task.report, task.isCanceled)

        def pulled(result: PullResult) -> None:
            for layer in layers.renew(self.project, result.copy):
                self.layer_opened.emit(layer)
            with suppress(LocalCopyTrouble), copies.lock(dataset):
                copies.discard_superseded(dataset)
            self.copies_changed.emit(dataset)
            done(result)

        return self.run(f"Pulling {title}", work, pulled, failed)

    def open_layer(self, dataset: str) -> QgsVectorLayer:
        """Open the local copy in the project (or find it there); raises ``LocalCopyTrouble``."""
        copies = self.copies
        if copies is None:
            raise SessionEnded("You are not signed in. Sign in first, then open the layer.", "not-signed-in")
        copy = copies.valid_copy(dataset)
        layer = layers.open_copy(self.project, copy)
        self.record(EventKind.LAYER_OPENED, dataset, {"release": copy.manifest.release}, copy.manifest.rows)
        self.layer_opened.emit(layer)
        return layer

    def close(self) -> None:
        """Stop everything that runs; the plugin calls this when it is unloaded."""
        for task in list(self._running):
            task.abandon()
        self._running.clear()

    # ------------------------------------------------------------------ inside

    def _pending(self) -> DeskSession:
        if self.session is None:
            raise SessionEnded("You are not signed in. Sign in first, then try again.", "not-signed-in")
        return self.session

    def _leave(self, description: str, leave: Callable[[DeskSession], None], done: Callable[[], None]) -> DeskTask:
        session = self._pending()
        self.session = None
        self.session_changed.emit()

        def failed(error: DeskError) -> None:
            # The token is forgotten here in any case; an unreachable server lets the session run out by itself.
            if not isinstance(error, Cancelled):
                done()

        return self.run(description, lambda _task: leave(session), lambda _result: done(), failed)

    def _account_key(self) -> str:
        if self.session is not None:
            return self.store.account_key(self.session.transport.base_url, self.session.user.username)
        return self.store.account_key(self.settings.server, self.settings.username)

    def _send_events(self) -> int:
        session = self.session
        if session is None:
            return 0
        key = self.store.account_key(session.transport.base_url, session.user.username)
        return self.events.send(key, session.transport)
