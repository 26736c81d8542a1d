"""Where the browser brings the one-time code of a sign-in: a port of this machine, open for that alone.

Nobody but programs on this machine can reach it. The organisation's answer itself goes to the server, which checks its
state and nonce. What arrives here is worth nothing without the handle of this very sign-in, which stays in the plugin:
a code that another program or page sends opens nobody's session.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal
from qgis.PyQt.QtNetwork import QHostAddress, QTcpServer, QTcpSocket

PATIENCE_MS = 10 * 60 * 1000
_LARGEST_REQUEST = 16 * 1024
_CODE = re.compile(r"[A-Za-z0-9-]{4,64}", re.ASCII)
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>SafeStats</title>'
    "<body style='font: 1.1em sans-serif; margin: 4em auto; max-width: 32em'><h1>{heading}</h1><p>{words}</p></body>"
)


class LoopbackListener(QObject):
    """Listens from ``listen`` on until one request brings a code or a refusal, ``close``, or ``PATIENCE_MS``.

    ``arrived(code)``, ``refused()``, or ``expired()``.
    """

    arrived = pyqtSignal(str)
    refused = pyqtSignal()
    expired = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QTcpServer(self)
        self._server.newConnection.connect(self._connected)
        self.patience = QTimer(self)
        self.patience.setSingleShot(True)
        self.patience.setInterval(PATIENCE_MS)
        self.patience.timeout.connect(self._expired)

    @property
    def listening(self) -> bool:
        """Whether a request would be answered."""
        return self._server.isListening()

    def listen(self) -> int | None:
        """Open a port that the system chooses, and tell it; ``None`` where this computer lets nobody listen."""
        self.close()
        self.patience.start()
        if not self._server.listen(QHostAddress(QHostAddress.SpecialAddress.LocalHost), 0):
            return None
        return self._server.serverPort()

    def close(self) -> None:
        """Answer nobody any more."""
        self.patience.stop()
        self._server.close()

    def _expired(self) -> None:
        self.close()
        self.expired.emit()

    def _connected(self) -> None:
        while self._server.hasPendingConnections():
            socket = self._server.nextPendingConnection()
            socket.readyRead.connect(lambda socket=socket: self._read(socket))
            socket.disconnected.connect(socket.deleteLater)
            self._read(socket)

    def _read(self, socket: QTcpSocket) -> None:
        head = bytes(socket.peek(_LARGEST_REQUEST))
        if b"\r\n\r\n" not in head:
            if len(head) >= _LARGEST_REQUEST:
                socket.abort()
            return  # the rest is on its way
        socket.readAll()
        query = self._query(head)
        if query.get("refused") == ["1"]:
            self.close()
            _answer(socket, "200 OK", "Not signed in", "SafeStats did not let you in: QGIS says what to do.")
            self.refused.emit()
            return
        code = _code(query)
        if not code:
            _answer(socket, "404 Not Found", "Nothing here", "This page belongs to a sign-in that runs in QGIS.")
            return
        self.close()  # one code, and no second one
        _answer(socket, "200 OK", "Back to QGIS", "You can close this page: the sign-in goes on in QGIS.")
        self.arrived.emit(code)

    def _query(self, head: bytes) -> dict[str, list[str]]:
        """What the request brings; empty where it is another request, such as the one for the page's icon."""
        line = head.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" ")
        if not self.listening or len(line) != len(("GET", "target", "version")) or line[0] != "GET":
            return {}
        try:
            address = urlsplit(line[1])
        except ValueError:
            return {}
        return parse_qs(address.query) if address.path == "/" else {}


def _code(query: dict[str, list[str]]) -> str:
    codes = query.get("code", [])
    return codes[0] if len(codes) == 1 and _CODE.fullmatch(codes[0]) else ""


def _answer(socket: QTcpSocket, status: str, heading: str, words: str) -> None:
    page = _PAGE.format(heading=heading, words=words).encode()
    socket.write(
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(page)}\r\n"
        "Cache-Control: no-store\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n".encode()
        + page
    )
    socket.disconnectFromHost()
