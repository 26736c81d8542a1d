"""A way through a proxy that asks for more than Basic: Qt signs in to it, then passes bytes on.

Qt knows Digest, NTLM and Negotiate (Kerberos), on Windows also with the account that is signed in to the computer. What
comes out is a plain socket, over which requests encrypts to the server as over any other.
"""

from __future__ import annotations

import atexit
import re
import socket
import threading
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from qgis.PyQt.QtCore import QCoreApplication, QEvent, QEventLoop, QMetaObject, Qt, QTimer
from qgis.PyQt.QtNetwork import QAbstractSocket, QNetworkProxy, QTcpSocket

ASK_TIMEOUT_S = 10
_HTTP_PORT = 80
_END_S = 20
# To be let in takes three: one without a name, a greeting and a proof. Kerberos may need one more.
_MOST_REQUESTS = 4
_AHEAD = 256 * 1024
_LONGEST_HEAD = 64 * 1024
_CHALLENGE = re.compile(rb"^proxy-authenticate:[ \t]*([\w-]+)([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_ALGORITHM = re.compile(rb"\balgorithm=\"?([\w-]+)", re.IGNORECASE)
BASIC = "basic"
_BY_QT = {"digest", "digest md5", "ntlm", "negotiate"}
_SocketError = QAbstractSocket.SocketError


class TunnelRefusedError(OSError):
    """The proxy gives no way; ``code`` is that of the trouble, ``schemes`` what it asks to sign in by."""

    def __init__(self, code: str, schemes: tuple[str, ...]) -> None:
        super().__init__(f"the proxy gives no way: {code}")
        self.code = code
        self.schemes = schemes


def schemes_asked_for(proxy: str, host: str, port: int) -> tuple[str, ...]:
    """By what the HTTP proxy at the URL wants somebody to sign in who wants to go to ``host``: “Digest SHA-256”.

    Its favourite first. It is asked without a user name. Empty where it wants nobody to, and where it does not answer.
    """
    parts, received = urlsplit(proxy), b""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    place = (parts.hostname or "", parts.port or _HTTP_PORT)
    with suppress(OSError, ValueError), socket.create_connection(place, ASK_TIMEOUT_S) as asking:
        asking.sendall(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode("ascii"))
        while b"\r\n\r\n" not in received and len(received) < _LONGEST_HEAD:
            block = asking.recv(4096)
            if not block:
                break
            received += block
    asked = []
    for scheme, details in _CHALLENGE.findall(received):
        algorithm = _ALGORITHM.search(details)
        asked.append(f"{scheme.decode()} {algorithm[1].decode()}" if algorithm else scheme.decode())
    return tuple(dict.fromkeys(asked))


def qt_knows(schemes: tuple[str, ...]) -> bool:
    """Whether one of ``schemes`` is better than Basic, which anybody on the line can read, and Qt can sign in by it."""
    return any(scheme.lower() in _BY_QT for scheme in schemes)


def open_tunnel(proxy: str, host: str, port: int, schemes: tuple[str, ...], timeout_s: float) -> socket.socket:
    """A socket that leads to ``host``, through the HTTP proxy at the URL with the user name and password in it.

    Raises ``TunnelRefusedError``. A thread passes the bytes on until either end is closed.
    """
    if not qt_knows(schemes):
        raise TunnelRefusedError("proxy-scheme", schemes)
    near, far = socket.socketpair()
    opened = _Tunnel(proxy, host, port, far, timeout_s)
    threading.Thread(target=opened.run, name="safestats-tunnel", daemon=True).start()
    opened.settled.wait()
    if opened.trouble:
        near.close()
        raise TunnelRefusedError(opened.trouble, schemes)
    return near


