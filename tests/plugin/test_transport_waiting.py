"""Whatever a request waits for, it can be cancelled within a second; what never comes is a time-out, not a hang."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from safestats.qgis_plugin.core import transport as transport_module
from safestats.qgis_plugin.core.errors import Cancelled, DeskError, ServerTrouble, ServerUnreachable
from safestats.qgis_plugin.core.network import DIRECT, ProxySearch
from safestats.qgis_plugin.core.transport import Transport

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Serve = Callable[[socket.socket], None]


class DirectNetwork:
    """No proxy, the system's authorities."""

    def proxy_search(self, _url: str) -> ProxySearch:
        return ProxySearch(lambda: (DIRECT,))

    def trusted_authorities(self) -> str:
        return ""


class Listener:
    """A server of bare sockets: ``serve`` gets each connection, ``closed`` is set when a client has gone."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.serve: Serve = lambda _connection: None
        self.closed = threading.Event()
        self.over = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        try:
            with connection:
                self.serve(connection)
        except OSError:
            pass

    def hold(self, connection: socket.socket) -> None:
        """Say nothing more until the client goes."""
        connection.settimeout(20)
        while connection.recv(4096):
            pass
        self.closed.set()

    def stop(self) -> None:
        self.over.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes the one who accepts
        self._accepting.join()
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.stop()


def read_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(4096)


def transport_to(port: int, scheme: str = "http") -> Transport:
    return Transport(f"{scheme}://127.0.0.1:{port}", DirectNetwork(), "0.1.0")


def cancelled_after(seconds: float, act: Callable[[Callable[[], bool]], object]) -> float:
    """How long ``act`` went on after it was cancelled."""
    stop = threading.Event()
    at: list[float] = []

    def fire() -> None:
        at.append(time.monotonic())
        stop.set()

    threading.Timer(seconds, fire).start()
    with pytest.raises(Cancelled):
        act(stop.is_set)
    return time.monotonic() - at[0]


def before_the_headers(listener: Listener) -> Serve:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        listener.hold(connection)

    return serve


def in_the_headers(listener: Listener) -> Serve:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(HEAD)
        listener.hold(connection)

    return serve


def in_the_body(listener: Listener) -> Serve:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(HEAD + b'Content-Length: 1000\r\n\r\n{"a":')
        listener.hold(connection)

    return serve


def in_a_body_without_end(listener: Listener) -> Serve:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1000)
        listener.hold(connection)

    return serve


@pytest.mark.parametrize("moment", [before_the_headers, in_the_headers, in_the_body, in_a_body_without_end])
@pytest.mark.parametrize("way", ["get", "post", "delete", "download"])
def test_cancelling_works_within_a_second(listener: Listener, moment: Callable[[Listener], Serve], way: str) -> None:
    if way == "delete" and "body" in moment.__name__:
        pytest.skip("nobody reads the body of a deletion")
    listener.serve = moment(listener)
    transport = transport_to(listener.port)

    def act(cancelled: Callable[[], bool]) -> None:
        if way == "get":
            transport.get_json("/x", cancelled=cancelled)
        elif way == "post":
            transport.post_json("/x", {}, cancelled=cancelled)
        elif way == "delete":
            transport.delete("/x", cancelled=cancelled)
        else:
            with transport.download("/x", 0, cancelled) as stream:
                for _block in stream.blocks:
                    pass

    assert cancelled_after(0.3, act) < 1


def test_cancelling_works_in_the_tls_handshake(listener: Listener) -> None:
    listener.serve = listener.hold  # it accepts the connection and never answers the hello
    transport = transport_to(listener.port, "https")
    assert cancelled_after(0.3, lambda stop: transport.get_json("/x", cancelled=stop)) < 1


def test_cancelling_works_while_connecting() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        # Its queue is full: another connection is neither taken nor refused.
        held = [socket.socket() for _ in range(4)]
        for client in held:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        transport = transport_to(port)
        assert cancelled_after(0.3, lambda stop: transport.get_json("/x", cancelled=stop)) < 1
        for client in held:
            client.close()


def test_cancelling_works_while_the_name_is_looked_up(listener: Listener, monkeypatch) -> None:
    released = threading.Event()
    look_up = socket.getaddrinfo

    def slow(*arguments, **options):
        released.wait(20)
        return look_up(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    transport = transport_to(listener.port)
    assert cancelled_after(0.3, lambda stop: transport.get_json("/x", cancelled=stop)) < 1
    released.set()


def test_what_is_cancelled_is_not_even_begun_twice(listener: Listener) -> None:
    with pytest.raises(Cancelled):
        transport_to(listener.port).get_json("/x", cancelled=lambda: True)


def test_an_abandoned_connection_is_closed_when_its_answer_comes(listener: Listener) -> None:
    answer = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        answer.wait(20)
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        listener.hold(connection)

    listener.serve = serve
    cancelled_after(0.2, lambda stop: transport_to(listener.port).get_json("/x", cancelled=stop))
    answer.set()
    assert listener.closed.wait(5)


# ---------------------------------------------------------------- time-outs


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(transport_module, "READ_TIMEOUT_S", 1)


def trickle(connection: socket.socket, drop: bytes, listener: Listener) -> None:
    while not listener.over.is_set():
        connection.sendall(drop)
        time.sleep(0.2)


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_server_that_trickles_is_a_time_out(listener: Listener, impatient: None, where: str) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(HEAD if where == "headers" else HEAD + b"Content-Length: 100000\r\n\r\n")
        trickle(connection, b"X-Drop: 1\r\n" if where == "headers" else b" ", listener)

    listener.serve = serve
    with pytest.raises(ServerUnreachable) as caught:
        transport_to(listener.port).get_json("/x")
    assert caught.value.code == "server-slow"


def test_a_download_that_stalls_is_a_time_out_and_keeps_what_came(listener: Listener, impatient: None) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 200_000)
        listener.hold(connection)

    listener.serve = serve
    got = 0
    with pytest.raises(ServerUnreachable) as caught, transport_to(listener.port).download("/x", 0) as stream:
        for block in stream.blocks:
            got += len(block)
    assert caught.value.code == "server-slow" and "go on from there" in caught.value.sentence
    assert got > 100_000


def test_a_slow_transfer_that_gets_on_is_no_time_out(listener: Listener, impatient: None) -> None:
    block = b"x" * 70_000

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (4 * len(block)))
        for _ in range(4):
            time.sleep(0.5)
            connection.sendall(block)

    listener.serve = serve
    with transport_to(listener.port).download("/x", 0) as stream:
        assert sum(map(len, stream.blocks)) == 4 * len(block)


def test_a_reader_that_takes_its_time_is_no_time_out(listener: Listener, impatient: None) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(HEAD + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)

    listener.serve = serve
    with transport_to(listener.port).download("/x", 0) as stream:
        got = len(next(stream.blocks))
        time.sleep(1.5)
        got += sum(map(len, stream.blocks))
    assert got == 3_000_000


# ---------------------------------------------------------------- answers that are none


def ask(listener: Listener, answer: bytes, reset: bool = False) -> DeskError:
    """What a person is told where the server sends ``answer`` and closes."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.sendall(answer)

    listener.serve = serve
    with pytest.raises(DeskError) as caught:
        transport_to(listener.port).get_json("/x")
    assert "127.0.0.1" in caught.value.sentence
    return caught.value


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "connection-cut"),
        (b"220 mail.example.org ESMTP\r\n", "not-http"),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "not-http"),
        (HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n", "not-http"),
        (HEAD + b"Content-Length: 5, 6\r\n\r\n{}", "not-http"),
        (HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n", "not-http"),
        (HEAD + b"Content-Length: 100\r\n\r\n{}", "connection-broken"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}", "connection-broken"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", "connection-broken"),
        (HEAD + b"Content-Length: 2\r\n\r\n[]", "not-safestats"),
        (HEAD + b"Content-Length: 3\r\n\r\n\xff\xfe{", "not-safestats"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "server-trouble"),
        (b"HTTP/1.1 502 Oh\r\nContent-Length: 0\r\n\r\n", "server-busy"),
        (b"HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n", "server-busy"),
        (b"HTTP/1.1 511 Sign in\r\nContent-Length: 0\r\n\r\n", "captive-portal"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://wifi.hotel/login\r\nContent-Length: 0\r\n\r\n", "captive-portal"),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://new.example/x\r\nContent-Length: 0\r\n\r\n", "redirected"),
    ],
)
def test_every_answer_that_is_none_has_its_own_words(listener: Listener, answer: bytes, code: str) -> None:
    assert ask(listener, answer).code == code


