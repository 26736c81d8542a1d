"""Where the browser brings the one-time code of a sign-in: a port of this machine, open for that alone.

Nobody but programs on this machine can reach it. What arrives is worth nothing without the handle of the sign-in,
which stays in the plugin: a code that another program or page sends here opens nobody's session.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal
from qgis.PyQt.QtNetwork import QHostAddress, QTcpServer, QTcpSocket

from .errors import DeskError

PATIENCE_MS = 10 * 60 * 1000
_LARGEST_REQUEST = 16 * 1024
_CODE = re.compile(r"[A-Za-z0-9_.~-]{4,512}", re.ASCII)
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>SafeStats</title>'
    "<body style='font: 1.1em sans-serif; margin: 4em auto; max-width: 32em'><h1>{heading}</h1><p>{words}</p></body>"
)


class LoopbackListener(QObject):
    """Listens from ``listen`` on until one request brings a code, ``close``, or ``PATIENCE_MS``.

    ``arrived(code)``; ``refused(sentence)`` where the browser brings a reason instead; ``expired()``.
    """

    arrived = pyqtSignal(str)
    refused = pyqtSignal(str)
    expired = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QTcpServer(self)
        self._server.newConnection.connect(self._connected)
        self._state = ""
        self.patience = QTimer(self)
        self.patience.setSingleShot(True)
        self.patience.setInterval(PATIENCE_MS)
        self.patience.timeout.connect(self._expired)

    @property
    def listening(self) -> bool:
        """Whether a request would be answered."""
        return self._server.isListening()

    def listen(self) -> int:
        """Open a port that the system chooses, and tell it."""
        self.close()
        if not self._server.listen(QHostAddress(QHostAddress.SpecialAddress.LocalHost), 0):
            raise DeskError(
                f"This computer lets no program wait for the browser ({self._server.errorString()}). Type the code "
                "that the browser shows.",
                "no-port",
            )
        self.patience.start()
        return self._server.serverPort()

    def expect(self, state: str) -> None:
        """What the request must repeat as its ``state``; empty where the server sends none."""
        self._state = state

    def close(self) -> None:
        """Answer nobody any more."""
        self.patience.stop()
        self._server.close()
        self._state = ""

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
        code, reason = self._judged(head)
        if code or reason:
            self.close()  # one request, and no second one
        if code:
            _answer(socket, "200 OK", "Signed in", "You can close this page and go back to QGIS.")
            self.arrived.emit(code)
        elif reason:
            _answer(socket, "200 OK", "Not signed in", "Go back to QGIS: it says why.")
            self.refused.emit(reason)
        else:
            _answer(socket, "404 Not Found", "Nothing here", "This page belongs to a sign-in that runs in QGIS.")

    def _judged(self, head: bytes) -> tuple[str, str]:
        """The code, or the reason why there is none; both empty for a request that is not the browser's answer."""
        line = head.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" ")
        if not self.listening or len(line) != len(("GET", "target", "version")) or line[0] != "GET":
            return "", ""
        address = urlsplit(line[1])
        given = {name: values[0] for name, values in parse_qs(address.query).items() if len(values) == 1}
        if address.path != "/" or given.get("state", "") != self._state:
            return "", ""
        code = given.get("code", "")
        return (code, "") if _CODE.fullmatch(code) else ("", given.get("error", "")[:300])


def _answer(socket: QTcpSocket, status: str, heading: str, words: str) -> None:
    page = _PAGE.format(heading=heading, words=words).encode()
    socket.write(
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(page)}\r\n"
        "Cache-Control: no-store\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n".encode()
        + page
    )
    socket.disconnectFromHost()
