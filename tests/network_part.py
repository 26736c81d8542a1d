"""One part of a network, as a process of its own: a line, an encrypting front, a proxy, a PAC file's server.

It prints its port, then a line for each thing that it was asked. The end of its standard input ends it.
"""

from __future__ import annotations

import argparse
import base64
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import suppress

_BLOCK = 65536


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
    """Pass bytes both ways until either side ends."""

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(_BLOCK):
                target.sendall(block)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    there = threading.Thread(target=pass_on, args=(one, other), daemon=True)
    there.start()
    pass_on(other, one)
    there.join()


def encrypted(connection: socket.socket, certificate: str) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context.wrap_socket(connection, server_side=True)


class Part:
    """What the arguments say; ``serve`` gets each connection, in a thread of its own."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
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
        head = read_head(connection).decode()
        print(head.splitlines()[0], flush=True)
        login = self._arguments.login
        if login and f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}" not in head:
            challenge = "HTTP/1.1 407 Sign in\r\nProxy-Authenticate: Basic realm=network\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(challenge.encode())
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

    def _pac(self, connection: socket.socket) -> None:
        """A file with the proxies in it; silent, it takes the question and never answers."""
        head = read_head(connection).decode()
        print(head.splitlines()[0], flush=True)
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
        return socket.create_connection(("127.0.0.1", self._arguments.to), 10)


class RunningPart:
    """A process of this program, ended with its context; ``asked`` has the lines that it has printed."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, __file__, *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.asked: list[str] = []
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def __enter__(self) -> RunningPart:
        return self

    def __exit__(self, *_ended: object) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._listening.join()
        self._process.stdout.close()

    def _listen(self) -> None:
        for line in self._process.stdout:
            self.asked.append(line.strip())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part")
    parser.add_argument("--to", type=int)
    parser.add_argument("--certificate", default="")
    parser.add_argument("--authorities", default="")
    parser.add_argument("--login", default="")
    parser.add_argument("--proxies", default="DIRECT")
    parser.add_argument("--silent", action="store_true")
    part = Part(parser.parse_args())
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)

    def one(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            part.serve(connection)

    def accept() -> None:
        while True:
            threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