class _Tunnel:
    """Runs in a thread of its own, where all that it has of Qt is made and ends."""

    def __init__(self, proxy: str, host: str, port: int, far: socket.socket, timeout_s: float) -> None:
        self.settled = threading.Event()
        self.trouble = ""
        self._ending = threading.Event()
        self._proxy, self._host, self._port, self._far, self._timeout_s = proxy, host, port, far, timeout_s

    def run(self) -> None:
        loop = QEventLoop()  # first: without one, Qt has neither timers nor sockets in this thread
        application, thread = QCoreApplication.instance(), threading.current_thread()

        def stop() -> None:
            # Told twice: a loop that has not begun forgets that it was to quit, but finds what was put before it.
            self._ending.set()
            QMetaObject.invokeMethod(loop, "quit", Qt.ConnectionType.QueuedConnection)

        def end() -> None:
            stop()
            thread.join(_END_S)

        # Nothing of Qt may be at work in a thread when Python ends, with QGIS's window or without one.
        application.aboutToQuit.connect(stop)
        atexit.register(end)
        try:
            onward = self._connected(loop)
            self.settled.set()
            if onward is not None:
                self._pass_on(loop, onward)
        finally:
            if not self.settled.is_set():  # something unexpected was raised
                self.trouble = "proxy-no-way"
                self.settled.set()
            self._far.close()
            atexit.unregister(end)
            with suppress(TypeError, RuntimeError):
                application.aboutToQuit.disconnect(stop)
            # What Qt would delete once this thread is over goes now, while Python is sure to be there for it.
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    def _connected(self, loop: QEventLoop) -> QTcpSocket | None:
        onward, patience = QTcpSocket(), QTimer()
        parts = urlsplit(self._proxy)
        login = (unquote(parts.username or ""), unquote(parts.password or ""))
        kind = QNetworkProxy.ProxyType.HttpProxy
        onward.setProxy(QNetworkProxy(kind, parts.hostname or "", parts.port or _HTTP_PORT, *login))
        onward.setReadBufferSize(_AHEAD)
        onward.connected.connect(loop.quit)
        onward.errorOccurred.connect(lambda _error: loop.quit())
        patience.setSingleShot(True)
        patience.timeout.connect(loop.quit)
        patience.start(int(self._timeout_s * 1000))
        onward.connectToHost(self._host, self._port)
        asked = iter(range(_MOST_REQUESTS))

        def count(_bytes: int) -> None:
            # Refused by NTLM, Qt would go on without a user name, some hundred times a second.
            if next(asked, None) is None:
                self.trouble = "proxy-password"
                loop.quit()

        # Qt speaks to the proxy by a socket within the socket, and writes each request at once.
        for inner in onward.findChildren(QTcpSocket):
            inner.bytesWritten.connect(count)
        loop.exec()
        for inner in onward.findChildren(QTcpSocket):
            inner.bytesWritten.disconnect(count)
        patience.stop()
        if onward.state() == QAbstractSocket.SocketState.ConnectedState and not self.trouble:
            for signal in (onward.connected, onward.errorOccurred):
                signal.disconnect()
            return onward
        self.trouble = self.trouble or _TROUBLE.get(onward.error(), "proxy-no-way")
        onward.abort()
        return None

    def _pass_on(self, loop: QEventLoop, onward: QTcpSocket) -> None:
        local = QTcpSocket()
        local.setProxy(QNetworkProxy(QNetworkProxy.ProxyType.NoProxy))
        local.setReadBufferSize(_AHEAD)
        local.setSocketDescriptor(self._far.detach())
        for source, target in ((local, onward), (onward, local)):
            _connect(source, target, loop)
        if onward.state() == QAbstractSocket.SocketState.ConnectedState and not self._ending.is_set():
            loop.exec()
        for end in (local, onward):
            for signal in (end.readyRead, end.bytesWritten, end.disconnected):
                signal.disconnect()
            end.abort()


def _connect(source: QTcpSocket, target: QTcpSocket, loop: QEventLoop) -> None:
    """Pass on what ``source`` receives, no faster than ``target`` takes it; its end is that of both."""

    def pass_on() -> None:
        while source.bytesAvailable() and target.bytesToWrite() < _AHEAD:
            target.write(source.read(_AHEAD))

    def ended() -> None:
        rest = source.readAll()
        if rest:
            target.write(rest)
        if target.state() == QAbstractSocket.SocketState.UnconnectedState:
            loop.quit()
        else:
            target.disconnectFromHost()  # once all is written; its own end comes back here

    source.readyRead.connect(pass_on)
    target.bytesWritten.connect(lambda _bytes: pass_on())
    source.disconnected.connect(ended)
    pass_on()


_TROUBLE = {
    _SocketError.ProxyAuthenticationRequiredError: "proxy-password",
    _SocketError.ProxyConnectionRefusedError: "proxy-down",
    _SocketError.ProxyConnectionClosedError: "proxy-down",
    _SocketError.ProxyConnectionTimeoutError: "proxy-down",
    _SocketError.ProxyNotFoundError: "proxy-unknown",
    _SocketError.SocketTimeoutError: "proxy-down",
    _SocketError.SocketAccessError: "proxy-refuses",
}
