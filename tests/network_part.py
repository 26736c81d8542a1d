"""One part of a network, as a process of its own: a line, an encrypting front, a proxy, a PAC file's server.

It prints its port, then a line for each thing that it was asked. The end of its standard input ends it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import secrets
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress

with suppress(ImportError):  # a proxy that asks for NTLM needs it
    import spnego
    from spnego.exceptions import SpnegoError

_BLOCK = 65536
_ALL_TOLD = "that is all"


_one_line = threading.Lock()


def say(words: object) -> None:
    """Print a line whole: several threads have something to say."""
    with _one_line:
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()


def read_head(connection: socket.socket) -> bytes:
    """The bytes up to the end of an HTTP request's head."""
    received = b""
    while b"\r\n\r\n" not in received:
        block = connection.recv(_BLOCK)
        if not block:
            raise OSError("gone")
        received += block
    return received


def relay(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until either side ends.

    In one thread: no two may use an encrypted connection at once, one reading and one writing.
    """
    across = {one: other, other: one}
    with suppress(OSError):
        while True:
            held = [side for side in across if isinstance(side, ssl.SSLSocket) and side.pending()]
            for source in held or select.select(list(across), [], [])[0]:
                block = source.recv(_BLOCK)
                if not block:
                    return
                across[source].sendall(block)


def encrypted(connection: socket.socket, certificate: str) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context.wrap_socket(connection, server_side=True)


class Digests:
    """Digest access authentication of RFC 7616, with quality of protection "auth", as a proxy asks for it."""

    _HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}

    def __init__(self) -> None:
        self._nonces: dict[str, int] = {}  # how often each was used
        self._alone = threading.Lock()

    def challenge(self, algorithms: list[str]) -> bytes:
        nonce = secrets.token_hex(16)
        with self._alone:
            self._nonces[nonce] = 0
        return "".join(
            f'Proxy-Authenticate: Digest realm="network", qop="auth", algorithm={algorithm}, nonce="{nonce}"\r\n'
            for algorithm in algorithms
        ).encode()

    def proves(self, head: str, login: str) -> bool:
        """Whether the request proves that it comes from somebody who knows the user name and the password."""
        lines = head.split("\r\n")
        told = next((line for line in lines if line.lower().startswith("proxy-authorization: digest ")), "")
        given = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', told)}
        hashed = self._HASHES.get(given.get("algorithm", "MD5"))
        user, password = login.split(":", 1)
        method, address = lines[0].split()[:2]
        with self._alone:
            count = int(given.get("nc", "0"), 16)
            fresh = self._nonces.get(given.get("nonce", ""), count) < count
            if fresh:
                self._nonces[given["nonce"]] = count
        if hashed is None or not fresh or given.get("username") != user or given.get("uri") != address:
            return False

        def of(*parts: str) -> str:
            return hashed(":".join(parts).encode()).hexdigest()

        once = (given["nonce"], given["nc"], given["cnonce"], given["qop"])
        return given["response"] == of(of(user, "network", password), *once, of(method, address))


class Ntlm:
    """One connection's sign-in by NTLM, proved by a library that has its own implementation of it."""

    _FIRST = b"NTLMSSP\0\1"

    def __init__(self, login: str) -> None:
        domain, _, user = login.rpartition("\\")
        # It reads who may sign in from a file of DOMAIN:USER:PASSWORD.
        with tempfile.NamedTemporaryFile("w", suffix=".users", delete=False) as users:
            users.write(f"{domain}:{user}\n")
        os.environ["NTLM_USER_FILE"] = users.name

    def answer(self, head: str) -> bytes:
        """The next challenge; empty once somebody has signed in."""
        told = re.search(r"^Proxy-Authorization: NTLM (\S+)", head, re.IGNORECASE | re.MULTILINE)
        if told is None:
            return b"Proxy-Authenticate: NTLM\r\n"
        token = base64.b64decode(told[1])
        if token.startswith(self._FIRST):
            self._context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        else:
            named = int.from_bytes(token[36:38], "little")  # the length of the user name
            say("a password by NTLM" if named else "nobody by NTLM")
        try:
            challenge = self._context.step(token)
        except SpnegoError:
            return b"Proxy-Authenticate: NTLM\r\n"
        return b"Proxy-Authenticate: NTLM " + base64.b64encode(challenge) + b"\r\n" if challenge else b""


class Part:
    """What the arguments say; ``serve`` gets each connection, in a thread of its own."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._digests = Digests()
        self.serve = {"front": self._front, "proxy": self._proxy, "pac": self._pac, "line": self._line}[arguments.part]

    def _line(self, connection: socket.socket) -> None:
        """Nothing but a way to the server."""
        with self._onward() as onward:
            relay(connection, onward)

    def _front(self, connection: socket.socket) -> None:
        """HTTPS outside, HTTP to the server."""
        with encrypted(connection, self._arguments.certificate) as outside, self._onward() as inside:
            relay(outside, inside)

    def _proxy(self, connection: socket.socket) -> None:
        """CONNECT to any name leads to one port; with a certificate, it looks into what passes."""
        head = self._let_in(connection)
        if not head:
            return
        with self._onward() as onward:
            connection.sendall(b"HTTP/1.1 200 Established\r\n\r\n")
            if not self._arguments.certificate:
                relay(connection, onward)
                return
            trusting = ssl.create_default_context(cafile=self._arguments.authorities)
            name = head.split()[1].rsplit(":", 1)[0]
            with (
                encrypted(connection, self._arguments.certificate) as inside,
                trusting.wrap_socket(onward, server_hostname=name) as outside,
            ):
                relay(inside, outside)

    def _let_in(self, connection: socket.socket) -> str:
        """The head of the request that is let in; empty where none is."""
        login, digest, ntlm = self._arguments.login, self._arguments.digest, self._arguments.ntlm
        handshake = Ntlm(login) if ntlm else None
        while True:
            head = read_head(connection).decode()
            say(head.splitlines()[0])
            self._note_password(head, login)
            if handshake is not None:
                refusal = handshake.answer(head)
            elif digest:
                refusal = b"" if self._digests.proves(head, login) else self._digests.challenge(digest.split(","))
            else:
                basic = f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}"
                refusal = b"" if not login or basic in head else b"Proxy-Authenticate: Basic realm=network\r\n"
            if not refusal:
                if digest or ntlm:
                    say(f"let in by {f'Digest {digest}' if digest else 'NTLM'}")
                return head
            if self._arguments.also_basic:
                refusal = b"Proxy-Authenticate: Basic realm=network\r\n" + refusal
            hangs_up = self._arguments.hang_up or not (digest or ntlm)
            keep = b"Proxy-Connection: close\r\n" if hangs_up else b"Proxy-Connection: keep-alive\r\n"
            connection.sendall(b"HTTP/1.1 407 Sign in\r\n" + refusal + keep + b"Content-Length: 0\r\n\r\n")
            if hangs_up:
                return ""

    @staticmethod
    def _note_password(head: str, login: str) -> None:
        """Say where a request shows a password to whoever reads the line: any by Basic, that of ``login`` anywhere."""
        found = re.search(r"^proxy-authorization: *(\S+) +(\S+)", head, re.IGNORECASE | re.MULTILINE)
        scheme, token = found.groups() if found else ("", "")
        shown = head.encode()
        if scheme.lower() in ("basic", "ntlm", "negotiate"):
            shown += base64.b64decode(token)
        password = login.partition(":")[2]
        forms = [password.encode(encoding) for encoding in ("utf-8", "utf-16-le")] if password else []
        if scheme.lower() == "basic" or any(form in shown for form in forms):
            say("a password in clear")

    def _pac(self, connection: socket.socket) -> None:
        """A file with the proxies in it; silent, it takes the question and never answers."""
        head = read_head(connection).decode()
        say(head.splitlines()[0])
        if self._arguments.silent:
            connection.recv(_BLOCK)
            return
        script = (
            "function FindProxyForURL(url, host) {\n"
            f'  if (shExpMatch(host, "*.test")) return "{self._arguments.proxies}";\n'
            '  return "DIRECT";\n}\n'
        )
        headers = "Content-Type: application/x-ns-proxy-autoconfig\r\nConnection: close\r\n"
        connection.sendall(f"HTTP/1.1 200 OK\r\n{headers}Content-Length: {len(script)}\r\n\r\n{script}".encode())

    def _onward(self) -> socket.socket:
        onward = socket.create_connection(("127.0.0.1", self._arguments.to), 10)
        onward.settimeout(None)  # a connection may be silent for as long as its ends like
        return onward


class RunningPart:
    """A process of this program, ended with its context; ``asked`` has the lines that it has printed."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, __file__, *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self._asked: list[str] = []
        self._told = threading.Event()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    @property
    def asked(self) -> list[str]:
        """All lines that it has printed up to now: it is asked, as some may still be on their way."""
        if not self._process.stdin.closed:
            self._told.clear()
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            assert self._told.wait(20), "this part of the network says no more"
        return list(self._asked)

    def __enter__(self) -> RunningPart:
        return self

    def __exit__(self, *_ended: object) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._listening.join()
        self._process.stdout.close()

    def _listen(self) -> None:
        for line in self._process.stdout:
            if line.strip() == _ALL_TOLD:
                self._told.set()
            else:
                self._asked.append(line.strip())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part")
    parser.add_argument("--to", type=int)
    parser.add_argument("--certificate", default="")
    parser.add_argument("--authorities", default="")
    parser.add_argument("--login", default="")
    parser.add_argument("--digest", default="", help="algorithms of RFC 7616 to sign in by, instead of Basic")
    parser.add_argument("--ntlm", action="store_true", help="sign in by NTLM, instead of Basic")
    parser.add_argument("--also-basic", action="store_true", help="offer Basic beside Digest or NTLM")
    parser.add_argument("--hang-up", action="store_true", help="close the connection with each refusal")
    parser.add_argument("--proxies", default="DIRECT")
    parser.add_argument("--silent", action="store_true")
    part = Part(parser.parse_args())
    listening = socket.create_server(("127.0.0.1", 0))
    say(listening.getsockname()[1])

    def one(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            part.serve(connection)

    def accept() -> None:
        while True:
            threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    for _question in sys.stdin:
        say(_ALL_TOLD)


if __name__ == "__main__":
    main()