def test_a_reset_connection_is_told(listener: Listener) -> None:
    assert ask(listener, b"", reset=True).code == "connection-cut"


def test_a_half_closed_connection_still_answers(listener: Listener) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(HEAD + b'\r\n{"a": 1}')
        connection.shutdown(socket.SHUT_WR)
        listener.hold(connection)

    listener.serve = serve
    assert transport_to(listener.port).get_json("/x") == {"a": 1}


def test_another_range_than_the_one_asked_for_is_not_taken(listener: Listener) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nabcde"
        )

    listener.serve = serve
    with pytest.raises(ServerUnreachable), transport_to(listener.port).download("/x", 3):
        pass


def test_an_answer_without_end_is_no_safestats_server(listener: Listener, monkeypatch) -> None:
    monkeypatch.setattr(transport_module, "_LARGEST_DOCUMENT", 500_000)

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(HEAD + b"\r\n")
        while True:
            connection.sendall(b" " * 65_536)

    listener.serve = serve
    with pytest.raises(ServerTrouble) as caught:
        transport_to(listener.port).get_json("/x")
    assert caught.value.code == "not-safestats"


# ---------------------------------------------------------------- no server, no name, no way


def test_a_refused_connection_is_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ServerUnreachable) as caught:
        transport_to(port).get_json("/x")
    assert caught.value.code == "connection-refused"


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(ServerUnreachable) as caught:
        Transport("https://safestats.invalid", DirectNetwork(), "0.1.0").get_json("/x")
    assert caught.value.code in ("unknown-host", "no-network")  # without any name server it is the latter
    assert "safestats.invalid" in caught.value.sentence


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "unknown-host"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "no-network"),
        (OSError(101, "Network is unreachable"), "no-network"),
        (OSError(113, "No route to host"), "no-network"),
    ],
)
def test_no_network_is_told_from_an_unknown_name(monkeypatch, error: OSError, code: str) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ServerUnreachable) as caught:
        Transport("https://safestats.example.org", DirectNetwork(), "0.1.0").get_json("/x")
    assert caught.value.code == code


# ---------------------------------------------------------------- several at once


def test_several_tasks_share_one_transport(scripted_server) -> None:
    for number in range(8):
        scripted_server.json(f"/v1/{number}", {"number": number})
        scripted_server.bytes(f"/file/{number}", bytes([number]) * 300_000)
    transport = transport_to(scripted_server.port)
    busy = threading.Event()

    def change_the_token() -> None:
        while not busy.wait(0.0005):
            transport.use_token("abc")
            transport.use_token("")

    def work(number: int) -> bool:
        for _ in range(15):
            assert transport.get_json(f"/v1/{number}") == {"number": number}
            with transport.download(f"/file/{number}", 100_000) as stream:
                assert stream.start == 100_000
                assert b"".join(stream.blocks) == bytes([number]) * 200_000
        return True

    changing = threading.Thread(target=change_the_token)
    changing.start()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    busy.set()
    changing.join()


def test_cookies_are_not_kept(listener: Listener) -> None:
    received: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        received.append(connection.recv(4096))
        connection.sendall(HEAD + b"Set-Cookie: a=b\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")

    listener.serve = serve
    transport = transport_to(listener.port)
    for _ in range(2):
        transport.get_json("/x")
    assert len(received) == 2 and all(b"Cookie" not in request for request in received)
